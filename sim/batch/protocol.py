"""What a physics backend offers to a task."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import mujoco
import numpy as np


class StepResult(NamedTuple):
    """One control step of a batch.

    Attributes:
        state: [N, S] full physics state (time, qpos, qvel, act) at the end of the step.
        sensors: [N, D] sensor data of the instant one simulation step before that end (see `BatchSim`).
        observed_state: [N, S] state at that same instant.
        failed: [N] bool, physics warned or left the real numbers; such rows hold no usable values.
    """

    state: np.ndarray
    sensors: np.ndarray
    observed_state: np.ndarray
    failed: np.ndarray


class BatchSim(Protocol):
    """Steps N environments at once. Stateless: the caller holds the states.

    MuJoCo computes sensors at the start of a simulation step, so those that come back describe the state one simulation
    step before the end. The clock of a task is therefore the instant of its sensors: `start` puts an environment one
    simulation step beyond a given state and returns that state's sensors, and each `step` then advances the observed
    instant by exactly one control step. Nothing is computed twice.

    A backend may hold several models whose states, controls and sensors have equal sizes, so that environments with
    different bodies and objects share a batch; `which` [N] int then says each environment's model. None is the first.
    """

    model: mujoco.MjModel

    def start(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """Begin at `state` [M, S] under `control` [M, nu]: its sensors, and the state one simulation step later."""
        ...

    def step(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """One control step from `state` [N, S] with `control` [N, nu] held."""
        ...
