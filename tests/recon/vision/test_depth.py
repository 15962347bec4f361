"""Depth alignment against scenes whose depth is known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from recon.vision.depth import DepthAnything, DepthMaps, align_depth, depth_at, depth_in_mask
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


def test_depth_at_pixels_counts_within_the_masks_alone() -> None:
    depth, pixels, metres = _scene()
    maps = DepthMaps(2 * depth, "metric", "generated")
    asked = np.full((FRAMES, 3, 2), np.nan)
    asked[:, 0], asked[1, 1], asked[2, 2] = [30.5, 20.5], [10.5, 40.5], [70.0, 20.0]
    masks = np.zeros(depth.shape, bool)
    masks[:3, 15:30, 25:40] = True
    found = depth_at(maps, align_depth(maps, pixels, metres, WIDTH, HEIGHT), asked, WIDTH, HEIGHT, masks)
    np.testing.assert_allclose(found[:3, 0], depth[:3, 20, 30], atol=1e-6)
    assert np.isnan(found[3, 0]), "no mask there"
    assert np.isnan(found[:, 1:]).all(), "beside the mask, outside of the image"


def test_maps_are_what_they_say() -> None:
    with pytest.raises(FormatError, match=r"must be \[T, H, W\], got \[4, 5\]"):
        DepthMaps(np.ones((4, 5)), "metric", "generated")
    with pytest.raises(UnknownNameError, match="inverse, metric"):
        DepthMaps(np.ones((3, 4, 5)), "disparity", "generated")  # type: ignore[arg-type]


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_depth_anything_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        DepthAnything("nowhere")


def test_a_depth_network_runs_from_a_local_folder(tiny_depth_network: Path) -> None:
    """A tiny one, the same value everywhere: only the way through the adapter is tested."""
    maps = DepthAnything(tiny_depth_network)([np.zeros((20, 30, 3), np.uint8)] * 2)
    assert maps.values.shape == (2, 28, 28)
    np.testing.assert_allclose(maps.values, 0.5, rtol=1e-6)
    assert maps.kind == "inverse"
    with pytest.raises(ReconstructionError, match="nowhere holds no model for depth"):
        DepthAnything(tiny_depth_network / "nowhere")
