"""The batched task as a Stable-Baselines3 VecEnv: same code, NumPy at the border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv

from envs.tracking import TrackingTask


def spaces(task: TrackingTask) -> tuple[gym.spaces.Box, gym.spaces.Box]:
    """Observation and action space of one environment of a task."""
    limits = np.full(task.num_observations, np.inf, dtype=np.float32)
    return gym.spaces.Box(-limits, limits, dtype=np.float32), gym.spaces.Box(-1.0, 1.0, (task.num_actions,), np.float32)


class TrackingVecEnv(VecEnv):
    """All environments of a `TrackingTask`.

    Infos: ended episodes carry `episode` (`r` return, `l` frames), `terminal_observation`, `TimeLimit.truncated` (the
    clip's end was reached) and `frame` (where it ended). `term_sums` holds what each reward term has summed up to
    since it was last cleared.
    """

    def __init__(self, task: TrackingTask) -> None:
        self.task = task
        self.render_mode = None
        super().__init__(task.config.num_envs, *spaces(task))
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._pending = torch.zeros(self.num_envs, task.num_actions)
        self.term_sums: dict[str, float] = {}
        self.term_steps = 0

    def reset(self) -> np.ndarray:
        """Observations [N, D]."""
        self._returns[:], self._lengths[:] = 0.0, 0
        return self.task.reset().numpy()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions [N, A] for `step_wait`."""
        self._pending = torch.as_tensor(actions, dtype=torch.float32)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations [N, D], rewards [N], dones [N] and infos."""
        step = self.task.step(self._pending)
        rewards = step.reward.numpy()
        dones = (step.failed | step.finished).numpy()
        self._returns += rewards
        self._lengths += 1
        for name, kernel in step.terms.items():
            self.term_sums[name] = self.term_sums.get(name, 0.0) + float(kernel.mean())
        self.term_steps += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(dones):
            infos[i] = {
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i]), "t": 0.0},
                "terminal_observation": step.final_observation[i].numpy(),
                "TimeLimit.truncated": bool(step.finished[i]),
                "frame": int(step.frames[i]),
            }
        self._returns[dones], self._lengths[dones] = 0.0, 0
        return step.observation.numpy(), rewards, dones, infos

    def close(self) -> None:
        """End the physics threads."""
        self.task.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the start states."""
        self.task.rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The batch's own attribute, once per asked environment."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the batch."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the batch once."""
        return [getattr(self, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False] * len(list(self._get_indices(indices)))
