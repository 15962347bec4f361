"""Train one policy per action group of a manifest, for reward settings and seeds: an experiment that can be resumed.

The folder holds `manifest.json` (a copy), `plan.json` (what is wanted), `config.json`, `failures.json` (path below the
folder -> why) and a run folder `<setting>/<group>/seed<k>/` for each policy, its clips below `clips/`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np

from envs.rewards import Setting
from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.manifest import Entry, Manifest, load_motion
from rl.runs import RunFolder, load_config, save_config
from rl.train import Progress, train
from sim.corruption import KINDS, clip_seed, corrupt
from sim.errors import RunError, TouchstoneError, UnknownNameError
from sim.files import write_json, write_text
from sim.motion import Motion

SETTINGS: tuple[str, ...] = get_args(Setting)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What an experiment wants: reward settings, seeds, of each group its clips, and what is done to these.

    `corruption` is a kind of `sim.corruption` or empty; each clip and seed has its own noise. `strength` is its.
    """

    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    groups: dict[str, tuple[Entry, ...]]
    corruption: str = ""
    strength: float = 1.0

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        group: str,
        *,
        settings: tuple[str, ...],
        seeds: tuple[int, ...],
        clips: int = 0,
        corruption: str = "",
        strength: float = 1.0,
    ) -> Plan:
        """Of one group or `all`; with `clips`, so many of the first of each. Raises UnknownNameError, RunError."""
        for setting in settings:
            if setting not in SETTINGS:
                raise UnknownNameError("reward setting", setting, SETTINGS)
        if not settings or not seeds or min(seeds) < 0 or clips < 0:
            raise RunError("give at least one setting and one seed, seeds from 0, and 0 or more clips a group")
        if corruption and corruption not in KINDS:
            raise UnknownNameError("kind of corruption", corruption, KINDS)
        if not (np.isfinite(strength) and strength > 0):
            raise RunError(f"strength of corruption {strength:g}: give a number above 0; 1 is as documented")
        groups = {name: manifest.clips(name, clips) for name in manifest.chosen(group)}
        return cls(settings, seeds, groups, corruption, strength)

    @property
    def noise(self) -> dict[str, Any]:
        """The content of plan.json that says what is done to the clips; empty where nothing is."""
        return {"corruption": {"kind": self.corruption, "strength": self.strength}} if self.corruption else {}

    def runs(self) -> Iterator[tuple[Path, str, str, int]]:
        """Path below the folder, setting, group and seed; a seed is carried through everything before the next."""
        for seed in self.seeds:
            for setting in self.settings:
                for group in self.groups:
                    yield Path(setting, group, f"seed{seed}"), setting, group, seed


class Watcher:
    """Is told how an experiment goes; this one keeps silent."""

    def on_progress(self, progress: Progress) -> None:
        """An evaluation was made while training."""

    def on_steps(self, steps: int) -> None:
        """The present run has come to so many control steps."""

    def say(self, line: str) -> None:
        """What comes next, what came out, and what failed."""


class Experiment:
    """Everything that a plan wants, in one folder.

    Args:
        plan: what is wanted; wishes of earlier calls in this folder stay in plan.json.
        manifest: gives the clips.
        folder: made, or gone on with.
        config: of every run, but for its reward setting and seed.
        jobs: clips that are planned at a time.
        episodes: from perturbed starts, in the evaluation of a clip.
        watcher: is told how it goes.

    Raises:
        RunError: the folder holds an experiment with another manifest or configuration, or a policy of other clips.
    """

    def __init__(
        self,
        plan: Plan,
        manifest: Manifest,
        folder: Path,
        config: TrainConfig,
        *,
        jobs: int = 1,
        episodes: int = 16,
        watcher: Watcher | None = None,
    ) -> None:
        self.plan, self.folder, self.config, self.jobs, self.episodes = plan, folder, config, jobs, episodes
        self.watcher = watcher or Watcher()
        self.failures = Failures(folder / "failures.json")
        for where, _, group, _ in plan.runs():
            self._require_same(where, plan.groups[group])
        _begin(plan, manifest, folder, config)

    def run(self) -> None:
        """Train and evaluate whatever is not done yet; a run that fails as a whole does not stop the rest."""
        for where, setting, group, seed in self.plan.runs():
            reward = dataclasses.replace(self.config.task.reward, setting=setting)  # type: ignore[arg-type]
            config = dataclasses.replace(
                self.config, seed=seed, task=dataclasses.replace(self.config.task, reward=reward)
            )  # fmt: skip
            try:
                self._run(where, self.plan.groups[group], config)
            except TouchstoneError as error:
                self._fail(where, error)

    def _run(self, where: Path, entries: tuple[Entry, ...], config: TrainConfig) -> None:
        """One policy, from where it was left."""
        run = RunFolder(self.folder / where)
        begun = _begun(run)
        if begun:
            if all(clip.evaluation.exists() for clip in run.clips):
                self.watcher.say(f"{where}: done")
                return
            self.watcher.say(f"{where}: going on with {len(run.clips)} clips")
        else:
            self.failures.forget(where)
            self.watcher.say(f"{where}: {len(entries)} clips")

        def fail(name: str, error: TouchstoneError) -> None:
            self._fail(where / "clips" / name, error)

        motions = None if begun else _load(entries, fail)
        if motions is not None and self.plan.corruption:
            motions = self._corrupted(run, motions, config.seed)
        train(
            motions,
            run.path,
            config,
            resume=begun,
            jobs=self.jobs,
            on_progress=self.watcher.on_progress,
            on_steps=self.watcher.on_steps,
            on_failure=None if begun else fail,
        )
        for clip in run.clips:
            if not clip.evaluation.exists():
                self._evaluate(clip.path, where / "clips" / clip.path.name)

    def _corrupted(self, run: RunFolder, motions: dict[str, Motion], seed: int) -> dict[str, Motion]:
        """What the run trains on; the clean motions are left beside it, so that evaluation can compare."""
        for name, motion in motions.items():
            motion.save(run.clip(name).clean)
        kind, strength = self.plan.corruption, self.plan.strength
        return {n: corrupt(m, kind, strength=strength, seed=clip_seed(n, seed)) for n, m in motions.items()}

    def _evaluate(self, clip: Path, where: Path) -> None:
        try:
            evaluation = evaluate_run(clip, episodes=self.episodes)
        except TouchstoneError as error:
            self._fail(where, error)
            return
        completion = evaluation.figures["completion"]["value"]
        self.watcher.say(f"{where}: carried {completion:.0%}, {evaluation.verdict.label}")

    def _fail(self, where: Path, error: TouchstoneError) -> None:
        self.failures.add(where, error)
        self.watcher.say(f"{where}: {error}")

    def _require_same(self, where: Path, entries: tuple[Entry, ...]) -> None:
        """A policy's clips are settled when it begins."""
        run = RunFolder(self.folder / where)
        if not _begun(run):
            return
        left_out = {Path(path).name for path in self.failures.lines if Path(path).parent == where / "clips"}
        held, wanted = {clip.path.name for clip in run.clips}, {entry.name for entry in entries}
        if held | (left_out & wanted) != wanted:
            raise RunError(f"{run.path} is a policy of {len(held)} clips, not of these {len(wanted)}; use another -o")


class Failures:
    """failures.json: path below the experiment's folder -> one line that says why."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, str] = _read(path)

    def add(self, where: Path, error: TouchstoneError) -> None:
        """Keep a failure."""
        self.lines[where.as_posix()] = str(error)
        write_json(self.path, self.lines)

    def forget(self, where: Path) -> None:
        """What is below a path is tried anew."""
        kept = {path: why for path, why in self.lines.items() if not Path(path).is_relative_to(where)}
        if kept != self.lines:
            self.lines = kept
            write_json(self.path, self.lines)


def _begun(run: RunFolder) -> bool:
    """Whether a run holds all its motions, so that it can be gone on with."""
    return run.config.exists() and run.clip_list.exists()


def _begin(plan: Plan, manifest: Manifest, folder: Path, config: TrainConfig) -> None:
    """Write manifest.json, config.json and plan.json, or check them against what is wanted."""
    copy, settings, wanted = folder / "manifest.json", folder / "config.json", folder / "plan.json"
    text = manifest.path.read_text(encoding="utf-8")
    if copy.exists() and copy.read_text(encoding="utf-8") != text:
        raise RunError(f"{folder} holds an experiment on another manifest; choose another folder with -o")
    if settings.exists() and load_config(settings, TrainConfig) != config:
        raise RunError(f"{folder} holds an experiment with another configuration (config.json); choose another with -o")
    before = _read(wanted)
    if before and before.get("corruption") != plan.noise.get("corruption"):
        raise RunError(f"{folder} holds an experiment with another corruption of its clips; choose another with -o")
    write_text(copy, text)
    save_config(settings, config)
    groups = {**before.get("groups", {}), **{g: [e.name for e in entries] for g, entries in plan.groups.items()}}
    value = {
        "settings": list(dict.fromkeys((*before.get("settings", ()), *plan.settings))),
        "seeds": sorted({*before.get("seeds", ()), *plan.seeds}),
        "groups": groups,
        **plan.noise,
    }
    write_json(wanted, value)


def _read(path: Path) -> dict[str, Any]:
    """A JSON object, empty where there is no file. Raises RunError for a damaged one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: damaged; delete it ({error})") from error
    return value if isinstance(value, dict) else {}


def _load(entries: tuple[Entry, ...], fail: Callable[[str, TouchstoneError], None]) -> dict[str, Motion]:
    """Motions by name, without those that cannot be read."""
    motions: dict[str, Motion] = {}
    for entry in entries:
        try:
            motions[entry.name] = load_motion(entry)
        except TouchstoneError as error:
            fail(entry.name, error)
    return motions
