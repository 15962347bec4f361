"""Masks from clicks against the known outline of a generated square: overlap, occlusion, loss, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recon.annotations import Click
from recon.vision.masks import GrabCutFlow
from recon.vision.video import decode_frames
from sim.errors import AnnotationError, ReconstructionError

PATH = np.stack((20 + 2.3 * np.arange(24), 30 + 8 * np.sin(np.arange(24) / 4)), -1)
MIDDLE = np.array([24.0, 24.0])


def _click(frame: int, positive: bool = True, pixel: np.ndarray | None = None) -> Click:
    x, y = PATH[frame] + MIDDLE if pixel is None else pixel
    return Click("object", frame, (float(x), float(y)), positive)


def _overlap(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """[T] intersection over union."""
    union = (found | truth).sum((1, 2))
    return np.where(union > 0, (found & truth).sum((1, 2)) / np.maximum(union, 1), 1.0)


def test_one_click_finds_the_square_in_every_frame(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)
    track = GrabCutFlow()(clip.images, [_click(8)])
    overlap = _overlap(track.masks, clip.masks)
    assert overlap.min() > 0.85
    assert overlap.mean() > 0.93
    assert track.lost == ()
    assert track.confidence[8] == 1.0
    assert (track.confidence > 0.4).all()
    again = GrabCutFlow()(clip.images, [_click(8)])
    np.testing.assert_array_equal(again.masks, track.masks)


def test_a_target_that_leaves_is_lost_and_said_so(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(np.vstack((PATH[:8], np.full((6, 2), 400.0))))
    track = GrabCutFlow()(clip.images, [_click(2)])
    assert set(track.lost) == set(range(8, 14))
    assert not track.masks[8:].any()
    assert _overlap(track.masks[:8], clip.masks[:8]).min() > 0.85


def test_a_negative_click_takes_a_neighbour_away(square_clip: Callable[..., Any]) -> None:
    """Two halves of nearly the same colour hang together; a click on the other half splits them."""
    rng = np.random.default_rng(3)
    image = np.full((100, 140, 3), (60.0, 80.0, 140.0))
    image[30:70, 30:65], image[30:70, 65:100] = (200, 120, 60), (208, 130, 60)
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    left = [_click(0, pixel=np.array([45, 50]))]
    both = GrabCutFlow()([image], left).masks[0]
    assert both[50, 90]
    split = GrabCutFlow()([image], [*left, _click(0, False, np.array([85, 50])), _click(0, False, np.array([72, 40]))])
    assert split.masks[0][40:60, 35:55].mean() > 0.9
    assert split.masks[0].sum() < both.sum()
    assert not split.masks[0][50, 85]


def test_a_detectors_mask_leads_and_needs_no_click(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)

    def prior(frame: int) -> np.ndarray | None:
        blurred: np.ndarray = cv2.GaussianBlur(clip.masks[frame].astype(np.float32) * 255, (0, 0), 4.0)
        return None if frame in (5, 6) else blurred.astype(np.uint8)

    track = GrabCutFlow()(clip.images, [], prior)
    assert _overlap(track.masks, clip.masks).min() > 0.85
    assert "detector" in track.source


@pytest.mark.parametrize(
    ("clicks", "message"),
    [
        ([], "at least one positive click"),
        ([_click(3, False)], "at least one positive click"),
        ([Click("object", 24, (3, 3))], "frame 24 of a clip of 24"),
        ([Click("object", 2, (160, 3))], r"\[160, 3\] is outside of 160 x 120"),
    ],
)
def test_clicks_that_say_nothing_are_refused(
    square_clip: Callable[..., Any], clicks: list[Click], message: str
) -> None:
    with pytest.raises(AnnotationError, match=message):
        GrabCutFlow()(square_clip(PATH).images, clicks)


def test_a_detector_that_sees_nothing_is_said(square_clip: Callable[..., Any]) -> None:
    with pytest.raises(ReconstructionError, match="click on the target"):
        GrabCutFlow()(square_clip(PATH).images, [], lambda frame: None)


def test_a_real_ball_stays_a_disc(data: Path) -> None:
    """It is thrown up and falls on a foot, 60 px a frame at most; its outline fills a circle, fingers apart."""
    images = list(decode_frames(data / "video" / "juggle.mp4", range(14)))
    track = GrabCutFlow()(images, [Click("object", 0, (650, 320))])
    assert track.lost == ()
    for mask in track.masks:
        (outline, *_), _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        _, radius = cv2.minEnclosingCircle(outline)
        assert 30 < radius < 50
        assert mask.sum() > 0.7 * np.pi * radius**2
