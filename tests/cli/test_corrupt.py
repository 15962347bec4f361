"""`touchstone corrupt`: the copy, what is said of it, and what a user can get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from sim.corruption import KINDS, corrupt
from sim.motion import Motion


@pytest.fixture
def clip(tmp_path: Path, carrying_motion: Callable[..., Motion]) -> Path:
    carrying_motion(frames=20).save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_the_copy_is_the_librarys(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "noisy.npz"
    assert main(["corrupt", str(clip), "--kind", "drift", "--strength", "0.5", "--seed", "7", "-o", str(out)]) == 0
    made, expected = Motion.load(out), corrupt(Motion.load(clip), "drift", strength=0.5, seed=7)
    np.testing.assert_allclose(made.root_position_w, expected.root_position_w)
    assert made.source.endswith("corrupted: drift, strength 0.5, seed 7")
    said = capsys.readouterr().out
    assert "drift, strength 0.5, seed 7" in said
    assert "contacts 2 of 2" in said


def test_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["corrupt", "--help"])
    said = capsys.readouterr().out
    assert all(kind in said for kind in KINDS)


def test_errors_are_one_line_and_leave_nothing(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "noisy.npz"
    for options, words in ((["--kind", "drif"], "Did you mean 'drift'?"), (["--strength", "-1"], "strength -1")):
        assert main(["corrupt", str(clip), *options, "-o", str(out)]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert main(["corrupt", str(tmp_path / "none.npz"), "-o", str(out)]) == 2
    assert not out.exists()
