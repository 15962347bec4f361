"""Tables for the terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType

from rl.tables import artefact_table, figure_table


def shown(table: RenderableType, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def figure(value: float | None) -> dict[str, Any]:
    return {"value": value, "unit": "mm", "explanation": "of something"}


FIGURES = {
    "mpjpe": figure(31.26),
    "contact_recall": figure(None),
    **{"float" + version: figure(value) for version, value in (("_given", 40.3), ("_reference", 38.0), ("", None))},
}


def test_a_figure_has_a_line_and_artefacts_have_their_own_table() -> None:
    lines = shown(figure_table(FIGURES))
    assert len(lines) == 3
    assert lines[1].split() == ["mpjpe", "31.3", "mm", "of", "something"]
    assert lines[2].split()[:2] == ["contact_recall", "-"]


def test_artefacts_stand_in_the_order_in_which_one_motion_is_made_of_the_other() -> None:
    heading, line = shown(artefact_table(FIGURES))
    assert heading.index("as given") < heading.index("retargeted") < heading.index("simulation")
    assert line.split() == ["float", "40.3", "38", "-", "mm"]
    assert len(shown(artefact_table({"mpjpe": figure(1.0)}))) == 1
