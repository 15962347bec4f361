"""Do to a motion what reconstruction from video does to it, at a stated strength, to see whether it is noticed.

Example: touchstone corrupt clip.npz --kind drift --strength 1 --seed 0 -o noisy.npz
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone corrupt`."""

    motion: tyro.conf.Positional[Path]
    """Motion (.npz)."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The corrupted motion to write (.npz)."""
    kind: str = "video"
    """jitter, drift, float, interpenetration, missed_contacts, sliding_feet, time_shift, or video: all of them."""
    strength: float = 1.0
    """1 is what a poor reconstruction has (magnitudes: `sim/corruption.py`), 0 changes nothing."""
    seed: int = 0
    """Same seed, same copy."""

    def run(self) -> None:
        """Corrupt, save, and say by how much joints and objects moved."""
        from sim import metrics
        from sim.corruption import corrupt
        from sim.motion import Motion

        motion = Motion.load(self.motion)
        corrupted = corrupt(motion, self.kind, strength=self.strength, seed=self.seed)
        corrupted.save(self.output)
        lines = [f"{self.output}: {self.kind}, strength {self.strength:g}, seed {self.seed}"]
        lines.append(
            f"joints   {metrics.mpjpe(corrupted.joint_positions_w, motion.joint_positions_w):.1f} mm on average"
        )
        lines += [
            f"object   {new.name}, {metrics.position_error(new.position_w, old.position_w):.1f} mm, "
            f"{metrics.rotation_error(new.rotation_w, old.rotation_w):.1f} degrees"
            for new, old in zip(corrupted.objects, motion.objects, strict=True)
        ]
        lines.append(f"contacts {len(corrupted.contacts)} of {len(motion.contacts)}")
        sys.stdout.write("\n".join(lines) + "\n")
