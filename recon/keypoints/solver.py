"""The HOI keypoint solver: an object's pose in every frame from a handful of annotated points (seed, eq. 3).

1. Every frame for itself: candidate poses (`recon.keypoints.pose_search`, and a given first guess), each refined by
   Levenberg-Marquardt on the robust residuals of eq. 3, all frames and candidates at once.
2. Through time: the cheapest sequence of candidates, where leaping costs (Viterbi).
3. The whole clip at once: eq. 3 of all frames plus a prior on how objects move (`recon.keypoints.motion_prior`), when
   they are at rest (`recon.keypoints.rest`) and stand on the floor (`recon.keypoints.floor`); a frame whose points
   leave something open follows its neighbours.
4. What the points alone determine (`recon.keypoints.determinacy`), and which of them contradict the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from recon.annotations import Annotations
from recon.banded import NormalEquations
from recon.camera import Camera
from recon.keypoints import floor, motion_prior, pose_search
from recon.keypoints.determinacy import contradictions, frame_rank, missing_points
from recon.keypoints.motion_prior import MotionPrior
from recon.keypoints.observations import Kernel, Linearization, Observations
from recon.keypoints.pose_search import Candidates
from recon.keypoints.rest import rest_intervals, resting
from sim import rotations
from sim.errors import ReconstructionError
from sim.geometry import Geometry, Primitive
from sim.keypoints import KEYPOINTS
from sim.objects import Shape

_WEAK = 1e-2
"""Stiffness, 1/m^2 of surface motion, that keeps the normal equations of a frame with too few points solvable."""
_LEAP_LIMIT = 50.0
_MAX_DAMPING = 1e12


@dataclass(frozen=True)
class KeypointSolverConfig:
    """How points are weighed and how long is searched.

    Attributes:
        contact_sigma: m, how far a keypoint may well be from the object point it touches; w_3D = 1 / sigma^2.
        image_sigma: pixels of the video, how far a click or track may well be off; w_2D = 1 / sigma^2. The defaults
            give 10,000 and 0.25; the published code's 810,000 and 4 have the ratio of 4.4 mm to 2 px.
        depth_sigma: m, how far the depth of an image point may well be off, where a depth map tells it.
        kernel: `none` is eq. 3 as it stands; the others bound what a wrong click can do (see `observations.robust`).
        kernel_threshold: residual in sigmas at which the kernel sets in.
        candidates: poses followed up in each frame.
        frame_iterations, clip_iterations: most Levenberg-Marquardt steps of stages 1 and 3.
        prior: how objects move; None leaves every frame to its own points (frames without points are interpolated).
        free_limit: m; a direction in which the points alone hold the object's surface less tightly than this (one
            standard deviation) counts as free in the rank test.
        report_contact: m, and report_image: pixels; a point that stays farther off is reported as contradicting.
    """

    contact_sigma: float = 0.010
    image_sigma: float = 2.0
    depth_sigma: float = 0.1
    kernel: Kernel = "cauchy"
    kernel_threshold: float = 3.0
    candidates: int = 4
    frame_iterations: int = 12
    clip_iterations: int = 25
    prior: MotionPrior | None = field(default_factory=MotionPrior)
    free_limit: float = 0.15
    report_contact: float = 0.06
    report_image: float = 15.0


@dataclass(frozen=True, eq=False)
class ObjectPoses:
    """The solved poses of one object and how far to trust them.

    Attributes:
        position_w: [T, 3] m, the object's origin; rotation_w: [T, 4].
        contact_residuals: [T, C] m and image_residuals: [T, P] pixels, NaN where the point is not active.
        rank: [T] int, 0..6 directions that the frame's own points determine.
        solved: [T] bool, rank 6; elsewhere the neighbours decide what is open.
        interpolated: [T] bool, the frame has no point at all.
        rest: [R, 2] int, first and last frame of each stretch in which the object is at rest (`recon.keypoints.rest`);
            none where it is static, or the prior leaves rest out.
        messages: what is missing in which frames, and which points contradict the others; each one line.
    """

    position_w: np.ndarray
    rotation_w: np.ndarray
    contact_residuals: np.ndarray
    image_residuals: np.ndarray
    rank: np.ndarray
    solved: np.ndarray
    interpolated: np.ndarray
    rest: np.ndarray
    messages: tuple[str, ...]


def solve_object_poses(
    annotations: Annotations,
    keypoints_w: np.ndarray,
    camera: Camera,
    config: KeypointSolverConfig | None = None,
    *,
    fps: float = 30.0,
    initial: tuple[np.ndarray, np.ndarray] | None = None,
    geometry: Geometry | None = None,
    first_frame: int = 0,
) -> ObjectPoses:
    """The pose of an object in every frame.

    Args:
        annotations: of one object and T frames; all its contacts count, whatever object they name.
        keypoints_w: [T, 87, 3] m, the person's keypoints (`sim.keypoints.keypoint_positions`).
        camera: standing still, or moving over T frames.
        fps: frames per second of the video, for the motion prior.
        initial: a first guess, positions [T, 3] m and rotations [T, 4], followed up beside the solver's own.
        geometry: the object's shape: what rests near the floor stands on it, and a sphere is not taken to rest at the
            top of its flight.
        first_frame: of the T in the video: messages count from it.

    Raises:
        ReconstructionError: no point at all; arrays that do not fit the annotations.
    """
    config = KeypointSolverConfig() if config is None else config
    _check(annotations, keypoints_w, camera, initial)
    sigmas = config.contact_sigma, config.image_sigma, config.depth_sigma
    observations = Observations.of(annotations, keypoints_w, camera, *sigmas)
    static = annotations.is_static
    candidates = pose_search.search(observations, config.candidates, static)
    if initial is not None:
        candidates = _with_initial(observations, candidates, initial)
    candidates, costs = _refine(observations, candidates, config)
    rest = np.zeros(max(annotations.num_frames - 1, 0))
    if static:
        best = int(costs[0].argmin())
        position, rotation = candidates.position_w[:, best], candidates.rotation_w[:, best]
    else:
        path = _cheapest_path(candidates, costs, observations, config.prior or MotionPrior(), fps)
        position, rotation = _fill(path, observations.held)
        if config.prior is not None:
            if config.prior.rest_speed is not None:
                ball = isinstance(geometry, Primitive) and geometry.kind == "sphere"
                rest = resting(observations, config.prior.still, fps, ball)
            corners_b = None if geometry is None else Shape.of(geometry).hull_corners - observations.center_b
            path = Candidates(position, rotation)
            position, rotation = _refine_clip(observations, path, config, config.prior, fps, rest, corners_b)
    return _result(observations, position, rotation, config, rest_intervals(rest, fps), first_frame)


def _check(
    annotations: Annotations, keypoints_w: np.ndarray, camera: Camera, initial: tuple[np.ndarray, np.ndarray] | None
) -> None:
    frames = annotations.num_frames
    if annotations.is_empty:
        raise ReconstructionError(
            "no annotated points: give at least three contacts that do not lie on one line, or two contacts and an "
            "image point, or four image points"
        )
    if keypoints_w.shape != (frames, len(KEYPOINTS), 3):
        raise ReconstructionError(
            f"keypoints: shape {list(keypoints_w.shape)}, the annotations need {[frames, len(KEYPOINTS), 3]}"
        )
    if not np.isfinite(keypoints_w).all():
        raise ReconstructionError(f"keypoints: not finite at frame {np.argwhere(~np.isfinite(keypoints_w))[0, 0]}")
    if camera.num_frames not in (None, frames):
        raise ReconstructionError(f"camera: moves over {camera.num_frames} frames, the annotations have {frames}")
    for name, array, size in zip(("position", "rotation"), initial or (), (3, 4), strict=False):
        if array.shape != (frames, size) or not np.isfinite(array).all():
            raise ReconstructionError(f"initial {name}: must be finite [{frames}, {size}], got {list(array.shape)}")


def _with_initial(o: Observations, candidates: Candidates, initial: tuple[np.ndarray, np.ndarray]) -> Candidates:
    position, rotation = initial[0] + rotations.rotate(initial[1], o.center_b), rotations.normalize(initial[1])
    if len(candidates.position_w) == 1:  # static: the guess of the frame with most points, as the seed's section 9.4
        frame = int(o.active.sum(1).argmax())
        position, rotation = position[[frame]], rotation[[frame]]
    return Candidates(
        np.concatenate((candidates.position_w, position[:, None]), 1),
        np.concatenate((candidates.rotation_w, rotation[:, None]), 1),
    )


def _normal_equations(points: Linearization, static: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost, gradient and Hessian per pose: over all frames where one pose serves them all."""
    parts = (points.cost, points.gradient, points.hessian)
    return tuple(part.sum(0, keepdims=True) if static else part for part in parts)  # type: ignore[return-value]


def _turned(position: np.ndarray, rotation: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return position + step[..., :3], rotations.normalize(
        rotations.multiply(rotations.from_rotvec(step[..., 3:]), rotation)
    )


def _refine(o: Observations, candidates: Candidates, config: KeypointSolverConfig) -> tuple[Candidates, np.ndarray]:
    """Levenberg-Marquardt on eq. 3 from every candidate of every frame at once; also returns the costs [T or 1, K]."""
    position, rotation = candidates
    static = len(position) == 1 < len(o.active)
    scale = np.diag(np.repeat([1.0, o.radius**2], 3))
    damping = np.full(position.shape[:2], 1e-3)

    def equations(at: np.ndarray, turned: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _normal_equations(o.linearize(at, turned, config.kernel, config.kernel_threshold), static)

    cost, gradient, hessian = equations(position, rotation)
    for iteration in range(config.frame_iterations):
        size = np.trace(hessian, axis1=-2, axis2=-1) / (3 + 3 * o.radius**2) * damping + _WEAK
        step = -np.linalg.solve(hessian + size[..., None, None] * scale, gradient[..., None])[..., 0]
        trial = _turned(position, rotation, step)
        trial_cost, trial_gradient, trial_hessian = equations(*trial)
        better = trial_cost < cost
        position, rotation = (
            np.where(better[..., None], a, b) for a, b in zip(trial, (position, rotation), strict=True)
        )
        gradient = np.where(better[..., None], trial_gradient, gradient)
        hessian = np.where(better[..., None, None], trial_hessian, hessian)
        done = not np.any(trial_cost < cost - 1e-3)
        cost = np.where(better, trial_cost, cost)
        damping = np.where(better, 0.1 * damping, 10 * damping)
        if done and iteration > 3:
            break
    return Candidates(position, rotation), cost


def _cheapest_path(
    candidates: Candidates, costs: np.ndarray, o: Observations, prior: MotionPrior, fps: float
) -> Candidates:
    """One candidate a frame [T, ...]: the sequence with the least cost of points plus leaps, by Viterbi.

    Leaps are weighed as the prior weighs speed, up to a limit: a clip may have a real one. Sequential by nature; the
    work in a frame is a K x K table.
    """
    held = np.flatnonzero(o.held)
    position, rotation = candidates.position_w[held], candidates.rotation_w[held]
    steps = (np.diff(held) / fps)[:, None, None]
    slide = np.linalg.norm(position[1:, None] - position[:-1, :, None], axis=-1) / (prior.speed * steps)
    spin = rotations.angle_between(rotation[1:, None], rotation[:-1, :, None]) / (prior.turn * steps)
    leaps = np.minimum(0.5 * (slide**2 + spin**2), _LEAP_LIMIT)
    total = np.minimum(costs[held], 1e12)
    origins = np.zeros(total.shape, np.int64)
    for t in range(1, len(held)):
        reach = total[t - 1][:, None] + leaps[t - 1]
        origins[t] = reach.argmin(0)
        total[t] += reach.min(0)
    choice = np.zeros(len(held), np.int64)
    choice[-1] = total[-1].argmin()
    for t in range(len(held) - 1, 0, -1):
        choice[t - 1] = origins[t, choice[t]]
    chosen = np.zeros(len(o.active), np.int64)
    chosen[held] = choice
    frames = np.arange(len(chosen))
    return Candidates(candidates.position_w[frames, chosen], candidates.rotation_w[frames, chosen])


def _fill(path: Candidates, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses [T, 3], [T, 4] with the frames that hold no point interpolated, or kept as the nearest beyond the ends."""
    frames, known = np.arange(len(held)), np.flatnonzero(held)
    right = np.searchsorted(known, frames).clip(max=len(known) - 1)
    left = np.where(held | (frames < known[0]), right, np.maximum(right - 1, 0))
    left = np.where(frames > known[-1], right, left)
    a, b = known[left], known[right]
    share = np.where(b > a, (frames - a) / np.maximum(b - a, 1), 0.0)
    position = path.position_w[a] + share[:, None] * (path.position_w[b] - path.position_w[a])
    return position, rotations.slerp(path.rotation_w[a], path.rotation_w[b], share)


def _refine_clip(
    o: Observations, path: Candidates, config: KeypointSolverConfig, prior: MotionPrior, fps: float, rest: np.ndarray,
    corners_b: np.ndarray | None,
) -> Candidates:  # fmt: skip
    """The whole clip: eq. 3 of all frames plus the motion prior; then what stands on the floor, once more with it."""
    stands = np.zeros(len(rest) + 1, np.bool_)

    def equations(at: np.ndarray, turned: np.ndarray) -> NormalEquations:
        points = o.linearize(at[:, None], turned[:, None], config.kernel, config.kernel_threshold)
        clip = NormalEquations(len(at), 6)
        clip.add(points.residuals[:, 0], [points.rows[:, 0]], cost=float(points.cost.sum()))
        motion_prior.add_motion(clip, prior, at, turned, fps, rest)
        if stands.any() and corners_b is not None and prior.floor is not None:
            floor.add_floor(clip, corners_b, stands, at, turned, prior.floor)
        return clip

    path = _descend_clip(equations, path, o.radius, config.clip_iterations)
    if corners_b is not None and prior.floor is not None:
        stands = floor.standing(corners_b, *path, rest_intervals(rest, fps))
        path = _descend_clip(equations, path, o.radius, config.clip_iterations) if stands.any() else path
    return path


def _descend_clip(
    equations: Callable[[np.ndarray, np.ndarray], NormalEquations], path: Candidates, radius: float, iterations: int
) -> Candidates:
    """Levenberg-Marquardt on a whole clip from a path [T, ...]."""
    scale = np.diag(np.repeat([1.0, radius**2], 3))
    clip = equations(*path)
    damping = 1e-4
    for _ in range(iterations):
        size = np.trace(clip.blocks[0], axis1=-2, axis2=-1) / (3 + 3 * radius**2)
        step, _ = clip.step((damping * size + _WEAK)[:, None, None] * scale)
        trial = Candidates(*_turned(*path, step))
        trial_clip = equations(*trial)
        gain = clip.cost - trial_clip.cost
        if gain > 0:
            path, clip = trial, trial_clip
            damping *= 0.1
            if gain < 1e-4 * (1 + clip.cost):
                break
        else:
            damping *= 10
            if damping > _MAX_DAMPING:
                break
    return path


def _result(
    o: Observations, position: np.ndarray, rotation: np.ndarray, config: KeypointSolverConfig, rest: np.ndarray,
    first_frame: int,
) -> ObjectPoses:  # fmt: skip
    frames, c = len(o.active), o.num_contacts
    static = len(position) == 1 < frames
    plain = o.linearize(position[:, None], rotation[:, None])
    distances = plain.distances[:, 0]
    information = _normal_equations(plain, static)[2][:, 0]
    test = frame_rank(information, o.radius, config.free_limit)
    limits = np.repeat([config.report_contact, config.report_image], [c, len(o.names) - c])
    missing = missing_points(o, position, rotation, test, first_frame)
    messages = (*missing, *contradictions(o, distances, limits, first_frame))
    rank = np.broadcast_to(test.rank, frames).copy()
    position_w = np.broadcast_to(position - rotations.rotate(rotation, o.center_b), (frames, 3)).copy()
    return ObjectPoses(
        position_w=position_w,
        rotation_w=rotations.make_continuous(np.broadcast_to(rotation, (frames, 4)).copy()),
        contact_residuals=distances[:, :c],
        image_residuals=distances[:, c:],
        rank=rank,
        solved=rank == 6,
        interpolated=~o.held & (not static),
        rest=rest,
        messages=messages,
    )
