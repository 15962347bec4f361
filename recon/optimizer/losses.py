"""The terms of the HOI optimizer (Open4DHOI, arXiv preprint, eqs. 4 and 13-20), each a pure differentiable function.

Every function takes a batch of N frames and answers one value a frame, [N], so that frames do not dilute each other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

CONTACT_EPSILON = 0.1
"""m, epsilon of eq. 18; the published code's value."""
_VERTICES = 1000.0
"""Collision sums are those of a mesh of this many points (the published code's body has 1,006), whatever its own."""


def contact_loss(distance: torch.Tensor, active: torch.Tensor, *, epsilon: float = CONTACT_EPSILON) -> torch.Tensor:
    """Eqs. 18 and 19: sum_i w_i d_i^2 with w_i ~ (d_i + epsilon)^2, which pulls the distant pairs harder, m^2.

    Args:
        distance: [N, C] m between the points of each pair; active: [N, C], 1 where the pair holds, 0 where not.
    """
    weight = (distance + epsilon).square() * active
    total = weight.sum(-1, keepdim=True).clamp_min(1e-12)
    return (weight / total * distance.square()).sum(-1)


def penetration_loss(signed_distance: torch.Tensor, *, margin: float, softness: float) -> torch.Tensor:
    """One direction of eq. 20, m: depth below `margin` m over the surface, summed over points, [N, P] m -> [N].

    The depth x = max(margin - d, 0) counts as x^2 / (x + softness): quadratic where shallow, so that the gradient fades
    out at the surface, linear where deep, so that a sunken hand does not outweigh everything else.
    """
    depth = (margin - signed_distance).clamp_min(0.0)
    total = (depth.square() / (depth + softness)).sum(-1)
    return total * (_VERTICES / signed_distance.shape[-1])


def visible_silhouette(rendered: torch.Tensor, other_mask: torch.Tensor) -> torch.Tensor:
    """Eq. 13: a rendered silhouette less what the other one hides: [N, H, W] x2 -> [N, H, W]."""
    return rendered * (1.0 - other_mask)


def mask_loss(rendered: torch.Tensor, mask: torch.Tensor, num_pixels: float) -> torch.Tensor:
    """Eq. 14, the mean squared difference of two silhouettes [N, H, W] over an image of `num_pixels` -> [N].

    They may be cut to the part of the image in which anything is.
    """
    return (rendered - mask).square().sum((-2, -1)) / num_pixels


def silhouette_edges(silhouette: torch.Tensor) -> torch.Tensor:
    """Eq. 15: Pool(M) - M, the pixels just outside a silhouette: [N, H, W] -> [N, H, W]."""
    return F.max_pool2d(silhouette[:, None], 3, stride=1, padding=1)[:, 0] - silhouette


def edge_loss(silhouette: torch.Tensor, distance_weight: torch.Tensor) -> torch.Tensor:
    """Eq. 16: edges times their distance weight (see `edge_distance_weight`), summed: [N, H, W] x2 -> [N]."""
    return (silhouette_edges(silhouette) * distance_weight).sum((-2, -1))


def edge_distance_weight(mask: torch.Tensor) -> torch.Tensor:
    """W of eq. 16: square root of the distance, in pixels, to the nearest edge of the mask: [N, H, W] -> [N, H, W].

    The square root is PHOSA's (Zhang et al. 2020), from where the loss comes. Zero where a mask is empty.
    """
    from scipy.ndimage import distance_transform_edt  # NumPy only, once per clip

    solid = (mask > 0.5).to(mask)
    edges = (silhouette_edges(solid) > 0).cpu().numpy()
    weights = torch.zeros_like(mask)
    for n in range(len(edges)):  # SciPy's transform takes one image at a time
        if edges[n].any():
            weights[n] = torch.as_tensor(distance_transform_edt(~edges[n])).to(mask).sqrt()
    return weights


def image_point_loss(points_c: torch.Tensor, rays: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of object points to the viewing rays of their pixels, at the points' depth, m^2: [N].

    The 3D-2D part of eq. 3, in metres instead of pixels, so that near and far clips weigh alike.

    Args:
        points_c: [N, P, 3] m in camera axes; rays: [N, P, 2], x / z and y / z of the pixels; weights: [N, P],
            0 where not visible, up to 1. Points that weigh less than one all together pull less.
    """
    error = (points_c[..., :2] - rays * points_c[..., 2:]).square().sum(-1)
    return (error * weights).sum(-1) / weights.sum(-1).clamp_min(1.0)
