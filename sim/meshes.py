"""Triangle meshes as they come from files: reading, refusing what has no volume, mending what can be mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from sim.errors import AssetError
from sim.geometry import Mesh

MESH_SUFFIXES = (".obj", ".ply", ".stl", ".glb", ".gltf", ".off")
_LARGEST, _SMALLEST = 20.0, 0.001
_FLAT = 1e-6


def read_mesh(path: Path) -> Mesh:
    """The file's vertices and faces as they stand, in their order. Raises AssetError if it is no readable mesh."""
    if not path.is_file():
        raise AssetError(f"{path}: no such mesh file")
    options = {"maintain_order": True, "skip_materials": True} if path.suffix.lower() == ".obj" else {}
    try:
        loaded = trimesh.load_mesh(path, process=False, **options)
        return Mesh(np.array(loaded.vertices), np.array(loaded.faces))
    except AssetError as error:
        raise AssetError(f"{path}: {error}") from error
    except Exception as error:  # trimesh's readers raise whatever their parsers do
        raise AssetError(f"{path}: not a readable mesh ({type(error).__name__}: {error})") from error


def check_mesh(mesh: Mesh) -> None:
    """Raise AssetError unless the mesh spans a volume of a size that a person can handle or sit on."""
    used = np.unique(mesh.vertices[np.unique(mesh.faces)], axis=0)
    if len(used) < 4:
        raise AssetError(f"the mesh has {len(used)} distinct vertices; a body needs at least 4")
    largest = float(np.ptp(used, axis=0).max())
    if largest > _LARGEST:
        raise AssetError(
            f"the mesh is {largest:.4g} m long, which is no hand-held object; if the file is in millimetres, "
            f"use scale 0.001 (in centimetres: 0.01)"
        )
    if largest < _SMALLEST:
        raise AssetError(f"the mesh is {largest * 1000:.4g} mm long, too small to touch; give a scale (1000?)")
    widths = np.linalg.svd(used - used.mean(0), compute_uv=False) / np.sqrt(len(used))
    if widths[2] < _FLAT * largest:
        shape = "point" if widths[0] < _FLAT * largest else "line" if widths[1] < _FLAT * largest else "plane"
        raise AssetError(f"all vertices of the mesh lie in one {shape}; a body needs thickness")
    if trimesh.triangles.area(mesh.vertices[mesh.faces]).sum() <= _FLAT * largest**2:
        raise AssetError("the mesh has no surface: every triangle has zero area")


def repair(mesh: Mesh) -> Mesh:
    """Merge duplicate vertices, drop degenerate faces, make the winding consistent and outward, fill small holes."""
    fixed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    fixed.merge_vertices()
    fixed.update_faces(fixed.nondegenerate_faces())
    fixed.remove_unreferenced_vertices()
    if not fixed.is_winding_consistent:
        trimesh.repair.fix_winding(fixed)
    if not fixed.is_watertight:
        trimesh.repair.fill_holes(fixed)
    if fixed.volume < 0:
        fixed.invert()
    return Mesh(np.array(fixed.vertices), np.array(fixed.faces))
