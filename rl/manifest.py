"""Manifests: which clips there are, how each is read, and which action group it belongs to.

A manifest is a JSON file with a list `clips` (or just that list). Of each clip it says `clip`, a data-set file or a
motion (.npz), and `group`; for data-set files also `format`, `fps`, and the shape of the `object` where the file does
not hold it. Optional are `mass`, `density`, `friction` of the object, `text` and `action`. Paths are relative to the
manifest.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from sim.contacts import extract_contacts
from sim.errors import FormatError, UnknownNameError
from sim.formats import LAYOUTS, import_motion
from sim.meshes import MESH_SUFFIXES
from sim.motion import Motion
from sim.objects import load_geometry

ALL = "all"
"""In place of a group's name: every group."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One clip of a manifest; see the module's docstring. `object` is a mesh file or a primitive's description."""

    clip: Path
    group: str
    format: str | None = None
    fps: float | None = None
    object: str | None = None
    mass: float | None = None
    density: float | None = None
    friction: float | None = None
    text: str = ""
    action: str = ""

    @property
    def name(self) -> str:
        """Of the clip, unique in a manifest: its file's, without the ending."""
        return self.clip.stem


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Clips with their groups."""

    path: Path
    name: str
    entries: tuple[Entry, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the action groups, in the order of their first clips."""
        return tuple(dict.fromkeys(entry.group for entry in self.entries))

    def chosen(self, group: str) -> tuple[str, ...]:
        """One group's name, or all for `all`. Raises UnknownNameError that lists the valid ones."""
        if group == ALL:
            return self.groups
        if group not in self.groups:
            raise UnknownNameError("action group", group, (*self.groups, ALL))
        return (group,)

    def clips(self, group: str, limit: int = 0) -> tuple[Entry, ...]:
        """Clips of a group in the manifest's order; with a limit, so many of the first."""
        found = tuple(entry for entry in self.entries if entry.group == group)
        return found[:limit] if limit else found


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest; the clips themselves are only looked for.

    Raises:
        FormatError: no such file, not JSON, an entry without clip or group, two clips of one name, a missing file.
        UnknownNameError: an unknown setting or layout.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error})") from error
    rows = content.get("clips") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise FormatError(f"{path}: a manifest holds a list 'clips' of entries with 'clip' and 'group'")
    entries = tuple(_entry(path, number, row) for number, row in enumerate(rows))
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if entry.name in seen:
            raise FormatError(f"{path}: clips {seen[entry.name]} and {number} are both called '{entry.name}'")
        seen[entry.name] = number
    name = content.get("name") if isinstance(content, dict) else None
    return Manifest(path, str(name or path.stem), entries)


def load_motion(entry: Entry) -> Motion:
    """A clip as a motion with its contact graph.

    Raises:
        FormatError, MotionError, AssetError: the clip or its object cannot be read.
    """
    if entry.clip.suffix == ".npz" and entry.format is None:
        return Motion.load(entry.clip).replace(group=entry.group)
    geometry = None if entry.object is None else load_geometry(entry.object)
    mesh = entry.object is not None and Path(entry.object).suffix.lower() in MESH_SUFFIXES
    motion = import_motion(
        entry.clip,
        layout=entry.format,
        fps=entry.fps,
        geometry=geometry,
        object_name=Path(entry.object).stem if entry.object is not None and mesh else None,
        mass=entry.mass,
        density=entry.density,
        friction=entry.friction,
        group=entry.group,
        action=entry.action,
        text=entry.text,
    )
    return motion.replace(contacts=extract_contacts(motion)) if motion.objects else motion


def _entry(path: Path, number: int, row: Any) -> Entry:
    """One row, with its paths made whole."""
    known = [field.name for field in dataclasses.fields(Entry)]
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) and row[key] for key in ("clip", "group")):
        raise FormatError(f"{path}: clip {number} needs the texts 'clip' and 'group'")
    for key in sorted(set(row) - set(known)):
        raise UnknownNameError(f"setting of clip {number} in {path}", key, known)
    if row.get("format") is not None and row["format"] not in LAYOUTS:
        raise UnknownNameError(f"format of clip {number} in {path}", str(row["format"]), LAYOUTS)
    clip = path.parent / row["clip"]
    if not clip.is_file():
        raise FormatError(f"{path}: clip {number}: no such file: {clip}")
    shape = row.get("object")
    if shape is not None and Path(shape).suffix.lower() in MESH_SUFFIXES:
        if not (path.parent / shape).is_file():
            raise FormatError(f"{path}: clip {number}: no such object: {path.parent / shape}")
        shape = str(path.parent / shape)
    return Entry(**{**row, "clip": clip, "object": shape})
