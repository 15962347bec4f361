"""Annotation records of Open4DHOI as a value, and their conversion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.open4dhoi.records import from_annotations, parse, to_annotations, to_json
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, FormatError, UnknownNameError

POINTS = np.arange(30.0).reshape(10, 3)


def test_parsed_and_written_is_the_same(record: dict[str, Any]) -> None:
    assert to_json(parse(record)) == record
    assert parse(to_json(parse(record))) == parse(record)


def test_a_rejected_clip_holds_nothing_else() -> None:
    rejected = parse({"status": "delete"})
    assert rejected.rejected
    assert to_json(rejected) == {"status": "delete"}
    with pytest.raises(AnnotationError, match="rejected"):
        to_annotations(rejected, POINTS, 1.0, 10)


def test_contacts_become_intervals_and_tracks_columns(record: dict[str, Any]) -> None:
    a = to_annotations(parse(record), POINTS, 0.5, 8)
    assert a.contacts.keypoints == ("leftHand_palm", "rightHand_palm", "leftHand_palm")
    assert a.contacts.first_frame.tolist() == [2, 3, 5]  # frame 4 has no contact, so the palm's has two intervals
    assert a.contacts.last_frame.tolist() == [3, 3, 5]
    assert a.contact_vertices.tolist() == [7, 8, 7]
    np.testing.assert_allclose(a.contacts.points_b, 0.75 * POINTS[[7, 8, 7]])  # both scales
    assert a.image_points.vertices.tolist() == [3, 9]
    assert a.image_points.visible.T.tolist() == [[0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 1, 1, 0, 0]]
    assert a.image_points.pixels[5, 1].tolist() == [2.5, 3.5]
    assert (a.object_scale, a.is_static, a.start_frame, a.num_frames) == (0.75, True, 2, 8)


def test_annotations_survive_the_way_there_and_back(record: dict[str, Any]) -> None:
    a = to_annotations(parse(record), POINTS, 0.5, 8)
    records, notes = from_annotations(a, POINTS, 0.5)
    assert notes == []
    frames = {t: replace(frame, extra={}) for t, frame in parse(record).frames.items()}
    assert records.frames == frames
    assert (records.object_scale, records.is_static, records.start_frame) == (1.5, True, 2)


def test_a_free_point_becomes_the_nearest_vertex() -> None:
    graph = ContactGraph(("Chin",), [0], [POINTS[4] * 2 + 0.1], [0], [0])
    a = Annotations(graph, ImagePoints.empty(1), object_scale=2.0)
    assert from_annotations(a, POINTS, 2.0)[0].frames[0].contacts == {"Chin": 4}


def test_of_a_keypoint_on_two_vertices_at_once_the_first_is_written() -> None:
    graph = ContactGraph(("Chin", "Chin"), [0, 0], POINTS[[1, 2]], [0, 2], [3, 4])
    a = Annotations(graph, ImagePoints.empty(5), contact_vertices=np.array([1, 2]))
    records, notes = from_annotations(a, POINTS, 1.0)
    assert [records.frames[t].contacts["Chin"] for t in range(5)] == [1, 1, 1, 1, 2]
    assert notes == ["Chin touches vertices 1 and 2 in frame 3; their records hold the first"]


def test_keypoint_names_count_in_any_case() -> None:
    assert parse({"00000": {"lefthand_PALM": 3}}).frames[0].contacts == {"leftHand_palm": 3}
    with pytest.raises(UnknownNameError, match="Did you mean 'leftHand_palm'"):
        parse({"00000": {"leftHand_plam": 3}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"00000": []}, "frame 00000"),
        ({"00000": {"Chin": "5"}}, "frame 00000, Chin: '5' is no vertex id"),
        ({"00000": {"Chin": -1}}, "-1 is no vertex id"),
        ({"00000": {"2D_keypoint": [[1, [2]]]}}, r"2D_keypoint\[0\]"),
        ({"00000": {"2D_keypoint": [[1, [2, float("nan")]]]}}, "not finite"),
        ({"object_scale": 0}, "object_scale"),
        ({"start_frame_index": -1}, "start_frame_index"),
    ],
)
def test_what_is_no_record_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse(content)
