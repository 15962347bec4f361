"""Where the descent begins: the best of poses drawn from the prior, each put where its parts are nearest to the target.

A drawn pose has no place. Level soles give its tilt, the plan its heading, the floor (or the seat) its height, and the
middle of the parts that are to touch, over that of their targets, its place. Who sits has the pelvis over the target.
"""

from __future__ import annotations

import numpy as np
import torch

from generate.pose.body import PosedBody
from generate.pose.energy import PoseEnergy, level
from sim import rotations
from sim.skeleton import JOINT_INDEX, NUM_JOINTS

_CHUNK = 96
_SEATED = {"hip": -80.0, "knee": 85.0, "ankle": -5.0}
"""Degrees about the axis to the left; negative is flexion of the hip, positive of the knee."""
_SEATED_SPREAD = 6.0


def initial_poses(energy: PoseEnergy, rng: np.random.Generator, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The best of `config.candidates` for each sample: local rotations [B, 52, 4] and roots [B, 3] m."""
    config = energy.config
    count = samples * config.candidates
    local = energy.density.sample(count, rng, config.temperature)
    if energy.carried and "hips" in energy.targets.parts and not energy.targets.lying:
        sit_down(local, rng)
    poses = torch.as_tensor(local).to(energy.fingers_b)
    rows = torch.arange(samples).repeat_interleave(config.candidates)
    totals, roots, placed = [], [], []
    with torch.no_grad():
        for part in torch.arange(count).split(_CHUNK):
            some = energy.rows(rows[part])
            turned, root = place(some, poses[part])
            totals.append(some.total(some.terms(turned, root)))
            roots.append(root)
            placed.append(turned)
    best = torch.cat(totals).reshape(samples, -1).argmin(1) + torch.arange(samples) * config.candidates
    return torch.cat(placed)[best], torch.cat(roots)[best]


def sit_down(local: np.ndarray, rng: np.random.Generator) -> None:
    """Bend hips and knees of [N, 52, 4] to a seat, in place; each a few degrees differently. The clips of the shipped
    prior hold nobody who sits."""
    for name, degrees in _SEATED.items():
        bend = np.radians(degrees + _SEATED_SPREAD * rng.standard_normal(len(local)))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            spread = np.full(len(bend), np.radians(-8.0 if name == "hip" else 0.0)) * sign
            turn = np.stack((np.zeros_like(bend), bend, np.zeros_like(bend)), -1)
            outward = np.stack((np.zeros_like(bend), np.zeros_like(bend), -spread), -1)
            local[:, JOINT_INDEX[f"{side}_{name}"]] = rotations.multiply(
                rotations.from_rotvec(outward), rotations.from_rotvec(turn)
            )


def place(energy: PoseEnergy, local: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give unplaced poses [N, 52, 4] a root: rotations with it and root positions [N, 3] m."""
    targets, body = energy.targets, energy.body
    if targets.lying:
        return lie_down(energy, local, *targets.lying)
    origin = local.new_zeros(len(local), 3)
    posed = body.pose(local, origin)
    seated = energy.carried and "hips" in targets.parts
    up = local.new_tensor([0.0, 0.0, 1.0]).expand(len(local), 3)
    tilt = rotations.between(body.soles(posed)[1].mean(1), up) if not seated else _identity(local)
    front = level(rotations.rotate(tilt, local.new_tensor([1.0, 0.0, 0.0]).expand(len(local), 3)))
    yaw = torch.atan2(targets.forward[:, 1], targets.forward[:, 0]) - torch.atan2(front[:, 1], front[:, 0])
    root_turn = rotations.multiply(rotations.from_rotvec(up * yaw[:, None]), tilt)
    turned = torch.cat((root_turn[:, None], local[:, 1:]), 1)
    posed = body.pose(turned, origin)
    middles = torch.stack([_middle(energy, posed, c) for c in range(len(targets.parts))], 1)
    root = (targets.centers - middles).mean(1)
    if seated:
        hips = targets.parts.index("hips")
        root = targets.centers[:, hips]
        height = targets.centers[:, hips, 2] - posed.vertices_w[:, body.touching("hips"), 2].amin(1)
    else:
        height = _level_under(energy) - body.soles(posed)[0].mean(1)
        root = root - energy.beyond_edge(posed.joints_w + root[:, None]).amax(1)[:, None] * targets.toward
    return turned, torch.cat((root[:, :2], height[:, None]), 1)


def lie_down(energy: PoseEnergy, local: torch.Tensor, upper: int, lower: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`place` for a body that lies: level, on its back or its chest, from its lower part to its upper one."""
    targets = energy.targets
    up, left = (local.new_tensor(axis).expand(len(local), 3) for axis in ([0.0, 0.0, 1.0], [0.0, 1.0, 0.0]))
    supine = -1.0 if targets.parts[upper] == "back" else 1.0
    ahead = supine * (targets.centers[:, upper] - targets.centers[:, lower])
    yaw = torch.atan2(ahead[:, 1], ahead[:, 0])
    turn = rotations.multiply(
        rotations.from_rotvec(up * yaw[:, None]), rotations.from_rotvec(left * supine * np.pi / 2)
    )
    turned = torch.cat((turn[:, None], local[:, 1:]), 1)
    posed = energy.body.pose(turned, local.new_zeros(len(local), 3))
    middles = torch.stack([_middle(energy, posed, c) for c in range(len(targets.parts))], 1)
    return turned, (targets.centers - middles).mean(1)


def _level_under(energy: PoseEnergy) -> torch.Tensor:
    """[B] m, height of what both feet are on: their targets, or the floor."""
    feet = [c for c, part in enumerate(energy.targets.parts) if part.endswith("foot")]
    heights = energy.targets.centers[:, :, 2]
    return heights[:, feet].mean(1) if len(feet) == 2 else torch.zeros_like(heights[:, 0])


def _middle(energy: PoseEnergy, posed: PosedBody, c: int) -> torch.Tensor:
    return posed.vertices_w[:, energy.body.touching(energy.targets.parts[c])].mean(1)


def _identity(local: torch.Tensor) -> torch.Tensor:
    assert local.shape[1] == NUM_JOINTS
    return local.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(len(local), 4)
