"""Run a trained policy from frame 0 and from perturbed starts, measure it and give the verdict.

touchstone evaluate runs/push
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone evaluate`."""

    run_folder: tyro.conf.Positional[Path]
    """Run folder that `touchstone train` has written; of several clips each is evaluated, or one: RUN/clips/NAME."""
    episodes: int = 16
    """Episodes from perturbed starts."""
    seed: int = 0
    """Of the perturbations."""

    def run(self) -> None:
        """Evaluate, print the table and the verdict; figures land in evaluation.json."""
        from rich.console import Console

        from rl.evaluate import evaluate_run
        from rl.runs import RunFolder
        from rl.tables import artefact_table, figure_table, verdict_text

        for clip in RunFolder(self.run_folder).clips:
            if clip.path != self.run_folder:
                sys.stdout.write(f"{clip.path.name}\n")
            evaluation = evaluate_run(clip.path, episodes=self.episodes, seed=self.seed)
            Console().print(figure_table(evaluation.figures), "", artefact_table(evaluation.figures), sep="\n")
            sys.stdout.write(verdict_text(evaluation.verdict) + "\n")
            sys.stdout.write(f"Next: touchstone report {clip.path}\n")
