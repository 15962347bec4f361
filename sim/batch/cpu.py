"""Batched physics on all cores: one `mujoco.rollout` call per control step, sensors carry everything back."""

from __future__ import annotations

import logging
import os

import mujoco
import numpy as np
from mujoco import rollout

from sim.batch.protocol import StepResult
from sim.errors import SimulationError

_log = logging.getLogger(__name__)
_FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS


class CpuBatchSim:
    """`BatchSim` over a pool of threads.

    Args:
        model: compiled scene.
        substeps: simulation steps in a control step, at least 2.
        threads: size of the pool; all cores by default.
    """

    def __init__(self, model: mujoco.MjModel, *, substeps: int, threads: int | None = None) -> None:
        if substeps < 2:
            raise SimulationError(f"a control step needs at least 2 simulation steps, got {substeps}")
        # Without a handler MuJoCo appends its warnings to a file in the working directory; `failed` reports them here.
        mujoco.set_mju_user_warning(_log.debug)
        self.model = model
        self.substeps = substeps
        self.threads = threads or os.cpu_count() or 1
        self._datas = [mujoco.MjData(model) for _ in range(self.threads)]
        self._pool = rollout.Rollout(nthread=self.threads)
        self._buffers: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    @property
    def state_size(self) -> int:
        """S: numbers in a full physics state."""
        return int(mujoco.mj_stateSize(self.model, _FULL.value))

    def start(self, state: np.ndarray, control: np.ndarray) -> StepResult:
        """See `BatchSim.start`."""
        marked = state.copy()
        marked[:, 0] += 1.0  # MuJoCo restarts the clock of a state that it gives up: that has to show at time 0 too
        states, sensors, failed = self._rollout(marked, control, steps=1)
        after = states[:, 0].copy()
        after[:, 0] -= 1.0
        return StepResult(after, sensors[:, 0].copy(), state.copy(), failed)

    def step(self, state: np.ndarray, control: np.ndarray) -> StepResult:
        """See `BatchSim.step`. The arrays returned are views that the next call overwrites."""
        states, sensors, failed = self._rollout(state, control, steps=self.substeps)
        return StepResult(states[:, -1], sensors[:, -1], states[:, -2], failed)

    def _rollout(
        self, state: np.ndarray, control: np.ndarray, *, steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = len(state)
        started = state[:, 0].copy()  # `state` may be a view of the buffer that is about to be overwritten
        states, sensors, held = self._buffer(batch, steps)
        held[:] = control[:, None]
        self._pool.rollout(
            self.model,
            self._datas,
            np.ascontiguousarray(state),
            held,
            state=states,
            sensordata=sensors,
        )
        elapsed = states[:, -1, 0] - started
        on_time = np.abs(elapsed - steps * self.model.opt.timestep) < 0.5 * self.model.opt.timestep
        total = states[:, -1].sum(-1) + sensors[:, -1].sum(-1)  # finite only where every number is
        return states, sensors, ~(on_time & np.isfinite(total))

    def _buffer(self, batch: int, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """States, sensors and controls of so many simulation steps."""
        key = (batch, steps)
        if key not in self._buffers:
            if len(self._buffers) > 256:
                self._buffers.clear()
            self._buffers[key] = (
                np.empty((batch, steps, self.state_size)),
                np.empty((batch, steps, self.model.nsensordata)),
                np.empty((batch, steps, self.model.nu)),
            )
        return self._buffers[key]

    def close(self) -> None:
        """End the pool's threads."""
        self._pool.close()
