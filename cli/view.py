"""Look at a motion or a run, live in the browser: play, speed, frame slider, contacts, ghost of the reference.

touchstone view clip.npz
touchstone view runs/sub8_largebox_000 --skin anny
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from sim.motion import Motion


@dataclass(frozen=True)
class Command:
    """What to look at, and how."""

    path: tyro.conf.Positional[Path]
    """A motion (.npz), or a run folder: its simulation with the reference as a ghost."""
    native: bool = False
    """MuJoCo's own viewer instead of the browser; needs a display."""
    skin: Literal["capsules", "anny", "smplx"] = "capsules"
    """Body surface: what physics sees, a natural body (its first build takes minutes), or SMPL-X."""
    model_path: Path | None = None
    """For --skin smplx: the licensed model file, or the folder with SMPLX_NEUTRAL.npz."""
    port: int = 8080
    """Of the page on this machine."""

    def run(self) -> None:
        """Serve until Ctrl-C, or until the window is closed."""
        from sim.body.skin import load_skin
        from sim.replay.stage import build_stage, drawn_body

        motion, ghost = _motions(self.path)
        geoms = drawn_body(ghost or motion)
        if self.native:
            from sim.replay.native import view_native

            ghosts = {"reference": ghost} if ghost else {}
            view_native(build_stage({**ghosts, "motion": motion}, geoms))
            return
        from sim.replay.live import start_server, view

        skin = None if self.skin == "capsules" else load_skin(self.skin, motion, model_path=self.model_path)
        server = start_server(self.port)
        sys.stdout.write(f"open http://localhost:{server.get_port()} in a browser; Ctrl-C ends\n")
        view(motion, geoms, ghost=ghost, skin=skin, server=server)


def _motions(path: Path) -> tuple[Motion, Motion | None]:
    """The motion to show and its ghost. Raises RunError if a folder holds no motion."""
    from sim.errors import RunError
    from sim.motion import Motion

    if not path.is_dir():
        return Motion.load(path), None
    found = [path / f"{name}.npz" for name in ("simulation", "reference", "motion") if (path / f"{name}.npz").is_file()]
    if not found:
        raise RunError(f"{path}: holds no simulation.npz, reference.npz or motion.npz to look at")
    ghost = Motion.load(path / "reference.npz") if found[0].stem == "simulation" and len(found) > 1 else None
    return Motion.load(found[0]), ghost
