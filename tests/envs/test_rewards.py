"""Each term by hand, and how terms are put together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from envs import rewards
from envs.interaction import InteractionGraph
from envs.observations import BodyState
from envs.rewards import TERMS, RewardConfig, Term
from sim import rotations
from sim.errors import SimulationError

Make = Callable[..., BodyState]
OFF = {name: Term(0.0, 1.0) for name in TERMS}


def still() -> BodyState:
    """One environment at rest: three bodies and one object in the origin."""
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0])
    body, thing = torch.zeros(1, 3, 3), torch.zeros(1, 1, 3)
    return BodyState(
        body, identity.expand(1, 3, 4), body, body, torch.zeros(1, 2), torch.zeros(1, 2),
        thing, identity.expand(1, 1, 4), thing, thing, body,
    )  # fmt: skip


def changed(**fields: Any) -> BodyState:
    return dataclasses.replace(still(), **{name: torch.tensor(value) for name, value in fields.items()})


def about(axis: int, angle: float) -> list[float]:
    q = [math.cos(angle / 2), 0.0, 0.0, 0.0]
    q[1 + axis] = math.sin(angle / 2)
    return q


NONE, QUARTER = about(2, 0.0), about(2, math.pi / 2)
CASES = {
    # one of three bodies 3-4-0 off: 25 / 3
    "body_position": (changed(positions_w=[[[3.0, 4.0, 0.0], [0.0] * 3, [0.0] * 3]]), 25 / 3),
    # a quarter and half of that: (pi/2)^2 + (pi/4)^2 over three
    "body_rotation": (
        changed(rotations_w=[[QUARTER, about(0, math.pi / 4), NONE]]),
        ((math.pi / 2) ** 2 + (math.pi / 4) ** 2) / 3,
    ),
    "body_velocity": (changed(velocities_w=[[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0] * 3]]), 5 / 3),
    "body_spin": (changed(spins_w=[[[0.0] * 3, [0.0] * 3, [1.0, 1.0, 1.0]]]), 1.0),
    "object_position": (changed(object_positions_w=[[[0.0, 0.3, 0.4]]]), 0.25),
    "object_rotation": (changed(object_rotations_w=[[QUARTER]]), (math.pi / 2) ** 2),
    "object_velocity": (changed(object_velocities_w=[[[0.0, 0.0, 2.0]]]), 4.0),
    "object_spin": (changed(object_spins_w=[[[0.0, 3.0, 0.0]]]), 9.0),
}


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_the_hand_computed_one_and_zero_at_the_goal(name: str) -> None:
    state, expected = CASES[name]
    error = getattr(rewards, name)
    torch.testing.assert_close(error(state, still()), torch.tensor([expected]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(error(still(), state), torch.tensor([expected]), atol=1e-5, rtol=1e-5)
    assert error(state, state).item() < 1e-9


def test_an_object_carried_along_with_the_hands_is_no_hand_error(random_state: Make, moved: Any) -> None:
    state = random_state(0, objects=2)
    turn, shift = rotations.normalize(torch.tensor([0.3, 0.1, -0.7, 0.2])), torch.tensor([1.0, 2.0, 3.0])
    assert rewards.hand_object(moved(state, turn, shift), state, torch.tensor([1, 3])).max() < 1e-9


def test_hands_are_measured_in_the_objects_frame() -> None:
    """Object turned by a quarter about z: a hand 0.1 m along world x is seen along the object's -y."""
    hand = [[[0.0] * 3, [0.1, 0.0, 0.0], [0.0] * 3]]
    state = changed(positions_w=hand, object_rotations_w=[[QUARTER]])
    goal = changed(positions_w=[[[0.0] * 3, [0.0, -0.1, 0.0], [0.0] * 3]])
    assert rewards.hand_object(state, goal, torch.tensor([1])).item() < 1e-9
    # against the unturned goal the hand's place differs by sqrt(2) * 0.1 m; the mean is over two hands
    goal = changed(positions_w=hand)
    torch.testing.assert_close(rewards.hand_object(state, goal, torch.tensor([1, 2])), torch.tensor([0.02 / 2]))


def reward(state: BodyState, goal: BodyState, config: RewardConfig) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    n = len(state.angles)
    return rewards.tracking_reward(
        state, goal, config, hands=torch.tensor([1, 2]), action_change=torch.full((n, 4), 0.5)
    )


ALL_ON = RewardConfig(**{name: Term(0.1 + 0.1 * i, 0.2 + 0.1 * i) for i, name in enumerate(TERMS)})


@pytest.mark.parametrize("mode", ["additive", "product"])
def test_the_reward_lies_between_zero_and_one(mode: Any, random_state: Make) -> None:
    config = dataclasses.replace(ALL_ON, mode=mode)
    value, terms = reward(random_state(0, envs=64), random_state(1, envs=64), config)
    assert set(terms) == set(TERMS)
    assert all(((kernel >= 0) & (kernel <= 1)).all() for kernel in terms.values())
    assert ((value >= 0) & (value <= 1)).all()
    assert len(value.unique()) > 60


@pytest.mark.parametrize("mode", ["additive", "product"])
def test_the_reward_is_one_at_the_goal(mode: Any, random_state: Make) -> None:
    state = random_state(0)
    config = dataclasses.replace(ALL_ON, mode=mode, action_rate=Term(0.0, 1.0))
    value, _ = reward(state, state, config)
    torch.testing.assert_close(value, torch.ones(5), atol=1e-5, rtol=0)


def test_the_product_is_the_seeds_tracking_reward() -> None:
    """R_tr = exp(-(E_p + E_v)): position 0.25 m^2 x 2, velocity 4 (m/s)^2 x 0.1."""
    state = changed(object_positions_w=[[[0.0, 0.3, 0.4]]], object_velocities_w=[[[0.0, 0.0, 2.0]]])
    config = RewardConfig(
        mode="product", **OFF | {"object_position": Term(1.0, 2.0), "object_velocity": Term(1.0, 0.1)}
    )
    value, _ = reward(state, still(), config)
    torch.testing.assert_close(value, torch.tensor([math.exp(-(0.5 + 0.4))]))


def test_the_sum_is_the_weighted_mean_of_the_kernels() -> None:
    state = changed(object_positions_w=[[[0.0, 0.3, 0.4]]], object_velocities_w=[[[0.0, 0.0, 2.0]]])
    config = RewardConfig(**OFF | {"object_position": Term(3.0, 2.0), "object_velocity": Term(1.0, 0.1)})
    value, terms = reward(state, still(), config)
    torch.testing.assert_close(terms["object_position"], torch.tensor([math.exp(-0.5)]))
    torch.testing.assert_close(value, torch.tensor([(3 * math.exp(-0.5) + math.exp(-0.4)) / 4]))


def test_a_product_that_vanishes_is_zero_and_not_nan() -> None:
    state = changed(object_positions_w=[[[0.0, 30.0, 40.0]]])
    value, _ = reward(state, still(), RewardConfig(mode="product", **OFF | {"object_position": Term(1.0, 60.0)}))
    assert 0 <= value.item() < 1e-20


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("mode", ["additive", "product"])
def test_a_weight_of_zero_switches_a_term_off(name: str, mode: Any, random_state: Make) -> None:
    """It is not logged, and its error has no say."""
    state, goal = random_state(0), random_state(1)
    off = dataclasses.replace(ALL_ON, mode=mode, **{name: Term(0.0, 1e6)})
    value, terms = reward(state, goal, off)
    assert set(terms) == set(TERMS) - {name}
    full, _ = reward(state, goal, dataclasses.replace(ALL_ON, mode=mode))
    assert not torch.allclose(value, full, atol=0.0)


def test_without_objects_only_the_body_counts(random_state: Make) -> None:
    state = random_state(0, objects=0)
    value, terms = reward(state, state, dataclasses.replace(ALL_ON, action_rate=Term(0.0, 1.0)))
    assert set(terms) == {"body_position", "body_rotation", "body_velocity", "body_spin"}
    torch.testing.assert_close(value, torch.ones(5), atol=1e-5, rtol=0)


def test_a_steady_action_costs_nothing() -> None:
    config = RewardConfig(**OFF | {"action_rate": Term(1.0, 2.0)})
    value, _ = reward(still(), still(), config)  # the action changes by 0.5 everywhere
    torch.testing.assert_close(value, torch.tensor([math.exp(-2 * 0.25)]))


def test_a_reward_without_terms_is_refused() -> None:
    with pytest.raises(SimulationError, match="no term"):
        reward(still(), still(), RewardConfig(**OFF))


# -- with interaction ------------------------------------------------------------------------------------------------


def holding(state: BodyState) -> InteractionGraph:
    """Bodies 1 and 2 should touch; body 1's origin is paired with a point 0.3 m above object 0."""
    n = len(state.angles)
    labels = torch.zeros(n, state.positions_w.shape[1])
    labels[:, 1:3] = 1.0
    above = torch.tensor([0.0, 0.0, 0.3]).expand(n, 1, 3)
    ones = torch.ones(n, 1, dtype=torch.long)
    return InteractionGraph(labels, ones, torch.zeros(n, 1, 3), ones, above, torch.ones(n, 1))


def whole(state: BodyState, goal: BodyState, config: RewardConfig) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    return rewards.imitation_reward(
        state, goal, config, hands=torch.tensor([1, 2]), action_change=torch.zeros(len(state.angles), 4),
        graph=holding(state), touch_force=2.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "expected", "terms"),
    [
        ("TR", math.exp(-0.5), set()),
        # body 1 pushes with 1 N of 2 N, body 2 not at all: R_lr = -(0.5 + 1) / 2
        ("TR+LR", (math.exp(-0.5) + 0.4 * 0.25) / 1.4, {"kp_label"}),
        # the pair is 0.3 m apart at a reach of 0.6 m: R_cr = -1 / 4
        ("TR+LR+CR", (math.exp(-0.5) + 0.4 * 0.25 + 0.8 * 0.75) / 2.2, {"kp_label", "kp_contact"}),
    ],
)
def test_the_settings_add_up(setting: Any, expected: float, terms: set[str]) -> None:
    state = changed(object_velocities_w=[[[0.0, 0.0, 2.0]]], forces_w=[[[0.0] * 3, [0.0, 1.0, 0.0], [0.0] * 3]])
    config = RewardConfig(
        setting, label_weight=0.4, contact_weight=0.8, contact_reach=0.6, **OFF | {"object_velocity": Term(1.0, 0.125)}
    )
    value, found = whole(state, still(), config)
    torch.testing.assert_close(value, torch.tensor([expected]))
    assert set(found) == {"object_velocity"} | terms


def test_the_paper_and_ours_agree_on_which_of_two_steps_is_better(random_state: Make) -> None:
    """Ours is the plain sum R_tr + w_l R_lr + w_c R_cr, shifted by a constant and scaled by a positive one."""
    state, goal = random_state(0, envs=40), random_state(1, envs=40)
    state = dataclasses.replace(state, positions_w=0.1 * state.positions_w, forces_w=state.forces_w)
    config = RewardConfig(label_weight=0.3, contact_weight=0.6, contact_reach=3.0)
    value, terms = whole(state, goal, config)
    tracking, _ = whole(state, goal, dataclasses.replace(config, setting="TR"))
    plain = tracking + 0.3 * terms["kp_label"] + 0.6 * terms["kp_contact"]
    torch.testing.assert_close(1.9 * value - 0.9, plain)
    assert ((value >= 0) & (value <= 1)).all()
    assert len(terms["kp_label"].unique()) > 30
    assert len(terms["kp_contact"].unique()) > 30
