"""A session folder: opening only reads, both versions are read and written, bad input leaves it intact."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recon.annotations import Annotations, Click, ImagePoints, to_json
from recon.camera import Camera
from recon.open4dhoi.layout import Selection, write_obj
from recon.session import Session
from sim import rotations, subject
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, AssetError, FormatError, ReconstructionError, TouchstoneError
from sim.geometry import Mesh
from sim.meshes import read_mesh
from sim.motion import Motion, MotionObject

OFFSETS = subject.default_offsets()
RECORD = "kp_record_merged.json"


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below, with its time."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def write_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), mask.astype(np.uint8) * 255)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_opening_and_reading_everything_changes_nothing(make_session: Callable[..., Any], version: str) -> None:
    folder = make_session(version).folder
    (folder / "notes.txt").write_text("mine")
    before = contents(folder)
    session = Session.open(folder)
    assert session.version == version
    assert (session.num_frames, session.video.width, session.video.height, session.video.fps) == (8, 64, 48, 25)
    for read in (
        session.annotations,
        session.records,
        session.body,
        session.results,
        session.placement,
        session.motion,
    ):
        read(**({"offsets": OFFSETS} if read == session.motion else {}))
    for look in (session.depth, session.selection, session.clicks):
        look()
    session.masks("human")
    assert contents(folder) == before


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_annotations_are_on_the_files_vertices(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    a = Session.open(truth.folder).annotations()
    assert a is not None
    assert a.contacts.keypoints == ("leftHand_palm",)
    assert (a.contacts.first_frame[0], a.contacts.last_frame[0]) == (2, 5)
    assert a.contact_vertices.tolist() == [truth.order[5]]  # 4: the tip; an id read as a line would say the other one
    np.testing.assert_allclose(a.contacts.points_b[0], truth.vertices[4] * 0.5 * 1.2)
    assert a.image_points.vertices.tolist() == [truth.order[3], truth.order[0]]
    assert a.image_points.visible[:, 0].tolist() == [False, True, True, False, True, True, True, True]
    assert (a.object_scale, a.start_frame) == (0.6, 1)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_annotations_are_saved_for_both_and_read_back(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    (truth.folder / "notes.txt").write_text("mine")
    session = Session.open(truth.folder)
    a = session.annotations()
    assert a is not None
    assert session.save_annotations(a) == []
    assert json.loads((truth.folder / "kp_record_merged.json").read_text()) == truth.record
    assert not (truth.folder / "kp_record_merged.json.orig").exists()  # it said so already
    changed = replace(a, is_static=True, clicks=(Click("human", 0, (1, 2)), Click("object", 3, (5, 6))))
    notes = session.save_annotations(changed)
    assert notes == ["points.json holds positive clicks in frame 0 only: 1 of 2 left out"]
    again = Session.open(truth.folder).annotations()
    assert again is not None
    assert to_json(again) == to_json(changed)
    theirs = json.loads((truth.folder / "kp_record_merged.json").read_text())
    assert theirs == truth.record | {"is_static_object": True}
    assert (truth.folder / "kp_record_new.json").exists() == (version == "v2")
    assert json.loads((truth.folder / "kp_record_merged.json.orig").read_text()) == truth.record
    assert (truth.folder / "notes.txt").read_text() == "mine"
    (truth.folder / "touchstone/annotations.json").unlink()  # the tools' files alone say the same but for one click
    alone = Session.open(truth.folder).annotations()
    assert alone is not None
    assert to_json(replace(alone, clicks=changed.clicks)) == to_json(changed)
    assert alone.clicks == changed.clicks[:1]


def test_what_was_edited_in_their_tools_since_counts(make_session: Callable[..., Any]) -> None:
    truth = make_session()
    session = Session.open(truth.folder)
    a = session.annotations()
    assert a is not None
    session.save_annotations(replace(a, clicks=(Click("human", 0, (1, 2)),)))
    path = truth.folder / "kp_record_merged.json"
    path.write_text(json.dumps(truth.record | {"is_static_object": True}))
    edited = session.annotations()
    assert edited is not None
    assert edited.is_static
    assert edited.clicks == (Click("human", 0, (1, 2)),)
    os.utime(path, (1, 1))  # an old record does not
    mine = session.annotations()
    assert mine is not None
    assert not mine.is_static


def test_what_their_records_cannot_hold_stays_in_our_file(make_session: Callable[..., Any]) -> None:
    truth = make_session()
    session = Session.open(truth.folder)
    graph = ContactGraph(("Chin", "Chin"), [0, 0], truth.vertices[[1, 2]] * 0.6, [0, 0], [1, 1])
    double = Annotations(graph, ImagePoints.empty(8), 0.6, contact_vertices=np.array([1, 2]))
    assert session.save_annotations(double) == [
        "Chin touches vertices 1 and 2 in frame 1; their records hold the first"
    ]
    again = session.annotations()
    assert again is not None
    assert again.contact_vertices.tolist() == [1, 2]


def test_a_rejected_clip(make_session: Callable[..., Any]) -> None:
    truth = make_session()
    session = Session.open(truth.folder)
    a = session.annotations()
    assert a is not None
    (truth.folder / "kp_record_merged.json").write_text('{"status": "delete"}')
    before = contents(truth.folder)
    with pytest.raises(AnnotationError, match="rejected"):
        session.annotations()
    with pytest.raises(AnnotationError, match="rejected"):
        session.save_annotations(a)
    assert contents(truth.folder) == before


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_motion_saved_is_the_motion_read(
    make_session: Callable[..., Any], carrying_motion: Callable[..., Motion], version: str
) -> None:
    truth = make_session(version)
    session = Session.open(truth.folder)
    annotations = session.annotations()
    assert annotations is not None
    motion = carrying_motion().slice(0, 6)
    item = MotionObject("object", session.object_mesh(), motion.objects[0].position_w, motion.objects[0].rotation_w)
    contacts = annotations.cut(2, 8).contacts
    motion = motion.replace(fps=25.0, objects=(item,), contacts=contacts)
    camera = Camera.look_at(np.array([3.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]), 64, 48)
    session.save_motion(motion, camera, first_frame=2)
    again, found = Session.open(truth.folder).motion(offsets=motion.offsets)
    np.testing.assert_allclose(again.joint_positions_w, motion.joint_positions_w, atol=1e-6)
    np.testing.assert_allclose(again.objects[0].position_w, item.position_w, atol=1e-6)
    assert rotations.angle_between(again.objects[0].rotation_w, item.rotation_w).max() < 1e-6
    np.testing.assert_allclose(again.objects[0].geometry.vertices, session.object_mesh().vertices)  # type: ignore[union-attr]
    assert again.contacts.keypoints == contacts.keypoints
    assert again.contacts.first_frame.tolist() == [0]
    assert again.contacts.last_frame.tolist() == [3]
    np.testing.assert_allclose(found.position_w, camera.position_w, atol=1e-6)
    stored = Motion.load(truth.folder / "touchstone/motion.npz")
    np.testing.assert_array_equal(stored.joint_rotations_b, motion.joint_rotations_b)
    results = session.results()
    assert results is not None
    records = results.extra["kp_records"]
    assert records["00002"]["leftHand_palm"] == 5  # Open3D's id, as in their own record
    if version == "v1":  # its renderer wants the mesh, and the object's poses in the world
        mesh = read_mesh(Path(results.extra["transformed"]["object_mesh_path"]))
        np.testing.assert_allclose(mesh.vertices[truth.order], truth.their_mesh, atol=1e-8)
        poses = results.extra["transformed"]["parameters"]["object_params"]
        final = json.loads((truth.folder / "transformed_parameters_final.json").read_text())
        assert poses["T_total"] == final["object_params_transformed"]["T_total"]


def test_masks_in_both_naming_schemes(make_session: Callable[..., Any]) -> None:
    folder = make_session().folder
    left, right = np.zeros((48, 64), bool), np.zeros((48, 64), bool)
    left[:, :20], right[:, 40:] = True, True
    write_mask(folder / "mask_dir/00001_mask.png", left)
    write_mask(folder / "mask_dir/00002_mask.png", left)
    write_mask(folder / "mask_dir/00002.png", right)  # made again by the newer tools
    (folder / "mask_dir/preview.png").write_bytes(b"no mask")
    session = Session.open(folder)
    masks, present = session.masks("object")
    assert present.tolist() == [False, True, True, False, False, False, False, False]
    np.testing.assert_array_equal(masks[1], left)
    np.testing.assert_array_equal(masks[2], right)
    assert not session.masks("human")[1].any()
    masks[0] = left
    session.save_masks("object", ~masks, np.arange(8) < 2)
    again, present = session.masks("object")
    assert present.tolist() == [True, True, True, False, False, False, False, False]
    np.testing.assert_array_equal(again[:2], ~masks[:2])
    assert sorted(p.name for p in (folder / "mask_dir").iterdir()) == [
        "00000.png", "00001_mask.png", "00002.png", "00002_mask.png", "preview.png",
    ]  # fmt: skip


def test_masks_of_another_size_or_beyond_the_clip_are_refused(make_session: Callable[..., Any]) -> None:
    folder = make_session().folder
    write_mask(folder / "mask_dir/00001.png", np.zeros((10, 64)))
    with pytest.raises(FormatError, match="64 x 10 pixels, the video has 64 x 48"):
        Session.open(folder).masks("object")
    (folder / "mask_dir/00001.png").write_bytes(b"")
    with pytest.raises(FormatError, match=r"00001\.png: not a readable image"):
        Session.open(folder).masks("object")
    (folder / "mask_dir/00001.png").rename(folder / "mask_dir/00008.png")
    with pytest.raises(FormatError, match="the clip has 8 frames"):
        Session.open(folder).masks("object")


def test_depth_and_selection(make_session: Callable[..., Any]) -> None:
    folder = make_session().folder
    session = Session.open(folder)
    assert session.depth() is None
    assert session.selection() == Selection()
    depth = np.random.default_rng(0).random((8, 6, 8)).astype(np.float32)
    np.save(folder / "depth.npy", depth)
    found = session.depth()
    assert found is not None
    np.testing.assert_array_equal(found, depth)
    np.save(folder / "depth.npy", depth[0])
    with pytest.raises(FormatError, match=r"expected \[T, H, W\]"):
        session.depth()
    (folder / "depth.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(FormatError, match=r"depth\.npy: not a readable"):
        session.depth()


def test_a_mesh_in_millimetres_is_refused_with_what_to_do(make_session: Callable[..., Any]) -> None:
    truth = make_session()
    mesh = Mesh(truth.vertices * 1000, truth.faces)
    write_obj(truth.folder / "obj_org.obj", mesh)
    before = contents(truth.folder)
    with pytest.raises(AssetError, match=r"at scale 0\.6: the mesh is .* millimetres, use scale 0\.001"):
        Session.open(truth.folder).object_mesh()
    with pytest.raises(AssetError, match="millimetres"):
        Session.create(truth.folder.parent / "new", truth.folder / "video.mp4", mesh)
    assert not (truth.folder.parent / "new").exists()
    assert contents(truth.folder) == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / RECORD).write_text('{"00001": {'), r"kp_record_merged\.json: broken JSON at line 1"),
        (lambda f: (f / RECORD).write_text('{"00001": {"Chin": 6}}'), "frame 00001 names vertex 6, the mesh has 6"),
        (lambda f: (f / RECORD).write_text('{"00009": {"Chin": 1}}'), "frame 00009 is annotated, the clip has 8"),
        (lambda f: (f / "obj_org.obj").unlink(), r"expected obj_org\.obj"),
        (lambda f: (f / "output/obj_poses.json").write_text('{"scale": "big"}'), r"obj_poses\.json: scale is 'big'"),
        (lambda f: (f / "video.mp4").write_bytes(b"no video"), r"video\.mp4: not a video"),
        (lambda f: (f / "touchstone").mkdir() or (f / "touchstone/annotations.json").write_text("x"), "broken JSON"),
    ],
)  # fmt: skip
def test_bad_files_give_one_line_and_stay(make_session: Callable[..., Any], spoil: Any, message: str) -> None:
    folder = make_session().folder
    spoil(folder)
    before = contents(folder)
    with pytest.raises(TouchstoneError, match=message) as caught:
        Session.open(folder).annotations()
    assert "\n" not in str(caught.value)
    assert contents(folder) == before


def test_a_folder_that_is_no_session(make_session: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such session folder"):
        Session.open(tmp_path / "nowhere")
    folder = make_session().folder
    (folder / "video.mp4").unlink()
    with pytest.raises(FormatError, match=r"neither video\.mp4 nor frames"):
        Session.open(folder)
    (folder / "frames").mkdir()
    for t in range(3):
        write_mask(folder / f"frames/{t:05d}.jpg", np.ones((48, 64)))
    session = Session.open(folder)
    assert (session.num_frames, session.video.width, session.video.height) == (3, 64, 48)
    assert list(session.frame_paths) == [0, 1, 2]


def test_the_first_versions_video_has_another_name(make_session: Callable[..., Any]) -> None:
    folder = make_session("v1").folder
    (folder / "video.mp4").rename(folder / "video0.mp4")
    assert Session.open(folder).num_frames == 8


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_new_session(make_session: Callable[..., Any], tmp_path: Path, version: Any) -> None:
    truth = make_session()
    mesh = Mesh(truth.vertices, truth.faces)
    made = Session.create(
        tmp_path / "new", truth.folder / "video.mp4", mesh, scale=0.5, object_name="top", version=version
    )
    session = Session.open(made.folder)
    assert session.version == version
    assert session.selection().object_name == "top"
    assert session.annotations() is None
    assert session.body() is None
    np.testing.assert_allclose(session.object_mesh().vertices, truth.vertices * 0.5)
    np.testing.assert_array_equal(session.mesh.faces, truth.faces)
    assert session.vertex_order.to_file.tolist() == truth.order
    with pytest.raises(FormatError, match="holds something already"):
        Session.create(made.folder, truth.folder / "video.mp4", mesh)
    with pytest.raises(FormatError, match=r"result_hand\.pt"):
        session.motion(offsets=OFFSETS)
    with pytest.raises(ReconstructionError, match="no such video"):
        Session.create(tmp_path / "other", tmp_path / "none.mp4", mesh)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip", "new"]


def test_a_released_mesh_has_its_scale_baked_in(make_session: Callable[..., Any]) -> None:
    folder = make_session().folder
    (folder / "obj_org.obj").rename(folder / "obj_init.obj")
    session = Session.open(folder)
    assert session.placement().scale == 1.0
    assert session.placement().shift_c is None
    assert len(session.mesh.vertices) == 6


def test_the_published_session(data: Path) -> None:
    folder = data / "open4dhoi/spear_session"
    session = Session.open(folder)
    assert (session.version, session.num_frames, session.video.width, session.video.height) == ("v2", 42, 576, 1024)
    assert session.mesh.vertices.shape == (7454, 3)
    first = (folder / "obj_org.obj").read_text().splitlines()[1].split()  # v x y z r g b
    assert session.mesh.vertices[0].tolist() == [float(x) for x in first[1:4]]
    placement = session.placement()
    assert placement.scale == 1.654672735131496
    vertices = session.object_mesh().vertices
    np.testing.assert_allclose(vertices, session.mesh.vertices * placement.scale)
    assert 0.8 < np.ptp(vertices, axis=0).max() < 2.0  # a spear of a metre or two
    assert session.annotations() is None
    assert session.results() is None


def test_meshes_keep_their_order_on_the_way_through_a_file(make_session: Callable[..., Any], tmp_path: Path) -> None:
    truth = make_session()
    write_obj(tmp_path / "mesh.obj", Mesh(truth.vertices, truth.faces))
    again = read_mesh(tmp_path / "mesh.obj")
    np.testing.assert_array_equal(again.vertices, truth.vertices)
    np.testing.assert_array_equal(again.faces, truth.faces)
