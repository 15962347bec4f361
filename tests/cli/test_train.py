"""`touchstone train`: trains, stops on Ctrl-C with word on how to go on, resumes, and refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import tyro

from cli.main import EXIT_INTERRUPTED, EXIT_USER_ERROR, main
from cli.train import Command
from rl.progress import TrainingProgress
from rl.runs import RunFolder
from sim.motion import Motion

SMALL = [
    "--config.max-steps", "256", "--config.evaluate-every", "128", "--config.checkpoint-every", "128",
    "--config.mastery.evaluations", "0", "--config.refine.iterations", "0",
    "--config.task.num-envs", "8", "--config.task.threads", "1",
    "--config.ppo.steps-per-env", "16", "--config.ppo.batch-size", "64", "--config.ppo.layers", "16",
]  # fmt: skip


@pytest.fixture
def clip(push_clip: Motion, tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    push_clip.save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_a_run_from_the_command_line(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert main(["train", str(clip), "-o", str(folder), *SMALL]) == 0
    out = capsys.readouterr().out
    assert "256 steps" in out
    assert f"step budget spent. Next: touchstone evaluate {folder}" in out.replace("\n", " ")
    assert RunFolder(folder).checkpoint.exists()
    assert main(["train", str(clip), "-o", str(folder), *SMALL]) == EXIT_USER_ERROR
    captured = capsys.readouterr()
    assert captured.err.endswith("already holds a run; go on with --resume, or choose another folder with -o\n")
    assert captured.err.count("\n") == 1


def test_ctrl_c_keeps_the_checkpoint_and_says_how_to_go_on(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    moved = TrainingProgress.on_steps

    def interrupt(self: TrainingProgress, steps: int) -> None:
        moved(self, steps)
        if steps >= 200:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "on_steps", interrupt)
        assert main(["train", str(clip), "-o", str(folder), *SMALL]) == EXIT_INTERRUPTED
    captured = capsys.readouterr()
    assert f"Go on with: touchstone train {clip} -o {folder} --resume" in captured.out
    assert captured.err == "touchstone: interrupted\n"
    # what it said works, and needs none of the options again
    assert main(["train", str(clip), "-o", str(folder), "--resume"]) == 0
    assert "256/256" in capsys.readouterr().out
    assert RunFolder(folder).progress.read_text().splitlines()[-1].startswith("256,")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.npz"], "nowhere.npz"),
        (["{clip}", "-o", "{folder}/none", "--resume"], "no such run folder; make one with: touchstone train"),
        (["{clip}", "-o", "{clip}/run", "--config.max-steps", "1"], "cannot write"),
    ],
    ids=["no clip", "nothing to resume", "no folder"],
)
def test_a_mistake_is_one_line_and_code_2(
    arguments: list[str], complaint: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *(a.format(clip=clip, folder=tmp_path) for a in arguments)]) == EXIT_USER_ERROR
    captured = capsys.readouterr()
    assert captured.err.startswith("touchstone: ")
    assert complaint in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.npz"]


@pytest.fixture
def manifest(push_clip: Motion, tmp_path: Path) -> Path:
    """Two short clips of one group."""
    torch.set_num_threads(1)
    for name, start in (("a", 0), ("b", 10)):
        push_clip.slice(start, start + 20).save(tmp_path / f"{name}.npz")
    rows = [{"clip": f"{name}.npz", "group": "push"} for name in "ab"]
    (tmp_path / "m.json").write_text(json.dumps({"clips": rows}))
    return tmp_path / "m.json"


def test_a_manifest_from_the_command_line(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two settings on the first clip, judged by what planning finds; evaluate then takes the clips one by one."""
    folder = tmp_path / "out"
    command = ["train", "--manifest", str(manifest), "--group", "push", "--settings", "TR,TR+LR", "--clips", "1"]
    assert main([*command, "-o", str(folder), *SMALL, "--config.no-learn"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    for setting in ("TR", "TR+LR"):
        assert f"{setting}/push/seed0/clips/a: carried" in out
        assert RunFolder(folder / setting / "push" / "seed0").clips[0].evaluation.exists()
    assert main([*command, "-o", str(folder), *SMALL, "--config.no-learn"]) == 0
    assert "TR/push/seed0: done" in capsys.readouterr().out
    assert main(["evaluate", str(folder / "TR" / "push" / "seed0"), "--episodes", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a\n")
    assert "Next: touchstone report" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group", "pull"], "unknown action group 'pull'"),
        (["--settings", "TR,LR"], "unknown reward setting 'LR'"),
        (["--seeds", "0,x"], "--seeds 0,x: give whole numbers"),
        (["--jobs", "0"], "--jobs 0"),
        (["--corruption", "noise"], "unknown kind of corruption 'noise'"),
        (["--corruption", "drift", "--corruption-strength", "0"], "give a number above 0"),
        (["--resume"], "goes on by itself without --resume"),
    ],
)
def test_wishes_that_make_no_sense_are_one_line(
    options: list[str], said: str, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--manifest", str(manifest), "-o", str(tmp_path / "out"), *options]) == EXIT_USER_ERROR
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_backend_has_a_short_name() -> None:
    def chosen(*arguments: str) -> str:
        return tyro.cli(Command, args=["clip.npz", *arguments]).chosen.task.backend

    assert chosen() == "cpu"
    assert chosen("--backend", "mjx") == chosen("--config.task.backend", "mjx") == "mjx"
    assert chosen("--config.task.backend", "mjx", "--backend", "cpu") == "cpu"


def test_a_run_keeps_its_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-o", str(tmp_path), "--resume", "--backend", "mjx"]) == EXIT_USER_ERROR
    assert capsys.readouterr().err.endswith("leave --backend out\n")


def test_corruption_goes_with_a_manifest(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(clip), "--corruption", "drift"]) == EXIT_USER_ERROR
    assert "for one motion use: touchstone corrupt" in capsys.readouterr().err


def test_without_anything_to_train_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == EXIT_USER_ERROR
    assert "give a motion (.npz), or clips with --manifest, or --resume" in capsys.readouterr().err
