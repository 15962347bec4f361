"""Before the solver: frames, the person's landmarks and body, masks, points followed in time (seed, 3.1 and 3.2).

Each stage keeps its result in the session's `touchstone/` folder with a digest of what it was made from, so that a
second call does only what changed. Files of stronger tools that lie in the session (GVHMR's body, masks) are taken as
they are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recon.annotations import Annotations, Target, to_json
from recon.body.fit import BodyFit, BodyFitConfig, fit_body
from recon.camera import Camera
from recon.open4dhoi.motion import body_motion, result_camera
from recon.optimizer.mask_term import Masks
from recon.session import OWN, Session
from recon.vision.blaze import BlazeConfig, BlazeTracker
from recon.vision.intrinsics import clip_intrinsics
from recon.vision.landmarks import Landmarks, LandmarkTracker, PersonDetection, VitPoseTracker, detect_person
from recon.vision.masks import GrabCutFlow, Prior, Segmenter
from recon.vision.sam2 import Sam2
from recon.vision.side_swaps import put_back
from recon.vision.tracks import CoTracker, LucasKanade, PointTracker, track_image_points
from recon.vision.video import FRAME_NAME, VideoInfo, extract_frames, select_frames
from sim import subject
from sim.errors import AnnotationError, ReconstructionError
from sim.files import atomic_path, write_json
from sim.motion import Motion

STAGES = ("frames", "person", "body", "masks", "tracks")
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
    body_model: Path | None = None
    person: BlazeConfig = field(default_factory=BlazeConfig)
    body: BodyFitConfig = field(default_factory=BodyFitConfig)


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What the solver needs, over the T frames that were chosen.

    Attributes:
        frames: of the video. images: [H, W, 3] uint8 RGB, read when asked for.
        body: without objects. camera: of the video, in the body's world.
        annotations: cut to the frames, image points followed through them.
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


class Images(Sequence[np.ndarray]):
    """Extracted frames as a sequence of images, read one at a time, so that a long clip does not fill the memory."""

    def __init__(self, folder: Path, frames: range) -> None:
        self._paths = [folder / FRAME_NAME.format(index) for index in frames]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        path = self._paths[index]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ReconstructionError(f"{path} is missing or no image; extract the frames again")
        return np.ascontiguousarray(image[..., ::-1])


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
        ReconstructionError: nobody in the clip, a cut within the frames, a damaged video; AssetError: the detector's
            weights were never fetched; AnnotationError: clicks outside the image, or none within the frames.
    """
    config = config or PreprocessConfig()
    work = _Work(session, config, on_stage or (lambda name: None))
    work.on_stage("frames")
    frames = work.frames
    folder = session.folder / "frames"
    if session.video_path is not None:
        extract_frames(session.video_path, folder, frames)
    images = Images(folder, frames)
    cut = annotations.cut(frames.start, frames.stop)
    if cut.is_empty:
        raise AnnotationError(f"no annotated point lies within frames {frames.start}:{frames.stop} of the video")
    _check_inside(cut, frames.start, session.video)
    body, camera = _body(work, images)
    masks = _masks(work, images, cut) if config.masks else None
    tracked = _tracked(work, images, cut, masks)
    return Preprocessed(frames, images, body, camera, tracked, masks, work.sources, tuple(work.notes))


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


class _Work:
    """What the stages of one call share: the frames, where results are kept, and what is to be said about them."""

    def __init__(self, session: Session, config: PreprocessConfig, on_stage: Callable[[str], None]) -> None:
        self.session, self.config, self.on_stage = session, config, on_stage
        self.frames = select_frames(session.video, config.first, config.end)
        self.folder = session.folder / OWN
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self._digests = self.folder / "stages.json"
        self._detection: PersonDetection | None = None

    def is_done(self, stage: str, path: Path, *inputs: Any) -> bool:
        """Whether a stage's result is there and was made from the same."""
        return path.exists() and self._read().get(stage) == self._digest(*inputs)

    def done(self, stage: str, *inputs: Any) -> None:
        """Remember what a stage's result was made from."""
        write_json(self._digests, {**self._read(), stage: self._digest(*inputs)})

    def person(self, images: Sequence[np.ndarray]) -> PersonDetection:
        """The person in every frame: detected once in a call."""
        if self._detection is None:
            self.on_stage("person")
            tracker: LandmarkTracker = BlazeTracker(self.config.person)
            if self.config.vitpose is not None:
                tracker = VitPoseTracker(self.config.vitpose, tracker)
            self._detection = detect_person(images, tracker)
        return self._detection

    def _digest(self, *inputs: Any) -> str:
        plain = [
            dataclasses.asdict(i) if dataclasses.is_dataclass(i) and not isinstance(i, type) else i for i in inputs
        ]
        text = json.dumps([self.frames.start, self.frames.stop, *plain], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _read(self) -> dict[str, str]:
        try:
            content = json.loads(self._digests.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


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
        work.sources["body"] = "the session's own result (GVHMR)"
        chosen = slice(work.frames.start, work.frames.stop)
        return motion.slice(chosen.start, chosen.stop), camera.frames(chosen)
    path = work.folder / "body.npz"
    intrinsics = clip_intrinsics(info, focal=config.focal_px or None)
    inputs = (config.person, config.vitpose, config.body, intrinsics.matrix.tolist(), config.body_model)
    if work.is_done("body", path, *inputs) and (work.folder / "camera.json").exists():
        body, camera = Motion.load(path), load_camera(work.folder / "camera.json")
    else:
        landmarks, swapped = put_back(work.person(images).landmarks)
        if swapped.any():
            work.notes.append(f"person: left and right were put back in {int(swapped.sum())} frames")
        work.on_stage("body")
        # any place will do: the fit takes the intrinsics alone and finds where the camera stands
        unplaced = Camera.look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]), info.width, info.height, intrinsics.matrix)
        fit = fit_body(landmarks, unplaced, config.body, fps=info.fps)
        body, camera = fit.motion, fit.camera
        save_landmarks(work.folder / "landmarks.npz", landmarks)
        body.save(path)
        save_camera(work.folder / "camera.json", camera)
        work.done("body", *inputs)
        _note_gaps(work, fit)
    work.sources["body"], work.sources["focal length"] = body.source, intrinsics.source
    return body, camera


def _note_gaps(work: _Work, fit: BodyFit) -> None:
    unseen = int((~fit.observed).sum())
    if unseen:
        work.notes.append(f"body: nobody was seen in {unseen} of {len(fit.observed)} frames; those are interpolated")


def _masks(work: _Work, images: Sequence[np.ndarray], annotations: Annotations) -> Masks | None:
    """Both targets' masks, each from the session's files or by its clicks; None where the object has neither."""
    work.on_stage("masks")
    thing, human = (_mask(work, images, annotations, target) for target in _TARGETS)
    return None if thing is None or human is None else Masks(human, thing)


def _mask(
    work: _Work, images: Sequence[np.ndarray], annotations: Annotations, target: Target
) -> np.ndarray | None:  # fmt: skip
    session, frames = work.session, work.frames
    clicks = [click for click in annotations.clicks if click.target == target]
    marker = work.folder / f"{target}_masks.json"
    inputs = (clicks, work.config.sam2)
    masks, present = session.masks(target)
    own = marker.exists()  # masks that this stage wrote
    if present[frames.start : frames.stop].any() and (not own or work.is_done(f"{target} masks", marker, *inputs)):
        work.sources[f"{target} mask"] = json.loads(marker.read_text())["source"] if own else "the session's files"
        return masks[frames.start : frames.stop]
    prior: Prior | None = None
    if target == "human":
        prior = work.person(images).mask
    if not any(click.positive for click in clicks) and prior is None:
        work.notes.append(f"masks: no positive click on the {target}, so silhouettes are not compared")
        return None
    segmenter: Segmenter = Sam2(work.config.sam2) if work.config.sam2 else GrabCutFlow()
    track = segmenter(images, clicks, prior)
    if track.lost:
        work.notes.append(f"masks: the {target} is lost in {len(track.lost)} of {len(images)} frames")
    whole = np.zeros_like(masks)
    whole[frames.start : frames.stop] = track.masks
    kept = np.zeros_like(present)
    kept[frames.start : frames.stop] = track.confidence > 0
    session.save_masks(target, whole, kept)
    write_json(marker, {"source": track.source})
    work.done(f"{target} masks", *inputs)
    work.sources[f"{target} mask"] = track.source
    return track.masks


def _tracked(work: _Work, images: Sequence[np.ndarray], annotations: Annotations, masks: Masks | None) -> Annotations:
    """Image points followed from the frames in which they were clicked through all others."""
    if not annotations.image_points.visible.any():
        return annotations
    work.on_stage("tracks")
    path, marker = work.folder / "tracked.json", work.folder / "tracks.json"
    inputs = (to_json(annotations), work.config.cotracker, work.config.sam2, masks is not None)
    if work.is_done("tracks", path, *inputs) and marker.exists():
        work.sources["tracks"] = json.loads(marker.read_text(encoding="utf-8"))["source"]
        return Annotations.load(path, None, annotations.num_frames)
    tracker: PointTracker = CoTracker(work.config.cotracker) if work.config.cotracker else LucasKanade()
    points, tracks = track_image_points(
        images, annotations.image_points, tracker, None if masks is None else masks.object
    )
    tracked = dataclasses.replace(annotations, image_points=points)
    tracked.save(path)
    write_json(marker, {"source": tracks.source})
    work.done("tracks", *inputs)
    work.sources["tracks"] = tracks.source
    return tracked


def save_landmarks(path: Path, landmarks: Landmarks) -> None:
    """Write landmarks as .npz, atomically."""
    arrays = {"pixels": landmarks.pixels, "confidence": landmarks.confidence}
    if landmarks.points_m is not None:
        arrays["points_m"] = landmarks.points_m
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, names=np.array(landmarks.names), source=np.array(landmarks.source), **arrays)  # type: ignore[arg-type]


def save_camera(path: Path, camera: Camera) -> None:
    """Write a camera as JSON, atomically."""
    write_json(path, {name: _plain(value) for name, value in vars(camera).items()})


def load_camera(path: Path) -> Camera:
    """Read what `save_camera` wrote. Raises ReconstructionError for a damaged file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, Any] = {n: np.array(v) if isinstance(v, list) else v for n, v in content.items()}
        return Camera(**values)
    except (OSError, ValueError, TypeError) as error:
        raise ReconstructionError(f"{path}: no camera; delete it to find it anew ({error})") from error


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
