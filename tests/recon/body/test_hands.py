import dataclasses

import numpy as np

from recon.body.hands import finger_joints, finger_rotations
from recon.body.points import BodyTemplate, landmarks_of
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, LEFT_HAND_NAMES, RIGHT_HAND_NAMES
from sim import rotations
from sim.motion import Motion
from sim.skeleton import JOINT_NAMES, NUM_JOINTS

RELAXED = np.tile([1.0, 0.0, 0.0, 0.0], (15, 1))
CAMERA = Camera.look_at(np.array([3.0, 0.0, 1.5]), np.array([0.0, 0.0, 1.0]), 640, 480)


def _curled() -> tuple[Motion, BodyTemplate]:
    """A tumbling body whose fingers all swing at right angles to their bones, the same in every frame."""
    rng, template = np.random.default_rng(0), BodyTemplate.default()
    turn = np.tile(0.3 * rng.normal(size=(1, NUM_JOINTS, 3)), (8, 1, 1))
    for side in ("left", "right"):
        for joint in finger_joints(side):
            last = JOINT_NAMES[joint].endswith("3")
            bone = template.offsets[joint if last else joint + 1]
            axis = np.cross(bone, rng.normal(size=3))
            turn[:, joint] = 0.8 * axis / np.linalg.norm(axis)
    return Motion(30.0, np.tile([0.0, 0.0, 1.0], (8, 1)), rotations.from_rotvec(turn), template.offsets), template


def test_fingers_point_where_their_landmarks_do() -> None:
    motion, template = _curled()
    landmarks = landmarks_of(motion, CAMERA, template, (*BODY_NAMES, *LEFT_HAND_NAMES, *RIGHT_HAND_NAMES))
    for side in ("left", "right"):
        found = finger_rotations(landmarks, side, template, RELAXED, motion.fps)
        assert found is not None
        q = motion.joint_rotations_b.copy()
        q[:, finger_joints(side)] = found
        again = landmarks_of(motion.replace(joint_rotations_b=q), CAMERA, template, landmarks.names)
        np.testing.assert_allclose(again.points_m, landmarks.points_m, atol=1e-4)


def test_hands_that_are_not_seen_are_relaxed() -> None:
    motion, template = _curled()
    landmarks = landmarks_of(motion, CAMERA, template, (*BODY_NAMES, *LEFT_HAND_NAMES))
    assert finger_rotations(landmarks, "right", template, RELAXED, 30.0) is None
    unseen = dataclasses.replace(landmarks, confidence=np.zeros_like(landmarks.confidence))
    assert finger_rotations(unseen, "left", template, RELAXED, 30.0) is None
    confidence = np.array(landmarks.confidence)
    confidence[:, 33:] = 1e-3  # doubtful all the time
    doubtful = dataclasses.replace(landmarks, confidence=confidence)
    found = finger_rotations(doubtful, "left", template, RELAXED, 30.0)
    assert found is not None
    assert np.degrees(rotations.angle_between(found, RELAXED)).max() < 3.0
