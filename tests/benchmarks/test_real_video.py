"""The checked-in annotations of the real videos, the objects made for them, and one clip from end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from benchmarks.real_objects import GENERATED
from benchmarks.real_video import ANNOTATIONS, CLIPS, as_table, measure, object_mesh, run_clip
from recon.annotations import Annotations, from_json, read_json
from recon.pipeline import ReconstructConfig
from recon.vision.video import scan_video, select_frames
from sim.meshes import check_mesh
from sim.motion import Motion
from sim.objects import Shape


def test_every_clip_has_annotations_and_every_file_its_clip() -> None:
    assert {path.stem for path in ANNOTATIONS.glob("*.json")} == set(CLIPS)


@pytest.mark.parametrize("name", CLIPS)
def test_annotations_are_valid_and_lie_in_the_clips_frames(name: str) -> None:
    """Loading checks keypoint names, frames and fields; points without a mesh at hand name their vertex alone."""
    clip, content = CLIPS[name], read_json(ANNOTATIONS / f"{name}.json")
    rows = content["contacts"] + content["image_points"]
    for row in rows:
        if "vertex" in row:
            row["point"] = [0.0, 0.0, 0.0]
    found = from_json(content)
    assert found.start_frame == clip.first
    assert clip.first <= found.contacts.first_frame.min()
    assert found.contacts.last_frame.max() < clip.end
    frames = np.flatnonzero(found.image_points.visible.any(1))
    assert clip.first <= frames.min()
    assert frames.max() < clip.end
    assert {click.target for click in found.clicks if click.positive} == {"object", "human"}
    assert all(clip.first <= click.frame < clip.end for click in found.clicks)


@pytest.mark.parametrize("name", [name for name, clip in CLIPS.items() if clip.object in GENERATED])
def test_contacts_and_image_points_lie_on_the_generated_object(name: str) -> None:
    mesh = object_mesh(CLIPS[name], Path())
    found = Annotations.load(ANNOTATIONS / f"{name}.json", mesh)
    points = np.concatenate([found.contacts.points_b, found.image_points.points_b])
    gap = np.abs(Shape.of(mesh).signed_distance(points))
    assert gap.max() < 0.022  # the middle of a racket's handle lies 16 mm under its surface


@pytest.mark.parametrize("name", GENERATED)
def test_generated_objects_are_closed_and_of_real_size(name: str) -> None:
    mesh = GENERATED[name]()
    check_mesh(mesh)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.volume > 0
    sizes = {"racket": (0.685, 0.26), "guitar": (1.045, 0.396), "football": (0.22, 0.22)}
    assert np.allclose(solid.extents[:2], sizes[name], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_points_name_vertices_and_pixels_of_the_video(name: str, data: Path) -> None:
    clip = CLIPS[name]
    info = scan_video(data / clip.video)
    found = Annotations.load(ANNOTATIONS / f"{name}.json", object_mesh(clip, data), info.num_frames)
    pixels = found.image_points.pixels[found.image_points.visible]
    assert (pixels >= 0).all()
    assert (pixels < [info.width, info.height]).all()
    assert select_frames(info, clip.first, clip.end) == range(clip.first, clip.end)
    assert found.num_frames == read_json(ANNOTATIONS / f"{name}.json")["num_frames"]


@pytest.mark.slow
def test_the_spear_comes_back_in_the_hand_and_on_its_pixels(data: Path, tmp_path: Path) -> None:
    """From video to motion with the shipped parts, a third of the clip; the weights must have been fetched."""
    pytest.importorskip("ai_edge_litert")
    usual = ReconstructConfig()
    config = replace(
        usual,
        preprocess=replace(usual.preprocess, first=20, end=32),
        solve=replace(usual.solve, optimizer=replace(usual.solve.optimizer, iterations=15)),
        overlay=replace(usual.overlay, width=480),
    )
    found, seconds = run_clip("spear", data, tmp_path / "spear", config)
    report = found.report
    assert Motion.load(found.motion_path).num_frames == 12
    assert found.overlay_path is not None
    assert scan_video(found.overlay_path).num_frames == 12
    assert {"person", "body", "masks", "tracks"} < set(seconds)
    assert report["final_image_residual_px"] < 15
    assert [*report["contact_mm"].values()][-1] < 30
    assert "jerk" in as_table({"spear": measure(found, seconds)})
