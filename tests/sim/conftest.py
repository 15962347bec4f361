"""A person who stands, and real clips by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import subject
from sim.body.capsules import default_stance
from sim.formats import import_motion
from sim.geometry import Mesh, Primitive
from sim.motion import Motion, MotionObject
from sim.objects import load_geometry
from sim.skeleton import JOINT_INDEX, rest_joints


def _standing(frames: int = 30, **changes: Any) -> Motion:
    offsets = subject.default_offsets()
    height = default_stance(offsets).heights[0] - rest_joints(offsets)[JOINT_INDEX["left_ankle"], 2]
    root = np.tile([0.0, 0.0, height], (frames, 1))
    identity = np.zeros((frames, 52, 4))
    identity[..., 0] = 1.0
    return Motion(30.0, root, identity, **({"offsets": offsets, "source": "tests"} | changes))


@pytest.fixture(scope="session")
def standing() -> Callable[..., Motion]:
    """standing(frames=30, **changes): a T-pose at rest with level soles on the floor, facing +x, 30 Hz."""
    return _standing


@pytest.fixture(scope="session")
def resting() -> Callable[..., MotionObject]:
    """resting(geometry, position, frames=30, **changes): an object that lies still, unrotated."""

    def make(
        geometry: Primitive | Mesh, position: tuple[float, float, float], frames: int = 30, **changes: Any
    ) -> MotionObject:
        turn = np.tile([1.0, 0.0, 0.0, 0.0], (frames, 1))
        return MotionObject(
            **({"name": "box"} | changes), geometry=geometry, position_w=np.tile(position, (frames, 1)), rotation_w=turn
        )

    return make


@pytest.fixture(scope="session")
def omomo(data: Path) -> Callable[[str], Motion]:
    """omomo("sub8_largebox_000"): that clip with its object's mesh."""

    @functools.cache
    def mesh(name: str) -> Mesh | Primitive:
        return load_geometry(data / "objects" / f"{name}.obj")

    def load(clip: str) -> Motion:
        return import_motion(data / "motions" / "omomo" / f"{clip}.pt", geometry=mesh(clip.split("_")[1]))

    return load
