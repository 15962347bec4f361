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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from envs.terminations import TerminationConfig, failures
from envs.tracking import TaskConfig, TrackingTask
from sim.errors import RunError
from sim.files import atomic_path
from sim.retarget import Reference
from sim.trajectory import Trajectory


@dataclass(frozen=True)
class RefineConfig:
    """The planner.

    Attributes:
        iterations: rounds of sampling before each piece that is carried out; 0 switches refinement off.
        samples: plans tried at once.
        horizon: frames looked ahead; carried_out: frames carried out before planning again.
        knot: frames between the knots of a disturbance, which is linear in between.
        deviation: of the knots, in units of the action; decay: its factor from round to round.
        temperature: of the weights, in standard deviations of the plans' scores.
        smoothness: what a plan's reward loses per squared second difference of its actions, summed over frames and
            angles.
        retries: attempts at a place where the plan that is carried out fails. Each goes back `retreat` frames farther
            than the one before, looks `lookahead` frames farther ahead and samples one round more.
        stray: limits beyond which a plan that is carried out counts as failing for the first `stray_retries` attempts:
            what is lost in a look-ahead's blind spot (a grip, a table that turns) is not won back later.
        patience: nothing is tried anew when so many times the steps of a pass without failures have been spent, half of
            them where a plan only strays.
    """

    iterations: int = 2
    samples: int = 128
    horizon: int = 16
    carried_out: int = 4
    knot: int = 4
    deviation: float = 0.15
    decay: float = 0.7
    temperature: float = 0.3
    smoothness: float = 0.002
    retries: int = 5
    retreat: int = 16
    lookahead: int = 8
    stray: TerminationConfig = field(default_factory=lambda: TerminationConfig(0.15, 0.15, 0.5, 0.1))
    stray_retries: int = 2
    patience: float = 3.0


@dataclass(frozen=True, eq=False)
class Refinement:
    """Corrections [T, A] rad of the PD targets, control steps spent, and the last frame that was reached alive."""

    corrections: np.ndarray
    steps: int
    reached: int


def refined(reference: Reference, corrections: np.ndarray, trajectory: Trajectory | None = None) -> Reference:
    """The reference with corrected PD targets, and the way back to what physics shows with them."""
    return dataclasses.replace(reference, targets=reference.targets + corrections, trajectory=trajectory)


def save_corrections(path: Path, corrections: np.ndarray, trajectory: Trajectory | None = None) -> None:
    """Write corrections [T, A], and the trajectory where there is one, as .npz, atomically."""
    arrays = {"corrections": corrections}
    if trajectory is not None:
        gains = trajectory.gains.astype(np.float16)  # a thousandth of a gain is nothing, half a file is much
        arrays |= {"states": trajectory.states, "gains": gains, "limit": np.array(trajectory.limit)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_corrections(path: Path) -> np.ndarray:
    """Read what `save_corrections` wrote. Raises RunError for a damaged file."""
    return _load(path)["corrections"]


def load_trajectory(path: Path) -> Trajectory | None:
    """Read the trajectory that `save_corrections` wrote, if any. Raises RunError for a damaged file."""
    arrays = _load(path)
    if "gains" not in arrays:
        return None
    return Trajectory(arrays["states"], arrays["gains"].astype(np.float32), float(arrays["limit"]))


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
        if "corrections" not in arrays:
            raise KeyError("corrections")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: damaged; begin the run anew in another folder ({error})") from error
    return arrays


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
    """Planning over one clip, from frame 0 on, with a way back from where it fails."""

    def __init__(
        self,
        task: TrackingTask,
        config: RefineConfig,
        generator: torch.Generator,
        on_steps: Callable[[int], None] | None = None,
    ) -> None:
        self.task, self.config, self.generator, self.on_steps = task, config, generator, on_steps
        self.plan = torch.zeros(task.num_frames, task.num_actions)
        self.steps = 0
        self._presents: dict[int, tuple[np.ndarray, ...]] = {}
        """What to go back to: the present of one environment, by frame."""

    def run(self, max_seconds: float) -> Refinement:
        """Plan, carry out, repeat; where that fails, go back and try harder."""
        task, config = self.task, self.config
        task.reset(np.zeros(config.samples, np.int64))
        deadline = time.perf_counter() + max_seconds if max_seconds else float("inf")
        frame, attempt, trouble, settled = 0, 0, 0, 0
        reached, best = 0, self.plan.clone()
        while frame < task.num_frames - 1 and time.perf_counter() < deadline:
            self._presents[frame] = tuple(part[:1].copy() for part in task.memory())
            frame, alive, strayed = self._advance(frame, attempt)
            if frame > reached:
                reached, best = frame, self.plan.clone()
            strayed &= frame > settled
            tries = config.stray_retries if alive else config.retries
            if (strayed or not alive) and attempt < tries and self._patient(0.5 if alive else 1.0):
                attempt, trouble = attempt + 1, max(frame, trouble)
                frame = self._retreat(frame - attempt * config.retreat)
            elif not alive:
                break
            else:
                settled = frame + config.retreat if strayed else settled
                attempt = 0 if frame > trouble + config.carried_out else attempt
            if self.on_steps:
                self.on_steps(self.steps)
        # The control that leads to frame k is indexed by k, the action that was chosen in frame k - 1.
        corrections = np.zeros((task.num_frames, task.num_actions))
        corrections[1 : reached + 1] = task.config.action_scale * best[:reached].numpy()
        return Refinement(corrections, self.steps, reached)

    def _patient(self, share: float) -> bool:
        """Whether control steps are left to try anything anew, of a share of all."""
        c = self.config
        once = c.samples * (c.iterations * c.horizon / c.carried_out + 1) * self.task.num_frames
        return self.steps < share * c.patience * once

    def _advance(self, frame: int, attempt: int) -> tuple[int, bool, bool]:
        """Improve the plan and carry out its next piece: the frame that was reached, whether alive, whether astray."""
        task, config = self.task, self.config
        horizon = min(config.horizon + attempt * config.lookahead, task.num_frames - 1 - frame)
        for round_ in range(config.iterations + attempt):
            self._improve(frame, horizon, config.deviation * config.decay ** max(round_ - attempt, 0))
        strayed = False
        for _ in range(min(config.carried_out, horizon)):
            step = task.step(self.plan[frame].expand(config.samples, -1), renew=False)
            self.steps += config.samples
            frame += 1
            beyond = failures(step.state, step.goal, config.stray, task.hands, task.required[step.frames])
            strayed |= any(bool(limit[0]) for limit in beyond.values())
            if bool(step.failed[0]):
                return frame, False, True
        return frame, True, strayed

    def _retreat(self, frame: int) -> int:
        """Go back to the last remembered present at or before a frame; what was planned from there on stays."""
        back = max(known for known in self._presents if known <= max(frame, 0))
        self._presents = {known: present for known, present in self._presents.items() if known <= back}
        self.task.recall(tuple(np.repeat(part, self.config.samples, 0) for part in self._presents[back]))
        return back

    def _improve(self, frame: int, horizon: int, deviation: float) -> None:
        """One round of sampling from the present state, which is restored afterwards."""
        task, samples = self.task, self.config.samples
        present = task.memory()
        tried = (self.plan[frame : frame + horizon] + self._noise(horizon, deviation)).clamp(-1.0, 1.0)
        earned, alive = torch.zeros(samples), torch.ones(samples, dtype=torch.bool)
        for h in range(horizon):
            step = task.step(tried[:, h], renew=False)
            alive &= ~step.failed
            earned += torch.where(alive, step.reward, 0.0)
        self.steps += samples * horizon
        task.recall(present)
        earned -= self.config.smoothness * self._roughness(frame, tried)
        score = (earned - earned.max()) / (self.config.temperature * earned.std().clamp_min(1e-6))
        weight = torch.softmax(score, 0)
        self.plan[frame : frame + horizon] = torch.einsum("n,nha->ha", weight, tried)

    def _roughness(self, frame: int, tried: torch.Tensor) -> torch.Tensor:
        """[N] summed squared second differences of plans [N, H, A], those with what was carried out before included."""
        before = self.plan[max(frame - 2, 0) : frame].expand(len(tried), -1, -1)
        return torch.cat((before, tried), 1).diff(n=2, dim=1).square().sum((1, 2))

    def _noise(self, horizon: int, deviation: float) -> torch.Tensor:
        """[N, horizon, A], linear between random knots; the first sample is the plan itself."""
        count = (horizon - 1) // self.config.knot + 2
        knots = deviation * torch.randn(self.config.samples, self.task.num_actions, count, generator=self.generator)
        knots[0] = 0.0
        length = (count - 1) * self.config.knot + 1
        dense = torch.nn.functional.interpolate(knots, size=length, mode="linear", align_corners=True)
        return dense[..., :horizon].transpose(1, 2)
