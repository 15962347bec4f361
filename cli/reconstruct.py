"""Reconstruct a person's motion with an object from a video and a handful of annotated points.

    touchstone reconstruct guitar.webm --object guitar.obj --points points.json -o sessions/guitar
    touchstone reconstruct sessions/guitar                       # a session folder, also one of Open4DHOI's tools

The session folder keeps what was found on the way; a second call does only what changed. Next to the motion lie an
overlay video and a report of what the points determined. The points' file is described in recon/annotations.py.
The person's detector needs its weights once: python -m recon.vision.assets
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from recon.pipeline import ReconstructConfig

if TYPE_CHECKING:
    from recon.annotations import Annotations
    from recon.session import Session


@dataclass(frozen=True)
class Command:
    """What to reconstruct."""

    video: tyro.conf.Positional[Path]
    """The video, or a session folder."""
    object: Path | None = None
    """Mesh of the object (.obj, .ply, .glb, ...); a session folder has its own."""
    points: Path | None = None
    """Annotated points, JSON; a session folder may have its own."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Session folder to make; sessions/<name of the video> if left out."""
    scale: float | None = None
    """Multiplies the mesh to metres (0.001: it is in millimetres); an object_scale in the points' file goes first."""
    object_name: str = ""
    """What the object is called in a new session; from its file if left out."""
    config: ReconstructConfig = field(default_factory=ReconstructConfig)
    """Every knob."""

    def run(self) -> None:
        """Make or open the session, reconstruct, and say what came out."""
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from recon.pipeline import reconstruct

        session, points = self._prepared()
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("video")
            found = reconstruct(
                session, points, self.config, on_stage=lambda name: progress.update(task, description=name)
            )
        report = found.report
        lines = [f"{stage}: {seconds:.1f} s, annotated pairs {_mm(report['contact_mm'][stage])} apart"
                 for stage, seconds in report["seconds"].items()]  # fmt: skip
        lines += [
            f"frames {report['frames'][0]}:{report['frames'][1]}, {report['frames_determined']} of them determined by "
            f"their own points; penetrating vertices {report['penetrating_percent']:.2f} %, "
            f"deepest {report['deepest_mm']:.0f} mm",
            *report["messages"],
            f"{found.motion_path}",
            *([f"{found.overlay_path}"] if found.overlay_path else []),
            f"Next: touchstone judge {found.motion_path}",
        ]
        sys.stdout.write("\n".join(lines) + "\n")

    def _prepared(self) -> tuple[Session, Annotations | None]:
        """The session, made or opened, and the points where given. What is made here goes again if they are wrong."""
        from recon.annotations import Annotations
        from recon.session import Session
        from sim.errors import AssetError, FormatError, TouchstoneError
        from sim.meshes import read_mesh

        folder = self.video if self.video.is_dir() else self.output or Path("sessions") / self.video.stem
        if self.video.is_dir() or (folder.is_dir() and any(folder.iterdir())):
            session, made = Session.open(folder), False
            self._check_same(session)
        else:
            if self.object is None or self.points is None:
                raise FormatError(f"{self.video}: a new session needs --object MESH and --points points.json")
            mesh, name = read_mesh(self.object), self.object_name or self.object.stem
            scale = 1.0 if self.scale is None else self.scale
            try:
                session = Session.create(folder, self.video, mesh, scale=scale, object_name=name)
            except AssetError as error:
                raise AssetError(f"{self.object} (--scale {scale:g}): {error}") from error
            made = True
        if self.points is None:
            return session, None
        try:
            scale = session.placement().scale
            return session, Annotations.load(self.points, session.mesh, session.num_frames, object_scale=scale)
        except TouchstoneError:
            if made:
                shutil.rmtree(folder)
            raise

    def _check_same(self, session: Session) -> None:
        """Raise FormatError where another mesh or scale than the session's is asked for: points would mean nothing."""
        from sim.errors import FormatError
        from sim.meshes import read_mesh

        held_scale = session.placement().scale
        if self.scale is not None and not np.isclose(self.scale, held_scale):
            raise FormatError(
                f"{session.folder}: this session was made with --scale {held_scale:g}, not {self.scale:g}; "
                "leave --scale out, or name a new folder with -o"
            )
        if self.object is None:
            return
        asked, held = read_mesh(self.object), session.mesh
        same = asked.faces.shape == held.faces.shape and np.allclose(asked.vertices, held.vertices, atol=1e-5)
        if not same:
            raise FormatError(
                f"{session.folder}: this session holds another mesh than {self.object}; "
                "leave --object out, or name a new folder with -o"
            )


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} mm"
