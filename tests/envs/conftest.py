"""States that no simulation need have reached, and small tracking tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from envs.observations import BodyState
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask
from sim import rotations
from sim.retarget import Reference


def _state(seed: int = 0, *, envs: int = 5, bodies: int = 4, objects: int = 2, angles: int = 6) -> BodyState:
    draw = torch.Generator().manual_seed(seed)

    def vectors(*shape: int) -> torch.Tensor:
        return torch.randn(envs, *shape, generator=draw)

    return BodyState(
        vectors(bodies, 3), rotations.normalize(vectors(bodies, 4)), vectors(bodies, 3), vectors(bodies, 3),
        vectors(angles), vectors(angles),
        vectors(objects, 3), rotations.normalize(vectors(objects, 4)), vectors(objects, 3), vectors(objects, 3),
        vectors(bodies, 3),
    )  # fmt: skip


def _moved(state: BodyState, turn: torch.Tensor, shift: torch.Tensor) -> BodyState:
    """The same happenings elsewhere: the world turned by a quaternion [4] and then shifted by [3]."""

    def place(x: torch.Tensor) -> torch.Tensor:
        return rotations.rotate(turn, x) + shift

    def direct(x: torch.Tensor) -> torch.Tensor:
        return rotations.rotate(turn, x)

    def orient(q: torch.Tensor) -> torch.Tensor:
        return rotations.multiply(turn.expand_as(q), q)

    s = state
    return BodyState(
        place(s.positions_w), orient(s.rotations_w), direct(s.velocities_w), direct(s.spins_w), s.angles, s.speeds,
        place(s.object_positions_w), orient(s.object_rotations_w), direct(s.object_velocities_w),
        direct(s.object_spins_w), direct(s.forces_w),
    )  # fmt: skip


@pytest.fixture(scope="session")
def random_state() -> Callable[..., BodyState]:
    """random_state(seed=0, envs=5, bodies=4, objects=2, angles=6)."""
    return _state


@pytest.fixture(scope="session")
def moved() -> Callable[[BodyState, torch.Tensor, torch.Tensor], BodyState]:
    """moved(state, turn, shift): the world turned by a quaternion and then shifted."""
    return _moved


LENIENT = TaskConfig(
    num_envs=4,
    threads=1,
    start=StartConfig(first_share=0.2, failure_share=0.3, min_frames=5),
    termination=TerminationConfig(body_distance=0.5, object_distance=0.5),
)


@pytest.fixture
def make_task(push: Reference) -> Iterator[Callable[..., TrackingTask]]:
    """make_task(seed=0, sim=None, **changes of TaskConfig): a task on `push` with four environments."""
    made: list[TrackingTask] = []

    def make(seed: int = 0, sim: Any = None, **changes: Any) -> TrackingTask:
        made.append(TrackingTask(push, dataclasses.replace(LENIENT, **changes), seed=seed, sim=sim))
        return made[-1]

    yield make
    for task in made:
        task.close()
