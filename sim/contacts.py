"""The contact graph from geometry: which keypoint holds on to which point of an object, and when.

Source: seed, section 9.6: per frame the pairs of body part and nearest object point closer than 0.1 m, at most five,
nearest first. To that comes persistence: a contact lasts, and its point stays put in the object's frame.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.ndimage import binary_closing, maximum_filter1d, minimum_filter1d

from sim import rotations
from sim.contact_graph import ContactGraph
from sim.keypoint_names import KEYPOINT_NAMES
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, KEYPOINTS, keypoint_offsets, keypoint_positions
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX

_FOOT_JOINTS = [JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "foot")]
_FOOT_KEYPOINTS = np.isin(KEYPOINT_JOINTS, _FOOT_JOINTS)
_STANDING_HEIGHT = 0.12
_STANDING_SPEED = 0.2
_MOVING_SPEED = 0.05


_SAME_PART_COST = 0.02

Anchor = Literal["surface", "joint"]
"""What is held against an object point: the keypoint on the body's surface, or the centre of the joint it rides on."""


class _Row(NamedTuple):
    """A contact in frames first..stop-1, with its mean distance to the surface, m."""

    keypoint: int
    object_index: int
    first: int
    stop: int
    distance: float

    @property
    def part(self) -> tuple[int, str]:
        return self.object_index, KEYPOINTS[KEYPOINT_NAMES[self.keypoint]].part


def extract_contacts(
    motion: Motion,
    *,
    threshold: float = 0.1,
    rest_threshold: float = 0.05,
    max_pairs: int = 5,
    drift: float = 0.05,
    min_seconds: float = 0.1,
    max_gap_seconds: float = 0.1,
) -> ContactGraph:
    """Persistent keypoint-object pairs of a motion; whatever graph it has already is not looked at.

    A pair counts in a frame where the keypoint is nearer to the surface than the threshold (or inside) and, over a
    window of `min_seconds` around it, keeps its place in the object's frame. Never counted: joints that the data set's
    labels forbid (-1), frames in which it says that the object is not touched, and feet that stand on the floor.

    Args:
        motion: with the standard skeleton.
        threshold: m, while the object moves: what keeps its place on a moving object most likely holds it.
        rest_threshold: m, while the object is at rest: a leg that merely stands by a table is no contact.
        max_pairs: most pairs in any frame; the closest ones (on average over their interval) stay.
        drift: m; how far a keypoint may wander in the object's frame within one contact.
        min_seconds: shortest contact; max_gap_seconds: interruptions up to this long are bridged.

    Returns:
        Rows ordered by first frame, each with the median place of the keypoint projected on the object's surface.
    """
    window = max(2, round(min_seconds * motion.fps))
    gap = round(max_gap_seconds * motion.fps)
    keypoints_w = _keypoints_w(motion)
    allowed = ~_standing(motion, keypoints_w) & ~_vetoed(motion)
    shapes = [Shape.of(item.geometry) for item in motion.objects]
    rows = []
    for index, (item, shape) in enumerate(zip(motion.objects, shapes, strict=True)):
        keypoints_b = _in_frame(keypoints_w, item)
        limit = np.where(_moves(item, motion.fps), threshold, rest_threshold)[:, None]
        distance = _near_distance(shape, keypoints_b, max(threshold, rest_threshold))
        held = allowed & (distance < limit) & _steady(keypoints_b, window, drift)
        for keypoint, first, stop in _intervals(held, _bridged(held, gap), keypoints_b, drift):
            if stop - first >= window:
                mean = float(np.minimum(distance[first:stop, keypoint], threshold).mean())
                rows.append(_Row(keypoint, index, first, stop, mean))
    return _graph(motion, keypoints_w, shapes, _sparsest(rows, max_pairs, motion.num_frames, window))


def labels_from_graph(motion: Motion) -> np.ndarray:
    """Per-joint labels of the contact graph: [T, J] int8, +1 where a keypoint that touches rides on that joint."""
    labels = np.zeros((motion.num_frames, len(motion.joint_names)), np.int8)
    active = motion.contacts.active(motion.num_frames)
    for row, name in enumerate(motion.contacts.keypoints):
        labels[active[:, row], KEYPOINT_JOINTS[KEYPOINT_INDEX[name]]] = 1
    return labels


def graph_distances(
    motion: Motion,
    joint_positions_w: np.ndarray | None = None,
    joint_rotations_w: np.ndarray | None = None,
    graph: ContactGraph | None = None,
    anchor: Anchor = "surface",
) -> np.ndarray:
    """How far each pair of the contact graph is apart: [T, C] m, NaN in the frames where the pair is not active.

    Args:
        motion: gives the bones, the objects' poses and, where not given, the rest.
        joint_positions_w: [T, J, 3] m; joint_rotations_w: [T, J, 4]; the motion's own where None.
        graph: the motion's own where None; give the reference's to judge a simulated motion.
        anchor: `joint` is the seed's choice (eqs. 6 and 23); a joint's centre never reaches the surface.
    """
    graph = motion.contacts if graph is None else graph
    rows = [KEYPOINT_INDEX[name] for name in graph.keypoints]
    if anchor == "joint":
        positions = motion.joint_positions_w if joint_positions_w is None else joint_positions_w
        touching = positions[:, KEYPOINT_JOINTS[rows]]
    else:
        touching = _keypoints_w(motion, joint_positions_w, joint_rotations_w)[:, rows]
    apart = np.linalg.norm(touching - object_points_w(motion, graph), axis=-1)
    return np.where(graph.active(motion.num_frames), apart, np.nan)


def object_points_w(motion: Motion, graph: ContactGraph | None = None) -> np.ndarray:
    """The graph's object points, moved with their objects: [T, C, 3] m."""
    graph = motion.contacts if graph is None else graph
    if not len(graph):
        return np.zeros((motion.num_frames, 0, 3))
    position = np.stack([item.position_w for item in motion.objects], 1)[:, graph.object_index]
    rotation = np.stack([item.rotation_w for item in motion.objects], 1)[:, graph.object_index]
    moved: np.ndarray = position + rotations.rotate(rotation, graph.points_b)
    return moved


def _keypoints_w(motion: Motion, positions: np.ndarray | None = None, turns: np.ndarray | None = None) -> np.ndarray:
    positions = motion.joint_positions_w if positions is None else positions
    turns = motion.joint_rotations_w if turns is None else turns
    return keypoint_positions(positions, turns, keypoint_offsets(motion.offsets))


def _in_frame(points_w: np.ndarray, item: MotionObject) -> np.ndarray:
    """Points [T, K, 3] in the object's frame."""
    local: np.ndarray = rotations.rotate_inverse(item.rotation_w[:, None], points_w - item.position_w[:, None])
    return local


def _near_distance(shape: Shape, points_b: np.ndarray, reach: float) -> np.ndarray:
    """Signed distance [T, K] m of the points within reach of the bounding box, infinity elsewhere."""
    low, high = shape.bounds
    near = ((points_b > low - reach) & (points_b < high + reach)).all(-1)
    distance = np.full(near.shape, np.inf)
    if near.any():
        distance[near] = shape.signed_distance(points_b[near])
    return distance


def _moves(item: MotionObject, fps: float) -> np.ndarray:
    """Whether the object moves, [T] bool: its origin faster than 5 cm/s or its turn faster than 0.25 rad/s."""
    speed = np.linalg.norm(np.gradient(item.position_w, 1 / fps, axis=0), axis=-1)
    turn = np.linalg.norm(rotations.angular_velocity(item.rotation_w, fps), axis=-1)
    moves: np.ndarray = (speed > _MOVING_SPEED) | (turn > 5 * _MOVING_SPEED)
    return moves & (not item.is_static)


def _standing(motion: Motion, keypoints_w: np.ndarray) -> np.ndarray:
    """Keypoints [T, K] of feet that stand: close to the floor z = 0 and slow. What they carry, the floor carries."""
    speed = np.linalg.norm(np.gradient(keypoints_w, 1 / motion.fps, axis=0), axis=-1)
    standing: np.ndarray = _FOOT_KEYPOINTS & (keypoints_w[..., 2] < _STANDING_HEIGHT) & (speed < _STANDING_SPEED)
    return standing


def _vetoed(motion: Motion) -> np.ndarray:
    """Keypoints [T, K] that the data set says do not touch."""
    veto = np.zeros((motion.num_frames, len(KEYPOINT_NAMES)), bool)
    if motion.contact_labels is not None:
        veto |= motion.contact_labels[:, KEYPOINT_JOINTS] < 0
    if motion.object_contact is not None:
        veto |= motion.object_contact[:, None] == 0
    return veto


def _steady(points_b: np.ndarray, window: int, drift: float) -> np.ndarray:
    """Frames [T, K] that lie in some window over which the point keeps within a box of edge `drift`."""
    window = min(window, len(points_b))
    # entry t of the filters looks at frames t - window//2 ... t - window//2 + window - 1
    spread = maximum_filter1d(points_b, window, axis=0) - minimum_filter1d(points_b, window, axis=0)
    calm = (spread.max(-1) <= drift).astype(np.uint8)
    starts = window // 2
    calm[:starts] = 0
    calm[len(calm) - (window - 1 - starts) :] = 0
    origin = -1 if window % 2 == 0 else 0
    return maximum_filter1d(calm, window, axis=0, origin=origin, mode="constant") > 0


def _bridged(held: np.ndarray, gap: int) -> np.ndarray:
    """Interruptions [T, K] of up to `gap` frames filled."""
    if gap < 1:
        return held
    padded = np.pad(held, ((gap + 1, gap + 1), (0, 0)))
    closed = binary_closing(padded, np.ones((gap + 1, 1), bool))
    return closed[gap + 1 : -gap - 1]


def _intervals(held: np.ndarray, bridged: np.ndarray, points_b: np.ndarray, drift: float) -> list[tuple[int, int, int]]:
    """(keypoint, first, stop) of every run of bridged frames, cut where the held points have wandered off."""
    edges = np.diff(np.pad(bridged, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    found = []
    for (keypoint, first), (_, stop) in zip(starts.tolist(), stops.tolist(), strict=True):
        while first < stop:
            path, counts = points_b[first:stop, keypoint], held[first:stop, keypoint, None]
            high = np.maximum.accumulate(np.where(counts, path, -np.inf), 0)
            low = np.minimum.accumulate(np.where(counts, path, np.inf), 0)
            off = np.linalg.norm(high - low, axis=-1) > 2 * drift
            length = int(off.argmax()) if off.any() else len(path)
            found.append((keypoint, first, first + length))
            first += length
    return found


def _sparsest(rows: list[_Row], max_pairs: int, num_frames: int, window: int) -> list[_Row]:
    """The closest rows while there is room, each cut to its longest free stretch, ordered by first frame.

    A part that is held on to already comes later, so that five fingers of one hand do not crowd out the other hand.
    """
    taken = {row.part: np.zeros(num_frames) for row in rows}
    room = np.full(num_frames, max_pairs)
    chosen = []
    while rows:
        crowd = [taken[row.part][row.first : row.stop].mean() for row in rows]
        costs = [row.distance + _SAME_PART_COST * others for row, others in zip(rows, crowd, strict=True)]
        row = rows.pop(int(np.argmin(costs)))
        free = np.diff(np.pad(room[row.first : row.stop] > 0, 1).astype(np.int8))
        starts, stops = np.flatnonzero(free == 1), np.flatnonzero(free == -1)
        if not len(starts) or (stops - starts).max() < window:
            continue
        longest = int((stops - starts).argmax())
        row = row._replace(first=row.first + int(starts[longest]), stop=row.first + int(stops[longest]))
        room[row.first : row.stop] -= 1
        taken[row.part][row.first : row.stop] += 1
        chosen.append(row)
    return sorted(chosen, key=lambda row: (row.first, row.object_index, row.keypoint))


def _graph(motion: Motion, keypoints_w: np.ndarray, shapes: list[Shape], rows: list[_Row]) -> ContactGraph:
    points = np.zeros((len(rows), 3))
    for index, (item, shape) in enumerate(zip(motion.objects, shapes, strict=True)):
        places = _in_frame(keypoints_w, item)
        of_item = [i for i, row in enumerate(rows) if row.object_index == index]
        medians = [np.median(places[rows[i].first : rows[i].stop, rows[i].keypoint], axis=0) for i in of_item]
        if of_item:
            points[of_item] = shape.closest_points(np.array(medians))[0]
    return ContactGraph(
        tuple(KEYPOINT_NAMES[row.keypoint] for row in rows),
        np.array([row.object_index for row in rows], np.int64),
        points,
        np.array([row.first for row in rows], np.int64),
        np.array([row.stop - 1 for row in rows], np.int64),
    )
