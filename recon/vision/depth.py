"""Depth of the clip in metres, and the object's size (seed, section 3.1: scale alignment).

A depth network's maps have a scale of their own (and, where they are inverse depths, a shift): the fitted body, whose
depth is known in metres, sets both. Without a network there is still the body: an object is as far away as the
hands that touch it. Either depth, the mask and the focal length give the object's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import cv2
import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from sim.errors import FormatError, MissingDependencyError, ReconstructionError, UnknownNameError

DepthKind = Literal["metric", "inverse"]
FROM_CONTACTS = "depth of the body's contact points (no depth network)"


@dataclass(frozen=True, eq=False)
class DepthMaps:
    """values [T, h, w]: depth ("metric") or its inverse ("inverse"), up to scale and shift, at any resolution."""

    values: np.ndarray
    kind: DepthKind
    source: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(DepthKind):
            raise UnknownNameError("kind of depth", self.kind, get_args(DepthKind))
        if self.values.ndim != 3 or not self.values.size:
            raise FormatError(f"depth maps must be [T, H, W], got {list(self.values.shape)} ({self.source})")


class DepthEstimator(Protocol):
    """Depth maps of images."""

    source: str

    def __call__(self, images: Sequence[np.ndarray]) -> DepthMaps:
        """[T] images [H, W, 3] uint8 RGB to [T, H, W]."""
        ...


class DepthAnything:
    """Depth Anything V2 (or another depth network of transformers) from a local folder (Yang et al., 2024).

    Raises:
        MissingDependencyError: transformers is not installed.
        ReconstructionError: the folder holds no such model.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        try:
            from transformers import AutoImageProcessor, AutoModelForDepthEstimation
        except ImportError as error:
            raise MissingDependencyError("transformers", "the depth network") from error
        try:
            self._model: Any = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True)
            self._processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ReconstructionError(f"{folder} holds no depth network ({str(error).splitlines()[0]})") from error
        self._model = self._model.to(device).eval()
        self._device = device
        is_metric = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        self._kind: DepthKind = "metric" if is_metric else "inverse"
        self.source = f"depth anything {Path(folder).name}"

    def __call__(self, images: Sequence[np.ndarray]) -> DepthMaps:
        import torch

        maps = []
        with torch.inference_mode():
            for image in images:
                inputs = self._processor(images=image, return_tensors="pt").to(self._device)
                depth = self._model(**inputs).predicted_depth
                size = image.shape[:2]
                large = torch.nn.functional.interpolate(depth[:, None].float(), size, mode="bicubic")
                maps.append(large[0, 0].cpu().numpy())
        return DepthMaps(np.stack(maps), self._kind, self.source)


def read_depth(path: str | Path, kind: DepthKind = "metric") -> DepthMaps:
    """`depth.npy` [T, H, W] of a session folder. Raises FormatError where it is something else."""
    path = Path(path)
    try:
        values = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path}: not a NumPy array that can be read ({error})") from error
    return DepthMaps(values, kind, path.name)


@dataclass(frozen=True, eq=False)
class DepthAlignment:
    """value -> metres, per frame: scale [T], shift [T] of the depth or inverse depth (1/m).

    residual: [T] m, median error of the depth at the body's points; inliers: [T], share of them within 3 of it.
    """

    kind: DepthKind
    scale: np.ndarray
    shift: np.ndarray
    residual: np.ndarray
    inliers: np.ndarray

    def metres(self, values: np.ndarray, frame: int) -> np.ndarray:
        """[...] m of a frame's values; NaN where that is not before the camera."""
        aligned = self.scale[frame] * np.asarray(values, np.float64) + self.shift[frame]
        positive = np.where(aligned > 1e-6, aligned, np.nan)
        result: np.ndarray = positive if self.kind == "metric" else 1 / positive
        return result


def align_depth(
    maps: DepthMaps, pixels: np.ndarray, depth_m: np.ndarray, width: int, height: int, per_frame: bool = False
) -> DepthAlignment:
    """Scale and shift that take the maps to the body's depth, robustly (Huber weights).

    Args:
        maps: T frames.
        pixels: [T, P, 2] px of the video (`width` x `height`) where the body's surface is seen; NaN where it is not.
        depth_m: [T, P] m, the fitted body's depth there; NaN where unknown.
        per_frame: a scale and shift of each frame's own (for networks that normalise each image), else one of the clip.

    Raises:
        ReconstructionError: fewer than three points, or depth that does not grow with the map (says so).
    """
    frames, points = np.nonzero(np.isfinite(pixels).all(-1) & np.isfinite(depth_m) & (depth_m > 0))
    values = _sample(maps, frames, pixels[frames, points], width, height)
    good = np.isfinite(values)
    frames, values, metres = frames[good], values[good], depth_m[frames, points][good]
    total = len(maps.values)
    scale, shift = np.full(total, np.nan), np.full(total, np.nan)
    groups = [np.flatnonzero(frames == f) for f in range(total)] if per_frame else [np.arange(len(frames))]
    for frame, rows in enumerate(groups):
        if len(rows) < 3:
            if not per_frame:
                raise ReconstructionError("depth: fewer than three points of the body are seen on the depth maps")
            continue
        target = metres[rows] if maps.kind == "metric" else 1 / metres[rows]
        fitted = _robust_line(values[rows], target)
        if fitted[0] <= 0:
            where = f" in frame {frame}" if per_frame else ""
            raise ReconstructionError(
                f"depth: the maps do not agree with the body{where}; are they {maps.kind} depth? ({maps.source})"
            )
        scale[frame if per_frame else slice(None)], shift[frame if per_frame else slice(None)] = fitted
    known = np.flatnonzero(np.isfinite(scale))
    if not len(known):
        raise ReconstructionError("depth: fewer than three points of the body are seen on the depth maps")
    scale, shift = (np.interp(np.arange(total), known, a[known]) for a in (scale, shift))
    blank = DepthAlignment(maps.kind, scale, shift, np.full(total, np.nan), np.full(total, np.nan))
    for frame in np.unique(frames):
        rows = frames == frame
        error = np.abs(blank.metres(values[rows], int(frame)) - metres[rows])
        blank.residual[frame] = np.nanmedian(error)
        blank.inliers[frame] = np.mean(error <= 3 * np.nanmedian(error) + 1e-9)
    return blank


def depth_in_mask(maps: DepthMaps, alignment: DepthAlignment, masks: np.ndarray) -> np.ndarray:
    """[T] m: median aligned depth within the masks [T, H, W], NaN where a mask is empty."""
    result = np.full(len(masks), np.nan)
    for frame, mask in enumerate(masks):
        values = np.asarray(maps.values[frame])
        small = cv2.resize(mask.astype(np.float32), values.shape[::-1], interpolation=cv2.INTER_AREA)
        inside = values[np.asarray(small) > 0.5]
        if inside.size:
            result[frame] = np.nanmedian(alignment.metres(inside, frame))
    return result


def contact_depth(points_c: np.ndarray, active: np.ndarray) -> np.ndarray:
    """[T] m: median depth of the body points that touch the object: the default where no depth network is at hand.

    Args:
        points_c: [T, C, 3] m, contact points in camera axes; active: [T, C] bool. NaN where none is active.
    """
    depth = np.where(active, points_c[..., 2], np.nan)
    some = active.any(1)
    result = np.full(len(depth), np.nan)
    result[some] = np.nanmedian(depth[some], axis=1)
    return result


@dataclass(frozen=True)
class ScaleEstimate:
    """How much larger an object is than its mesh.

    Attributes:
        scale: factor on the mesh's lengths.
        spread: half the range between the 10th and 90th percentile of the frames' sizes, as a share.
        num_frames: frames that told something.
        source: whose depth it was.
    """

    scale: float
    spread: float
    num_frames: int
    source: str


def estimate_scale(
    masks: np.ndarray, depth_m: np.ndarray, intrinsics: np.ndarray, vertices: np.ndarray, source: str,
    percentile: float = 90.0,
) -> ScaleEstimate:  # fmt: skip
    """The object's size from the longest extent of its masks at a known depth.

    The longest extent of an outline is at most the object's; it comes near it in frames where the object is seen from
    the side and whole. So the `percentile` of the frames counts, and a mask that touches the image's border does not.

    Args:
        masks: [T, H, W] bool; depth_m: [T] m, of the object; intrinsics: [3, 3] px; vertices: [V, 3] of the mesh.
        source: what gave the depth, kept in the result.

    Raises:
        ReconstructionError: no frame has a mask clear of the border and a depth.
    """
    sizes = np.array([_extent(mask, intrinsics) for mask in masks]) * depth_m
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(known):
        raise ReconstructionError(
            "object scale: in no frame is the object's mask whole and its depth known; give object_scale yourself"
        )
    low, high = np.percentile(known, [10, 90])
    longest = float(np.percentile(known, percentile))
    return ScaleEstimate(longest / _diameter(vertices), float((high - low) / 2 / longest), len(known), source)


def _extent(mask: np.ndarray, intrinsics: np.ndarray) -> float:
    """Longest extent of a mask at a depth of 1 m, m; NaN where it is empty or cut off by the border."""
    rows, columns = np.nonzero(mask)
    edge = (mask[[0, -1]].any(), mask[:, [0, -1]].any())
    if not len(rows) or any(edge):
        return float("nan")
    hull = cv2.convexHull(np.column_stack((columns, rows)).astype(np.int32))[:, 0]
    # pixels are squares: the outline reaches half a pixel beyond their centres
    ends = np.column_stack((hull, np.ones(len(hull)))) @ np.linalg.inv(intrinsics).T
    if len(ends) < 2:
        return float("nan")
    return float(pdist(ends[:, :2]).max() + 1 / intrinsics[0, 0])


def _diameter(vertices: np.ndarray) -> float:
    try:
        hull = np.asarray(vertices)[ConvexHull(vertices).vertices]
    except QhullError:  # flat
        hull = np.asarray(vertices)
    return float(pdist(hull).max())


def _sample(maps: DepthMaps, frames: np.ndarray, pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """[N] values at pixels [N, 2] of the video, nearest; NaN outside."""
    _, rows, columns = maps.values.shape
    inside = (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1)
    x, y = (np.clip(pixels, 0, [width - 1e-6, height - 1e-6]) * [columns / width, rows / height]).astype(int).T
    return np.where(inside, np.asarray(maps.values[frames, y, x], np.float64), np.nan)


def _robust_line(x: np.ndarray, y: np.ndarray, iterations: int = 30) -> tuple[float, float]:
    """(slope, offset) of y over x by iteratively reweighted least squares, Huber at 1.345 robust deviations."""
    weight = np.ones(len(x))
    slope = offset = 0.0
    for _ in range(iterations):
        mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
        spread = np.average((x - mean_x) ** 2, weights=weight)
        if spread <= 1e-12 * max(1.0, mean_x**2):
            return (mean_y / mean_x if mean_x else 0.0), 0.0  # all at one depth: a scale alone
        slope = np.average((x - mean_x) * (y - mean_y), weights=weight) / spread
        offset = mean_y - slope * mean_x
        error = np.abs(y - slope * x - offset)
        deviation = 1.4826 * np.median(error) + 1e-12
        weight = np.minimum(1.0, 1.345 * deviation / np.maximum(error, 1e-12))
    return float(slope), float(offset)
