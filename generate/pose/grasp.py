"""Hands and limbs on an object as the fine stage sees them: contact points of the skin, and the terms of its energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from generate.plan import BodyPart
from generate.pose.body import vertex_normals
from generate.pose.closure import Support, closure_residual, pressure
from generate.pose.config import FineConfig
from generate.pose.contact_skin import PALM, ContactSkin, close_by, contact_skin, limb_joints
from generate.pose.density import PoseDensity
from generate.pose.fingers import HandHinges
from generate.pose.nearest import Nearest, PlacedSurface
from generate.pose.synthesis import StaticPose
from recon.optimizer.differentiable_body import DifferentiableBody
from sim import rotations
from sim.body.skin import LinearBlendSkin
from sim.skeleton import BODY_JOINTS, JOINT_INDEX, SIDES

_FINGER_RADIUS = 0.008
_ALONG = (0.3, 0.8)
_LEVELS, PRESSED = 11, 600.0
FINGER_SCALE = 4.0
"""Hinges of fingers descend in units of this many radians: they move less skin than an arm."""
_BODY = list(BODY_JOINTS)


@dataclass(frozen=True, eq=False)
class Grasp:
    """One pose at its object.

    Attributes:
        body: skin of the vertices that the turned joints move (all fingers of touching hands, and limbs).
        moves: [V], the joint that moves each vertex most; finger: [V] bool, whether it is one of a touching hand's.
        normals_b: [V, 3], of the skin at rest.
        surface: of the object; center: [3] m its centre of mass; length: m, half its diagonal.
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
    surface: PlacedSurface
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
        surface: PlacedSurface, density: PoseDensity, config: FineConfig,
    ) -> Grasp:  # fmt: skip
        """Of a coarse pose; `grasped` tells of each part that touches whether it holds on."""
        parts, tensor = tuple(grasped), torch.as_tensor
        sides = {part.split("_")[0]: grasped[part] for part in parts if part.endswith("hand")}
        hands = tuple(HandHinges.of(skin.offsets, side, grasps=g) for side, g in sides.items())
        dominant = np.asarray(skin.vertex_joints)
        contact, area, share, group = contact_skin(skin, dominant, parts, dict(zip(sides, hands, strict=True)))
        whole = skin.vertices(pose.joint_rotations_b[None], pose.root_position_w[None])[0]
        clear = np.minimum(surface.distance(whole), whole[:, 2])
        vertices = np.union1d(close_by(clear, dominant, limb_joints(parts)), contact)
        body = DifferentiableBody.of(skin, dtype=torch.float64)
        start, root = (tensor(np.array(a)) for a in (pose.joint_rotations_b, pose.root_position_w))
        joints, turned = body.joints(start[None], root[None])
        finger = torch.isin(tensor(dominant[vertices]), torch.tensor([j for hand in hands for j in hand.joints]))
        palms = tensor(share) * ~finger[np.searchsorted(vertices, contact)] * sum(PALM) / PALM[0]
        near = torch.isin(torch.tensor(BODY_JOINTS), torch.tensor(limb_joints(parts)))
        feet = [f"{side}_{n}" for side in SIDES if f"{side}_foot" not in parts for n in ("ankle", "foot")]
        return Grasp(
            replace(body, blend=body.blend[tensor(vertices)]), tensor(dominant[vertices]), finger,
            tensor(vertex_normals(skin)[vertices]), density, surface,
            tensor(surface.center), surface.length, support, counts,
            ContactSkin(tensor(np.searchsorted(vertices, contact)), tensor(area), tensor(share), palms, tensor(group)),
            torch.tensor([grasped[part] or not counts for part in parts]), hands,
            torch.where(near, 1.0, config.still).to(start), [JOINT_INDEX[n] for n in feet], (joints[0], turned[0]),
            start, root, config,
        )  # fmt: skip

    def variables(self) -> list[torch.Tensor]:
        """Turns of the 22 joints [22, 3] rad, the root's way [3] m, then of each touching hand the hinges, open: angles
        [D] in units of `FINGER_SCALE` rad."""
        turns = torch.zeros(len(BODY_JOINTS), 3, dtype=torch.float64)
        return [turns, torch.zeros(3, dtype=torch.float64), *(hand.open() / FINGER_SCALE for hand in self.hands)]

    def grasps(self, hand: HandHinges) -> bool:
        """Whether a hand's contact counts in the closure."""
        group = self.contacts.group[torch.isin(self.moves[self.contacts.rows], torch.tensor(hand.joints))]
        return bool(self.grasping[group[0]])

    def close(self, variables: list[torch.Tensor]) -> None:
        """Close the fingers of touching hands until they touch, in place: each at the best of several flexions."""
        skin, config = self.contacts, self.config
        for number, hand in enumerate(self.hands):
            costs, tried = [], []
            mine = torch.isin(self.moves[skin.rows], torch.tensor(hand.joints))
            rows, share = skin.rows[mine][::2], skin.share[mine][::2]
            finger = (self.moves[rows, None] == torch.tensor(hand.joints)).int().argmax(-1) // 3
            for level in torch.linspace(0.0, 1.0, _LEVELS).tolist():
                angles = hand.curled(level) / FINGER_SCALE
                some = [a if i != number + 2 else angles for i, a in enumerate(variables)]
                points = self.skinned(*self.pose(some))[0][rows].numpy()
                distance = torch.as_tensor(self.surface.distance(points))
                gap, depth = distance.clamp_min(0.0), (-distance).clamp_min(0.0)
                cost = share * (config.weights.reach * gap.square() / (gap + config.near) + PRESSED * depth)
                costs.append(cost.new_zeros(5).index_add(0, finger, cost))
                tried.append(angles)
            best = torch.stack(costs).argmin(0)
            variables[number + 2].copy_(torch.stack(tried)[best[hand.columns // 3], torch.arange(len(hand.columns))])

    def pose(self, variables: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Local rotations [..., 52, 4] and root [..., 3] m; of hinges there may be one set for all of the batch."""
        turns, move, *angles = variables
        local = self.start.expand(*turns.shape[:-2], -1, -1).clone()
        local[..., _BODY, :] = rotations.multiply(self.start[_BODY], rotations.from_rotvec(turns))
        for hand, bent in zip(self.hands, angles, strict=True):
            local[..., list(hand.joints), :] = hand.rotations(FINGER_SCALE * bent)
        return local, self.root + move

    def skinned(self, local: torch.Tensor, root: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Vertices [V, 3] m, joints [52, 3] m and their rotations [52, 4]."""
        joints, turned = self.body.joints(local[None], root[None])
        return self.body.vertices(joints, turned)[0], joints[0], turned[0]

    def nearest(self, variables: list[torch.Tensor], last: Nearest | None = None) -> Nearest:
        """Planes that stand for the object around the vertices, see `PlacedSurface.nearest`."""
        return self._look(*self.pose(variables), last)

    def residual(self, local: torch.Tensor, root: torch.Tensor) -> float:
        """Of force closure, with exact distances, of a pose [52, 4] at [3] m."""
        nearest = self._look(local, root)
        return float(self.closure(nearest.points, nearest.distance, nearest.normals))

    def _look(self, local: torch.Tensor, root: torch.Tensor, last: Nearest | None = None) -> Nearest:
        points, _, turned = self.skinned(local, root)
        normals = rotations.rotate(turned[self.moves], self.normals_b)
        return self.surface.nearest(points.detach().numpy(), normals.detach().numpy(), last)

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
            "closure": self.closure(vertices, distance, nearest.facing(vertices)),
            "reach": self.reach(distance, fingers=fingers),
            "trust": self.moved(vertices, nearest),
            "penetration": inside + below,
            "crossing": self.crossing(joints, turned),
            "stay": (self.still * variables[0].square().sum(-1)).sum(),
            "feet": self.stand(joints, turned),
            "curl": sum(
                (_uneven(h, FINGER_SCALE * a) for h, a in zip(self.hands, variables[2:], strict=True)), torch.zeros(())
            ),
            "hinges": sum(
                (
                    FINGER_SCALE**2 * (a - h.clamp(FINGER_SCALE * a) / FINGER_SCALE).square().sum()
                    for h, a in zip(self.hands, variables[2:], strict=True)
                ),
                torch.zeros(()),
            ),
            "limits": self.density.beyond(local[None])[0],
            "prior": self.density.energy(local[None])[0],
        }

    def weighted(self, terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Terms times their weights, and their `total`; closure counts where contacts can have it."""
        found = {name: getattr(self.config.weights, name) * term for name, term in terms.items()}
        if not self.counts:
            found["closure"] = 0.0 * found["closure"]
        return {**found, "total": torch.stack(list(found.values())).sum()}

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
            bent.copy_(hand.clamp(FINGER_SCALE * bent) / FINGER_SCALE)

    def stand(self, joints: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """Sum of squares of the way that ankles and toes of standing feet have gone, m^2, and of the feet's turn over
        a tenth of a radian for a centimetre."""
        if not self.feet:
            return joints.new_zeros(joints.shape[:-2])
        gone = (joints[..., self.feet, :] - self.stance[0][self.feet]).square().sum((-2, -1))
        cosine = (turned[..., self.feet, :] * self.stance[1][self.feet]).sum(-1).square()
        return gone + 0.04 * (1.0 - cosine).sum(-1)

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
