"""Where Open4DHOI keeps its annotation records, and which vertices their ids mean.

`kp_record_merged.json` holds the clip, `kp_record/%05d.json` one frame. In the second version their ids index a
decimated mesh where the original has more than 30,000 vertices; `kp_record_new.json` has the original's. All of them
number vertices as Open3D does (`recon.open4dhoi.vertex_order`); what is read and written here has the mesh file's ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.spatial import cKDTree

from recon.open4dhoi.layout import Version, json_object, replace_json
from recon.open4dhoi.records import FrameRecord, Records, frame_json, parse, parse_frame, to_json
from recon.open4dhoi.vertex_order import VertexOrder
from sim.errors import AnnotationError, FormatError, MissingDependencyError, UnknownNameError

MERGED, ORIGINAL_IDS, PER_FRAME = "kp_record_merged.json", "kp_record_new.json", "kp_record"
DECIMATED_ABOVE = 30_000
"""Vertices above which the second version's annotator decimates the mesh (its config.yaml)."""
DECIMATED_FACES = 60_000
_Read = TypeVar("_Read")


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

    Fields of an older record that the new one does not know are kept. Returns notes on what could not be brought up to
    date. Frames' files are written where the session has them, and
    emptied where the clip's record no longer has that frame: their app would merge them again.

    Raises:
        AnnotationError: the clip was rejected, and `overwrite_rejected` is not set. FormatError: an id is none.
    """
    old, _ = _read_shown(folder, version, lenient=True)
    if old is not None and old.rejected and not (overwrite_rejected or records.rejected):
        raise AnnotationError(f"{folder / MERGED}: the clip was rejected in the annotation app ('status': 'delete')")
    check_ids(records, len(order.from_file), folder / MERGED)
    records = _with_extras(records.renamed(dict(enumerate(order.from_file.tolist()))), old)
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


def _with_extras(records: Records, old: Records | None) -> Records:
    """Records with the fields that only the old one has."""
    if old is None:
        return records
    none = FrameRecord()
    frames = {
        frame: replace(record, extra={**old.frames.get(frame, none).extra, **record.extra})
        for frame, record in records.frames.items()
    }
    return replace(records, frames=frames, extra={**old.extra, **records.extra})


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
    frames = {} if lenient else {int(path.stem): _parsed_frame(path) for path in _frame_files(folder)}
    return (Records(frames) if frames else None), folder / PER_FRAME


def _frame_files(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / PER_FRAME).glob("*.json") if p.stem.isdecimal())


def _parsed(path: Path) -> Records | None:
    return _about(path, lambda: parse(json_object(path))) if path.is_file() else None


def _parsed_frame(path: Path) -> FrameRecord:
    return _about(path, lambda: parse_frame(json_object(path), "it"))


def _about(path: Path, read: Callable[[], _Read]) -> _Read:
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
