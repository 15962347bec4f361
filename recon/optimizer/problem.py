"""The HOI optimizer's problem: body and object of the key frames under their corrections, and the terms of eq. 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from recon.annotations import Annotations
from recon.camera import Camera
from recon.optimizer import losses
from recon.optimizer.chains import chain_joints
from recon.optimizer.config import OptimizerConfig
from recon.optimizer.differentiable_body import Capsules, DifferentiableBody
from recon.optimizer.distance_field import distance_field
from recon.optimizer.mask_term import Masks, MaskTerm
from recon.optimizer.silhouette import SilhouetteRenderer
from sim import rotations
from sim.body import capsules
from sim.body.skin import LinearBlendSkin
from sim.motion import Motion
from sim.objects import Shape


@dataclass
class State:
    """Body and object of N key frames as the variables have them."""

    rotations_b: torch.Tensor
    root_w: torch.Tensor
    joints_w: torch.Tensor
    rotations_w: torch.Tensor
    position_w: torch.Tensor
    rotation_w: torch.Tensor


class Problem:
    """Everything that stays put during the descent, the variables, and the terms of eq. 4."""

    def __init__(
        self, motion: Motion, index: int, annotations: Annotations, camera: Camera | None, masks: Masks | None,
        config: OptimizerConfig, skin: LinearBlendSkin, renderer: SilhouetteRenderer, frames: np.ndarray,
        moves: np.ndarray,
    ) -> None:  # fmt: skip
        """`moves` [N] bool says in which key frames the object may be corrected; a static one has one correction."""
        self.config, self.weights = config, config.weights
        item, graph = motion.objects[index], annotations.contacts
        self.body = DifferentiableBody.of(skin)
        self.rotations_b, self.root_w = (
            _tensor(motion.joint_rotations_b[frames]),
            _tensor(motion.root_position_w[frames]),
        )
        self.position_w, self.rotation_w = _tensor(item.position_w[frames]), _tensor(item.rotation_w[frames])
        self.joints = chain_joints(graph.keypoints, fingers=config.fingers)
        self.keypoints, self.points_b = graph.keypoints, _tensor(graph.points_b)
        self.active = _tensor(graph.active(motion.num_frames)[frames])
        self.field = distance_field(item.geometry).to(self.root_w)
        shape = Shape.of(item.geometry)
        self.centre_b = _tensor(shape.bounds.mean(0))
        self.samples_b = _tensor(shape.surface_samples(config.object_points, np.random.default_rng(config.seed)))
        geoms = capsules.body_geoms(motion.offsets, stance=capsules.measure_stance(motion), hands="full")
        self.capsules = Capsules.of(geoms, self.root_w)
        self.image = _ImagePoints.of(annotations, camera, frames)
        n, poses = len(frames), (1 if item.is_static else len(frames))
        self._moves = _tensor(moves)[:, None]
        self.variables = {
            "turn": torch.zeros(n, len(self.joints), 3),
            "object_turn": torch.zeros(poses, 3),
            "object_move": torch.zeros(poses, 3),
            "root": torch.zeros(n, 3),
        }
        free = {
            "turn": True,
            "object_turn": config.move_object,
            "object_move": config.move_object,
            "root": config.move_root,
        }
        for name, variable in self.variables.items():
            variable.requires_grad_(free[name])
        start = self.state()
        self.pairs = self._near_pairs(start)
        self.masks = None
        if masks is not None and camera is not None and self.weights.mask:
            self.masks = MaskTerm.of(
                masks, camera.frames(frames), frames, self.body.faces, item.geometry, config.object_faces,
                config.mask_size, renderer, self.vertices(start), start.position_w, start.rotation_w,
            )  # fmt: skip

    def corrections(self) -> dict[str, torch.Tensor]:
        """The variables of every key frame, [N, ...]; the object's are zero where it may not move."""
        return {name: v * self._moves if name.startswith("object") else v for name, v in self.variables.items()}

    def state(self) -> State:
        """Body and object with the corrections applied."""
        v = self.corrections()
        turned = rotations.multiply(self.rotations_b[:, self.joints], rotations.from_rotvec(v["turn"]))
        local = self.rotations_b.index_copy(1, torch.tensor(self.joints, dtype=torch.long), turned)
        root = self.root_w + v["root"]
        joints_w, rotations_w = self.body.joints(local, root)
        rotation_w = rotations.multiply(rotations.from_rotvec(v["object_turn"]), self.rotation_w)
        # about the object's middle, wherever its mesh has the origin
        pivot = rotations.rotate(self.rotation_w, self.centre_b) - rotations.rotate(rotation_w, self.centre_b)
        return State(local, root, joints_w, rotations_w, self.position_w + v["object_move"] + pivot, rotation_w)

    def vertices(self, state: State) -> torch.Tensor:
        """The reduced body, [N, V, 3] m."""
        return self.body.vertices(state.joints_w, state.rotations_w)

    def terms(self, state: State) -> dict[str, torch.Tensor]:
        """Weighted terms, each a sum over the key frames."""
        w, found = self.weights, {}
        vertices = self.vertices(state)
        if len(self.keypoints):
            touching = self.body.keypoints(state.joints_w, state.rotations_w, self.keypoints)
            held = state.position_w[:, None] + rotations.rotate(state.rotation_w[:, None], self.points_b)
            apart = ((touching - held).square().sum(-1) + 1e-12).sqrt()
            found["contact"] = w.contact * losses.contact_loss(apart, self.active).sum()
        if w.collision:
            into = losses.penetration_loss(
                self.vertex_distance(state, vertices), margin=self.config.margin, softness=self.config.softness
            )
            found["human in object"] = w.collision * w.human_in_object * into.sum()
            found["object in human"] = w.collision * self._object_in_human(state)
        if self.masks is not None:
            drawn = self.masks(vertices, state.position_w, state.rotation_w, w)
            found |= {name: w.mask * value.sum() for name, value in drawn.items()}
        if self.image is not None and w.image_points:
            found["image points"] = w.image_points * self.image.loss(state.position_w, state.rotation_w).sum()
        corrections = self.corrections().values()
        found["stay"] = w.stay * torch.stack([v.square().sum() for v in corrections]).sum()
        found["smooth"] = w.smooth * torch.stack([v.diff(dim=0).square().sum() for v in corrections]).sum()
        return found

    def vertex_distance(self, state: State, vertices: torch.Tensor) -> torch.Tensor:
        """Signed distance of the body's vertices to the object, [N, V] m."""
        local = rotations.rotate_inverse(state.rotation_w[:, None], vertices - state.position_w[:, None])
        return self.field(local)

    def _near_pairs(self, state: State, slack: float = 0.1) -> tuple[torch.Tensor, ...]:
        """(frame, sample, capsule) triples close enough to meet during the descent."""
        with torch.no_grad():
            points = self._samples_w(state)
            position, _ = self.capsules.poses(state.joints_w, state.rotations_w)
            near = torch.cdist(points, position) < self.capsules.reach + slack
            return near.nonzero(as_tuple=True)

    def _samples_w(self, state: State) -> torch.Tensor:
        moved: torch.Tensor = rotations.rotate(state.rotation_w[:, None], self.samples_b)
        return state.position_w[:, None] + moved

    def _object_in_human(self, state: State) -> torch.Tensor:
        """The other direction of eq. 20, by the capsules inside the flesh: exact, cheap, and smooth in both bodies."""
        frame, sample, geom = self.pairs
        position, turn = self.capsules.poses(state.joints_w, state.rotations_w)
        local = rotations.rotate_inverse(
            turn[frame, geom], self._samples_w(state)[frame, sample] - position[frame, geom]
        )
        distance = self.capsules.signed_distance(local, geom)
        total = losses.penetration_loss(distance[None], margin=0.0, softness=self.config.softness)[0]
        return total * (max(len(frame), 1) / len(self.samples_b))


@dataclass
class _ImagePoints:
    """The 3D-2D pairs in the key frames."""

    camera: Camera
    points_b: torch.Tensor
    rays: torch.Tensor
    weights: torch.Tensor

    @staticmethod
    def of(annotations: Annotations, camera: Camera | None, frames: np.ndarray) -> _ImagePoints | None:
        points = annotations.image_points
        if camera is None or not points.visible[frames].any():
            return None
        visible = points.visible[frames]
        pixels = np.where(visible[..., None], points.pixels[frames], 0.0)
        rays = camera.unproject(pixels, np.ones(visible.shape))[..., :2]
        weights = visible if points.confidence is None else points.confidence[frames]
        return _ImagePoints(camera.frames(frames), _tensor(points.points_b), _tensor(rays), _tensor(weights))

    def loss(self, position_w: torch.Tensor, rotation_w: torch.Tensor) -> torch.Tensor:
        """[N] m^2."""
        points_w = position_w[:, None] + rotations.rotate(rotation_w[:, None], self.points_b)
        return losses.image_point_loss(self.camera.to_camera(points_w), self.rays, self.weights)


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.array(array), dtype=torch.float32)
