"""Files of Open4DHOI's annotation records, and which vertices their ids mean."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recon.open4dhoi import record_files
from recon.open4dhoi.record_files import paired_ids, read_records, write_records
from recon.open4dhoi.records import FrameRecord, Records, parse, to_json
from recon.open4dhoi.vertex_order import VertexOrder
from sim.errors import AnnotationError, FormatError, MissingDependencyError

POINTS = np.arange(30.0).reshape(10, 3)
IDENTITY = VertexOrder(POINTS, np.arange(10), np.arange(10))
REVERSED = VertexOrder(POINTS[::-1], np.arange(10)[::-1], np.arange(10)[::-1])


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_ids_are_open3ds_in_the_file_and_the_meshs_here(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", record)
    records = read_records(tmp_path, "v1", REVERSED)
    assert records is not None
    assert records.frames[2].contacts == {"leftHand_palm": 2}  # 9 - 7
    write_records(tmp_path, records, "v1", REVERSED)
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == record


def test_an_id_outside_the_mesh_is_named(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", record | {"00003": {"Chin": 10}})
    with pytest.raises(FormatError, match=r"kp_record_merged\.json: frame 00003 names vertex 10, the mesh has 10"):
        read_records(tmp_path, "v1", IDENTITY)


def test_the_frames_files_stand_in_for_the_merged_one(record: dict[str, Any], tmp_path: Path) -> None:
    for frame in ("00002", "00004"):
        write(tmp_path / "kp_record" / f"{frame}.json", record[frame])
    records = read_records(tmp_path, "v1", IDENTITY)
    assert records is not None
    assert records.frames == {t: parse(record).frames[t] for t in (2, 4)}


def test_the_first_versions_solver_keeps_its_own_copy(record: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "clip7"
    write(folder / "clip7.json", record)
    records = read_records(folder, "v1", IDENTITY)
    assert records == parse(record)
    assert read_records(folder, "v2", IDENTITY) is None
    changed = replace(records, object_scale=2.0)
    write_records(folder, changed, "v1", IDENTITY)
    assert json.loads((folder / "clip7.json").read_text())["object_scale"] == 2.0


def test_writing_brings_the_frames_files_along_and_empties_stale_ones(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record/00009.json", {"Chin": 1, "2D_keypoint": []})
    write_records(tmp_path, parse(record), "v2", IDENTITY)
    folder = tmp_path / "kp_record"
    assert json.loads((folder / "00009.json").read_text()) == {"2D_keypoint": []}
    assert json.loads((folder / "00002.json").read_text()) == record["00002"]


def test_a_rejected_clip_is_not_written_over(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", {"status": "delete"})
    with pytest.raises(AnnotationError, match="rejected"):
        write_records(tmp_path, parse(record), "v2", IDENTITY)
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == {"status": "delete"}
    assert [p.name for p in tmp_path.iterdir()] == ["kp_record_merged.json"]
    write_records(tmp_path, parse(record), "v2", IDENTITY, overwrite_rejected=True)
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == record


def test_rejecting_keeps_the_annotations_beside(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", record)
    write_records(tmp_path, Records(rejected=True), "v2", IDENTITY)
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == {"status": "delete"}
    assert json.loads((tmp_path / "kp_record_merged.json.orig").read_text()) == record


def test_fields_that_are_not_known_stay(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", record)
    plain = replace(parse(record), extra={}, frames={t: replace(r, extra={}) for t, r in parse(record).frames.items()})
    write_records(tmp_path, plain, "v2", IDENTITY)
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == record


def test_writing_the_same_touches_nothing(record: dict[str, Any], tmp_path: Path) -> None:
    write_records(tmp_path, parse(record), "v2", IDENTITY)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    write_records(tmp_path, parse(record), "v2", IDENTITY)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


# --- the second version's decimated mesh ------------------------------------------------------------------------------


@pytest.fixture
def large(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, int]], dict[str, Any]]:
    """Let ten vertices count as many; and a record with other ids."""
    monkeypatch.setattr(record_files, "DECIMATED_ABOVE", 5)

    def renamed(ids: dict[int, int]) -> dict[str, Any]:
        return to_json(parse(record).renamed(ids))

    return renamed


SHOWN = {7: 0, 8: 1, 3: 2, 9: 3}
"""Original id -> decimated id."""
DECIMATED = POINTS[[7, 8, 3, 9, 5]] + 0.01


def test_ids_of_the_decimated_mesh_are_read_through_the_record_of_original_ids(
    record: dict[str, Any], tmp_path: Path, large: Any
) -> None:
    write(tmp_path / "kp_record_merged.json", large(SHOWN))
    write(tmp_path / "kp_record_new.json", record)
    assert read_records(tmp_path, "v2", IDENTITY) == parse(record)


def test_a_record_of_original_ids_that_is_out_of_date_only_says_which_vertex_is_which(
    record: dict[str, Any], tmp_path: Path, large: Any
) -> None:
    write(tmp_path / "kp_record_new.json", record)
    newer = large(SHOWN)
    newer["00004"]["leftHand_palm"] = newer["00004"]["2D_keypoint"][0][0]  # the palm now touches the tracked vertex
    for frame in ("00002", "00003", "00005"):
        newer[frame].pop("leftHand_palm")
        newer[frame].pop("rightHand_palm", None)
    write(tmp_path / "kp_record_merged.json", newer)
    os.utime(tmp_path / "kp_record_new.json", (1, 1))
    records = read_records(tmp_path, "v2", IDENTITY)
    assert records is not None
    assert records.frames[4].contacts == {"leftHand_palm": 9}
    assert records.frames[2].contacts == {}


def test_a_contact_that_moved_since_is_not_taken_for_the_old_vertex(
    record: dict[str, Any], tmp_path: Path, large: Any
) -> None:
    write(tmp_path / "kp_record_new.json", record)
    newer = large(SHOWN)
    for frame in ("00002", "00003", "00005"):
        newer[frame]["leftHand_palm"] = 4  # was vertex 7, shown as 0; 4 is vertex 5
    write(tmp_path / "kp_record_merged.json", newer)
    os.utime(tmp_path / "kp_record_new.json", (1, 1))
    records = read_records(tmp_path, "v2", IDENTITY, DECIMATED)
    assert records is not None
    assert records.frames[2].contacts == {"leftHand_palm": 5}


def test_where_nothing_tells_the_decimated_mesh_is_needed(
    record: dict[str, Any], tmp_path: Path, large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "kp_record_merged.json", large(SHOWN))
    assert read_records(tmp_path, "v2", IDENTITY, DECIMATED) == parse(record)
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(MissingDependencyError, match="pip install open3d"):
        read_records(tmp_path, "v2", IDENTITY)


def test_a_small_mesh_is_not_decimated(record: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "kp_record_merged.json", record)
    assert read_records(tmp_path, "v2", IDENTITY) == parse(record)


def test_the_first_version_never_decimates(record: dict[str, Any], tmp_path: Path, large: Any) -> None:
    write(tmp_path / "kp_record_merged.json", record)
    assert read_records(tmp_path, "v1", IDENTITY) == parse(record)


def test_both_kinds_of_ids_are_written_where_they_are_known(record: dict[str, Any], tmp_path: Path, large: Any) -> None:
    write(tmp_path / "kp_record_merged.json", large(SHOWN))
    write(tmp_path / "kp_record_new.json", record)
    changed = replace(parse(record), object_scale=3.0)
    assert write_records(tmp_path, changed, "v2", IDENTITY) == []
    assert json.loads((tmp_path / "kp_record_merged.json").read_text()) == large(SHOWN) | {"object_scale": 3.0}
    assert json.loads((tmp_path / "kp_record_new.json").read_text()) == record | {"object_scale": 3.0}


def test_ids_that_are_not_known_leave_the_merged_record_alone(
    record: dict[str, Any], tmp_path: Path, large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    notes = write_records(tmp_path, parse(record), "v2", IDENTITY)
    assert "kp_record_new.json is up to date" in notes[0]
    assert not (tmp_path / "kp_record_merged.json").exists()
    assert read_records(tmp_path, "v2", IDENTITY) == parse(record)


def test_contradictory_pairs_tell_nothing() -> None:
    one = Records({0: FrameRecord({"Chin": 1}), 1: FrameRecord({"Chin": 1})})
    other = Records({0: FrameRecord({"Chin": 5}), 1: FrameRecord({"Chin": 6})})
    assert paired_ids(one, other) == {}
    assert paired_ids(one, one) == {1: 1}
