"""Poses for one phase of a plan: targets from the affordance, a start from the prior, and a batched descent.

The coarse stage of InteractAnything (arXiv preprint; the seed's section on expressive HOI optimisation) with a pose
prior in place of its text-to-image score; fingers only get out of the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from generate.affordance.contacts import carries_person, lies
from generate.affordance.surface import upright
from generate.plan import BodyPart, InteractionPlan
from generate.pose.body import PoseBody
from generate.pose.config import PoseConfig
from generate.pose.density import PoseDensity
from generate.pose.energy import PoseEnergy, Targets
from generate.pose.initial import initial_poses
from generate.pose.targets import Given, Ground, contacts_of, draw_targets
from recon.optimizer.distance_field import distance_field
from sim import rotations
from sim.arrays import frozen
from sim.errors import PlanError
from sim.objects import Shape

_LAST_RATE = 0.02
_FEET: tuple[tuple[BodyPart, int], ...] = (("left_foot", 0), ("right_foot", 1))


@dataclass(frozen=True, eq=False)
class StaticPose:
    """A person at an object, in the world (floor z = 0).

    Attributes:
        joint_rotations_b: [52, 4] wxyz. root_position_w: [3] m.
        object_position_w: [3] m, object_rotation_w: [4] wxyz.
        facing_w: [3] unit, level, from the person to the object before the first phase.
        parts: of the body that touch the object. energy: weighted sum of the `terms`, each weighted, by name.
    """

    joint_rotations_b: np.ndarray
    root_position_w: np.ndarray
    object_position_w: np.ndarray
    object_rotation_w: np.ndarray
    facing_w: np.ndarray
    parts: tuple[BodyPart, ...]
    energy: float
    terms: Mapping[str, float]

    def __post_init__(self) -> None:
        arrays = ("joint_rotations_b", "root_position_w", "object_position_w", "object_rotation_w", "facing_w")
        for name in arrays:
            object.__setattr__(self, name, frozen(getattr(self, name)))


def synthesise_poses(
    plan: InteractionPlan,
    phase: int,
    shape: Shape,
    offsets: np.ndarray,
    config: PoseConfig | None = None,
    *,
    seed: int = 0,
    samples: int = 8,
    position_w: np.ndarray | None = None,
    rotation_w: np.ndarray | None = None,
    given: Given | None = None,
) -> tuple[StaticPose, ...]:
    """Poses at the beginning of a phase, with the contacts of that phase, the lowest energy first.

    The object is where the phases before have brought it and does not move. Its mesh has its final size already:
    `plan.size_m` is not applied here.

    Args:
        phase: one in which something touches the object.
        offsets: [52, 3] m, the subject's bones.
        seed: of all that is drawn; the same gives the same.
        position_w: [3] m, where the object's origin is before the first phase (only x and y count); rotation_w: [4]
            wxyz, how it rests. Unturned about the origin unless told.
        given: what earlier phases have settled: from where the person acts, and which parts touch where already.

    Raises:
        PlanError: no such phase, nothing that touches, fewer samples than one.
        AssetError: a mesh without volume. MissingDependencyError: no `anny`, where the config wants it.
    """
    config = PoseConfig() if config is None else config
    if samples < 1:
        raise PlanError(f"poses: samples is {samples}, expected at least 1")
    contacts_of(plan, phase)
    identity = np.array([1.0, 0.0, 0.0, 0.0])
    rest = identity if rotation_w is None else np.asarray(rotation_w, np.float64)
    ground = Ground.of(shape, rotations.rotate_inverse(rest, np.array([0.0, 0.0, 1.0])), config)
    rng = np.random.default_rng(seed)
    energy = build_energy(plan, phase, ground, offsets, config, rng, samples, given=given)
    start, root = initial_poses(energy, rng, samples)
    local, root = descend(energy, start, root)
    turned = sum(step.turn for step in plan.phases[:phase])
    return _ranked(energy, local, root, ground, rest, position_w, turned)


def build_energy(
    plan: InteractionPlan, phase: int, ground: Ground, offsets: np.ndarray, config: PoseConfig,
    rng: np.random.Generator, samples: int, dtype: torch.dtype = torch.float32, given: Given | None = None,
) -> PoseEnergy:  # fmt: skip
    """Energy of `samples` samples with targets drawn for each."""
    contacts = contacts_of(plan, phase)
    parts = tuple(contact.body_part for contact in contacts)
    patches = draw_targets(plan, phase, ground, config, rng, samples, given)
    body = PoseBody.of(offsets, config.skin, dtype)
    like = body.normals_b
    density = PoseDensity.of(offsets, like)
    targets = Targets(parts, lies(plan, contacts), *(torch.as_tensor(a).to(like) for a in vars(patches).values()))
    return PoseEnergy(
        body, density, distance_field(ground.shape.geometry).to(like), targets, config,
        standing=() if targets.lying else tuple(row for part, row in _FEET if part not in parts),
        carried=carries_person(plan, contacts),
        fingers_b=torch.as_tensor(density.prior.fingers_b).to(like),
    )  # fmt: skip


def descend(energy: PoseEnergy, start: torch.Tensor, root: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Adam on local turns of every joint and on the root's place, all samples at once: [B, 52, 4] and [B, 3] m."""
    config = energy.config
    turn = torch.zeros(*start.shape[:2], 3, dtype=start.dtype, requires_grad=True)
    move = torch.zeros_like(root, requires_grad=True)
    optimizer = torch.optim.Adam([turn, move], lr=config.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps, config.rate * _LAST_RATE)
    for _ in range(config.steps):
        optimizer.zero_grad()
        local = rotations.multiply(start, rotations.from_rotvec(turn))
        energy.total(energy.terms(local, root + move)).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return rotations.multiply(start, rotations.from_rotvec(turn)), root + move


def _ranked(
    energy: PoseEnergy, local: torch.Tensor, root: torch.Tensor, ground: Ground, rest: np.ndarray,
    position_w: np.ndarray | None, turned: float,
) -> tuple[StaticPose, ...]:  # fmt: skip
    """From the canonical frame to the world, sorted; the object has `turned` so far, rad."""
    with torch.no_grad():
        terms = {name: getattr(energy.config.weights, name) * term for name, term in energy.terms(local, root).items()}
    total = torch.stack(list(terms.values())).sum(0).double().numpy()
    before = rotations.from_rotvec(np.array([0.0, 0.0, -turned]))
    yaw = rotations.multiply(rest, rotations.inverse(upright(ground.surface.up_b)))
    shift = np.zeros(3)
    if position_w is not None:
        shift = np.asarray(position_w) - rotations.rotate(yaw, -ground.surface.around.origin)
        shift[2] = 0.0
    targets = energy.targets
    pose, place, position, rotation, toward = (
        t.double().numpy() for t in (local, root, targets.position, targets.rotation, targets.toward)
    )
    found = []
    for b in np.argsort(total, kind="stable"):
        joints = rotations.normalize(pose[b])
        joints[0] = rotations.multiply(yaw, joints[0])
        found.append(
            StaticPose(
                joints,
                shift + rotations.rotate(yaw, place[b]),
                shift + rotations.rotate(yaw, position[b]),
                rotations.multiply(yaw, rotation[b]),
                rotations.rotate(rotations.multiply(yaw, before), toward[b]),
                targets.parts,
                float(total[b]),
                {name: float(term[b]) for name, term in terms.items()},
            )
        )
    return tuple(found)
