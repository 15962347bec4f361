"""2D and 3D landmarks of the person and the hands over a clip: the detector's protocol, its default and an adapter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.arrays import frozen
from sim.errors import FormatError

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
