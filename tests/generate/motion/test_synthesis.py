"""From plans to motions, end to end: a box that is lifted, a box that is sat on, and what cannot be made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from generate.motion.config import GaitConfig, GenerateConfig, MotionWeights, SpaceTimeConfig
from generate.motion.synthesis import GeneratedMotion, generate_motion
from generate.motion.timeline import FPS
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.pose.config import PoseConfig
from generate.quality import measure_motion
from sim import rotations
from sim.audit import audit
from sim.errors import AssetError, PlanError
from sim.geometry import Primitive
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES

BOX = Shape.of(Primitive("box", (0.3, 0.4, 0.3)))
STOOL = Shape.of(Primitive("box", (0.45, 0.45, 0.45)))
LIFT = InteractionPlan(
    "a person lifts a box", "lift", "box", tuple(PlannedContact(f"{side}_hand", "sides", 1, 3) for side in SIDES),  # type: ignore[arg-type]
    (Phase("approach", 0.6), Phase("reach", 0.8), Phase("move", 1.0, upward=0.4), Phase("hold", 0.3)), mass_kg=4.0,
)  # fmt: skip
SIT = InteractionPlan(
    "a person sits down on a box", "sit", "box", (PlannedContact("hips", "seat", 1, 2, grasped=False),),
    (Phase("approach", 0.6), Phase("reach", 1.0), Phase("hold", 0.5)), faces_away=True, mass_kg=12.0,
)  # fmt: skip
SMALL = GenerateConfig(
    samples=1, use_fine=False, gait=GaitConfig(walk_up=0.3), pose=PoseConfig(steps=80, candidates=16),
    optimisation=SpaceTimeConfig(posture_steps=60, steps=30, stride=6),
)  # fmt: skip
TINY = replace(
    SMALL, pose=PoseConfig(steps=4, candidates=4), optimisation=SpaceTimeConfig(posture_steps=2, steps=2, stride=6)
)
LOOK = InteractionPlan("a person looks at a box", "look", "box", (), (Phase("approach", 1.0), Phase("hold", 0.5)))


@pytest.fixture(scope="module")
def lift() -> GeneratedMotion:
    return generate_motion(LIFT, BOX, SMALL, seed=0)


@pytest.fixture(scope="module")
def sit() -> GeneratedMotion:
    return generate_motion(SIT, STOOL, SMALL, seed=0)


def clear(made: GeneratedMotion) -> bool:
    """Whether the audit fails nothing."""
    return audit(made.motion).level != "fail"


def skate(made: GeneratedMotion) -> float:
    """m, the farthest that the ball of a foot goes in a frame while it is within 1 mm of its lowest."""
    joints = made.motion.joint_positions_w
    worst = 0.0
    for side in SIDES:
        ball = joints[:, JOINT_INDEX[f"{side}_foot"]]
        low = ball[:, 2] < ball[:, 2].min() + 1e-3
        still = low[1:] & low[:-1]
        assert still.sum() > 30, "feet stand most of the time"
        worst = max(worst, float(np.linalg.norm(np.diff(ball[:, :2], axis=0), axis=1)[still].max()))
    return worst


@pytest.mark.slow
def test_a_box_is_lifted_by_hands_that_stay_on_it(lift: GeneratedMotion) -> None:
    motion, item = lift.motion, lift.motion.objects[0]
    assert clear(lift)
    quality = measure_motion(motion, lift.plan)
    assert quality.contact_ratio > 0.9
    assert quality.depth_max_mm < 15.0
    np.testing.assert_allclose(np.ptp(item.position_w[:, 2]), 0.4, atol=1e-6)
    assert motion.text == LIFT.text
    assert item.mass == 4.0
    first, last = int(motion.contacts.first_frame.min()), int(motion.contacts.last_frame.max())
    for side in SIDES:
        wrist = motion.joint_positions_w[first : last + 1, JOINT_INDEX[f"{side}_wrist"]]
        in_box = rotations.rotate_inverse(item.rotation_w[first : last + 1], wrist - item.position_w[first : last + 1])
        assert np.linalg.norm(in_box - in_box[0], axis=1).max() < 0.005, "it does not slip"
        before = rotations.rotate_inverse(
            item.rotation_w[:first],
            motion.joint_positions_w[:first, JOINT_INDEX[f"{side}_wrist"]] - item.position_w[:first],
        )
        assert np.linalg.norm(before[0] - in_box[0]) > 0.2, "it comes from elsewhere"


@pytest.mark.slow
def test_standing_feet_do_not_slide(lift: GeneratedMotion, sit: GeneratedMotion) -> None:
    assert skate(lift) < 1e-3
    assert skate(sit) < 1e-3


@pytest.mark.slow
def test_clock_labels_and_graph_agree(lift: GeneratedMotion) -> None:
    motion, plan = lift.motion, lift.plan
    assert motion.fps == FPS
    ends = np.cumsum([phase.seconds for phase in plan.phases])
    assert all(timed.seconds >= asked.seconds for timed, asked in zip(plan.phases, LIFT.phases, strict=True))
    assert ends[-1] <= (motion.num_frames - 1) / FPS + 1e-6 < ends[-1] + (SMALL.optimisation.stride + 1) / FPS
    held = motion.contact_labels[:, JOINT_INDEX["left_wrist"]] == 1
    assert np.flatnonzero(held)[0] == pytest.approx(ends[1] * FPS, abs=1.01)
    assert {*motion.contacts.first_frame} == {np.flatnonzero(held)[0]}
    assert (
        np.linalg.norm(np.diff(motion.objects[0].position_w, axis=0), axis=1)[: np.flatnonzero(held)[0] - 1].max()
        < 1e-9
    )
    assert set(lift.seconds) == {"poses", "postures", "motion", "clearance"}
    assert min(lift.seconds.values()) > 0.0
    assert lift.closure is None, "without the fine stage there is none"


@pytest.mark.slow
def test_one_who_sits_has_the_box_behind_and_below(sit: GeneratedMotion) -> None:
    motion, item = sit.motion, sit.motion.objects[0]
    assert clear(sit)
    assert measure_motion(motion, sit.plan).contact_ratio > 0.9
    facing = rotations.rotate(motion.joint_rotations_w[-1, 0], np.array([1.0, 0.0, 0.0]))[:2]
    pelvis = motion.root_position_w
    off = item.position_w[-1, :2] - motion.joint_positions_w[-1, [JOINT_INDEX[f"{s}_foot"] for s in SIDES], :2].mean(0)
    assert facing @ off < -0.2, "the feet are before it, the back is to it"
    assert np.linalg.norm(pelvis[-1, :2] - item.position_w[-1, :2]) < 0.3
    assert 0.45 < pelvis[-1, 2] < 0.7
    assert pelvis[0, 2] > 0.85, "upright at first"
    np.testing.assert_allclose(np.ptp(item.position_w, axis=0), 0.0, atol=1e-9, err_msg="it stays where it is")


@pytest.mark.slow
def test_a_seed_is_a_motion() -> None:
    one, again, other = (generate_motion(LIFT, BOX, TINY, seed=seed).motion for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.joint_rotations_b, again.joint_rotations_b)
    np.testing.assert_array_equal(one.root_position_w, again.root_position_w)
    frames = min(one.num_frames, other.num_frames)
    assert np.abs(one.root_position_w[:frames] - other.root_position_w[:frames]).max() > 0.01


def test_without_contacts_a_person_walks_up_and_stands() -> None:
    told: list[str] = []
    made = generate_motion(LOOK, BOX, TINY, on_stage=told.append)
    motion = made.motion
    assert told == ["poses", "postures", "motion", "clearance"]
    assert len(motion.contacts) == 0
    assert (motion.contact_labels != 1).all()
    front = motion.objects[0].position_w[0, 0] - 0.15
    assert 0.2 < front - motion.root_position_w[-1, 0] < 0.7, "before the object, not in it"
    assert motion.root_position_w[0, 0] < motion.root_position_w[-1, 0] - 0.2
    assert clear(made)


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(AssetError, match=r"^up_b \[0.0, 0.0, 0.0\] is no direction$"):
        generate_motion(LOOK, BOX, TINY, up_b=np.zeros(3))
    high = replace(LIFT, height_m=10.0)
    with pytest.raises(PlanError, match=r"^the (left|right) hand of a person of 1.75 m stays [78]\.\d m off the box$"):
        generate_motion(high, BOX, TINY)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: GenerateConfig(samples=0), "motion: samples is 0, expected at least 1"),
        (lambda: GenerateConfig(height_m=17.5), "motion: a person of 17.5 m; expected 1 to 2.3 m"),
        (lambda: GaitConfig(step_length=0.0), "gait: step_length is 0.0, expected more than 0"),
        (lambda: GaitConfig(step_seconds=float("nan")), "gait: step_seconds is nan, expected more than 0"),
        (lambda: SpaceTimeConfig(stride=0), "motion: stride is 0, expected at least 1"),
        (lambda: SpaceTimeConfig(rate=-0.1), "motion: rate is -0.1, expected more than 0"),
        (lambda: MotionWeights(feet=float("nan")), "motion weights: feet is nan, expected at least 0"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_one_line(make: object, line: str) -> None:
    with pytest.raises(PlanError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == line
