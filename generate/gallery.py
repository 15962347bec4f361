"""The gallery of a batch: a page with a row a prompt, its clips with figures, verdicts and links to their replays.

Everything it shows comes as plain rows; nothing is fetched, and links lead to pages beside it.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

from generate.quality import DIVERSITY, FIGURES, Figure
from sim.replay.html import page

_SHOWN = ("contact_ratio", "penetrating_percent", "depth_max_mm", "foot_skate_m_s", "closure", "seconds")
"""Columns of the table; the page's foot explains all figures."""
_WORST = {"depth_max_mm", "floor_depth_mm"}
"""Figures of which a row shows the worst of its clips instead of the mean."""
_VERDICTS = (("physical, not", "fair"), ("physical", "good"), ("partly", "partly"), ("not", "poor"))
"""How a verdict begins -> its tone."""
_SORT = """
for (const head of document.querySelectorAll("table.sortable th[data-sort]")) head.addEventListener("click", () => {
  const table = head.closest("table"), column = [...head.parentNode.children].indexOf(head);
  const value = row => { const v = row.children[column].dataset.value; return v === undefined || v === "" ? NaN : +v; };
  const sign = head.dataset.direction === "1" ? -1 : 1;
  for (const other of head.parentNode.children) delete other.dataset.direction;
  head.dataset.direction = sign;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const x = value(a), y = value(b);
    return isNaN(x) ? 1 : isNaN(y) ? -1 : sign * (x - y);
  });
  table.tBodies[0].append(...rows);
});
"""


@dataclass(frozen=True)
class GalleryVerdict:
    """What physics said: the label, the score, the share of the clip carried through, the page (a relative path)."""

    label: str
    score: float
    completion: float
    report: str | None = None

    @property
    def tone(self) -> str:
        """The colour's name."""
        return next((tone for start, tone in _VERDICTS if self.label.startswith(start)), "none")


@dataclass(frozen=True)
class GalleryClip:
    """One seed of a prompt.

    Attributes:
        figures: by the names of `FIGURES`; empty where there is no clip.
        replay: page, a path below the gallery's folder. film: HTML of a strip of pictures.
        verdict: None without the judge. error: why there is no clip, or no verdict.
    """

    seed: int
    figures: Mapping[str, float | None] = field(default_factory=dict)
    replay: str | None = None
    film: str = ""
    verdict: GalleryVerdict | None = None
    error: str | None = None


@dataclass(frozen=True)
class GalleryRow:
    """A prompt with its clips; diversity in m over its seeds, NaN of fewer than two."""

    text: str
    object_name: str
    clips: tuple[GalleryClip, ...]
    diversity: float = math.nan

    def figure(self, name: str) -> float | None:
        """Mean over the clips, or the worst of them (`_WORST`); None where there is none."""
        return _together(name, (clip.figures.get(name) for clip in self.clips))

    @property
    def completion(self) -> float | None:
        """Mean share carried through by physics, over the clips that have a verdict."""
        return _mean(clip.verdict.completion for clip in self.clips if clip.verdict)


def mean_figures(rows: Sequence[GalleryRow]) -> dict[str, float | None]:
    """Of every figure the mean over all clips, of `depth_max_mm` too."""
    clips = [clip for row in rows for clip in row.clips]
    return {name: _mean(_known(clip.figures.get(name) for clip in clips)) for name in FIGURES}


def gallery_page(title: str, rows: Sequence[GalleryRow], *, notes: Sequence[str] = ()) -> str:
    """The whole page, HTML; `notes` say with what it was made."""
    judged = any(clip.verdict for row in rows for clip in row.clips)
    about = "".join(
        f"<tr><td>{escape(_capital(figure.title))}</td><td>{escape(_explained(figure))}</td></tr>"
        for figure in (*FIGURES.values(), DIVERSITY)
    )
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    parts = [
        _header(title, rows),
        _headline(rows, judged),
        _card("Prompts", _table(rows, judged)),
        _card("How to read it", f'<table class="pairs"><tbody>{about}</tbody></table>'),
        _card("How it was made", f"<ul>{lines}</ul>") if lines else "",
        "<footer>Written by Touchstone. Links lead to pages of this folder; nothing is fetched.</footer>",
        f"<script>{_SORT}</script>",
    ]
    return page(f"Touchstone: {title}", f'<main class="table">{"".join(parts)}</main>')


def _header(title: str, rows: Sequence[GalleryRow]) -> str:
    clips = [clip for row in rows for clip in row.clips]
    failed = sum(not clip.figures for clip in clips)
    facts = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((len(rows), "prompt"), (len(clips), "clip"))]
    facts += [f"{failed} failed"] if failed else []
    return (
        f"<header><h1>{escape(title)}</h1><p>{' · '.join(facts)}</p>"
        '<span class="spacer"></span><button data-part="theme" aria-label="Light or dark">Light / dark</button>'
        "</header>"
    )


def _headline(rows: Sequence[GalleryRow], judged: bool) -> str:
    """Means over the clips beside their targets; of physics, the verdicts."""
    cards = [
        _headline_card(figure.text(value), figure, figure.met(value))
        for name, value in mean_figures(rows).items()
        if (figure := FIGURES[name]).target is not None and value is not None
    ]
    if judged:
        verdicts = [clip.verdict for row in rows for clip in row.clips if clip.verdict]
        carried = sum(verdict.completion >= 1.0 for verdict in verdicts)
        said = ", ".join(f"{n} {label}" for label, n in Counter(v.label for v in verdicts).most_common())
        cards.append(
            f'<div class="card"><b>{carried} of {len(verdicts)}</b><span>carried through<br>{escape(said)}</span></div>'
        )
    return f'<div class="headline">{"".join(cards)}</div>' if cards else ""


def _headline_card(value: str, figure: Figure, met: bool | None) -> str:
    tone = {True: "good", False: "poor", None: "none"}[met]
    return (
        f'<div class="card"><b>{value} <small>{escape(figure.unit)}</small></b><span class="tone {tone}">'
        f"{escape(figure.title)}<br>target {'≥' if figure.sign > 0 else '≤'} {figure.target:g}</span></div>"
    )


def _table(rows: Sequence[GalleryRow], judged: bool) -> str:
    shown = [(name, FIGURES[name]) for name in _SHOWN]
    heads = ["<th>Prompt</th>", "<th></th>"]
    heads += [_head(f"{figure.title}{', worst' if name in _WORST else ''}", figure.unit) for name, figure in shown]
    heads.append(_head(DIVERSITY.title, DIVERSITY.unit))
    heads += [_head("carried through", "%")] if judged else []
    heads.append('<th class="clips">Clips</th>')
    lines = "".join(_row(row, judged, len(shown)) for row in rows)
    return (
        f'<div class="wide gallery"><table class="sortable"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _head(title: str, unit: str) -> str:
    return f'<th data-sort title="sort">{escape(_capital(title))}<br><small>{escape(unit)}</small></th>'


def _row(row: GalleryRow, judged: bool, columns: int) -> str:
    film = next((clip.film for clip in row.clips if clip.film), "")
    cells = [f'<td>{escape(row.text)}<small>{escape(row.object_name)}</small></td><td class="film">{film}</td>']
    if any(clip.figures for clip in row.clips):
        cells += [_cell(row.figure(name), FIGURES[name]) for name in _SHOWN]
        cells.append(_cell(row.diversity, DIVERSITY))
        if judged:
            share = row.completion
            shown = "–" if share is None else f"{100 * share:.0f}"  # noqa: RUF001
            cells.append(f'<td data-value="{"" if share is None else share}">{shown}</td>')
    else:
        errors = dict.fromkeys(clip.error or "not made yet" for clip in row.clips)
        span = columns + 1 + judged
        shown = "<br>".join(f'<span title="{escape(error)}">{escape(shorten(error))}</span>' for error in errors)
        cells.append(f'<td class="error" colspan="{span}">{shown}</td>')
    return f'<tr>{"".join(cells)}<td class="clips">{"".join(map(_clip, row.clips))}</td></tr>'


def shorten(reason: str, most: int = 200) -> str:
    """A reason that lists a whole vocabulary, cut at a word; the page has all of it where the pointer rests."""
    return textwrap.shorten(reason, most, placeholder=" …")


def _cell(value: float | None, figure: Figure) -> str:
    number = "" if value is None or not math.isfinite(value) else f"{value:.6g}"
    kind = {True: ' class="pass"', False: ' class="fail"', None: ""}[figure.met(value)]
    return f'<td{kind} data-value="{number}">{figure.text(value)}</td>'


def _clip(clip: GalleryClip) -> str:
    """A line a seed: replay, verdict, error."""
    parts = [f"seed {clip.seed}"]
    if clip.replay:
        parts[0] = f'<a class="watch" href="{escape(quote(clip.replay))}">▶ seed {clip.seed}</a>'
    if clip.verdict:
        verdict = clip.verdict
        text = f'<span class="tone {verdict.tone}" title="score {verdict.score:.2f}">{escape(verdict.label)}</span>'
        parts.append(f'<a href="{escape(quote(verdict.report))}">{text}</a>' if verdict.report else text)
    if clip.error and clip.figures:
        parts.append(f'<span class="error" title="{escape(clip.error)}">not judged</span>')
    elif clip.error:
        parts.append(f'<span class="error" title="{escape(clip.error)}">failed</span>')
    return f"<div>{'<br>'.join(parts)}</div>"


def _explained(figure: Figure) -> str:
    target = (
        "" if figure.target is None else f"; target {'≥' if figure.sign > 0 else '≤'} {figure.target:g} {figure.unit}"
    )
    return f"{figure.explanation}{f' [{figure.unit}]' if figure.unit else ''}{target.rstrip()}"


def _card(title: str, body: str) -> str:
    return f'<section class="card"><h2>{escape(title)}</h2>{body}</section>'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def _together(name: str, values: Iterable[float | None]) -> float | None:
    known = _known(values)
    worst: Callable[[Iterable[float]], float] = min if FIGURES[name].sign > 0 else max
    return (worst(known) if known else None) if name in _WORST else _mean(known)
