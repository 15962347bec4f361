"""From a body in motion and annotated points to a human-object motion: Algorithm 1 of the seed, step after step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from recon.annotations import Annotations
from recon.camera import Camera
from recon.keypoints.limb_ik import LimbIKConfig, refine_limbs
from recon.keypoints.solver import KeypointSolverConfig, ObjectPoses, solve_object_poses
from recon.optimizer.mask_term import Masks
from recon.optimizer.optimizer import OptimizerConfig, OptimizerReport, optimize
from recon.optimizer.smoothing import SmoothingConfig, smooth
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.geometry import Geometry
from sim.keypoints import keypoint_offsets, keypoint_positions
from sim.metrics import contact_distance
from sim.motion import Motion, MotionObject

STAGES = ("keypoint solver", "limb IK", "optimizer", "smoothing")


@dataclass(frozen=True)
class SolveConfig:
    """The four steps; the last three can be left out.

    Attributes:
        limbs, optimizing, smoothing: whether limb IK, the optimizer and the low-pass run.
        keypoints, limb_ik, optimizer, low_pass: see their classes.
    """

    limbs: bool = True
    optimizing: bool = True
    smoothing: bool = True
    keypoints: KeypointSolverConfig = field(default_factory=KeypointSolverConfig)
    limb_ik: LimbIKConfig = field(default_factory=LimbIKConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    low_pass: SmoothingConfig = field(default_factory=SmoothingConfig)


@dataclass(frozen=True, eq=False)
class Solved:
    """What the steps made.

    Attributes:
        motion: body, object and the annotated contacts, after the last step; motions: after each one that ran, by name.
        poses: the keypoint solver's, with residuals, ranks and messages.
        optimizer: its account, None where it was left out.
        contact_mm: mean distance of the annotated pairs, by the same names; NaN without pairs.
        seconds: of wall time, by the same names.
    """

    motion: Motion
    motions: dict[str, Motion]
    poses: ObjectPoses
    optimizer: OptimizerReport | None
    contact_mm: dict[str, float]
    seconds: dict[str, float]


def solve(
    body: Motion,
    annotations: Annotations,
    camera: Camera,
    name: str,
    geometry: Geometry,
    masks: Masks | None = None,
    config: SolveConfig | None = None,
    *,
    first_frame: int = 0,
    on_stage: Callable[[str], None] | None = None,
) -> Solved:
    """Place one object by its annotated points and refine body and object together.

    Args:
        body: T frames, without objects, in the camera's world.
        annotations: T frames, points in the object's frame at the geometry's size.
        camera: of the video.
        name: of the object. geometry: its shape, in metres.
        masks: of person and object, T frames; None leaves the optimizer's mask term out.
        config: which steps, and how. first_frame: of the T in the video: messages count from it.
        on_stage: told the name of each step of `STAGES` when it begins.

    Raises:
        ReconstructionError: lengths differ, or the points determine nothing (see `solve_object_poses`).
    """
    config = config or SolveConfig()
    if annotations.num_frames != body.num_frames:
        raise ReconstructionError(f"annotations of {annotations.num_frames} frames, a body of {body.num_frames}")
    timer = _Timer(on_stage)
    timer.begin(STAGES[0])
    keypoints_w = keypoint_positions(body.joint_positions_w, body.joint_rotations_w, keypoint_offsets(body.offsets))
    poses = solve_object_poses(
        annotations, keypoints_w, camera, config.keypoints,
        fps=body.fps, geometry=geometry, first_frame=first_frame,
    )  # fmt: skip
    static = annotations.is_static
    item = MotionObject(name, geometry, poses.position_w, poses.rotation_w, is_static=static)
    motion = body.replace(objects=(item,), contacts=annotations.contacts)
    timer.end(motion)
    report = None
    if config.limbs:
        timer.begin(STAGES[1])
        motion = refine_limbs(motion, annotations, config.limb_ik)
        timer.end(motion)
    if config.optimizing:
        timer.begin(STAGES[2])
        optimized = optimize(motion, annotations, camera, masks, config.optimizer, rest=poses.rest)
        motion, report = optimized.motion, optimized.report
        timer.end(motion)
    if config.smoothing:
        timer.begin(STAGES[3])
        motion = smooth(motion, annotations, config.low_pass, rest=poses.rest)
        timer.end(motion)
    return Solved(motion, timer.motions, poses, report, timer.contact_mm, timer.seconds)


class _Timer:
    """Keeps each step's motion and seconds, and how far the annotated pairs are apart after it."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self.motions: dict[str, Motion] = {}
        self.seconds: dict[str, float] = {}
        self.contact_mm: dict[str, float] = {}
        self._on_stage, self._name, self._began = on_stage, "", 0.0

    def begin(self, name: str) -> None:
        self._name, self._began = name, time.perf_counter()
        if self._on_stage:
            self._on_stage(name)

    def end(self, motion: Motion) -> None:
        self.seconds[self._name] = round(time.perf_counter() - self._began, 3)
        self.motions[self._name] = motion
        apart = graph_distances(motion)
        self.contact_mm[self._name] = contact_distance(apart) if np.isfinite(apart).any() else float("nan")
