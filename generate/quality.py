"""What can be said of a generated motion without physics: contact as planned, penetration, sliding feet, diversity.

The zero-shot figures of ZeroHSI (section 4, evaluation metrics), by exact distances and the full skin.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from generate.plan import BodyPart, InteractionPlan
from generate.pose.body import part_joints, skin_of
from generate.pose.measure import CONTACT
from sim import metrics, rotations
from sim.audit_checks import Person, foot_skate_m_s
from sim.body.skin import Skin
from sim.errors import MotionError
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS
from sim.metrics import MM
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import BODY_JOINTS, JOINT_INDEX, JOINT_NAMES

_BLOCK = 60
"""Frames whose skin is posed at a time, to bound the memory."""
_ANKLES, _TOES = ([JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right")] for part in ("ankle", "foot"))


class Figure(NamedTuple):
    """How a figure is shown: what it is, its unit, digits after the point, and the target (None where there is none).

    `sign` is 1 where more is better and -1 where less is.
    """

    title: str
    unit: str
    digits: int
    sign: int
    target: float | None
    explanation: str

    def text(self, value: float | None) -> str:
        """A value with this many digits, a dash where there is none."""
        return "–" if value is None or not math.isfinite(value) else f"{value:.{self.digits}f}"  # noqa: RUF001

    def met(self, value: float | None) -> bool | None:
        """Whether a value reaches the target; None where either is missing."""
        if self.target is None or value is None or not math.isfinite(value):
            return None
        return self.sign * value >= self.sign * self.target


FIGURES: dict[str, Figure] = {
    "contact_ratio": Figure(
        "contact ratio", "", 3, 1, 0.95,
        "share of the pairs of frame and part of the body with a planned contact in which a vertex of the part is "
        "within 2 cm of the object's surface or inside",
    ),
    "penetrating_percent": Figure(
        "vertices inside", "%", 2, -1, 0.5, "share of the body's vertices inside the object, mean over all frames"
    ),
    "depth_mean_mm": Figure(
        "mean depth", "mm", 1, -1, None, "of the vertices inside the object, over all frames"
    ),
    "depth_max_mm": Figure("max depth", "mm", 1, -1, 10.0, "of the deepest vertex in any frame"),
    "floor_depth_mm": Figure("under the floor", "mm", 1, -1, None, "the lowest vertex in any frame"),
    "foot_skate_m_s": Figure(
        "foot skate", "m/s", 3, -1, None, "mean horizontal speed of soles and toes while they stand"
    ),
    "fs_mm": Figure("FS", "mm a frame", 2, -1, None, "foot skate score of OMOMO, CHOIS and IMAGIN-4D"),
    "closure": Figure(
        "force closure", "", 2, -1, 0.3, "residual of the grasp's force closure after the fine stage"
    ),
    "seconds": Figure("time", "s", 0, -1, 90.0, "wall time of a clip, models loaded, without figures and physics"),
}  # fmt: skip
"""Figures of a clip by name, in the order in which tables have them; the targets are those of the first chain."""
DIVERSITY = Figure("diversity", "m", 2, 1, None, "mean distance of the same joint in two seeds' motions, over pairs")


@dataclass(frozen=True)
class MotionQuality:
    """Figures of one motion; NaN where there was nothing to measure.

    Attributes:
        contact_ratio: see `FIGURES`; contact_by_part: the same for each planned part of the body.
        penetrating_percent: share of vertices inside; depth_mean_mm, depth_max_mm: over the vertices inside.
        floor_depth_mm: the lowest vertex under the floor.
        foot_skate_m_s: of `sim.audit_checks`; fs_mm: mm a frame, of `sim.metrics.fs_score`.
        deepest: the joint whose flesh is deepest inside the object, and the frame; None where nothing is.
    """

    contact_ratio: float
    contact_by_part: Mapping[BodyPart, float]
    penetrating_percent: float
    depth_mean_mm: float
    depth_max_mm: float
    floor_depth_mm: float
    foot_skate_m_s: float
    fs_mm: float
    deepest: tuple[str, int] | None = None

    def figures(self) -> dict[str, float | None]:
        """Those of `FIGURES` that are measured here, None for NaN."""
        values = {name: float(getattr(self, name)) for name in FIGURES if hasattr(self, name)}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**self.figures(), "contact_by_part": dict(self.contact_by_part), "deepest": self.deepest}


def measure_motion(motion: Motion, plan: InteractionPlan, skin: Skin | None = None) -> MotionQuality:
    """Measure a motion against its plan.

    Args:
        skin: that fits the subject; the full Anny skin (13,718 vertices) where None.

    Raises:
        MotionError: without an object. MissingDependencyError: no `anny`.
    """
    if not motion.objects:
        raise MotionError("zero-shot figures need an object")
    skin = skin_of(motion.offsets, "anny", "full") if skin is None else skin
    shapes = [Shape.of(item.geometry) for item in motion.objects]
    planned = planned_frames(motion, plan)
    owners = {part: np.isin(skin.vertex_joints, part_joints(part)) for part in planned}
    touching = {part: np.zeros(motion.num_frames, bool) for part in planned}
    depths, lowest, deepest, where = [], np.inf, 0.0, None
    for start in range(0, motion.num_frames, _BLOCK):
        frames = np.s_[start : start + _BLOCK]
        vertices = skin.vertices(motion.joint_rotations_b[frames], motion.root_position_w[frames])
        distance = _distance(vertices, motion.objects, shapes, frames)
        for part, owner in owners.items():
            touching[part][frames] = distance[:, owner].min(1, initial=np.inf) <= CONTACT
        depths.append(distance[distance < 0])
        if distance.min() < deepest:
            frame, vertex = np.unravel_index(distance.argmin(), distance.shape)
            deepest, where = distance.min(), (JOINT_NAMES[skin.vertex_joints[vertex]], start + int(frame))
        lowest = min(lowest, float(vertices[..., 2].min()))
    depth = np.concatenate(depths)
    inside, share = metrics.penetration(depth), 100.0 * depth.size / (motion.num_frames * len(skin.rest_vertices))
    joints = motion.joint_positions_w
    floor = metrics.fs_score(joints[:, _ANKLES], joints[:, _TOES], metrics.floor_height(joints[:, _TOES]))
    skate = foot_skate_m_s(Person(motion)).value
    return MotionQuality(
        contact_ratio(planned, touching),
        {part: contact_ratio({part: wanted}, touching) for part, wanted in planned.items()},
        share, inside.mean_mm, inside.max_mm, max(0.0, -lowest * MM),
        float("nan") if skate is None else skate, floor, where,
    )  # fmt: skip


def contact_ratio(planned: Mapping[BodyPart, np.ndarray], touching: Mapping[BodyPart, np.ndarray]) -> float:
    """Sum over parts p and frames t of planned and touching, over the sum of planned: bool [T] each; NaN without any.

    ZeroHSI reports CHOIS's contact ratio, of hands within 5 cm over frames; this one is of every planned part, within
    2 cm, over the frames in which it is planned.
    """
    wanted = sum(int(frames.sum()) for frames in planned.values())
    met = sum(int((frames & touching[part]).sum()) for part, frames in planned.items())
    return met / wanted if wanted else float("nan")


def planned_frames(motion: Motion, plan: InteractionPlan) -> dict[BodyPart, np.ndarray]:
    """Frames [T] bool in which each planned part has to touch the object.

    They are those of the motion's contact graph, whose clock the motion sets. A part that the graph leaves out has to
    touch in the phases of the plan, on the plan's clock, so that contacts which were never made count as missed.
    """
    graph, active = motion.contacts, motion.contacts.active(motion.num_frames)
    joints = np.array([KEYPOINT_JOINTS[KEYPOINT_INDEX[name]] for name in graph.keypoints], np.int64)
    ends = np.cumsum([0.0, *(phase.seconds for phase in plan.phases)])
    times = np.arange(motion.num_frames) / motion.fps
    found: dict[BodyPart, np.ndarray] = {}
    for contact in plan.contacts:
        part = contact.body_part
        rows = np.isin(joints, part_joints(part))
        if rows.any():
            found[part] = np.asarray(active[:, rows].any(1))
        else:
            during = (times >= ends[contact.first]) & (times <= ends[contact.last + 1])
            found[part] = np.asarray(found.get(part, False) | during)
    return found


def _distance(
    vertices_w: np.ndarray, items: Sequence[MotionObject], shapes: Sequence[Shape], frames: slice
) -> np.ndarray:
    """Signed distance to the nearest object, [T, V, 3] m -> [T, V] m; infinite beyond 2 cm of the bounding boxes."""
    nearest = np.full(vertices_w.shape[:2], np.inf)
    for item, shape in zip(items, shapes, strict=True):
        local = rotations.rotate_inverse(item.rotation_w[frames, None], vertices_w - item.position_w[frames, None])
        low, high = shape.bounds
        close = ((local >= low - CONTACT) & (local <= high + CONTACT)).all(-1)
        if close.any():
            nearest[close] = np.minimum(nearest[close], shape.signed_distance(local[close]))
    return nearest


def diversity(motions: Sequence[Motion]) -> float:
    """Mean distance of the same joint over pairs of motions, frames and the 22 body joints, m; NaN of fewer than two.

    ZeroHSI: "the mean per-joint Euclidean distance between each pair of generated sequences". Motions of different
    length are compared at the same share of their time.
    """
    if len(motions) < 2:
        return float("nan")
    frames = min(motion.num_frames for motion in motions)
    paths = [
        motion.joint_positions_w[np.rint(np.linspace(0, motion.num_frames - 1, frames)).astype(int)][:, BODY_JOINTS]
        for motion in motions
    ]
    apart = [np.linalg.norm(a - b, axis=-1).mean() for a, b in itertools.combinations(paths, 2)]
    return float(np.mean(apart))
