"""Episodes are recorded until each ends, and measured by hand-computed figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from envs.observations import BodyState
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig
from rl.config import TrainConfig
from rl.rollouts import Episodes, Evaluator
from sim.retarget import Reference


def states(rows: int, episodes: int, objects: int = 1) -> BodyState:
    zeros = torch.zeros(rows, episodes, 2, 3)
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0])
    things = torch.zeros(rows, episodes, objects, 3)
    angles = torch.zeros(rows, episodes, 1)
    return BodyState(
        zeros, identity.expand(rows, episodes, 2, 4), zeros, zeros, angles, angles,
        things, identity.expand(rows, episodes, objects, 4), things, things, zeros,
    )  # fmt: skip


@pytest.fixture
def by_hand() -> Episodes:
    """Two episodes in a clip of frames 0 to 10: one from 0 that fails at 3, one from 8 that gets to the end."""
    reached, goal = states(4, 2), states(4, 2)
    positions, things = reached.positions_w.clone(), reached.object_positions_w.clone()
    positions[1:, :, 0, 0] = 0.2  # one of two bodies 200 mm off from the second row on: 100 mm
    things[3, 0, 0, 2] = 0.4
    positions[3, 1] = 77.0  # after its end: must not count
    reached = dataclasses.replace(reached, positions_w=positions, object_positions_w=things)
    return Episodes(
        frames=np.array([[0, 8], [1, 9], [2, 10], [3, 0]]),
        alive=np.array([[True, True], [True, True], [True, True], [True, False]]),
        states=reached,
        goals=goal,
        completed=np.array([False, True]),
        ended_by=["object_lost", ""],
        last_frame=10,
    )


def test_completion_is_the_lived_share_of_the_way(by_hand: Episodes) -> None:
    np.testing.assert_allclose(by_hand.completion(), [0.3, 1.0])


def test_errors_are_means_over_lived_rows(by_hand: Episodes) -> None:
    np.testing.assert_allclose(by_hand.mpjpe_mm(), [75.0, 200 / 3], rtol=1e-6)
    np.testing.assert_allclose(by_hand.object_mm(), [100.0, 0.0], rtol=1e-6)


def test_without_objects_their_error_is_zero(by_hand: Episodes) -> None:
    none = dataclasses.replace(by_hand, states=states(4, 2, 0), goals=states(4, 2, 0))
    assert none.object_mm().tolist() == [0.0, 0.0]


def evaluator(reference: Reference, episodes: int = 1, noise: StartConfig | None = None, **task: object) -> Evaluator:
    return Evaluator(reference, TaskConfig(threads=1, **task), episodes=episodes, noise=noise)  # type: ignore[arg-type]


def test_pd_targets_alone_stand_still(stand: Reference) -> None:
    episodes = evaluator(stand).run(None)
    assert episodes.completed.tolist() == [True]
    assert episodes.completion().tolist() == [1.0]
    assert episodes.mpjpe_mm()[0] < 60
    assert episodes.object_mm()[0] < 60
    assert episodes.frames[:, 0].tolist() == list(range(20))
    assert episodes.alive.all()
    assert episodes.ended_by == [""]
    # row 0 is the start: on the reference
    torch.testing.assert_close(episodes.states.positions_w[0], episodes.goals.positions_w[0])


def test_a_failed_episode_ends_where_it_failed(push: Reference) -> None:
    """The row of the failure is kept, with its own frame, and no later one of the environment's new episode counts."""
    run = evaluator(push, episodes=2, termination=TerminationConfig(body_distance=0.0, object_distance=2e-3))
    episodes = run.run(None, np.array([0, 35]))
    assert not episodes.completed[0]
    assert episodes.ended_by[0] == "object_lost"
    rows = int(episodes.alive[:, 0].sum())
    assert episodes.frames[:rows, 0].tolist() == list(range(rows))
    assert episodes.completion()[0] == pytest.approx((rows - 1) / 39)
    assert not episodes.alive[rows:, 0].any()
    moved = (episodes.states.object_positions_w - episodes.goals.object_positions_w)[:rows, 0].norm(dim=-1)
    assert moved[-1] > 2e-3
    assert (moved[:-1] <= 2e-3).all()


def test_a_failure_of_physics_is_named(push: Reference) -> None:
    run = evaluator(push)
    reset = run.task.reset

    def spoil(frames: np.ndarray | None = None) -> torch.Tensor:
        seen = reset(frames)
        run.task._state[0, 10] = np.nan
        return seen

    run.task.reset = spoil  # type: ignore[method-assign]
    episodes = run.run(None)
    assert episodes.ended_by == ["physics"]
    assert np.isfinite(episodes.mpjpe_mm()).all()


def test_training_settings_that_would_flatter_are_overridden(push: Reference) -> None:
    """A longest episode in training must not pass as the clip's end, nor noise disturb the clean start."""
    noisy = StartConfig(angle_noise=0.1, root_noise=0.1)
    run = evaluator(push, max_episode_frames=3, start=noisy, termination=TerminationConfig(0.0, 0.0))
    episodes = run.run(None)
    assert len(episodes.frames) == 40
    torch.testing.assert_close(episodes.states.positions_w[0], episodes.goals.positions_w[0])


def test_perturbed_starts_differ_and_repeat_with_their_seed(push: Reference) -> None:
    noise = StartConfig(angle_noise=0.05, root_noise=0.02, speed_noise=0.1)
    run = evaluator(push, episodes=3, noise=noise)
    one, again, other = (run.run(None, seed=seed).states.angles for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0, 0], one[0, 1])


def test_the_policy_is_asked_for_its_mean(push: Reference, tiny: Callable[..., TrainConfig]) -> None:
    from rl.train import build_policy

    run = evaluator(push)
    policy = build_policy(run.task, tiny())
    one, two = run.run(policy), run.run(policy)
    assert torch.equal(one.states.angles, two.states.angles)
    with torch.no_grad():
        policy.action_net.bias += 0.3
    assert not torch.equal(run.run(policy).states.angles, one.states.angles)
