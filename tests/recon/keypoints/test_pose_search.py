import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.keypoints.observations import Observations
from recon.keypoints.pose_search import _flat, _polish, _quadratic, _spread_rotations, search
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.keypoint_names import KEYPOINT_NAMES


def _scene(contacts: int, images: int, deep: bool = False) -> tuple[Observations, np.ndarray, np.ndarray]:
    """Exact points of 5 unlike poses; returns the true pose of the points' centre, [5, 3] and [5, 4]."""
    rng = np.random.default_rng(0)
    camera = Camera.look_at(np.array([4.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]), 1280, 720)
    position, rotation = 0.3 * rng.normal(size=(5, 3)) + [0, 0, 1], rotations.normalize(rng.normal(size=(5, 4)))
    points_b = 0.3 * rng.normal(size=(contacts + images, 3))
    placed = position[:, None] + rotations.rotate(rotation[:, None], points_b)
    keypoints = 0.1 * rng.normal(size=(5, 87, 3)) + position[:, None]
    keypoints[:, :contacts] = placed[:, :contacts]
    graph = ContactGraph(
        KEYPOINT_NAMES[:contacts], np.zeros(contacts), points_b[:contacts], np.zeros(contacts), np.full(contacts, 4)
    )
    pixels = camera.project_world(placed[:, contacts:])
    depths = camera.to_camera(placed[:, contacts:])[..., 2] if deep else None
    image = ImagePoints(points_b[contacts:], pixels, np.ones(pixels.shape[:2], bool), np.arange(images), depths)
    o = Observations.of(Annotations(graph, image), keypoints, camera, 0.01, 2.0)
    return o, position + rotations.rotate(rotation, o.center_b), rotation


@pytest.mark.parametrize("deep", [False, True])
def test_the_quadratic_is_the_residual_with_the_position_eliminated(deep: bool) -> None:
    o, _, rotation = _scene(3, 4, deep)
    quadratic = _quadratic(o, static=False)
    r = _flat(rotation)

    def cost(position: np.ndarray, turned: np.ndarray) -> np.ndarray:
        """Rows of eq. 3 with the pixel residual times depth over the person's depth, plus nearness to the person."""
        points = position[:, None] + rotations.rotate(turned[:, None], o.points_b)
        contact = ((points[:, :3] - o.targets_w) / 0.01) ** 2
        seen = o.camera.to_camera(points[:, 3:])
        depth = o.camera.to_camera(o.near_w[:, None])[..., 2:]
        image = (seen[..., 2:] * (o.camera.project(seen) - o.pixels) / depth / 2.0) ** 2
        deeper = np.zeros((5, 1)) if o.depths is None else ((seen[..., 2] - o.depths) / 0.1) ** 2
        return contact.sum((1, 2)) + image.sum((1, 2)) + deeper.sum(1) + ((position - o.near_w) ** 2).sum(1)

    best = quadratic.f - (quadratic.b @ r[..., None])[..., 0]
    other = rotations.multiply(rotations.from_rotvec(np.full((5, 3), 0.3)), rotation)
    best_other = quadratic.f - (quadratic.b @ _flat(other)[..., None])[..., 0]
    difference = quadratic.cost(_flat(other)[:, None])[:, 0] - quadratic.cost(r[:, None])[:, 0]
    np.testing.assert_allclose(difference, cost(best_other, other) - cost(best, rotation), rtol=1e-6)
    for step in 0.01 * np.eye(3):  # the position is the best one
        assert (cost(best_other + step, other) > cost(best_other, other)).all()


def test_the_true_pose_is_among_the_candidates() -> None:
    for contacts, images in ((5, 5), (3, 0), (2, 2), (1, 3), (0, 6)):
        o, position, rotation = _scene(contacts, images)
        found = search(o, 4, static=False)
        angle = rotations.angle_between(found.rotation_w, rotation[:, None])
        nearest = angle.argmin(1)
        assert np.degrees(angle.min(1)).max() < 12, (contacts, images)
        off = np.linalg.norm(found.position_w[np.arange(5), nearest] - position, axis=-1)
        assert off.max() < 0.15, (contacts, images)


def test_candidates_lie_apart_and_before_the_camera() -> None:
    o, _, _ = _scene(0, 3)
    found = search(o, 4, static=False)
    angles = rotations.angle_between(found.rotation_w[:, :, None], found.rotation_w[:, None])
    same = np.eye(4, dtype=bool)
    assert ((angles > np.radians(34)) | (angles < 1e-6) | same).all()
    points = found.position_w[:, :, None] + rotations.rotate(found.rotation_w[:, :, None], o.points_b)
    assert (o.camera.to_camera(points)[..., 2] > 0).all()


def test_polishing_goes_downhill_to_the_exact_rotation() -> None:
    o, _, rotation = _scene(5, 0)
    quadratic = _quadratic(o, static=False)
    start = rotations.multiply(rotations.from_rotvec(np.full((5, 3), 0.2)), rotation)[:, None]
    polished, cost = _polish(quadratic, start)
    assert (cost <= quadratic.cost(_flat(start))).all()
    assert np.degrees(rotations.angle_between(polished[:, 0], rotation)).max() < 0.1


def test_the_spread_leaves_no_gap() -> None:
    spread = _spread_rotations(384)
    np.testing.assert_allclose(np.linalg.norm(spread, axis=-1), 1)
    anywhere = rotations.normalize(np.random.default_rng(0).normal(size=(2000, 1, 4)))
    assert np.degrees(rotations.angle_between(anywhere, spread).min(1)).max() < 40
