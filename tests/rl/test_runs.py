"""A run folder's names, and what is said where a file is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl.runs import RunFolder
from sim.errors import RunError


def test_every_file_lies_in_the_folder_under_its_own_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    files = {name: getattr(run, name) for name, value in vars(RunFolder).items() if isinstance(value, property)}
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
