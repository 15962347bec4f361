"""Before the solver: frames, the person's landmarks and body, masks, points followed in time (seed, 3.1 and 3.2).

Each stage keeps its result in the session's `touchstone/` folder (`recon.stages`), so that a second call does only what
changed. Files of stronger tools that lie in the session (GVHMR's body, masks, depth) are taken as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from recon.annotations import Annotations, Target, to_json
from recon.body.fit import BodyFit, BodyFitConfig, fit_body, ground_body
from recon.camera import Camera
from recon.measure import measure
from recon.open4dhoi.motion import body_motion, result_camera
from recon.optimizer.mask_term import Masks
from recon.session import Session
from recon.stages import Images, Work, load_camera, save_camera, save_landmarks
from recon.vision.blaze import BlazeConfig, BlazeTracker
from recon.vision.depth import DepthKind
from recon.vision.intrinsics import clip_intrinsics
from recon.vision.landmarks import LandmarkTracker, PersonDetection, VitPoseTracker, detect_person
from recon.vision.masks import GrabCutFlow, Prior, Segmenter
from recon.vision.sam2 import Sam2
from recon.vision.side_swaps import put_back
from recon.vision.tracks import CoTracker, LucasKanade, PointTracker, track_image_points
from recon.vision.video import VideoInfo, extract_frames, select_frames
from sim import subject
from sim.errors import AnnotationError, ReconstructionError
from sim.motion import Motion

STAGES = ("frames", "person", "body", "masks", "tracks", "depth")
_TARGETS: tuple[Target, ...] = ("object", "human")


@dataclass(frozen=True)
class PreprocessConfig:
    """What is done before the solver, and by which model.

    Attributes:
        first, end: frames of the video, end exclusive; the longest shot where neither is given.
        focal_px: focal length in pixels; 0 takes that of the video's metadata, else sqrt(width^2 + height^2), as GVHMR
            does.
        masks: whether person and object are segmented (where the points file has clicks for them).
        sam2, cotracker, vitpose: folder of that model, which then segments, follows points, or finds the body's joints
            instead of the defaults.
        depth: folder of a depth network (Depth Anything V2). Without it the session's `depth.npy` counts, where there
            is one. Aligned with the body, maps tell how far away image points are.
        depth_kind: what `depth.npy` holds: depth (`metric`) or its inverse; a network says it itself.
        object_scale: `given` with the mesh, or `auto`: measured by the image points at the depth of the maps, else by
            the object's outline at the depth of the body where it touches the object.
        body_model: SMPL-X's model file, for the bones of a session's GVHMR result; average bones without it.
        person: the landmark detector. body: the fit of a body to its landmarks.
    """

    first: int | None = None
    end: int | None = None
    focal_px: float = 0.0
    masks: bool = True
    sam2: Path | None = None
    cotracker: Path | None = None
    vitpose: Path | None = None
    depth: Path | None = None
    depth_kind: DepthKind = "metric"
    object_scale: Literal["given", "auto"] = "given"
    body_model: Path | None = None
    person: BlazeConfig = field(default_factory=BlazeConfig)
    body: BodyFitConfig = field(default_factory=BodyFitConfig)


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What the solver needs, over the T frames that were chosen.

    Attributes:
        frames: of the video. images: [H, W, 3] uint8 RGB, read when asked for.
        body: without objects. camera: of the video, in the body's world.
        annotations: cut to the frames, image points followed through them, with their depth where maps tell it; at the
            object's scale.
        masks: None where there are none.
        sources: what made each part, by stage.
        notes: what was missing or lost; one line each.
    """

    frames: range
    images: Sequence[np.ndarray]
    body: Motion
    camera: Camera
    annotations: Annotations
    masks: Masks | None
    sources: dict[str, str]
    notes: tuple[str, ...]


def preprocess(
    session: Session,
    annotations: Annotations,
    config: PreprocessConfig | None = None,
    *,
    on_stage: Callable[[str], None] | None = None,
) -> Preprocessed:
    """Do, or read back, all that comes before the solver.

    Args:
        session: with a video; masks and body results that it holds are taken.
        annotations: of the whole video.
        config: which frames, and which models.
        on_stage: told the name of each stage of `STAGES` when it begins.

    Raises:
        ReconstructionError: nobody in the clip, a cut within the frames, a damaged video, a scale that cannot be
            measured; AssetError: the detector's weights were never fetched; AnnotationError: clicks outside the image,
            or none within the frames.
    """
    config = config or PreprocessConfig()
    on_stage = on_stage or (lambda name: None)
    on_stage("frames")
    frames = select_frames(session.video, config.first, config.end)
    work = _Work(session, frames, on_stage, config)
    folder = session.folder / "frames"
    if session.video_path is not None:
        extract_frames(session.video_path, folder, frames)
    if session.video.is_variable_rate:
        work.notes.append(f"video: its frames last unequally; each counts as 1/{session.video.fps:.4g} s")
    images = Images(folder, frames)
    cut = annotations.cut(frames.start, frames.stop)
    if cut.is_empty:
        raise AnnotationError(f"no annotated point lies within frames {frames.start}:{frames.stop} of the video")
    _check_inside(cut, frames.start, session.video)
    body, camera = _body(work, images)
    masks = _masks(work, images, cut) if config.masks else None
    tracked = _tracked(work, images, cut, masks)
    measured = measure(
        work, images, body, camera, tracked, masks, config.depth, config.depth_kind, config.object_scale == "auto"
    )
    return Preprocessed(frames, images, body, camera, measured, masks, work.sources, tuple(work.notes))


def _check_inside(annotations: Annotations, start: int, video: VideoInfo) -> None:
    """Raise AnnotationError for a point or click outside the image, before anything slow is done."""
    points, size = annotations.image_points, np.array([video.width, video.height])
    outside = points.visible & ((points.pixels < 0) | (points.pixels > size)).any(-1)
    found = [(f"image_points: point {p}", t, points.pixels[t, p]) for t, p in np.argwhere(outside)]
    found += [
        (f"clicks: the one on the {click.target}", click.frame, np.array(click.pixel))
        for click in annotations.clicks
        if not (0 <= click.pixel[0] <= size[0] and 0 <= click.pixel[1] <= size[1])
    ]
    if found:
        what, frame, (x, y) = found[0]
        raise AnnotationError(
            f"{what} in frame {frame + start} lies at ({x:g}, {y:g}), outside of the video's "
            f"{video.width} x {video.height} pixels"
        )


class _Work(Work):
    """With the settings, and the person in every frame: detected once in a call, and only where a stage needs it."""

    def __init__(
        self, session: Session, frames: range, on_stage: Callable[[str], None], config: PreprocessConfig
    ) -> None:
        super().__init__(session, frames, on_stage)
        self.config = config
        self._detection: PersonDetection | None = None

    def person(self, images: Sequence[np.ndarray]) -> PersonDetection:
        """The person in every frame."""
        if self._detection is None:
            self.on_stage("person")
            tracker: LandmarkTracker = BlazeTracker(self.config.person)
            if self.config.vitpose is not None:
                tracker = VitPoseTracker(self.config.vitpose, tracker)
            self._detection = detect_person(images, tracker)
        return self._detection


def _body(work: _Work, images: Sequence[np.ndarray]) -> tuple[Motion, Camera]:
    """The body and the camera: the session's own result, or a fit to the person's landmarks."""
    session, config = work.session, work.config
    info = session.video
    given = session.body()
    if given is not None:
        camera = result_camera(given, info.width, info.height)
        offsets = None if config.body_model is not None else subject.default_offsets()
        motion = body_motion(given.incam, camera, info.fps, body=config.body_model, offsets=offsets)
        if motion.num_frames < work.frames.stop:
            raise ReconstructionError(
                f"{session.folder}: its body has {motion.num_frames} frames, {work.frames.stop} are needed"
            )
        work.sources["body"] = "the session's own result (GVHMR), put on the floor"
        chosen = slice(work.frames.start, work.frames.stop)
        grounded = ground_body(motion.slice(chosen.start, chosen.stop), camera.frames(chosen))
        return grounded.motion, grounded.camera
    path = work.folder / "body.npz"
    intrinsics = clip_intrinsics(info, focal=config.focal_px or None)
    inputs = (config.person, config.vitpose, config.body, intrinsics.matrix.tolist(), config.body_model)
    if (work.folder / "camera.json").exists() and work.recall("body", path, *inputs):
        body, camera = Motion.load(path), load_camera(work.folder / "camera.json")
    else:
        landmarks, swapped = put_back(work.person(images).landmarks)
        work.on_stage("body")
        # any place will do: the fit takes the intrinsics alone and finds where the camera stands
        unplaced = Camera.look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]), info.width, info.height, intrinsics.matrix)
        fit = fit_body(landmarks, unplaced, config.body, fps=info.fps)
        body, camera = fit.motion, fit.camera
        save_landmarks(work.folder / "landmarks.npz", landmarks)
        body.save(path)
        save_camera(work.folder / "camera.json", camera)
        work.keep("body", body.source, _notes(fit, int(swapped.sum())), *inputs)
    work.sources["focal length"] = intrinsics.source
    return body, camera


def _notes(fit: BodyFit, swapped: int) -> list[str]:
    unseen, notes = int((~fit.observed).sum()), []
    if swapped:
        notes.append(f"person: left and right were put back in {swapped} frames")
    if unseen:
        notes.append(f"body: nobody was seen in {unseen} of {len(fit.observed)} frames; those are interpolated")
    return notes


def _masks(work: _Work, images: Sequence[np.ndarray], annotations: Annotations) -> Masks | None:
    """Both targets' masks, each from the session's files or by its clicks; None where the object has neither."""
    work.on_stage("masks")
    thing, human = (_mask(work, images, annotations, target) for target in _TARGETS)
    return None if thing is None or human is None else Masks(human, thing)


def _mask(
    work: _Work, images: Sequence[np.ndarray], annotations: Annotations, target: Target
) -> np.ndarray | None:  # fmt: skip
    session, frames, stage = work.session, work.frames, f"{target} mask"
    clicks = [click for click in annotations.clicks if click.target == target]
    inputs = (clicks, work.config.sam2)
    masks, present = session.masks(target)
    if present[frames.start : frames.stop].any():
        if not work.wrote(stage):
            work.sources[stage] = "the session's files"
            return masks[frames.start : frames.stop]
        if work.recall(stage, session.folder, *inputs):
            return masks[frames.start : frames.stop]
    prior: Prior | None = None
    if target == "human":
        prior = work.person(images).mask
    if not any(click.positive for click in clicks) and prior is None:
        work.notes.append(f"masks: no positive click on the {target}, so silhouettes are not compared")
        return None
    segmenter: Segmenter = Sam2(work.config.sam2) if work.config.sam2 else GrabCutFlow()
    track = segmenter(images, clicks, prior)
    lost = [f"masks: the {target} is lost in {len(track.lost)} of {len(images)} frames"] if track.lost else []
    whole = np.zeros_like(masks)
    whole[frames.start : frames.stop] = track.masks
    kept = np.zeros_like(present)
    kept[frames.start : frames.stop] = track.confidence > 0
    session.save_masks(target, whole, kept)
    work.keep(stage, track.source, lost, *inputs)
    return track.masks


def _tracked(work: _Work, images: Sequence[np.ndarray], annotations: Annotations, masks: Masks | None) -> Annotations:
    """Image points followed from the frames in which they were clicked through all others."""
    if not annotations.image_points.visible.any():
        return annotations
    work.on_stage("tracks")
    path = work.folder / "tracked.json"
    inputs = (to_json(annotations), work.config.cotracker, work.config.sam2, masks is not None)
    if work.recall("tracks", path, *inputs):
        return Annotations.load(path, None, annotations.num_frames)
    tracker: PointTracker = CoTracker(work.config.cotracker) if work.config.cotracker else LucasKanade()
    points, tracks = track_image_points(
        images, annotations.image_points, tracker, None if masks is None else masks.object
    )
    tracked = dataclasses.replace(annotations, image_points=points)
    tracked.save(path)
    work.keep("tracks", tracks.source, (), *inputs)
    return tracked
