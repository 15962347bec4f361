"""A last look at the whole skin: wherever it is inside the object, body and fingers give way for a moment.

The optimisation over the clip sees a coarse skin, a grid of distances and key frames; thin slats, edges and fingertips
fall through these. Here all vertices and all frames count, by exact distances, around the frames that need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from generate.gait import minimum_jerk
from generate.motion.config import ClearanceConfig
from generate.motion.energy import ANKLES
from generate.motion.timeline import FPS
from generate.pose.body import vertex_normals
from generate.pose.fingers import HandHinges
from generate.pose.nearest import PlacedSurface
from recon.optimizer.differentiable_body import DifferentiableBody
from recon.optimizer.distance_field import DistanceField
from sim import rotations
from sim.body.skin import LinearBlendSkin
from sim.geometry import Geometry
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS, SIDES

WRISTS = [JOINT_INDEX[f"{side}_wrist"] for side in SIDES]
_CM = 100.0
_NEAR, _ABOVE, _UNDER = 0.015, 0.0005, 0.003
"""m from the surface within which vertices count, m over it to which they are brought, and m under the floor that soles
may be."""
_INSIDE, _FEW, _ONE_WAY = 0.002, 3, 0.7
"""A part is torn when more than a few vertices are so deep, m, and the mean of their ways out is shorter than this."""
_BOARD = np.linspace(0.004, 0.06, 15)
"""m through an object at which its other side is looked for."""
_ROOTS = [
    JOINT_INDEX[f"{JOINT_NAMES[j].partition('_')[0]}_wrist"] if j in FINGER_JOINTS else max(PARENTS[j], 0)
    for j in range(NUM_JOINTS)
]
"""Where the limb comes from: of fingers the wrist, else the parent."""
_LIMBS = np.array([j - "123".index(JOINT_NAMES[j][-1]) if j in FINGER_JOINTS else j for j in range(NUM_JOINTS)])
"""A finger is one limb: the number of its first joint."""
_PLATEAU = 2
"""Frames to both sides of one that needs it, in which the way is given in full."""
_STAY, _STAY_FINGER, _STAY_ROOT = 1.0, 0.2, 2.0
"""Per rad^2 of a joint and of one of a finger, and per cm^2 of the root, against 1 per cm^2 of a vertex's depth."""
_UNNATURAL = 50.0
"""Per rad^2 by which fingers leave their ranges."""
_KEEP_HAND, _KEEP_FOOT, _KEEP_TURN = 5.0, 60.0, 20.0
"""Per cm^2 by which hands that hold and feet that stand are moved, and per 1 - cosine^2 of half the angle."""


@dataclass(frozen=True, eq=False)
class Kept:
    """How much hands and feet have to stay where they are, 0..1: [T, 2] each, left and right."""

    hands: np.ndarray
    feet: np.ndarray


def clear(
    rotations_b: np.ndarray, root_w: np.ndarray, flesh: LinearBlendSkin, geometry: Geometry, field: DistanceField,
    position_w: np.ndarray, rotation_w: np.ndarray, kept: Kept, config: ClearanceConfig,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give way wherever the skin is deeper than the tolerance, as little and as smoothly as it takes.

    Args:
        rotations_b: [T, 52, 4], root_w: [T, 3] m, of the body in this flesh.
        position_w: [T, 3] m, rotation_w: [T, 4], of the object.
        field: its distances, in which what is near is looked up before exact ones are taken.
        kept: what stays.

    Returns:
        rotations_b, root_w as given, the same arrays where nothing was to do.
    """
    if not config.rounds:
        return rotations_b, root_w
    work = _Clearance(flesh, geometry, field, position_w, rotation_w, kept, config)
    looked_at = np.arange(len(root_w))
    for _ in range(config.rounds):
        looked_at, vertices, weight = work.in_the_way(rotations_b, root_w, looked_at)
        if not len(looked_at):
            break
        rotations_b, root_w = work.give_way(rotations_b, root_w, looked_at, vertices, weight)
    return rotations_b, root_w


class _Clearance:
    def __init__(
        self, flesh: LinearBlendSkin, geometry: Geometry, field: DistanceField, position_w: np.ndarray,
        rotation_w: np.ndarray, kept: Kept, config: ClearanceConfig,
    ) -> None:  # fmt: skip
        self.flesh, self.kept, self.config = flesh, kept, config
        self.body = DifferentiableBody.of(flesh)
        self.normals_b = vertex_normals(flesh)
        self.object = PlacedSurface.of(geometry, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
        self.field, self.position_w, self.rotation_w = field.to(torch.empty(0)), position_w, rotation_w
        finger = np.isin(np.arange(NUM_JOINTS), FINGER_JOINTS)
        self.hands = [HandHinges.of(flesh.offsets, side, grasps=True, dtype=torch.float32) for side in SIDES]
        self._stay = torch.tensor(np.where(finger, _STAY_FINGER, _STAY)).float()

    def in_the_way(
        self, rotations_b: np.ndarray, root_w: np.ndarray, looked_at: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames [F] around those with depth among some [L], vertices [K] that are near the object there, and how much
        each frame may give way [F]."""
        points = self._local(self.flesh.vertices(rotations_b[looked_at], root_w[looked_at]), looked_at)
        close = self._near(points)
        distance = np.full(close.shape, np.inf)
        distance[close] = self.object.surface.shape.signed_distance(points[close])
        deep = looked_at[distance.min(1) < -self.config.tolerance]
        if not len(deep):
            return deep, deep, np.zeros(0)
        off = np.abs(looked_at[:, None] - deep).min(1)
        fading = max(self.config.seconds * FPS - _PLATEAU, 1.0)
        weight = 1.0 - minimum_jerk(np.clip((off - _PLATEAU) / fading, 0.0, 1.0))
        some = weight > 1e-3
        return looked_at[some], np.flatnonzero((distance[some] < _NEAR).any(0)), weight[some]

    def give_way(
        self, rotations_b: np.ndarray, root_w: np.ndarray, frames: np.ndarray, vertices: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turns of all joints and the root's moves in these frames, smoothed over time, by L-BFGS."""
        start, root = (torch.as_tensor(x[frames]).float() for x in (rotations_b, root_w))
        body = self._only(vertices)
        joints, world = body.joints(start, root)
        normals = rotations.rotate(
            world[:, self.flesh.vertex_joints[vertices]], torch.as_tensor(self.normals_b[vertices]).float()
        )
        skin = body.vertices(joints, world)
        skin_w, normals_w, joints_w = (x.double().numpy() for x in (skin, normals, joints))
        planes = self._planes(skin_w, normals_w, joints_w, frames, vertices)
        spread = self._spread(frames, weight)
        turn = torch.zeros(len(frames), NUM_JOINTS, 3, requires_grad=True)
        move = torch.zeros(len(frames), 3, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [turn, move], max_iter=self.config.steps, history_size=10, line_search_fn="strong_wolfe"
        )

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            turned, moved = torch.tensordot(spread, turn, 1), spread @ move
            now, facing = body.joints(_turned(start, turned), root + moved)
            total = self._depth(body.vertices(now, facing), planes) + self._off(now - joints, facing, world, frames)
            total = total + (self._stay * turn.square().sum(-1)).sum() + _STAY_ROOT * (_CM * move).square().sum()
            total = total + _UNNATURAL * self._beyond(start, turned)
            total.backward()
            return total

        optimizer.step(loss)
        with torch.no_grad():
            turned, moved = torch.tensordot(spread, turn, 1), spread @ move
            out, place = rotations_b.copy(), root_w.copy()
            out[frames] = rotations.normalize(_turned(start, turned).double().numpy())
            place[frames] += moved.double().numpy()
        return out, place

    def _planes(
        self, points_w: np.ndarray, normals_w: np.ndarray, joints_w: np.ndarray, frames: np.ndarray,
        vertices: np.ndarray,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
        """Of vertices near the object, M in all: index [M] among F x K, points [M, 3] m, slopes [M, 3] in the world,
        distance [M] m. A part that a thin board goes through leaves it to the side where its limb comes from."""
        local = self._local(points_w, frames).reshape(-1, 3)
        close = np.flatnonzero(self._near(local))
        frame, vertex = np.divmod(close, points_w.shape[1])
        turn, points = self.rotation_w[frames][frame], local[close]
        inward = rotations.rotate_inverse(turn, normals_w.reshape(-1, 3)[close])
        found = self.object.nearest(points, inward, bent=False)
        distance, slopes = found.distance.numpy().copy(), found.slopes.numpy().copy()
        segment = self.flesh.vertex_joints[vertices][vertex]
        roots = self._local(joints_w[:, _ROOTS], frames)[frame, segment]
        wrong = _torn(frame, segment, distance, slopes) & ((slopes * (points - roots)).sum(-1) > 0.0)
        distance[wrong], slopes[wrong] = self._other_side(points[wrong], distance[wrong], slopes[wrong])
        return (
            torch.as_tensor(close), torch.as_tensor(points_w.reshape(-1, 3)[close]).float(),
            torch.as_tensor(rotations.rotate(turn, slopes)).float(), torch.as_tensor(distance).float(),
        )  # fmt: skip

    def _other_side(
        self, points: np.ndarray, distance: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distances and slopes of the opposite faces of points [M, 3] m in the object, where a board is no thicker."""
        behind = points[:, None] - _BOARD[:, None] * slopes[:, None]
        off = self.object.surface.shape.signed_distance(behind)
        first = (off > 0.0).argmax(1)
        rows, thin = np.arange(len(points)), np.asarray((off > 0.0).any(1))
        out = off[rows, first] - _BOARD[first]
        return np.where(thin, out, distance), np.where(thin[:, None], -slopes, slopes)

    def _depth(self, vertices: torch.Tensor, planes: tuple[torch.Tensor, ...]) -> torch.Tensor:
        index, points, slopes, distance = planes
        away = distance + (slopes * (vertices.flatten(0, 1)[index] - points)).sum(-1)
        deep, under = ((_CM * d.clamp_min(0.0)).square().sum() for d in (_ABOVE - away, -_UNDER - vertices[..., 2]))
        return deep + under

    def _off(self, moved: torch.Tensor, now: torch.Tensor, before: torch.Tensor, frames: np.ndarray) -> torch.Tensor:
        total = moved.new_zeros(())
        for joints, keep, cost in (
            (WRISTS, self.kept.hands, _KEEP_HAND), (ANKLES, self.kept.feet, _KEEP_FOOT)
        ):  # fmt: skip
            share = torch.as_tensor(keep[frames]).float()
            off = (_CM * moved[:, joints]).square().sum(-1)
            turned = 1.0 - (now[:, joints] * before[:, joints]).sum(-1).square()
            total = total + (share * (cost * off + _KEEP_TURN * turned)).sum()
        return total

    def _beyond(self, start: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """Squared angles by which fingers that turn by small `turned` [F, 52, 3] rad leave their ranges, or leave them
        farther."""
        total = turned.new_zeros(())
        for hand in self.hands:
            joints = list(hand.joints)
            before = (rotations.to_rotvec(start[:, joints])[:, hand.columns] * hand.axes).sum(-1)
            now = before + (turned[:, joints][:, hand.columns] * hand.axes).sum(-1)
            low, high = torch.minimum(hand.low, before), torch.maximum(hand.high, before)
            total = total + ((low - now).clamp_min(0.0).square() + (now - high).clamp_min(0.0).square()).sum()
        return total

    def _local(self, points_w: np.ndarray, frames: np.ndarray) -> np.ndarray:
        local: np.ndarray = rotations.rotate_inverse(
            self.rotation_w[frames, None], points_w - self.position_w[frames, None]
        )
        return local

    def _near(self, points_b: np.ndarray) -> np.ndarray:
        return (self.field(torch.as_tensor(points_b).float()) < _NEAR).numpy()

    def _only(self, vertices: np.ndarray) -> DifferentiableBody:
        """The body with these vertices alone."""
        b = self.body
        return DifferentiableBody(b.offsets, b.keypoints_b, b.blend[vertices], b.rest_joints, b.faces[:0])

    def _spread(self, frames: np.ndarray, weight: np.ndarray) -> torch.Tensor:
        """[F, F], what makes corrections smooth over time and lets them fade in and out."""
        apart = (frames[:, None] - frames) / (self.config.smoothing * FPS)
        kernel = np.exp(-0.5 * apart**2)
        return torch.as_tensor(weight[:, None] * kernel / kernel.sum(1, keepdims=True)).float()


def _torn(frame: np.ndarray, segment: np.ndarray, distance: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """[M] bool, of vertices on segments of the body: those in the object whose segment, or another one of the same
    finger, leaves it to opposite sides at once."""
    inside = distance < -_INSIDE
    part = frame * NUM_JOINTS + segment
    count = np.bincount(part[inside], minlength=part.max(initial=0) + 1)
    way = np.column_stack([np.bincount(part[inside], slopes[inside, k], minlength=len(count)) for k in range(3)])
    split: np.ndarray = (count > _FEW) & (np.linalg.norm(way, axis=1) < _ONE_WAY * count)
    limb = frame * NUM_JOINTS + _LIMBS[segment]
    return np.asarray((distance < 0.0) & np.isin(limb, limb[split[part]]))


def _turned(rotations_b: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    q: torch.Tensor = rotations.multiply(rotations_b, rotations.from_rotvec(turn))
    return q
