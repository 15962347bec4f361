"""Planning of a run's clips: what is done stays done, and worker processes find what this one would."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rl import planning
from rl.config import TrainConfig
from rl.planning import Planned, plan_clips, read_planned, with_plan
from rl.refine import RefineConfig, load_corrections
from rl.runs import ClipFolder
from sim.errors import RunError
from sim.motion import Motion
from sim.retarget import Reference, retarget

PLAN = RefineConfig(iterations=1, samples=4, horizon=4, carried_out=4, knot=2)


@pytest.fixture
def clips(push_clip: Motion, tmp_path: Path) -> tuple[list[ClipFolder], list[Reference]]:
    """Folders of two short motions."""
    torch.set_num_threads(1)
    folders = [ClipFolder(tmp_path / "clips" / name) for name in ("a", "b")]
    motions = [push_clip.slice(0, 8), push_clip.slice(5, 12)]
    for folder, motion in zip(folders, motions, strict=True):
        motion.save(folder.motion)
    return folders, [retarget(motion) for motion in motions]


def test_every_clip_is_planned_once(
    clips: tuple[list[ClipFolder], list[Reference]], tiny: Callable[..., TrainConfig]
) -> None:
    folders, references = clips
    seen: list[int] = []
    first = plan_clips(folders, references, tiny(refine=PLAN), on_steps=seen.append)
    assert [p.frames for p in first] == [8, 7]
    assert seen == sorted(seen)
    assert seen[-1] == sum(p.steps for p in first)
    assert [read_planned(folder) for folder in folders] == first
    before = folders[0].corrections.stat().st_mtime_ns
    folders[1].planning.unlink()  # as if it had been stopped there
    again = plan_clips(folders, references, tiny(refine=PLAN))
    assert folders[0].corrections.stat().st_mtime_ns == before
    assert [p.steps for p in again] == [p.steps for p in first]
    corrected = with_plan(folders[1], references[1])
    np.testing.assert_array_equal(
        corrected.targets, references[1].targets + load_corrections(folders[1].corrections)
    )  # fmt: skip


def test_a_clip_without_a_plan_keeps_its_targets(clips: tuple[list[ClipFolder], list[Reference]]) -> None:
    folders, references = clips
    assert with_plan(folders[0], references[0]) is references[0]


@pytest.mark.slow
def test_worker_processes_find_the_same(
    clips: tuple[list[ClipFolder], list[Reference]], tiny: Callable[..., TrainConfig]
) -> None:
    folders, references = clips
    here = plan_clips(folders, references, tiny(refine=PLAN))
    expected = [load_corrections(folder.corrections) for folder in folders]
    for folder in folders:
        folder.planning.unlink()
        folder.corrections.unlink()
    seen: list[int] = []
    there = plan_clips(folders, references, tiny(refine=PLAN), jobs=2, on_steps=seen.append)
    assert [p._replace(seconds=0) for p in there] == [p._replace(seconds=0) for p in here]
    for folder, corrections in zip(folders, expected, strict=True):
        np.testing.assert_allclose(load_corrections(folder.corrections), corrections, atol=1e-6)
    assert seen[-1] == sum(p.steps for p in there)


@pytest.mark.slow
def test_an_interruption_ends_the_workers(
    clips: tuple[list[ClipFolder], list[Reference]],
    tiny: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders, references = clips

    def interrupt(_: object) -> None:
        assert multiprocessing.active_children()
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plan_clips(folders, references, tiny(refine=PLAN), jobs=2)
    assert not multiprocessing.active_children()
    assert not folders[0].planning.exists()


def test_a_damaged_record_of_planning_is_refused(tmp_path: Path) -> None:
    clip = ClipFolder(tmp_path)
    assert read_planned(clip) is None
    clip.planning.write_text(json.dumps(Planned(1, 2.0, 3, 4)._asdict()))
    assert read_planned(clip) == Planned(1, 2.0, 3, 4)
    clip.planning.write_text('{"steps": 1}')
    with pytest.raises(RunError, match="delete it to plan this clip anew"):
        read_planned(clip)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from rl.planning import Workers\n"
        "if __name__ == '__main__':\n"
        "    with Workers(1) as workers:\n"
        "        print(workers.submit(os.getpid).result(), flush=True)\n"
        "        time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        worker = Path("/proc", parent.stdout.readline().decode().strip())
        assert worker.exists()
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 10.0
        while worker.exists() and "zombie" not in (worker / "status").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not worker.exists() or "zombie" in (worker / "status").read_text()
