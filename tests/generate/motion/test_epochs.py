"""Where the person stands, phase by phase: beside what they carry, around what turns, on what they ride."""

from __future__ import annotations

import numpy as np
import pytest

from generate.motion.config import GaitConfig
from generate.motion.contacts import joint_of
from generate.motion.epochs import Epoch, posed_phase
from generate.motion.footing import Footing
from generate.motion.holds import hold
from generate.motion.postures import relaxed
from generate.motion.route import plan_stances, walk_away, walk_up
from generate.motion.stances import Stance
from generate.motion.timeline import Timeline
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose import StaticPose
from sim import rotations, skeleton
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

OFFSETS = default_offsets()
FREE = relaxed(OFFSETS, 0.07)
GAIT = GaitConfig(walk_up=1.0)
AHEAD = np.array([0.0, 1.0, 0.0])
HERE = Stance(0.0, -0.5, 0.5 * np.pi)
"""Half a metre before the object, facing it along +y."""
FIRST = Stance(5.0, 5.0, 0.0)
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def pose(object_w: np.ndarray = AHEAD, turned: np.ndarray = IDENTITY) -> StaticPose:
    return StaticPose(FREE.rotations_b, FREE.root, object_w, turned, AHEAD, ("left_hand",), 0.0, {})


def epoch(bound: int, stance: Stance = HERE, *, carried: bool = False) -> Epoch:
    return Epoch(bound, (), pose(), None, Footing(stance, (True, True), carried))


def stances(epochs: list[Epoch], *phases: Phase, **changes: bool) -> list[Stance]:
    """At the bounds of a plan in which the left hand touches from the first phase to the last."""
    held = (PlannedContact("left_hand", first=0, last=len(phases) - 1),)
    plan = InteractionPlan("", "move", "box", held, phases, **changes)  # type: ignore[arg-type]
    return plan_stances(Timeline.of(plan), epochs, FIRST, GAIT)


def same(stance: Stance, x: float, y: float, yaw: float) -> bool:
    return bool(np.allclose([stance.x, stance.y, stance.yaw], [x, y, yaw], atol=1e-9))


def test_one_who_carries_goes_along_and_one_who_lifts_stays() -> None:
    found = stances(
        [epoch(1)], Phase("reach", 1), Phase("move", 1, upward=0.5), Phase("move", 1, forward=2.0, leftward=1.0),
        Phase("move", 1, forward=0.1),
    )  # fmt: skip
    assert found[:3] == [HERE] * 3
    assert same(found[3], -1.0, 1.5, HERE.yaw), "two metres along +y and one along -x, the person's left"
    assert found[4] == found[3], "ten centimetres are within reach"


def test_one_who_sweeps_or_throws_stays() -> None:
    to_and_fro = (Phase("move", 1, leftward=0.5), Phase("move", 1, leftward=-0.5)) * 2
    assert stances([epoch(0)], *to_and_fro) == [HERE] * 5
    far = stances([epoch(0)], Phase("move", 1, leftward=1.5), Phase("move", 1, leftward=-1.5))
    assert same(far[1], -1.5, -0.5, HERE.yaw), "out of reach"
    thrown = stances([epoch(0)], Phase("move", 1, forward=0.4), Phase("move", 1, forward=3.0, ballistic=True))
    assert thrown == [HERE] * 3
    steady = stances([epoch(0)], *[Phase("move", 1, forward=0.15)] * 2)
    assert same(steady[2], 0.0, -0.2, HERE.yaw), "what goes on in small moves is followed as far as it went"


def test_one_who_turns_an_object_goes_round_it() -> None:
    """A quarter turn to the left: from half a metre before it to half a metre to its right, facing it again."""
    found = stances([epoch(1)], Phase("reach", 1), Phase("move", 2, turn=0.5 * np.pi))
    assert same(found[2], 0.5, 0.0, np.pi)
    small = stances([epoch(1)], Phase("reach", 1), Phase("move", 2, turn=0.3))
    assert small[2] == HERE


def test_one_who_rides_goes_along_and_walks_when_they_have_got_off() -> None:
    on = epoch(1, carried=True)
    riding = stances([on], Phase("reach", 1), Phase("move", 2, forward=3.0))
    assert same(riding[2], 0.0, 2.5, HERE.yaw)
    off = stances([on, epoch(2)], Phase("reach", 1), Phase("move", 2, forward=3.0), Phase("move", 1, forward=1.0))
    assert same(off[2], 0.0, 2.5, HERE.yaw), "they still sat then, whatever they do later"
    assert same(off[3], 0.0, 3.5, HERE.yaw)


def test_one_who_stands_on_something_steps_up_from_the_floor_and_down_again() -> None:
    on, after = Stance(0.0, 0.2, HERE.yaw, 0.3), Stance(0.0, 0.8, HERE.yaw)
    feet = tuple(PlannedContact(part, "top", 1, 2, grasped=False) for part in ("left_foot", "right_foot"))
    phases = Phase("approach", 2), Phase("reach", 1), Phase("hold", 1), Phase("release", 1)
    plan = InteractionPlan("", "stand", "platform", feet, phases)
    stood = Epoch(2, feet, pose(), None, Footing(on, (True, True), False, (HERE, after)))
    found = plan_stances(Timeline.of(plan), [stood], FIRST, GAIT)
    assert found[1:] == [HERE, on, on, after]
    assert same(found[0], 0.0, -1.5, HERE.yaw)


def test_what_flies_is_not_followed() -> None:
    found = stances([epoch(0)], Phase("move", 1, forward=3.0, ballistic=True))
    assert found == [HERE, HERE]


def test_the_way_up_begins_behind_and_the_way_off_turns_aside() -> None:
    phases = Phase("approach", 2), Phase("reach", 1), Phase("retreat", 2)
    start, at, reached, away = stances([epoch(2)], *phases)
    assert same(start, 0.0, -1.5, HERE.yaw)
    assert at == reached == HERE
    assert away.y < HERE.y, "off the object"
    assert away.yaw != HERE.yaw


def test_one_who_sits_down_comes_from_the_side_and_gets_up_ahead() -> None:
    """Who faces away has the object behind: they come to a stance from before it, and leave it straight ahead."""
    seat = Stance(0.0, 0.5, 0.5 * np.pi)
    start = walk_up(seat, True, GAIT)
    assert start.y > seat.y, "not through the seat"
    assert abs(start.yaw - seat.yaw) == pytest.approx(0.5 * np.pi)
    assert same(walk_away(seat, True, GAIT), 0.0, 1.5, seat.yaw)
    phases = Phase("approach", 2), Phase("reach", 1), Phase("retreat", 2)
    found = stances([epoch(2, seat)], *phases, faces_away=True)
    assert found[0] == start
    assert found[-1] == walk_away(seat, True, GAIT)


def test_without_any_contact_they_walk_up_to_the_object() -> None:
    plan = InteractionPlan("", "walk", "box", (), (Phase("approach", 2), Phase("hold", 1)))
    found = plan_stances(Timeline.of(plan), [], FIRST, GAIT)
    assert same(found[0], 4.0, 5.0, 0.0)
    assert found[1:] == [FIRST, FIRST]
    still = InteractionPlan("", "look", "box", (), (Phase("hold", 1),))
    assert plan_stances(Timeline.of(still), [], FIRST, GAIT) == [FIRST, FIRST]


def test_a_new_contact_far_off_is_walked_to_and_a_near_one_is_not() -> None:
    phases = Phase("reach", 1), Phase("hold", 1), Phase("reach", 1), Phase("hold", 1)
    far = Stance(1.0, -0.5, HERE.yaw)
    assert stances([epoch(1), epoch(3, far)], *phases)[3] == far
    assert stances([epoch(1), epoch(3, HERE.ahead(0.1))], *phases)[3] == HERE


def test_a_pose_has_the_contacts_that_are_added() -> None:
    """A head that only taps is in the reach that ends there, a hand that comes along with it as well; who sits down as
    the hands let go is posed for the sitting."""
    hand, tap = PlannedContact("left_hand", first=0, last=1), PlannedContact("head", first=0, last=0)
    hips = PlannedContact("hips", first=2, last=2)
    phases = Phase("reach", 1), Phase("hold", 1), Phase("hold", 1)
    plan = InteractionPlan("", "butt", "box", (hand, tap, hips), phases)
    assert posed_phase(plan, 1, {hand}) == 1
    assert posed_phase(plan, 1, {hand, tap}) == 0
    assert posed_phase(plan, 2, {hips}) == 2
    late = InteractionPlan("", "tap", "box", (PlannedContact("left_hand", first=2, last=2),), (*phases[1:], phases[0]))
    assert posed_phase(late, 3, set(late.contacts)) == 2, "the last phase ends with it"


def test_a_hold_is_where_the_hand_was_and_its_normal_is_that_of_the_surface() -> None:
    """The box's +x side is a few cm before the left palm; the box is turned by a quarter, so that side faces +y."""
    joints, world = skeleton.forward_kinematics(FREE.rotations_b, FREE.root, OFFSETS)
    wrist = JOINT_INDEX["left_wrist"]
    assert joint_of("left_hand") == wrist
    palm = joints[wrist] + rotations.rotate(world[wrist], 0.7 * OFFSETS[JOINT_INDEX["left_middle1"]])
    quarter = rotations.from_rotvec(np.array([0.0, 0.0, 0.5 * np.pi]))
    posed = pose(palm - [0.0, 0.15 + 0.03, 0.0], quarter)
    box = Shape.of(Primitive("box", (0.3, 0.4, 0.3)))
    found = hold(posed, PlannedContact("left_hand"), OFFSETS, box)
    np.testing.assert_allclose(found.normal_b, [1.0, 0.0, 0.0], atol=1e-9)
    back = posed.object_position_w + rotations.rotate(quarter, found.position_b)
    np.testing.assert_allclose(back, joints[wrist], atol=1e-9)
    assert rotations.angle_between(rotations.multiply(quarter, found.rotation_b), world[wrist]) < 1e-6
    for gap in (-0.01, 0.0):
        near = hold(pose(palm - [0.0, 0.15 + gap, 0.0], quarter), PlannedContact("left_hand"), OFFSETS, box)
        np.testing.assert_allclose(near.normal_b, [1.0, 0.0, 0.0], atol=1e-9, err_msg=f"outward from {gap} m as well")
