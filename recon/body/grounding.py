"""Which way is up, where the floor is, and which feet stand on it.

A camera that stands still gives no gravity. Two things do: people keep their balance, and their standing feet lie in
one plane. `upright` makes a first guess from the first (with what is known of cameras: they are seldom rolled),
the solver of `recon.body.fit` refines plane and body together, and `onto_floor` turns and shifts the result so that the
floor is z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, binary_opening, uniform_filter1d

from recon.camera import Camera
from sim import rotations
from sim.skeleton import JOINT_INDEX

_ROLL_TRUST, _PITCH_TRUST = 0.36, 0.8
"""How far the body's balance is believed against a level, unrolled camera: (d body)^-2 over the sum with (d camera)^-2.
Balance tells up to 4 degrees (20 recorded clips of a second or three). Sideways 4 against 3 degrees. Towards the camera
6 against 12: detectors' depths lean (by 5 degrees, seen on a juggler), and phones and tripods are pitched."""
_MASSES = {
    "ear": 0.07, "shoulder": 0.27, "hip": 0.36, "elbow": 0.04, "wrist": 0.03, "knee": 0.16, "ankle": 0.07,
}  # fmt: skip
"""Shares of the body's mass by pairs of landmarks: segments' masses (de Leva 1996, table 4, mean of both sexes) divided
between their ends so that centres of mass stay where they are."""


@dataclass(frozen=True)
class ContactConfig:
    """When a foot counts as standing.

    Attributes:
        max_speed: m/s of the point of the sole.
        max_height: m over the floor.
        min_duration: s; shorter stands are noise, shorter gaps are closed.
    """

    max_speed: float = 0.35
    max_height: float = 0.07
    min_duration: float = 0.1


def upright(points_c: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Up in camera axes, unit [3], from landmarks [T, L, 3] in camera axes; NaN landmarks are left out.

    Whoever stands keeps the centre of mass over the feet, however bent: the median direction from the feet to it, over
    the frames in which it is farthest from them.
    """

    def middle(part: str) -> np.ndarray:
        rows = [points_c[:, names.index(f"{side}_{part}")] for side in ("left", "right")]
        return np.asarray(0.5 * (rows[0] + rows[1]))

    parts = [part for part in _MASSES if f"left_{part}" in names and f"right_{part}" in names]
    places = np.stack([middle(part) for part in parts])
    mass = np.array([_MASSES[part] for part in parts])[:, None] * np.isfinite(places).all(-1)
    feet = [middle(part) for part in ("heel", "foot_index") if f"left_{part}" in names and f"right_{part}" in names]
    below = np.mean(feet, axis=0) if len(feet) == 2 else middle("ankle")
    known = mass.sum(0) > 0.8
    mass = mass / np.maximum(mass.sum(0), 1e-9)
    along = ((mass[..., None] * np.nan_to_num(places)).sum(0) - below)[known]
    along = along[np.isfinite(along).all(-1)]
    if not len(along):
        return np.array([0.0, -1.0, 0.0])
    length = np.linalg.norm(along, axis=-1)
    stretched = length >= np.quantile(length, 0.5)
    up = rotations.normalize(np.median(along[stretched], axis=0))
    if up[1] > -0.5:  # lying down, or a camera on its side: nothing can be said from the body
        return np.array([0.0, -1.0, 0.0])
    found: np.ndarray = rotations.normalize(up * np.array([_ROLL_TRUST, 1.0, _PITCH_TRUST]))
    return found


def camera_rotation(up_c: np.ndarray) -> np.ndarray:
    """Camera to world [4] for up in camera axes [3]: z up, and the camera looks along +y."""
    z = rotations.normalize(np.asarray(up_c, np.float64))
    forward = np.array([0.0, 0.0, 1.0])
    y = rotations.normalize(forward - (forward @ z) * z)
    turned: np.ndarray = rotations.from_matrix(np.stack((np.cross(y, z), y, z)))
    return turned


def detect_contacts(soles_w: np.ndarray, fps: float, config: ContactConfig | None = None) -> np.ndarray:
    """Which points of the soles stand still near the floor z = 0: [T, 6, 3] m -> bool [T, 6]."""
    config = config or ContactConfig()
    window = max(1, round(fps / 15))
    smooth = uniform_filter1d(soles_w, 2 * window + 1, axis=0, mode="nearest")
    speed = np.linalg.norm(np.gradient(smooth, axis=0), axis=-1) * fps
    standing = (speed < config.max_speed) & (smooth[..., 2] < config.max_height)
    span = np.ones((max(2, round(config.min_duration * fps)), 1), bool)
    closed = binary_closing(np.pad(standing, ((len(span), len(span)), (0, 0)), mode="edge"), span)
    found: np.ndarray = binary_opening(closed, span)[len(span) : -len(span)]
    return found


def floor_height(soles_w: np.ndarray, fps: float) -> float:
    """Height on which slow soles rest, m: median of the slowest third of the lower foot's lowest point. [T, 6, 3]."""
    speed = np.linalg.norm(np.gradient(soles_w, axis=0), axis=-1) * fps
    lowest = soles_w[..., 2].argmin(1)
    rows = np.arange(len(soles_w))
    slow = speed[rows, lowest] <= np.quantile(speed[rows, lowest], 0.34)
    return float(np.median(soles_w[rows, lowest, 2][slow]))


@dataclass(frozen=True)
class Floor:
    """The plane z = slope . (x, y) + height: slope [2], height m."""

    slope: np.ndarray
    height: float

    def over(self, points_w: np.ndarray) -> np.ndarray:
        """Points with their height over the plane in place of z: [..., 3] m -> [..., 3] m."""
        height = points_w[..., 2] - points_w[..., :2] @ self.slope - self.height
        return np.concatenate((points_w[..., :2], height[..., None]), -1)


def onto_floor(
    floor: Floor, camera: Camera, joint_rotations_b: np.ndarray, root_position_w: np.ndarray
) -> tuple[Camera, np.ndarray, np.ndarray]:
    """Turn and shift the world so that the floor becomes z = 0 with the first pelvis over the origin.

    Returns:
        The camera, joint_rotations_b [T, 52, 4] (only the pelvis' row changes) and root_position_w [T, 3] there.
    """
    normal = rotations.normalize(np.array([-floor.slope[0], -floor.slope[1], 1.0]))
    turn = rotations.between(normal, np.array([0.0, 0.0, 1.0]))
    root = rotations.rotate(turn, root_position_w)
    shift = np.array([*root[0, :2], rotations.rotate(turn, np.array([0.0, 0.0, floor.height]))[2]])
    turned = joint_rotations_b.copy()
    turned[:, JOINT_INDEX["pelvis"]] = rotations.multiply(turn, joint_rotations_b[:, JOINT_INDEX["pelvis"]])
    moved = Camera(
        camera.intrinsics, camera.width, camera.height,
        rotations.normalize(rotations.multiply(turn, np.array(camera.rotation_w))),
        rotations.rotate(turn, np.array(camera.position_w)) - shift,
    )  # fmt: skip
    return moved, turned, root - shift
