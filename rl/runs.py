"""Run folders: what lies where, of the run and of each of its clips, and configuration to and from JSON."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any, TypeVar

from sim.errors import RunError
from sim.files import write_json

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ClipFolder:
    """The names of what a run holds of one clip, in its own folder or in `clips/<name>/`; see `RunFolder`."""

    path: Path

    @property
    def run(self) -> RunFolder:
        """The run that the clip belongs to."""
        return RunFolder(self.path.parent.parent if self.path.parent.name == "clips" else self.path)

    @property
    def motion(self) -> Path:
        """The source motion."""
        return self.path / "motion.npz"

    @property
    def clean(self) -> Path:
        """The motion before it was corrupted, where an experiment corrupts its clips."""
        return self.path / "clean.npz"

    @property
    def reference(self) -> Path:
        """The retargeted motion."""
        return self.path / "reference.npz"

    @property
    def retarget(self) -> Path:
        """What retargeting changed, JSON."""
        return self.path / "retarget.json"

    @property
    def corrections(self) -> Path:
        """What planning added to the reference's PD targets, rad; none without refinement."""
        return self.path / "corrections.npz"

    @property
    def planning(self) -> Path:
        """What planning took and how far it came, JSON; written when it is done."""
        return self.path / "planning.json"

    @property
    def simulation(self) -> Path:
        """What the simulated humanoid did, as a motion."""
        return self.path / "simulation.npz"

    @property
    def evaluation(self) -> Path:
        """Figures, per-frame errors and verdict, JSON."""
        return self.path / "evaluation.json"

    @property
    def video(self) -> Path:
        """Offscreen video, where GL is there."""
        return self.path / "replay.mp4"

    @property
    def report(self) -> Path:
        """Self-contained page."""
        return self.path / "report.html"

    def require(self, *files: Path) -> None:
        """Raises RunError that names the first file that is missing and the command that makes it."""
        run = self.run.path
        if not self.path.is_dir():
            raise RunError(f"{self.path}: no such run folder; make one with: touchstone train clip.npz -o {run}")
        makers = {self.simulation: "evaluate", self.evaluation: "evaluate"}
        for file in files:
            if not file.exists():
                verb = makers.get(file, "train")
                target = self.path if verb != "train" else f"clip.npz -o {run}"
                raise RunError(f"{file} is missing; make it with: touchstone {verb} {target}")


@dataclasses.dataclass(frozen=True)
class RunFolder(ClipFolder):
    """The names of a run's files. A run folder is self-contained: it can be moved and evaluated elsewhere.

    A run on a single motion is its own clip folder; a run on several has one below `clips/` for each.
    """

    @property
    def config(self) -> Path:
        """Resolved configuration, JSON."""
        return self.path / "config.json"

    @property
    def clip_list(self) -> Path:
        """Names of the clips below `clips/`, JSON, written when all of them are there."""
        return self.path / "clips.json"

    @property
    def clips(self) -> tuple[ClipFolder, ...]:
        """Of each clip, in the order of training. Raises RunError where the list of them cannot be read."""
        if not self.clip_list.exists():
            return (self,)
        try:
            names = json.loads(self.clip_list.read_text(encoding="utf-8"))["clips"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.clip_list}: damaged; begin the run anew in another folder ({error})") from error
        return tuple(self.clip(name) for name in names)

    def clip(self, name: str) -> ClipFolder:
        """Where a clip of several lies."""
        return ClipFolder(self.path / "clips" / name)

    @property
    def progress(self) -> Path:
        """One row per evaluation during training, CSV."""
        return self.path / "progress.csv"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard logs."""
        return self.path / "tensorboard"

    @property
    def checkpoint(self) -> Path:
        """Everything that training needs to go on from here."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def policy(self) -> Path:
        """The best policy so far, by completion and then by error."""
        return self.path / "checkpoints" / "best.pt"

    @property
    def unstable(self) -> Path:
        """The last steps in which physics failed: arrays state [K, S], control [K, A] and frame [K]."""
        return self.path / "unstable.npz"


def save_config(path: Path, config: Any) -> None:
    """Write a nest of frozen dataclasses as JSON."""
    write_json(path, dataclasses.asdict(config))


def load_config(path: Path, kind: type[T]) -> T:
    """Read a nest of frozen dataclasses back. Raises RunError for files that do not fit this version."""
    try:
        return _build(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: not a configuration of this version ({error})") from error


def _build(kind: Any, value: Any) -> Any:
    if not dataclasses.is_dataclass(kind):
        return tuple(value) if typing.get_origin(kind) is tuple else value
    hints = typing.get_type_hints(kind)
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} where a group of settings belongs")
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}")
    return kind(**{name: _build(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
