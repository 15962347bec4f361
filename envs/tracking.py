"""The batched imitation task: N humanoids with objects try to follow references, each its own or all the same one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from envs import observations, terminations
from envs.clips import Clips, require_alike
from envs.follower import Follower
from envs.interaction import InteractionGraph
from envs.observations import BodyState
from envs.reached import ReachedStates
from envs.rewards import RewardConfig, imitation_reward
from envs.rows import RowLayout
from envs.stabiliser import Stabiliser
from envs.starts import StartConfig, StartSampler
from envs.terminations import TerminationConfig
from sim.batch import Backend, BatchSim, StepResult, make_sim
from sim.contact_fit import hand_contact
from sim.errors import SimulationError
from sim.feedback import FeedbackConfig
from sim.humanoid import hand_bodies
from sim.retarget import CONTROL_HZ, Reference
from sim.skeleton import JOINT_INDEX


@dataclass(frozen=True)
class TaskConfig:
    """The task.

    Attributes:
        num_envs: N, environments in the batch.
        backend: physics: `cpu`, or `mjx` (JAX; one clip; see `sim.batch.mjx`).
        threads: physics threads of `cpu`; 0 takes all cores.
        action_scale: rad, what an action of 1 adds to a PD target.
        lookahead: reference frames ahead of now that the policy sees.
        touch_force: N, a body that exerts more on an object touches it.
        max_episode_frames: longest episode; 0 runs to the clip's end.
        feedback: springs that change the PD targets where the simulation strays; see `sim.feedback`.
        reward, termination, start: see their classes.
    """

    num_envs: int = 128
    backend: Backend = "cpu"
    threads: int = 0
    action_scale: float = 0.35
    lookahead: tuple[int, ...] = (1, 5)
    touch_force: float = 1.0
    max_episode_frames: int = 0
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    termination: TerminationConfig = field(default_factory=TerminationConfig)
    start: StartConfig = field(default_factory=StartConfig)


class Transition(NamedTuple):
    """What a step of the batch brought; N environments.

    Attributes:
        observation: [N, D], of the new episode where one ended.
        final_observation: [N, D], of the state that the step reached.
        reward: [N]; terms: what it is made of [N], by name (see `envs.rewards`).
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

    Frames of several clips are counted through, clip after clip (`clips`); an environment is in one clip from its
    start to that clip's end. All that depends on the frame is a table over all of them.

    Args:
        references: what to follow; clips may differ in body and objects, not in how many.
        config: the task.
        seed: of the start states.
        sim: physics; by default `config.backend` on the references' scenes.

    Raises:
        SimulationError: clips that cannot share a batch, or a reference in which physics fails.
    """

    def __init__(
        self,
        references: Reference | Sequence[Reference],
        config: TaskConfig | None = None,
        *,
        seed: int = 0,
        sim: BatchSim | None = None,
    ) -> None:
        self.references = (references,) if isinstance(references, Reference) else tuple(references)
        require_alike(self.references)
        self.clips = Clips([len(reference.qpos) for reference in self.references])
        self.config = config or TaskConfig()
        self.reference = self.references[0]
        self.scene = self.reference.scene
        """Of the first clip; joints, and where things stand in a row, are the same in all."""
        model = self.scene.model
        substeps = round(1.0 / (CONTROL_HZ * model.opt.timestep))
        models = [reference.scene.model for reference in self.references]
        self.sim: BatchSim = sim or make_sim(
            models,
            self.config.backend,
            substeps=substeps,
            threads=self.config.threads or None,
            width=self.config.num_envs,
        )
        self.rng = np.random.default_rng(seed)
        self.starts = StartSampler(self.clips.lengths, CONTROL_HZ, self.config.start)
        self.unstable_steps: deque[UnstableStep] = deque(maxlen=16)
        """The last few steps in which physics failed, for replay."""
        self.unstable_count = 0

        self.num_frames = self.clips.num_frames
        hands = [self.scene.joints.index(JOINT_INDEX[f"{side}_wrist"]) for side in ("left", "right")]
        self.hands = torch.tensor(hands)
        self._hand_bodies = torch.as_tensor(hand_bodies(self.scene.joints)).float()
        touched = np.concatenate([hand_contact(reference.motion) for reference in self.references])
        self.required = torch.as_tensor(touched, dtype=torch.float32)
        anchor = self.config.reward.contact_anchor
        self._contacts = InteractionGraph.concatenate([InteractionGraph.of(each, anchor) for each in self.references])
        self._layout = RowLayout(self.scene)
        self._states0 = np.concatenate([reference.states for reference in self.references])
        self._targets = np.concatenate([reference.targets for reference in self.references])
        started = self._start_reference()
        self._reference, self._started = self._layout.record(started), started.state
        """The reference as physics' own sensors see it [T, W], and the states one simulation step later [T, S]."""
        self.goals = self._layout.split(self._reference)
        unseen = self._layout.turns_of_balls([reference.motion for reference in self.references])
        self._unseen = unseen if unseen.any() else None
        steps = np.array(self.config.lookahead)
        ahead = torch.as_tensor(self.clips.ahead(np.arange(self.num_frames)[:, None], steps))
        self._waypoints, self._asked = observations.Waypoints.of(self.goals[ahead]), self.required[ahead[:, 0]]
        self._stabiliser = Stabiliser(self.references, hands, self.config.feedback)
        planned = any(reference.trajectory for reference in self.references)
        self._follower = Follower(self.references) if planned else None
        n = self.config.num_envs
        self.frames = np.zeros(n, np.int64)
        """[N] reference frame of each environment's present, in the count of all clips."""
        self.begun = np.zeros(n, np.int64)
        self._state = np.zeros((n, self._states0.shape[1]))
        self._observed_state = self._state.copy()
        """[N, S] at the instant of the rows, one simulation step before `_state`."""
        begin = self.config.start
        self.reached_states = (
            ReachedStates(
                self.num_frames, n, self._state.shape[1], slots=begin.reached_slots, survived=begin.reached_frames
            )
            if begin.reached_share > 0
            else None
        )
        """Physics' own states that some of the episodes begin from."""
        self._action = torch.zeros(n, model.nu)
        self._rows = self._goal_rows(torch.zeros(n, dtype=torch.long))

    @property
    def observed(self) -> BodyState:
        """The present instant of all environments."""
        return self._layout.split(self._rows)

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
        if self.reached_states is not None:
            self.reached_states.restart()
        if frames is None:
            self._begin(everyone, self.starts.draw(len(everyone), self.rng), drawn=True)
        else:
            self._begin(everyone, frames)
        return self._observe(self.observed, torch.as_tensor(self.frames))

    def close(self) -> None:
        """End the physics threads."""
        close = getattr(self.sim, "close", None)
        if close is not None:
            close()

    @property
    def observed_states(self) -> np.ndarray:
        """[N, S] full physics states of the present instant."""
        return self._observed_state.copy()

    def place(self, states: np.ndarray, frames: np.ndarray) -> None:
        """Put every environment into a full physics state [N, S] that belongs to a frame [N]."""
        control, goals = self._targets[frames], self._goal_rows(torch.as_tensor(frames))
        started = self.sim.start(states, control, self.clips.of_frame[frames])
        self._state, self._observed_state, self._rows = self._reached(started, states, control, frames, goals)
        self.frames, self.begun = frames.copy(), frames.copy()
        self._action = torch.zeros_like(self._action)

    def memory(self) -> tuple[np.ndarray, ...]:
        """The present of all environments, for `recall`."""
        states = self._state.copy(), self._observed_state.copy()
        return *states, self._rows.numpy().copy(), self.frames.copy(), self._action.numpy().copy()

    def recall(self, memory: tuple[np.ndarray, ...]) -> None:
        """Go back to a remembered present."""
        state, observed, rows, frames, action = memory
        self._state, self._observed_state, self.frames = state.copy(), observed.copy(), frames.copy()
        self._rows, self._action = torch.as_tensor(rows.copy()), torch.as_tensor(action.copy())

    def step(self, action: torch.Tensor, *, renew: bool = True) -> Transition:
        """One control step.

        Args:
            action: [N, A] in [-1, 1]: times `action_scale`, added to the PD targets.
            renew: begin environments that end anew; without it nothing is observed either (empty tensors).
        """
        action = action.clamp(-1.0, 1.0)
        ahead = self.clips.ahead(self.frames, 1)
        control = self._control(ahead, action)
        result = self.sim.step(self._state, control, self.clips.of_frame[ahead])
        self.frames, unstable = ahead, torch.as_tensor(result.failed)
        frames = torch.as_tensor(ahead.copy())  # a new episode changes self.frames in place
        goals = self._goal_rows(frames)
        self._state, self._observed_state, self._rows = self._reached(result, self._state, control, ahead, goals)
        state, goal = self.observed, self._layout.split(goals)
        reward, terms = imitation_reward(
            state,
            goal,
            self.config.reward,
            hands=self.hands,
            action_change=action - self._action,
            graph=self._contacts.at(frames),
            touch_force=self.config.touch_force,
        )
        self._action = action
        broken = terminations.failures(
            state, goal, self.config.termination, self.hands, self.required.index_select(0, frames)
        )
        failed = unstable.clone()
        for limit in broken.values():
            failed |= limit
        reward = torch.where(unstable, 0.0, reward)
        finished = ~failed & self._at_end()
        if renew and self.reached_states is not None:
            ended = (failed | finished).numpy()
            self.reached_states.record(result.observed_state, ahead, failed.numpy(), ended)
        observation, final = self._renew(failed, finished, frames) if renew else (torch.empty(0), torch.empty(0))
        return Transition(
            observation, final, reward, terms, failed, broken, finished, state, goal, frames, unstable
        )  # fmt: skip

    def _control(self, ahead: np.ndarray, action: torch.Tensor) -> np.ndarray:
        """[N, A] rad: the reference's PD targets, feedback from the present instant, and the scaled action."""
        now, then = torch.as_tensor(self.frames), torch.as_tensor(ahead)
        answer = self._stabiliser(
            self.observed, self._layout.split(self._goal_rows(now)), then, self.required.index_select(0, now)
        )
        if self._follower is not None:
            answer = answer + self._follower(self._observed_state, now)
        residual = answer + self.config.action_scale * action
        return np.asarray(self._targets[ahead] + residual.numpy().astype(np.float64))

    def _at_end(self) -> torch.Tensor:
        ended = self.frames >= self.clips.end_of_frame[self.frames]
        if self.config.max_episode_frames:
            ended |= self.frames - self.begun >= self.config.max_episode_frames
        return torch.as_tensor(ended)

    def _renew(
        self, failed: torch.Tensor, finished: torch.Tensor, frames: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Begin the environments that ended anew; what all of them see next, and what they saw last [N, D]."""
        self.starts.record(self.frames[failed.numpy()], self.frames[finished.numpy()])
        ended = torch.nonzero(failed | finished).squeeze(1)
        last = self._rows.index_select(0, ended)
        if len(ended):
            self._begin(ended.numpy(), self.starts.draw(len(ended), self.rng), drawn=True)
        # One pass over everyone's present and over the last instant of those that ended: small calls cost as much.
        rows = torch.cat((self._rows, last))
        seen = self._observe(self._layout.split(rows), torch.cat((torch.as_tensor(self.frames), frames[ended])))
        observation = seen[: len(self.frames)]
        return observation, observation.index_copy(0, ended, seen[len(self.frames) :])

    def _begin(self, envs: np.ndarray, frames: np.ndarray, *, drawn: bool = False) -> None:
        """Begin episodes at frames [M]: on the reference, disturbed, or where `drawn` from a state physics reached."""
        state, observed = self._started[frames], self._states0[frames]
        rows = self._goal_rows(torch.as_tensor(frames))
        reached = self.reached_states if drawn else None
        if self.config.start.disturbs or reached is not None:
            begun, control = self._disturbed(self._states0[frames]), self._targets[frames]
            if reached is not None:
                begun = reached.replace(begun, frames, self.config.start.reached_share, self.rng)
            started = self.sim.start(begun, control, self.clips.of_frame[frames])
            state, observed, rows = self._reached(started, begun, control, frames, rows)
        self.frames[envs] = frames
        self.begun[envs] = frames
        self._state[envs], self._observed_state[envs] = state, observed
        self._action[torch.as_tensor(envs)] = 0.0
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

    def _reached(
        self, result: StepResult, before: np.ndarray, control: np.ndarray, frames: np.ndarray, goals: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """What physics reached: states, those that were observed, rows; the reference's where it failed.

        Steps that failed are kept for replay.

        A ball's turn, which nobody sees and recordings leave out, is in the rows what the reference says it is.
        """
        rows = self._layout.record(result)
        if self._unseen is not None:
            rows = torch.where(self._unseen[self.clips.of_frame[frames]], goals, rows)
        if not result.failed.any():
            return result.state.copy(), result.observed_state.copy(), rows  # physics will write to its own again
        for i in np.flatnonzero(result.failed):
            self.unstable_count += 1
            self.unstable_steps.append(UnstableStep(before[i].copy(), control[i].copy(), int(frames[i])))
        failed = result.failed[:, None]
        state = np.where(failed, self._started[frames], result.state)
        observed = np.where(failed, self._states0[frames], result.observed_state)
        return state, observed, torch.where(torch.as_tensor(failed), goals, rows)

    def _observe(self, state: BodyState, frames: torch.Tensor) -> torch.Tensor:
        """[N, D] of N instants and their reference frames [N]."""
        heading = observations.heading_frame(state)
        parts = (
            observations.proprioception(state, heading),
            observations.objects(state, heading),
            observations.difference(state, self._waypoints.at(frames), heading),
            observations.contact(state.forces_w, self._hand_bodies, self._asked.index_select(0, frames)),
        )
        return torch.cat(parts, -1)

    def _goal_rows(self, frames: torch.Tensor) -> torch.Tensor:
        """[N, W] of reference frames [N]."""
        return self._reference.index_select(0, frames)

    def _start_reference(self) -> StepResult:
        """Every frame of the references as a start."""
        result = self.sim.start(self._states0, self._targets, self.clips.of_frame)
        if result.failed.any():
            frame = int(np.flatnonzero(result.failed)[0])
            clip = self.clips.of_frame[frame]
            where = f" of clip {clip} ({self.references[clip].motion.source})" if len(self.clips) > 1 else ""
            raise SimulationError(
                f"physics fails in frame {frame - self.clips.first[clip]} of the reference{where}; "
                "look at it with: touchstone inspect"
            )
        return result
