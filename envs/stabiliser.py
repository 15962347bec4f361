"""Feedback on the PD targets, batched: virtual springs on pelvis and objects (see `sim.feedback`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from envs.observations import BodyState
from sim import rotations
from sim.feedback import FeedbackConfig, FeedbackGains, feedback_gains
from sim.retarget import Reference
from sim.skeleton import JOINT_NAMES


class Stabiliser:
    """Turns the distance between state and goal into a change of PD targets.

    Args:
        references: give masses and the gains of every frame, counted through the clips.
        hands: positions of the hand bodies among the simulated ones.
        config: springs.
    """

    def __init__(self, references: Sequence[Reference], hands: list[int], config: FeedbackConfig) -> None:
        names = tuple(JOINT_NAMES[references[0].scene.joints[hand]] for hand in hands)
        gains: list[FeedbackGains] = [feedback_gains(r.scene, r.qpos, names) for r in references]
        self.config, self.hands = config, hands
        self._pelvis = torch.as_tensor(np.concatenate([g.pelvis for g in gains])).float()
        self._hands = torch.as_tensor(np.concatenate([g.hands for g in gains])).float()
        lengths = torch.tensor([len(r.qpos) for r in references])
        bodies = [[sum(geom.mass for geom in r.scene.geoms)] for r in references]
        objects = [[r.scene.masses[name] for name in r.scene.object_names] for r in references]
        self._body_mass = torch.tensor(bodies).repeat_interleave(lengths, 0)
        self._object_mass = torch.tensor(objects).reshape(len(references), -1, 1).repeat_interleave(lengths, 0)

    def __call__(self, state: BodyState, goal: BodyState, frames: torch.Tensor, holding: torch.Tensor) -> torch.Tensor:
        """Change of the PD targets, rad.

        Args:
            state, goal: observed and reference, N environments.
            frames: [N] reference frame whose gains apply.
            holding: [N, H] 0/1, hands that should touch.

        Returns:
            [N, nu].
        """
        change = (self._pelvis.index_select(0, frames) @ self._wrench(state, goal, frames)[..., None])[..., 0]
        if self.config.object_frequency and state.object_positions_w.shape[1]:
            force = holding[..., None] * self._pull(state, goal, frames)[:, None]
            change = change + (self._hands.index_select(0, frames) @ force[..., None])[..., 0].sum(1)
        return change

    def _wrench(self, state: BodyState, goal: BodyState, frames: torch.Tensor) -> torch.Tensor:
        """[N, 6] N (world) and N m (pelvis' frame) that would pull the pelvis back."""
        c, rotation = self.config, state.rotations_w[:, 0]
        turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(rotation), goal.rotations_w[:, 0]))
        spin = rotations.rotate_inverse(rotation, goal.spins_w[:, 0] - state.spins_w[:, 0])
        force = self._body_mass.index_select(0, frames) * self._spring(
            goal.positions_w[:, 0] - state.positions_w[:, 0],
            goal.velocities_w[:, 0] - state.velocities_w[:, 0],
            c.pelvis_frequency,
        )
        torque = c.inertia * self._spring(turn, spin, c.turn_frequency)
        return torch.cat((_limit(force, c.max_force), _limit(torque, c.max_torque)), -1)

    def _pull(self, state: BodyState, goal: BodyState, frames: torch.Tensor) -> torch.Tensor:
        """[N, 3] N that would pull the objects back, summed over them."""
        offset = goal.object_positions_w - state.object_positions_w
        speed = goal.object_velocities_w - state.object_velocities_w
        force = (
            self._object_mass.index_select(0, frames) * self._spring(offset, speed, self.config.object_frequency)
        ).sum(1)
        return _limit(force, self.config.max_hand_force)

    def _spring(self, offset: torch.Tensor, speed: torch.Tensor, frequency: float) -> torch.Tensor:
        """Acceleration of a damped oscillator."""
        return frequency**2 * offset + 2.0 * self.config.damping_ratio * frequency * speed


def _limit(vector: torch.Tensor, length: float) -> torch.Tensor:
    """Shorten vectors [N, 3] to at most a length."""
    return vector * (length / vector.norm(dim=-1, keepdim=True).clamp_min(length))
