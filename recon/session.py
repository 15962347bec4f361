"""A session: one folder per clip, in the layout of Open4DHOI's tools, so that their users can switch over and back.

Opening a session only reads. What Touchstone adds lies in its subfolder `touchstone/`; files of the layout are written
atomically and only by the `save_...` methods, the first original of each is kept beside as `NAME.orig`, and what is
not known is left alone. Vertex ids are those of the original mesh throughout, its frame is the object's frame.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from recon.annotations import Annotations, Click, Target
from recon.camera import Camera, default_intrinsics
from recon.open4dhoi import layout, record_files
from recon.open4dhoi import records as records_of
from recon.open4dhoi import results as results_of
from recon.open4dhoi.layout import Selection, Version
from recon.open4dhoi.motion import BodyResult, body_motion, read_body, result_camera, write_body
from recon.open4dhoi.records import Records
from recon.open4dhoi.results import Placement, Results
from recon.open4dhoi.vertex_order import VertexOrder
from recon.vision.video import VideoInfo, scan_video
from sim import rotations
from sim.errors import AssetError, FormatError, TouchstoneError
from sim.files import atomic_path
from sim.geometry import Mesh
from sim.meshes import check_mesh, read_mesh
from sim.motion import Motion, MotionObject

OWN = "touchstone"
_ANNOTATIONS, _MOTION = f"{OWN}/annotations.json", f"{OWN}/motion.npz"
_IMAGES = (".jpg", ".jpeg", ".png")
_VIDEO_SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".avi")


@dataclass(frozen=True, eq=False)
class Session:
    """An open session.

    Attributes:
        folder: of the clip.
        version: whose layout it is written in; found out on opening.
    """

    folder: Path
    version: Version

    @staticmethod
    def open(folder: str | Path, version: Version | None = None) -> Session:
        """Open a folder that the tools of either version, or `create`, made. Nothing is written or deleted.

        Raises:
            FormatError: no such folder, or it holds neither a video nor frames.
        """
        folder = Path(folder).absolute()
        if not folder.is_dir():
            raise FormatError(f"{folder}: no such session folder")
        session = Session(folder, version or layout.detect_version(folder))
        if session.video_path is None and not session.frame_paths:
            raise FormatError(
                f"{folder}: neither {layout.VIDEOS[0]} nor {layout.FRAMES}/00000.jpg in it, so no session"
            )
        return session

    @staticmethod
    def create(
        folder: str | Path, video: str | Path, mesh: Mesh, *, scale: float = 1.0, object_name: str = "object",
        version: Version = "v2",
    ) -> Session:  # fmt: skip
        """A new session with a copy of the video and the object's mesh; all of it or nothing.

        Args:
            mesh: as in its file, vertices in their order. scale: to metres.

        Raises:
            FormatError: the folder holds something already, or the video cannot be read.
            AssetError: the mesh has no size that a person can handle.
        """
        folder, video = Path(folder).absolute(), Path(video)
        if folder.exists() and any(folder.iterdir()):
            raise FormatError(f"{folder}: holds something already; open it, or name a new folder")
        frames = scan_video(video).num_frames
        check_mesh(Mesh(mesh.vertices * scale, mesh.faces))
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
            made = Path(name) / folder.name
            made.mkdir()
            shutil.copyfile(video, made / f"video{video.suffix.lower()}")
            layout.write_obj(made / layout.MESHES[0], mesh)
            centers = np.zeros((frames, 3)) if version == "v1" else None
            shift = np.zeros(3) if version == "v2" else None
            Placement(scale, centers, None, shift).write(made / layout.PLACEMENTS[1])
            Selection(object_name=object_name).write(made / layout.SELECTION)
            os.replace(made, folder)
        return Session(folder, version)

    # --- video, frames, masks, depth ------------------------------------------------------------------------------

    @functools.cached_property
    def video_path(self) -> Path | None:
        """The clip's video, where there is one."""
        names = (*layout.VIDEOS, *(f"video{suffix}" for suffix in _VIDEO_SUFFIXES))
        return next((self.folder / name for name in names if (self.folder / name).is_file()), None)

    @functools.cached_property
    def frame_paths(self) -> dict[int, Path]:
        """Video frame -> extracted image, in order; those that are there."""
        paths = (self.folder / layout.FRAMES).glob("*")
        return dict(sorted((int(p.stem), p) for p in paths if p.suffix.lower() in _IMAGES and p.stem.isdecimal()))

    @functools.cached_property
    def video(self) -> VideoInfo:
        """Length, size and shots of the clip, from its video, else from its frames (at 30 fps).

        Raises ReconstructionError if the video is damaged.
        """
        if self.video_path is not None:
            return scan_video(self.video_path)
        count = max(self.frame_paths) + 1
        height, width = read_mask(next(iter(self.frame_paths.values()))).shape
        return VideoInfo(self.folder / layout.FRAMES, width, height, 30.0, False, count, ((0, count),), {})

    @property
    def num_frames(self) -> int:
        """T."""
        return self.video.num_frames

    def mask_paths(self, target: Target) -> dict[int, Path]:
        """Frame -> mask, in both naming schemes (`00012.png`, older `00012_mask.png`)."""
        found: dict[int, Path] = {}
        for path in sorted((self.folder / layout.MASKS[target]).glob("*.png"), reverse=True):
            stem = path.stem.removesuffix("_mask")
            if stem.isdecimal():
                found[int(stem)] = path  # reversed order: `00012.png` comes after `00012_mask.png` and wins
        return dict(sorted(found.items()))

    def masks(self, target: Target) -> tuple[np.ndarray, np.ndarray]:
        """Masks [T, H, W] bool and which frames have one, [T] bool. Raises FormatError."""
        info, paths = self.video, self.mask_paths(target)
        masks, present = np.zeros((info.num_frames, info.height, info.width), bool), np.zeros(info.num_frames, bool)
        for frame, path in paths.items():
            if frame >= info.num_frames:
                raise FormatError(f"{path}: the clip has {info.num_frames} frames")
            mask = read_mask(path)
            if mask.shape != masks.shape[1:]:
                raise FormatError(f"{path}: {mask.shape[1]} x {mask.shape[0]} pixels, the video has "
                                  f"{info.width} x {info.height}")  # fmt: skip
            masks[frame], present[frame] = mask, True
        return masks, present

    def save_masks(self, target: Target, masks: np.ndarray, present: np.ndarray | None = None) -> None:
        """Write masks [T, H, W] bool as 8-bit PNG (0, 255), those of `present` [T] only where given."""
        old = self.mask_paths(target)
        for frame in np.flatnonzero(np.ones(len(masks), bool) if present is None else present).tolist():
            path = old.get(frame, self.folder / layout.MASKS[target] / f"{frame:05d}.png")
            png = cv2.imencode(".png", masks[frame].astype(np.uint8) * 255)[1]
            with atomic_path(path) as temporary:
                temporary.write_bytes(png.tobytes())

    def depth(self) -> np.ndarray | None:
        """`depth.npy` [T, H, W], memory-mapped; None where there is none. Raises FormatError."""
        path = self.folder / layout.DEPTH
        if not path.is_file():
            return None
        try:
            depth = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FormatError(f"{path}: not a readable .npy file ({error})") from error
        if depth.ndim != 3:
            raise FormatError(f"{path}: shape {list(depth.shape)}, expected [T, H, W]")
        return np.asanyarray(depth)

    # --- the object -----------------------------------------------------------------------------------------------

    @functools.cached_property
    def mesh(self) -> Mesh:
        """The original mesh as in its file, unscaled: what vertex ids index. Raises AssetError."""
        return read_mesh(self._mesh_path)

    @functools.cached_property
    def vertex_order(self) -> VertexOrder:
        """How their tools number the mesh file's vertices. Raises AssetError."""
        return VertexOrder.of(self._mesh_path)

    @property
    def _mesh_path(self) -> Path:
        found = next((self.folder / name for name in layout.MESHES if (self.folder / name).is_file()), None)
        if found is None:
            raise AssetError(f"{self.folder}: no object mesh; expected {layout.MESHES[0]}")
        return found

    def placement(self) -> Placement:
        """Scale and first place of the object. A mesh with both baked in (`obj_init.obj`) has scale 1."""
        baked = not (self.folder / layout.MESHES[0]).is_file() and (self.folder / layout.MESHES[1]).is_file()
        return Placement() if baked else results_of.read_placement(self.folder)

    def object_mesh(self, scale: float | None = None) -> Mesh:
        """The mesh in metres, at the annotations' scale where None. Raises AssetError if that is no size to handle."""
        if scale is None:
            records = self.records()
            scale = self.placement().scale * (1.0 if records is None else records.object_scale)
        mesh = Mesh(self.mesh.vertices * scale, self.mesh.faces)
        try:
            check_mesh(mesh)
        except AssetError as error:
            raise AssetError(f"{self._mesh_path} at scale {scale:g}: {error}") from error
        return mesh

    def selection(self) -> Selection:
        """`select_id.json`; frame 0 of an unnamed object where there is none."""
        path = self.folder / layout.SELECTION
        return Selection.read(path) if path.is_file() else Selection()

    # --- annotations ----------------------------------------------------------------------------------------------

    def records(self, decimated: np.ndarray | None = None) -> Records | None:
        """Their annotation records with ids on the original mesh, see `read_records`; None where there are none."""
        return record_files.read_records(self.folder, self.version, self.vertex_order, decimated)

    def annotations(self, decimated: np.ndarray | None = None) -> Annotations | None:
        """The clip's annotations, or None where there are none.

        Touchstone's own file counts while their records say the same, or where it is the newer one; records that were
        edited in their tools since count instead (with our clicks for the masks).

        Raises:
            FormatError: a file is broken. AnnotationError: the clip was rejected, or an annotation lies outside it.
        """
        own_path = self.folder / _ANNOTATIONS
        own = Annotations.load(own_path, self.mesh, self.num_frames) if own_path.is_file() else None
        records, vertices, scale = self.records(decimated), self.mesh.vertices, self.placement().scale
        if records is None:
            return own if own is None or own.clicks else replace(own, clicks=self.clicks())
        if own is not None and not records.rejected:
            ours, _ = records_of.from_annotations(own, vertices, scale)
            if _same(ours, records) or own_path.stat().st_mtime_ns > self._records_time():
                return own
        theirs = records_of.to_annotations(records, vertices, scale, self.num_frames)
        return replace(theirs, clicks=self.clicks() if own is None else own.clicks)

    def save_annotations(
        self, annotations: Annotations, decimated: np.ndarray | None = None, *, overwrite_rejected: bool = False
    ) -> list[str]:
        """Write annotations in our own file and in their records; returns notes on what theirs cannot hold.

        Raises:
            AnnotationError: the clip was rejected before and `overwrite_rejected` is not set; nothing is written.
        """
        records, notes = records_of.from_annotations(annotations, self.mesh.vertices, self.placement().scale)
        if not self._hold(records, decimated):
            notes += record_files.write_records(
                self.folder, records, self.version, self.vertex_order, decimated, overwrite_rejected=overwrite_rejected
            )
        if annotations.clicks:
            notes += layout.write_clicks(self.folder / layout.CLICKS, annotations.clicks)
        annotations.save(self.folder / _ANNOTATIONS)
        return notes

    def _hold(self, records: Records, decimated: np.ndarray | None) -> bool:
        """Whether their files say just this already; then they stay as they are, empty frames and all."""
        try:
            old = self.records(decimated)
        except TouchstoneError:
            return False
        original = self.folder / record_files.ORIGINAL_IDS
        stale = original.is_file() and original.stat().st_mtime_ns < self._records_time()
        return old is not None and not old.rejected and not stale and _same(records, old)

    def clicks(self) -> tuple[Click, ...]:
        """The clicks of their `points.json`."""
        path = self.folder / layout.CLICKS
        return layout.read_clicks(path) if path.is_file() else ()

    def _records_time(self) -> int:
        files = [self.folder / record_files.MERGED, self.folder / f"{self.folder.name}.json"]
        files += (self.folder / record_files.PER_FRAME).glob("*.json") if not files[0].is_file() else []
        return max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)

    # --- body, results --------------------------------------------------------------------------------------------

    def body(self) -> BodyResult | None:
        """GVHMR's result with hands; None where there is none. Raises FormatError."""
        return read_body(self.folder)

    def save_body(self, result: BodyResult) -> None:
        """Write body and hands where this version's tools look for them."""
        write_body(self.folder, result, self.version)

    def results(self) -> Results | None:
        """The newest optimised parameters of their solver; None where there are none. Raises FormatError."""
        return results_of.read_results(self.folder)

    def motion(
        self, *, body: Path | None = None, offsets: np.ndarray | None = None, static_camera: bool = True
    ) -> tuple[Motion, Camera]:
        """What their tools reconstructed, as a `Motion` in our z-up world (of the frames that they solved).

        Args:
            body, offsets: where the bones come from, see `body_motion`.
            static_camera: see `result_camera`.

        Raises:
            FormatError: there is no body motion, or nothing says how long the bones are.
        """
        results, found, info = self.results(), self.body() if self.results() is None else None, self.video
        if results is not None:
            found = BodyResult(results.incam, results.world, _per_frame(results, info))
        if found is None:
            raise FormatError(f"{self.folder}: neither motion/result_hand.pt nor motion/result.pt in it")
        camera = result_camera(found, info.width, info.height, static=static_camera)
        track = found.incam if results is None else results.human
        source = f"Open4DHOI session {self.folder.name} ({self.version})"
        motion = body_motion(track, camera, info.fps, body=body, offsets=offsets, source=source)
        return (motion if results is None else self._with_object(motion, camera, results)), camera

    def _with_object(self, motion: Motion, camera: Camera, results: Results) -> Motion:
        annotations, placement = self.annotations(), self.placement()
        if results.scale is not None:
            placement = replace(placement, scale=results.scale)
        correction = results.object_scale
        if correction is None:
            correction = 1.0 if annotations is None else annotations.object_scale / placement.scale
        scale = placement.scale * correction
        place, turn = results.object_poses_c(self.vertex_order.vertices, placement, correction)
        name = self.selection().object_name or "object"
        turn_w = rotations.multiply(np.broadcast_to(camera.rotation_w, turn.shape), turn)
        static = annotations is not None and annotations.is_static
        item = MotionObject(name, self.object_mesh(scale), camera.to_world(place), turn_w, is_static=static)
        first, stop = int(results.frames[0]), int(results.frames[-1]) + 1
        contacts = motion.contacts if annotations is None else annotations.cut(first, stop).contacts
        return motion.replace(objects=(item,), contacts=contacts)

    def save_motion(self, motion: Motion, camera: Camera, first_frame: int = 0) -> list[str]:
        """Write a reconstructed motion: our `touchstone/motion.npz` and their `final_optimized_parameters/`.

        Args:
            motion: its one object has the mesh file's frame, in metres.
            camera: of the video, over these frames. first_frame: of the motion, in the video.

        Returns:
            Notes on what their files cannot hold.
        """
        records = self.records()
        results, notes = results_of.results_of(
            motion,
            camera,
            self.vertex_order.vertices,
            self.placement(),
            object_scale=1.0 if records is None else records.object_scale,
            first_frame=first_frame,
            version=self.version,
            records=None if records is None else records_of.to_json(records.renamed(self._their_ids)),
        )
        results_of.write_results(self.folder, results, self._their_mesh())
        motion.save(self.folder / _MOTION)
        return notes

    @property
    def _their_ids(self) -> dict[int, int]:
        return dict(enumerate(self.vertex_order.from_file.tolist()))

    def _their_mesh(self) -> Mesh:
        """The mesh as their poses apply to it, vertices in the file's order."""
        records, placement = self.records(), self.placement()
        correction = 1.0 if records is None else records.object_scale
        offset = placement.offset_b(self.vertex_order.vertices, correction)
        return Mesh(self.mesh.vertices * placement.scale * correction + offset, self.mesh.faces)


def read_mask(path: Path) -> np.ndarray:
    """[H, W] bool out of an 8-bit image of any number of channels. Raises FormatError."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FormatError(f"{path}: not a readable image")
    mask: np.ndarray = np.asarray(image) > 127
    return mask


def _per_frame(results: Results, info: VideoInfo) -> np.ndarray:
    matrix = default_intrinsics(info.width, info.height) if results.intrinsics is None else results.intrinsics
    return matrix[None]


def _same(one: Records, other: Records) -> bool:
    """Whether two records say the same, whatever the order and whichever empty frames they list."""

    def said(records: Records) -> Mapping[int, object]:
        return {f: (dict(r.contacts), sorted(r.image)) for f, r in records.frames.items() if r.vertices}

    settings = np.isclose(one.object_scale, other.object_scale) and one.is_static == other.is_static
    return bool(settings) and said(one) == said(other)
