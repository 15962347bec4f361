"""A trajectory that physics has shown, and the linear feedback that leads back to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sim import rotations


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What to come back to, and how: u = u* - clip(K (x - x*)), with x - x* as `state_difference` has it.

    Attributes:
        states: [T, S] full physics states (time, qpos, qvel) at the reference's frames.
        gains: [T, nu, 2 nv] change of the PD targets, rad, per difference of the state.
        limit: rad, the largest change of a PD target.
    """

    states: np.ndarray
    gains: np.ndarray
    limit: float


def state_difference(states: torch.Tensor, others: torch.Tensor, num_hinges: int) -> torch.Tensor:
    """States minus others in tangent space: metres and radians, then their rates; MuJoCo's order of the velocities.

    Args:
        states, others: [..., 1 + nq + nv], of a floating body with hinges followed by floating objects.
        num_hinges: the body's hinges.

    Returns:
        [..., 2 nv]; turns are rotation vectors in the others' own frames, as `mujoco.mj_differentiatePos` gives them.
    """
    floats = (states.shape[-1] - 1 - 2 * num_hinges) // 13  # 7 in qpos and 6 in qvel each
    first_velocity = 1 + 7 * floats + num_hinges
    parts = [_pose_difference(states[..., 1:8], others[..., 1:8])]
    parts.append(states[..., 8 : 8 + num_hinges] - others[..., 8 : 8 + num_hinges])
    for o in range(floats - 1):
        pose = slice(8 + num_hinges + 7 * o, 15 + num_hinges + 7 * o)
        parts.append(_pose_difference(states[..., pose], others[..., pose]))
    parts.append(states[..., first_velocity:] - others[..., first_velocity:])
    return torch.cat(parts, -1)


def state_sum(states: torch.Tensor, steps: torch.Tensor, num_hinges: int) -> torch.Tensor:
    """The states that lie a step [..., 2 nv] from states [..., 1 + nq + nv]: `state_difference` gives the step back."""
    floats = (states.shape[-1] - 1 - 2 * num_hinges) // 13
    parts = [states[..., :1], _pose_sum(states[..., 1:8], steps[..., :6])]
    parts.append(states[..., 8 : 8 + num_hinges] + steps[..., 6 : 6 + num_hinges])
    for o in range(floats - 1):
        pose = slice(8 + num_hinges + 7 * o, 15 + num_hinges + 7 * o)
        parts.append(_pose_sum(states[..., pose], steps[..., 6 + num_hinges + 6 * o : 12 + num_hinges + 6 * o]))
    parts.append(states[..., 1 + 7 * floats + num_hinges :] + steps[..., 6 * floats + num_hinges :])
    return torch.cat(parts, -1)


def _pose_sum(pose: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """[..., 7] and [..., 6] -> [..., 7]."""
    turned = rotations.multiply(pose[..., 3:], rotations.from_rotvec(step[..., 3:]))
    return torch.cat((pose[..., :3] + step[..., :3], turned), -1)


def _pose_difference(pose: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """[..., 7] position and quaternion -> [..., 6]."""
    turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(other[..., 3:]), pose[..., 3:]))
    return torch.cat((pose[..., :3] - other[..., :3], turn), -1)
