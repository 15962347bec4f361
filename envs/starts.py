"""Where episodes begin: which clip, and frame 0, uniformly, or where attempts fail most in it.

Within a clip this is BeyondMimic's adaptive sampling; among clips, what still fails is drawn more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.clips import Clips


@dataclass(frozen=True)
class StartConfig:
    """How start frames are drawn and disturbed.

    Attributes:
        first_share: share of the episodes that start at frame 0 of their clip.
        failure_share: share drawn where attempts fail; the rest is uniform.
        failure_seconds: how long before a failure an episode starts, at most.
        forgetting: weight of a new failure in the running failure rate of its bin.
        clip_floor: with several clips, share of the episodes that is spread evenly over them; the rest goes to each in
            proportion to its failure rate.
        clip_forgetting: weight of an ended episode in the running failure rate of its clip.
        reached_share: share of the episodes that begin from a state which physics itself reached in that frame, where
            there is one (see `envs.reached`); such states are not disturbed.
        reached_slots: states kept of each frame; reached_frames: an episode must live on so long after a kept state.
        angle_noise: rad, standard deviation on hinge angles of the start state.
        root_noise: m, standard deviation on the pelvis' horizontal position.
        speed_noise: rad/s, standard deviation on hinge speeds.
        min_frames: episodes start at least this many frames before the end.
    """

    first_share: float = 0.15
    failure_share: float = 0.0
    failure_seconds: float = 0.5
    forgetting: float = 0.02
    clip_floor: float = 0.3
    clip_forgetting: float = 0.01
    reached_share: float = 0.0
    reached_slots: int = 4
    reached_frames: int = 15
    angle_noise: float = 0.0
    root_noise: float = 0.0
    speed_noise: float = 0.0
    min_frames: int = 15

    @property
    def disturbs(self) -> bool:
        """Whether start states differ from the reference."""
        return self.angle_noise > 0 or self.root_noise > 0 or self.speed_noise > 0


class StartSampler:
    """Draws start frames and learns where attempts fail.

    Args:
        lengths: [C] frames of each clip; frames are counted through them, F in all.
        fps: frames per second.
        config: shares and rates.

    Attributes:
        failure_rate: [F] running count of failures by frame; clip_failure: [C] running share of the episodes of a clip
            that fail, 1 at first. All that is learned is in these two.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, fps: float, config: StartConfig) -> None:
        self.config = config
        self._clips = Clips(lengths)
        self._room = np.maximum(self._clips.lengths - 1 - config.min_frames, 0)
        self._lead = max(int(config.failure_seconds * fps), 1)
        self.failure_rate = np.full(self._clips.num_frames, 1.0 / self._clips.num_frames)
        self.clip_failure = np.ones(len(self._clips))

    def clip_probabilities(self) -> np.ndarray:
        """[C]: floor / C + (1 - floor) r_c / sum r, of failure rates r."""
        floor, count = self.config.clip_floor, len(self.clip_failure)
        rates = np.maximum(self.clip_failure, 1e-6)
        chances: np.ndarray = floor / count + (1.0 - floor) * rates / rates.sum()
        return chances

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """[count] start frames."""
        kind, clips = rng.random(count), np.zeros(count, np.int64)
        if len(self._clips) > 1:
            clips = rng.choice(len(self._clips), count, p=self.clip_probabilities())
        first, room = self._clips.first[clips], self._room[clips]
        frames = first + rng.integers(0, room + 1)
        failing = kind < self.config.first_share + self.config.failure_share
        cumulated = np.concatenate(([0.0], np.cumsum(self.failure_rate)))
        low, high = cumulated[first], cumulated[self._clips.last[clips] + 1]
        blamed = np.searchsorted(cumulated[1:], low + (high - low) * rng.random(count))
        blamed = np.clip(blamed - rng.integers(1, self._lead + 1, count), first, first + room)
        return np.where(kind < self.config.first_share, first, np.where(failing, blamed, frames))

    def record(self, failed_frames: np.ndarray, finished_frames: np.ndarray | None = None) -> None:
        """Learn the frames [M] in which attempts have just failed, and those in which others came to an end."""
        counts = np.bincount(failed_frames, minlength=len(self.failure_rate))
        decay = (1.0 - self.config.forgetting) ** len(failed_frames)
        self.failure_rate = decay * self.failure_rate + self.config.forgetting * counts + 1e-6
        failed = self._by_clip(failed_frames)
        ended = failed if finished_frames is None else failed + self._by_clip(finished_frames)
        keep = (1.0 - self.config.clip_forgetting) ** ended
        self.clip_failure = keep * self.clip_failure + (1.0 - keep) * failed / np.maximum(ended, 1)

    def _by_clip(self, frames: np.ndarray) -> np.ndarray:
        """[C] how many of the frames lie in each clip."""
        return np.bincount(self._clips.of_frame[frames], minlength=len(self._clips))
