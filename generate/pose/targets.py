"""Where each sample's parts should touch: places drawn from the affordance, who stands where, the object at its phase.

Everything happens in the object's canonical frame: turned upright as it rests, its centre of mass above the origin and
the floor at z = 0 (`generate.affordance.surface.Surroundings`). Where the object stands in the world comes in at the
end, so that turning it about the vertical turns the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from generate.affordance import Affordance, SurfacePoints, affordance, palm_pairs
from generate.affordance.contacts import contact_purpose, height_at, manner_of
from generate.affordance.estimate import person_facing
from generate.affordance.surface import upright
from generate.object_path import object_path
from generate.plan import BodyPart, InteractionPlan, PlannedContact
from generate.pose.config import PoseConfig
from sim import rotations
from sim.errors import AssetError, PlanError
from sim.objects import Shape

_LEVEL = 0.3
_PATCH_EDGE = 2.0
_APART = 0.05
_SHARPER = 2.0
"""Places are drawn with this power of the probability around them, times their own."""
_PALM_ROOM, _TIPPING = 0.04, 0.1
_SHIFTS, _WIDER, _LIKELY = 5, 0.25, 0.2
_HANDS = ("left_hand", "right_hand")
_OTHER_HAND = 0.15
"""m, spread of the room that one hand takes from the other."""
_THIN = 0.05
"""m, below which two palms cannot be opposite each other."""
_LONG = 1.5
"""Times its width."""
_FAR_SIDE = 0.02
"""Of what is likely on the side of a person who kicks, heads or leans, what is left on the others."""


@dataclass(frozen=True, eq=False)
class Ground:
    """An object's surface, coarse for affordances and dense for distances, both in its own frame."""

    shape: Shape
    surface: SurfacePoints
    dense: SurfacePoints

    @staticmethod
    def of(shape: Shape, up_b: np.ndarray, config: PoseConfig) -> Ground:
        """Sample it; deterministic."""
        coarse = SurfacePoints.of(shape, count=config.points, up_b=up_b)
        return Ground(shape, coarse, SurfacePoints.of(shape, count=config.dense, up_b=up_b, seed=1))


@dataclass(frozen=True, eq=False)
class Places:
    """One sample: facing [2] unit, the way from the person to the object, upright; centres [C] on the surface."""

    facing: np.ndarray
    centers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Given:
    """What earlier phases have settled.

    Attributes:
        facing: [2] unit, canonical, from the person to the object before the first phase; None: to be drawn.
        places_b: part -> [3] m in the object's frame, where it touches already.
    """

    facing: np.ndarray | None = None
    places_b: Mapping[BodyPart, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ContactPatches:
    """What `generate.pose.energy.Targets` holds, as arrays."""

    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    forward: np.ndarray
    toward: np.ndarray
    edge: np.ndarray


def contacts_of(plan: InteractionPlan, phase: int) -> tuple[PlannedContact, ...]:
    """One for each part that touches the object. Raises PlanError where there is none, or no such phase."""
    if not 0 <= phase < len(plan.phases):
        raise PlanError(f"the plan has phases 0 to {len(plan.phases) - 1}, not {phase}")
    found = {contact.body_part: contact for contact in plan.touching(phase)}
    if not found:
        raise PlanError(f"nothing touches the object in phase {phase} ({plan.phases[phase].kind}) of '{plan.text}'")
    return tuple(found.values())


def draw_targets(
    plan: InteractionPlan, phase: int, ground: Ground, config: PoseConfig, rng: np.random.Generator, samples: int,
    given: Given | None = None,
) -> ContactPatches:  # fmt: skip
    """Places and the patches around them, of `samples` samples, the likeliest first."""
    contacts = contacts_of(plan, phase)
    rows = []
    for places in _draw(plan, contacts, ground, config, rng, samples, given or Given()):
        position, rotation = object_pose(plan, phase, ground, places.facing)
        patches = [
            _patch(plan, contact, ground, center, places.facing, config)
            for contact, center in zip(contacts, places.centers, strict=True)
        ]
        points, normals, weights = (np.stack(part) for part in zip(*patches, strict=True))
        turn = sum(p.turn for p in plan.phases[:phase])
        facing = rotations.rotate(rotations.from_rotvec(np.array([0.0, 0.0, turn])), np.append(places.facing, 0.0))
        forward = -facing if plan.faces_away else facing
        normals = rotations.rotate(rotation, normals)
        edge = _edge(ground, position, rotation, facing)
        points = position + rotations.rotate(rotation, points)
        rows.append((points, normals, weights, position, rotation, forward, facing, edge))
    return ContactPatches(*(np.stack(column) for column in zip(*rows, strict=True)))


def object_pose(plan: InteractionPlan, phase: int, ground: Ground, facing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position [3] m and rotation [4] at the beginning of a phase, canonical: what the phases before add up to."""
    done = (np.arange(len(plan.phases)) < phase).astype(float)[None]
    seconds = np.array([step.seconds for step in plan.phases])
    position, rotation = object_path(plan, ground.surface, facing, done, seconds)
    return position[0], rotation[0]


def _draw(
    plan: InteractionPlan, contacts: tuple[PlannedContact, ...], ground: Ground, config: PoseConfig,
    rng: np.random.Generator, samples: int, given: Given,
) -> list[Places]:  # fmt: skip
    parts = {contact.body_part for contact in contacts} - set(given.places_b)
    pairs = _hand_pairs(plan, contacts, ground, config, samples, given.facing) if set(_HANDS) <= parts else []
    settled = {part: int(cKDTree(ground.surface.points_b).query(p)[1]) for part, p in given.places_b.items()}
    found = []
    for b in range(samples):
        drawn = pairs[b % len(pairs)] if pairs else None
        facing = drawn[0] if drawn else given.facing
        if facing is None:
            facing = _facing(plan, contacts[0], ground, config, rng, b)
        chosen = (drawn[1] if drawn else {}) | settled
        for c in contacts:
            if c.body_part not in chosen:
                room = _room(c, ground.surface, chosen) * _near_side(plan, c, ground.surface, facing)
                chosen[c.body_part] = _place(plan, c, ground, facing, config, rng, b, room)
        found.append(Places(facing, tuple(chosen[c.body_part] for c in contacts)))
    return found


def _room(contact: PlannedContact, surface: SurfacePoints, chosen: Mapping[BodyPart, int]) -> np.ndarray:
    """[N] 0..1, what one hand leaves to the other."""
    room = np.ones(len(surface.points_b))
    for part, center in chosen.items():
        if {part, contact.body_part} == set(_HANDS):
            away = ((surface.points_b - surface.points_b[center]) ** 2).sum(-1)
            room = 1.0 - np.exp(-0.5 * away / _OTHER_HAND**2)
    return room


def _near_side(
    plan: InteractionPlan, contact: PlannedContact, surface: SurfacePoints, facing: np.ndarray
) -> np.ndarray:
    """[N] 0..1: what does not reach around an object, and does not rest on it, touches the side before the person."""
    if contact.body_part.endswith(("hand", "arm")) or contact_purpose(plan, contact) in ("settle", "tread"):
        return np.ones(len(surface.points_b))
    near: np.ndarray = np.maximum(-(surface.around.normals[:, :2] @ facing), _FAR_SIDE) ** 2
    return near


def _hand_pairs(
    plan: InteractionPlan, contacts: tuple[PlannedContact, ...], ground: Ground, config: PoseConfig, samples: int,
    given: np.ndarray | None,
) -> list[tuple[np.ndarray, dict[BodyPart, int]]]:  # fmt: skip
    """Facing and both hands' places, best first; none where two hands find no place together, or the person sits."""
    hand, surface = next(c for c in contacts if c.body_part in _HANDS), ground.surface
    purpose = contact_purpose(plan, hand)
    if purpose == "settle" or not config.use_affordance:
        return []
    heat = np.sqrt(_map(plan, hand, surface, None, config).heat) * _in_reach(plan, hand, surface)
    try:
        pairs = palm_pairs(surface, plan.action, heat=heat, count=samples, purpose=purpose)
    except AssetError:
        return []
    tree = cKDTree(surface.points_b)
    points, normals = surface.around.points[:, :2], surface.around.normals[:, :2]
    wanted = person_facing(surface.up_b, plan.side, None) if given is None else given
    found = []
    for pair, quality in zip(pairs.points_b, pairs.quality, strict=True):
        i, j = (int(k) for k in tree.query(pair)[1])
        if np.linalg.norm(surface.points_b[i] - surface.points_b[j]) < _THIN:
            continue
        across = points[j] - points[i]
        ways = [np.array([-across[1], across[0]]), np.array([across[1], -across[0]])]
        if purpose != "load":
            ways = [-(normals[i] + normals[j])]
        for facing in (way / max(float(np.linalg.norm(way)), 1e-9) for way in ways):
            if wanted is not None and facing @ wanted < 0.5:
                continue
            left = np.array([-facing[1], facing[0]])
            first, second = (i, j) if points[i] @ left > points[j] @ left else (j, i)
            hands: dict[BodyPart, int] = {"left_hand": first, "right_hand": second}
            found.append((quality, (facing if given is None else given, hands)))
    return [row for _, row in sorted(found, key=lambda item: -item[0])][:samples]


def _in_reach(plan: InteractionPlan, hand: PlannedContact, surface: SurfacePoints) -> np.ndarray:
    """[N] 0..1, for two hands: a palm finds room over the floor, and what hangs from hands does not tip over.

    Less, too, where a load would be held below its centre of mass (Gaussian in the way down).
    """
    around = surface.around
    height = around.points[:, 2]
    room = np.clip((height + height_at(plan, hand) - _PALM_ROOM) / _PALM_ROOM, 0.01, 1.0)
    if contact_purpose(plan, hand) != "load":
        return room
    below = np.clip(around.center[2] - height, 0.0, None)
    return room * np.exp(-0.5 * (below / _TIPPING) ** 2)


def _facing(
    plan: InteractionPlan, contact: PlannedContact, ground: Ground, config: PoseConfig, rng: np.random.Generator,
    sample: int,
) -> np.ndarray:  # fmt: skip
    """[2] from the person to the object: as the plan says, else as the backrest or the place's normal says."""
    surface, around = ground.surface, ground.surface.around
    wanted = person_facing(surface.up_b, plan.side, None)
    if wanted is not None:
        return wanted
    anywhere = _square_to(around.points, sample)
    way = np.zeros(2)
    if contact_purpose(plan, contact) == "settle":
        back = affordance(surface, plan.action, "back", "backrest", purpose="settle")
        if back.region == "backrest":
            way = (np.average(around.points, axis=0, weights=back.probability) - around.center)[:2]
            way = way if plan.faces_away else -way
    else:
        place = _place(plan, contact, ground, None, config, rng, sample)
        way = -around.normals[place, :2]
        if np.linalg.norm(way) < _LEVEL:
            way = (around.center - around.points[place])[:2]
    length = float(np.linalg.norm(way))
    return way / length if length > _APART else np.array([np.cos(anywhere), np.sin(anywhere)])


def _square_to(points: np.ndarray, sample: int) -> float:
    """rad, a way square to the box around points [N, 3] m, another one for each sample; of what is long, as a bench,
    across it."""
    x, y = np.ptp(points[:, :2], axis=0)
    if max(x, y) < _LONG * min(x, y):
        return 0.5 * np.pi * sample
    return np.pi * sample + (0.0 if x < y else 0.5 * np.pi)


def _place(
    plan: InteractionPlan, contact: PlannedContact, ground: Ground, facing: np.ndarray | None, config: PoseConfig,
    rng: np.random.Generator, sample: int, room: np.ndarray | float = 1.0,
) -> int:  # fmt: skip
    """Index of a place on the coarse surface: the likeliest for the first sample, then drawn.

    Probabilities are multiplied by `room` [N] 0..1. Parts larger than a hand move on to the middle of what is likely
    around (mean shift): to the middle of a seat.
    """
    surface = ground.surface
    probability = _map(plan, contact, surface, facing, config).probability * room
    hand = contact.body_part in _HANDS
    sigma = config.hand_patch if hand else config.body_patch
    near = np.exp(-0.5 * cdist(surface.points_b, surface.points_b, "sqeuclidean") / sigma**2)
    smooth = (near @ probability) ** _SHARPER * probability
    draw = rng.random()
    total = np.cumsum(smooth)
    place = int(np.searchsorted(total, draw * total[-1]).clip(max=len(total) - 1)) if sample else int(smooth.argmax())
    if hand:
        return place
    for _ in range(_SHIFTS):
        weight = near[place] ** _WIDER * probability
        middle = weight @ surface.points_b / weight.sum()
        away = ((surface.points_b - middle) ** 2).sum(-1)
        place = int(np.where(probability > _LIKELY * probability.max(), away, np.inf).argmin())
    return place


def _patch(
    plan: InteractionPlan, contact: PlannedContact, ground: Ground, center: int, facing: np.ndarray, config: PoseConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals [M, 3] and weights [M] around a place: affordance times a Gaussian, on its side of the object."""
    surface, dense = ground.surface, ground.dense
    sigma = config.hand_patch if contact.body_part in _HANDS else config.body_patch
    found = _map(plan, contact, surface, facing, config)
    place, normal = surface.points_b[center], surface.normals_b[center]
    away = ((dense.points_b - place) ** 2).sum(-1)
    away = np.where(dense.normals_b @ normal > _LEVEL, away, np.inf)
    within = max(int((away < (_PATCH_EDGE * sigma) ** 2).sum()), min(config.patch_points, int(np.isfinite(away).sum())))
    chosen = np.argsort(away, kind="stable")[np.linspace(0, within - 1, config.patch_points).round().astype(int)]
    same_side = (dense.normals_b[chosen] @ normal).clip(0.0)
    weight = np.exp(-0.5 * away[chosen] / sigma**2) * same_side * (0.05 + found.at(dense.points_b[chosen]))
    return dense.points_b[chosen], dense.normals_b[chosen], weight / weight.sum()


def _edge(ground: Ground, position: np.ndarray, rotation: np.ndarray, facing: np.ndarray) -> float:
    """m, least of the object's points along the way from the person to it."""
    points: np.ndarray = position + rotations.rotate(rotation, ground.dense.points_b)
    return float((points @ facing).min())


def _map(
    plan: InteractionPlan, contact: PlannedContact, surface: SurfacePoints, facing: np.ndarray | None,
    config: PoseConfig,
) -> Affordance:  # fmt: skip
    """Of one contact, for what it does and at the height at which it comes about; or even, where none is wanted."""
    if not config.use_affordance:
        even = np.full(len(surface.points_b), 1.0 / len(surface.points_b))
        return Affordance(surface.points_b, surface.normals_b, even, "any")
    return affordance(
        surface, plan.action, contact.body_part, contact.region, facing_b=_in_frame(surface, facing),
        faces_away=plan.faces_away, height_m=height_at(plan, contact), purpose=contact_purpose(plan, contact),
        manner=manner_of(plan, contact),
    )  # fmt: skip


def _in_frame(surface: SurfacePoints, facing: np.ndarray | None) -> np.ndarray | None:
    """A direction along the floor in the object's own frame: [2] -> [3]."""
    if facing is None:
        return None
    way: np.ndarray = rotations.rotate_inverse(upright(surface.up_b), np.append(facing, 0.0))
    return way
