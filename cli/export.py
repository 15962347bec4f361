"""Write a motion in the layout of another project.

    touchstone export clip.npz -o sub1_box_000.pt --layout intermimic-591

InterMimic takes subject, object and number from the file name (subN_OBJECT_NNN.pt) and 30 fps for granted.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Command:
    """What to write where."""

    motion: tyro.conf.Positional[Path]
    """The motion (.npz)."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The file to write."""
    layout: str = "intermimic-591"
    """The layout to write."""

    def run(self) -> None:
        """Load, convert, save, and say what was written."""
        from sim.formats import export_motion
        from sim.motion import Motion

        motion = Motion.load(self.motion)
        export_motion(motion, self.output, self.layout)
        sys.stdout.write(f"{self.output}: {self.layout}, {motion.duration:.2f} s\n")
        if motion.fps != 30:
            sys.stdout.write(f"resampled from {motion.fps:g} to 30 fps\n")
        if not re.fullmatch(r"sub\d+_\w+_\w+", self.output.stem):
            sys.stdout.write("note: InterMimic's loader expects a file name like sub1_box_000.pt\n")
