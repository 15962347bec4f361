"""When an episode has failed. Small pure functions [N] bool."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from envs.observations import BodyState, hands_in_objects
from sim import rotations


@dataclass(frozen=True)
class TerminationConfig:
    """Limits beyond which an attempt counts as failed; a limit of 0 is off.

    Attributes:
        body_distance: m, mean distance of the bodies from the reference.
        object_distance: m, largest distance of an object from the reference.
        object_angle: rad, largest angle of an object from the reference.
        hand_slip: m, how far a hand that should touch may be from its place on the object.
        root_height: m, the pelvis below this.
    """

    body_distance: float = 0.3
    object_distance: float = 0.3
    object_angle: float = 0.8
    hand_slip: float = 0.0
    root_height: float = 0.0


def body_lost(state: BodyState, goal: BodyState, limit: float) -> torch.Tensor:
    """Mean distance of the bodies beyond the limit."""
    return (state.positions_w - goal.positions_w).norm(dim=-1).mean(-1) > limit


def object_lost(state: BodyState, goal: BodyState, limit: float) -> torch.Tensor:
    """Any object farther from its reference than the limit."""
    return ((state.object_positions_w - goal.object_positions_w).norm(dim=-1) > limit).any(-1)


def object_turned(state: BodyState, goal: BodyState, limit: float) -> torch.Tensor:
    """Any object turned farther from its reference than the limit."""
    return (rotations.angle_between(state.object_rotations_w, goal.object_rotations_w) > limit).any(-1)


def hand_slipped(
    state: BodyState, goal: BodyState, hands: torch.Tensor, required: torch.Tensor, limit: float
) -> torch.Tensor:
    """Any hand that should touch, farther than the limit from its place on every object. hands [H]; required [N, H]."""
    slip = (hands_in_objects(state, hands) - hands_in_objects(goal, hands)).norm(dim=-1)  # [N, O, H]
    return ((slip > limit).all(1) & (required > 0)).any(-1)


def fallen(state: BodyState, height: float) -> torch.Tensor:
    """Pelvis below a height."""
    return state.positions_w[:, 0, 2] < height


def failures(
    state: BodyState, goal: BodyState, config: TerminationConfig, hands: torch.Tensor, required: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Which limits are broken, by name; those that are off are left out. hands [H]: bodies; required [N, H]: 0 or 1."""
    broken: dict[str, torch.Tensor] = {}
    if config.body_distance > 0:
        broken["body_lost"] = body_lost(state, goal, config.body_distance)
    if config.object_distance > 0:
        broken["object_lost"] = object_lost(state, goal, config.object_distance)
    if config.object_angle > 0:
        broken["object_turned"] = object_turned(state, goal, config.object_angle)
    if config.hand_slip > 0 and state.object_positions_w.shape[1]:
        broken["hand_slipped"] = hand_slipped(state, goal, hands, required, config.hand_slip)
    if config.root_height > 0:
        broken["fallen"] = fallen(state, config.root_height)
    return broken
