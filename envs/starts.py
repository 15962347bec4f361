"""Where episodes begin: frame 0, uniformly, or where attempts fail most (BeyondMimic's adaptive sampling)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StartConfig:
    """How start frames are drawn and disturbed.

    Attributes:
        first_share: share of the episodes that start at frame 0.
        failure_share: share drawn where attempts fail; the rest is uniform.
        failure_seconds: how long before a failure an episode starts, at most.
        forgetting: weight of a new failure in the running failure rate of its bin.
        angle_noise: rad, standard deviation on hinge angles of the start state.
        root_noise: m, standard deviation on the pelvis' horizontal position.
        speed_noise: rad/s, standard deviation on hinge speeds.
        min_frames: episodes start at least this many frames before the end.
    """

    first_share: float = 0.15
    failure_share: float = 0.0
    failure_seconds: float = 0.5
    forgetting: float = 0.02
    angle_noise: float = 0.0
    root_noise: float = 0.0
    speed_noise: float = 0.0
    min_frames: int = 15

    @property
    def disturbs(self) -> bool:
        """Whether start states differ from the reference."""
        return self.angle_noise > 0 or self.root_noise > 0 or self.speed_noise > 0


class StartSampler:
    """Draws start frames of a clip of T frames and learns where attempts fail. All state is in `failure_rate` [T]."""

    def __init__(self, num_frames: int, fps: float, config: StartConfig) -> None:
        self.config = config
        self._last = max(num_frames - 1 - config.min_frames, 0)
        self._lead = max(int(config.failure_seconds * fps), 1)
        self.failure_rate = np.full(num_frames, 1.0 / num_frames)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """[count] start frames."""
        kind = rng.random(count)
        frames = rng.integers(0, self._last + 1, count)
        failing = kind < self.config.first_share + self.config.failure_share
        cumulated = np.cumsum(self.failure_rate)
        blamed = np.searchsorted(cumulated, cumulated[-1] * rng.random(count)) - rng.integers(1, self._lead + 1, count)
        frames = np.where(failing, np.clip(blamed, 0, self._last), frames)
        return np.where(kind < self.config.first_share, 0, frames)

    def record(self, failed_frames: np.ndarray) -> None:
        """Learn the frames [M] in which attempts have just failed."""
        counts = np.bincount(failed_frames, minlength=len(self.failure_rate))
        decay = (1.0 - self.config.forgetting) ** len(failed_frames)
        self.failure_rate = decay * self.failure_rate + self.config.forgetting * counts + 1e-6
