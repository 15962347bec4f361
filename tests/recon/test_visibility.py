"""What a camera sees, against geometry worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recon.camera import Camera
from recon.visibility import surface_points, visible_points
from sim import metrics
from sim.body.skin import load_skin
from sim.motion import Motion


def test_what_lies_behind_the_box_or_outside_the_image_is_hidden() -> None:
    camera = Camera.look_at(np.array([3.0, 0, 1.0]), np.array([0.0, 0, 1.0]), 640, 480)
    plate = np.stack(np.meshgrid([0.0], np.linspace(-0.5, 0.5, 120), np.linspace(0.5, 1.5, 120)), -1).reshape(1, -1, 3)
    points = np.array([[[0.5, 0, 1.0], [-0.5, 0, 1.0], [-0.5, 0.9, 1.0], [0, 5.0, 1.0], [4.0, 0, 1.0]]])
    visible = visible_points(camera, camera.to_camera(points), camera.to_camera(plate))
    np.testing.assert_array_equal(visible, [[True, False, True, False, False]])


def test_points_ride_on_the_skin(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion(frames=30)
    skin = load_skin("capsules", motion)
    points = surface_points(skin, motion, 500)
    assert points.shape == (motion.num_frames, 500, 3)
    posed = skin.vertices(motion.joint_rotations_b, motion.root_position_w)
    assert metrics.chamfer_distance(points[7], posed[7]) < 80.0
    np.testing.assert_allclose(np.diff(points, axis=0).mean((0, 1)), [0.05, 0, 0], atol=0.01)
