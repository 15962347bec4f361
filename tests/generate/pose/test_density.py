"""The pose prior in torch: the same density as NumPy's, joint ranges, samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from generate.pose.density import PoseDensity
from recon.body.pose_prior import canonical_axes, load_pose_prior
from sim import rotations
from sim.skeleton import JOINT_INDEX, NUM_JOINTS
from sim.subject import default_offsets

OFFSETS = default_offsets()


@pytest.fixture(scope="module")
def density() -> PoseDensity:
    return PoseDensity.of(OFFSETS, torch.zeros((), dtype=torch.float64))


def rest(count: int = 1) -> np.ndarray:
    return np.tile([1.0, 0.0, 0.0, 0.0], (count, NUM_JOINTS, 1))


def test_energy_is_the_prior_up_to_a_constant(density: PoseDensity) -> None:
    pose = density.sample(5, np.random.default_rng(0))
    prior = load_pose_prior()
    total = density.energy(torch.as_tensor(pose)).numpy() + prior.log_density(pose, canonical_axes(OFFSETS))
    assert np.ptp(total) < 1e-6
    parts = {"trunk": 1, "arm": 2, "leg": 2}
    assert total[0] == pytest.approx(sum(n * prior.mixtures[k].constants.max() for k, n in parts.items()))


def test_samples_are_likelier_than_the_t_pose_and_more_so_with_less_spread(density: PoseDensity) -> None:
    def mean(temperature: float) -> float:
        drawn = density.sample(64, np.random.default_rng(1), temperature)
        return float(density.energy(torch.as_tensor(drawn)).mean())

    assert mean(0.3) < mean(1.0) < float(density.energy(torch.as_tensor(rest()))[0])


def test_samples_have_unit_rotations_and_relaxed_fingers(density: PoseDensity) -> None:
    drawn = density.sample(4, np.random.default_rng(2))
    assert np.allclose(np.linalg.norm(drawn, axis=-1), 1.0)
    assert np.allclose(drawn[:, JOINT_INDEX["left_index1"]], density.prior.fingers_b[0])


@pytest.mark.parametrize(
    ("joint", "axis", "degrees", "expected"),
    [
        ("left_knee", [0, 1, 0], 60.0, 0.0),
        ("left_knee", [0, 1, 0], -30.0, 0.25),  # the sine of 30 degrees, squared
        ("left_elbow", [0, 0, 1], -60.0, 0.0),
        ("right_wrist", [1, 0, 0], 105.0, np.radians(20.0) ** 2),
        ("neck", [0, 0, 1], 80.0, np.radians(30.0) ** 2),
    ],
)
def test_joint_ranges(density: PoseDensity, joint: str, axis: list[float], degrees: float, expected: float) -> None:
    pose = rest()
    pose[0, JOINT_INDEX[joint]] = rotations.from_rotvec(np.radians(degrees) * np.array(axis, np.float64))
    assert float(density.beyond(torch.as_tensor(pose))[0]) == pytest.approx(expected, abs=1e-5)
