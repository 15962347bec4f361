"""Hands and limbs on an object as the fine stage sees them: contact points of the skin, and the terms of its energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial import cKDTree

from generate.affordance.surface import SurfacePoints, center_of_mass, triangulated
from generate.plan import BodyPart
from generate.pose.body import touching_side, vertex_normals
from generate.pose.closure import Support, closure_residual, pressure
from generate.pose.config import FineConfig
from generate.pose.density import PoseDensity
from generate.pose.fingers import HandHinges
from generate.pose.synthesis import StaticPose
from recon.optimizer.differentiable_body import DifferentiableBody
from sim import rotations
from sim.body.skin import LinearBlendSkin
from sim.skeleton import BODY_JOINTS, JOINT_INDEX, PARENTS, SIDES

_LIMBS = {
    "hand": ("collar", "shoulder", "elbow", "wrist"),
    "arm": ("collar", "shoulder", "elbow"),
    "leg": ("hip", "knee"),
    "foot": ("hip", "knee", "ankle"),
}
_PAD = 0.3
_PALM = (5.0, *(1.0 for _ in range(15)))
"""What palm and segments of fingers count in the reach of a hand."""
_FINGER_RADIUS = 0.008
_ALONG = (0.3, 0.8)
_NORMAL_SIGMA, _NEIGHBOURS = 0.006, 6
_TOUCH = 1e-3
_LEVELS, _PRESSED = 11, 600.0
_CLOSE_BY, _CLOSE_BY_LIMB, _FAR = 0.1, 0.15, 0.03
_THIN = 2
"""Of skin that must not be in the object every second vertex will do; of skin that may touch all count."""
_OPPOSED, _OTHER_SIDE, _BESIDE = 0.2, 96, 0.012
_FINGER_SCALE = 4.0
"""Hinges of fingers descend in units of this many radians: they move less skin than an arm."""
_BODY = list(BODY_JOINTS)


def limb_joints(parts: tuple[BodyPart, ...]) -> list[int]:
    """The joints that the fine stage turns, fingers apart, for the parts that touch; none for a seat or a back."""
    found = []
    for part in parts:
        side, _, name = part.rpartition("_")
        found += [JOINT_INDEX[f"{side}_{joint}"] for joint in _LIMBS.get(name, ())]
    return sorted(set(found))


@dataclass(frozen=True, eq=False)
class ContactSkin:
    """Skin that may touch: rows [K] among the vertices of a `Grasp`, area [K] m^2, share [K] of the reach (sums to 1
    over each hand, 0 of other parts: of them only the nearest have to lie on the object), palms [K] the same of palms
    alone, group [K] which part."""

    rows: torch.Tensor
    area: torch.Tensor
    share: torch.Tensor
    palms: torch.Tensor
    group: torch.Tensor


@dataclass(frozen=True, eq=False)
class Nearest:
    """Planes that stand for the object around each vertex: distance [V] m at points [V, 3] m, slopes [V, 3] unit,
    normals [V, 3] of the surface, unit, outward; all in the world."""

    distance: torch.Tensor
    points: torch.Tensor
    slopes: torch.Tensor
    normals: torch.Tensor

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance of the vertices, wherever they have gone since: [V, 3] m -> [V] m."""
        return self.distance + (self.slopes * (points - self.points)).sum(-1)


@dataclass(frozen=True, eq=False)
class Grasp:
    """One pose at its object.

    Attributes:
        body: skin of the vertices that the turned joints move (all fingers of touching hands, and limbs).
        moves: [V], the joint that moves each vertex most; finger: [V] bool, whether it is one of a touching hand's.
        normals_b: [V, 3], of the skin at rest.
        surface: dense points of the object, with their search tree; position: [3] m, rotation: [4], of the object;
            center: [3] m its centre of mass; length: m, half its diagonal.
        contacts: the skin that may touch. grasping: [groups] bool, which count in the closure.
        hands: hinges of the touching hands. still: [22], how much more a joint stays than one of a touching limb.
        feet: ankles and toes that stand, by index; stance: joints [52, 3] m and rotations [52, 4] of the coarse pose.
        start: [52, 4], the coarse pose; root: [3] m.
    """

    body: DifferentiableBody
    moves: torch.Tensor
    finger: torch.Tensor
    normals_b: torch.Tensor
    density: PoseDensity
    surface: SurfacePoints
    tree: cKDTree
    position: np.ndarray
    rotation: np.ndarray
    center: torch.Tensor
    length: float
    support: Support
    counts: bool
    contacts: ContactSkin
    grasping: torch.Tensor
    hands: tuple[HandHinges, ...]
    still: torch.Tensor
    feet: list[int]
    stance: tuple[torch.Tensor, torch.Tensor]
    start: torch.Tensor
    root: torch.Tensor
    config: FineConfig

    @staticmethod
    def of(
        pose: StaticPose, grasped: Mapping[BodyPart, bool], support: Support, counts: bool, skin: LinearBlendSkin,
        surface: SurfacePoints, tree: cKDTree, density: PoseDensity, config: FineConfig,
    ) -> Grasp:  # fmt: skip
        """Of a coarse pose; `grasped` tells of each part that touches whether it holds on."""
        parts, tensor = tuple(grasped), torch.as_tensor
        sides = {part.split("_")[0]: grasped[part] for part in parts if part.endswith("hand")}
        hands = tuple(HandHinges.of(skin.offsets, side, grasps=g) for side, g in sides.items())
        dominant = np.asarray(skin.vertex_joints)
        contact, area, share, group = _contact_skin(skin, dominant, parts, dict(zip(sides, hands, strict=True)))
        vertices = np.union1d(_close_by(pose, skin, dominant, surface, limb_joints(parts)), contact)
        body = DifferentiableBody.of(skin, dtype=torch.float64)
        start, root = (tensor(np.array(a)) for a in (pose.joint_rotations_b, pose.root_position_w))
        joints, turned = body.joints(start[None], root[None])
        finger = torch.isin(tensor(dominant[vertices]), torch.tensor([j for hand in hands for j in hand.joints]))
        palms = tensor(share) * ~finger[np.searchsorted(vertices, contact)] * sum(_PALM) / _PALM[0]
        center_b, length = surface_center(surface)
        center = pose.object_position_w + rotations.rotate(pose.object_rotation_w, center_b)
        near = torch.isin(torch.tensor(BODY_JOINTS), torch.tensor(limb_joints(parts)))
        feet = [f"{side}_{n}" for side in SIDES if f"{side}_foot" not in parts for n in ("ankle", "foot")]
        return Grasp(
            replace(body, blend=body.blend[tensor(vertices)]), tensor(dominant[vertices]), finger,
            tensor(vertex_normals(skin)[vertices]), density, surface, tree,
            np.array(pose.object_position_w), np.array(pose.object_rotation_w), tensor(center), length, support, counts,
            ContactSkin(tensor(np.searchsorted(vertices, contact)), tensor(area), tensor(share), palms, tensor(group)),
            torch.tensor([grasped[part] or not counts for part in parts]), hands,
            torch.where(near, 1.0, config.still).to(start), [JOINT_INDEX[n] for n in feet], (joints[0], turned[0]),
            start, root, config,
        )  # fmt: skip

    def variables(self) -> list[torch.Tensor]:
        """Turns of the 22 joints [22, 3] rad, the root's way [3] m, then of each touching hand the hinges, open: angles
        [D] in units of `_FINGER_SCALE` rad."""
        turns = torch.zeros(len(BODY_JOINTS), 3, dtype=torch.float64)
        return [turns, torch.zeros(3, dtype=torch.float64), *(hand.open() / _FINGER_SCALE for hand in self.hands)]

    def close(self, variables: list[torch.Tensor]) -> None:
        """Close the fingers of touching hands until they touch, in place: each at the best of several flexions."""
        skin, config, shape = self.contacts, self.config, self.surface.shape
        for number, hand in enumerate(self.hands):
            costs, tried = [], []
            mine = torch.isin(self.moves[skin.rows], torch.tensor(hand.joints))
            rows, share = skin.rows[mine][::2], skin.share[mine][::2]
            finger = (self.moves[rows, None] == torch.tensor(hand.joints)).int().argmax(-1) // 3
            for level in torch.linspace(0.0, 1.0, _LEVELS).tolist():
                angles = hand.curled(level) / _FINGER_SCALE
                some = [a if i != number + 2 else angles for i, a in enumerate(variables)]
                points = self.skinned(*self.pose(some))[0][rows].numpy()
                local = rotations.rotate_inverse(self.rotation, points - self.position)
                distance = torch.as_tensor(shape.signed_distance(local))
                gap, depth = distance.clamp_min(0.0), (-distance).clamp_min(0.0)
                cost = share * (config.weights.reach * gap.square() / (gap + config.near) + _PRESSED * depth)
                costs.append(cost.new_zeros(5).index_add(0, finger, cost))
                tried.append(angles)
            best = torch.stack(costs).argmin(0)
            variables[number + 2].copy_(torch.stack(tried)[best[hand.columns // 3], torch.arange(len(hand.columns))])

    def pose(self, variables: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Local rotations [52, 4] and root [3] m."""
        turns, move, *angles = variables
        local = self.start.clone()
        local[_BODY] = rotations.multiply(self.start[_BODY], rotations.from_rotvec(turns))
        for hand, bent in zip(self.hands, angles, strict=True):
            local[list(hand.joints)] = hand.rotations(_FINGER_SCALE * bent)
        return local, self.root + move

    def skinned(self, local: torch.Tensor, root: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Vertices [V, 3] m, joints [52, 3] m and their rotations [52, 4]."""
        joints, turned = self.body.joints(local[None], root[None])
        return self.body.vertices(joints, turned)[0], joints[0], turned[0]

    def nearest(self, variables: list[torch.Tensor], last: Nearest | None = None) -> Nearest:
        """Exact distances and the planes through the nearest points, of the pose's vertices.

        Those that were far from the object at the `last` look keep their planes. Skin inside the object leaves it
        against its own normal: through a thin board it would be drawn to both faces at once.
        """
        return self._look(*self.pose(variables), last)

    def residual(self, local: torch.Tensor, root: torch.Tensor) -> float:
        """Of force closure, with exact distances, of a pose [52, 4] at [3] m."""
        nearest = self._look(local, root)
        return float(self.closure(nearest.points, nearest.distance, nearest.normals))

    def _look(self, local: torch.Tensor, root: torch.Tensor, last: Nearest | None = None) -> Nearest:
        posed, _, turned = self.skinned(local, root)
        points = posed.detach().numpy()
        skin_normals = rotations.rotate(turned[self.moves], self.normals_b).detach().numpy()
        some = slice(None) if last is None else np.flatnonzero(last(posed).numpy() < _FAR)
        places = rotations.rotate_inverse(self.rotation, points[some] - self.position)
        closest, distance = self.surface.shape.signed_closest(places)
        normals = self._normals(closest)
        touches = np.abs(distance) < _TOUCH
        away = (places - closest) / np.where(touches, np.inf, distance)[:, None]
        slopes = np.where(touches[:, None], normals, away)
        inward = rotations.rotate_inverse(self.rotation, skin_normals[some])
        self._leave(places, inward, distance, slopes)
        slopes, normals = (rotations.rotate(self.rotation, v) for v in (slopes, normals))
        found = [np.array(v) for v in (distance, points[some], slopes, normals)]
        if last is not None:
            kept = [tensor.numpy().copy() for tensor in (last.distance, last.points, last.slopes, last.normals)]
            for whole, part in zip(kept, found, strict=True):
                whole[some] = part
            found = kept
        return Nearest(*(torch.as_tensor(v) for v in found))

    def _leave(self, points: np.ndarray, skin_normals: np.ndarray, distance: np.ndarray, slopes: np.ndarray) -> None:
        """Put the planes of skin that would leave the object the wrong way on the other side, in place.

        There the nearest sample counts whose normal opposes the skin's.
        """
        wrong = np.flatnonzero((distance < -_TOUCH) & ((slopes * skin_normals).sum(-1) > _OPPOSED))
        if not len(wrong):
            return
        _, near = self.tree.query(points[wrong], k=_OTHER_SIDE)
        normals, way = self.surface.normals_b[near], self.surface.points_b[near] - points[wrong, None]
        depth = (way * normals).sum(-1)
        beside = np.linalg.norm(way - depth[..., None] * normals, axis=-1)
        fits = ((normals * skin_normals[wrong, None]).sum(-1) < -_OPPOSED) & (depth > 0.0) & (beside < _BESIDE)
        best = np.where(fits, depth, np.inf).argmin(1)
        rows, found = np.arange(len(wrong)), fits.any(1)
        distance[wrong[found]] = -depth[rows, best][found]
        slopes[wrong[found]] = normals[rows, best][found]

    def _normals(self, closest: np.ndarray) -> np.ndarray:
        """[V, 3] unit, outward: the mean of the samples around on the same side, as wide as a finger tip is soft."""
        away, near = self.tree.query(closest, k=_NEIGHBOURS)
        normals = self.surface.normals_b[near]
        same = ((normals * normals[:, :1]).sum(-1) > 0.3) * np.exp(-0.5 * (away - away[:, :1]) ** 2 / _NORMAL_SIGMA**2)
        mean = (same[..., None] * normals).sum(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=-1, keepdims=True))

    def terms(
        self, variables: list[torch.Tensor], nearest: Nearest, *, fingers: bool = True
    ) -> dict[str, torch.Tensor]:
        """Unweighted terms by the names of `FineWeights`; without fingers only palms reach and keep out."""
        local, root = self.pose(variables)
        vertices, joints, turned = self.skinned(local, root)
        distance = nearest(vertices)
        config = self.config
        solid = torch.ones_like(self.finger) if fingers else ~self.finger
        inside = (config.margin - distance[solid]).clamp_min(0.0).square().sum()
        below = vertices[solid, 2].clamp_max(0.0).square().sum()
        return {
            "closure": self.closure(vertices, distance, nearest.normals),
            "reach": self.reach(distance, fingers=fingers),
            "trust": self.moved(vertices, nearest),
            "penetration": inside + below,
            "crossing": self.crossing(joints, turned),
            "stay": (self.still * variables[0].square().sum(-1)).sum(),
            "feet": self.stand(joints, turned),
            "curl": sum(
                (_uneven(h, _FINGER_SCALE * a) for h, a in zip(self.hands, variables[2:], strict=True)), torch.zeros(())
            ),
            "hinges": sum(
                (
                    _FINGER_SCALE**2 * (a - h.clamp(_FINGER_SCALE * a) / _FINGER_SCALE).square().sum()
                    for h, a in zip(self.hands, variables[2:], strict=True)
                ),
                torch.zeros(()),
            ),
            "limits": self.density.beyond(local[None])[0],
            "prior": self.density.energy(local[None])[0],
        }

    def closure(self, vertices: torch.Tensor, distance: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        """Residual of force closure of the skin that counts; see `generate.pose.closure`."""
        skin = self.contacts
        some = self.grasping[skin.group]
        rows = skin.rows[some]
        share = pressure(distance[rows], skin.area[some], self.config.softness)
        return closure_residual(vertices[rows], normals[rows], share, self.center, self.length, self.support)

    def reach(self, distance: torch.Tensor, *, fingers: bool = True) -> torch.Tensor:
        """Mean over the touching skin of x^2 / (x + near), x its distance to the surface, m, summed over the parts.

        Of hands all of palm and pads; of other parts the nearest skin.
        """
        skin = self.contacts
        gap = distance[skin.rows].clamp_min(0.0)
        cost = gap.square() / (gap + self.config.near)
        share = skin.share if fingers else skin.palms
        total = (share * cost).sum()
        for part in range(len(self.grasping)):
            mine = skin.group == part
            if not bool(skin.share[mine].any()):
                total = total + (pressure(gap[mine], skin.area[mine], self.config.softness) * cost[mine]).sum()
        return total

    def moved(self, vertices: torch.Tensor, nearest: Nearest) -> torch.Tensor:
        """Mean square of the way that touching skin has gone since the nearest points were looked up, m^2."""
        rows = self.contacts.rows
        return (vertices[rows] - nearest.points[rows]).square().sum(-1).mean()

    def clamp(self, variables: list[torch.Tensor]) -> None:
        """Bring hinges back within their ranges, in place."""
        for hand, bent in zip(self.hands, variables[2:], strict=True):
            bent.copy_(hand.clamp(_FINGER_SCALE * bent) / _FINGER_SCALE)

    def stand(self, joints: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """Sum of squares of the way that ankles and toes of standing feet have gone, m^2, and of the feet's turn over
        a tenth of a radian for a centimetre."""
        if not self.feet:
            return joints.new_zeros(())
        gone = (joints[self.feet] - self.stance[0][self.feet]).square().sum()
        cosine = (turned[self.feet] * self.stance[1][self.feet]).sum(-1).square()
        return gone + 0.04 * (1.0 - cosine).sum()

    def crossing(self, joints: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """Sum over pairs of fingers (of one hand or both) of how deep balls along their bones are in each other, m."""
        if not self.hands:
            return joints.new_zeros(())
        index = torch.tensor([j for hand in self.hands for j in hand.joints])
        nxt = torch.tensor([j if i % 3 == 2 else j + 1 for hand in self.hands for i, j in enumerate(hand.joints)])
        bones: torch.Tensor = rotations.rotate(turned[index], self.body.offsets[nxt])
        balls = torch.cat([joints[index] + s * bones for s in _ALONG])
        finger = (torch.arange(len(index)) // 3).repeat(len(_ALONG))
        apart = ((balls[:, None] - balls[None]).square().sum(-1) + 1e-12).sqrt()
        depth = (2 * _FINGER_RADIUS - apart).clamp_min(0.0) * (finger[:, None] < finger[None])
        return (depth.square() / (depth + 0.002)).sum()


def _uneven(hand: HandHinges, angles: torch.Tensor) -> torch.Tensor:
    """rad^2: flexion unlike the neighbour's, last joints unlike two thirds of the middle ones, spread fingers."""
    flexed = angles[hand.flexes].reshape(5, 3)
    beside = (flexed[1:4] - flexed[:3]).square().sum()
    coupled = (flexed[:4, 2] - 0.67 * flexed[:4, 1]).square().sum()
    return beside + coupled + angles[~hand.flexes].square().sum()


def surface_center(surface: SurfacePoints) -> tuple[np.ndarray, float]:
    """Centre of mass [3] m of even material in the object's frame, and half its diagonal, m."""
    center = center_of_mass(triangulated(surface.shape), surface.points_b)
    return center, 0.5 * float(np.linalg.norm(np.ptp(surface.shape.bounds, axis=0)))


def _below(joints: list[int]) -> list[int]:
    """These joints and all that hang on them."""
    found = set(joints)
    for joint, parent in enumerate(PARENTS):
        if parent in found:
            found.add(joint)
    return sorted(found)


def _close_by(
    pose: StaticPose, skin: LinearBlendSkin, dominant: np.ndarray, surface: SurfacePoints, joints: list[int]
) -> np.ndarray:
    """Vertices that may come into the object or the floor: near to one of them, of touching limbs from farther away."""
    vertices = skin.vertices(pose.joint_rotations_b[None], pose.root_position_w[None])[0]
    local = rotations.rotate_inverse(pose.object_rotation_w, vertices - pose.object_position_w)
    distance = np.minimum(surface.shape.signed_distance(local), vertices[:, 2])
    reach = np.where(np.isin(dominant, _below(joints)), _CLOSE_BY_LIMB, _CLOSE_BY)
    return np.flatnonzero(distance < reach)[::_THIN]


def _contact_skin(
    skin: LinearBlendSkin, dominant: np.ndarray, parts: tuple[BodyPart, ...], hands: Mapping[str, HandHinges]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [K] of all parts' touching sides, area [K] m^2, share [K] of the reach, and the part's number [K]."""
    normals, areas = vertex_normals(skin), _areas(skin)
    found, shares, groups = [], [], []
    for number, part in enumerate(parts):
        side = part.split("_")[0]
        if part.endswith("hand"):
            hand = hands[side]
            segments = (JOINT_INDEX[f"{side}_wrist"], *hand.joints)
            rows = [
                np.flatnonzero((dominant == j) & (normals @ pad > _PAD))
                for j, pad in zip(segments, hand.pads, strict=True)
            ]
            weights = np.array(_PALM) / sum(_PALM)
            share = np.concatenate(
                [w * areas[r] / areas[r].sum() for w, r in zip(weights, rows, strict=True) if len(r)]
            )
            mine = np.concatenate(rows)
        else:
            mine = touching_side(part, dominant, normals)
            share = np.zeros(len(mine))
        found.append(mine)
        shares.append(share)
        groups.append(np.full(len(mine), number))
    index = np.concatenate(found)
    return index, areas[index], np.concatenate(shares), np.concatenate(groups)


def _areas(skin: LinearBlendSkin) -> np.ndarray:
    """[V] m^2, a third of the triangles around each vertex."""
    corners = skin.rest_vertices[skin.faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return np.bincount(skin.faces.ravel(), np.repeat(area / 3.0, skin.faces.shape[1]), len(skin.rest_vertices))
