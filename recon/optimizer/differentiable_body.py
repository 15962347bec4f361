"""The body in torch, batched over frames with gradients: its skeleton, skin and the capsules inside the flesh.

Linear blend skinning is one matrix product here: with the rest vertex x_v, its weights w_vj and the joints' rigid
motions (R_j, t_j) the posed vertex is sum_j w_vj (R_j x_v + t_j), and the factors w_vj [x_v, 1] never change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sim import rotations, skeleton
from sim.body.capsules import BodyGeom
from sim.body.skin import LinearBlendSkin
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets
from sim.skeleton import NUM_JOINTS


@dataclass(frozen=True, eq=False)
class Capsules:
    """G rounded boxes on the joints: a capsule is one with a single half extent, a sphere one with none.

    Attributes:
        joints: [G] index; position_b [G, 3] m and rotation_b [G, 4]: the shape's frame in its joint's frame.
        half_extents: [G, 3] m; radius: [G] m, by which the box is rounded outwards.
    """

    joints: torch.Tensor
    position_b: torch.Tensor
    rotation_b: torch.Tensor
    half_extents: torch.Tensor
    radius: torch.Tensor

    @staticmethod
    def of(geoms: tuple[BodyGeom, ...], like: torch.Tensor) -> Capsules:
        """The shapes of `sim.body.capsules`, as tensors like the given one."""

        def tensor(rows: list[np.ndarray]) -> torch.Tensor:
            return torch.as_tensor(np.array(rows), dtype=like.dtype, device=like.device)

        half = [
            np.array(g.size if g.kind == "box" else (0.0, 0.0, g.size[1] if g.kind == "capsule" else 0.0))
            for g in geoms
        ]
        return Capsules(
            torch.as_tensor([g.joint for g in geoms], device=like.device),
            tensor([g.position_b for g in geoms]),
            tensor([g.rotation_b for g in geoms]),
            tensor(half),
            tensor([np.array(0.0 if g.kind == "box" else g.size[0]) for g in geoms]),
        )

    def poses(self, joints_w: torch.Tensor, rotations_w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames of the shapes in the world: [N, 52, 3], [N, 52, 4] -> [N, G, 3] m and [N, G, 4]."""
        turn = rotations_w[:, self.joints]
        position = joints_w[:, self.joints] + rotations.rotate(turn, self.position_b)
        return position, rotations.multiply(turn, self.rotation_b)

    def signed_distance(self, points_g: torch.Tensor, geoms: torch.Tensor) -> torch.Tensor:
        """Of points in the frames of their shapes: [..., 3] m and index [...] -> [...] m, negative inside."""
        beyond = points_g.abs() - self.half_extents[geoms]
        outside = (beyond.clamp_min(0.0).square().sum(-1) + 1e-16).sqrt()
        return outside + beyond.amax(-1).clamp_max(0.0) - self.radius[geoms]

    @property
    def reach(self) -> torch.Tensor:
        """[G] m, from each shape's centre to its farthest point."""
        return self.half_extents.norm(dim=-1) + self.radius


@dataclass(frozen=True, eq=False)
class DifferentiableBody:
    """A subject's skeleton, keypoints and skin in torch.

    Attributes:
        offsets: [52, 3] m, bones; keypoints_b: [87, 3] m, in the frames of their joints.
        blend: [V, 208], w_vj [x_v, 1] for every joint j; faces: [F, 3].
    """

    offsets: torch.Tensor
    keypoints_b: torch.Tensor
    blend: torch.Tensor
    rest_joints: torch.Tensor
    faces: torch.Tensor

    @staticmethod
    def of(skin: LinearBlendSkin, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> DifferentiableBody:
        """The skin of the subject whose bones `skin.offsets` are."""
        points = np.concatenate((skin.rest_vertices, np.ones((len(skin.rest_vertices), 1))), -1)
        blend = skin.weights.toarray()[:, :, None] * points[:, None, :]

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.array(array), dtype=dtype, device=device)

        return DifferentiableBody(
            tensor(skin.offsets),
            tensor(keypoint_offsets(skin.offsets)),
            tensor(blend.reshape(len(points), -1)),
            tensor(skin.rest_joints),
            torch.as_tensor(np.array(skin.faces), device=device),
        )

    def joints(self, rotations_b: torch.Tensor, root_w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward kinematics: [N, 52, 4], [N, 3] m -> positions [N, 52, 3] m and rotations [N, 52, 4] in the world."""
        return skeleton.forward_kinematics(rotations_b, root_w, self.offsets)

    def vertices(self, joints_w: torch.Tensor, rotations_w: torch.Tensor) -> torch.Tensor:
        """The posed skin: [N, 52, 3] m, [N, 52, 4] -> [N, V, 3] m."""
        turn = rotations.to_matrix(rotations_w)
        move = joints_w - (turn @ self.rest_joints[:, :, None])[..., 0]
        transposed = torch.cat((turn.mT, move[:, :, None]), -2)  # [N, 52, 4, 3]
        return torch.matmul(self.blend, transposed.reshape(len(turn), 4 * NUM_JOINTS, 3))

    def keypoints(self, joints_w: torch.Tensor, rotations_w: torch.Tensor, names: tuple[str, ...]) -> torch.Tensor:
        """These keypoints, on the body's surface: [N, 52, 3] m, [N, 52, 4] -> [N, C, 3] m."""
        rows = [KEYPOINT_INDEX[name] for name in names]
        joints = KEYPOINT_JOINTS[rows].tolist()
        turned: torch.Tensor = rotations.rotate(rotations_w[:, joints], self.keypoints_b[rows])
        return joints_w[:, joints] + turned
