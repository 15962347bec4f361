"""The camera's intrinsics: from what the file says, else a default; or the focal length that fits the body best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy.optimize import minimize_scalar

from recon.camera import default_intrinsics
from recon.vision.video import VideoInfo
from sim.arrays import frozen
from sim.errors import ReconstructionError

_FILM_DIAGONAL = float(np.hypot(36.0, 24.0))
"""mm; "35 mm equivalent" focal lengths are compared by the image's diagonal (CIPA DCG-001)."""
_EXIF_IFD, _FOCAL_35MM = 0x8769, 0xA405
_VIDEO_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focallengthin35mmfilm", "focal_length_35mm")


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """matrix [3, 3] px (principal point in the middle), and where the focal length comes from."""

    matrix: np.ndarray
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", frozen(self.matrix))


def clip_intrinsics(info: VideoInfo, photo: str | Path | None = None, focal: float | None = None) -> Intrinsics:
    """Intrinsics of a video: a focal length that is given (px), else the file's own, else `default_intrinsics`.

    Args:
        info: the video.
        photo: an image by the same camera whose EXIF may tell the focal length.
        focal: px, where it is known.

    Raises:
        ReconstructionError: `focal` is not positive, or `photo` is no image.
    """
    if focal is not None:
        if not (np.isfinite(focal) and focal > 0):
            raise ReconstructionError(f"focal length: {focal} px is not a positive number")
        return _with_focal(info, focal, "given")
    for key in _VIDEO_KEYS:
        equivalent = _number(info.metadata.get(key))
        if equivalent:
            return _with_focal(info, _pixels(equivalent, info), f"the video's metadata ({equivalent:g} mm equivalent)")
    if photo is not None:
        try:
            with Image.open(photo) as image:
                equivalent = _number(image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_35MM))
        except (OSError, UnidentifiedImageError) as error:
            raise ReconstructionError(f"{photo}: not an image that can be read ({error})") from error
        if equivalent:
            return _with_focal(info, _pixels(equivalent, info), f"EXIF of {Path(photo).name} ({equivalent:g} mm)")
    return Intrinsics(default_intrinsics(info.width, info.height), "default: sqrt(width^2 + height^2)")


@dataclass(frozen=True)
class FocalSearch:
    """focal px; residual there; whether the clip determines it (`is_clear`), else focal is the start."""

    focal: float
    residual: float
    is_clear: bool


def search_focal(
    residual: Callable[[float], float], start: float, factor: float = 2.0, gain: float = 0.05, samples: int = 7
) -> FocalSearch:
    """The focal length that a fit likes best, among start / factor .. start * factor px.

    Args:
        residual: focal length px -> the fit's residual (say, reprojection error of the body), smooth in it.
        start: px, kept where the clip does not tell.
        factor: how far to look.
        gain: share by which the best residual must undercut that of both ends to count as determined.
        samples: of the first scan, on a logarithmic scale; Brent's method refines the best.

    Raises:
        ReconstructionError: no residual is finite.
    """
    logs = np.linspace(-np.log(factor), np.log(factor), samples)
    values = np.array([residual(start * float(np.exp(log))) for log in logs])
    if not np.isfinite(values).any():
        raise ReconstructionError("focal length: the body cannot be fitted with any focal length")
    values = np.where(np.isfinite(values), values, np.inf)
    best = int(values.argmin())
    if not 0 < best < samples - 1 or values[best] > (1 - gain) * min(values[0], values[-1]):
        return FocalSearch(start, float(values[samples // 2]), False)
    found = minimize_scalar(
        lambda log: residual(start * float(np.exp(log))),
        bounds=(logs[best - 1], logs[best + 1]), method="bounded", options={"xatol": 0.01},
    )  # fmt: skip
    return FocalSearch(start * float(np.exp(found.x)), float(found.fun), True)


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
