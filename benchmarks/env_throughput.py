"""Throughput of the environment against bare `mujoco.rollout` on the same model, states, batch and threads.

    python -m benchmarks.env_throughput

Takes turns, so that a machine whose speed drifts slows both alike. Uses `sub8_largebox_000` from the folder that
TOUCHSTONE_DATA names (default ../shared/data), or the authored clip where that is missing.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from envs.tracking import TaskConfig, TrackingTask
from generate.authored import author_box_push
from sim.formats import import_motion
from sim.motion import Motion
from sim.objects import load_geometry
from sim.retarget import retarget


@dataclass(frozen=True)
class Command:
    """Settings of the benchmark."""

    num_envs: int = 128
    rounds: int = 10
    steps: int = 24

    def run(self) -> None:
        """Print both rates and their ratio, median over the rounds."""
        task = TrackingTask(retarget(_clip()), TaskConfig(num_envs=self.num_envs))
        task.reset()
        draw = torch.Generator().manual_seed(0)
        rates = []
        for _ in range(self.rounds):
            actions = 0.1 * torch.randn(self.steps, self.num_envs, task.num_actions, generator=draw)
            began = time.perf_counter()
            for action in actions:
                task.step(action)
            whole = time.perf_counter() - began
            states, controls = task.memory()[0], task.reference.targets[task.frames]
            began = time.perf_counter()
            for _ in range(self.steps):
                states = task.sim.step(states, controls).state.copy()
            bare = time.perf_counter() - began
            rates.append((self.num_envs * self.steps / whole, self.num_envs * self.steps / bare, bare / whole))
        env, rollout, share = np.median(rates, 0)
        print(f"environment {env:.0f} steps/s, bare rollout {rollout:.0f} steps/s, share {share:.2f}")
        task.close()


def _clip() -> Motion:
    data = Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))
    if not data.is_dir():
        return author_box_push()
    geometry = load_geometry(data / "objects" / "largebox.obj")
    return import_motion(data / "motions" / "omomo" / "sub8_largebox_000.pt", geometry=geometry, object_name="box")


if __name__ == "__main__":
    tyro.cli(Command).run()
