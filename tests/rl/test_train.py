"""Training: what lands in the folder, resuming with the same curve, how it ends, and that it learns."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.starts import StartConfig
from envs.tracking import TaskConfig, TrackingTask, Transition
from envs.vec import TrackingVecEnv
from rl.config import MasteryConfig, PpoConfig, TrainConfig
from rl.refine import RefineConfig, save_corrections
from rl.runs import RunFolder, load_config
from rl.train import Progress, TrainResult, build_model, train
from sim.errors import RunError, TouchstoneError
from sim.humanoid import simulated_joints
from sim.motion import Motion
from sim.retarget import retarget

Tiny = Callable[..., TrainConfig]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def without_clock(history: tuple[Progress, ...]) -> list[Progress]:
    return [row._replace(seconds=0.0, learner_share=0.0) for row in history]


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def weights(path: Path) -> dict[str, torch.Tensor]:
    policy: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["policy"]
    return policy


def stop_at(steps: int) -> Callable[[int], None]:
    def on_steps(now: int) -> None:
        if now >= steps:
            raise KeyboardInterrupt

    return on_steps


def test_the_folder_holds_the_run(trained: RunFolder, tiny: Tiny, push_clip: Motion) -> None:
    assert load_config(trained.config, TrainConfig) == tiny()
    np.testing.assert_array_equal(Motion.load(trained.motion).root_position_w, push_clip.root_position_w)
    assert Motion.load(trained.reference).num_frames == 40
    assert "joint_shift_mean_mm" in json.loads(trained.retarget.read_text())
    header, *history = rows(trained.progress)
    assert header == list(Progress._fields)
    assert [int(row[0]) for row in history] == [0, 256, 512]
    assert weights(trained.checkpoint).keys() == weights(trained.policy).keys()
    assert list(trained.tensorboard.iterdir())
    assert not trained.unstable.exists()


def test_the_best_policy_is_that_of_the_best_row(tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []
    best: list[dict[str, torch.Tensor]] = []
    run = RunFolder(tmp_path / "run")

    def on_progress(p: Progress) -> None:
        seen.append((p.completion, -(p.mpjpe_mm + p.object_mm)))
        best.append(weights(run.policy))

    train(push_clip, run.path, tiny(evaluate_every=128), on_progress=on_progress)
    assert len(seen) == 5
    winner = max(range(len(seen)), key=lambda i: seen[i])
    assert all(torch.equal(best[winner][name], value) for name, value in weights(run.policy).items())


def test_the_same_seed_trains_the_same_and_another_does_not(
    trained: RunFolder, tiny: Tiny, push_clip: Motion, tmp_path: Path
) -> None:
    train(push_clip, tmp_path / "same", tiny())
    train(push_clip, tmp_path / "other", tiny(seed=1))
    one, same, other = (
        weights(folder.checkpoint) for folder in (trained, RunFolder(tmp_path / "same"), RunFolder(tmp_path / "other"))
    )
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["action_net.weight"], other["action_net.weight"])


@pytest.mark.parametrize("stop", [1, 300, 450], ids=["at once", "after a checkpoint", "between row and checkpoint"])
def test_a_run_that_is_stopped_and_resumed_has_the_same_curve(
    stop: int, trained: RunFolder, tiny: Tiny, push_clip: Motion, tmp_path: Path
) -> None:
    """Bit for bit: rows of progress.csv, weights and best policy, wherever it was stopped."""
    run = RunFolder(tmp_path / "run")
    config = tiny(evaluate_every=128, checkpoint_every=256)
    whole = train(push_clip, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(push_clip, run.path, config, on_steps=stop_at(stop))
    resumed = train(push_clip, run.path, resume=True)
    assert without_clock(resumed.history) == without_clock(whole.history)
    assert [row[0] for row in rows(run.progress)] == ["steps", "0", "128", "256", "384", "512"]
    for mine, theirs in ((run.checkpoint, "checkpoints/last.pt"), (run.policy, "checkpoints/best.pt")):
        expected = weights(tmp_path / "whole" / theirs)
        assert all(torch.equal(value, expected[name]) for name, value in weights(mine).items())


def test_a_killed_process_is_resumed(trained: RunFolder, tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    """A real SIGKILL in the middle of a rollout, in another process."""
    run = RunFolder(tmp_path / "run")
    push_clip.save(tmp_path / "clip.npz")
    code = (
        "import os, signal, sys, torch; from pathlib import Path; torch.set_num_threads(1)\n"
        "from rl.config import TrainConfig; from rl.runs import load_config; from rl.train import train\n"
        "from sim.motion import Motion\n"
        "kill = lambda steps: os.kill(os.getpid(), signal.SIGKILL) if steps >= 300 else None\n"
        "config = load_config(Path(sys.argv[3]), TrainConfig)\n"
        "train(Motion.load(sys.argv[1]), Path(sys.argv[2]), config, on_steps=kill)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "clip.npz"), str(run.path), str(trained.config)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    train(push_clip, run.path, resume=True)
    expected = weights(trained.checkpoint)
    assert all(torch.equal(value, expected[name]) for name, value in weights(run.checkpoint).items())
    assert not list(run.path.rglob(".*"))  # no temporary file is left


def test_a_finished_run_is_not_trained_again(trained: RunFolder, tmp_path: Path) -> None:
    before = trained.checkpoint.read_bytes()
    result = train(Motion.load(trained.motion), trained.path, resume=True)
    assert result.ended_by == "steps"
    assert [p.steps for p in result.history] == [0, 256, 512]
    assert trained.checkpoint.read_bytes() == before


def test_an_existing_run_is_not_written_over(trained: RunFolder, push_clip: Motion, tiny: Tiny) -> None:
    with pytest.raises(RunError, match=r"already holds a run; go on with --resume, or choose another folder with -o$"):
        train(push_clip, trained.path, tiny())


def test_there_must_be_something_to_resume(push_clip: Motion, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        train(push_clip, tmp_path / "nowhere", resume=True)


def test_rows_of_a_run_without_checkpoint_do_not_stay(tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.progress.write_text("steps,seconds\n7,7\n")
    train(push_clip, run.path, tiny(max_steps=128))
    assert [row[0] for row in rows(run.progress)] == ["steps", "0", "128"]


def test_corrections_of_a_run_without_checkpoint_are_not_used(
    tiny: Tiny, trained: RunFolder, push_clip: Motion, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    save_corrections(run.corrections, np.ones((40, 3 * len(simulated_joints("mitten")) - 3)))
    train(push_clip, run.path, tiny())
    expected = weights(trained.checkpoint)
    assert all(torch.equal(value, expected[name]) for name, value in weights(run.checkpoint).items())


def test_mastery_ends_the_run_early_and_a_mastered_run_stays_so(tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    task = TaskConfig(num_envs=8, threads=1, max_episode_frames=0)
    config = tiny(max_steps=100_000, mastery=MasteryConfig(2, mpjpe_mm=1e6, object_mm=1e6), task=task)
    stand = push_clip.slice(0, 10)
    result = train(stand, tmp_path / "run", config)
    assert result.ended_by == "mastered"
    assert result.first_completion_steps == 0
    assert [p.steps for p in result.history] == [0, 256]
    again = train(stand, tmp_path / "run", resume=True)
    assert (again.ended_by, len(again.history)) == ("mastered", 2)


def test_the_time_budget_ends_the_run(tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    result = train(push_clip, tmp_path / "run", tiny(max_steps=100_000, max_minutes=1e-4))
    assert result.ended_by == "minutes"
    assert result.history[-1].steps < 1000


def test_first_completion_is_the_first_row_that_carried_it_through() -> None:
    blank = Progress(0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    history = tuple(blank._replace(steps=10 * i, completion=c) for i, c in enumerate((0.5, 1.0, 0.9, 1.0)))
    assert TrainResult("steps", history).first_completion_steps == 10
    assert TrainResult("steps", history[:1]).first_completion_steps is None


def test_failing_physics_is_dumped_for_replay(
    tiny: Tiny, push_clip: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = TrackingTask.step, [0]

    def spoil(self: TrackingTask, action: torch.Tensor) -> Transition:
        calls[0] += 1
        if calls[0] == 60:  # beyond the first evaluation
            self._state[0, 10] = np.nan
        return step(self, action)

    monkeypatch.setattr(TrackingTask, "step", spoil)
    result = train(push_clip, tmp_path / "run", tiny())
    assert result.history[-1].unstable == 1
    with np.load(RunFolder(tmp_path / "run").unstable, allow_pickle=False) as file:
        assert file["state"].shape[0] == file["control"].shape[0] == len(file["frame"]) == 1
        assert np.isnan(file["state"][0, 10])


@pytest.mark.parametrize("place", ["under a file", "on a full disk"])
def test_a_folder_that_cannot_be_written_is_one_line(place: str, tiny: Tiny, push_clip: Motion, tmp_path: Path) -> None:
    if place == "under a file":
        (tmp_path / "file").write_text("")
        with pytest.raises(TouchstoneError, match=r"cannot write .*: Not a directory") as caught:
            train(push_clip, tmp_path / "file" / "run", tiny())
        assert "\n" not in str(caught.value)
        return
    # The system's own refusal: no file of this process may grow beyond 150 kB, which a checkpoint does.
    push_clip.save(tmp_path / "clip.npz")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "quick = ['--config.max-steps', '3000', '--config.refine.iterations', '0']\n"
        "sys.exit(main(['train', sys.argv[1], '-o', sys.argv[2], *quick]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "clip.npz"), str(tmp_path / "run")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("touchstone: cannot write")
    assert result.stderr.count("\n") == 1
    assert not RunFolder(tmp_path / "run").checkpoint.exists()


@pytest.mark.slow
def test_the_learner_finds_a_known_answer(push_clip: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    """PD targets that are off by a constant: the best action takes that back, and some seconds of PPO find out."""
    reference = retarget(push_clip.slice(0, 30))
    wrong = np.random.default_rng(0).choice([-0.2, 0.2], reference.targets.shape[1])
    ppo = PpoConfig(
        steps_per_env=8, batch_size=64, layers=(64, 64), learning_rate=3e-4, gamma=0.7, deviation=0.3
    )  # a short horizon, since the error shows at once
    config = TrainConfig(ppo=ppo, task=TaskConfig(num_envs=32, threads=1, start=StartConfig(min_frames=5)))
    spoiled = dataclasses.replace(reference, targets=reference.targets + wrong)
    env = TrackingVecEnv(TrackingTask(spoiled, config.task))
    model = build_model(env, config)
    rewards: list[float] = []
    actions: list[np.ndarray] = []
    wait = env.step_wait

    def record() -> Any:
        actions.append(env._pending.mean(0).numpy())
        result = wait()
        rewards.append(float(result[1].mean()))
        return result

    monkeypatch.setattr(env, "step_wait", record)
    model.learn(30_000)
    env.close()
    tenth = len(rewards) // 10
    assert np.mean(rewards[-tenth:]) > 1.15 * np.mean(rewards[:tenth])
    assert np.corrcoef(np.mean(actions[-tenth:], 0), -wrong)[0, 1] > 0.3


def test_what_planning_found_is_evaluated_even_when_it_spent_the_budget(
    tiny: Tiny, push_clip: Motion, tmp_path: Path
) -> None:
    plan = RefineConfig(iterations=1, samples=8, horizon=4, carried_out=4, knot=2)
    result = train(push_clip.slice(0, 20), tmp_path / "run", tiny(max_steps=64, refine=plan))
    assert result.history
    assert result.history[0].steps > 64
    run = RunFolder(tmp_path / "run")
    assert run.policy.exists()
    assert run.corrections.exists()
