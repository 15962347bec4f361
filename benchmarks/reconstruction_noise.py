"""What a body estimated from one camera looks like: the truth, wrong by as much and as smoothly as estimators are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.camera import Camera
from sim import rotations
from sim.corruption import band_noise
from sim.motion import Motion
from sim.skeleton import FINGER_JOINTS

_MEAN_OF_ANGLE = 1.596
"""Mean length of a vector of three standard normal numbers: 2 sqrt(2 / pi)."""


@dataclass(frozen=True)
class RoughBody:
    """How wrong the body is. Errors are part constant over the clip, part wandering.

    Measured with the defaults: 93 mm of joint error in the world and 81 mm with the pelvises aligned, over all 52
    joints; hands, at the ends of the chains, are off most.

    Attributes:
        depth_m: deviation of the pelvis along the camera's ray, constant; drift_m: of what wanders besides.
        aside_m: deviation of the pelvis across the ray, each way, wandering.
        joint_deg: mean turn of each joint from the truth, half of its power constant; finger_deg: of a finger's joints.
        root_deg: mean turn of the pelvis.
        hz: frequency below which what wanders has its power; drift_hz: that of the drift in depth.
    """

    depth_m: float = 0.07
    drift_m: float = 0.03
    aside_m: float = 0.015
    joint_deg: float = 5.0
    finger_deg: float = 10.0
    root_deg: float = 4.0
    hz: float = 1.0
    drift_hz: float = 0.2


def rough_body(motion: Motion, camera: Camera, config: RoughBody, rng: np.random.Generator) -> Motion:
    """The motion with its body estimated roughly; bones, objects and contacts stay as they are."""
    root_c = camera.to_camera(motion.root_position_w)
    ray = rotations.normalize(root_c)
    depth = config.depth_m * rng.normal() + config.drift_m * band_noise(rng, motion, (1,), config.drift_hz)
    aside = config.aside_m * band_noise(rng, motion, (3,), config.hz)
    aside -= (aside * ray).sum(-1, keepdims=True) * ray
    turns = np.full(len(motion.joint_names), config.joint_deg)
    turns[0], turns[list(FINGER_JOINTS)] = config.root_deg, config.finger_deg
    shape = (len(turns), 3)
    noise = np.sqrt(0.5) * (rng.normal(size=shape) + band_noise(rng, motion, shape, config.hz))
    turned = rotations.from_rotvec(noise * np.radians(turns)[:, None] / _MEAN_OF_ANGLE)
    return motion.replace(
        root_position_w=camera.to_world(root_c + ray * depth + aside),
        joint_rotations_b=rotations.normalize(rotations.multiply(motion.joint_rotations_b.copy(), turned)),
    )
