"""MJX beside `mujoco.rollout` on the authored pushing clip: compilation, throughput, and how far results part.

    python -m benchmarks.mjx_parity
    python -m benchmarks.mjx_parity --object ball --precision double --num-envs 2 --steps 4

Seconds are of the wall clock and, in brackets, of the process on all its threads, which a busy machine does not spoil.

The humanoid starts half a millimetre deep in the floor. A reference puts its soles exactly upon it, where rounding
decides (by 1e-16 m) whether a foot touches in the first simulation step; that alone parts the two by 0.03 rad.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import tyro

from generate.authored import author_box_push
from sim.batch import BatchSim, CpuBatchSim, StepResult
from sim.batch.mjx import MjxBatchSim
from sim.geometry import Primitive
from sim.retarget import CONTROL_HZ, retarget
from sim.scene import Scene

ROOT_Z, DEPTH = 3, 5e-4
"""Column of a state, m; m."""


@dataclasses.dataclass(frozen=True)
class Command:
    """Settings of the benchmark."""

    num_envs: int = 16
    steps: int = 10
    precision: Literal["single", "double"] = "single"
    object: Literal["box", "ball"] = "box"
    """What the clip pushes: its box, or a ball of 15 cm radius, whose contacts MJX finds as MuJoCo does."""

    def run(self) -> None:
        """Print the size of the problem, times, and the largest differences after 1, 2, ... control steps."""
        motion = author_box_push().slice(60, 100)
        if self.object == "ball":
            ball = dataclasses.replace(motion.objects[0], geometry=Primitive("sphere", (0.15,)))
            motion = dataclasses.replace(motion, objects=(ball,))
        reference = retarget(motion)
        scene = reference.scene
        substeps = round(1.0 / (CONTROL_HZ * scene.model.opt.timestep))
        cpu = CpuBatchSim(scene.model, substeps=substeps, threads=1)
        mjx = MjxBatchSim(scene.model, substeps=substeps, width=self.num_envs, precision=self.precision)
        frames = np.linspace(0, len(reference.states) - 1, self.num_envs).astype(int)
        state, control = reference.states[frames], reference.targets[frames]
        state[:, ROOT_Z] -= DEPTH
        _timed("mjx: first call, with compilation", lambda: mjx.step(state, control))
        count = self.num_envs * self.steps
        for name, sim in (("mjx", mjx), ("cpu, one thread", cpu)):
            seconds = _timed(f"{name}: {self.steps} control steps", partial(_repeat, sim, state, control, self.steps))
            print(f"  {count / seconds:.0f} control steps/s")
        ours, theirs = state, state
        for step in range(self.steps):
            a, b = mjx.step(ours, control), cpu.step(theirs, control)
            print(f"step {step + 1}: {_difference(a, b, scene)}")
            ours, theirs = a.state.copy(), b.state.copy()
        cpu.close()


def _difference(ours: StepResult, theirs: StepResult, scene: Scene) -> str:
    """Largest differences over the batch, in words."""
    nu, force, place = scene.model.nu, scene.contact_force, scene.object_frames["framepos"]
    state, sensors = np.abs(ours.state - theirs.state), np.abs(ours.sensors - theirs.sensors)
    return (
        f"root {1e3 * state[:, 1:4].max():.4f} mm, angles {state[:, 8 : 8 + nu].max():.2e} rad, "
        f"object {1e3 * sensors[:, place].max():.4f} mm, force {sensors[:, force].max():.3g} N "
        f"of {np.abs(theirs.sensors[:, force]).max():.0f} N, failed {ours.failed.sum()} and {theirs.failed.sum()}"
    )


def _repeat(sim: BatchSim, state: np.ndarray, control: np.ndarray, steps: int) -> None:
    for _ in range(steps):
        state = sim.step(state, control).state.copy()


def _timed(name: str, call: Callable[[], object]) -> float:
    wall, process = time.perf_counter(), time.process_time()
    call()
    wall, process = time.perf_counter() - wall, time.process_time() - process
    print(f"{name}: {wall:.2f} s ({process:.2f} s)", flush=True)
    return wall


if __name__ == "__main__":
    tyro.cli(Command).run()
