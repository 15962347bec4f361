"""Several references as one long row of frames: where each clip lies in it, and what their clips must share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.errors import SimulationError
from sim.retarget import Reference
from sim.skeleton import JOINT_NAMES


class Clips:
    """Frames of C clips in one count, 0 to F - 1, clip after clip.

    Attributes:
        lengths, first, last: [C] frames of each clip, and its first and last in the common count.
        of_frame: [F] clip that a frame belongs to; end_of_frame: [F] last frame of that clip.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray) -> None:
        self.lengths = np.asarray(lengths, np.int64)
        self.last = np.cumsum(self.lengths) - 1
        self.first = self.last - self.lengths + 1
        self.of_frame = np.repeat(np.arange(len(self.lengths)), self.lengths)
        self.end_of_frame = self.last[self.of_frame]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_frames(self) -> int:
        """F: frames of all clips."""
        return int(self.lengths.sum())

    def ahead(self, frames: np.ndarray, steps: int | np.ndarray) -> np.ndarray:
        """Frames so many steps later, at most their clip's last."""
        return np.minimum(frames + steps, self.end_of_frame[frames])


def require_alike(references: Sequence[Reference]) -> None:
    """Clips of one batch are seen and moved by the same numbers.

    Raises:
        SimulationError: clips that differ in simulated joints, or in how many objects they have or move.
    """
    if not references:
        raise SimulationError("a task needs at least one clip")
    first = references[0]
    for number, other in enumerate(references[1:], 1):
        who = f"clip {number} ({other.motion.source or 'of unknown source'}) cannot share a batch with clip 0"
        if other.scene.joints != first.scene.joints:
            odd = sorted(JOINT_NAMES[j] for j in set(other.scene.joints) ^ set(first.scene.joints))
            raise SimulationError(f"{who}: only one of them simulates {', '.join(odd)}")
        for what, mine, theirs in (
            ("movable objects", len(first.scene.object_names), len(other.scene.object_names)),
            ("objects", len(first.scene.assets), len(other.scene.assets)),
        ):
            if mine != theirs:
                raise SimulationError(f"{who}: it has {theirs} {what}, not {mine}; train them apart")
