"""A person of capsules in double precision, a box, and courses on which nothing pulls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from generate.motion.energy import ANKLES, Anchors, Course, Subject
from generate.motion.postures import Posture, relaxed
from generate.pose.body import PoseBody
from generate.pose.density import PoseDensity
from recon.optimizer.distance_field import distance_field
from sim import rotations, skeleton
from sim.geometry import Primitive
from sim.subject import default_offsets

OFFSETS = default_offsets()


@pytest.fixture(scope="session")
def subject() -> Subject:
    """The default person and a box of 0.3 x 0.4 x 0.3 m, in float64."""
    body = PoseBody.of(OFFSETS, "capsules", torch.float64)
    free = relaxed(OFFSETS, float(body.sole_heights[0]))
    field = distance_field(Primitive("box", (0.3, 0.4, 0.3)), cells=30_000).to(body.normals_b)
    return Subject(body, PoseDensity.of(OFFSETS, body.normals_b), field, free.rotations_b)


@pytest.fixture(scope="session")
def free(subject: Subject) -> Posture:
    """The relaxed posture, a little over the floor."""
    posture = relaxed(OFFSETS, float(subject.body.sole_heights[0]))
    return Posture(posture.rotations_b, posture.root + [0.0, 0.0, 0.05])


@pytest.fixture(scope="session")
def course(subject: Subject, free: Posture) -> Callable[..., Course]:
    """course(frames=1, **changes): feet and balance are as the relaxed posture has them, the box is 3 m ahead."""
    joints, turned = skeleton.forward_kinematics(free.rotations_b[None], free.root[None], OFFSETS)
    like = subject.body.normals_b
    posed = subject.body.pose(*(torch.as_tensor(a[None]).to(like) for a in (free.rotations_b, free.root)))
    center = subject.body.center_of_mass(posed).numpy()

    def build(frames: int = 1, **changes: Any) -> Course:
        one = Course(
            position_w=np.array([[3.0, 0.0, 0.15]]), rotation_w=np.array([[1.0, 0.0, 0.0, 0.0]]),
            ankles_w=joints[:, ANKLES], feet_w=turned[:, ANKLES], standing=np.ones((1, 2)), center_w=center[:, :2],
            balanced=np.ones(1), load=np.zeros(1), load_w=np.zeros((1, 3)), forward=np.array([[1.0, 0.0, 0.0]]),
            upright=np.ones(1),
        ).at(np.zeros(frames, int))  # fmt: skip
        return dataclasses.replace(one, **changes)

    return build


@pytest.fixture(scope="session")
def wrist(free: Posture) -> Callable[..., Anchors]:
    """wrist(off=(0, 0, 0), turned=(1, 0, 0, 0), weight=1): an anchor of the left wrist, so far from where it is."""
    joint = skeleton.JOINT_INDEX["left_wrist"]
    joints, world = skeleton.forward_kinematics(free.rotations_b[None], free.root[None], OFFSETS)

    def build(off: Any = (0.0, 0.0, 0.0), turned: Any = (1.0, 0.0, 0.0, 0.0), weight: float = 1.0) -> Anchors:
        turn = rotations.multiply(np.asarray(turned)[None], world[:, joint])
        return Anchors(joint, np.array([weight]), joints[:, joint] + off, turn)

    return build
