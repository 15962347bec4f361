"""The VecEnv keeps Stable-Baselines3's conventions over the batched task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer

from envs.terminations import TerminationConfig
from envs.tracking import TrackingTask
from envs.vec import TrackingVecEnv

Make = Callable[..., TrackingTask]


@pytest.fixture
def make_env(make_task: Make) -> Iterator[Callable[..., TrackingVecEnv]]:
    """make_env(seed=0, **changes of TaskConfig)."""
    made: list[TrackingVecEnv] = []

    def make(**settings: Any) -> TrackingVecEnv:
        made.append(TrackingVecEnv(make_task(**settings)))
        return made[-1]

    yield make
    for env in made:
        env.close()


def zeros(env: TrackingVecEnv) -> np.ndarray:
    return np.zeros((env.num_envs, *env.action_space.shape), np.float32)  # type: ignore[misc]


def test_spaces_fit_what_comes_back(make_env: Callable) -> None:
    env = make_env()
    seen = env.reset()
    observation, rewards, dones, infos = env.step(zeros(env))
    for array in (seen, observation):
        assert array.shape == (4, *env.observation_space.shape)
        assert array.dtype == env.observation_space.dtype == np.float32
        assert env.observation_space.contains(array[0])
    assert env.action_space.shape == (env.task.num_actions,)
    assert rewards.shape == dones.shape == (4,)
    assert dones.dtype == bool
    assert infos == [{}] * 4


def test_an_ended_episode_brings_its_record(make_env: Callable) -> None:
    env = make_env()
    env.reset()
    env.task.reset(np.array([38, 36, 0, 0]))
    first = env.step(zeros(env))
    _, rewards, dones, infos = first
    assert dones.tolist() == [True, False, False, False]
    assert infos[0]["episode"]["r"] == pytest.approx(rewards[0])
    assert infos[0]["episode"]["l"] == 1
    assert infos[0]["TimeLimit.truncated"] is True
    assert infos[0]["frame"] == 39
    assert infos[1:] == [{}, {}, {}]
    second, third = env.step(zeros(env)), env.step(zeros(env))
    assert third[2].tolist()[1:] == [True, False, False]
    assert third[3][1]["episode"]["l"] == 3
    assert third[3][1]["episode"]["r"] == pytest.approx(rewards[1] + second[1][1] + third[1][1])


def test_the_terminal_observation_is_the_last_of_the_old_episode(make_env: Callable, make_task: Make) -> None:
    env, task = make_env(), make_task()
    env.reset()
    frames = np.array([38, 38, 5, 5])
    env.task.reset(frames), task.reset(frames)
    observation, _, _, infos = env.step(zeros(env))
    expected = task.step(torch.zeros(4, task.num_actions)).final_observation.numpy()
    np.testing.assert_allclose(infos[0]["terminal_observation"], expected[0], atol=1e-5)
    assert np.abs(observation[0] - expected[0]).max() > 0.01
    np.testing.assert_allclose(observation[2:], expected[2:], atol=1e-5)


def test_a_failure_is_not_truncated(make_env: Callable) -> None:
    env = make_env(termination=TerminationConfig(body_distance=0.0, object_distance=1e-7))
    env.reset()
    env.task.reset(np.full(4, 25))
    _, _, dones, infos = env.step(zeros(env))
    assert dones.all()
    assert not any(info["TimeLimit.truncated"] for info in infos)


def test_the_value_of_the_last_state_is_added_where_an_episode_was_cut_only(make_env: Callable) -> None:
    """What SB3 stores as reward: with the value of the terminal observation at the clip's end, plain at a failure."""
    env = make_env()
    model = PPO("MlpPolicy", env, n_steps=2, batch_size=8, gamma=0.5, seed=0, device="cpu")
    env.task.reset(np.array([38, 0, 0, 0]))
    model._last_obs = env.task._observe(env.task.observed, torch.as_tensor(env.task.frames)).numpy()
    model._last_episode_starts = np.ones(4, bool)
    seen: list[Any] = []
    wait = env.step_wait

    def record() -> Any:
        seen.append(wait())
        seen[-1] = (seen[-1][0], seen[-1][1].copy(), *seen[-1][2:])  # SB3 adds to the rewards in place
        return seen[-1][0], seen[-1][1].copy(), *seen[-1][2:]

    env.step_wait = record
    _, callback = model._setup_learn(8)
    env.task.reset(np.array([38, 0, 0, 0]))
    buffer = model.rollout_buffer
    assert isinstance(buffer, RolloutBuffer)
    model.collect_rollouts(env, callback, buffer, n_rollout_steps=2)
    last = torch.as_tensor(seen[0][3][0]["terminal_observation"])[None]
    with torch.no_grad():
        value = model.policy.predict_values(last).item()
    assert buffer.rewards[0, 0] == pytest.approx(seen[0][1][0] + 0.5 * value, abs=1e-5)
    np.testing.assert_allclose(buffer.rewards[0, 1:], seen[0][1][1:], atol=1e-6)


def test_two_updates_of_ppo_run(make_env: Callable) -> None:
    env = make_env()
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(64)
    assert model.num_timesteps == 64
    assert model._n_updates == 2
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))


def test_terms_are_summed_for_the_log(make_env: Callable) -> None:
    env = make_env()
    env.reset()
    for _ in range(3):
        env.step(zeros(env))
    assert env.term_steps == 3
    assert set(env.term_sums) == set(env.task.step(torch.zeros(4, env.task.num_actions)).terms)
    penalties = {"kp_label", "kp_contact"}
    assert penalties < set(env.term_sums)
    for name, total in env.term_sums.items():
        low, high = (-3, 0) if name in penalties else (0, 3)
        assert low <= total <= high, name


def test_a_seed_settles_the_starts(make_env: Callable) -> None:
    one, two = make_env(), make_env(seed=7)
    assert one.seed(5) == [5] * 4
    two.seed(5)
    np.testing.assert_array_equal(one.reset(), two.reset())
    assert one.task.frames.tolist() == two.task.frames.tolist()


def test_attributes_of_the_batch(make_env: Callable) -> None:
    env = make_env()
    assert env.get_attr("term_steps") == [0] * 4
    assert env.get_attr("term_steps", [1, 2]) == [0] * 2
    env.set_attr("term_steps", 3)
    assert env.term_steps == 3
    assert env.env_is_wrapped(object) == [False] * 4
