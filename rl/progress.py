"""Progress of a training run on the terminal: a bar with time left, and a line per evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rl.config import TrainConfig
from rl.groups import Watcher
from rl.train import Progress as Evaluated


class TrainingProgress(Watcher):
    """Callbacks for `rl.train.train`, and what an experiment says."""

    def __init__(self, bar: Progress, config: TrainConfig) -> None:
        self._bar = bar
        if config.learn:
            self._task = bar.add_task("training", total=config.max_steps)
        else:  # nobody knows how many attempts a clip will take
            self._task = bar.add_task("planning", total=None)

    def on_steps(self, steps: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=steps)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(line, highlight=False)

    def on_progress(self, progress: Evaluated) -> None:
        """Print an evaluation."""
        p = progress
        speed = p.steps / p.seconds if p.seconds else 0.0
        self._bar.console.print(
            f"{p.steps:>9,} steps {p.seconds:6.0f} s {speed:5.0f}/s  carried {p.completion:4.0%}  "
            f"joints {p.mpjpe_mm:4.0f} mm  object {p.object_mm:4.0f} mm  return {p.episode_return:5.1f}"
            + (f"  worst {p.worst_completion:4.0%}" if p.worst_completion < p.completion else ""),
            highlight=False,
        )


@contextmanager
def training_progress(config: TrainConfig, console: Console | None = None) -> Iterator[TrainingProgress]:
    """A live bar with steps, elapsed and remaining time while the block runs."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn(),
        TextColumn("elapsed,"), TimeRemainingColumn(), TextColumn("left at most"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        yield TrainingProgress(bar, config)
