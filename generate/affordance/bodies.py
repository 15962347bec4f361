"""Where the parts of a body go of somebody who lies or leans on an object, rides it, or sits on what is deep."""

from __future__ import annotations

import numpy as np

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
    around: Surroundings, action: str, body_part: BodyPart, region: Region, inside: np.ndarray, support: np.ndarray,
    facing: np.ndarray, away: bool,
) -> Terms:  # fmt: skip
    """`placed` [N], <= 0 and not below -6, of a part that rests on an object, where the body as a whole has a say.

    Lying: -(distance from the part's place / 12 cm)^2, the places laid out as a body is, along the way from the person
    or, of what is longer across, along that: a bed from its end, a sofa from its front. Sitting on what is deep: as
    near its edge as one sits down. Riding: hands on the highest handle, feet low, each on its own side or, on a deck,
    the left one ahead.
    Leaning: hands a shoulder's breadth apart at the person's edge.
    Hips that find no seat: on the highest level that carries them, of what they sit astride behind its middle.

    Args:
        region: that the part keeps to; `inside`, `support`: [N] 0..1, how far a place is there, and carries.
        facing: [2] unit, from the person to the object, upright. away: whether the person's back is to the object.
    """
    left = 1.0 if body_part.startswith("left") != away else -1.0
    name = body_part.rpartition("_")[2]
    ahead = around.points[:, :2] @ facing
    aside = around.points[:, :2] @ np.array([-facing[1], facing[0]])
    z = around.points[:, 2]
    if action == "ride" and name == "foot":
        carries, low = support > _CARRIES, (z - _PEDALS) / _PEDALS_SPREAD
        out = left * (aside - aside.mean())
        off = (_PEDALS_ASIDE - out).clip(0.0) / _PEDALS_SPREAD
        if not (carries & (np.abs(low) < 2.0) & (out > 0.8 * _PEDALS_ASIDE)).any():  # a deck
            off = (ahead - ahead.mean() - left * _PEDALS_ASIDE) / _PEDALS_SPREAD
        return {"placed": np.maximum(-(low**2) - off**2 + np.where(carries, 0.0, _WORST), 4.0 * _WORST)}
    if action == "ride" and name == "hand" and region == "handle":
        off = ((z[inside > 0.5].max(initial=0.0) - z) / _BARS_SPREAD) ** 2
        return {"placed": np.maximum(own_side(around, facing, left) - off, 2.0 * _WORST)}
    if name == "hips" and region == "any":
        behind = (ahead < ahead.mean() - _BEHIND) | away
        carries = (support > _CARRIES) & behind
        off = ((z[carries].max(initial=0.0) - z) / _BARS_SPREAD) ** 2 + np.where(behind, 0.0, -_WORST)
        return {"placed": np.maximum(-off, 3.0 * _WORST)} if carries.any() else {}
    level = support > 0.5
    if not level.any():
        return {}
    near, far = ahead[level].min(), ahead[level].max()
    if action == "lie" and region != "edges" and name in _LAID:
        if np.ptp(aside[level]) > far - near:
            ahead, aside = aside, -ahead
        from_head, beside = _LAID[name]
        middle = 0.5 * (aside[level].min() + aside[level].max())
        off = (ahead[level].max() - from_head - ahead) ** 2 + (aside - middle - left * beside) ** 2
        return {"placed": np.maximum(-off / _LAID_SPREAD**2, 4.0 * _WORST)}
    if action == "lean" and name == "hand":
        middle, half = 0.5 * (aside[level].min() + aside[level].max()), 0.5 * np.ptp(aside[level])
        beside = aside - middle - left * min(_HANDS_APART, 0.7 * half)
        off = (ahead - near - _FROM_EDGE) ** 2 + beside**2
        return {"placed": np.maximum(-off / _LEANS_SPREAD**2, 4.0 * _WORST)}
    if name == "hips" and far - near > _DEEP:
        return {"placed": np.maximum(-(((ahead - near - _SAT) / _SAT_SPREAD) ** 2), 2.0 * _WORST)}
    return {}
