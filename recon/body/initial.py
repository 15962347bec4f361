"""A first pose from 3D landmarks, by the directions of bones: no search, all frames at once.

Rotations are found in canonical axes (`recon.body.pose_prior`), where thighs and shanks point down, arms to the
sides, from the trunk outwards. What a bone's direction leaves open, its twist, comes from the plane in which knee and
elbow bend, and from the foot; where they are straight, from the trunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recon.body.points import BodyTemplate
from recon.body.pose_prior import canonical_axes
from sim import rotations, skeleton
from sim.errors import ReconstructionError
from sim.skeleton import JOINT_INDEX, NUM_JOINTS

TRUNK_LANDMARKS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
LIMB_LANDMARKS = tuple(f"{s}_{p}" for p in ("elbow", "wrist", "knee", "ankle") for s in ("left", "right"))
_STRAIGHT = 0.15
"""Sine of the bend below which the trunk decides a limb's twist more than the bend does."""


def fill_gaps(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Linear interpolation along time where not valid, constant at the ends: [T, ..., C], bool [T, ...] -> same shape.

    A series that is never valid stays NaN.
    """
    filled = np.array(values, dtype=np.float64).reshape(len(values), -1, values.shape[-1])
    known = np.asarray(valid).reshape(len(values), -1)
    times = np.arange(len(values))
    for series in range(filled.shape[1]):
        good = known[:, series]
        if not good.any():
            filled[:, series] = np.nan
        elif not good.all():
            for c in range(filled.shape[2]):
                filled[~good, series, c] = np.interp(times[~good], times[good], filled[good, series, c])
    return filled.reshape(values.shape)


def initial_rotations(points_w: np.ndarray, names: Sequence[str], template: BodyTemplate) -> np.ndarray:
    """Local rotations [T, 52, 4] from landmarks [T, L, 3] m, in any translation, z up or roughly so.

    Raises ReconstructionError where shoulders, hips or a limb were never seen.
    """
    where = {name: points_w[:, i] for i, name in enumerate(names)}
    for name in (*TRUNK_LANDMARKS, *LIMB_LANDMARKS):
        if name not in where or np.isnan(where[name]).any():
            raise ReconstructionError(f"landmarks: no '{name}' in any frame; a body is fitted to a person seen whole")
    world = np.tile([1.0, 0.0, 0.0, 0.0], (len(points_w), NUM_JOINTS, 1))
    _trunk(world, where, template)
    for side in ("left", "right"):
        _arm(world, where, side)
        _leg(world, where, side, template)
    undone = rotations.inverse(canonical_axes(template.offsets))
    return skeleton.local_rotations(rotations.multiply(world, undone))


def _trunk(world: np.ndarray, where: dict[str, np.ndarray], template: BodyTemplate) -> None:
    """Pelvis by hips and spine, chest by shoulders and spine, what is between in equal parts, head by its face."""
    hips, shoulders = ((where[f"left_{n}"], where[f"right_{n}"]) for n in ("hip", "shoulder"))
    up = (shoulders[0] + shoulders[1] - hips[0] - hips[1]) / 2
    pelvis, chest = _frame("z", up, "y", hips[0] - hips[1]), _frame("z", up, "y", shoulders[0] - shoulders[1])
    world[:, 0] = pelvis
    for name, part in (("spine1", 0.33), ("spine2", 0.67), ("spine3", 1.0), ("neck", 1.0), ("head", 1.0)):
        world[:, JOINT_INDEX[name]] = rotations.slerp(pelvis, chest, np.full(len(up), part))
    for side in ("left", "right"):
        world[:, JOINT_INDEX[f"{side}_collar"]] = chest
    face = [n for n in ("nose", "left_ear", "right_ear", "left_eye", "right_eye") if n in where]
    if len(face) == 5 and not any(np.isnan(where[n]).any() for n in face):
        _, places = template.landmarks(face)
        world[:, JOINT_INDEX["head"]] = rotation_between(places, np.stack([where[n] for n in face], 1))


def _arm(world: np.ndarray, where: dict[str, np.ndarray], side: str) -> None:
    sign = 1.0 if side == "left" else -1.0
    upper = rotations.normalize(where[f"{side}_elbow"] - where[f"{side}_shoulder"])
    fore = rotations.normalize(where[f"{side}_wrist"] - where[f"{side}_elbow"])
    chest = world[:, JOINT_INDEX[f"{side}_collar"]]
    swing = rotations.between(rotations.rotate(chest, np.array([0.0, sign, 0.0])), upper)
    rest = rotations.rotate(rotations.multiply(swing, chest), np.array([0.0, 0.0, 1.0]))
    hinge = -sign * np.cross(upper, fore) + _STRAIGHT * rest
    world[:, JOINT_INDEX[f"{side}_shoulder"]] = _frame("y", sign * upper, "z", hinge)
    forearm = _frame("y", sign * fore, "z", hinge)
    for name, joint in JOINT_INDEX.items():
        if (name.startswith(f"{side}_") and name[-1] in "123") or name in (f"{side}_elbow", f"{side}_wrist"):
            world[:, joint] = forearm


def _leg(world: np.ndarray, where: dict[str, np.ndarray], side: str, template: BodyTemplate) -> None:
    thigh = rotations.normalize(where[f"{side}_knee"] - where[f"{side}_hip"])
    shank = rotations.normalize(where[f"{side}_ankle"] - where[f"{side}_knee"])
    hinge = np.cross(thigh, shank) + _STRAIGHT * rotations.rotate(world[:, 0], np.array([0.0, 1.0, 0.0]))
    points = [f"{side}_{n}" for n in ("ankle", "heel", "foot_index")]
    has_foot = all(n in where and not np.isnan(where[n]).any() for n in points)
    if has_foot:
        ahead = rotations.normalize(where[points[2]] - where[points[1]])
        hinge = hinge + 2 * _STRAIGHT * np.cross(-shank, ahead)
    world[:, JOINT_INDEX[f"{side}_hip"]] = _frame("z", -thigh, "y", hinge)
    lower = _frame("z", -shank, "y", hinge)
    foot = lower
    if has_foot:
        sole = _frame("y", np.cross(-shank, ahead) + _STRAIGHT * hinge, "x", ahead)
        foot = sole
    world[:, JOINT_INDEX[f"{side}_knee"]] = lower
    for name in ("ankle", "foot"):
        world[:, JOINT_INDEX[f"{side}_{name}"]] = foot


def _frame(first: str, along: np.ndarray, second: str, towards: np.ndarray) -> np.ndarray:
    """Rotations [T, 4] whose axis `first` is `along` [T, 3] and whose axis `second` is as near `towards` as can be."""
    i, j = "xyz".index(first), "xyz".index(second)
    axes = np.zeros((*along.shape, 3))
    axes[..., i] = rotations.normalize(along)
    beside = towards - (towards * axes[..., i]).sum(-1, keepdims=True) * axes[..., i]
    axes[..., j] = rotations.normalize(beside)
    k = 3 - i - j
    axes[..., k] = np.cross(axes[..., (k + 1) % 3], axes[..., (k + 2) % 3])
    turned: np.ndarray = rotations.from_matrix(axes)
    return turned


def rotation_between(places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The turns that carry places [n, 3] onto points [T, n, 3], both about their means (Kabsch 1976): [T, 4]."""
    centred = points - points.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("tna,nb->tab", centred, places - places.mean(0)))
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    turns: np.ndarray = rotations.from_matrix(u @ vt)
    return turns


def root_in_camera(points_c: np.ndarray, pixels: np.ndarray, weight: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Where a figure of known size and orientation stands so that it looks as it does: linear least squares.

    Args:
        points_c: [T, L, 3] m, camera axes, up to a shift of each frame; pixels: [T, L, 2]; weight: [T, L], 0 where
            missing; intrinsics: [3, 3].

    Returns:
        [T, 3] m, the shift; NaN in frames with fewer than four points.
    """
    seen = weight > 0
    rays = np.where(seen[..., None], np.nan_to_num(pixels) - intrinsics[:2, 2], 0.0)
    rays = rays / np.diag(intrinsics)[:2]
    p = np.where(seen[..., None], points_c, 0.0)
    rows = np.zeros((*seen.shape, 2, 3))  # x + tx = ray (z + tz)
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -rays
    right = rays * p[..., 2:] - p[..., :2]
    gram = np.einsum("tl,tlia,tlib->tab", weight, rows, rows, optimize=True)
    moment = np.einsum("tl,tlia,tli->ta", weight, rows, right, optimize=True)
    enough = seen.sum(1) >= 4
    shift = np.full((len(p), 3), np.nan)
    shift[enough] = np.linalg.solve(gram[enough], moment[enough][..., None])[..., 0]
    shift[shift[:, 2] <= 0] = np.nan
    return shift
