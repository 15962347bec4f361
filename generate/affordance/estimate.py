"""The geometric affordance: how likely a part of the body touches each place of an object, given the action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from generate.affordance.bodies import placed
from generate.affordance.config import PART_HEIGHTS, AffordanceConfig, Manner, purpose_of
from generate.affordance.hands import Terms, at_height, hand_terms
from generate.affordance.regions import Regions
from generate.affordance.surface import SurfacePoints, Surroundings, upright
from generate.language.lexicon import Purpose
from generate.plan import BODY_PARTS, REGIONS, BodyPart, Region, Side
from sim import rotations
from sim.arrays import frozen
from sim.errors import AssetError, UnknownNameError
from sim.objects import Shape

_WORST = -6.0
_SEATED: dict[str, Region] = {
    "hips": "seat", "left_leg": "seat", "right_leg": "seat", "back": "backrest", "chest": "backrest",
    "left_arm": "armrests", "right_arm": "armrests", "left_hand": "armrests", "right_hand": "armrests",
}  # fmt: skip
"""Where the parts of somebody who sits go, if the plan does not say."""


@dataclass(frozen=True, eq=False)
class Affordance:
    """A probability over an object's surface.

    Attributes:
        points_b, normals_b: [N, 3] m, spread evenly over the surface, in the object's frame.
        probability: [N], sums to 1.
        region: the part of the object that it keeps to; "any" also where the wanted one is not there.
        terms: what it is made of, each [N], by name; of the geometric affordance their weighted sum is the log
            probability up to a constant, of the inpainted one they are its `nearness` and the number of `views`.
    """

    points_b: np.ndarray
    normals_b: np.ndarray
    probability: np.ndarray
    region: Region
    terms: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("points_b", "normals_b", "probability"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def heat(self) -> np.ndarray:
        """[N] 0..1, the probability over its largest value."""
        heat: np.ndarray = self.probability / self.probability.max()
        return heat

    def at(self, points_b: np.ndarray, neighbours: int = 4) -> np.ndarray:
        """Heat at other places of the surface, the mean of the nearest points': [..., 3] m -> [...] 0..1."""
        near = cKDTree(self.points_b).query(points_b, k=range(1, min(neighbours, len(self.points_b)) + 1))[1]
        found: np.ndarray = self.heat[near].mean(-1)
        return found


def affordance(
    target: Shape | SurfacePoints,
    action: str,
    body_part: BodyPart,
    region: Region = "any",
    *,
    up_b: np.ndarray | None = None,
    side: Side = "any",
    facing_b: np.ndarray | None = None,
    faces_away: bool = False,
    height_m: float = 0.0,
    purpose: Purpose | None = None,
    manner: Manner | None = None,
    config: AffordanceConfig | None = None,
) -> Affordance:
    """Where a body part may touch an object; deterministic.

    log p = sum of weight x term + const, softmax over the points. Hands: `generate.affordance.hands`. Other parts rest
    on what supports them (sitting, standing on) or touch what is at their height. A region that the shape does not
    show is given up rather than guessed; a seated hand goes to the armrests, a back to the backrest and so on.

    Args:
        target: the shape, or points on its surface, which keep what rays found about them for the next question.
        action: verb of the plan; one that is unknown only touches.
        up_b: [3] up in the object's frame as it rests; its z axis unless told. Points bring their own.
        side: from which side of the object the person acts; +x is its front and, as it rests, +y its left.
        facing_b: [3] from the person to the object, in its frame; decides over `side`.
        faces_away: the person's back is to the object, so that the left hand is on the other side.
        height_m: of the object's lowest point above the floor that the person stands on.
        purpose: of this contact, where it is another than the action's. manner: of the body as a whole.

    Raises:
        UnknownNameError: an unknown body part, region or side.
        AssetError: a direction that is none, or points that bring another up than `up_b`.
    """
    _known("body part", body_part, BODY_PARTS)
    _known("region", region, REGIONS)
    config = AffordanceConfig() if config is None else config
    surface = _points(target, up_b, config)
    facing = person_facing(surface.up_b, side, facing_b)
    around = surface.around
    purpose = purpose_of(action) if purpose is None else purpose
    regions = Regions(around, config)
    wanted: Region = _SEATED.get(body_part, "any") if region == "any" and purpose == "settle" else region
    if wanted == "edges" and body_part == "hips":
        wanted = "seat"
    inside = regions[wanted]
    if inside.sum() < config.found * len(inside):
        wanted, inside = "any", regions["any"]
    terms = {"region": np.minimum(inside - 1.0, 0.0)}
    weights: dict[str, float] = {"region": config.region}
    if body_part in ("left_hand", "right_hand") and not (purpose == "settle" and wanted != "any"):
        left = 1.0 if (body_part == "left_hand") != faces_away else -1.0
        terms |= hand_terms(around, purpose, config, facing, left, height_m)
        if wanted == "handle":  # it is where it is, and a long one is held where hands work
            terms["reach"] = at_height(around, config.elbows, config, height_m)
            best = terms["reach"][inside >= 0.5 * inside.max()].max()
            terms["reach"] = np.minimum(terms["reach"] - best, 0.0)
        weights |= {name: getattr(config.hands, name) for name in terms if name != "region"}
    else:
        more = _body_terms(around, regions, manner, purpose, body_part, wanted, config, height_m)
        if facing is not None and purpose in ("settle", "tread"):
            support = more.get("support", np.zeros(len(inside))) + 1.0
            more |= placed(around, manner, body_part, wanted, inside, support, facing, faces_away)
        terms |= more
        weights |= {name: getattr(config, name) for name in more}
    log = sum((weights[name] * term for name, term in terms.items()), np.zeros(len(inside)))
    odds = np.exp(log - log.max())
    return Affordance(surface.points_b, surface.normals_b, odds / odds.sum(), wanted, terms)


def _body_terms(
    around: Surroundings, regions: Regions, manner: Manner | None, purpose: Purpose, body_part: BodyPart,
    region: Region, config: AffordanceConfig, height_m: float,
) -> Terms:  # fmt: skip
    """support - 1 for parts that rest on the object; for others -((z - height of the part) / spread)^2 and openness.

    Within a region that a seated part belongs to, the place itself decides.
    """
    if purpose == "tread":
        return {"support": regions.support(0.0, 1.0) - 1.0}
    if purpose == "settle" and region in ("seat", "top", "any") and (body_part != "back" or manner == "lie"):
        return {"support": regions.support(0.0 if manner == "lie" else 0.2, 1.0) - 1.0}
    if purpose == "settle" and region == "backrest":
        return {"exposed": around.openness, "support": _toward_seat(around, regions) - 1.0}
    off = around.points[:, 2] + height_m - PART_HEIGHTS.get(body_part, config.knuckles)
    found = np.maximum(-((off / config.reach_spread) ** 2), _WORST)
    return {"exposed": around.openness, "reach": found}


def _toward_seat(around: Surroundings, regions: Regions) -> np.ndarray:
    """max(n.d, 0) with d the level direction to the middle of the seat."""
    middle = np.average(around.points, axis=0, weights=regions.seat)
    way = (middle - around.points)[:, :2]
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    found: np.ndarray = (way * around.normals[:, :2]).sum(1).clip(0.0)
    return found


def _points(target: Shape | SurfacePoints, up_b: np.ndarray | None, config: AffordanceConfig) -> SurfacePoints:
    if isinstance(target, Shape):
        options = {} if up_b is None else {"up_b": up_b}
        return SurfacePoints.of(target, count=config.points, seed=config.seed, **options)
    if up_b is not None and not np.allclose(np.asarray(up_b) / np.linalg.norm(up_b), target.up_b, atol=1e-6):
        raise AssetError(f"up_b is {np.round(up_b, 3).tolist()}, but the points were looked at with {target.up_b}")
    return target


def person_facing(up_b: np.ndarray, side: Side, facing_b: np.ndarray | None) -> np.ndarray | None:
    """[2] unit, from the person to the object, seen upright from above; None where nothing is said.

    In front of the object that is its -x, at its left its -y, both as it rests.
    """
    ways = {"front": (-1.0, 0.0), "behind": (1.0, 0.0), "left": (0.0, -1.0), "right": (0.0, 1.0)}
    if facing_b is None:
        _known("side", side, (*ways, "any"))
        return np.array(ways[side]) if side != "any" else None
    level: np.ndarray = rotations.rotate(upright(up_b), np.asarray(facing_b, np.float64))[:2]
    length = float(np.linalg.norm(level))
    if not np.isfinite(length) or length < 1e-6:
        raise AssetError(f"facing_b {np.round(facing_b, 3).tolist()} does not point anywhere along the floor")
    return level / length


def _known(what: str, name: str, valid: tuple[str, ...]) -> None:
    if name not in valid:
        raise UnknownNameError(what, name, valid)
