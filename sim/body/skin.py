"""Skins: meshes that follow the standard skeleton, all driven by the same local joint rotations.

`load_skin` builds one for the subject of a motion: `capsules` (what physics sees, at once), `anny` (a natural body,
open licence, some seconds; minutes the very first time) or `smplx` (with the user's licensed model files).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import trimesh
from scipy import sparse

from sim import rotations, skeleton
from sim.arrays import frozen
from sim.body import capsules
from sim.errors import MotionError, UnknownNameError
from sim.motion import Motion

_CHUNK_BYTES = 64 * 2**20


class Skin(Protocol):
    """A mesh on the standard skeleton. The rest pose is the T-pose facing +x with the pelvis at the origin."""

    @property
    def faces(self) -> np.ndarray:
        """[F, 3] vertex indices, outward by the right-hand rule."""

    @property
    def rest_vertices(self) -> np.ndarray:
        """[V, 3] m, in the rest pose."""

    @property
    def rest_joints(self) -> np.ndarray:
        """[52, 3] m, in the rest pose."""

    @property
    def vertex_joints(self) -> np.ndarray:
        """[V] index of the standard joint that moves each vertex most."""

    def vertices(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """Posed mesh: [T, 52, 4] wxyz local rotations, [T, 3] m pelvis -> [T, V, 3] m."""

    def joints(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """Joints of the posed mesh: [T, 52, 4], [T, 3] m -> [T, 52, 3] m."""


@dataclass(frozen=True, eq=False)
class LinearBlendSkin:
    """Vertices that follow a weighted mean of their joints' rigid motions, on a subject's own bones.

    Attributes:
        faces: [F, 3]; rest_vertices: [V, 3] m, T-pose with the pelvis at the origin.
        weights: [V, 52] sparse, rows sum to 1.
        offsets: [52, 3] m, the subject's bones.
        regressor: [52, V] sparse: joints as means of the posed vertices; None takes the skeleton's own.
    """

    faces: np.ndarray
    rest_vertices: np.ndarray
    weights: sparse.csr_array
    offsets: np.ndarray
    regressor: sparse.csr_array | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("faces", np.int64), ("rest_vertices", np.float64), ("offsets", np.float64)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))

    @property
    def rest_joints(self) -> np.ndarray:
        """[52, 3] m."""
        return skeleton.rest_joints(self.offsets)

    @property
    def vertex_joints(self) -> np.ndarray:
        """[V] joint of the greatest weight."""
        return np.asarray(self.weights.toarray().argmax(1))

    def vertices(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """[T, 52, 4], [T, 3] m -> [T, V, 3] m. Frames are taken in blocks, to bound the memory."""
        positions, world = skeleton.forward_kinematics(joint_rotations_b, root_position_w, self.offsets)
        turn = rotations.to_matrix(world)
        move = positions - np.einsum("tjab,jb->tja", turn, self.rest_joints)
        transforms = np.concatenate((turn, move[..., None]), -1)
        points = np.concatenate((self.rest_vertices, np.ones((len(self.rest_vertices), 1))), -1)
        posed = np.empty((len(positions), len(points), 3))
        block = max(1, _CHUNK_BYTES // (96 * len(points)))
        for start in range(0, len(positions), block):
            part = transforms[start : start + block]
            blended = self.weights @ part.swapaxes(0, 1).reshape(skeleton.NUM_JOINTS, -1)
            blended = blended.reshape(len(points), len(part), 3, 4)
            posed[start : start + block] = np.einsum("vtab,vb->tva", blended, points, optimize=True)
        return posed

    def joints(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """[T, 52, 4], [T, 3] m -> [T, 52, 3] m: of the mesh where there is a regressor, else of the skeleton."""
        if self.regressor is not None:
            posed = self.vertices(joint_rotations_b, root_position_w)
            return np.stack([self.regressor @ frame for frame in posed])
        return skeleton.forward_kinematics(joint_rotations_b, root_position_w, self.offsets)[0]


def load_skin(name: str, motion: Motion, *, model_path: str | Path | None = None, detail: str = "full") -> Skin:
    """A skin for the subject of a motion.

    Args:
        name: `capsules`, `anny` or `smplx`.
        motion: whose bones (and, for SMPL-X, shape parameters) the skin is made for.
        model_path: for `smplx`: the model file, or a folder with SMPLX_NEUTRAL.npz.
        detail: for `anny`: `full` (13,718 vertices) or `coarse` (1,229).

    Raises:
        UnknownNameError: no such skin.
        MotionError: the motion has not the standard skeleton.
        AssetError, MissingDependencyError: model files or a package are missing.
    """
    skins: dict[str, Callable[[], Skin]] = {
        "capsules": lambda: capsule_skin(motion),
        "anny": lambda: _anny(motion, detail),
        "smplx": lambda: _smplx(motion, model_path),
    }
    if name not in skins:
        raise UnknownNameError("skin", name, skins)
    if motion.joint_names != skeleton.JOINT_NAMES:
        raise MotionError(f"joint_names: a skin needs the standard {skeleton.NUM_JOINTS} joints")
    return skins[name]()


def _anny(motion: Motion, detail: str) -> Skin:
    from sim.body import anny  # heavy: only where it is asked for

    return anny.anny_skin(motion.offsets, detail=detail)


def _smplx(motion: Motion, model_path: str | Path | None) -> Skin:
    from sim.body import smplx

    return smplx.SmplxSkin.load(model_path, motion.body, motion.offsets)


def capsule_skin(motion: Motion) -> LinearBlendSkin:
    """The shapes that physics sees, as one mesh that moves rigidly with its joints."""
    geoms = capsules.body_geoms(motion.offsets, stance=capsules.measure_stance(motion), hands="full")
    rest = skeleton.rest_joints(motion.offsets)
    parts = [_geom_mesh(geom) for geom in geoms]
    counts = [len(part.vertices) for part in parts]
    joints = np.repeat([geom.joint for geom in geoms], counts)
    starts = np.cumsum([0, *counts[:-1]])
    weights = sparse.csr_array(
        (np.ones(len(joints)), (np.arange(len(joints)), joints)), shape=(len(joints), skeleton.NUM_JOINTS)
    )
    return LinearBlendSkin(
        faces=np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        rest_vertices=np.concatenate([part.vertices for part in parts]) + rest[joints],
        weights=weights,
        offsets=motion.offsets,
    )


def _geom_mesh(geom: capsules.BodyGeom) -> trimesh.Trimesh:
    """A shape's surface in its joint's frame, m."""
    mesh: trimesh.Trimesh
    if geom.kind == "box":
        mesh = trimesh.creation.box(extents=2.0 * np.array(geom.size))
    elif geom.kind == "sphere":
        mesh = trimesh.creation.uv_sphere(radius=geom.size[0], count=[12, 12])
    else:
        mesh = trimesh.creation.capsule(height=2.0 * geom.size[1], radius=geom.size[0], count=[12, 12])
        mesh.apply_translation(-mesh.bounds.mean(0))  # centred, wherever the library puts the origin
    mesh.vertices = rotations.rotate(geom.rotation_b, np.asarray(mesh.vertices)) + geom.position_b
    return mesh
