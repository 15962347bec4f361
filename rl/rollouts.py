"""Episodes of a policy from given start frames, recorded until each ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from envs.observations import BodyState
from envs.starts import StartConfig
from envs.tracking import TaskConfig, TrackingTask
from sim.retarget import Reference

PERTURBATION = StartConfig(first_share=1.0, angle_noise=0.05, root_noise=0.02, speed_noise=0.1)
"""Start states of the robustness test: 0.05 rad and 0.1 rad/s on every hinge, 20 mm on the pelvis (deviations)."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """E episodes, K steps at most; row 0 is the start state.

    Attributes:
        frames: [K + 1, E] reference frame of its clip; alive: [K + 1, E] bool, the episode had not ended before this
            row, without which a row means nothing.
        states, goals: BodyState of [K + 1, E, ...].
        completed: [E] bool, carried through to the clip's end; ended_by: E names of what ended each.
        last_frame: [E] each one's clip's, or one for all.
    """

    frames: np.ndarray
    alive: np.ndarray
    states: BodyState
    goals: BodyState
    completed: np.ndarray
    ended_by: list[str]
    last_frame: np.ndarray | int

    def mpjpe_mm(self) -> np.ndarray:
        """[E] mean distance of the bodies from the reference over the rows that the episode lived."""
        distance = (self.states.positions_w - self.goals.positions_w).norm(dim=-1).mean(-1).numpy() * 1000.0
        return (distance * self.alive).sum(0) / self.alive.sum(0)

    def object_mm(self) -> np.ndarray:
        """[E] mean distance of the objects from the reference over the rows that the episode lived; 0 without any."""
        if self.states.object_positions_w.shape[2] == 0:
            return np.zeros(self.frames.shape[1])
        distance = (self.states.object_positions_w - self.goals.object_positions_w).norm(dim=-1).mean(-1).numpy()
        return (distance * 1000.0 * self.alive).sum(0) / self.alive.sum(0)

    def completion(self) -> np.ndarray:
        """[E] share of the way from the start frame to the clip's end that was lived."""
        last = np.where(self.alive, self.frames, 0).max(0)
        return np.where(self.completed, 1.0, (last - self.frames[0]) / np.maximum(self.last_frame - self.frames[0], 1))


class Evaluator:
    """Runs a deterministic policy from chosen frames; built once, used at every evaluation.

    Args:
        references: what to follow; of several, each has its own episodes.
        config: the task as trained; number of environments, start noise and longest episode are overridden.
        episodes: of each clip, in parallel: E in all, clip after clip.
        noise: disturbance of the start states; none by default.
    """

    def __init__(
        self,
        references: Reference | Sequence[Reference],
        config: TaskConfig,
        *,
        episodes: int = 1,
        noise: StartConfig | None = None,
    ) -> None:
        start = noise or StartConfig(angle_noise=0.0, root_noise=0.0, speed_noise=0.0)
        references = (references,) if isinstance(references, Reference) else tuple(references)
        count = episodes * len(references)
        config = dataclasses.replace(config, num_envs=count, start=start, max_episode_frames=0)
        self.task = TrackingTask(references, config)
        self._clip = np.repeat(np.arange(len(references)), episodes)

    def run(self, policy: ActorCriticPolicy | None, frames: np.ndarray | None = None, *, seed: int = 0) -> Episodes:
        """Episodes from `frames` [E] of each one's clip (default 0).

        A policy of None always answers zero: the reference's own targets.
        """
        task, count = self.task, self.task.config.num_envs
        task.rng = np.random.default_rng(seed)
        first = task.clips.first[self._clip]
        begun = first + (0 if frames is None else frames)
        observation = task.reset(begun)
        alive = np.ones(count, bool)
        rows = [(begun - first, alive.copy(), task.observed, task.goals[torch.as_tensor(begun)])]
        completed, ended_by = np.zeros(count, bool), [""] * count
        while alive.any():
            action = torch.zeros(count, task.num_actions) if policy is None else _mean_action(policy, observation)
            step = task.step(action)
            observation = step.observation
            rows.append((step.frames.numpy() - first, alive.copy(), step.state, step.goal))
            failed, finished = step.failed.numpy() & alive, step.finished.numpy() & alive
            completed |= finished
            for e in np.flatnonzero(failed):
                named = [name for name, broken in step.broken.items() if broken[e]]
                ended_by[e] = "physics" if step.unstable[e] else " and ".join(named)
            alive = alive & ~failed & ~finished
        return Episodes(
            np.stack([r[0] for r in rows]),
            np.stack([r[1] for r in rows]),
            _stack([r[2] for r in rows]),
            _stack([r[3] for r in rows]),
            completed,
            ended_by,
            task.clips.lengths[self._clip] - 1,
        )


@torch.no_grad()
def _mean_action(policy: ActorCriticPolicy, observation: torch.Tensor) -> torch.Tensor:
    action: torch.Tensor = policy.get_distribution(observation).distribution.mean  # type: ignore[union-attr]
    return action


def _stack(states: list[BodyState]) -> BodyState:
    return BodyState(**{n: torch.stack([getattr(s, n) for s in states]) for n in BodyState.__dataclass_fields__})
