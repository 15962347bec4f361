"""Stances and the footsteps between them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from generate.gait import LEFT, RIGHT, Step, cruise, track_feet
from generate.motion.config import GaitConfig
from generate.motion.stances import Foot, Stance, balls, between, footsteps, needed_seconds, step_count, toes
from generate.motion.timeline import RAMP_SECONDS

GAIT = GaitConfig()
FOOT = Foot(length=0.12, ankle_height=0.07, ball_height=0.02)
HERE = Stance(0.0, 0.0, 0.0)


def test_feet_stand_side_by_side_about_the_middle() -> None:
    stance = Stance(1.0, 2.0, 0.5 * np.pi)
    found = balls(stance, GaitConfig(toe_out=0.0), FOOT)
    np.testing.assert_allclose(found, [[1.0 - 0.12, 2.06, 0.02], [1.0 + 0.12, 2.06, 0.02]], atol=1e-12)
    np.testing.assert_allclose(toes(HERE, GAIT), [GAIT.toe_out, -GAIT.toe_out])


def test_as_many_steps_as_the_way_takes() -> None:
    assert step_count(HERE, HERE.ahead(0.01), GAIT) == 0
    assert step_count(HERE, HERE.ahead(0.9), GAIT) == 3, "two of 0.45 m and one that closes"
    assert step_count(HERE, Stance(0.0, 0.0, np.pi), GAIT) == 1 + int(np.ceil(np.pi / GAIT.step_turn))
    np.testing.assert_allclose(needed_seconds([HERE, HERE, HERE.ahead(0.9)], GAIT), [0.0, 3 * GAIT.step_seconds])


@pytest.mark.parametrize(
    "goal", [Stance(1.3, 0.0, 0.0), Stance(-0.4, 0.0, 0.0), Stance(0.0, 0.5, 0.0), Stance(0.3, 0.6, 1.6)]
)
def test_steps_end_in_the_stance_and_take_turns(goal: Stance) -> None:
    stances = [HERE, HERE, goal]
    steps = footsteps(stances, np.array([0.0, 1.0, 4.0]), GAIT, FOOT)
    assert all(a.foot != b.foot and a.end <= b.start for a, b in pairwise(steps))
    assert steps[0].start > 1.0
    assert steps[-1].end < 4.0
    times = np.arange(121) / 30.0
    feet = track_feet(times, balls(HERE, GAIT, FOOT), toes(HERE, GAIT), 0.12, steps, lift=0.05, heel_rise=0.2)
    np.testing.assert_allclose(feet.ball_w[-1], balls(goal, GAIT, FOOT), atol=1e-9)
    np.testing.assert_allclose(feet.yaw[-1], toes(goal, GAIT), atol=1e-9)
    apart = np.linalg.norm(feet.ball_w[:, LEFT, :2] - feet.ball_w[:, RIGHT, :2], axis=-1)
    assert apart.min() > 0.08, "feet do not step on each other"


def test_the_first_foot_is_on_the_side_of_the_way() -> None:
    assert footsteps([HERE, Stance(0.0, 0.5, 0.0)], np.array([0.0, 2.0]), GAIT, FOOT)[0].foot == LEFT
    assert footsteps([HERE, Stance(0.0, -0.5, 0.0)], np.array([0.0, 2.0]), GAIT, FOOT)[0].foot == RIGHT


def test_half_way_round_an_arc() -> None:
    middle = between(HERE, Stance(1.0, 1.0, 0.5 * np.pi), np.array([0.5]))[0]
    np.testing.assert_allclose(middle, [np.sin(np.pi / 4), 1 - np.cos(np.pi / 4), np.pi / 4], atol=1e-9)


def test_up_a_step_the_feet_rise_before_they_go_ahead_and_down_the_other_way_round() -> None:
    up = Stance(0.4, 0.0, 0.0, 0.3)
    assert HERE.climbs_to(up)
    assert not HERE.climbs_to(HERE.ahead(0.4))
    assert step_count(HERE, up, GAIT) == 2
    steps = footsteps([HERE, up, HERE], np.array([0.0, 2.0, 4.0]), GAIT, FOOT)
    assert [step.rise for step in steps] == [0.3, 0.3, -0.3, -0.3]
    times = np.arange(0.0, 4.0, 0.01)
    feet = track_feet(times, balls(HERE, GAIT, FOOT), toes(HERE, GAIT), 0.12, steps, lift=0.05, heel_rise=0.0)
    np.testing.assert_allclose(feet.ball_w[200], balls(up, GAIT, FOOT), atol=1e-9)
    np.testing.assert_allclose(feet.ball_w[-1], balls(HERE, GAIT, FOOT), atol=1e-9)
    start = balls(HERE, GAIT, FOOT)[:, 0]
    ahead, height = (feet.ball_w[..., 0] - start) / 0.4, (feet.ball_w[..., 2] - FOOT.ball_height) / 0.3
    between_them = (ahead > 0.05) & (ahead < 0.95)
    assert between_them.any()
    assert (height > ahead)[between_them].all(), "over the edge, not through it"


def test_who_pushes_does_not_step_ahead_of_what_is_pushed() -> None:
    goal = HERE.ahead(1.35)
    bounds = np.array([0.0, 3.0])
    free, behind = (footsteps([HERE, goal], bounds, GAIT, FOOT, [pushes]) for pushes in (0, 1))
    assert len(free) == len(behind)
    first = balls(HERE, GAIT, FOOT)[:, 0]

    def lead(steps: list[Step]) -> np.ndarray:
        """m by which feet that come down are ahead of where the object has got by then."""
        gone = 1.35 * cruise(np.array([step.end for step in steps]), 3.0, RAMP_SECONDS)
        return np.array([step.ball_w[0] - first[step.foot] for step in steps]) - gone

    assert lead(free)[:-1].max() > 0.1
    np.testing.assert_allclose(lead(behind)[:-1], 0.0, atol=1e-9)
    sooner = footsteps([HERE, HERE.ahead(-1.35)], bounds, GAIT, FOOT, [-1])
    assert sooner[-1].end < 0.85 * 3.0, "who pulls is out of the way sooner"
    assert behind[-1].ball_w[0] == pytest.approx(balls(goal, GAIT, FOOT)[behind[-1].foot, 0])


def test_a_place_beside_a_stance_by_hand() -> None:
    """Two metres to the right of one who faces +y is a place two metres ahead of the world's +x."""
    np.testing.assert_allclose(
        Stance(1.0, 2.0, 0.5 * np.pi).beside(np.array([3.0, 2.0, 0.7])), [0, -2, 0.7], atol=1e-12
    )
