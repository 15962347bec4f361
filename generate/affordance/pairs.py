"""Two hands that work together: palms against each other to bear a load, side by side to shove one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from generate.affordance.config import AffordanceConfig, purpose_of
from generate.affordance.surface import SurfacePoints, Surroundings
from generate.language.lexicon import Purpose
from sim.errors import AssetError

_LEVEL = 0.05
_SOFT_SPAN = 0.1
_LEAST = 0.1
_FIRM = 3


@dataclass(frozen=True, eq=False)
class PalmPairs:
    """Places for two hands, best first. points_b, normals_b: [P, 2, 3] m; quality: [P] 0..1; no left or right."""

    points_b: np.ndarray
    normals_b: np.ndarray
    quality: np.ndarray


def palm_pairs(
    surface: SurfacePoints,
    action: str,
    *,
    heat: np.ndarray | None = None,
    count: int = 10,
    purpose: Purpose | None = None,
    config: AffordanceConfig | None = None,
) -> PalmPairs:
    """The best places for two hands, no two of them with both hands within a palm's length of each other.

    Args:
        heat: [N] of an `Affordance` on the same points; pairs are as good as the product of their places', times the
            quality of the pair itself.
        purpose: of this contact, where it is another than the action's.

    Raises:
        AssetError: two hands find no place on this object.
    """
    config = AffordanceConfig() if config is None else config
    purpose = purpose_of(action) if purpose is None else purpose
    quality = np.triu(pair_quality(surface.around, purpose, config, heat))
    points, least = surface.points_b, 1.0 if heat is None else _LEAST
    chosen: list[tuple[int, int]] = []
    values: list[float] = []
    while len(chosen) < count:
        i, j = np.unravel_index(int(quality.argmax()), quality.shape)
        if quality[i, j] < _LEAST * least:
            break
        chosen.append((int(i), int(j)))
        values.append(float(quality[i, j]))
        by = [np.linalg.norm(points - points[k], axis=1) < 2 * config.palm for k in (i, j)]
        for a, b in (by, by[::-1]):
            quality[np.ix_(a, b)] = 0.0
    if not chosen:
        raise AssetError(
            f"two hands find no place for '{action}' on this object of {surface.around.height:.3g} m height: no two "
            f"places {config.span[0]:g} to {config.span[1]:g} m apart balance it"
        )
    index = np.array(chosen)
    return PalmPairs(points[index], surface.normals_b[index], np.array(values))


def pair_quality(
    around: Surroundings, purpose: Purpose, config: AffordanceConfig, value: np.ndarray | None = None
) -> np.ndarray:
    """[N, N] 0..1, symmetric: how well two hands at points i and j do, times the `value` [N] of both places.

    span(i, j) level(i, j) balance(i, j) press(i, j):
    span: 1 from the least to the most distance of two hands, Gaussian beyond; level: Gaussian, 5 cm, in the heights'
    difference; balance: Gaussian in the distance of the middle between the hands from the vertical through the centre
    of mass (load), or of that vertical from the line of push through the middle (else); press: with d the unit vector
    from i to j, (max(-d.n_i, 0) max(d.n_j, 0))^3, which is 1 for antipodal palms and falls off well within the cone of
    friction (load), or max(n_i.n_j, 0) times the
    normals' level parts, which is 1 for palms side by side on one upright face (else).
    """
    p, n = around.points.astype(np.float32), around.normals.astype(np.float32)
    apart = cdist(p, p).astype(np.float32)
    low, high = config.span
    beyond = np.maximum(low - apart, 0.0) + np.maximum(apart - high, 0.0)
    rise = p[:, None, 2] - p[None, :, 2]
    flat = p[:, :2] - around.center[:2].astype(np.float32)
    middle = 0.5 * (flat[:, None] + flat[None])
    if purpose == "load":
        along = p @ n.T  # [i, j] = p_i . n_j
        own = np.diag(along)
        out_j, out_i = own[None] - along, own[:, None] - along.T  # (p_j - p_i) . n_j and (p_i - p_j) . n_i
        press = (np.maximum(out_i, 0.0) * np.maximum(out_j, 0.0) / np.maximum(apart, 1e-6) ** 2) ** _FIRM
        missed = (middle**2).sum(-1)
    else:
        level = np.linalg.norm(n[:, :2], axis=1)
        press = np.maximum(n @ n.T, 0.0) * level[:, None] * level[None]
        push = n[:, None, :2] + n[None, :, :2]
        push /= np.maximum(np.linalg.norm(push, axis=-1, keepdims=True), 1e-6)
        missed = (middle[..., 0] * push[..., 1] - middle[..., 1] * push[..., 0]) ** 2
    exponent = (beyond / _SOFT_SPAN) ** 2 + (rise / _LEVEL) ** 2 + missed / config.balance**2
    quality = np.exp(-0.5 * exponent) * press
    if value is not None:
        quality = quality * value[:, None] * value[None]
    return np.asarray(quality, np.float64)
