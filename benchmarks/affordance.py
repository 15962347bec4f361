"""How well the geometric affordance foretells where hands touched the objects of the recorded OMOMO clips.

    python -m benchmarks.affordance          # tables: AUC and SIM per object and action, weights left out by object
    python -m benchmarks.affordance --fit    # and the weights fitted to all, for HandWeights
    python -m benchmarks.affordance --touching 0.03 --positive 0.25    # other notions of touched

Contact map of a clip: for each place of the surface the share of the frames labelled as contact in which it lies
within 2 cm of the hand's shapes (full hands; a hand that floats by up to 6 cm is taken to touch with what is nearest),
the larger one of both hands'. Of an object and action: the mean over its clips. Positive for the AUC is what reaches a
tenth of the map's maximum. SIM is the intersection of both maps, each summing to 1. Each object's figures come from
weights that were fitted without any clip of it. Clips are those of the folder that TOUCHSTONE_DATA names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from benchmarks.verdict_calibration import auc, data_folder
from generate.affordance.config import FITTED, AffordanceConfig, purpose_of
from generate.affordance.hands import hand_terms
from generate.affordance.surface import SurfacePoints, upright
from rl.manifest import Entry, read_manifest
from sim import rotations
from sim.body.capsules import body_geoms, surface_points
from sim.contact_fit import hand_contact
from sim.formats import import_motion
from sim.motion import Motion
from sim.objects import Shape, load_geometry
from sim.skeleton import JOINT_NAMES, SIDES

FLOATING, EVERY = 0.06, 2
RIDGE = 0.01
SIDED = ("near", "own_side")


@dataclass(frozen=True, eq=False)
class Row:
    """Something to foretell: an object, an action, how much was touched [N], which places are positive [N], and the
    terms [N, K] by which to tell."""

    object: str
    action: str
    contact: np.ndarray
    terms: np.ndarray
    surface: SurfacePoints
    positive: np.ndarray


def hand_surface(motion: Motion, side: str) -> np.ndarray:
    """[T, P, 3] m in the world, over the surface of one hand's shapes."""
    parts = []
    for geom in body_geoms(motion.offsets, hands="full"):
        name = JOINT_NAMES[geom.joint]
        if name.startswith(side) and any(
            word in name for word in ("wrist", "index", "middle", "ring", "pinky", "thumb")
        ):
            points = geom.position_b + rotations.rotate(geom.rotation_b, surface_points(geom))
            turned = rotations.rotate(motion.joint_rotations_w[:, geom.joint, None], points[None])
            parts.append(motion.joint_positions_w[:, geom.joint, None] + turned)
    return np.concatenate(parts, 1)


def contact_map(motion: Motion, points_b: np.ndarray, touching: float) -> np.ndarray:
    """[2, N] 0..1, by the left and by the right hand; see the module's docstring."""
    item, labelled = motion.objects[0], hand_contact(motion)
    maps = []
    for i, side in enumerate(SIDES):
        frames = np.flatnonzero(labelled[:, i])[::EVERY]
        hand_w = hand_surface(motion, side)[frames]
        hand_b = rotations.rotate_inverse(item.rotation_w[frames, None], hand_w - item.position_w[frames, None])
        counts, used = np.zeros(len(points_b)), 0
        for hand in hand_b:
            distance = cKDTree(hand).query(points_b, distance_upper_bound=FLOATING + touching)[0]
            if distance.min() < FLOATING:
                counts, used = counts + (distance < distance.min() + touching), used + 1
        maps.append(counts / max(used, 1))
    return np.array(maps)


def facing_of(motion: Motion, up_b: np.ndarray) -> np.ndarray:
    """[2] unit, from the person to the object as contact begins, seen upright from above in the object's frame."""
    item, first = motion.objects[0], int(hand_contact(motion).any(1).argmax())
    way = rotations.rotate_inverse(item.rotation_w[first], item.position_w[first] - motion.root_position_w[first])
    level = rotations.rotate(upright(up_b), way)[:2]
    return np.asarray(level / np.linalg.norm(level))


def read_rows(
    entries: Sequence[Entry], config: AffordanceConfig, touching: float, positive: float
) -> tuple[list[Row], list[Row]]:
    """One row for each object and action, and one for each hand of each clip, with the place of the person known."""

    def row(name: str, action: str, contact: np.ndarray, facing: np.ndarray | None = None, sign: float = 1.0) -> Row:
        terms = term_table(surfaces[name], action, config, facing, sign)
        return Row(name, action, contact, terms, surfaces[name], contact >= positive * contact.max())

    surfaces: dict[str, SurfacePoints] = {}
    maps: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    singles = []
    for entry in entries:
        assert entry.object is not None
        name, action = Path(entry.object).stem, entry.group.split("_")[0]
        geometry = surfaces[name].shape.geometry if name in surfaces else load_geometry(entry.object)
        motion = import_motion(entry.clip, layout=entry.format, fps=entry.fps, geometry=geometry, object_name=name)
        if name not in surfaces:
            up_b = rotations.rotate_inverse(motion.objects[0].rotation_w[0], np.array([0.0, 0.0, 1.0]))
            surfaces[name] = SurfacePoints.of(Shape.of(geometry), count=config.points, up_b=up_b)
        surface = surfaces[name]
        touched = contact_map(motion, surface.points_b, touching)
        maps[name, action].append(touched.max(0))
        facing = facing_of(motion, surface.up_b)
        for hand, sign in zip(touched, (1.0, -1.0), strict=True):
            if hand.any():
                singles.append(row(name, action, hand, facing, sign))
    return [row(*key, np.mean(found, 0)) for key, found in maps.items()], singles


def term_table(
    surface: SurfacePoints, action: str, config: AffordanceConfig, facing: np.ndarray | None, sign: float = 1.0
) -> np.ndarray:
    """[N, K]; where the person stands adds the terms in `SIDED`."""
    found = hand_terms(surface.around, purpose_of(action), config, facing, sign)
    return np.stack([found[name] for name in (*FITTED, *(() if facing is None else SIDED))], 1)


def fit(rows: Sequence[Row], ridge: float = RIDGE) -> np.ndarray:
    """Weights [K] >= 0 of greatest likelihood under the contact maps, each object alike; convex, so one answer."""
    share = shares(rows)
    targets = [row.contact / row.contact.sum() for row in rows]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, gradient = ridge * weights @ weights, 2 * ridge * weights
        for row, part, target in zip(rows, share, targets, strict=True):
            log = row.terms @ weights
            log = log - np.log(np.exp(log - log.max()).sum()) - log.max()
            total = total - part * target @ log
            gradient = gradient - part * row.terms.T @ (target - np.exp(log))
        return float(total), gradient

    count = rows[0].terms.shape[1]
    return np.asarray(minimize(loss, np.zeros(count), jac=True, method="L-BFGS-B", bounds=[(0, None)] * count).x)


def shares(rows: Sequence[Row]) -> np.ndarray:
    """How much each row counts: objects alike, and within an object its actions."""
    actions: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        actions[row.object][row.action] += 1
    return np.array([1 / len(actions) / len(actions[r.object]) / actions[r.object][r.action] for r in rows])


def left_out(rows: Sequence[Row]) -> list[np.ndarray]:
    """Log probabilities [N] of each row by weights from the other objects."""
    objects = dict.fromkeys(row.object for row in rows)
    weights = {name: fit([row for row in rows if row.object != name]) for name in objects}
    return [row.terms @ weights[row.object] for row in rows]


def row_auc(row: Row, score: np.ndarray) -> float:
    return float(auc(score[row.positive], score[~row.positive]))


def row_sim(row: Row, log: np.ndarray) -> float:
    odds = np.exp(log - log.max())
    return float(np.minimum(odds / odds.sum(), row.contact / row.contact.sum()).sum())


BASELINES: dict[str, Callable[[Row], np.ndarray]] = {
    "uniform": lambda row: np.zeros(len(row.contact)),
    "height": lambda row: row.surface.around.points[:, 2],
    "nearest to the centre": lambda row: -np.linalg.norm(row.surface.around.points - row.surface.around.center, axis=1),
    "nearest to hanging hands": lambda row: -np.abs(row.surface.around.points[:, 2] - AffordanceConfig().knuckles),
}


def present(rows: Sequence[Row], by_clip: bool) -> str:
    """A Markdown table; the last line is the mean over objects."""
    ours = left_out(rows)
    share = shares(rows)
    columns: dict[str, list[float]] = {
        "AUC": [row_auc(row, log) for row, log in zip(rows, ours, strict=True)],
        "SIM": [row_sim(row, log) for row, log in zip(rows, ours, strict=True)],
        "SIM uniform": [row_sim(row, np.zeros(len(row.contact))) for row in rows],
    } | {f"AUC {name}": [row_auc(row, score(row)) for row in rows] for name, score in BASELINES.items()}
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.object, row.action].append(index)
    lines = ["| object, action | touched | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for (name, action), index in groups.items():
        cells = [f"{np.mean([values[i] for i in index]):.2f}" for values in columns.values()]
        touched = np.mean([rows[i].positive.mean() for i in index])
        label = f"{name}, {action}" + (f" ({len(index)})" if by_clip else "")
        lines.append(f"| {label} | {touched:.0%} | " + " | ".join(cells) + " |")
    means = [f"**{share @ np.array(values):.3f}**" for values in columns.values()]
    return "\n".join([*lines, "| **mean over objects** | | " + " | ".join(means) + " |"])


def mean_auc(rows: Sequence[Row], scores: Sequence[np.ndarray]) -> float:
    """Over objects."""
    return float(shares(rows) @ [row_auc(row, score) for row, score in zip(rows, scores, strict=True)])


def without(rows: Sequence[Row], dropped: Sequence[int]) -> list[Row]:
    """The rows with some terms left out."""
    return [replace(row, terms=np.delete(row.terms, dropped, axis=1)) for row in rows]


def main(
    fit_all: Annotated[bool, tyro.conf.arg(name="fit")] = False,
    points: int = 2000,
    touching: float = 0.02,
    positive: float = 0.1,
) -> None:
    """Print the tables."""
    entries = [e for e in read_manifest(data_folder() / "bench80.json").entries if e.object and "omomo" in str(e.clip)]
    rows, singles = read_rows(entries, AffordanceConfig(points=points), touching, positive)
    print("Object and action, all clips together:\n\n" + present(rows, False))
    print("\nEach hand of each clip, from where the person stands:\n\n" + present(singles, True))
    print()
    for dropped in ([5], [6], [5, 6]):
        fewer, names = without(singles, dropped), " and ".join((*FITTED, *SIDED)[i] for i in dropped)
        print(f"Each hand, without {names}: AUC {mean_auc(fewer, left_out(fewer)):.3f}")
    equal = [row.terms.sum(1) for row in rows]
    print(f"Object and action, all weights 1: AUC {mean_auc(rows, equal):.3f}")
    for i, name in enumerate(FITTED):
        fewer = without(rows, [i])
        print(f"Object and action, without {name}: AUC {mean_auc(fewer, left_out(fewer)):.3f}")
    if fit_all:
        found = fit(rows)
        print("\nHandWeights: " + ", ".join(f"{name}={w:.2f}" for name, w in zip(FITTED, found, strict=True)))
        print(
            "From each hand: " + ", ".join(f"{n}={w:.2f}" for n, w in zip((*FITTED, *SIDED), fit(singles), strict=True))
        )
        print(f"AUC on what they were fitted to: {mean_auc(rows, [row.terms @ found for row in rows]):.3f}")


if __name__ == "__main__":
    tyro.cli(main)
