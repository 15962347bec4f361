"""Line plots, interval strips and dot plots as inline SVG, without a plotting library; colours are in the page's style.

A plot over the motion's time carries `data-clock`, and the page's script moves its cursor and lets a click seek.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 560.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 548.0, 12.0, 190.0
_MAX_POINTS = 1200


@dataclass(frozen=True)
class Series:
    """One line. y [n], NaN where there is no value; tone: style class (`reference`, `simulation`, `third`, ...)."""

    label: str
    y: np.ndarray
    tone: str = "simulation"


@dataclass(frozen=True)
class Dot:
    """One dot with its whiskers: mean +- spread over repetitions, and each repetition's value. None: not measured."""

    mean: float | None
    spread: float | None = None
    values: Sequence[float | None] = ()


def line_plot(
    title: str,
    x: np.ndarray,
    series: Sequence[Series],
    *,
    unit: str = "",
    x_label: str = "s",
    x_title: str = "",
    clock: bool = False,
    limits: Mapping[str, float] | None = None,
    y_max: float | None = None,
) -> str:
    """A titled plot with a legend, as an HTML figure.

    Args:
        x: [n], increasing. With `clock` these are the seconds of every frame of the motion.
        x_label: unit after each number on the x axis; x_title: its name.
        limits: label -> value, drawn as dashed levels (thresholds).
        y_max: fixed top of the y axis, such as 1 for a share.
    """
    x = np.asarray(x, np.float64)
    lines = [Series(s.label, np.asarray(s.y, np.float64), s.tone) for s in series]
    limits = dict(limits or {})
    low, high = _range([s.y for s in lines], list(limits.values()))
    high = high if y_max is None else y_max
    x0, x1 = float(x[0]), float(max(x[-1], x[0] + 1e-9))

    def px(values: np.ndarray) -> np.ndarray:
        return _LEFT + (values - x0) / (x1 - x0) * (_RIGHT - _LEFT)

    def py(values: np.ndarray) -> np.ndarray:
        return _BOTTOM - (values - low) / (high - low) * (_BOTTOM - _TOP)

    parts = [_grid(x0, x1, low, high, x_label)]
    for label, value in limits.items():
        y = float(py(np.array(value)))
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="limit" x="{_RIGHT - 4}" y="{y - 4:.1f}" text-anchor="end">{escape(label)}</text>')
    parts += [f'<path class="line {escape(s.tone)}" d="{_path(px(x), py(s.y))}"/>' for s in lines]
    if x_title:
        parts.append(f'<text x="{_RIGHT}" y="{_BOTTOM - 7}" text-anchor="end">{escape(x_title)}</text>')
    values = [[None if not np.isfinite(v) else _rounded(v) for v in s.y] for s in lines]
    legend = "".join(
        f'<span class="key {escape(s.tone)}">{escape(s.label)}'
        + (f" <output data-readout></output> {escape(unit)}" if clock else "")
        + "</span>"
        for s in lines
    )
    heading = f"{escape(title)}{f' <small>{escape(unit)}</small>' if unit else ''}"
    return _figure(heading, legend, "".join(parts), HEIGHT, _BOTTOM, clock, values)


def interval_strip(
    title: str,
    duration: float,
    rows: Mapping[str, Mapping[str, np.ndarray]],
    *,
    legend: Mapping[str, str] | None = None,
) -> str:
    """When something holds: one row a name, one bar a tone.

    Args:
        duration: s. rows: name -> tone -> [T] bool. legend: tone -> label.
    """
    step = 26.0
    bottom = _TOP + step * len(rows)
    left = 110.0
    parts = [_time_axis(0.0, duration, left, bottom)]
    for i, (name, tones) in enumerate(rows.items()):
        top = _TOP + step * i
        parts.append(f'<text x="{left - 8}" y="{top + 16:.1f}" text-anchor="end">{escape(name)}</text>')
        bar = (step - 8) / max(len(tones), 1)
        for k, (tone, active) in enumerate(tones.items()):
            scale = (_RIGHT - left) / max(len(active) - 1, 1)
            for first, last in _intervals(active):
                a, b = max(left, left + (first - 0.5) * scale), min(_RIGHT, left + (last + 0.5) * scale)
                parts.append(
                    f'<rect class="bar {escape(tone)}" x="{a:.1f}" width="{b - a:.1f}" '
                    f'y="{top + 3 + k * bar:.1f}" height="{bar - 1:.1f}" rx="1.5"/>'
                )
    keys = "".join(f'<span class="key {escape(tone)}">{escape(label)}</span>' for tone, label in (legend or {}).items())
    return _figure(escape(title), keys, "".join(parts), bottom + 30, bottom, True, [], left)


def dot_plot(
    title: str,
    rows: Mapping[str, Mapping[str, Dot]],
    *,
    unit: str = "",
    legend: Mapping[str, str] | None = None,
    limits: Mapping[str, float] | None = None,
    x_max: float | None = None,
) -> str:
    """Means with whiskers, a row a name, a dot a tone; narrow, so that three stand side by side.

    Args:
        rows: name -> tone -> dot. legend: tone -> label.
        limits: label -> value, drawn as dashed levels.
        x_max: fixed right end of the axis, such as 100 for per cent.
    """
    width, left, right, step = 400.0, 112.0, 386.0, 26.0
    bottom = _TOP + step * len(rows)
    dots = [dot for tones in rows.values() for dot in tones.values()]
    ends = [d.mean + (d.spread or 0.0) for d in dots if d.mean is not None]
    values = np.array([*ends, *(v for d in dots for v in d.values if v is not None), *(limits or {}).values()])
    _, high = _range([values], [])
    high = high if x_max is None else x_max

    def px(value: float) -> float:
        return left + min(max(value / high, 0.0), 1.0) * (right - left)

    parts = []
    for tick in _ticks(0.0, high, 4):
        x = px(float(tick))
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{_number(float(tick))}</text>')
    for label, value in (limits or {}).items():
        x = px(value)
        parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom:.1f}"/>')
        parts.append(f'<text class="limit" x="{x - 4:.1f}" y="{_TOP - 2:.1f}" text-anchor="end">{escape(label)}</text>')
    for i, (name, tones) in enumerate(rows.items()):
        top = _TOP + step * i
        parts.append(f'<text x="{left - 10}" y="{top + step / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        lane = (step - 6) / max(len(tones), 1)
        for k, (tone, dot) in enumerate(tones.items()):
            parts.append(_dot(dot, tone, px, top + 3 + (k + 0.5) * lane))
    keys = "".join(f'<span class="key {escape(tone)}">{escape(label)}</span>' for tone, label in (legend or {}).items())
    heading = f"{escape(title)}{f' <small>{escape(unit)}</small>' if unit else ''}"
    return _figure(heading, keys, "".join(parts), bottom + 24, bottom, False, [], width=width)


def _dot(dot: Dot, tone: str, px: Callable[[float], float], y: float) -> str:
    if dot.mean is None:
        return ""
    x, kind = px(dot.mean), escape(tone)
    marks = [
        f'<circle class="seed {kind}" cx="{px(v):.1f}" cy="{y:.1f}" r="1.8"/>' for v in dot.values if v is not None
    ]
    if dot.spread is not None:
        a, b = px(dot.mean - dot.spread), px(dot.mean + dot.spread)
        marks.append(f'<line class="line {kind}" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return "".join(marks) + f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>'


def _figure(
    heading: str,
    legend: str,
    drawing: str,
    height: float,
    bottom: float,
    clock: bool,
    values: list[list[float | None]],
    left: float = _LEFT,
    width: float = WIDTH,
) -> str:
    data = cursor = ""
    if clock:
        data = f' data-clock data-left="{left}" data-right="{_RIGHT}" data-values="{escape(json.dumps(values))}"'
        cursor = f'<g class="cursor"><line x1="0" x2="0" y1="{_TOP - 6}" y2="{bottom}"/></g>'
    return (
        f'<figure class="plot"><figcaption><b>{heading}</b><span class="legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img"{data}>{drawing}{cursor}</svg></figure>'
    )


def _range(lines: list[np.ndarray], levels: list[float]) -> tuple[float, float]:
    finite = np.concatenate([*(y[np.isfinite(y)] for y in lines), np.asarray(levels, np.float64), [0.0]])
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * (high - low) or 1.0
    return (low - margin if low < 0 else 0.0), high + margin


def _ticks(low: float, high: float, about: int) -> np.ndarray:
    """Round numbers (1, 2 or 5 times a power of ten) inside [low, high]."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * min((m for m in (1, 2, 5, 10) if m * power >= raw), default=10)
    ticks: np.ndarray = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return ticks


def _number(value: float) -> str:
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}") if abs(value) < 100 else float(round(value))


def _grid(x0: float, x1: float, low: float, high: float, x_label: str) -> str:
    rows = []
    for tick in _ticks(low, high, 4):
        y = _BOTTOM - (tick - low) / (high - low) * (_BOTTOM - _TOP)
        rows.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        rows.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(float(tick))}</text>')
    return "".join(rows) + _time_axis(x0, x1, _LEFT, _BOTTOM, x_label)


def _time_axis(x0: float, x1: float, left: float, bottom: float, unit: str = "s") -> str:
    rows = [f'<line class="axis" x1="{left}" x2="{_RIGHT}" y1="{bottom}" y2="{bottom}"/>']
    for tick in _ticks(x0, x1, 6):
        x = left + (tick - x0) / (x1 - x0) * (_RIGHT - left)
        anchor = "end" if x > _RIGHT - 12 else "middle"
        rows.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        rows.append(
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="{anchor}">{_number(float(tick))} {escape(unit)}</text>'
        )
    return "".join(rows)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Path data; a gap where y is not finite; long lines are thinned out evenly."""
    stride = -(-len(x) // _MAX_POINTS)
    finite = np.isfinite(y[::stride])
    commands = np.where(finite & ~np.concatenate(([False], finite[:-1])), "M", "L")
    rows = zip(commands, x[::stride], y[::stride], finite, strict=True)
    return "".join(f"{c}{a:.1f} {b:.1f}" for c, a, b, ok in rows if ok)


def _intervals(active: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(active, np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
