import numpy as np
import pytest

from recon.body.grounding import (
    ContactConfig,
    Floor,
    camera_rotation,
    detect_contacts,
    floor_height,
    onto_floor,
    upright,
)  # fmt: skip
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES
from sim import rotations, skeleton
from sim.skeleton import JOINT_INDEX, NUM_JOINTS
from sim.subject import default_offsets


def test_a_camera_that_looks_down_sees_up_leaning_away() -> None:
    """Pitched down by 20 degrees, up is (0, -cos 20, -sin 20) in camera axes; the mean body says so."""
    pitch = np.radians(20)
    up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    points = np.zeros((10, 33, 3))
    for part, height in (("shoulder", 1.4), ("hip", 0.9), ("knee", 0.5), ("ankle", 0.1)):
        for side in ("left", "right"):
            points[:, BODY_NAMES.index(f"{side}_{part}")] = height * up
    found = upright(points, BODY_NAMES)
    # eight tenths of the slope are believed, the rest is taken for a lean
    np.testing.assert_allclose(found, rotations.normalize(up * [0.0, 1.0, 0.8]), atol=1e-12)
    assert found[0] == 0.0
    world = rotations.rotate(camera_rotation(up), up)
    np.testing.assert_allclose(world, [0.0, 0.0, 1.0], atol=1e-12)
    ahead = rotations.rotate(camera_rotation(up), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(ahead, [0.0, np.cos(pitch), -np.sin(pitch)], atol=1e-12)
    np.testing.assert_array_equal(upright(np.full((4, 33, 3), np.nan), BODY_NAMES), [0.0, -1.0, 0.0])


def test_who_bends_keeps_balance() -> None:
    """Shoulders 0.4 m ahead, hips 0.3 m behind: 0.27 * 0.4 against 0.36 * 0.3. What is not seen is left out."""
    points = np.full((4, 33, 3), np.nan)
    level = ("hip", 0.9, -0.3), ("knee", 0.5, 0.0), ("ankle", 0.1, 0.0), ("heel", 0.0, -0.1), ("foot_index", 0.0, 0.1)
    for part, height, ahead in (("shoulder", 1.3, 0.4), *level):
        for side in ("left", "right"):
            points[:, BODY_NAMES.index(f"{side}_{part}")] = [0.0, -height, -ahead]
    np.testing.assert_allclose(upright(points, BODY_NAMES), [0.0, -1.0, 0.0], atol=1e-12)


def _steps() -> np.ndarray:
    """Left foot stands for 20 frames, is lifted and put 0.5 m ahead in 10, stands for 20; the right one hovers."""
    soles = np.zeros((50, 6, 3))
    swing = np.linspace(0, 1, 10)
    soles[20:30, :3, 0] = 0.5 * swing[:, None]
    soles[20:30, :3, 2] = 0.3 * np.sin(np.pi * swing)[:, None]
    soles[30:, :3, 0] = 0.5
    soles[:, 3:, 2] = 0.4
    return soles


def test_contacts_are_the_stands() -> None:
    soles = _steps()
    found = detect_contacts(soles, 30.0, ContactConfig())
    assert found[:18, :3].all()
    assert found[33:, :3].all()
    assert not found[22:28, :3].any()
    assert not found[:, 3:].any()
    assert floor_height(soles + [0.0, 0.0, 0.2], 30.0) == pytest.approx(0.2, abs=0.005)


def test_a_tilted_floor_becomes_level_and_the_picture_stays() -> None:
    """A plane through three known points; afterwards they have z = 0, and every pixel is where it was."""
    rng = np.random.default_rng(0)
    floor = Floor(np.array([0.1, -0.05]), -1.2)
    on_floor = np.column_stack((rng.normal(size=(5, 2)), np.zeros(5)))
    on_floor[:, 2] = on_floor[:, :2] @ floor.slope + floor.height
    camera = Camera.look_at(np.array([0.0, -4.0, 0.3]), np.array([0.0, 0.0, -0.2]), 640, 480)
    q = rotations.normalize(rng.normal(size=(3, NUM_JOINTS, 4)))
    root = np.array([0.3, 0.2, -0.2]) + 0.1 * rng.normal(size=(3, 3))
    moved, turned, at = onto_floor(floor, camera, q, root)
    np.testing.assert_allclose(at[0, :2], 0.0, atol=1e-12)
    before = skeleton.forward_kinematics(q, root, default_offsets())[0]
    after = skeleton.forward_kinematics(turned, at, default_offsets())[0]
    np.testing.assert_allclose(moved.project_world(after), camera.project_world(before), atol=1e-8)
    in_world = moved.to_world(camera.to_camera(on_floor))
    np.testing.assert_allclose(in_world[:, 2], 0.0, atol=1e-12)
    np.testing.assert_array_equal(turned[:, JOINT_INDEX["left_hip"]], q[:, JOINT_INDEX["left_hip"]])
