"""What does the 4DHOISolver get back of recorded clips? Known motion, known camera, drawn annotations, measured errors.

    python -m benchmarks.reconstruction_truth --folder FOLDER       # 16 clips, 4 of them in full: 20 minutes of CPU
    python -m benchmarks.reconstruction_truth --folder FOLDER --clips 80 --full-clips 80 --seeds 0 1 2

Clips are those of bench80.json in the folder that TOUCHSTONE_DATA names (default ../shared/data), at 30 Hz, at most 150
frames around the contact. A camera that stands still has the whole clip in view (`reconstruction_render`); annotations
are drawn as in section 9.6 of the paper and spoilt as `recon.clicks.ClickConfig` says. Each clip, seed and setting
leaves one JSON in the folder and is not computed again; after a change of the solver take another folder.

Settings vary one thing each: see `SETTINGS`. `true body` settings give the solver the recorded body, as the paper's
experiment takes its constraints from ground truth; `rough` ones a body as wrong as one estimated from the video.
Figures named `near` are of the object after moving it by the error of the pelvis: where it is with respect to the
person, which is what a camera can tell best.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.reconstruction_noise import RoughBody, rough_body
from benchmarks.reconstruction_render import filming_camera, true_masks
from benchmarks.verdict_calibration import around_contact, data_folder, in_turns, run_all
from recon.annotations import Annotations
from recon.camera import Camera
from recon.clicks import EXACT, ClickConfig, View, draw_annotations
from recon.optimizer.mask_term import Masks
from recon.optimizer.optimizer import OptimizerConfig
from recon.optimizer.smoothing import key_frames
from recon.solve import STAGES, SolveConfig, solve
from recon.visibility import surface_points
from rl.manifest import Entry, load_motion, read_manifest
from sim import metrics, rotations
from sim.body.skin import Skin, load_skin
from sim.contacts import graph_distances
from sim.corruption import clip_seed
from sim.errors import TouchstoneError, UnknownNameError
from sim.files import write_json, write_text
from sim.motion import Motion
from sim.objects import Shape

FRAMES = 150
CHAMFER_FRAMES = 10
"""Frames, evenly spread, in which surfaces are compared."""


@dataclass(frozen=True)
class Setting:
    """What the solver is given. `body` None is the recorded one; `stages` is how far to go; `masks` the true ones."""

    clicks: ClickConfig = field(default_factory=ClickConfig)
    body: RoughBody | None = None
    stages: int = 1
    masks: bool = True


def _points(pairs: int, image: int) -> Setting:
    return Setting(ClickConfig(max_pairs=pairs, image_points=image, min_in_view=max(1, min(4, image - 1))))


def _noise(pixels: float, pair_m: float) -> Setting:
    return Setting(ClickConfig(pixel_noise=pixels, pair_noise_m=pair_m))


SETTINGS: dict[str, Setting] = {
    "standard": Setting(),
    "standard, all stages": Setting(stages=4),
    "rough body": Setting(body=RoughBody()),
    "rough body, all stages": Setting(body=RoughBody(), stages=4),
    "rough body, no masks": Setting(body=RoughBody(), stages=4, masks=False),
    "exact points": Setting(EXACT),
    "every frame anew": Setting(ClickConfig(mode="per_frame")),
    "every frame anew, exact": Setting(replace(EXACT, mode="per_frame")),
    **{f"{a}+{b} points": _points(a, b) for a, b in ((4, 4), (3, 3), (2, 2), (5, 2), (2, 5), (5, 0), (0, 5))},
    **{f"noise {p} px, {m} mm": _noise(p, m / 1000) for p, m in ((0, 0), (1, 5), (4, 20), (8, 40))},
    "a third hidden": Setting(ClickConfig(hidden_share=0.33, missing_share=0.15)),
    "a fifth wrong": Setting(ClickConfig(wrong_share=0.2, wrong_reach_m=0.08)),
}
"""Unless said otherwise: 5+5 points, 2 px and 10 mm of noise, 5 % wrong, 10 % hidden, 5 % of the frames without points,
tracked, the recorded body, the object's pose alone (`lsq`)."""

TARGETS: dict[tuple[str, str, str], float] = {
    ("standard", "lsq", "seconds"): 1.0,
    ("standard", "lsq", "translation_mm"): 15.0,
    ("standard", "lsq", "rotation_deg"): 4.0,
    ("standard", "lsq", "cd_o_mm"): 25.0,
    ("standard, all stages", "smoothing", "contact_mm"): 10.0,
    ("standard, all stages", "smoothing", "penetrating_percent"): 0.5,
    ("rough body, all stages", "smoothing", "contact_mm"): 10.0,
    ("rough body, all stages", "smoothing", "penetrating_percent"): 0.5,
}
"""By setting, stage and figure: medians over the clips."""
FIGURES: dict[str, str] = {
    "cd_o_mm": "CD-o", "cd_o_near_mm": "CD-o near", "cd_h_mm": "CD-h", "translation_mm": "object mm",
    "translation_held_mm": "held mm", "translation_free_mm": "free mm",
    "translation_near_mm": "near mm", "rotation_deg": "object deg", "mpjpe_mm": "MPJPE", "mpjpe_root_mm": "root-rel.",
    "contact_mm": "contact mm", "penetrating_percent": "inside %",
    "jitter_body": "jitter body", "jitter_object": "jitter object", "seconds": "CPU s",
}  # fmt: skip


# --- one clip -----------------------------------------------------------------------------------------------------


SHORT = dict(zip(STAGES, ("lsq", "ik", "optimizer", "smoothing"), strict=True))
"""What the steps are called in results and tables."""


class Truth:
    """A recorded clip, what its surfaces are, and how far an estimate of it is off."""

    def __init__(self, motion: Motion, camera: Camera, points: int = metrics.CHAMFER_POINTS) -> None:
        self.motion = motion
        self.shape = Shape.of(motion.objects[0].geometry)
        rng = np.random.default_rng(0)
        self._drawn, self._reference = (self.shape.surface_samples(points, rng) for _ in range(2))
        self._frames = np.linspace(0, motion.num_frames - 1, CHAMFER_FRAMES).round().astype(int)
        self.camera, self._cd_h = camera, dict[int, float]()
        self._body = surface_points(self.skin, self._at(motion), points, seed=0)

    @functools.cached_property
    def skin(self) -> Skin:
        """Anny, fitted to the subject's bones."""
        return load_skin("anny", self.motion)

    @functools.cached_property
    def masks(self) -> Masks:
        """In the optimizer's key frames."""
        frames = key_frames(self.motion.num_frames, OptimizerConfig().stride)
        return true_masks(self.motion, self.camera, frames, self.skin)

    def _at(self, motion: Motion) -> Motion:
        """The frames in which surfaces are compared."""
        item = motion.objects[0]
        item = replace(item, position_w=item.position_w[self._frames], rotation_w=item.rotation_w[self._frames])
        return Motion(
            motion.fps, motion.root_position_w[self._frames], motion.joint_rotations_b[self._frames], motion.offsets,
            objects=(item,),
        )  # fmt: skip

    def _chamfer(self, position_w: np.ndarray, rotation_w: np.ndarray) -> float:
        item, f = self.motion.objects[0], self._frames
        per_frame = metrics.rigid_chamfer_per_frame(
            self._drawn, position_w[f], rotation_w[f], self._reference, item.position_w[f], item.rotation_w[f]
        )
        return float(per_frame.mean())

    def _body_figures(self, motion: Motion) -> tuple[float, float]:
        """CD-h, mm, and the share of the body's vertices inside the object, %."""
        part = self._at(motion)
        item, posed = part.objects[0], self.skin.vertices(part.joint_rotations_b, part.root_position_w)
        local = rotations.rotate_inverse(item.rotation_w[:, None], posed - item.position_w[:, None])
        low, high = self.shape.bounds
        near = ((local > low) & (local < high)).all(-1)
        distance = np.full(near.shape, np.inf)
        if near.any():
            distance[near] = self.shape.signed_distance(local[near])
        inside = metrics.penetration(distance).share_percent
        key = hash(part.root_position_w.tobytes() + part.joint_rotations_b.tobytes())
        if key not in self._cd_h:  # most settings leave the body as it was
            body = surface_points(self.skin, part, len(self._drawn), seed=1)
            self._cd_h[key] = float(metrics.chamfer_per_frame(body, self._body).mean())
        return self._cd_h[key], inside

    def measure(self, motion: Motion, annotations: Annotations) -> dict[str, float]:
        """Errors of an estimate; see `FIGURES`. The object's place is that of its surface's mean point."""
        true, item = self.motion.objects[0], motion.objects[0]
        middle = self._reference.mean(0)
        places = [o.position_w + rotations.rotate(o.rotation_w, np.broadcast_to(middle, o.position_w.shape).copy())
                  for o in (item, true)]  # fmt: skip
        shift = self.motion.root_position_w - motion.root_position_w
        angle = metrics.rotation_error_per_frame(item.rotation_w, true.rotation_w)
        held = annotations.contacts.active(motion.num_frames).any(1)
        off = metrics.position_error_per_frame(*places)
        cd_o = self._chamfer(item.position_w, item.rotation_w)
        cd_h, inside = self._body_figures(motion)
        return {
            "cd_o_mm": cd_o,
            "cd_o_near_mm": self._chamfer(item.position_w + shift, item.rotation_w) if shift.any() else cd_o,
            "cd_h_mm": cd_h,
            "translation_mm": float(off.mean()),
            "translation_held_mm": float(off[held].mean()) if held.any() else np.nan,
            "translation_free_mm": float(off[~held].mean()) if (~held).any() else np.nan,
            "translation_near_mm": metrics.position_error(places[0] + shift, places[1]),
            "rotation_deg": np.nan if true.is_ball else float(angle.mean()),
            "mpjpe_mm": metrics.mpjpe(motion.joint_positions_w, self.motion.joint_positions_w),
            "mpjpe_root_mm": metrics.mpjpe_root_relative(motion.joint_positions_w, self.motion.joint_positions_w),
            "contact_mm": metrics.contact_distance(graph_distances(motion, graph=annotations.contacts)),
            "true_contact_mm": metrics.contact_distance(graph_distances(motion, graph=self.motion.contacts)),
            "penetrating_percent": inside,
            "jitter_body": metrics.jitter_per_second(motion.joint_positions_w, motion.fps),
            "jitter_object": metrics.jitter_per_second(item.position_w[:, None], motion.fps),
        }  # fmt: skip


def measure_clip(entry: Entry, names: Sequence[str], seed: int, folder: Path) -> None:
    """All settings of one clip that are not in the folder yet, one JSON each."""
    left = [name for name in names if not result_path(folder, entry.name, seed, name).exists()]
    if not left:
        return
    motion = around_contact(load_motion(entry), FRAMES)
    camera = filming_camera(motion, side_deg=float(np.random.default_rng(seed).uniform(-60, 60)) if seed else 40.0)
    truth = Truth(motion, camera)
    view = View.of(motion, camera, truth.skin)
    for name in left:
        rows = measure_setting(truth, view, SETTINGS[name], clip_seed(entry.name, seed))
        row = {"clip": entry.name, "group": entry.group, "ball": motion.objects[0].is_ball, "frames": motion.num_frames}
        write_json(result_path(folder, entry.name, seed, name), row | {"seed": seed, "setting": name, "stages": rows})


def measure_setting(truth: Truth, view: View, setting: Setting, seed: int) -> dict[str, Any]:
    """Figures after each stage, by its name; with more than one, of the truth too. A stage that fails says why."""
    rng = np.random.default_rng(seed)
    annotations = draw_annotations(truth.motion, truth.camera, setting.clicks, rng, view)
    body = truth.motion if setting.body is None else rough_body(truth.motion, truth.camera, setting.body, rng)
    rows: dict[str, Any] = {}
    if setting.stages > 1:
        rows["truth"] = _plain(truth.measure(truth.motion, annotations))
    masks, item = truth.masks if setting.masks and setting.stages > 2 else None, truth.motion.objects[0]
    steps = SolveConfig(limbs=setting.stages > 1, optimizing=setting.stages > 2, smoothing=setting.stages > 3)
    began: dict[str, float] = {}  # CPU seconds
    try:
        solved = solve(
            body, annotations, truth.camera, item.name, item.geometry, masks, steps,
            on_stage=lambda stage: began.update({stage: time.process_time()}),
        )  # fmt: skip
    except TouchstoneError as error:
        return rows | {SHORT[list(began)[-1]]: {"error": str(error)}}
    seconds = np.diff([*began.values(), time.process_time()])
    for (stage, motion), spent in zip(solved.motions.items(), seconds, strict=True):
        wall = {"seconds": spent, "wall_seconds": solved.seconds[stage]}
        rows[SHORT[stage]] = _plain(truth.measure(motion, annotations) | wall)
    return rows


def _plain(figures: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}


def result_path(folder: Path, clip: str, seed: int, setting: str) -> Path:
    """Where a result lies."""
    return folder / f"{clip}-{seed}-{''.join(c if c.isalnum() else '_' for c in setting)}.json"


# --- tables -------------------------------------------------------------------------------------------------------


def median(rows: Sequence[dict[str, Any]], stage: str, figure: str) -> float:
    """Over the clips that have the figure; NaN where none has."""
    values = figures(rows, stage, figure)
    return float(np.median(values)) if len(values) else float("nan")


def figures(rows: Sequence[dict[str, Any]], stage: str, figure: str) -> np.ndarray:
    """One value a clip, of those that have the figure."""
    values = [v for row in rows if (v := row["stages"].get(stage, {}).get(figure)) is not None]
    return np.array(values)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """All tables: targets, stages, settings, clips."""
    clips = len({row["clip"] for row in rows})
    text = ["# Reconstruction of known clips", "", f"{clips} clips; medians over clips and seeds.", ""]
    by_setting = {name: [row for row in rows if row["setting"] == name] for name in SETTINGS}
    text += ["## Targets", "", "| setting | stage | figure | target | median | clips within |", f"|{'---|' * 6}"]
    for (setting, stage, figure), limit in TARGETS.items():
        values = figures(by_setting[setting], stage, figure)
        if len(values):
            middle, share = float(np.median(values)), f"{(values <= limit).sum()} of {len(values)}"
            verdict = f"{middle:.2f}, {'met' if middle <= limit else '**missed**'}"
            text.append(f"| {setting} | {stage} | {FIGURES[figure]} | <= {limit:g} | {verdict} | {share} |")
    for name, chosen in by_setting.items():
        if SETTINGS[name].stages < 2 or not chosen:
            continue
        for label, part in (("", chosen), (", no balls", [r for r in chosen if not r["ball"]])):
            text += ["", f"## Stages, setting `{name}`{label}", "", _header("stage")]
            text += [_line(stage, part, stage) for stage in ("truth", *SHORT.values())]
    text += ["", "## Settings, after LSQ", "", _header("setting (clips)")]
    text += [_line(f"{name} ({len(chosen)})", chosen, "lsq") for name, chosen in by_setting.items() if chosen]
    text += ["", "## Clips, setting `standard`, after LSQ", "", _header("clip")]
    standard = sorted(by_setting["standard"], key=lambda row: (row["group"], row["clip"]))
    text += [_line(row["clip"], [row], "lsq") for row in standard]
    errors = [(r["clip"], r["setting"], s, f["error"]) for r in rows for s, f in r["stages"].items() if "error" in f]
    text += ["", "## Refused", "", *[f"- {' / '.join(e)}" for e in errors]] if errors else []
    return "\n".join(text) + "\n"


def _header(first: str) -> str:
    return f"| {first} | {' | '.join(FIGURES.values())} |\n|---|{'---|' * len(FIGURES)}"


def _line(label: str, rows: Sequence[dict[str, Any]], stage: str) -> str:
    return f"| {label} | " + " | ".join(f"{median(rows, stage, figure):.2f}" for figure in FIGURES) + " |"


def main(
    folder: Path,
    clips: int = 16,
    full_clips: int = 4,
    seeds: tuple[int, ...] = (0,),
    settings: tuple[str, ...] = tuple(SETTINGS),
    jobs: int = 2,
) -> None:
    """Measure, and write table.md into the folder.

    Args:
        folder: for results and tables.
        clips: how many of the 80, taken in turns from the groups.
        full_clips: on how many of them, the first, all stages are run as well; they take a hundred times as long.
        seeds: draws of annotations and cameras (0 is the camera 40 degrees beside the front).
        settings: which of the settings; all by default.
        jobs: processes.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in settings:
        if name not in SETTINGS:
            raise UnknownNameError("setting", name, SETTINGS)
    folder.mkdir(parents=True, exist_ok=True)
    entries = in_turns(read_manifest(data_folder() / "bench80.json").entries, set())[:clips]
    quick = [name for name in settings if SETTINGS[name].stages < 2]
    tasks = [(entry, quick, seed, folder) for seed in seeds for entry in entries]
    tasks += [(entry, list(settings), seed, folder) for seed in seeds for entry in entries[:full_clips]]
    run_all(measure_clip, tasks, jobs)
    names = {entry.name for entry in entries}
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    text = markdown([row for row in rows if row["clip"] in names and row["seed"] in seeds])
    write_text(folder / "table.md", text)
    print(text)


if __name__ == "__main__":
    tyro.cli(main)
