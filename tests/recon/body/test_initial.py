import numpy as np
import pytest

from recon.body.initial import fill_gaps, initial_rotations, root_in_camera, rotation_between
from recon.body.points import BodyTemplate, landmarks_of
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES
from sim import rotations, skeleton
from sim.errors import ReconstructionError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, NUM_JOINTS


def test_gaps_are_interpolated_and_ends_held() -> None:
    values = np.array([9.0, 1.0, 9.0, 9.0, 4.0, 9.0])[:, None, None]
    valid = np.array([0, 1, 0, 0, 1, 0], bool)[:, None]
    np.testing.assert_allclose(fill_gaps(values, valid)[:, 0, 0], [1, 1, 2, 3, 4, 4])
    assert np.isnan(fill_gaps(values, np.zeros_like(valid))).all()


def test_rotation_between_point_sets_is_exact() -> None:
    rng = np.random.default_rng(0)
    places, turn = rng.normal(size=(4, 3)), rotations.normalize(rng.normal(size=(5, 4)))
    points = rotations.rotate(turn[:, None], places) + rng.normal(size=(5, 1, 3))
    np.testing.assert_allclose(rotations.angle_between(rotation_between(places, points), turn), 0.0, atol=1e-6)


def test_root_in_camera_finds_the_shift_from_exact_pixels() -> None:
    rng = np.random.default_rng(1)
    camera = Camera.look_at(np.array([4.0, 0.0, 1.0]), np.zeros(3), 640, 480)
    points, shift = 0.4 * rng.normal(size=(3, 8, 3)), np.array([[0.1, 0.2, 4.0], [0.0, -0.3, 3.0], [1.0, 0.0, 5.0]])
    pixels = camera.project(points + shift[:, None])
    weight = np.ones((3, 8))
    weight[0, :3], weight[2, 3:] = 0.0, 0.0
    found = root_in_camera(points, pixels, weight, camera.intrinsics)
    np.testing.assert_allclose(found[:2], shift[:2], atol=1e-9)
    assert np.isnan(found[2]).all()  # three points are too few


def _bent(seed: int) -> np.ndarray:
    """Poses whose knees and elbows bend their own way, turned by hips and shoulders."""
    rng = np.random.default_rng(seed)
    turn = np.zeros((6, NUM_JOINTS, 3))
    turn[:, 0, 2] = rng.uniform(-3, 3, 6)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        turn[:, JOINT_INDEX[f"{side}_hip"]] = rng.uniform(-0.5, 0.3, (6, 3))
        turn[:, JOINT_INDEX[f"{side}_shoulder"]] = rng.uniform(-0.9, 0.9, (6, 3))
        turn[:, JOINT_INDEX[f"{side}_knee"], 1] = rng.uniform(0.6, 1.8, 6)
        turn[:, JOINT_INDEX[f"{side}_elbow"], 2] = sign * rng.uniform(0.6, 1.8, 6)
    return rotations.from_rotvec(turn)


def test_exact_landmarks_give_the_pose_and_its_twists() -> None:
    template, q = BodyTemplate.default(1.75), _bent(0)
    motion = Motion(30.0, np.tile([0.0, 0.0, 1.0], (6, 1)), q, template.offsets)
    joints, places = template.landmarks(BODY_NAMES)
    points = motion.joint_positions_w[:, joints] + rotations.rotate(motion.joint_rotations_w[:, joints], places)
    found = initial_rotations(points, BODY_NAMES, template)
    positions, world = skeleton.forward_kinematics(found, motion.root_position_w, template.offsets)
    limbs = [JOINT_INDEX[f"{s}_{p}"] for s in ("left", "right") for p in ("knee", "ankle", "elbow", "wrist")]
    assert np.linalg.norm(positions - motion.joint_positions_w, axis=-1)[:, limbs].max() < 0.03
    turned = [JOINT_INDEX[f"{s}_{p}"] for s in ("left", "right") for p in ("hip", "knee", "shoulder", "elbow")]
    assert np.degrees(rotations.angle_between(world, motion.joint_rotations_w))[:, turned].max() < 20.0


def test_a_person_who_is_cut_off_is_refused(push_clip: Motion) -> None:
    camera = Camera.look_at(np.array([4.0, 0.0, 1.0]), np.zeros(3), 640, 480)
    points = np.array(landmarks_of(push_clip, camera).points_m)
    points[:, BODY_NAMES.index("left_ankle")] = np.nan
    with pytest.raises(ReconstructionError, match="left_ankle"):
        initial_rotations(points, BODY_NAMES, BodyTemplate.default())
