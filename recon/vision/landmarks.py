"""2D and 3D landmarks of the person and the hands over a clip: the detector's protocol, its default and an adapter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from recon.vision.local_model import load_local
from sim.arrays import frozen
from sim.errors import FormatError, ReconstructionError

BODY_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
"""MediaPipe Pose's 33 landmarks, in its order."""
HAND_NAMES = ("wrist",) + tuple(
    f"{finger}_{joint}"
    for finger, joints in (
        ("thumb", ("cmc", "mcp", "ip", "tip")),
        *((finger, ("mcp", "pip", "dip", "tip")) for finger in ("index", "middle", "ring", "pinky")),
    )
    for joint in joints
)
"""MediaPipe Hands' 21 landmarks, in its order."""
LEFT_HAND_NAMES = tuple(f"left_hand_{name}" for name in HAND_NAMES)
RIGHT_HAND_NAMES = tuple(f"right_hand_{name}" for name in HAND_NAMES)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of one person over a clip. Read-only copies.

    Attributes:
        names: L names: `BODY_NAMES`, then `LEFT_HAND_NAMES` and/or `RIGHT_HAND_NAMES` where hands were found.
        pixels: [T, L, 2] px of the original video (pixel centres at integers + 0.5), NaN where missing.
        points_m: [T, L, 3] m or None, in camera axes (x right, y down, z forward). Body landmarks are relative to the
            middle of the hips, each hand's to that hand's own centre. NaN where missing.
        confidence: [T, L] in 0..1, 0 where missing.
        source: which detector made them.

    Raises:
        FormatError: a shape does not fit the others.
    """

    names: tuple[str, ...]
    pixels: np.ndarray
    points_m: np.ndarray | None
    confidence: np.ndarray
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        for name, tail in (("pixels", (2,)), ("points_m", (3,)), ("confidence", ())):
            if getattr(self, name) is None and name == "points_m":
                continue
            array = frozen(getattr(self, name))
            expected = (len(self.pixels), len(self.names), *tail)
            if array.shape != expected:
                raise FormatError(f"landmarks: {name} has shape {array.shape}, expected {expected}")
            object.__setattr__(self, name, array)

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.pixels)

    def index(self, name: str) -> int:
        """Where `name` stands in `names`. Raises ValueError where it is absent."""
        return self.names.index(name)


@dataclass(frozen=True, eq=False)
class PersonFrame:
    """What a tracker found in one image.

    Attributes:
        pixels: [75, 2]; points_m: [75, 3]; confidence: [75]: body, left hand, right hand, as in `Landmarks`.
        mask: [M, M] uint8, 255 where the person is, of a square of the image.
        mask_to_image: [2, 3], from (u, v, 1) in that unit square to pixels.
    """

    pixels: np.ndarray
    points_m: np.ndarray
    confidence: np.ndarray
    mask: np.ndarray
    mask_to_image: np.ndarray


class LandmarkTracker(Protocol):
    """Follows one person through the images of a clip, in order."""

    source: str

    def step(self, image: np.ndarray) -> PersonFrame | None:
        """The person in the next image [H, W, 3] uint8 RGB, or None where nobody is found."""
        ...


@dataclass(frozen=True, eq=False)
class PersonDetection:
    """A person over a clip: `landmarks`, and the detector's own coarse mask of each frame (None where not found)."""

    landmarks: Landmarks
    masks: tuple[tuple[np.ndarray, np.ndarray] | None, ...]
    width: int
    height: int

    def mask(self, frame: int) -> np.ndarray | None:
        """[H, W] uint8, 255 where the person is, or None where nobody was found in that frame."""
        found = self.masks[frame]
        if found is None:
            return None
        mask, matrix = found
        size = len(mask)
        index = np.column_stack((matrix[:, :2] / size, matrix @ [0.5 / size, 0.5 / size, 1.0] - 0.5))
        image: np.ndarray = cv2.warpAffine(mask, index, (self.width, self.height), flags=cv2.INTER_LINEAR)
        return image


def detect_person(images: Iterable[np.ndarray], tracker: LandmarkTracker | None = None) -> PersonDetection:
    """Follow the person through a clip's images, each [H, W, 3] uint8 RGB.

    Args:
        images: in order.
        tracker: `recon.vision.blaze.BlazeTracker` unless told.

    Raises:
        ReconstructionError: no image, or nobody in any of them; AssetError: the default's weights were never fetched.
    """
    if tracker is None:
        from recon.vision.blaze import BlazeTracker

        tracker = BlazeTracker()
    frames: list[PersonFrame | None] = []
    shape: tuple[int, ...] = ()
    for image in images:
        shape = image.shape
        frames.append(tracker.step(image))
    found = [frame for frame in frames if frame is not None]
    if not found:
        raise ReconstructionError(
            f"no person found in any of {len(frames)} frames ({tracker.source}); "
            "the person must be in view and not much smaller than a tenth of the image"
        )
    names = BODY_NAMES + LEFT_HAND_NAMES + RIGHT_HAND_NAMES
    missing = PersonFrame(np.full((len(names), 2), np.nan), np.full((len(names), 3), np.nan), np.zeros(len(names)),
                          found[0].mask, found[0].mask_to_image)  # fmt: skip
    pixels, points, confidence = (
        np.stack([getattr(frame or missing, name) for frame in frames]) for name in ("pixels", "points_m", "confidence")
    )
    kept = (np.arange(len(names)) < len(BODY_NAMES)) | confidence.any(0)
    landmarks = Landmarks(
        tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        pixels[:, kept],
        points[:, kept],
        confidence[:, kept],
        tracker.source,
    )
    masks = tuple(None if frame is None else (frame.mask, frame.mask_to_image) for frame in frames)
    return PersonDetection(landmarks, masks, shape[1], shape[0])


_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_COCO_NAMES = ("nose", *(f"{side}_{part}" for part in _PAIRS for side in ("left", "right")))
_COCO_ROWS = [BODY_NAMES.index(name) for name in _COCO_NAMES]
"""COCO's 17 keypoints, in its order, as rows of `BODY_NAMES`."""


class VitPoseTracker:
    """ViTPose by transformers, from a local folder (Xu et al., 2022), for the 17 COCO keypoints of the body.

    It looks where another tracker sees the person and replaces that one's pixels and confidence; feet, hands, metres
    and the mask stay the other's.

    Raises:
        MissingDependencyError: transformers is not installed.
        ReconstructionError: the folder holds no such model.
    """

    def __init__(self, folder: str | Path, base: LandmarkTracker, device: str = "cpu", margin: float = 0.15) -> None:
        model = load_local(folder, "VitPoseForPoseEstimation", "AutoImageProcessor", "ViTPose", device)
        self._model, self._processor = model.network, model.processor
        self._base, self._device, self._margin = base, device, margin
        self.source = f"vitpose {model.name} over {base.source}"

    def step(self, image: np.ndarray) -> PersonFrame | None:
        """As `LandmarkTracker.step`."""
        import torch

        found = self._base.step(image)
        if found is None:
            return None
        body = found.pixels[: len(BODY_NAMES)]
        low, high = np.nanmin(body, 0), np.nanmax(body, 0)
        low, high = low - self._margin * (high - low), high + self._margin * (high - low)
        boxes = [[[*low.tolist(), *(high - low).tolist()]]]
        inputs = self._processor(images=image, boxes=boxes, return_tensors="pt").to(self._device)
        if getattr(self._model.config.backbone_config, "num_experts", 1) > 1:
            inputs["dataset_index"] = torch.zeros(1, dtype=torch.long, device=self._device)  # the first: COCO
        with torch.inference_mode():
            person = self._processor.post_process_pose_estimation(self._model(**inputs), boxes=boxes)[0][0]
        pixels, confidence = found.pixels.copy(), found.confidence.copy()
        pixels[_COCO_ROWS] = person["keypoints"].cpu().numpy() + 0.5
        confidence[_COCO_ROWS] = np.clip(person["scores"].cpu().numpy(), 0.0, 1.0)
        return dataclasses.replace(found, pixels=pixels, confidence=confidence)
