"""The camera's intrinsics: given, or from what the video's file says, else a default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.camera import default_intrinsics
from recon.vision.video import VideoInfo
from sim.arrays import frozen
from sim.errors import ReconstructionError

_FILM_DIAGONAL = float(np.hypot(36.0, 24.0))
"""mm; "35 mm equivalent" focal lengths are compared by the image's diagonal (CIPA DCG-001)."""
_VIDEO_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focallengthin35mmfilm", "focal_length_35mm")


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """matrix [3, 3] px (principal point in the middle), and where the focal length comes from."""

    matrix: np.ndarray
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", frozen(self.matrix))


def clip_intrinsics(info: VideoInfo, focal: float | None = None) -> Intrinsics:
    """Intrinsics of a video: a focal length that is given (px), else the file's own, else `default_intrinsics`.

    Args:
        info: the video.
        focal: px, where it is known.

    Raises:
        ReconstructionError: `focal` is not positive.
    """
    if focal is not None:
        if not (np.isfinite(focal) and focal > 0):
            raise ReconstructionError(f"focal length: {focal} px is not a positive number")
        return _with_focal(info, focal, "given")
    for key in _VIDEO_KEYS:
        equivalent = _number(info.metadata.get(key))
        if equivalent:
            return _with_focal(info, _pixels(equivalent, info), f"the video's metadata ({equivalent:g} mm equivalent)")
    return Intrinsics(default_intrinsics(info.width, info.height), "default: sqrt(width^2 + height^2)")


def _with_focal(info: VideoInfo, focal: float, source: str) -> Intrinsics:
    matrix = default_intrinsics(info.width, info.height)
    matrix[[0, 1], [0, 1]] = focal
    return Intrinsics(matrix, source)


def _pixels(equivalent: float, info: VideoInfo) -> float:
    return equivalent / _FILM_DIAGONAL * float(np.hypot(info.width, info.height))


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None
