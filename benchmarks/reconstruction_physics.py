"""Does physics carry out what the 4DHOISolver makes of recorded clips as far as it carries out the clips themselves?

    python -m benchmarks.reconstruction_physics --folder FOLDER --clips sub2_woodchair_006 --frames 90

Clips are those of bench80.json in the folder that TOUCHSTONE_DATA names, `--frames` of them around the contact, filmed
and annotated as in `benchmarks.reconstruction_truth` (one of its settings, seed 0). Clip and reconstruction are judged
alike, by planning and feedback without learning (`touchstone judge`); each run lies in a folder of its own, with its
report, and is not made again. The reconstruction knows annotated contacts alone, no labels of the data set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.reconstruction_noise import rough_body
from benchmarks.reconstruction_render import filming_camera
from benchmarks.reconstruction_truth import SETTINGS, Truth
from benchmarks.verdict_calibration import around_contact, data_folder
from envs.tracking import TaskConfig
from recon.clicks import View, draw_annotations
from recon.solve import SolveConfig, solve
from rl.artefacts import ARTEFACTS
from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.manifest import load_motion, read_manifest
from rl.report import write_report
from rl.runs import RunFolder
from rl.train import train
from sim.corruption import clip_seed
from sim.errors import UnknownNameError
from sim.motion import Motion

FIGURES = ("completion", "completion_perturbed", "mpjpe", "object_position_error", *ARTEFACTS)


def reconstructed(motion: Motion, name: str, setting: str) -> Motion:
    """What the solver makes of a clip that a known camera films."""
    given = SETTINGS[setting]
    camera = filming_camera(motion, side_deg=40.0)
    truth, rng = Truth(motion, camera), np.random.default_rng(clip_seed(name, 0))
    annotations = draw_annotations(motion, camera, given.clicks, rng, View.of(motion, camera, truth.skin))
    body = motion if given.body is None else rough_body(motion, camera, given.body, rng)
    steps = SolveConfig(limbs=given.stages > 1, optimizing=given.stages > 2, smoothing=given.stages > 3)
    masks, item = truth.masks if given.masks and given.stages > 2 else None, motion.objects[0]
    body = body.replace(objects=(), contacts=motion.contacts.cut(0, 0), contact_labels=None, object_contact=None)
    solved = solve(body, annotations, camera, item.name, item.geometry, masks, steps)
    return solved.motion.replace(source=f"reconstructed ({setting}) from a known camera's view of: {motion.source}")


def judged(motion: Motion, folder: Path, config: TrainConfig) -> dict[str, Any]:
    """The figures of an evaluation without learning; those of the folder where it has some."""
    run = RunFolder(folder)
    if not run.evaluation.exists():
        train(motion, folder, config)
        evaluate_run(folder, episodes=8)
        write_report(folder)
    figures: dict[str, Any] = json.loads(run.evaluation.read_text(encoding="utf-8"))["figures"]
    return figures


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row a run; of artefacts what was given, and what physics made of it."""

    def cell(figures: dict[str, Any], name: str) -> str:
        values = [figures.get(key, {}).get("value") for key in (f"{name}_given", name) if key in figures]
        return " -> ".join("-" if value is None else f"{value:.3g}" for value in values) or "-"

    lines = [f"| run | {' | '.join(FIGURES)} |", "|---" * (len(FIGURES) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cell(row, figure) for figure in FIGURES)} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def main(
    folder: Path,
    clips: tuple[str, ...] = ("sub2_woodchair_006",),
    setting: str = "standard, all stages",
    frames: int = 90,
    minutes: float = 8.0,
) -> None:
    """Reconstruct, judge both, and print the table.

    Args:
        folder: for motions, runs and reports.
        clips: names of clips of bench80.json.
        setting: of `benchmarks.reconstruction_truth`.
        frames: of each clip, around its contact.
        minutes: of planning for each run; 0 is unlimited.
    """
    entries = {entry.name: entry for entry in read_manifest(data_folder() / "bench80.json").entries}
    if setting not in SETTINGS:
        raise UnknownNameError("setting", setting, SETTINGS)
    for clip in clips:
        if clip not in entries:
            raise UnknownNameError("clip", clip, entries)
    config = TrainConfig(learn=False, max_minutes=minutes, torch_threads=1, task=TaskConfig(threads=1))
    rows: dict[str, dict[str, Any]] = {}
    for clip in clips:
        motion = around_contact(load_motion(entries[clip]), frames)
        path = folder / clip / "reconstructed.npz"
        if not path.exists():
            reconstructed(motion, clip, setting).save(path)
        rows[f"{clip}, recorded"] = judged(motion, folder / clip / "recorded", config)
        rows[f"{clip}, reconstructed"] = judged(Motion.load(path), folder / clip / "reconstructed", config)
        print(table(rows))


if __name__ == "__main__":
    tyro.cli(main)
