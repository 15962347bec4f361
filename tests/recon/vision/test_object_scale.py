"""Object size against outlines whose depth and size are known."""

from __future__ import annotations

import numpy as np
import pytest

from recon.camera import default_intrinsics
from recon.vision.object_scale import contact_depth, scale_by_outline, scale_by_points
from sim.errors import ReconstructionError


def test_contacts_give_the_depth_without_a_network() -> None:
    points = np.zeros((3, 2, 3))
    points[..., 2] = [[2.0, 2.4], [3.0, 9.0], [5.0, 5.0]]
    active = np.array([[True, True], [True, False], [False, False]])
    np.testing.assert_allclose(contact_depth(points, active), [2.2, 3.0, np.nan])


def test_a_rod_seen_from_the_side_tells_its_length() -> None:
    """0.8 m at 2.5 m depth, turned towards the camera in most frames; the mesh is in millimetres and 1 m long."""
    camera = default_intrinsics(320, 240)
    rng = np.random.default_rng(0)
    angles = np.radians([0, 5, 20, 40, 60, 75])
    masks = np.zeros((6, 240, 320), bool)
    for frame, angle in enumerate(angles):
        half = 0.4 * np.cos(angle) * camera[0, 0] / 2.5
        masks[frame, 118:122, round(160 - half) : round(160 + half)] = True
    depth = np.full(6, 2.5) + rng.normal(0, 0.01, 6)
    rod = np.array([[x, y, z] for x in (0, 1000) for y in (-5, 5) for z in (-5, 5)], float)
    found = scale_by_outline(masks, depth, camera, rod)
    assert found.scale == pytest.approx(0.8e-3, rel=0.03)
    assert found.num_frames == 6
    assert found.spread > 0.2, "the turned frames differ, and that is said"


def test_a_mask_at_the_border_tells_nothing() -> None:
    masks = np.zeros((1, 48, 64), bool)
    masks[0, 20:30, :12] = True
    with pytest.raises(ReconstructionError, match="give the scale yourself"):
        scale_by_outline(masks, np.ones(1), default_intrinsics(64, 48), np.eye(3))


def test_points_whose_places_are_known_tell_the_size() -> None:
    """A turned box twice as large as its mesh, one point in three unknown, one place wrong by half a metre."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (6, 3)) * [0.3, 0.2, 0.1]
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    seen = np.tile(2.0 * points @ turn.T + [0.1, 0.2, 3.0], (10, 1, 1))
    seen[rng.random((10, 6)) < 0.3] = np.nan
    seen[4, 2] += 0.5
    found = scale_by_points(points, seen)
    assert found is not None
    assert found.scale == pytest.approx(2.0, abs=1e-9)
    assert found.num_frames == 10
    assert scale_by_points(points[:1], seen[:, :1]) is None
    assert scale_by_points(points, np.full_like(seen, np.nan)) is None
