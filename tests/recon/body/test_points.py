import numpy as np
import pytest

from recon.body.points import ANCHORS, JOINT_GROUPS, SCALE_GROUPS, BodyTemplate, PointModel, landmarks_of
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, LEFT_HAND_NAMES, RIGHT_HAND_NAMES
from sim import rotations, skeleton
from sim.errors import UnknownNameError
from sim.skeleton import JOINT_INDEX, NUM_JOINTS
from sim.subject import ANKLE_HEIGHT

ALL = (*BODY_NAMES, *LEFT_HAND_NAMES, *RIGHT_HAND_NAMES)


def test_every_landmark_of_the_detectors_has_a_place_and_mirrors() -> None:
    template = BodyTemplate.default(1.75)
    joints, places = template.landmarks(ALL)
    rest = dict(zip(ALL, skeleton.rest_joints(template.offsets)[joints] + places, strict=True))
    for name, point in rest.items():
        twin = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        np.testing.assert_allclose(rest[twin], point * [1, -1, 1], atol=1e-12)
    assert set(ALL) <= set(ANCHORS)


def test_places_in_a_standing_person_of_one_metre_seventy_five() -> None:
    template = BodyTemplate.default(1.75)
    joints, places = template.landmarks(BODY_NAMES)
    rest = dict(zip(BODY_NAMES, skeleton.rest_joints(template.offsets)[joints] + places, strict=True))
    pelvis = 1.75 * (0.040 + 0.245 + 0.246 + ANKLE_HEIGHT)  # height of the pelvis over the floor
    assert rest["left_elbow"][1] == pytest.approx(1.75 * (0.035 + 0.094 + 0.186))
    assert rest["left_ankle"][2] + pelvis == pytest.approx(1.75 * ANKLE_HEIGHT)
    assert 0.0 < rest["left_heel"][2] + pelvis < 0.05
    assert rest["left_foot_index"][0] > rest["left_ankle"][0] > rest["left_heel"][0]
    assert 1.55 < rest["nose"][2] + pelvis < 1.70  # eyes lie at 0.936 of the stature, the nose below them
    assert rest["left_eye"][2] + pelvis == pytest.approx(0.936 * 1.75, abs=0.03)
    with pytest.raises(UnknownNameError, match="left_elbow"):
        template.landmarks(["left_elbw"])


def test_soles_stand_on_the_floor() -> None:
    template = BodyTemplate.default(1.8)
    joints, places = template.soles()
    rest = skeleton.rest_joints(template.offsets)[joints] + places
    np.testing.assert_allclose(rest[:, 2], -1.8 * (0.040 + 0.245 + 0.246 + ANKLE_HEIGHT), atol=1e-12)


def _posed(
    template: BodyTemplate, q: np.ndarray, root: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    positions, world = skeleton.forward_kinematics(q, root, template.scaled(scales).offsets)
    return positions, rotations.to_matrix(world)


def test_jacobians_are_the_finite_differences() -> None:
    rng = np.random.default_rng(0)
    template = BodyTemplate.default()
    q = rotations.normalize(rng.normal(size=(2, NUM_JOINTS, 4)))
    root, scales = rng.normal(size=(2, 3)), 0.2 * rng.normal(size=len(SCALE_GROUPS))
    model = PointModel(template, *template.landmarks(ALL))
    posed = _posed(template, q, root, scales)
    points = model.positions(posed, scales)
    by_frame, by_scale = model.jacobians(points, posed, template.scaled(scales).offsets)
    h = 1e-6
    for column in rng.choice(by_frame.shape[-1], 25, replace=False):
        change = np.zeros(by_frame.shape[-1])
        change[column] = h
        turned = q.copy()
        turn = rotations.from_rotvec(np.tile(change[3:].reshape(-1, 3), (2, 1, 1)))
        turned[:, model.free] = rotations.multiply(q[:, model.free].copy(), turn)
        moved = model.positions(_posed(template, turned, root + change[:3], scales), scales)
        np.testing.assert_allclose((moved - points) / h, by_frame[..., column], atol=1e-5)
    for group in range(len(SCALE_GROUPS)):
        longer = scales + h * np.eye(len(SCALE_GROUPS))[group]
        moved = model.positions(_posed(template, q, root, longer), longer)
        np.testing.assert_allclose((moved - points) / h, by_scale[..., group], atol=1e-5)


def test_scaling_a_group_stretches_its_bones_alone() -> None:
    template = BodyTemplate.default()
    scales = np.zeros(len(SCALE_GROUPS))
    scales[SCALE_GROUPS.index("thigh")] = np.log(1.1)
    factor = np.linalg.norm(template.scaled(scales).offsets[1:], axis=-1) / np.linalg.norm(
        template.offsets[1:], axis=-1
    )
    knees = [JOINT_INDEX["left_knee"] - 1, JOINT_INDEX["right_knee"] - 1]
    np.testing.assert_allclose(factor[knees], 1.1)
    np.testing.assert_allclose(np.delete(factor, knees), 1.0)
    assert JOINT_GROUPS.max() == len(SCALE_GROUPS) - 1


def test_landmarks_of_a_motion_are_hip_centred_and_project(push_clip) -> None:
    camera = Camera.look_at(np.array([4.0, 1.0, 1.5]), np.array([0.0, 0.0, 0.9]), 640, 480)
    landmarks = landmarks_of(push_clip, camera)
    hips = [BODY_NAMES.index("left_hip"), BODY_NAMES.index("right_hip")]
    np.testing.assert_allclose(landmarks.points_m[:, hips].mean(1), 0.0, atol=1e-12)
    knee = camera.project_world(push_clip.joint_positions_w[:, JOINT_INDEX["left_knee"]])
    np.testing.assert_allclose(landmarks.pixels[:, BODY_NAMES.index("left_knee")], knee)


def test_finger_tips_lie_beyond_the_last_joint() -> None:
    """15.8 mm on from the index finger's last joint, along the bone before it (reference adult)."""
    template = BodyTemplate.default(1.75)
    joints, places = template.landmarks(["left_hand_index_tip"])
    assert joints[0] == JOINT_INDEX["left_index3"]
    bone = template.offsets[JOINT_INDEX["left_index3"]]
    np.testing.assert_allclose(places[0], 0.0158 * bone / np.linalg.norm(bone), atol=1e-12)
