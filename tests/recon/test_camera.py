import numpy as np
import pytest
import torch

from recon.camera import Camera, default_intrinsics
from sim import rotations
from sim.errors import ReconstructionError

K = np.array([[1000.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def camera() -> Camera:
    rng = np.random.default_rng(0)
    rotation = rotations.normalize(rng.normal(size=(5, 4)))
    return Camera(K + np.array([[0, 3.0, 0], [0, 0, 0], [0, 0, 0]]), 1280, 720, rotation, rng.normal(size=(5, 3)))


def test_look_at_by_hand() -> None:
    # Stands 4 m along +x from the origin at 1 m height and looks back along -x: right is +y, down is -z.
    camera = Camera.look_at(np.array([4.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]), 1280, 720, K)
    np.testing.assert_allclose(camera.to_camera(np.array([[0.0, 0.0, 1.0]])), [[0, 0, 4]], atol=1e-12)
    np.testing.assert_allclose(camera.to_camera(np.array([[0.0, 0.4, 0.6]])), [[0.4, 0.4, 4]], atol=1e-12)
    # 0.4 / 4 * 1000 + 640 = 740; 0.4 / 4 * 900 + 360 = 450
    np.testing.assert_allclose(camera.project_world(np.array([[0.0, 0.4, 0.6]])), [[740.0, 450.0]])


def test_default_intrinsics_by_hand() -> None:
    np.testing.assert_allclose(default_intrinsics(300, 400), [[500, 0, 150], [0, 500, 200], [0, 0, 1]])


def test_world_and_back(camera: Camera) -> None:
    points = np.random.default_rng(1).normal(size=(5, 7, 3))
    np.testing.assert_allclose(camera.to_world(camera.to_camera(points)), points, atol=1e-12)
    for frame in range(5):
        still = Camera(camera.intrinsics, 1280, 720, camera.rotation_w[frame], camera.position_w[frame])
        np.testing.assert_allclose(still.to_camera(points[frame]), camera.to_camera(points)[frame], atol=1e-12)
        np.testing.assert_array_equal(camera.frames(np.s_[frame : frame + 1]).position_w[0], still.position_w)


def test_jacobian_by_finite_differences(camera: Camera) -> None:
    points = np.random.default_rng(2).normal(size=(5, 7, 3)) + [0, 0, 5]
    step = 1e-6 * np.eye(3)
    numeric = np.stack([(camera.project(points + s) - camera.project(points - s)) / 2e-6 for s in step], -1)
    np.testing.assert_allclose(camera.projection_jacobian(points), numeric, rtol=1e-5, atol=1e-4)


def test_torch_agrees_and_differentiates(camera: Camera) -> None:
    points = np.random.default_rng(2).normal(size=(5, 7, 3)) + [0, 0, 5]
    tensor = torch.tensor(points, requires_grad=True)
    pixels = camera.project(tensor)
    np.testing.assert_allclose(pixels.detach().numpy(), camera.project(points))
    pixels[..., 0].sum().backward()
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad.numpy(), camera.projection_jacobian(points)[..., 0, :])
    world = camera.to_world(torch.tensor(points))
    np.testing.assert_allclose(camera.to_camera(world).numpy(), points, atol=1e-12)


def test_behind_the_camera_has_no_image(camera: Camera) -> None:
    points = np.array([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0], [0.1, 0.2, 1.0]])
    assert np.isnan(camera.project(points)).all(-1).tolist() == [True, True, False]
    assert np.isnan(camera.projection_jacobian(points)).all((-1, -2)).tolist() == [True, True, False]


def test_unproject_inverts_project(camera: Camera) -> None:
    points = np.random.default_rng(3).normal(size=(5, 7, 3)) + [0, 0, 5]
    np.testing.assert_allclose(camera.unproject(camera.project(points), points[..., 2]), points, atol=1e-12)


def test_crop_and_resize_by_hand() -> None:
    camera = Camera(K, 1280, 720, np.array([1.0, 0, 0, 0]), np.zeros(3))
    point = np.array([[0.1, 0.2, 2.0]])  # at 640 + 50, 360 + 90
    np.testing.assert_allclose(camera.project(point), [[690.0, 450.0]])
    np.testing.assert_allclose(camera.cropped(100, 50, 700, 500).project(point), [[590.0, 400.0]])
    np.testing.assert_allclose(camera.resized(640, 1440).project(point), [[345.0, 900.0]])
    assert camera.resized(640, 1440).height == 1440


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"intrinsics": np.diag([-1.0, 1.0, 1.0])}, "positive focal"),
        ({"intrinsics": np.diag([1.0, 1.0, 2.0])}, "upper triangular"),
        ({"width": 0}, "0 x 720"),
        ({"rotation_w": np.array([1.0, 1.0, 0.0, 0.0])}, "unit length"),
        ({"position_w": np.array([np.nan, 0, 0])}, "position_w"),
        ({"position_w": np.zeros((4, 3)), "rotation_w": np.tile([1.0, 0, 0, 0], (5, 1))}, "5 frames"),
    ],
)
def test_bad_cameras_are_refused(changes: dict, message: str) -> None:
    fields = {"intrinsics": K, "width": 1280, "height": 720, "rotation_w": np.array([1.0, 0, 0, 0])}
    with pytest.raises(ReconstructionError, match=message):
        Camera(**(fields | {"position_w": np.zeros(3)} | changes))


def test_points_must_fit_a_moving_camera(camera: Camera) -> None:
    with pytest.raises(ReconstructionError, match="5 frames"):
        camera.to_camera(np.zeros((4, 2, 3)))
    with pytest.raises(ReconstructionError, match="straight up or down"):
        Camera.look_at(np.array([0, 0, 5.0]), np.zeros(3), 10, 10)
