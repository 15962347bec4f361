"""Annotations as a value and as `points.json`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recon.annotations import Annotations, Click, ImagePoints, to_json
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, FormatError, TouchstoneError, UnknownNameError
from sim.geometry import Mesh

TETRAHEDRON = Mesh(np.array([[0, 0, 0], [0.2, 0, 0], [0, 0.4, 0], [0, 0, 0.6]]), [[0, 2, 1], [0, 1, 3], [1, 2, 3]])


def image_points(frames: int = 6) -> ImagePoints:
    """Vertex 3 in frames 0 and 2 (so there is a gap), a free point never."""
    pixels = np.full((frames, 2, 2), np.nan)
    pixels[[0, 2], 0] = [[10.25, 20.5], [30.0, 40.0]]
    return ImagePoints(np.array([[0, 0, 1.2], [0.1, 0.2, 0.3]]), pixels, np.isfinite(pixels).all(-1), np.array([3, -1]))


def annotations(**changes: Any) -> Annotations:
    graph = ContactGraph(
        ("leftHand_palm", "Chin"), np.array([0, 0]), np.array([[0.4, 0, 0], [0.1, 0.1, 0.1]]), np.array([1, 0]),
        np.array([4, 5]),
    )  # fmt: skip
    fields: dict[str, Any] = {"object_scale": 2.0, "is_static": True, "start_frame": 1, "image_points": image_points()}
    fields |= {
        "contact_vertices": np.array([1, -1]),
        "clicks": (Click("human", 0, (3, 4.5)), Click("object", 2, (1, 1), False)),
    }
    return Annotations(graph, **(fields | changes))


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    before = annotations()
    before.save(tmp_path / "points.json")
    after = Annotations.load(tmp_path / "points.json", TETRAHEDRON)
    assert to_json(after) == to_json(before)
    np.testing.assert_array_equal(after.image_points.pixels, before.image_points.pixels)
    assert after.clicks == before.clicks
    assert after.contact_vertices.tolist() == [1, -1]


def test_confidence_is_kept_cut_and_checked(tmp_path: Path) -> None:
    sure, points = annotations(), image_points()
    doubted = dataclasses.replace(points, confidence=np.where(points.visible, 0.25, np.nan))
    before = annotations(image_points=doubted)
    before.save(tmp_path / "points.json")
    after = Annotations.load(tmp_path / "points.json").image_points
    assert after.confidence is not None
    assert after.confidence[:, 0].tolist()[:3] == [0.25, 0.0, 0.25]
    np.testing.assert_array_equal(after.pixels, points.pixels)
    cut = before.cut(2, 4).image_points.confidence
    assert cut is not None
    assert cut.tolist() == [[0.25, 0.0], [0.0, 0.0]]
    sure.save(tmp_path / "sure.json")
    assert Annotations.load(tmp_path / "sure.json").image_points.confidence is None
    with pytest.raises(AnnotationError, match=r"point 0 has confidence 1\.5 in frame 0"):
        dataclasses.replace(points, confidence=np.full((6, 2), 1.5))


def test_a_gap_in_a_track_is_not_visible(tmp_path: Path) -> None:
    annotations().save(tmp_path / "points.json")
    points = Annotations.load(tmp_path / "points.json").image_points
    assert points.visible[:, 0].tolist() == [True, False, True, False, False, False]
    assert np.isnan(points.pixels[1, 0]).all()
    assert not points.visible[:, 1].any()


def test_what_a_person_writes_by_hand_takes_its_points_from_the_mesh(tmp_path: Path) -> None:
    content = {
        "format": "touchstone-points", "object_scale": 0.5,
        "contacts": [{"keypoint": "Chin", "vertex": 2}, {"keypoint": "hip_back", "vertex": 1, "first": 2, "last": 3}],
        "image_points": [{"vertex": 3, "pixels": {"4": [7, 8]}}],
    }  # fmt: skip
    (tmp_path / "points.json").write_text(json.dumps(content))
    read = Annotations.load(tmp_path / "points.json", TETRAHEDRON, num_frames=5)
    np.testing.assert_allclose(read.contacts.points_b, [[0, 0.2, 0], [0.1, 0, 0]])  # half the mesh's lengths
    assert read.contacts.first_frame.tolist() == [0, 2]
    assert read.contacts.last_frame.tolist() == [4, 3]  # left out: the whole clip
    np.testing.assert_allclose(read.image_points.points_b, [[0, 0, 0.3]])
    assert read.image_points.pixels[4, 0].tolist() == [7, 8]
    assert not read.is_static
    assert read.start_frame == 0
    del content["object_scale"]
    (tmp_path / "points.json").write_text(json.dumps(content))
    assert Annotations.load(tmp_path / "points.json", TETRAHEDRON, 5).object_scale == 1.0
    small = Annotations.load(tmp_path / "points.json", TETRAHEDRON, 5, object_scale=0.25)
    np.testing.assert_allclose(small.image_points.points_b, [[0, 0, 0.15]])


def test_pixels_where_a_point_is_not_visible_do_not_count() -> None:
    visible = np.array([[True], [False]])
    points = ImagePoints(np.zeros((1, 3)), np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), visible, np.array([-1]))
    assert np.isnan(points.pixels[1]).all()
    with pytest.raises(AnnotationError, match="point 0 is visible in frame 1"):
        ImagePoints(np.zeros((1, 3)), np.full((2, 1, 2), [[[1.0, 2.0]], [[np.nan, 4.0]]]), ~visible | visible, [-1])


def test_cut_renumbers_frames() -> None:
    part = annotations().cut(2, 5)
    assert part.num_frames == 3
    assert list(zip(part.contacts.first_frame, part.contacts.last_frame, strict=True)) == [(0, 2), (0, 2)]
    assert part.contact_vertices.tolist() == [1, -1]
    assert part.image_points.visible[:, 0].tolist() == [True, False, False]
    assert [c.frame for c in part.clicks] == [0]
    late = annotations().cut(5, 6)
    assert late.contacts.keypoints == ("Chin",)
    assert late.contact_vertices.tolist() == [-1]


def test_rescaled_moves_all_points_with_the_mesh() -> None:
    larger = annotations().rescaled(6.0)
    np.testing.assert_allclose(larger.contacts.points_b, 3 * annotations().contacts.points_b)
    np.testing.assert_allclose(larger.image_points.points_b, 3 * annotations().image_points.points_b)


def test_an_unknown_keypoint_is_refused_with_the_nearest_name() -> None:
    graph = ContactGraph(("leftHand_plam",), [0], [[0, 0, 0]], [0], [1])
    with pytest.raises(UnknownNameError, match="Did you mean 'leftHand_palm'"):
        Annotations(graph, ImagePoints.empty(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"object_scale": 0}, "object_scale"),
        ({"start_frame": 6}, "start_frame"),
        ({"contact_vertices": np.array([1])}, "1 vertex ids for 2 points"),
        ({"contact_vertices": np.array([1, -2])}, "names vertex -2"),
        ({"clicks": (Click("human", 6, (0, 0)),)}, "frame 6 lies outside"),
        ({"image_points": ImagePoints.empty(5)}, r"row 1 \(Chin\) holds in frames 0..5"),
    ],
)
def test_what_breaks_the_contract_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        annotations(**change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "touchstone-points", "num_frames": 3,', "broken JSON at line 1"),
        ("[]", "touchstone-points"),
        ('{"human_points": [[1, 2]], "object_points": []}', "Open4DHOI's file of mask clicks"),
        ('{"format": "touchstone-points"}', "'num_frames' is missing"),
        ('{"format": "touchstone-points", "num_frames": 3, "contact": []}', "Did you mean 'contacts'"),
        ('{"format": "touchstone-points", "num_frames": true}', "'num_frames' is True, expected int"),
        ('{"format": "touchstone-points", "version": 2, "num_frames": 3}', "newer Touchstone"),
        ("\x00\xff", "JSON"),
    ],
)
def test_a_file_that_is_none_gives_one_line_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "points.json").write_text(text, encoding="latin-1")
    with pytest.raises(FormatError, match=message) as caught:
        Annotations.load(tmp_path / "points.json")
    assert str(caught.value).startswith(str(tmp_path / "points.json"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "row", "message"),
    [
        ("contacts", {"keypoint": "leftHand_plam", "vertex": 1}, "Did you mean 'leftHand_palm'"),
        ("contacts", {"keypoint": "Chin", "vertex": 4}, r"contacts\[0\]: vertex 4 is none of the mesh's 4"),
        ("contacts", {"keypoint": "Chin", "vertex": 1, "point": [0.2, 0.1, 0]}, "lies elsewhere on this mesh"),
        ("contacts", {"keypoint": "Chin"}, "needs a 'vertex'"),
        ("contacts", {"keypoint": "Chin", "point": [0, "0", 0]}, "expected 3 numbers"),
        ("contacts", {"keypoint": "Chin", "vertex": 1, "first": 2, "last": 3}, "holds in frames 2..3"),
        ("image_points", {"vertex": 1, "pixels": {"3": [1, 2]}}, "pixels names frame '3'"),
        ("image_points", {"vertex": 1, "pixels": {"0": [1, 2, 0.5, 1]}}, "expected 2 numbers"),
        ("image_points", {"vertex": 1, "pixels": {"0": [1, 2, 3]}}, "has confidence 3 in frame 0"),
        ("clicks", {"target": "dog", "frame": 0, "pixel": [0, 0]}, "unknown click target 'dog'"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(tmp_path: Path, field: str, row: dict[str, Any], message: str) -> None:
    content = {"format": "touchstone-points", "num_frames": 3, field: [row]}
    (tmp_path / "points.json").write_text(json.dumps(content))
    with pytest.raises(TouchstoneError, match=message):
        Annotations.load(tmp_path / "points.json", TETRAHEDRON)


def test_a_vertex_without_its_point_needs_the_mesh(tmp_path: Path) -> None:
    content = {"format": "touchstone-points", "num_frames": 3, "contacts": [{"keypoint": "Chin", "vertex": 1}]}
    (tmp_path / "points.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="give the object's mesh"):
        Annotations.load(tmp_path / "points.json")
