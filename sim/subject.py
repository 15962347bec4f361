"""A person of average proportions: bones of the standard skeleton for a stature.

Segment lengths: Drillis & Contini (1966), as fractions of stature in Winter, *Biomechanics and Motor Control of Human
Movement*, 4th ed. (2009), figure 4.1. Bones of the hand: Buryanov & Kotiuk, *Proportions of Hand Segments* (2010),
table 1.
"""

from __future__ import annotations

import numpy as np

from sim.skeleton import JOINT_INDEX, NUM_JOINTS

ANKLE_HEIGHT = 0.039
"""Height of the ankle over the floor in standing, as a fraction of stature."""

_MIDLINE = {
    "spine1": (-0.008, 0.0, 0.040), "spine2": (0.004, 0.0, 0.065), "spine3": (0.0, 0.0, 0.060),
    "neck": (-0.004, 0.0, 0.085), "head": (0.018, 0.0, 0.072),
}  # fmt: skip
_LEFT = {
    "hip": (0.0, 0.050, -0.040), "knee": (0.0, 0.0, -0.245), "ankle": (0.0, 0.0, -0.246),
    "foot": (0.071, 0.004, -0.027), "collar": (0.004, 0.035, 0.068), "shoulder": (-0.008, 0.094, 0.015),
    "elbow": (0.0, 0.186, 0.0), "wrist": (0.0, 0.146, 0.0),
}  # fmt: skip
"""Offsets from the parent, in fractions of stature; x forward, y left, z up."""

_HAND_LENGTH = 0.108
_CARPUS = 30.0
_KNUCKLE_SIDEWAYS = {"index": 26.0, "middle": 4.0, "ring": -16.0, "pinky": -34.0}
_FINGER_BONES = {
    "index": (68.12, 39.78, 22.38, 15.82), "middle": (64.60, 44.63, 26.33, 17.40),
    "ring": (58.00, 41.37, 25.65, 17.30), "pinky": (53.69, 32.74, 18.11, 15.96),
}  # fmt: skip
"""Metacarpal and three phalanges, mm. The carpus and the sideways places of the knuckles are rounded from anatomy."""
_THUMB = ((24.0, 22.0, 0.0), (29.6, 35.5, 0.0), (16.0, 27.2, 0.0))
"""Saddle joint from the wrist, metacarpal 46.2 mm and proximal phalanx 31.6 mm, spread in the plane of the palm."""


def default_offsets(height: float = 1.75) -> np.ndarray:
    """Rest offset of each joint in its parent's frame, for a stature in metres: [52, 3] m; the pelvis' row is zero."""
    offsets = np.zeros((NUM_JOINTS, 3))
    for name, offset in _MIDLINE.items():
        offsets[JOINT_INDEX[name]] = np.multiply(offset, height)
    finger_length = _CARPUS + sum(_FINGER_BONES["middle"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([1.0, sign, 1.0])
        for name, offset in _LEFT.items():
            offsets[JOINT_INDEX[f"{side}_{name}"]] = np.multiply(offset, height) * mirror
        for name, offset in _left_hand().items():
            scaled = np.multiply(offset, height * _HAND_LENGTH / finger_length)
            offsets[JOINT_INDEX[f"{side}_{name}"]] = scaled * mirror
    return offsets


def _left_hand() -> dict[str, tuple[float, float, float]]:
    """Offsets of the left hand's joints in mm, flat: fingers along +y, thumb towards +x, palm down."""
    rows: dict[str, tuple[float, float, float]] = {f"thumb{i}": offset for i, offset in enumerate(_THUMB, 1)}
    for finger, (metacarpal, proximal, middle, _) in _FINGER_BONES.items():
        sideways = _KNUCKLE_SIDEWAYS[finger]
        rows[f"{finger}1"] = (sideways, _CARPUS + float(np.sqrt(metacarpal**2 - (0.7 * sideways) ** 2)), 0.0)
        rows[f"{finger}2"] = (0.0, proximal, 0.0)
        rows[f"{finger}3"] = (0.0, middle, 0.0)
    return rows
