"""What the policy sees: body, object and reference, all in the heading frame of the simulated pelvis.

Every function is batched over environments and pure. B bodies (pelvis first), O movable objects, A actuated angles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sim import rotations


@dataclass(frozen=True)
class BodyState:
    """The observed instant of N environments, world frame, SI units.

    Attributes:
        positions_w [N, B, 3], rotations_w [N, B, 4], velocities_w [N, B, 3], spins_w [N, B, 3]: bodies.
        angles [N, A] rad, speeds [N, A] rad/s: hinges.
        object_positions_w [N, O, 3], object_rotations_w [N, O, 4], object_velocities_w, object_spins_w [N, O, 3].
        forces_w [N, B, 3] N: what each body exerts on the objects.
    """

    positions_w: torch.Tensor
    rotations_w: torch.Tensor
    velocities_w: torch.Tensor
    spins_w: torch.Tensor
    angles: torch.Tensor
    speeds: torch.Tensor
    object_positions_w: torch.Tensor
    object_rotations_w: torch.Tensor
    object_velocities_w: torch.Tensor
    object_spins_w: torch.Tensor
    forces_w: torch.Tensor

    def __getitem__(self, index: torch.Tensor | slice) -> BodyState:
        """Some environments, or some frames of a reference."""
        return BodyState(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})


def proprioception(state: BodyState, heading: torch.Tensor) -> torch.Tensor:
    """Body seen from the pelvis: [N, 1 + 6 + 6 + 2 A + 3 (B - 1)].

    Height, pelvis rotation without heading (6D), pelvis velocity and spin, angles, speeds, body positions.
    """
    root = state.positions_w[:, :1]
    upright = rotations.multiply(rotations.inverse(heading), state.rotations_w[:, 0])
    return torch.cat(
        (
            root[:, 0, 2:],
            rotations.to_6d(upright),
            rotations.rotate_inverse(heading, state.velocities_w[:, 0]),
            0.2 * rotations.rotate_inverse(heading, state.spins_w[:, 0]),
            state.angles,
            0.1 * state.speeds,
            _in_heading(state.positions_w[:, 1:] - root, heading),
        ),
        -1,
    )


def objects(state: BodyState, heading: torch.Tensor) -> torch.Tensor:
    """Movable objects seen from the pelvis: position, 6D rotation, velocity, spin, [N, O * 15]."""
    frame = heading[:, None]
    parts = (
        rotations.rotate_inverse(frame, state.object_positions_w - state.positions_w[:, :1]),
        rotations.to_6d(rotations.multiply(rotations.inverse(frame), state.object_rotations_w)),
        rotations.rotate_inverse(frame, state.object_velocities_w),
        0.2 * rotations.rotate_inverse(frame, state.object_spins_w),
    )
    return torch.cat([part.flatten(1) for part in parts], -1)


def difference(state: BodyState, goal: BodyState, heading: torch.Tensor) -> torch.Tensor:
    """What separates the body and objects from a reference frame: [N, 3 B + 3 + A + O * 6]."""
    frame = heading[:, None]
    turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(state.rotations_w[:, 0]), goal.rotations_w[:, 0]))
    object_turn = rotations.to_rotvec(
        rotations.multiply(rotations.inverse(state.object_rotations_w), goal.object_rotations_w)
    )
    return torch.cat(
        (
            _in_heading(goal.positions_w - state.positions_w, heading),
            turn,
            goal.angles - state.angles,
            rotations.rotate_inverse(frame, goal.object_positions_w - state.object_positions_w).flatten(1),
            object_turn.flatten(1),
        ),
        -1,
    )


def contact(forces_w: torch.Tensor, hands: list[int], required: torch.Tensor) -> torch.Tensor:
    """Hands: squashed force on the objects and whether the next frame asks for contact, [N, 2 H]."""
    force = torch.tanh(forces_w[:, hands].norm(dim=-1) / 50.0)
    return torch.cat((force, required), -1)


def _in_heading(vectors_w: torch.Tensor, heading: torch.Tensor) -> torch.Tensor:
    return rotations.rotate_inverse(heading[:, None], vectors_w).flatten(1)
