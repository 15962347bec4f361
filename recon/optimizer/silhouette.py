"""Silhouettes of triangle meshes, differentiable in the vertices' pixels.

What a pixel shows changes with the mesh only along the outline, so only there is anything computed: a scan-line pass
without gradients fills the silhouette, edges that have all their triangles on one side and nothing behind the other are
its outline, and pixels within a pixel and a half of it take their value from the signed distance to its nearest edge,
through which the gradient flows to the edge's two vertices. This is what anti-aliasing does in nvdiffrast (Laine et al.
2020), for outlines and on any device; a soft rasteriser (Liu et al. 2019) spends the same on every pixel under every
triangle, and swells where triangles overlap. Neither closed nor consistently wound meshes are needed.
"""

from __future__ import annotations

import functools
from typing import Protocol

import numpy as np
import torch

from sim.errors import MissingDependencyError

_SOFT = 1.5
"""px on both sides of the outline over which the silhouette passes from 1 to 0."""
_PIECE = 2.0
"""px; longer outline edges are cut into pieces, each looked for in a window of fixed size."""


class SilhouetteRenderer(Protocol):
    """Draws the silhouettes of one mesh in N frames."""

    def __call__(self, pixels: torch.Tensor, faces: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Vertices as pixels [N, V, 2] (NaN where behind the camera), faces [F, 3] -> [N, H, W] in 0..1."""


def outline_renderer(pixels: torch.Tensor, faces: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The `SilhouetteRenderer` that needs nothing but torch; made for the CPU."""
    with torch.no_grad():
        filled = fill(pixels, faces, height, width)
        flat, first, second, along = _nearest_outline(pixels.detach(), faces, filled)
    frame = flat // (height * width)
    centre = _pixel_centres(flat, height, width, pixels)
    place = (1 - along) * pixels[frame, first] + along * pixels[frame, second]
    distance = ((centre - place).square().sum(-1) + 1e-12).sqrt()
    inside = filled.flatten()[flat]
    signed = torch.where(inside, distance, -distance) / _SOFT
    t = 0.5 + 0.5 * signed.clamp(-1.0, 1.0)
    return filled.to(pixels).flatten().index_put((flat,), t * t * (3 - 2 * t)).reshape(filled.shape)


def fill(pixels: torch.Tensor, faces: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pixels whose centre some triangle covers: [N, V, 2], [F, 3] -> bool [N, H, W]. By scan lines, without gradients.

    Each triangle adds +1 where a row enters it and -1 where the row leaves it; the running sum counts the triangles.
    """
    frames = len(pixels)
    corners = pixels[:, faces].flatten(0, 1)  # [M, 3, 2]
    frame = torch.arange(frames, device=pixels.device).repeat_interleave(len(faces))
    seen = torch.isfinite(corners).all(-1).all(-1)
    corners, frame = corners[seen], frame[seen]
    low = (corners[..., 1].amin(-1) - 0.5).ceil().clamp(0, height).long()
    high = (corners[..., 1].amax(-1) - 0.5).ceil().clamp(0, height).long()
    rows = high - low
    triangle = torch.repeat_interleave(rows)
    row = low[triangle] + torch.arange(len(triangle), device=pixels.device) - (rows.cumsum(0) - rows)[triangle]
    y = row.to(pixels) + 0.5
    ends = pixels.new_full((2, len(triangle)), torch.inf)
    a = corners[triangle]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        (xa, ya), (xb, yb) = a[:, i].unbind(-1), a[:, j].unbind(-1)
        crosses = (torch.minimum(ya, yb) <= y) & (y < torch.maximum(ya, yb))
        x = torch.where(crosses, xa + (y - ya) * (xb - xa) / torch.where(crosses, yb - ya, 1.0), torch.inf)
        ends[0] = torch.minimum(ends[0], x)
        ends[1] = torch.minimum(ends[1], torch.where(crosses, -x, torch.inf))
    columns = (torch.stack((ends[0], -ends[1])) - 0.5).ceil().clamp(0, width).long()
    base = (frame[triangle] * height + row) * (width + 1)
    change = torch.zeros(frames * height * (width + 1), dtype=torch.int32, device=pixels.device)
    one = torch.ones_like(base, dtype=torch.int32)
    change.index_add_(0, base + columns[0], one).index_add_(0, base + columns[1], -one)
    return change.reshape(frames, height, width + 1).cumsum(-1)[..., :width] > 0


def _pixel_centres(flat: torch.Tensor, height: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Centres [M, 2] (x, y) of pixels by their flat index in [N, H, W]."""
    return torch.stack((flat % width, flat // width % height), -1).to(like) + 0.5


def _nearest_outline(
    pixels: torch.Tensor, faces: torch.Tensor, filled: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels within `_SOFT` of the outline, and where on it their nearest point lies.

    Returns:
        flat [M], index into [N, H, W]; first, second [M], the nearest edge's vertices; along [M, 1], how far from the
        first to the second.
    """
    height, width = filled.shape[1:]
    frame, edge, start, stop = _outline_pieces(pixels, faces, filled)
    ends = _edges(faces)[0][edge]
    a, b = pixels[frame, ends[:, 0]], pixels[frame, ends[:, 1]]
    reach = int(np.ceil(_SOFT + 0.5 * _PIECE))
    span = torch.arange(-reach, reach + 1, device=pixels.device)
    window = torch.stack(torch.meshgrid(span, span, indexing="xy"), -1).reshape(-1, 2)
    middle = a + 0.5 * (start + stop)[:, None] * (b - a)
    cell = middle.floor().long()[:, None] + window  # [P, W, 2]
    way = b - a
    t = ((cell.to(pixels) + 0.5 - a[:, None]) * way[:, None]).sum(-1) / way.square().sum(-1).clamp_min(1e-12)[:, None]
    t = torch.minimum(torch.maximum(t, start[:, None]), stop[:, None])
    distance = (cell.to(pixels) + 0.5 - a[:, None] - t[..., None] * way[:, None]).norm(dim=-1)
    on_image = (cell >= 0).all(-1) & (cell[..., 0] < width) & (cell[..., 1] < height)
    piece, place = ((distance < _SOFT) & on_image).nonzero(as_tuple=True)
    distance, t, cell = distance[piece, place], t[piece, place], cell[piece, place]
    flat = (frame[piece] * height + cell[:, 1]) * width + cell[:, 0]
    nearest = pixels.new_full((filled.numel(),), torch.inf).scatter_reduce(0, flat, distance, "amin")
    wins = distance == nearest[flat]
    winner = torch.full((filled.numel(),), -1, device=pixels.device)
    winner[flat[wins]] = wins.nonzero()[:, 0]
    found = (winner >= 0).nonzero()[:, 0]
    chosen = winner[found]
    return found, ends[piece[chosen], 0], ends[piece[chosen], 1], t[chosen, None]


def _outline_pieces(pixels: torch.Tensor, faces: torch.Tensor, filled: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Pieces of the edges that bound the silhouette.

    Returns:
        frame [P], edge [P], and start and stop [P], shares of the edge's length.
    """
    height, width = filled.shape[1:]
    edges, opposite = _edges(faces)
    a, b = pixels[:, edges[:, 0]], pixels[:, edges[:, 1]]
    way, third = b - a, pixels[:, opposite] - a[:, :, None]  # [N, E, 2], [N, E, D, 2]
    side = way[:, :, None, 0] * third[..., 1] - way[:, :, None, 1] * third[..., 0]
    low, high = side.amin(-1), side.amax(-1)
    frame, edge = ((low >= 0) | (high <= 0)).nonzero(as_tuple=True)  # false for NaN
    way = way[frame, edge]
    turned = torch.stack((way[:, 1], -way[:, 0]), -1)  # points away from a third corner with positive `side`
    outward = torch.where((high > 0)[frame, edge, None], turned, -turned)
    length = way.norm(dim=-1)
    outward = outward / length.clamp_min(1e-9)[:, None]
    counts = (length / _PIECE).ceil().clamp(1, height + width).long()
    index = torch.repeat_interleave(counts)
    step = torch.arange(len(index), device=pixels.device) - (counts.cumsum(0) - counts)[index]
    start, stop = step.to(pixels) / counts[index], (step + 1).to(pixels) / counts[index]
    frame, edge, outward = frame[index], edge[index], outward[index]
    middle = pixels[frame, edges[edge, 0]] + 0.5 * (start + stop)[:, None] * way[index]
    probe = (middle + outward).floor()
    bound = torch.tensor([width, height], device=pixels.device)
    on_image = ((middle > -2 * _PIECE) & (middle < bound + 2 * _PIECE)).all(-1)
    beside = ((probe >= 0) & (probe < bound)).all(-1)
    x, y = probe.clamp(min=0).minimum(bound - 1.0).long().unbind(-1)
    keep = on_image & ~(beside & filled[frame, y, x])
    return frame[keep], edge[keep], start[keep], stop[keep]


def _edges(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges [E, 2] of a mesh, and the third corners [E, D] of the triangles at each (repeated where fewer than D)."""
    return _edge_table(faces.cpu().numpy().tobytes(), str(faces.device))


@functools.lru_cache(maxsize=16)
def _edge_table(faces: bytes, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    f = np.frombuffer(faces, np.int64).reshape(-1, 3)
    pairs = np.concatenate((f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]))
    thirds = np.concatenate((f[:, 2], f[:, 0], f[:, 1]))
    edges, index = np.unique(np.sort(pairs, 1), axis=0, return_inverse=True)
    index = index.reshape(-1)
    order = np.argsort(index, kind="stable")
    counts = np.bincount(index)
    starts = np.cumsum(counts) - counts
    columns = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
    opposite = thirds[order][starts[:, None] + columns]
    return torch.as_tensor(edges.copy(), device=device), torch.as_tensor(opposite, device=device)


class NvdiffrastRenderer:
    """The `SilhouetteRenderer` by nvdiffrast: draws on the GPU, wherever the rest is. Never run here: no GPU at hand.

    Raises:
        MissingDependencyError: nvdiffrast is not installed.
    """

    def __init__(self) -> None:
        try:
            import nvdiffrast.torch as dr
        except ImportError as error:
            raise MissingDependencyError(
                "nvdiffrast", "the silhouette renderer 'nvdiffrast'", "git+https://github.com/NVlabs/nvdiffrast"
            ) from error
        self._dr, self._context = dr, dr.RasterizeCudaContext()

    def __call__(self, pixels: torch.Tensor, faces: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `SilhouetteRenderer`."""
        clip = clip_coordinates(pixels, height, width).cuda()
        triangles = faces.to(clip.device, torch.int32)
        raster, _ = self._dr.rasterize(self._context, clip, triangles, (height, width))
        covered = (raster[..., 3:] > 0).to(clip)
        drawn: torch.Tensor = self._dr.antialias(covered, raster, clip, triangles)
        return drawn[..., 0].to(pixels)


def clip_coordinates(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pixels [N, V, 2] as OpenGL's clip coordinates [N, V, 4], row 0 of the image first; NaN goes out of sight."""
    size = pixels.new_tensor([width, height])
    unit = torch.nan_to_num(2 * pixels / size - 1, nan=-1e4).float()
    flat = torch.zeros_like(unit[..., :1])
    return torch.cat((unit, flat, flat + 1), -1).contiguous()
