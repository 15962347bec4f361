"""Artefacts of motions for which they are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rl.artefacts import ARTEFACTS, VERSIONS, artefacts, is_version
from sim import subject
from sim.audit_checks import Person
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject

FRAMES, FPS = 30, 30.0
HUGE = Primitive("box", (20.0, 20.0, 20.0))


def standing(shift: np.ndarray | None = None, *objects: MotionObject) -> Motion:
    """A T-pose whose lowest keypoint lies on the floor, moved by [T, 3] m."""
    turn = np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, 52, 1))
    motion = Motion(FPS, np.zeros((FRAMES, 3)), turn, subject.default_offsets(), objects=objects)
    lowest = np.array([0.0, 0.0, Person(motion).keypoints_w[..., 2].min()])
    return motion.replace(root_position_w=(np.zeros((FRAMES, 3)) if shift is None else shift) - lowest)


def thing(position: np.ndarray, geometry: Primitive = HUGE, **changes: bool) -> MotionObject:
    turn = np.tile([1.0, 0.0, 0.0, 0.0], (FRAMES, 1))
    return MotionObject("thing", geometry, np.broadcast_to(position, (FRAMES, 3)).copy(), turn, **changes)


def test_somebody_who_stands_alone_has_none_and_what_is_not_there_is_not_measured() -> None:
    found = artefacts(standing())
    assert set(found) == set(ARTEFACTS)
    for name in ("floor_penetration", "float", "foot_skate", "jitter", "jerk"):
        assert found[name] == pytest.approx(0.0, abs=1e-9), name
    for name in ("penetration_share", "penetration_mean", "penetration_max", "object_jitter", "object_jerk"):
        assert np.isnan(found[name]), name


def test_float_and_floor_penetration_are_means_over_all_frames() -> None:
    """A third of the frames 30 mm up, a third 60 mm down: 10 and 20 mm."""
    shift = np.zeros((FRAMES, 3))
    shift[:10, 2], shift[10:20, 2] = 0.03, -0.06
    found = artefacts(standing(shift))
    assert found["float"] == pytest.approx(10.0)
    assert found["floor_penetration"] == pytest.approx(20.0)


def test_a_slide_is_skating_and_no_jitter() -> None:
    found = artefacts(standing(np.arange(FRAMES)[:, None] / FPS * [0.3, 0.4, 0.0]))
    assert found["foot_skate"] == pytest.approx(0.5)
    assert found["jitter"] == pytest.approx(0.0, abs=1e-9)
    assert found["jerk"] == pytest.approx(0.0, abs=1e-6)


def test_jitter_and_jerk_are_third_differences_of_body_and_object_apart() -> None:
    """x = 2 mm t^3 has the third difference 12 mm a frame^3, 12 mm 30^3 = 324 m/s^3; the object half of it."""
    cubic = 0.002 * np.arange(FRAMES)[:, None] ** 3 * [1.0, 0.0, 0.0]
    found = artefacts(standing(cubic, thing(0.5 * cubic + [0.0, 0.0, 50.0])))
    assert found["jitter"] == pytest.approx(12.0)
    assert found["jerk"] == pytest.approx(324.0)
    assert found["object_jitter"] == pytest.approx(6.0)
    assert found["object_jerk"] == pytest.approx(162.0)


def test_nothing_is_asked_of_what_is_fixed_but_to_be_kept_out_of() -> None:
    found = artefacts(standing(None, thing(np.array([0.0, 0.0, 50.0]), is_static=True)))
    assert np.isnan(found["object_jitter"])
    assert found["penetration_share"] == 0.0


def test_penetration_counts_keypoints_below_a_surface() -> None:
    """A floor of its own, 25 mm over the soles: depth is what keypoints lie under that height."""
    motion = standing()
    heights = Person(motion).keypoints_w[0, :, 2]
    inside = heights < 0.025
    assert 2 <= inside.sum() < 87
    found = artefacts(motion.replace(objects=(thing(np.array([0.0, 0.0, 0.025 - 10.0])),)))
    assert found["penetration_share"] == pytest.approx(100.0 * inside.sum() / 87)
    assert found["penetration_mean"] == pytest.approx(1000.0 * (0.025 - heights[inside]).mean(), abs=1e-3)
    assert found["penetration_max"] == pytest.approx(25.0, abs=1e-3)


def test_two_frames_are_measured_as_far_as_they_go() -> None:
    found = artefacts(standing().slice(0, 2))
    assert found["float"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(found["jitter"])
    assert np.isnan(found["jerk"])


def test_a_version_counts_where_all_are_there() -> None:
    every = dict.fromkeys([*(f"jitter{version}" for version in VERSIONS), "mpjpe", "jerk", "jerk_reference"])
    assert {name for name in every if is_version(name, every)} == {"jitter", "jitter_reference", "jitter_given"}
