"""What is rendered agrees with the camera that reconstruction uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from benchmarks.reconstruction_render import Frame, filming_camera, render, true_masks, write_session
from recon.annotations import Annotations
from recon.camera import Camera
from recon.clicks import View, placed
from recon.visibility import surface_points
from sim.body.skin import LinearBlendSkin, capsule_skin
from sim.errors import ReconstructionError, SimulationError
from sim.motion import Motion


@pytest.fixture(scope="module")
def motion(carrying_motion: Callable[..., Motion]) -> Motion:
    return carrying_motion(frames=8).slice(2, 5)


@pytest.fixture(scope="module")
def camera(motion: Motion) -> Camera:
    return filming_camera(motion, 320, 240)


@pytest.fixture(scope="module")
def skin(motion: Motion) -> LinearBlendSkin:
    """Quick to build; Anny is rendered in the same way."""
    return capsule_skin(motion)


@pytest.fixture(scope="module")
def frames(motion: Motion, camera: Camera, skin: LinearBlendSkin) -> list[Frame]:
    try:
        return list(render(motion, camera, skin))
    except SimulationError as error:
        pytest.skip(str(error))


def test_the_camera_has_everything_in_view(motion: Motion) -> None:
    for side in (0.0, 40.0, 130.0):
        camera = filming_camera(motion, 320, 240, side)
        pixels = camera.project_world(motion.joint_positions_w)
        assert ((pixels > 0) & (pixels < (320, 240))).all()
        assert np.ptp(pixels[..., 1]) > 80  # and not from too far away
    front, left = filming_camera(motion, side_deg=0.0), filming_camera(motion, side_deg=90.0)
    assert front.position_w[0] > motion.root_position_w[:, 0].max() + 1  # the person walks along +x
    assert left.position_w[1] > 1


def test_masks_and_depth_lie_where_the_camera_projects_the_surfaces(
    motion: Motion, camera: Camera, skin: LinearBlendSkin, frames: list[Frame]
) -> None:
    body = camera.to_camera(surface_points(skin, motion, 4000))
    thing = camera.to_camera(placed(motion.objects[0], View.of(motion, camera, skin).points_b))
    for t, frame in enumerate(frames):
        for points_c, mask, other in ((body, frame.human, frame.item), (thing, frame.item, frame.human)):
            pixels = np.floor(camera.project(points_c[t])).astype(int)
            covered = mask[pixels[:, 1], pixels[:, 0]]
            assert (covered | other[pixels[:, 1], pixels[:, 0]]).mean() > 0.95  # grazing points fall beside
            behind = (points_c[t, :, 2] - frame.depth[pixels[:, 1], pixels[:, 0]])[covered]
            assert np.quantile(behind, 0.05) > -0.02  # nothing lies before what is seen, but for grazing pixels
            assert (np.abs(behind) < 0.01).mean() > 0.25  # and that is the near side of the surfaces
    assert np.median([frame.item.sum() for frame in frames]) > 300


def test_visible_points_agree_with_the_renderer(
    motion: Motion, camera: Camera, skin: LinearBlendSkin, frames: list[Frame]
) -> None:
    """The depth map of samples against OpenGL's: what it shows is seen; grazing points it may leave out."""
    view = View.of(motion, camera, skin)
    depth_c = camera.to_camera(placed(motion.objects[0], view.points_b))[..., 2]
    pixels = np.floor(view.pixels).astype(int).clip(0, (319, 239))
    rendered = np.stack([f.depth[p[:, 1], p[:, 0]] for f, p in zip(frames, pixels, strict=True)])
    seen = depth_c < rendered + 0.04
    assert (view.visible & ~seen).sum() < 0.05 * view.visible.sum()
    assert (view.visible & seen).sum() > 0.6 * seen.sum()


def test_pictures_have_texture_and_masks_do_not_overlap(frames: list[Frame]) -> None:
    for frame in frames:
        assert not (frame.human & frame.item).any()
        rough = np.abs(np.diff(frame.image.astype(float).mean(-1), axis=1))
        assert rough[frame.item[:, 1:]].mean() > 2.0
        assert rough[~frame.human[:, 1:]].mean() > 0.5


def test_masks_alone_are_the_same_and_only_where_asked(
    motion: Motion, camera: Camera, skin: LinearBlendSkin, frames: list[Frame]
) -> None:
    masks = true_masks(motion, camera, np.array([0, 2]), skin)
    assert not masks.human[1:2].any()
    for t in (0, 2):
        for mask, true in ((masks.human[t], frames[t].human), (masks.object[t], frames[t].item)):
            assert (mask & true).sum() / (mask | true).sum() > 0.85


def test_a_moving_or_skewed_camera_is_refused(motion: Motion, camera: Camera, skin: LinearBlendSkin) -> None:
    with pytest.raises(ReconstructionError, match="stands still"):
        next(render(motion, camera.cropped(0, 0, 300, 240), skin))
    moving = dataclasses.replace(camera, position_w=np.tile(camera.position_w, (3, 1)))
    with pytest.raises(ReconstructionError, match="stands still"):
        next(render(motion, moving, skin))


@pytest.mark.slow
def test_the_folder_holds_a_session_and_its_truth(motion: Motion, camera: Camera, tmp_path: Path) -> None:
    try:
        write_session(motion, camera, tmp_path)
    except SimulationError as error:
        pytest.skip(str(error))
    assert len(list(tmp_path.glob("frames/*.jpg"))) == 3
    assert np.load(tmp_path / "depth.npy").shape == (3, 240, 320)
    assert imageio.imread(tmp_path / "mask_dir" / "00002.png").max() == 255
    with imageio.get_reader(tmp_path / "video.mp4") as reader:
        assert sum(1 for _ in reader) == 3
    assert Annotations.load(tmp_path / "truth" / "annotations.json").num_frames == 3
    np.testing.assert_array_equal(
        Motion.load(tmp_path / "truth" / "motion.npz").root_position_w, motion.root_position_w
    )
