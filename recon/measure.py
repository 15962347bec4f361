"""Depth and size: how far away what was clicked is, and how large the object is (seed, section 3.1).

The seed fits both meshes to the point cloud of a depth network. Here the body alone sets the scale of the maps; what
they then say goes into the solver as the depth of image points, and into the object's size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon.annotations import Annotations
from recon.camera import Camera
from recon.optimizer.mask_term import Masks
from recon.stages import Work
from recon.vision.depth import (
    DepthAlignment,
    DepthAnything,
    DepthKind,
    DepthMaps,
    align_to_body,
    depth_at,
    depth_in_mask,
)
from recon.vision.object_scale import contact_depth, scale_by_outline, scale_by_points
from sim.errors import AnnotationError, ReconstructionError
from sim.files import atomic_path
from sim.keypoints import KEYPOINT_INDEX, keypoint_offsets, keypoint_positions
from sim.motion import Motion


def measure(
    work: Work, images: Sequence[np.ndarray], body: Motion, camera: Camera, annotations: Annotations,
    masks: Masks | None, model: Path | None, kind: DepthKind, auto_scale: bool,
) -> Annotations:  # fmt: skip
    """Image points with the depth that maps give them, and all points at the object's measured scale.

    Args:
        images, body, camera, annotations, masks: of the T frames that were chosen.
        model: folder of a depth network; the session's `depth.npy`, of this `kind`, where None.
        auto_scale: the scale is measured; else it stays as it is.

    Raises:
        ReconstructionError: the network's maps do not fit the body, or the object in no frame tells its size.
        AnnotationError: what the scale is measured by is missing.
    """
    found = _aligned(work, images, body, camera, masks, model, kind)
    if found is not None:
        points, seen = annotations.image_points, None if masks is None else masks.object
        depths = depth_at(*found, points.pixels, camera.width, camera.height, seen)
        annotations = dataclasses.replace(annotations, image_points=dataclasses.replace(points, depths=depths))
    if auto_scale:
        annotations = annotations.rescaled(_scale(work, body, camera, annotations, masks, found))
    return annotations


def _aligned(
    work: Work, images: Sequence[np.ndarray], body: Motion, camera: Camera, masks: Masks | None,
    model: Path | None, kind: DepthKind,
) -> tuple[DepthMaps, DepthAlignment] | None:  # fmt: skip
    """Depth maps and what makes metres of them; None where there are none. A file that does not fit is left out."""
    if model is None and work.session.depth() is None:
        return None
    work.on_stage("depth")
    maps = _file(work, kind) if model is None else _network(work, images, model)
    try:
        alignment = align_to_body(maps, body, camera, None if masks is None else masks.human)
    except ReconstructionError as error:
        if model is not None:
            raise
        work.notes.append(f"{error}; its depth is left out")
        return None
    off = 1000 * float(np.nanmedian(alignment.residual))
    work.sources["depth"] = f"{maps.source}, aligned with the body ({off:.0f} mm off)"
    return maps, alignment


def _file(work: Work, kind: DepthKind) -> DepthMaps:
    values, frames = work.session.depth(), work.frames
    assert values is not None
    if len(values) < frames.stop:
        raise ReconstructionError(
            f"{work.session.folder}: depth.npy has {len(values)} frames, {frames.stop} are needed"
        )
    return DepthMaps(values[frames.start : frames.stop], kind, "depth.npy")


def _network(work: Work, images: Sequence[np.ndarray], model: Path) -> DepthMaps:
    """Kept in the session: the network is the slowest part."""
    path = work.folder / "depth.npz"
    if work.recall("depth", path, str(model)):
        with np.load(path, allow_pickle=False) as kept:
            return DepthMaps(kept["values"], "inverse" if kept["inverse"] else "metric", work.sources["depth"])
    maps = DepthAnything(model)(images)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, values=maps.values.astype(np.float16), inverse=maps.kind == "inverse")
    work.keep("depth", maps.source, (), str(model))
    return maps


def _scale(
    work: Work, body: Motion, camera: Camera, annotations: Annotations, masks: Masks | None,
    found: tuple[DepthMaps, DepthAlignment] | None,
) -> float:  # fmt: skip
    """What the mesh file's lengths are to be multiplied with: by points whose depth is known, else by the outline."""
    points, estimate = annotations.image_points, None
    if found is not None and points.depths is not None:
        places_c = camera.unproject(points.pixels, points.depths)
        estimate, how = scale_by_points(points.points_b / annotations.object_scale, places_c), "points"
        source = found[0].source
    if estimate is None:
        depth, source = _object_depth(body, camera, annotations, masks, found)
        assert masks is not None
        estimate = scale_by_outline(masks.object, depth, camera.intrinsics, work.session.mesh.vertices)
        how = "outline"
    work.sources["object scale"] = f"{estimate.scale:.4g}, its {how} at the depth of {source}"
    work.notes.append(
        f"object scale: {estimate.scale:.4g}, measured by its {how} in {estimate.num_frames} frames; they differ by "
        f"{100 * estimate.spread:.0f} % either way"
    )
    return estimate.scale


def _object_depth(
    body: Motion, camera: Camera, annotations: Annotations, masks: Masks | None,
    found: tuple[DepthMaps, DepthAlignment] | None,
) -> tuple[np.ndarray, str]:  # fmt: skip
    """How far away the object's outline is, [T] m, and by what that is known."""
    if masks is None:
        raise AnnotationError("object scale: measured on the object's mask; click on the object, or give the scale")
    graph = annotations.contacts
    if found is not None:
        return depth_in_mask(*found, masks.object), found[0].source
    if len(graph):
        keypoints_w = keypoint_positions(body.joint_positions_w, body.joint_rotations_w, keypoint_offsets(body.offsets))
        points_w = keypoints_w[:, [KEYPOINT_INDEX[name] for name in graph.keypoints]]
        depth = contact_depth(camera.to_camera(points_w), graph.active(annotations.num_frames))
        return depth, "the body where it touches the object"
    raise AnnotationError(
        "object scale: nothing tells how far away the object is; name a depth network's folder with "
        "--config.preprocess.depth, put depth.npy into the session, annotate a contact, or give the scale"
    )
