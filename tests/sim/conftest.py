"""A person who stands, a motion with every field filled, and real clips by name."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import rotations, subject
from sim.body.capsules import default_stance
from sim.contact_graph import ContactGraph
from sim.formats import import_motion
from sim.geometry import Mesh, Primitive
from sim.motion import BodyShape, Motion, MotionObject
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


_TETRAHEDRON = Mesh(np.vstack([np.zeros(3), np.eye(3)]), np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
_PRIMITIVES = (
    Primitive("sphere", (0.12,)), Primitive("box", (0.4, 0.3, 0.2)),
    Primitive("cylinder", (0.05, 1.0)), Primitive("capsule", (0.05, 1.0)),
)  # fmt: skip


def _unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rotations.normalize(rng.normal(size=(*shape, 4)))


def _make_motion(frames: int = 9, fps: float = 30.0, **changes: Any) -> Motion:
    """A motion with every field filled: a mesh and all primitives, contacts, labels, a body and texts."""
    rng = np.random.default_rng(0)
    objects = [
        MotionObject("tetra", _TETRAHEDRON, rng.normal(size=(frames, 3)), _unit(rng, frames), mass=1.5, friction=0.6),
        *(
            MotionObject(p.kind, p, rng.normal(size=(frames, 3)), _unit(rng, frames), is_static=True, density=300.0)
            for p in _PRIMITIVES
        ),
    ]
    fields: dict[str, Any] = {
        "fps": fps,
        "root_position_w": rng.normal(size=(frames, 3)),
        "joint_rotations_b": _unit(rng, frames, 52),
        "offsets": rng.normal(size=(52, 3)) * 0.2,
        "objects": objects,
        "contacts": ContactGraph(
            ("leftHand_palm", "Chin"), np.array([0, 4]), rng.normal(size=(2, 3)), np.array([0, 3]), np.array([4, 8])
        ),
        "contact_labels": rng.integers(-1, 2, (frames, 52)),
        "object_contact": rng.integers(0, 2, frames),
        "body": BodyShape("smplx", {"betas": rng.normal(size=10), "gender": np.array("neutral")}),
        "text": "lift the box, café ☕",
        "action": "lift",
        "group": "lift_box",
        "source": json.dumps({"made by": "test"}),
    }
    return Motion(**(fields | changes))


def _assert_same(a: Any, b: Any) -> None:
    """Equal to the last bit, through dataclasses, tuples, mappings and arrays, types included."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            _assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            _assert_same(x, y)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            _assert_same(a[name], b[name])
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, strict=True)
    else:
        assert a == b


@pytest.fixture(scope="session")
def make_motion() -> Callable[..., Motion]:
    """make_motion(frames=9, fps=30.0, **changes): random, with every field filled."""
    return _make_motion


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    """assert_same(a, b): equal to the last bit, through dataclasses, tuples, mappings and arrays, types included."""
    return _assert_same
