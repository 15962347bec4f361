"""A clip at a glance: stick figures and the outlines of the object's pieces at a few moments, as one small SVG."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from sim import rotations
from sim.convex import MAX_HULLS, convex_pieces
from sim.geometry import Mesh
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import BODY_JOINTS

_HEIGHT = 84.0
"""Pixels, of the strip."""
_METRES = 2.1
"""m that fit into it; more where something is higher."""
_GAP = 0.15
"""m between two pictures."""


def filmstrip(motion: Motion, pictures: int = 5) -> str:
    """Pictures at even times, seen from the side across the way that the person and the object go; HTML."""
    frames = np.rint(np.linspace(0, motion.num_frames - 1, pictures)).astype(int)
    view = _view(motion)
    joints = motion.joint_positions_w[frames][:, BODY_JOINTS] @ view
    pieces = [_pieces(item) for item in motion.objects]
    hulls = [[outline for item, some in zip(motion.objects, pieces, strict=True)
              for outline in _outlines(item, some, frame, view)] for frame in frames]  # fmt: skip
    flat = [np.concatenate((joints[k], *hulls[k])) for k in range(pictures)]
    top = max(_METRES, max(float(points[:, 1].max()) for points in flat) + 0.05)
    scale, left, drawn = _HEIGHT / top, 0.0, []
    for k, points in enumerate(flat):
        shift = np.array([left - points[:, 0].min(), 0.0])
        drawn.append(_picture(motion, joints[k] + shift, [hull + shift for hull in hulls[k]], scale, top))
        left += float(np.ptp(points[:, 0])) + _GAP
    width = scale * (left - _GAP)
    floor = f'<line class="floor" x1="0" x2="{width:.0f}" y1="{_HEIGHT - 1:.0f}" y2="{_HEIGHT - 1:.0f}"/>'
    size = f'viewBox="0 0 {width:.0f} {_HEIGHT:.0f}" width="{width:.0f}" height="{_HEIGHT:.0f}"'
    return f"<svg {size}>{floor}{''.join(drawn)}</svg>"


def _view(motion: Motion) -> np.ndarray:
    """[3, 2] from the world to the picture, m: along the way that the person faces on average, and up."""
    heading = rotations.rotate(rotations.heading(motion.joint_rotations_w[:, 0]), np.array([1.0, 0.0, 0.0])).mean(0)
    across = np.array([heading[0], heading[1], 0.0]) if np.linalg.norm(heading[:2]) > 1e-6 else np.array([1.0, 0, 0])
    across = across / np.linalg.norm(across)
    side = np.cross(across, [0.0, 0.0, 1.0])
    turned = across + 0.35 * side  # a little from the front, so that arms and legs come apart
    return np.stack((turned / np.linalg.norm(turned), [0.0, 0.0, 1.0]), -1)


def _pieces(item: MotionObject) -> list[np.ndarray]:
    """Corners [V, 3] of the object's convex pieces, or of its hull where it is not made of such."""
    found = convex_pieces(item.geometry, MAX_HULLS) if isinstance(item.geometry, Mesh) else []
    return found or [Shape.of(item.geometry).hull_corners]


def _outlines(item: MotionObject, pieces: list[np.ndarray], frame: int, view: np.ndarray) -> list[np.ndarray]:
    """Convex outline of each piece in the picture, [H, 2] m."""
    found = []
    for corners in pieces:
        points = (item.position_w[frame] + rotations.rotate(item.rotation_w[frame], corners)) @ view
        try:
            found.append(points[ConvexHull(points).vertices])
        except QhullError:  # seen edge-on
            found.append(points)
    return found


def _picture(motion: Motion, joints: np.ndarray, hulls: list[np.ndarray], scale: float, top: float) -> str:
    def at(point: np.ndarray) -> tuple[float, float]:
        return scale * float(point[0]), scale * (top - float(point[1]))

    shapes = [f'<polygon points="{" ".join("{:.1f},{:.1f}".format(*at(point)) for point in hull)}"/>' for hull in hulls]
    row = {joint: i for i, joint in enumerate(BODY_JOINTS)}
    for joint in BODY_JOINTS[1:]:
        (x1, y1), (x2, y2) = at(joints[row[motion.parents[joint]]]), at(joints[row[joint]])
        shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    return "".join(shapes)
