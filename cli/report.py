"""Write the self-contained report of a run: verdict, replay, plots and figures on one page that opens offline.

Example: touchstone report runs/sub8_largebox_000
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone report`."""

    run_folder: tyro.conf.Positional[Path]
    """Run folder that `touchstone train` made."""

    def run(self) -> None:
        """Write `report.html` and say where it lies."""
        from rl.report import write_report

        sys.stdout.write(f"{write_report(self.run_folder)}\n")
