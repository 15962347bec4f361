"""The energy of a body in many frames at once: contacts, feet, balance, penetration, and what keeps it whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from generate.motion.config import SpaceTimeConfig
from generate.pose.body import PoseBody, PosedBody
from generate.pose.density import PoseDensity
from generate.pose.energy import level
from recon.optimizer.distance_field import DistanceField
from recon.optimizer.losses import penetration_loss
from sim import rotations
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, SIDES

BODY = tuple(JOINT_INDEX[n] for n in (
    "pelvis", "left_hip", "left_knee", "left_ankle", "left_foot", "right_hip", "right_knee", "right_ankle",
    "right_foot", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "left_shoulder", "left_elbow",
    "left_wrist", "right_collar", "right_shoulder", "right_elbow", "right_wrist",
))  # fmt: skip
"""The joints that move; fingers are given."""
_EASED = tuple(j for j in BODY[1:] if not JOINT_NAMES[j].endswith(("collar", "shoulder")))
_ARMS = [JOINT_INDEX[f"{side}_{name}"] for side in SIDES for name in ("elbow", "wrist")]
ANKLES = [JOINT_INDEX[f"{side}_ankle"] for side in SIDES]


@dataclass(frozen=True, eq=False)
class Anchors:
    """A joint fixed to the object while its part touches.

    Attributes:
        joint: which. weight: [N] 0..1. position_w: [N, 3] m and rotation_w: [N, 4], where it should be.
    """

    joint: int
    weight: np.ndarray
    position_w: np.ndarray
    rotation_w: np.ndarray

    def at(self, frames: np.ndarray) -> Anchors:
        """Those of some frames."""
        return Anchors(self.joint, self.weight[frames], self.position_w[frames], self.rotation_w[frames])


@dataclass(frozen=True, eq=False)
class Course:
    """What is given in N frames: the object, the feet, and where the centre of mass has to be.

    Attributes:
        position_w: [N, 3] m, rotation_w: [N, 4], of the object.
        ankles_w: [N, 2, 3] m, feet_w: [N, 2, 4], world rotations of the ankles; standing: [N, 2] 0..1, whether the
            foot is where the gait has it.
        center_w: [N, 2] m, of mass, of body and load together; balanced: [N] 0..1, whether it counts.
        load: [N], mass of what is carried over that of the body; load_w: [N, 3] m, its centre.
        forward: [N, 3] unit, the way of the stance; upright: [N] 0..1, whether it counts.
        anchors: of the touching parts. seconds: between frames, None where they are independent.
        ease_b: [N, 52, 4], the postures that least effort draws to; None: the relaxed one.
    """

    position_w: np.ndarray
    rotation_w: np.ndarray
    ankles_w: np.ndarray
    feet_w: np.ndarray
    standing: np.ndarray
    center_w: np.ndarray
    balanced: np.ndarray
    load: np.ndarray
    load_w: np.ndarray
    forward: np.ndarray
    upright: np.ndarray
    anchors: tuple[Anchors, ...] = ()
    seconds: float | None = None
    ease_b: np.ndarray | None = None

    def at(self, frames: np.ndarray, seconds: float | None = None) -> Course:
        """Some frames, `seconds` apart."""
        arrays = {name: value[frames] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Course(**arrays, anchors=tuple(a.at(frames) for a in self.anchors), seconds=seconds)


@dataclass(frozen=True, eq=False)
class Subject:
    """A person and an object that never change: body, density of poses, the object's signed distance, and the relaxed
    posture's local rotations [52, 4]."""

    body: PoseBody
    density: PoseDensity
    field: DistanceField
    relaxed_b: np.ndarray


class MotionEnergy:
    """The weighted terms over a course."""

    def __init__(self, subject: Subject, course: Course, config: SpaceTimeConfig) -> None:
        self.subject, self.course, self.config = subject, course, config
        like = subject.body.normals_b
        self._relaxed = torch.as_tensor(subject.relaxed_b[list(_EASED)]).to(like)

        def tensor(value: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(value).to(like)

        self._given = {name: tensor(value) for name, value in vars(course).items() if isinstance(value, np.ndarray)}
        self._anchors = [
            (a.joint, tensor(a.weight), tensor(a.position_w), tensor(a.rotation_w)) for a in course.anchors
        ]

    def terms(self, rotations_b: torch.Tensor, root_w: torch.Tensor, turn: torch.Tensor) -> dict[str, torch.Tensor]:
        """Weighted, by frame: [N, 52, 4], [N, 3] m and the corrections [N, 22, 3] rad -> [N] each."""
        given, config, w = self._given, self.config, self.config.weights
        body, density = self.subject.body, self.subject.density
        posed = body.pose(rotations_b, root_w)
        local = rotations.rotate_inverse(given["rotation_w"][:, None], posed.vertices_w - given["position_w"][:, None])
        margin, softness = config.margin, config.softness
        facing = rotations.rotate(posed.rotations_w[:, 0], root_w.new_tensor([1.0, 0.0, 0.0]).expand_as(root_w))
        off, turned = self._off_anchors(posed)
        return {
            "anchor": w.anchor * off,
            "turned": w.turned * turned,
            "feet": w.feet * self._off_feet(posed),
            "balance": w.balance * self._off_balance(posed),
            "penetration": w.penetration
            * (
                penetration_loss(self.subject.field(local), margin=margin, softness=softness)
                + penetration_loss(posed.vertices_w[..., 2], margin=-0.003, softness=softness)
            ),
            "itself": w.itself * penetration_loss(body.inside_itself(posed), margin=0.0, softness=softness),
            "limits": w.limits * density.beyond(rotations_b),
            "prior": w.prior * density.energy(rotations_b),
            "upright": w.upright * given["upright"] * (1.0 - (level(facing) * given["forward"]).sum(-1)),
            "ease": w.ease * self._effort(rotations_b),
            "hang": w.hang * posed.joints_w[:, _ARMS, 2].sum(-1),
            "smooth": w.smooth * self._acceleration(posed),
            "stay": w.stay * turn.square().sum((-2, -1)),
        }

    def _off_anchors(self, posed: PosedBody) -> tuple[torch.Tensor, torch.Tensor]:
        zero = posed.joints_w.new_zeros(len(posed.joints_w))
        off, turned = zero, zero
        for joint, weight, position_w, rotation_w in self._anchors:
            off = off + weight * (posed.joints_w[:, joint] - position_w).square().sum(-1)
            turned = turned + weight * (1.0 - (posed.rotations_w[:, joint] * rotation_w).sum(-1).square())
        return off, turned

    def _off_feet(self, posed: PosedBody) -> torch.Tensor:
        """Mean square distance of the ankles to the footsteps, and of their turn (sine of half the angle, in dm)."""
        apart = (posed.joints_w[:, ANKLES] - self._given["ankles_w"]).square().sum(-1)
        turned = 1.0 - (posed.rotations_w[:, ANKLES] * self._given["feet_w"]).sum(-1).square()
        return (self._given["standing"] * (apart + 0.01 * turned)).mean(-1)

    def _off_balance(self, posed: PosedBody) -> torch.Tensor:
        given = self._given
        load = given["load"][:, None]
        center = (self.subject.body.center_of_mass(posed) + load * given["load_w"]) / (1.0 + load)
        return given["balanced"] * (center[:, :2] - given["center_w"]).square().sum(-1)

    def _effort(self, rotations_b: torch.Tensor) -> torch.Tensor:
        """Sum of the joints' squared turns (twice their half angle's sine) off a posture at ease, rad^2.

        Shoulders are left to gravity.
        """
        ease = self._given["ease_b"][:, list(_EASED)] if "ease_b" in self._given else self._relaxed
        along = (rotations_b[:, list(_EASED)] * ease).sum(-1)
        return 4.0 * (1.0 - along.square()).sum(-1)

    def _acceleration(self, posed: PosedBody) -> torch.Tensor:
        """Mean squared acceleration of the joints, (m/s^2)^2; zero at the ends."""
        zero = posed.joints_w.new_zeros(len(posed.joints_w))
        if self.course.seconds is None or len(zero) < 3:
            return zero
        joints = posed.joints_w[:, list(BODY)]
        acceleration = joints.diff(n=2, dim=0) / self.course.seconds**2
        inner = acceleration.square().sum(-1).mean(-1)
        return torch.cat((zero[:1], inner, zero[:1]))


def descend(
    energy: MotionEnergy, rotations_b: np.ndarray, root_w: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Adam on all frames at once.

    Args:
        rotations_b: [N, 52, 4], root_w: [N, 3] m, where it begins.

    Returns:
        The turns [N, 22, 3] rad that are to be multiplied from the right to the joints of `BODY`, the root's moves
        [N, 3] m, and the weighted terms at the end, [N] each.
    """
    like = energy.subject.body.normals_b
    start, root = torch.as_tensor(rotations_b.copy()).to(like), torch.as_tensor(root_w.copy()).to(like)
    turn = torch.zeros(len(start), len(BODY), 3, dtype=like.dtype, requires_grad=True)
    move = torch.zeros_like(root, requires_grad=True)
    optimizer = torch.optim.Adam([turn, move], lr=energy.config.rate, betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1), energy.config.rate * 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(energy.terms(corrected(start, turn), root + move, turn).values())).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        found = energy.terms(corrected(start, turn), root + move, turn)
    return (
        turn.detach().double().numpy(),
        move.detach().double().numpy(),
        {name: term.double().numpy() for name, term in found.items()},
    )


def corrected(rotations_b: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """[N, 52, 4] with the joints of `BODY` turned by [N, 22, 3] rad."""
    index = torch.tensor(BODY)
    turned = rotations.multiply(rotations_b[:, index], rotations.from_rotvec(turn))
    return rotations_b.index_copy(1, index, turned)
