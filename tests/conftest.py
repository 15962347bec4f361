"""Shared fixtures: where the real clips lie, and small generated motions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generate.authored import author_box_push
from sim import rotations, subject
from sim.contact_graph import ContactGraph
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.retarget import Reference, retarget

DATA = Path(os.environ.get("TOUCHSTONE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real clips and meshes; tests that need it are skipped where it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"real data not found at {DATA}; set TOUCHSTONE_DATA")
    return DATA


def _carrying_motion(seed: int = 0, frames: int = 12, **changes: Any) -> Motion:
    rng = np.random.default_rng(seed)
    clock = np.arange(frames)
    root = np.stack([0.05 * clock, np.zeros(frames), np.full(frames, 0.95)], -1)
    swing = 0.1 * np.sin(clock)[:, None, None] * rng.normal(size=(1, 52, 3))
    turn = rotations.from_rotvec(0.05 * clock[:, None] * np.array([0.0, 0.0, 1.0]))
    box = MotionObject("box", Primitive("box", (0.3, 0.4, 0.2)), root + np.array([0.4, 0.0, 0.1]), turn, mass=2.0)
    last = frames - 4
    graph = ContactGraph(("leftHand_palm", "rightHand_palm"), [0, 0], [[0, 0.2, 0], [0, -0.2, 0]], [2, 3], [last, last])
    fields: dict[str, Any] = {"objects": (box,), "contacts": graph, "text": "carries a box", "source": "tests"}
    offsets = subject.default_offsets()
    return Motion(30.0, root, rotations.from_rotvec(swing), offsets, **(fields | changes))


@pytest.fixture(scope="session")
def carrying_motion() -> Callable[..., Motion]:
    """carrying_motion(seed=0, frames=12, **changes): walks along +x at 1.5 m/s with a box before the chest.

    The palms touch the box, the left from frame 2, the right from frame 3, both until the fourth frame from the end.
    """
    return _carrying_motion


@pytest.fixture(scope="session")
def push_clip() -> Motion:
    """40 frames of the authored clip: the hands reach the box and begin to push it (labelled from frame 17)."""
    return author_box_push().slice(60, 100)


@pytest.fixture(scope="session")
def push(push_clip: Motion) -> Reference:
    """`push_clip` as a reference."""
    return retarget(push_clip)


@pytest.fixture(scope="session")
def stand() -> Reference:
    """The first 20 frames of the authored clip, where the person stands still beside the box."""
    return retarget(author_box_push().slice(0, 20))
