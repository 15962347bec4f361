"""From key frames to all frames, and a low-pass over the whole motion that leaves the body on its contacts."""

from __future__ import annotations

from typing import cast

import numpy as np

from sim import rotations


def key_frames(num_frames: int, stride: int) -> np.ndarray:
    """Every `stride`-th frame and the last one: [N] ascending."""
    return np.unique(np.append(np.arange(0, num_frames, stride), num_frames - 1))


def _bracket(frames: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """For every frame the key frame before it (index, not the last) and how far it is on the way to the next, [T]."""
    times = np.arange(num_frames)
    low = np.clip(np.searchsorted(frames, times, side="right") - 1, 0, len(frames) - 2)
    return low, np.clip((times - frames[low]) / (frames[low + 1] - frames[low]), 0.0, 1.0)


def spread_positions(frames: np.ndarray, values: np.ndarray, num_frames: int) -> np.ndarray:
    """Linear interpolation between key frames [N]: [N, ...] -> [T, ...]."""
    low, share = _bracket(frames, num_frames)
    w = share.reshape(-1, *([1] * (values.ndim - 1)))
    return cast(np.ndarray, values[low] * (1 - w) + values[low + 1] * w)


def spread_rotations(frames: np.ndarray, values: np.ndarray, num_frames: int) -> np.ndarray:
    """Spherical interpolation between key frames [N]: [N, ..., 4] -> [T, ..., 4]."""
    low, share = _bracket(frames, num_frames)
    w = np.broadcast_to(share.reshape(-1, *([1] * (values.ndim - 2))), values[low].shape[:-1])
    values = values.astype(np.float64)
    return cast(np.ndarray, rotations.slerp(values[low], values[low + 1], np.ascontiguousarray(w)))
