"""Does the fast judge say what PPO comes to? Learning goes on from judged runs, and both outcomes are compared.

    touchstone train --manifest bench80.json --clips 1 --config.no-learn -o JUDGED      # the judge's outcome
    python -m benchmarks.judge_agreement JUDGED -o LEARNED --steps 200000

Every run of JUDGED is copied with its plans, and PPO learns on for so many control steps, without stopping early.
`--no-plan` leaves the plans out: PPO alone, for comparison.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from rl.config import MasteryConfig, TrainConfig
from rl.evaluate import evaluate_run
from rl.planning import read_planned
from rl.runs import RunFolder, load_config, save_config
from rl.train import train

_KEPT = ("motion.npz", "reference.npz", "retarget.json", "clips.json")
_PLANS = ("corrections.npz", "planning.json")


@dataclass(frozen=True)
class Command:
    """Settings of the benchmark."""

    judged: tyro.conf.Positional[Path]
    """An experiment without learning, of one clip a run."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Where PPO's runs go; those that are there are not made again."""
    steps: int = 200_000
    """Control steps of learning, beyond planning's."""
    plan: bool = True
    """Whether PPO begins from the judge's plan."""
    jobs: int = 2
    """Runs at a time, one thread each."""

    def run(self) -> None:
        """Learn on, and print a row for each run and the share of equal outcomes."""
        runs = sorted(path.parent for path in self.judged.glob("*/*/seed*/clips.json"))
        tasks = [(run, self.output / run.relative_to(self.judged), self.steps, self.plan) for run in runs]
        with ProcessPoolExecutor(self.jobs, get_context("spawn")) as pool:
            rows = [row for row in pool.map(_learn, tasks) if row]
        print("run | judge: completion, perturbed, seconds | PPO: completion, best while learning, perturbed")
        for row in rows:
            print(
                f"{row['run']} | {row['judge']:.2f}, {row['judge_perturbed']:.2f}, {row['seconds']:.0f} | "
                f"{row['ppo']:.2f}, {row['best']:.2f}, {row['ppo_perturbed']:.2f}"
            )
        if rows:
            equal = sum((row["judge"] >= 1.0) == (row["ppo"] >= 1.0) for row in rows)
            quick = sum(row["seconds"] <= 90.0 for row in rows)
            print(f"equal outcomes: {equal} of {len(rows)}; judged within 90 s: {quick}")


def _learn(task: tuple[Path, Path, int, bool]) -> dict[str, Any] | None:
    """One run, learned on from where the judge left it; None where it is not judged."""
    source, folder, steps, plan = task
    judged, run = RunFolder(source), RunFolder(folder)
    (clip,) = judged.clips
    planned = read_planned(clip)
    if planned is None or not clip.evaluation.exists():
        return None
    torch.set_num_threads(1)
    config = load_config(judged.config, TrainConfig)
    config = dataclasses.replace(
        config,
        learn=True,
        max_steps=steps + (planned.steps if plan else 0),
        max_minutes=0.0,
        mastery=MasteryConfig(evaluations=0),
        refine=config.refine if plan else dataclasses.replace(config.refine, iterations=0),
    )
    if not run.config.exists():
        _copy(judged.path, run.path, _KEPT + _PLANS if plan else _KEPT)
        save_config(run.config, config)
    result = train(None, run.path, resume=True)
    learned = evaluate_run(run.clips[0].path)
    before = json.loads(clip.evaluation.read_text(encoding="utf-8"))["figures"]
    return {
        "run": source.relative_to(source.parents[2]).as_posix(),
        "seconds": planned.seconds,
        "judge": before["completion"]["value"],
        "judge_perturbed": before["completion_perturbed"]["value"],
        "ppo": learned.figures["completion"]["value"],
        "ppo_perturbed": learned.figures["completion_perturbed"]["value"],
        "best": max(progress.completion for progress in result.history),
    }


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    for path in source.rglob("*"):
        if path.name in names:
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.relative_to(source))


if __name__ == "__main__":
    tyro.cli(Command).run()
