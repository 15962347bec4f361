"""What is drawn over a video lies where the camera sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.overlay import OverlayConfig, overlay
from sim.body.skin import capsule_skin
from sim.motion import Motion

WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def motion(carrying_motion: Callable[..., Motion]) -> Motion:
    return carrying_motion(frames=8)


def _draw(
    motion: Motion, camera: Camera, annotations: Annotations | None = None, config: OverlayConfig | None = None
) -> np.ndarray:
    black = np.zeros((motion.num_frames, camera.height, camera.width, 3), np.uint8)
    skin = capsule_skin(motion)
    return np.stack(list(overlay(black, motion, camera, skin, annotations, config)))


def _camera(motion: Motion, eye: tuple[float, float, float]) -> Camera:
    middle = motion.objects[0].position_w[2]
    return Camera.look_at(middle + np.array(eye), middle, WIDTH, HEIGHT)


def _colour_at(images: np.ndarray, pixels: np.ndarray, frame: int) -> np.ndarray:
    x, y = np.floor(pixels[frame]).astype(int)
    return images[frame, y, x].astype(int)


def test_the_object_covers_its_own_centre_seen_from_ahead_and_the_body_covers_it_from_behind(motion: Motion) -> None:
    for eye, bluish in (((3.0, 0.0, 0.0), True), ((-3.0, 0.0, 0.2), False)):
        camera = _camera(motion, eye)
        images = _draw(motion, camera)
        centre = camera.project_world(motion.objects[0].position_w)
        for frame in range(motion.num_frames):
            red, _, blue = _colour_at(images, centre, frame)
            assert max(red, blue) > 60
            assert (blue > red) == bluish


def test_nothing_is_painted_beyond_the_outermost_points(motion: Motion) -> None:
    camera = _camera(motion, (3.0, 0.0, 0.0))
    images = _draw(motion, camera)
    skin = capsule_skin(motion)
    pixels = camera.project_world(skin.vertices(motion.joint_rotations_b, motion.root_position_w))
    for frame in range(motion.num_frames):
        rows, columns = np.nonzero(images[frame].any(-1))
        for painted, ends, size in ((columns, pixels[frame, :, 0], WIDTH), (rows, pixels[frame, :, 1], HEIGHT)):
            assert painted.min() == pytest.approx(max(ends.min(), 0.0), abs=1.5)
            assert painted.max() == pytest.approx(min(ends.max(), size - 1.0), abs=1.5)


def test_opacity_mixes_with_the_video(motion: Motion) -> None:
    camera = _camera(motion, (3.0, 0.0, 0.0))
    full, half = (_draw(motion, camera, config=OverlayConfig(opacity=o)).astype(int) for o in (1.0, 0.5))
    np.testing.assert_allclose(half, 0.5 * full, atol=1.0)


def test_wide_images_are_shrunk_and_marks_lie_where_they_were_clicked(motion: Motion) -> None:
    camera = _camera(motion, (3.0, 0.0, 0.0))
    pixels = np.full((motion.num_frames, 1, 2), (40.0, 80.0))
    visible = np.ones((motion.num_frames, 1), bool)
    visible[3] = False
    points = ImagePoints(np.zeros((1, 3)), pixels, visible, np.array([-1]))
    images = _draw(motion, camera, Annotations(motion.contacts, points), OverlayConfig(width=320))
    assert images.shape == (motion.num_frames, 240, 320, 3)
    assert [bool(image[40, 20].any()) for image in images] == [True] * 3 + [False] + [True] * 4
