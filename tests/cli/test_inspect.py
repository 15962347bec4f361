"""`touchstone inspect`: the table, the JSON file, and what a user can get wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.skeleton import JOINT_INDEX, NUM_JOINTS


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A stick figure that hovers over a box."""
    offsets = np.zeros((NUM_JOINTS, 3))
    for name in ("left_knee", "left_ankle", "right_knee", "right_ankle"):
        offsets[JOINT_INDEX[name]] = [0.0, 0.0, -0.4]
    q = np.tile([1.0, 0.0, 0.0, 0.0], (20, NUM_JOINTS, 1))
    box = MotionObject("box", Primitive("box", (0.2, 0.2, 0.2)), np.tile([2.0, 0, 0.1], (20, 1)), q[:, 0])
    motion = Motion(30, np.tile([0.0, 0.0, 2.0], (20, 1)), q, offsets, objects=(box,))
    motion.save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_the_table_and_the_worst_level(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(clip)]) == 0
    out = capsys.readouterr().out
    assert "body over the floor" in out
    assert "20 frames at 30 fps" in out
    assert "fail:" in out
    assert "static object" not in out  # there is none, so there is no row


def test_json_and_a_limit_of_the_users(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = clip.parent / "audit.json"
    limits = ["--limit.float-mm", "5000", "6000", "--limit.levitation-s", "9", "9"]
    assert main(["inspect", str(clip), "--json", str(path), *limits]) == 0
    assert "ok:" in capsys.readouterr().out
    loaded = json.loads(path.read_text())
    assert loaded["level"] == "ok"
    assert next(row for row in loaded["findings"] if row["name"] == "float_mm")["fail"] == 6000


def test_what_is_no_motion_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clip.npz").write_bytes(b"not a motion")
    for name in ("clip.npz", "nowhere.npz"):
        assert main(["inspect", str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"touchstone: {tmp_path / name}: ")
        assert error.count("\n") == 1


def test_a_json_path_that_cannot_be_written_is_one_line(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(clip), "--json", str(clip / "audit.json")]) == 2
    assert "cannot write" in capsys.readouterr().err
