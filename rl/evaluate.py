"""Evaluate a run: the policy from frame 0 and from perturbed starts, every figure, the verdict."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from rl import checkpoints
from rl.config import TrainConfig
from rl.evidence import evidence_of
from rl.figures import figures_of, per_frame_of
from rl.planning import with_plan
from rl.rollouts import PERTURBATION, Episodes, Evaluator
from rl.runs import ClipFolder, load_config
from rl.train import build_policy
from rl.verdict import Verdict, judge
from sim import humanoid, metrics, skeleton
from sim.balls import with_spheres
from sim.errors import RunError
from sim.files import write_json
from sim.motion import Motion
from sim.retarget import CONTROL_HZ, Reference, retarget


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: the simulated motion, figures by name, errors per frame by name, the verdict."""

    simulation: Motion
    figures: dict[str, dict[str, Any]]
    per_frame: dict[str, list[float | None]]
    episodes: list[dict[str, Any]]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        return {
            "verdict": dataclasses.asdict(self.verdict),
            "figures": self.figures,
            "per_frame": self.per_frame,
            "episodes": self.episodes,
        }


def evaluate_run(folder: Path, *, episodes: int = 16, seed: int = 0) -> Evaluation:
    """Evaluate a run's best policy on a clip and write simulation.npz and evaluation.json beside the clip.

    Args:
        folder: a run folder that training has written, or that of one of its clips.
        episodes: from perturbed starts; one more runs undisturbed from frame 0.
        seed: of the perturbations.

    Raises:
        RunError: the run has no trained policy, or the folder is that of several clips.
    """
    clip = ClipFolder(folder)
    run = clip.run
    if run.clip_list.exists() and run.path == folder:
        raise RunError(f"{folder} holds several clips; give one of them, {run.clip('NAME').path}")
    clip.require(clip.motion)
    run.require(run.config, run.policy)
    config = load_config(run.config, TrainConfig)
    reference = with_plan(clip, retarget(Motion.load(clip.motion), config.scene, config.retarget))
    original = Motion.load(clip.clean) if clip.clean.exists() else None
    evaluation = evaluate(reference, config, run.policy, episodes=episodes, seed=seed, original=original)
    evaluation.simulation.save(clip.simulation)
    write_json(clip.evaluation, evaluation.to_json())
    return evaluation


def evaluate(
    reference: Reference,
    config: TrainConfig,
    policy: Path,
    *,
    episodes: int,
    seed: int,
    original: Motion | None = None,
) -> Evaluation:
    """Evaluate a saved policy on a reference; see `evaluate_run`. `original` is the source before it was corrupted."""
    undisturbed = Evaluator(reference, config.task)
    network = build_policy(undisturbed.task, config)
    checkpoints.load_policy(policy, network)
    clean = undisturbed.run(network)
    perturbed = Evaluator(reference, config.task, episodes=episodes, noise=PERTURBATION).run(network, seed=seed)
    simulation = simulated_motion(reference, clean)
    figures = figures_of(reference, simulation, clean, perturbed, touch_force=config.task.touch_force)
    if original is not None:
        figures |= original_figures(original, reference, simulation)
    report = reference.report
    masses = ", ".join(f"{name} {mass:.2g} kg" for name, mass in report.object_masses_kg.items())
    friction = ", ".join(f"{value:.2g}" for value in sorted(set(report.object_frictions.values())))
    surfaces = f"friction of objects {friction or '-'}, of hands {report.hand_friction:.2g}"
    evidence = evidence_of(reference, simulation, figures)
    verdict = judge(
        completion=figures["completion"]["value"],
        perturbed_completion=figures["completion_perturbed"]["value"],
        mpjpe_mm=figures["mpjpe"]["value"],
        object_mm=_value(figures, "object_position_error"),
        object_deg=_value(figures, "object_rotation_error"),
        contact_recall=_value(figures, "contact_recall"),
        source_mpjpe_mm=report.joint_shift_mean_mm,
        evidence=evidence,
        assumptions=f"no assistance; body {report.body_mass_kg:.0f} kg; {masses or 'no object'}; {surfaces}",
    )
    rows = [
        {"start": "frame 0", "completion": float(clean.completion()[0]), "ended_by": clean.ended_by[0] or "clip's end"},
        *(
            {"start": "perturbed", "completion": float(share), "ended_by": reason or "clip's end"}
            for share, reason in zip(perturbed.completion(), perturbed.ended_by, strict=True)
        ),
    ]
    return Evaluation(simulation, figures, per_frame_of(reference, simulation), rows, verdict)


def original_figures(original: Motion, reference: Reference, simulation: Motion) -> dict[str, dict[str, Any]]:
    """Whether physics came nearer to the motion before its corruption: it, and the corrupted source, against that.

    Args:
        original: at any frame rate, as long as the source was.
        reference, simulation: made of its corrupted copy.
    """
    frames = simulation.num_frames
    clean = with_spheres(original).resample(CONTROL_HZ).slice(0, frames)
    source = reference.source.slice(0, frames)
    body, found = list(skeleton.BODY_JOINTS), {}
    for name, motion in (("", simulation), ("_source", source)):
        whose = "corrupted source" if name else "simulation"
        text = f"{{}} against the motion before its corruption, {whose}"
        joints = metrics.mpjpe(motion.joint_positions_w[:, body], clean.joint_positions_w[:, body])
        found[f"mpjpe_clean{name}"] = {"value": joints, "unit": "mm", "explanation": text.format("joints")}
        pairs = [(a, b) for a, b in zip(motion.objects, clean.objects, strict=True) if not b.is_static]
        if pairs:
            error = float(np.mean([metrics.position_error(a.position_w, b.position_w) for a, b in pairs]))
            found[f"object_clean{name}"] = {"value": error, "unit": "mm", "explanation": text.format("object")}
    return found


def _value(figures: dict[str, dict[str, Any]], name: str) -> float:
    value = figures.get(name, {}).get("value")
    return float("nan") if value is None else float(value)


def simulated_motion(reference: Reference, episodes: Episodes, index: int = 0) -> Motion:
    """One episode as a motion on the reference's clock, from its start to where it ended (at least two frames)."""
    rows = max(int(episodes.alive[:, index].sum()), 2)
    state = episodes.states
    local = np.repeat(reference.motion.joint_rotations_b[:1], rows, axis=0)
    local[:, 0] = state.rotations_w[:rows, index, 0].double().numpy()
    simulated = list(reference.scene.joints[1:])
    local[:, simulated] = humanoid.joint_rotations(state.angles[:rows, index].double().numpy())
    local = humanoid.fingers_together(local) if humanoid.has_mittens(reference.scene.joints) else local
    objects = []
    for item in reference.motion.objects:
        if item.is_static:
            pose = (item.position_w[:rows], item.rotation_w[:rows])
        else:
            o = reference.scene.object_names.index(item.name)
            pose = tuple(getattr(state, f"object_{kind}_w")[:rows, index, o].double().numpy() for kind in _POSE)
        objects.append(dataclasses.replace(item, position_w=pose[0], rotation_w=_unit(pose[1])))
    frames = episodes.frames[:rows, index]
    source = reference.motion
    labels = None if source.contact_labels is None else source.contact_labels[frames]
    return source.replace(
        root_position_w=state.positions_w[:rows, index, 0].double().numpy(),
        joint_rotations_b=_unit(local),
        objects=tuple(objects),
        contacts=source.contacts.cut(0, rows),
        contact_labels=labels,
        object_contact=None,
        source=f"simulated by Touchstone in MuJoCo from: {source.source}",
    )


_POSE = ("positions", "rotations")


def _unit(q: np.ndarray) -> np.ndarray:
    return q / np.linalg.norm(q, axis=-1, keepdims=True)
