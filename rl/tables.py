"""Figures and verdict for the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from rl.verdict import Verdict


def figure_table(figures: dict[str, dict[str, Any]]) -> Table:
    """Name, value, unit and explanation of every figure; a dash where there was nothing to measure."""
    table = Table("figure", "value", "unit", "what it is", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for name, figure in figures.items():
        value = "-" if figure["value"] is None else f"{figure['value']:.3g}"
        table.add_row(name, value, figure["unit"], figure["explanation"])
    return table


def verdict_text(verdict: Verdict) -> str:
    """Label, score, reasons and the rule."""
    reasons = "".join(f"\n  - {reason}" for reason in verdict.reasons)
    return f"Verdict: {verdict.label} (score {verdict.score:.2f}){reasons}\nRule: {verdict.rule}"
