"""The benchmark of the verdict: its statistics by hand, a split by whole clips, what is cut out of a clip."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks import verdict_calibration as bench
from generate.authored import author_box_push
from rl.manifest import Entry
from sim.skeleton import JOINT_INDEX

ENTRIES = [Entry(Path(f"{group}_{k:02}.npz"), group) for group, n in (("push", 6), ("carry", 5)) for k in range(n)]


def test_auc_by_hand() -> None:
    """3 beats 2 and 1; 1 loses against 2 and ties with 1: (1 + 1 + 0 + 1/2) / 4."""
    assert bench.auc(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == 0.625
    ranks = np.random.default_rng(0).permutation(50)
    assert bench.auc(ranks[:20], ranks[20:]) == pytest.approx(1.0 - bench.auc(ranks[20:], ranks[:20]))


def test_detection_by_hand() -> None:
    """Of 0, 1, ..., 10 a tenth lies below 1; of the four copies two do."""
    assert bench.detection(np.arange(11.0), np.array([0.5, 1.0, 2.0, -1.0])) == 0.5


def test_noticed_from_the_least_strength_above_which_all_are_found() -> None:
    def cells(**shares: float) -> dict[str, object]:
        return {name.strip("s").replace("_", "."): {"detection": {"value": v}} for name, v in shares.items()}

    assert bench.noticed_from(cells(s0_5=0.2, s1=0.9, s2=1.0)) == 1.0
    assert bench.noticed_from(cells(s0_5=0.9, s1=0.7, s2=1.0)) == 2.0
    assert bench.noticed_from(cells(s1=0.9, s2=0.7)) is None


def scores(copies: int, clips: int = 12) -> dict[str, dict[tuple[str, float], float]]:
    rng = np.random.default_rng(1)
    found = {}
    for k in range(clips):
        real, copy = rng.normal([1.0, 0.0])
        found[f"{k}"] = {("real", 0.0): real} | {("drift", float(i)): copy for i in range(1, copies + 1)}
    return found


def test_the_bootstrap_draws_clips_not_copies() -> None:
    """Ten copies that say the same leave the interval as wide as one does."""
    one = bench.interval(scores(1), [("drift", 1.0)], bench.auc)
    ten = bench.interval(scores(10), [("drift", float(i)) for i in range(1, 11)], bench.auc)
    assert one == pytest.approx(ten)
    assert one[1] < one[0] < one[2] <= 1.0


def test_the_interval_narrows_with_clips_and_vanishes_without_doubt() -> None:
    few, many = (bench.interval(scores(1, n), [("drift", 1.0)], bench.auc) for n in (12, 300))
    assert many[2] - many[1] < 0.5 * (few[2] - few[1])
    sure = {f"{k}": {("real", 0.0): 1.0, ("drift", 1.0): 0.0} for k in range(5)}
    assert bench.interval(sure, [("drift", 1.0)], bench.auc) == (1.0, 1.0, 1.0)


def test_the_split_is_by_clip_and_halves_each_group() -> None:
    held_out = bench.split(ENTRIES)
    assert held_out == bench.split(ENTRIES[::-1])
    assert [sum(e.group == g and e.name in held_out for e in ENTRIES) for g in ("push", "carry")] == [3, 3]
    assert bench.split(ENTRIES, seed=1) != held_out


def test_turns_are_balanced_and_leave_nothing_out() -> None:
    held_out = bench.split(ENTRIES)
    turns = bench.in_turns(ENTRIES, held_out)
    assert {(e.group, e.name in held_out) for e in turns[:4]} == {(g, h) for g in ("push", "carry") for h in (0, 1)}
    assert sorted(e.name for e in turns) == sorted(e.name for e in ENTRIES)


def test_a_clip_is_cut_around_its_first_contact() -> None:
    motion = author_box_push()
    labels = np.zeros((motion.num_frames, len(motion.joint_names)), np.int8)
    labels[70:, JOINT_INDEX["left_wrist"]] = 1
    touched = dataclasses.replace(motion, contact_labels=labels)
    cut = bench.around_contact(touched, 40)
    assert cut.num_frames == 40
    np.testing.assert_allclose(cut.root_position_w, motion.root_position_w[55:95])
    late = bench.around_contact(touched, motion.num_frames - 5)  # does not run over the clip's end
    np.testing.assert_allclose(late.root_position_w, motion.root_position_w[5:])


def test_the_table_by_hand() -> None:
    """Two clips; drift is told from recorded at strength 1 and half of the time at 0.5."""
    values = {"a": {0.0: 3.0, 0.5: 2.0, 1.0: 0.0}, "b": {0.0: 1.0, 0.5: 2.0, 1.0: 0.0}}
    rows = [
        {"clip": clip, "kind": "drift" if strength else "real", "strength": strength, "figures": {"x": value}}
        for clip, of_clip in values.items()
        for strength, value in of_clip.items()
    ]
    found = bench.table(rows, lambda row: row["figures"]["x"])
    cells = found["kinds"]["drift"]["strengths"]
    assert (cells["0.5"]["auc"]["value"], cells["1"]["auc"]["value"]) == (0.5, 1.0)
    assert found["auc"]["all"]["value"] == 0.75
    assert found["kinds"]["drift"]["noticed_from"] == 1.0
    text = bench.markdown("title", found)
    assert "2 held-out clips, 4 copies" in text
    assert "| drift | 0.500 [" in text


def test_each_kind_gets_a_detector_of_its_own_for_what_is_handled() -> None:
    """Floating raises one figure, drift another; things have both, balls only drift, and the mix gets none."""
    rng = np.random.default_rng(0)

    def row(clip: int, kind: str, ball: float) -> bench.Row:
        figures = {name: rng.exponential(1.0) for name in ("float_mm", "contact_drift_mm")} | {bench.BALL: ball}
        figures["float_mm"] += 20.0 * (kind == "float")
        figures["contact_drift_mm"] += 20.0 * (kind == "drift")
        return {"clip": f"{clip}", "kind": kind, "strength": 1.0, "figures": figures}

    kinds = {0.0: ("real", "float", "drift", "video"), 1.0: ("real", "drift")}
    rows = [row(clip, kind, ball) for ball in kinds for clip in range(40) for kind in kinds[ball]]
    calibration = bench.kinematic_calibration(rows, {})
    assert [d.fault for d in calibration.detectors["thing"]] == ["drift", "float"]
    assert [d.fault for d in calibration.detectors["ball"]] == ["drift"]
    for row_ in rows:
        likeliest, _ = calibration.worst(row_["figures"])
        assert row_["kind"] in ("real", "video", likeliest)
    recorded = np.array([calibration.plausibility(r["figures"]) for r in rows if r["kind"] == "real"])
    assert (recorded >= calibration.threshold - 1e-3).mean() == pytest.approx(0.95, abs=0.02)
