"""From key frames to all frames, and a low-pass over the whole motion that leaves the body on its contacts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np
from scipy.signal import butter, sosfiltfilt

from recon.annotations import Annotations
from recon.keypoints.limb_ik import LimbIKConfig, refine_limbs
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.errors import ReconstructionError
from sim.keypoints import KEYPOINT_INDEX, keypoint_offsets, keypoint_positions
from sim.motion import Motion, MotionObject


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


@dataclass(frozen=True)
class SmoothingConfig:
    """How the low-pass runs.

    Attributes:
        body_hertz, object_hertz: where it halves the power, on the way there and back alike; 0 leaves that part alone.
            Mocap of people with objects has its hands' content below 6 Hz. The published code's filters (exponential
            0.25 twice, box of 7 frames) end at about 1.5 Hz at 30 frames a second.
        order: of the Butterworth filter, run forth and back, so that nothing is delayed.
        hold_contacts: turn limbs afterwards so that keypoints are again where they were on the object.
        impact_frames: contacts that last no longer than this are impacts (a kick, a bounce), where velocity leaps: the
            path of the object is smoothed on either side by itself. 0 smooths through them.
    """

    body_hertz: float = 6.0
    object_hertz: float = 4.0
    order: int = 2
    hold_contacts: bool = True
    impact_frames: int = 3

    def __post_init__(self) -> None:
        if min(self.body_hertz, self.object_hertz) < 0 or self.order < 1:
            raise ReconstructionError("smoothing: frequencies must not be negative, the order at least 1")


def smooth(
    motion: Motion,
    annotations: Annotations,
    config: SmoothingConfig | None = None,
    *,
    rest: np.ndarray | None = None,
) -> Motion:
    """Low-pass of body and objects without delay; the body stays on its contacts.

    Args:
        motion: of T frames; static objects stay as they are.
        annotations: of one object, whose contacts hold; T frames.
        rest: [R, 2] int, first and last frame of each stretch in which that object is at rest (`ObjectPoses.rest`):
            each is smoothed by itself, so that motion before and after reaches no farther into it than a time constant.
    """
    config = config or SmoothingConfig()
    smoothed = motion.replace(
        root_position_w=low_pass(motion.root_position_w, motion.fps, config.body_hertz, config.order),
        joint_rotations_b=low_pass_rotations(motion.joint_rotations_b, motion.fps, config.body_hertz, config.order),
        objects=tuple(
            item
            if item.is_static
            else _smoothed(item, motion.fps, config, breaks(annotations.contacts, index, rest, motion.fps, config))
            for index, item in enumerate(motion.objects)
        ),
    )
    if not (config.hold_contacts and len(annotations.contacts)):
        return smoothed
    places_b = low_pass(_places(motion, annotations.contacts), motion.fps, config.body_hertz, config.order)
    position, rotation = _object_poses(smoothed, annotations.contacts)
    targets_w = position + rotations.rotate(rotation, places_b)
    return refine_limbs(smoothed, annotations, LimbIKConfig(contact_sigma=_HOLD_SIGMA), targets_w=targets_w)


_HOLD_SIGMA = 0.002
"""m: after smoothing keypoints are some millimetres off, and should be back within two."""


def breaks(graph: ContactGraph, item: int, rest: np.ndarray | None, fps: float, config: SmoothingConfig) -> np.ndarray:
    """Frames through which an object's path is not smoothed, ascending.

    They are the middles of its contacts that are short enough to be impacts, where velocity leaps, and the ends of its
    stretches at rest, a time constant of the filter inside: what is there when hands let go is seldom sharp.
    """
    mine = graph.object_index == item
    short = mine & (graph.last_frame - graph.first_frame < config.impact_frames)
    ends = np.zeros((0, 2), np.int64) if rest is None or not (mine.any() or not len(graph)) else rest
    inside = np.minimum(np.ceil(fps / (2 * np.pi * max(config.object_hertz, 0.1))), (ends[:, 1] - ends[:, 0]) // 2)
    ends = (ends + inside[:, None] * [1, -1]).astype(np.int64)
    return np.union1d((graph.first_frame[short] + graph.last_frame[short]) // 2, ends)


def _smoothed(item: MotionObject, fps: float, config: SmoothingConfig, leaps: np.ndarray) -> MotionObject:
    """The object smoothed between its leaps: such a frame ends one piece, begins the next, and stays where it is."""
    position, rotation = np.array(item.position_w), np.array(item.rotation_w)
    for start, end in pairwise(np.unique([0, *leaps, len(position) - 1])):
        piece = slice(start, end + 1)
        position[piece] = low_pass(item.position_w[piece], fps, config.object_hertz, config.order)
        rotation[piece] = low_pass_rotations(item.rotation_w[piece], fps, config.object_hertz, config.order)
    position[leaps], rotation[leaps] = item.position_w[leaps], item.rotation_w[leaps]
    return replace(item, position_w=position, rotation_w=rotations.make_continuous(rotation))


def _places(motion: Motion, graph: ContactGraph) -> np.ndarray:
    """Where the keypoints are in the objects' frames: [T, C, 3] m.

    They, and not the annotated points, are what smoothing has to keep: where flesh would have to sink in to reach a
    point, the optimizer has stopped before it.
    """
    rows = [KEYPOINT_INDEX[name] for name in graph.keypoints]
    offsets_b = keypoint_offsets(motion.offsets)
    places_w = keypoint_positions(motion.joint_positions_w, motion.joint_rotations_w, offsets_b)[:, rows]
    position, rotation = _object_poses(motion, graph)
    return np.asarray(rotations.rotate_inverse(rotation, places_w - position))


def _object_poses(motion: Motion, graph: ContactGraph) -> tuple[np.ndarray, np.ndarray]:
    """The pose of each contact's object: [T, C, 3] m and [T, C, 4]."""
    position = np.stack([item.position_w for item in motion.objects], 1)[:, graph.object_index]
    return position, np.stack([item.rotation_w for item in motion.objects], 1)[:, graph.object_index]


def low_pass(values: np.ndarray, fps: float, hertz: float, order: int = 2) -> np.ndarray:
    """Zero-phase Butterworth low-pass along axis 0: [T, ...] -> [T, ...]. As it is at or above half the frame rate."""
    if hertz <= 0 or hertz >= 0.5 * fps:
        return values
    sections = butter(order, hertz, fs=fps, output="sos")
    padding = min(len(values) - 1, 3 * (2 * len(sections) + 1))
    return cast(np.ndarray, sosfiltfilt(sections, values, axis=0, padlen=padding))


def low_pass_rotations(q: np.ndarray, fps: float, hertz: float, order: int = 2) -> np.ndarray:
    """`low_pass` of quaternions [T, ..., 4], brought into one hemisphere before and back to unit length after."""
    filtered = low_pass(rotations.make_continuous(q), fps, hertz, order)
    return cast(np.ndarray, rotations.normalize(filtered))
