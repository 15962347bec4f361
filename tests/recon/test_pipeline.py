"""The whole way on a drawn video whose truth is known, and what bad input says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.main import main
from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.overlay import OverlayConfig
from recon.pipeline import ReconstructConfig, Reconstruction, reconstruct
from recon.session import Session
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, ReconstructionError
from sim.motion import Motion
from sim.replay.stage import mesh_of
from sim.skeleton import JOINT_INDEX

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
def session(push_session: Session) -> Session:
    return push_session


@pytest.fixture(scope="module")
def points(filmed_push: Any) -> Annotations:
    found: Annotations = filmed_push.points
    return found


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
    found: Reconstruction, filmed_push: Any
) -> None:  # fmt: skip
    truth, camera, _ = filmed_push
    apart, turned = _object_error(found.motion, truth, camera, found.prepared.camera)
    assert np.median(apart) < 0.015
    assert np.median(turned) < 4.0
    heights = [m.joint_positions_w[:, JOINT_INDEX["left_foot"], 2].mean() for m in (found.motion, truth)]
    assert heights[0] == pytest.approx(heights[1], abs=0.01), "GVHMR's body is put on the floor"
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
    session: Session, filmed_push: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = mesh_of(filmed_push.truth.objects[0].geometry)
    mesh.apply_scale(1000.0).export(tmp_path / "box.obj")
    (tmp_path / "points.json").write_text("{}")
    target = tmp_path / "made"
    assert session.video_path is not None
    arguments = ["--object", str(tmp_path / "box.obj"), "--points", str(tmp_path / "points.json"), "-o", str(target)]
    assert main(["reconstruct", str(session.video_path), *arguments]) == 2
    assert "millimetres" in capsys.readouterr().err
    assert not target.exists()
