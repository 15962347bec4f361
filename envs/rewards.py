"""The reward: tracking (weighted error terms of body and object, added up or multiplied) and interaction.

Each term is a small pure function [N] of state and goal that measures a squared error in SI units; `kernel` turns it
into [0, 1]. The additive reward is sum_i w_i exp(-s_i E_i) / sum_i w_i; the product is the seed's tracking reward
R_tr = exp(-(E_p + E_v)) (section 4) with E_p + E_v = sum_i w_i s_i E_i over the position and velocity terms.

To it come, as the setting says, the interaction rewards R_lr and R_cr of `envs.interaction`, see `imitation_reward`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from envs.interaction import InteractionGraph, contact_reward, label_reward
from envs.observations import BodyState, hands_in_objects
from sim import rotations
from sim.contacts import Anchor
from sim.errors import SimulationError

Setting = Literal["TR", "TR+LR", "TR+LR+CR"]
"""The seed's three rewards: tracking alone, with the KP label reward, and with the KP contact reward too."""


@dataclass(frozen=True)
class Term:
    """Weight of a term (0 switches it off) and the scale of its error in the exponent."""

    weight: float
    scale: float


@dataclass(frozen=True)
class RewardConfig:
    """The reward.

    Attributes:
        setting: which of the seed's rewards are added up.
        label_weight: of the KP label reward R_lr against a tracking reward of weight 1.
        contact_weight: of the KP contact reward R_cr; lambda_c of eq. 6 is contact_weight / contact_reach^2.
        contact_anchor: what is drawn to the annotated object points: `surface` (the keypoint on the skin) or `joint`
            (the seed's choice: the centre of its joint, which never gets there).
        contact_reach: m; pairs farther apart than this count as this far apart.
        mode: of the tracking reward, `additive` or `product` (the seed's R_tr).
        body_position: m^2; body_rotation: rad^2; body_velocity: (m/s)^2; body_spin: (rad/s)^2; means over bodies.
        object_position: m^2; object_rotation: rad^2; object_velocity: (m/s)^2; object_spin: (rad/s)^2.
        hand_object: m^2, hands' positions in the object's frame.
        action_rate: mean squared change of the action.
    """

    setting: Setting = "TR+LR+CR"
    label_weight: float = 0.1
    contact_weight: float = 0.2
    contact_anchor: Anchor = "surface"
    contact_reach: float = 0.2
    mode: Literal["additive", "product"] = "additive"
    body_position: Term = field(default_factory=lambda: Term(0.3, 60.0))
    body_rotation: Term = field(default_factory=lambda: Term(0.1, 3.0))
    body_velocity: Term = field(default_factory=lambda: Term(0.1, 1.0))
    body_spin: Term = field(default_factory=lambda: Term(0.0, 0.05))
    object_position: Term = field(default_factory=lambda: Term(0.4, 100.0))
    object_rotation: Term = field(default_factory=lambda: Term(0.1, 3.0))
    object_velocity: Term = field(default_factory=lambda: Term(0.0, 1.0))
    object_spin: Term = field(default_factory=lambda: Term(0.0, 0.05))
    hand_object: Term = field(default_factory=lambda: Term(0.2, 60.0))
    action_rate: Term = field(default_factory=lambda: Term(0.0, 1.0))


def body_position(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared distance of the bodies, m^2: [N]."""
    return _mean_square(state.positions_w - goal.positions_w)


def body_rotation(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared geodesic angle of the bodies, rad^2: [N]."""
    return rotations.angle_between(state.rotations_w, goal.rotations_w).square().mean(-1)


def body_velocity(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared difference of velocities, (m/s)^2: [N]."""
    return _mean_square(state.velocities_w - goal.velocities_w)


def body_spin(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared difference of angular velocities, (rad/s)^2: [N]."""
    return _mean_square(state.spins_w - goal.spins_w)


def object_position(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared distance of the objects, m^2: [N]."""
    return _mean_square(state.object_positions_w - goal.object_positions_w)


def object_rotation(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared geodesic angle of the objects, rad^2: [N]."""
    return rotations.angle_between(state.object_rotations_w, goal.object_rotations_w).square().mean(-1)


def object_velocity(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared difference of object velocities, (m/s)^2: [N]."""
    return _mean_square(state.object_velocities_w - goal.object_velocities_w)


def object_spin(state: BodyState, goal: BodyState) -> torch.Tensor:
    """Mean squared difference of object angular velocities, (rad/s)^2: [N]."""
    return _mean_square(state.object_spins_w - goal.object_spins_w)


def hand_object(state: BodyState, goal: BodyState, hands: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the hands' positions in the objects' frames, m^2: [N]."""
    return _mean_square((hands_in_objects(state, hands) - hands_in_objects(goal, hands)).flatten(1, 2))


def _mean_square(vectors: torch.Tensor) -> torch.Tensor:
    """Mean squared length of K vectors [N, K, 3]: [N]."""
    return vectors.flatten(1).square().sum(-1) / vectors.shape[1]


_PLAIN: dict[str, Callable[[BodyState, BodyState], torch.Tensor]] = {
    "body_position": body_position,
    "body_rotation": body_rotation,
    "body_velocity": body_velocity,
    "body_spin": body_spin,
    "object_position": object_position,
    "object_rotation": object_rotation,
    "object_velocity": object_velocity,
    "object_spin": object_spin,
}
TERMS: tuple[str, ...] = (*_PLAIN, "hand_object", "action_rate")
"""Of the tracking reward."""


def imitation_reward(
    state: BodyState,
    goal: BodyState,
    config: RewardConfig,
    *,
    hands: torch.Tensor,
    action_change: torch.Tensor,
    graph: InteractionGraph,
    touch_force: float,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The reward in [0, 1] and what it is made of, by name, for logging.

    It is (R_tr + w_l (1 + R_lr) + w_c (1 + R_cr)) / (1 + w_l + w_c), without the parts that the setting leaves out:
    the seed's sum, shifted and scaled. With R_lr and R_cr in [-1, 0] the plain sum can be negative, and then a policy
    learns to fail early.

    Args:
        state, goal: observed and reference, N environments.
        config: setting, weights and scales.
        hands, action_change: see `tracking_reward`.
        graph: the contacts of the N frames that `goal` is of.
        touch_force: N, from which on a body counts as touching.
    """
    reward, terms = tracking_reward(state, goal, config, hands=hands, action_change=action_change)
    total = 1.0
    if config.setting != "TR":
        terms["kp_label"] = label_reward(state.forces_w, graph.labels, touch_force)
        reward, total = reward + config.label_weight * (1.0 + terms["kp_label"]), total + config.label_weight
    if config.setting == "TR+LR+CR":
        terms["kp_contact"] = contact_reward(state, graph, config.contact_reach)
        reward, total = reward + config.contact_weight * (1.0 + terms["kp_contact"]), total + config.contact_weight
    return reward / total, terms


def tracking_reward(
    state: BodyState,
    goal: BodyState,
    config: RewardConfig,
    *,
    hands: torch.Tensor,
    action_change: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The tracking reward in [0, 1] and each active term's kernel exp(-s E), by name, for logging.

    Args:
        state, goal: observed and reference, N environments.
        config: weights and scales.
        hands: [H] indices of the hand bodies.
        action_change: [N, A] difference to the action before.
    """
    has_objects = state.object_positions_w.shape[1] > 0
    errors: dict[str, torch.Tensor] = {}
    for name in TERMS:
        if getattr(config, name).weight == 0.0 or (not has_objects and "object" in name):
            continue
        if name == "hand_object":
            errors[name] = hand_object(state, goal, hands)
        elif name == "action_rate":
            errors[name] = action_change.square().mean(-1)
        else:
            errors[name] = _PLAIN[name](state, goal)
    if not errors:
        raise SimulationError("the reward has no term: give one of them a weight (without objects, one of the body's)")
    scales = torch.tensor([getattr(config, name).scale for name in errors])
    weights = torch.tensor([getattr(config, name).weight for name in errors])
    kernels = torch.exp(-scales[:, None] * torch.stack(list(errors.values())))
    return combine(kernels, weights, config.mode), dict(zip(errors, kernels, strict=True))


def combine(kernels: torch.Tensor, weights: torch.Tensor, mode: str) -> torch.Tensor:
    """Weighted mean of kernels [K, N], or their product, each to the power of its weight [K]: [N]."""
    if mode == "product":
        return (weights @ kernels.clamp_min(1e-30).log()).exp()
    return weights @ kernels / weights.sum()
