"""touchstone judge: a verdict without learning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.judge import Command
from cli.main import main
from envs.tracking import TaskConfig
from rl.config import PpoConfig, TrainConfig
from rl.lqr import LqrConfig
from rl.refine import RefineConfig
from rl.runs import RunFolder
from sim.motion import Motion

SMALL = TrainConfig(
    task=TaskConfig(num_envs=4, threads=1),
    ppo=PpoConfig(steps_per_env=8, batch_size=32),
    refine=RefineConfig(iterations=1, samples=8, horizon=4, carried_out=4),
    lqr=LqrConfig(strengths=(1.0,), trials=2),
)


def test_a_clip_is_judged_without_learning(
    push_clip: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_clip.slice(0, 10).save(tmp_path / "clip.npz")
    Command(tmp_path / "clip.npz", output=tmp_path / "run", episodes=2, config=SMALL).run()
    run = RunFolder(tmp_path / "run")
    evaluation = json.loads(run.evaluation.read_text(encoding="utf-8"))
    assert evaluation["figures"]["completion"]["value"] == 1.0
    assert evaluation["verdict"]["label"] in capsys.readouterr().out
    saved = json.loads(run.config.read_text(encoding="utf-8"))
    assert saved["learn"] is False
    assert saved["max_minutes"] == 1.5
    with open(run.progress, encoding="utf-8") as file:  # a head and one evaluation: nothing was learned after it
        assert len(file.readlines()) == 2


def test_a_folder_that_holds_a_run_is_not_written_over(
    push_clip: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_clip.slice(0, 10).save(tmp_path / "clip.npz")
    command = Command(tmp_path / "clip.npz", output=tmp_path / "run", episodes=2, config=SMALL)
    command.run()
    before = RunFolder(tmp_path / "run").corrections.read_bytes()
    assert main(["judge", str(tmp_path / "clip.npz"), "-o", str(tmp_path / "run")]) == 2
    assert "another folder" in capsys.readouterr().err
    assert RunFolder(tmp_path / "run").corrections.read_bytes() == before


def test_a_missing_clip_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(tmp_path / "none.npz"), "-o", str(tmp_path / "run")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
