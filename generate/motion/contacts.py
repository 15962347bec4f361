"""What touches what in a motion: joints anchored to the object, the contact graph of keypoints, and the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from generate.gait import minimum_jerk
from generate.motion.config import SpaceTimeConfig
from generate.motion.energy import Anchors
from generate.motion.timeline import FPS, Timeline
from generate.plan import BodyPart, InteractionPlan, PlannedContact
from generate.pose.body import part_joints
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.keypoint_names import KEYPOINT_NAMES
from sim.keypoints import KEYPOINT_DIRECTIONS, KEYPOINT_JOINTS, keypoint_offsets
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS

_JOINT = {
    "head": "head", "chest": "spine3", "back": "spine3", "hips": "pelvis", "arm": "elbow", "hand": "wrist",
    "leg": "knee", "foot": "ankle",
}  # fmt: skip
_TOUCHING = 0.025
"""m from the surface at which a keypoint of a touching part counts as touching."""
_FREE = ("pelvis", "hip", "knee", "ankle", "foot", "spine1", "spine2", "spine3", "neck", "head")
_SLIDE_SECONDS = 1.0
"""Of one circle."""
_SLIDE_FRAMES = 3
"""For which one place stands for a sliding part."""
_SLIDE_RADII = np.linspace(0.08, 0.0, 9)
_ON_SURFACE = 0.006
"""m by which a circle may leave the surface."""


@dataclass(frozen=True, eq=False)
class Hold:
    """Where a touching part is on the object: the pose of its joint in the object's frame.

    Attributes:
        joint: that carries the part. position_b: [3] m, rotation_b: [4]. normal_b: [3], outward, of the surface there.
        radius: m, of the circles in which the part slides, where it does. walked: footsteps bring the part there.
        fingers_b: [15, 4], of a hand that holds there.
    """

    joint: int
    position_b: np.ndarray
    rotation_b: np.ndarray
    normal_b: np.ndarray
    radius: float = float(_SLIDE_RADII[0])
    walked: bool = False
    fingers_b: np.ndarray | None = None


def joint_of(part: BodyPart) -> int:
    """The joint that carries a part."""
    side, _, name = part.rpartition("_")
    return JOINT_INDEX[f"{side}_{_JOINT[name]}" if side else _JOINT[name]]


def is_limb(contact: PlannedContact) -> bool:
    """Whether a hand or a foot touches, which comes to its place and leaves it along the normal."""
    return contact.body_part.endswith(("hand", "foot"))


def anchors(
    timeline: Timeline, holds: Mapping[PlannedContact, Hold], position_w: np.ndarray, rotation_w: np.ndarray,
    times: np.ndarray, config: SpaceTimeConfig,
) -> tuple[Anchors, ...]:  # fmt: skip
    """Of all contacts at `times` [N], with the object at position_w [N, 3] m, rotation_w [N, 4].

    Before and after they hold, hands and feet are drawn to a place off the surface, less and less; of what flies in or
    off, to where it is caught, or was let go of.
    """
    found = []
    for contact, hold in holds.items():
        if hold.walked:
            continue
        begin, end = timeline.held(contact)
        outside = np.maximum(np.maximum(begin - times, times - end), 0.0) / config.stand_off_seconds
        weight = 1.0 - minimum_jerk(outside)
        frames = _in_hand(timeline, contact, times)
        place = np.tile(hold.position_b, (len(times), 1))
        if is_limb(contact):
            place += config.stand_off * minimum_jerk(outside)[:, None] * hold.normal_b
        else:
            weight = np.where(outside > 0.0, 0.0, weight)
        if contact.slides:
            place += _sliding(hold, np.clip(times - begin, 0.0, end - begin))
        found.append(
            Anchors(
                hold.joint, weight, position_w[frames] + rotations.rotate(rotation_w[frames], place),
                rotations.multiply(rotation_w[frames], np.broadcast_to(hold.rotation_b, rotation_w.shape).copy()),
            )
        )  # fmt: skip
    return tuple(found)


def _in_hand(timeline: Timeline, contact: PlannedContact, times: np.ndarray) -> np.ndarray:
    """[N] frames at which the object counts: each its own, but the last one with the contact while it flies off, and
    the first one while it flies in."""
    begin, end = timeline.held(contact)
    phases, frames = timeline.plan.phases, np.arange(len(times))
    touching = np.flatnonzero((times >= begin - 1e-9) & (times <= end + 1e-9))
    if not len(touching):
        return frames
    if contact.last + 1 < len(phases) and phases[contact.last + 1].ballistic:
        frames = np.minimum(frames, touching[-1])
    if phases[contact.first].kind == "reach" and phases[contact.first].ballistic:
        frames = np.maximum(frames, touching[0])
    return frames


def _sliding(hold: Hold, since: np.ndarray) -> np.ndarray:
    """Circles on the surface: [N] s -> [N, 3] m in the object's frame."""
    grown = hold.radius * minimum_jerk(since / _SLIDE_SECONDS)[:, None]
    return grown * _circle(hold.normal_b, 2.0 * np.pi * since / _SLIDE_SECONDS)


def _circle(normal_b: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """[N] rad -> [N, 3] unit vectors across a normal."""
    first = rotations.normalize(np.cross(normal_b, np.eye(3)[np.abs(normal_b).argmin()]))
    around: np.ndarray = np.sin(angle)[:, None] * first + np.cos(angle)[:, None] * np.cross(normal_b, first)
    return around


def sliding_radius(shape: Shape, point_b: np.ndarray, normal_b: np.ndarray) -> float:
    """m, of the largest circle about a point [3] m of the surface, up to 8 cm, that stays on the surface."""
    around = _circle(normal_b, np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False))
    places = point_b + _SLIDE_RADII[:, None, None] * around
    off = np.abs(shape.signed_distance(places.reshape(-1, 3))).reshape(len(_SLIDE_RADII), -1).max(1)
    fits = np.flatnonzero(off < _ON_SURFACE)
    return float(_SLIDE_RADII[fits[0]]) if len(fits) else 0.0


def contact_graph(
    timeline: Timeline, holds: Mapping[PlannedContact, Hold], shape: Shape, offsets: np.ndarray, frames: int
) -> ContactGraph:
    """Keypoints of the touching parts that face the surface and lie on it while they are held; at least the nearest.

    AnchorHOI's contact keypoints: paired by nearness and opposing normals, the surface's being that under the part's
    middle. Those of a sliding part are on another place every tenth of a second.
    """
    offset_b = keypoint_offsets(offsets)
    rows: list[tuple[str, np.ndarray, int, int]] = []
    for contact, hold in holds.items():
        some = [i for i, j in enumerate(KEYPOINT_JOINTS) if j in part_joints(contact.body_part) and j == hold.joint]
        some = some or [i for i, j in enumerate(KEYPOINT_JOINTS) if j == hold.joint]
        held = hold.position_b + rotations.rotate(hold.rotation_b, offset_b[some])
        facing = rotations.rotate(hold.rotation_b, KEYPOINT_DIRECTIONS[some]) @ hold.normal_b < 0.0
        facing |= ~facing.any()
        first, last = interval(timeline, contact, frames)
        each = _SLIDE_FRAMES if contact.slides else last - first + 1
        for start in range(first, last + 1, each):
            end = min(start + each - 1, last)
            since = np.array([max(0.5 * (start + end) / FPS - timeline.held(contact)[0], 0.0)])
            points = held + _sliding(hold, since) if contact.slides else held
            surface, distance = shape.signed_closest(points)
            away = np.where(facing, distance, np.inf)
            near = np.flatnonzero(away < max(_TOUCHING, float(away.min()) + 1e-6))
            rows += [(KEYPOINT_NAMES[some[k]], surface[k], start, end) for k in near]
    if not rows:
        return ContactGraph()
    names, points_b, firsts, lasts = zip(*rows, strict=True)
    return ContactGraph(names, np.zeros(len(rows), int), np.stack(points_b), np.array(firsts), np.array(lasts))


def interval(timeline: Timeline, contact: PlannedContact, frames: int) -> tuple[int, int]:
    """First and last frame in which a contact holds."""
    begin, end = timeline.held(contact)
    first = min(int(np.ceil(begin * FPS - 1e-6)), frames - 1)
    return first, int(np.clip(np.floor(end * FPS + 1e-6), first, frames - 1))


def contact_labels(plan: InteractionPlan, timeline: Timeline, frames: int) -> np.ndarray:
    """[T, 52] int8: +1 while a planned part touches, -1 for trunk, head and legs that the plan leaves out, else 0."""
    labels = np.zeros((frames, NUM_JOINTS), np.int8)
    labels[:, [j for j, name in enumerate(JOINT_NAMES) if name.rpartition("_")[2] in _FREE]] = -1
    for contact in plan.contacts:
        labels[:, list({*part_joints(contact.body_part), joint_of(contact.body_part)})] = 0
    for contact in plan.contacts:
        first, last = interval(timeline, contact, frames)
        labels[first : last + 1, joint_of(contact.body_part)] = 1
    return labels
