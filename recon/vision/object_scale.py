"""How large an object is: by how far apart its points lie, else by its outline (seed, section 3.1: object scale).

Both need a depth: that of an aligned depth map, or for the outline that of the body, as an object is as far away as
what touches it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from sim.errors import ReconstructionError


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
        spread: half the range between the 10th and 90th percentile of what was measured, as a share.
        num_frames: frames that told something.
    """

    scale: float
    spread: float
    num_frames: int


def scale_by_points(points: np.ndarray, points_c: np.ndarray) -> ScaleEstimate | None:
    """The object's size by the distances between its points: the median over frames and the longer half of the pairs.

    Args:
        points: [P, 3], on the mesh; points_c: [T, P, 3] m, where they are seen in camera axes, NaN where unknown.

    Returns None where no two different points are known in one frame.
    """
    one, other = np.triu_indices(len(points), 1)
    lengths = np.linalg.norm(points[one] - points[other], axis=-1)
    far = (lengths > 0.5 * lengths.max(initial=0.0)) & (lengths > 0)
    ratios = np.linalg.norm(points_c[:, one[far]] - points_c[:, other[far]], axis=-1) / lengths[far]
    known = np.isfinite(ratios)
    if not known.any():
        return None
    low, scale, high = np.percentile(ratios[known], [10, 50, 90])
    return ScaleEstimate(float(scale), float((high - low) / 2 / scale), int(known.any(1).sum()))


def scale_by_outline(
    masks: np.ndarray, depth_m: np.ndarray, intrinsics: np.ndarray, vertices: np.ndarray
) -> ScaleEstimate:
    """The object's size from the longest extent of its masks at a known depth.

    The longest extent of an outline is at most the object's (a box shows less than its diagonal: 7 % in one clip); it
    comes near it in frames where the object is seen from the side and whole. So the 90th percentile of the frames
    counts, and a mask that touches the border does not.

    Args:
        masks: [T, H, W] bool; depth_m: [T] m, of the object; intrinsics: [3, 3] px; vertices: [V, 3] of the mesh.

    Raises:
        ReconstructionError: no frame has a mask clear of the border and a depth.
    """
    sizes = np.array([_extent(mask, intrinsics) for mask in masks]) * depth_m
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not len(known):
        raise ReconstructionError(
            "object scale: in no frame is the object's mask whole and its depth known; give the scale yourself"
        )
    low, high = np.percentile(known, [10, 90])
    return ScaleEstimate(float(high / _diameter(vertices)), float((high - low) / 2 / high), len(known))


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
