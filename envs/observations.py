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


@dataclass(frozen=True)
class Waypoints:
    """What a policy is told of L reference frames ahead, world frame.

    Attributes:
        places_w [..., L, B + O, 3]: bodies, then objects; turns_w [..., L, 1 + O, 4]: pelvis, then objects.
        angles [..., L, A] rad: hinges.
    """

    places_w: torch.Tensor
    turns_w: torch.Tensor
    angles: torch.Tensor

    @classmethod
    def of(cls, goals: BodyState) -> Waypoints:
        """From reference states [..., L, ...]."""
        return cls(_places(goals), _turns(goals), goals.angles.contiguous())

    def at(self, frames: torch.Tensor) -> Waypoints:
        """Those of frames [N]."""
        return Waypoints(*(x.index_select(0, frames) for x in (self.places_w, self.turns_w, self.angles)))


def heading_frame(state: BodyState) -> torch.Tensor:
    """The pelvis' heading, a turn about z, as matrices that carry heading-frame vectors to the world: [N, 3, 3]."""
    frame: torch.Tensor = rotations.to_matrix(rotations.heading(state.rotations_w[:, 0]))
    return frame


def proprioception(state: BodyState, heading: torch.Tensor) -> torch.Tensor:
    """Body seen from the pelvis: [N, 1 + 6 + 6 + 2 A + 3 (B - 1)].

    Height, pelvis rotation without heading (6D), pelvis velocity and spin, angles, speeds, body positions.
    """
    root = state.positions_w[:, :1]
    vectors = (
        _columns(state.rotations_w[:, :1]).flatten(1, 2),
        state.velocities_w[:, :1],
        0.2 * state.spins_w[:, :1],
        state.positions_w[:, 1:] - root,
    )
    seen = _in_frame(torch.cat(vectors, 1), heading).flatten(1)
    pelvis, bodies = seen[:, :12], seen[:, 12:]
    return torch.cat((root[:, 0, 2:], pelvis, state.angles, 0.1 * state.speeds, bodies), -1)


def objects(state: BodyState, heading: torch.Tensor) -> torch.Tensor:
    """Movable objects seen from the pelvis: position, 6D rotation, velocity, spin, [N, O * 15]."""
    position = state.object_positions_w - state.positions_w[:, :1]
    axes = _columns(state.object_rotations_w).unbind(-2)
    vectors = (position, *axes, state.object_velocities_w, 0.2 * state.object_spins_w)
    seen = _in_frame(torch.cat(vectors, 1), heading).chunk(len(vectors), 1)
    columns = torch.stack(seen[1:3], -2)
    return torch.cat([part.flatten(1) for part in (seen[0], columns, *seen[3:])], -1)


def difference(state: BodyState, ahead: Waypoints, heading: torch.Tensor) -> torch.Tensor:
    """What separates body and objects from L reference frames: [N, L * (3 B + 3 + A + O * 6)].

    Of each frame: shift of the bodies, turn of the pelvis, angles, shift of the objects, turn of the objects.
    """
    shift = ahead.places_w - _places(state)[:, None]
    shift = _in_frame(shift.flatten(1, 2), heading).view_as(shift)
    turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(_turns(state))[:, None], ahead.turns_w))
    bodies = state.positions_w.shape[-2]
    parts = (
        shift[:, :, :bodies].flatten(2),
        turn[:, :, 0],
        ahead.angles - state.angles[:, None],
        shift[:, :, bodies:].flatten(2),
        turn[:, :, 1:].flatten(2),
    )
    return torch.cat(parts, -1).flatten(1)


def contact(forces_w: torch.Tensor, hands: torch.Tensor, required: torch.Tensor) -> torch.Tensor:
    """Hands: squashed force on the objects and whether the next frame asks for contact, [N, 2 H].

    hands: [H, B] 0 or 1, the bodies of each hand; what they exert adds up, though a grip's forces are opposed.
    """
    force = torch.tanh(forces_w.norm(dim=-1) @ hands.T / 50.0)
    return torch.cat((force, required), -1)


def _in_frame(vectors_w: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
    """World vectors [..., K, 3] as seen in frames [..., 3, 3]."""
    return vectors_w @ frame


def _columns(rotation: torch.Tensor) -> torch.Tensor:
    """First two axes of rotations [..., 4], whose coordinates are the 6D representation: [..., 2, 3]."""
    return rotations.to_6d(rotation).unflatten(-1, (2, 3))


def _places(state: BodyState) -> torch.Tensor:
    """Bodies, then objects: [..., B + O, 3]."""
    return torch.cat((state.positions_w, state.object_positions_w), -2)


def _turns(state: BodyState) -> torch.Tensor:
    """Pelvis, then objects: [..., 1 + O, 4]."""
    return torch.cat((state.rotations_w[..., :1, :], state.object_rotations_w), -2)


def hands_in_objects(state: BodyState, hands: torch.Tensor) -> torch.Tensor:
    """Where the hands [H] are in the objects' frames: [N, O, H, 3] m."""
    offset = state.positions_w.index_select(1, hands)[:, None] - state.object_positions_w[:, :, None]
    return rotations.rotate_inverse(state.object_rotations_w[:, :, None], offset)
