"""Audit a motion kinematically, in seconds, without physics: feet and floor, hands and object, smoothness, and whether
the object moves while nobody touches it.

Example: touchstone inspect clip.npz --json audit.json
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from sim.audit_config import AuditConfig


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone inspect`."""

    motion: tyro.conf.Positional[Path]
    """Motion that `touchstone import` made."""
    json: Path | None = None
    """Also write the findings to this JSON file."""
    limits: Annotated[AuditConfig, tyro.conf.arg(name="limit")] = field(default_factory=AuditConfig)
    """Limits of each figure: warn and fail."""

    def run(self) -> None:
        """Print the table of findings and the worst level."""
        from rich.console import Console

        from sim.audit import audit
        from sim.files import write_json
        from sim.motion import Motion

        motion = Motion.load(self.motion)
        found = audit(motion, self.limits)
        if self.json is not None:
            write_json(self.json, found.to_json())
        console = Console(file=sys.stdout)
        console.print(found.table(everything=False))
        counts = {level: sum(f.level == level for f in found.findings) for level in ("ok", "warn", "fail")}
        console.print(
            f"\n{self.motion}: {motion.num_frames} frames at {motion.fps:g} fps\n"
            f"[bold]{found.level}[/]: {counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed",
            soft_wrap=True,
        )
