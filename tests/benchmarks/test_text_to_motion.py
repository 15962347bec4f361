"""The table of generated motion: what is averaged, what counts as carried, and that the sentences can be planned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.text_to_motion import (
    CARRIED,
    PROMPTS,
    compared_text,
    summary,
    table_row,
    table_text,
    targets_text,
    write_tables,
)
from cli.batch import Job, JudgeSettings
from generate.clips import ClipFiles, keep_failure
from generate.gallery import GalleryClip, GalleryRow, GalleryVerdict
from generate.planner import GrammarPlanner
from generate.prompts import Prompt, read_prompts
from generate.quality import FIGURES
from sim.errors import PlanError
from sim.files import write_json


def row(text: str, action: str, depths: list[float | None], completion: list[float | None]) -> dict[str, Any]:
    figures: dict[str, list[float | None]] = {name: [None] * len(depths) for name in FIGURES}
    figures |= {"depth_max_mm": depths, "seconds": [None if depth is None else 60.0 for depth in depths]}
    return {
        "text": text, "action": action, "seeds": list(range(len(depths))), "figures": figures,
        "closure_before": [0.9] * len(depths), "duration_s": [4.0] * len(depths), "diversity_m": 0.2,
        "completion": completion, "score": completion, "verdict": [None] * len(depths), "error": [None] * len(depths),
    }  # fmt: skip


ROWS = [
    row("a person lifts the box", "lift", [4.0, 8.0], [1.0, None]),
    row("a person sits on the chair", "sit", [12.0, None], [0.4, 0.0]),
    row("a person kicks the ball", "kick", [6.0, 10.0], [1.0, 1.0]),
]


def test_means_are_over_clips_and_the_spread_over_seeds() -> None:
    """Depths 4, 8, 12, 6, 10: mean 8; seed 0 has 22 / 3, seed 1 has 9, whose deviation is half their distance."""
    depth = summary(ROWS)["figures"]["depth_max_mm"]
    assert depth["mean"] == pytest.approx(8.0)
    assert depth["spread_over_seeds"] == pytest.approx((9.0 - 22.0 / 3.0) / 2)
    assert (depth["worst"], depth["met"], depth["of"]) == (12.0, 4, 5)
    assert (summary(ROWS)["clips"], summary(ROWS)["made"]) == (6, 5)


def test_only_the_five_actions_count_as_carried() -> None:
    """Lift 1.0; sit 0.4 and 0.0: one of three whole. The kicks are apart."""
    found = summary(ROWS)
    assert (found["carried"]["whole"], found["carried"]["judged"]) == (1, 3)
    assert found["carried_of_others"] == 1.0
    assert "1 of 3 (33%)" in table_text("full", ROWS)


def test_nothing_made_is_no_figure() -> None:
    found = summary([row("a person lifts the box", "lift", [None], [None])])
    assert found["figures"]["depth_max_mm"]["mean"] is None
    assert found["carried"]["mean_completion"] is None
    assert "clips made: 0 of 1" in table_text("full", [row("a person lifts the box", "lift", [None], [None])])


def test_a_clip_that_could_not_be_judged_is_not_carried(tmp_path: Path) -> None:
    prompt = Prompt("a person lifts the box")
    files = [ClipFiles(tmp_path / f"seed{seed}") for seed in range(3)]
    keep_failure(files[1], PlanError("cannot"))
    jobs = [Job(prompt, seed, files[seed], JudgeSettings() if seed < 2 else None) for seed in range(3)]
    clips = (
        GalleryClip(0, verdict=GalleryVerdict("physical", 0.8, 1.0)),
        GalleryClip(1, error="cannot"),
        GalleryClip(2),
    )
    found = table_row(GalleryRow(prompt.text, "box", clips), jobs)
    assert found["action"] == "lift"
    assert found["completion"] == [1.0, 0.0, None]
    assert found["error"] == [None, "cannot", None]


def test_ablations_lie_side_by_side(tmp_path: Path) -> None:
    write_json(tmp_path / "full" / "rows.json", ROWS)
    write_json(tmp_path / "without-fine" / "rows.json", ROWS[1:])
    text = write_tables(tmp_path)
    assert text == (tmp_path / "table.txt").read_text(encoding="utf-8")
    compared = compared_text({"full": summary(ROWS), "without-fine": summary(ROWS[1:])})
    assert compared in text
    assert [line.split("|")[1].strip() for line in compared.splitlines()[2:]] == ["full", "without-fine"]


def test_the_thirty_sentences_are_planned_and_balanced() -> None:
    prompts = read_prompts(PROMPTS)
    plans = [GrammarPlanner().plan(prompt.text) for prompt in prompts]
    actions = Counter(plan.action for plan in plans)
    assert len(prompts) == 30
    assert all(actions[action] >= 3 for action in CARRIED)
    assert len(actions) >= 12
    assert len({plan.object_name for plan in plans}) >= 12


def test_the_six_figures_stand_beside_their_targets() -> None:
    text = targets_text(summary(ROWS))
    assert text.count("\n") == 8
    assert "| – / – / 8.0 |" in text  # noqa: RUF001
    assert "1 of 3 (33%)" in text
    assert "60 for 4.0 s" in text
