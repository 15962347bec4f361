"""Feedback that leads back to a trajectory that physics has shown, batched over environments and clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sim.retarget import Reference
from sim.trajectory import Trajectory, state_difference


class Follower:
    """Turns the distance from a reference's planned trajectory into a change of PD targets; 0 where there is none.

    Args:
        references: clip after clip; some may have no trajectory.
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        self._hinges = references[0].scene.model.nu
        parts = [reference.trajectory or _still(reference) for reference in references]
        self._states = torch.as_tensor(np.concatenate([part.states for part in parts])).float()
        self._gains = torch.as_tensor(np.concatenate([part.gains for part in parts])).float()
        limits = torch.tensor([part.limit for part in parts])
        self._limit = limits.repeat_interleave(torch.tensor([len(part.states) for part in parts]))[:, None]

    def __call__(self, states: np.ndarray, frames: torch.Tensor) -> torch.Tensor:
        """[N, nu] rad: change of the PD targets at states [N, S], which belong to frames [N]."""
        off = state_difference(torch.as_tensor(states).float(), self._states.index_select(0, frames), self._hinges)
        change = -(self._gains.index_select(0, frames) @ off[..., None])[..., 0]
        limit = self._limit.index_select(0, frames)
        return torch.minimum(torch.maximum(change, -limit), limit)


def _still(reference: Reference) -> Trajectory:
    states = reference.states
    nu, nv = reference.scene.model.nu, reference.scene.model.nv
    return Trajectory(states, np.zeros((len(states), nu, 2 * nv), np.float32), 0.0)
