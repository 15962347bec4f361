"""Finger rotations from hand landmarks: directions of the segments in the frame of the palm, smoothed over the clip.

The palm's frame comes from the hand's own landmarks (wrist and knuckles), so that an error of the forearm does not bend
fingers. A finger has no landmark that tells its twist: each joint swings by the shortest turn.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from recon.body.initial import fill_gaps, rotation_between
from recon.body.points import BodyTemplate
from recon.vision.landmarks import HAND_NAMES, Landmarks
from sim import rotations
from sim.skeleton import JOINT_INDEX

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_SMOOTHING_S = 0.06
_RELAXED_WEIGHT = 0.1
"""Confidence at which a detected hand counts as much as a relaxed one: fills gaps, damps doubtful frames."""


def finger_joints(side: str) -> list[int]:
    """The 15 joints of a hand, finger by finger."""
    return [JOINT_INDEX[f"{side}_{finger}{k}"] for finger in _FINGERS for k in (1, 2, 3)]


def finger_rotations(
    landmarks: Landmarks, side: str, template: BodyTemplate, relaxed_b: np.ndarray, fps: float
) -> np.ndarray | None:
    """Local rotations [T, 15, 4] of a hand's `finger_joints`, or None where the landmarks have no such hand.

    relaxed_b: [15, 4], what the fingers do where the hand is not seen.
    """
    names = [f"{side}_hand_{name}" for name in HAND_NAMES]
    if landmarks.points_m is None or any(name not in landmarks.names for name in names):
        return None
    index = [landmarks.names.index(name) for name in names]
    points, confidence = landmarks.points_m[:, index], landmarks.confidence[:, index].min(1)
    seen = np.isfinite(points).all((1, 2)) & (confidence > 0)
    if not seen.any():
        return None
    points = fill_gaps(points, np.repeat(seen[:, None], len(names), 1))
    found = _swings(dict(zip(HAND_NAMES, points.swapaxes(0, 1), strict=True)), side, template)
    weight = np.where(seen, confidence, 0.0)[:, None, None]
    mean = weight * rotations.to_6d(found) + _RELAXED_WEIGHT * (1 - weight) * rotations.to_6d(relaxed_b)
    total = weight + _RELAXED_WEIGHT * (1 - weight)
    sigma = _SMOOTHING_S * fps
    smooth = gaussian_filter1d(mean, sigma, axis=0, mode="nearest")
    smooth = smooth / gaussian_filter1d(total, sigma, axis=0, mode="nearest")
    turned: np.ndarray = rotations.from_6d(smooth)
    return turned


def _swings(where: dict[str, np.ndarray], side: str, template: BodyTemplate) -> np.ndarray:
    """[T, 15, 4] from the hand's landmarks, each [T, 3]."""
    palm = ["wrist", *(f"{finger}_mcp" for finger in ("index", "middle", "ring", "pinky"))]
    joints = [JOINT_INDEX[f"{side}_{n}"] for n in ("index1", "middle1", "ring1", "pinky1")]
    places = np.vstack((np.zeros(3), template.offsets[joints]))
    frame = rotation_between(places, np.stack([where[name] for name in palm], 1))
    found = []
    for finger in _FINGERS:
        parts = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
        parent = frame
        for k in range(3):
            joint = JOINT_INDEX[f"{side}_{finger}{k + 1}"]
            rest = template.offsets[joint + 1 if k < 2 else joint]  # the tip lies on from the last bone
            along = where[f"{finger}_{parts[k + 1]}"] - where[f"{finger}_{parts[k]}"]
            local = rotations.between(
                np.broadcast_to(rest, along.shape).copy(), rotations.rotate_inverse(parent, along)
            )
            parent = rotations.multiply(parent, local)
            found.append(local)
    return np.stack(found, 1)
