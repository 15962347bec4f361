"""The experiment's table: a manifest run folder, aggregated over clips and seeds, in numbers.

A run folder of a manifest holds `manifest.json` (what clips there are), `plan.json` (which settings, groups, seeds and
clips are wanted) and `<setting>/<group>/seed<k>/clips/<clip>/evaluation.json`. A figure is averaged over the clips of a
group (or of all groups) for every seed; what stands in the table is mean and deviation over the seeds.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rl.record import finite
from sim.errors import RunError
from sim.retarget import CONTROL_HZ

SETTINGS = ("TR", "TR+LR", "TR+LR+CR")
"""The rewards of the seed's Table 1, in the order in which one adds to the other."""
TOTAL = "total"
EVALUATED, FAILED, MISSING = "evaluated", "failed", "missing"
STATES = (EVALUATED, FAILED, MISSING)


@dataclass(frozen=True)
class Column:
    """A figure of the table; `better` is -1 where low values are good, +1 where high ones are, 0 where neither."""

    key: str
    title: str
    unit: str
    better: int
    explanation: str
    digits: int = 1


COLUMNS = (
    Column("mpjpe", "MPJPE", "mm", -1, "joints against the retargeted reference (eq. 22)"),
    Column("contact_distance", "contact", "mm", -1, "active pairs of the contact graph, keypoints on the skin"),
    Column("jitter", "jitter", "mm/frame³", -1, f"third difference per frame at {CONTROL_HZ:g} Hz (eq. 24)", 2),
    Column("completion", "completion", "%", 1, "of the clip carried through from frame 0, without assist"),
    Column("success", "success", "%", 1, "clips carried through to the end"),
    Column("object_position_error", "object", "mm", -1, "object's position against the retargeted reference"),
    Column("mpjpe_root_relative", "root-rel. MPJPE", "mm", -1, "the joints with the pelvis aligned"),
    Column("jerk", "jerk", "m/s³", -1, f"mean over 21 bodies at {CONTROL_HZ:g} Hz, the peers' formula", 0),
    Column("mpjpe_source", "MPJPE to source", "mm", -1, "joints against the motion before retargeting"),
    Column("contact_distance_joint", "contact, joint centres", "mm", -1, "the same pairs, taken at the joint (eq. 23)"),
    Column("contact_recall", "contact recall", "%", 1, "labelled hand contacts that physics shows"),
    Column("score", "score", "", 1, "of the verdict, 0 to 1", 2),
    Column("unassisted", "assist = 0", "%", 1, "evaluations without a helping force; there is none here", 0),
)
KEYS = tuple(column.key for column in COLUMNS)
_PERCENT = {"completion", "contact_recall"}
"""Shares of an evaluation that the table gives as per cent."""

PUBLISHED: dict[str, dict[str, float]] = {
    "TR": {"mpjpe": 151.82, "contact_distance": 43.94, "jitter": 91.43},
    "TR+LR": {"mpjpe": 156.54, "contact_distance": 39.53, "jitter": 80.37},
    "TR+LR+CR": {"mpjpe": 125.76, "contact_distance": 26.76, "jitter": 79.63},
}
PUBLISHED_SOURCE = (
    "Open4DHOI, Table 1: 80 clips reconstructed from video, in 12 groups, InterMimic's humanoid in Isaac Gym, 30 Hz "
    "control. Other clips, another body and another simulator: these rows stand beside ours, not against them. Its "
    "contact is taken at joint centres, and its jitter has no stated unit or frame rate."
)
COMPARED = ("contact_distance", "mpjpe", "jitter", "completion")
"""Figures whose change from one setting to the next is given."""


@dataclass(frozen=True)
class Clip:
    """One clip of the manifest: its name (the stem of its file) and its action group."""

    name: str
    group: str


@dataclass(frozen=True)
class Stat:
    """Mean and deviation (n - 1) over the seeds of each seed's mean over its clips; None where there is nothing."""

    mean: float | None
    spread: float | None
    per_seed: tuple[float | None, ...]


@dataclass(frozen=True)
class Row:
    """A setting's figures in a group (or in `TOTAL`), by column, and how many clips x seeds they stand on."""

    setting: str
    group: str
    stats: dict[str, Stat]
    evaluated: int
    failed: int
    missing: int

    @property
    def expected(self) -> int:
        """Clips x seeds that the plan asks for."""
        return self.evaluated + self.failed + self.missing


@dataclass(frozen=True)
class Step:
    """What a setting changes against the one before it, over the clips and seeds that have the figure in both.

    `spread` is the greater deviation over the seeds of the two; `pairs` counts clips x seeds.
    """

    before: str
    after: str
    key: str
    change: float | None
    spread: float | None
    pairs: int
    completed_only: bool

    @property
    def outcome(self) -> str | None:
        """`better` or `worse` where the change is greater than the spread, else `within spread`; None if unknown."""
        if self.change is None or self.spread is None:
            return None
        if abs(self.change) <= self.spread:
            return "within spread"
        return "better" if self.change * COLUMNS[KEYS.index(self.key)].better > 0 else "worse"


@dataclass(frozen=True)
class Table:
    """Everything that was found.

    Attributes:
        name: of the manifest. settings, seeds, clips: the axes that were planned or found.
        values: [settings, seeds, clips, columns], NaN where there is nothing.
        states: [settings, seeds, clips], indices into `STATES`.
        verdicts: of what was evaluated, by (setting, seed, clip) indices.
        reasons: why something failed or is missing, by the same indices.
    """

    name: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    clips: tuple[Clip, ...]
    values: np.ndarray
    states: np.ndarray
    verdicts: dict[tuple[int, int, int], str]
    reasons: dict[tuple[int, int, int], str]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the manifest's order."""
        return tuple(dict.fromkeys(clip.group for clip in self.clips))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Setting by setting in total, then group by group."""
        return tuple(self._row(s, group) for group in (TOTAL, *self.groups) for s in range(len(self.settings)))

    def row(self, setting: str, group: str = TOTAL) -> Row:
        """The row of a setting and a group."""
        return next(r for r in self.rows if (r.setting, r.group) == (setting, group))

    def members(self, group: str) -> np.ndarray:
        """[clips] bool: those of a group, or all of them in `TOTAL`."""
        return np.array([group in (TOTAL, clip.group) for clip in self.clips], bool)

    def folder(self, setting: int, seed: int, clip: int) -> Path:
        """Where a clip's evaluation lies, relative to the run folder."""
        item = self.clips[clip]
        return Path(self.settings[setting]) / item.group / f"seed{self.seeds[seed]}" / "clips" / item.name

    def _row(self, setting: int, group: str) -> Row:
        members = self.members(group)
        per_seed = nanmean(self.values[setting][:, members], axis=1)
        states = self.states[setting][:, members]
        stats = {key: over_seeds(per_seed[:, k]) for k, key in enumerate(KEYS)}
        counts = [int((states == STATES.index(state)).sum()) for state in STATES]
        return Row(self.settings[setting], group, stats, *counts)

    def steps(self, group: str = TOTAL, *, completed_only: bool = False) -> tuple[Step, ...]:
        """Every setting against the one before it, for each of `COMPARED`, over what both have.

        Args:
            completed_only: leave out what either setting did not carry through: errors are over lived frames, so a
                policy that falls early is measured on the easy part of its clip.
        """
        done = self.values[..., KEYS.index("success")] == 100.0
        allowed = np.broadcast_to(self.members(group), done.shape)
        allowed = allowed & done if completed_only else allowed
        return tuple(
            self._step(b, KEYS.index(key), allowed, completed_only)
            for b in range(1, len(self.settings))
            for key in COMPARED
            if not (completed_only and key == "completion")
        )

    def _step(self, after: int, k: int, allowed: np.ndarray, completed_only: bool) -> Step:
        pair = self.values[after - 1 : after + 1, ..., k]
        both = np.isfinite(pair).all(0) & allowed[after - 1 : after + 1].all(0)
        stats = [over_seeds(nanmean(np.where(both, values, np.nan), axis=1)) for values in pair]
        means, spreads = [s.mean for s in stats], [s.spread for s in stats]
        change = None if None in means else means[1] - means[0]  # type: ignore[operator]
        spread = None if None in spreads else max(spreads)  # type: ignore[type-var]
        before = self.settings[after - 1]
        return Step(before, self.settings[after], KEYS[k], change, spread, int(both.sum()), completed_only)

    def to_json(self) -> dict[str, Any]:
        """The content of table.json: the rows, the changes, the published rows, and every clip they came from."""
        where = np.ndindex(*self.states.shape)
        return {
            "name": self.name,
            "settings": list(self.settings),
            "seeds": list(self.seeds),
            "clips": [dataclasses.asdict(clip) for clip in self.clips],
            "columns": [dataclasses.asdict(column) for column in COLUMNS],
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "changes": [
                {**dataclasses.asdict(step), "outcome": step.outcome}
                for completed_only in (False, True)
                for step in self.steps(completed_only=completed_only)
            ],
            "published": {"rows": PUBLISHED, "source": PUBLISHED_SOURCE},
            "evaluations": [
                {
                    "at": list(at),
                    "state": STATES[self.states[at]],
                    "values": {key: finite(v) for key, v in zip(KEYS, self.values[at], strict=True)},
                    "verdict": self.verdicts.get(at),
                    "reason": self.reasons.get(at),
                }
                for at in where
            ],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Table:
        """Read `to_json` back."""
        clips = tuple(Clip(**clip) for clip in content["clips"])
        settings, seeds = tuple(content["settings"]), tuple(content["seeds"])
        table = _empty(content["name"], settings, seeds, clips)
        for item in content["evaluations"]:
            at = tuple(item["at"])
            table.states[at] = STATES.index(item["state"])
            table.values[at] = [np.nan if item["values"][key] is None else item["values"][key] for key in KEYS]
            table.verdicts.update({at: item["verdict"]} if item["verdict"] else {})
            table.reasons.update({at: item["reason"]} if item["reason"] else {})
        return table


def nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is finite along an axis, NaN where nothing is, without NumPy's warning."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def over_seeds(per_seed: np.ndarray) -> Stat:
    """Mean and deviation of what is finite of one value a seed, [seeds]."""
    known = per_seed[np.isfinite(per_seed)]
    mean = float(known.mean()) if len(known) else None
    spread = float(known.std(ddof=1)) if len(known) > 1 else None
    return Stat(mean, spread, tuple(finite(v) for v in per_seed))


def _empty(name: str, settings: Sequence[str], seeds: Sequence[int], clips: Sequence[Clip]) -> Table:
    shape = (len(settings), len(seeds), len(clips))
    values = np.full((*shape, len(KEYS)), np.nan)
    states = np.full(shape, STATES.index(MISSING))
    return Table(name, tuple(settings), tuple(seeds), tuple(clips), values, states, {}, {})


# --- reading a run folder -----------------------------------------------------------------------------------------


def read_table(folder: Path) -> Table:
    """Read a manifest run folder: what was planned, and whatever else is found there.

    Raises:
        RunError: the folder is none of a manifest, or there is not one evaluation in it.
    """
    manifest, plan = _json(folder / "manifest.json"), _json(folder / "plan.json")
    if manifest is None:
        raise RunError(
            f"{folder}: no manifest.json; a manifest's run folder is made with: "
            "touchstone report --manifest clips.json -o FOLDER"
        )
    found = {path.parent.relative_to(folder).parts for path in folder.glob("*/*/seed*/clips/*/evaluation.json")}
    settings, seeds, clips = _axes(manifest, plan or {}, found)
    table = _empty(str(manifest.get("name", folder.resolve().name)), settings, seeds, clips)
    failures = _failures(folder)
    for at in np.ndindex(*table.states.shape):
        _fill(table, folder, at, failures)
    if not (table.states == STATES.index(EVALUATED)).any():
        raise RunError(f"{folder}: not one evaluation.json in it; train and evaluate with: touchstone train --manifest")
    return table


def _axes(
    manifest: Mapping[str, Any], plan: Mapping[str, Any], found: set[tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[Clip, ...]]:
    """Settings, seeds and clips: the plan's, with what is found beside it."""
    known = [s for s in SETTINGS if s in {f[0] for f in found} | set(plan.get("settings", ()))]
    settings = (*known, *sorted({f[0] for f in found} - set(known)))
    there = {int(f[2].removeprefix("seed")) for f in found if f[2].removeprefix("seed").isdigit()}
    seeds = tuple(sorted(there | {int(s) for s in plan.get("seeds", ())}))
    there_clips = {Clip(f[4], f[1]) for f in found}
    planned = [Clip(Path(item["clip"]).stem, str(item["group"])) for item in manifest.get("clips", ())]
    planned = [clip for clip in planned if clip in there_clips or _is_planned(clip, plan)]
    clips = (*planned, *sorted(there_clips - set(planned), key=lambda c: (c.group, c.name)))
    return settings, seeds, clips


def _is_planned(clip: Clip, plan: Mapping[str, Any]) -> bool:
    """Whether the plan asks for a clip: `groups` maps each group to its clips, or lists the groups."""
    groups = plan.get("groups")
    if isinstance(groups, Mapping):
        return clip.name in groups.get(clip.group, ())
    return not groups or clip.group in groups


def _fill(table: Table, folder: Path, at: tuple[int, ...], failures: Mapping[tuple[str, ...], str]) -> None:
    relative = table.folder(*at)
    key = (at[0], at[1], at[2])
    evaluation = _json(folder / relative / "evaluation.json")
    if evaluation is not None and isinstance(evaluation.get("figures"), Mapping):
        table.values[at] = _values(evaluation)
        table.states[at] = STATES.index(EVALUATED)
        table.verdicts[key] = str((evaluation.get("verdict") or {}).get("label", ""))
        return
    parts = relative.parts
    reason = next((failures[k] for k in (parts, parts[:3]) if k in failures), None)
    if reason is None:
        table.reasons[key] = "not run" if evaluation is None else "evaluation.json cannot be read"
        return
    table.states[at] = STATES.index(FAILED)
    table.reasons[key] = reason
    for name in ("completion", "success", "score"):  # nothing was lived, so there is no error to average
        table.values[(*at, KEYS.index(name))] = 0.0


def _values(evaluation: Mapping[str, Any]) -> list[float]:
    """The columns of one evaluation, in the table's units."""
    figures = {name: (f or {}).get("value") for name, f in evaluation["figures"].items() if isinstance(f, Mapping)}
    numbers = {name: finite(value) for name, value in figures.items()}
    numbers["success"] = None if numbers.get("completion") is None else 100.0 * (numbers["completion"] == 1.0)
    numbers["score"] = finite((evaluation.get("verdict") or {}).get("score"))
    numbers["unassisted"] = 100.0 * (not numbers.get("assist"))
    scaled = [(numbers.get(key), 100.0 if key in _PERCENT else 1.0) for key in KEYS]
    return [math.nan if value is None else value * scale for value, scale in scaled]


def _failures(folder: Path) -> dict[tuple[str, ...], str]:
    """What the runner could not carry out: path parts below the run folder -> why."""
    content = _json(folder / "failures.json") or {}
    return {Path(where).parts: str(why) for where, why in content.items()}


def _json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or a manifest that is a bare list; None where there is no file, empty where it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    if isinstance(value, list):
        return {"clips": value}
    return value if isinstance(value, dict) else {}
