"""The batched imitation task: N copies of humanoid and objects try to follow one reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from envs import observations, terminations
from envs.observations import BodyState
from envs.rewards import RewardConfig, tracking_reward
from envs.starts import StartConfig, StartSampler
from envs.terminations import TerminationConfig
from sim import rotations
from sim.batch import BatchSim, CpuBatchSim, StepResult
from sim.contact_fit import hand_contact
from sim.retarget import CONTROL_HZ, Reference
from sim.scene import FRAME_SENSORS, Scene
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
        self.unstable_states: list[np.ndarray] = []
        """Full physics states from which physics failed, the last few, for replay."""
        self.unstable_count = 0

        self.num_frames = len(reference.qpos)
        self.hands = [self.scene.joints.index(JOINT_INDEX[f"{side}_wrist"]) for side in ("left", "right")]
        self.required = torch.as_tensor(hand_contact(reference.motion), dtype=torch.float32)
        self.goals = self._reference_states()
        self._targets = reference.targets
        self._states0 = reference.states
        n = self.config.num_envs
        self.frames = np.zeros(n, np.int64)
        self.begun = np.zeros(n, np.int64)
        self._state = np.zeros((n, self._states0.shape[1]))
        self._action = torch.zeros(n, model.nu)
        self._observed = self.goals[torch.zeros(n, dtype=torch.long)]

    @property
    def num_actions(self) -> int:
        """A: actuated angles."""
        return int(self.scene.model.nu)

    @property
    def num_observations(self) -> int:
        """D: length of an observation."""
        return int(self._observe().shape[-1])

    def reset(self, frames: np.ndarray | None = None) -> torch.Tensor:
        """Begin every environment anew, at given reference frames [N] or where the sampler says. Returns [N, D]."""
        everyone = np.arange(self.config.num_envs)
        self._begin(everyone, self.starts.draw(len(everyone), self.rng) if frames is None else frames)
        return self._observe()

    def step(self, action: torch.Tensor) -> Transition:
        """One control step. action: [N, A] in [-1, 1]: times `action_scale`, added to the reference's PD targets."""
        action = action.clamp(-1.0, 1.0)
        ahead = np.minimum(self.frames + 1, self.num_frames - 1)
        control = self._targets[ahead] + self.config.action_scale * action.numpy().astype(np.float64)
        before = self._state.copy()
        result = self.sim.step(self._state, control)
        self.frames = ahead
        unstable = torch.as_tensor(result.failed)
        self._keep_unstable(before, result)
        self._state = np.where(result.failed[:, None], self._states0[self.frames], result.state)
        self._observed = self._read(result)
        if result.failed.any():
            self._observed = _where(unstable, self.goals[torch.as_tensor(self.frames)], self._observed)
        frames = torch.as_tensor(self.frames.copy())  # a new episode changes self.frames in place
        goal = self.goals[frames]
        touching = self._observed.forces_w[:, self.hands].norm(dim=-1) > self.config.touch_force
        reward, terms = tracking_reward(
            self._observed,
            goal,
            self.config.reward,
            hands=self.hands,
            touching=touching,
            required=self.required[frames],
            action_change=action - self._action,
        )
        self._action = action
        broken = terminations.failures(self._observed, goal, self.config.termination)
        failed = unstable.clone()
        for limit in broken.values():
            failed |= limit
        reward = torch.where(unstable, 0.0, reward)
        finished = ~failed & self._at_end()
        state, final = self._observed, self._observe()
        observation = self._renew(failed, finished, final)
        return Transition(
            observation, final, reward, terms, failed, broken, finished, state, goal, frames, unstable
        )  # fmt: skip

    def _at_end(self) -> torch.Tensor:
        ended = self.frames >= self.num_frames - 1
        if self.config.max_episode_frames:
            ended |= self.frames - self.begun >= self.config.max_episode_frames
        return torch.as_tensor(ended)

    def _renew(self, failed: torch.Tensor, finished: torch.Tensor, final: torch.Tensor) -> torch.Tensor:
        """Begin the environments that ended anew; returns what all of them see next."""
        self.starts.record(self.frames[failed.numpy()])
        ended = np.flatnonzero((failed | finished).numpy())
        if not len(ended):
            return final
        self._begin(ended, self.starts.draw(len(ended), self.rng))
        observation = final.clone()
        observation[ended] = self._observe()[ended]
        return observation

    def _begin(self, envs: np.ndarray, frames: np.ndarray) -> None:
        state = self._disturbed(self._states0[frames])
        result = self.sim.start(state, self._targets[frames])
        self.frames[envs] = frames
        self.begun[envs] = frames
        self._state[envs] = np.where(result.failed[:, None], state, result.state)
        self._action[envs] = 0.0
        index = torch.as_tensor(envs)
        fresh = self._read(result)
        self._observed = BodyState(
            **{
                name: getattr(self._observed, name).index_copy(0, index, getattr(fresh, name))
                for name in BodyState.__dataclass_fields__
            }
        )

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

    def _keep_unstable(self, before: np.ndarray, result: StepResult) -> None:
        if result.failed.any():
            self.unstable_count += int(result.failed.sum())
            self.unstable_states = (self.unstable_states + list(before[result.failed]))[-16:]

    def _observe(self) -> torch.Tensor:
        """[N, D] of the observed instant."""
        state = self._observed
        heading = rotations.heading(state.rotations_w[:, 0])
        frames = torch.as_tensor(self.frames)
        goals = [(frames + ahead).clamp(max=self.num_frames - 1) for ahead in self.config.lookahead]
        parts = [observations.proprioception(state, heading), observations.objects(state, heading)]
        parts += [observations.difference(state, self.goals[goal], heading) for goal in goals]
        parts.append(observations.contact(state.forces_w, self.hands, self.required[goals[0]]))
        return torch.cat(parts, -1)

    def _read(self, result: StepResult) -> BodyState:
        return read_state(self.scene, result)

    def _reference_states(self) -> BodyState:
        """The reference as physics' own sensors see it, one entry a frame."""
        sim = CpuBatchSim(self.scene.model, substeps=2, threads=self.config.threads or None)
        try:
            return self._read(sim.start(self.reference.states, self.reference.targets))
        finally:
            sim.close()


def read_state(scene: Scene, result: StepResult) -> BodyState:
    """Sensor data of N environments by name, float32."""
    model = scene.model
    sensors = torch.as_tensor(result.sensors).float()
    state = torch.as_tensor(result.observed_state)
    count = len(sensors)
    body = [sensors[:, scene.body_frames[kind]].reshape(count, len(scene.joints), -1) for kind in FRAME_SENSORS]
    thing = [
        sensors[:, scene.object_frames[kind]].reshape(count, len(scene.object_names), 4 if kind == "framequat" else 3)
        for kind in FRAME_SENSORS
    ]
    forces = sensors[:, scene.contact_force].reshape(count, -1, len(scene.joints), 3)
    first_speed = 1 + model.nq + 6
    return BodyState(
        body[0], body[1], body[2], body[3],
        state[:, 8 : 8 + model.nu].float(),
        state[:, first_speed : first_speed + model.nu].float(),
        thing[0], thing[1], thing[2], thing[3],
        forces.sum(1) if forces.shape[1] else torch.zeros(count, len(scene.joints), 3),
    )  # fmt: skip


def _where(mask: torch.Tensor, a: BodyState, b: BodyState) -> BodyState:
    def pick(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(mask.reshape(-1, *([1] * (x.ndim - 1))), x, y)

    return BodyState(**{name: pick(getattr(a, name), getattr(b, name)) for name in BodyState.__dataclass_fields__})
