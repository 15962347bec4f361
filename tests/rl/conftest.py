"""A training run of a few seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from envs.starts import StartConfig
from envs.tracking import TaskConfig
from rl.config import MasteryConfig, PpoConfig, TrainConfig
from rl.lqr import LqrConfig
from rl.refine import RefineConfig
from rl.runs import RunFolder
from rl.train import train
from sim.motion import Motion

TINY = TrainConfig(
    max_steps=512,
    evaluate_every=256,
    checkpoint_every=256,
    torch_threads=1,
    mastery=MasteryConfig(evaluations=0),
    refine=RefineConfig(iterations=0),
    lqr=LqrConfig(strengths=(1.0,), trials=2),
    ppo=PpoConfig(steps_per_env=16, batch_size=64, epochs=2, layers=(16,)),
    task=TaskConfig(num_envs=8, threads=1, start=StartConfig(first_share=0.3, failure_share=0.3, min_frames=5)),
)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., TrainConfig]:
    """tiny(**changes): 512 control steps in 8 environments, evaluated and saved every 256."""

    def make(**changes: Any) -> TrainConfig:
        return dataclasses.replace(TINY, **changes)

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, push_clip: Motion) -> RunFolder:
    """A finished run on `push_clip`; read it, don't write into it."""
    threads = torch.get_num_threads()
    folder: Path = tmp_path_factory.mktemp("runs") / "trained"
    train(push_clip, folder, TINY)
    torch.set_num_threads(threads)
    return RunFolder(folder)
