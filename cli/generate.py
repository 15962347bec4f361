"""Make a motion of a sentence: a person walks up to an object, does what is asked, and lets go.

    touchstone generate "a person lifts the chair" --object chair.obj -o lift.npz
    touchstone generate "a person pushes the box one metre" --seed 3 --height 1.6 --mass 8 -o push.npz
    touchstone generate "a person sits on the chair" --seeds 3 --judge -o out
    touchstone generate --prompts prompts.txt --seeds 3 --judge --workers 2 -o out

What the sentence leaves open is assumed, and said. Without --object the object is a built-in shape of the kind that the
sentence names; a mesh is taken to be in metres, with its front along +x (--scale, --up).

With several seeds, --judge or --prompts, the output is a folder with a page, index.html: a row a sentence, figures,
replays and, with --judge, the verdict of physics on every clip. A file of prompts has one sentence a line, with the
object's mesh after a bar where it has one ("a person lifts the chair | chair.obj"). A call that was stopped goes on.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from generate.motion.config import GenerateConfig
from rl.config import TrainConfig

if TYPE_CHECKING:
    from cli.batch import Batch, Job
    from generate.clips import Clip, ClipSettings
    from generate.prompts import Prompt

Part = Literal["affordance", "anchors", "fine"]


@dataclass(frozen=True)
class Command:
    """What to generate."""

    text: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="SENTENCE")] = None
    """What a person does with an object."""
    object: str | None = None
    """Its shape: a mesh file, or a primitive such as box:x=0.4,y=0.4,z=0.3; of all prompts that name none."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """A clip (.npz), or the folder of several; called after the sentence, or runs/NAME of the prompts, if left out."""
    prompts: Path | None = None
    """A file of sentences, instead of one."""
    seed: int = 0
    """Of all that is drawn; the first one of several."""
    seeds: int = 1
    """So many clips a sentence."""
    judge: bool = False
    """Have physics carry every clip out, as `touchstone judge` does."""
    workers: int = 1
    """Clips that are made at a time, each in a process of its own."""
    height: float | None = None
    """The person's stature in metres; 1.75 if left out."""
    mass: float | None = None
    """The object's, in kg; typical of its kind if left out."""
    scale: float = 1.0
    """Multiplies the lengths of the shape; 0.001 for a mesh in millimetres."""
    up: Literal["y", "z"] = "z"
    """Which axis of the shape points up."""
    without: tuple[Part, ...] = ()
    """Stages to leave out, to see what they are worth: affordance, anchors (contact keypoints), fine (grasps)."""
    endpoint: str | None = None
    """Ask a language model there, such as http://127.0.0.1:8000/v1, for the plan."""
    model: str | None = None
    """Its name at the endpoint."""
    judge_minutes: float = 0.0
    """With --judge: planning of a clip ends after so long; 0 lets it take its time, some 50 s a second of motion."""
    config: GenerateConfig = field(default_factory=GenerateConfig)
    """Every knob of the motion."""
    judge_config: TrainConfig = field(default_factory=TrainConfig)
    """With --judge: every knob of its runs; learning is left out."""

    def run(self) -> None:
        """Make one clip, or a folder of them."""
        from sim.errors import PlanError

        if (self.text is None) == (self.prompts is None):
            raise PlanError('give a sentence or a file of them: touchstone generate "a person lifts the chair"')
        if self.seeds < 1 or self.workers < 1:
            raise PlanError(f"{self.seeds} seeds, {self.workers} workers: at least one of each is needed")
        one = self.output is None or self.output.suffix == ".npz"
        if self.prompts is None and self.seeds == 1 and not self.judge and one:
            self._one()
        elif self.output is not None and one:
            raise PlanError(f"{self.output}: several clips and verdicts need a folder, such as -o out")
        else:
            self._many()

    def settings(self) -> ClipSettings:
        """What all clips have in common."""
        from generate.clips import ClipSettings

        changes = {} if self.height is None else {"height_m": self.height}
        used = {f"use_{part}": False for part in self.without}
        config = dataclasses.replace(self.config, **changes, **used)  # type: ignore[arg-type]
        return ClipSettings(config, self.scale, self.up, self.mass, self.endpoint, self.model)

    def _one(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from generate.clips import make_clip
        from generate.prompts import Prompt

        prompt, settings = Prompt(self.text or "", self.object), self.settings()
        path = self.output or Path(f"{prompt.name}.npz")
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("plan")
            clip = make_clip(
                prompt, settings, seed=self.seed, on_stage=lambda name: progress.update(task, description=name)
            )
        clip.generated.motion.save(path)
        _say(clip, path)

    def _many(self) -> None:
        from sim.errors import RunError

        batch = self._batch()
        title = self.text or (self.prompts.stem.replace("_", " ") if self.prompts else "")
        try:
            failed = _carry_out(batch, self.workers)
        except KeyboardInterrupt:
            batch.write_gallery(title)
            raise
        sys.stdout.write(f"{batch.write_gallery(title)}\n")
        if failed == len(list(batch.jobs())):
            raise RunError(f"none of the {failed} clips could be made; the page says why")

    def _batch(self) -> Batch:
        from cli.batch import Batch, JudgeSettings

        prompts = self._prompts()
        name = self.prompts.stem if self.prompts else prompts[0].name
        judge = JudgeSettings(self.judge_config, self.judge_minutes) if self.judge else None
        seeds = tuple(range(self.seed, self.seed + self.seeds))
        return Batch(prompts, seeds, self.output or Path("runs") / name, self.settings(), judge)

    def _prompts(self) -> tuple[Prompt, ...]:
        from generate.prompts import Prompt, read_prompts

        found = (Prompt(self.text or ""),) if self.prompts is None else read_prompts(self.prompts)
        return tuple(prompt if prompt.object else dataclasses.replace(prompt, object=self.object) for prompt in found)


def _say(clip: Clip, path: Path) -> None:
    """What was assumed, how long it took, the figures, and what comes next."""
    from rich.console import Console

    from generate.tables import figure_table, plan_text

    plan, seconds = clip.generated.plan, clip.seconds
    stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
    motion, deepest = clip.generated.motion, clip.quality.deepest
    where = [] if deepest is None else [f"Deepest inside: {deepest[0].replace('_', ' ')}, frame {deepest[1]}."]
    Console().print(
        plan_text(plan), *(f"The mesh: {remark}." for remark in clip.remarks), "",
        figure_table(clip.figures), *where, "",
        f"{path}: {motion.duration:.1f} s at {motion.fps:g} fps; {stages}",
        f"Next: touchstone inspect {path}; touchstone judge {path} --report",
        sep="\n", highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


def _carry_out(batch: Batch, workers: int) -> int:
    """With a bar; how many clips could not be made."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from generate.clips import is_made

    jobs = list(batch.jobs())
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("clips"), TimeElapsedColumn(),
        TextColumn("elapsed,"), TimeRemainingColumn(elapsed_when_finished=False), TextColumn("left"),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, speed_estimate_period=1e6, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(jobs), completed=sum(job.is_done for job in jobs))

        def done(job: Job) -> None:
            bar.console.print(job.outcome(), highlight=False, markup=False, soft_wrap=True)
            bar.advance(task)

        batch.carry_out(workers=workers, on_job=lambda line: bar.update(task, description=line), on_done=done)
    return sum(not is_made(job.files, job.prompt, job.seed) for job in jobs)
