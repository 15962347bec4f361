"""Feedback around a planned trajectory: time-varying linear-quadratic regulation by finite differences.

A plan holds from exactly the state that it was made for. Along the trajectory that physics shows with it, the batched
task is differentiated (all its feedback and contacts included), and the Riccati recursion gives for every frame the
gains that bring a disturbed state back at least cost (Bryson & Ho 1975; Tassa et al. 2012 for contact-rich bodies).
Differences are as large as the disturbances expected, so that a contact that opens or closes within them counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from envs.starts import StartConfig
from envs.tracking import TaskConfig, TrackingTask
from rl.rollouts import PERTURBATION, Evaluator
from sim.retarget import Reference
from sim.trajectory import Trajectory, state_difference, state_sum

_ROUNDING = StartConfig(first_share=1.0, angle_noise=1e-5, root_noise=1e-6, speed_noise=1e-5)
_TRIAL_SEED = 20_011
"""Of the trials' disturbances, which are not those of any evaluation."""


@dataclass(frozen=True)
class LqrConfig:
    """The regulator.

    Attributes:
        on: whether plans get feedback at all.
        angle_step: m and rad; speed_step: m/s and rad/s; target_step: rad; the finite differences.
        root_weight: of m^2 of the pelvis, a quarter of it of rad^2; object_weight: the same of the objects.
        joint_weight: of rad^2 of a hinge.
        speed_weight: of the squares of speeds, as a share of those of positions.
        effort: of rad^2 of a PD target.
        limit: rad, largest change of a PD target.
        strengths: factors on all gains that are tried beside none at all. Linearised contacts can mislead: on a table
            that is dragged, full gains lost a clip that the plan alone carries through.
        trials: starts with which each of them is tried, disturbed ones, and as many by next to nothing.
    """

    on: bool = True
    angle_step: float = 0.08
    speed_step: float = 1.0
    target_step: float = 0.1
    root_weight: float = 200.0
    object_weight: float = 200.0
    joint_weight: float = 3.0
    speed_weight: float = 0.005
    effort: float = 50.0
    limit: float = 0.1
    strengths: tuple[float, ...] = (1.0, 0.5, 0.25)
    trials: int = 16


def regulate(
    reference: Reference,
    task_config: TaskConfig,
    config: LqrConfig,
    *,
    on_steps: Callable[[int], None] | None = None,
) -> tuple[Trajectory, int]:
    """Feedback for a reference whose PD targets have been planned.

    Args:
        reference: with the planned targets, and without a trajectory.
        task_config: the task.
        config: the regulator.
        on_steps: called often, with the control steps so far.

    Returns:
        The trajectory, with gains of 0 from where the plan fails on, and the control steps spent.
    """
    states, lived = _shown(reference, task_config)
    model = reference.scene.model
    count = None if on_steps is None else lambda steps: on_steps(lived + steps)
    a, b, steps = _linearise(reference, states[:lived], task_config, config, count)
    gains = np.zeros((len(states), model.nu, 2 * model.nv), np.float32)
    gains[: lived - 1] = riccati(a, b, np.diag(_state_weights(reference, config)), config.effort * np.eye(model.nu))
    gains = gains.astype(np.float16).astype(np.float32)  # as they are stored
    trajectory, tried = _proven(reference, Trajectory(states, gains, config.limit), task_config, config)
    if on_steps:
        on_steps(steps + lived + tried)
    return trajectory, steps + lived + tried


def _proven(
    reference: Reference, full: Trajectory, task_config: TaskConfig, config: LqrConfig
) -> tuple[Trajectory, int]:
    """The trajectory with gains of the strength that shows best in trials, and the control steps that they took.

    First counts how far starts come that are disturbed by next to nothing (a plan that rounding upsets is none), then
    how far the disturbed ones do on average, then how near to the reference they are.
    """
    choices = [dataclasses.replace(full, gains=full.gains * np.float32(s)) for s in (*config.strengths, 0.0)]
    scores, steps = [], 0
    for choice in choices:
        followed = dataclasses.replace(reference, trajectory=choice)
        score: tuple[float, ...] = ()
        for noise in (_ROUNDING, PERTURBATION):
            evaluator = Evaluator(followed, task_config, episodes=config.trials, noise=noise)
            lived = evaluator.run(None, seed=_TRIAL_SEED)
            evaluator.task.close()
            score += (float(lived.completion().mean()),)
            error = -float((lived.mpjpe_mm() + lived.object_mm()).mean())
            steps += config.trials * (len(lived.frames) - 1)
        scores.append((*score, error))
    return choices[max(range(len(choices)), key=scores.__getitem__)], steps


def riccati(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Gains [T, m, n] of u = -K x that minimise sum x'q x + u'r u for x_{t+1} = a_t x_t + b_t u_t.

    Args:
        a: [T, n, n]; b: [T, n, m].
        q: [n, n], also of the last state; r: [m, m].
    """
    value, gains = q.copy(), np.zeros((len(a), b.shape[2], a.shape[1]))
    for t in reversed(range(len(a))):
        push = b[t].T @ value
        gains[t] = np.linalg.solve(r + push @ b[t], push @ a[t])
        closed = a[t] - b[t] @ gains[t]
        value = q + gains[t].T @ r @ gains[t] + closed.T @ value @ closed
        value = 0.5 * (value + value.T)
    return gains


def _shown(reference: Reference, task_config: TaskConfig) -> tuple[np.ndarray, int]:
    """States [T, S] that physics shows from frame 0 on, the reference's after a failure; frames that were lived."""
    task = TrackingTask(reference, dataclasses.replace(task_config, num_envs=1))
    states, lived = reference.states.copy(), 1
    task.place(states[:1], np.zeros(1, np.int64))
    while lived < len(states):
        if bool(task.step(torch.zeros(1, task.num_actions), renew=False).failed[0]):
            break
        states[lived] = task.observed_states[0]
        lived += 1
    task.close()
    return states, lived


def _linearise(
    reference: Reference,
    states: np.ndarray,
    task_config: TaskConfig,
    config: LqrConfig,
    on_steps: Callable[[int], None] | None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Central differences of a control step at every state but the last: a [T, n, n], b [T, n, m], control steps."""
    nu, nv = reference.scene.model.nu, reference.scene.model.nv
    size = np.concatenate((np.full(nv, config.angle_step), np.full(nv, config.speed_step)))
    off = torch.as_tensor(np.concatenate((np.diag(size), -np.diag(size), np.zeros((2 * nu, 2 * nv)))))
    push = np.concatenate((np.zeros((4 * nv, nu)), config.target_step * np.eye(nu), -config.target_step * np.eye(nu)))
    action = torch.as_tensor(push / task_config.action_scale, dtype=torch.float32)
    task = TrackingTask(reference, dataclasses.replace(task_config, num_envs=len(off)))
    there = torch.as_tensor(states)
    a, b = np.zeros((len(states) - 1, 2 * nv, 2 * nv)), np.zeros((len(states) - 1, 2 * nv, nu))
    for t in range(len(states) - 1):
        task.place(state_sum(there[t].expand(len(off), -1), off, nu).numpy(), np.full(len(off), t))
        task.step(action, renew=False)
        led = state_difference(torch.as_tensor(task.observed_states), there[t + 1], nu).numpy()
        a[t] = ((led[: 2 * nv] - led[2 * nv : 4 * nv]) / (2.0 * size[:, None])).T
        b[t] = ((led[4 * nv : 4 * nv + nu] - led[4 * nv + nu :]) / (2.0 * config.target_step)).T
        if on_steps:
            on_steps((t + 1) * len(off))
    task.close()
    return a, b, len(a) * len(off)


def _state_weights(reference: Reference, config: LqrConfig) -> np.ndarray:
    """[2 nv]. A ball's turn costs nothing: nobody sees it, and its recording has none."""
    balls = {item.name for item in reference.motion.objects if item.is_ball}
    turns = np.array([name not in balls for name in reference.scene.object_names], float)
    root, hinges = np.repeat([1.0, 0.25], 3), np.ones(reference.scene.model.nu)
    objects = [weight for turn in turns for weight in np.repeat([1.0, 0.1 * turn], 3)]
    positions = (config.root_weight * root, config.joint_weight * hinges, config.object_weight * np.array(objects))
    weights = np.concatenate(positions)
    return np.concatenate((weights, config.speed_weight * weights))
