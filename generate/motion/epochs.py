"""Sets of contacts, and the static pose with which each begins: the best of several, refined."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from generate.motion.config import GenerateConfig
from generate.motion.contacts import Hold, joint_of
from generate.motion.footing import Footing, footing_of
from generate.motion.holds import hold, stood, touching_b
from generate.motion.stances import Foot, Stance
from generate.motion.timeline import Timeline
from generate.plan import BodyPart, InteractionPlan, PlannedContact
from generate.pose import Given, StaticPose, synthesise_poses
from generate.pose.fine import FinePose, refine_pose
from sim import rotations
from sim.errors import PlanError
from sim.objects import Shape

_REFINED, _GOOD, _BAD = 3, 0.5, 2.0
"""Poses that are refined, until one has so little wrong with it, and more of them while so much is wrong."""
_OUT_OF_REACH = 0.5
"""m from the surface, beyond which a part that should touch it cannot."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """A stretch in which no contact is added.

    Attributes:
        bound: at which phase's beginning it begins. contacts: in force then. pose: with which it begins.
        closure: force-closure residual before and after the fine stage; None where contacts cannot have it.
        footing: of the person then.
    """

    bound: int
    contacts: tuple[PlannedContact, ...]
    pose: StaticPose
    closure: tuple[float, float] | None
    footing: Footing

    @property
    def before(self) -> Stance:
        """Where the person stands before."""
        floor = self.footing.floor
        return floor[0] if floor and self.bound else self.footing.stance


def find_epochs(
    timeline: Timeline,
    shape: Shape,
    up_b: np.ndarray,
    offsets: np.ndarray,
    foot: Foot,
    config: GenerateConfig,
    seed: int,
) -> tuple[list[Epoch], dict[PlannedContact, Hold]]:
    """A static pose wherever contacts are added, and each contact's place on the object.

    Raises:
        PlanError: nobody of that height reaches what should be touched.
    """
    plan = timeline.plan
    found: list[Epoch] = []
    poses: dict[PlannedContact, StaticPose] = {}
    facing, before = None, frozenset[PlannedContact]()
    for bound in range(len(plan.phases) + 1):
        contacts = timeline.in_force(bound)
        added = set(contacts) - before
        if added:
            given = Given(facing, _places(poses, contacts, before, offsets))
            phase = posed_phase(plan, bound, added)
            pose, closure = _pose(plan, phase, shape, up_b, offsets, config, seed, given)
            _check_reach(plan, pose, shape, offsets, config.height_m)
            facing = pose.facing_w[:2]
            poses |= {contact: pose for contact in contacts if contact not in poses}
            footing = footing_of(plan, bound, contacts, pose, shape, offsets, foot, config.gait)
            found.append(Epoch(bound, contacts, pose, closure, footing))
        before = frozenset(contacts)
    holds = {contact: hold(pose, contact, offsets, shape) for contact, pose in poses.items()}
    for epoch in found:
        if epoch.footing.floor is not None:
            feet = {c: holds[c] for c in epoch.contacts if c.body_part.endswith("foot")}
            holds |= stood(feet, epoch.pose, epoch.footing.stance, offsets, foot, config.gait)
    return found, holds


def posed_phase(plan: InteractionPlan, bound: int, added: Set[PlannedContact]) -> int:
    """The phase with whose contacts a pose at a bound is found: the one that begins there, or, where more of the added
    contacts are over when they have come about, the one that ends there."""
    phases = [p for p in (bound, bound - 1) if 0 <= p < len(plan.phases)]
    return max(phases, key=lambda p: len(added & set(plan.touching(p))))


def _pose(
    plan: InteractionPlan, phase: int, shape: Shape, up_b: np.ndarray, offsets: np.ndarray, config: GenerateConfig,
    seed: int, given: Given,
) -> tuple[StaticPose, tuple[float, float] | None]:  # fmt: skip
    """The best of several at the beginning of a phase."""
    rest = rotations.between(up_b, np.array([0.0, 0.0, 1.0]))
    drawn = replace(config.pose, use_affordance=config.use_affordance and config.pose.use_affordance)
    found = synthesise_poses(
        plan, phase, shape, offsets, drawn, seed=seed, samples=config.samples, rotation_w=rest, given=given
    )
    if not config.use_fine:
        return found[0], None
    best, least = found[0], np.inf
    closure: tuple[float, float] | None = None
    for i, pose in enumerate(found):
        fine = refine_pose(pose, plan, phase, shape, offsets, config.fine, drawn)
        before, after = _faults(fine)
        if min(before, after) < least:
            least, kept = min(before, after), after <= before
            best = fine.pose if kept else pose
            closure = (fine.closure[0], fine.closure[int(kept)]) if fine.counts else None
        if least < _GOOD or (i + 1 >= _REFINED and least < _BAD):
            break
    return best, closure


def _faults(fine: FinePose) -> tuple[float, float]:
    """What is wrong with a pose before and after it was refined: gaps and depth beyond 5 mm in cm, and what lacks to
    force closure."""
    first, last = (
        100.0 * (sum(quality.gaps.values()) + max(0.0, quality.depth - 0.005)) + closure * fine.counts
        for quality, closure in zip((fine.quality_before, fine.quality_after), fine.closure, strict=True)
    )
    return first, last


def _check_reach(plan: InteractionPlan, pose: StaticPose, shape: Shape, offsets: np.ndarray, height_m: float) -> None:
    for part in pose.parts:
        off = float(shape.signed_distance(touching_b(pose, joint_of(part), offsets)[None])[0])
        if off > _OUT_OF_REACH:
            whose = f"the {part.replace('_', ' ')} of a person of {height_m:g} m"
            raise PlanError(f"{whose} stays {off:.1f} m off the {plan.object_name}")


def _places(
    poses: Mapping[PlannedContact, StaticPose], contacts: tuple[PlannedContact, ...],
    before: frozenset[PlannedContact], offsets: np.ndarray,
) -> dict[BodyPart, np.ndarray]:  # fmt: skip
    """Where the parts that go on touching are, in the object's frame."""
    return {
        contact.body_part: touching_b(poses[contact], joint_of(contact.body_part), offsets)
        for contact in contacts
        if contact in before and contact in poses
    }
