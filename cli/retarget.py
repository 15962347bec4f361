"""Fit the simulated humanoid to a motion and say what had to change.

touchstone retarget clip.npz -o reference.npz
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from sim.retarget import RetargetConfig
from sim.scene import SceneConfig


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone retarget`."""

    motion: tyro.conf.Positional[Path]
    """Motion (.npz)."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Where the retargeted motion goes; without it only the report is printed."""
    config: RetargetConfig = field(default_factory=RetargetConfig)
    """Retargeting."""
    scene: SceneConfig = field(default_factory=SceneConfig)
    """Physics."""

    def run(self) -> None:
        """Retarget, print the report as JSON, and save the motion if asked to."""
        from sim.motion import Motion
        from sim.retarget import retarget

        reference = retarget(Motion.load(self.motion), self.scene, self.config)
        if self.output is not None:
            reference.motion.save(self.output)
        sys.stdout.write(json.dumps(dataclasses.asdict(reference.report), indent=2) + "\n")
