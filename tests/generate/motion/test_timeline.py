"""Phases in time: bounds, progress, and when contacts hold."""

from __future__ import annotations

import numpy as np
import pytest

from generate.gait import GRAVITY
from generate.motion.timeline import FPS, Timeline
from generate.plan import InteractionPlan, Phase, PlannedContact

REACH = PlannedContact("left_hand", first=1, last=2)
START = PlannedContact("right_hand", first=0, last=0)
TAP = PlannedContact("head", first=1, last=1)
PLAN = InteractionPlan(
    "", "lift", "box", (REACH, START, TAP),
    (Phase("hold", 2.0), Phase("reach", 1.0), Phase("move", 1.5, upward=0.5), Phase("release", 0.5)),
)  # fmt: skip


def test_contacts_hold_from_the_end_of_their_reach() -> None:
    timeline = Timeline.of(PLAN)
    np.testing.assert_allclose(timeline.bounds, [0.0, 2.0, 3.0, 4.5, 5.0])
    assert timeline.held(REACH) == (3.0, 4.5)
    assert timeline.held(START) == (0.0, 2.0), "no reach: from the beginning of its phase"
    assert timeline.held(TAP) == (3.0, 3.0), "a contact that is over when it has come about"
    assert [set(timeline.in_force(b)) for b in range(5)] == [{START}, {START}, {REACH, TAP}, {REACH}, set()]


def test_progress_goes_from_rest_to_rest_and_flight_at_constant_speed() -> None:
    timeline = Timeline.of(PLAN)
    done = timeline.progress(np.array([0.0, 2.0, 3.75, 4.5, 9.0]))
    np.testing.assert_allclose(done[:, 2], [0, 0, 0.5, 1, 1], atol=1e-12)
    still = timeline.progress(np.array([3.0, 3.0 + 1e-4]))[:, 2]
    assert np.diff(still)[0] < 1e-9
    thrown = Timeline.of(InteractionPlan("", "throw", "ball", (), (Phase("move", 2.0, forward=1.0, ballistic=True),)))
    np.testing.assert_allclose(thrown.progress(np.array([0.5, 1.0]))[:, 0], [0.25, 0.5])


def test_phases_are_stretched_never_shortened() -> None:
    timeline = Timeline.of(PLAN).at_least(np.array([0.0, 3.0, 0.0, 0.0]))
    np.testing.assert_allclose(timeline.seconds, [2.0, 3.0, 1.5, 0.5])
    assert timeline.times[-1] == pytest.approx(7.0)
    assert len(timeline.times) == 7 * FPS + 1


def test_what_is_thrown_gets_evenly_faster_up_to_its_flight() -> None:
    """In a second of flight on the level it has to rise at g / 2; with 1.6 m ahead that makes 5.16 m/s."""
    throw = InteractionPlan(
        "", "throw", "ball", (PlannedContact("left_hand", first=0, last=0),),
        (Phase("move", 0.5, forward=0.4), Phase("move", 1.0, forward=1.6, ballistic=True)),
    )  # fmt: skip
    speed = np.hypot(1.6, 0.5 * GRAVITY)
    swing = 2 * 0.4 / speed
    times = np.linspace(0.5 - swing, 0.5, 6)
    way = 0.4 * Timeline.of(throw).progress(times)[:, 0]
    np.testing.assert_allclose(way[[0, -1]], [0.0, 0.4], atol=1e-12)
    np.testing.assert_allclose(np.diff(way, 2), speed / swing * (swing / 5) ** 2, atol=1e-12)
    ends = 0.4 * np.diff(Timeline.of(throw).progress(np.array([0.5 - 1e-6, 0.5]))[:, 0]) / 1e-6
    assert ends[0] == pytest.approx(speed, rel=1e-4), "as fast as it flies: no jerk as it leaves the hands"
