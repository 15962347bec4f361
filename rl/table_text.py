"""The experiment's table in words: Markdown, and the wording that the page shares."""

from __future__ import annotations

from collections.abc import Sequence

from rl.table import COLUMNS, KEYS, PUBLISHED, PUBLISHED_SOURCE, TOTAL, Row, Stat, Table
from sim.retarget import CONTROL_HZ

NONE = "\u2013"
"""A dash, for what was not measured."""


def number(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """A number with its digits, a dash for none."""
    return NONE if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def with_spread(stat: Stat, digits: int = 1) -> str:
    """Mean ± deviation over seeds; the mean alone where one seed says nothing of the spread."""
    return number(stat.mean, digits) + ("" if stat.spread is None else f" ± {number(stat.spread, digits)}")


def coverage(row: Row) -> str:
    """How many clips x seeds a row stands on, and what is not among them."""
    missing = f", {row.missing} missing" if row.missing else ""
    failed = f", {row.failed} failed" if row.failed else ""
    return f"{row.evaluated + row.failed} of {row.expected}{missing}{failed}"


def basis(table: Table) -> str:
    """What the figures are, in words."""
    seeds = ", ".join(map(str, table.seeds))
    count, rate = len(table.clips), f"{CONTROL_HZ:g}"
    spread = "mean ± standard deviation (n - 1) over the seeds" if len(table.seeds) > 1 else "one seed: no spread"
    return (
        f"{count} clips in {len(table.groups)} groups, seeds {seeds}. Every figure is averaged over the clips for each "
        f"seed, then over the seeds ({spread}). Errors are over the frames that were lived, so read them beside "
        "completion; a clip that failed at once counts as completion 0 and has no errors. Clips run at "
        f"{rate} Hz whatever their source had, and jitter is per frame at that rate."
    )


def markdown_of(table: Table) -> str:
    """The table as Markdown."""
    head = [f"{c.title} [{c.unit}]" if c.unit else c.title for c in COLUMNS]
    total = [[row.setting, *_cells(row), coverage(row)] for row in table.rows if row.group == TOTAL]
    published = [
        [f"{setting}, published", *(number(values.get(key), 2) for key in KEYS), "80 other clips"]
        for setting, values in PUBLISHED.items()
    ]
    groups = [
        [group, row.setting, *_cells(row), coverage(row)]
        for group in table.groups
        for row in table.rows
        if row.group == group
    ]
    parts = [
        f"# {table.name}: rewards, groups, seeds",
        basis(table),
        "## In total",
        markdown_table(["reward", *head, "clips x seeds"], total + published),
        PUBLISHED_SOURCE,
        "## What each reward adds",
        "Over the clips and seeds that have the figure under both rewards. Spread: the greater deviation over seeds.",
        _markdown_steps(table),
        "## By group",
        markdown_table(["group", "reward", *head, "clips x seeds"], groups),
        "## Columns",
        "\n".join(f"- {c.title}: {c.explanation}" for c in COLUMNS),
    ]
    lines = left_out(table)
    if lines:
        parts += ["## Failed and missing", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table; the first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, rule, *rows))


def _cells(row: Row) -> list[str]:
    return [with_spread(row.stats[c.key], c.digits) for c in COLUMNS]


def _markdown_steps(table: Table) -> str:
    columns = {c.key: c for c in COLUMNS}
    rows = []
    for step in (*table.steps(), *table.steps(completed_only=True)):
        column = columns[step.key]
        over = "carried through under both" if step.completed_only else "all"
        change, spread = number(step.change, column.digits, sign=True), number(step.spread, column.digits)
        label = f"{column.title} [{column.unit}]"
        rows.append(
            [f"{step.before} → {step.after}", over, label, change, spread, step.outcome or NONE, str(step.pairs)]
        )
    return markdown_table(["step", "over", "figure", "change", "spread", "outcome", "clips x seeds"], rows)


def left_out(table: Table) -> list[str]:
    """One line for every setting, group and seed with failed or missing clips."""
    cells: dict[str, list[str]] = {}
    for at, reason in table.reasons.items():
        clip = table.clips[at[2]]
        where = f"{table.settings[at[0]]} / {clip.group} / seed {table.seeds[at[1]]}: {reason}"
        cells.setdefault(where, []).append(clip.name)
    return [f"{where} ({len(names)}): {', '.join(names)}" for where, names in cells.items()]
