"""Control steps until a clip is first carried through from frame 0, and how well it is tracked then.

    python -m benchmarks.samples_to_success                           # sub8_largebox_000, three seeds
    python -m benchmarks.samples_to_success --clip sub2_largetable_003 --object-mass 0.5 --hand-friction 2 \\
        --samples 256 --iterations 4 --horizon 24 --seeds 0 --max-steps 1500000

Recorded clips are read from the folder that TOUCHSTONE_DATA names (default ../shared/data).
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.refine import RefineConfig
from rl.train import train
from sim.contacts import extract_contacts
from sim.formats import import_motion
from sim.humanoid import HumanoidConfig
from sim.objects import load_geometry
from sim.scene import SceneConfig


@dataclass(frozen=True)
class Command:
    """Settings of the benchmark."""

    clip: str = "sub8_largebox_000"
    seeds: tuple[int, ...] = (0, 1, 2)
    max_steps: int = 500_000
    samples: int = RefineConfig.samples
    iterations: int = RefineConfig.iterations
    horizon: int = RefineConfig.horizon
    object_mass: float | None = None
    hand_friction: float = HumanoidConfig.hand_friction

    def run(self) -> None:
        """Train each seed and print a row."""
        data = Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))
        name = self.clip.split("_")[1]
        geometry = load_geometry(data / "objects" / f"{name}.obj")
        motion = import_motion(data / "motions" / "omomo" / f"{self.clip}.pt", geometry=geometry, object_name=name)
        motion = motion.replace(contacts=extract_contacts(motion))
        scene = SceneConfig(object_mass=self.object_mass, humanoid=HumanoidConfig(hand_friction=self.hand_friction))
        plan = RefineConfig(samples=self.samples, iterations=self.iterations, horizon=self.horizon)
        print("seed  first carried  completion  perturbed  MPJPE  root-rel.  object  jerk  seconds  verdict")
        rows = []
        for seed in self.seeds:
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                config = TrainConfig(max_steps=self.max_steps, seed=seed, scene=scene, refine=plan)
                result = train(motion, Path(folder) / "run", config)
                evaluation = evaluate_run(Path(folder) / "run")
            value = {name: figure["value"] for name, figure in evaluation.figures.items()}
            first = result.first_completion_steps
            rows.append([first or np.nan, value["mpjpe"], value["object_position_error"]])
            print(
                f"{seed:4}  {first or '-':>13}  {value['completion']:10.2f}  {value['completion_perturbed']:9.2f}  "
                f"{value['mpjpe']:5.1f}  {value['mpjpe_root_relative']:9.1f}  {value['object_position_error']:6.1f}  "
                f"{value['jerk']:4.0f}  {time.perf_counter() - began:7.0f}  {evaluation.verdict.label}",
                flush=True,
            )
        mean, spread = np.mean(rows, 0), np.std(rows, 0)
        print(f"mean of {len(rows)}: {mean[0]:.0f} steps, MPJPE {mean[1]:.1f} +- {spread[1]:.1f} mm, ", end="")
        print(f"object {mean[2]:.1f} +- {spread[2]:.1f} mm")


if __name__ == "__main__":
    tyro.cli(Command).run()
