"""Depth alignment and object size against scenes whose depth and size are known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from recon.camera import default_intrinsics
from recon.vision.depth import (
    DepthAnything,
    DepthMaps,
    align_depth,
    contact_depth,
    depth_in_mask,
    estimate_scale,
    read_depth,
)
from sim.errors import FormatError, MissingDependencyError, ReconstructionError, UnknownNameError

WIDTH, HEIGHT, FRAMES, POINTS = 64, 48, 4, 40


def _scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True depth [T, H, W] m of a tilted wall, body points' pixels [T, P, 2] and their depth [T, P]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    depth = np.stack([2.0 + 0.02 * columns + 0.01 * rows + 0.1 * t for t in range(FRAMES)])
    pixels = rng.uniform([0, 0], [WIDTH, HEIGHT], (FRAMES, POINTS, 2))
    x, y = np.moveaxis(pixels.astype(int), -1, 0)
    return depth, pixels, depth[np.arange(FRAMES)[:, None], y, x]


@pytest.mark.parametrize("kind", ["metric", "inverse"])
@pytest.mark.parametrize("per_frame", [False, True])
def test_scale_and_shift_come_back_despite_wrong_points(kind: str, per_frame: bool) -> None:
    depth, pixels, metres = _scene()
    scale, shift = (0.7, -0.3) if kind == "metric" else (0.05, 0.02)
    values = ((depth if kind == "metric" else 1 / depth) - shift) / scale
    spoilt = metres.copy()
    spoilt[:, ::8] += 3.0  # an eighth of the points lies on something else
    spoilt[0, 1] = np.nan
    maps = DepthMaps(values, kind, "generated")  # type: ignore[arg-type]
    found = align_depth(maps, pixels, spoilt, WIDTH, HEIGHT, per_frame)
    np.testing.assert_allclose(found.scale, scale, rtol=0.03)
    for frame in range(FRAMES):
        assert np.abs(found.metres(values[frame], frame) - depth[frame]).max() < 0.06
    assert (found.residual < 0.03).all()


def test_maps_of_another_resolution_are_met_in_the_right_place() -> None:
    depth, pixels, metres = _scene()
    half = DepthMaps(depth[:, ::2, ::2], "metric", "generated")
    found = align_depth(half, pixels, metres, WIDTH, HEIGHT)
    assert found.scale[0] == pytest.approx(1.0, abs=0.03)


def test_inverse_maps_taken_for_depth_are_noticed() -> None:
    depth, pixels, metres = _scene()
    with pytest.raises(ReconstructionError, match="do not agree with the body; are they metric depth"):
        align_depth(DepthMaps(1 / depth, "metric", "generated"), pixels, metres, WIDTH, HEIGHT)


def test_too_few_points_are_said() -> None:
    depth, pixels, metres = _scene()
    pixels[:, 2:] = np.nan
    pixels[1:] = np.nan
    with pytest.raises(ReconstructionError, match="fewer than three points"):
        align_depth(DepthMaps(depth, "metric", "generated"), pixels, metres, WIDTH, HEIGHT)


def test_depth_in_a_mask_is_the_median_there() -> None:
    depth, pixels, metres = _scene()
    maps = DepthMaps(depth, "metric", "generated")
    masks = np.zeros(depth.shape, bool)
    masks[:3, 10:20, 30:41] = True
    found = depth_in_mask(maps, align_depth(maps, pixels, metres, WIDTH, HEIGHT), masks)
    np.testing.assert_allclose(found[:3], [2.0 + 0.02 * 35 + 0.01 * 14.5 + 0.1 * t for t in range(3)], atol=1e-6)
    assert np.isnan(found[3])


def test_contacts_give_the_depth_without_a_network() -> None:
    points = np.zeros((3, 2, 3))
    points[..., 2] = [[2.0, 2.4], [3.0, 9.0], [5.0, 5.0]]
    active = np.array([[True, True], [True, False], [False, False]])
    np.testing.assert_allclose(contact_depth(points, active), [2.2, 3.0, np.nan])


def test_a_rod_seen_from_the_side_tells_its_length() -> None:
    """0.8 m at 2.5 m depth, turned towards the camera in most frames; the mesh is in millimetres and 1 m long."""
    camera = default_intrinsics(320, 240)
    rng = np.random.default_rng(0)
    angles = np.radians([0, 5, 20, 40, 60, 75])
    masks = np.zeros((6, 240, 320), bool)
    for frame, angle in enumerate(angles):
        half = 0.4 * np.cos(angle) * camera[0, 0] / 2.5
        masks[frame, 118:122, round(160 - half) : round(160 + half)] = True
    depth = np.full(6, 2.5) + rng.normal(0, 0.01, 6)
    rod = np.array([[x, y, z] for x in (0, 1000) for y in (-5, 5) for z in (-5, 5)], float)
    found = estimate_scale(masks, depth, camera, rod, "generated")
    assert found.scale == pytest.approx(0.8e-3, rel=0.03)
    assert found.num_frames == 6
    assert found.spread > 0.2, "the turned frames differ, and that is said"


def test_a_mask_at_the_border_tells_nothing() -> None:
    masks = np.zeros((1, 48, 64), bool)
    masks[0, 20:30, :12] = True
    with pytest.raises(ReconstructionError, match="give object_scale yourself"):
        estimate_scale(masks, np.ones(1), default_intrinsics(64, 48), np.eye(3), "generated")


def test_depth_files(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.ones((3, 4, 5), np.float32))
    assert read_depth(tmp_path / "depth.npy").values.shape == (3, 4, 5)
    np.save(tmp_path / "flat.npy", np.ones((4, 5)))
    with pytest.raises(FormatError, match=r"must be \[T, H, W\], got \[4, 5\]"):
        read_depth(tmp_path / "flat.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FormatError, match="not a NumPy array"):
        read_depth(tmp_path / "broken.npy")
    with pytest.raises(UnknownNameError, match="inverse, metric"):
        read_depth(tmp_path / "depth.npy", "disparity")  # type: ignore[arg-type]


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_depth_anything_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        DepthAnything("nowhere")


def test_depth_anything_runs_from_a_local_folder(tmp_path: Path) -> None:
    """A tiny network with random weights: only the way through the adapter is tested."""
    transformers = pytest.importorskip("transformers", reason="transformers is an optional extra")
    backbone = transformers.Dinov2Config(
        hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=8, patch_size=14, neck_hidden_sizes=[4, 4, 4, 4],
        fusion_hidden_size=8, head_in_channels=8, head_hidden_size=4, depth_estimation_type="relative",
    )  # fmt: skip
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path)
    transformers.DPTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(tmp_path)
    maps = DepthAnything(tmp_path)([np.zeros((20, 30, 3), np.uint8)] * 2)
    assert maps.values.shape == (2, 20, 30)
    assert maps.kind == "inverse"
    with pytest.raises(ReconstructionError, match="holds no depth network"):
        DepthAnything(tmp_path / "nowhere")
