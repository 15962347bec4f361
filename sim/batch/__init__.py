"""Batched physics: many copies of one scene, a control step of all of them in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import mujoco

from sim.batch.cpu import CpuBatchSim
from sim.batch.protocol import BatchSim, StepResult
from sim.errors import UnknownNameError

__all__ = ["Backend", "BatchSim", "CpuBatchSim", "StepResult", "make_sim"]

Backend = Literal["cpu", "mjx"]
"""`cpu`: MuJoCo on all cores. `mjx`: MuJoCo MJX on JAX's device (optional extra `mjx`), one scene."""


def make_sim(
    models: mujoco.MjModel | Sequence[mujoco.MjModel],
    backend: Backend = "cpu",
    *,
    substeps: int,
    threads: int | None = None,
    width: int = 128,
) -> BatchSim:
    """Physics of one or several scenes.

    Args:
        models: compiled scenes; see the backends.
        backend: which.
        substeps: simulation steps in a control step.
        threads: of `cpu`; all cores by default.
        width: of `mjx`: environments that step together; see `MjxBatchSim`.

    Raises:
        SimulationError: a scene that the backend cannot run.
        MissingDependencyError: `mjx` without the extra.
        UnknownNameError: no such backend.
    """
    if backend not in get_args(Backend):
        raise UnknownNameError("backend", backend, get_args(Backend))
    if backend == "cpu":
        return CpuBatchSim(models, substeps=substeps, threads=threads)
    from sim.batch.mjx import MjxBatchSim  # JAX takes seconds to import, and is optional

    return MjxBatchSim(models, substeps=substeps, width=width)
