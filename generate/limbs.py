"""Closed-form inverse kinematics of a limb: two bones, a hinge, and the side to which it bends."""

from __future__ import annotations

import numpy as np

from sim import rotations


def solve_limb(
    start_w: np.ndarray,
    end_w: np.ndarray,
    pole_w: np.ndarray,
    upper_b: np.ndarray,
    lower_b: np.ndarray,
    hinge_b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of the two bones that carry the limb's end to a point, exactly where it is within reach.

    Args:
        start_w, end_w: [T, 3] m, where the limb begins (hip, shoulder) and should end (ankle, wrist).
        pole_w: [T, 3], direction in which the middle joint points; only its part across the limb counts.
        upper_b, lower_b: [3] m, rest offsets of the middle joint and of the end.
        hinge_b: [3], the middle joint's flexion axis in the rest pose.

    Returns:
        World rotations [T, 4] wxyz of the upper and the lower bone. Out of reach the limb is stretched towards the end.
    """
    a, b = float(np.linalg.norm(upper_b)), float(np.linalg.norm(lower_b))
    line = end_w - start_w
    distance = np.clip(np.linalg.norm(line, axis=-1, keepdims=True), abs(a - b) + 1e-6, a + b - 1e-6)
    along = rotations.normalize(line)
    across = rotations.normalize(pole_w - (pole_w * along).sum(-1, keepdims=True) * along)
    cosine = (a**2 + distance**2 - b**2) / (2 * a * distance)
    upper = cosine * along + np.sqrt(1 - cosine**2) * across
    lower = rotations.normalize(distance * along - a * upper)
    hinge = np.cross(across, along)
    return _turn(upper_b, hinge_b, upper, hinge), _turn(lower_b, hinge_b, lower, hinge)


def _turn(bone_b: np.ndarray, hinge_b: np.ndarray, bone_w: np.ndarray, hinge_w: np.ndarray) -> np.ndarray:
    """The rotation that carries the bone onto its direction, and the hinge as near to its own as that allows."""
    q: np.ndarray = rotations.from_matrix(_frame(bone_w, hinge_w) @ np.swapaxes(_frame(bone_b, hinge_b), -1, -2))
    return q


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal columns: [..., 3] x2 -> [..., 3, 3]."""
    x = rotations.normalize(np.asarray(first, dtype=np.float64))
    y = rotations.normalize(second - (second * x).sum(-1, keepdims=True) * x)
    return np.stack((x, y, np.cross(x, y)), -1)
