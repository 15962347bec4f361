"""How well poses made from plans touch their objects and stay out of them: real OMOMO meshes and a chair of boxes.

    python -m benchmarks.generated_poses              # all plans, 8 samples each
    python -m benchmarks.generated_poses --only sit   # those whose sentence has the word

Each sentence goes through the embedded planner; the pose is that of the first phase in which something touches. Objects
rest as in the first frame of a recorded clip. Measured with the full Anny skin (13,718 vertices) and exact distances:
contact ratio (parts of the body with a vertex within 2 cm of the surface or inside), vertices inside the object, the
deepest one, the lowest one below the floor. `best` is the sample of least energy, `all` the mean over the samples (the
worst for the depths). Then the best sample of each plan goes through the fine stage: residual of force closure before
and after (`generate/pose/closure.py`), counted where contacts grasp. Seconds are of processor time, without the
distance field, which is built once for an object. Nats: how unlikely poses are to the shipped prior, beside frames of
the clips.
Clips and meshes are those of the folder that TOUCHSTONE_DATA names.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
import tyro

from benchmarks.verdict_calibration import data_folder
from generate.planner import GrammarPlanner
from generate.pose import FinePose, PoseConfig, PoseQuality, measure_pose, refine_pose, synthesise_poses
from generate.pose.body import skin_of
from recon.body.pose_prior import canonical_axes, load_pose_prior
from recon.optimizer.distance_field import distance_field
from rl.manifest import read_manifest
from sim.formats import import_motion
from sim.geometry import Geometry, Mesh
from sim.objects import Shape, load_geometry
from sim.subject import default_offsets

PLANS = (
    ("a person lifts the box", "largebox"),
    ("a person pushes the box", "largebox"),
    ("a person lifts the box", "smallbox"),
    ("a person kicks the box", "smallbox"),
    ("a person carries the box", "plasticbox"),
    ("a person lifts the chair", "woodchair"),
    ("a person pulls the chair", "woodchair"),
    ("a person sits on the chair", "woodchair"),
    ("a person pushes the table", "largetable"),
    ("a person lifts the suitcase", "suitcase"),
    ("a person pulls the suitcase", "suitcase"),
    ("a person sits on the chair", "chair of boxes"),
    ("a person lifts the chair", "chair of boxes"),
)


def chair_of_boxes() -> Mesh:
    """Seat 0.44 x 0.44 m at 0.45 m, back at -x up to 0.95 m, four legs of 4 cm."""
    parts = [((0.44, 0.44, 0.03), (0.0, 0.0, 0.435)), ((0.03, 0.44, 0.5), (-0.205, 0.0, 0.7))]
    parts += [((0.04, 0.04, 0.42), (x, y, 0.21)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    boxes = [trimesh.creation.box(extents=size).apply_translation(centre) for size, centre in parts]
    joined = trimesh.util.concatenate(boxes)
    return Mesh(np.array(joined.vertices), np.array(joined.faces))


def resting(names: set[str]) -> dict[str, tuple[Geometry, np.ndarray]]:
    """Geometry of each object, and how it rests [4], from the first clip in which it is found."""
    found: dict[str, tuple[Geometry, np.ndarray]] = {"chair of boxes": (chair_of_boxes(), np.array([1.0, 0, 0, 0]))}
    for entry in read_manifest(data_folder() / "bench80.json").entries:
        if entry.object is None or (name := Path(entry.object).stem) in found or name not in names:
            continue
        geometry = load_geometry(entry.object)
        motion = import_motion(entry.clip, layout=entry.format, fps=entry.fps, geometry=geometry, object_name=name)
        found[name] = (geometry, np.array(motion.objects[0].rotation_w[0]))
    return found


def naturalness(poses: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
    """[N] nats, negative log density of poses [52, 4] under the shipped prior, over its most likely components."""
    found: np.ndarray = load_pose_prior().penalty(np.stack(poses), canonical_axes(offsets))
    return found


def recorded_naturalness(names: set[str], every: int = 30) -> np.ndarray:
    """The same of frames, one a second, of the recorded clips with these objects; none of them trained the prior."""
    found = []
    for entry in read_manifest(data_folder() / "bench80.json").entries:
        if entry.object is not None and (name := Path(entry.object).stem) in names:
            geometry = load_geometry(entry.object)
            motion = import_motion(entry.clip, layout=entry.format, fps=entry.fps, geometry=geometry, object_name=name)
            found.append(naturalness(list(motion.joint_rotations_b[::every]), motion.offsets))
    return np.concatenate(found)


def row(name: str, found: Sequence[PoseQuality], seconds: float) -> str:
    """One line of the coarse stage's table."""
    cells = []
    for some in (found[:1], found):
        cells += [
            f"{np.mean([q.contact_ratio for q in some]):.2f}",
            f"{100 * np.mean([q.penetrating for q in some]):.2f}",
            f"{1000 * np.max([q.depth for q in some]):.0f}",
            f"{1000 * np.max([q.below_floor for q in some]):.0f}",
        ]
    return "| " + " | ".join([name, *cells, f"{seconds:.0f}"]) + " |"


def fine_row(name: str, fine: FinePose, seconds: float) -> str:
    """One line of the fine stage's table."""
    before, after = fine.closure
    quality = fine.quality_after
    ratio = f"{after / before:.2f}" if fine.counts else "does not count"
    cells = [f"{before:.3f}", f"{after:.3f}", ratio, f"{quality.contact_ratio:.2f}", f"{100 * quality.penetrating:.2f}"]
    cells += [
        f"{1000 * fine.quality_before.depth:.1f}",
        f"{1000 * quality.depth:.1f}",
        f"{1000 * quality.below_floor:.1f}",
    ]
    return "| " + " | ".join([name, *cells, f"{seconds:.1f}"]) + " |"


def summary(label: str, some: Sequence[PoseQuality]) -> str:
    """One line over many poses."""
    return (
        f"{label}: contact {np.mean([q.contact_ratio for q in some]):.3f}, inside "
        f"{100 * np.mean([q.penetrating for q in some]):.2f} %, deepest {1000 * max(q.depth for q in some):.1f} mm "
        f"(median {1000 * np.median([q.depth for q in some]):.1f}), {sum(q.depth <= 0.01 for q in some)} of "
        f"{len(some)} within 10 mm"
    )


def main(samples: int = 8, seed: int = 0, only: str = "", config: PoseConfig | None = None) -> None:
    """Print the tables: all samples of the coarse stage, then the best of each plan after the fine stage."""
    config = PoseConfig() if config is None else config
    plans = [(text, name) for text, name in PLANS if only in text]
    objects, planner, offsets = resting({name for _, name in plans}), GrammarPlanner(), default_offsets()
    skin = skin_of(offsets, "anny", "full")
    skin_of(offsets, config.skin)
    best, every, coarse, rows = [], [], [], []
    fine: list[FinePose] = []
    print("| plan | best: contact | inside % | mm | floor mm | all: contact | inside % | mm | floor mm | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for text, name in plans:
        geometry, rotation = objects[name]
        shape = Shape.of(geometry)
        plan = planner.plan(text, size=np.ptp(shape.bounds, axis=0).tolist())
        phase = next(i for i in range(len(plan.phases)) if plan.touching(i))
        distance_field(geometry)
        start = time.process_time()
        poses = synthesise_poses(plan, phase, shape, offsets, config, seed=seed, samples=samples, rotation_w=rotation)
        seconds = time.process_time() - start
        found = [measure_pose(pose, shape, skin) for pose in poses]
        best.append(found[0])
        every += found
        coarse.append(poses[0].joint_rotations_b)
        print(row(f"{plan.action} {name}", found, seconds), flush=True)
        start = time.process_time()
        fine.append(refine_pose(poses[0], plan, phase, shape, offsets, pose_config=config))
        rows.append(fine_row(f"{plan.action} {name}", fine[-1], time.process_time() - start))
    print("\n| fine stage | residual before | after | ratio | contact | inside % | mm before | mm | floor mm | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows), end="\n\n")
    print(summary("coarse, best of each plan", best))
    print(summary("coarse, all samples", every))
    print(summary("fine, best of each plan", [f.quality_after for f in fine]))
    closure = np.array([f.closure for f in fine if f.counts]).reshape(-1, 2)
    if len(closure):
        ratios = closure[:, 1] / closure[:, 0]
        print(
            f"force closure of {len(closure)} grasps: {closure[:, 0].mean():.3f} before, {closure[:, 1].mean():.3f} "
            f"after; ratio {np.mean(ratios):.2f} in the mean, {np.median(ratios):.2f} in the median"
        )
    recorded = recorded_naturalness({name for _, name in plans})
    for label, nats in (
        ("coarse", naturalness(coarse, offsets)),
        ("fine", naturalness([f.pose.joint_rotations_b for f in fine], offsets)),
        ("recorded frames", recorded),
    ):
        print(f"nats off the prior's peak, {label}: median {np.median(nats):.1f}, 90 % {np.quantile(nats, 0.9):.1f}")


if __name__ == "__main__":
    tyro.cli(main)
