"""How good generated motion is: thirty sentences, several seeds, zero-shot figures, time, and what physics says.

    python -m benchmarks.text_to_motion -o runs/thirty                              # 30 sentences x 3 seeds
    python -m benchmarks.text_to_motion -o runs/thirty --judge 1                    # physics for the first seed, too
    python -m benchmarks.text_to_motion -o runs/thirty --without affordance         # an ablation, beside the others
    python -m benchmarks.text_to_motion -o runs/thirty --only sit --seeds 1

Clips are made by the code of `touchstone generate --prompts` (`cli.batch`) and are not made again. Each ablation has
its own folder below the output (`full`, `without-affordance`, ...), with clips, replays and index.html; `table.txt` and
`table.json` have a row a sentence, means, and all ablations that lie there side by side. Figures are explained in
`generate/quality.py`. Seconds are of wall time: run it on a quiet machine, with one worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks import planner_coverage
from cli.batch import Batch, Job, JudgeSettings
from cli.generate import Command, Part
from generate.clips import read_failure, read_metrics
from generate.gallery import GalleryRow
from generate.planner import GrammarPlanner
from generate.prompts import read_prompts
from generate.quality import DIVERSITY, FIGURES
from rl.config import TrainConfig
from sim.errors import PlanError
from sim.files import write_json, write_text

PROMPTS = Path(__file__).parent / "prompts" / "thirty.txt"
CARRIED = ("lift", "carry", "push", "pull", "sit")
"""Actions of which physics has to carry a share of `CARRIED_TARGET` through."""
CARRIED_TARGET = 0.8
COLUMNS = (
    "contact_ratio", "penetrating_percent", "depth_mean_mm", "depth_max_mm", "foot_skate_m_s", "fs_mm", "closure",
    "seconds",
)  # fmt: skip


def table_row(row: GalleryRow, jobs: Sequence[Job]) -> dict[str, Any]:
    """A sentence's figures: one value a seed, None where there is none; plain values for JSON.

    A clip that was to be judged and could not be made or judged counts as not carried.
    """
    metrics = [read_metrics(job.files) or {} for job in jobs]
    errors = [read_failure(job.files) for job in jobs]
    return {
        "text": row.text,
        "action": _action(row.text),
        "seeds": [clip.seed for clip in row.clips],
        "figures": {name: [clip.figures.get(name) for clip in row.clips] for name in FIGURES},
        "closure_before": [found.get("closure_before") for found in metrics],
        "duration_s": [found.get("duration_s") for found in metrics],
        "diversity_m": row.diversity if np.isfinite(row.diversity) else None,
        "completion": [
            clip.verdict.completion if clip.verdict else 0.0 if job.judge and error else None
            for clip, job, error in zip(row.clips, jobs, errors, strict=True)
        ],
        "score": [clip.verdict.score if clip.verdict else None for clip in row.clips],
        "verdict": [clip.verdict.label if clip.verdict else None for clip in row.clips],
        "error": errors,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of all clips: means with their spread over the seeds, and the targets of the first chain."""
    count = max((len(row["seeds"]) for row in rows), default=0)
    figures = {}
    for name, figure in FIGURES.items():
        values = known(value for row in rows for value in row["figures"][name])
        by_seed = [known(row["figures"][name][s] for row in rows if s < len(row["seeds"])) for s in range(count)]
        means = [float(np.mean(some)) for some in by_seed if some]
        figures[name] = {
            "mean": mean(values),
            "spread_over_seeds": float(np.std(means)) if len(means) > 1 else None,
            "worst": (min(values) if figure.sign > 0 else max(values)) if values else None,
            "met": sum(figure.met(value) is True for value in values) if figure.target is not None else None,
            "of": len(values),
            "target": figure.target,
        }
    judged = [c for row in rows if row["action"] in CARRIED for c in known(row["completion"])]
    return {
        "clips": sum(len(row["seeds"]) for row in rows),
        "made": sum(metric is not None for row in rows for metric in row["figures"]["seconds"]),
        "figures": figures,
        "closure_before": mean(known(value for row in rows for value in row["closure_before"])),
        "duration_s": mean(known(value for row in rows for value in row["duration_s"])),
        "diversity_m": mean(known(row["diversity_m"] for row in rows)),
        "carried": {
            "actions": list(CARRIED), "judged": len(judged), "whole": sum(share >= 1.0 for share in judged),
            "mean_completion": mean(judged), "target": CARRIED_TARGET,
        },
        "carried_of_others": mean(
            [float(c >= 1.0) for row in rows if row["action"] not in CARRIED for c in known(row["completion"])]
        ),
    }  # fmt: skip


def table_text(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table with a row a sentence, and the means; `depth_max_mm` of a sentence is that of its worst seed."""
    titles = [f"{FIGURES[c].title} {FIGURES[c].unit}".strip() for c in COLUMNS]
    head = ["sentence", *titles, "closure before", f"{DIVERSITY.title} {DIVERSITY.unit}", "carried %"]
    lines = [f"{name}: {len(rows)} sentences", "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        shown = [FIGURES[c].text((max if c == "depth_max_mm" else mean)(known(row["figures"][c]) or [np.nan]))
                 for c in COLUMNS]  # fmt: skip
        completion = known(row["completion"])
        carried = " ".join(f"{100 * share:.0f}" for share in completion) or "–"  # noqa: RUF001
        before = FIGURES["closure"].text(mean(known(row["closure_before"])))
        lines.append(_line([row["text"], *shown, before, DIVERSITY.text(row["diversity_m"]), carried]))
        lines += [f"  {error}" for error in dict.fromkeys(filter(None, row["error"]))]
    return "\n".join([*lines, "", *_summary_lines(summary(rows)), ""])


def targets_text(found: dict[str, Any]) -> str:
    """The six figures of the first chain, beside their targets; planning is measured anew, affordance elsewhere."""
    shares = {}
    for name in ("written", "held_out"):
        rows = planner_coverage.read(name)
        shares[name] = planner_coverage.measure(GrammarPlanner(), rows).right / len(rows)
    means = {name: FIGURES[name].text(values["mean"]) for name, values in found["figures"].items()}
    rows_ = [
        ("planner coverage, written list / held-out list", ">= 90 % / >= 75 %",
         f"{shares['written']:.1%} / {shares['held_out']:.1%}"),
        ("affordance AUC, hands", ">= 0.85", "python -m benchmarks.affordance"),
        ("contact ratio / penetrating vertices, % / max depth, mm, means over clips", ">= 0.95 / <= 0.5 / <= 10",
         f"{means['contact_ratio']} / {means['penetrating_percent']} / {means['depth_max_mm']}"),
        ("force-closure residual after / before the fine stage", "<= 0.3",
         f"{means['closure']} / {_text(found['closure_before'], 2)}"),
        (f"carried through by physics ({', '.join(CARRIED)})", f">= {CARRIED_TARGET:.0%}", _carried(found["carried"])),
        ("seconds a clip, without figures", "<= 90",
         f"{means['seconds']} for {_text(found['duration_s'], 1)} s on average"),
    ]  # fmt: skip
    return "\n".join(map(_line, [("figure", "target", "measured"), ("---",) * 3, *rows_])) + "\n"


def compared_text(summaries: dict[str, dict[str, Any]]) -> str:
    """A row an ablation: means over the clips."""
    head = ["", *(FIGURES[c].title for c in COLUMNS), DIVERSITY.title, "carried"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, found in summaries.items():
        cells = [FIGURES[c].text(found["figures"][c]["mean"]) for c in COLUMNS]
        lines.append(_line([name, *cells, DIVERSITY.text(found["diversity_m"]), _carried(found["carried"])]))
    return "\n".join([*lines, ""])


def _summary_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"clips made: {found['made']} of {found['clips']}, {_text(found['duration_s'], 1)} s long on average"]
    for name, values in found["figures"].items():
        figure = FIGURES[name]
        if values["mean"] is None:
            continue
        spread = "" if values["spread_over_seeds"] is None else f" +- {figure.text(values['spread_over_seeds'])}"
        line = (
            f"{figure.title}: {figure.text(values['mean'])}{spread} {figure.unit}, worst {figure.text(values['worst'])}"
        )
        if figure.target is not None:
            said = "met" if figure.met(values["mean"]) else "MISSED"
            sign = ">=" if figure.sign > 0 else "<="
            line += f"; target {sign} {figure.target:g}: {said} on average, by {values['met']} of {values['of']} clips"
        lines.append(line)
    lines.append(f"force closure before the fine stage: {_text(found['closure_before'], 2)}")
    lines.append(f"{DIVERSITY.title}: {DIVERSITY.text(found['diversity_m'])} m")
    lines.append(
        f"carried through by physics ({', '.join(CARRIED)}): {_carried(found['carried'])}, "
        f"target >= {CARRIED_TARGET:.0%}; of the other actions {_text(found['carried_of_others'], 2)}"
    )
    return lines


def _carried(found: dict[str, Any]) -> str:
    if not found["judged"]:
        return "–"  # noqa: RUF001
    return f"{found['whole']} of {found['judged']} ({found['whole'] / found['judged']:.0%})"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"  # noqa: RUF001


def known(values: Iterable[float | None]) -> list[float]:
    """Without None."""
    return [value for value in values if value is not None]


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return float(np.mean(values)) if len(values) else None


def _action(text: str) -> str | None:
    try:
        return GrammarPlanner().plan(text).action
    except PlanError:
        return None


def measured(batch: Batch) -> list[dict[str, Any]]:
    """A row a sentence, of what the batch's folder holds."""
    jobs = list(batch.jobs())
    return [table_row(row, [job for job in jobs if job.prompt == prompt])
            for prompt, row in zip(batch.prompts, batch.rows(), strict=True)]  # fmt: skip


def write_tables(folder: Path) -> str:
    """Gather the ablations that lie in a folder into `table.txt` and `table.json`; returns the text."""
    tables = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/rows.json")}
    tables = dict(sorted(tables.items()))
    summaries = {name: summary(rows) for name, rows in tables.items()}
    parts = [table_text(name, rows) for name, rows in tables.items()]
    parts += [compared_text(summaries)] if len(tables) > 1 else []
    parts += [targets_text(summaries["full"])] if "full" in summaries else []
    text = "\n".join(parts)
    write_text(folder / "table.txt", text)
    write_json(folder / "table.json", {n: {"summary": summaries[n], "rows": tables[n]} for n in tables})
    return text


def main(
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/text_to_motion"),
    prompts: Path = PROMPTS,
    seeds: int = 3,
    judge: int = 0,
    judge_minutes: float = 0.0,
    workers: int = 1,
    without: tuple[Part, ...] = (),
    only: str = "",
) -> None:
    """Make, measure and print.

    Args:
        output: folder of all ablations.
        prompts: a sentence a line.
        seeds: clips a sentence.
        judge: physics judges so many of the seeds.
        judge_minutes: of planning a clip; 0 is unlimited.
        workers: clips that are made at a time.
        without: stages to leave out.
        only: the sentences that have this word.
    """
    chosen = tuple(prompt for prompt in read_prompts(prompts) if only in prompt.text)
    if not chosen:
        raise PlanError(f"no sentence of {prompts} has '{only}'")
    name = "without-" + "-".join(sorted(without)) if without else "full"
    batch = Batch(
        chosen, tuple(range(seeds)), output / name, Command(without=without).settings(),
        JudgeSettings(TrainConfig(), judge_minutes) if judge else None, judge,
    )  # fmt: skip
    total, done = len(list(batch.jobs())), sum(job.is_done for job in batch.jobs())

    def tell(job: Job) -> None:
        nonlocal done
        done += 1
        print(f"{done}/{total} {job.outcome()}", flush=True)

    batch.carry_out(workers=workers, on_job=lambda _: None, on_done=tell)
    write_json(batch.folder / "rows.json", measured(batch))
    batch.write_gallery(f"{prompts.stem}, {name.replace('-', ' ')}")
    print(write_tables(output))


if __name__ == "__main__":
    tyro.cli(main)
