"""InterMimic's columns for our policies: the same OMOMO clips, the same formulas, against the source motion at 30 fps.

    python -m benchmarks.peers runs/bench80                    # the last reward of the run folder
    python -m benchmarks.peers runs/bench80 --setting TR -o runs/bench80/peers_tr.md

Reads `simulation.npz` of every evaluated clip of a manifest's run folder (`touchstone report --manifest`), and the
peers' figures from `peers/intermimic_teacher.csv` in the folder that TOUCHSTONE_DATA names (default ../shared/data).
Errors are over lived frames, so completion stands beside them, a clip that was not carried through is marked, and the
mean is also given over completed clips alone. Writes Markdown, and JSON beside it.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from rl.table import EVALUATED, FAILED, KEYS, STATES, Stat, nanmean, over_seeds, read_table
from rl.table_text import markdown_table, number, with_spread
from sim import metrics
from sim.errors import RunError
from sim.files import write_json, write_text
from sim.formats import import_motion
from sim.motion import Motion
from sim.objects import load_geometry

FPS = 30.0
COLUMNS = (
    "mpjpe_global_mm",
    "mpjpe_root_relative_mm",
    "object_position_mm",
    "rollout_jerk_m_s3",
    "rollout_jitter_mm",
    "reference_jerk_m_s3",
    "reference_jitter_mm",
)
"""Columns of the peers' table, in the order in which they are shown."""
HEADS = (
    "MPJPE [mm]",
    "root-rel. [mm]",
    "object [mm]",
    "jerk [m/s³]",
    "jitter [mm]",
    "source's jerk",
    "source's jitter",
)
OURS = (*COLUMNS, "completion", "spider", "sbto")
"""What is measured of ours: also completion and the success rules, in per cent."""
_BODIES = list(metrics.PEER_JOINTS)
_COMPLETION = OURS.index("completion")
_Pose = tuple[np.ndarray, np.ndarray]


def measure(joints_w: np.ndarray, source_w: np.ndarray, item: _Pose | None, source_item: _Pose | None) -> list[float]:
    """The peers' columns of one rollout, in the order of `COLUMNS`.

    Args:
        joints_w: [T, J, 3] m, lived frames at 30 fps, pelvis first. source_w: [T' >= T, J, 3] m, the clip.
        item, source_item: position [T, 3] m and rotation [T, 4] of the object, None without one.
    """
    lived = len(joints_w)
    goal = source_w[:lived]
    relative = metrics.root_relative(joints_w)[:, _BODIES], metrics.root_relative(goal)[:, _BODIES]
    bodies, whole = joints_w[:, _BODIES], source_w[:, _BODIES]
    return [
        metrics.mpjpe(bodies, goal[:, _BODIES]),
        metrics.mpjpe(*relative),
        np.nan if item is None or source_item is None else metrics.position_error(item[0], source_item[0][:lived]),
        metrics.mean_jerk(bodies, FPS),
        metrics.jitter(bodies),
        metrics.mean_jerk(whole, FPS),
        metrics.jitter(whole),
    ]


def successes(item: _Pose | None, source_item: _Pose | None, *, completed: bool) -> tuple[float, float]:
    """SPIDER's and SBTO's success, 100 or 0; NaN without an object. A clip that was not carried through is none."""
    if item is None or source_item is None:
        return np.nan, np.nan
    position = metrics.position_error_per_frame(item[0], source_item[0][: len(item[0])])
    turn = metrics.rotation_error_per_frame(item[1], source_item[1][: len(item[1])])
    rules = metrics.spider_success(position, turn), metrics.sbto_success(position, turn)
    return 100.0 * (completed and rules[0]), 100.0 * (completed and rules[1])


def read_peers(path: Path) -> dict[str, dict[str, float]]:
    """Clip -> column -> value of the peers' table."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row["clip"]: {name: float(row[name]) for name in COLUMNS} for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Comparison:
    """Ours beside theirs.

    Attributes:
        setting: the reward of our policies. seeds: of our policies. clips: names, [C].
        ours: [seeds, C, len(OURS)], NaN where there is nothing. failed: [seeds, C] bool, could not be set up.
        theirs: [C, len(COLUMNS)].
    """

    setting: str
    seeds: tuple[int, ...]
    clips: tuple[str, ...]
    ours: np.ndarray
    failed: np.ndarray
    theirs: np.ndarray

    @property
    def completed(self) -> np.ndarray:
        """[seeds, C] bool: carried through from frame 0."""
        done: np.ndarray = self.ours[..., _COMPLETION] == 100.0
        return done

    def mean(self, *, completed_only: bool) -> tuple[list[Stat], list[float], int]:
        """Ours over seeds, theirs over the same clips as often as ours has them, and how many clips x seeds."""
        there = np.isfinite(self.ours[..., _COMPLETION])
        there = self.completed if completed_only else there
        per_seed = nanmean(np.where(there[..., None], self.ours, np.nan), axis=1)
        weights = (there & ~self.failed).sum(0)
        total = max(int(weights.sum()), 1)
        theirs = (weights @ self.theirs / total) if weights.any() else np.full(len(COLUMNS), np.nan)
        return [over_seeds(column) for column in per_seed.T], theirs.tolist(), int(there.sum())

    def to_json(self) -> dict[str, Any]:
        """Every clip and the means."""
        means = {}
        for name, completed_only in (("lived", False), ("completed", True)):
            ours, theirs, count = self.mean(completed_only=completed_only)
            stats = {key: dataclasses.asdict(stat) for key, stat in zip(OURS, ours, strict=True)}
            means[name] = {"ours": stats, "intermimic": _json(COLUMNS, theirs), "clips_x_seeds": count}
        clips = {
            name: {
                "intermimic": _json(COLUMNS, self.theirs[c]),
                "ours": {str(seed): _json(OURS, self.ours[s, c]) for s, seed in enumerate(self.seeds)},
            }
            for c, name in enumerate(self.clips)
        }
        return {"setting": self.setting, "seeds": list(self.seeds), "means": means, "clips": clips}


def _json(names: tuple[str, ...], values: Any) -> dict[str, float | None]:
    return {name: None if np.isnan(v) else float(v) for name, v in zip(names, values, strict=True)}


def compare(folder: Path, data: Path, setting: str | None = None) -> Comparison:
    """Measure every clip of a manifest's run folder that the peers' table has.

    Args:
        data: folder with `peers/intermimic_teacher.csv`, and with the clips where a run keeps no `motion.npz`.
        setting: one of the folder's rewards; its last where None.

    Raises:
        RunError: no such reward, or no clip of the peers' in the folder.
    """
    table, peers = read_table(folder), read_peers(data / "peers" / "intermimic_teacher.csv")
    setting = setting or table.settings[-1]
    if setting not in table.settings:
        raise RunError(f"{folder}: no reward '{setting}' there; it has {', '.join(table.settings)}")
    s = table.settings.index(setting)
    clips = [c for c, clip in enumerate(table.clips) if clip.name in peers]
    if not clips:
        raise RunError(
            f"{folder}: none of its clips is in the peers' table; those are OMOMO's, such as {next(iter(peers))}"
        )
    entries = {Path(entry["clip"]).stem: entry for entry in _manifest(folder)}
    ours = np.full((len(table.seeds), len(clips), len(OURS)), np.nan)
    for column, c in enumerate(clips):
        runs = {k: folder / table.folder(s, k, c) for k in range(len(table.seeds))}
        runs = {k: run for k, run in runs.items() if (run / "simulation.npz").is_file()}
        runs = {k: run for k, run in runs.items() if STATES[table.states[s, k, c]] == EVALUATED}
        if runs:
            source = _source(next(iter(runs.values())), entries.get(table.clips[c].name), data)
        for k, run in runs.items():
            completion = float(table.values[s, k, c, KEYS.index("completion")])
            ours[k, column] = _measured(Motion.load(run / "simulation.npz"), source, completion)
    failed = table.states[s][:, clips] == STATES.index(FAILED)
    ours[failed, len(COLUMNS) :] = 0.0
    theirs = np.array([[peers[table.clips[c].name][name] for name in COLUMNS] for c in clips])
    return Comparison(setting, table.seeds, tuple(table.clips[c].name for c in clips), ours, failed, theirs)


def _measured(simulation: Motion, source: Motion, completion: float) -> list[float]:
    source = source.resample(FPS)
    items = [_moving(simulation), _moving(source)]
    columns = measure(simulation.joint_positions_w, source.joint_positions_w, *items)
    return [*columns, completion, *successes(*items, completed=completion == 100.0)]


def _moving(motion: Motion) -> _Pose | None:
    return next(((o.position_w, o.rotation_w) for o in motion.objects if not o.is_static), None)


def _source(run: Path, entry: Mapping[str, Any] | None, data: Path) -> Motion:
    """The clip before retargeting: kept by the run, or else imported again."""
    if (run / "motion.npz").is_file():
        return Motion.load(run / "motion.npz")
    if entry is None:
        raise RunError(f"{run}: no motion.npz, and its clip is not in the manifest")
    return import_motion(data / entry["clip"], layout=entry["format"], geometry=load_geometry(data / entry["object"]))


def markdown_of(result: Comparison) -> str:
    """Means, success rates and every clip, as Markdown."""
    means, rates = [], []
    for label, completed_only in (("all, lived frames", False), ("carried through", True)):
        ours, theirs, count = result.mean(completed_only=completed_only)
        figures = dict(zip(OURS, ours, strict=True))
        measured = [with_spread(figures[name]) for name in (*COLUMNS, "completion")]
        means.append([f"ours, {label}", *measured, str(count)])
        means.append([f"InterMimic, {label.split(',')[0]}: the same clips", *_numbers(theirs), "", str(count)])
        if not completed_only:
            rates = [
                ["carried through", with_spread(_rate(result.completed, result.ours))],
                ["SPIDER: object < 0.1 m and < 0.5 rad", with_spread(figures["spider"])],
                ["SBTO: object <= 0.1 m and <= 25°", with_spread(figures["sbto"])],
            ]
    parts = [
        "# InterMimic's columns",
        f"{len(result.clips)} OMOMO clips, our policies with {result.setting}, seeds "
        f"{', '.join(map(str, result.seeds))}; 21 bodies (no pelvis, no fingers) against the source motion, {FPS:g} "
        "fps; jitter in mm per frame³. Mean over clips for every seed, then mean ± deviation (n - 1) over the seeds. "
        "InterMimic: the rollouts of its teacher that are published beside the clips.",
        markdown_table(["mean", *HEADS, "completion [%]", "clips x seeds"], means),
        "## Success",
        "Object errors are means over the clip; a clip that was not carried through counts as none.",
        markdown_table(["rule", "of the clips [%]"], rates),
        "## Clips",
        "Ours (mean over seeds) / InterMimic's. A star: not carried through by every seed; errors over lived frames.",
        _clip_table(result),
    ]
    return "\n\n".join(parts) + "\n"


def _rate(completed: np.ndarray, ours: np.ndarray) -> Stat:
    known = np.isfinite(ours[..., _COMPLETION])
    return over_seeds(nanmean(np.where(known, 100.0 * completed, np.nan), axis=1))


def _clip_table(result: Comparison) -> str:
    rows = []
    ours = nanmean(result.ours, axis=0)
    there = np.isfinite(result.ours[..., _COMPLETION])
    for c, name in enumerate(result.clips):
        star = " \\*" if there[:, c].any() and not result.completed[:, c][there[:, c]].all() else ""
        pairs = [f"{a} / {b}" for a, b in zip(_numbers(ours[c, :5]), _numbers(result.theirs[c, :5]), strict=True)]
        done = _numbers(ours[c, _COMPLETION:])
        rows.append([name + star, *pairs, *done, str(int(there[:, c].sum()))])
    return markdown_table(["clip", *HEADS[:5], "completion [%]", "SPIDER [%]", "SBTO [%]", "seeds"], rows)


def _numbers(values: Any) -> list[str]:
    return [number(None if np.isnan(v) else float(v)) for v in values]


def _manifest(folder: Path) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return list(content.get("clips", ()))


@dataclass(frozen=True)
class Command:
    """Settings of the comparison."""

    folder: tyro.conf.Positional[Path]
    """Run folder of a manifest."""
    setting: str | None = None
    """Which of its rewards; the last where not given."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file, with the JSON beside it; peers.md in the run folder where not given."""

    def run(self) -> None:
        """Measure, print the table and write both files."""
        data = Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))
        result = compare(self.folder, data, self.setting)
        path = self.output or self.folder / "peers.md"
        text, content = markdown_of(result), result.to_json()
        write_text(path, text)
        write_json(path.with_suffix(".json"), content)
        print(text)


if __name__ == "__main__":
    tyro.cli(Command, description=__doc__).run()
