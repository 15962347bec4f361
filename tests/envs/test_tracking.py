"""The batched task: clock, starts, ends, failures of physics, and that a seed settles everything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from envs.observations import BodyState
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask, Transition
from sim.batch import CpuBatchSim, StepResult
from sim.errors import SimulationError
from sim.retarget import Reference

Make = Callable[..., TrackingTask]


def actions(task: TrackingTask, steps: int, size: float = 0.2, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shape = (task.config.num_envs, task.num_actions)
    return [size * torch.randn(shape, generator=draw) for _ in range(steps)]


def tensors(step: Transition) -> dict[str, torch.Tensor]:
    """Every tensor of a transition, by name."""
    flat = {name: getattr(step, name) for name in ("observation", "final_observation", "reward", "failed", "finished")}
    flat |= {"frames": step.frames, "unstable": step.unstable} | step.terms | step.broken
    for name in BodyState.__dataclass_fields__:
        flat |= {f"state.{name}": getattr(step.state, name), f"goal.{name}": getattr(step.goal, name)}
    return flat


class FaultySim(CpuBatchSim):
    """Physics that can be told to fail in some environments, or remembers what it was asked for."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference.scene.model, substeps=4, threads=1)
        self.failing: list[int] = []
        self.failing_starts = False
        self.controls: list[np.ndarray] = []

    def start(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        result = super().start(state, control, which)
        return self._broken(result, range(len(state))) if self.failing_starts else result

    def step(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        self.controls.append(control.copy())
        return self._broken(super().step(state, control, which), self.failing)

    def _broken(self, result: StepResult, rows: Any) -> StepResult:
        failed = result.failed.copy()
        failed[list(rows)] = True
        for array in (result.state, result.sensors, result.observed_state):
            array[failed] = np.nan
        return result._replace(failed=failed)


def test_an_episode_starts_exactly_at_the_reference(make_task: Make) -> None:
    task = make_task()
    frames = np.array([0, 7, 20, 39])
    task.reset(frames)
    for name in BodyState.__dataclass_fields__:
        torch.testing.assert_close(getattr(task.observed, name), getattr(task.goals, name)[frames], atol=0, rtol=0)


def test_goals_are_the_retargeted_motion(make_task: Make, push: Reference) -> None:
    """Bodies as forward kinematics puts them, the box as the motion has it, speeds as differences of places."""
    task = make_task()
    expected = push.motion.joint_positions_w[:, list(push.scene.joints)]
    np.testing.assert_allclose(task.goals.positions_w.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(
        task.goals.object_positions_w[:, 0].numpy(), push.motion.objects[0].position_w, atol=1e-5
    )
    velocity = (expected[2:] - expected[:-2]) * 15.0
    np.testing.assert_allclose(task.goals.velocities_w[1:-1].numpy(), velocity, atol=0.15)


def test_a_step_aims_at_the_next_frame_with_the_scaled_action(make_task: Make, push: Reference) -> None:
    """From a state on the reference, where there is nothing to correct by feedback."""
    sim = FaultySim(push)
    task = make_task(sim=sim, action_scale=0.2)
    frames = np.array([0, 3, 10, 30])
    task.reset(frames)
    action = actions(task, 1)[0].clamp(-1, 1)
    step = task.step(action)
    np.testing.assert_allclose(sim.controls[0], push.targets[frames + 1] + 0.2 * action.numpy(), atol=1e-5)
    assert step.frames.tolist() == [1, 4, 11, 31]
    torch.testing.assert_close(step.goal.positions_w, task.goals.positions_w[[1, 4, 11, 31]])


def test_the_observed_instant_keeps_the_clock_of_the_reference(make_task: Make) -> None:
    """Frame k is k / 30 s after the start: a box thrown up at 3 m/s is where it should be, to a fifth of a substep."""
    task = make_task(termination=TerminationConfig(0.0, 0.0))
    task.reset(np.zeros(4, np.int64))
    z, vz = 1 + 7 + task.num_actions + 2, 1 + task.scene.model.nq + 6 + task.num_actions + 2
    task._state[:, z] += 5.0
    task._state[:, vz] = 3.0
    height = task._state[0, z]
    for action in actions(task, 3, size=0.0):
        step = task.step(action)
    time = 3 / 30 - 1 / 120  # the state is one substep ahead of the instant that is observed
    expected = height + 3.0 * time - 0.5 * 9.81 * time**2
    assert abs(step.state.object_positions_w[0, 0, 2].item() - expected) < 0.2 * 3.0 / 120


def test_actions_are_cut_to_their_range(make_task: Make, push: Reference) -> None:
    one, two = FaultySim(push), FaultySim(push)
    a, b = make_task(sim=one), make_task(sim=two)
    a.reset(np.zeros(4, np.int64)), b.reset(np.zeros(4, np.int64))
    a.step(torch.full((4, a.num_actions), 7.0)), b.step(torch.ones(4, a.num_actions))
    np.testing.assert_array_equal(one.controls[0], two.controls[0])


def test_same_seed_same_rollout(make_task: Make) -> None:
    """Bit for bit, through ends and new starts."""
    start = StartConfig(first_share=0.2, failure_share=0.3, min_frames=5, angle_noise=0.02, root_noise=0.01)
    one, two, other = (make_task(seed=s, start=start, max_episode_frames=6) for s in (3, 3, 4))
    assert torch.equal(one.reset(), two.reset())
    other.reset()
    same = []
    for action in actions(one, 12):
        a, b, c = tensors(one.step(action)), tensors(two.step(action)), tensors(other.step(action))
        assert all(torch.equal(a[name], b[name]) for name in a)
        same.append(torch.equal(a["observation"], c["observation"]))
    assert not any(same)


def test_a_batch_is_so_many_single_environments(make_task: Make) -> None:
    batch = make_task()
    frames = np.array([0, 5, 12, 25])
    seen = batch.reset(frames)
    singles = [make_task(num_envs=1) for _ in frames]
    for i, single in enumerate(singles):
        torch.testing.assert_close(single.reset(frames[i : i + 1])[0], seen[i], atol=1e-5, rtol=0)
    for action in actions(batch, 8):
        together = batch.step(action)
        for i, single in enumerate(singles):
            alone = single.step(action[i : i + 1])
            # feedback is a batched product in single precision, whose last bit depends on the batch's size
            np.testing.assert_allclose(single._state[0], batch._state[i], atol=1e-5)
            torch.testing.assert_close(alone.observation[0], together.observation[i], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(alone.reward[0], together.reward[i], atol=1e-5, rtol=0)


def test_what_a_step_returned_stays_as_it_was(make_task: Make) -> None:
    """Nothing in a transition is a view of a buffer that a later step, or the new start in the same one, writes to."""
    task = make_task(max_episode_frames=2)
    task.reset(np.array([0, 1, 2, 3]))
    steps, copies = [], []
    for action in actions(task, 5):
        steps.append(task.step(action))
        copies.append({name: tensor.clone() for name, tensor in tensors(steps[-1]).items()})
    for step, copy in zip(steps, copies, strict=True):
        assert all(torch.equal(tensor, copy[name]) for name, tensor in tensors(step).items())
    assert steps[1].frames.tolist() == [2, 3, 4, 5]  # where the first episodes ended, not where the next ones begin


def test_the_clips_end_finishes_without_failing(make_task: Make) -> None:
    task = make_task()
    task.reset(np.array([37, 38, 36, 37]))
    first, second = (task.step(torch.zeros(4, task.num_actions)) for _ in range(2))
    assert first.finished.tolist() == [False, True, False, False]
    assert second.finished.tolist() == [True, False, False, True]
    assert not (first.failed | second.failed).any()
    assert first.frames.tolist() == [38, 39, 37, 38]
    # who goes on sees one and the same; who ended sees the new episode, and last saw the old one
    on = ~first.finished
    assert torch.equal(first.observation[on], first.final_observation[on])
    assert not torch.allclose(first.observation[1], first.final_observation[1], atol=1e-2)


def test_the_new_episode_is_observed_from_its_start(make_task: Make) -> None:
    task = make_task()
    task.reset(np.array([38, 5, 5, 5]))
    step = task.step(torch.zeros(4, task.num_actions))
    begun = int(task.frames[0])
    other = make_task()
    torch.testing.assert_close(other.reset(np.full(4, begun))[0], step.observation[0], atol=1e-5, rtol=0)


def test_the_longest_episode_ends_one(make_task: Make) -> None:
    task = make_task(max_episode_frames=3)
    task.reset(np.array([0, 5, 10, 36]))
    ends = [task.step(torch.zeros(4, task.num_actions)).finished.tolist() for _ in range(3)]
    assert ends == [[False] * 4, [False] * 4, [True] * 4]


def test_a_broken_limit_fails_is_named_and_learned(make_task: Make) -> None:
    task = make_task(termination=TerminationConfig(0.0, object_distance=1e-7, object_angle=0.0))
    before = task.starts.failure_rate.copy()
    task.reset(np.full(4, 25))
    step = task.step(torch.zeros(4, task.num_actions))
    assert step.failed.all()
    assert not step.finished.any()
    assert set(step.broken) == {"object_lost"}
    assert step.broken["object_lost"].all()
    assert np.argmax(task.starts.failure_rate - before) == 26


def test_failing_at_the_clips_end_is_a_failure(make_task: Make) -> None:
    task = make_task(termination=TerminationConfig(0.0, object_distance=1e-7, object_angle=0.0))
    task.reset(np.full(4, 38))
    step = task.step(torch.zeros(4, task.num_actions))
    assert step.failed.all()
    assert not step.finished.any()


def test_a_nan_state_ends_that_environment_alone_and_is_kept(make_task: Make) -> None:
    hit, twin = make_task(), make_task()
    frames = np.array([0, 5, 10, 20])
    hit.reset(frames), twin.reset(frames)
    hit._state[2, 12] = np.nan
    action = actions(hit, 1)[0]
    broken, fine = hit.step(action), twin.step(action)
    assert broken.unstable.tolist() == broken.failed.tolist() == [False, False, True, False]
    assert broken.reward[2] == 0
    assert all(torch.isfinite(value).all() for value in tensors(broken).values())
    rest = [0, 1, 3]
    for name, value in tensors(fine).items():
        assert torch.equal(tensors(broken)[name][rest], value[rest]), name
    assert np.isfinite(hit._state).all()
    assert hit.unstable_count == len(hit.unstable_steps) == 1
    kept = hit.unstable_steps[0]
    assert np.isnan(kept.state[12])
    assert kept.frame == 11
    np.testing.assert_allclose(kept.control, hit.reference.targets[11] + hit.config.action_scale * action[2].numpy())


def test_a_start_that_physics_refuses_is_counted_and_seen_as_the_reference(make_task: Make, push: Reference) -> None:
    sim = FaultySim(push)
    task = make_task(sim=sim, start=StartConfig(angle_noise=0.01))
    sim.failing_starts = True
    seen = task.reset(np.array([0, 3, 6, 9]))
    assert torch.isfinite(seen).all()
    assert task.unstable_count == 4
    torch.testing.assert_close(task.observed.positions_w, task.goals.positions_w[[0, 3, 6, 9]])


def test_a_rollout_full_of_failures_stays_finite(make_task: Make, push: Reference) -> None:
    sim = FaultySim(push)
    task = make_task(sim=sim)
    task.reset()
    for k, action in enumerate(actions(task, 10)):
        sim.failing = [k % 4, (k + 1) % 4]
        step = task.step(action)
        assert torch.isfinite(step.observation).all()
        assert step.failed[sim.failing].all()
    assert task.unstable_count == 20
    assert len(task.unstable_steps) == 16


def test_a_reference_that_physics_refuses_is_an_error(push: Reference) -> None:
    qpos = push.qpos.copy()
    qpos[13, 3] = np.nan
    with pytest.raises(SimulationError, match="frame 13 of the reference"):
        TrackingTask(dataclasses.replace(push, qpos=qpos), TaskConfig(num_envs=1, threads=1))


def test_the_change_of_action_is_counted_within_an_episode(make_task: Make) -> None:
    from envs.rewards import TERMS, RewardConfig, Term

    only = {name: Term(0.0, 1.0) for name in TERMS} | {"action_rate": Term(1.0, 1.0)}
    task = make_task(reward=RewardConfig("TR", **only), termination=TerminationConfig(0.0, 0.0))
    task.reset(np.array([0, 38, 0, 0]))
    action = torch.full((4, task.num_actions), 0.5)
    first, second = task.step(action), task.step(action)
    torch.testing.assert_close(first.reward, torch.full((4,), float(np.exp(-0.25))))
    # environment 1 began anew in between, where the action before counts as zero
    torch.testing.assert_close(second.reward, torch.tensor([1.0, float(np.exp(-0.25)), 1.0, 1.0]))


def test_noise_moves_what_it_names(make_task: Make) -> None:
    start = StartConfig(first_share=1.0, angle_noise=0.05, root_noise=0.02, speed_noise=0.1)
    task = make_task(num_envs=64, start=start, seed=1)
    task.reset()
    goal, state = task.goals[:1], task.observed
    assert abs((state.angles - goal.angles).std().item() - 0.05) < 0.005
    assert abs((state.speeds - goal.speeds).std().item() - 0.1) < 0.01
    root = state.positions_w[:, 0] - goal.positions_w[:, 0]
    assert abs(root[:, :2].std().item() - 0.02) < 0.005
    assert root[:, 2].abs().max() < 1e-6
    assert (state.object_positions_w - goal.object_positions_w).abs().max() < 1e-6
