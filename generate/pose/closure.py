"""Force closure: whether what presses on an object holds itself in balance.

InteractAnything's L_fc = sum_j (sum_i f_v(i, j) n(j))^2 (the seed's section on finer optimisation) asks the normals
under a hand, weighted by nearness, to add up to nothing; DexGraspNet (Wang et al. 2023) asks it of forces and torques.
Here the touching skin presses evenly: each bit of it by its area times its nearness, along the object's inward normal,
without friction, all of it together with a force of one. What is left over of force and torque is the residual.
Friction can only help, so that a residual of zero is more than a grasp needs.
"""

from __future__ import annotations

from typing import Literal

import torch

Support = Literal["weight", "floor", "none"]
"""What else acts on the object. weight: as much of it as the contacts push upwards, through the centre of mass; floor:
any vertical force and any tilting torque, as on what is pushed along; none: nothing."""

_LEAST_LENGTH = 1e-6


def pressure(distance: torch.Tensor, area: torch.Tensor, softness: float) -> torch.Tensor:
    """Share of each contact point in the pressing, sums to 1: area times exp(-d^2 / 2 softness^2), d = 0 inside.

    Args:
        distance: [..., K] m to the object, negative inside; area: [K] m^2 of skin; softness: m.

    Far away from the object only the nearest points count, so that the shares never vanish.
    """
    near = -0.5 * (distance.clamp_min(0.0) / softness).square()
    return torch.softmax(near + area.log(), -1)


def wrench(
    points: torch.Tensor, normals: torch.Tensor, share: torch.Tensor, center: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Force [..., 3] and torque [..., 3] m about `center` [..., 3] m of pressing with unit force on the object.

    Args:
        points: [..., K, 3] m; normals: [..., K, 3], unit, outward from the object; share: [..., K] of `pressure`.
    """
    forces = -share[..., None] * normals
    return forces.sum(-2), torch.linalg.cross(points - center[..., None, :], forces).sum(-2)


def closure_residual(
    points: torch.Tensor, normals: torch.Tensor, share: torch.Tensor, center: torch.Tensor, length: float,
    support: Support = "none",
) -> torch.Tensor:  # fmt: skip
    """Square of the force that is left over plus that of the torque over `length` (m), [...]; z is up.

    Zero for two opposite contacts, one for a single contact through the centre or two side by side on a face.
    """
    force, torque = wrench(points, normals, share, center)
    torque = torque / max(length, _LEAST_LENGTH)
    if support == "weight":
        force = torch.cat((force[..., :2], force[..., 2:].clamp_max(0.0)), -1)
    elif support == "floor":
        force, torque = force[..., :2], torque[..., 2:]
    return force.square().sum(-1) + torque.square().sum(-1)
