"""Frames in which a detector took left for right: found by what leaps, and put back.

A detector that sees a person from an unusual side may name all limbs the wrong way round for some frames. No wrist
crosses the body and back within a tenth of a second, together with everything else.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from recon.vision.landmarks import Landmarks

_KEPT = 0.02
"""Of the person's size: what a swap costs in every frame, so that the detector is right where nothing leaps."""
_LEAP = 0.3
"""Of the person's size: no landmark counts as moving farther than this from frame to frame."""


def swapped_frames(landmarks: Landmarks) -> np.ndarray:
    """Frames [T] bool whose left and right are the other way round than in most frames around them.

    The cheapest sequence of "as named" and "swapped" (Viterbi), by the mean way in pixels of all limbs' landmarks.
    """
    left, right = _pairs(landmarks)
    pixels, trust = landmarks.pixels, landmarks.confidence
    seen = np.isfinite(pixels[:, [*left, *right]]).all((1, 2)).nonzero()[0]
    named = np.stack([pixels[seen][:, [*left, *right]], pixels[seen][:, [*right, *left]]], 1)  # [S, 2, 2P, 2]
    weight = np.minimum(trust[seen][:, left], trust[seen][:, right])
    weight = np.concatenate([weight, weight], 1) + 1e-6
    size = float(np.median(np.ptp(named[:, 0, :, 1], axis=1))) if len(seen) else 1.0
    way = np.linalg.norm(named[1:, :, None] - named[:-1, None], axis=-1) / max(size, 1.0)  # [S-1, now, before, 2P]
    pair = np.minimum(weight[1:], weight[:-1])[:, None, None]
    leaps = (np.minimum(way, _LEAP) * pair).sum(-1) / pair.sum(-1)
    kept = np.array([0.0, _KEPT])
    cost, origin = kept.copy(), np.zeros((len(seen), 2), np.int64)
    for t, leap in enumerate(leaps, 1):
        reach = leap + cost
        origin[t], cost = reach.argmin(1), reach.min(1) + kept
    state, found = int(cost.argmin()), np.zeros(len(pixels), bool)
    for t in range(len(seen) - 1, -1, -1):
        found[seen[t]], state = bool(state), int(origin[t, state])
    return found


def put_back(landmarks: Landmarks) -> tuple[Landmarks, np.ndarray]:
    """The landmarks with left and right put back, and which frames that were, [T] bool.

    Metres of such frames are those of a person seen from the other side, and are dropped.
    """
    swapped = swapped_frames(landmarks)
    if not swapped.any():
        return landmarks, swapped
    partner = [_partner(landmarks.names, name) for name in landmarks.names]
    index, missing = np.maximum(partner, 0), np.array(partner) < 0
    pixels, confidence = landmarks.pixels.copy(), landmarks.confidence.copy()
    pixels[swapped] = np.where(missing[:, None], np.nan, landmarks.pixels[swapped][:, index])
    confidence[swapped] = np.where(missing, 0.0, landmarks.confidence[swapped][:, index])
    points = None if landmarks.points_m is None else landmarks.points_m.copy()
    if points is not None:
        points[swapped] = np.nan
    return dataclasses.replace(landmarks, pixels=pixels, confidence=confidence, points_m=points), swapped


def _pairs(landmarks: Landmarks) -> tuple[list[int], list[int]]:
    """Rows of the body's left landmarks, and of their right partners (hands are found by the wrists)."""
    left = [i for i, name in enumerate(landmarks.names) if name.startswith("left_") and "_hand_" not in name]
    return left, [_partner(landmarks.names, landmarks.names[i]) for i in left]


def _partner(names: tuple[str, ...], name: str) -> int:
    """Row of the same landmark on the other side, its own in the middle, -1 where there is none."""
    for side, other in (("left", "right"), ("right", "left")):
        if name.startswith(side + "_"):
            twin = other + name.removeprefix(side)
            return names.index(twin) if twin in names else -1
    return names.index(name)
