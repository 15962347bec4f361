"""Points drawn from a known motion, against geometry worked out by hand."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest

from recon.annotations import Annotations
from recon.camera import Camera
from recon.clicks import (
    EXACT,
    ClickConfig,
    View,
    draw_annotations,
    farthest_points,
    placed,
)
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.motion import Motion
from sim.objects import Shape


@pytest.fixture(scope="module")
def motion(carrying_motion: Callable[..., Motion]) -> Motion:
    """Thirty frames, so that tracks last."""
    return carrying_motion(frames=30)


@pytest.fixture(scope="module")
def camera(motion: Motion) -> Camera:
    middle = motion.root_position_w.mean(0)
    return Camera.look_at(middle + (3.0, 2.0, 0.8), middle, 640, 480)


@functools.cache
def _view(motion: Motion, camera: Camera) -> View:
    """Both are compared by identity."""
    return View.of(motion, camera)


def _draw(motion: Motion, camera: Camera, config: ClickConfig = EXACT, seed: int = 0) -> Annotations:
    return draw_annotations(motion, camera, config, np.random.default_rng(seed), _view(motion, camera))


@pytest.mark.parametrize("mode", ["tracked", "per_frame"])
def test_exact_points_lie_on_the_object_and_project_to_their_pixels(motion: Motion, camera: Camera, mode: str) -> None:
    points = _draw(motion, camera, dataclasses.replace(EXACT, mode=mode)).image_points  # type: ignore[arg-type]
    item = motion.objects[0]
    assert Shape.of(item.geometry).closest_points(points.points_b)[1].max() < 1e-9
    true = camera.project_world(placed(item, points.points_b))
    np.testing.assert_allclose(points.pixels[points.visible], true[points.visible], atol=1e-9)
    assert 3 <= np.median(points.visible.sum(1)) <= 5
    assert points.visible.sum(1).max() <= 5


@pytest.mark.parametrize(("mode", "pairs"), [("tracked", 5), ("tracked", 2), ("per_frame", 3)])
def test_pairs_are_few_and_within_reach(motion: Motion, camera: Camera, mode: str, pairs: int) -> None:
    config = dataclasses.replace(EXACT, mode=mode, max_pairs=pairs)  # type: ignore[arg-type]
    graph = _draw(motion, camera, config).contacts
    assert 1 <= graph.active(motion.num_frames).sum(1).max() <= pairs
    if mode == "per_frame":
        assert np.nanmax(graph_distances(motion, graph=graph)) < 0.1


def test_noise_has_the_deviation_asked_for(motion: Motion, camera: Camera) -> None:
    """A clip long enough to average over: white noise of 3 pixels."""
    config = dataclasses.replace(EXACT, mode="per_frame", pixel_noise=3.0)
    points = _draw(motion, camera, config).image_points
    error = (points.pixels - camera.project_world(placed(motion.objects[0], points.points_b)))[points.visible]
    assert error.std() == pytest.approx(3.0, rel=0.15)
    assert abs(error.mean()) < 0.5


def test_spoilt_pairs_stay_on_the_surface(motion: Motion, camera: Camera) -> None:
    exact = _draw(motion, camera)
    spoilt = _draw(motion, camera, dataclasses.replace(EXACT, pair_noise_m=0.01))
    assert exact.contacts.keypoints == spoilt.contacts.keypoints
    moved = np.linalg.norm(exact.contacts.points_b - spoilt.contacts.points_b, axis=-1)
    assert 0.002 < moved.mean() < 0.03
    assert Shape.of(motion.objects[0].geometry).closest_points(spoilt.contacts.points_b)[1].max() < 1e-9


def test_hidden_and_missing_shares(motion: Motion, camera: Camera) -> None:
    whole = _draw(motion, camera).image_points.visible
    hidden = _draw(motion, camera, dataclasses.replace(EXACT, hidden_share=0.4, hidden_hz=3.0)).image_points.visible
    missing = _draw(motion, camera, dataclasses.replace(EXACT, missing_share=0.5)).image_points.visible
    assert 0.2 < 1 - hidden.sum() / whole.sum() < 0.6
    assert not (hidden & ~whole).any()
    gone = ~missing.any(1)
    assert 0.25 < gone.mean() < 0.75
    np.testing.assert_array_equal(missing[~gone], whole[~gone])


def test_same_seed_same_points(motion: Motion, camera: Camera) -> None:
    one, two, three = (_draw(motion, camera, ClickConfig(), seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.image_points.pixels, two.image_points.pixels)
    np.testing.assert_array_equal(one.contacts.points_b, two.contacts.points_b)
    assert not np.array_equal(one.contacts.points_b, three.contacts.points_b)


def test_farthest_points_of_a_square_are_its_corners() -> None:
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
    chosen = farthest_points(grid, np.ones(25, bool), np.zeros(0, np.int64), 5)
    assert set(map(tuple, grid[chosen])) == {(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)}
    seen = np.arange(25) != 24  # the far corner is hidden
    assert 24 not in farthest_points(grid, seen, np.array([0]), 3)


def test_a_camera_that_looks_away_is_told_so(motion: Motion) -> None:
    away = Camera.look_at(np.array([5.0, 0, 1.0]), np.array([50.0, 0, 1.0]), 640, 480)
    with pytest.raises(ReconstructionError, match="never sees 'box'"):
        _draw(motion, away)
    camera = Camera.look_at(np.array([5.0, 0, 1.0]), np.array([0.0, 0, 1.0]), 640, 480)
    with pytest.raises(ReconstructionError, match="has 0"):
        _draw(motion.replace(objects=(), contacts=type(motion.contacts)()), camera)
