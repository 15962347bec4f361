"""The 3D replay as part of a page that opens offline: meshes and rigid transforms inline, drawn by our own WebGL2."""

from __future__ import annotations

import base64
import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from sim.files import write_text
from sim.replay.stage import Stage

FIGURE_COLOURS = ("#8fa3bd", "#1fa187", "#b07cc6", "#c9a227")
"""Of the first figure (the reference), the second (the simulation) and further ones."""
_COLOURS = {"object": "#d8b07a", "touch": "#f0643c", "marker": "#ffd23f"}
_TRACK_BUDGET = 3_000_000
"""Bytes of transforms per figure; a longer clip keeps every n-th frame, and the page interpolates between them."""

# no request leaves the page, whatever a motion's text holds
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def stage_data(stage: Stage) -> dict[str, Any]:
    """What the page's script needs, as JSON values.

    Binary arrays are base64, little endian: `shapes.positions` float32 [V, 3], `normals` int8 [V, 3] (times 127),
    `tracks` uint8 [V], `faces` uint32 [F, 3]; per figure `tracks` float32 [samples, N, 8]: x, y, z, touching, then
    the quaternion wxyz; `root` float32 [T, 3]. Sample s is frame s * stride.
    """
    stride = max(1, -(-stage.num_frames * len(stage.tracks) * 32 // _TRACK_BUDGET))
    samples = -(-(stage.num_frames - 1) // stride) + 1
    frames = np.minimum(np.arange(samples) * stride, stage.num_frames - 1)
    starts = np.cumsum([0, *(len(s.vertices) for s in stage.shapes)])
    figures = []
    for colour, figure in zip(_cycle(len(stage.figures)), stage.figures, strict=True):
        touching = figure.touching[frames][..., None]
        rows = np.concatenate((figure.position_w[frames], touching, figure.rotation_w[frames]), -1)
        c = figure.contacts
        contacts = [
            [int(k), *(round(float(v), 4) for v in p), int(a), int(b)]
            for k, p, a, b in zip(c.track, c.point_b, c.first_frame, c.last_frame, strict=True)
        ]
        figures.append(
            {
                "label": figure.label,
                "colour": colour,
                "tracks": _base64(rows, "<f4"),
                "contacts": contacts,
                "numFrames": figure.num_frames,
            }
        )
    return {
        "fps": stage.fps,
        "numFrames": stage.num_frames,
        "stride": stride,
        "samples": samples,
        "tracks": stage.tracks,
        "numBodyTracks": stage.num_body_tracks,
        "azimuth": stage.azimuth,
        "distance": stage.distance,
        "height": stage.height,
        "root": _base64(stage.root, "<f4"),
        "colours": _COLOURS,
        "shapes": {
            "positions": _base64(np.concatenate([s.vertices for s in stage.shapes]), "<f4"),
            "normals": _base64(np.rint(127 * np.concatenate([s.normals for s in stage.shapes])), "i1"),
            "tracks": _base64(np.concatenate([np.full(len(s.vertices), s.track) for s in stage.shapes]), "u1"),
            "faces": _base64(np.concatenate([s.faces + n for s, n in zip(stage.shapes, starts, strict=False)]), "<u4"),
        },
        "figures": figures,
    }


def replay_element(stage: Stage) -> str:
    """The replay with its controls, as one HTML element; needs `page` around it for style and script."""
    # "<" is escaped so that no text of a motion can close the script element
    data = json.dumps(stage_data(stage), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    labels = "".join(
        f'<span class="label" data-figure="{i}"><i style="background:{colour}"></i>{escape(figure.label)}</span>'
        for i, (colour, figure) in enumerate(zip(_cycle(len(stage.figures)), stage.figures, strict=True))
    )
    options = "".join(f'<option value="{i}">{escape(f.label)} only</option>' for i, f in enumerate(stage.figures))
    layout = ""
    if len(stage.figures) > 1:
        layout = (
            '<label>View <select data-part="layout"><option value="side">side by side</option>'
            f'<option value="overlay">overlaid</option>{options}</select></label>'
        )
    return _read("replay.html").format(labels=labels, last=stage.num_frames - 1, layout=layout, data=data)


def page(title: str, body: str) -> str:
    """A whole HTML page around elements of this module: style and script inline, nothing fetched.

    Args:
        title: plain text; body: HTML.
    """
    script = _read("renderer.js") + _read("player.js")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<style>\n{_read('page.css')}</style>\n</head>\n<body>\n{body}\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def write_replay(path: str | Path, stage: Stage, title: str) -> None:
    """Write a page that holds nothing but the replay."""
    write_text(path, page(title, f"<main><header><h1>{escape(title)}</h1></header>{replay_element(stage)}</main>"))


def _cycle(count: int) -> list[str]:
    return [FIGURE_COLOURS[i % len(FIGURE_COLOURS)] for i in range(count)]


def _base64(array: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def _read(name: str) -> str:
    return (files("sim.replay") / "web" / name).read_text(encoding="utf-8")
