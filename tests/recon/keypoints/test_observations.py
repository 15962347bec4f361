import dataclasses

import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.keypoints.observations import Observations, robust
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.keypoints import KEYPOINT_INDEX


def _observations(moving: bool = False, deep: bool = False) -> tuple[Observations, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = 4
    graph = ContactGraph(("Chin", "leftHand_palm"), [0, 0], 0.3 * rng.normal(size=(2, 3)), [0, 2], [3, 3])
    visible = rng.random((frames, 3)) < 0.7
    trust = np.random.default_rng(1).uniform(0.2, 1.0, visible.shape)
    image = ImagePoints(
        0.3 * rng.normal(size=(3, 3)), 500 + 100 * rng.normal(size=(frames, 3, 2)), visible, [-1, 4, 7],
        confidence=trust,
    )  # fmt: skip
    if deep:
        depths = np.where(rng.random((frames, 3)) < 0.7, 4.0 + 0.3 * rng.normal(size=(frames, 3)), np.nan)
        image = dataclasses.replace(image, depths=depths)
    eye = np.array([4.0, 0.5, 1.5]) + (0.1 * rng.normal(size=(frames, 3)) if moving else np.zeros(3))
    camera = Camera.look_at(eye, np.array([0.0, 0.0, 1.0]), 1280, 720)
    keypoints = rng.normal(size=(frames, 87, 3)) * 0.3 + [0, 0, 1.0]
    observations = Observations.of(Annotations(graph, image), keypoints, camera, 0.01, 2.0)
    position = 0.2 * rng.normal(size=(frames, 2, 3)) + [0, 0, 1.0]
    return observations, position, rotations.normalize(rng.normal(size=(frames, 2, 4)))


def test_residuals_by_hand() -> None:
    # The camera of test_camera: 4 m along +x looking back, right is +y, down is -z, f = sqrt(300^2 + 400^2) = 500.
    camera = Camera.look_at(np.array([4.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]), 300, 400)
    graph = ContactGraph(("Chin",), [0], [[0.1, 0.0, 0.0]], [0], [0])
    image = ImagePoints(np.array([[-0.1, 0.0, 0.0]]), np.array([[[150.0, 210.0]]]), np.array([[True]]), [-1])
    keypoints = np.zeros((1, 87, 3))
    keypoints[0, KEYPOINT_INDEX["Chin"]] = [0.0, 0.13, 1.0]
    o = Observations.of(Annotations(graph, image), keypoints, camera, 0.01, 2.0)
    np.testing.assert_allclose(o.center_b, 0)
    # A quarter turn about z carries +x to +y: the contact point comes to y = 0.1, 30 mm from the chin; the image point
    # to y = -0.1, 4 m away: u = 150 - 0.1 / 4 * 500 = 137.5, v = 200.
    quarter = np.array([[[np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]]])
    found = o.linearize(np.array([[[0.0, 0.0, 1.0]]]), quarter)
    np.testing.assert_allclose(found.distances[0, 0], [0.03, np.hypot(12.5, 10.0)], atol=1e-12)
    np.testing.assert_allclose(found.residuals[0, 0], [0.0, -3.0, 0.0, -6.25, -5.0], atol=1e-9)
    np.testing.assert_allclose(found.cost, 0.5 * (9 + 6.25**2 + 25))
    # a depth map that sees it 3.8 m away, where it lies at 4, adds two standard deviations of 0.1 m along -x
    image = dataclasses.replace(image, depths=np.array([[3.8]]))
    o = Observations.of(Annotations(graph, image), keypoints, camera, 0.01, 2.0, depth_sigma=0.1)
    deeper = o.linearize(np.array([[[0.0, 0.0, 1.0]]]), quarter)
    np.testing.assert_allclose(deeper.residuals[0, 0], [0.0, -3.0, 0.0, -6.25, -5.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(deeper.rows[0, 0, -1, :3], [-10.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(deeper.cost - found.cost, 2.0)
    assert o.names == ("contact 0 (Chin)", "image point 0")
    doubted = dataclasses.replace(o, depths=None, confidence=np.array([[1.0, 0.25]]))  # weighs the square by a quarter
    half = doubted.linearize(np.array([[[0.0, 0.0, 1.0]]]), quarter)
    np.testing.assert_allclose(half.residuals[0, 0], [0.0, -3.0, 0.0, -3.125, -2.5], atol=1e-9)
    np.testing.assert_allclose(half.cost, 0.5 * (9 + 0.25 * (6.25**2 + 25)))
    np.testing.assert_allclose(half.distances, found.distances)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_jacobian_by_finite_differences(moving: bool, deep: bool) -> None:
    o, position, rotation = _observations(moving, deep)

    def residuals(step: np.ndarray) -> np.ndarray:
        turned = rotations.multiply(rotations.from_rotvec(step[3:]), rotation)
        return o.linearize(position + step[:3], turned).residuals

    numeric = np.stack([(residuals(s) - residuals(-s)) / 2e-6 for s in 1e-6 * np.eye(6)], -1)
    found = o.linearize(position, rotation)
    np.testing.assert_allclose(found.rows, numeric, rtol=1e-4, atol=1e-3)
    assert np.abs(found.rows[0, 0, 3:6]).max() == 0, "the palm holds from frame 2 only"


@pytest.mark.parametrize("kernel", ["none", "huber", "cauchy", "geman_mcclure"])
def test_gradient_is_that_of_the_robust_cost(kernel) -> None:
    o, position, rotation = _observations(deep=True)

    def cost(step: np.ndarray) -> np.ndarray:
        turned = rotations.multiply(rotations.from_rotvec(step[3:]), rotation)
        return o.linearize(position + step[:3], turned, kernel, 3.0).cost

    numeric = np.stack([(cost(s) - cost(-s)) / 2e-6 for s in 1e-6 * np.eye(6)], -1)
    np.testing.assert_allclose(o.linearize(position, rotation, kernel, 3.0).gradient, numeric, rtol=1e-4, atol=1e-2)


def test_one_pose_for_all_frames_is_the_pose_repeated() -> None:
    o, position, rotation = _observations()
    once = o.linearize(position[:1], rotation[:1])
    repeated = o.linearize(np.repeat(position[:1], 4, 0), np.repeat(rotation[:1], 4, 0))
    for a, b in zip(once, repeated, strict=True):
        np.testing.assert_allclose(a, b)


def test_behind_the_camera_costs_infinity() -> None:
    o, position, rotation = _observations()
    behind = o.linearize(position + [10.0, 0, 0], rotation)
    with_image_points = o.active[:, 2:].any(1)
    assert with_image_points.any()
    assert np.isinf(behind.cost[with_image_points]).all()
    assert np.isfinite(behind.rows).all()


def test_kernels_by_hand() -> None:
    squares = np.array([1.0, 36.0])  # 1 and 6 sigmas, threshold 3
    np.testing.assert_allclose(robust(squares, "huber", 3.0), [[1.0, 27.0], [1.0, 0.5]])
    np.testing.assert_allclose(robust(squares, "cauchy", 3.0), [[9 * np.log(10 / 9), 9 * np.log(5)], [0.9, 0.2]])
    np.testing.assert_allclose(robust(squares, "geman_mcclure", 3.0), [[0.9, 7.2], [0.81, 0.04]])
    np.testing.assert_allclose(robust(squares, "none", 3.0), [squares, [1, 1]])
