"""What is asked of a mesh before a motion is made with it, beyond what reading it asks (`sim.meshes.check_mesh`)."""

from __future__ import annotations

import math

import numpy as np
import trimesh

from generate.language.lexicon import Kind
from generate.objects.kinds import kind_of
from generate.plan import InteractionPlan
from sim.errors import AssetError
from sim.geometry import Geometry, Mesh
from sim.meshes import check_mesh as check_body
from sim.objects import Shape

MOST_FACES = 200_000
"""More triangles than hands need: so many on a 2 m sofa are 7 mm wide. Rays are cast at all of them: 73 s for 327,680
faces on one core."""
_MANY = 50_000
_STRANGE = 5.0
"""A mesh that is so many times larger or smaller than its kind is not in metres."""
_SMALLEST, _LARGEST = 0.01, 5.0
_UNITS = (0.001, 0.01, 0.0254, 0.1, 0.3048, 10.0, 100.0, 1000.0)
"""Metres in what files are in: mm, cm, inches, dm, feet, and files that were scaled down once too often."""
_BELOW = 2e-3
_SAMPLES = 500
_ENCLOSED = 0.05
_FAR_OFF = 10.0


def check_mesh(geometry: Geometry | Shape, what: InteractionPlan | str | None = None) -> tuple[str, ...]:
    """Refuse what no motion can be made with; say what is odd about the rest, in a line each.

    Args:
        geometry: as it was loaded; a primitive only has to have the size of its kind.
        what: plan or name of the object, to know what size is usual.

    Returns:
        What was mended, and what stays doubtful: holes, no inside, an origin far off.

    Raises:
        AssetError: more than `MOST_FACES` triangles, no volume (flat, empty), or a size that its kind does not have.
    """
    geometry = geometry.geometry if isinstance(geometry, Shape) else geometry
    if isinstance(geometry, Mesh):
        if len(geometry.faces) > MOST_FACES:
            raise AssetError(
                f"the mesh has {len(geometry.faces):,} faces; at most {MOST_FACES:,} can be handled, and 20,000 are "
                f"plenty: simplify it, for example by quadric decimation in MeshLab or Blender"
            )
        check_body(geometry)
    shape = Shape.of(geometry)
    size = tuple(float(edge) for edge in np.ptp(shape.bounds, axis=0))
    fault = size_fault(kind_of(what or "object"), size)
    if fault:
        raise AssetError(fault)
    remarks = _mended(geometry, shape) if isinstance(geometry, Mesh) else []
    away = float(np.linalg.norm(shape.bounds.mean(0)))
    if away > _FAR_OFF * max(size):
        remarks.append(f"its origin lies {away:.3g} m from the middle of the mesh, which measures {max(size):.3g} m")
    return tuple(remarks)


def size_fault(kind: Kind, size_m: tuple[float, ...]) -> str:
    """What is wrong with a bounding box of these edges, with a scale that would mend it; "" if it can be."""
    longest, usual = max(size_m), max(kind.size_m)
    known = "generic" not in kind.tags
    if known and not 1.0 / _STRANGE <= longest / usual <= _STRANGE:
        fault = f"this {kind.name} measures {longest:.3g} m, where {usual:g} m are usual"
    elif not _SMALLEST <= longest <= _LARGEST:
        fault = f"an object of {longest:.3g} m is none that a person handles"
    else:
        return ""
    scale = min(_UNITS, key=lambda unit: abs(math.log(unit * longest / usual)))
    fits = 1.0 / _STRANGE <= scale * longest / usual <= _STRANGE
    hint = f" (--scale {scale:g} makes it {scale * longest:.3g} m)" if fits else " with --scale"
    return f"{fault}; scale it to metres{hint}"


def _mended(mesh: Mesh, shape: Shape) -> list[str]:
    """What repair did, and what it could not do."""
    assert shape.surface is not None
    before = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    before.merge_vertices()
    after = trimesh.Trimesh(shape.surface.mesh.vertices, shape.surface.mesh.faces, process=False)
    remarks = []
    empty = int((~before.nondegenerate_faces()).sum())
    if len(mesh.faces) > _MANY:
        remarks.append(f"{len(mesh.faces):,} faces make every step slow; 20,000 are plenty")
    if empty:
        remarks.append(f"{empty} of {len(mesh.faces)} faces without area left out")
    if not before.is_winding_consistent and after.is_winding_consistent:
        remarks.append("faces that were inside out turned round")
    if not before.is_watertight and after.is_watertight and not empty:
        remarks.append("holes filled")
    if not after.is_watertight:
        shared = np.unique(np.sort(after.edges, axis=1), axis=0, return_counts=True)[1]
        open_, many = int((shared == 1).sum()), int((shared > 2).sum())
        remarks.append(
            f"not closed: {open_} open edges, {many} shared by more than two faces; "
            f"the majority of rays decides what is inside"
        )
        if _enclosed(shape, after) < _ENCLOSED:
            remarks.append("it has no inside (sheets): how deep a hand is in it cannot be told")
    return remarks


def _enclosed(shape: Shape, mesh: trimesh.Trimesh) -> float:
    """Share of the surface with the inside of the body within 2 mm on one of its sides."""
    assert shape.surface is not None
    points, triangle = trimesh.sample.sample_surface(mesh, _SAMPLES, seed=0)
    off = _BELOW * np.asarray(mesh.face_normals)[triangle]
    sides = [shape.surface.contains(np.asarray(points) + sign * off) for sign in (1, -1)]
    return float((sides[0] | sides[1]).mean())
