"""When an object is at rest: nobody touches it, and its pixels stay where they are.

Image points hardly tell how far away a thing is. That it cannot move by itself ties its pose to that of the frames in
which hands tell it. Rest is a share from 0 to 1, so that nothing switches at a single frame: contacts are annotated a
little late and given up a little early.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import grey_opening, uniform_filter1d

from recon.keypoints.observations import Observations

_SECONDS = 0.5
"""Of pixels that are looked at together."""
_SHORTEST = 0.2
"""Seconds that a stretch at rest lasts at least."""


def resting(o: Observations, still_sigma: float, fps: float, ball: bool = False) -> np.ndarray:
    """How far each step to the next frame is that of an object at rest, [T - 1].

    At rest is what no keypoint touches in one of the two frames and whose pixels stay where they are: their spread
    within half a second is at most `still_sigma` times the deviation of a click, in the middle point of all; at twice
    that, the object moves. Frames without image points are as still as those around them. A ball must stay so for half
    a second: at the top of its flight it does for a moment. Not told from rest is what moves straight to or from the
    camera. All zero where the camera itself moves, or no pixels are known.
    """
    frames, c = len(o.active), o.num_contacts
    free = ~o.active[:, :c].any(1)
    window = max(round(_SECONDS * fps), 3)
    if o.camera.num_frames is not None or not free.any():
        return np.zeros(frames - 1)
    spread = _spread(o.pixels, o.active[:, c:], window) / o.sigmas[c:]
    known = np.isfinite(spread).any(1)
    if not known.any():
        return np.zeros(frames - 1)
    middle = np.nanmedian(spread[known], axis=1)
    middle = np.interp(np.arange(frames), np.flatnonzero(known), middle)
    share = np.clip(2 - middle / still_sigma, 0, 1)
    share = np.where(free, grey_opening(share, window) if ball else share, 0.0)
    return np.asarray(np.maximum(share[1:], share[:-1]))


def rest_intervals(rest: np.ndarray, fps: float) -> np.ndarray:
    """First and last frame, both included, of every stretch at rest: [R, 2] int, from the shares [T - 1] of `resting`.

    At rest is what is so by more than half, for a fifth of a second.
    """
    edges = np.diff((rest > 0.5).astype(np.int64), prepend=0, append=0)
    bounds = np.stack((np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)), -1)
    return np.asarray(bounds[bounds[:, 1] - bounds[:, 0] >= round(_SHORTEST * fps)])


def _spread(pixels: np.ndarray, seen: np.ndarray, window: int) -> np.ndarray:
    """RMS distance of a point's pixels from their mean in a window about each frame: [T, P], NaN if seldom seen.

    Where the point is seen in a part of the window alone, as large as it would be over the whole at the same speed.
    """
    clock = np.broadcast_to(np.arange(len(seen))[:, None], seen.shape)
    seconds, enough = _deviation(clock[..., None], seen, window)
    length, _ = _deviation(pixels, seen, window)
    even = np.sqrt((window**2 - 1) / 12)
    return np.where(enough, length * np.maximum(even / np.maximum(seconds, 1.0), 1.0), np.nan)


def _deviation(values: np.ndarray, seen: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """RMS distance of seen values [T, P, n] from their mean in a window, and whether a third of it is seen: [T, P]."""

    def mean(part: np.ndarray) -> np.ndarray:
        averaged: np.ndarray = uniform_filter1d(part, window, axis=0, mode="constant")
        return averaged

    share = mean(seen.astype(np.float64))
    enough = seen & (share > 0.3)
    weight = np.where(enough, share, 1.0)
    anchor = (values * seen[..., None]).sum(0) / np.maximum(seen.sum(0), 1)[:, None]  # keeps the squares small
    off = np.where(seen[..., None], values - anchor, 0.0)
    variance = mean((off**2).sum(-1)) / weight - ((mean(off) / weight[..., None]) ** 2).sum(-1)
    return np.sqrt(np.maximum(variance, 0.0)), enough
