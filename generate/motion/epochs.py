"""Sets of contacts: the static pose with which each begins, where each part is held, and where the person stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from generate.affordance.contacts import contact_purpose
from generate.motion.config import GaitConfig, GenerateConfig
from generate.motion.contacts import Hold, joint_of, sliding_radius
from generate.motion.stances import Foot, Stance, step_count
from generate.motion.timeline import Timeline
from generate.object_path import planar_path, turn_matrix
from generate.plan import BodyPart, InteractionPlan, PlannedContact
from generate.pose import Given, StaticPose, synthesise_poses
from generate.pose.fine import FinePose, refine_pose
from sim import rotations, skeleton
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES

_REFINED, _GOOD = 3, 0.5
"""Poses that are refined at most, until one has so little wrong with it."""
_OFF_FLOOR = 0.08
_LOW = 0.35
"""m over the floor, below which an object is in the way of feet."""
_TOES = 0.08
"""m of toes before the ball of the foot."""
_CARRIES_ALONG = (0.2, 0.45)
"""m and rad by which an object goes in a phase before the person walks with it."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """A stretch in which no contact is added.

    Attributes:
        bound: at which phase's beginning it begins. contacts: in force then. pose: with which it begins.
        closure: force-closure residual before and after the fine stage; None where contacts cannot have it.
        stance: of the person then. standing: whether left and right foot are on the floor.
        carried: the object bears the person.
    """

    bound: int
    contacts: tuple[PlannedContact, ...]
    pose: StaticPose
    closure: tuple[float, float] | None
    stance: Stance
    standing: tuple[bool, bool]
    carried: bool


def find_epochs(
    timeline: Timeline,
    shape: Shape,
    up_b: np.ndarray,
    offsets: np.ndarray,
    foot: Foot,
    config: GenerateConfig,
    seed: int,
) -> tuple[list[Epoch], dict[PlannedContact, Hold]]:
    """A static pose wherever contacts are added, and each contact's place on the object."""
    plan = timeline.plan
    found: list[Epoch] = []
    poses: dict[PlannedContact, StaticPose] = {}
    facing, before = None, frozenset[PlannedContact]()
    for bound in range(len(plan.phases) + 1):
        contacts = timeline.in_force(bound)
        if set(contacts) - before:
            given = Given(facing, _places(poses, contacts, before, offsets))
            pose, closure = _pose(plan, bound, contacts, shape, up_b, offsets, config, seed, given)
            facing = pose.facing_w[:2]
            poses |= {contact: pose for contact in contacts if contact not in poses}
            found.append(_epoch(plan, bound, contacts, pose, closure, shape, offsets, foot))
        before = frozenset(contacts)
    return found, {contact: hold(pose, contact, offsets, shape) for contact, pose in poses.items()}


def _pose(
    plan: InteractionPlan, bound: int, contacts: tuple[PlannedContact, ...], shape: Shape, up_b: np.ndarray,
    offsets: np.ndarray, config: GenerateConfig, seed: int, given: Given,
) -> tuple[StaticPose, tuple[float, float] | None]:  # fmt: skip
    """The best of several at the beginning of the phase that follows, or of the last one that has the contacts."""
    phase = min(bound, len(plan.phases) - 1)
    if not set(contacts) & set(plan.touching(phase)):
        phase = max(contact.last for contact in contacts)
    rest = rotations.between(up_b, np.array([0.0, 0.0, 1.0]))
    drawn = replace(config.pose, use_affordance=config.use_affordance)
    found = synthesise_poses(
        plan, phase, shape, offsets, drawn, seed=seed, samples=config.samples, rotation_w=rest, given=given
    )
    if not config.use_fine:
        return found[0], None
    refined: list[FinePose] = []
    for pose in found[:_REFINED]:
        refined.append(refine_pose(pose, plan, phase, shape, offsets, config.fine, drawn))
        if _fault(refined[-1]) < _GOOD:
            break
    best = min(refined, key=_fault)
    return best.pose, best.closure if best.counts else None


def _fault(fine: FinePose) -> float:
    """What is wrong with a refined pose: gaps and depth beyond 5 mm in cm, and what lacks to force closure."""
    quality = fine.quality_after
    deep = max(0.0, quality.depth - 0.005)
    return 100.0 * (sum(quality.gaps.values()) + deep) + fine.closure[1] * fine.counts


def _places(
    poses: Mapping[PlannedContact, StaticPose], contacts: tuple[PlannedContact, ...],
    before: frozenset[PlannedContact], offsets: np.ndarray,
) -> dict[BodyPart, np.ndarray]:  # fmt: skip
    """Where the parts that go on touching are, in the object's frame."""
    return {
        contact.body_part: _touching_b(poses[contact], joint_of(contact.body_part), offsets)
        for contact in contacts
        if contact in before and contact in poses
    }


def _epoch(
    plan: InteractionPlan, bound: int, contacts: tuple[PlannedContact, ...], pose: StaticPose,
    closure: tuple[float, float] | None, shape: Shape, offsets: np.ndarray, foot: Foot,
) -> Epoch:  # fmt: skip
    joints, _ = skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, offsets)
    ends = np.array([[JOINT_INDEX[f"{side}_{name}"] for name in ("ankle", "foot")] for side in SIDES])
    feet = joints[ends]
    named = {contact.body_part for contact in contacts}
    standing = tuple(
        bool(feet[i, 1, 2] < foot.ball_height + _OFF_FLOOR) and f"{side}_foot" not in named
        for i, side in enumerate(SIDES)
    )
    turned = sum(phase.turn for phase in plan.phases[:bound])
    yaw = float(np.arctan2(pose.facing_w[1], pose.facing_w[0]) + turned + np.pi * plan.faces_away)
    down = [i for i in range(2) if standing[i]] or [0, 1]
    middle = feet[down].mean((0, 1))[:2]
    stance = Stance(float(middle[0]), float(middle[1]), float(np.arctan2(np.sin(yaw), np.cos(yaw))))
    if {"left_hand", "right_hand"} <= named:
        hands = joints[[JOINT_INDEX[f"{side}_wrist"] for side in SIDES], :2].mean(0)
        stance = stance.ahead(0.0, float(turn_matrix(np.array(-yaw))[1] @ (hands - middle)))
    carried = any(contact_purpose(plan, contact) == "settle" for contact in contacts)
    if not carried and all(standing):
        stance = stance.ahead(-_too_near(stance, pose, shape, foot))
    return Epoch(bound, contacts, pose, closure, stance, (standing[0], standing[1]), carried)


def _too_near(stance: Stance, pose: StaticPose, shape: Shape, foot: Foot) -> float:
    """m by which toes would be in what of the object is near the floor."""
    corners = pose.object_position_w + rotations.rotate(pose.object_rotation_w, shape.hull_corners)
    low = corners[corners[:, 2] < _LOW, :2]
    if not len(low):
        return 0.0
    toes = stance.ahead(0.5 * foot.length + _TOES).position @ stance.forward
    return float(max(0.0, toes - (low @ stance.forward).min()))


def hold(pose: StaticPose, contact: PlannedContact, offsets: np.ndarray, shape: Shape) -> Hold:
    """Where a part's joint is in the object's frame."""
    joint = joint_of(contact.body_part)
    position, rotation = _in_object(pose, joint, offsets)
    palm = _touching_b(pose, joint, offsets)
    normal = _outward(shape, palm)
    surface, _ = shape.closest_points(palm)
    return Hold(joint, position, rotation, normal, sliding_radius(shape, surface, normal))


def _outward(shape: Shape, point_b: np.ndarray) -> np.ndarray:
    """[3] unit, the way in which a point gets off the surface: the slope of the signed distance over 4 mm."""
    steps = 2e-3 * np.eye(3)
    normal: np.ndarray = rotations.normalize(
        shape.signed_distance(point_b + steps) - shape.signed_distance(point_b - steps)
    )
    return normal


def _in_object(pose: StaticPose, joint: int, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, world = skeleton.forward_kinematics(pose.joint_rotations_b, pose.root_position_w, offsets)
    position = rotations.rotate_inverse(pose.object_rotation_w, joints[joint] - pose.object_position_w)
    return position, rotations.multiply(rotations.inverse(pose.object_rotation_w), world[joint])


def _touching_b(pose: StaticPose, joint: int, offsets: np.ndarray) -> np.ndarray:
    """[3] m, the middle of what touches, in the object's frame."""
    position, rotation = _in_object(pose, joint, offsets)
    place: np.ndarray = position + rotations.rotate(rotation, _palm(joint, offsets))
    return place


def _palm(joint: int, offsets: np.ndarray) -> np.ndarray:
    """[3] m, from a joint to the middle of what touches: of a hand the middle of the palm, of a foot the ball."""
    name = skeleton.JOINT_NAMES[joint]
    if name.endswith("wrist"):
        palm: np.ndarray = 0.7 * offsets[JOINT_INDEX[name.replace("wrist", "middle1")]]
        return palm
    return offsets[joint + 1] if name.endswith("ankle") else np.zeros(3)


def plan_stances(timeline: Timeline, epochs: list[Epoch], approached: Stance, config: GaitConfig) -> list[Stance]:
    """Where the person stands at the phases' P + 1 bounds.

    Args:
        approached: where they would stand if nothing were touched.
    """
    phases = timeline.plan.phases
    first = epochs[0].stance if epochs else approached
    begins = {epoch.bound: epoch.stance for epoch in epochs}
    facing = epochs[0].pose.facing_w[:2] if epochs else first.forward
    progress = (np.arange(len(phases))[None] < np.arange(len(phases) + 1)[:, None]).astype(float)
    moved, yaw = planar_path(phases, facing, progress)
    walks = next((p for p, phase in enumerate(phases) if phase.kind != "approach"), len(phases))
    stance = walk_up(first, timeline.plan.faces_away, config) if walks else first
    stances = [stance]
    for p, phase in enumerate(phases):
        upcoming = next((e.stance for e in epochs if e.bound > p), approached if not epochs else stance)
        if phase.kind == "approach":
            stance = upcoming
        elif phase.kind == "retreat":
            stance = walk_away(stance, timeline.plan.faces_away, config)
        elif p + 1 in begins and step_count(stance, begins[p + 1], config) > 1 and _apart(stance, begins[p + 1]) > 0.3:
            stance = begins[p + 1]
        elif phase.moves and not phase.ballistic and not _rides(epochs, p):
            way, turn = moved[p + 1] - moved[p], yaw[p + 1] - yaw[p]
            if np.linalg.norm(way) > _CARRIES_ALONG[0] or abs(turn) > _CARRIES_ALONG[1]:
                stance = _along(stance, moved[p], way, turn)
        stances.append(stance)
    return stances


def _rides(epochs: list[Epoch], phase: int) -> bool:
    return next((e.carried for e in reversed(epochs) if e.bound <= phase), False)


def _apart(one: Stance, other: Stance) -> float:
    return float(np.linalg.norm(one.position - other.position))


def _along(stance: Stance, center: np.ndarray, way: np.ndarray, turn: float) -> Stance:
    """A stance that keeps its place beside an object that goes along the floor and turns."""
    beside = turn_matrix(np.array(turn)) @ (stance.position - center)
    x, y = center + way + beside
    return Stance(float(x), float(y), stance.yaw + turn)


def walk_up(goal: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way to a stance begins: behind it; for one who will face away, beside it, so that they turn in."""
    if not faces_away:
        return goal.ahead(-config.walk_up)
    return goal.ahead(0.35 * config.walk_up, 0.7 * config.walk_up, -0.5 * np.pi)


def walk_away(stance: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way from an object ends: ahead of one who faces away, else aside and turned off."""
    if faces_away:
        return stance.ahead(config.walk_up)
    return stance.ahead(-0.6 * config.walk_up, 0.6 * config.walk_up, 0.6 * np.pi)
