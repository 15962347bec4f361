"""Many clips in one folder, for `touchstone generate`: made, judged by physics, and shown on a gallery page.

The folder holds `settings.json`, a folder `<prompt>/seed<k>/` for each clip (`generate.clips.ClipFiles`) and
`index.html`. What is there is not made again; what failed is tried again.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from generate.clips import (
    ClipFiles,
    ClipSettings,
    is_made,
    keep_failure,
    make_clip,
    read_failure,
    read_metrics,
    write_clip,
)
from generate.filmstrip import filmstrip
from generate.gallery import GalleryClip, GalleryRow, GalleryVerdict, gallery_page
from generate.prompts import Prompt, folder_names
from generate.quality import FIGURES, diversity
from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.planning import Workers
from rl.report import write_report
from rl.runs import RunFolder
from rl.train import train
from sim.errors import PlanError, RunError, TouchstoneError
from sim.files import write_json, write_text
from sim.motion import Motion


@dataclasses.dataclass(frozen=True)
class JudgeSettings:
    """How physics judges a clip.

    Attributes:
        config: of its run, whose learning is left out. max_minutes: of planning; 0 is unlimited.
        episodes: from perturbed starts.
    """

    config: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    max_minutes: float = 0.0
    episodes: int = 16

    @property
    def run_config(self) -> TrainConfig:
        """Of the run."""
        return dataclasses.replace(self.config, learn=False, max_minutes=self.max_minutes)


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to make, and to judge where `judge` says how."""

    prompt: Prompt
    seed: int
    files: ClipFiles
    judge: JudgeSettings | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left to do."""
        return is_made(self.files, self.prompt, self.seed) and (self.judge is None or _is_judged(self.files))

    def outcome(self) -> str:
        """One line: what failed, or the figures that have a target, and the verdict."""
        figures = (read_metrics(self.files) or {}).get("figures", {})
        shown = [f for f in FIGURES if FIGURES[f].target is not None and figures.get(f) is not None]
        said = [f"{FIGURES[f].title} {FIGURES[f].text(figures[f])} {FIGURES[f].unit}".strip() for f in shown]
        if self.judge is not None and (verdict := read_verdict(self.files)) is not None:
            said.append(f"{verdict.label}, carried {verdict.completion:.0%}")
        return f"{self.prompt.text}, seed {self.seed}: {read_failure(self.files) or ', '.join(said)}"


@dataclasses.dataclass(frozen=True)
class Batch:
    """Prompts and seeds that share settings and a folder.

    Attributes:
        judge: None leaves physics out. judged_seeds: so many of the first seeds are judged, all where None.
    """

    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    folder: Path
    settings: ClipSettings
    judge: JudgeSettings | None = None
    judged_seeds: int | None = None

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0:
            raise PlanError("give at least one seed, and seeds from 0")

    def jobs(self) -> Iterator[Job]:
        """A seed of every prompt before the next seed."""
        names = folder_names(self.prompts)
        for count, seed in enumerate(self.seeds):
            judged = self.judged_seeds is None or count < self.judged_seeds
            for prompt, name in zip(self.prompts, names, strict=True):
                files = ClipFiles(self.folder / name / f"seed{seed}")
                yield Job(prompt, seed, files, self.judge if judged else None)

    def carry_out(self, *, workers: int = 1, on_job: Callable[[str], None], on_done: Callable[[Job], None]) -> None:
        """Do what is not done yet; a clip that fails does not stop the rest.

        Args:
            workers: processes, each with one thread; with 1, all is done here.
            on_job: told what is in the making. on_done: called after every clip that was not done before.

        Raises:
            RunError: the folder holds clips of other settings.
        """
        self._begin()
        jobs = [job for job in self.jobs() if not job.is_done]
        if workers > 1 and len(jobs) > 1:
            with Workers(min(workers, len(jobs))) as pool:
                tasks = {pool.submit(_carry_out_in_worker, job, self.settings): job for job in jobs}
                for done in as_completed(tasks):
                    done.result()
                    on_done(tasks[done])
            return
        for job in jobs:
            label = f"{job.prompt.text[:40]}, seed {job.seed}"
            on_job(label)
            carry_out(job, self.settings, on_stage=_prefixed(label, on_job))
            on_done(job)

    def rows(self) -> tuple[GalleryRow, ...]:
        """What the folder holds, a row a prompt."""
        jobs = list(self.jobs())
        return tuple(self._row(prompt, [job for job in jobs if job.prompt == prompt]) for prompt in self.prompts)

    def write_gallery(self, title: str) -> Path:
        """Write `index.html`, the page of everything that is there so far."""
        path = self.folder / "index.html"
        write_text(path, gallery_page(title, self.rows(), notes=self._notes()))
        return path

    def _row(self, prompt: Prompt, jobs: list[Job]) -> GalleryRow:
        motions = {job.seed: Motion.load(job.files.motion) for job in jobs if is_made(job.files, prompt, job.seed)}
        clips = []
        for job in jobs:
            film = filmstrip(motions[job.seed]) if job.seed == min(motions, default=-1) else ""
            clips.append(self._clip(job, job.seed in motions, film))
        kinds = ((read_metrics(job.files) or {}).get("object_name", "") for job in jobs)
        shape = Path(prompt.object).name if prompt.object else "built-in shape"
        named = f"{next(filter(None, kinds), '')}, {shape}".removeprefix(", ")
        return GalleryRow(prompt.text, named, tuple(clips), diversity(list(motions.values())))

    def _clip(self, job: Job, made: bool, film: str) -> GalleryClip:
        metrics = (read_metrics(job.files) if made else None) or {}
        replay = job.files.replay if made and job.files.replay.is_file() else None
        return GalleryClip(
            job.seed, metrics.get("figures", {}), self._below(replay), film,
            self._verdict(job) if made else None, read_failure(job.files),
        )  # fmt: skip

    def _verdict(self, job: Job) -> GalleryVerdict | None:
        verdict = read_verdict(job.files)
        report = job.files.run / "report.html"
        where = self._below(report if report.is_file() else None)
        return None if verdict is None else dataclasses.replace(verdict, report=where)

    def _below(self, path: Path | None) -> str | None:
        return None if path is None else path.relative_to(self.folder).as_posix()

    def _begin(self) -> None:
        """Write settings.json, or check it against what is wanted."""
        path = self.folder / "settings.json"
        wanted = {"clips": _plain(self.settings), "judge": _plain(self.judge)}
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            before = wanted
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: damaged; delete it, or choose another folder with -o ({error})") from error
        judge = before.get("judge") or wanted["judge"]
        if before.get("clips") != wanted["clips"] or wanted["judge"] not in (None, judge):
            raise RunError(
                f"{self.folder} holds clips of other settings (settings.json); choose another folder with -o"
            )
        write_json(path, {**wanted, "judge": judge})

    def _notes(self) -> list[str]:
        config = self.settings.config
        left_out = [
            name for name, used in (
                ("affordance", config.use_affordance), ("contact keypoints", config.use_anchors),
                ("fine stage", config.use_fine),
            ) if not used
        ]  # fmt: skip
        planner = f"language model {self.settings.model}" if self.settings.model else "embedded grammar"
        notes = [
            f"Planner: {planner}. Person of {config.height_m:g} m. Seeds {', '.join(map(str, self.seeds))}.",
            f"Left out: {', '.join(left_out)}." if left_out else "Nothing left out.",
            "Shapes that no file gives are built-in ones of the kind's typical size and mass.",
        ]
        if self.judge:
            limit = f" for at most {self.judge.max_minutes:g} minutes a clip" if self.judge.max_minutes else ""
            notes.append(f"Physics: planning{limit}, no learning, {self.judge.episodes} perturbed starts.")
        return notes


def carry_out(job: Job, settings: ClipSettings, *, on_stage: Callable[[str], None] | None = None) -> None:
    """Make a clip and have it judged, as far as either is not done; whatever goes wrong lands in its folder."""
    job.files.failure.unlink(missing_ok=True)
    try:
        if not is_made(job.files, job.prompt, job.seed):
            shutil.rmtree(job.files.run, ignore_errors=True)
            clip = make_clip(job.prompt, settings, seed=job.seed, on_stage=on_stage)
            write_clip(job.files, clip, job.prompt, job.seed)
        if job.judge is not None and not _is_judged(job.files):
            if on_stage:
                on_stage("physics")
            judge_clip(job.files, job.judge)
    except TouchstoneError as error:
        keep_failure(job.files, error)
    except Exception as error:  # one clip's failure must not end the others
        keep_failure(job.files, error, traceback.format_exc())


def judge_clip(files: ClipFiles, judge: JudgeSettings) -> None:
    """Plan and evaluate in physics, and write the report, as `touchstone judge` does."""
    run = RunFolder(files.run)
    if not run.checkpoint.exists():
        train(Motion.load(files.motion), run.path, judge.run_config)
    evaluate_run(run.path, episodes=judge.episodes)
    write_report(run.path)


def read_verdict(files: ClipFiles) -> GalleryVerdict | None:
    """What physics said, without the report's place; None where there is no evaluation."""
    try:
        content = json.loads(RunFolder(files.run).evaluation.read_text(encoding="utf-8"))
        verdict, completion = content["verdict"], content["figures"]["completion"]["value"]
        return GalleryVerdict(str(verdict["label"]), float(verdict["score"]), float(completion))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _carry_out_in_worker(job: Job, settings: ClipSettings) -> None:
    if job.judge is not None:
        task = dataclasses.replace(job.judge.config.task, threads=1)
        config = dataclasses.replace(job.judge.config, task=task)
        job = dataclasses.replace(job, judge=dataclasses.replace(job.judge, config=config))
    carry_out(job, settings)


def _is_judged(files: ClipFiles) -> bool:
    return RunFolder(files.run).evaluation.is_file() and (files.run / "report.html").is_file()


def _prefixed(label: str, tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda stage: tell(f"{label}: {stage}")


def _plain(settings: Any) -> Any:
    """As JSON gives it back."""
    return None if settings is None else json.loads(json.dumps(dataclasses.asdict(settings)))
