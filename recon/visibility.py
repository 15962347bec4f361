"""What a camera sees of posed surfaces: points spread over a body, and which points nothing hides."""

from __future__ import annotations

import numpy as np
import trimesh
from scipy.ndimage import grey_opening

from recon.camera import Camera
from sim.body.skin import Skin
from sim.motion import Motion

_CELLS = 160
"""Cells of the depth map across the image: 4 pixels each at 640 x 480."""
_DEPTH_TOLERANCE = 0.015
"""m; how far behind the nearest sample of its cell a point may lie and still be seen."""


def visible_points(camera: Camera, points_c: np.ndarray, hiding_c: np.ndarray) -> np.ndarray:
    """Which points lie in the image and nothing lies before them: bool [T, N].

    A coarse depth map of the nearest samples stands in for a renderer: points that look at the camera at a grazing
    angle may count as hidden, and what lies less than 15 mm behind the nearest surface as visible.

    Args:
        points_c: [T, N, 3] m, hiding_c: [T, H, 3] m, dense samples of all surfaces, in camera axes.
    """
    size = camera.width / _CELLS
    rows = int(np.ceil(camera.height / size))

    def cells(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pixels = camera.project(points)
        with np.errstate(invalid="ignore"):  # NaN behind the camera: no comparison holds
            inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=-1)
        cell = np.floor(np.where(inside[..., None], pixels, 0.0) / size).astype(np.int64)
        frame = np.arange(len(points))[:, None] * rows * _CELLS
        return frame + cell[..., 1] * _CELLS + cell[..., 0], inside

    cell, inside = cells(hiding_c)
    nearest = np.full(len(points_c) * rows * _CELLS, np.inf)
    np.minimum.at(nearest, cell[inside], hiding_c[..., 2][inside])
    # samples leave single cells free, through which one would see what lies behind
    nearest = grey_opening(nearest.reshape(-1, rows, _CELLS), size=(1, 2, 2)).reshape(-1)
    cell, inside = cells(points_c)
    visible: np.ndarray = inside & (points_c[..., 2] <= nearest[cell] + _DEPTH_TOLERANCE)
    return visible


def surface_points(skin: Skin, motion: Motion, count: int, seed: int = 0) -> np.ndarray:
    """Points spread evenly over a posed body, the same spots of it in every frame: [T, count, 3] m."""
    rest = trimesh.Trimesh(skin.rest_vertices, skin.faces, process=False)
    points, triangle = trimesh.sample.sample_surface(rest, count, seed=seed)
    weights = trimesh.triangles.points_to_barycentric(rest.triangles[triangle], points)
    posed = skin.vertices(motion.joint_rotations_b, motion.root_position_w)
    moved: np.ndarray = np.einsum("tnca,nc->tna", posed[:, skin.faces[triangle]], weights, optimize=True)
    return moved
