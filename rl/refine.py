"""Sampling-based refinement: corrections of a reference's PD targets, found by looking ahead in the real physics.

Model predictive path integral control (Williams et al. 2017) over knots, in the batched task: from the present state
all environments try disturbed plans for a short horizon, plans that earn more reward weigh more in the mean, a few
frames of the mean are carried out, and so on to the clip's end. What was carried out becomes part of the reference's
targets, so that a policy's residual starts where planning ended. Every simulated step counts as a training step.
"""

from __future__ import annotations

import dataclasses
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from envs.tracking import TaskConfig, TrackingTask
from sim.errors import RunError
from sim.files import atomic_path
from sim.retarget import Reference


@dataclass(frozen=True)
class RefineConfig:
    """The planner.

    Attributes:
        iterations: rounds of sampling before each piece that is carried out; 0 switches refinement off.
        samples: plans tried at once.
        horizon: frames looked ahead; carried_out: frames carried out before planning again.
        knot: frames between the knots of a disturbance, which is linear in between.
        deviation: of the knots, in units of the action; decay: its factor from round to round.
        temperature: of the weights, in standard deviations of the plans' rewards.
    """

    iterations: int = 3
    samples: int = 128
    horizon: int = 16
    carried_out: int = 4
    knot: int = 4
    deviation: float = 0.25
    decay: float = 0.7
    temperature: float = 0.3


@dataclass(frozen=True, eq=False)
class Refinement:
    """Corrections [T, A] rad of the PD targets, control steps spent, and the last frame that was reached alive."""

    corrections: np.ndarray
    steps: int
    reached: int


def refined(reference: Reference, corrections: np.ndarray) -> Reference:
    """The reference with corrected PD targets."""
    return dataclasses.replace(reference, targets=reference.targets + corrections)


def save_corrections(path: Path, corrections: np.ndarray) -> None:
    """Write corrections [T, A] as .npz, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, corrections=corrections)


def load_corrections(path: Path) -> np.ndarray:
    """Read what `save_corrections` wrote. Raises RunError for a damaged file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive["corrections"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: damaged; begin the run anew in another folder ({error})") from error


def refine(
    reference: Reference,
    task_config: TaskConfig,
    config: RefineConfig,
    *,
    seed: int = 0,
    max_seconds: float = 0.0,
    on_steps: Callable[[int], None] | None = None,
) -> Refinement:
    """Plan from frame 0 to the clip's end, to where the plan that is carried out fails, or until the time is spent.

    Args:
        reference: what to follow.
        task_config: the task; its number of environments becomes the number of samples.
        config: the planner.
        seed: of the disturbances.
        max_seconds: of wall time, checked between the pieces that are carried out; 0 is unlimited.
        on_steps: called often, with the control steps so far.
    """
    task = TrackingTask(reference, dataclasses.replace(task_config, num_envs=config.samples), seed=seed)
    try:
        return _Planner(task, config, torch.Generator().manual_seed(seed), on_steps).run(max_seconds)
    finally:
        task.close()


class _Planner:
    """One pass of planning over a clip."""

    def __init__(
        self,
        task: TrackingTask,
        config: RefineConfig,
        generator: torch.Generator,
        on_steps: Callable[[int], None] | None = None,
    ) -> None:
        self.task, self.config, self.generator, self.on_steps = task, config, generator, on_steps
        self.plan = torch.zeros(task.num_frames + config.horizon, task.num_actions)
        self.steps = 0

    def run(self, max_seconds: float) -> Refinement:
        """Plan, carry out, repeat."""
        task, config = self.task, self.config
        task.reset(np.zeros(config.samples, np.int64))
        frame, alive = 0, True
        deadline = time.perf_counter() + max_seconds if max_seconds else float("inf")
        while frame < task.num_frames - 1 and alive and time.perf_counter() < deadline:
            horizon = min(config.horizon, task.num_frames - 1 - frame)
            for round_ in range(config.iterations):
                self._improve(frame, horizon, config.deviation * config.decay**round_)
            for _ in range(min(config.carried_out, horizon)):
                step = task.step(self.plan[frame].expand(config.samples, -1), renew=False)
                self.steps += config.samples
                alive = alive and not bool(step.failed[0])
                frame += 1
            if self.on_steps:
                self.on_steps(self.steps)
        # The control that leads to frame k is indexed by k, the action that was chosen in frame k - 1.
        corrections = np.zeros((task.num_frames, task.num_actions))
        corrections[1 : frame + 1] = task.config.action_scale * self.plan[:frame].numpy()
        return Refinement(corrections, self.steps, frame)

    def _improve(self, frame: int, horizon: int, deviation: float) -> None:
        """One round of sampling from the present state, which is restored afterwards."""
        task, samples = self.task, self.config.samples
        present = task.memory()
        noise = self._noise(horizon, deviation)
        tried = (self.plan[frame : frame + horizon] + noise).clamp(-1.0, 1.0)
        earned, alive = torch.zeros(samples), torch.ones(samples, dtype=torch.bool)
        for h in range(horizon):
            step = task.step(tried[:, h], renew=False)
            alive &= ~step.failed
            earned += torch.where(alive, step.reward, 0.0)
        self.steps += samples * horizon
        task.recall(present)
        score = (earned - earned.max()) / (self.config.temperature * earned.std().clamp_min(1e-6))
        weight = torch.softmax(score, 0)
        self.plan[frame : frame + horizon] = torch.einsum("n,nha->ha", weight, tried)

    def _noise(self, horizon: int, deviation: float) -> torch.Tensor:
        """[N, horizon, A], linear between random knots; the first sample is the plan itself."""
        count = (horizon - 1) // self.config.knot + 2
        knots = deviation * torch.randn(self.config.samples, self.task.num_actions, count, generator=self.generator)
        knots[0] = 0.0
        length = (count - 1) * self.config.knot + 1
        dense = torch.nn.functional.interpolate(knots, size=length, mode="linear", align_corners=True)
        return dense[..., :horizon].transpose(1, 2)
