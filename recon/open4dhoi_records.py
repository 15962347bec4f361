"""Open4DHOI's annotation records, and their conversion to `Annotations` and back.

A record says, frame by frame, which keypoint touches which vertex of the object and which vertex is seen at which
pixel: `kp_record_merged.json` for the clip, `kp_record/%05d.json` for one frame. In the second version these ids index
a decimated mesh where the original has more than 30,000 vertices; `kp_record_new.json` has the original's ids. All of
them number vertices as Open3D does (`recon.vertex_order`), not as the file; in `Records` ids are the file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from recon.annotations import Annotations, ImagePoints
from recon.open4dhoi import Version, json_object, replace_json
from recon.vertex_order import VertexOrder
from sim.contact_graph import ContactGraph
from sim.errors import AnnotationError, FormatError, MissingDependencyError, UnknownNameError
from sim.keypoint_names import KEYPOINT_NAMES

MERGED, ORIGINAL_IDS, PER_FRAME = "kp_record_merged.json", "kp_record_new.json", "kp_record"
DECIMATED_ABOVE = 30_000
"""Vertices above which the second version's annotator decimates the mesh (its config.yaml)."""
DECIMATED_FACES = 60_000
_IMAGE = "2D_keypoint"
_HEADER = ("object_scale", "is_static_object", "start_frame_index", "status")
_LOWER = {name.lower(): name for name in KEYPOINT_NAMES}


@dataclass(frozen=True)
class FrameRecord:
    """One frame: keypoint -> vertex that it touches; and (vertex, pixel) of the vertices that are seen."""

    contacts: Mapping[str, int] = field(default_factory=dict)
    image: tuple[tuple[int, tuple[float, float]], ...] = ()

    def renamed(self, ids: Mapping[int, int]) -> FrameRecord:
        """With other vertex ids."""
        return FrameRecord({k: ids[v] for k, v in self.contacts.items()}, tuple((ids[v], xy) for v, xy in self.image))

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
    for name, value in content.items():
        if name == _IMAGE:
            image = [_image_point(item, f"{where}, {_IMAGE}[{i}]") for i, item in enumerate(value or ())]
        elif name.lower() not in _LOWER:
            raise UnknownNameError(f"keypoint in {where}", name, KEYPOINT_NAMES)
        else:
            contacts[_LOWER[name.lower()]] = _vertex(value, f"{where}, {name}")
    return FrameRecord(contacts, tuple(image))


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
    return {**record.contacts, _IMAGE: [[vertex, list(pixel)] for vertex, pixel in record.image]}


def read_records(
    folder: Path, version: Version, order: VertexOrder, decimated: np.ndarray | None = None
) -> Records | None:
    """A session's records with ids of the mesh file's vertices, or None where there are none.

    The clip's record counts; where there is none, those of the frames. The second version's record of original ids is
    the dictionary of the merged one; where that was saved again since (their tools then go on with the old record), the
    tracked pixels that both have tell which vertex is which.

    Args:
        folder: of the session. version: whose tools wrote it.
        order: of the original mesh's vertices; every id is checked against it.
        decimated: [D, 3] vertices of the mesh that the annotator showed, where the caller has it. Where it is needed
            and not given, the package open3d repeats their decimation.

    Raises:
        FormatError: a file is broken, or names a vertex that the mesh has not.
        MissingDependencyError: ids belong to a decimated mesh, and nothing says which vertices these are.
    """
    merged, where = _read_shown(folder, version)
    original = _parsed(folder / ORIGINAL_IDS) if version == "v2" else None
    if merged is None:
        records, where = original, folder / ORIGINAL_IDS
    elif merged.rejected:
        return merged
    elif version == "v1" or len(order.vertices) <= DECIMATED_ABOVE:
        records = merged
    else:
        ids = {} if original is None else paired_ids(merged, original, contacts=_converted_since(folder))
        if not ids.keys() >= merged.vertices:
            ids = _nearest_ids(folder, merged, order, decimated)
        records = merged.renamed(ids)
    if records is None:
        return None
    check_ids(records, len(order.vertices), where)
    return records.renamed(dict(enumerate(order.to_file.tolist())))


def write_records(
    folder: Path,
    records: Records,
    version: Version,
    order: VertexOrder,
    decimated: np.ndarray | None = None,
    *,
    overwrite_rejected: bool = False,
) -> list[str]:
    """Write records (ids of the mesh file's vertices) where the tools of that version look for them.

    Returns notes on what could not be brought up to date. Frames' files are written where the session has them, and
    emptied where the clip's record no longer has that frame: their app would merge them again.

    Raises:
        AnnotationError: the clip was rejected, and `overwrite_rejected` is not set. FormatError: an id is none.
    """
    old, _ = _read_shown(folder, version, lenient=True)
    if old is not None and old.rejected and not (overwrite_rejected or records.rejected):
        raise AnnotationError(f"{folder / MERGED}: the clip was rejected in the annotation app ('status': 'delete')")
    check_ids(records, len(order.from_file), folder / MERGED)
    records = records.renamed(dict(enumerate(order.from_file.tolist())))
    shown: Records | None = records
    if version == "v2" and not records.rejected:
        if len(order.vertices) > DECIMATED_ABOVE:
            shown = _as_shown(folder, records, old, order, decimated)
        replace_json(folder / ORIGINAL_IDS, to_json(records))
    elif version == "v1" and (folder / f"{folder.name}.json").is_file():
        replace_json(folder / f"{folder.name}.json", to_json(records))
    if shown is None:
        return [f"{MERGED} left as it was: its ids belong to a decimated mesh; {ORIGINAL_IDS} is up to date"]
    replace_json(folder / MERGED, to_json(shown))
    if (folder / PER_FRAME).is_dir() and not records.rejected:
        stale = {int(path.stem) for path in _frame_files(folder)}
        for frame in sorted(stale | set(shown.frames)):
            record = shown.frames.get(frame, FrameRecord())
            replace_json(folder / PER_FRAME / f"{frame:05d}.json", frame_json(record))
    return []


def check_ids(records: Records, count: int, where: Path) -> None:
    """Raise FormatError at the first id that is none of `count` vertices."""
    for frame, record in records.frames.items():
        for vertex in record.vertices:
            if not 0 <= vertex < count:
                raise FormatError(f"{where}: frame {frame:05d} names vertex {vertex}, the mesh has {count}")


def paired_ids(merged: Records, original: Records, *, contacts: bool = True) -> dict[int, int]:
    """Decimated id -> original id, from two records of the same annotations; contradictory pairs are left out.

    Where one was edited after the other was made, a contact may have moved to another vertex: leave `contacts` out. A
    tracked pixel belongs to one vertex.
    """
    pairs: dict[int, set[int]] = {}
    for frame in merged.frames.keys() & original.frames.keys():
        one, other = merged.frames[frame], original.frames[frame]
        for name in one.contacts.keys() & other.contacts.keys() if contacts else ():
            pairs.setdefault(one.contacts[name], set()).add(other.contacts[name])
        seen = {pixel: vertex for vertex, pixel in other.image}
        for vertex, pixel in one.image:
            if pixel in seen:
                pairs.setdefault(vertex, set()).add(seen[pixel])
    return {shown: found.pop() for shown, found in pairs.items() if len(found) == 1}


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


def from_annotations(annotations: Annotations, vertices: np.ndarray, scale: float) -> Records:
    """Annotations as records, from the start frame to the last one with something in it.

    Points that are no vertex become the nearest one. Scale as in `to_annotations`.

    Raises:
        AnnotationError: a keypoint touches two vertices in one frame; the layout holds one.
    """
    graph, points = annotations.contacts, annotations.image_points
    touched = _with_vertices(annotations.contact_vertices, graph.points_b / annotations.object_scale, vertices)
    seen = _with_vertices(points.vertices, points.points_b / annotations.object_scale, vertices)
    contacts: dict[int, dict[str, int]] = {}
    for row, name in enumerate(graph.keypoints):
        for frame in range(graph.first_frame[row], graph.last_frame[row] + 1):
            other = contacts.setdefault(frame, {}).setdefault(name, int(touched[row]))
            if other != touched[row]:
                raise AnnotationError(f"contacts: {name} touches vertices {other} and {touched[row]} in frame {frame}; "
                                      f"Open4DHOI's records hold one")  # fmt: skip
    image: dict[int, list[tuple[int, tuple[float, float]]]] = {}
    for frame, point in np.argwhere(points.visible).tolist():
        x, y = points.pixels[frame, point].tolist()
        image.setdefault(frame, []).append((int(seen[point]), (x, y)))
    used = contacts.keys() | image.keys()
    first = min(used | {annotations.start_frame})
    frames = range(first, max(used, default=first - 1) + 1)
    return Records(
        {f: FrameRecord(contacts.get(f, {}), tuple(image.get(f, ()))) for f in frames},
        annotations.object_scale / scale,
        annotations.is_static,
        annotations.start_frame,
    )


def decimated_vertices(mesh: Path) -> np.ndarray:
    """Vertices [D, 3] of the mesh that the second version's annotator shows, by its own means (open3d)."""
    try:
        import open3d
    except ImportError as error:
        needed = (
            f"{MERGED} names vertices of a decimated mesh (the original has more than {DECIMATED_ABOVE:,}); reading it"
        )
        raise MissingDependencyError("open3d", needed) from error
    shown = open3d.io.read_triangle_mesh(str(mesh)).simplify_quadric_decimation(DECIMATED_FACES)
    return np.asarray(shown.vertices)


def _read_shown(folder: Path, version: Version, lenient: bool = False) -> tuple[Records | None, Path]:
    """The records with the ids that the annotator showed, and the file that they come from."""
    own = [folder / f"{folder.name}.json"] if version == "v1" else []
    for path in (folder / MERGED, *own):
        try:
            if (records := _parsed(path)) is not None:
                return records, path
        except (FormatError, UnknownNameError):
            if not lenient:
                raise
    files = [] if lenient else _frame_files(folder)
    frames = {int(p.stem): _about(p, lambda p=p: parse_frame(json_object(p), "it")) for p in files}
    return (Records(frames) if frames else None), folder / PER_FRAME


def _frame_files(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / PER_FRAME).glob("*.json") if p.stem.isdecimal())


def _parsed(path: Path) -> Records | None:
    return _about(path, lambda: parse(json_object(path))) if path.is_file() else None


def _about(path: Path, read: Any) -> Any:
    """What `read` returns; its errors name the file."""
    try:
        return read()
    except (FormatError, UnknownNameError) as error:
        raise FormatError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def _converted_since(folder: Path) -> bool:
    """Whether the record of original ids was made after the merged one."""
    return (folder / ORIGINAL_IDS).stat().st_mtime_ns >= (folder / MERGED).stat().st_mtime_ns


def _nearest_ids(folder: Path, shown: Records, order: VertexOrder, decimated: np.ndarray | None) -> dict[int, int]:
    """Decimated id -> Open3D's id of the original vertex nearest to it, as their converter does."""
    if decimated is None:
        decimated = decimated_vertices(folder / "obj_org.obj")
    check_ids(shown, len(decimated), folder / MERGED)
    ids = sorted(shown.vertices)
    return dict(zip(ids, cKDTree(order.vertices).query(decimated[ids])[1].tolist(), strict=True))


def _as_shown(
    folder: Path, records: Records, old: Records | None, order: VertexOrder, decimated: np.ndarray | None
) -> Records | None:
    """Records with ids on the decimated mesh: those known from before, else the nearest ones; None where unknown."""
    original = _parsed(folder / ORIGINAL_IDS)
    known: dict[int, int] = {}
    if old is not None and original is not None:
        pairs = paired_ids(old, original, contacts=_converted_since(folder))
        known = {vertex: shown for shown, vertex in pairs.items()}
    ids = sorted(records.vertices - known.keys())
    if ids and decimated is None:
        try:
            decimated = decimated_vertices(folder / "obj_org.obj")
        except MissingDependencyError:
            return None
    if ids and decimated is not None:
        known |= dict(zip(ids, cKDTree(decimated).query(order.vertices[ids])[1].tolist(), strict=True))
    return records.renamed(known)


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
