"""The small files of Open4DHOI's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recon.annotations import Click
from recon.open4dhoi.layout import (
    V1_KEYPOINTS,
    KeypointTable,
    Selection,
    detect_version,
    keep_original,
    read_clicks,
    replace_json,
    write_clicks,
)  # fmt: skip
from sim.errors import FormatError, UnknownNameError
from sim.keypoint_names import KEYPOINT_NAMES

TABLE = {name: {"point": [0.1 * i, 0.2, 0.3], "index": 100 + i} for i, name in enumerate(KEYPOINT_NAMES)}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_selection_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    content = {"select_id": 3, "start_id": 120, "object_name": "spear", "user": "x"}
    selection = Selection.read(write(tmp_path / "select_id.json", content))
    assert (selection.frame, selection.start, selection.object_name) == (3, 120, "spear")
    selection.write(tmp_path / "copy.json")
    assert json.loads((tmp_path / "copy.json").read_text()) == content
    with pytest.raises(FormatError, match="select_id"):
        Selection.read(write(tmp_path / "select_id.json", {"select_id": "3"}))


def test_their_clicks_are_positive_and_in_frame_0(tmp_path: Path) -> None:
    content = {"human_points": [[1.5, 2.0], [3.0, 4.0]], "object_points": [[5.0, 6.0]]}
    clicks = read_clicks(write(tmp_path / "points.json", content))
    assert clicks == (Click("human", 0, (1.5, 2)), Click("human", 0, (3, 4)), Click("object", 0, (5, 6)))
    notes = write_clicks(
        tmp_path / "copy.json", (*clicks, Click("human", 7, (1, 1)), Click("object", 0, (2, 2), False))
    )
    assert json.loads((tmp_path / "copy.json").read_text()) == content
    assert "2 of 5 left out" in notes[0]
    with pytest.raises(FormatError, match="human_points"):
        read_clicks(write(tmp_path / "points.json", {"human_points": [[1]]}))


def test_the_version_shows_in_the_object_poses(tmp_path: Path) -> None:
    assert detect_version(tmp_path) == "v2"
    write(tmp_path / "motion/hand_pose.json", {})
    assert detect_version(tmp_path) == "v1"
    write(tmp_path / "output/obj_poses.json", {"scale": 1, "t": [0, 0, 1]})
    assert detect_version(tmp_path) == "v2"
    write(tmp_path / "align/obj_poses.json", {"scale": 1, "center": [[0, 0, 1]]})
    assert detect_version(tmp_path) == "v1"  # the aligned poses count first


def test_both_keypoint_tables(tmp_path: Path) -> None:
    second = KeypointTable.read(write(tmp_path / "part_kp.json", TABLE))
    assert (second.version, len(second.names)) == ("v2", 87)
    first = KeypointTable.read(write(tmp_path / "v1.json", dict(list(TABLE.items())[:V1_KEYPOINTS])))
    assert (first.version, len(first.names)) == ("v1", 74)
    assert first.names == second.names[:74]
    assert {"leftNeck_back", "rightNeck_back", "leftLowerLeg_back", "rightLowerLeg_back"} <= first.misplaced
    assert first.vertices[6] == 106  # as published, though `rightNeck_back` is misplaced


@pytest.mark.parametrize(
    "change", [lambda t: t.pop("Chin"), lambda t: t["Chin"].pop("index"), lambda t: t.update(nose={})]
)
def test_another_keypoint_table_is_refused(tmp_path: Path, change: Any) -> None:
    table = json.loads(json.dumps(TABLE))
    change(table)
    with pytest.raises((FormatError, UnknownNameError), match=r"part_kp\.json"):
        KeypointTable.read(write(tmp_path / "part_kp.json", table))


def test_the_published_files(data: Path) -> None:
    folder = data / "open4dhoi"
    table = KeypointTable.read(folder / "part_kp.json")
    assert (table.version, table.names) == ("v2", KEYPOINT_NAMES)
    # left is +x in SMPL's axes: these four lie on the other side, as the table says that they do
    side = {name: point[0] for name, point in zip(table.names, table.points, strict=True)}
    wrong = {
        n for n, x in side.items() if (x < -0.005 and n.startswith("left")) or (x > 0.005 and n.startswith("right"))
    }
    assert wrong == {"leftNeck_back", "rightNeck_back", "leftLowerLeg_back", "rightLowerLeg_back"}
    assert wrong < table.misplaced


def test_the_first_original_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"x": 1})
    replace_json(path, {"x": 2})
    replace_json(path, {"x": 3})
    assert json.loads((tmp_path / "a.json.orig").read_text()) == {"x": 1}
    assert json.loads(path.read_text()) == {"x": 3}
    path.write_text("{broken")
    (tmp_path / "a.json.orig").unlink()
    replace_json(path, {"x": 4})
    assert (tmp_path / "a.json.orig").read_text() == "{broken"
    keep_original(tmp_path / "missing.json")
    assert not (tmp_path / "missing.json.orig").exists()
