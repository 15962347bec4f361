"""What `touchstone reconstruct` says of points and meshes that are wrong, and that a session loses nothing by them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.main import main
from recon.annotations import Annotations, ImagePoints
from recon.session import Session
from sim.geometry import Mesh
from sim.motion import Motion

QUICK = ["--config.no-draw", "--config.preprocess.no-masks", "--config.solve.no-optimizing", "--config.solve.no-limbs"]


def _contents(session: Session) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in session.folder.rglob("*") if path.is_file()}


def _without(points: Annotations, contacts: slice, image_points: slice) -> Annotations:
    graph, image = points.contacts, points.image_points
    kept = range(len(graph))[contacts]
    return dataclasses.replace(
        points,
        contacts=dataclasses.replace(
            graph, keypoints=tuple(graph.keypoints[i] for i in kept),
            **{n: getattr(graph, n)[kept] for n in ("object_index", "points_b", "first_frame", "last_frame")},
        ),
        contact_vertices=points.contact_vertices[kept],
        image_points=ImagePoints(
            image.points_b[image_points], image.pixels[:, image_points], image.visible[:, image_points],
            image.vertices[image_points],
        ),
    )  # fmt: skip


def _run(session: Session, points: Annotations, tmp_path: Path, *more: str) -> int:
    points.save(tmp_path / "points.json")
    return main(["reconstruct", str(session.folder), "--points", str(tmp_path / "points.json"), *QUICK, *more])


def test_too_few_points_are_solved_as_far_as_they_go_and_the_missing_kind_is_named(
    push_session: Session, filmed_push: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One contact alone, in a part of the clip: lines name the video's own frames."""
    frames = "--config.preprocess.first", "6"
    one = _without(filmed_push.points, slice(1), slice(0))
    one = dataclasses.replace(one, contacts=dataclasses.replace(
        one.contacts, first_frame=np.zeros(1, np.int64), last_frame=np.full(1, 23)))  # fmt: skip
    assert _run(push_session, one, tmp_path, *frames) == 0
    said = capsys.readouterr().out
    wanted = "frames 6-23: 1 contact and 0 image points determine 3 of 6: every turn about the contact is free"
    assert wanted in said
    assert "add two image points, or two more contacts" in said
    report = json.loads((push_session.folder / "touchstone/reconstruction.json").read_text())
    assert any(wanted in message for message in report["messages"])
    assert report["frames_determined"] == 0
    assert Motion.load(push_session.folder / "touchstone/motion.npz").num_frames == 18


def test_a_contradicting_point_is_named(
    push_session: Session, filmed_push: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = filmed_push.points.image_points
    wrong = int(image.visible.sum(0).argmax())
    pixels = image.pixels.copy()
    pixels[:, wrong] += [45.0, -40.0]
    points = dataclasses.replace(filmed_push.points, image_points=dataclasses.replace(image, pixels=pixels))
    assert _run(push_session, points, tmp_path) == 0
    named = [line for line in capsys.readouterr().out.splitlines() if "contradicts the other points" in line]
    assert any(f"image point {wrong} " in line and "check its place on the object" in line for line in named)


def test_no_annotations_are_one_line_and_nothing_is_touched(
    tmp_path: Path, push_session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = push_session.mesh
    assert push_session.video_path is not None
    bare = Session.create(tmp_path / "bare", push_session.video_path, mesh)
    before = _contents(bare)
    assert main(["reconstruct", str(bare.folder), *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "no annotations in it; give them with --points points.json" in said[0]
    assert _contents(bare) == before


def test_points_beside_the_mesh_are_refused_before_anything_is_done(
    push_session: Session, filmed_push: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where points were marked in millimetres, or on another mesh, and name no vertex."""
    points = filmed_push.points
    graph = dataclasses.replace(points.contacts, points_b=1000 * points.contacts.points_b)
    before = _contents(push_session)
    assert _run(push_session, dataclasses.replace(points, contacts=graph), tmp_path) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "m beside the object's mesh" in said[0]
    assert "contacts[" in said[0]
    assert _contents(push_session) == before


def test_another_mesh_is_refused_and_nothing_is_touched(
    push_session: Session, filmed_push: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = push_session.mesh
    other = Mesh(mesh.vertices * [1.0, 1.5, 1.0], mesh.faces)
    lines = [f"v {x} {y} {z}" for x, y, z in other.vertices] + [f"f {a} {b} {c}" for a, b, c in other.faces + 1]
    (tmp_path / "other.obj").write_text("\n".join(lines))
    before = _contents(push_session)
    assert _run(push_session, filmed_push.points, tmp_path, "--object", str(tmp_path / "other.obj")) == 2
    assert "this session holds another mesh than" in capsys.readouterr().err
    assert _run(push_session, filmed_push.points, tmp_path, "--scale", "0.001") == 2
    assert "was made with --scale 1, not 0.001" in capsys.readouterr().err
    assert _contents(push_session) == before
    # a new session with that mesh: the points' vertices lie elsewhere on it, and no half-made folder stays
    assert push_session.video_path is not None
    arguments = ["--object", str(tmp_path / "other.obj"), "--points", str(tmp_path / "points.json")]
    row = json.loads((tmp_path / "points.json").read_text())
    row["contacts"][0] |= {"vertex": 0, "point": mesh.vertices[0].tolist()}
    (tmp_path / "points.json").write_text(json.dumps(row))
    assert main(["reconstruct", str(push_session.video_path), *arguments, "-o", str(tmp_path / "new")]) == 2
    assert "contacts[0]: vertex 0 lies elsewhere on this mesh; the points were made" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    (tmp_path / "other.obj").write_text("v 0 0 0\n")
    assert main(["reconstruct", str(push_session.video_path), *arguments, "-o", str(tmp_path / "new")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()
