"""Sets of contacts: the static pose with which each begins, where each part is held, and where the person stands."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from generate.affordance.contacts import contact_purpose
from generate.motion.config import GaitConfig, GenerateConfig
from generate.motion.contacts import Hold, joint_of, sliding_radius
from generate.motion.stances import Foot, Stance, balls, step_count, toes
from generate.motion.timeline import Timeline
from generate.object_path import planar_path, turn_matrix
from generate.plan import BodyPart, InteractionPlan, Phase, PlannedContact
from generate.pose import Given, StaticPose, synthesise_poses
from generate.pose.fine import FinePose, refine_pose
from sim import rotations, skeleton
from sim.errors import PlanError
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES

_REFINED, _GOOD, _BAD = 3, 0.5, 2.0
"""Poses that are refined, until one has so little wrong with it, and more of them while so much is wrong."""
_OUT_OF_REACH = 0.5
"""m from the surface, beyond which a part that should touch it cannot."""
_OFF_FLOOR = 0.08
_LOW = 0.35
"""m over the floor, below which an object is in the way of feet."""
_TOES = 0.08
"""m of toes before the ball of the foot."""
_FOLLOWED = 0.1
"""m more between toes and what is pulled after the person."""
_CLEAR = 0.03
"""m between toes or heels and what the person steps up onto, or off."""
_STRIDE = 0.6
"""m of a step up."""
_DOWN = 2e-3
"""m from height to height at which a surface is looked for."""
_CARRIES_ALONG = (0.2, 0.45)
"""m and rad by which an object goes before the person walks with it."""
_WITHIN_REACH = 0.55
"""m by which it goes, as tools do, without the person who stays if it comes back, or flies off."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """A stretch in which no contact is added.

    Attributes:
        bound: at which phase's beginning it begins. contacts: in force then. pose: with which it begins.
        closure: force-closure residual before and after the fine stage; None where contacts cannot have it.
        stance: of the person then. standing: whether left and right foot are on the floor.
        carried: the object bears the person.
        floor: who stands on the object steps up from the first of these stances, and down onto the second.
    """

    bound: int
    contacts: tuple[PlannedContact, ...]
    pose: StaticPose
    closure: tuple[float, float] | None
    stance: Stance
    standing: tuple[bool, bool]
    carried: bool
    floor: tuple[Stance, Stance] | None = None

    @property
    def before(self) -> Stance:
        """Where the person stands before."""
        return self.floor[0] if self.floor and self.bound else self.stance


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
            found.append(_epoch(plan, bound, contacts, pose, closure, shape, offsets, foot, config.gait))
        before = frozenset(contacts)
    holds = {contact: hold(pose, contact, offsets, shape) for contact, pose in poses.items()}
    for epoch in found:
        if epoch.floor is not None:
            holds |= _stood(epoch, holds, offsets, foot, config.gait)
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
    drawn = replace(config.pose, use_affordance=config.use_affordance)
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
        off = float(shape.signed_distance(_touching_b(pose, joint_of(part), offsets)[None])[0])
        if off > _OUT_OF_REACH:
            whose = f"the {part.replace('_', ' ')} of a person of {height_m:g} m"
            raise PlanError(f"{whose} stays {off:.1f} m off the {plan.object_name}")


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
    closure: tuple[float, float] | None, shape: Shape, offsets: np.ndarray, foot: Foot, config: GaitConfig,
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
    if sum(standing) == 1:  # the other foot is up, and comes down beside
        stance = stance.ahead(0.0, (standing[1] - 0.5 * sum(standing)) * config.stance_width)
    if _stands_on(plan, contacts):
        stance, floor = _stepping(stance, pose, shape, foot)
        return Epoch(bound, contacts, pose, closure, stance, (True, True), False, floor)
    if {"left_hand", "right_hand"} <= named:
        hands = joints[[JOINT_INDEX[f"{side}_wrist"] for side in SIDES], :2].mean(0)
        stance = stance.ahead(0.0, float(turn_matrix(np.array(-yaw))[1] @ (hands - middle)))
    carried = any(contact_purpose(plan, contact) == "settle" for contact in contacts)
    if not carried and all(standing):
        follows = any(step.forward < -_CARRIES_ALONG[0] for step in plan.phases[bound:])
        stance = stance.ahead(-_too_near(stance.ahead(_FOLLOWED if follows else 0.0), pose, shape, foot))
    return Epoch(bound, contacts, pose, closure, stance, (standing[0], standing[1]), carried)


def _stands_on(plan: InteractionPlan, contacts: tuple[PlannedContact, ...]) -> bool:
    """Whether both feet, and nothing else that bears the person, are on top of what stays where it is."""
    feet = [c for c in contacts if c.body_part.endswith("foot") and contact_purpose(plan, c) == "tread"]
    settled = any(contact_purpose(plan, contact) == "settle" for contact in contacts)
    moves = any(plan.phases[p].moves for c in feet for p in range(c.first, c.last + 1))
    return len(feet) == 2 and not settled and not moves


def _stepping(stance: Stance, pose: StaticPose, shape: Shape, foot: Foot) -> tuple[Stance, tuple[Stance, Stance]]:
    """The stance on the object, a step from its edge, and those on the floor before and after."""
    before = stance.ahead(-_too_near(stance, pose, shape, foot) - _CLEAR)
    on = before.ahead(min(_STRIDE, float((stance.position - before.position) @ stance.forward)))
    back = on.ahead(0.0, 0.0, np.pi)
    after = back.ahead(-_too_near(back, pose, shape, foot) - _CLEAR).ahead(0.0, 0.0, -np.pi)
    far = float((after.position - on.position) @ on.forward) > _STRIDE
    return replace(on, z=_height_under(on, pose, shape)), (before, before if far else after)


def _height_under(stance: Stance, pose: StaticPose, shape: Shape) -> float:
    """m over the floor of the highest surface under the middle of a stance; 0 beside the object."""
    corners = pose.object_position_w + rotations.rotate(pose.object_rotation_w, shape.hull_corners)
    heights = np.arange(float(corners[:, 2].max()), 0.0, -_DOWN)
    line = np.column_stack((np.tile(stance.position, (len(heights), 1)), heights))
    inside = shape.signed_distance(rotations.rotate_inverse(pose.object_rotation_w, line - pose.object_position_w)) <= 0
    return float(heights[inside.argmax()]) if inside.any() else 0.0


def _stood(
    epoch: Epoch, holds: Mapping[PlannedContact, Hold], offsets: np.ndarray, foot: Foot, config: GaitConfig
) -> dict[PlannedContact, Hold]:
    """Feet that stand on the object are where footsteps bring them."""
    pose, found = epoch.pose, {}
    feet = rotations.from_rotvec(toes(epoch.stance, config)[:, None] * np.array([0.0, 0.0, 1.0]))
    to_ball = offsets[[JOINT_INDEX[f"{side}_foot"] for side in SIDES]]
    ankles = balls(epoch.stance, config, foot) - rotations.rotate(feet, to_ball)
    for contact in epoch.contacts:
        if contact.body_part.endswith("foot"):
            i = SIDES.index(contact.body_part.partition("_")[0])
            position = rotations.rotate_inverse(pose.object_rotation_w, ankles[i] - pose.object_position_w)
            rotation = rotations.multiply(rotations.inverse(pose.object_rotation_w), feet[i])
            found[contact] = replace(holds[contact], position_b=position, rotation_b=rotation, walked=True)
    return found


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
    fingers = pose.joint_rotations_b[joint + 1 : joint + 16] if contact.body_part.endswith("hand") else None
    return Hold(joint, position, rotation, normal, sliding_radius(shape, surface, normal), fingers_b=fingers)


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
    first = epochs[0].before if epochs else approached
    begins = {epoch.bound: epoch.stance for epoch in epochs}
    facing = epochs[0].pose.facing_w[:2] if epochs else first.forward
    progress = (np.arange(len(phases))[None] < np.arange(len(phases) + 1)[:, None]).astype(float)
    moved, yaw = planar_path(phases, facing, progress)
    walks = next((p for p, phase in enumerate(phases) if phase.kind != "approach"), len(phases))
    stance = walk_up(first, timeline.plan.faces_away, config) if walks else first
    stances, here = [stance], 0  # here: the bound at which the object was where the person now has it
    for p, phase in enumerate(phases):
        if phase.ballistic or not phase.moves or _rides(epochs, p) or p in begins:
            here = p
        upcoming = next((e.before for e in epochs if e.bound > p), stance if epochs else approached)
        floor = next((e.floor for e in reversed(epochs) if e.bound <= p), None)
        if floor and stance.z and not _on_top(timeline, p + 1):
            stances.append(stance := floor[1])
            continue
        if phase.kind == "approach":
            stance = upcoming
        elif phase.kind == "retreat":
            stance = walk_away(stance, timeline.plan.faces_away, config)
        elif p + 1 in begins and _steps_to(stance, begins[p + 1], config):
            stance = begins[p + 1]
        elif phase.moves and not phase.ballistic and not _rides(epochs, p):
            way, turn = moved[p + 1] - moved[here], yaw[p + 1] - yaw[here]
            far = np.linalg.norm(way) > _CARRIES_ALONG[0] or abs(turn) > _CARRIES_ALONG[1]
            if far and not _within_reach(phases, p, way, moved):
                stance, here = _along(stance, moved[here], way, turn), p + 1
        stances.append(stance)
    return stances


def _within_reach(phases: tuple[Phase, ...], p: int, way: np.ndarray, moved: np.ndarray) -> bool:
    """Whether an object that has gone some way is still in reach, and comes back or flies off in the next phase."""
    if p + 1 == len(phases) or np.linalg.norm(way) > _WITHIN_REACH:
        return False
    back = float((moved[p + 2] - moved[p + 1]) @ (moved[p + 1] - moved[p])) < 0.0
    return phases[p + 1].ballistic or (back and phases[p + 1].moves)


def _rides(epochs: list[Epoch], phase: int) -> bool:
    return next((e.carried for e in reversed(epochs) if e.bound <= phase), False)


def _on_top(timeline: Timeline, bound: int) -> bool:
    return any(contact.body_part.endswith("foot") for contact in timeline.in_force(bound))


def _steps_to(one: Stance, other: Stance, config: GaitConfig) -> bool:
    far = float(np.linalg.norm(one.position - other.position)) > 0.3
    return one.climbs_to(other) or (far and step_count(one, other, config) > 1)


def _along(stance: Stance, center: np.ndarray, way: np.ndarray, turn: float) -> Stance:
    """A stance that keeps its place beside an object that goes along the floor and turns."""
    beside = turn_matrix(np.array(turn)) @ (stance.position - center)
    x, y = center + way + beside
    return replace(stance, x=float(x), y=float(y), yaw=stance.yaw + turn)


def walk_up(goal: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way to a stance begins: behind it; for one who will face away, beside it, so that they turn in."""
    if not faces_away:
        return goal.ahead(-config.walk_up)
    return goal.ahead(0.9 * config.walk_up, 0.5 * config.walk_up, -0.5 * np.pi)


def walk_away(stance: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way from an object ends: ahead of one who faces away, else aside and turned off."""
    if faces_away:
        return stance.ahead(config.walk_up)
    return stance.ahead(-0.6 * config.walk_up, 0.6 * config.walk_up, 0.6 * np.pi)
