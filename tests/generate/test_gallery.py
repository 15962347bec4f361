"""The gallery page: figures, targets, verdicts and errors of a row, and that nothing leaves the page."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest

from generate.authored import author_box_push
from generate.filmstrip import filmstrip
from generate.gallery import GalleryClip, GalleryRow, GalleryVerdict, gallery_page, mean_figures, shorten

GOOD = {"contact_ratio": 0.97, "penetrating_percent": 0.1, "depth_max_mm": 6.0, "closure": None, "seconds": 61.0}
POOR = {"contact_ratio": 0.91, "penetrating_percent": 0.7, "depth_max_mm": 13.0, "closure": None, "seconds": 81.0}
JUDGED = GalleryVerdict("physical, not robust", 0.71, 1.0, "lift/seed 0/run/report.html")
ROWS = (
    GalleryRow(
        "a person lifts the chair", "chair",
        (GalleryClip(0, GOOD, "lift/seed 0/replay.html", "", JUDGED), GalleryClip(1, POOR, error="physics failed")),
        diversity=0.123,
    ),
    GalleryRow("a person <eats> the chair", "", (GalleryClip(0, error="'eats' needs <food>"),)),
)  # fmt: skip


class Reader(HTMLParser):
    """Cells of the table's body with their classes, links, and what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[dict[str, str | None], str]]] = []
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append((found, ""))
        elif tag == "a":
            self.links.append(found.get("href") or "")
        if tag in ("img", "link", "iframe", "object", "embed") or (tag == "script" and "src" in found):
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            attrs, text = self.rows[-1][-1]
            self.rows[-1][-1] = attrs, text + data


def read(rows: tuple[GalleryRow, ...]) -> tuple[Reader, str]:
    html = gallery_page("thirty & more", rows, notes=("Seeds 0, 1.",))
    reader = Reader()
    reader.feed(html)
    return reader, html


def test_a_row_has_means_the_worst_depth_and_whether_targets_are_met() -> None:
    """(0.97 + 0.91) / 2 = 0.94 misses 0.95; (0.1 + 0.7) / 2 = 0.4 meets 0.5; the deeper of 6 and 13 mm misses 10."""
    cells = read(ROWS)[0].rows[1]
    shown = {text: attrs.get("class") for attrs, text in cells}
    assert shown["0.940"] == "fail"
    assert shown["0.40"] == "pass"
    assert shown["13.0"] == "fail"
    assert shown["71"] == "pass"
    assert shown["0.12"] is None  # diversity has no target
    assert shown["100"] is None  # carried through, of the one that was judged
    assert "–" in shown  # noqa: RUF001 - no closure


def test_links_lead_below_the_folder_and_nothing_is_fetched() -> None:
    reader, html = read(ROWS)
    assert reader.links == ["lift/seed%200/replay.html", "lift/seed%200/run/report.html"]
    assert reader.fetched == []
    assert "default-src 'none'" in html
    assert not re.search(r"https?://", html)


def test_text_is_escaped_and_a_failure_is_said_in_its_row() -> None:
    reader, html = read(ROWS)
    assert "<eats>" not in html
    assert "<food>" not in html
    row = " ".join(text for _, text in reader.rows[2])
    assert "'eats' needs <food>" in row
    assert "not judged" in " ".join(text for _, text in reader.rows[1])
    assert "1 failed" in html


def test_the_head_has_means_over_clips_beside_their_targets() -> None:
    means = mean_figures(ROWS)
    assert means["contact_ratio"] == pytest.approx(0.94)
    assert means["depth_max_mm"] == pytest.approx(9.5)  # of 6 and 13: within 10 on average
    assert means["closure"] is None
    head = read(ROWS)[1].partition("<main")[2]
    assert "9.5 <small>mm</small>" in head
    assert "1 of 1</b>" in head


def test_rows_without_physics_have_no_such_column() -> None:
    bare = tuple(
        GalleryRow(r.text, r.object_name, tuple(GalleryClip(c.seed, c.figures) for c in r.clips)) for r in ROWS
    )
    html = gallery_page("t", bare)
    assert "Carried through" not in html
    assert "Carried through" in read(ROWS)[1]


def test_a_clip_that_is_not_made_yet_says_so() -> None:
    row = GalleryRow("a person sits", "", (GalleryClip(0), GalleryClip(1)), math.nan)
    assert "not made yet" in gallery_page("t", (row,))


def test_a_filmstrip_has_a_figure_and_an_outline_a_picture() -> None:
    motion = author_box_push()
    svg = filmstrip(motion, 4)
    assert svg.count("<polygon") == 4
    assert svg.count("<line") == 4 * 21 + 1  # 21 bones a picture, and the floor
    numbers = [float(n) for n in re.findall(r'[xy][12]="(-?[\d.]+)"', svg)]
    width = float(re.search(r'width="(\d+)"', svg).group(1))  # type: ignore[union-attr]
    assert min(numbers) >= -1.0
    assert max(numbers) <= max(width, 84.0) + 1.0
    outline = re.search(r'<polygon points="([^"]+)"', svg)
    assert outline is not None
    heights = [float(pair.split(",")[1]) for pair in outline.group(1).split()]
    assert max(heights) == pytest.approx(84.0, abs=1.0)  # the box stands on the floor


def test_a_long_reason_is_cut_at_a_word() -> None:
    assert shorten("a mesh is needed") == "a mesh is needed"
    long = "nothing that a person handles; objects: " + ", ".join(["chair"] * 100)
    assert len(shorten(long)) <= 200
    assert shorten(long).endswith("chair, …")
