"""The average person's bones: segment lengths from the cited tables, symmetry, and one scale for all."""

from __future__ import annotations

import numpy as np
import pytest

from sim.skeleton import JOINT_INDEX, NUM_JOINTS, forward_kinematics
from sim.subject import ANKLE_HEIGHT, default_offsets


def _rest(height: float) -> np.ndarray:
    identity = np.tile([1.0, 0.0, 0.0, 0.0], (NUM_JOINTS, 1))
    return forward_kinematics(identity, np.zeros(3), default_offsets(height))[0]


@pytest.mark.parametrize(
    ("start", "end", "share"),  # Winter 2009, figure 4.1
    [
        ("left_hip", "left_knee", 0.530 - 0.285),
        ("left_knee", "left_ankle", 0.285 - 0.039),
        ("right_shoulder", "right_elbow", 0.186),
        ("right_elbow", "right_wrist", 0.146),
        ("left_shoulder", "right_shoulder", 0.259),
    ],
)
def test_segments_are_winters_shares_of_stature(start: str, end: str, share: float) -> None:
    rest = _rest(1.80)
    assert np.linalg.norm(rest[JOINT_INDEX[end]] - rest[JOINT_INDEX[start]]) == pytest.approx(1.80 * share, abs=0.003)


def test_shoulders_stand_at_their_height_over_the_floor() -> None:
    rest = _rest(1.0)
    above_floor = rest[JOINT_INDEX["left_shoulder"], 2] - rest[JOINT_INDEX["left_ankle"], 2] + ANKLE_HEIGHT
    assert above_floor == pytest.approx(0.818, abs=0.02)


def test_left_mirrors_right() -> None:
    rest = _rest(1.75)
    for name, i in JOINT_INDEX.items():
        if name.startswith("left_"):
            np.testing.assert_allclose(rest[JOINT_INDEX["right_" + name[5:]]], rest[i] * [1, -1, 1], atol=1e-12)


def test_all_bones_scale_with_stature_and_none_is_short() -> None:
    np.testing.assert_allclose(default_offsets(2.0), 2.0 * default_offsets(1.0))
    assert np.linalg.norm(default_offsets()[1:], axis=-1).min() > 0.01


def test_the_middle_finger_ends_at_the_hands_length() -> None:
    rest = _rest(1.75)
    wrist, last = JOINT_INDEX["left_wrist"], JOINT_INDEX["left_middle3"]
    tip = (17.40 / 182.96) * 0.108 * 1.75  # distal phalanx over carpus + metacarpal + phalanges, Buryanov & Kotiuk
    assert rest[last, 1] - rest[wrist, 1] + tip == pytest.approx(0.108 * 1.75, abs=0.001)
    assert rest[JOINT_INDEX["left_thumb1"], 0] > 0, "thumbs point forward in the T-pose"
