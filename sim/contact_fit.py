"""Hands onto the objects that they are said to touch, and out of those that they sink into.

The gap is the signed distance between the hand's collision shapes and the object's surface. The wrists are moved along
the shortest way that closes it, faded in and out around each contact, and inverse kinematics (mink) bends shoulders and
elbows for it; pelvis, spine, legs and feet stay where they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mink
import mujoco
import numpy as np
from scipy.ndimage import gaussian_filter1d

from sim import humanoid, rotations, skeleton
from sim.body.capsules import BodyGeom, surface_points
from sim.contacts import labels_from_graph
from sim.feedforward import HandContacts
from sim.motion import Motion, MotionObject
from sim.objects import ObjectAsset
from sim.scene import Scene
from sim.skeleton import JOINT_INDEX, MITTEN_JOINTS, SIDES

_FAR = 0.5
_CANDIDATES = 4
_PUSHING_POINTS = 6
_PUSHING_REACH = 0.015
_IK_STEPS = 4
_STRAIGHT = 0.99
_POSTURE_COSTS = {"collar": 1.0, "shoulder": 0.1, "elbow": 0.1, "wrist": 0.1}
"""How much each joint of the arm, chest outwards, resists leaving its pose, against 10 per metre at the wrist."""


@dataclass(frozen=True)
class ContactFitConfig:
    """How far hands may be moved.

    Attributes:
        passes: rounds of measuring and moving; 0 leaves the motion as it is.
        tolerance: m of gap that is left alone.
        max_shift: m, the furthest that a wrist is moved.
        fade_seconds: time in which a correction grows before a contact and dies after it.
        smoothing_seconds: standard deviation of the Gaussian that smooths corrections in time.
        start_depth: m that palms and forearms may lie inside an object in the first frame (`sim.clearance`); 0 allows
            any depth.
    """

    passes: int = 4
    tolerance: float = 0.002
    max_shift: float = 0.10
    fade_seconds: float = 0.3
    smoothing_seconds: float = 0.05
    start_depth: float = 0.015


@dataclass(frozen=True, eq=False)
class FitResult:
    """The fitted motion, and per-hand median gap at labelled contact and deepest penetration, mm, before and after."""

    motion: Motion
    gap_before_mm: dict[str, float]
    gap_after_mm: dict[str, float]
    penetration_before_mm: float
    penetration_after_mm: float

    def leading_to(self, motion: Motion, scene: Scene) -> FitResult:
        """The same with another motion at its end, which is measured."""
        gaps = hand_gaps(motion, scene)[0]
        after = _medians(gaps, hand_contact(motion))
        return replace(self, motion=motion, gap_after_mm=after, penetration_after_mm=_deepest(gaps))


def hand_contact(motion: Motion) -> np.ndarray:
    """[T, 2] bool, left and right: a joint of the hand is labelled +1, or in the contact graph where no labels are."""
    touching: np.ndarray = hand_labels(motion) > 0
    return touching


def hand_labels(motion: Motion) -> np.ndarray:
    """[T, 2] int8, left and right: +1 the hand must touch an object, 0 it may, -1 it must not.

    With labels of the data set: +1 where a joint of the hand has that, -1 where all have that, else 0. Without: +1
    where the contact graph has a pair of the hand; elsewhere 0 if the data set says that the object is touched, though
    not by what, and else -1.
    """
    labels = motion.contact_labels
    if labels is None:
        unknown = 0 if motion.object_contact is None else motion.object_contact[:, None] > 0
        labels = np.where(labels_from_graph(motion) > 0, 1, np.where(unknown, 0, -1))
    columns = [[i for i, name in enumerate(skeleton.JOINT_NAMES) if _is_hand(name, side)] for side in SIDES]
    must = np.stack([(labels[:, c] > 0).any(1) for c in columns], 1)
    must_not = np.stack([(labels[:, c] < 0).all(1) for c in columns], 1)
    return must.astype(np.int8) - must_not


def _is_hand(name: str, side: str) -> bool:
    return name.startswith(side) and humanoid.is_hand(JOINT_INDEX[name])


def hand_gaps(motion: Motion, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance between each hand's shapes and the nearest object's surface, and the way that would close it.

    Tips of a mitten's fingers do not count: they reach 30 to 60 mm into the boxes that a real hand bends around, until
    `sim.grip` closes the hand.

    Points are spread over the hand's collision shapes; the convex parts pick the nearest few in each frame, for which
    the distance to the object's true surface is then exact.

    Returns:
        gaps: [T, 2] m, left and right, negative inside, at most 0.5; ways: [T, 2, 3] m, world.
    """
    gaps = np.full((motion.num_frames, 2), _FAR)
    ways = np.zeros((motion.num_frames, 2, 3))
    for side, name in enumerate(SIDES):
        points_w, _ = _hand_points(motion, _without_tips(scene.geoms), name)
        for item in motion.objects:
            near, closest, distance = _nearest(points_w, item, scene.assets[item.name])
            closer = distance < gaps[:, side]
            gaps[closer, side], ways[closer, side] = distance[closer], (closest - near)[closer]
    return gaps, ways


def hand_contact_points(motion: Motion, scene: Scene) -> HandContacts:
    """Points of the hands within 15 mm of a movable object in the frames of contact, with the object's normals."""
    touching = hand_contact(motion)
    columns: list[tuple[np.ndarray, ...]] = []
    movable = [item for item in motion.objects if not item.is_static]
    for side, name in enumerate(SIDES):
        points_w, joints = _hand_points(motion, scene.geoms, name)
        for o, item in enumerate(movable):
            asset = scene.assets[item.name]
            points_b = rotations.rotate_inverse(item.rotation_w[:, None], points_w - item.position_w[:, None])
            distance = asset.hull_distance(points_b)
            few = np.argpartition(distance, _PUSHING_POINTS, axis=1)[:, :_PUSHING_POINTS]
            chosen_b = np.take_along_axis(points_b, few[..., None], 1)
            normal_w = rotations.rotate(item.rotation_w[:, None], _hull_normals(asset, chosen_b))
            near = np.take_along_axis(distance, few, 1) < _PUSHING_REACH
            chosen_w = np.take_along_axis(points_w, few[..., None], 1)
            bodies = np.array(skeleton.JOINT_NAMES)[joints[few]]
            columns.append((bodies, np.full(few.shape, o), chosen_w, normal_w, near & touching[:, side, None]))
    if not columns:
        empty = np.zeros((motion.num_frames, 0))
        return HandContacts(
            empty.astype(str), empty, empty[..., None].repeat(3, -1), empty[..., None].repeat(3, -1), empty.astype(bool)
        )
    return HandContacts(*(np.concatenate(parts, 1) for parts in zip(*columns, strict=True)))


def _hull_normals(asset: ObjectAsset, points_b: np.ndarray) -> np.ndarray:
    """[..., 3] unit normals out of the convex parts, by central differences of their distance."""
    steps = 0.002 * np.eye(3)
    slope = [asset.hull_distance(points_b + step) - asset.hull_distance(points_b - step) for step in steps]
    gradient = np.stack(slope, -1)
    return gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)


def _without_tips(geoms: tuple[BodyGeom, ...]) -> tuple[BodyGeom, ...]:
    """All shapes but the second of a mitten's fingers, which stands for all that is behind their first segments."""
    return tuple(g for g, before in zip(geoms, (None, *geoms), strict=False) if not _is_tip(g, before))


def _is_tip(geom: BodyGeom, before: BodyGeom | None) -> bool:
    return geom.joint in MITTEN_JOINTS and before is not None and before.joint == geom.joint


def _hand_points(motion: Motion, geoms: tuple[BodyGeom, ...], side: str) -> tuple[np.ndarray, np.ndarray]:
    """[T, P, 3] m in the world, spread over the surface of the hand's shapes, and the joints [P] that they ride on."""
    parts, joints = [], []
    for geom in geoms:
        if _is_hand(skeleton.JOINT_NAMES[geom.joint], side):
            points_b = geom.position_b + rotations.rotate(geom.rotation_b, surface_points(geom))
            turned = rotations.rotate(motion.joint_rotations_w[:, geom.joint, None], points_b[None])
            parts.append(motion.joint_positions_w[:, geom.joint, None] + turned)
            joints += [geom.joint] * len(points_b)
    return np.concatenate(parts, 1), np.array(joints)


def _nearest(points_w: np.ndarray, item: MotionObject, asset: ObjectAsset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In each frame the hand point that is deepest in or nearest to an object: it, its surface point, the distance."""
    frames = np.arange(len(points_w))
    rotation, position = item.rotation_w[:, None], item.position_w[:, None]
    within = np.linalg.norm(points_w.mean(1) - item.position_w, axis=-1) < asset.bounding_radius + _FAR
    points_b = rotations.rotate_inverse(rotation, points_w - position)
    coarse = np.full(points_w.shape[:2], np.inf)
    coarse[within] = asset.hull_distance(points_b[within])
    few = np.argpartition(coarse, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    candidates = np.take_along_axis(points_b, few[..., None], 1)
    distance = np.full(few.shape, np.inf)
    surface = np.zeros_like(candidates)
    surface[within], distance[within] = asset.signed_closest(candidates[within])
    best = distance.argmin(1)
    on_surface = item.position_w + rotations.rotate(item.rotation_w, surface[frames, best])
    return points_w[frames, few[frames, best]], on_surface, distance[frames, best]


def fit_contacts(motion: Motion, scene: Scene, config: ContactFitConfig) -> FitResult:
    """Close gaps at labelled contact and resolve penetration of the hands; see the module's text."""
    touching = hand_contact(motion)
    gaps, ways = hand_gaps(motion, scene)
    before = (_medians(gaps, touching), _deepest(gaps))
    wrists = np.stack([motion.joint_positions_w[:, JOINT_INDEX[f"{side}_wrist"]] for side in SIDES], 1)
    shift, fitted = np.zeros_like(wrists), motion
    for _ in range(config.passes):
        shift = shift + _wanted(gaps, ways, touching, config, motion.fps)
        length = np.linalg.norm(shift, axis=-1, keepdims=True)
        shift = shift * np.minimum(1.0, config.max_shift / np.maximum(length, 1e-9))
        shift = _within_reach(motion, wrists + shift) - wrists
        moved = np.linalg.norm(shift, axis=-1).max(1) > 1e-4
        if not moved.any():
            break
        fitted = _solve_arms(motion, wrists + shift, moved)
        gaps, ways = hand_gaps(fitted, scene)
    return FitResult(fitted, before[0], _medians(gaps, touching), before[1], _deepest(gaps))


def _medians(gaps: np.ndarray, touching: np.ndarray) -> dict[str, float]:
    return {
        side: float(np.median(gaps[touching[:, i], i]) * 1000.0)
        for i, side in enumerate(SIDES)
        if touching[:, i].any()
    }  # fmt: skip


def _deepest(gaps: np.ndarray) -> float:
    return float(max(0.0, -gaps.min()) * 1000.0)


def _wanted(
    gaps: np.ndarray, ways: np.ndarray, touching: np.ndarray, config: ContactFitConfig, fps: float
) -> np.ndarray:
    """[T, 2, 3] m: the correction of this pass, continued between and faded around the frames that ask for one."""
    asks = (touching & (np.abs(gaps) > config.tolerance) & (gaps < config.max_shift)) | (gaps < 0)
    wanted = np.where((touching | (gaps < 0))[..., None], ways, 0.0)
    corrections = np.zeros_like(wanted)
    frames = np.arange(len(gaps))
    for side in range(2):
        known = np.flatnonzero(asks[:, side] | (touching[:, side] & (gaps[:, side] < config.max_shift)))
        if not len(known) or not asks[:, side].any():
            continue
        share = fade(np.abs(frames[:, None] - known).min(1) / fps, config.fade_seconds)
        for axis in range(3):
            filled = np.interp(frames, known, wanted[known, side, axis])
            corrections[:, side, axis] = gaussian_filter1d(
                filled * share, config.smoothing_seconds * fps, mode="nearest"
            )
    return corrections


def fade(seconds: np.ndarray, duration: float) -> np.ndarray:
    """1 at no time away from what is corrected, down to 0 from `duration` on, smoothly: [...] s -> [...]."""
    share: np.ndarray = 0.5 + 0.5 * np.cos(np.pi * np.clip(seconds / duration, 0.0, 1.0))
    return share


def move_wrists(motion: Motion, shift_w: np.ndarray) -> Motion:
    """Bend the arms so that the wrists are shift_w [T, 2, 3] m elsewhere, as far as they reach; hands stay turned."""
    wrists = np.stack([motion.joint_positions_w[:, JOINT_INDEX[f"{side}_wrist"]] for side in SIDES], 1)
    moved = np.linalg.norm(shift_w, axis=-1).max(1) > 1e-4
    return _solve_arms(motion, _within_reach(motion, wrists + shift_w), moved)


def _within_reach(motion: Motion, wrists_w: np.ndarray) -> np.ndarray:
    """[T, 2, 3] m, drawn in to where arms that are nearly straight, or as straight as they were, still reach.

    Inverse kinematics turns elbows over for targets that are out of reach.
    """
    shoulders, elbows, hands = ([JOINT_INDEX[f"{s}_{part}"] for s in SIDES] for part in ("shoulder", "elbow", "wrist"))
    start = motion.joint_positions_w[:, shoulders]
    length = np.linalg.norm(motion.offsets[elbows], axis=-1) + np.linalg.norm(motion.offsets[hands], axis=-1)
    before = np.linalg.norm(motion.joint_positions_w[:, hands] - start, axis=-1)
    arm = wrists_w - start
    farthest = np.maximum(_STRAIGHT * length, before) / np.maximum(np.linalg.norm(arm, axis=-1), 1e-9)
    return start + arm * np.minimum(1.0, farthest)[..., None]


def _arm_model(offsets: np.ndarray) -> mujoco.MjModel:
    """Both arms with the simulated humanoid's hinges, hung on a fixed chest: all that inverse kinematics has to see."""
    spec = mujoco.MjSpec()
    for side in SIDES:
        parent = spec.worldbody
        for part in _POSTURE_COSTS:
            joint = JOINT_INDEX[f"{side}_{part}"]
            parent = parent.add_body(name=skeleton.JOINT_NAMES[joint], pos=offsets[joint], mass=1.0, inertia=np.ones(3))
            humanoid.add_hinges(parent, joint)
    return spec.compile()


def _solve_arms(motion: Motion, wrists_w: np.ndarray, moved: np.ndarray) -> Motion:
    """Bend the arms in the `moved` frames so that the wrists are at wrists_w [T, 2, 3] m, hands turned as they were."""
    model = _arm_model(motion.offsets)
    configuration = mink.Configuration(model)
    joints = [JOINT_INDEX[f"{side}_{part}"] for side in SIDES for part in _POSTURE_COSTS]
    costs = np.repeat([_POSTURE_COSTS[part] for _ in SIDES for part in _POSTURE_COSTS], 3)
    posture = mink.PostureTask(model, cost=costs)
    hands = [
        mink.FrameTask(f"{side}_wrist", "body", position_cost=10.0, orientation_cost=1.0, lm_damping=1e-6)
        for side in SIDES
    ]
    angles = humanoid.hinge_angles(motion.joint_rotations_b[:, joints])
    chest = JOINT_INDEX["spine3"]
    chest_rotation = motion.joint_rotations_w[:, chest, None]
    targets = rotations.rotate_inverse(chest_rotation, wrists_w - motion.joint_positions_w[:, chest, None])
    for t in np.flatnonzero(moved):
        configuration.update(angles[t])
        posture.set_target(angles[t])
        for i, (task, side) in enumerate(zip(hands, SIDES, strict=True)):
            turned = configuration.get_transform_frame_to_world(f"{side}_wrist", "body").rotation()
            task.set_target(mink.SE3.from_rotation_and_translation(turned, targets[t, i]))
        for _ in range(_IK_STEPS):
            step = mink.solve_ik(configuration, [*hands, posture], 1.0, solver="daqp", damping=1e-6, limits=[])
            configuration.integrate_inplace(step, 1.0)
        angles[t] = configuration.q
    local = motion.joint_rotations_b.copy()
    local[:, joints] = humanoid.joint_rotations(angles)
    return motion.replace(joint_rotations_b=local)
