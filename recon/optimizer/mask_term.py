"""Eqs. 13 to 17 on key frames: what the reduced body and object cover in the image against the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from recon.camera import Camera
from recon.optimizer import losses
from recon.optimizer.config import LossWeights
from recon.optimizer.distance_field import reduce_mesh
from recon.optimizer.silhouette import SilhouetteRenderer
from sim import primitives, rotations
from sim.errors import ReconstructionError
from sim.geometry import Geometry, Mesh

_COARSEN = 4
"""The published code's: silhouettes are compared at a quarter of the video's resolution, or lower."""
_MARGIN = 0.15
"""Share of the size of what is seen by which the compared part of the image is larger."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Where person and object are seen in T frames: [T, H, W] bool each. A frame without any pixel is not compared."""

    human: np.ndarray
    object: np.ndarray

    def __post_init__(self) -> None:
        for name in ("human", "object"):
            shape = np.shape(getattr(self, name))
            if len(shape) != 3 or shape != self.human.shape:
                raise ReconstructionError(f"masks: of the {name} {list(shape)}, expected [T, H, W], alike for both")


@dataclass(frozen=True, eq=False)
class MaskTerm:
    """Masks, their edge weights and the camera of the image part in which anything is, for N key frames."""

    camera: Camera
    renderer: SilhouetteRenderer
    num_pixels: float
    human: torch.Tensor
    object: torch.Tensor
    human_weight: torch.Tensor
    object_weight: torch.Tensor
    human_faces: torch.Tensor
    object_vertices_b: torch.Tensor
    object_faces: torch.Tensor

    @staticmethod
    def of(
        masks: Masks, camera: Camera, frames: np.ndarray, human_faces: torch.Tensor, geometry: Geometry,
        object_faces: int, size: int, renderer: SilhouetteRenderer,
        vertices_w: torch.Tensor, position_w: torch.Tensor, rotation_w: torch.Tensor,
    ) -> MaskTerm:  # fmt: skip
        """Cut to what masks and starting poses cover, and shrunk to `size` pixels.

        Args:
            camera: of the key frames; frames: their numbers, which pick the masks.
            vertices_w: [N, V, 3] m, the body; position_w [N, 3], rotation_w [N, 4]: the object, at the start.
        """
        if isinstance(geometry, Mesh):
            corners, triangles = reduce_mesh(geometry, object_faces)
        else:
            mesh = primitives.to_trimesh(geometry)
            corners, triangles = np.asarray(mesh.vertices), np.asarray(mesh.faces)
        vertices_b = torch.as_tensor(np.array(corners)).to(vertices_w)
        item_w = position_w[:, None] + rotations.rotate(rotation_w[:, None], vertices_b)
        with torch.no_grad():
            drawn = camera.project_world(torch.cat((vertices_w, item_w), 1)).reshape(-1, 2).numpy()
        human, item = masks.human[frames], masks.object[frames]
        left, top, right, bottom = _part(drawn, (human | item).any(0), camera)
        cut = camera.cropped(left, top, right - left, bottom - top)
        factor = max(_COARSEN, max(cut.width, cut.height) / size)
        cut = cut.resized(max(1, round(cut.width / factor)), max(1, round(cut.height / factor)))
        seen, item = (_shrunk(m[:, top:bottom, left:right], cut.height, cut.width, vertices_w) for m in (human, item))
        return MaskTerm(
            camera=cut,
            renderer=renderer,
            num_pixels=camera.width * camera.height / factor**2,
            human=seen,
            object=item,
            human_weight=losses.edge_distance_weight(seen),
            object_weight=losses.edge_distance_weight(item),
            human_faces=human_faces,
            object_vertices_b=vertices_b,
            object_faces=torch.as_tensor(np.array(triangles), device=vertices_w.device),
        )

    def __call__(
        self, vertices_w: torch.Tensor, position_w: torch.Tensor, rotation_w: torch.Tensor, weights: LossWeights
    ) -> dict[str, torch.Tensor]:
        """Eq. 17, by its two parts, each [N]; frames in which a mask is empty count for nothing in its half."""
        item_w = position_w[:, None] + rotations.rotate(rotation_w[:, None], self.object_vertices_b)
        area, edge = torch.zeros(()), torch.zeros(())
        for points_w, faces, mask, other, weight, share in (
            (vertices_w, self.human_faces, self.human, self.object, self.human_weight, weights.mask_human),
            (item_w, self.object_faces, self.object, self.human, self.object_weight, weights.mask_object),
        ):
            drawn = self.renderer(self.camera.project_world(points_w), faces, self.camera.height, self.camera.width)
            drawn = losses.visible_silhouette(drawn, other)
            seen = share * (mask.amax((-2, -1)) > 0.5)
            area = area + weights.mask_area * seen * losses.mask_loss(drawn, mask, self.num_pixels)
            if weights.mask_edge:
                edge = edge + weights.mask_edge * seen * losses.edge_loss(drawn, weight)
        return {"mask": area, "edge": edge}


def _part(pixels: np.ndarray, seen: np.ndarray, camera: Camera) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the image part that holds these pixels [M, 2] and the seen ones [H, W], widened."""
    rows, columns = np.nonzero(seen)
    points = np.concatenate((pixels[np.isfinite(pixels).all(-1)], np.column_stack((columns, rows))))
    if not len(points):
        return 0, 0, camera.width, camera.height
    bound = np.array([camera.width, camera.height])
    low, high = points.min(0), points.max(0)
    grow = _MARGIN * (high - low) + _COARSEN
    left, top = np.clip(np.floor(low - grow), 0, bound - 2).astype(int)
    right, bottom = np.clip(np.ceil(high + grow), [left + 2, top + 2], bound).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _shrunk(masks: np.ndarray, height: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Share of each coarser pixel that the masks [N, H, W] cover: [N, height, width]."""
    frames = [F.adaptive_avg_pool2d(torch.as_tensor(m[None].astype(np.float32)), (height, width)) for m in masks]
    return torch.cat(frames).to(like)
