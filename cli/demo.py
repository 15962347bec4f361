"""The whole way on one clip: motion, audit, reference, trained policy, verdict under physics, report.

    touchstone demo
    touchstone demo --clip authored --budget-minutes 4 -o runs/push
    touchstone demo --sentence "a person lifts the box"

`real` is a recorded person who lifts a large box and carries it two metres; pip fetches it once (about 100 MB).
`authored` is made by this project's own code: a person walks up to a box and pushes it. A sentence becomes a motion
first, as `touchstone generate` makes it. Interrupted, the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sim.errors import PlanError

if TYPE_CHECKING:
    from sim.motion import Motion


@dataclass(frozen=True)
class Command:
    """Settings of `touchstone demo`."""

    clip: Literal["real", "authored"] | None = None
    """Which motion to test; if left out, the recorded one, or the authored one where that cannot be fetched."""
    sentence: str | None = None
    """What a person does with an object; the clip is made of it."""
    budget_minutes: float = 8.0
    """Training stops at the latest after so many minutes; sooner where the clip is mastered."""
    seed: int = 0
    """Of the clip where it is made here, and of the training."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Run folder for everything that comes out; runs/demo, runs/demo-authored or -sentence, if left out."""

    def run(self) -> None:
        """Run the stages in turn, say how long each took, and end with the verdict and where the report lies."""
        started = time.monotonic()
        if self.sentence and self.clip:
            raise PlanError(f"--clip {self.clip} and --sentence are two clips; give one")
        with _stage(f"clip: {self.sentence or self.clip or 'real'}"):
            clip, motion = _generated(self.sentence, self.seed) if self.sentence else _choose(self.clip, self.seed)
            _say(f"  {motion.text}\n  {motion.num_frames} frames at {motion.fps:g} fps, {motion.duration:.1f} s")
        folder = self.output or Path("runs/demo" if clip == "real" else f"runs/demo-{clip}")
        with _stage("inspect: the motion as it came, without physics"):
            _inspect(motion)
        with _stage(f"train: a policy that carries it out, at most {self.budget_minutes:g} minutes"):
            _train(motion, folder, minutes=self.budget_minutes, seed=self.seed)
        with _stage("evaluate: from frame 0 and from perturbed starts"):
            verdict = _evaluate(folder)
        with _stage("report"):
            report = _report(folder)
        with _stage("film"):
            _film(folder)
        _say(f"\n{verdict}\n\n{time.monotonic() - started:.0f} s in all. Open {report}")


def _choose(name: Literal["real", "authored"] | None, seed: int) -> tuple[str, Motion]:
    """The clip asked for; without a wish the recorded one, or the authored one where that cannot be fetched."""
    from sim.errors import TouchstoneError

    if name is not None:
        return name, _clip(name, seed)
    try:
        return "real", _clip("real", seed)
    except TouchstoneError as error:
        _say(f"  {error}\n  going on with the authored clip")
        return "authored", _clip("authored", seed)


def _generated(sentence: str, seed: int) -> tuple[str, Motion]:
    from generate.clips import ClipSettings, make_clip
    from generate.prompts import Prompt

    clip = make_clip(Prompt(sentence), ClipSettings(), seed=seed, on_stage=lambda stage: _say(f"  {stage}"))
    for line in clip.generated.plan.assumed:
        _say(f"  assumed: {line}")
    return "sentence", clip.generated.motion


def _clip(name: Literal["authored", "real"], seed: int) -> Motion:
    if name == "authored":
        from generate.authored import author_box_push

        return author_box_push(seed=seed)
    from generate.demo_clip import fetch_demo_clip
    from sim.contacts import extract_contacts
    from sim.formats import import_motion
    from sim.objects import load_geometry

    files = fetch_demo_clip()
    motion = import_motion(
        files.clip,
        geometry=load_geometry(str(files.mesh)),
        object_name="largebox",
        text="A person lifts a large box, carries it two metres and puts it down (recorded, OMOMO).",
        action="carry",
        group="carry_box",
    )
    return motion.replace(contacts=extract_contacts(motion))


def _inspect(motion: Motion) -> None:
    """Whatever the audit finds beyond its limits, and its overall level."""
    from sim.audit import audit

    result = audit(motion)
    for finding in result.findings:
        if finding.level in ("warn", "fail"):
            _say(f"  {finding.level}: {finding.subject}, {finding.explanation}: {finding.value:.3g} {finding.unit}")
    _say(f"  audit: {result.level}")


def _train(motion: Motion, folder: Path, *, minutes: float, seed: int) -> None:
    """Retarget and train; an interrupted demo of the same clip goes on from its last checkpoint.

    Raises RunError where the folder holds a run of another clip.
    """
    from rl.config import TrainConfig
    from rl.runs import RunFolder
    from rl.train import Progress, train
    from sim.errors import RunError
    from sim.motion import Motion

    def show(row: Progress) -> None:
        _say(
            f"  {row.seconds / 60:4.1f} of {minutes:g} minutes, {row.steps:>9,} steps: {row.completion:4.0%} of the"
            f" clip carried through, joints off by {row.mpjpe_mm:.0f} mm, object by {row.object_mm:.0f} mm"
        )

    told = 0

    def count(steps: int) -> None:
        nonlocal told
        if steps >= told + 100_000:
            told = steps
            _say(f"  {steps:>9,} control steps")

    run = RunFolder(folder)
    resume = run.checkpoint.exists()
    held = Motion.load(run.motion) if resume else motion
    if (held.source, held.text) != (motion.source, motion.text):
        raise RunError(f"{folder} holds a run of another clip; choose another folder with -o, or delete it")
    config = TrainConfig(max_minutes=minutes, seed=seed)
    result = train(motion, folder, config, resume=resume, on_progress=show, on_steps=count)
    _say({"mastered": "  mastered"}.get(result.ended_by, f"  the budget of {result.ended_by} is spent"))


def _evaluate(folder: Path) -> str:
    """The verdict in words."""
    from rl.evaluate import evaluate_run
    from rl.tables import verdict_text

    return verdict_text(evaluate_run(folder).verdict)


def _film(folder: Path) -> None:
    """The mp4, where there is offscreen OpenGL; elsewhere a line that says which packages are missing."""
    from sim.errors import SimulationError
    from sim.motion import Motion
    from sim.replay.stage import build_stage, drawn_body
    from sim.replay.video import write_video

    reference, simulation = Motion.load(folder / "reference.npz"), Motion.load(folder / "simulation.npz")
    geoms = drawn_body(reference, "mitten")
    try:
        write_video(folder / "replay.mp4", build_stage({"reference": reference, "simulation": simulation}, geoms))
    except SimulationError as error:
        _say(f"  {error}")


def _report(folder: Path) -> Path:
    from rl.report import write_report

    return write_report(folder)


@contextmanager
def _stage(title: str) -> Iterator[None]:
    started = time.monotonic()
    _say(title)
    yield
    _say(f"  {time.monotonic() - started:.1f} s")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
