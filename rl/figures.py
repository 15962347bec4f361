"""The figures of an evaluation, by name, and the errors of every frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from rl.artefacts import ARTEFACTS, VERSIONS, artefacts
from rl.rollouts import Episodes
from sim import metrics, skeleton
from sim.contact_fit import hand_labels
from sim.contacts import graph_distances
from sim.humanoid import hand_bodies
from sim.motion import Motion
from sim.retarget import Reference

_BODY = list(skeleton.BODY_JOINTS)


def figures_of(
    reference: Reference, simulation: Motion, clean: Episodes, perturbed: Episodes, *, touch_force: float
) -> dict[str, dict[str, Any]]:
    """Every figure as {value, unit, explanation}; errors over the frames that were lived, so read completion first."""
    frames = simulation.num_frames
    goal = reference.motion.slice(0, frames)
    source = reference.source.slice(0, frames)
    figures: dict[str, dict[str, Any]] = {}

    def put(name: str, value: float, unit: str, text: str, **more: Any) -> None:
        known = value is not None and np.isfinite(value)
        figures[name] = {"value": float(value) if known else None, "unit": unit, "explanation": text, **more}

    put("completion", clean.completion()[0], "share", "of the clip carried through from frame 0")
    put("completion_perturbed", perturbed.completion().mean(), "share", "the same, mean over perturbed starts")
    put("success_perturbed", perturbed.completed.mean(), "share", "of the perturbed starts carried to the end")
    ours, theirs, origin = (m.joint_positions_w for m in (simulation, goal, source))
    put("mpjpe", metrics.mpjpe(ours[:, _BODY], theirs[:, _BODY]), "mm", "joints against the retargeted reference")
    put("mpjpe_root_relative", metrics.mpjpe_root_relative(ours[:, _BODY], theirs[:, _BODY]), "mm", "pelvis aligned")
    put("mpjpe_source", metrics.mpjpe(ours[:, _BODY], origin[:, _BODY]), "mm", "joints against the source motion")
    relative = metrics.mpjpe_root_relative(ours[:, _BODY], origin[:, _BODY])
    put("mpjpe_source_root_relative", relative, "mm", "against the source motion, pelvis aligned")
    _object_figures(put, simulation, goal)
    _contact_figures(put, reference, simulation, goal, clean, touch_force)
    for version, motion in zip(VERSIONS, (source, goal, simulation), strict=True):
        for name, value in artefacts(motion).items():
            unit, text = ARTEFACTS[name]
            put(name + version, value, unit, f"{text}, {VERSIONS[version]}")
    return figures


def per_frame_of(reference: Reference, simulation: Motion) -> dict[str, list[float | None]]:
    """Errors of every frame, by name, None where the policy had failed already or nothing is active."""
    goal = reference.motion.slice(0, simulation.num_frames)
    series = {
        "mpjpe_mm": metrics.joint_error_per_frame(
            simulation.joint_positions_w[:, _BODY], goal.joint_positions_w[:, _BODY]
        )
    }
    for ours, theirs in zip(simulation.objects, goal.objects, strict=True):
        if not ours.is_static:
            series["object_position_mm"] = metrics.position_error_per_frame(ours.position_w, theirs.position_w)
            if not ours.is_ball:
                series["object_rotation_deg"] = metrics.rotation_error_per_frame(ours.rotation_w, theirs.rotation_w)
            series["object_height_m"] = ours.position_w[:, 2]
            series["object_height_m_reference"] = theirs.position_w[:, 2]
            break
    if len(simulation.contacts):
        series["contact_distance_mm"] = metrics.contact_distance_per_frame(graph_distances(simulation))
        series["contact_distance_mm_reference"] = metrics.contact_distance_per_frame(graph_distances(goal))
    padding: list[float | None] = [None] * (reference.motion.num_frames - simulation.num_frames)
    return {name: [float(v) if np.isfinite(v) else None for v in row] + padding for name, row in series.items()}


def _object_figures(put: Any, simulation: Motion, goal: Motion) -> None:
    pairs = [(a, b) for a, b in zip(simulation.objects, goal.objects, strict=True) if not a.is_static]
    if not pairs:
        return
    position = np.mean([metrics.position_error(a.position_w, b.position_w) for a, b in pairs])
    put("object_position_error", float(position), "mm", "object against the retargeted reference")
    turned = [metrics.rotation_error(a.rotation_w, b.rotation_w) for a, b in pairs if not a.is_ball]
    if turned:
        put("object_rotation_error", float(np.mean(turned)), "deg", "object against the retargeted reference")


def _contact_figures(
    put: Any, reference: Reference, simulation: Motion, goal: Motion, clean: Episodes, touch_force: float
) -> None:
    rows = simulation.num_frames
    hands = hand_bodies(reference.scene.joints)
    labels = hand_labels(goal) if goal.objects else np.zeros((rows, 2), int)
    forces = clean.states.forces_w[:rows, 0].norm(dim=-1).numpy()
    agreement = metrics.contact_agreement(labels, forces @ hands.T > touch_force)
    put(
        "contact_precision",
        agreement.precision,
        "share",
        "of the hands' touches, but for those that labels neither ask for nor forbid",
    )
    put("contact_recall", agreement.recall, "share", "of the labelled hand contacts that physics shows")
    put("contact_f1", agreement.f1, "share", "both together")
    if not len(simulation.contacts):
        return
    for name, motion in (("", simulation), ("_reference", goal)):
        whose = "reference" if name else "simulation"
        surface, joint = graph_distances(motion), graph_distances(motion, anchor="joint")
        text = "between object point and {} in the pairs of the contact graph, " + whose
        put(f"contact_distance{name}", metrics.contact_distance(surface), "mm", text.format("keypoint on the skin"))
        put(f"contact_distance_joint{name}", metrics.contact_distance(joint), "mm", text.format("joint centre"))
        put(f"contact_score{name}", metrics.contact_score(joint), "m^2", f"eq. 23, mean over frames, {whose}")
