"""Landmarks of a person over a clip -> the body's motion on our skeleton, in a world with the floor at z = 0.

1. A first pose by the directions of bones between 3D landmarks, a first place by the pixels (`recon.body.initial`).
2. One least-squares problem over the whole clip (`recon.body.solver`): pixels, 3D landmarks, pose prior, joint limits,
   smoothness, sizes of the bones (left and right alike).
3. Which feet stand is read off the result; they are held still, and the floor's plane is sought along with the body
   unless the camera's pose is known (`recon.body.grounding`). Twice, softly; then its slope is kept and soles held.
4. Fingers, where there are hand landmarks; relaxed ones elsewhere.

One camera cannot tell a near small person from a far tall one, and the metres of 3D landmarks are of nobody in
particular (MediaPipe's made a tennis player of 1.85 m 1.50 m tall): their size is set to the template's, 1.70 m, or to
`BodyFitConfig.height`. Proportions come from the landmarks.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from recon.body import grounding
from recon.body.grounding import ContactConfig, Floor
from recon.body.hands import finger_joints, finger_rotations
from recon.body.initial import LIMB_LANDMARKS, TRUNK_LANDMARKS, fill_gaps, initial_rotations, root_in_camera
from recon.body.points import ANCHORS, SCALE_GROUPS, BodyTemplate, PointModel
from recon.body.pose_prior import PosePrior, load_pose_prior
from recon.body.solver import BodyProblem, BodyState, FitWeights, Observations, Seek, minimise
from recon.camera import Camera, default_intrinsics
from recon.vision.landmarks import BODY_NAMES, Landmarks
from sim import rotations, skeleton
from sim.errors import ReconstructionError
from sim.motion import Motion
from sim.skeleton import FINGER_JOINTS, JOINT_NAMES

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class BodyFitConfig:
    """How a body is fitted.

    Attributes:
        height: m, the person's stature where it is known; None takes about the template's.
        camera_pose: `estimate` takes only the intrinsics of the camera and finds its tilt and height over the floor;
            `keep` believes its pose in the world too (and has to, where it moves).
        focal: `keep`, or `search` within some 20 % (only perspective in the person's own body tells it: weak).
        min_confidence: landmarks below it count as missing.
        steps: of Levenberg-Marquardt: before contacts are known; while the floor's slope is sought, twice, with
            contacts found anew; and with that slope kept.
        weights: of the terms; contact: when a foot stands.
    """

    height: float | None = None
    camera_pose: Literal["estimate", "keep"] = "estimate"
    focal: Literal["keep", "search"] = "keep"
    min_confidence: float = 0.1
    steps: tuple[int, int, int, int] = (12, 6, 4, 6)
    weights: FitWeights = field(default_factory=FitWeights)
    contact: ContactConfig = field(default_factory=ContactConfig)


@dataclass(frozen=True, eq=False)
class BodyFit:
    """What came out.

    Attributes:
        motion: the body's motion without objects; the first pelvis over the origin unless the camera was kept.
        camera: in the motion's world.
        observed: bool [T], frames with a person; the others are interpolated.
        standing: bool [T, 6], soles (`recon.body.points.SOLE_NAMES`) that were held to the floor.
        pixel_error: [T] px, median distance of the landmarks to their image; NaN where nobody was seen.
        costs: the final cost by term.
    """

    motion: Motion
    camera: Camera
    observed: np.ndarray
    standing: np.ndarray
    pixel_error: np.ndarray
    costs: dict[str, float]


def fit_body(
    landmarks: Landmarks,
    camera: Camera | None,
    config: BodyFitConfig | None = None,
    *,
    fps: float,
    image_size: tuple[int, int] | None = None,
    template: BodyTemplate | None = None,
    prior: PosePrior | None = None,
) -> BodyFit:
    """Fit a body to landmarks over a clip.

    Args:
        landmarks: with `points_m`; T >= 2.
        camera: intrinsics, and with `camera_pose="keep"` the pose; None takes `default_intrinsics`.
        fps: of the clip.
        image_size: width, height in pixels; needed where there is no camera.
        template: the subject before scaling; average proportions where None.
        prior: the shipped one where None.

    Raises:
        ReconstructionError: no person in the clip, no 3D landmarks, or a camera that does not fit.
    """
    config, template = config or BodyFitConfig(), template or BodyTemplate.default(1.70)
    prior = prior or load_pose_prior()
    camera = _start_camera(landmarks, camera, config, image_size)
    chosen, weight, observed = _usable(landmarks, config)
    problem_weights = dataclasses.replace(
        config.weights,
        size=0.01 if config.height is not None else config.weights.size,
        log_focal=0.1 if config.focal == "search" else 0.0,
    )
    if config.height is not None:
        template = template.scaled(np.full(len(SCALE_GROUPS), np.log(config.height / template.height)))
    every, landmarks = landmarks, _to_size(chosen, weight, template)
    if config.camera_pose == "estimate":
        assert landmarks.points_m is not None
        camera = _level(camera, np.where(weight[..., None] > 0, landmarks.points_m, np.nan), landmarks.names)
    state = _start(landmarks, weight, camera, template, prior)
    keep = config.camera_pose == "keep"
    stages: tuple[Seek, ...] = ("nothing", *(("nothing",) * 3 if keep else ("plane", "plane", "height")))
    standing: np.ndarray | None = None
    for steps, seek in zip(config.steps, stages, strict=True):
        if seek == "height":
            state = _level_floor(state)
        seen = _observations(landmarks, weight, state.camera, fps)
        problem = BodyProblem(template, seen, problem_weights, prior, contacts=standing, seek=seek)
        state = minimise(problem, state, steps)
        costs = problem.costs(state)
        if not keep and standing is None:
            height = grounding.floor_height(_soles(state, template), fps)
            state = dataclasses.replace(state, floor=Floor(np.zeros(2), height))
        standing = grounding.detect_contacts(state.floor.over(_soles(state, template)), fps, config.contact)
    assert standing is not None
    if not keep:
        state = _level_floor(state)
    subject = template.scaled(state.log_scales)
    state = dataclasses.replace(state, rotations_b=_hands(state.rotations_b, every, subject, prior, fps))
    motion = Motion(
        fps, state.root_w, rotations.make_continuous(state.rotations_b), subject.offsets,
        source=f"body fit to {landmarks.source}; pose prior: {prior.source}",
    )  # fmt: skip
    return BodyFit(motion, state.camera, observed, standing, _pixel_error(landmarks, weight, state, template), costs)


def ground_body(motion: Motion, camera: Camera, contact: ContactConfig | None = None) -> BodyFit:
    """Put a body that another method fitted (GVHMR: `recon.open4dhoi.motion.body_motion`) onto the floor z = 0.

    Only the height changes, of body, objects and camera alike: up is the method's own, and so are pose and place.
    Every frame counts as observed; there are no landmarks to measure errors by (NaN).

    Args:
        motion: with the standard skeleton, in a world with z up; camera: in the same world.
        contact: when a foot stands.
    """
    template = BodyTemplate.barefoot(motion.offsets)
    log_scales, floor = np.zeros(len(SCALE_GROUPS)), Floor(np.zeros(2), 0.0)
    state = BodyState(motion.joint_rotations_b, motion.root_position_w, log_scales, floor, camera)
    shift = np.array([0.0, 0.0, grounding.floor_height(_soles(state, template), motion.fps)])
    camera = dataclasses.replace(camera, position_w=camera.position_w - shift)
    state = dataclasses.replace(state, root_w=motion.root_position_w - shift, camera=camera)
    standing = grounding.detect_contacts(_soles(state, template), motion.fps, contact)
    objects = tuple(dataclasses.replace(item, position_w=item.position_w - shift) for item in motion.objects)
    grounded = motion.replace(
        root_position_w=state.root_w, objects=objects, source=f"{motion.source}; put on the floor"
    )
    frames = motion.num_frames
    return BodyFit(grounded, camera, np.ones(frames, bool), standing, np.full(frames, np.nan), {})


def _start_camera(
    landmarks: Landmarks, camera: Camera | None, config: BodyFitConfig, size: tuple[int, int] | None
) -> Camera:
    if camera is None:
        if config.camera_pose == "keep":
            raise ReconstructionError("camera: there is none to keep; give one, or use camera_pose 'estimate'")
        if size is None:
            raise ReconstructionError("camera: give a camera or the size of the image")
        return Camera(default_intrinsics(*size), *size, IDENTITY, np.zeros(3))
    if camera.num_frames is not None:
        if config.camera_pose == "estimate":
            raise ReconstructionError("camera: it moves, so its pose cannot be estimated; use camera_pose 'keep'")
        if camera.num_frames != landmarks.num_frames:
            raise ReconstructionError(f"camera: {camera.num_frames} frames for {landmarks.num_frames} of landmarks")
    return camera


def _usable(landmarks: Landmarks, config: BodyFitConfig) -> tuple[Landmarks, np.ndarray, np.ndarray]:
    """The landmarks that the body's joints decide, their weights [T, L], and in which frames a person is seen [T]."""
    if landmarks.points_m is None:
        raise ReconstructionError(f"landmarks: {landmarks.source} gives no 3D points; a body is fitted to both")
    if landmarks.num_frames < 2:
        raise ReconstructionError(f"landmarks: {landmarks.num_frames} frames, a motion needs at least 2")
    for name in (*TRUNK_LANDMARKS, *LIMB_LANDMARKS):
        if name not in landmarks.names:
            raise ReconstructionError(f"landmarks: no '{name}' among the {len(landmarks.names)} names")
    kept = [i for i, name in enumerate(landmarks.names) if name in ANCHORS and not _on_finger(name)]
    names = tuple(landmarks.names[i] for i in kept)
    chosen = Landmarks(
        names, landmarks.pixels[:, kept], landmarks.points_m[:, kept], landmarks.confidence[:, kept], landmarks.source
    )
    seen = (chosen.confidence >= config.min_confidence) & np.isfinite(chosen.pixels).all(-1)
    trunk = [names.index(name) for name in TRUNK_LANDMARKS]
    observed = seen[:, trunk].sum(1) >= 3
    if not observed.any():
        raise ReconstructionError("landmarks: no person in any frame (shoulders and hips are never seen)")
    weight = np.where(seen & observed[:, None], np.clip(chosen.confidence, 0.0, 1.0), 0.0)
    return chosen, weight, observed


def _on_finger(name: str) -> bool:
    """A hand landmark beyond the knuckles, which the fingers decide, not the wrist."""
    joint = ANCHORS[name].joint
    return joint in FINGER_JOINTS and JOINT_NAMES[joint][-1] != "1"


def _to_size(landmarks: Landmarks, weight: np.ndarray, template: BodyTemplate) -> Landmarks:
    """Detectors' metres are of an average person: scaled to the template's limbs."""
    assert landmarks.points_m is not None
    joints, places = template.landmarks(landmarks.names)
    rest = skeleton.rest_joints(template.offsets)[joints] + places
    found = own = 0.0
    known = (weight > 0) & np.isfinite(landmarks.points_m).all(-1)
    for side in ("left", "right"):
        for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            a, b = (landmarks.names.index(f"{side}_{part}") for part in (start, end))
            both = known[:, [a, b]].all(1)
            if both.any():
                found += float(
                    np.median(np.linalg.norm(landmarks.points_m[both, a] - landmarks.points_m[both, b], axis=-1))
                )
                own += float(np.linalg.norm(rest[a] - rest[b]))
    return dataclasses.replace(landmarks, points_m=landmarks.points_m * (own / found if found else 1.0))


def _level(camera: Camera, points_c: np.ndarray, names: tuple[str, ...]) -> Camera:
    """The camera at the world's origin, turned so that the person is upright."""
    rotation = grounding.camera_rotation(grounding.upright(points_c, names))
    return dataclasses.replace(camera, rotation_w=rotation, position_w=np.zeros(3))


def _start(
    landmarks: Landmarks, weight: np.ndarray, camera: Camera, template: BodyTemplate, prior: PosePrior
) -> BodyState:
    assert landmarks.points_m is not None
    points_c = fill_gaps(landmarks.points_m, (weight > 0) & np.isfinite(landmarks.points_m).all(-1))
    turn = np.array(camera.rotation_w)
    turn = turn[:, None] if turn.ndim == 2 else turn
    q = _fingers(initial_rotations(rotations.rotate(turn, points_c), landmarks.names, template), prior)
    joints, places = template.landmarks(landmarks.names)
    positions, world = skeleton.forward_kinematics(q, np.zeros((len(q), 3)), template.offsets)
    figure = positions[:, joints] + rotations.rotate(world[:, joints], places)
    shift = root_in_camera(rotations.rotate_inverse(turn, figure), landmarks.pixels, weight, camera.intrinsics)
    if np.isnan(shift).all():
        raise ReconstructionError("landmarks: no frame shows enough of the person to place it before the camera")
    shift = uniform_filter1d(fill_gaps(shift, np.isfinite(shift).all(-1)), 5, axis=0, mode="nearest")
    return BodyState(q, camera.to_world(shift), np.zeros(len(SCALE_GROUPS)), Floor(np.zeros(2), 0.0), camera)


def _observations(landmarks: Landmarks, weight: np.ndarray, camera: Camera, fps: float) -> Observations:
    assert landmarks.points_m is not None
    names = landmarks.names
    extent = np.full(len(weight), np.nan)
    seen = (weight > 0).sum(1) >= 4
    visible = np.where((weight > 0)[..., None], landmarks.pixels, np.nan)
    extent[seen] = np.linalg.norm(np.nanmax(visible[seen], 1) - np.nanmin(visible[seen], 1), axis=-1)
    extent = median_filter(fill_gaps(extent[:, None], seen)[:, 0], 15, mode="nearest")
    centring = np.eye(len(names))
    body = np.array([name in BODY_NAMES for name in names])
    trunk = [names.index(name) for name in TRUNK_LANDMARKS]
    centring[np.ix_(np.flatnonzero(body), np.array(trunk))] -= 1.0 / len(
        trunk
    )  # the hips' middle alone would put its noise on all others
    turn = np.array(camera.rotation_w)
    turn = turn[:, None] if turn.ndim == 2 else turn
    points = centring @ np.nan_to_num(landmarks.points_m)
    known = np.isfinite(landmarks.points_m).all(-1) & body
    known &= known[:, trunk].all(1, keepdims=True)
    return Observations(
        fps, names, np.nan_to_num(landmarks.pixels), weight, np.maximum(extent, 20.0),
        rotations.rotate(turn, points), np.where(known, weight, 0.0), centring,
    )  # fmt: skip


def _level_floor(state: BodyState) -> BodyState:
    """With the world turned and shifted so that the floor is z = 0."""
    camera, q, root = grounding.onto_floor(state.floor, state.camera, state.rotations_b, state.root_w)
    return dataclasses.replace(state, camera=camera, rotations_b=q, root_w=root, floor=Floor(np.zeros(2), 0.0))


def _soles(state: BodyState, template: BodyTemplate) -> np.ndarray:
    """[T, 6, 3] m."""
    subject = template.scaled(state.log_scales)
    positions, world = skeleton.forward_kinematics(state.rotations_b, state.root_w, subject.offsets)
    model = PointModel(template, *template.soles())
    return model.positions((positions, rotations.to_matrix(world)), state.log_scales)


def _fingers(joint_rotations_b: np.ndarray, prior: PosePrior) -> np.ndarray:
    """With relaxed fingers."""
    q = joint_rotations_b.copy()
    q[:, list(FINGER_JOINTS)] = prior.fingers_b
    return q


def _hands(
    joint_rotations_b: np.ndarray, landmarks: Landmarks, subject: BodyTemplate, prior: PosePrior, fps: float
) -> np.ndarray:
    """With the fingers that the landmarks show."""
    q, relaxed = joint_rotations_b.copy(), _fingers(joint_rotations_b, prior)[0]
    for side in ("left", "right"):
        joints = finger_joints(side)
        found = finger_rotations(landmarks, side, subject, relaxed[joints], fps)
        q[:, joints] = relaxed[joints] if found is None else found
    return q


def _pixel_error(landmarks: Landmarks, weight: np.ndarray, state: BodyState, template: BodyTemplate) -> np.ndarray:
    subject = template.scaled(state.log_scales)
    positions, world = skeleton.forward_kinematics(state.rotations_b, state.root_w, subject.offsets)
    model = PointModel(template, *template.landmarks(landmarks.names))
    points = model.positions((positions, rotations.to_matrix(world)), state.log_scales)
    away = np.linalg.norm(state.camera.project_world(points) - landmarks.pixels, axis=-1)
    away = np.where(weight > 0, away, np.nan)
    error = np.full(len(away), np.nan)
    seen = np.isfinite(away).any(1)
    error[seen] = np.nanmedian(away[seen], axis=1)
    return error
