"""What a run folder holds, read for a report: every part may be missing or damaged, and a note says so."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rl.runs import ClipFolder
from sim.errors import RunError, TouchstoneError
from sim.motion import Motion


@dataclass
class Record:
    """What a run folder holds; a part that is missing or damaged is None or empty, with a line in `notes`."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    retarget: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, np.ndarray] = field(default_factory=dict)
    source: Motion | None = None
    reference: Motion | None = None
    simulation: Motion | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def figures(self) -> Mapping[str, Any]:
        """Name -> figure of the evaluation."""
        figures = self.evaluation.get("figures")
        return figures if isinstance(figures, Mapping) else {}

    @property
    def per_frame(self) -> Mapping[str, Any]:
        """Name -> series of the evaluation, one value a frame."""
        series = self.evaluation.get("per_frame")
        return series if isinstance(series, Mapping) else {}


def read_record(folder: Path) -> Record:
    """Read everything the report shows. Raises RunError if the folder is none of a run."""
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder; make one with: touchstone train clip.npz")
    run = Record(folder)
    shared = ClipFolder(folder).run
    run.config = _json(run, shared.config, "the settings")
    run.evaluation = _json(run, folder / "evaluation.json", "figures and verdict; make them with: touchstone evaluate")
    run.retarget = _json(run, folder / "retarget.json", "what retargeting changed")
    run.progress = _progress(run, shared.progress)
    run.source = _motion(run, "motion.npz", "the source motion")
    run.reference = _motion(run, "reference.npz", "the retargeted reference")
    run.simulation = _motion(run, "simulation.npz", "the simulated motion; make it with: touchstone evaluate")
    if len(run.notes) == 7:
        raise RunError(f"{folder}: holds nothing of a run (config.json, reference.npz, ...)")
    return run


def finite(value: Any) -> float | None:
    """A finite number, or None of anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _json(run: Record, path: Path, what: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        run.notes.append(f"{path.name} is missing: {what}")
        return {}
    except (OSError, ValueError) as error:
        run.notes.append(f"{path.name} cannot be read ({error}): {what}")
        return {}
    if isinstance(value, dict):
        return value
    run.notes.append(f"{path.name} holds no JSON object: {what}")
    return {}


def _motion(run: Record, name: str, what: str) -> Motion | None:
    path = run.folder / name
    if not path.is_file():
        run.notes.append(f"{name} is missing: {what}")
        return None
    try:
        return Motion.load(path)
    except TouchstoneError as error:
        run.notes.append(f"{name} cannot be read ({error}): {what}")
        return None


def _progress(run: Record, path: Path) -> dict[str, np.ndarray]:
    """Columns of progress.csv; cells that are no number are NaN."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if finite(row.get("steps")) is not None]
    except (OSError, ValueError, csv.Error):
        rows = []
    if not rows:
        run.notes.append("progress.csv is missing or empty: the training curve")
        return {}
    return {
        name: np.array([np.nan if (v := finite(row[name])) is None else v for row in rows]) for name in rows[0] if name
    }
