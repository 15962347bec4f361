"""Style: how recorded people hold themselves while their hands are where a plan wants them.

Of clips that a user has, the frames in which somebody stands and touches an object are kept. A posture for hands at
given places is the nearest of them: where the descent for that posture may begin, and what least effort draws to. Legs,
hands and balance are the plan's own all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generate.motion.postures import Posture
from recon.body.pose_prior import canonical_axes, canonical_rotations
from sim import rotations
from sim.body.capsules import FOOT_JOINTS
from sim.contact_fit import hand_contact
from sim.errors import MotionError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, SIDES
from sim.subject import default_offsets

_EVERY = 5
_ON_FLOOR = 0.04
"""m over its lowest height at which a foot stands."""
_NEAR = 0.2
"""m by which hands may be elsewhere, in the mean, for a posture to be of use."""
_LEGS = [JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]


@dataclass(frozen=True, eq=False)
class Style:
    """F postures on the default skeleton, lengths in statures.

    Attributes:
        rotations_b: [F, 52, 4], the root's relative to the way that the person faces. root: [F, 3], ahead, left and
            above the floor of the middle between the feet. wrists: [F, 2, 3], the same. touching: [F, 2] bool.
        names: F, of the clips that they are from.
    """

    rotations_b: np.ndarray
    root: np.ndarray
    wrists: np.ndarray
    touching: np.ndarray
    names: tuple[str, ...]

    @staticmethod
    def of(motions: Mapping[str, Motion]) -> Style:
        """Of clips by name. Raises MotionError where nobody in them stands and touches anything."""
        rows = [_frames(motion) for motion in motions.values()]
        names = tuple(name for name, row in zip(motions, rows, strict=True) for _ in row[0])
        if not names:
            raise MotionError("style: in none of the clips does anybody stand with a hand on an object")
        local, root, wrists, touching = (np.concatenate(column) for column in zip(*rows, strict=True))
        return Style(local, root, wrists, touching, names)

    def nearest(self, wrists: np.ndarray, touching: np.ndarray, height_m: float) -> tuple[Posture, str] | None:
        """The posture of one of this stature whose touching wrists are nearest to the given places, and its clip.

        Args:
            wrists: [2, 3] m, beside the stance; only those that touch count. touching: [2] bool, left and right.

        Returns:
            None where nothing is near, or no hand touches.
        """
        alike = (self.touching == touching).all(1)
        if not touching.any() or not alike.any():
            return None
        apart = np.linalg.norm(self.wrists - wrists / height_m, axis=-1)[:, touching].mean(1) * height_m
        best = int(np.where(alike, apart, np.inf).argmin())
        if apart[best] > _NEAR:
            return None
        return Posture(self.rotations_b[best], self.root[best] * height_m), self.names[best]


def load_style(folder: Path) -> Style:
    """Of all motions (.npz) in a folder. Raises MotionError where there are none, or none of use."""
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise MotionError(f"style: there is no motion (.npz) in {folder}; touchstone import makes some")
    return Style.of({file.stem: Motion.load(file) for file in files})


def _frames(motion: Motion) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of `Style` of one clip."""
    touching = hand_contact(motion) if motion.objects else np.zeros((motion.num_frames, 2), bool)
    heights = motion.joint_positions_w[:, list(FOOT_JOINTS), 2]
    stands = (heights < np.percentile(heights, 5, axis=0) + _ON_FLOOR).all(1)
    some = np.flatnonzero(stands & touching.any(1))[::_EVERY]
    axes = canonical_axes(motion.offsets)
    local = canonical_rotations(motion.joint_rotations_b[some], axes)
    joints = motion.joint_positions_w[some]
    away = rotations.inverse(rotations.heading(local[:, 0]))
    local[:, 0] = rotations.multiply(away, local[:, 0])
    floor = joints[:, list(FOOT_JOINTS)].mean(1) * [1.0, 1.0, 0.0]
    stature = _stature(motion.offsets)
    wrists = joints[:, [JOINT_INDEX[f"{side}_wrist"] for side in SIDES]] - floor[:, None]
    return (
        local,
        rotations.rotate(away, joints[:, 0] - floor) / stature,
        rotations.rotate(away[:, None], wrists) / stature,
        touching[some],
    )


def _stature(offsets: np.ndarray) -> float:
    """m, of one with such legs."""
    legs = [np.linalg.norm(bones[_LEGS], axis=-1).sum() for bones in (offsets, default_offsets(1.0))]
    return float(legs[0] / legs[1])
