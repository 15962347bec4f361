"""What the audit measures: a motion's person and objects as traces, and one small function a figure over them.

Derivatives are taken over steps of about 1/30 s whatever the frame rate: their noise grows with the rate, and a limit
would otherwise mean something else at 60 fps than at 30.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion, binary_opening, grey_closing

from sim import metrics, rotations, skeleton
from sim.contacts import graph_distances
from sim.geometry import Mesh
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets, keypoint_positions
from sim.metrics import MM
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import JOINT_NAMES

GRAVITY = np.array([0.0, 0.0, -9.81])
STEP_RATE = 30.0
"""Hz, of the steps that derivatives are taken over."""
REACH = 0.2
"""m around an object's bounding box within which distances are exact; beyond it the distance to the box serves."""
TOUCH = 0.10
"""m from every keypoint at which an object counts as untouched: 87 keypoints leave gaps of about that size."""
STANCE_BAND = 0.015
"""m over its own lowest height (5th percentile) within which a point of the sole may be standing."""
STANCE_SECONDS = 0.1
"""s for which it must stay there; a foot that swings through low is back up sooner."""
AIRBORNE = 0.05
"""m over the floor from which on an object, or a person, cannot be resting on it."""
FALL_TOLERANCE = 6.0
"""m/s^2 by which the acceleration of a falling body may differ from gravity: noise of a second difference."""
RESTING_SPEED = 0.05
"""m/s below which an object is at rest; real ones that nobody touches stay below 0.02."""
BOUNCE_SECONDS = 0.35
"""s; dips of energy that are shorter come from differences across a bounce."""

SOLES = [KEYPOINT_INDEX[n] for n in ("leftFoot_sole", "leftToeBase", "rightFoot_sole", "rightToeBase")]
_ROUND = ("sphere", "cylinder", "capsule")
_HAND_JOINTS = {
    side: [j for j, n in enumerate(JOINT_NAMES) if n == f"{side}_wrist" or (j in skeleton.FINGER_JOINTS and side in n)]
    for side in ("left", "right")
}
HAND_KEYPOINTS = {side: np.flatnonzero(np.isin(KEYPOINT_JOINTS, joints)) for side, joints in _HAND_JOINTS.items()}


class Measure(NamedTuple):
    """A figure and the frame where it is worst; value None where there is nothing to measure."""

    value: float | None
    frame: int | None = None


NOTHING = Measure(None)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of a condition bool [T], as frames start..stop-1."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@dataclass(frozen=True, eq=False)
class Person:
    """The body of a motion."""

    motion: Motion

    @functools.cached_property
    def keypoints_w(self) -> np.ndarray:
        """[T, 87, 3] m."""
        m = self.motion
        return keypoint_positions(m.joint_positions_w, m.joint_rotations_w, keypoint_offsets(m.offsets))

    @functools.cached_property
    def lowest(self) -> np.ndarray:
        """[T] m, height of the lowest keypoint."""
        return metrics.lowest_per_frame(self.keypoints_w) / MM

    @functools.cached_property
    def things(self) -> tuple[Thing, ...]:
        """Every object of the motion."""
        return tuple(Thing(item, self) for item in self.motion.objects)

    @property
    def step(self) -> int:
        """Frames in a step of about 1/30 s."""
        return max(1, round(self.motion.fps / STEP_RATE))

    @property
    def dt(self) -> float:
        """Seconds in such a step."""
        return self.step / self.motion.fps

    def derivative(self, values: np.ndarray, order: int) -> np.ndarray:
        """Differences over steps, per second^order: [T, ...] -> [T - order * step, ...]."""
        for _ in range(order):
            values = values[self.step :] - values[: -self.step]
        return values / self.dt**order

    def peak(self, derivative: np.ndarray, order: int) -> Measure:
        """Greatest value of a derivative [T - order * step] and the frame in the middle of what it spans."""
        if not derivative.size:
            return NOTHING
        return Measure(float(derivative.max()), int(derivative.argmax()) + order * self.step // 2)

    def centered(self, values: np.ndarray, order: int) -> np.ndarray:
        """First or second derivative at each frame, NaN at the ends: [T, 3] -> [T, 3]."""
        k, out = self.step, np.full(values.shape, np.nan)
        if order == 1:
            out[k:-k] = (values[2 * k :] - values[: -2 * k]) / (2 * self.dt)
        else:
            out[k:-k] = (values[2 * k :] - 2 * values[k:-k] + values[: -2 * k]) / self.dt**2
        return out

    def settled(self, mask: np.ndarray) -> np.ndarray:
        """Frames around which a condition [T] holds for as long as a centred derivative looks: bool [T]."""
        held: np.ndarray = binary_erosion(mask, np.ones(2 * self.step + 1))
        return held

    def longest(self, mask: np.ndarray) -> Measure:
        """Length in seconds of the longest run of a condition [T], and the frame where it begins."""
        found = runs(mask)
        if not found:
            return Measure(0.0)
        start, stop = max(found, key=lambda run: run[1] - run[0])
        return Measure((stop - start) / self.motion.fps, start)


@dataclass(frozen=True, eq=False)
class Thing:
    """An object of a motion, beside the person who is with it."""

    item: MotionObject
    person: Person

    @functools.cached_property
    def shape(self) -> Shape:
        """The geometry, to ask distances of."""
        return Shape.of(self.item.geometry)

    @functools.cached_property
    def distance(self) -> np.ndarray:
        """[T, 87] m, signed distance of the keypoints to the surface; a lower bound beyond `REACH`."""
        points = self.person.keypoints_w - self.item.position_w[:, None]
        points = rotations.rotate_inverse(self.item.rotation_w[:, None], points)
        distance: np.ndarray = np.linalg.norm(points - points.clip(*self.shape.bounds), axis=-1)
        near = distance < REACH
        distance[near] = self.shape.signed_distance(points[near])
        return distance

    @functools.cached_property
    def alone(self) -> np.ndarray:
        """bool [T]: no other object is so near that it could touch this one."""
        alone = np.ones(self.person.motion.num_frames, bool)
        for other in self.person.things:
            if other is not self:
                apart = np.linalg.norm(self.item.position_w - other.item.position_w, axis=-1)
                alone &= apart > self.shape.bounding_radius + other.shape.bounding_radius
        return alone

    @functools.cached_property
    def untouched(self) -> np.ndarray:
        """bool [T]: no keypoint is within `TOUCH`, and no other object could touch this one."""
        untouched: np.ndarray = np.all(self.distance > TOUCH, axis=1) & self.alone
        return untouched

    @functools.cached_property
    def falls(self) -> np.ndarray:
        """bool [T]: its middle accelerates about as gravity wants; so do the first and last step, which are unknown."""
        fall = np.linalg.norm(self.person.centered(self.center_w, 2) - GRAVITY, axis=-1)
        falls: np.ndarray = ~(fall > FALL_TOLERANCE)
        return falls

    @property
    def is_round(self) -> bool:
        """Whether it rolls on by itself."""
        return not isinstance(self.item.geometry, Mesh) and self.item.geometry.kind in _ROUND

    @functools.cached_property
    def speed(self) -> np.ndarray:
        """[T] m/s, of the middle; NaN at the ends."""
        return np.linalg.norm(self.person.centered(self.center_w, 1), axis=-1)

    @functools.cached_property
    def lowest(self) -> np.ndarray:
        """[T] m, height of the lowest surface point."""
        return self.shape.lowest_height(self.item.position_w, self.item.rotation_w)

    @functools.cached_property
    def center_w(self) -> np.ndarray:
        """[T, 3] m, the middle of the surface: in flight it nearly falls freely, as the object's origin need not."""
        middle = self.shape.bounds.mean(0)
        moved: np.ndarray = self.item.position_w + rotations.rotate(self.item.rotation_w, middle)
        return moved


# --- the person ---------------------------------------------------------------------------------------------------


def floor_penetration_mm(person: Person) -> Measure:
    """Deepest keypoint under the floor."""
    return Measure(max(0.0, -float(person.lowest.min()) * MM), int(person.lowest.argmin()))


def float_mm(person: Person) -> Measure:
    """Median over the frames of the lowest keypoint's height: who stands, walks or kneels reaches the floor."""
    return Measure(max(0.0, float(np.median(person.lowest)) * MM), int(person.lowest.argmax()))


def levitation_s(person: Person) -> Measure:
    """Longest time off the floor, and off every object, without falling."""
    alone = person.lowest > AIRBORNE + max(0.0, float(np.median(person.lowest)))
    for thing in person.things:
        alone = alone & (thing.distance > TOUCH).all(1)
    fall = np.linalg.norm(person.centered(person.motion.root_position_w, 2) - GRAVITY, axis=-1)
    return person.longest(person.settled(alone) & (fall > FALL_TOLERANCE))


def foot_skate_m_s(person: Person) -> Measure:
    """Mean horizontal speed of soles and toes while they stand."""
    feet = person.keypoints_w[:, SOLES]
    low = feet[..., 2] < np.percentile(feet[..., 2], 5, axis=0) + STANCE_BAND
    frames = max(3, round(STANCE_SECONDS * person.motion.fps))
    standing = binary_erosion(binary_opening(low, np.ones((frames, 1))), np.ones((3, 1)))
    standing = standing[person.step :] & standing[: -person.step]
    speed = np.where(standing, np.linalg.norm(person.derivative(feet[..., :2], 1), axis=-1), 0.0)
    if not standing.any():
        return NOTHING
    return Measure(float(speed.sum() / standing.sum()), person.peak(speed.max(1), 1).frame)


def jerk_m_s3(person: Person) -> Measure:
    """Mean jerk of the 21 bodies that the peers' tables use."""
    joints = person.motion.joint_positions_w[:, metrics.PEER_JOINTS]
    jerk = np.linalg.norm(person.derivative(joints, 3), axis=-1).mean(-1)
    return Measure(float(jerk.mean()), person.peak(jerk, 3).frame) if jerk.size else NOTHING


def joint_speed_m_s(person: Person) -> Measure:
    """Fastest joint that is not a finger's."""
    joints = person.motion.joint_positions_w[:, skeleton.BODY_JOINTS]
    return person.peak(np.linalg.norm(person.derivative(joints, 1), axis=-1).max(-1), 1)


def joint_turn_rad_s(person: Person) -> Measure:
    """Fastest turn of a joint, against its parent, that is not a finger's."""
    q = person.motion.joint_rotations_b[:, skeleton.BODY_JOINTS]
    angle = rotations.angle_between(q[: -person.step].copy(), q[person.step :].copy())
    return person.peak(angle.max(-1) / person.dt, 1)


def root_acceleration_m_s2(person: Person) -> Measure:
    """Greatest acceleration of the pelvis: where a body teleports, or the frame rate is wrong."""
    return person.peak(np.linalg.norm(person.derivative(person.motion.root_position_w, 2), axis=-1), 2)


# --- each object --------------------------------------------------------------------------------------------------


def penetration_mm(thing: Thing) -> Measure:
    """Deepest keypoint inside the object. Half of a thin board's thickness is the most it can say."""
    depth = np.maximum(-thing.distance.min(1), 0.0) * MM
    return Measure(float(depth.max()), int(depth.argmax()))


def contact_gap_mm(thing: Thing) -> Measure:
    """Gap between a hand and the object where the data set says that they touch: 90th percentile of those frames.

    Labels name hands but no object, so each frame is judged by the nearest one; without labels the flag of the whole
    clip is judged by the nearest keypoint.
    """
    motion, things = thing.person.motion, [t for t in thing.person.things if not t.item.is_static]
    if thing.item.is_static:
        return NOTHING
    nearest = np.min([t.distance for t in things], axis=0)
    gaps = np.full((motion.num_frames, 2), -np.inf)
    if motion.contact_labels is not None:
        for column, side in enumerate(_HAND_JOINTS):
            labelled = (motion.contact_labels[:, _HAND_JOINTS[side]] > 0).any(1)
            gaps[labelled, column] = nearest[labelled][:, HAND_KEYPOINTS[side]].min(1)
    elif motion.object_contact is not None:
        labelled = motion.object_contact > 0
        gaps[labelled, 0] = nearest[labelled].min(1)
    known = gaps[np.isfinite(gaps)]
    if not known.size:
        return NOTHING
    return Measure(max(0.0, float(np.percentile(known, 90)) * MM), int(gaps.max(1).argmax()))


def contact_drift_mm(thing: Thing) -> Measure:
    """Distance between the two ends of a contact in the graph while it holds: 90th percentile."""
    motion = thing.person.motion
    index = next(i for i, item in enumerate(motion.objects) if item.name == thing.item.name)
    graph = motion.contacts.rows(motion.contacts.object_index == index)
    apart = graph_distances(motion, graph=graph) * MM
    known = ~np.isnan(apart)
    if not known.any():
        return NOTHING
    return Measure(float(np.percentile(apart[known], 90)), int(np.where(known, apart, 0.0).max(1).argmax()))


def object_floor_mm(thing: Thing) -> Measure:
    """How far the object sinks under the floor."""
    return Measure(max(0.0, -float(thing.lowest.min()) * MM), int(thing.lowest.argmin()))


def object_float_mm(thing: Thing) -> Measure:
    """Median height of the object over the floor while it rests there, or should, untouched."""
    resting = thing.person.settled(thing.untouched) & (thing.speed < RESTING_SPEED)
    if thing.item.is_static or not resting.any():
        return NOTHING
    height = np.where(resting, thing.lowest, -np.inf) * MM
    return Measure(max(0.0, float(np.median(height[resting]))), int(height.argmax()))


def object_jerk_m_s3(thing: Thing) -> Measure:
    """Median jerk of the object's middle: blind to bounces and blows, which are short, but not to jitter."""
    jerk = np.linalg.norm(thing.person.derivative(thing.center_w, 3), axis=-1)
    return Measure(float(np.median(jerk)), thing.person.peak(jerk, 3).frame) if jerk.size else NOTHING


def object_speed_m_s(thing: Thing) -> Measure:
    """Fastest motion of the object's middle."""
    return thing.person.peak(np.linalg.norm(thing.person.derivative(thing.center_w, 1), axis=-1), 1)


def object_levitation_s(thing: Thing) -> Measure:
    """Longest time in the air, untouched, without falling as gravity wants."""
    free = thing.person.settled(thing.untouched & (thing.lowest > AIRBORNE))
    return _of_free_object(thing, thing.person.longest(free & ~thing.falls))


def object_energy_j_kg(thing: Thing) -> Measure:
    """Greatest gain of mechanical energy a kilogram, potential and linear, while untouched: nature allows none.

    Dips shorter than `BOUNCE_SECONDS` are filled first: a central difference across a bounce sees no speed.
    """
    energy = -GRAVITY[2] * thing.center_w[:, 2] + 0.5 * thing.speed**2
    window = max(1, round(BOUNCE_SECONDS * thing.person.motion.fps))
    worst = Measure(0.0)
    for start, stop in runs(thing.person.settled(thing.untouched)):
        filled = grey_closing(energy[start:stop], window, mode="nearest")
        gain = np.maximum.accumulate(filled[::-1])[::-1] - filled
        if gain.max() > (worst.value or 0.0):
            worst = Measure(float(gain.max()), start + int(np.diff(filled).argmax()))
    return _of_free_object(thing, worst)


def object_slide_m_s(thing: Thing) -> Measure:
    """Speed on the floor while untouched, 95th percentile: only what is round goes on by itself."""
    resting = thing.person.settled(thing.untouched & (thing.lowest < AIRBORNE))
    if thing.is_round:
        return NOTHING
    speed = np.where(resting, thing.speed, 0.0)
    if not resting.any():
        return NOTHING
    return _of_free_object(thing, Measure(float(np.percentile(speed[resting], 95)), int(speed.argmax())))


def static_motion_mm(thing: Thing) -> Measure:
    """How far an object that is said to be fixed to the world moves."""
    if not thing.item.is_static:
        return NOTHING
    away = np.linalg.norm(thing.center_w - thing.center_w[0], axis=-1) * MM
    return Measure(float(away.max()), int(away.argmax()))


def _of_free_object(thing: Thing, measure: Measure) -> Measure:
    return NOTHING if thing.item.is_static else measure
