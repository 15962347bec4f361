"""Plan the clips of a run, one after the other or in worker processes; a clip that is done is not planned again."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import torch

from rl.config import TrainConfig
from rl.lqr import regulate
from rl.refine import load_corrections, load_trajectory, refine, refined, save_corrections
from rl.runs import ClipFolder
from sim.errors import RunError
from sim.files import write_json
from sim.motion import Motion
from sim.retarget import Reference, retarget


class Planned(NamedTuple):
    """The content of planning.json: control steps and wall seconds spent, and the last of `frames` reached alive."""

    steps: int
    seconds: float
    reached: int
    frames: int


def read_planned(clip: ClipFolder) -> Planned | None:
    """What planning of a clip took; None where it is not done. Raises RunError for a damaged file."""
    if not clip.planning.exists():
        return None
    try:
        return Planned(**json.loads(clip.planning.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{clip.planning}: damaged; delete it to plan this clip anew ({error})") from error


def with_plan(clip: ClipFolder, reference: Reference) -> Reference:
    """The reference with what planning added to its PD targets, where there is a plan."""
    if not clip.corrections.exists():
        return reference
    return refined(reference, load_corrections(clip.corrections), load_trajectory(clip.corrections))


def plan_clips(
    clips: Sequence[ClipFolder],
    references: Sequence[Reference],
    config: TrainConfig,
    *,
    jobs: int = 1,
    on_steps: Callable[[int], None] | None = None,
) -> list[Planned]:
    """Plan every clip that is not planned yet; each one's corrections are saved when it is done.

    Args:
        clips, references: folders, which hold the motions, and what was made of those.
        config: of the run; its minutes are shared out evenly among the clips.
        jobs: worker processes, each with one thread; with 1, clips are planned here, with the run's own threads.
        on_steps: called with the control steps of all clips so far.
    """
    seconds = 60.0 * config.max_minutes * min(jobs, len(clips)) / len(clips)
    found = [read_planned(clip) for clip in clips]
    missing = [i for i, planned in enumerate(found) if planned is None]
    spent = sum(planned.steps for planned in found if planned)
    if jobs > 1 and len(missing) > 1:
        with Workers(min(jobs, len(missing))) as workers:
            tasks = {workers.submit(_plan_in_worker, clips[i].path, config, seconds): i for i in missing}
            for done in as_completed(tasks):
                found[tasks[done]] = planned = done.result()
                spent += planned.steps
                if on_steps:
                    on_steps(spent)
    else:
        for i in missing:
            before = spent
            count = None if on_steps is None else lambda steps, before=before: on_steps(before + steps)
            found[i] = planned = plan_clip(clips[i], references[i], config, seconds, on_steps=count)
            spent += planned.steps
    return [planned for planned in found if planned]


def plan_clip(
    clip: ClipFolder,
    reference: Reference,
    config: TrainConfig,
    max_seconds: float,
    *,
    on_steps: Callable[[int], None] | None = None,
) -> Planned:
    """Plan one clip and write corrections.npz and, last, planning.json."""
    began = time.perf_counter()
    plan = refine(
        reference, config.task, config.refine, seed=config.seed, max_seconds=max_seconds, on_steps=on_steps
    )  # fmt: skip
    trajectory, steps = None, plan.steps
    if config.lqr.on:
        count = None if on_steps is None else lambda more: on_steps(plan.steps + more)
        trajectory, more = regulate(refined(reference, plan.corrections), config.task, config.lqr, on_steps=count)
        steps += more
    save_corrections(clip.corrections, plan.corrections, trajectory)
    planned = Planned(steps, round(time.perf_counter() - began, 2), plan.reached, len(reference.qpos))
    write_json(clip.planning, planned._asdict())
    return planned


def _plan_in_worker(folder: Path, config: TrainConfig, max_seconds: float) -> Planned:
    """A scene cannot be sent to another process, so it is built there from the clip's motion."""
    clip = ClipFolder(folder)
    config = dataclasses.replace(config, task=dataclasses.replace(config.task, threads=1))
    return plan_clip(clip, retarget(Motion.load(clip.motion), config.scene, config.retarget), config, max_seconds)


class Workers(ProcessPoolExecutor):
    """Processes that end at once with the block that an exception, or Ctrl-C, leaves."""

    def __init__(self, count: int) -> None:
        super().__init__(count, multiprocessing.get_context("spawn"), _begin_worker)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        self.shutdown(cancel_futures=True)  # waits for the pool's own thread, which alone reaps the processes


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
