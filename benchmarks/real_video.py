"""Four real videos through `touchstone reconstruct`, with annotations made by hand: what came out, stage by stage.

    python -m benchmarks.real_video -o runs/real_video              # all four; the videos' folder is TOUCHSTONE_DATA
    python -m benchmarks.real_video -o runs/real_video --clips juggle

Each clip gets a session folder, in which overlay.mp4 (body, object and points over the video), motion.npz and
reconstruction.json lie; table.md and table.json are beside them. A second call does only what changed.

The annotations (`annotations/<clip>.json`) were read off enlarged frames; the football's outline by a circle fitted in
every frame. Its points are fixed to the view, not to the leather, so that the ball's rotation means nothing.
Racket, guitar and ball are meshes made here (`real_objects.py`); the spear has its own, at the scale that came with it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.real_objects import GENERATED
from recon.annotations import Annotations
from recon.pipeline import ReconstructConfig, Reconstruction, reconstruct
from recon.session import Session
from sim.audit import audit
from sim.errors import TouchstoneError
from sim.files import write_json, write_text
from sim.geometry import Mesh
from sim.meshes import read_mesh

ANNOTATIONS = Path(__file__).parent / "annotations"


@dataclass(frozen=True)
class Clip:
    """A video in TOUCHSTONE_DATA: frames first:end of it, and the object (made here, or a mesh file there)."""

    video: str
    first: int
    end: int
    object: str


CLIPS = {
    "tennis": Clip("video/tennis.mp4", 69, 125, "racket"),
    "guitar": Clip("video/guitar.webm", 96, 186, "guitar"),
    "juggle": Clip("video/juggle.mp4", 0, 100, "football"),
    "spear": Clip("open4dhoi/spear_session/video.mp4", 0, 40, "open4dhoi/spear_session/obj_org.obj"),
}


@dataclass(frozen=True)
class Command:
    """Which clips, and where to."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder of the sessions and the table."""
    data: Path = Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))
    """Where the videos lie."""
    clips: tuple[str, ...] = tuple(CLIPS)
    config: ReconstructConfig = field(default_factory=ReconstructConfig)
    """Every knob; the frames are the clip's own where none are given."""

    def run(self) -> None:
        """Reconstruct each clip, and write the table."""
        rows: dict[str, dict[str, Any]] = {}
        for name in self.clips:
            try:
                rows[name] = measure(*run_clip(name, self.data, self.output / name, self.config))
            except TouchstoneError as error:
                rows[name] = {"messages": [f"failed: {error}"]}
            text = as_table(rows)
            write_json(self.output / "table.json", rows)
            write_text(self.output / "table.md", text)
        print(text)


def object_mesh(clip: Clip, data: Path) -> Mesh:
    """The object's mesh as annotated, in its file's units."""
    return GENERATED[clip.object]() if clip.object in GENERATED else read_mesh(data / clip.object)


def run_clip(
    name: str, data: Path, folder: Path, config: ReconstructConfig | None = None
) -> tuple[Reconstruction, dict[str, float]]:
    """Reconstruct a clip in a session folder (made where missing); also seconds of wall time by stage."""
    clip, config = CLIPS[name], config or ReconstructConfig()
    mesh = object_mesh(clip, data)
    annotations = Annotations.load(ANNOTATIONS / f"{name}.json", mesh)
    if folder.is_dir():
        session = Session.open(folder)
    else:
        session = Session.create(
            folder, data / clip.video, mesh, scale=annotations.object_scale, object_name=Path(clip.object).stem
        )
    if config.preprocess.first is None and config.preprocess.end is None:
        config = replace(config, preprocess=replace(config.preprocess, first=clip.first, end=clip.end))
    timer = _Timer()
    found = reconstruct(session, annotations, config, on_stage=timer.begin)
    timer.begin("")
    print(f"{name}: {' '.join(f'{k} {v:.0f}' for k, v in timer.seconds.items())} s", flush=True)
    return found, timer.seconds


def measure(found: Reconstruction, seconds: dict[str, float]) -> dict[str, Any]:
    """The report's figures with the stages' seconds and what the kinematic audit says of the motion alone."""
    audited = audit(found.motion)
    return {
        **found.report,
        "seconds": seconds,
        "audit": {finding.name: finding.value for finding in audited.findings},
        "audit_fails": [finding.name for finding in audited.findings if finding.level == "fail"],
    }


_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "frames": lambda r: f"{r['frames'][1] - r['frames'][0]}",
    "determined by their own points": lambda r: f"{r['frames_determined']}",
    "without any point": lambda r: f"{r['frames_without_points']}",
    "image residual, solver [px]": lambda r: _text(r["image_residual_px"], 1),
    "image residual, end [px]": lambda r: _text(r["final_image_residual_px"], 1),
    "annotated pairs, solver [mm]": lambda r: _text(r["contact_mm"]["keypoint solver"], 0),
    "annotated pairs, end [mm]": lambda r: _text([*r["contact_mm"].values()][-1], 0),
    "penetrating vertices [%]": lambda r: _text(r["penetrating_percent"], 2),
    "deepest [mm]": lambda r: _text(r["deepest_mm"], 0),
    "standing feet slide [m/s]": lambda r: _text(r["audit"]["foot_skate_m_s"], 3),
    "jerk of the body [m/s^3]": lambda r: _text(r["audit"]["jerk_m_s3"], 0),
    "jerk of the object [m/s^3]": lambda r: _text(r["audit"]["object_jerk_m_s3"], 0),
    "audit fails": lambda r: ", ".join(r["audit_fails"]) or "-",
    "seconds": lambda r: ", ".join(f"{stage} {s:.0f}" for stage, s in r["seconds"].items() if s >= 0.5),
}
"""Rows of the table: what, and its text."""


def as_table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown: a column for each clip, then the messages."""
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for label, text in _ROWS.items():
        lines.append(f"| {label} | " + " | ".join(text(r) if "frames" in r else "-" for r in rows.values()) + " |")
    for name, row in rows.items():
        lines += ["", f"{name}:", *(f"- {message}" for message in row["messages"])]
    return "\n".join(lines) + "\n"


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


class _Timer:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._began = "", 0.0

    def begin(self, stage: str) -> None:
        now = time.perf_counter()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._began
        self._stage, self._began = stage, now


if __name__ == "__main__":
    tyro.cli(Command, description=__doc__).run()
