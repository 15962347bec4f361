"""What a person marks in a clip, for one object: contacts (3D-3D pairs), image points (3D-2D pairs), mask clicks.

The seed's section 3.2. Points lie in the object's own frame, that of its mesh file, in metres: vertex times
`object_scale`. The vertex of the original mesh is kept beside each point, so that ids survive every conversion.

On disk a plain JSON that can be written by hand (`points.json`)::

    {"format": "touchstone-points", "num_frames": 150, "object_scale": 1.0, "is_static": false, "start_frame": 0,
     "contacts": [{"keypoint": "leftHand_palm", "vertex": 812, "first": 10, "last": 90}],
     "image_points": [{"vertex": 17, "pixels": {"0": [412.0, 233.5], "1": [414.0, 233.0]}}],
     "clicks": [{"target": "object", "frame": 0, "pixel": [400, 220], "positive": true}]}

`"point": [x, y, z]` stands in for `"vertex"` where a point is no vertex. A frame without a pixel is a frame in which
the point is not visible; a third number after a pixel's two is its confidence from 0 to 1, as trackers tell it. `first`
and `last` (both included) may be left out: the whole clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np

from sim.arrays import frozen
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, FormatError, TouchstoneError, UnknownNameError
from sim.files import write_json
from sim.geometry import Mesh
from sim.keypoint_names import KEYPOINT_NAMES

FORMAT = "touchstone-points"
VERSION = 1
_SAME_POINT = 1e-4
"""Relative to the mesh's size: how far a stored point may lie from the vertex that it names."""

Target = Literal["human", "object"]


@dataclass(frozen=True, eq=False)
class ImagePoints:
    """3D-2D pairs of one object: P points, T frames of the video.

    Attributes:
        points_b: [P, 3] m in the object's frame.
        pixels: [T, P, 2] pixels (x right, y down) of the original video; NaN where not visible.
        visible: [T, P] bool.
        vertices: [P] int, vertex of the original mesh, -1 where the point is none.
        depths: [T, P] m along the camera's axis where a depth map tells it, else NaN. Measured, so never kept on disk.
        confidence: [T, P] from 0 to 1, how far each pixel is to be trusted, 0 where not visible; None: all of them.
    """

    points_b: np.ndarray
    pixels: np.ndarray
    visible: np.ndarray
    vertices: np.ndarray
    depths: np.ndarray | None = None
    confidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        points = frozen(self.points_b).reshape(-1, 3)
        shape = (len(np.asarray(self.visible)), len(points))
        visible = frozen(self.visible, np.bool_).reshape(shape)
        pixels = np.asarray(self.pixels, np.float64).reshape(*shape, 2)
        bad = visible & ~np.isfinite(pixels).all(-1)
        if bad.any():
            frame, point = np.argwhere(bad)[0]
            raise AnnotationError(f"image_points: point {point} is visible in frame {frame} but has no pixel")
        _finite("image_points.points_b", points)
        _set(self, points_b=points, visible=visible, pixels=frozen(np.where(visible[..., None], pixels, np.nan)))
        _set(self, vertices=_vertex_ids("image_points", self.vertices, len(points)))
        if self.confidence is not None:
            confidence = np.where(visible, np.asarray(self.confidence, np.float64).reshape(shape), 0.0)
            bad = ~((confidence >= 0) & (confidence <= 1))
            if bad.any():
                frame, point = np.argwhere(bad)[0]
                raise AnnotationError(
                    f"image_points: point {point} has confidence {confidence[frame, point]:g} in frame {frame}, "
                    "expected 0 to 1"
                )
            _set(self, confidence=frozen(confidence))
        if self.depths is not None:
            _set(self, depths=frozen(np.asarray(self.depths, np.float64).reshape(shape)))

    def __len__(self) -> int:
        return len(self.points_b)

    @staticmethod
    def empty(num_frames: int) -> ImagePoints:
        """No point at all in a clip of that many frames."""
        none = np.zeros((num_frames, 0))
        return ImagePoints(np.zeros((0, 3)), none[..., None].repeat(2, -1), none, np.zeros(0, np.int64))


@dataclass(frozen=True)
class Click:
    """A click that says where the person or the object is (`positive`) or is not, pixels of the original video."""

    target: Target
    frame: int
    pixel: tuple[float, float]
    positive: bool = True

    def __post_init__(self) -> None:
        if self.target not in get_args(Target):
            raise UnknownNameError("click target", str(self.target), get_args(Target))
        x, y = (float(value) for value in self.pixel)
        if not np.isfinite([x, y]).all() or self.frame < 0:
            raise AnnotationError(f"clicks: frame {self.frame}, pixel [{x:g}, {y:g}] is no place in a video")
        _set(self, frame=int(self.frame), pixel=(x, y), positive=bool(self.positive))


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a person marked for one object in one clip of T frames. Valid by construction.

    Attributes:
        contacts: the 3D-3D pairs: keypoint, point in the object's frame, first and last frame (video frames).
        image_points: the 3D-2D pairs; they say how many frames T the clip has.
        object_scale: what the mesh file's lengths were multiplied with; the points are scaled already.
        is_static: the object never moves.
        start_frame: first annotated frame of the video.
        contact_vertices: [C] int, vertex of the original mesh that each contact touches, -1 where it is none.
        clicks: prompts for the masks of person and object.

    Raises:
        AnnotationError: from the constructor, naming the row; UnknownNameError: a keypoint that is none of the 87.
    """

    contacts: ContactGraph
    image_points: ImagePoints
    object_scale: float = 1.0
    is_static: bool = False
    start_frame: int = 0
    contact_vertices: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    clicks: tuple[Click, ...] = ()

    def __post_init__(self) -> None:
        graph, frames = self.contacts, self.num_frames
        ids = np.asarray(self.contact_vertices)
        ids = np.full(len(graph), -1) if len(graph) and not ids.size else ids
        _set(self, contact_vertices=_vertex_ids("contacts", ids, len(graph)), clicks=tuple(self.clicks))
        _set(self, object_scale=float(self.object_scale), is_static=bool(self.is_static))
        if not (np.isfinite(self.object_scale) and self.object_scale > 0):
            raise AnnotationError(f"object_scale: {self.object_scale} is not a positive number")
        if not 0 <= self.start_frame < max(frames, 1):
            raise AnnotationError(f"start_frame: {self.start_frame} lies outside the clip's {frames} frames")
        _finite("contacts.points_b", graph.points_b)
        for row, name in enumerate(graph.keypoints):
            _check_keypoint(name)
            first, last = int(graph.first_frame[row]), int(graph.last_frame[row])
            if not 0 <= first <= last < frames:
                raise AnnotationError(f"contacts: row {row} ({name}) holds in frames {first}..{last}, "
                                      f"the clip has 0..{frames - 1}")  # fmt: skip
        for click in self.clicks:
            if click.frame >= frames:
                raise AnnotationError(f"clicks: frame {click.frame} lies outside the clip's {frames} frames")

    @property
    def num_frames(self) -> int:
        """T, frames of the video."""
        return len(self.image_points.visible)

    @property
    def is_empty(self) -> bool:
        """Nothing that says where the object is."""
        return not len(self.contacts) and not self.image_points.visible.any()

    def cut(self, start: int, stop: int) -> Annotations:
        """Frames start..stop-1, renumbered from 0. Contacts that end up empty are dropped."""
        graph = self.contacts
        keep = np.maximum(graph.first_frame, start) <= np.minimum(graph.last_frame, stop - 1)
        points = self.image_points
        return replace(
            self,
            contacts=graph.cut(start, stop),
            contact_vertices=self.contact_vertices[keep],
            image_points=replace(
                points,
                pixels=points.pixels[start:stop],
                visible=points.visible[start:stop],
                confidence=None if points.confidence is None else points.confidence[start:stop],
                depths=None if points.depths is None else points.depths[start:stop],
            ),
            start_frame=min(max(self.start_frame - start, 0), stop - start - 1),
            clicks=tuple(replace(c, frame=c.frame - start) for c in self.clicks if start <= c.frame < stop),
        )

    def rescaled(self, object_scale: float) -> Annotations:
        """The same points on the mesh at another scale."""
        ratio = object_scale / self.object_scale
        graph, points = self.contacts, self.image_points
        return replace(
            self,
            contacts=replace(graph, points_b=graph.points_b * ratio),
            image_points=replace(points, points_b=points.points_b * ratio),
            object_scale=object_scale,
        )

    def save(self, path: str | Path) -> None:
        """Write as plain JSON, atomically."""
        write_json(path, to_json(self))

    @staticmethod
    def load(
        path: str | Path, mesh: Mesh | None = None, num_frames: int | None = None, object_scale: float = 1.0
    ) -> Annotations:
        """Read what `save` or a person wrote.

        Args:
            path: the JSON.
            mesh: the object's original, unscaled mesh; needed where rows name a vertex without its point, and then
                every vertex is checked against it.
            num_frames: of the video; the file's own where None.
            object_scale: of the mesh, where the file does not say.

        Raises:
            FormatError: the file is missing, no JSON, or not such a file; or a row is wrong (the message names it).
        """
        path = Path(path)
        try:
            return from_json(read_json(path), mesh, num_frames, object_scale)
        except TouchstoneError as error:
            raise FormatError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def read_json(path: Path) -> Any:
    """A JSON file's content. Raises FormatError with the line where it breaks off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a JSON text file ({type(error).__name__})") from error


def to_json(annotations: Annotations) -> dict[str, Any]:
    """Plain values, as `from_json` reads them."""
    graph, points = annotations.contacts, annotations.image_points
    contacts = [
        {"keypoint": name, **_place(vertex, point), "object": int(item), "first": int(first), "last": int(last)}
        for name, vertex, point, item, first, last in zip(
            graph.keypoints, annotations.contact_vertices, graph.points_b, graph.object_index,
            graph.first_frame, graph.last_frame, strict=True,
        )
    ]  # fmt: skip
    image_points = [
        {
            **_place(points.vertices[p], points.points_b[p]),
            "pixels": {str(t): _pixel(points, int(t), p) for t in np.flatnonzero(points.visible[:, p])},
        }
        for p in range(len(points))
    ]
    clicks = [
        {"target": c.target, "frame": c.frame, "pixel": list(c.pixel), "positive": c.positive}
        for c in annotations.clicks
    ]
    return {
        "format": FORMAT, "version": VERSION, "num_frames": annotations.num_frames,
        "object_scale": annotations.object_scale, "is_static": annotations.is_static,
        "start_frame": int(annotations.start_frame), "contacts": contacts, "image_points": image_points,
        "clicks": clicks,
    }  # fmt: skip


def from_json(
    content: Any, mesh: Mesh | None = None, num_frames: int | None = None, object_scale: float = 1.0
) -> Annotations:
    """See `Annotations.load`. Raises FormatError, AnnotationError or UnknownNameError without the file's name."""
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        hint = " (this is Open4DHOI's file of mask clicks)" if _is_open4dhoi_clicks(content) else ""
        raise FormatError(f'no "format": "{FORMAT}" in it{hint}')
    unknown = set(content) - set(to_json(Annotations(ContactGraph(), ImagePoints.empty(1))))
    if unknown:
        raise UnknownNameError("field", sorted(unknown)[0], to_json(Annotations(ContactGraph(), ImagePoints.empty(1))))
    if _get(content, "version", int, VERSION) > VERSION:
        raise FormatError(f"written by a newer Touchstone (version {content['version']})")
    frames = num_frames if num_frames is not None else _get(content, "num_frames", int)
    scale = _get(content, "object_scale", float, float(object_scale))
    contacts, contact_vertices = _read_contacts(content, mesh, scale, frames)
    return Annotations(
        contacts=contacts,
        contact_vertices=contact_vertices,
        image_points=_read_image_points(content, mesh, scale, frames),
        object_scale=scale,
        is_static=_get(content, "is_static", bool, False),
        start_frame=_get(content, "start_frame", int, 0),
        clicks=tuple(
            Click(
                cast(Target, _get(row, "target", str, where=where)), _get(row, "frame", int, where=where),
                _numbers(row, "pixel", 2, where), _get(row, "positive", bool, True, where=where),
            )
            for where, row in _rows(content, "clicks")
        ),
    )  # fmt: skip


def _read_contacts(
    content: Mapping[str, Any], mesh: Mesh | None, scale: float, frames: int
) -> tuple[ContactGraph, np.ndarray]:
    rows = _rows(content, "contacts")
    names = tuple(_get(row, "keypoint", str, where=where) for where, row in rows)
    for name in names:
        _check_keypoint(name)
    places = [_read_place(row, mesh, scale, where) for where, row in rows]
    graph = ContactGraph(
        names,
        np.array([_get(row, "object", int, 0, where=where) for where, row in rows], np.int64),
        np.array([point for _, point in places]).reshape(-1, 3),
        np.array([_get(row, "first", int, 0, where=where) for where, row in rows], np.int64),
        np.array([_get(row, "last", int, frames - 1, where=where) for where, row in rows], np.int64),
    )
    return graph, np.array([vertex for vertex, _ in places], np.int64)


def _read_image_points(content: Mapping[str, Any], mesh: Mesh | None, scale: float, frames: int) -> ImagePoints:
    rows = _rows(content, "image_points")
    places = [_read_place(row, mesh, scale, where) for where, row in rows]
    pixels, confidence = np.full((frames, len(rows), 2), np.nan), np.ones((frames, len(rows)))
    for p, (where, row) in enumerate(rows):
        track: dict[str, Any] = _get(row, "pixels", dict, where=where)
        for key in track:
            if not (key.isdecimal() and int(key) < frames):
                raise AnnotationError(f"{where}: pixels names frame '{key}', the clip has 0..{frames - 1}")
            trusted = isinstance(track[key], list) and len(track[key]) == 3
            numbers = _numbers(track, key, 3 if trusted else 2, f"{where}.pixels")
            pixels[int(key), p], confidence[int(key), p] = numbers[:2], numbers[2] if trusted else 1.0
    return ImagePoints(
        np.array([point for _, point in places]).reshape(-1, 3),
        pixels,
        np.isfinite(pixels).all(-1),
        np.array([vertex for vertex, _ in places], np.int64),
        confidence=None if (confidence == 1).all() else confidence,
    )


def _pixel(points: ImagePoints, frame: int, point: int) -> list[float]:
    """Pixel, and its confidence where it is not 1."""
    trust = 1.0 if points.confidence is None else float(points.confidence[frame, point])
    pixel: list[float] = points.pixels[frame, point].tolist()
    return pixel if trust == 1.0 else [*pixel, trust]


def _place(vertex: int, point: np.ndarray) -> dict[str, Any]:
    return ({"vertex": int(vertex)} if vertex >= 0 else {}) | {"point": point.tolist()}


def _read_place(row: Mapping[str, Any], mesh: Mesh | None, scale: float, where: str) -> tuple[int, np.ndarray]:
    """The vertex (-1 where free) and the point [3] m of a row."""
    if "vertex" not in row and "point" not in row:
        raise AnnotationError(f"{where}: needs a 'vertex' of the object's mesh or a 'point' [x, y, z] in its frame")
    point = np.array(_numbers(row, "point", 3, where)) if "point" in row else None
    vertex = _get(row, "vertex", int, -1, where=where)
    if "vertex" not in row or mesh is None:
        if point is None:
            raise AnnotationError(f"{where}: names vertex {vertex} without its point; give the object's mesh")
        return vertex, point
    if not 0 <= vertex < len(mesh.vertices):
        raise AnnotationError(f"{where}: vertex {vertex} is none of the mesh's {len(mesh.vertices)} (0-based)")
    true = mesh.vertices[vertex] * scale
    if point is not None and np.abs(true - point).max() > _SAME_POINT * scale * np.ptp(mesh.vertices, axis=0).max():
        raise AnnotationError(f"{where}: vertex {vertex} lies elsewhere on this mesh; the points were made on another")
    return vertex, true


_Value = TypeVar("_Value")
_REQUIRED: Any = object()


def _get(
    row: Mapping[str, Any], name: str, kind: Callable[..., _Value], default: Any = _REQUIRED, where: str = ""
) -> _Value:
    """A field of a JSON object, of the kind asked for (a whole number will do as a float). Raises FormatError."""
    prefix = f"{where}: " if where else ""
    if name not in row and default is _REQUIRED:
        raise FormatError(f"{prefix}'{name}' is missing")
    value: Any = row.get(name, default)
    value = float(value) if kind is float and isinstance(value, int) and not isinstance(value, bool) else value
    if type(value) is not kind:
        raise FormatError(f"{prefix}'{name}' is {value!r:.60}, expected {getattr(kind, '__name__', kind)}")
    return cast(_Value, value)


def _numbers(row: Mapping[str, Any], name: str, count: int, where: str) -> Any:
    """A tuple of `count` finite numbers."""
    value = row.get(name)
    good = isinstance(value, list) and len(value) == count
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value or ())
    if not good:
        raise FormatError(f"{where}: '{name}' is {value!r:.60}, expected {count} numbers")
    return tuple(float(v) for v in value or ())


def _rows(content: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(where, row) of a list of objects."""
    rows = content.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise FormatError(f"'{name}' is no list of objects")
    return [(f"{name}[{i}]", row) for i, row in enumerate(rows)]


def _is_open4dhoi_clicks(content: Any) -> bool:
    return isinstance(content, Mapping) and {"human_points", "object_points"} & set(content) != set()


def _check_keypoint(name: str) -> None:
    if name not in KEYPOINT_NAMES:
        raise UnknownNameError("keypoint", name, KEYPOINT_NAMES)


def _vertex_ids(name: str, ids: Any, count: int) -> np.ndarray:
    array = frozen(ids, np.int64).reshape(-1)
    if len(array) != count:
        raise AnnotationError(f"{name}: {len(array)} vertex ids for {count} points")
    if (array < -1).any():
        raise AnnotationError(f"{name}: row {int(np.argmin(array))} names vertex {array.min()}; -1 says none")
    return array


def _finite(name: str, points: np.ndarray) -> None:
    if not np.isfinite(points).all():
        raise AnnotationError(f"{name}: not finite at row {int(np.argwhere(~np.isfinite(points))[0, 0])}")


def _set(value: Any, **fields: Any) -> None:
    for name, content in fields.items():
        object.__setattr__(value, name, content)
