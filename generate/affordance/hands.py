"""What makes a place on an object good for a hand: the terms of the geometric affordance, each an [N] array.

Heights z in m over the object's lowest point, c is the centre of mass, H the object's height, all upright as the object
rests.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from generate.affordance.config import AffordanceConfig
from generate.affordance.surface import Surroundings
from generate.language.lexicon import Purpose

Terms = dict[str, np.ndarray]
_WORST = -6.0
_NEAR_EDGE = 0.02


def hand_terms(
    around: Surroundings, purpose: Purpose, config: AffordanceConfig, facing: np.ndarray | None, side: float,
    height_m: float = 0.0,
) -> Terms:  # fmt: skip
    """All terms by the names of `HandWeights`.

    Args:
        facing: [2] unit, from the person to the object, seen upright from above; None where that is not known.
        side: +1 for a left hand, -1 for a right one; the other way round for somebody with the back to the object.
        height_m: of the object's lowest point above the floor.
    """
    height = reach(around, purpose, config, height_m)
    terms = {
        "reach": height,
        "edge": edge(around, height, config),
        "exposed": around.openness,
        "outer": outer(around),
        "grasp": grasp(around, config),
    }
    if facing is not None:
        terms["near"], terms["own_side"] = near(around, purpose, facing), own_side(around, facing, side)
    return terms


def reach(around: Surroundings, purpose: Purpose, config: AffordanceConfig, height_m: float = 0.0) -> np.ndarray:
    """How well the height suits the action, <= 0, not below -6.

    Shove, touch: -((z + height_m - knuckles) / spread)^2: upright, arms down, is least effort.
    Tilt: -((z - H) / 0.3 m)^2: far from the floor the lever is longest.
    Load: -(max(z - c - 0.05, 0) / 0.12)^2 - (max(c - 0.15 - z, 0) / 0.25)^2: at the centre of mass or below it, where
    the object neither tips in the hands nor has to be raised by its whole height: of chairs the frame and the legs.
    """
    z = around.points[:, 2]
    if purpose == "load":
        over, under = z - around.center[2] - 0.05, around.center[2] - 0.15 - z
        found = -((over.clip(0.0) / 0.12) ** 2) - (under.clip(0.0) / 0.25) ** 2
    elif purpose == "tilt":
        found = -(((z - around.height) / 0.3) ** 2)
    else:
        return at_height(around, config.knuckles, config, height_m)
    return np.asarray(np.maximum(found, _WORST))


def at_height(around: Surroundings, wanted: float, config: AffordanceConfig, height_m: float) -> np.ndarray:
    """-((z + height_m - wanted) / spread)^2, not below -6; m."""
    off = (around.points[:, 2] + height_m - wanted) / config.reach_spread
    return np.asarray(np.maximum(-(off**2), _WORST))


def edge(around: Surroundings, height: np.ndarray, config: AffordanceConfig) -> np.ndarray:
    """Nearness to an edge at a good height, 0..1: max over q of exp(-|p - q| / palm) v(q).

    v(q) = exp(-rim / 2 cm) exp(-depth / 2 cm) openness exp(reach - its maximum) says how much of an outer, open edge
    at a good height a place is; hands lie with the palm beside it and the fingers over it.
    """
    value = np.exp(-(around.rim + around.depth) / _NEAR_EDGE) * around.openness * np.exp(height - height.max())
    near_by = np.exp(-cdist(around.points, around.points) / config.palm)
    return np.asarray((near_by * value).max(1))


def outer(around: Surroundings) -> np.ndarray:
    """exp(-depth / 2 cm) below the convex hull, 0..1: hands come from outside."""
    return np.exp(-around.depth / _NEAR_EDGE)


def grasp(around: Surroundings, config: AffordanceConfig) -> np.ndarray:
    """exp(-rim / hook), 0..1: fingers close around the edge from there; bars and handles have edges all around."""
    return np.exp(-around.rim / config.hook)


def near(around: Surroundings, purpose: Purpose, facing: np.ndarray) -> np.ndarray:
    """Shove, tilt, touch: -x / X, from the far side (-1) to the person's (1); load: -(x / X)^2, between the two.

    x is measured from the centre of mass along the way from the person, X its largest size.
    """
    x = (around.points - around.center)[:, :2] @ facing
    x = x / np.abs(x).max()
    return np.asarray(-(x**2) if purpose == "load" else -x)


def own_side(around: Surroundings, facing: np.ndarray, side: float) -> np.ndarray:
    """-(max(-s y, 0) / 0.1 m)^2, not below -6: how far the hand reaches across the middle; y is to the left, s = 1 for
    the left hand, -1 for the right."""
    y = (around.points - around.center)[:, :2] @ np.array([-facing[1], facing[0]])
    return np.asarray(np.maximum(-(((-side * y).clip(0.0) / 0.1) ** 2), _WORST))
