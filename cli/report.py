"""Write the self-contained report of a run, or run a manifest's experiment and write its table.

    touchstone report runs/sub8_largebox_000
    touchstone report --manifest bench80.json -o runs/bench80 --settings TR TR+LR --seeds 0 1 2
    touchstone report --manifest runs/bench80

A run's report is one page: verdict, replay, plots and figures. A manifest's table (table.md, table.json, table.html)
has the rewards, groups and seeds of the ablation; what the run folder lacks is trained and evaluated first, unless
--no-run is given or --manifest names a folder.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sim.errors import RunError


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone report`."""

    run_folder: tyro.conf.Positional[Path | None] = None
    """Run folder that `touchstone train` made."""
    manifest: Path | None = None
    """Manifest of clips (.json), or the run folder of one, which is tabulated as it is."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Run folder of the manifest."""

    def run(self) -> None:
        """Write what was asked for and say where it lies."""
        if self.run_folder is not None and self.manifest is None:
            from rl.report import write_report

            sys.stdout.write(f"{write_report(self.run_folder)}\n")
        elif self.manifest is not None and self.run_folder is None:
            from rl.table_page import write_table

            sys.stdout.write("".join(f"{path}\n" for path in write_table(self.manifest)))
        else:
            raise RunError("name one run folder, or a manifest: touchstone report RUN, touchstone report --manifest M")
