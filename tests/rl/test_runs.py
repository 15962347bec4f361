"""A run folder's names, and what is said where a file is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl.runs import RunFolder
from sim.errors import RunError
from sim.files import write_json


def test_every_file_lies_in_the_folder_under_its_own_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = [name for name in dir(RunFolder) if isinstance(getattr(RunFolder, name), property)]
    files = {name: getattr(run, name) for name in names if name not in ("run", "clips")}
    assert len(set(files.values())) == len(files) >= 12
    assert all(path.is_relative_to(tmp_path) for path in files.values())


def test_a_missing_folder_says_how_to_make_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no such run folder; make one with: touchstone train clip.npz -o .*nowhere$"):
        run.require(run.config)


def test_the_first_missing_file_is_named_with_what_makes_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.config.write_text("{}")
    with pytest.raises(RunError, match=r"best.pt is missing; make it with: touchstone train clip.npz -o "):
        run.require(run.config, run.policy, run.evaluation)
    with pytest.raises(RunError, match=r"evaluation.json is missing; make it with: touchstone evaluate "):
        run.require(run.config, run.evaluation)
    run.require(run.config)


def test_a_run_on_one_motion_is_its_own_clip(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.clips == (run,)
    assert run.run == run


def test_clips_of_a_run_know_it_and_its_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    write_json(run.clip_list, {"clips": ["b", "a"]})
    assert [clip.path for clip in run.clips] == [run.path / "clips" / "b", run.path / "clips" / "a"]
    assert [clip.run for clip in run.clips] == [run, run]
    assert RunFolder(run.clips[0].path).clips[0].motion == run.path / "clips" / "b" / "motion.npz"
    run.clip_list.write_text("[")
    with pytest.raises(RunError, match=r"clips.json: damaged"):
        _ = run.clips


def test_what_a_clip_lacks_is_made_by_its_run(tmp_path: Path) -> None:
    clip = RunFolder(tmp_path / "run").clip("a")
    clip.path.mkdir(parents=True)
    with pytest.raises(RunError, match=r"touchstone train clip.npz -o .*run$"):
        clip.require(clip.motion)
    with pytest.raises(RunError, match=r"touchstone evaluate .*run/clips/a$"):
        clip.require(clip.evaluation)
