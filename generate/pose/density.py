"""The shipped pose prior in torch: its negative log density and joint ranges with gradients, and samples of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from recon.body.pose_prior import PARTS, PosePrior, canonical_axes, load_pose_prior
from sim import rotations
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS

_HINGES = (("left_knee", 2, 1.0), ("right_knee", 2, 1.0), ("left_elbow", 3, -1.0), ("right_elbow", 3, 1.0))
"""Joint, entry of its canonical 6D rotation that is the sine of its bend the wrong way, sign (as `pose_prior`)."""
_RANGE_DEGREES = {
    "spine1": 40, "spine2": 40, "spine3": 40, "neck": 50, "head": 45, "collar": 35, "shoulder": 160, "elbow": 150,
    "wrist": 85, "hip": 125, "knee": 150, "ankle": 50, "foot": 45, "pelvis": 360,
}  # fmt: skip
"""Largest turn of a joint in any direction, rounded from the active ranges of motion in Norkin & White, *Measurement of
Joint Motion* (trunk: shared out over its joints); fingers 100. The T-pose is zero."""


@dataclass(frozen=True, eq=False)
class PoseDensity:
    """The prior for one subject.

    Attributes:
        prior: mixtures on canonical 6D rotations. axes, above: [52, 4], canonical axes of each joint and its parent.
        limits: [52] rad.
    """

    prior: PosePrior
    axes: torch.Tensor
    above: torch.Tensor
    limits: torch.Tensor

    @staticmethod
    def of(offsets: np.ndarray, like: torch.Tensor, prior: PosePrior | None = None) -> PoseDensity:
        """For a subject's bones [52, 3] m, with numbers like the given tensor's."""
        axes = canonical_axes(offsets)
        above = axes[[max(p, 0) for p in PARENTS]].copy()
        above[0] = [1.0, 0.0, 0.0, 0.0]
        degrees = [_RANGE_DEGREES.get(name.rpartition("_")[2], 100) for name in JOINT_NAMES]
        return PoseDensity(
            load_pose_prior() if prior is None else prior,
            torch.as_tensor(axes).to(like),
            torch.as_tensor(above).to(like),
            torch.deg2rad(torch.tensor(degrees)).to(like),
        )

    def canonical(self, rotations_b: torch.Tensor) -> torch.Tensor:
        """Local rotations in canonical axes: [B, 52, 4] -> [B, 52, 4]."""
        turned: torch.Tensor = rotations.multiply(
            rotations.inverse(self.above), rotations.multiply(rotations_b, self.axes)
        )
        return turned

    def energy(self, rotations_b: torch.Tensor) -> torch.Tensor:
        """Negative log density over that of the highest component's peak, nats: [B, 52, 4] -> [B]."""
        pose = rotations.to_6d(self.canonical(rotations_b))
        mirror = pose.new_tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        total = pose.new_zeros(len(pose))
        for kind, joints, mirrored in PARTS.values():
            mixture = self.prior.mixtures[kind]
            part = (pose[:, list(joints)] * (mirror if mirrored else 1.0)).flatten(1)
            away = part[:, None] - torch.as_tensor(mixture.means).to(pose)
            white = torch.einsum("bkd,kde->bke", away, torch.as_tensor(mixture.factors).to(pose))
            logs = torch.as_tensor(mixture.constants).to(pose) - 0.5 * white.square().sum(-1)
            total = total + float(mixture.constants.max()) - logs.logsumexp(-1)
        return total

    def beyond(self, rotations_b: torch.Tensor) -> torch.Tensor:
        """Sum of squares of how far joints are out of their range, rad^2: [B, 52, 4] -> [B].

        The range of every joint, and knees and elbows that bend the wrong way (sine of the angle).
        """
        canonical = self.canonical(rotations_b)
        columns = rotations.to_6d(canonical)
        wrong = torch.stack([sign * columns[:, JOINT_INDEX[name], row] for name, row, sign in _HINGES], -1)
        half = canonical[..., 1:].square().sum(-1).clamp(1e-12, 1.0).sqrt()
        angle = 2.0 * torch.atan2(half, canonical[..., 0].abs())
        return (angle - self.limits).clamp_min(0.0)[:, 1:].square().sum(-1) + wrong.clamp_min(0.0).square().sum(-1)

    def sample(self, count: int, rng: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
        """Local rotations [count, 52, 4] with the root unturned: components by weight, then their Gaussians with
        standard deviations times `temperature`; relaxed fingers. The broad component is left out."""
        pose = np.tile(rotations.to_6d(np.array([1.0, 0.0, 0.0, 0.0])), (count, NUM_JOINTS, 1))
        mirror = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        legs = rng.random(count)
        for kind, joints, mirrored in PARTS.values():
            mixture = self.prior.mixtures[kind]
            weights = np.cumsum(mixture.weights[:-1] / mixture.weights[:-1].sum())
            draw = legs if kind == "leg" else rng.random(count)  # both legs from one component: they go together
            chosen = np.searchsorted(weights, draw).clip(max=len(weights) - 1)
            noise = rng.standard_normal((count, mixture.means.shape[1]))
            spread = np.linalg.solve(np.swapaxes(mixture.factors[chosen], 1, 2), noise[..., None])[..., 0]
            part = (mixture.means[chosen] + temperature * spread).reshape(count, len(joints), 6)
            pose[:, list(joints)] = part * (mirror if mirrored else 1.0)
        above, axes = (t.double().numpy() for t in (self.above, self.axes))
        local: np.ndarray = rotations.multiply(
            above, rotations.multiply(rotations.from_6d(pose), rotations.inverse(axes))
        )
        local[:, 0] = [1.0, 0.0, 0.0, 0.0]
        local[:, list(FINGER_JOINTS)] = self.prior.fingers_b
        return local
