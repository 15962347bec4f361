"""Batched physics on all cores: one `mujoco.rollout` call per control step, sensors carry everything back."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

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
        models: compiled scene, or several that differ in bodies and objects but not in the sizes of their vectors.
        substeps: simulation steps in a control step, at least 2.
        threads: size of the pool; all cores by default.

    Raises:
        SimulationError: too few substeps, or models that cannot share a batch.
    """

    def __init__(
        self, models: mujoco.MjModel | Sequence[mujoco.MjModel], *, substeps: int, threads: int | None = None
    ) -> None:
        if substeps < 2:
            raise SimulationError(f"a control step needs at least 2 simulation steps, got {substeps}")
        # Without a handler MuJoCo appends its warnings to a file in the working directory; `failed` reports them here.
        mujoco.set_mju_user_warning(_log.debug)
        self.models = (models,) if isinstance(models, mujoco.MjModel) else tuple(models)
        _require_alike(self.models)
        self.model, self.substeps = self.models[0], substeps
        self.threads = threads or os.cpu_count() or 1
        self._roll = _Uniform(self.model, self.threads) if len(self.models) == 1 else _Mixed(self.models, self.threads)
        self._buffers: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    @property
    def state_size(self) -> int:
        """S: numbers in a full physics state."""
        return int(mujoco.mj_stateSize(self.model, _FULL.value))

    def start(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """See `BatchSim.start`."""
        marked = state.copy()
        marked[:, 0] += 1.0  # MuJoCo restarts the clock of a state that it gives up: that has to show at time 0 too
        states, sensors, failed = self._rollout(marked, control, which, steps=1)
        after = states[:, 0].copy()
        after[:, 0] -= 1.0
        return StepResult(after, sensors[:, 0].copy(), state.copy(), failed)

    def step(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """See `BatchSim.step`. The arrays returned are views that the next call overwrites."""
        states, sensors, failed = self._rollout(state, control, which, steps=self.substeps)
        return StepResult(states[:, -1], sensors[:, -1], states[:, -2], failed)

    def _rollout(
        self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None, *, steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = len(state)
        started = state[:, 0].copy()  # `state` may be a view of the buffer that is about to be overwritten
        states, sensors, held = self._buffer(batch, steps)
        held[:] = control[:, None]
        which = np.zeros(batch, np.int64) if which is None else which
        self._roll(np.ascontiguousarray(state), held, which, states, sensors)
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
        self._roll.close()


class _Uniform:
    """All environments of one model, on MuJoCo's own threads."""

    def __init__(self, model: mujoco.MjModel, threads: int) -> None:
        self._model, self._datas = model, [mujoco.MjData(model) for _ in range(threads)]
        self._pool = rollout.Rollout(nthread=threads)

    def __call__(
        self, state: np.ndarray, control: np.ndarray, which: np.ndarray, states: np.ndarray, sensors: np.ndarray
    ) -> None:
        """Roll [N, S] under [N, K, nu] into states [N, K, S] and sensors [N, K, D]."""
        self._pool.rollout(self._model, self._datas, state, control, state=states, sensordata=sensors)

    def close(self) -> None:
        self._pool.close()


class _Mixed:
    """Environments of several models.

    One rollout call takes several models only where even the numbers of their shapes agree, since a thread's memory is
    shared between them; scenes with different objects differ there. So the batch is cut into pieces of one model each,
    and threads with memory for every model take piece after piece; MuJoCo steps outside Python's lock.
    """

    _PIECES = 8
    """Per thread; more even out the load, fewer have less overhead."""

    def __init__(self, models: Sequence[mujoco.MjModel], threads: int) -> None:
        self._models, self._threads = models, threads
        self._memories: queue.SimpleQueue[dict[int, mujoco.MjData]] = queue.SimpleQueue()
        for _ in range(threads):
            self._memories.put({})
        self._pool = ThreadPoolExecutor(threads)
        self._rollout = rollout.Rollout(nthread=0)

    def __call__(
        self, state: np.ndarray, control: np.ndarray, which: np.ndarray, states: np.ndarray, sensors: np.ndarray
    ) -> None:
        """As `_Uniform`, of the models that `which` [N] names."""

        def roll(piece: np.ndarray) -> None:
            model, memory = int(which[piece[0]]), self._memories.get()
            try:
                if model not in memory:
                    memory[model] = mujoco.MjData(self._models[model])
                states[piece], sensors[piece] = self._rollout.rollout(
                    self._models[model], memory[model], state[piece], control[piece]
                )
            finally:
                self._memories.put(memory)

        size = max(len(which) // (self._PIECES * self._threads), 1)
        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
        pieces = [group[i : i + size] for group in groups for i in range(0, len(group), size)]
        list(self._pool.map(roll, pieces))

    def close(self) -> None:
        self._pool.shutdown()
        self._rollout.close()


def _require_alike(models: Sequence[mujoco.MjModel]) -> None:
    """Raises SimulationError where models cannot share a batch."""
    if not models:
        raise SimulationError("physics needs a model")
    for name in ("nq", "nv", "na", "nu", "nsensordata"):
        sizes = [int(getattr(model, name)) for model in models]
        if len(set(sizes)) > 1:
            other = next(i for i, size in enumerate(sizes) if size != sizes[0])
            raise SimulationError(
                f"models of a batch must have equal {name}: model 0 has {sizes[0]}, model {other} has {sizes[other]}"
            )
    steps = {float(model.opt.timestep) for model in models}
    if len(steps) > 1:
        raise SimulationError(f"models of a batch must have the same time step, got {sorted(steps)} s")
