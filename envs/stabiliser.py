"""Feedback on the PD targets, batched: virtual springs on pelvis and objects (see `sim.feedback`)."""

from __future__ import annotations

import torch

from envs.observations import BodyState
from sim import rotations
from sim.feedback import FeedbackConfig, FeedbackGains, feedback_gains
from sim.retarget import Reference
from sim.skeleton import JOINT_NAMES


class Stabiliser:
    """Turns the distance between state and goal into a change of PD targets.

    Args:
        reference: gives masses and the gains of every frame.
        hands: positions of the hand bodies among the simulated ones.
        config: springs.
    """

    def __init__(self, reference: Reference, hands: list[int], config: FeedbackConfig) -> None:
        names = tuple(JOINT_NAMES[reference.scene.joints[hand]] for hand in hands)
        gains: FeedbackGains = feedback_gains(reference.scene, reference.qpos, names)
        self.config, self.hands = config, hands
        self._pelvis = torch.as_tensor(gains.pelvis).float()
        self._hands = torch.as_tensor(gains.hands).float()
        self._body_mass = sum(geom.mass for geom in reference.scene.geoms)
        masses = [reference.scene.masses[name] for name in reference.scene.object_names]
        self._object_mass = torch.tensor(masses).reshape(1, -1, 1)

    def __call__(self, state: BodyState, goal: BodyState, frames: torch.Tensor, holding: torch.Tensor) -> torch.Tensor:
        """Change of the PD targets, rad.

        Args:
            state, goal: observed and reference, N environments.
            frames: [N] reference frame whose gains apply.
            holding: [N, H] 0/1, hands that should touch.

        Returns:
            [N, nu].
        """
        change = (self._pelvis.index_select(0, frames) @ self._wrench(state, goal)[..., None])[..., 0]
        if self.config.object_frequency and state.object_positions_w.shape[1]:
            force = holding[..., None] * self._pull(state, goal)[:, None]
            change = change + (self._hands.index_select(0, frames) @ force[..., None])[..., 0].sum(1)
        return change

    def _wrench(self, state: BodyState, goal: BodyState) -> torch.Tensor:
        """[N, 6] N (world) and N m (pelvis' frame) that would pull the pelvis back."""
        c, rotation = self.config, state.rotations_w[:, 0]
        turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(rotation), goal.rotations_w[:, 0]))
        spin = rotations.rotate_inverse(rotation, goal.spins_w[:, 0] - state.spins_w[:, 0])
        force = self._body_mass * self._spring(
            goal.positions_w[:, 0] - state.positions_w[:, 0],
            goal.velocities_w[:, 0] - state.velocities_w[:, 0],
            c.pelvis_frequency,
        )
        torque = c.inertia * self._spring(turn, spin, c.turn_frequency)
        return torch.cat((_limit(force, c.max_force), _limit(torque, c.max_torque)), -1)

    def _pull(self, state: BodyState, goal: BodyState) -> torch.Tensor:
        """[N, 3] N that would pull the objects back, summed over them."""
        offset = goal.object_positions_w - state.object_positions_w
        speed = goal.object_velocities_w - state.object_velocities_w
        force = (self._object_mass * self._spring(offset, speed, self.config.object_frequency)).sum(1)
        return _limit(force, self.config.max_hand_force)

    def _spring(self, offset: torch.Tensor, speed: torch.Tensor, frequency: float) -> torch.Tensor:
        """Acceleration of a damped oscillator."""
        return frequency**2 * offset + 2.0 * self.config.damping_ratio * frequency * speed


def _limit(vector: torch.Tensor, length: float) -> torch.Tensor:
    """Shorten vectors [N, 3] to at most a length."""
    return vector * (length / vector.norm(dim=-1, keepdim=True).clamp_min(length))
