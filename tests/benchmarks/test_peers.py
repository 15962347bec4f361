"""InterMimic's columns: by hand, against its own published columns, and over a run folder."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import COLUMNS, OURS, compare, markdown_of, measure, read_peers, successes
from sim import rotations
from sim.errors import RunError
from sim.formats.common import load_torch
from sim.motion import Motion

CLIP, OTHER = "sub8_largebox_000", "sub2_largetable_003"


def test_by_hand() -> None:
    still = np.zeros((5, 52, 3))
    moved = still.copy()
    moved[:, 0] = [0.1, 0.0, 0.0]  # the pelvis, which is none of the 21 bodies
    moved[:, 1] = [0.0, 0.21, 0.0]
    pose = np.zeros((5, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (5, 1))
    columns = measure(moved[:4], still, (pose[0][:4] + [0.0, 0.0, 0.05], pose[1][:4]), pose)
    relative = (np.hypot(100.0, 210.0) + 20 * 100.0) / 21
    np.testing.assert_allclose(columns, [10.0, relative, 50.0, 0.0, 0.0, 0.0, 0.0], atol=1e-9)


def test_smoothness_is_per_frame_and_per_second() -> None:
    cube = np.zeros((6, 52, 3))
    cube[:, :, 0] = 0.001 * np.arange(6)[:, None] ** 3  # third difference 6 mm
    columns = dict(zip(COLUMNS, measure(cube, cube, None, None), strict=True))
    assert columns["rollout_jitter_mm"] == pytest.approx(6.0)
    assert columns["rollout_jerk_m_s3"] == pytest.approx(0.006 * 30**3)
    assert np.isnan(columns["object_position_mm"])


@pytest.mark.parametrize(
    ("metres", "degrees", "completed", "expected"),
    [
        (0.09, 24.0, True, (100.0, 100.0)),
        (0.09, 28.0, True, (100.0, 0.0)),  # 0.5 rad are 28.6 degrees
        (0.11, 0.0, True, (0.0, 0.0)),
        (0.0, 0.0, False, (0.0, 0.0)),
    ],
)
def test_success_rules(metres: float, degrees: float, completed: bool, expected: tuple[float, float]) -> None:
    origin = np.zeros((4, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (4, 1))
    turn = rotations.from_rotvec(np.tile([0.0, 0.0, np.radians(degrees)], (4, 1)))
    assert successes((np.full((4, 3), metres / np.sqrt(3)), turn), origin, completed=completed) == expected


def test_published_columns_of_the_clips_come_out(data: Path) -> None:
    """Jerk and jitter of the clips themselves, within the rounding of the published table, for every one of the 40."""
    for name, row in read_peers(data / "peers" / "intermimic_teacher.csv").items():
        clip = np.asarray(load_torch(data / f"motions/omomo/{name}.pt").detach(), np.float64)
        joints = clip[1:, 162:318].reshape(-1, 52, 3)  # frame 0 of every file is empty
        ours = dict(zip(COLUMNS, measure(joints, joints, None, None), strict=True))
        assert ours["reference_jerk_m_s3"] == pytest.approx(row["reference_jerk_m_s3"], abs=0.0501)
        assert ours["reference_jitter_mm"] == pytest.approx(row["reference_jitter_mm"], abs=0.00501)
        assert ours["mpjpe_global_mm"] == 0.0


@pytest.fixture
def folder(tmp_path: Path, carrying_motion: Callable[..., Motion]) -> Path:
    """Two clips, two seeds: seed 0 shifts everything by 30 mm; seed 1 by 60 mm, and it loses the second clip."""
    run = tmp_path / "run"
    entries = [{"clip": f"motions/omomo/{name}.pt", "group": "g"} for name in (CLIP, OTHER)]
    source = carrying_motion(frames=20)
    for seed, shift in enumerate((0.03, 0.06)):
        for name in (CLIP, OTHER):
            clip = run / "TR" / "g" / f"seed{seed}" / "clips" / name
            clip.mkdir(parents=True)
            source.save(clip / "motion.npz")
            lost = seed == 1 and name == OTHER
            offset = np.array([shift, 0.0, 0.0]) * (2 if lost else 1)
            box = source.objects[0]
            moved = dataclasses.replace(box, position_w=box.position_w + offset)
            simulation = source.replace(root_position_w=source.root_position_w + offset, objects=(moved,))
            (simulation.slice(0, 10) if lost else simulation).save(clip / "simulation.npz")
            figures = {"completion": {"value": 0.5 if lost else 1.0}}
            (clip / "evaluation.json").write_text(json.dumps({"verdict": {}, "figures": figures}))
    (run / "manifest.json").write_text(json.dumps({"name": "m", "clips": entries}))
    peers = tmp_path / "peers"
    peers.mkdir()
    with open(peers / "intermimic_teacher.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["clip", "frames", *COLUMNS])
        table.writerow([CLIP, 20, *range(1, 8)])
        table.writerow([OTHER, 20, *range(11, 18)])
    return run


def test_means_over_lived_frames_and_over_completed_clips(folder: Path) -> None:
    result = compare(folder, folder.parent)
    ours, theirs, count = result.mean(completed_only=False)
    figures = dict(zip(OURS, ours, strict=True))
    for name in ("mpjpe_global_mm", "object_position_mm"):
        assert figures[name].per_seed == pytest.approx((30.0, 90.0))  # (30 + 30) / 2 and (60 + 120) / 2
        assert figures[name].spread == pytest.approx(60 / np.sqrt(2))
    assert figures["mpjpe_root_relative_mm"].mean == pytest.approx(0.0, abs=1e-6)
    assert figures["completion"].per_seed == (100.0, 75.0)
    assert figures["spider"].per_seed == (100.0, 50.0)  # the lost clip is 120 mm off, and lost
    assert count == 4
    np.testing.assert_allclose(theirs, np.arange(1, 8) + 5.0)
    ours, theirs, count = result.mean(completed_only=True)
    assert ours[0].per_seed == pytest.approx((30.0, 60.0))
    assert count == 3
    np.testing.assert_allclose(theirs, np.arange(1, 8) + 10 / 3)  # of the clips that ours completed, as often


def test_markdown_marks_what_was_not_carried_through(folder: Path) -> None:
    text = markdown_of(compare(folder, folder.parent))
    assert f"| {OTHER} \\* | 75.0 / 11.0 |" in text
    assert f"| {CLIP} | 45.0 / 1.0 |" in text
    assert "| carried through | 75.0 ± 35.4 |" in text
    for block in (b.splitlines() for b in text.split("\n\n") if b.startswith("|")):
        assert len({line.count("|") for line in block}) == 1


def test_a_clip_that_could_not_be_set_up_is_no_success_and_has_no_error(folder: Path) -> None:
    (folder / "TR" / "g" / "seed1" / "clips" / OTHER / "evaluation.json").unlink()
    (folder / "failures.json").write_text(json.dumps({f"TR/g/seed1/clips/{OTHER}": "no mesh"}))
    result = compare(folder, folder.parent)
    figures = dict(zip(OURS, result.mean(completed_only=False)[0], strict=True))
    assert figures["completion"].per_seed == (100.0, 50.0)
    assert figures["mpjpe_global_mm"].per_seed == pytest.approx((30.0, 60.0))


def test_json_has_every_clip(folder: Path) -> None:
    content = json.loads(json.dumps(compare(folder, folder.parent).to_json(), allow_nan=False))
    assert content["clips"][OTHER]["ours"]["1"]["completion"] == 50.0
    assert content["means"]["completed"]["clips_x_seeds"] == 3


def test_an_unknown_reward_is_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="it has TR"):
        compare(folder, folder.parent, "CR")
