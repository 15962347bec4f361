"""Algebraic laws over batch shapes, SciPy as the known answer, and gradients where they are easily lost."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sim import rotations

BATCHES = [(), (1,), (5,), (3, 4), (2, 0), (2, 3, 4)]
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def random_q(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    q = np.random.default_rng(seed).normal(size=(*shape, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def scipy_of(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(q, scalar_first=True)


def assert_same_rotation(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-9) -> None:
    assert a.shape == b.shape
    assert (np.minimum(np.abs(a - b).max(-1), np.abs(a + b).max(-1)) < tolerance).all()


@pytest.mark.parametrize("batch", BATCHES)
def test_group_laws(batch: tuple[int, ...]) -> None:
    a, b, c = (random_q(batch, seed) for seed in range(3))
    identity = np.broadcast_to(IDENTITY, a.shape)
    np.testing.assert_allclose(rotations.multiply(a, identity), a, atol=1e-12)
    np.testing.assert_allclose(rotations.multiply(a, rotations.inverse(a)), identity, atol=1e-12)
    left = rotations.multiply(rotations.multiply(a, b), c)
    np.testing.assert_allclose(left, rotations.multiply(a, rotations.multiply(b, c)), atol=1e-12)


@pytest.mark.parametrize("batch", BATCHES)
def test_action_laws(batch: tuple[int, ...]) -> None:
    a, b, v = random_q(batch, 1), random_q(batch, 2), np.random.default_rng(3).normal(size=(*batch, 3))
    np.testing.assert_allclose(
        rotations.rotate(rotations.multiply(a, b), v), rotations.rotate(a, rotations.rotate(b, v)), atol=1e-12
    )
    np.testing.assert_allclose(rotations.rotate_inverse(a, rotations.rotate(a, v)), v, atol=1e-12)
    np.testing.assert_allclose(rotations.rotate(-a, v), rotations.rotate(a, v), atol=1e-12)  # the double cover
    by_matrix = np.einsum("...ij,...j->...i", rotations.to_matrix(a), v)
    np.testing.assert_allclose(rotations.rotate(a, v), by_matrix, atol=1e-12)


ROUND_TRIPS: list[tuple[Callable, Callable]] = [
    (rotations.to_rotvec, rotations.from_rotvec),
    (rotations.to_matrix, rotations.from_matrix),
    (rotations.to_6d, rotations.from_6d),
    (functools.partial(rotations.to_euler, order="yxz"), functools.partial(rotations.from_euler, order="yxz")),
    (rotations.to_xyzw, rotations.from_xyzw),
]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("there", "back"), ROUND_TRIPS, ids=lambda f: getattr(f, "__name__", "euler"))
def test_round_trips(there: Callable, back: Callable, batch: tuple[int, ...]) -> None:
    q = random_q(batch)
    assert_same_rotation(back(there(q)), q)
    assert_same_rotation(back(there(-q)), q)


def test_known_answers_of_scipy() -> None:
    a, b, v = random_q((50,), 1), random_q((50,), 2), np.random.default_rng(3).normal(size=(50, 3))
    assert_same_rotation(rotations.multiply(a, b), (scipy_of(a) * scipy_of(b)).as_quat(scalar_first=True))
    np.testing.assert_allclose(rotations.rotate(a, v), scipy_of(a).apply(v), atol=1e-12)
    np.testing.assert_allclose(rotations.rotate_inverse(a, v), scipy_of(a).inv().apply(v), atol=1e-12)
    np.testing.assert_allclose(rotations.to_matrix(a), scipy_of(a).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rotations.to_rotvec(a), scipy_of(a).as_rotvec(), atol=1e-9)
    np.testing.assert_allclose(rotations.angle_between(a, b), (scipy_of(a).inv() * scipy_of(b)).magnitude(), atol=1e-9)
    assert_same_rotation(rotations.from_rotvec(v), Rotation.from_rotvec(v).as_quat(scalar_first=True))
    assert_same_rotation(
        rotations.from_matrix(scipy_of(a).as_matrix()),
        Rotation.from_quat(a, scalar_first=True).as_quat(scalar_first=True),
    )


ORDERS = ["".join(axes) for axes in itertools.permutations("xyz")]


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_are_the_intrinsic_ones_of_scipy(order: str) -> None:
    q = random_q((200,))
    angles = scipy_of(q).as_euler(order.upper())  # capital letters: intrinsic, as three hinges in this order
    np.testing.assert_allclose(rotations.to_euler(q, order), angles, atol=1e-9)
    expected = Rotation.from_euler(order.upper(), angles).as_quat(scalar_first=True)
    assert_same_rotation(rotations.from_euler(angles, order), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_keep_the_rotation_near_gimbal_lock(order: str) -> None:
    # exactly at the lock the split between the outer two is lost, so a hair beside it
    angles = np.array([[0.3, np.pi / 2 - 1e-5, 0.2], [0.3, -np.pi / 2 + 1e-5, 0.2]])
    q = rotations.from_euler(angles, order)
    assert_same_rotation(rotations.from_euler(rotations.to_euler(q, order), order), q, 1e-6)


def test_quarter_turns_by_hand() -> None:
    s = np.sqrt(0.5)
    np.testing.assert_allclose(rotations.from_rotvec(np.array([0.0, 0.0, np.pi / 2])), [s, 0, 0, s])
    np.testing.assert_allclose(
        rotations.rotate(np.array([s, 0, 0, s]), np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12
    )  # +x to +y about +z
    # x by 90 and then, in the turned frame, y by 90: q = qx * qy; or y first
    qx, qy = np.array([s, s, 0, 0]), np.array([s, 0, s, 0])
    np.testing.assert_allclose(
        rotations.from_euler(np.array([np.pi / 2, np.pi / 2, 0.0]), "xyz"), rotations.multiply(qx, qy), atol=1e-12
    )
    np.testing.assert_allclose(
        rotations.from_euler(np.array([np.pi / 2, np.pi / 2, 0.0]), "yxz"), rotations.multiply(qy, qx), atol=1e-12
    )


@pytest.mark.parametrize("axis", [*np.eye(3).tolist(), [0.6, 0.0, 0.8], [-0.6, 0.8, 0.0]])
def test_half_turns_survive_every_representation(axis: list[float]) -> None:
    q = np.array([0.0, *axis])
    assert_same_rotation(rotations.from_matrix(rotations.to_matrix(q)), q)
    assert_same_rotation(rotations.from_6d(rotations.to_6d(q)), q)
    np.testing.assert_allclose(np.linalg.norm(rotations.to_rotvec(q)), np.pi, atol=1e-9)
    assert rotations.angle_between(q, IDENTITY) == pytest.approx(np.pi)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_small_angles_keep_their_size(angle: float) -> None:
    v = np.array([0.0, angle, 0.0])
    np.testing.assert_allclose(rotations.to_rotvec(rotations.from_rotvec(v)), v, rtol=1e-6, atol=1e-30)
    assert rotations.angle_between(rotations.from_rotvec(v), IDENTITY) == pytest.approx(angle, rel=1e-6)


def test_rotvec_is_the_shortest() -> None:
    turn = np.array([0.0, 0.0, np.radians(350.0)])
    np.testing.assert_allclose(np.degrees(rotations.to_rotvec(rotations.from_rotvec(turn))), [0, 0, -10.0], atol=1e-9)


def test_quaternion_of_a_matrix_has_positive_w() -> None:
    assert (rotations.from_matrix(rotations.to_matrix(random_q((100,))))[:, 0] >= 0).all()


DIFFERENTIABLE: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], int]] = {
    "from_rotvec": (rotations.from_rotvec, 3),
    "to_rotvec(from_rotvec)": (lambda v: rotations.to_rotvec(rotations.from_rotvec(v)), 3),
    "to_matrix(from_rotvec)": (lambda v: rotations.to_matrix(rotations.from_rotvec(v)), 3),
    "from_matrix(to_matrix)": (lambda v: rotations.from_matrix(rotations.to_matrix(rotations.from_rotvec(v))), 3),
    "from_6d(to_6d)": (lambda v: rotations.from_6d(rotations.to_6d(rotations.from_rotvec(v))), 3),
    "euler": (lambda v: rotations.to_euler(rotations.from_euler(v, "yxz"), "yxz"), 3),
    "slerp": (
        lambda v: rotations.slerp(
            rotations.from_rotvec(v), rotations.from_rotvec(2 * v), torch.full_like(v[..., 0], 0.3)
        ),
        3,
    ),
    "heading": (lambda v: rotations.heading(rotations.from_rotvec(v)), 3),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_right_at_the_identity_and_away_from_it(name: str) -> None:
    function, size = DIFFERENTIABLE[name]
    at = torch.tensor([[0.0] * size, [0.3, -0.2, 0.5]], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: function(v), at)
    assert torch.isfinite(jacobian).all()
    step = 1e-6
    for row in range(len(at)):
        for column in range(size):
            shift = torch.zeros_like(at)
            shift[row, column] = step
            numeric = (function(at + shift) - function(at - shift)) / (2 * step)
            torch.testing.assert_close(jacobian[..., row, column], numeric, atol=1e-5, rtol=1e-4)


def test_the_gradient_of_the_squared_angle_is_finite_at_zero_error() -> None:
    v = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    rotations.angle_between(rotations.from_rotvec(v), torch.tensor(IDENTITY)).square().backward()
    assert v.grad is not None
    assert torch.isfinite(v.grad).all()


def test_slerp_known_answers() -> None:
    a = np.tile(IDENTITY, (3, 1))
    b = np.tile(rotations.from_rotvec(np.array([0.0, np.radians(80.0), 0.0])), (3, 1))
    between = rotations.slerp(a, b, np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(np.degrees(rotations.to_rotvec(between))[:, 1], [0.0, 20.0, 80.0], atol=1e-9)


def test_slerp_takes_the_shorter_arc() -> None:
    a, b = random_q((20,), 1), random_q((20,), 2)
    half = np.full(20, 0.5)
    assert_same_rotation(rotations.slerp(a, b, half), rotations.slerp(a, -b, half))
    to_middle = rotations.angle_between(a, rotations.slerp(a, b, half))
    np.testing.assert_allclose(to_middle, rotations.angle_between(a, b) / 2, atol=1e-9)


def test_between_is_the_shortest_turn_from_one_vector_to_another() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    turned = rotations.rotate(rotations.between(a, b), a)
    np.testing.assert_allclose(rotations.normalize(turned), rotations.normalize(b), atol=1e-9)
    cosine = (rotations.normalize(a) * rotations.normalize(b)).sum(-1)
    angle = rotations.angle_between(rotations.between(a, b), np.tile(IDENTITY, (50, 1)))
    np.testing.assert_allclose(angle, np.arccos(cosine), atol=1e-7)
    np.testing.assert_allclose(rotations.between(a, 3 * a), np.tile(IDENTITY, (50, 1)), atol=1e-9)
    np.testing.assert_allclose(rotations.rotate(rotations.between(a, -a), a), -a, atol=1e-7)


def test_heading_is_the_yaw_alone() -> None:
    yaw = rotations.from_rotvec(np.array([0.0, 0.0, 2.0]))
    pitch = rotations.from_rotvec(np.array([0.0, 0.7, 0.0]))
    np.testing.assert_allclose(rotations.heading(rotations.multiply(yaw, pitch)), yaw, atol=1e-12)
    forward = rotations.rotate(rotations.multiply(yaw, pitch), np.array([1.0, 0, 0]))
    np.testing.assert_allclose(np.arctan2(forward[1], forward[0]), 2.0)


def test_make_continuous_changes_signs_alone() -> None:
    smooth = rotations.from_rotvec(np.linspace(0, 6, 50)[:, None] * np.array([0.0, 0.0, 1.0]))
    flipped = smooth * np.where(np.random.default_rng(0).random(50) < 0.5, -1.0, 1.0)[:, None]
    restored = rotations.make_continuous(flipped)
    assert ((restored[1:] * restored[:-1]).sum(-1) > 0).all()
    assert_same_rotation(restored, smooth)


def test_angular_velocity_of_a_constant_turn_across_the_double_cover() -> None:
    omega, fps = np.array([0.4, -1.0, 2.0]), 30.0
    start = random_q(())
    q = rotations.multiply(rotations.from_rotvec(np.arange(200)[:, None] / fps * omega), np.tile(start, (200, 1)))
    q[::2] *= -1
    np.testing.assert_allclose(rotations.angular_velocity(q, fps), np.tile(omega, (200, 1)), atol=1e-9)
    assert rotations.angular_velocity(q[:2, None], fps).shape == (2, 1, 3)


def test_xyzw_by_hand() -> None:
    np.testing.assert_array_equal(rotations.from_xyzw(np.array([1.0, 2.0, 3.0, 4.0])), [4, 1, 2, 3])
    np.testing.assert_array_equal(rotations.to_xyzw(np.array([4.0, 1.0, 2.0, 3.0])), [1, 2, 3, 4])


@pytest.mark.parametrize("name", ["normalize", "inverse", "to_rotvec", "to_matrix", "to_6d", "heading"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_in_kind(name: str, dtype: type) -> None:
    function, q = getattr(rotations, name), random_q((4,)).astype(dtype)
    from_numpy, from_torch = function(q), function(torch.from_numpy(q))
    assert isinstance(from_numpy, np.ndarray)
    assert from_numpy.dtype == dtype
    assert isinstance(from_torch, torch.Tensor)
    np.testing.assert_array_equal(from_numpy, from_torch.numpy())


def test_inputs_are_left_alone_and_read_only_ones_are_fine() -> None:
    q = random_q((4,))
    before = q.copy()
    q.setflags(write=False)
    for function in (rotations.normalize, rotations.inverse, rotations.to_rotvec, rotations.make_continuous):
        function(q[::-1])
        function(q)
    np.testing.assert_array_equal(q, before)


def test_skew_is_the_cross_product() -> None:
    v, u = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose((rotations.skew(v) @ u[..., None])[..., 0], np.cross(v, u))


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.009, 0.011, 1.0, 3.0])
def test_jacobians_of_the_exponential_map(angle: float) -> None:
    v = angle * np.array([[0.6, 0.0, 0.8]])
    q, jacobian = rotations.from_rotvec(v), rotations.left_jacobian(v)
    numeric = []
    for step in 1e-6 * np.eye(3):
        ahead, behind = (rotations.multiply(rotations.from_rotvec(v + s), rotations.inverse(q)) for s in (step, -step))
        numeric.append((rotations.to_rotvec(ahead) - rotations.to_rotvec(behind))[0] / 2e-6)
    np.testing.assert_allclose(jacobian[0], np.stack(numeric, -1), atol=1e-7)
    np.testing.assert_allclose(rotations.left_jacobian_inverse(v) @ jacobian, np.eye(3)[None], atol=1e-9)
    np.testing.assert_allclose(rotations.left_jacobian(-v)[0], jacobian[0].T, atol=1e-12)
