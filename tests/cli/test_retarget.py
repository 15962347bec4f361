"""`touchstone retarget`: the report on stdout, the motion that is written, and what a user can get wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from sim.motion import Motion

Make = Callable[..., Motion]


@pytest.fixture
def clip(tmp_path: Path, carrying_motion: Make) -> Path:
    carrying_motion(frames=20).save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def strict(text: str) -> dict[str, object]:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, object] = json.loads(text, parse_constant=refuse)
    return found


def test_the_report_is_json_and_the_reference_a_motion(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retarget", str(clip), "-o", str(tmp_path / "reference.npz")]) == 0
    report = strict(capsys.readouterr().out)
    assert report["object_masses_kg"] == {"box": pytest.approx(2.0)}
    assert {"hand_gap_mm", "foot_gap_mm", "penetration_max_mm", "joint_shift_max_mm"} <= set(report)
    reference, source = Motion.load(tmp_path / "reference.npz"), Motion.load(clip)
    assert (reference.num_frames, reference.fps) == (20, 30.0)
    np.testing.assert_array_equal(reference.root_position_w, source.root_position_w)


def test_without_output_only_the_report_comes(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--scene.object-mass", "3", "--config.contact-fit.passes", "0"]
    assert main(["retarget", str(clip), *options]) == 0
    report = strict(capsys.readouterr().out)
    assert report["object_masses_kg"] == {"box": pytest.approx(3.0)}
    assert report["hand_gap_mm"] == report["hand_gap_before_mm"]
    assert list(tmp_path.iterdir()) == [clip]


def test_a_clip_without_contact_is_json_too(
    tmp_path: Path, carrying_motion: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    carrying_motion(objects=(), contacts=carrying_motion().contacts.rows(np.zeros(2, bool))).save(tmp_path / "a.npz")
    assert main(["retarget", str(tmp_path / "a.npz")]) == 0
    assert strict(capsys.readouterr().out)["hand_gap_mm"] == {}


def test_errors_are_one_line_and_leave_nothing(
    clip: Path, tmp_path: Path, carrying_motion: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.npz")
    offsets = carrying_motion().offsets.copy()
    offsets[9] = 0.0
    carrying_motion().replace(offsets=offsets).save(tmp_path / "bones.npz")
    (tmp_path / "noise.npz").write_bytes(b"no motion")
    for name, words in (("none.npz", "no such file"), ("noise.npz", "not a Touchstone motion"), ("bones.npz", "bones")):
        assert main(["retarget", str(tmp_path / name), "-o", out]) == 2
        said = capsys.readouterr().err
        assert said.startswith("touchstone: ")
        assert said.count("\n") == 1
        assert words in said
    assert main(["retarget", str(clip), "--scene.object-mass", "-1", "-o", out]) == 2
    assert "mass -1" in capsys.readouterr().err
    assert not Path(out).exists()
