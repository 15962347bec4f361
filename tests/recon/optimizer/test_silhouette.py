"""Filled silhouettes against exact areas and point-in-polygon, soft ones against finite differences."""

import sys

import numpy as np
import pytest
import torch
import trimesh

from recon.optimizer.silhouette import NvdiffrastRenderer, clip_coordinates, fill, outline_renderer
from sim.errors import MissingDependencyError


def _sphere(centre: tuple[float, float], radius: float, frames: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """An icosphere seen from far away: pixels [N, V, 2], one pixel farther right in each frame, and faces."""
    mesh = trimesh.creation.icosphere(3, radius=radius)
    pixels = torch.as_tensor(np.asarray(mesh.vertices)[:, :2] + np.array(centre))
    shift = torch.arange(frames, dtype=torch.float64)[:, None, None] * torch.tensor([1.0, 0.0], dtype=torch.float64)
    return pixels[None] + shift, torch.as_tensor(np.array(mesh.faces))


def test_a_triangle_covers_the_centres_inside_it() -> None:
    corners = np.array([[2.2, 1.1], [17.4, 5.9], [6.3, 15.8]])
    filled = fill(torch.as_tensor(corners[None]), torch.tensor([[0, 1, 2]]), 18, 20)[0].numpy()
    y, x = np.mgrid[:18, :20] + 0.5

    def side(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > 0)

    expected = np.all([side(corners[i], corners[(i + 1) % 3]) for i in range(3)], axis=0)
    np.testing.assert_array_equal(filled, expected)


def test_a_disc_of_the_right_size_in_every_frame() -> None:
    pixels, faces = _sphere((30.2, 24.7), 15.0, frames=3)
    drawn = outline_renderer(pixels, faces, 50, 70)
    np.testing.assert_allclose(drawn.sum((1, 2)).numpy(), np.pi * 15.0**2, rtol=0.01)
    np.testing.assert_allclose(drawn[1, :, 1:].numpy(), drawn[0, :, :-1].numpy(), atol=1e-9)


def test_soft_over_a_pixel_and_a_half() -> None:
    pixels, faces = _sphere((30.2, 24.7), 15.0)
    drawn = outline_renderer(pixels, faces, 50, 60)[0].numpy()
    y, x = np.mgrid[:50, :60] + 0.5
    depth = np.clip((15.0 - np.hypot(x - 30.2, y - 24.7)) / 1.5, -1, 1) / 2 + 0.5
    np.testing.assert_allclose(drawn, depth**2 * (3 - 2 * depth), atol=0.08)


def test_inner_edges_leave_no_trace() -> None:
    # a small square in front of a large one: only the large one's outline counts
    large = np.array([[5.0, 5.0], [35.0, 5.0], [35.0, 35.0], [5.0, 35.0]])
    both = torch.as_tensor(np.concatenate((large, large * 0.3 + 14.0)))[None]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    drawn = outline_renderer(both, faces, 40, 40)
    assert float(drawn[0, 8:32, 8:32].min()) == 1.0
    torch.testing.assert_close(drawn, outline_renderer(both[:, :4], faces[:2], 40, 40))


def test_gradient_by_finite_differences() -> None:
    pixels, faces = _sphere((14.3, 12.6), 8.0)
    target = outline_renderer(_sphere((16.1, 13.2), 7.0)[0], faces, 26, 30)

    def loss(p: torch.Tensor) -> torch.Tensor:
        return (outline_renderer(p, faces, 26, 30) - target).square().sum()

    gradient = torch.autograd.functional.jacobian(loss, pixels)
    rng = np.random.default_rng(0)
    for _ in range(6):  # directions that move the whole mesh smoothly, so that no outline edge is handed over
        matrix, shift = torch.as_tensor(rng.normal(size=(2, 2)) * 0.1), torch.as_tensor(rng.normal(size=2))
        way = (pixels - pixels.mean(1, keepdim=True)) @ matrix + shift
        slope = (loss(pixels + 1e-5 * way) - loss(pixels - 1e-5 * way)) / 2e-5
        assert float((gradient * way).sum()) == pytest.approx(float(slope), rel=0.03, abs=0.3)


def test_descending_the_gradient_finds_the_place() -> None:
    target_pixels, faces = _sphere((20.0, 18.0), 9.0)
    target = outline_renderer(target_pixels, faces, 36, 40)
    start, _ = _sphere((14.0, 15.0), 9.0)
    shift = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.5)
    for step in range(80):
        optimizer.param_groups[0]["lr"] = 0.5 * 0.96**step
        optimizer.zero_grad()
        (outline_renderer(start + shift, faces, 36, 40) - target).square().sum().backward()
        optimizer.step()
    np.testing.assert_allclose(shift.detach().numpy(), [6.0, 3.0], atol=0.1)


def test_what_lies_outside_or_behind_is_left_out() -> None:
    pixels, faces = _sphere((0.0, 12.0), 8.0)
    drawn = outline_renderer(pixels, faces, 24, 24)
    np.testing.assert_allclose(float(drawn.sum()), np.pi * 32.0, rtol=0.03)
    assert not outline_renderer(pixels + 1000.0, faces, 24, 24).any()
    assert not outline_renderer(torch.full_like(pixels, torch.nan), faces, 24, 24).any()


def test_clip_coordinates() -> None:
    clip = clip_coordinates(torch.tensor([[[0.0, 0.0], [40.0, 30.0], [torch.nan, 1.0]]]), 30, 40)
    torch.testing.assert_close(clip[0, :2], torch.tensor([[-1.0, -1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]]))
    assert torch.isfinite(clip).all()


def test_nvdiffrast_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        NvdiffrastRenderer()
