"""Checkpoints hold tensors and plain values, come back whole, and are refused in one line where they do not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from envs.tracking import TrackingTask, UnstableStep
from envs.vec import TrackingVecEnv
from rl import checkpoints
from rl.config import PpoConfig, TrainConfig
from rl.runs import RunFolder
from rl.train import build_model, build_policy
from sim.errors import RunError, TouchstoneError
from sim.retarget import Reference

Tiny = Callable[..., TrainConfig]


def learner(push: Reference, config: TrainConfig) -> tuple[PPO, TrackingVecEnv]:
    env = TrackingVecEnv(TrackingTask(push, config.task, seed=config.seed))
    return build_model(env, config), env


def test_a_policy_comes_back(push: Reference, tiny: Tiny, tmp_path: Path) -> None:
    task = TrackingTask(push, tiny().task)
    one, two = build_policy(task, tiny()), build_policy(task, tiny())
    one.features_extractor.mean += 3.0  # type: ignore[operator]
    checkpoints.save_policy(tmp_path / "p.pt", one)
    checkpoints.load_policy(tmp_path / "p.pt", two)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())
    task.close()


def test_a_training_checkpoint_puts_everything_back(push: Reference, tiny: Tiny, tmp_path: Path) -> None:
    """After some learning; then both go on alike."""
    one, env = learner(push, tiny())
    one.learn(256)
    checkpoints.save_training(tmp_path / "t.pt", one, env, [(1, 2.5)], (7.0, 2.0))
    two, other = learner(push, tiny(seed=5))
    assert checkpoints.load_training(tmp_path / "t.pt", two, other) == ([[1, 2.5]], (7.0, 2.0))
    assert two.num_timesteps == 256
    assert [e["r"] for e in two.ep_info_buffer] == [e["r"] for e in one.ep_info_buffer]  # type: ignore[union-attr]
    np.testing.assert_array_equal(other.task.frames, env.task.frames)
    np.testing.assert_array_equal(other.task._state, env.task._state)
    assert torch.equal(other.task.observed.positions_w, env.task.observed.positions_w)
    actions = np.full((env.num_envs, env.task.num_actions), 0.1, np.float32)
    for _ in range(30):  # through the ends of episodes and new starts
        a, b = env.step(actions), other.step(actions)
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    env.close(), other.close()


def test_it_is_read_without_unpickling_code(trained: RunFolder) -> None:
    value = torch.load(trained.checkpoint, weights_only=True)
    assert value["steps"] == 512
    assert set(torch.load(trained.policy, weights_only=True)) == {"policy"}


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_file_is_refused(
    damage: str, trained: RunFolder, push: Reference, tiny: Tiny, tmp_path: Path
) -> None:
    content = trained.policy.read_bytes()
    damaged = {"cut": content[: len(content) // 2], "empty": b"", "text": b"not a checkpoint"}[damage]
    (tmp_path / "p.pt").write_bytes(damaged)
    task = TrackingTask(push, tiny().task)
    with pytest.raises(RunError, match=r"p.pt: damaged checkpoint") as caught:
        checkpoints.load_policy(tmp_path / "p.pt", build_policy(task, tiny()))
    assert "\n" not in str(caught.value)
    task.close()


def test_a_missing_file_is_refused(push: Reference, tiny: Tiny, tmp_path: Path) -> None:
    task = TrackingTask(push, tiny().task)
    with pytest.raises(RunError, match="no such checkpoint"):
        checkpoints.load_policy(tmp_path / "p.pt", build_policy(task, tiny()))
    task.close()


def test_another_network_is_refused(trained: RunFolder, push: Reference, tiny: Tiny) -> None:
    other = tiny(ppo=dataclasses.replace(tiny().ppo, layers=(8,)))
    model, env = learner(push, other)
    for load in (checkpoints.load_training, lambda path, m, _: checkpoints.load_policy(path, m.policy)):
        with pytest.raises(RunError, match="another network than the run's configuration says") as caught:
            load(trained.checkpoint, model, env)
        assert "\n" not in str(caught.value)
    env.close()


def test_a_checkpoint_of_another_version_is_refused(
    trained: RunFolder, push: Reference, tiny: Tiny, tmp_path: Path
) -> None:
    value = torch.load(trained.checkpoint, weights_only=True)
    del value["failure_rate"]
    torch.save(value, tmp_path / "t.pt")
    model, env = learner(push, tiny())
    with pytest.raises(RunError, match="another version"):
        checkpoints.load_training(tmp_path / "t.pt", model, env)
    env.close()


def test_a_full_disk_leaves_the_old_checkpoint(
    push: Reference, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch raises RuntimeError when its writer fails."""
    task = TrackingTask(push, tiny().task)
    policy = build_policy(task, tiny())
    path = tmp_path / "p.pt"
    checkpoints.save_policy(path, policy)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0: ...")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TouchstoneError, match="cannot write") as caught:
        checkpoints.save_policy(path, policy)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.pt"]
    task.close()


def test_unstable_steps_can_be_replayed(push: Reference, tmp_path: Path) -> None:
    """The file alone is enough to make physics fail again."""
    state = push.states[3].copy()
    state[9] = np.nan
    checkpoints.save_unstable(tmp_path / "unstable.npz", [UnstableStep(state, push.targets[4], 4)])
    with np.load(tmp_path / "unstable.npz", allow_pickle=False) as file:
        assert file["frame"].tolist() == [4]
        np.testing.assert_array_equal(file["state"][0], state)
        from sim.batch import CpuBatchSim

        sim = CpuBatchSim(push.scene.model, substeps=4, threads=1)
        assert sim.step(file["state"], file["control"]).failed.tolist() == [True]
        sim.close()


def test_settings_of_the_learner_reach_it(push: Reference, tiny: Tiny) -> None:
    config = tiny(ppo=PpoConfig(steps_per_env=16, batch_size=32, layers=(5, 4), gamma=0.9, learning_rate=1e-5))
    model, env = learner(push, config)
    assert (model.n_steps, model.batch_size, model.gamma) == (16, 32, 0.9)
    assert model.policy.optimizer.param_groups[0]["lr"] == 1e-5
    assert [m.out_features for m in model.policy.mlp_extractor.policy_net if hasattr(m, "out_features")] == [5, 4]
    env.close()
