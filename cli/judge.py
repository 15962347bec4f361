"""Say within minutes whether a motion can be carried out at all: planning and evaluation, without learning.

    touchstone judge clip.npz
    touchstone judge clip.npz -o runs/judged --max-minutes 3 --report

Sampled plans are tried in the batched physics from the first frame to the last; where the best one fails, the planner
goes back and tries harder. A plan that holds proves that the motion can be carried out under the stated masses and
friction; one that fails is no proof that none can. `touchstone train -o RUN --resume` would learn on from here.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from rl.config import TrainConfig


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone judge`."""

    motion: tyro.conf.Positional[Path]
    """Motion (.npz), as `touchstone import` makes it."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/judge")
    """Run folder: the plan, its replay and the verdict land here."""
    max_minutes: float = 1.5
    """Planning ends after so long; 0 is unlimited."""
    episodes: int = 16
    """Episodes from perturbed starts."""
    report: bool = False
    """Write the page with the replay, too."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Every knob of the run; learning is left out."""

    def run(self) -> None:
        """Plan, evaluate, print the table and the verdict."""
        from rich.console import Console

        from rl.evaluate import evaluate_run
        from rl.progress import training_progress
        from rl.tables import artefact_table, figure_table, verdict_text
        from rl.train import train
        from sim.motion import Motion

        config = dataclasses.replace(self.config, learn=False, max_minutes=self.max_minutes)
        motion = Motion.load(self.motion)
        with training_progress(config) as show:
            train(motion, self.output, config, on_progress=show.on_progress, on_steps=show.on_steps)
        evaluation = evaluate_run(self.output, episodes=self.episodes)
        Console().print(figure_table(evaluation.figures), "", artefact_table(evaluation.figures), sep="\n")
        sys.stdout.write(verdict_text(evaluation.verdict) + "\n")
        if self.report:
            from rl.report import write_report

            sys.stdout.write(f"{write_report(self.output)}\n")
        else:
            sys.stdout.write(f"Next: touchstone report {self.output}\n")
