"""Open4DHOI's annotation records as a value, and their conversion to `Annotations` and back.

A record says, frame by frame, which keypoint touches which vertex of the object and which vertex is seen at which
pixel. Vertex ids here are those of the mesh file, unless said otherwise; `open4dhoi_record_files` reads and writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from recon.annotations import Annotations, ImagePoints
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, FormatError, UnknownNameError
from sim.keypoint_names import KEYPOINT_NAMES

_IMAGE = "2D_keypoint"
_UNUSED = ("multiview_2d_keypoints", "multiview_cam_params")
"""What the first version's solver passes over in a frame."""
_HEADER = ("object_scale", "is_static_object", "start_frame_index", "status")
_LOWER = {name.lower(): name for name in KEYPOINT_NAMES}


@dataclass(frozen=True)
class FrameRecord:
    """One frame: keypoint -> vertex that it touches; (vertex, pixel) of the vertices that are seen; other fields."""

    contacts: Mapping[str, int] = field(default_factory=dict)
    image: tuple[tuple[int, tuple[float, float]], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def renamed(self, ids: Mapping[int, int]) -> FrameRecord:
        """With other vertex ids."""
        contacts = {name: ids[vertex] for name, vertex in self.contacts.items()}
        return FrameRecord(contacts, tuple((ids[vertex], pixel) for vertex, pixel in self.image), self.extra)

    @property
    def vertices(self) -> set[int]:
        """Every id that it names."""
        return {*self.contacts.values(), *(vertex for vertex, _ in self.image)}


@dataclass(frozen=True)
class Records:
    """A clip's records.

    Attributes:
        frames: video frame -> its record.
        object_scale: the annotator's correction, on top of the scale in `obj_poses.json`.
        is_static: the object never moves.
        start_frame: first annotated frame; None where the file does not say.
        rejected: the annotator threw the clip away (`{"status": "delete"}`, which holds nothing else).
        extra: other fields, kept as they were.
    """

    frames: Mapping[int, FrameRecord] = field(default_factory=dict)
    object_scale: float = 1.0
    is_static: bool = False
    start_frame: int | None = None
    rejected: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vertices(self) -> set[int]:
        """Every id that any frame names."""
        return set().union(*(frame.vertices for frame in self.frames.values()))

    @property
    def first_annotated(self) -> int:
        """The start that the file gives, or the first frame with something in it, or 0."""
        if self.start_frame is not None:
            return self.start_frame
        return min((f for f, record in self.frames.items() if record.vertices), default=0)

    def renamed(self, ids: Mapping[int, int]) -> Records:
        """With other vertex ids."""
        return replace(self, frames={f: record.renamed(ids) for f, record in self.frames.items()})


def parse(content: Mapping[str, Any]) -> Records:
    """A merged record. Raises FormatError naming the frame, UnknownNameError with the nearest keypoint."""
    frames, extra = {}, {}
    for key, value in content.items():
        if key.isdecimal():
            frames[int(key)] = parse_frame(value, f"frame {key}")
        elif key not in _HEADER:
            extra[key] = value
    status = content.get("status")
    if status is not None and status != "delete":
        extra["status"] = status
    scale, start = content.get("object_scale", 1.0), content.get("start_frame_index")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not (np.isfinite(scale) and scale > 0):
        raise FormatError(f"object_scale is {scale!r:.40}, expected a positive number")
    if start is not None and (not isinstance(start, int) or start < 0):
        raise FormatError(f"start_frame_index is {start!r:.40}, expected a frame number")
    static = bool(content.get("is_static_object", False))
    return Records(dict(sorted(frames.items())), float(scale), static, start, status == "delete", extra)


def parse_frame(content: Any, where: str) -> FrameRecord:
    """One frame's record. Raises FormatError, UnknownNameError."""
    if not isinstance(content, Mapping):
        raise FormatError(f"{where}: holds a {type(content).__name__}, expected keypoints and {_IMAGE}")
    contacts, image = {}, []
    extra = {name: value for name, value in content.items() if name in _UNUSED}
    for name, value in content.items():
        if name in _UNUSED:
            continue
        if name == _IMAGE:
            image = [_image_point(item, f"{where}, {_IMAGE}[{i}]") for i, item in enumerate(value or ())]
        elif name.lower() not in _LOWER:
            raise UnknownNameError(f"keypoint in {where}", name, KEYPOINT_NAMES)
        else:
            contacts[_LOWER[name.lower()]] = _vertex(value, f"{where}, {name}")
    return FrameRecord(contacts, tuple(image), extra)


def to_json(records: Records) -> dict[str, Any]:
    """The inverse of `parse`."""
    if records.rejected:
        return {"status": "delete"}
    header = {"object_scale": records.object_scale, "is_static_object": records.is_static}
    start = {} if records.start_frame is None else {"start_frame_index": records.start_frame}
    frames = {f"{frame:05d}": frame_json(record) for frame, record in sorted(records.frames.items())}
    return {**frames, **header, **start, **records.extra}


def frame_json(record: FrameRecord) -> dict[str, Any]:
    """The inverse of `parse_frame`."""
    return {**record.contacts, **record.extra, _IMAGE: [[vertex, list(pixel)] for vertex, pixel in record.image]}


def to_annotations(records: Records, vertices: np.ndarray, scale: float, num_frames: int) -> Annotations:
    """Records as contact intervals and image points.

    Args:
        records: with ids of the mesh file's vertices.
        vertices: [V, 3] of the original mesh, as in the file.
        scale: of `obj_poses.json`; the annotator's correction comes on top.
        num_frames: of the video.

    Raises:
        AnnotationError: the clip was rejected, or a record lies past its end.
    """
    if records.rejected:
        raise AnnotationError("the clip was rejected in the annotation app ('status': 'delete')")
    beyond = [f for f, record in records.frames.items() if f >= num_frames and record.vertices]
    if beyond:
        raise AnnotationError(f"frame {beyond[0]:05d} is annotated, the clip has {num_frames} frames")
    total = scale * records.object_scale
    held: dict[tuple[str, int], list[int]] = {}
    columns: dict[int, int] = {}
    for frame, record in records.frames.items():
        for pair in record.contacts.items():
            held.setdefault(pair, []).append(frame)
        for vertex, _ in record.image:
            columns.setdefault(vertex, len(columns))
    pixels = np.full((num_frames, len(columns), 2), np.nan)
    for frame, record in records.frames.items():
        for vertex, pixel in record.image:
            pixels[frame, columns[vertex]] = pixel
    rows = sorted(
        (first, KEYPOINT_NAMES.index(name), vertex, last)
        for (name, vertex), frames in held.items()
        for first, last in _runs(frames)
    )
    touched = np.array([vertex for _, _, vertex, _ in rows], np.int64)
    seen = np.array(list(columns), np.int64)
    return Annotations(
        contacts=ContactGraph(
            tuple(KEYPOINT_NAMES[index] for _, index, _, _ in rows),
            np.zeros(len(rows), np.int64),
            vertices[touched] * total,
            np.array([first for first, _, _, _ in rows], np.int64),
            np.array([last for _, _, _, last in rows], np.int64),
        ),
        contact_vertices=touched,
        image_points=ImagePoints(vertices[seen] * total, pixels, np.isfinite(pixels).all(-1), seen),
        object_scale=total,
        is_static=records.is_static,
        start_frame=min(records.first_annotated, num_frames - 1),
    )


def from_annotations(annotations: Annotations, vertices: np.ndarray, scale: float) -> tuple[Records, list[str]]:
    """Annotations as records, from the start frame to the last one with something in it; scale as in `to_annotations`.

    Points that are no vertex become the nearest one. Where a keypoint touches two vertices in one frame, the first
    stays, since the layout holds one; notes say which.
    """
    graph, points = annotations.contacts, annotations.image_points
    touched = _with_vertices(annotations.contact_vertices, graph.points_b / annotations.object_scale, vertices)
    seen = _with_vertices(points.vertices, points.points_b / annotations.object_scale, vertices)
    contacts: dict[int, dict[str, int]] = {}
    notes = {}
    for row, name in enumerate(graph.keypoints):
        for frame in range(graph.first_frame[row], graph.last_frame[row] + 1):
            first = contacts.setdefault(frame, {}).setdefault(name, int(touched[row]))
            if first != touched[row]:
                notes[name, row] = f"{name} touches vertices {first} and {touched[row]} in frame {frame}; their records"
    image: dict[int, list[tuple[int, tuple[float, float]]]] = {}
    for frame, point in np.argwhere(points.visible).tolist():
        x, y = points.pixels[frame, point].tolist()
        image.setdefault(frame, []).append((int(seen[point]), (x, y)))
    used = contacts.keys() | image.keys()
    begin = min(used | {annotations.start_frame})
    frames = range(begin, max(used, default=begin - 1) + 1)
    records = Records(
        {f: FrameRecord(contacts.get(f, {}), tuple(image.get(f, ()))) for f in frames},
        annotations.object_scale / scale,
        annotations.is_static,
        annotations.start_frame,
    )
    return records, [f"{note} hold the first" for note in notes.values()]


def _with_vertices(ids: np.ndarray, points: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Ids [P], with the vertex nearest to the point [P, 3] (mesh file's lengths) where there was none."""
    free = ids < 0
    if not free.any():
        return ids
    filled = ids.copy()
    filled[free] = cKDTree(vertices).query(points[free])[1]
    return filled


def _runs(frames: list[int]) -> list[tuple[int, int]]:
    """First and last frame of each run of neighbouring frames."""
    ordered = np.array(sorted(frames))
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


def _vertex(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FormatError(f"{where}: {value!r:.40} is no vertex id")
    return value


def _image_point(item: Any, where: str) -> tuple[int, tuple[float, float]]:
    try:
        vertex, (x, y) = item
        pixel = (float(x), float(y))
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {item!r:.60} is not [vertex, [x, y]]") from error
    if not np.isfinite(pixel).all():
        raise FormatError(f"{where}: pixel {list(pixel)} is not finite")
    return _vertex(vertex, where), pixel
