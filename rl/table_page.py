"""The experiment's table as a page that opens offline, and the three files of `touchstone report --manifest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from rl.record import read_record
from rl.report import card, plot_grid, stage_of, write_report
from rl.table import (
    COLUMNS,
    COMPARED,
    EVALUATED,
    FAILED,
    KEYS,
    PUBLISHED,
    PUBLISHED_SOURCE,
    STATES,
    TOTAL,
    Column,
    Row,
    Stat,
    Table,
    nanmean,
    read_table,
)
from rl.table_text import NONE, basis, coverage, left_out, markdown_of, number
from sim.files import write_json, write_text
from sim.replay.html import page, replay_element
from sim.replay.plots import Dot, dot_plot

_TONES = ("reference", "third", "simulation", "fourth")
"""Of the settings, in order; the last of the three is the one that the page is about."""
_PLOTTED = ("completion", "mpjpe", "contact_distance", "object_position_error", "jitter", "jerk")
_HEADLINE = ("completion", "success", "mpjpe", "contact_distance", "object_position_error", "jitter")
_VERDICTS = (("physical, not", "fair"), ("physical", "good"), ("partly", "partly"), ("not", "poor"))
"""How a verdict begins -> the tone of its bar."""
_KEYS = (("good", "physical"), ("fair", "not robust"), ("partly", "partly"), ("poor", "not shown to be"))


def write_table(folder: Path, *, pages: bool = True) -> tuple[Path, Path, Path]:
    """Write `table.md`, `table.json` and `table.html` into a manifest run folder and return their paths.

    Args:
        pages: also write the `report.html`, with the replay, of one clip a group where it is missing or out of date.

    Raises:
        RunError: the folder is none of a manifest, or there is not one evaluation in it.
    """
    table = read_table(folder)
    shown = _examples(table, folder)
    for run in shown.values() if pages else ():
        report, evaluation = run / "report.html", run / "evaluation.json"
        if not report.exists() or report.stat().st_mtime < evaluation.stat().st_mtime:
            write_report(run)
    markdown, record, html = (folder / f"table.{suffix}" for suffix in ("md", "json", "html"))
    text, content, body = markdown_of(table), table.to_json(), table_body(table, folder, shown)
    write_text(markdown, text)
    write_json(record, content)
    write_text(html, page(f"Touchstone: {table.name}", body))
    return markdown, record, html


def table_body(table: Table, folder: Path, shown: dict[str, Path]) -> str:
    """The page's content, HTML. shown: group -> the clip's run folder that stands for it."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in left_out(table))
    columns = "".join(f"<tr><td>{escape(_label(c))}</td><td>{escape(c.explanation)}</td></tr>" for c in COLUMNS)
    about = f'<p>{escape(basis(table))}</p><table class="pairs"><tbody>{columns}</tbody></table>'
    parts = [
        _header(table, folder),
        _headline(table),
        card("In total", _total(table) + f'<p class="soft note">{escape(PUBLISHED_SOURCE)}</p>'),
        card("What each reward adds", _steps(table)),
        plot_grid([_plot(table, column) for key in _PLOTTED for column in COLUMNS if column.key == key]),
        _replay(table, shown),
        _groups(table, folder, shown),
        card("Failed and missing", f"<ul>{lines}</ul>", "missing") if lines else "",
        card("How to read it", about),
        "<footer>Written by Touchstone. Links lead to pages of this folder; nothing is fetched.</footer>",
    ]
    return f'<main class="table">{"".join(parts)}</main>'


def _examples(table: Table, folder: Path) -> dict[str, Path]:
    """Group -> run folder of the clip of middling completion, of the last setting that has one with a simulation."""
    found: dict[str, Path] = {}
    k = KEYS.index("completion")
    for group in table.groups:
        members = np.flatnonzero(table.members(group)).tolist()
        for s in reversed(range(len(table.settings))):
            at = [(s, i, c) for i in range(len(table.seeds)) for c in members]
            at = [a for a in at if (folder / table.folder(*a) / "simulation.npz").is_file()]
            if at:
                at.sort(key=lambda a: (table.values[(*a, k)], a))
                found[group] = folder / table.folder(*at[len(at) // 2])
                break
    return found


def _header(table: Table, folder: Path) -> str:
    facts = [
        folder.resolve().name,
        f"{len(table.clips)} clips in {len(table.groups)} groups",
        f"{len(table.settings)} reward{'s' if len(table.settings) != 1 else ''}",
        f"{len(table.seeds)} seed{'s' if len(table.seeds) != 1 else ''}",
    ]
    missing = sum(table.row(setting).missing for setting in table.settings)
    if missing:  # the headline figures below leave them out
        facts.append(f"{missing} missing")
    return (
        f"<header><h1>{escape(table.name)}: rewards, groups, seeds</h1><p>{escape(' · '.join(facts))}</p>"
        '<span class="spacer"></span><button data-part="theme" aria-label="Light or dark">Light / dark</button>'
        "</header>"
    )


def _headline(table: Table) -> str:
    """The last setting's figures, each beside the first one's."""
    last, first = table.row(table.settings[-1]), table.row(table.settings[0])
    cards = []
    for column in (c for key in _HEADLINE for c in COLUMNS if c.key == key):
        was = number(first.stats[column.key].mean, column.digits)
        before = f"<br>{escape(first.setting)}: {was}" if len(table.settings) > 1 else ""
        cards.append(
            f'<div class="card"><b>{_figure(last.stats[column.key], column)}</b>'
            f"<span>{escape(_label(column))}<br>{escape(last.setting)}{before}</span></div>"
        )
    return f'<div class="headline">{"".join(cards)}</div>'


def _total(table: Table) -> str:
    rows = [row for row in table.rows if row.group == TOTAL]
    body = _rows(rows) + "".join(
        f'<tr class="published"><td>{escape(setting)} <small>published</small></td>'
        + "".join(f"<td>{number(values.get(key), 2)}</td>" for key in KEYS)
        + "<td>80 other clips</td></tr>"
        for setting, values in PUBLISHED.items()
    )
    return _all_columns(body)


def _rows(rows: Sequence[Row]) -> str:
    """Table rows of settings; the best mean of a column is bold."""
    best = {c.key: _best([r.stats[c.key].mean for r in rows], c.better) for c in COLUMNS}
    lines = []
    for row in rows:
        cells = "".join(
            f"<td{' class=best' if row.stats[c.key].mean is not None and row.stats[c.key].mean == best[c.key] else ''}>"
            f"{_figure(row.stats[c.key], c)}</td>"
            for c in COLUMNS
        )
        lines.append(f"<tr><td>{escape(row.setting)}</td>{cells}<td>{escape(coverage(row))}</td></tr>")
    return "".join(lines)


def _best(means: Sequence[float | None], better: int) -> float | None:
    known = [m for m in means if m is not None]
    if len(set(known)) < 2:
        return None
    return max(known) if better > 0 else min(known)


def _all_columns(rows: str) -> str:
    """A table of every column around rows that begin with the reward."""
    head = "".join(_head(c.title, c.unit) for c in COLUMNS)
    return _wide(f"<th>Reward</th>{head}<th>Clips x seeds</th>", rows, "every")


def _wide(head: str, rows: str, kind: str = "") -> str:
    """A table that scrolls sideways under its first column."""
    return f'<div class="wide {kind}"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _head(title: str, small: str) -> str:
    return f"<th>{escape(_capital(title))}<br><small>{escape(small)}</small></th>"


def _steps(table: Table) -> str:
    if len(table.settings) < 2:
        return f'<p class="soft">One reward only: {escape(table.settings[0])}.</p>'
    columns = [c for key in COMPARED for c in COLUMNS if c.key == key]
    head = "".join(_head(c.title, c.unit) for c in columns)
    rows = []
    for completed_only in (False, True):
        steps = {(s.before, s.after, s.key): s for s in table.steps(completed_only=completed_only)}
        for before, after in zip(table.settings, table.settings[1:], strict=False):
            cells = []
            for column in columns:
                step = steps.get((before, after, column.key))
                kind = {"better": "pass", "worse": "fail"}.get((step.outcome if step else None) or "", "soft")
                change = number(step.change if step else None, column.digits, sign=True)
                spread = "" if step is None or step.spread is None else f"spread {number(step.spread, column.digits)}, "
                small = "" if step is None else f"<br><small>{spread}{step.pairs} pairs</small>"
                cells.append(f'<td class="{kind}">{change}{small}</td>')
            over = "carried through under both" if completed_only else "all that both have"
            name = f"{escape(before)} → {escape(after)}<br><small>{over}</small>"
            rows.append(f"<tr><td>{name}</td>{''.join(cells)}</tr>")
    note = (
        "Over the same clips and seeds under both rewards. Green or red: better or worse by more than the spread, the "
        "greater deviation over the seeds of the two. Errors are over lived frames; the lower rows leave out what "
        "either did not carry through."
    )
    return _wide(f"<th>Step</th>{head}", "".join(rows)) + f'<p class="soft note">{note}</p>'


def _plot(table: Table, column: Column) -> str:
    tones = dict(zip(table.settings, _TONES, strict=False))
    rows = {}
    for group in table.groups:
        stats = {tone: table.row(setting, group).stats[column.key] for setting, tone in tones.items()}
        rows[group.replace("_", " ")] = {tone: Dot(s.mean, s.spread, s.per_seed) for tone, s in stats.items()}
    return dot_plot(
        _capital(column.title),
        rows,
        unit=column.unit,
        legend={tone: setting for setting, tone in tones.items()},
        x_max=100.0 if column.unit == "%" else None,
    )


def _replay(table: Table, shown: dict[str, Path]) -> str:
    """The replay of the group that is carried through best; the others are a link away."""
    for group in sorted(shown, key=lambda g: -(table.row(table.settings[-1], g).stats["score"].mean or 0.0)):
        record = read_record(shown[group])
        stage = stage_of(record)
        if stage is not None:
            setting, _, seed, _, clip = shown[group].parts[-5:]
            text = f"{clip}, {group.replace('_', ' ')}, {setting}, {seed.replace('seed', 'seed ')}"
            return f'<div class="shown"><h2>Replay <small>{escape(text)}</small></h2>{replay_element(stage)}</div>'
    return ""


def _groups(table: Table, folder: Path, shown: dict[str, Path]) -> str:
    keys = "".join(f'<span class="tone {tone}">{label}</span>' for tone, label in _KEYS)
    parts = [_group(table, folder, group, shown.get(group)) for group in table.groups]
    return card("Groups and clips", f'<p class="legend">Bars: completion; verdict {keys}</p>{"".join(parts)}', "groups")


def _group(table: Table, folder: Path, group: str, example: Path | None) -> str:
    last = table.row(table.settings[-1], group)
    members = np.flatnonzero(table.members(group))
    completion = last.stats["completion"].mean
    facts = [
        (c.title, f"{number(last.stats[c.key].mean, c.digits)} {c.unit}")
        for c in COLUMNS
        if c.key in ("mpjpe", "contact_distance", "object_position_error")
    ]
    said = "".join(f"<span><small>{escape(name)}</small> {escape(value)}</span>" for name, value in facts)
    link = ""
    if example is not None and (example / "report.html").is_file():
        link = f'<a class="watch" href="{_href(example / "report.html", folder)}">▶ replay</a>'
    head = (
        f"<summary><b>{escape(group.replace('_', ' '))}</b><span class=count>{len(members)} clips</span>"
        f"{_bar(completion, 'simulation', f'{number(completion, 0)} %')}{said}{link}</summary>"
    )
    rows = [row for row in table.rows if row.group == group]
    return f"<details>{head}{_all_columns(_rows(rows))}{_clips(table, folder, members)}</details>"


def _clips(table: Table, folder: Path, members: np.ndarray) -> str:
    """A row a clip: under every reward one bar a seed, which leads to the clip's page."""
    head = "".join(f"<th>{escape(setting)}</th>" for setting in table.settings)
    rows = []
    errors = nanmean(table.values[-1], axis=0)
    for c in members:
        cells = []
        for s in range(len(table.settings)):
            bars = "".join(_run(table, folder, (s, i, int(c))) for i in range(len(table.seeds)))
            cells.append(f"<td>{bars}</td>")
        worth = [f"<td>{number(_known(errors[c, KEYS.index(k)]), 0)}</td>" for k in ("mpjpe", "contact_distance")]
        verdicts = Counter(v for (s, _, k), v in table.verdicts.items() if k == c and s == len(table.settings) - 1)
        label = "; ".join(f"{n} x {v}" if len(verdicts) > 1 else v for v, n in verdicts.most_common()) or NONE
        name = escape(table.clips[c].name)
        rows.append(f"<tr><td>{name}</td>{''.join(cells)}{''.join(worth)}<td>{escape(label)}</td></tr>")
    last = table.settings[-1]
    head += _head("MPJPE", f"mm, {last}") + _head("contact", f"mm, {last}") + _head("verdict", last)
    return _wide(f"<th>Clip</th>{head}", "".join(rows), "clips")


def _run(table: Table, folder: Path, at: tuple[int, int, int]) -> str:
    state = STATES[table.states[at]]
    if state != EVALUATED:
        kind, text = ("poor", "failed") if state == FAILED else ("none", "missing")
        return _bar(0.0, kind, text, title=f"seed {table.seeds[at[1]]}: {table.reasons[at]}")
    value, verdict = _known(table.values[(*at, KEYS.index("completion"))]), table.verdicts[at]
    tone = next((tone for start, tone in _VERDICTS if verdict.startswith(start)), "none")
    bar = _bar(value, tone, f"{number(value, 0)} %", title=f"seed {table.seeds[at[1]]}: {verdict}")
    report = folder / table.folder(*at) / "report.html"
    return f'<a href="{_href(report, folder)}">{bar}</a>' if report.is_file() else bar


def _bar(percent: float | None, tone: str, text: str, *, title: str = "") -> str:
    hint = f' title="{escape(title)}"' if title else ""
    fill = f'<i style="width:{percent or 0.0:.1f}%"></i>'
    return f'<span class="share tone {tone}"{hint}>{fill}<em>{escape(text)}</em></span>'


def _figure(stat: Stat, column: Column) -> str:
    spread = "" if stat.spread is None else f"<small>± {number(stat.spread, column.digits)}</small>"
    return number(stat.mean, column.digits) + spread


def _label(column: Column) -> str:
    return f"{_capital(column.title)} [{column.unit}]" if column.unit else _capital(column.title)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _href(path: Path, folder: Path) -> str:
    """A relative link, escaped for URL and HTML."""
    return escape(quote(path.relative_to(folder).as_posix()))
