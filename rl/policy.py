"""The policy network: observation normalisation inside the network, so that weights and statistics travel together."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class RunningNorm(BaseFeaturesExtractor):
    """Observations shifted and scaled to zero mean and unit variance, clipped to +-5.

    The statistics change only by `update`, which belongs between a learning step and the next rollout: PPO's ratio then
    compares policies that see the same input.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        size = int(observation_space.shape[0])
        super().__init__(observation_space, features_dim=size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.tensor(1e-4))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """[N, D] -> [N, D]."""
        return ((observations - self.mean) * torch.rsqrt(self.variance + 1e-4)).clamp(-5.0, 5.0)

    @torch.no_grad()
    def update(self, batch: torch.Tensor) -> None:
        """Merge a batch [M, D] into the running moments (Chan et al. 1979)."""
        mean, variance, count = batch.mean(0), batch.var(0, unbiased=False), float(len(batch))
        total = self.count + count
        delta = mean - self.mean
        self.variance.copy_(
            (self.variance * self.count + variance * count + delta.square() * self.count * count / total) / total
        )
        self.mean.add_(delta * count / total)
        self.count.copy_(total)


class TrackingPolicy(ActorCriticPolicy):
    """Gaussian policy with a state-independent deviation that may be held fixed."""

    def __init__(self, *args: Any, learn_deviation: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_std.requires_grad_(learn_deviation)
        assert isinstance(self.action_net, torch.nn.Linear)
        torch.nn.init.zeros_(self.action_net.weight)  # an untrained policy carries out the reference's own targets
