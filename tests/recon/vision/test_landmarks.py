"""Assembling landmarks over a clip, and the networks on real images: identity, left and right, metres, gaps."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recon.vision.assets import PACKAGES
from recon.vision.blaze import BlazeConfig, BlazeTracker
from recon.vision.landmarks import (
    BODY_NAMES,
    HAND_NAMES,
    LEFT_HAND_NAMES,
    RIGHT_HAND_NAMES,
    Landmarks,
    PersonFrame,
    VitPoseTracker,
    detect_person,
)
from recon.vision.video import decode_frames
from sim.errors import FormatError, MissingDependencyError, ReconstructionError
from sim.files import cache_dir

LEFT, RIGHT = BODY_NAMES.index("left_shoulder"), BODY_NAMES.index("right_shoulder")
MIRRORED = [BODY_NAMES.index(_other) for _other in (
    n.replace("left", "?").replace("right", "left").replace("?", "right") for n in BODY_NAMES)]  # fmt: skip


class Scripted:
    """A tracker that finds a point at the brightest pixel of each image, and nobody in a black one."""

    source = "scripted"

    def step(self, image: np.ndarray) -> PersonFrame | None:
        if not image.any():
            return None
        row, column = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        confidence = np.concatenate((np.ones(33), np.full(21, 0.8), np.zeros(21)))
        pixels = np.where(confidence[:, None] > 0, [column + 0.5, row + 0.5], np.nan)
        mask = np.full((4, 4), 255, np.uint8)  # a square of 8 px around the point
        return PersonFrame(pixels, np.zeros((75, 3)), confidence, mask,
                           np.array([[8.0, 0, column - 3.5], [0, 8.0, row - 3.5]]))  # fmt: skip


def _dots(*places: tuple[int, int] | None) -> list[np.ndarray]:
    images = [np.zeros((40, 60, 3), np.uint8) for _ in places]
    for image, place in zip(images, places, strict=True):
        if place is not None:
            image[place] = 255
    return images


def test_frames_without_the_person_are_nan_with_confidence_zero() -> None:
    found = detect_person(_dots((10, 20), None, (12, 25)), Scripted())
    landmarks = found.landmarks
    assert landmarks.names == BODY_NAMES + LEFT_HAND_NAMES, "a hand that was never found has no names"
    np.testing.assert_allclose(landmarks.pixels[[0, 2], 0], [[20.5, 10.5], [25.5, 12.5]])
    assert np.isnan(landmarks.pixels[1]).all()
    assert (landmarks.confidence[1] == 0).all()
    assert landmarks.points_m is not None
    assert np.isnan(landmarks.points_m[1]).all()
    assert landmarks.source == "scripted"
    assert found.mask(1) is None


def test_the_detectors_mask_lies_where_its_square_was() -> None:
    mask = detect_person(_dots((10, 20)), Scripted()).mask(0)
    assert mask is not None
    assert mask.shape == (40, 60)
    rows, columns = np.nonzero(mask > 127)
    assert (rows.min(), rows.max()) == (7, 13) or (rows.min(), rows.max()) == (6, 14)
    assert abs(rows.mean() - 10) < 0.6
    assert abs(columns.mean() - 20) < 0.6


def test_nobody_at_all_is_an_error() -> None:
    with pytest.raises(ReconstructionError, match=r"no person found in any of 2 frames \(scripted\)"):
        detect_person(_dots(None, None), Scripted())
    with pytest.raises(ReconstructionError, match="any of 0 frames"):
        detect_person([], Scripted())


def test_shapes_must_agree() -> None:
    with pytest.raises(FormatError, match=r"confidence has shape \(2, 2\), expected \(2, 1\)"):
        Landmarks(("nose",), np.zeros((2, 1, 2)), None, np.zeros((2, 2)), "tests")
    assert len(BODY_NAMES) == 33
    assert HAND_NAMES[8] == "index_tip"
    assert HAND_NAMES[4] == "thumb_tip"


@pytest.fixture(scope="module")
def juggler(data: Path) -> list[np.ndarray]:
    """6 frames of a person who faces the camera; skipped where the networks were not fetched."""
    missing = [name for p in PACKAGES for name in p.members if not (cache_dir("models") / name).is_file()]
    if missing:
        pytest.skip(f"detector weights not fetched ({missing[0]}): make assets")
    return list(decode_frames(data / "video" / "juggle.mp4", range(6)))


@pytest.fixture(scope="module")
def found(juggler: list[np.ndarray]) -> Any:
    return detect_person(juggler, BlazeTracker(BlazeConfig(weights="full", threads=1)))


def test_a_real_person_has_the_measures_of_one(found: Any) -> None:
    """Bounds that any adult keeps who stands and faces the camera; the image is 1280 x 720."""
    landmarks = found.landmarks
    pixels, points = landmarks.pixels[:, :33], landmarks.points_m[:, :33]
    assert (landmarks.confidence[:, [LEFT, RIGHT]] > 0.9).all()
    assert (pixels[:, LEFT, 0] > pixels[:, RIGHT, 0] + 60).all(), "the left shoulder is on the image's right"
    ankles = [BODY_NAMES.index("left_ankle"), BODY_NAMES.index("right_ankle")]
    assert (pixels[:, ankles, 1] > pixels[:, [LEFT, RIGHT], 1] + 250).all()
    width = np.linalg.norm(points[:, LEFT] - points[:, RIGHT], axis=-1)
    assert ((width > 0.25) & (width < 0.5)).all()
    hips = points[:, [BODY_NAMES.index("left_hip"), BODY_NAMES.index("right_hip")]].mean(1)
    assert np.abs(hips).max() < 0.02, "metres are measured from the middle of the hips"
    nose, ears = points[:, 0, 2], points[:, [7, 8], 2].mean(1)
    assert (nose < ears).all(), "z points away from the camera: the nose is nearer"


def test_hands_are_at_the_wrists_of_their_side(found: Any) -> None:
    landmarks = found.landmarks
    assert LEFT_HAND_NAMES[0] in landmarks.names, "the right one is behind the ball"
    for side, names in (("left", LEFT_HAND_NAMES), ("right", RIGHT_HAND_NAMES)):
        if names[0] not in landmarks.names:
            continue
        own = landmarks.pixels[:, landmarks.index(names[0])]
        wrist = landmarks.pixels[:, landmarks.index(f"{side}_wrist")]
        seen = np.isfinite(own).all(-1)
        assert seen.sum() >= 3
        assert np.linalg.norm(own - wrist, axis=-1)[seen].max() < 40


def test_the_mask_covers_the_body_and_little_else(found: Any) -> None:
    mask = found.mask(0)
    for name in ("left_shoulder", "right_hip", "left_knee", "nose"):
        x, y = found.landmarks.pixels[0, found.landmarks.index(name)].astype(int)
        assert mask[y, x] > 200
    assert 0.02 < (mask > 127).mean() < 0.25


def test_a_mirrored_image_swaps_left_and_right(juggler: list[np.ndarray], found: Any) -> None:
    image = np.ascontiguousarray(juggler[0][:, ::-1])
    mirrored = detect_person([image], BlazeTracker(BlazeConfig(weights="full", hands=False, threads=1))).landmarks
    expected = found.landmarks.pixels[0, MIRRORED] * [-1, 1] + [image.shape[1], 0]
    sure = found.landmarks.confidence[0, MIRRORED] > 0.8
    assert np.median(np.linalg.norm(mirrored.pixels[0, :33] - expected, axis=-1)[sure]) < 6


def test_a_person_who_was_gone_is_found_again(juggler: list[np.ndarray], found: Any) -> None:
    black = np.zeros_like(juggler[0])
    images = [juggler[0], black, juggler[2]]
    tracker = BlazeTracker(BlazeConfig(weights="full", hands=False, threads=1))
    again = detect_person(images, tracker).landmarks
    assert np.isnan(again.pixels[1]).all()
    sure = found.landmarks.confidence[2, :33] > 0.8
    assert np.median(np.linalg.norm(again.pixels[2] - found.landmarks.pixels[2, :33], axis=-1)[sure]) < 10
    with pytest.raises(ReconstructionError, match="no person found in any of 2 frames"):
        detect_person([black, black], tracker)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_vitpose_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        VitPoseTracker("nowhere", Scripted())


def test_vitpose_runs_from_a_local_folder(tmp_path: Path) -> None:
    """A tiny network with random weights: its keypoints mean nothing but lie in the person's box."""
    transformers = pytest.importorskip("transformers", reason="transformers is an optional extra")
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        out_indices=[1],
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
    transformers.VitPoseForPoseEstimation(config).save_pretrained(tmp_path)
    transformers.VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(tmp_path)

    class Wide(Scripted):
        def step(self, image: np.ndarray) -> PersonFrame | None:
            found = super().step(image)
            if found is not None:
                found.pixels[:33] += np.linspace(-9, 9, 33)[:, None]
            return found

    plain, refined = Wide().step(_dots((20, 30))[0]), VitPoseTracker(tmp_path, Wide()).step(_dots((20, 30))[0])
    assert plain is not None
    assert refined is not None
    heel = BODY_NAMES.index("left_heel")
    np.testing.assert_array_equal(refined.pixels[heel], plain.pixels[heel])
    assert (refined.pixels[LEFT] != plain.pixels[LEFT]).any()
    assert (np.abs(refined.pixels[:33] - [30.5, 20.5]) < 40).all(), (
        "the box is 18 px wide, the network sees somewhat more"
    )
    assert "vitpose" in VitPoseTracker(tmp_path, Wide()).source
