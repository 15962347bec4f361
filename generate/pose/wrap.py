"""Where a hand can close around something thin: palm against it, fingers across it and around to the other side.

From a palm that lies anywhere on a rod, no small step leads to a fist around it: the wrist has to turn until the axis
about which fingers bend lies along the rod. Grasps are therefore sampled, as grasp planners do (Miller & Allen 2004,
GraspIt!; DexGraspNet, Wang et al. 2023): the palm at places around, the hand across the direction in which the surface
does not bend, fingers closed until they touch, and the arm asked whether it gets there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from generate.pose.closure import closure_residual, pressure
from generate.pose.grasp import FINGER_SCALE, PRESSED, Grasp
from generate.pose.nearest import PlacedSurface
from sim import rotations
from sim.body.capsules import palm_frame
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, PARENTS, SIDES

_AROUND, _PLACES = 0.12, 40
"""m from the palm, and number, of the places that are tried."""
_BENDS = 0.045
"""m around a place from which the direction is found in which the surface does not bend."""
_ALONG, _PALM = (0.6, 0.9), 0.7
"""Where on the way from the wrist to the knuckles what is held lies; the middle of the palm."""
_LEVELS, _EVERY = 9, 5
"""Flexions that are tried, and which share of the skin's vertices is looked at."""
_CLOSES = 0.4
"""Residual of force closure of one hand by itself, unrefined, above which it does not go around."""
_TRIED, _STARTS, _EASY = 8, 2, 20.0
"""Grasps for which the arm is asked, and starts that come of them; what depth counts at most for their order."""
_FAR, _TURNED = 5.0, 0.3
"""Cost of a grasp's way from the coarse palm, per m, and of its turn, per rad^2, beside those of the fine stage."""
_THUMB_DOWN = 2.0
"""Cost of a thumb that points down, per 1 - cosine with up: arms are raised with ease only with the thumb up."""
_AWRY = 1.5
"""Cost of a hand that does not point half ahead, half inward, per 1 - cosine: what it holds can be raised to the face
then, with the elbow low."""
_NEAR, _FLAT = 0.06, 0.01
"""m from the surface, beyond which it does not matter how far, and up to which it is as a plane."""
_OVER_FLOOR, _REACH, _AIM, _STEPS = 0.035, 3000.0, 30.0, 80
"""Of the arm: m of joints over the floor; per m^2 by which it misses that or the wrist, per 1 - cosine^2 of half the
angle; steps of L-BFGS."""


@dataclass(frozen=True, eq=False)
class HandShapes:
    """A hand at L flexions, and K vertices of its skin.

    Attributes:
        wrist: the joint, at position [3] m, rotation [4] in the world. shoulders: [2, 3] m, the hand's first.
        frame: [4], `sim.body.capsules.palm_frame`;
            thumb: [3] the way across the palm to its side, in the wrist's frame.
        knuckle: [3] m, of the middle finger, and points: [L, K, 3] m, in the wrist's frame. angles: [L, D] rad.
        area: [K] m^2 where they may touch, else 0; share: [K] of the reach; finger: [K], 5 the palm.
    """

    wrist: int
    position: torch.Tensor
    rotation: torch.Tensor
    shoulders: torch.Tensor
    frame: torch.Tensor
    thumb: torch.Tensor
    knuckle: torch.Tensor
    points: torch.Tensor
    angles: torch.Tensor
    area: torch.Tensor
    share: torch.Tensor
    finger: torch.Tensor

    @staticmethod
    def of(grasp: Grasp, variables: list[torch.Tensor], number: int) -> HandShapes:
        """Of the hand of that number, in a pose of the grasp."""
        hand, skin = grasp.hands[number], grasp.contacts
        wrist, side = PARENTS[hand.joints[0]], JOINT_NAMES[hand.joints[0]].partition("_")[0]
        angles = torch.stack([hand.curled(level) for level in torch.linspace(0.0, 1.0, _LEVELS).tolist()])
        shapes = [[*variables[: number + 2], bent / FINGER_SCALE, *variables[number + 3 :]] for bent in angles]
        skinned = [grasp.skinned(*grasp.pose(shape)) for shape in shapes]
        position, rotation = skinned[0][1][wrist], skinned[0][2][wrist]
        joints = torch.tensor([wrist, *hand.joints])
        arms = [JOINT_INDEX[f"{one}_shoulder"] for one in (side, *(other for other in SIDES if other != side))]
        rows = torch.nonzero(torch.isin(grasp.moves, joints))[::_EVERY, 0]
        area, share = torch.zeros(2, len(grasp.moves), dtype=torch.float64)
        area[skin.rows], share[skin.rows] = skin.area, skin.share
        segment = (grasp.moves[rows, None] == joints).int().argmax(-1)
        points = torch.stack(
            [rotations.rotate_inverse(rotation, vertices[rows] - position) for vertices, *_ in skinned]
        )
        offsets = grasp.body.offsets
        index, middle, little = (offsets[JOINT_INDEX[f"{side}_{name}1"]] for name in ("index", "middle", "pinky"))
        return HandShapes(
            wrist, position, rotation, skinned[0][1][arms], torch.as_tensor(palm_frame(offsets.numpy(), side)),
            rotations.normalize(index - little), middle, points, angles, area[rows], share[rows],
            torch.where(segment > 0, (segment - 1) // 3, 5),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Grips:
    """C grasps of one hand, the best first: its wrist at position [C, 3] m, rotation [C, 4], hinges [C, D] rad, and
    the cost [C] of having it there."""

    wrist: int
    position: torch.Tensor
    rotation: torch.Tensor
    angles: torch.Tensor
    way: torch.Tensor


def wrapped(grasp: Grasp) -> list[list[torch.Tensor]]:
    """Starts of the fine stage, the best first, with every hand that grasps around something thin, as
    `Grasp.variables`; none where one finds nothing to close around. Hands are brought there one after the other."""
    found: list[list[torch.Tensor]] = []
    for number, hand in enumerate(grasp.hands):
        if not grasp.grasps(hand):
            continue
        before = found[0] if found else grasp.variables()
        grips = grips_of(grasp, before, number)
        if grips is None:
            return []
        turns, move = _reach(grasp, before, grips)
        starts = [
            [turns[i], move[i], *before[2 : number + 2], bent / FINGER_SCALE, *before[number + 3 :]]
            for i, bent in enumerate(grips.angles)
        ]
        totals = [_total(grasp, start) + float(way) for start, way in zip(starts, grips.way, strict=True)]
        found = [starts[i] for i in np.argsort(totals, kind="stable")[:_STARTS]]
    return found


def _total(grasp: Grasp, variables: list[torch.Tensor]) -> float:
    """Of all terms; the object is left with ease, so that depth counts no more than `_EASY`."""
    terms = grasp.weighted(grasp.terms(variables, grasp.nearest(variables)))
    return float(terms["total"] - (terms["penetration"] - _EASY).clamp_min(0.0))


def grips_of(grasp: Grasp, variables: list[torch.Tensor], number: int) -> Grips | None:
    """The best ways in which a hand closes around what is near its palm, or None."""
    hand, weights = HandShapes.of(grasp, variables, number), grasp.config.weights
    position, rotation, way = _palms(grasp.surface, hand)
    where = position[:, None, None] + rotations.rotate(rotation[:, None, None], hand.points)  # [C, L, K, 3]
    distance, normals = _nearby(grasp.surface, where)
    cost = _press(grasp, distance, hand.share)
    best = torch.stack([cost[..., hand.finger == f].sum(-1).argmin(-1) for f in range(5)], -1)  # [C, 5]
    level = torch.cat((best, best.new_zeros(len(best), 1)), -1)[:, None, hand.finger]  # [C, 1, K]
    distance, cost = (torch.gather(x, 1, level)[:, 0] for x in (distance, cost))
    level = level[..., None].expand(-1, -1, -1, 3)
    where, normals = (torch.gather(x, 1, level)[:, 0] for x in (where, normals))
    some = hand.area > 0
    share = pressure(distance[:, some], hand.area[some], grasp.config.softness)
    residual = closure_residual(where[:, some], normals[:, some], share, grasp.center, grasp.length, grasp.support)
    under = where[..., 2].clamp_max(0.0).square().sum(-1)
    total = weights.closure * residual + cost.sum(-1) + _EVERY * weights.penetration * under + way
    closes = torch.nonzero(residual < _CLOSES)[:, 0]
    if not len(closes):
        return None
    chosen = closes[total[closes].argsort()[:_TRIED]]
    columns = grasp.hands[number].columns
    bent = hand.angles[best[chosen][:, columns // 3], torch.arange(len(columns))]
    return Grips(hand.wrist, position[chosen], rotation[chosen], bent, way[chosen])


def _palms(surface: PlacedSurface, hand: HandShapes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Wrists [C, 3] m, [C, 4] of open hands on the surface, across the way in which it does not bend, and the cost [C]
    of having them there."""
    middle = _PALM * hand.knuckle
    palm = hand.position + rotations.rotate(hand.rotation, middle)
    place, normal, along = (torch.as_tensor(x) for x in _around(surface, palm.numpy()))
    found = []
    for across in (along, -along):
        axes = torch.stack((torch.linalg.cross(across, normal), across, normal), -1)
        turned = rotations.multiply(rotations.from_matrix(axes), rotations.inverse(hand.frame).expand(len(axes), 4))
        for share in _ALONG:
            at = place - rotations.rotate(turned, (share * hand.knuckle).expand(len(axes), 3))
            found.append((at, turned, normal))
    position, rotation, normal = (torch.cat(x) for x in zip(*found, strict=True))
    for _ in range(2):
        where = position[:, None] + rotations.rotate(rotation[:, None], hand.points[0])
        position = position - _nearby(surface, where)[0].amin(-1, keepdim=True) * normal
    away = (position + rotations.rotate(rotation, middle.expand_as(position)) - palm).norm(dim=-1)
    turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(hand.rotation).expand_as(rotation), rotation))
    down = 1.0 - rotations.rotate(rotation, hand.thumb.expand_as(position))[:, 2]
    level = position.new_tensor([1.0, 1.0, 0.0])
    pointing = rotations.normalize(rotations.rotate(rotation, hand.knuckle.expand_as(position)))
    ahead, inward = (
        rotations.normalize((there - hand.shoulders[0]) * level) for there in (position, hand.shoulders[1])
    )
    awry = 1.0 - (pointing * rotations.normalize(ahead + inward)).sum(-1)
    way = _FAR * away + _TURNED * turn.square().sum(-1) + _THUMB_DOWN * down + _AWRY * awry
    return position, rotation, way


def _around(surface: PlacedSurface, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places [C, 3] m on the surface around a point [3] m, their normals [C, 3], and the way [C, 3] along the surface
    in which it does not bend; in the world."""
    samples, normals = surface.surface.points_b, surface.surface.normals_b
    here = samples[surface.tree.query(rotations.rotate_inverse(surface.rotation, point - surface.position))[1]]
    near = np.array(surface.tree.query_ball_point(here, _AROUND))
    near = near[_spread(samples[near], _PLACES)]
    ways = np.stack([unbent(normals[surface.tree.query_ball_point(samples[i], _BENDS)]) for i in near])
    ways = ways - (ways * normals[near]).sum(-1, keepdims=True) * normals[near]
    found = (samples[near], normals[near], rotations.normalize(ways))
    place, normal, way = (np.array(rotations.rotate(surface.rotation, np.asarray(x))) for x in found)
    return surface.position + place, normal, way


def _spread(points: np.ndarray, count: int) -> np.ndarray:
    """Index [<= count] of points [N, 3] far from each other, beginning with the first (farthest-point sampling)."""
    away, chosen = np.full(len(points), np.inf), [0]
    while len(chosen) < min(count, len(points)):
        away = np.minimum(away, ((points - points[chosen[-1]]) ** 2).sum(-1))
        chosen.append(int(away.argmax()))
    return np.array(chosen)


def unbent(normals: np.ndarray) -> np.ndarray:
    """[3] unit, to which normals [N, 3] are most nearly at right angles: along a rod, a slat or an edge."""
    way: np.ndarray = np.linalg.eigh(normals.T @ normals)[1][:, 0]
    return way


def _nearby(surface: PlacedSurface, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Signed distance [...] m by the nearest of the dense samples, which is quick, and the normals [..., 3] there."""
    flat = rotations.rotate_inverse(surface.rotation, points.reshape(-1, 3).numpy() - surface.position)
    away, near = surface.tree.query(flat, distance_upper_bound=_NEAR)
    far, near = np.isinf(away), np.minimum(near, len(surface.surface.points_b) - 1)
    normals = surface.surface.normals_b[near]
    over = ((flat - surface.surface.points_b[near]) * normals).sum(-1)
    distance = np.where(far, _NEAR, np.where(away < _FLAT, over, np.sign(over) * away))
    world = np.array(rotations.rotate(surface.rotation, normals))
    return torch.as_tensor(distance).reshape(points.shape[:-1]), torch.as_tensor(world).reshape(points.shape)


def _press(grasp: Grasp, distance: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """What each bit of skin costs by being off or in the object, as in `Grasp.close`."""
    weights, gap, depth = grasp.config.weights, distance.clamp_min(0.0), (-distance).clamp_min(0.0)
    reach = weights.reach * gap.square() / (gap + grasp.config.near)
    return share * (reach + PRESSED * depth) + _EVERY * weights.penetration * depth.square()


def _reach(grasp: Grasp, variables: list[torch.Tensor], grips: Grips) -> tuple[torch.Tensor, torch.Tensor]:
    """Bring the wrist to each of C grasps, the other hands staying: turns [C, 22, 3] rad, root's way [C, 3] m."""
    weights, count = grasp.config.weights, len(grips.position)
    turns, move = (x.expand(count, *x.shape).clone().requires_grad_() for x in variables[:2])
    now, at = (x[0] for x in grasp.body.joints(*(x[None] for x in grasp.pose(variables))))
    standing = torch.isin(torch.arange(len(now)), torch.tensor(grasp.feet, dtype=torch.long))
    wrists = [PARENTS[hand.joints[0]] for hand in grasp.hands]
    mine = torch.tensor([wrist == grips.wrist for wrist in wrists])[:, None]
    position = torch.where(mine, grips.position[:, None], now[wrists])
    rotation = torch.where(mine, grips.rotation[:, None], at[wrists])

    def cost() -> torch.Tensor:
        local, root = grasp.pose([turns, move, *variables[2:]])
        joints, turned = grasp.body.joints(local, root)
        off = (joints[:, wrists] - position).square().sum((-2, -1))
        aim = (1.0 - (turned[:, wrists] * rotation).sum(-1).square()).sum(-1)
        under = ((joints[..., 2] - _OVER_FLOOR).clamp_max(0.0).square() * ~standing).sum(-1)
        stay = (grasp.still * turns.square().sum(-1)).sum(-1)
        return (
            _REACH * (off + under) + _AIM * aim + weights.stay * stay + weights.feet * grasp.stand(joints, turned)
            + weights.limits * grasp.density.beyond(local) + weights.prior * grasp.density.energy(local)
        )  # fmt: skip

    optimizer = torch.optim.LBFGS([turns, move], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        total = cost().sum()
        total.backward()
        return total

    optimizer.step(step)
    return turns.detach(), move.detach()
