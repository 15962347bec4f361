"""Normalisation inside the network, and a deviation that stays or is learned."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from rl.policy import RunningNorm, TrackingPolicy


def norm(size: int = 3) -> RunningNorm:
    return RunningNorm(gym.spaces.Box(-np.inf, np.inf, (size,), np.float32))


def data(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal((0.0, 5.0, -100.0), (1.0, 0.01, 30.0), (rows, 3))


def test_merged_batches_have_the_moments_of_all_data() -> None:
    """Chan et al.: batches of any length, one after another, give the mean and variance of their union."""
    running, everything = norm(), data(500)
    for batch in np.split(everything, [1, 20, 21, 300]):
        running.update(torch.as_tensor(batch, dtype=torch.float32))
    np.testing.assert_allclose(running.mean.numpy(), everything.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(running.variance.numpy(), everything.var(0), rtol=2e-3, atol=1e-5)
    assert running.count.item() == pytest.approx(500, rel=1e-5)


def test_the_output_is_standard_and_cut() -> None:
    running, batch = norm(), torch.as_tensor(data(2000), dtype=torch.float32)
    running.update(batch)
    seen = running(batch)
    np.testing.assert_allclose(seen.mean(0).numpy(), 0.0, atol=1e-2)
    np.testing.assert_allclose(seen[:, [0, 2]].std(0).numpy(), 1.0, atol=1e-2)
    assert running(torch.full((1, 3), 1e6)).tolist() == [[5.0] * 3]
    assert running(torch.full((1, 3), -1e6)).tolist() == [[-5.0] * 3]


def test_what_never_changes_is_passed_on_as_zero() -> None:
    running = norm(1)
    running.update(torch.full((100, 1), 7.0))
    assert running(torch.full((1, 1), 7.0)).abs().item() < 0.05


def test_seeing_data_changes_nothing_by_itself() -> None:
    running = norm()
    before = {name: value.clone() for name, value in running.state_dict().items()}
    running.train()
    running(torch.as_tensor(data(10), dtype=torch.float32))
    assert all(torch.equal(before[name], value) for name, value in running.state_dict().items())


def test_statistics_travel_with_the_weights() -> None:
    one, two = norm(), norm()
    one.update(torch.as_tensor(data(50), dtype=torch.float32))
    two.load_state_dict(one.state_dict())
    batch = torch.as_tensor(data(5, seed=1), dtype=torch.float32)
    assert torch.equal(one(batch), two(batch))


@pytest.mark.parametrize("learned", [False, True])
def test_the_deviation_stays_unless_it_is_to_be_learned(learned: bool) -> None:
    spaces = gym.spaces.Box(-1, 1, (3,), np.float32), gym.spaces.Box(-1, 1, (2,), np.float32)
    policy = TrackingPolicy(*spaces, lambda _: 1e-3, learn_deviation=learned, log_std_init=-1.0)
    assert policy.log_std.requires_grad is learned
    distribution = policy.get_distribution(torch.zeros(1, 3)).distribution
    torch.testing.assert_close(distribution.stddev, torch.full((1, 2), float(np.exp(-1.0))))  # type: ignore[union-attr]
