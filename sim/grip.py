"""Closing a mitten on what the hand should touch.

Recorded fingers are rarely to be trusted, where data sets have any. So in frames of contact the four fingers are closed
from open until they first touch the object: around an edge or a handle that hooks them, on a face they lie flat. The
motion gets that flexion; the PD targets aim a little further, so that the fingers press.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.ndimage import gaussian_filter1d

from sim import humanoid, rotations, skeleton
from sim.body.capsules import mitten_pose
from sim.contact_fit import hand_contact
from sim.motion import Motion
from sim.scene import Scene, motion_to_qpos
from sim.skeleton import MITTEN_JOINTS, SIDES

_STEPS = 10
_REFINEMENTS = 2
_STRIDE = 2
"""Frames from one sweep to the next; between them flexion is interpolated."""
_REACH = 0.15
_TOUCHING = 0.010


@dataclass(frozen=True)
class GripConfig:
    """How mittens close.

    Attributes:
        force: N with which the fingers' middle is to press on what it touches.
        open_deg: flexion while the hand should not touch; relaxed_deg: while it should but the fingers find nothing.
        ramp_seconds: time in which hands close and open.
    """

    force: float = 20.0
    open_deg: float = 15.0
    relaxed_deg: float = 35.0
    ramp_seconds: float = 0.15


def close_hands(motion: Motion, scene: Scene, config: GripConfig) -> tuple[Motion, np.ndarray]:
    """Give the fingers the pose in which a mitten holds the objects.

    Returns:
        The motion, whose fingers are the mitten's and whose thumbs rest in their mean pose (chordal mean), and [T, 2]
        0..1, how firmly left and right are to press. Unchanged, and zeros, where the scene simulates all fingers.
    """
    if not humanoid.has_mittens(scene.joints):
        return motion, np.zeros((motion.num_frames, 2))
    touching = hand_contact(motion)
    flexion, pressing = _first_touch(motion, scene, touching, np.radians(config.relaxed_deg))
    flexion = np.where(touching, flexion, np.radians(config.open_deg))
    deviation = 0.5 * config.ramp_seconds * motion.fps
    if deviation > 0:
        flexion, pressing = (gaussian_filter1d(x, deviation, axis=0, mode="nearest") for x in (flexion, pressing))
    return _with_fingers(motion, flexion), pressing


def pressing_targets(scene: Scene, offsets: np.ndarray, pressing: np.ndarray, force: float) -> np.ndarray:
    """[T, nu] rad to add to the PD targets, so that fingers press with `force` in N, times `pressing` [T, 2]."""
    change = np.zeros((len(pressing), scene.model.nu))
    for i, side in enumerate(SIDES if pressing.any() else ()):
        hinge = humanoid.flexion_hinge(scene.joints, side)
        torque = humanoid.grip_torque(force, offsets, side) * skeleton.flexion_axis(side)[0]
        change[:, hinge] = pressing[:, i] * torque / scene.model.actuator_gainprm[hinge, 0]
    return change


def _with_fingers(motion: Motion, flexion: np.ndarray) -> Motion:
    """The motion with a mitten's fingers at flexion [T, 2] rad."""
    local = motion.joint_rotations_b.copy()
    fingers = list(skeleton.FINGER_JOINTS)
    local[:, fingers] = rotations.normalize(rotations.make_continuous(local[:, fingers]).mean(0))
    four = list(skeleton.FINGERS_OF_MITTEN)
    local[:, four] = mitten_pose(motion.offsets)[four]
    for i, side in enumerate(SIDES):
        angle = humanoid.to_hinge(flexion[:, i], motion.offsets, side)
        local[:, MITTEN_JOINTS[i]] = rotations.from_rotvec(angle[:, None] * np.array([1.0, 0.0, 0.0]))
    return motion.replace(joint_rotations_b=humanoid.fingers_together(local))


def _first_touch(motion: Motion, scene: Scene, touching: np.ndarray, relaxed: float) -> tuple[np.ndarray, np.ndarray]:
    """[T, 2] rad, flexion at which closing fingers meet an object, else `relaxed`; [T, 2] 0 or 1, whether they do."""
    flexion, found = np.full(touching.shape, relaxed), np.zeros(touching.shape)
    sweep = _Sweep(motion, scene)
    frames = np.arange(motion.num_frames)
    for i in range(2):
        wanted = np.flatnonzero(touching[:, i])
        some = np.unique(np.concatenate((wanted[::_STRIDE], wanted[-1:])))
        if len(some):
            rows = np.array([sweep.first_touch(t, i, relaxed) for t in some])
            flexion[:, i] = np.interp(frames, some, rows[:, 0])
            found[:, i] = np.where(touching[:, i], np.interp(frames, some, rows[:, 1]), 0.0)
    return flexion, found


class _Sweep:
    """Distance of the fingers to the objects at any flexion, by MuJoCo's collision shapes."""

    def __init__(self, motion: Motion, scene: Scene) -> None:
        self._model, self._data = scene.model, mujoco.MjData(scene.model)
        self._qpos = motion_to_qpos(_with_fingers(motion, np.zeros((motion.num_frames, 2))), scene)
        self._offsets, self._joints = motion.offsets, scene.joints
        names = [self._model.body(int(b)).name for b in self._model.geom_bodyid]
        self._objects = np.array([g for g, name in enumerate(names) if name.startswith("object_")], int)
        knuckles = [skeleton.JOINT_NAMES[j] for j in MITTEN_JOINTS]
        self._fingers = [[g for g, name in enumerate(names) if name == knuckle] for knuckle in knuckles]

    def first_touch(self, frame: int, hand: int, relaxed: float) -> tuple[float, bool]:
        """Flexion in rad at which closing fingers meet an object, and whether there is one."""
        self._data.qpos[:] = self._qpos[frame]
        mujoco.mj_kinematics(self._model, self._data)
        knuckle = self._data.xpos[self._model.geom_bodyid[self._fingers[hand][0]]]
        apart = np.linalg.norm(self._data.geom_xpos[self._objects] - knuckle, axis=1)
        near = self._objects[apart < self._model.geom_rbound[self._objects] + _REACH]
        if not len(near):
            return relaxed, False
        angles = np.linspace(*humanoid.FLEXION_RANGE, _STEPS)
        gaps = np.array([self._gap(hand, angle, near) for angle in angles])
        if gaps.min() > 0:
            return relaxed, False
        closes = np.flatnonzero((gaps[:-1] > 0) & (gaps[1:] <= 0))
        if len(closes):
            return self._between(hand, angles[closes[0]], angles[closes[0] + 1], near), True
        opens = np.flatnonzero((gaps[:-1] <= 0) & (gaps[1:] > 0))
        if len(opens):  # a fist: the backs of the fingers lie against the object
            return self._between(hand, angles[opens[0]], angles[opens[0] + 1], near), False
        return float(angles[gaps.argmax()]), bool(gaps.max() > -_TOUCHING)

    def _between(self, hand: int, first: float, second: float, objects: np.ndarray) -> float:
        """Where between two flexions, one free and one inside an object, the fingers touch it: regula falsi."""
        low, high = (self._gap(hand, angle, objects) for angle in (first, second))
        for _ in range(_REFINEMENTS):
            middle = first + (second - first) * low / (low - high)
            gap = self._gap(hand, middle, objects)
            if (gap > 0) == (low > 0):
                first, low = middle, gap
            else:
                second, high = middle, gap
        return float(first + (second - first) * low / (low - high))

    def _gap(self, hand: int, flexion: float, objects: np.ndarray) -> float:
        """m, signed distance of the hand's fingers to the nearest of these geoms."""
        side = SIDES[hand]
        hinge = humanoid.to_hinge(flexion, self._offsets, side)
        self._data.qpos[7 + humanoid.flexion_hinge(self._joints, side)] = hinge
        mujoco.mj_kinematics(self._model, self._data)
        pairs = ((finger, thing) for finger in self._fingers[hand] for thing in objects)
        return min(mujoco.mj_geomDistance(self._model, self._data, a, int(b), _REACH, None) for a, b in pairs)
