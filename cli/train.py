"""Train a policy that carries a motion, or all motions of an action group, out under physics.

    touchstone train clip.npz -o runs/push
    touchstone train clip.npz -o runs/push --config.max-steps 2000000 --config.scene.object-mass 0.5
    touchstone train clip.npz -o runs/push --backend mjx
    touchstone train clip.npz -o runs/push --resume
    touchstone train --manifest bench80.json --group push_box --clips 2 -o runs/some --jobs 2
    touchstone train --manifest bench80.json --group all --settings TR,TR+LR,TR+LR+CR --seeds 0,1,2 -o runs/all

Training stops when the clips are mastered or the budget is spent. Ctrl-C keeps the last checkpoint; --resume goes on
from it with the curve that an uninterrupted run would have had. With --manifest the same command goes on by itself with
what is not done; every policy is evaluated, and its run lies in OUTPUT/SETTING/GROUP/seedK. --config.no-learn leaves
learning out: what planning alone finds is judged, in about a minute a clip. --backend mjx steps the environments of one
clip on JAX's device (optional extra `mjx`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from rl.config import TrainConfig
from sim.batch import Backend
from sim.errors import RunError

_ENDED = {
    "mastered": "mastered",
    "steps": "step budget spent",
    "minutes": "time budget spent",
    "planned": "planned",
}


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone train`."""

    motion: tyro.conf.Positional[Path | None] = None
    """Motion (.npz), as `touchstone import` makes it; not with --manifest."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/train")
    """Run folder: configuration, logs, checkpoints and results land here."""
    resume: bool = False
    """Go on from the folder's last checkpoint, with the configuration saved there."""
    manifest: Path | None = None
    """Clips and their action groups (JSON): one policy for each group."""
    group: str = "all"
    """With --manifest: an action group's name, or all, one after the other."""
    settings: str = "TR+LR+CR"
    """With --manifest: reward settings among TR, TR+LR and TR+LR+CR, with commas between."""
    seeds: str = "0"
    """With --manifest: seeds, with commas between."""
    clips: int = 0
    """With --manifest: so many of the first clips of each group; 0 takes all."""
    corruption: str = ""
    """With --manifest: corrupt every clip first, as `touchstone corrupt --kind` does; anew for clip and seed."""
    corruption_strength: float = 1.0
    """Of that; 1 is as documented."""
    jobs: int = 1
    """Clips that are planned at a time, each in a process of its own with one thread."""
    backend: Backend | None = None
    """Physics of the environments: short for --config.task.backend, and stronger."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Every knob of the run; saved with it as config.json."""

    @property
    def chosen(self) -> TrainConfig:
        """`config` with the backend in it."""
        if self.backend is None:
            return self.config
        return replace(self.config, task=replace(self.config.task, backend=self.backend))

    def run(self) -> None:
        """Train, show progress, and say where the run lies and what comes next."""
        if self.jobs < 1:
            raise RunError(f"--jobs {self.jobs}: at least one clip is planned at a time")
        if self.resume and self.backend is not None:
            raise RunError("--resume goes on with the backend that the run began with; leave --backend out")
        if self.manifest is not None:
            if self.motion is not None or self.resume:
                raise RunError("--manifest takes its motions from the manifest, and goes on by itself without --resume")
            self._run_manifest(self.manifest)
        elif self.corruption:
            raise RunError("--corruption goes with --manifest; for one motion use: touchstone corrupt")
        elif self.motion is None and not self.resume:
            raise RunError("give a motion (.npz), or clips with --manifest, or --resume")
        else:
            self._run_motion()

    def _run_motion(self) -> None:
        from rl.progress import training_progress
        from rl.runs import RunFolder, load_config
        from rl.train import train
        from sim.motion import Motion

        run, config, motion = RunFolder(self.output), self.chosen, None
        if self.resume:
            run.require(run.config)
            config = load_config(run.config, TrainConfig)
        elif self.motion is not None:
            motion = Motion.load(self.motion)
        try:
            with training_progress(config) as show:
                result = train(
                    motion,
                    self.output,
                    config,
                    resume=self.resume,
                    jobs=self.jobs,
                    on_progress=show.on_progress,
                    on_steps=show.on_steps,
                )
        except KeyboardInterrupt:
            if run.config.exists():
                clip = f"{self.motion} " if self.motion else ""
                sys.stdout.write(f"Stopped. Go on with: touchstone train {clip}-o {self.output} --resume\n")
            raise
        sys.stdout.write(f"{_ENDED[result.ended_by]}. Next: touchstone evaluate {self.output}\n")

    def _run_manifest(self, path: Path) -> None:
        from rl.groups import Experiment, Plan
        from rl.manifest import read_manifest
        from rl.progress import training_progress

        manifest = read_manifest(path)
        settings = tuple(self.settings.split(","))
        plan = Plan.of(
            manifest,
            self.group,
            settings=settings,
            seeds=_seeds(self.seeds),
            clips=self.clips,
            corruption=self.corruption,
            strength=self.corruption_strength,
        )
        try:
            with training_progress(self.chosen) as show:
                experiment = Experiment(plan, manifest, self.output, self.chosen, jobs=self.jobs, watcher=show)
                experiment.run()
        except KeyboardInterrupt:
            sys.stdout.write("Stopped. The same command goes on from here.\n")
            raise
        failed = len(experiment.failures.lines)
        note = f"; {failed} could not be carried out, see {experiment.failures.path}" if failed else ""
        sys.stdout.write(f"done{note}. Next: touchstone report --manifest {self.output}\n")


def _seeds(text: str) -> tuple[int, ...]:
    """Numbers between commas. Raises RunError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise RunError(f"--seeds {text}: give whole numbers with commas between, such as 0,1,2") from error
