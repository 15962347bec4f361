"""The energy of a pose at an object, by sample and term: InteractAnything's L_c, and what keeps a body whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from generate.plan import BodyPart
from generate.pose.body import PoseBody, PosedBody
from generate.pose.config import PoseConfig
from generate.pose.density import PoseDensity
from recon.optimizer.distance_field import DistanceField
from recon.optimizer.losses import penetration_loss
from sim import rotations
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX

_FEET = [[JOINT_INDEX[f"{side}_{n}"] for n in ("ankle", "foot")] for side in ("left", "right")]
_LYING = (("back", "hips"), ("chest", "left_leg"))
_NEAREST = 0.25
"""Share of a part's vertices, the nearest ones, that have to lie on the surface."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Where the parts of B samples should touch, and where each sample's object is; canonical frame (floor z = 0).

    Attributes:
        parts: C parts of the body. lies: whether it lies.
        points: [B, C, M, 3] m on the object's surface; normals: [B, C, M, 3], outward.
        weights: [B, C, M], W of the affordance, sums to 1 over M.
        position: [B, 3] m, rotation: [B, 4], of the object. toward: [B, 3], the way from the person to the object;
            forward: [B, 3], the way that the person faces: the same, or its opposite for one who faces away.
        edge: [B] m, least of the object's points along `toward`: feet stand before it.
    """

    parts: tuple[BodyPart, ...]
    lies: bool
    points: torch.Tensor
    normals: torch.Tensor
    weights: torch.Tensor
    position: torch.Tensor
    rotation: torch.Tensor
    forward: torch.Tensor
    toward: torch.Tensor
    edge: torch.Tensor

    def rows(self, index: torch.Tensor) -> Targets:
        """Those of some samples, in an order of one's own, also repeatedly."""
        tensors = {
            name: getattr(self, name)[index]
            for name in ("points", "normals", "weights", "position", "rotation", "forward", "toward", "edge")
        }
        return replace(self, **tensors)

    @property
    def centers(self) -> torch.Tensor:
        """[B, C, 3] m, the weighted middle of each part's points."""
        return (self.points * self.weights[..., None]).sum(-2)

    @property
    def lying(self) -> tuple[int, int] | None:
        """Indices of an upper and a lower part of a body that lies, between which it is laid out; else None."""
        pairs = (pair for pair in _LYING if self.lies and set(pair) <= set(self.parts))
        return next(((self.parts.index(upper), self.parts.index(lower)) for upper, lower in pairs), None)


@dataclass(frozen=True, eq=False)
class PoseEnergy:
    """The terms, given body, density, object and where to touch.

    Attributes:
        field: signed distance to the object. standing: feet (0 left, 1 right) that stand on the floor.
        carried: the object bears the person (sitting, lying), so that the feet need not balance it.
        fingers_b: [30, 4], the relaxed hand.
    """

    body: PoseBody
    density: PoseDensity
    field: DistanceField
    targets: Targets
    config: PoseConfig
    standing: tuple[int, ...]
    carried: bool
    fingers_b: torch.Tensor

    def rows(self, index: torch.Tensor) -> PoseEnergy:
        """The same for some samples."""
        return replace(self, targets=self.targets.rows(index))

    def terms(self, rotations_b: torch.Tensor, root: torch.Tensor) -> dict[str, torch.Tensor]:
        """Unweighted terms by the names of `PoseWeights`: [B, 52, 4], [B, 3] m -> [B] each."""
        posed = self.body.pose(rotations_b, root)
        facing = rotations.rotate(rotations_b[:, 0], root.new_tensor([1.0, 0.0, 0.0]).expand_as(root))
        fingers = (rotations_b[:, list(FINGER_JOINTS)] * self.fingers_b).sum(-1).square()
        margin, softness = self.config.margin, self.config.softness
        return {
            **self.contact(posed),
            "penetration": penetration_loss(self.distance(self.body.flesh(posed)), margin=margin, softness=softness)
            + penetration_loss(posed.vertices_w[..., 2], margin=0.0, softness=softness),
            **self.feet(posed),
            "balance": self.balance(posed),
            "beside": self.beside(posed),
            "limits": self.density.beyond(rotations_b),
            "prior": self.density.energy(rotations_b),
            "fingers": 4.0 * (1.0 - fingers).sum(-1),
            "itself": penetration_loss(self.body.inside_itself(posed), margin=0.0, softness=softness),
            "upright": self.upright(facing),
        }

    def upright(self, facing: torch.Tensor) -> torch.Tensor:
        """1 - cosine of the way [B, 3] that the pelvis faces and that of the person; one who lies may face any way."""
        if self.targets.lies:
            return torch.zeros_like(facing[:, 0])
        return 1.0 - (level(facing) * self.targets.forward).sum(-1)

    def total(self, terms: dict[str, torch.Tensor]) -> torch.Tensor:
        """[B], weighted."""
        return torch.stack([getattr(self.config.weights, name) * term for name, term in terms.items()]).sum(0)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance to the object: [B, P, 3] m -> [B, P] m."""
        local = rotations.rotate_inverse(self.targets.rotation[:, None], points - self.targets.position[:, None])
        return self.field(local)

    def contact(self, posed: PosedBody) -> dict[str, torch.Tensor]:
        """L_inter, the gap to the surface and L_n, summed over the parts; `touch` has them for one."""
        zero = posed.joints_w.new_zeros(len(posed.joints_w))
        found = {"inter": zero, "gap": zero, "normal": zero}
        for c in range(len(self.targets.parts)):
            found = {name: found[name] + term for name, term in self.touch(posed, c).items()}
        return found

    def touch(self, posed: PosedBody, c: int) -> dict[str, torch.Tensor]:
        """Of part c, with its vertices h_k and the target's points p_j:

        inter: sum_j W_j min_k |p_j - h_k|^2 + mean_k min_j |h_k - p_j|^2, m^2 (InteractAnything's L_inter).
        gap: mean of (d(h_k) - margin)^2 over the nearest quarter, m^2, d the distance to the whole object's surface.
        normal: mean of 1 + n_k . n_j over the part's vertices and the points nearest to them (L_n).
        """
        vertices = self.body.touching(self.targets.parts[c])
        points, normals = self.targets.points[:, c], self.targets.normals[:, c]
        skin = posed.vertices_w[:, vertices]
        apart = (skin[:, :, None] - points[:, None]).square().sum(-1)
        to_skin, (to_point, nearest) = apart.amin(1), apart.min(2)
        opposite = torch.gather(normals, 1, nearest[..., None].expand(-1, -1, 3))
        count = max(1, int(_NEAREST * len(vertices)))
        gap = self.distance(skin).topk(count, dim=-1, largest=False).values
        cosine = (self.body.normals(posed, vertices) * opposite).sum(-1)
        return {
            "inter": (self.targets.weights[:, c] * to_skin).sum(-1) + to_point.mean(-1),
            "gap": (gap - self.config.margin).square().mean(-1),
            "normal": (1.0 + cosine).mean(-1),
        }

    def feet(self, posed: PosedBody) -> dict[str, torch.Tensor]:
        """Mean square of the standing soles' heights, m^2, and mean of 1 - cosine of their normals with up."""
        heights, up = self.body.soles(posed)
        rows = [2 * foot + i for foot in self.standing for i in (0, 1)]
        if not rows:
            zero = heights.new_zeros(len(heights))
            return {"feet": zero, "flat": zero}
        return {"feet": heights[:, rows].square().mean(-1), "flat": (1.0 - up[:, rows, 2]).mean(-1)}

    def beside(self, posed: PosedBody) -> torch.Tensor:
        """Mean square of the way by which standing feet are in among the object instead of before it, m^2."""
        return self.beyond_edge(posed.joints_w).square().mean(-1)

    def beyond_edge(self, joints_w: torch.Tensor) -> torch.Tensor:
        """m by which each standing foot is in among the object, [B, 52, 3] m -> [B, F]; 0 where the object carries the
        person, or both feet are on it."""
        if self.carried or not self.standing:
            return joints_w.new_zeros(len(joints_w), 1)
        middles = torch.stack([joints_w[:, _FEET[foot]].mean(1) for foot in self.standing], 1)
        beyond = (middles * self.targets.toward[:, None]).sum(-1) - self.targets.edge[:, None]
        return (beyond + self.config.stand_off).clamp_min(0.0)

    def balance(self, posed: PosedBody) -> torch.Tensor:
        """Square of the way by which the centre of mass is over the edge of the support, m^2.

        The support is what lies within `config.foot` of the line between the middles of the standing feet.
        """
        center = self.body.center_of_mass(posed)[:, :2]
        if self.carried or not self.standing:
            return center.new_zeros(len(center))
        middles = [posed.joints_w[:, _FEET[foot], :2].mean(1) for foot in self.standing]
        start, end = middles[0], middles[-1]
        line = end - start
        along = ((center - start) * line).sum(-1) / line.square().sum(-1).clamp_min(1e-9)
        away = center - start - along.clamp(0.0, 1.0)[:, None] * line
        distance = (away.square().sum(-1) + 1e-12).sqrt()
        return (distance - self.config.foot).clamp_min(0.0).square()


def level(ways: torch.Tensor) -> torch.Tensor:
    """Directions along the floor, unit: [B, 3] -> [B, 3]."""
    flat = ways * ways.new_tensor([1.0, 1.0, 0.0])
    return flat / (flat.square().sum(-1, keepdim=True) + 1e-12).sqrt()
