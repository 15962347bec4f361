"""The HOI optimizer: body and object made to touch, not to sink into each other, and to cover their masks (eq. 4).

All key frames (every `stride`-th) are one batch of one Adam optimisation, where the published code goes from frame to
frame; a term on the change of the correction between key frames keeps them together. Only joints on the kinematic
chains of annotated contacts turn, all others stay as they were to the last bit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from recon.annotations import Annotations
from recon.camera import Camera
from recon.optimizer.config import OptimizerConfig
from recon.optimizer.mask_term import Masks
from recon.optimizer.problem import Problem
from recon.optimizer.silhouette import NvdiffrastRenderer, SilhouetteRenderer, outline_renderer
from recon.optimizer.smoothing import key_frames, spread_positions, spread_rotations
from sim import rotations
from sim.body.skin import LinearBlendSkin, load_skin
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.metrics import contact_distance
from sim.motion import Motion, MotionObject
from sim.skeleton import FINGER_JOINTS

__all__ = ["OptimizedMotion", "OptimizerConfig", "OptimizerReport", "optimize"]


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
    rest: np.ndarray | None = None,
    skin: LinearBlendSkin | None = None,
) -> OptimizedMotion:
    """Refine what the keypoint solver and limb IK found: eq. 4 on key frames, interpolated between them.

    Args:
        motion: body and object of T frames; its contact graph becomes the annotated one.
        annotations: contacts and image points of one object, T frames.
        camera: of the video; needed for masks and image points.
        masks: of person and object, T frames; None leaves eq. 17 out.
        rest: [R, 2] int, first and last frame of each stretch in which the object is at rest (`ObjectPoses.rest`):
            there it stays as it is. The solver knows more of it than masks and pixels, which leave its distance open.
        skin: what collides and casts the silhouette; built by `config.skin` where None.

    Returns:
        The motion of T frames. An object that is static (in the motion or the annotations) has one pose: it starts from
        the frame with most annotated points (section 9.4) and is refined over all frames.

    Raises:
        ReconstructionError: lengths differ, the object does not exist, masks without a camera.
        MissingDependencyError: the config's renderer is not installed.
    """
    config = config or OptimizerConfig()
    began = time.perf_counter()
    motion, index = _prepared(motion, annotations, camera, masks)
    rest = np.zeros((0, 2), np.int64) if rest is None else rest
    frames = np.union1d(key_frames(motion.num_frames, config.stride), rest)
    if skin is None:
        built = load_skin(config.skin, motion, **({"detail": "coarse"} if config.skin == "anny" else {}))
        assert isinstance(built, LinearBlendSkin)
        skin = built
    moves = np.asarray(~((frames[:, None] >= rest[:, 0]) & (frames[:, None] <= rest[:, 1])).any(1))
    renderer: SilhouetteRenderer = NvdiffrastRenderer() if config.renderer == "nvdiffrast" else outline_renderer
    problem = Problem(motion, index, annotations, camera, masks, config, skin, renderer, frames, moves)
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
        position_w, rotation_w = (np.tile(p[best], (frames, 1)) for p in (item.position_w, item.rotation_w))
        item = replace(item, position_w=position_w, rotation_w=rotation_w, is_static=True)
    return motion.replace(objects=_swapped(motion, index, item), contacts=annotations.contacts), index


def _swapped(motion: Motion, index: int, item: MotionObject) -> tuple[MotionObject, ...]:
    return (*motion.objects[:index], item, *motion.objects[index + 1 :])


_BETAS = (0.5, 0.9)
"""Adam's. A hand that has just been pushed out of the object feels nothing any more; with the usual (0.9, 0.999) its
momentum alone carries it 0.3 m away, and the gradients that should bring it back count for little for a long time."""


def _descend(problem: Problem, config: OptimizerConfig) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
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


def _spread(motion: Motion, index: int, frames: np.ndarray, problem: Problem) -> Motion:
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
        moved = positions(item.position_w, state.position_w)
        item = replace(item, position_w=moved, rotation_w=turns(item.rotation_w, state.rotation_w))
    return motion.replace(joint_rotations_b=local, root_position_w=root, objects=_swapped(motion, index, item))
