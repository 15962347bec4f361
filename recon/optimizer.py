"""The HOI optimizer: body and object made to touch, not to sink into each other, and to cover their masks (eq. 4).

All key frames (every `stride`-th) are one batch of one Adam optimisation, where the published code goes from frame to
frame; a term on the change of the correction between key frames keeps them together. Only joints on the kinematic
chains of annotated contacts turn, all others stay as they were to the last bit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from recon import losses
from recon.annotations import Annotations
from recon.camera import Camera
from recon.chains import chain_joints
from recon.differentiable_body import Capsules, DifferentiableBody
from recon.distance_field import distance_field
from recon.mask_term import Masks, MaskTerm
from recon.silhouette import SilhouetteRenderer, outline_renderer
from recon.smoothing import key_frames, spread_positions, spread_rotations
from sim import rotations
from sim.body import capsules
from sim.body.skin import LinearBlendSkin, load_skin
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.metrics import contact_distance
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import FINGER_JOINTS


@dataclass(frozen=True)
class LossWeights:
    """What each term of the optimizer counts: the published code's figures, but for those of which more is said.

    Attributes:
        contact: per m^2 of eq. 19.
        collision: per m of eq. 20 (not the published 8, whose unit is the object's box; measured: 0.3 tears hands off
            what they hold, 0 leaves four times as many vertices in a carried box); human_in_object: lambda_h->o, body
            points in the object against the reverse.
        mask: of eq. 17 as a whole; mask_area: alpha, per mean squared difference; mask_edge: beta, per edge pixel times
            the square root of its distance; mask_human, mask_object: of the two silhouettes within both.
        image_points: per m^2 between object points and the rays of their pixels; not in eq. 4, but without it contact
            and collision could draw the object away from what was clicked.
        stay: per rad^2 of each joint and m^2, rad^2 of the object away from where it started. Ours: brings back what
            nothing else holds; four times as much costs 2 mm of contact distance.
        smooth: the same of the correction's change from key frame to key frame. Ours, in place of one frame starting
            from the last: without it the body's jitter is 20 to 30 % higher.
    """

    contact: float = 50.0
    collision: float = 0.03
    human_in_object: float = 10.0
    mask: float = 0.05
    mask_area: float = 1.5
    mask_edge: float = 1e-3
    mask_human: float = 0.5
    mask_object: float = 1.5
    image_points: float = 50.0
    stay: float = 0.005
    smooth: float = 0.05


@dataclass(frozen=True)
class OptimizerConfig:
    """How the optimizer runs.

    Attributes:
        stride: K, every which frame is a key frame; iterations: of Adam. The paper's 20 leave contacts nearly twice
            as far apart as 40 where hands start deep inside the object.
        pose_rate, finger_rate, object_turn_rate: rad, and object_move_rate, root_rate: m, that one step of Adam moves
            at most; they fall to a tenth on the way (cosine). The published code's steps (1e-3 rad, 3e-3 rad, 2e-3
            degrees, 1e-3 m) cover 2 cm in 20 iterations, too little to reach a point that IK left at 5.
        fingers: fingers of an annotated hand may make way; move_object, move_root: so may the object, the pelvis.
        margin: m by which body points should clear the object; softness: m, see `losses.penetration_loss`.
        interpolate: what is interpolated between key frames: `corrections`, each frame keeps its own pose under them
            and with it whatever is fast, or `poses`, the paper's.
        skin: `anny` or `capsules`, the body that collides and casts the silhouette; both are reduced ones.
        object_points: samples of the object's surface that should stay out of the body.
        object_faces: of the reduced object that casts the silhouette; mask_size: px, longest side of the image part
            with anything in it, at which silhouettes are compared (never finer than a quarter of the video).
        weights: of the terms; seed: of the object's surface samples.
    """

    stride: int = 3
    iterations: int = 40
    pose_rate: float = 0.02
    finger_rate: float = 0.03
    object_turn_rate: float = 0.005
    object_move_rate: float = 0.003
    root_rate: float = 0.003
    fingers: bool = True
    move_object: bool = True
    move_root: bool = False
    margin: float = 0.001
    softness: float = 0.003
    interpolate: Literal["corrections", "poses"] = "corrections"
    skin: str = "anny"
    object_points: int = 500
    object_faces: int = 1000
    mask_size: int = 128
    weights: LossWeights = field(default_factory=LossWeights)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("stride", "iterations", "object_points", "object_faces", "mask_size"):
            if getattr(self, name) < 1:
                raise ReconstructionError(f"optimizer: {name} is {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True)
class OptimizerReport:
    """What the optimizer did.

    Attributes:
        terms: name -> [iterations + 1] weighted loss before each step and after the last, mean over the key frames.
        contact_before_mm, contact_after_mm: mean distance of the annotated pairs, all frames; NaN without any.
        inside_before, inside_after: share of the reduced body's vertices inside the object, %, in the key frames.
        joints: indices of those that were free; key_frames: how many; seconds: of wall time.
    """

    terms: dict[str, np.ndarray]
    contact_before_mm: float
    contact_after_mm: float
    inside_before: float
    inside_after: float
    joints: tuple[int, ...]
    key_frames: int
    seconds: float


@dataclass(frozen=True)
class OptimizedMotion:
    """The motion with body and object corrected, and the account of it."""

    motion: Motion
    report: OptimizerReport


def optimize(
    motion: Motion,
    annotations: Annotations,
    camera: Camera | None = None,
    masks: Masks | None = None,
    config: OptimizerConfig | None = None,
    *,
    skin: LinearBlendSkin | None = None,
    renderer: SilhouetteRenderer = outline_renderer,
) -> OptimizedMotion:
    """Refine what the keypoint solver and limb IK found: eq. 4 on key frames, interpolated between them.

    Args:
        motion: body and object of T frames; its contact graph becomes the annotated one.
        annotations: contacts and image points of one object, T frames.
        camera: of the video; needed for masks and image points.
        masks: of person and object, T frames; None leaves eq. 17 out.
        skin: what collides and casts the silhouette; built by `config.skin` where None.
        renderer: draws the silhouettes.

    Returns:
        The motion of T frames. An object that is static (in the motion or the annotations) has one pose: it starts from
        the frame with most annotated points (section 9.4) and is refined over all frames.

    Raises:
        ReconstructionError: lengths differ, the object does not exist, masks without a camera.
    """
    config = config or OptimizerConfig()
    began = time.perf_counter()
    motion, index = _prepared(motion, annotations, camera, masks)
    frames = key_frames(motion.num_frames, config.stride)
    if skin is None:
        built = load_skin(config.skin, motion, **({"detail": "coarse"} if config.skin == "anny" else {}))
        assert isinstance(built, LinearBlendSkin)
        skin = built
    problem = _Problem(motion, index, annotations, camera, masks, config, skin, renderer, frames)
    terms, inside = _descend(problem, config)
    moved = _spread(motion, index, frames, problem)
    report = OptimizerReport(
        terms=terms,
        contact_before_mm=contact_distance(graph_distances(motion)),
        contact_after_mm=contact_distance(graph_distances(moved)),
        inside_before=inside[0],
        inside_after=inside[1],
        joints=problem.joints,
        key_frames=len(frames),
        seconds=time.perf_counter() - began,
    )
    return OptimizedMotion(moved, report)


def _prepared(
    motion: Motion, annotations: Annotations, camera: Camera | None, masks: Masks | None
) -> tuple[Motion, int]:
    """The motion with the annotated contacts and, where static, one pose of the object; and that object's index."""
    frames = motion.num_frames
    lengths = {"annotations": annotations.num_frames}
    if masks is not None:
        lengths["masks"] = len(masks.human)
    for name, length in lengths.items():
        if length != frames:
            raise ReconstructionError(f"optimizer: {name} have {length} frames, the motion {frames}")
    if masks is not None and camera is None:
        raise ReconstructionError("optimizer: masks need the camera that they were seen by")
    if camera is not None and camera.num_frames not in (None, frames):
        raise ReconstructionError(f"optimizer: the camera moves over {camera.num_frames} frames, the motion {frames}")
    if masks is not None and camera is not None and masks.human.shape[1:] != (camera.height, camera.width):
        raise ReconstructionError(
            f"optimizer: masks are {masks.human.shape[2]} x {masks.human.shape[1]} pixels, "
            f"the camera's image {camera.width} x {camera.height}"
        )
    named = np.unique(annotations.contacts.object_index)
    if len(named) > 1:
        raise ReconstructionError(f"optimizer: annotations name the objects {named.tolist()}; one at a time")
    index = int(named[0]) if len(named) else 0
    if index >= len(motion.objects):
        raise ReconstructionError(f"optimizer: object {index} is annotated, the motion has {len(motion.objects)}")
    item = motion.objects[index]
    if annotations.is_static or item.is_static:
        count = annotations.contacts.active(frames).sum(1) + annotations.image_points.visible.sum(1)
        best = int(count.argmax())
        item = _with_poses(
            item, np.tile(item.position_w[best], (frames, 1)), np.tile(item.rotation_w[best], (frames, 1))
        )
        item = replace(item, is_static=True)
    return motion.replace(objects=_swapped(motion, index, item), contacts=annotations.contacts), index


def _with_poses(item: MotionObject, position_w: np.ndarray, rotation_w: np.ndarray) -> MotionObject:
    return replace(item, position_w=position_w, rotation_w=rotation_w)


def _swapped(motion: Motion, index: int, item: MotionObject) -> tuple[MotionObject, ...]:
    return (*motion.objects[:index], item, *motion.objects[index + 1 :])


@dataclass
class _State:
    """Body and object of N key frames as the variables have them."""

    rotations_b: torch.Tensor
    root_w: torch.Tensor
    joints_w: torch.Tensor
    rotations_w: torch.Tensor
    position_w: torch.Tensor
    rotation_w: torch.Tensor


class _Problem:
    """Everything that stays put during the descent, the variables, and the terms of eq. 4."""

    def __init__(
        self, motion: Motion, index: int, annotations: Annotations, camera: Camera | None, masks: Masks | None,
        config: OptimizerConfig, skin: LinearBlendSkin, renderer: SilhouetteRenderer, frames: np.ndarray,
    ) -> None:  # fmt: skip
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
        n, one = len(frames), (1 if item.is_static else len(frames))
        self.variables = {
            "turn": torch.zeros(n, len(self.joints), 3),
            "object_turn": torch.zeros(one, 3),
            "object_move": torch.zeros(one, 3),
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

    def state(self) -> _State:
        """Body and object with the corrections applied."""
        v = self.variables
        turned = rotations.multiply(self.rotations_b[:, self.joints], rotations.from_rotvec(v["turn"]))
        local = self.rotations_b.index_copy(1, torch.tensor(self.joints, dtype=torch.long), turned)
        root = self.root_w + v["root"]
        joints_w, rotations_w = self.body.joints(local, root)
        rotation_w = rotations.multiply(rotations.from_rotvec(v["object_turn"]), self.rotation_w)
        # about the object's middle, wherever its mesh has the origin
        pivot = rotations.rotate(self.rotation_w, self.centre_b) - rotations.rotate(rotation_w, self.centre_b)
        return _State(local, root, joints_w, rotations_w, self.position_w + v["object_move"] + pivot, rotation_w)

    def vertices(self, state: _State) -> torch.Tensor:
        """The reduced body, [N, V, 3] m."""
        return self.body.vertices(state.joints_w, state.rotations_w)

    def terms(self, state: _State) -> dict[str, torch.Tensor]:
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
        found["stay"] = w.stay * torch.stack([v.square().sum() for v in self.variables.values()]).sum()
        found["smooth"] = w.smooth * torch.stack([v.diff(dim=0).square().sum() for v in self.variables.values()]).sum()
        return found

    def vertex_distance(self, state: _State, vertices: torch.Tensor) -> torch.Tensor:
        """Signed distance of the body's vertices to the object, [N, V] m."""
        local = rotations.rotate_inverse(state.rotation_w[:, None], vertices - state.position_w[:, None])
        return self.field(local)

    def _near_pairs(self, state: _State, slack: float = 0.1) -> tuple[torch.Tensor, ...]:
        """(frame, sample, capsule) triples close enough to meet during the descent."""
        with torch.no_grad():
            points = self._samples_w(state)
            position, _ = self.capsules.poses(state.joints_w, state.rotations_w)
            near = torch.cdist(points, position) < self.capsules.reach + slack
            return near.nonzero(as_tuple=True)

    def _samples_w(self, state: _State) -> torch.Tensor:
        moved: torch.Tensor = rotations.rotate(state.rotation_w[:, None], self.samples_b)
        return state.position_w[:, None] + moved

    def _object_in_human(self, state: _State) -> torch.Tensor:
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
    visible: torch.Tensor

    @staticmethod
    def of(annotations: Annotations, camera: Camera | None, frames: np.ndarray) -> _ImagePoints | None:
        points = annotations.image_points
        if camera is None or not points.visible[frames].any():
            return None
        visible = points.visible[frames]
        pixels = np.where(visible[..., None], points.pixels[frames], 0.0)
        rays = camera.unproject(pixels, np.ones(visible.shape))[..., :2]
        return _ImagePoints(camera.frames(frames), _tensor(points.points_b), _tensor(rays), _tensor(visible))

    def loss(self, position_w: torch.Tensor, rotation_w: torch.Tensor) -> torch.Tensor:
        """[N] m^2."""
        points_w = position_w[:, None] + rotations.rotate(rotation_w[:, None], self.points_b)
        return losses.image_point_loss(self.camera.to_camera(points_w), self.rays, self.visible)


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.array(array), dtype=torch.float32)


_BETAS = (0.5, 0.9)
"""Adam's. A hand that has just been pushed out of the object feels nothing any more; with the usual (0.9, 0.999) its
momentum alone carries it 0.3 m away, and the gradients that should bring it back count for little for a long time."""


def _descend(problem: _Problem, config: OptimizerConfig) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """Adam over all key frames. Returns the terms' history and the share of vertices inside before and after."""
    fingers = np.isin(problem.joints, FINGER_JOINTS)
    # Adam's steps know no scale: joints get theirs by a factor on the gradient's variable
    rates = {
        "turn": config.pose_rate, "object_turn": config.object_turn_rate,
        "object_move": config.object_move_rate, "root": config.root_rate,
    }  # fmt: skip
    free = [name for name, v in problem.variables.items() if v.requires_grad and v.numel()]
    optimizer = (
        torch.optim.Adam([{"params": [problem.variables[n]], "lr": rates[n]} for n in free], betas=_BETAS)
        if free
        else None
    )
    speed = torch.as_tensor(np.where(fingers, config.finger_rate / config.pose_rate, 1.0), dtype=torch.float32)
    history: dict[str, list[float]] = {}
    inside = []
    for step in range(config.iterations + 1):
        state = problem.state()
        terms = problem.terms(state)
        for name, value in terms.items():
            history.setdefault(name, []).append(float(value.detach()) / len(problem.root_w))
        if step in (0, config.iterations):
            with torch.no_grad():
                distance = problem.vertex_distance(state, problem.vertices(state))
            inside.append(100.0 * float((distance < 0).float().mean()))
        if step == config.iterations or optimizer is None:
            continue
        for group, name in zip(optimizer.param_groups, free, strict=True):
            group["lr"] = rates[name] * (0.1 + 0.45 * (1 + np.cos(np.pi * step / config.iterations)))
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        before = problem.variables["turn"].detach().clone()
        optimizer.step()
        with torch.no_grad():
            turn = problem.variables["turn"]
            turn.copy_(before + (turn - before) * speed[:, None])
    return {name: np.array(values) for name, values in history.items()}, (inside[0], inside[1])


def _spread(motion: Motion, index: int, frames: np.ndarray, problem: _Problem) -> Motion:
    """The corrected key frames on all frames of the clip."""
    config, count, item = problem.config, motion.num_frames, motion.objects[index]
    with torch.no_grad():
        state = problem.state()

    def positions(given: np.ndarray, found: torch.Tensor) -> np.ndarray:
        if config.interpolate == "poses":
            return spread_positions(frames, found.double().numpy(), count)
        return given + spread_positions(frames, found.double().numpy() - given[frames], count)

    def turns(given: np.ndarray, found: torch.Tensor) -> np.ndarray:
        target = rotations.normalize(found.double().numpy())
        if config.interpolate == "poses":
            return spread_rotations(frames, target, count)
        correction = rotations.multiply(target, rotations.inverse(given[frames]))
        return np.asarray(rotations.multiply(spread_rotations(frames, correction, count), given))

    local = motion.joint_rotations_b.copy()
    chain = list(problem.joints)
    local[:, chain] = turns(local[:, chain], state.rotations_b[:, chain])
    root = positions(motion.root_position_w, state.root_w) if config.move_root else motion.root_position_w
    if config.move_object:
        item = _with_poses(item, positions(item.position_w, state.position_w), turns(item.rotation_w, state.rotation_w))
    return motion.replace(joint_rotations_b=local, root_position_w=root, objects=_swapped(motion, index, item))
