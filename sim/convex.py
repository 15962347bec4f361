"""Convex decomposition of meshes by CoACD, tightened to the true surface and cached on disk by content.

CoACD (Wei et al. 2022, "Approximate Convex Decomposition for 3D Meshes with Collision-Aware Concavity and Tree Search")
remeshes what is not a manifold, which swells every real mesh of this field by 3-5 mm. Hands that touch the mesh would
start inside such hulls, so each part is drawn back to the surface that it covers.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from sim.errors import AssetError
from sim.files import atomic_path, cache_dir
from sim.geometry import Mesh
from sim.surface import Surface

_log = logging.getLogger(__name__)

MAX_HULLS = 32
CONCAVITY = 0.02
"""m; a hollow this deep may be filled. Measured on the OMOMO meshes: a box with dented faces stays at a few parts, a
chair's openings stay open (16 parts fill them up to 42 mm, 32 up to 23 mm)."""
MAX_HULL_VERTICES = 64
MIN_THICKNESS = 0.008
"""m; a part that would become thinner than this keeps CoACD's swollen shape, since contact with a foil tunnels."""

_VERSION = 2  # of the tightening below: raise it when hulls come out differently
_SURFACE_POINTS = 60_000
_PIECE_FACES = 500  # more a piece, on average, is a scan
_PIECE_SLACK = 1e-5  # of the longest edge, how deep a face may lie under its piece's hull: files round corners
_CONVEX_SLACK = 0.25  # a mesh whose dents are below this share of the threshold counts as convex


def convex_parts(
    mesh: Mesh,
    *,
    max_hulls: int = MAX_HULLS,
    threshold: float | None = None,
    max_vertices: int = MAX_HULL_VERTICES,
    seed: int = 0,
) -> tuple[Mesh, ...]:
    """Convex hulls that together cover the mesh, in its frame, largest first; from the cache where they are there.

    A mesh that is made of closed convex pieces keeps them as they are (`convex_pieces`).

    Args:
        mesh: any triangle soup that encloses or outlines a body; it need not be watertight.
        max_hulls: most parts.
        threshold: concavity that a part may keep, as a share of half the mesh's longest edge (CoACD's unit); by
            default that of CONCAVITY, and at most 0.1, so that small objects keep their shape too.
        max_vertices: most vertices of a part; collision cost grows with it.
        seed: of CoACD's tree search.

    Raises:
        AssetError: if the options make no sense or the decomposition yields no volume.
    """
    if threshold is None:
        threshold = round(float(np.clip(CONCAVITY / (np.ptp(mesh.vertices, axis=0).max() / 2), 0.02, 0.1)), 3)
    if max_hulls < 1 or max_vertices < 8 or not 0.01 <= threshold <= 1.0:
        raise AssetError(
            f"hulls: need max_hulls >= 1, max_vertices >= 8 and 0.01 <= threshold <= 1, "
            f"got {max_hulls}, {max_vertices}, {threshold}"
        )
    options = {
        "max_hulls": max_hulls, "threshold": threshold, "max_vertices": max_vertices, "seed": seed,
        "coacd": importlib.metadata.version("coacd"), "version": _VERSION,
    }  # fmt: skip
    pieces = convex_pieces(mesh, max_hulls)
    if len(pieces) > 1:
        return tuple(sorted((_hull(piece, max_vertices) for piece in pieces), key=_volume, reverse=True))
    path = cache_dir("hulls") / f"{_digest(mesh, options)}.npz"
    cached = _load(path)
    if cached is not None:
        return cached
    parts = _decompose(mesh, max_hulls, threshold, max_vertices, seed)
    _save(path, parts)
    return parts


def convex_pieces(mesh: Mesh, most: int) -> list[np.ndarray]:
    """Corners [V, 3] of the mesh's connected pieces, if these are all closed and convex and at most `most`; else none.

    Furniture modelled of boxes is its own decomposition, exact and at once; CoACD takes up to minutes for it.
    """
    if len(mesh.faces) > most * _PIECE_FACES:
        return []
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    edges = np.asarray(body.face_adjacency)
    if 2 * len(edges) != 3 * len(mesh.faces):  # an edge that is open, or of more than two faces
        return []
    links = coo_array((np.ones(len(edges)), edges.T), (len(mesh.faces),) * 2)
    count, piece = connected_components(links, directed=False)
    if count > most:
        return []
    slack = _PIECE_SLACK * float(np.ptp(mesh.vertices, axis=0).max())
    pieces = []
    for k in range(count):
        faces = mesh.faces[piece == k]
        corners = mesh.vertices[np.unique(faces)]
        try:
            depth = -plane_distance(corners, mesh.vertices[faces].mean(1)).min()
        except QhullError:  # flat
            return []
        if depth > slack:
            return []
        pieces.append(corners)
    return pieces


def united(mesh: Mesh) -> Mesh:
    """One skin around closed convex pieces that reach into each other; any other mesh as it is.

    Without it what is buried in the next piece would count as surface, for samples and for depths.
    """
    pieces = convex_pieces(mesh, MAX_HULLS)
    if len(pieces) < 2:
        return mesh
    skin = trimesh.boolean.union([trimesh.convex.convex_hull(piece) for piece in pieces], engine="manifold")
    return Mesh(np.asarray(skin.vertices), np.asarray(skin.faces)) if len(skin.faces) else mesh


def hull_distance(hulls: tuple[Mesh, ...], points: np.ndarray) -> np.ndarray:
    """Distance to the union of convex hulls as physics feels it, m: [..., 3] -> [...], negative inside.

    Inside a hull it is the exact depth in that hull; outside it is the distance to the farthest face plane, which is
    exact over faces and too small near edges and corners (never more than the true distance). Hulls whose bounding box
    is further away than what another hull gave are not asked.
    """
    flat = np.asarray(points, np.float64).reshape(-1, 3)
    away = np.stack([_box_distance(hull.vertices, flat) for hull in hulls])
    nearest = away.argmin(0)
    best = np.full(len(flat), np.inf)
    for nearest_first in (True, False):
        for h, hull in enumerate(hulls):
            asked = nearest == h if nearest_first else (nearest != h) & (away[h] <= np.maximum(best, 0.0))
            if asked.any():
                best[asked] = np.minimum(best[asked], plane_distance(hull.vertices, flat[asked]))
    return best.reshape(np.shape(points)[:-1])


def _box_distance(vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of points [P, 3] to the bounding box of vertices [V, 3], m: [P]; 0 inside."""
    outside = np.maximum(vertices.min(0) - points, points - vertices.max(0)).clip(min=0.0)
    return np.asarray(np.sqrt(np.einsum("pi,pi->p", outside, outside)))


def plane_distance(vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Signed distance of points [P, 3] to the farthest face plane of the convex hull of vertices [V, 3], m: [P]."""
    planes = np.unique(ConvexHull(vertices).equations.round(9), axis=0)
    out = np.full(len(points), -np.inf)
    for chunk in range(0, len(points), 8192):  # bounds the memory of the product
        part = np.s_[chunk : chunk + 8192]
        out[part] = (points[part] @ planes[:, :3].T + planes[:, 3]).max(1)
    return out


def _decompose(mesh: Mesh, max_hulls: int, threshold: float, max_vertices: int, seed: int) -> tuple[Mesh, ...]:
    import coacd

    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    samples = np.asarray(trimesh.sample.sample_surface(surface, _SURFACE_POINTS, seed=0)[0])
    samples = np.concatenate((samples, mesh.vertices[np.unique(mesh.faces)]))
    whole = _hull(samples, max_vertices)
    dents = -plane_distance(whole.vertices, samples)
    if np.percentile(dents, 99) < _CONVEX_SLACK * threshold * np.ptp(mesh.vertices, axis=0).max() / 2:
        return (whole,)
    _log.info("cutting a mesh of %d faces into convex parts, once; this takes up to a minute", len(mesh.faces))
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(mesh.vertices, mesh.faces), threshold=threshold, max_convex_hull=max_hulls, seed=seed
    )
    inside = Surface(mesh)
    tightened = [_tightened(np.asarray(vertices), samples, inside, max_vertices) for vertices, _ in parts]
    hulls = [hull for hull in tightened if hull is not None]
    if not hulls:
        raise AssetError("hulls: the convex decomposition of the mesh has no volume; is the mesh flat?")
    return tuple(sorted(hulls, key=_volume, reverse=True))


def _tightened(part: np.ndarray, samples: np.ndarray, surface: Surface, max_vertices: int) -> Mesh | None:
    """The hull of what a part covers of the surface and of its own corners inside; itself where that is too thin."""
    covered = np.concatenate((samples[plane_distance(part, samples) <= 1e-9], part[surface.contains(part)]))
    for points in (covered, part):
        try:
            hull = _hull(points, max_vertices)
        except (QhullError, ValueError):
            continue
        if points is part or thickness(hull) >= MIN_THICKNESS:
            return hull
    return None


def _hull(points: np.ndarray, max_vertices: int) -> Mesh:
    """Convex hull with outward faces; Qhull adds the farthest point first, so stopping early keeps the best ones."""
    corners = points[ConvexHull(points).vertices]
    if len(corners) > max_vertices:
        corners = corners[ConvexHull(corners, qhull_options=f"Qt TA{max_vertices - 4}").vertices]
    hull = trimesh.convex.convex_hull(corners)
    return Mesh(hull.vertices, hull.faces)


def thickness(hull: Mesh) -> float:
    """Smallest width of a convex hull over its face normals, m."""
    planes = ConvexHull(hull.vertices).equations
    heights = hull.vertices @ planes[:, :3].T + planes[:, 3]
    return float(-heights.min(0).max()) if len(heights) else 0.0


def _volume(hull: Mesh) -> float:
    return float(ConvexHull(hull.vertices).volume)


def _digest(mesh: Mesh, options: dict[str, object]) -> str:
    content = hashlib.sha256(np.ascontiguousarray(mesh.vertices).tobytes())
    content.update(np.ascontiguousarray(mesh.faces).tobytes())
    content.update(json.dumps(options, sort_keys=True).encode())
    return content.hexdigest()[:32]


def _save(path: Path, parts: tuple[Mesh, ...]) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            vertices=np.concatenate([part.vertices for part in parts]),
            faces=np.concatenate([part.faces for part in parts]),
            vertex_counts=np.array([len(part.vertices) for part in parts]),
            face_counts=np.array([len(part.faces) for part in parts]),
        )


def _load(path: Path) -> tuple[Mesh, ...] | None:
    """The cached parts, or None where there is no cache file or it is damaged (it is then made again)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            vertices = np.split(archive["vertices"], np.cumsum(archive["vertex_counts"])[:-1])
            faces = np.split(archive["faces"], np.cumsum(archive["face_counts"])[:-1])
        return tuple(Mesh(v, f) for v, f in zip(vertices, faces, strict=True))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, AssetError):
        return None
