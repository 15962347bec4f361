"""Which vertex of an OBJ file Open3D means by an id: the ids in Open4DHOI's annotations are Open3D's.

Open3D (since 0.12, through Assimp) does not keep a file's vertices as they are: it numbers them in the order in which
the triangles first use them, drops those that none uses, makes one of those that agree in position and colour, and
several of one that has several texture coordinates or normals. Faces that are no triangles are left out. Checked
against Open3D 0.20 on the published session's mesh, where reading an id as a line of the file is up to 0.66 m off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from sim.arrays import frozen
from sim.errors import AssetError


@dataclass(frozen=True, eq=False)
class VertexOrder:
    """Open3D's numbering of a file's vertices.

    Attributes:
        vertices: [D, 3] as Open3D has them.
        to_file: [D] the file's vertex for each of Open3D's (the first of equals).
        from_file: [V] Open3D's vertex for each of the file's; where none of its triangles uses it, the nearest one.
    """

    vertices: np.ndarray
    to_file: np.ndarray
    from_file: np.ndarray

    @staticmethod
    def of(path: Path) -> VertexOrder:
        """Of an OBJ file. Raises AssetError if it is none."""
        try:
            rows, corners = _read(path)
        except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
            raise AssetError(f"{path}: not a readable OBJ file ({type(error).__name__}: {error})") from error
        if not len(corners) or not len(rows) or corners[:, 0].min() < 0 or corners[:, 0].max() >= len(rows):
            raise AssetError(f"{path}: has no triangles, or one that names a vertex outside 1..{len(rows)}")
        return VertexOrder.from_corners(rows, corners)

    @staticmethod
    def from_corners(rows: np.ndarray, corners: np.ndarray) -> VertexOrder:
        """From vertices [V, 3 or more] (position, colour) and triangle corners [3F, k] (vertex, then what else)."""
        first_equal = _first_of_equals(rows.astype(np.float32))
        keys = np.column_stack((first_equal[corners[:, 0]], corners[:, 1:]))
        first_use = _first_of_equals(keys)
        to_file = keys[first_use == np.arange(len(keys)), 0]
        from_file = np.full(len(rows), -1)
        from_file[to_file[::-1]] = np.arange(len(to_file))[::-1]  # backwards: the first of several counts
        from_file = from_file[first_equal]
        vertices = rows[to_file, :3]
        if (unused := from_file < 0).any():
            from_file[unused] = cKDTree(vertices).query(rows[unused, :3])[1]
        return VertexOrder(frozen(vertices), frozen(to_file, np.int64), frozen(from_file, np.int64))


def _first_of_equals(rows: np.ndarray) -> np.ndarray:
    """[N] for each row [N, k] the index of the first that is the same."""
    code = np.zeros(len(rows), np.int64)
    for column in rows.T:  # a number for each combination so far; sorting whole rows takes 100 times as long
        values, ranks = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + ranks, return_inverse=True)[1]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    same: np.ndarray = first[group]
    return same


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertex rows [V, 3 or 6] and triangle corners [3F, 1 or 3], 0-based, -1 where a part is left out."""
    lines: dict[str, list[str]] = {"v": [], "vt": [], "vn": [], "f": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        tag, _, rest = line.partition(" ")
        if tag in lines:
            lines[tag].append(rest)
    rows = _table(lines["v"])
    faces, text = lines["f"], " ".join(lines["f"])
    if "/" in text or len(text.split()) != 3 * len(faces):
        corners = [[*c.split("/"), "", ""][:3] for face in faces if len(f := face.split()) == 3 for c in f]
        ids = np.array([[int(part) if part else 0 for part in corner] for corner in corners], np.int64).reshape(-1, 3)
    else:
        ids = np.fromstring(text, np.int64, sep=" ").reshape(-1, 1)
    counts = np.array([len(rows), len(lines["vt"]), len(lines["vn"])])[: ids.shape[1]]
    return rows, np.where(ids < 0, ids + counts, ids - 1)


def _table(lines: list[str]) -> np.ndarray:
    """Rows of numbers, as many columns as the shortest has (three, or six with a colour)."""
    columns = len(lines[0].split()) if lines else 0
    table = np.fromstring(" ".join(lines), sep=" ")
    if table.size != columns * len(lines):
        columns = min(len(line.split()) for line in lines)
        table = np.array([line.split()[:columns] for line in lines], np.float64)
    return table.reshape(len(lines), -1)
