"""When an episode has failed. Small pure functions [N] bool."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from envs.observations import BodyState


@dataclass(frozen=True)
class TerminationConfig:
    """Limits beyond which an attempt counts as failed; a limit of 0 is off.

    Attributes:
        body_distance: m, mean distance of the bodies from the reference.
        object_distance: m, largest distance of an object from the reference.
        root_height: m, the pelvis below this.
    """

    body_distance: float = 0.3
    object_distance: float = 0.3
    root_height: float = 0.0


def body_lost(state: BodyState, goal: BodyState, limit: float) -> torch.Tensor:
    """Mean distance of the bodies beyond the limit."""
    return (state.positions_w - goal.positions_w).norm(dim=-1).mean(-1) > limit


def object_lost(state: BodyState, goal: BodyState, limit: float) -> torch.Tensor:
    """Any object farther from its reference than the limit."""
    return ((state.object_positions_w - goal.object_positions_w).norm(dim=-1) > limit).any(-1)


def fallen(state: BodyState, height: float) -> torch.Tensor:
    """Pelvis below a height."""
    return state.positions_w[:, 0, 2] < height


def failures(state: BodyState, goal: BodyState, config: TerminationConfig) -> dict[str, torch.Tensor]:
    """Which limits are broken, by name; limits that are off are left out."""
    broken: dict[str, torch.Tensor] = {}
    if config.body_distance > 0:
        broken["body_lost"] = body_lost(state, goal, config.body_distance)
    if config.object_distance > 0:
        broken["object_lost"] = object_lost(state, goal, config.object_distance)
    if config.root_height > 0:
        broken["fallen"] = fallen(state, config.root_height)
    return broken
