"""Weight in the hands, pull along the floor, and the friction at which things slide."""

from __future__ import annotations

import numpy as np
import pytest

from generate.gait import GRAVITY
from generate.motion.contacts import Hold, joint_of
from generate.motion.loads import carried_load, sliding_friction
from generate.motion.timeline import Timeline
from generate.plan import InteractionPlan, Phase, PlannedContact

HAND = PlannedContact("left_hand", first=0, last=1)
AT_HOME = np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0])


def plan(*phases: Phase) -> InteractionPlan:
    return InteractionPlan("", "push", "box", (HAND,), phases)


def held_at(height: float) -> dict[PlannedContact, Hold]:
    return {HAND: Hold(joint_of("left_hand"), np.array([0.0, 0.0, height]), AT_HOME[1], np.array([1.0, 0.0, 0.0]))}


PUSH = plan(Phase("move", 2.0, forward=1.0), Phase("hold", 1.0))


def test_the_higher_the_hands_the_smoother_it_has_to_be() -> None:
    """A box half a metre deep that is pushed at 0.5 m tips from a friction of 0.25 / 0.5 on; seven tenths of that."""
    assert sliding_friction(PUSH, held_at(0.5), *AT_HOME, depth=0.25) == pytest.approx(0.35)
    assert sliding_friction(PUSH, held_at(1.0), *AT_HOME, depth=0.25) == pytest.approx(0.175)
    assert sliding_friction(PUSH, held_at(0.1), *AT_HOME, depth=0.25) == 0.6, "never rougher than things are"
    assert sliding_friction(PUSH, held_at(9.0), *AT_HOME, depth=0.25) == 0.15, "never smoother"


def test_what_is_lifted_or_tilted_or_stays_keeps_its_friction() -> None:
    lift = plan(Phase("move", 1.0, upward=0.5), Phase("move", 1.0, forward=1.0))
    assert sliding_friction(lift, held_at(0.5), *AT_HOME, depth=0.25) is None
    assert sliding_friction(plan(Phase("move", 1.0, tilt=0.5), Phase("hold", 1.0)), held_at(0.5), *AT_HOME, 0.2) is None
    assert sliding_friction(PUSH, {}, *AT_HOME, depth=0.25) is None


def test_the_pull_of_what_slides_and_the_weight_of_what_is_borne() -> None:
    """10 kg at 1 m/s, friction 0.4, pushed at 0.8 m by 70 kg: 0.4 * 10 g * 0.8 / (70 g) m of lean, ahead."""
    times = np.arange(0.0, 3.01, 0.5)
    center = np.column_stack((times, 0 * times, np.full(len(times), 0.8)))
    sliding = carried_load(Timeline.of(PUSH), times, center, np.zeros(len(times)), 10.0, 0.4, 70.0)
    np.testing.assert_allclose(sliding.lean[2], [0.4 * 10 * GRAVITY * 0.8 / (70 * GRAVITY), 0.0])
    np.testing.assert_allclose(sliding.share, 0.0)
    borne = carried_load(Timeline.of(PUSH), times, center, np.full(len(times), 0.3), 10.0, 0.4, 70.0)
    np.testing.assert_allclose(borne.lean, 0.0)
    np.testing.assert_allclose(borne.share, 10.0 / 70.0)
