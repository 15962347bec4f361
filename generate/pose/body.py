"""The posed body as the energy sees it: skin with normals, parts that touch, soles, and the centre of mass."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import trimesh

from generate.plan import BodyPart
from recon.optimizer.differentiable_body import Capsules, DifferentiableBody
from sim import rotations
from sim.body.capsules import FOOT_JOINTS, body_geoms, default_stance
from sim.body.skin import LinearBlendSkin, load_skin
from sim.motion import Motion
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, SIDES

_FACING = 0.5
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_PALM = ("wrist", "index1", "middle1", "ring1", "pinky1")
_PARTS: dict[str, tuple[tuple[str, ...], tuple[float, float, float]]] = {
    "head": (("head",), (0.0, 0.0, 1.0)),
    "chest": (("spine3", "spine2"), (1.0, 0.0, 0.0)),
    "back": (("spine3", "spine2", "spine1"), (-1.0, 0.0, 0.0)),
    "hips": (("pelvis", "left_hip", "right_hip"), (-0.7, 0.0, -0.7)),
    "arm": (("elbow",), (0.0, 0.0, -1.0)),
    "hand": (_PALM, (0.0, 0.0, -1.0)),
    "leg": (("knee",), (1.0, 0.0, 0.0)),
    "foot": (("ankle", "foot"), (0.0, 0.0, -1.0)),
}
"""Part -> joints that move it, and the side of it in the T-pose (facing +x, palms down) that touches."""
_WHOLE = {"arm": ("shoulder", "elbow"), "leg": ("hip", "knee"), "chest": ("spine1", "spine2", "spine3")}


def _split(part: BodyPart) -> tuple[str, str]:
    side, _, name = part.rpartition("_")
    return (f"{side}_" if side else ""), name


def part_joints(part: BodyPart) -> tuple[int, ...]:
    """All joints whose flesh belongs to a part; of a hand all of its fingers."""
    side, name = _split(part)
    if name == "hand":
        fingers = [j for j in FINGER_JOINTS if JOINT_NAMES[j].startswith(side)]
        return (JOINT_INDEX[f"{side}wrist"], *fingers)
    return tuple(JOINT_INDEX[_sided(n, side)] for n in _WHOLE.get(name, _PARTS[name][0]))


def touching_side(part: BodyPart, vertex_joints: np.ndarray, normals_b: np.ndarray) -> np.ndarray:
    """[K] vertices of a part's touching side, of a skin with joints [V] and normals [V, 3] at rest."""
    side, name = _split(part)
    names, direction = _PARTS[name]
    joints = [JOINT_INDEX[_sided(n, side)] for n in names]
    way = np.array(direction) / np.linalg.norm(direction)
    return np.flatnonzero(np.isin(vertex_joints, joints) & (normals_b @ way > _FACING))


def _sided(joint: str, side: str) -> str:
    return joint if joint in JOINT_INDEX else f"{side}{joint}"


def standing(offsets: np.ndarray) -> Motion:
    """Two frames of the T-pose with level soles on the floor."""
    stance = default_stance(offsets)
    pose = np.tile([1.0, 0.0, 0.0, 0.0], (2, NUM_JOINTS, 1))
    ankle = sum(offsets[JOINT_INDEX[f"left_{n}"]] for n in ("hip", "knee", "ankle"))
    root = np.tile([0.0, 0.0, stance.heights[0] - ankle[2]], (2, 1))
    return Motion(fps=30.0, root_position_w=root, joint_rotations_b=pose, offsets=offsets)


def skin_of(offsets: np.ndarray, name: str, detail: str = "coarse") -> LinearBlendSkin:
    """The subject's skin, `anny` or `capsules`, kept for the subjects asked last."""
    return _skin(np.asarray(offsets, np.float64).tobytes(), name, detail)


@functools.lru_cache(maxsize=4)
def _skin(offsets: bytes, name: str, detail: str) -> LinearBlendSkin:
    skin = load_skin(name, standing(np.frombuffer(offsets).reshape(NUM_JOINTS, 3)), detail=detail)
    assert isinstance(skin, LinearBlendSkin)
    return skin


def sole_heights(skin: LinearBlendSkin) -> np.ndarray:
    """[4] m, of the joints of `FOOT_JOINTS` over the lowest point of their foot, which is level in the rest pose."""
    lowest = {}
    for side in SIDES:
        joints = [JOINT_INDEX[f"{side}_{name}"] for name in ("ankle", "foot")]
        lowest[side] = skin.rest_vertices[np.isin(skin.vertex_joints, joints), 2].min()
    return np.array([skin.rest_joints[j, 2] - lowest[JOINT_NAMES[j].partition("_")[0]] for j in FOOT_JOINTS])


def vertex_normals(skin: LinearBlendSkin) -> np.ndarray:
    """[V, 3] outward in the rest pose."""
    mesh = trimesh.Trimesh(skin.rest_vertices, skin.faces, process=False)
    return np.asarray(mesh.vertex_normals)


@dataclass(frozen=True, eq=False)
class PosedBody:
    """B bodies: joints_w [B, 52, 3] m, rotations_w [B, 52, 4], vertices_w [B, V, 3] m."""

    joints_w: torch.Tensor
    rotations_w: torch.Tensor
    vertices_w: torch.Tensor


@dataclass(frozen=True, eq=False)
class PoseBody:
    """What never changes about a subject.

    Attributes:
        skin: differentiable. vertex_joints: [V], the joint that moves each vertex most; normals_b: [V, 3] at rest.
        capsules: of physics; masses: [G] share of the body's.
        sole_heights: [4] m and soles_b: [4, 3], as in `sim.body.capsules.FootStance`; the heights are the skin's.
        limbs: [P] vertices of arms and legs; blocks: [G'] capsules of trunk, head and legs; may_hit: [P, G'] 1 where
            the one must not be in the other.
    """

    skin: DifferentiableBody
    vertex_joints: torch.Tensor
    normals_b: torch.Tensor
    capsules: Capsules
    masses: torch.Tensor
    sole_heights: torch.Tensor
    soles_b: torch.Tensor
    limbs: torch.Tensor
    blocks: torch.Tensor
    may_hit: torch.Tensor

    @staticmethod
    def of(offsets: np.ndarray, skin: str, dtype: torch.dtype = torch.float32) -> PoseBody:
        """For bones [52, 3] m. Raises MissingDependencyError where `anny` is wanted and is not there."""
        flesh = skin_of(offsets, skin)
        body, soles = DifferentiableBody.of(flesh, dtype=dtype), sole_heights(flesh)
        geoms = body_geoms(offsets, hands="full")
        like = body.offsets
        masses = torch.tensor([g.mass for g in geoms]).to(like)
        limbs, blocks, may_hit = _pairs(flesh.vertex_joints, [g.joint for g in geoms])
        return PoseBody(
            body,
            torch.as_tensor(np.array(flesh.vertex_joints)),
            torch.as_tensor(vertex_normals(flesh).copy()).to(like),
            Capsules.of(geoms, like),
            masses / masses.sum(),
            torch.as_tensor(soles).to(like),
            torch.tensor([[0.0, 0.0, 1.0]] * len(FOOT_JOINTS)).to(like),
            torch.as_tensor(limbs),
            torch.as_tensor(blocks),
            torch.as_tensor(may_hit).to(like),
        )

    def pose(self, rotations_b: torch.Tensor, root_w: torch.Tensor) -> PosedBody:
        """[B, 52, 4], [B, 3] m -> bodies."""
        joints_w, rotations_w = self.skin.joints(rotations_b, root_w)
        return PosedBody(joints_w, rotations_w, self.skin.vertices(joints_w, rotations_w))

    def flesh(self, posed: PosedBody) -> torch.Tensor:
        """Vertices and the middles of all triangles, [B, V + F, 3] m: a corner finds its way between vertices."""
        middles = posed.vertices_w[:, self.skin.faces.flatten()].unflatten(1, (-1, 3)).mean(2)
        return torch.cat((posed.vertices_w, middles), 1)

    def touching(self, part: BodyPart) -> torch.Tensor:
        """[K] vertices of a part's touching side."""
        rows = touching_side(part, self.vertex_joints.numpy(), self.normals_b.double().numpy())
        return torch.as_tensor(rows)

    def normals(self, posed: PosedBody, vertices: torch.Tensor) -> torch.Tensor:
        """Outward normals of some vertices: [B, K, 3]; those of the joint that moves each one most."""
        turn = posed.rotations_w[:, self.vertex_joints[vertices]]
        turned: torch.Tensor = rotations.rotate(turn, self.normals_b[vertices])
        return turned

    def center_of_mass(self, posed: PosedBody) -> torch.Tensor:
        """[B, 3] m."""
        centers = self.capsules.poses(posed.joints_w, posed.rotations_w)[0]
        return (centers * self.masses[:, None]).sum(1)

    def soles(self, posed: PosedBody) -> tuple[torch.Tensor, torch.Tensor]:
        """Heights over the floor [B, 4] m and upward normals [B, 4, 3]: left ankle and toes, right ankle and toes."""
        joints = list(FOOT_JOINTS)
        up = rotations.rotate(posed.rotations_w[:, joints], self.soles_b)
        return posed.joints_w[:, joints, 2] - self.sole_heights, up

    def inside_itself(self, posed: PosedBody) -> torch.Tensor:
        """Signed distance of limb vertices to the capsules that they must not enter, [B, P] m; far ones 1 m."""
        position, rotation = self.capsules.poses(posed.joints_w, posed.rotations_w)
        points = posed.vertices_w[:, self.limbs, None]
        local = rotations.rotate_inverse(rotation[:, None, self.blocks], points - position[:, None, self.blocks])
        distance = self.capsules.signed_distance(local, self.blocks)
        return torch.where(self.may_hit > 0, distance, torch.ones_like(distance)).amin(-1)


def _pairs(vertex_joints: np.ndarray, geom_joints: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every third vertex of forearms, hands and legs; capsules of trunk, head and legs; which pairs must not meet."""
    trunk = [JOINT_INDEX[n] for n in _TRUNK]
    legs = {side: [JOINT_INDEX[f"{side}_{n}"] for n in ("hip", "knee", "ankle", "foot")] for side in ("left", "right")}
    names = np.array(JOINT_NAMES)[vertex_joints]
    arm = np.array([n.endswith(("elbow", "wrist")) or (n[-1] in "123" and "spine" not in n) for n in names])
    leg = {side: np.isin(vertex_joints, joints[1:]) for side, joints in legs.items()}
    limbs = np.flatnonzero(arm | leg["left"] | leg["right"])[::3]
    geoms = np.array(geom_joints)
    blocks = np.flatnonzero(np.isin(geoms, [*trunk, *legs["left"], *legs["right"]]))
    may_hit = arm[limbs, None] & np.ones(len(blocks), bool)
    for side, other in (("left", "right"), ("right", "left")):
        may_hit |= leg[side][limbs, None] & np.isin(geoms[blocks], legs[other])[None]
    return limbs, blocks, may_hit.astype(np.float64)
