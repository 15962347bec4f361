"""Limits, from both sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from envs import terminations
from envs.observations import BodyState
from envs.terminations import TerminationConfig
from sim import rotations

Make = Callable[..., BodyState]


def shifted(state: BodyState, **by: torch.Tensor) -> BodyState:
    return dataclasses.replace(state, **{name: getattr(state, name) + shift for name, shift in by.items()})


def test_bodies_are_lost_by_their_mean_distance(random_state: Make) -> None:
    """Four bodies, one of them four times as far as the limit: the mean is at the limit."""
    goal = random_state(0, envs=2)
    off = torch.zeros(2, 4, 3)
    off[0, 2, 1], off[1, 2, 1] = 4 * 0.299, 4 * 0.301
    assert terminations.body_lost(shifted(goal, positions_w=off), goal, 0.3).tolist() == [False, True]


def test_one_lost_object_is_enough(random_state: Make) -> None:
    goal = random_state(0, envs=3)
    off = torch.zeros(3, 2, 3)
    off[0, 1, 2], off[1, 1, 2], off[2, 0, 0] = 0.499, 0.501, -0.501
    assert terminations.object_lost(shifted(goal, object_positions_w=off), goal, 0.5).tolist() == [False, True, True]


def test_an_object_is_turned_by_its_largest_angle(random_state: Make) -> None:
    """The second of two objects is turned about x by a little less and a little more than the limit."""
    goal = random_state(0, envs=2)
    turns = torch.zeros(2, 2, 4)
    turns[..., 0] = 1.0
    half = torch.tensor([0.499, 0.501]) / 2
    turns[:, 1, 0], turns[:, 1, 1] = half.cos(), half.sin()
    turned = dataclasses.replace(goal, object_rotations_w=rotations.multiply(goal.object_rotations_w, turns))
    assert terminations.object_turned(turned, goal, 0.5).tolist() == [False, True]


def test_a_hand_slips_against_its_object_where_it_should_touch(random_state: Make) -> None:
    goal = random_state(0, envs=4, objects=1)
    hands = torch.tensor([1, 3])
    required = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    off = torch.zeros(4, 4, 3)
    off[0, 1, 0], off[1, 1, 0], off[2, 3, 0] = 0.099, 0.101, 0.5  # the last is the hand that need not touch
    moved = shifted(goal, positions_w=off)
    assert terminations.hand_slipped(moved, goal, hands, required, 0.1).tolist() == [False, True, False, False]
    carried = shifted(moved, positions_w=torch.ones(1, 1, 3), object_positions_w=torch.ones(1, 1, 3))
    assert terminations.hand_slipped(carried, goal, hands, required, 0.1).tolist() == [False, True, False, False]


def test_one_object_in_the_hand_is_enough(random_state: Make) -> None:
    """A hand has its place on one of two objects; that the other is far off does not count."""
    goal = random_state(0, envs=2, objects=2)
    off = torch.zeros(2, 2, 3)
    off[:, 0, 1] = 1.0
    off[1, 1, 1] = 1.0
    slipped = terminations.hand_slipped(
        shifted(goal, object_positions_w=off), goal, torch.tensor([1]), torch.ones(2, 1), 0.1
    )
    assert slipped.tolist() == [False, True]


def test_a_fall_is_the_pelvis_below_a_height(random_state: Make) -> None:
    state = random_state(0, envs=2)
    positions = state.positions_w.clone()
    positions[:, 0, 2] = torch.tensor([0.41, 0.39])
    positions[:, 1:, 2] = -1.0
    assert terminations.fallen(dataclasses.replace(state, positions_w=positions), 0.4).tolist() == [False, True]


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ("body_distance", "body_lost"),
        ("object_distance", "object_lost"),
        ("object_angle", "object_turned"),
        ("hand_slip", "hand_slipped"),
        ("root_height", "fallen"),
    ],
)
def test_a_limit_of_zero_is_off(limit: str, name: str, random_state: Make) -> None:
    on = TerminationConfig(0.1, 0.1, object_angle=0.1, hand_slip=0.1, root_height=0.4)
    state, goal = random_state(0), random_state(1)
    hands, required = torch.tensor([1, 2]), torch.ones(len(state.positions_w), 2)
    broken = terminations.failures(state, goal, on, hands, required)
    assert set(broken) == {"body_lost", "object_lost", "object_turned", "hand_slipped", "fallen"}
    assert broken["body_lost"].all()
    rest = terminations.failures(state, goal, dataclasses.replace(on, **{limit: 0.0}), hands, required)
    assert set(rest) == set(broken) - {name}


def test_no_object_cannot_be_lost(random_state: Make) -> None:
    state = random_state(0, objects=0)
    assert not terminations.object_lost(state, state, 0.1).any()
