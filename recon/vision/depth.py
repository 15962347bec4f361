"""Depth of a clip in metres: maps of a network or a file, aligned with the fitted body (seed, section 3.1).

A depth network's maps have a scale of their own (and, where they are inverse depths, a shift): the body, whose depth is
known in metres, sets both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from recon.camera import Camera
from recon.visibility import surface_points, visible_points
from recon.vision.local_model import load_local
from sim.body.skin import Skin, load_skin
from sim.errors import FormatError, ReconstructionError, UnknownNameError
from sim.motion import Motion

DepthKind = Literal["metric", "inverse"]
_SURFACE_POINTS = 6_000


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


class DepthAnything:
    """Depth Anything V2 (or another depth network of transformers) from a local folder (Yang et al., 2024).

    Raises:
        MissingDependencyError: transformers is not installed.
        ReconstructionError: the folder holds no such model.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        model = load_local(folder, "AutoModelForDepthEstimation", "AutoImageProcessor", "depth", device)
        self._model, self._processor, self._device = model.network, model.processor, device
        is_metric = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        self._kind: DepthKind = "metric" if is_metric else "inverse"
        self.source = f"depth network {model.name}"

    def __call__(self, images: Sequence[np.ndarray]) -> DepthMaps:
        import torch

        maps = []
        with torch.inference_mode():
            for image in images:
                inputs = self._processor(images=image, return_tensors="pt").to(self._device)
                maps.append(self._model(**inputs).predicted_depth[0].float().cpu().numpy())
        return DepthMaps(np.stack(maps), self._kind, self.source)


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

    def metres(self, values: np.ndarray, frame: int | np.ndarray) -> np.ndarray:
        """[...] m of values [...] of a frame, or of frames [...]; NaN where that is not before the camera."""
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


def align_to_body(
    maps: DepthMaps, body: Motion, camera: Camera, human: np.ndarray | None = None, skin: Skin | None = None
) -> DepthAlignment:
    """`align_depth` by the surface of a fitted body.

    Args:
        maps: T frames. Inverse maps get a scale and shift for each frame, metric ones one for the clip.
        body: T frames; camera: of the video.
        human: [T, H, W] bool, where the person is seen; all that the body itself does not hide where None.
        skin: Anny's coarse one where None.

    Raises:
        ReconstructionError: as `align_depth`.
    """
    surface = surface_points(skin or load_skin("anny", body, detail="coarse"), body, _SURFACE_POINTS)
    pixels, depth = np.full((*surface.shape[:2], 2), np.nan), np.full(surface.shape[:2], np.nan)
    for frame, points_w in enumerate(surface):
        view = camera.frames(slice(frame, frame + 1))
        points_c = view.to_camera(points_w[None])
        seen = visible_points(view, points_c, points_c)[0]
        at = view.project(points_c)[0]
        if human is not None:
            seen[seen] = human[frame][tuple(np.floor(at[seen]).astype(int).T[::-1])]
        pixels[frame, seen], depth[frame, seen] = at[seen], points_c[0, seen, 2]
    return align_depth(maps, pixels, depth, camera.width, camera.height, per_frame=maps.kind == "inverse")


def depth_at(
    maps: DepthMaps, alignment: DepthAlignment, pixels: np.ndarray, width: int, height: int,
    masks: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """[T, P] m at pixels [T, P, 2] of the video (`width` x `height`); NaN outside, or beside the masks [T, H, W]."""
    frames, points = np.nonzero(np.isfinite(pixels).all(-1))
    at = pixels[frames, points]
    values = _sample(maps, frames, at, width, height)
    if masks is not None:
        values[~(np.isfinite(values) & masks[(frames, *_cells(at, width, height))])] = np.nan
    depth = np.full(pixels.shape[:2], np.nan)
    depth[frames, points] = alignment.metres(values, frames)
    return depth


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


def _sample(maps: DepthMaps, frames: np.ndarray, pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """[N] values at pixels [N, 2] of the video, nearest; NaN outside."""
    _, rows, columns = maps.values.shape
    inside = (pixels >= 0).all(-1) & (pixels < [width, height]).all(-1)
    y, x = _cells(pixels * [columns / width, rows / height], columns, rows)
    return np.where(inside, np.asarray(maps.values[frames, y, x], np.float64), np.nan)


def _cells(pixels: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [N] and columns [N] of an array of that size for pixels [N, 2] (x, y), clipped to it."""
    x, y = np.clip(np.floor(pixels), 0, [width - 1, height - 1]).astype(int).T
    return y, x


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
