"""A session's whole way from video and points to a motion, a report and an overlay."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recon.annotations import Annotations
from recon.overlay import OverlayConfig, overlay
from recon.preprocess import PreprocessConfig, Preprocessed, preprocess
from recon.session import OWN, Session
from recon.solve import SolveConfig, Solved, solve
from recon.vision.video import write_video
from sim import metrics, rotations
from sim.body.skin import load_skin
from sim.errors import AnnotationError
from sim.files import write_json
from sim.geometry import Mesh
from sim.motion import Motion
from sim.objects import Shape

_BESIDE = 0.1
"""Share of the mesh's diagonal by which a point may lie outside of its bounds."""


@dataclass(frozen=True)
class ReconstructConfig:
    """A reconstruction.

    Attributes:
        preprocess, solve, overlay: see their classes.
        draw: whether the overlay is made.
        text, action, group: what the motion says about itself.
    """

    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    solve: SolveConfig = field(default_factory=SolveConfig)
    overlay: OverlayConfig = field(default_factory=OverlayConfig)
    draw: bool = True
    text: str = ""
    action: str = ""
    group: str = ""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What came out.

    Attributes:
        motion: body, object and contacts. prepared: what the solver was given. solved: what it did.
        report: the content of reconstruction.json.
        motion_path, overlay_path: where they lie; the latter None where nothing was drawn.
    """

    motion: Motion
    prepared: Preprocessed
    solved: Solved
    report: dict[str, Any]
    motion_path: Path
    overlay_path: Path | None


def reconstruct(
    session: Session,
    annotations: Annotations | None = None,
    config: ReconstructConfig | None = None,
    *,
    on_stage: Callable[[str], None] | None = None,
) -> Reconstruction:
    """Reconstruct a session's clip; everything lands in its `touchstone/` folder and in Open4DHOI's result files.

    Args:
        session: with a video and an object's mesh.
        annotations: of the whole video; those that the session holds where None.
        config: every knob.
        on_stage: told the name of each stage when it begins.

    Raises:
        AnnotationError: there are no annotations, or they lie beside the mesh. ReconstructionError, AssetError: see
            `preprocess` and `solve`.
    """
    config = config or ReconstructConfig()
    annotations = annotations or session.annotations()
    if annotations is None:
        raise AnnotationError(f"{session.folder}: no annotations in it; give them with --points points.json")
    _check_on_mesh(annotations, session.object_mesh(annotations.object_scale))  # before anything slow is done
    prepared = preprocess(session, annotations, config.preprocess, on_stage=on_stage)
    annotations = annotations.rescaled(prepared.annotations.object_scale)
    mesh = session.object_mesh(annotations.object_scale)
    name = session.selection().object_name or "object"
    solved = solve(
        prepared.body, prepared.annotations, prepared.camera, name, mesh, prepared.masks, config.solve,
        first_frame=prepared.frames.start, on_stage=on_stage,
    )  # fmt: skip
    motion = solved.motion.replace(
        text=config.text, action=config.action, group=config.group, source=_source(prepared, config.solve)
    )
    notes = session.save_annotations(annotations)
    notes += session.save_motion(motion, prepared.camera, prepared.frames.start)
    path = session.folder / OWN / "motion.npz"
    drawn = None
    if config.draw:
        if on_stage:
            on_stage("overlay")
        drawn = session.folder / OWN / "overlay.mp4"
        images = overlay(
            prepared.images, motion, prepared.camera, load_skin("anny", motion, detail="coarse"), prepared.annotations,
            config.overlay,
        )  # fmt: skip
        write_video(drawn, images, motion.fps)
    report = _report(prepared, solved, motion, notes)
    write_json(session.folder / OWN / "reconstruction.json", report)
    write_json(session.folder / OWN / "config.json", _plain(dataclasses.asdict(config)))
    return Reconstruction(motion, prepared, solved, report, path, drawn)


def _check_on_mesh(annotations: Annotations, mesh: Mesh) -> None:
    """Raise AnnotationError for a point far outside of the mesh's bounds: it was made on another, or another scale."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    for kind, points_b in (
        ("contacts", annotations.contacts.points_b),
        ("image_points", annotations.image_points.points_b),
    ):
        beside = np.maximum(np.maximum(low - points_b, points_b - high), 0.0).max(-1, initial=0.0)
        if beside.max(initial=0.0) > _BESIDE * float(np.linalg.norm(high - low)):
            row = int(beside.argmax())
            raise AnnotationError(
                f"{kind}[{row}]: its point lies {beside[row]:.2g} m beside the object's mesh, which is "
                f"{' x '.join(f'{size:.2g}' for size in high - low)} m large; is it another mesh, or another scale?"
            )


def _source(prepared: Preprocessed, config: SolveConfig) -> str:
    """Provenance: which model made each part, and which steps ran."""
    parts = [f"{stage}: {source}" for stage, source in prepared.sources.items()]
    steps = [
        n
        for n, on in (("limb IK", config.limbs), ("optimizer", config.optimizing), ("low-pass", config.smoothing))
        if on
    ]
    return "; ".join(["reconstructed from video", *parts, " + ".join(["keypoint solver", *steps])])


def _report(prepared: Preprocessed, solved: Solved, motion: Motion, notes: list[str]) -> dict[str, Any]:
    """Figures and messages as plain JSON values; None where there is nothing to measure."""
    poses, item = solved.poses, motion.objects[0]
    skin = load_skin("anny", motion, detail="coarse")
    frames = np.arange(0, motion.num_frames, 3)
    vertices = skin.vertices(motion.joint_rotations_b[frames], motion.root_position_w[frames])
    points_b = rotations.rotate_inverse(item.rotation_w[frames, None], vertices - item.position_w[frames, None])
    sunk = metrics.penetration(Shape.of(item.geometry).signed_distance(points_b))
    return {
        "frames": [prepared.frames.start, prepared.frames.stop],
        "sources": prepared.sources,
        "seconds": solved.seconds,
        "contact_mm": {stage: _number(value) for stage, value in solved.contact_mm.items()},
        "image_residual_px": _median(poses.image_residuals),
        "final_image_residual_px": _median(_image_residuals(prepared, motion)),
        "contact_residual_mm": _median(1e3 * poses.contact_residuals),
        "frames_determined": int(poses.solved.sum()),
        "frames_without_points": int(poses.interpolated.sum()),
        "penetrating_percent": sunk.share_percent,
        "deepest_mm": sunk.max_mm,
        "messages": [*prepared.notes, *poses.messages, *notes],
    }


def _image_residuals(prepared: Preprocessed, motion: Motion) -> np.ndarray:
    """Pixels [T, P] between image points and where the finished motion has them; NaN where not visible."""
    points, item = prepared.annotations.image_points, motion.objects[0]
    at = rotations.rotate(item.rotation_w[:, None], points.points_b[None]) + item.position_w[:, None]
    apart: np.ndarray = np.linalg.norm(prepared.camera.project_world(at) - points.pixels, axis=-1)
    return apart


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
