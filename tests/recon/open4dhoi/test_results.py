"""Object placement and optimised parameters of both versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.camera import Camera
from recon.open4dhoi.results import (
    Placement,
    parse_results,
    read_placement,
    read_results,
    results_of,
    write_results,
)  # fmt: skip
from recon.open4dhoi.vertex_order import VertexOrder
from sim import rotations
from sim.errors import FormatError
from sim.geometry import Mesh
from sim.motion import Motion, MotionObject

PARTS = {"body_pose": 63, "betas": 10, "global_orient": 3, "transl": 3, "left_hand_pose": 45, "right_hand_pose": 45}


def results_json(
    truth: Any, version: str, first: int = 1, last: int = 6
) -> tuple[dict[str, Any], Rotation, np.ndarray]:
    """What that version's solver writes for annotated frames first..last, and the object's poses in these frames."""
    rng = np.random.default_rng(5)
    stop = last if version == "v1" else last + 1  # the first version drops the last frame
    frames = range(first, stop)
    turns, centers = Rotation.from_rotvec(rng.normal(size=(stop - first, 3))), rng.normal(size=(stop - first, 3))
    human = {name: {str(t): truth.incam[name][t].tolist() for t in frames} for name in PARTS}
    human["left_hand_pose"] = {t: np.reshape(v, (15, 3)).tolist() for t, v in human["left_hand_pose"].items()}
    content: dict[str, Any] = {
        "metadata": {"description": "x", "frame_range": {"start": first, "end": stop}},
        "human_params_raw": human,
        "object_params_raw": {
            "poses": {str(t): turns.as_matrix()[i].tolist() for i, t in enumerate(frames)},
            "centers": {str(t): centers[i].tolist() for i, t in enumerate(frames)},
        },
        "kp_records": {f"{t:05d}": truth.record[f"{t:05d}"] for t in frames},
        "transformed": {"note": "none"},
    }
    for name, track in (("incam", truth.incam), ("global", truth.world)):
        content[f"smpl_params_{name}_subset"] = {p: track[p][first:stop].tolist() for p in ("global_orient", "transl")}
    if version == "v1":
        content["metadata"]["user_scale"] = truth.object_scale
        content["object_params_raw"]["scale"] = truth.scale
    else:
        content["camera"] = {"K": [[80, 0, 32], [0, 80, 24], [0, 0, 1]]}
    return content, turns, centers


def put(folder: Path, name: str, content: dict[str, Any]) -> Path:
    path = folder / "final_optimized_parameters" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


NAMES = {"v1": "all_parameters_20260102_030405.json", "v2": "all_parameters_latest.json"}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_poses_apply_to_their_mesh_and_ours_to_the_file(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    content, turns, centers = results_json(truth, version)
    put(truth.folder, NAMES[version], content)
    results = read_results(truth.folder)
    assert results is not None
    assert results.version == version
    placement, order = read_placement(truth.folder), VertexOrder.of(truth.folder / "obj_org.obj")
    position, rotation = results.object_poses_c(order.vertices, placement, truth.object_scale)
    scaled = truth.vertices[truth.order] * truth.scale * truth.object_scale
    for i in range(len(results.frames)):
        theirs = turns[i].apply(truth.their_mesh) + centers[i]
        np.testing.assert_allclose(rotations.rotate(rotation[i], scaled) + position[i], theirs, atol=1e-9)


def test_the_first_version_lacks_the_last_frame_and_the_seconds_end_is_exclusive(
    make_session: Callable[..., Any],
) -> None:
    truth = make_session()
    for version, frames in (("v1", range(1, 6)), ("v2", range(1, 7))):
        results = parse_results(put(truth.folder, NAMES[version], results_json(truth, version)[0]))
        assert results.frames.tolist() == list(frames)
        assert len(results.human) == len(results.incam) == len(frames)
    assert results.intrinsics is not None


def test_the_newest_by_name_counts(make_session: Callable[..., Any]) -> None:
    truth = make_session("v1")
    for last, name in ((4, "all_parameters_20260102_030405.json"), (3, "all_parameters_20251231_235959.json")):
        put(truth.folder, name, results_json(truth, "v1", last=last)[0])  # the older one is written last
    results = read_results(truth.folder)
    assert results is not None
    assert results.frames.tolist() == [1, 2, 3]
    put(truth.folder, NAMES["v2"], results_json(truth, "v2", last=2)[0])
    results = read_results(truth.folder)
    assert results is not None
    assert results.frames.tolist() == [1, 2]
    assert read_results(truth.folder.parent) is None


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_read_written_and_read_is_the_same(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    content = results_json(truth, version)[0]
    results = parse_results(put(truth.folder, NAMES[version], content))
    path = write_results(truth.folder, results, now=datetime(2026, 3, 4, 5, 6, 7))
    assert path.name == ("all_parameters_20260304_050607.json" if version == "v1" else NAMES["v2"])
    again = json.loads(path.read_text())
    for name, rows in content["human_params_raw"].items():
        for frame, row in rows.items():
            np.testing.assert_allclose(again["human_params_raw"][name][frame], np.ravel(row), atol=1e-12)
    again.pop("human_params_raw")
    content.pop("human_params_raw")
    rounded = json.loads(json.dumps(content), parse_int=float)
    assert json.loads(json.dumps(again), parse_int=float) == rounded


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_person_and_object_stay_together_in_the_world(make_session: Callable[..., Any], version: str) -> None:
    truth = make_session(version)
    content, turns, centers = results_json(truth, version)
    results = parse_results(put(truth.folder, NAMES[version], content))
    write_results(truth.folder, results)
    final = json.loads((truth.folder / "final_optimized_parameters/transformed_parameters_final.json").read_text())
    human, item = final["human_params_transformed"], final["object_params_transformed"]
    # the person was not optimised here, so it must come out where GVHMR has it in its world, from frame 1 on
    np.testing.assert_allclose(human["transl"]["3"], truth.world["transl"][3], atol=1e-9)
    np.testing.assert_allclose(item["R_total"]["3"], truth.turn @ turns[2].as_matrix(), atol=1e-9)
    np.testing.assert_allclose(item["T_total"]["3"], truth.turn @ centers[2] + truth.move, atol=1e-9)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_motions_object_survives_the_way_there_and_back(
    make_session: Callable[..., Any], carrying_motion: Callable[..., Motion], version: Any
) -> None:
    truth, motion = make_session(version), carrying_motion()
    order, placement = VertexOrder.of(truth.folder / "obj_org.obj"), read_placement(truth.folder)
    mesh = Mesh(truth.vertices * truth.scale * truth.object_scale, truth.faces)
    item = motion.objects[0]
    motion = motion.replace(objects=(MotionObject("box", mesh, item.position_w, item.rotation_w),))
    camera = Camera.look_at(np.array([3.0, 1.0, 1.5]), np.array([0.0, 0.0, 1.0]), 64, 48)
    results, notes = results_of(
        motion, camera, order.vertices, placement, object_scale=truth.object_scale, first_frame=4, version=version
    )
    assert "mean one" in notes[0]
    write_results(truth.folder, results)
    again = read_results(truth.folder)
    assert again is not None
    assert again.frames.tolist() == list(range(4, 16))
    position, rotation = again.object_poses_c(order.vertices, placement, truth.object_scale)
    np.testing.assert_allclose(camera.to_world(position), item.position_w, atol=1e-9)
    turned = rotations.multiply(np.tile(camera.rotation_w, (12, 1)), rotation)
    assert rotations.angle_between(turned, item.rotation_w).max() < 1e-9


def test_placements_of_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "output/obj_poses.json"
    path.parent.mkdir()
    first = {"scale": 0.5, "center": [[0, 0, 1], [0, 0, 2]], "rotation": np.tile(np.eye(3), (2, 1, 1)).tolist(), "x": 1}
    for content, version in ((first, "v1"), ({"scale": 2.0, "t": [1, 2, 3.5]}, "v2")):
        path.write_text(json.dumps(content))
        placement = Placement.read(path)
        assert placement.version == version
        placement.write(tmp_path / "copy.json")
        assert json.loads((tmp_path / "copy.json").read_text()) == content
    path.write_text(json.dumps({"scale": 0, "t": [[1, 2, 3], [1, 2, 3]]}))
    placement = Placement.read(path)
    assert placement.scale == 1.0  # a 0 means that no scale was found
    assert placement.shift_c is not None
    assert placement.shift_c.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"scale": -1}, "scale is -1"), ({"scale": "1"}, "scale is '1'"), ({"scale": 1, "t": [1, 2]}, "t is no list"),
        ({"center": [[0, 0, None]]}, "center is not finite at row 0"), ([1], "expected a JSON object"),
    ],
)  # fmt: skip
def test_a_broken_placement_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "obj_poses.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=message):
        Placement.read(tmp_path / "obj_poses.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("object_params_raw"), "no 'object_params_raw'"),
        (lambda c: c["object_params_raw"]["poses"].pop("3"), "poses of frame 3 is missing"),
        (lambda c: c["object_params_raw"]["poses"].update({"3": np.ones((3, 3)).tolist()}), "no rotation at frame 3"),
        (lambda c: c["human_params_raw"]["betas"].update({"2": [1.0]}), "betas of frame 2"),
        (lambda c: c["human_params_raw"]["transl"].update({"2": [1, None, 2]}), "transl of frame 2 is not finite"),
        (lambda c: c["human_params_raw"]["body_pose"].pop("4"), "lacks frame 4"),
        (lambda c: c["smpl_params_global_subset"].update(transl=[[0, 0, 0]]), "transl has fewer frames"),
        (lambda c: c["metadata"]["frame_range"].update(start=0), "starts at 0"),
    ],
)
def test_broken_results_give_one_line(make_session: Callable[..., Any], change: Any, message: str) -> None:
    truth = make_session()
    content = results_json(truth, "v2")[0]
    change(content)
    path = put(truth.folder, NAMES["v2"], content)
    with pytest.raises(FormatError, match=message) as caught:
        parse_results(path)
    assert "all_parameters_latest.json" in str(caught.value)
