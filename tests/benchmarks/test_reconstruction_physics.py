"""The benchmark of physics on reconstructed clips: its table, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reconstruction_physics import FIGURES, judged, main, table
from rl.config import TrainConfig
from sim.errors import UnknownNameError
from sim.motion import Motion


def figure(value: float | None) -> dict[str, Any]:
    return {"value": value, "unit": "mm", "explanation": ""}


def test_artefacts_are_shown_before_and_after_and_what_is_not_known_is_a_dash() -> None:
    figures = {"completion": figure(0.5), "float_given": figure(40.04), "float": figure(None), "jerk": figure(129.4)}
    head, rule, row = table({"a clip": figures}).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert head.count("|") == rule.count("|") == row.count("|") == len(FIGURES) + 2
    assert cells[0] == "a clip"
    found = dict(zip(FIGURES, cells[1:], strict=True))
    assert (found["completion"], found["float"], found["jerk"], found["mpjpe"]) == ("0.5", "40 -> -", "129", "-")


def test_what_is_judged_is_not_judged_again(tmp_path: Path, push_clip: Motion) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps({"figures": {"mpjpe": figure(3.0)}}))
    assert judged(push_clip, tmp_path, TrainConfig()) == {"mpjpe": figure(3.0)}
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_unknown_names_are_refused_before_anything_runs(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="sub2_woodchair_006"):
        main(tmp_path / "out", clips=("sub2_woodchair_06",))
    with pytest.raises(UnknownNameError, match="rough body"):
        main(tmp_path / "out", setting="rough bodies")
    assert not (tmp_path / "out").exists()
