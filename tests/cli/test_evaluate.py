"""`touchstone evaluate`: the table, the verdict with its rule, and refusals in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.main import EXIT_USER_ERROR, main
from rl.runs import RunFolder
from rl.train import train
from rl.verdict import VerdictConfig, rule
from sim.motion import Motion


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, push_clip: Motion) -> Path:
    from envs.tracking import TaskConfig
    from rl.config import MasteryConfig, PpoConfig, TrainConfig
    from rl.refine import RefineConfig

    folder = tmp_path_factory.mktemp("cli") / "run"
    config = TrainConfig(
        max_steps=64, torch_threads=1, mastery=MasteryConfig(evaluations=0), task=TaskConfig(num_envs=4, threads=1),
        ppo=PpoConfig(steps_per_env=16, batch_size=64, layers=(16,)), refine=RefineConfig(iterations=0),
    )  # fmt: skip
    train(push_clip.slice(0, 20), folder, config)
    return folder


def test_it_prints_figures_verdict_and_rule(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert "mpjpe" in out
    assert [line.split()[0] for line in out.splitlines() if "mm/frame^3" in line] == ["jitter", "object_jitter"]
    assert "Verdict: " in out
    assert f"Rule: {rule(VerdictConfig())}" in out
    assert f"Next: touchstone report {run}" in out
    assert RunFolder(run).evaluation.exists()
    assert Motion.load(RunFolder(run).simulation).num_frames >= 2


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("", "no such run folder; make one with: touchstone train"),
        ("checkpoints/best.pt", "best.pt is missing; make it with: touchstone train"),
        ("config.json", "config.json is missing; make it with: touchstone train"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    missing: str, complaint: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    if missing:
        shutil.copytree(run, folder)
        (folder / missing).unlink()
    assert main(["evaluate", str(folder)]) == EXIT_USER_ERROR
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.err.count("\n") == 1


def test_a_damaged_policy_is_said_in_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    RunFolder(folder).policy.write_bytes(b"PK garbage")
    assert main(["evaluate", str(folder)]) == EXIT_USER_ERROR
    captured = capsys.readouterr()
    assert "damaged checkpoint" in captured.err
    assert captured.err.count("\n") == 1
