"""Left and right, put back where a detector swapped them for some frames."""

from __future__ import annotations

import numpy as np
import pytest

from recon.vision.landmarks import Landmarks
from recon.vision.side_swaps import put_back, swapped_frames

NAMES = ("nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle", "left_hand_wrist")


def _walk(frames: int = 40) -> Landmarks:
    """Someone 200 px tall strolls to the right and waves."""
    clock = np.arange(frames)[:, None, None]
    rest = np.array([[50, 0], [80, 100], [20, 100], [65, 200], [35, 200], [80, 100]], float)
    pixels = rest + clock * np.array([1.5, 0.0]) + 4 * np.sin(clock / 3 + np.arange(6)[:, None])
    return Landmarks(NAMES, pixels, np.ones((frames, 6, 3)), np.ones((frames, 6)), "test")


def _swap(landmarks: Landmarks, frames: slice) -> Landmarks:
    pixels = landmarks.pixels.copy()
    pixels[frames, :5] = pixels[frames][:, [0, 2, 1, 4, 3]]
    return Landmarks(NAMES, pixels, landmarks.points_m, landmarks.confidence, "test")


@pytest.mark.parametrize("frames", [slice(10, 13), slice(0, 5), slice(35, 40)])
def test_swapped_frames_are_found_and_put_back(frames: slice) -> None:
    truth = _walk()
    found, swapped = put_back(_swap(truth, frames))
    expected = np.zeros(40, bool)
    expected[frames] = True
    assert np.array_equal(swapped, expected)
    assert np.allclose(found.pixels[:, :5], truth.pixels[:, :5])
    assert np.isnan(found.pixels[swapped, 5]).all()  # a left hand without a right one: unknown
    assert found.points_m is not None
    assert np.isnan(found.points_m[swapped]).all()


def test_someone_who_turns_round_is_left_alone() -> None:
    """Wrists and ankles cross over within half a second, and stay there."""
    truth = _walk()
    pixels = truth.pixels.copy()
    turn = np.cos(np.pi * np.clip((np.arange(40) - 12) / 15, 0, 1))[:, None]
    pixels[:, 1:, 0] = pixels[:, :1, 0] + turn * (pixels[:, 1:, 0] - pixels[:, :1, 0])
    assert not swapped_frames(Landmarks(NAMES, pixels, None, truth.confidence, "test")).any()


def test_frames_without_a_person_are_passed_over() -> None:
    truth = _walk()
    pixels = _swap(truth, slice(20, 24)).pixels.copy()
    pixels[18:21] = np.nan
    assert np.flatnonzero(swapped_frames(Landmarks(NAMES, pixels, None, truth.confidence, "test"))).tolist() == [
        21,
        22,
        23,
    ]
