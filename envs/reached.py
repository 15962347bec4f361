"""States that physics has reached, to begin episodes from where a reference's own cannot be (PSI of InterMimic, 2025).

Of every reference frame the last few states are kept from which an episode has lived on for a while.
"""

from __future__ import annotations

import numpy as np
import torch


class ReachedStates:
    """A ring of `slots` states a frame, filled from a trail of every environment's last `survived` steps.

    Args:
        num_frames: F; num_envs: N; state_size: S.
        slots: states kept of a frame, the newest ones.
        survived: steps that an episode must live on after a state for it to be kept.
    """

    def __init__(self, num_frames: int, num_envs: int, state_size: int, *, slots: int, survived: int) -> None:
        self._states = np.zeros((num_frames, slots, state_size))
        self._counts = np.zeros(num_frames, np.int64)
        self._trail = np.zeros((survived, num_envs, state_size))
        self._trail_frames = np.zeros((survived, num_envs), np.int64)
        self._ages = np.zeros(num_envs, np.int64)
        self._steps = np.zeros(1, np.int64)

    def record(self, states: np.ndarray, frames: np.ndarray, failed: np.ndarray, ended: np.ndarray) -> None:
        """A step has led to states [N, S] in frames [N]; some failed, and for some the episode has ended: [N] bool."""
        survived, slots = len(self._trail), self._states.shape[1]
        now = int(self._steps[0]) % survived
        kept = np.flatnonzero((self._ages >= survived) & ~failed)
        at = self._trail_frames[now, kept]
        self._states[at, self._counts[at] % slots] = self._trail[now, kept]
        self._counts[np.unique(at)] += 1
        self._trail[now], self._trail_frames[now] = states, frames
        self._ages = np.where(ended, 0, self._ages + 1)
        self._steps += 1

    def restart(self) -> None:
        """All episodes begin anew."""
        self._ages[:] = 0

    def replace(self, states: np.ndarray, frames: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        """States [M, S], so large a share of them replaced by ones reached in the same frames [M], where any were."""
        there = np.minimum(self._counts[frames], self._states.shape[1])
        slot = rng.integers(0, np.maximum(there, 1))
        chosen = (rng.random(len(frames)) < share) & (there > 0)
        found = self._states[frames, slot]
        found[:, 0] = states[:, 0]  # the clock of a start
        mixed: np.ndarray = np.where(chosen[:, None], found, states)
        return mixed

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Everything, for a checkpoint."""
        return {name: torch.as_tensor(value.copy()) for name, value in vars(self).items()}

    def load_state_dict(self, saved: dict[str, torch.Tensor]) -> None:
        """What `state_dict` gave. Raises KeyError, ValueError where it does not fit."""
        for name, value in vars(self).items():
            value[...] = saved[name].numpy()
