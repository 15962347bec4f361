"""Shapes that a motion carries: a triangle mesh or a primitive. Plain values; physics and repair live elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sim.arrays import frozen
from sim.errors import AssetError, UnknownNameError

PrimitiveKind = Literal["sphere", "box", "cylinder", "capsule"]
PRIMITIVE_PARAMETERS: dict[str, tuple[str, ...]] = {
    "sphere": ("radius",),
    "box": ("x", "y", "z"),
    "cylinder": ("radius", "length"),
    "capsule": ("radius", "length"),
}
"""What the size of each primitive means, m: a box has full edge lengths, a capsule's length is its straight part."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in the object's own frame. vertices [V, 3] m, faces [F, 3] vertex indices; read-only copies."""

    vertices: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        vertices, faces = frozen(self.vertices), frozen(self.faces, np.int64)
        if vertices.ndim != 2 or vertices.shape[1:] != (3,) or len(vertices) < 3:
            raise AssetError(f"a mesh needs vertices [V>=3, 3], got {vertices.shape}")
        if faces.ndim != 2 or faces.shape[1:] != (3,) or len(faces) == 0:
            raise AssetError(f"a mesh needs faces [F>=1, 3], got {faces.shape}")
        if not np.isfinite(vertices).all():
            raise AssetError(f"mesh vertex {int(np.argwhere(~np.isfinite(vertices))[0, 0])} is not finite")
        strangers = faces[(faces < 0) | (faces >= len(vertices))]
        if len(strangers):
            raise AssetError(f"mesh faces name vertex {int(strangers[0])} of {len(vertices)}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)


@dataclass(frozen=True)
class Primitive:
    """A primitive centred at the object's origin, axis along z; `size` as in `PRIMITIVE_PARAMETERS`, metres."""

    kind: PrimitiveKind
    size: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(PrimitiveKind):
            raise UnknownNameError("primitive", self.kind, get_args(PrimitiveKind))
        size = tuple(float(s) for s in self.size)
        names = PRIMITIVE_PARAMETERS[self.kind]
        if len(size) != len(names) or not all(np.isfinite(s) and s > 0 for s in size):
            raise AssetError(f"a {self.kind} needs positive {', '.join(names)} in metres, got {size}")
        object.__setattr__(self, "size", size)


Geometry = Mesh | Primitive
