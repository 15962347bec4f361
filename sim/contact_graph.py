"""The interaction graph I_g: which body keypoint touches which object point, and when (seed, sections 3.2 and 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sim.arrays import frozen


@dataclass(frozen=True)
class ContactGraph:
    """A table of persistent contacts, one row a contact; C = 0 is an empty graph.

    Attributes:
        keypoints: C names out of the 87 of `sim.keypoints`.
        object_index: [C] int, index into `Motion.objects`.
        points_b: [C, 3] m, the touched point in the object's frame.
        first_frame, last_frame: [C] int, the interval in which the contact holds, both ends included.
    """

    keypoints: tuple[str, ...] = ()
    object_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    points_b: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    first_frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    last_frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        object.__setattr__(self, "keypoints", tuple(self.keypoints))
        object.__setattr__(self, "points_b", frozen(self.points_b).reshape(-1, 3))
        for name in ("object_index", "first_frame", "last_frame"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64).reshape(-1))

    def __len__(self) -> int:
        return len(self.keypoints)

    def active(self, num_frames: int) -> np.ndarray:
        """Which rows hold in which frame: bool [T, C]."""
        frames = np.arange(num_frames)[:, None]
        active: np.ndarray = (frames >= self.first_frame) & (frames <= self.last_frame)
        return active

    def rows(self, keep: np.ndarray) -> ContactGraph:
        """The rows that a boolean mask or index array [C] selects."""
        index = np.arange(len(self))[keep]
        return ContactGraph(
            tuple(self.keypoints[i] for i in index),
            self.object_index[index],
            self.points_b[index],
            self.first_frame[index],
            self.last_frame[index],
        )

    def cut(self, start: int, stop: int) -> ContactGraph:
        """The part inside frames start..stop-1, renumbered from 0; rows that end up empty are dropped."""
        first = np.maximum(self.first_frame, start) - start
        last = np.minimum(self.last_frame, stop - 1) - start
        moved = ContactGraph(self.keypoints, self.object_index, self.points_b, first, last)
        return moved.rows(first <= last)

    def retimed(self, ratio: float, num_frames: int) -> ContactGraph:
        """The same intervals in another frame rate: frame f becomes round(f * ratio), clipped to the clip."""
        first = np.clip(np.rint(self.first_frame * ratio), 0, num_frames - 1)
        last = np.clip(np.rint(self.last_frame * ratio), 0, num_frames - 1)
        return ContactGraph(self.keypoints, self.object_index, self.points_b, first, last)
