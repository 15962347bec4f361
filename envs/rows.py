"""What is observed of an instant, as one row of numbers an environment: gathered, kept and replaced at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from envs.observations import BodyState
from sim.batch import StepResult
from sim.motion import Motion
from sim.scene import Scene


class RowLayout:
    """Where a scene's sensor data, hinge angles and hinge speeds stand in a row of W numbers."""

    def __init__(self, scene: Scene) -> None:
        nu, first_speed = scene.model.nu, 1 + scene.model.nq + 6
        self._bodies, self._objects = len(scene.joints), len(scene.object_names)
        frames = (*scene.body_frames.values(), *scene.object_frames.values())
        self._widths = [s.stop - s.start for s in (*frames, scene.contact_force)] + [nu, nu]
        self._angles, self._speeds = slice(8, 8 + nu), slice(first_speed, first_speed + nu)

    def record(self, result: StepResult) -> torch.Tensor:
        """The observed instant of N environments, float32 [N, W]."""
        state = result.observed_state
        parts = (result.sensors, state[:, self._angles], state[:, self._speeds])
        return torch.as_tensor(np.concatenate(parts, 1, dtype=np.float32))

    def split(self, rows: torch.Tensor) -> BodyState:
        """Views into rows [..., W] by name."""
        lead, bodies, objects = rows.shape[:-1], self._bodies, self._objects
        p, q, v, s, op, oq, ov, os, forces, angles, speeds = rows.split_with_sizes(self._widths, -1)
        forces = forces.view(*lead, -1, bodies, 3)
        return BodyState(
            p.view(*lead, bodies, 3), q.view(*lead, bodies, 4), v.view(*lead, bodies, 3), s.view(*lead, bodies, 3),
            angles, speeds,
            op.view(*lead, objects, 3), oq.view(*lead, objects, 4),
            ov.view(*lead, objects, 3), os.view(*lead, objects, 3),
            forces.squeeze(-3) if forces.shape[-3] == 1 else forces.sum(-3),
        )  # fmt: skip

    def turns_of_balls(self, motions: Sequence[Motion]) -> torch.Tensor:
        """Where rows of C motions hold what nobody sees of a ball, its rotation and spin: bool [C, W]."""
        balls = torch.tensor(
            [[item.is_ball for item in m.objects if not item.is_static] for m in motions], dtype=torch.bool
        )
        where = torch.zeros(len(motions), sum(self._widths), dtype=torch.bool)
        state = self.split(where)
        for values in (state.object_rotations_w, state.object_spins_w):
            values |= balls.view(len(motions), self._objects, 1)
        return where
