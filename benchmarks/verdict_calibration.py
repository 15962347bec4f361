"""Does the verdict tell recorded clips from corrupted copies? Calibrates its score and measures it on held-out clips.

    python -m benchmarks.verdict_calibration --folder FOLDER --fit                   # kinematics, all 80 clips
    python -m benchmarks.verdict_calibration --folder FOLDER --part physics --fit    # planned and evaluated, 24 clips
    python -m benchmarks.verdict_calibration --folder FOLDER --limit 48 --fit        # a part that is balanced

`--fit` writes rl/verdict_calibration.json from the half of the clips that is for calibration; tables are of the rest.
Clips are those of bench80.json in the folder that TOUCHSTONE_DATA names (default ../shared/data), half of each group
for calibration, half held out, whole clips with all their copies. Each clip (kinematic part) or copy (physics part)
leaves one JSON in the folder, and what is there is not computed again: after a change of what is measured, take another
folder. Tasks take their turns among groups and halves, so that the first N of them are a fair sample.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

from envs.tracking import TaskConfig
from rl.calibration import BALL, HANDLED, Calibration, Detector, Term, fit_terms
from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.evidence import WORDS, source_evidence
from rl.manifest import Entry, load_motion, read_manifest
from rl.refine import RefineConfig
from rl.train import train
from rl.verdict import VerdictConfig
from sim import metrics
from sim.audit_checks import Person, contact_drift_mm
from sim.contact_fit import hand_contact
from sim.contacts import extract_contacts
from sim.corruption import KINDS, clip_seed, corrupt
from sim.errors import TouchstoneError
from sim.files import write_json, write_text
from sim.motion import Motion
from sim.retarget import CONTROL_HZ

FALSE_ALARMS = 0.1
NOTICED = 0.8
REFUSED = 0.05
"""Share of the recorded clips for calibration that lie below the plausibility which the verdict's label asks for."""
RIDGE = 0.03
"""Of the detectors' terms: in five folds of the clips for calibration 0.03 and 0.01 were alike, 0.1 and 0.3 worse."""
BOOTSTRAPS = 1000
Row = dict[str, Any]
"""clip, group, kind ("real" for the recorded one), strength, figures by name."""


def data_folder() -> Path:
    """Where the recorded clips lie."""
    return Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))


def split(entries: Sequence[Entry], seed: int = 0) -> set[str]:
    """Names of the held-out clips: every second of each group, in random order."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = {}
    for group, name in sorted((entry.group, entry.name) for entry in entries):
        groups.setdefault(group, []).append(name)
    return {name for members in groups.values() for name in rng.permutation(members)[::2]}


def in_turns(entries: Sequence[Entry], held_out: set[str]) -> list[Entry]:
    """The first clip of each group and half by name, then the second of each, and so on."""
    counts: Counter[tuple[str, bool]] = Counter()
    ranked = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        key = (entry.group, entry.name in held_out)
        counts[key] += 1
        ranked.append((counts[key], key, entry.name, entry))
    return [entry for *_, entry in sorted(ranked, key=lambda row: row[:3])]


def measure_clip(entry: Entry, path: Path, strengths: Sequence[float], frames: int, seed: int) -> None:
    """Figures of a clip and of all its copies, into one file.

    `anew` holds the figures that change where neither labels nor a graph of the clean clip are to be had: the graph is
    then extracted from the copy itself.
    """
    motion, name = around_contact(load_motion(entry), frames), entry.name
    copies: list[Row] = []
    for kind, strength in [("real", 0.0), *((k, s) for k in KINDS for s in strengths)]:
        copy = motion if kind == "real" else corrupt(motion, kind, strength=strength, seed=clip_seed(name, seed))
        moved = {
            "moved_joints_mm": metrics.mpjpe(copy.joint_positions_w, motion.joint_positions_w),
            "moved_pose_mm": metrics.mpjpe_root_relative(copy.joint_positions_w, motion.joint_positions_w),
            "moved_object_mm": metrics.position_error(copy.objects[0].position_w, motion.objects[0].position_w),
        }
        row: Row = {"clip": name, "group": entry.group, "kind": kind, "strength": strength}
        copies.append(row | {"figures": _plain(source_evidence(copy)), "anew": _anew(copy), "moved": moved})
    write_json(path, {"seed": seed, "copies": copies})


def _anew(copy: Motion) -> dict[str, float | None]:
    bare = copy.replace(contact_labels=None, object_contact=None)
    bare = bare.replace(contacts=extract_contacts(bare))
    drifts = [contact_drift_mm(thing).value for thing in Person(bare).things]
    return {"contact_drift_mm": max((d for d in drifts if d is not None), default=None), "contact_gap_mm": None}


def _plain(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}


def run_all(work: Callable[..., None], tasks: Sequence[tuple[Any, ...]], jobs: int) -> None:
    """Call work(*task) in processes of one thread each, in no order, saying how far it is."""
    spawn = get_context("spawn")  # a fork of a process in which torch has run may hang
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = [pool.submit(work, *task) for task in tasks]
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            print(f"\r{done}/{len(tasks)}", end="" if done < len(tasks) else "\n", flush=True)


# --- statistics ---------------------------------------------------------------------------------------------------


def auc(real: np.ndarray, corrupted: np.ndarray) -> float:
    """Chance that a recorded clip scores higher than a corrupted one; ties count half."""
    above = real[:, None] > corrupted[None]
    equal = real[:, None] == corrupted[None]
    return float((above + 0.5 * equal).mean())


def detection(real: np.ndarray, corrupted: np.ndarray) -> float:
    """Share of the corrupted that score below all but `FALSE_ALARMS` of the recorded."""
    return float((corrupted < np.quantile(real, FALSE_ALARMS)).mean())


def interval(
    scores: dict[str, dict[tuple[str, float], float]],
    copies: Sequence[tuple[str, float]],
    figure: Callable[[np.ndarray, np.ndarray], float],
    seed: int = 0,
) -> tuple[float, float, float]:
    """A figure and its 95 % interval by bootstrap over clips (each with all its copies)."""
    names = [name for name, rows in scores.items() if ("real", 0.0) in rows and any(c in rows for c in copies)]
    real = np.array([scores[name][("real", 0.0)] for name in names])
    others = [np.array([scores[name][c] for c in copies if c in scores[name]]) for name in names]
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(names), size=(BOOTSTRAPS, len(names)))
    drawn = [figure(real[pick], np.concatenate([others[i] for i in pick])) for pick in picks]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return figure(real, np.concatenate(others)), float(low), float(high)


def table(rows: Sequence[Row], score: Callable[[Row], float]) -> dict[str, Any]:
    """AUC and detection of each kind and strength, and the strength from which on a kind is noticed."""
    scores: dict[str, dict[tuple[str, float], float]] = {}
    for row in rows:
        scores.setdefault(row["clip"], {})[(row["kind"], row["strength"])] = score(row)
    copies = sorted({c for of_clip in scores.values() for c in of_clip} - {("real", 0.0)})
    kinds: dict[str, Any] = {}
    for kind in dict.fromkeys(k for k in KINDS if any(c[0] == k for c in copies)):
        cells = {}
        for copy in (c for c in copies if c[0] == kind):
            cells[f"{copy[1]:g}"] = {
                name: dict(zip(("value", "low", "high"), interval(scores, [copy], f), strict=True))
                for name, f in (("auc", auc), ("detection", detection))
            }
        kinds[kind] = {"strengths": cells, "noticed_from": noticed_from(cells)}
    whole = {"all": copies, "strength 1": [c for c in copies if c[1] == 1.0]}
    overall = {
        name: dict(zip(("value", "low", "high"), interval(scores, chosen, auc), strict=True))
        for name, chosen in whole.items()
        if chosen
    }
    counts = {"clips": len(scores), "copies": sum(len(v) for v in scores.values()) - len(scores)}
    return {"counts": counts, "auc": overall, "kinds": kinds}


def noticed_from(cells: dict[str, Any]) -> float | None:
    """Least strength that, like all above it, is detected in `NOTICED` of the clips; None if there is none."""
    found = None
    for strength in sorted(map(float, cells), reverse=True):
        if cells[f"{strength:g}"]["detection"]["value"] < NOTICED:
            break
        found = strength
    return found


def markdown(title: str, result: dict[str, Any]) -> str:
    """The table as Markdown: AUC with its interval, and detection, per kind and strength."""
    strengths = sorted({float(s) for kind in result["kinds"].values() for s in kind["strengths"]})
    counts = result["counts"]
    lines = [f"## {title}", "", f"{counts['clips']} held-out clips, {counts['copies']} copies. AUC [95 % interval by"]
    lines[-1] += f" bootstrap over clips]; share detected at {FALSE_ALARMS:.0%} false alarms."
    lines += ["", "| kind | " + " | ".join(f"strength {s:g}" for s in strengths) + " | noticed from |"]
    lines.append("|---|" + "---|" * (len(strengths) + 1))
    for kind, content in result["kinds"].items():
        cells = []
        for strength in strengths:
            cell = content["strengths"].get(f"{strength:g}")
            a = cell and cell["auc"]
            text = f"{a['value']:.3f} [{a['low']:.2f}, {a['high']:.2f}]; {cell['detection']['value']:.0%}" if a else "-"
            cells.append(text)
        noticed = content["noticed_from"]
        cells.append("more than measured" if noticed is None else f"{noticed:g}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    for name, a in result["auc"].items():
        lines.append(f"\nAUC over {name}: {a['value']:.3f} [{a['low']:.3f}, {a['high']:.3f}]")
    return "\n".join(lines) + "\n"


# --- physics ------------------------------------------------------------------------------------------------------


def around_contact(motion: Motion, frames: int) -> Motion:
    """At most so many control frames, beginning half a second before a hand first touches."""
    motion = motion.resample(CONTROL_HZ)
    touching = np.flatnonzero(hand_contact(motion).any(1))
    onset = int(touching[0]) if len(touching) else 0
    start = int(np.clip(onset - CONTROL_HZ // 2, 0, max(motion.num_frames - frames, 0)))
    return motion.slice(start, min(start + frames, motion.num_frames))


def judge_copy(entry: Entry, path: Path, copy: tuple[str, float], seed: int, config: JudgeConfig) -> None:
    """Plan one copy of a clip, evaluate what planning found, and keep evidence and completion, in one file."""
    kind, strength = copy
    motion = load_motion(entry)
    motion = motion if kind == "real" else corrupt(motion, kind, strength=strength, seed=clip_seed(entry.name, seed))
    cut = around_contact(motion, config.frames)
    settings = TrainConfig(
        learn=False, max_minutes=config.minutes, seed=seed, torch_threads=1, refine=config.refine,
        task=TaskConfig(num_envs=32, threads=1),
    )  # fmt: skip
    row: Row = {"clip": entry.name, "group": entry.group, "kind": kind, "strength": strength}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        try:
            train(cut, run, settings)
            evaluation = evaluate_run(run, episodes=config.episodes, seed=seed)
        except TouchstoneError as error:  # physics cannot even begin with it
            row |= {"outcome": {"completion": 0.0}, "failure": str(error), "figures": {}}
        else:
            outcome = {name: figure["value"] for name, figure in evaluation.figures.items()}
            row |= {"outcome": outcome, "figures": _plain(evaluation.verdict.evidence)}
    write_json(path, {"seed": seed, "copies": [row]})


# --- calibration --------------------------------------------------------------------------------------------------


def kinematic_calibration(training: Sequence[Row], provenance: dict[str, Any]) -> Calibration:
    """Detectors fitted on recorded clips and their copies; physics keeps a stated prior until it is measured."""
    detectors = {handled: _detectors([row for row in training if _handled(row) == handled]) for handled in HANDLED}
    calibration = Calibration(detectors, 0.0, 0.0, PRIOR, provenance | {"physics": PRIOR_TEXT})
    seen = [calibration.plausibility(row["figures"]) for row in training if row["kind"] == "real"]
    return replace(calibration, threshold=round(float(np.quantile(seen, REFUSED)), 3))


def _handled(row: Row) -> str:
    return HANDLED[row["figures"][BALL] > 0.5]


def _detectors(training: Sequence[Row]) -> tuple[Detector, ...]:
    """One for each kind of fault that was made alone; the mix is left to all of them."""
    found = []
    for kind in KINDS:
        rows = [row for row in training if row["kind"] in ("real", kind)]
        if kind != "video" and any(row["kind"] == kind for row in rows):
            bias, terms = fit_terms([row["figures"] for row in rows], _real(rows), sorted(WORDS), ridge=RIDGE)
            found.append(Detector(kind, -bias, terms))
    return tuple(found)


def physical_calibration(kinematic: Calibration, training: Sequence[Row], provenance: dict[str, Any]) -> Calibration:
    """The terms of physics and repair, fitted on top of a plausibility that stays as it is."""
    figures, names = [row["figures"] for row in training], [term.name for term in PRIOR]
    offset = np.array([kinematic.log_odds(f) for f in figures])
    bias, terms = fit_terms(figures, _real(training), names, ridge=3.0, offset=offset)
    about = dict(kinematic.provenance) | {"physics": provenance}
    return replace(kinematic, physical_bias=bias, physical=terms, provenance=about)


def _real(rows: Sequence[Row]) -> np.ndarray:
    return np.array([row["kind"] == "real" for row in rows])


def _prior() -> tuple[Term, ...]:
    limits, limit_of = VerdictConfig(), {}
    limit_of["physics_joint_mm"] = limits.mpjpe_mm
    limit_of["physics_object_mm"] = limits.object_mm
    limit_of["physics_object_deg"] = limits.object_deg
    limit_of["physics_missed_contact"] = limits.contact_recall
    limit_of["physics_contact_mm"] = 100.0  # within which a contact is extracted (Open4DHOI section 9.6)
    limit_of["physics_not_robust"] = 1.0 - limits.perturbed_completion
    limit_of["repair_joint_mm"] = limits.source_mpjpe_mm
    limit_of["repair_object_mm"] = limits.object_mm
    limit_of["repair_hand_gap_mm"] = limits.source_mpjpe_mm
    limit_of["repair_penetration_mm"] = limits.source_mpjpe_mm
    return tuple(Term(name, round(limit, 4), 1.0, round(float(np.log1p(0.5)), 4)) for name, limit in limit_of.items())


PRIOR = _prior()
PRIOR_TEXT = "not fitted: weight 1, the verdict's limits as scales, half a limit as neutral"


# --- the command --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JudgeConfig:
    """The planning-only judge of the physics part.

    Attributes:
        frames: control frames of a clip, around its first contact.
        clips: how many, in turns among groups and halves.
        copies: kind:strength of what is judged beside the recorded clip.
        minutes: that planning of a copy may take; what is not reached by then counts as not carried through.
        episodes: from perturbed starts.
        refine: the planner.
    """

    frames: int = 60
    clips: int = 24
    copies: tuple[str, ...] = ("video:1", "drift:1", "float:1", "time_shift:1", "missed_contacts:1")
    minutes: float = 1.2
    episodes: int = 8
    refine: RefineConfig = field(default_factory=RefineConfig)


@dataclass(frozen=True)
class Command:
    """Settings of the benchmark."""

    folder: Path
    """Where the measurements and the result go."""
    part: Literal["kinematic", "physics"] = "kinematic"
    """Figures of the motions alone, or planned and evaluated in physics, too."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Of the kinematic part."""
    frames: int = 150
    """Control frames of a clip in the kinematic part, around its first contact."""
    seed: int = 0
    """Of corruption, planning and evaluation."""
    jobs: int = 2
    """Processes."""
    fit: bool = False
    """Fit on the clips that are not held out and write rl/verdict_calibration.json."""
    limit: int | None = None
    """Only this many clips, in turns among groups and halves."""
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    """The physics part."""

    def run(self) -> None:
        """Measure, fit if asked to, and write PART.json and PART.md into the folder."""
        torch.set_num_threads(1)
        entries = read_manifest(data_folder() / "bench80.json").entries
        held_out = split(entries)
        physics = self.part == "physics"
        turns = in_turns(entries, held_out)[: self.limit]
        rows = self._judged(turns) if physics else self._measured(turns)
        training = [row for row in rows if row["clip"] not in held_out]
        tested = [row for row in rows if row["clip"] in held_out]
        calibration = self._fitted(training) if self.fit else Calibration.load()
        if self.fit:
            calibration.save()
        scores: dict[str, Callable[[Row], float]] = {
            "plausibility": lambda row: calibration.plausibility(row["figures"])
        }
        if physics:
            scores["score"] = lambda row: row["outcome"]["completion"] * calibration.likelihood(row["figures"])
            scores["completion"] = lambda row: row["outcome"]["completion"]
        else:
            scores["plausibility without annotation"] = lambda row: calibration.plausibility(
                row["figures"] | row["anew"]
            )
        tables = {name: table(tested, score) for name, score in scores.items()}
        settings = json.loads(json.dumps(asdict(self), default=str))
        result = {"settings": settings, "held_out": tables, "magnitudes": _magnitudes(rows)}
        write_json(self.folder / f"{self.part}.json", result)
        text = "\n".join(markdown(f"{self.part}: {name}", content) for name, content in tables.items())
        write_text(self.folder / f"{self.part}.md", text)
        print(text)

    def _measured(self, entries: Sequence[Entry]) -> list[Row]:
        folder = self.folder / "kinematic"
        tasks = [(e, folder / f"{e.name}.json", self.strengths, self.frames, self.seed) for e in entries]
        return _resumed(measure_clip, tasks, self.jobs)

    def _judged(self, entries: Sequence[Entry]) -> list[Row]:
        pairs = [name.partition(":") for name in self.judge.copies]
        copies = [("real", 0.0), *((kind, float(strength or 1.0)) for kind, _, strength in pairs)]
        tasks = []
        for entry in entries[: self.judge.clips]:
            for kind, strength in copies:
                path = self.folder / "physics" / f"{entry.name}-{kind}-{strength:g}.json"
                tasks.append((entry, path, (kind, strength), self.seed, self.judge))
        return _resumed(judge_copy, tasks, self.jobs)

    def _fitted(self, training: Sequence[Row]) -> Calibration:
        clips = sorted({row["clip"] for row in training})
        provenance = {
            "command": f"python -m benchmarks.verdict_calibration --part {self.part} --fit",
            "seed": self.seed,
            "clips": clips,
            "recorded": len(clips),
            "copies": len(training) - len(clips),
            "strengths": sorted({row["strength"] for row in training if row["kind"] != "real"}),
        }
        if self.part == "kinematic":
            return kinematic_calibration(training, provenance)
        return physical_calibration(Calibration.load(), training, provenance)


def _resumed(work: Callable[..., None], tasks: Sequence[tuple[Any, ...]], jobs: int) -> list[Row]:
    """Do what is not there yet (its file is a task's second entry), in order, and read everything."""
    waiting = [task for task in tasks if not task[1].exists()]
    for folder in {task[1].parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    if waiting:
        run_all(work, waiting, jobs)
    rows = [row for task in tasks for row in json.loads(task[1].read_text())["copies"]]
    for row in rows:
        for part in ("figures", "anew"):
            if part in row:
                row[part] = {name: np.nan if value is None else value for name, value in row[part].items()}
    return rows


def _magnitudes(rows: Sequence[Row]) -> dict[str, Any]:
    """How far the copies of strength 1 moved joints and objects, mean over the clips, mm."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        moved = [row["moved"] for row in rows if row["kind"] == kind and row["strength"] == 1.0 and "moved" in row]
        if moved:
            found[kind] = {name: round(float(np.mean([m[name] for m in moved])), 1) for name in moved[0]}
    return found


if __name__ == "__main__":
    tyro.cli(Command).run()
