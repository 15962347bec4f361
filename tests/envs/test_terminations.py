"""Limits, from both sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from envs import terminations
from envs.observations import BodyState
from envs.terminations import TerminationConfig

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


def test_a_fall_is_the_pelvis_below_a_height(random_state: Make) -> None:
    state = random_state(0, envs=2)
    positions = state.positions_w.clone()
    positions[:, 0, 2] = torch.tensor([0.41, 0.39])
    positions[:, 1:, 2] = -1.0
    assert terminations.fallen(dataclasses.replace(state, positions_w=positions), 0.4).tolist() == [False, True]


@pytest.mark.parametrize(
    ("limit", "name"), [("body_distance", "body_lost"), ("object_distance", "object_lost"), ("root_height", "fallen")]
)
def test_a_limit_of_zero_is_off(limit: str, name: str, random_state: Make) -> None:
    on = TerminationConfig(body_distance=0.1, object_distance=0.1, root_height=0.4)
    state, goal = random_state(0), random_state(1)
    broken = terminations.failures(state, goal, on)
    assert set(broken) == {"body_lost", "object_lost", "fallen"}
    assert broken["body_lost"].all()
    rest = terminations.failures(state, goal, dataclasses.replace(on, **{limit: 0.0}))
    assert set(rest) == set(broken) - {name}


def test_no_object_cannot_be_lost(random_state: Make) -> None:
    state = random_state(0, objects=0)
    assert not terminations.object_lost(state, state, 0.1).any()
