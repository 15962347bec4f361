import dataclasses
from typing import Any

import numpy as np
import pytest

from recon.banded import NormalEquations
from recon.body.fit import BodyFit, BodyFitConfig, fit_body, ground_body
from recon.body.grounding import Floor
from recon.body.points import SCALE_GROUPS, SOLE_NAMES, BodyTemplate, landmarks_of
from recon.body.pose_prior import load_pose_prior
from recon.body.solver import SHARED, BodyProblem, BodyState, FitWeights, Observations, Seek, stands
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, Landmarks
from sim import metrics, rotations
from sim.errors import ReconstructionError
from sim.motion import Motion
from sim.skeleton import BODY_JOINTS, JOINT_INDEX

WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def truth(push_clip: Motion) -> Motion:
    return push_clip.slice(0, 20).replace(
        objects=(), contacts=type(push_clip.contacts)(), contact_labels=None, object_contact=None
    )


@pytest.fixture(scope="module")
def template(truth: Motion) -> BodyTemplate:
    return BodyTemplate.of(truth.offsets, BodyTemplate.default(1.75).stance)


@pytest.fixture(scope="module")
def camera(truth: Motion) -> Camera:
    pelvis = truth.root_position_w.mean(0)
    return Camera.look_at(pelvis + [3.2, -2.0, 0.6], pelvis, WIDTH, HEIGHT)


def noisy(landmarks: Landmarks, rng: np.random.Generator, px: float, metres: float) -> Landmarks:
    points = np.array(landmarks.points_m)
    return dataclasses.replace(
        landmarks,
        pixels=landmarks.pixels + px * rng.normal(size=landmarks.pixels.shape),
        points_m=points + metres * rng.normal(size=points.shape),
    )


def body_error(fit: BodyFit, truth: Motion, camera: Camera) -> float:
    """Mean error of the 22 body joints in camera axes about the pelvis, mm."""
    found, known = fit.camera.to_camera(fit.motion.joint_positions_w), camera.to_camera(truth.joint_positions_w)
    joints = list(BODY_JOINTS)
    return metrics.mpjpe_root_relative(found[:, joints], known[:, joints])


@pytest.fixture(scope="module")
def fitted(truth: Motion, template: BodyTemplate, camera: Camera) -> BodyFit:
    """3 px and 30 mm of noise, five frames without a person, three with pixels alone, only the camera's lens known."""
    landmarks = noisy(landmarks_of(truth, camera, template), np.random.default_rng(0), 3.0, 0.03)
    pixels, points, confidence = (np.array(a) for a in (landmarks.pixels, landmarks.points_m, landmarks.confidence))
    pixels[10:15], points[10:15], confidence[10:15] = np.nan, np.nan, 0.0
    points[4:7] = np.nan
    landmarks = dataclasses.replace(landmarks, pixels=pixels, points_m=points, confidence=confidence)
    lens = dataclasses.replace(camera, rotation_w=np.array([1.0, 0, 0, 0]), position_w=np.zeros(3))
    return fit_body(landmarks, lens, fps=truth.fps)


def test_a_known_motion_comes_back(fitted: BodyFit, truth: Motion, camera: Camera) -> None:
    assert body_error(fitted, truth, camera) < 60.0
    found, known = fitted.camera.to_camera(fitted.motion.joint_positions_w), camera.to_camera(truth.joint_positions_w)
    taller = 1.75 / BodyTemplate.of(fitted.motion.offsets).height  # nobody said the stature: the picture has no scale
    assert metrics.mpjpe(found * taller, known) < 100.0
    assert np.nanmedian(fitted.pixel_error) < 6.0


def test_frames_without_a_person_are_flagged_and_filled(fitted: BodyFit, truth: Motion) -> None:
    np.testing.assert_array_equal(np.flatnonzero(~fitted.observed), np.arange(10, 15))
    assert np.isnan(fitted.pixel_error[10:15]).all()
    speed = np.linalg.norm(np.diff(fitted.motion.root_position_w, axis=0), axis=-1) * truth.fps
    assert speed.max() < 1.0


def test_it_is_smooth_and_stands_on_the_floor(fitted: BodyFit, truth: Motion, camera: Camera) -> None:
    joints = list(metrics.PEER_JOINTS)
    own, known = (metrics.mean_jerk(m.joint_positions_w[:, joints], m.fps) for m in (fitted.motion, truth))
    assert own < 1.5 * known + 10.0
    assert fitted.standing.any()
    subject = BodyTemplate.of(fitted.motion.offsets)
    feet = [JOINT_INDEX["left_foot"], JOINT_INDEX["right_foot"]]
    stance = BodyTemplate.default(subject.height).stance.heights[[1, 3]]
    height = fitted.motion.joint_positions_w[:, feet, 2] - stance
    standing = fitted.standing[:, [SOLE_NAMES.index("left_ball_sole"), SOLE_NAMES.index("right_ball_sole")]]
    assert np.abs(height[standing]).max() < 0.015
    up, known_up = (
        rotations.rotate_inverse(np.array(c.rotation_w), np.array([0.0, 0, 1])) for c in (fitted.camera, camera)
    )
    assert np.degrees(np.arccos(up @ known_up)) < 6.0


def test_with_the_subjects_own_bones_and_the_camera_kept_it_is_closer(
    truth: Motion, template: BodyTemplate, camera: Camera
) -> None:
    truth = truth.slice(0, 10)
    landmarks = noisy(landmarks_of(truth, camera, template), np.random.default_rng(1), 1.0, 0.01)
    config = BodyFitConfig(camera_pose="keep", height=template.height)
    fit = fit_body(landmarks, camera, config, fps=truth.fps, template=template)
    assert body_error(fit, truth, camera) < 35.0
    assert metrics.mpjpe(fit.motion.joint_positions_w, truth.joint_positions_w) < 60.0
    np.testing.assert_array_equal(fit.camera.position_w, camera.position_w)
    assert BodyTemplate.of(fit.motion.offsets).height == pytest.approx(template.height, rel=0.02)


def test_a_body_from_elsewhere_is_put_on_the_floor(truth: Motion, camera: Camera) -> None:
    """Lifted by 0.37 m together with its camera, it comes down again, and the picture stays as it was."""
    lift = np.array([0.0, 0.0, 0.37])
    lifted = truth.replace(root_position_w=truth.root_position_w + lift)
    raised = dataclasses.replace(camera, position_w=camera.position_w + lift)
    low, high = ground_body(truth, camera), ground_body(lifted, raised)
    np.testing.assert_allclose(high.motion.root_position_w, low.motion.root_position_w, atol=1e-9)
    np.testing.assert_array_equal(high.standing, low.standing)
    assert high.standing.any()
    pixels = [c.project_world(m.joint_positions_w) for m, c in ((high.motion, high.camera), (truth, camera))]
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1e-8)
    joints, places = BodyTemplate.barefoot(truth.offsets).soles()
    turns = high.motion.joint_rotations_w[:, joints]
    soles = high.motion.joint_positions_w[:, joints] + rotations.rotate(turns, places)
    assert abs(soles[high.standing][:, 2]).mean() < 0.015


def _problem(
    truth: Motion, template: BodyTemplate, camera: Camera, seek: Seek = "plane"
) -> tuple[BodyProblem, BodyState]:
    rng = np.random.default_rng(3)
    part = truth.slice(0, 5)
    landmarks = noisy(landmarks_of(part, camera, template), rng, 2.0, 0.02)
    names = landmarks.names
    centring = np.eye(len(names))
    centring[:, names.index("nose")] -= 1.0
    points = rotations.rotate(np.array(camera.rotation_w), centring @ landmarks.points_m)
    weight = rng.uniform(0.2, 1.0, (5, len(names)))
    seen = Observations(30.0, names, landmarks.pixels, weight, np.full(5, 300.0), points, weight, centring)
    contacts = rng.uniform(size=(5, 6)) < 0.7
    weights = FitWeights(knee=1e4, log_focal=0.1)  # plain squares: the step is then Gauss-Newton's
    state = BodyState(
        part.joint_rotations_b, part.root_position_w, 0.05 * rng.normal(size=len(SCALE_GROUPS)),
        Floor(np.array([0.02, -0.01]), -0.02), camera,
    )  # fmt: skip
    return BodyProblem(template, seen, weights, load_pose_prior(), contacts=contacts, seek=seek), state


@pytest.mark.parametrize("seek", ["plane", "height"])
def test_the_normal_equations_hold_the_costs_gradient(
    truth: Motion, template: BodyTemplate, camera: Camera, seek: Seek
) -> None:
    """Against central differences of the cost, for joints, root, sizes, floor and focal length."""
    problem, state = _problem(truth, template, camera, seek)
    equations = NormalEquations(5, 3 + 3 * len(problem.free), SHARED)
    smooth_only = [term for term in problem.terms(state, True) if term.name != "smooth"]
    for term in smooth_only:
        term.add_to(equations)
    equations.add_shared(*problem._shared_residual(state))

    def cost(change: np.ndarray, shared: np.ndarray) -> float:
        moved = problem.moved(state, change, shared)
        terms = sum(term.total() for term in problem.terms(moved, False) if term.name != "smooth")
        return terms + problem._shared_cost(moved)

    rng, h = np.random.default_rng(0), 1e-5
    shape = equations.gradient.shape
    for _ in range(8):
        direction = np.zeros(shape)
        direction[rng.integers(5), rng.integers(shape[1])] = h
        numeric = (cost(direction, np.zeros(SHARED)) - cost(-direction, np.zeros(SHARED))) / (2 * h)
        analytic = (direction * equations.gradient).sum() / h
        assert numeric == pytest.approx(analytic, rel=2e-3, abs=0.5)
    for column in range(SHARED):
        direction = h * np.eye(SHARED)[column]
        still = np.zeros(shape)
        numeric = (cost(still, direction) - cost(still, -direction)) / (2 * h)
        assert numeric == pytest.approx(equations.shared_gradient[column], rel=2e-3, abs=0.5)


def test_a_stand_is_one_observation_however_long() -> None:
    """Two left stands of 3 and 5 frames, the second on heel and toe alone; the right foot hovers."""
    contacts = np.zeros((10, 6), bool)
    contacts[:3, :3] = True
    contacts[5:, [0, 2]] = True
    rows, weight = stands(contacts)
    np.testing.assert_allclose(weight[:3, 0], 1 / 3)
    np.testing.assert_allclose(weight[5:, 0], 1 / 5)
    assert weight[3:5].sum() == weight[:, 1].sum() == weight[:, 5:].sum() == 0.0
    np.testing.assert_allclose(weight[:, 2:5].sum(0), [1.0, 0.5, 1.0])  # both stands together count once
    heights = np.tile([3.0, 6.0, 9.0, 1.0, 1.0, 1.0], (10, 1))
    said = (rows @ heights[..., None])[..., 0]
    np.testing.assert_allclose(said[0, [0, 2, 3, 4]], [6.0, -3.0, 0.0, 3.0])
    np.testing.assert_allclose(said[9, [0, 2, 4]], [6.0, -3.0, 3.0])
    np.testing.assert_allclose((rows @ np.ones(6))[0, :5], [1.0, 0.0, 0.0, 0.0, 0.0], atol=1e-12)


def _without(landmarks: Landmarks, **changes: Any) -> Landmarks:
    return dataclasses.replace(landmarks, **changes)


def test_what_cannot_be_fitted_is_said(truth: Motion, camera: Camera) -> None:
    good = landmarks_of(truth, camera)
    nobody = _without(good, confidence=np.zeros_like(good.confidence))
    with pytest.raises(ReconstructionError, match="no person"):
        fit_body(nobody, camera, fps=30.0)
    with pytest.raises(ReconstructionError, match="3D"):
        fit_body(_without(good, points_m=None), camera, fps=30.0)
    with pytest.raises(ReconstructionError, match="size of the image"):
        fit_body(good, None, fps=30.0)
    with pytest.raises(ReconstructionError, match="keep"):
        fit_body(good, None, BodyFitConfig(camera_pose="keep"), fps=30.0, image_size=(WIDTH, HEIGHT))
    moving = dataclasses.replace(camera, position_w=np.tile(camera.position_w, (truth.num_frames, 1)))
    with pytest.raises(ReconstructionError, match="moves"):
        fit_body(good, moving, fps=30.0)
    few = Landmarks(BODY_NAMES[:11], good.pixels[:, :11], good.points_m[:, :11], good.confidence[:, :11], "face")
    with pytest.raises(ReconstructionError, match="left_shoulder"):
        fit_body(few, camera, fps=30.0)
