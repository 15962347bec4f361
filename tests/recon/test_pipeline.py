"""The whole way on a drawn video whose truth is known, and what bad input says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.clicks import EXACT, draw_annotations
from recon.open4dhoi.motion import body_result
from recon.overlay import OverlayConfig, overlay
from recon.pipeline import ReconstructConfig, Reconstruction, reconstruct
from recon.session import Session
from recon.vision.video import write_video
from sim import rotations
from sim.body.skin import capsule_skin
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, ReconstructionError
from sim.geometry import Mesh
from sim.motion import Motion
from sim.replay.stage import mesh_of

FRAMES = 24
QUICK = ReconstructConfig()
QUICK = dataclasses.replace(
    QUICK,
    preprocess=dataclasses.replace(QUICK.preprocess, masks=False),
    solve=dataclasses.replace(
        QUICK.solve, optimizer=dataclasses.replace(QUICK.solve.optimizer, skin="capsules", iterations=4)
    ),
    overlay=OverlayConfig(width=320),
)


@pytest.fixture(scope="module")
def truth(push_clip: Motion) -> Motion:
    """Hands push a box, which is a mesh as in a session."""
    motion = push_clip.slice(push_clip.num_frames - FRAMES, push_clip.num_frames)
    mesh = mesh_of(motion.objects[0].geometry)
    geometry = Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    return motion.replace(objects=(dataclasses.replace(motion.objects[0], geometry=geometry),))


@pytest.fixture(scope="module")
def camera(truth: Motion) -> Camera:
    middle = truth.objects[0].position_w.mean(0)
    return Camera.look_at(middle + np.array([3.0, 1.2, 0.9]), middle, 320, 240)


@pytest.fixture(scope="module")
def points(truth: Motion, camera: Camera) -> Annotations:
    return draw_annotations(truth, camera, EXACT, np.random.default_rng(0))


@pytest.fixture(scope="module")
def session(truth: Motion, camera: Camera, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A drawn video over noise, and the body as GVHMR would give it."""
    folder = tmp_path_factory.mktemp("clip")
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    images = overlay([noise] * FRAMES, truth, camera, capsule_skin(truth), config=OverlayConfig(opacity=1.0))
    write_video(folder / "video.mp4", images, truth.fps)
    mesh = truth.objects[0].geometry
    assert isinstance(mesh, Mesh)
    made = Session.create(folder / "session", folder / "video.mp4", mesh, object_name="box")
    made.save_body(body_result(truth, camera))
    return made


@pytest.fixture(scope="module")
def found(session: Session, points: Annotations) -> Reconstruction:
    return reconstruct(session, points, QUICK)


def _object_error(found: Motion, truth: Motion, camera: Camera, found_camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """m and degrees per frame, both seen from the camera: where the world's axes lie is the body result's choice."""
    a, b = found.objects[0], truth.objects[0]
    apart = np.linalg.norm(found_camera.to_camera(a.position_w) - camera.to_camera(b.position_w), axis=-1)
    turns = [
        rotations.multiply(rotations.inverse(c.rotation_w), o.rotation_w) for c, o in ((found_camera, a), (camera, b))
    ]
    return apart, np.degrees(rotations.angle_between(*turns))


def test_the_object_is_found_where_it_was(
    found: Reconstruction, truth: Motion, camera: Camera
) -> None:  # fmt: skip
    apart, turned = _object_error(found.motion, truth, camera, found.prepared.camera)
    assert np.median(apart) < 0.015
    assert np.median(turned) < 4.0
    assert found.motion.fps == pytest.approx(truth.fps)
    assert found.motion.objects[0].name == "box"


def test_everything_lands_in_the_session_and_says_where_it_is_from(found: Reconstruction, session: Session) -> None:
    folder = session.folder / "touchstone"
    assert Motion.load(folder / "motion.npz").source == found.motion.source
    for part in ("GVHMR", "lucas-kanade", "keypoint solver + limb IK + optimizer + low-pass"):
        assert part in found.motion.source
    report = json.loads((folder / "reconstruction.json").read_text())
    assert report["frames"] == [0, FRAMES]
    assert list(report["seconds"]) == ["keypoint solver", "limb IK", "optimizer", "smoothing"]
    assert report["contact_mm"]["smoothing"] < 40.0
    assert (folder / "overlay.mp4").stat().st_size > 1000
    saved = session.annotations()
    assert saved is not None
    assert len(saved.contacts) == len(found.prepared.annotations.contacts)


def test_a_second_call_follows_no_point_anew_unless_the_clicks_changed(
    found: Reconstruction, session: Session, points: Annotations
) -> None:
    quiet = dataclasses.replace(QUICK, draw=False)
    tracked = session.folder / "touchstone" / "tracked.json"
    before = tracked.stat().st_mtime_ns
    again = reconstruct(session, points, quiet)
    assert tracked.stat().st_mtime_ns == before
    assert again.motion.source == found.motion.source  # what was kept still says what made it
    np.testing.assert_array_equal(again.motion.objects[0].position_w, found.motion.objects[0].position_w)
    moved = dataclasses.replace(points.image_points, pixels=points.image_points.pixels + 1.0)
    changed = reconstruct(session, dataclasses.replace(points, image_points=moved), quiet)
    assert tracked.stat().st_mtime_ns > before
    assert np.abs(changed.motion.objects[0].position_w - found.motion.objects[0].position_w).max() > 1e-4


def test_only_the_frames_asked_for_are_solved(session: Session, points: Annotations) -> None:
    part = dataclasses.replace(QUICK.preprocess, first=6, end=18)
    some = reconstruct(session, points, dataclasses.replace(QUICK, preprocess=part, draw=False))
    assert some.motion.num_frames == 12
    assert some.report["frames"] == [6, 18]


def test_no_points_are_one_clear_line_and_leave_the_session_alone(
    session: Session, points: Annotations, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in session.folder.rglob("*")}
    nothing = Annotations(ContactGraph(), ImagePoints.empty(FRAMES))
    with pytest.raises(AnnotationError, match=f"no annotated point lies within frames 0:{FRAMES}"):
        reconstruct(session, nothing, QUICK)
    with pytest.raises(ReconstructionError, match="outside the video"):
        reconstruct(
            session, points, dataclasses.replace(QUICK, preprocess=dataclasses.replace(QUICK.preprocess, first=99))
        )
    assert {path: path.stat().st_mtime_ns for path in session.folder.rglob("*")} == before
    assert main(["reconstruct", str(session.folder / "none.mp4")]) == 2
    assert "needs --object MESH and --points points.json" in capsys.readouterr().err


def test_a_mesh_in_millimetres_is_refused_before_anything_is_written(
    session: Session, truth: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = mesh_of(truth.objects[0].geometry)
    mesh.apply_scale(1000.0).export(tmp_path / "box.obj")
    (tmp_path / "points.json").write_text("{}")
    target = tmp_path / "made"
    assert session.video_path is not None
    arguments = ["--object", str(tmp_path / "box.obj"), "--points", str(tmp_path / "points.json"), "-o", str(target)]
    assert main(["reconstruct", str(session.video_path), *arguments]) == 2
    assert "millimetres" in capsys.readouterr().err
    assert not target.exists()
