"""What the policy sees does not depend on where in the world it happens, and agrees with the plain definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from envs import observations
from envs.observations import BodyState, Waypoints
from sim import rotations

Make = Callable[..., BodyState]


def goals_of(*states: BodyState) -> Waypoints:
    """L states as the frames ahead."""
    names = BodyState.__dataclass_fields__
    return Waypoints.of(BodyState(**{name: torch.stack([getattr(s, name) for s in states], 1) for name in names}))


def everything(state: BodyState, goals: Waypoints) -> dict[str, torch.Tensor]:
    heading = observations.heading_frame(state)
    return {
        "proprioception": observations.proprioception(state, heading),
        "objects": observations.objects(state, heading),
        "difference": observations.difference(state, goals, heading),
    }


@pytest.mark.parametrize("part", ["proprioception", "objects", "difference"])
def test_turning_and_shifting_the_world_about_z_changes_nothing(part: str, random_state: Make, moved: Any) -> None:
    state, goals = random_state(0), (random_state(1), random_state(2))
    turn = rotations.from_rotvec(torch.tensor([0.0, 0.0, 2.3]))
    shift = torch.tensor([3.0, -1.0, 0.0])
    here = everything(state, goals_of(*goals))[part]
    there = everything(moved(state, turn, shift), goals_of(*(moved(g, turn, shift) for g in goals)))[part]
    torch.testing.assert_close(here, there, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("part", "axis", "shift"),
    [("proprioception", (0.4, 0.0, 0.0), (0.0, 0.0, 0.0)), ("proprioception", (0.0, 0.0, 0.0), (0.0, 0.0, 0.1)),
     ("objects", (0.0, 0.4, 0.0), (0.0, 0.0, 0.0)), ("difference", (0.4, 0.0, 0.0), (0.0, 0.0, 0.0))],
)  # fmt: skip
def test_up_is_not_forgotten(part: str, axis: Any, shift: Any, random_state: Make, moved: Any) -> None:
    """A tilt of the world, and height above the floor, are seen."""
    state, goal = random_state(0), random_state(1)
    turn, shift = rotations.from_rotvec(torch.tensor(axis)), torch.tensor(shift)
    here = everything(state, goals_of(goal))[part]
    there = everything(moved(state, turn, shift), goals_of(moved(goal, turn, shift)))[part]
    assert (here - there).abs().max() > 0.05


def test_the_difference_is_zero_at_the_goal_and_nowhere_else(random_state: Make) -> None:
    state, other = random_state(0), random_state(1)
    heading = observations.heading_frame(state)
    seen = observations.difference(state, goals_of(state, other), heading)
    at_goal, elsewhere = seen.chunk(2, -1)
    torch.testing.assert_close(at_goal, torch.zeros_like(at_goal), atol=1e-6, rtol=0)
    assert (elsewhere.abs() > 1e-3).float().mean() > 0.99


def test_the_double_cover_is_not_a_difference(random_state: Make) -> None:
    state = random_state(0)
    fields = {name: getattr(state, name) for name in BodyState.__dataclass_fields__}
    flipped = BodyState(**fields | {"rotations_w": -state.rotations_w, "object_rotations_w": -state.object_rotations_w})
    seen = observations.difference(state, goals_of(flipped), observations.heading_frame(state))
    torch.testing.assert_close(seen, torch.zeros_like(seen), atol=1e-6, rtol=0)


def test_each_number_is_what_the_plain_definition_gives(random_state: Make) -> None:
    """Vector by vector with quaternions, against the grouped matrix form."""
    state, goals = random_state(3), (random_state(4), random_state(5))
    seen = everything(state, goals_of(*goals))
    n, heading = len(state.angles), rotations.heading(state.rotations_w[:, 0])

    def local(vectors_w: torch.Tensor) -> torch.Tensor:
        return rotations.rotate_inverse(heading[:, None], vectors_w).reshape(n, -1)

    root = state.positions_w[:, :1]
    upright = rotations.multiply(rotations.inverse(heading), state.rotations_w[:, 0])
    body = (
        root[:, 0, 2:], rotations.to_6d(upright), local(state.velocities_w[:, :1]), 0.2 * local(state.spins_w[:, :1]),
        state.angles, 0.1 * state.speeds, local(state.positions_w[:, 1:] - root),
    )  # fmt: skip
    torch.testing.assert_close(seen["proprioception"], torch.cat(body, -1), atol=1e-5, rtol=0)

    turned = rotations.multiply(rotations.inverse(heading)[:, None].expand(-1, 2, -1), state.object_rotations_w)
    things = (
        local(state.object_positions_w - root), rotations.to_6d(turned).reshape(n, -1),
        local(state.object_velocities_w), 0.2 * local(state.object_spins_w),
    )  # fmt: skip
    torch.testing.assert_close(seen["objects"], torch.cat(things, -1), atol=1e-5, rtol=0)

    apart = []
    for goal in goals:
        turn = rotations.multiply(rotations.inverse(state.rotations_w[:, 0]), goal.rotations_w[:, 0])
        turns = rotations.multiply(rotations.inverse(state.object_rotations_w), goal.object_rotations_w)
        apart += [
            local(goal.positions_w - state.positions_w), rotations.to_rotvec(turn), goal.angles - state.angles,
            local(goal.object_positions_w - state.object_positions_w), rotations.to_rotvec(turns).reshape(n, -1),
        ]  # fmt: skip
    torch.testing.assert_close(seen["difference"], torch.cat(apart, -1), atol=2e-5, rtol=0)


def test_lengths_are_the_documented_ones(random_state: Make) -> None:
    b, o, a = 4, 2, 6
    state = random_state(0, bodies=b, objects=o, angles=a)
    seen = everything(state, goals_of(state, state, state))
    assert seen["proprioception"].shape[1] == 1 + 6 + 6 + 2 * a + 3 * (b - 1)
    assert seen["objects"].shape[1] == 15 * o
    assert seen["difference"].shape[1] == 3 * (3 * b + 3 + a + 6 * o)


def test_without_objects_there_is_nothing_to_see_of_them(random_state: Make) -> None:
    state = random_state(0, objects=0)
    seen = everything(state, goals_of(state))
    assert seen["objects"].shape == (5, 0)
    assert seen["difference"].shape == (5, 3 * 4 + 3 + 6)


def test_contact_squashes_force_and_shows_what_is_asked() -> None:
    forces = torch.zeros(1, 4, 3)
    forces[0, 1], forces[0, 2] = torch.tensor([0.0, 12.0, 16.0]), torch.tensor([0.0, -18.0, -24.0])  # palm and fingers
    hands = torch.tensor([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    seen = observations.contact(forces, hands, torch.tensor([[1.0, 0.0]]))
    # a pinch of 20 N and 30 N: tanh(50 N / 50 N)
    torch.testing.assert_close(seen, torch.tensor([[0.761594, 0.0, 1.0, 0.0]]), atol=1e-5, rtol=0)


def test_a_state_is_indexed_as_one(random_state: Make) -> None:
    state = random_state(0)
    some = state[torch.tensor([3, 1])]
    for name in BodyState.__dataclass_fields__:
        assert torch.equal(getattr(some, name), getattr(state, name)[[3, 1]])
