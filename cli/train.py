"""Train a policy that carries a motion out under physics.

    touchstone train clip.npz -o runs/push
    touchstone train clip.npz -o runs/push --config.max-steps 2000000 --config.scene.object-mass 0.5
    touchstone train clip.npz -o runs/push --resume

Training stops when the clip is mastered or the budget is spent. Ctrl-C keeps the last checkpoint; --resume goes on
from it with the curve that an uninterrupted run would have had.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from rl.config import TrainConfig


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone train`."""

    motion: tyro.conf.Positional[Path]
    """Motion (.npz), as `touchstone import` makes it."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/train")
    """Run folder: configuration, logs, checkpoints and results land here."""
    resume: bool = False
    """Go on from the folder's last checkpoint, with the configuration saved there."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Every knob of the run; saved with it as config.json."""

    def run(self) -> None:
        """Train, show progress, and say where the run lies and what comes next."""
        from rl.progress import training_progress
        from rl.runs import RunFolder, load_config
        from rl.train import train
        from sim.motion import Motion

        run, config = RunFolder(self.output), self.config
        if self.resume:
            run.require(run.config, run.motion, run.checkpoint)
            config = load_config(run.config, TrainConfig)
        motion = Motion.load(run.motion if self.resume else self.motion)
        try:
            with training_progress(config) as show:
                result = train(
                    motion,
                    self.output,
                    config,
                    resume=self.resume,
                    on_progress=show.on_progress,
                    on_steps=show.on_steps,
                )
        except KeyboardInterrupt:
            if run.checkpoint.exists():
                sys.stdout.write(f"Stopped. Go on with: touchstone train {self.motion} -o {self.output} --resume\n")
            raise
        ended = {"mastered": "mastered", "steps": "step budget spent", "minutes": "time budget spent"}[result.ended_by]
        sys.stdout.write(f"{ended}. Next: touchstone evaluate {self.output}\n")
