"""Write the self-contained report of a run, or carry out a manifest's experiment and write its table.

    touchstone report runs/sub8_largebox_000
    touchstone report --manifest bench80.json -o runs/bench80 --clips 2 --jobs 2
    touchstone report --manifest runs/bench80

A run's report is one page: verdict, replay, plots and figures. A manifest's table (table.md, table.json, table.html)
has the ablation over rewards, action groups and seeds. What the run folder lacks is trained and evaluated first, as
`touchstone train --manifest` does it; with --no-run, or where --manifest names a run folder, only what is there counts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from rl.config import TrainConfig
from sim.errors import RunError


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone report`."""

    run_folder: tyro.conf.Positional[Path | None] = None
    """Run folder that `touchstone train` made; not with --manifest."""
    manifest: Path | None = None
    """Clips and their action groups (JSON), or the run folder of such an experiment."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """With a manifest: run folder of the experiment; runs/NAME of the manifest where not given."""
    train: Annotated[bool, tyro.conf.arg(name="run")] = True
    """With a manifest: train and evaluate what the run folder lacks."""
    group: str = "all"
    """With a manifest: an action group's name, or all."""
    settings: str = "TR,TR+LR,TR+LR+CR"
    """With a manifest: reward settings, with commas between."""
    seeds: str = "0,1,2"
    """With a manifest: seeds, with commas between."""
    clips: int = 0
    """With a manifest: so many of the first clips of each group; 0 takes all."""
    jobs: int = 1
    """With a manifest: clips that are planned at a time."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """With a manifest: every knob of its runs."""

    def run(self) -> None:
        """Write what was asked for and say where it lies."""
        if self.run_folder is not None and self.manifest is None:
            from rl.report import write_report

            sys.stdout.write(f"{write_report(self.run_folder)}\n")
        elif self.manifest is not None and self.run_folder is None:
            from rl.table_page import write_table

            sys.stdout.write("".join(f"{path}\n" for path in write_table(self._experiment(self.manifest))))
        else:
            raise RunError("name one run folder, or a manifest: touchstone report RUN, touchstone report --manifest M")

    def _experiment(self, manifest: Path) -> Path:
        """The experiment's run folder, after what it lacked was carried out."""
        if manifest.is_dir():
            return manifest
        folder = self.output or Path("runs") / manifest.stem
        if self.train:
            from cli import train

            train.Command(
                manifest=manifest,
                output=folder,
                group=self.group,
                settings=self.settings,
                seeds=self.seeds,
                clips=self.clips,
                jobs=self.jobs,
                config=self.config,
            ).run()
        return folder
