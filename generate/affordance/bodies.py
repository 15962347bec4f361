"""Where the parts of a body go of somebody who lies or leans on an object, rides it, or sits on what is deep."""

from __future__ import annotations

import numpy as np

from generate.affordance.config import Manner
from generate.affordance.hands import Terms, own_side
from generate.affordance.surface import Surroundings
from generate.plan import BodyPart, Region

_LAID: dict[str, tuple[float, float]] = {
    "head": (0.2, 0.0), "chest": (0.55, 0.0), "back": (0.6, 0.0), "hips": (0.95, 0.0), "leg": (1.5, 0.1),
    "arm": (0.8, 0.33),
}  # fmt: skip
"""m from the end of what a person of 1.75 m lies on, and to the left or right, of the middles of the parts."""
_LAID_SPREAD = 0.12
_DEEP, _SAT, _SAT_SPREAD = 0.9, 0.2, 0.08
"""m: on what is deeper than the first one sits so far from the edge, give or take."""
_PEDALS, _PEDALS_ASIDE, _PEDALS_SPREAD = 0.3, 0.15, 0.1
"""m over the floor, and at least to the side, of what a rider has the feet on, give or take."""
_BEHIND = 0.05
"""m behind the middle, from which on a rider sits."""
_BARS_SPREAD = 0.08
"""m under the highest handle that cost a rider's hands one unit; the same of hips under the highest support."""
_CARRIES = 0.1
"""Of a support, from which on a pedal or a saddle is one."""
_FROM_EDGE, _HANDS_APART, _LEANS_SPREAD = 0.1, 0.22, 0.06
"""m from the edge, and to both sides, where one puts the hands to lean on them, give or take."""
_WORST = -6.0


def placed(
    around: Surroundings, manner: Manner | None, body_part: BodyPart, region: Region, inside: np.ndarray,
    support: np.ndarray, facing: np.ndarray, away: bool,
) -> Terms:  # fmt: skip
    """`placed` [N], <= 0, of a part that rests on an object, where the body as a whole has a say.

    Args:
        region: that the part keeps to; `inside`, `support`: [N] 0..1, how far a place is there, and carries.
        facing: [2] unit, from the person to the object, upright. away: whether the person's back is to the object.
    """
    left = 1.0 if body_part.startswith("left") != away else -1.0
    name = body_part.rpartition("_")[2]
    ahead, aside = around.points[:, :2] @ facing, around.points[:, :2] @ np.array([-facing[1], facing[0]])
    z, level = around.points[:, 2], support > 0.5
    found: np.ndarray | None = None
    if manner == "ride" and name == "foot":
        found = _pedal(ahead, aside, z, support > _CARRIES, left)
    elif manner == "ride" and name == "hand" and region == "handle":
        highest = z[inside > 0.5].max(initial=0.0)
        found = np.maximum(own_side(around, facing, left) - ((highest - z) / _BARS_SPREAD) ** 2, 2.0 * _WORST)
    elif name == "hips" and region == "any":
        found = _saddle(z, (ahead < ahead.mean() - _BEHIND) | away, support > _CARRIES)
    elif level.any() and manner == "lie" and name in _LAID:
        found = _laid(ahead, aside, level, *_LAID[name], left)
    elif level.any() and manner == "lean" and name == "hand":
        found = _leaning(ahead, aside, level, left)
    elif level.any() and name == "hips" and np.ptp(ahead[level]) > _DEEP:
        found = np.maximum(-(((ahead - ahead[level].min() - _SAT) / _SAT_SPREAD) ** 2), 2.0 * _WORST)
    return {} if found is None else {"placed": found}


def _pedal(ahead: np.ndarray, aside: np.ndarray, z: np.ndarray, carries: np.ndarray, left: float) -> np.ndarray:
    """Of a rider's foot: low, on its own side; on a deck, which is too narrow for that, the left one ahead."""
    low, out = (z - _PEDALS) / _PEDALS_SPREAD, left * (aside - aside.mean())
    off = (_PEDALS_ASIDE - out).clip(0.0) / _PEDALS_SPREAD
    if not (carries & (np.abs(low) < 2.0) & (out > 0.8 * _PEDALS_ASIDE)).any():
        off = (ahead - ahead.mean() - left * _PEDALS_ASIDE) / _PEDALS_SPREAD
    found: np.ndarray = np.maximum(-(low**2) - off**2 + np.where(carries, 0.0, _WORST), 4.0 * _WORST)
    return found


def _saddle(z: np.ndarray, behind: np.ndarray, carries: np.ndarray) -> np.ndarray | None:
    """Of hips that find no seat: on the highest level that carries them, of what they sit astride behind its middle."""
    carries = carries & behind
    if not carries.any():
        return None
    off = ((z[carries].max() - z) / _BARS_SPREAD) ** 2 + np.where(behind, 0.0, -_WORST)
    return np.asarray(np.maximum(-off, 3.0 * _WORST))


def _laid(
    ahead: np.ndarray, aside: np.ndarray, level: np.ndarray, from_head: float, beside: float, left: float
) -> np.ndarray:
    """-(distance from the part's place / 12 cm)^2, the places laid out as a body is, along the way from the person or,
    on what is longer across, along that: a bed from its end, a sofa from its front."""
    if np.ptp(aside[level]) > np.ptp(ahead[level]):
        ahead, aside = aside, -ahead
    middle = 0.5 * (aside[level].min() + aside[level].max())
    off = (ahead[level].max() - from_head - ahead) ** 2 + (aside - middle - left * beside) ** 2
    found: np.ndarray = np.maximum(-off / _LAID_SPREAD**2, 4.0 * _WORST)
    return found


def _leaning(ahead: np.ndarray, aside: np.ndarray, level: np.ndarray, left: float) -> np.ndarray:
    """Of hands: a shoulder's breadth apart, at the person's edge."""
    middle, half = 0.5 * (aside[level].min() + aside[level].max()), 0.5 * np.ptp(aside[level])
    off = (ahead - ahead[level].min() - _FROM_EDGE) ** 2
    off = off + (aside - middle - left * min(_HANDS_APART, 0.7 * half)) ** 2
    found: np.ndarray = np.maximum(-off / _LEANS_SPREAD**2, 4.0 * _WORST)
    return found
