"""Batched physics: many copies of one scene, a control step of all of them in one call."""

from sim.batch.cpu import CpuBatchSim
from sim.batch.protocol import BatchSim, StepResult

__all__ = ["BatchSim", "CpuBatchSim", "StepResult"]
