"""Depth and size out of a rendered clip whose truth is known: depth files, a network in a folder, contacts alone."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.reconstruction_render import filming_camera, render
from cli.main import main
from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.clicks import EXACT, draw_annotations
from recon.keypoints.solver import solve_object_poses
from recon.open4dhoi.motion import body_result
from recon.preprocess import PreprocessConfig, Preprocessed, preprocess
from recon.session import Session
from recon.vision.video import write_video
from sim import rotations
from sim.body.skin import load_skin
from sim.errors import AnnotationError, ReconstructionError, SimulationError
from sim.geometry import Mesh
from sim.keypoints import keypoint_offsets, keypoint_positions
from sim.motion import Motion
from sim.replay.stage import mesh_of

FRAMES, TOO_SMALL = 6, 0.5
AUTO = PreprocessConfig(object_scale="auto")


@pytest.fixture(scope="module")
def truth(filmed_push: Any) -> Motion:
    motion: Motion = filmed_push.truth
    return motion.slice(motion.num_frames - FRAMES, motion.num_frames)


@pytest.fixture(scope="module")
def camera(truth: Motion) -> Camera:
    return filming_camera(truth, 320, 240, side_deg=100.0)


@pytest.fixture(scope="module")
def filmed(truth: Motion, camera: Camera, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A session with true masks, the true body, and a mesh of half its size; and the true depth [T, H, W]."""
    folder = tmp_path_factory.mktemp("clip")
    try:
        frames = list(render(truth, camera, load_skin("anny", truth, detail="coarse")))
    except SimulationError as error:
        pytest.skip(str(error))
    write_video(folder / "video.mp4", [frame.image for frame in frames], truth.fps)
    mesh = truth.objects[0].geometry
    assert isinstance(mesh, Mesh)
    small = Mesh(mesh.vertices * TOO_SMALL, mesh.faces)
    session = Session.create(folder / "session", folder / "video.mp4", small, object_name="box")
    session.save_body(body_result(truth, camera))
    session.save_masks("human", np.stack([frame.human for frame in frames]))
    session.save_masks("object", np.stack([frame.item for frame in frames]))
    return session.folder, np.stack([frame.depth for frame in frames])


@pytest.fixture
def session(filmed: tuple[Path, np.ndarray], tmp_path: Path) -> Session:
    """A copy of the filmed one, of the test's own."""
    shutil.copytree(filmed[0], tmp_path / "session")
    return Session.open(tmp_path / "session")


@pytest.fixture(scope="module")
def points(truth: Motion, camera: Camera, filmed: tuple[Path, np.ndarray]) -> Annotations:
    """Exact ones, clicked in every frame in which the picture shows them, on the mesh of half the size."""
    drawn = draw_annotations(truth, camera, EXACT, np.random.default_rng(0))
    image, item = drawn.image_points, truth.objects[0]
    at = camera.to_camera(rotations.rotate(item.rotation_w[:, None], image.points_b) + item.position_w[:, None])
    x, y = np.moveaxis(np.clip(camera.project(at), 0, [319, 239]).astype(int), -1, 0)
    shown = image.visible & (np.abs(at[..., 2] - filmed[1][np.arange(FRAMES)[:, None], y, x]) < 0.05)
    drawn = dataclasses.replace(drawn, image_points=dataclasses.replace(image, visible=shown))
    return dataclasses.replace(drawn.rescaled(TOO_SMALL), object_scale=1.0)


def _put(session: Session, depth: np.ndarray) -> None:
    np.save(session.folder / "depth.npy", depth.astype(np.float32))


def _true_depths(found: Preprocessed, truth: Motion, camera: Camera) -> np.ndarray:
    """[T, P] m of the image points at their true size."""
    item, points_b = truth.objects[0], found.annotations.image_points.points_b
    scale = 1 / TOO_SMALL / found.annotations.object_scale
    at = rotations.rotate(item.rotation_w[:, None], scale * points_b) + item.position_w[:, None]
    depths: np.ndarray = camera.to_camera(at)[..., 2]
    return depths


@pytest.mark.parametrize("kind", ["metric", "inverse"])
def test_a_depth_file_tells_size_and_distance(
    kind: str, session: Session, filmed: tuple[Path, np.ndarray], points: Annotations, truth: Motion, camera: Camera
) -> None:
    depth = filmed[1]
    _put(session, 0.4 * depth + 0.3 if kind == "metric" else 3 / depth - 0.2)
    found = preprocess(session, points, dataclasses.replace(AUTO, depth_kind=kind))  # type: ignore[arg-type]
    assert found.annotations.object_scale == pytest.approx(1 / TOO_SMALL, rel=0.03)
    np.testing.assert_allclose(found.annotations.contacts.points_b / found.annotations.object_scale,
                               points.contacts.points_b, atol=1e-9)  # fmt: skip
    depths = found.annotations.image_points.depths
    assert depths is not None
    known = np.isfinite(depths) & found.annotations.image_points.visible
    assert known.mean() > 0.5
    assert np.median(np.abs(depths - _true_depths(found, truth, camera))[known]) < 0.05
    assert "depth.npy, aligned with the body" in found.sources["depth"]
    assert "its points at the depth of depth.npy" in found.sources["object scale"]
    assert any("measured by its points in 6 frames" in note for note in found.notes)


def test_depth_brings_points_whose_distance_is_open_to_their_place(
    session: Session, filmed: tuple[Path, np.ndarray], points: Annotations, truth: Motion, camera: Camera
) -> None:
    """Two image points 3 px off and no contact: their distance is anyone's guess, unless depth tells it."""
    _put(session, filmed[1])
    image = points.image_points
    two = np.argsort(-image.visible.sum(0), kind="stable")[:2]
    noise = np.random.default_rng(3).normal(0, 3, (FRAMES, 2, 2))
    few = dataclasses.replace(
        points, contacts=points.contacts.cut(0, 0), contact_vertices=np.zeros(0, np.int64),
        image_points=ImagePoints(
            image.points_b[two], image.pixels[:, two] + noise, image.visible[:, two], image.vertices[two]
        ),
    )  # fmt: skip
    found = preprocess(session, few.rescaled(1 / TOO_SMALL), PreprocessConfig())
    keypoints_w = keypoint_positions(
        found.body.joint_positions_w, found.body.joint_rotations_w, keypoint_offsets(found.body.offsets)
    )
    blind = dataclasses.replace(found.annotations.image_points, depths=None)
    off = []
    for marked in (found.annotations, dataclasses.replace(found.annotations, image_points=blind)):
        poses = solve_object_poses(marked, keypoints_w, found.camera)
        turned = rotations.rotate(poses.rotation_w[:, None], blind.points_b)
        depths = found.camera.to_camera(turned + poses.position_w[:, None])[..., 2]
        off.append(np.abs(depths - _true_depths(found, truth, camera)).mean())
    assert off[0] < 0.05
    assert off[0] < 0.5 * off[1]


def test_without_image_points_the_outline_at_that_depth_tells_the_size(
    session: Session, filmed: tuple[Path, np.ndarray], points: Annotations
) -> None:
    _put(session, filmed[1])
    touched = dataclasses.replace(points, image_points=ImagePoints.empty(FRAMES))
    found = preprocess(session, touched, AUTO)
    assert found.annotations.object_scale == pytest.approx(1 / TOO_SMALL, rel=0.1)
    assert "its outline at the depth of depth.npy" in found.sources["object scale"]


def test_a_touch_tells_the_size_without_any_depth(session: Session, points: Annotations) -> None:
    vars(session)["video"] = dataclasses.replace(session.video, is_variable_rate=True)
    found = preprocess(session, points, AUTO)
    assert "video: its frames last unequally; each counts as 1/30 s" in found.notes
    assert found.annotations.object_scale == pytest.approx(1 / TOO_SMALL, rel=0.15)
    assert found.annotations.image_points.depths is None
    assert "the body where it touches the object" in found.sources["object scale"]


def test_the_measured_size_is_that_of_everything_that_is_written(
    session: Session, filmed: tuple[Path, np.ndarray], points: Annotations, truth: Motion, tmp_path: Path
) -> None:
    """Motion, annotations and Open4DHOI's files; and a second call, which is given no scale, keeps it."""
    _put(session, filmed[1])
    points.save(tmp_path / "points.json")
    quick = ["--config.no-draw", "--config.solve.no-optimizing", "--config.solve.no-smoothing"]
    auto = ["--points", str(tmp_path / "points.json"), "--config.preprocess.object-scale", "auto"]
    size = np.ptp(mesh_of(truth.objects[0].geometry).vertices, axis=0)
    for more in (auto, []):
        assert main(["reconstruct", str(session.folder), *quick, *more]) == 0
        opened = Session.open(session.folder)
        ours = Motion.load(opened.folder / "touchstone/motion.npz")
        theirs, _ = opened.motion(offsets=truth.offsets)
        kept = opened.annotations()
        assert kept is not None
        for motion in (ours, theirs):
            np.testing.assert_allclose(np.ptp(mesh_of(motion.objects[0].geometry).vertices, axis=0), size, rtol=0.03)
        assert kept.object_scale == pytest.approx(1 / TOO_SMALL, rel=0.03)
        assert "depth: depth.npy, aligned with the body" in ours.source
        assert ("object scale: " in ours.source) == (more == auto)


def test_without_depth_or_touch_or_mask_the_size_is_asked_for(
    session: Session, points: Annotations, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    untouched = dataclasses.replace(points, contacts=points.contacts.cut(0, 0), contact_vertices=np.zeros(0, np.int64))
    with pytest.raises(AnnotationError, match="nothing tells how far away the object is"):
        preprocess(session, untouched, AUTO)
    with pytest.raises(AnnotationError, match="measured on the object's mask"):
        preprocess(session, points, dataclasses.replace(AUTO, masks=False))
    untouched.save(tmp_path / "points.json")
    arguments = ["--points", str(tmp_path / "points.json"), "--config.preprocess.object-scale", "auto"]
    assert main(["reconstruct", str(session.folder), *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "--config.preprocess.depth" in said[0]


def test_depth_that_does_not_fit_is_left_out_or_refused(
    session: Session, filmed: tuple[Path, np.ndarray], points: Annotations
) -> None:
    _put(session, 1 / filmed[1])
    found = preprocess(session, points, PreprocessConfig())
    assert found.annotations.image_points.depths is None
    assert "depth" not in found.sources
    assert any("are they metric depth? (depth.npy); its depth is left out" in note for note in found.notes)
    _put(session, filmed[1][:3])
    with pytest.raises(ReconstructionError, match=r"depth.npy has 3 frames, 6 are needed"):
        preprocess(session, points, PreprocessConfig())


def test_a_network_in_a_folder_is_asked_once(
    session: Session, points: Annotations, camera: Camera, truth: Motion, tiny_depth_network: Path
) -> None:
    """One that sees everything at one depth: the body's, which is near the truth for what it holds."""
    config = dataclasses.replace(AUTO, depth=tiny_depth_network)
    found = preprocess(session, points, config)
    assert "depth network tiny" in found.sources["depth"]
    depths = found.annotations.image_points.depths
    assert depths is not None
    middle = float(camera.to_camera(truth.root_position_w)[:, 2].mean())
    assert np.nanmedian(depths) == pytest.approx(middle, abs=0.2)
    shutil.rmtree(tiny_depth_network)
    again = preprocess(session, points, config)
    kept = again.annotations.image_points.depths
    assert kept is not None
    np.testing.assert_allclose(kept, depths, rtol=2e-3)
    assert again.sources == found.sources
    assert again.annotations.object_scale == pytest.approx(found.annotations.object_scale, rel=2e-3)
