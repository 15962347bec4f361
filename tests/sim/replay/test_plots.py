"""Plots worked out by hand: where lines, levels and bars lie in the drawing."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

from sim.replay.plots import Dot, Series, _number, _ticks, dot_plot, interval_strip, line_plot


def path_points(svg: str) -> list[list[tuple[float, float]]]:
    """Strokes of the first line: a list of points each."""
    data = re.search(r'class="line [^"]*" d="([^"]*)"', svg)
    assert data
    strokes = [s for s in data[1].split("M") if s]
    return [[tuple(map(float, point.split())) for point in stroke.split("L")] for stroke in strokes]


def test_a_line_spans_the_axes() -> None:
    svg = line_plot("t", np.array([0.0, 1.0, 2.0]), [Series("a", np.array([0.0, 5.0, 10.0]))], y_max=10.0)
    assert path_points(svg) == [[(46.0, 190.0), (297.0, 101.0), (548.0, 12.0)]]


def test_missing_values_leave_a_gap() -> None:
    y = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    svg = line_plot("t", np.arange(5.0), [Series("a", y)], clock=True)
    assert [len(stroke) for stroke in path_points(svg)] == [2, 2]
    values = re.search(r'data-values="([^"]*)"', svg)
    assert values
    assert json.loads(unescape(values[1])) == [[1.0, 2.0, None, 3.0, 4.0]]


def test_nothing_but_missing_values_still_draws_axes() -> None:
    svg = line_plot("t", np.arange(3.0), [Series("a", np.full(3, np.nan))], limits={"limit": 2.0})
    assert 'd=""' in svg
    assert "limit" in svg


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 10, 4, [0, 5, 10]),
        (0, 4.3, 6, [0, 1, 2, 3, 4]),
        (0, 2e6, 6, [0, 5e5, 1e6, 1.5e6, 2e6]),
        (-1, 1, 4, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round(low: float, high: float, about: int, expected: list[float]) -> None:
    np.testing.assert_allclose(_ticks(low, high, about), expected, atol=1e-9)


def test_numbers_are_short() -> None:
    assert [_number(v) for v in (0.0, 0.25, 1500.0, 2e6, -3.0)] == ["0", "0.25", "1.5k", "2M", "-3"]


def test_bars_cover_their_frames() -> None:
    active = np.array([0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0], bool)
    svg = interval_strip("t", 1.0, {"left hand": {"reference": active}})
    bars = re.findall(r'class="bar reference" x="([\d.]+)" width="([\d.]+)"', svg)
    scale = (548 - 110) / 10  # one bar covers half a frame to either side
    assert [(float(x), float(w)) for x, w in bars] == [
        (pytest.approx(110 + 0.5 * scale, abs=0.1), pytest.approx(2 * scale, abs=0.1)),
        (pytest.approx(110 + 7.5 * scale, abs=0.1), pytest.approx(scale, abs=0.1)),
    ]


def test_text_is_escaped() -> None:
    evil = "<script>"
    svg = line_plot(evil, np.arange(2.0), [Series(evil, np.zeros(2), evil)], unit=evil, limits={evil: 1.0}, clock=True)
    assert evil not in svg + interval_strip(evil, 1.0, {evil: {evil: np.ones(2, bool)}}, legend={evil: evil})


def test_dots_and_whiskers_lie_on_their_axis() -> None:
    rows = {"push": {"simulation": Dot(50.0, 25.0, (25.0, None, 75.0))}, "lift": {"simulation": Dot(None)}}
    svg = dot_plot("t", rows, x_max=100.0)
    left, right = 112.0, 386.0
    assert re.findall(r'class="dot simulation" cx="([^"]*)"', svg) == [f"{(left + right) / 2:.1f}"]
    quarters = [f"{left + share * (right - left):.1f}" for share in (0.25, 0.75)]
    assert re.findall(r'class="seed simulation" cx="([^"]*)"', svg) == quarters
    assert re.findall(r'class="line simulation" x1="([^"]*)" x2="([^"]*)"', svg) == [tuple(quarters)]
    assert ">lift</text>" in svg  # its row is there, empty


def test_a_dot_plot_of_nothing_still_draws() -> None:
    assert "<svg" in dot_plot("t", {"<b>": {"simulation": Dot(None)}})
    assert "<b></text>" not in dot_plot("t", {"<b>": {}})
