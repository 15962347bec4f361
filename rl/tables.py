"""Figures, artefacts and verdict for the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from rl.artefacts import ARTEFACTS, VERSIONS, is_version
from rl.verdict import Verdict


def figure_table(figures: dict[str, dict[str, Any]]) -> Table:
    """Name, value, unit and explanation of every figure but the artefacts'; a dash where nothing was measured."""
    table = Table("figure", "value", "unit", "what it is", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name, figure in figures.items():
        if not is_version(name, figures):
            table.add_row(name, _number(figure), figure["unit"], figure["explanation"])
    return table


def artefact_table(figures: dict[str, dict[str, Any]]) -> Table:
    """Artefacts of the motion as given, retargeted, and as physics carried it out, a row a figure."""
    table = Table("artefact", *VERSIONS.values(), "unit", box=None, header_style="bold")
    for column in table.columns[1:4]:
        column.justify = "right"
    for name, (unit, _) in ARTEFACTS.items():
        if is_version(name, figures):
            table.add_row(name, *(_number(figures[name + version]) for version in VERSIONS), unit)
    return table


def _number(figure: dict[str, Any]) -> str:
    return "-" if figure["value"] is None else f"{figure['value']:.3g}"


def verdict_text(verdict: Verdict) -> str:
    """Label, score, reasons and the rule."""
    reasons = "".join(f"\n  - {reason}" for reason in verdict.reasons)
    return f"Verdict: {verdict.label} (score {verdict.score:.2f}){reasons}\nRule: {verdict.rule}"
