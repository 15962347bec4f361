"""The batched imitation task: N copies of humanoid and objects try to follow one reference."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from envs import observations, terminations
from envs.observations import BodyState
from envs.rewards import RewardConfig, tracking_reward
from envs.starts import StartConfig, StartSampler
from envs.terminations import TerminationConfig
from sim.batch import BatchSim, CpuBatchSim, StepResult
from sim.contact_fit import hand_contact
from sim.errors import SimulationError
from sim.retarget import CONTROL_HZ, Reference
from sim.scene import Scene
from sim.skeleton import JOINT_INDEX


@dataclass(frozen=True)
class TaskConfig:
    """The task.

    Attributes:
        num_envs: N, environments in the batch.
        threads: physics threads; 0 takes all cores.
        action_scale: rad, what an action of 1 adds to a PD target.
        lookahead: reference frames ahead of now that the policy sees.
        touch_force: N, a hand that exerts more on an object touches it.
        max_episode_frames: longest episode; 0 runs to the clip's end.
        reward, termination, start: see their classes.
    """

    num_envs: int = 128
    threads: int = 0
    action_scale: float = 0.35
    lookahead: tuple[int, ...] = (1, 5)
    touch_force: float = 1.0
    max_episode_frames: int = 0
    reward: RewardConfig = field(default_factory=RewardConfig)
    termination: TerminationConfig = field(default_factory=TerminationConfig)
    start: StartConfig = field(default_factory=StartConfig)


class Transition(NamedTuple):
    """What a step of the batch brought; N environments.

    Attributes:
        observation: [N, D], of the new episode where one ended.
        final_observation: [N, D], of the state that the step reached.
        reward: [N]; terms: each reward term's kernel [N], by name.
        failed: [N] bool, a limit was broken or physics failed; broken: which limit [N] bool, by name.
        finished: [N] bool, the clip's end was reached without failing.
        state, goal: the instant that was rewarded and its reference.
        frames: [N] the reference frame of that instant.
        unstable: [N] bool, physics failed.
    """

    observation: torch.Tensor
    final_observation: torch.Tensor
    reward: torch.Tensor
    terms: dict[str, torch.Tensor]
    failed: torch.Tensor
    broken: dict[str, torch.Tensor]
    finished: torch.Tensor
    state: BodyState
    goal: BodyState
    frames: torch.Tensor
    unstable: torch.Tensor


class UnstableStep(NamedTuple):
    """A step in which physics failed: full state [S], control [A], and the reference frame it was heading for."""

    state: np.ndarray
    control: np.ndarray
    frame: int


class TrackingTask:
    """N environments in one batch; an environment that ends begins anew within the same step.

    Args:
        reference: what to follow.
        config: the task.
        seed: of the start states.
        sim: physics; by default `CpuBatchSim` on the reference's scene.
    """

    def __init__(
        self, reference: Reference, config: TaskConfig | None = None, *, seed: int = 0, sim: BatchSim | None = None
    ) -> None:
        self.reference = reference
        self.config = config or TaskConfig()
        self.scene = reference.scene
        model = self.scene.model
        substeps = round(1.0 / (CONTROL_HZ * model.opt.timestep))
        self.sim: BatchSim = sim or CpuBatchSim(model, substeps=substeps, threads=self.config.threads or None)
        self.rng = np.random.default_rng(seed)
        self.starts = StartSampler(len(reference.qpos), CONTROL_HZ, self.config.start)
        self.unstable_steps: deque[UnstableStep] = deque(maxlen=16)
        """The last few steps in which physics failed, for replay."""
        self.unstable_count = 0

        self.num_frames = len(reference.qpos)
        self.hands = [self.scene.joints.index(JOINT_INDEX[f"{side}_wrist"]) for side in ("left", "right")]
        self.required = torch.as_tensor(hand_contact(reference.motion), dtype=torch.float32)
        self._reference = self._reference_rows()
        self.goals = split(self.scene, self._reference)
        self._lookahead = torch.tensor(self.config.lookahead)
        self._targets = reference.targets
        self._states0 = reference.states
        n = self.config.num_envs
        self.frames = np.zeros(n, np.int64)
        self.begun = np.zeros(n, np.int64)
        self._state = np.zeros((n, self._states0.shape[1]))
        self._action = torch.zeros(n, model.nu)
        self._rows = self._reference[torch.zeros(n, dtype=torch.long)]

    @property
    def observed(self) -> BodyState:
        """The present instant of all environments."""
        return split(self.scene, self._rows)

    @property
    def num_actions(self) -> int:
        """A: actuated angles."""
        return int(self.scene.model.nu)

    @property
    def num_observations(self) -> int:
        """D: length of an observation."""
        return int(self._observe(self.goals[:1], torch.zeros(1, dtype=torch.long)).shape[-1])

    def reset(self, frames: np.ndarray | None = None) -> torch.Tensor:
        """Begin every environment anew, at given reference frames [N] or where the sampler says. Returns [N, D]."""
        everyone = np.arange(self.config.num_envs)
        self._begin(everyone, self.starts.draw(len(everyone), self.rng) if frames is None else frames)
        return self._observe(self.observed, torch.as_tensor(self.frames))

    def step(self, action: torch.Tensor) -> Transition:
        """One control step. action: [N, A] in [-1, 1]: times `action_scale`, added to the reference's PD targets."""
        action = action.clamp(-1.0, 1.0)
        ahead = np.minimum(self.frames + 1, self.num_frames - 1)
        control = self._targets[ahead] + self.config.action_scale * action.numpy().astype(np.float64)
        result = self.sim.step(self._state, control)
        self._keep_unstable(self._state, control, ahead, result)
        self._state = np.where(result.failed[:, None], self._states0[ahead], result.state)
        self.frames = ahead
        frames = torch.as_tensor(ahead.copy())  # a new episode changes self.frames in place
        goals, unstable = self._reference[frames], torch.as_tensor(result.failed.copy())
        self._rows = self._record(result, goals)
        state, goal = self.observed, split(self.scene, goals)
        touching = state.forces_w[:, self.hands].norm(dim=-1) > self.config.touch_force
        reward, terms = tracking_reward(
            state,
            goal,
            self.config.reward,
            hands=self.hands,
            touching=touching,
            required=self.required[frames],
            action_change=action - self._action,
        )
        self._action = action
        broken = terminations.failures(state, goal, self.config.termination)
        failed = unstable.clone()
        for limit in broken.values():
            failed |= limit
        reward = torch.where(unstable, 0.0, reward)
        finished = ~failed & self._at_end()
        observation, final = self._renew(failed, finished, frames)
        return Transition(
            observation, final, reward, terms, failed, broken, finished, state, goal, frames, unstable
        )  # fmt: skip

    def _at_end(self) -> torch.Tensor:
        ended = self.frames >= self.num_frames - 1
        if self.config.max_episode_frames:
            ended |= self.frames - self.begun >= self.config.max_episode_frames
        return torch.as_tensor(ended)

    def _renew(
        self, failed: torch.Tensor, finished: torch.Tensor, frames: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Begin the environments that ended anew; what all of them see next, and what they saw last [N, D]."""
        self.starts.record(self.frames[failed.numpy()])
        ended = torch.nonzero(failed | finished).squeeze(1)
        last = self._rows[ended]
        if len(ended):
            self._begin(ended.numpy(), self.starts.draw(len(ended), self.rng))
        # One pass over everyone's present and over the last instant of those that ended: small calls cost as much.
        rows = torch.cat((self._rows, last))
        seen = self._observe(split(self.scene, rows), torch.cat((torch.as_tensor(self.frames), frames[ended])))
        observation = seen[: len(self.frames)]
        return observation, observation.index_copy(0, ended, seen[len(self.frames) :])

    def _begin(self, envs: np.ndarray, frames: np.ndarray) -> None:
        state, control = self._disturbed(self._states0[frames]), self._targets[frames]
        result = self.sim.start(state, control)
        self._keep_unstable(state, control, frames, result)
        self.frames[envs] = frames
        self.begun[envs] = frames
        self._state[envs] = np.where(result.failed[:, None], state, result.state)
        self._action[envs] = 0.0
        rows = self._record(result, self._reference[torch.as_tensor(frames)])
        self._rows = self._rows.index_copy(0, torch.as_tensor(envs), rows)

    def _disturbed(self, states: np.ndarray) -> np.ndarray:
        config, nu = self.config.start, self.num_actions
        states = states.copy()
        if config.root_noise:
            states[:, 1:3] += self.rng.normal(0.0, config.root_noise, (len(states), 2))
        if config.angle_noise:
            states[:, 8 : 8 + nu] += self.rng.normal(0.0, config.angle_noise, (len(states), nu))
        if config.speed_noise:
            first = 1 + self.scene.model.nq + 6
            states[:, first : first + nu] += self.rng.normal(0.0, config.speed_noise, (len(states), nu))
        return states

    def _keep_unstable(self, state: np.ndarray, control: np.ndarray, frames: np.ndarray, result: StepResult) -> None:
        for i in np.flatnonzero(result.failed):
            self.unstable_count += 1
            self.unstable_steps.append(UnstableStep(state[i].copy(), control[i].copy(), int(frames[i])))

    def _observe(self, state: BodyState, frames: torch.Tensor) -> torch.Tensor:
        """[N, D] of N instants and their reference frames [N]."""
        heading = observations.heading_frame(state)
        ahead = (frames[:, None] + self._lookahead).clamp(max=self.num_frames - 1)
        parts = (
            observations.proprioception(state, heading),
            observations.objects(state, heading),
            observations.difference(state, split(self.scene, self._reference[ahead]), heading),
            observations.contact(state.forces_w, self.hands, self.required[ahead[:, 0]]),
        )
        return torch.cat(parts, -1)

    def _record(self, result: StepResult, goals: torch.Tensor) -> torch.Tensor:
        """What was observed [N, W], the goal where physics failed."""
        rows = record(self.scene, result)
        return torch.where(torch.as_tensor(result.failed)[:, None], goals, rows) if result.failed.any() else rows

    def _reference_rows(self) -> torch.Tensor:
        """[T, W] the reference as physics' own sensors see it, one row a frame."""
        sim = CpuBatchSim(self.scene.model, substeps=2, threads=self.config.threads or None)
        try:
            result = sim.start(self.reference.states, self.reference.targets)
        finally:
            sim.close()
        if result.failed.any():
            frame = int(np.flatnonzero(result.failed)[0])
            raise SimulationError(
                f"physics fails in frame {frame} of the reference; look at it with: touchstone inspect"
            )
        return record(self.scene, result)


def record(scene: Scene, result: StepResult) -> torch.Tensor:
    """The observed instant of N environments, a row each: sensors, hinge angles, hinge speeds, float32 [N, W]."""
    model, state = scene.model, result.observed_state
    angles, speeds = slice(8, 8 + model.nu), slice(1 + model.nq + 6, 1 + model.nq + 6 + model.nu)
    return torch.as_tensor(np.concatenate((result.sensors, state[:, angles], state[:, speeds]), 1, dtype=np.float32))


def split(scene: Scene, rows: torch.Tensor) -> BodyState:
    """Views into rows [..., W] by name."""
    bodies, things, nu = len(scene.joints), len(scene.object_names), scene.model.nu
    widths = [
        b.stop - b.start for b in (*scene.body_frames.values(), *scene.object_frames.values(), scene.contact_force)
    ]
    *frames, forces, angles, speeds = rows.split([*widths, nu, nu], -1)
    lead = rows.shape[:-1]
    body = [part.view(*lead, bodies, -1) for part in frames[:4]]
    thing = [part.view(*lead, things, width) for part, width in zip(frames[4:], (3, 4, 3, 3), strict=True)]
    pushed = forces.view(*lead, -1, bodies, 3).sum(-3)
    return BodyState(body[0], body[1], body[2], body[3], angles, speeds, thing[0], thing[1], thing[2], thing[3], pushed)
