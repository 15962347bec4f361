"""Files of each layout, synthesised here from a known motion, independent of the readers under test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sim import rotations, skeleton
from sim.formats.smplx_params import TO_STANDARD

FRAMES = 24
BALL_FPS = 25.0


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Clips are short: threads cost more than they bring, and much more on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rest_offsets() -> np.ndarray:
    """[52, 3] m in standard axes: a mirror-symmetric person with straight fingers of different lengths."""
    bones = {
        "hip": (0.0, 0.1, -0.1), "knee": (0.0, 0.0, -0.4), "ankle": (0.0, 0.0, -0.42), "foot": (0.14, 0.02, -0.06),
        "spine1": (-0.03, 0.0, 0.12), "spine2": (0.0, 0.0, 0.15), "spine3": (0.02, 0.0, 0.08), "neck": (0.0, 0.0, 0.2),
        "head": (0.02, 0.0, 0.14), "collar": (0.0, 0.06, 0.1), "shoulder": (0.0, 0.12, 0.0), "elbow": (0.0, 0.27, 0.0),
        "wrist": (0.0, 0.26, 0.0),
    }  # fmt: skip
    forward = {"index": 0.03, "middle": 0.0, "ring": -0.02, "pinky": -0.04, "thumb": 0.05}
    offsets = np.zeros((52, 3))
    for j, name in enumerate(skeleton.JOINT_NAMES[1:], 1):
        side, _, part = name.rpartition("_")
        if part in bones:
            bone = np.array(bones[part])
        else:
            finger, segment = part[:-1], int(part[-1])
            bone = np.array([forward[finger], 0.1, 0.0] if segment == 1 else [0.0, 0.04 - 0.01 * segment, 0.002])
        offsets[j] = bone * ((1, -1, 1) if side == "right" else (1, 1, 1))
    return offsets


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def pose(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A smooth random motion: rotations_b [T, 52, 4], root [T, 3], offsets [52, 3], positions and rotations_w."""
    phase = np.linspace(0, 2, FRAMES)[:, None, None]
    rotvec = rng.normal(0, 0.25, (1, 52, 3)) + 0.2 * np.sin(phase + rng.uniform(0, 6, (1, 52, 3)))
    rotations_b = rotations.from_rotvec(rotvec)
    root = np.array([0.1, -0.2, 0.95]) + 0.02 * np.arange(FRAMES)[:, None] * (1, 0.3, 0)
    offsets = rest_offsets()
    positions, rotations_w = skeleton.forward_kinematics(rotations_b, root, offsets)
    return {
        "rotations_b": rotations_b, "root": root, "offsets": offsets,
        "positions": positions, "rotations_w": rotations_w,
    }  # fmt: skip


def ball_flight(frames: int, fps: float, start: np.ndarray) -> np.ndarray:
    """[T, 3] m: a ball thrown up from `start` under gravity alone."""
    t = np.arange(frames)[:, None] / fps
    path: np.ndarray = start + t * (0.2, 0.1, 4.0) - 0.5 * 9.81 * t**2 * (0, 0, 1)
    return path


@pytest.fixture
def physhoi_table(pose: dict[str, np.ndarray]) -> torch.Tensor:
    """[T, 331], columns counted by hand as in the layout's description; joint frames standard."""
    rotvec = rotations.to_rotvec(pose["rotations_b"])
    table = np.zeros((FRAMES, 331))
    table[:, 0:3] = pose["root"]
    table[:, 3:6] = table[:, 6:9] = rotvec[:, 0]
    table[:, 9:162] = rotvec[:, 1:].reshape(FRAMES, -1)
    table[:, 162:318] = pose["positions"].reshape(FRAMES, -1)
    table[:, 318:321] = ball_flight(FRAMES, BALL_FPS, np.array([0.3, 0.0, 1.2]))
    table[:, 321:324] = (0.0, 0.3, 0.0)
    table[:8, 330] = 1.0
    return torch.tensor(table, dtype=torch.float32)


@pytest.fixture
def intermimic_table(pose: dict[str, np.ndarray], rng: np.random.Generator) -> torch.Tensor:
    """[T, 591] with true finger positions, columns counted by hand as in the layout's description."""
    xyzw = [1, 2, 3, 0]
    table = np.zeros((FRAMES, 591))
    table[:, 0:3] = pose["root"]
    table[:, 3:7] = pose["rotations_b"][:, 0, xyzw]
    table[:, 9:162] = rotations.to_rotvec(pose["rotations_b"][:, 1:].copy()).reshape(FRAMES, -1)
    table[:, 162:318] = pose["positions"].reshape(FRAMES, -1)
    table[:, 318:321] = pose["root"] + (0.5, 0, -0.4)
    table[:, 321:325] = rotations.from_rotvec(np.array([0.1, 0.2, 0.3]))[xyzw]
    table[5:9, 330] = 1.0
    table[:, 331:383] = rng.integers(-1, 2, (FRAMES, 52))
    table[:, 383:591] = pose["rotations_w"][..., xyzw].reshape(FRAMES, -1)
    return torch.tensor(table, dtype=torch.float32)


@pytest.fixture
def smplx_arrays(pose: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same motion as SMPL-X would hold it, y up, with rest joints [55, 3] (jaw and eyes anywhere)."""
    to_smpl = TO_STANDARD.T
    rest = np.zeros((52, 3))
    for j in range(1, 52):
        rest[j] = rest[skeleton.PARENTS[j]] + pose["offsets"][j]
    rest = rest @ to_smpl.T + (0.0, -0.35, 0.01)
    order = [*skeleton.SMPLX_BODY_ORDER]
    for side in ("left", "right"):
        order += [f"{side}_{name}" for name in skeleton.SMPLX_HAND_ORDER]
    index = [skeleton.JOINT_INDEX[name] for name in order]
    rotvec = (rotations.to_rotvec(pose["rotations_b"]) @ to_smpl.T)[:, index]
    # the world turns as the joint frames do, so the root's rotation vector transforms like any other
    return {
        "global_orient": rotvec[:, 0], "body_pose": rotvec[:, 1:22].reshape(FRAMES, 63),
        "left_hand_pose": rotvec[:, 22:37].reshape(FRAMES, 45), "right_hand_pose": rotvec[:, 37:].reshape(FRAMES, 45),
        "transl": pose["root"] @ to_smpl.T - rest[0], "betas": np.full((1, 10), 0.5),
        "rest_joints": np.insert(rest[index], 22, np.full((3, 3), 9.0), axis=0), "fps": np.array(20.0),
    }  # fmt: skip
