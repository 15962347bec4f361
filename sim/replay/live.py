"""The replay live in the browser, through viser: play, speed, frame slider, a ghost of the reference, contact points.

`LiveScene` is the scene without the clock, so that a program (or a test) can step it frame by frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import viser

from sim import rotations
from sim.body.capsules import BodyGeom
from sim.body.skin import Skin
from sim.errors import TouchstoneError
from sim.motion import Motion
from sim.replay.stage import Figure, Stage, build_stage

_BODY, _GHOST, _OBJECT, _TOUCH, _MARK = (31, 161, 135), (143, 163, 189), (216, 176, 122), (240, 100, 60), (255, 210, 63)
_SPEEDS = ("0.1x", "0.25x", "0.5x", "1x", "2x")


class LiveScene:
    """Everything that is drawn, on a running viser server; `show(frame)` moves it."""

    def __init__(
        self, server: viser.ViserServer, stage: Stage, *, motion: Motion | None = None, skin: Skin | None = None
    ) -> None:
        """Draw `stage`, whose last figure is the actor and whose first, if there are two, its ghost.

        With a `skin`, the actor's body is drawn by it instead; it needs the actor's `motion`.
        """
        self.stage = stage
        self._server = server
        self._skin = _SkinMesh(server, skin, motion) if skin is not None and motion is not None else None
        server.scene.set_up_direction("+z")
        server.scene.add_grid(
            "/floor", width=40, height=40, cell_size=0.25, section_size=1.0, fade_distance=18.0, shadow_opacity=0.3
        )
        centre = stage.root[0] * (1, 1, 0) + np.array([0.0, 0.0, 0.46 * stage.height])
        towards = np.array([np.cos(stage.azimuth), np.sin(stage.azimuth), 0.25])
        server.initial_camera.position = tuple(centre + stage.distance * towards)
        server.initial_camera.fov = np.radians(35.0)
        server.initial_camera.look_at = tuple(centre)
        self._tracks: list[list[list[Any]]] = []
        for number in range(len(stage.figures)):
            is_ghost = number == 0 and len(stage.figures) > 1
            hidden = self._skin is not None and not is_ghost
            self._tracks.append([self._meshes(number, t, is_ghost, hidden) for t in range(len(stage.tracks))])
        self._marks = [
            server.scene.add_icosphere(f"/contacts/{row}", radius=0.016, color=_MARK, visible=False)
            for row in range(len(self.actor.contacts.track))
        ]
        self.show(0)

    @property
    def actor(self) -> Figure:
        """The figure that is shown solid."""
        return self.stage.figures[-1]

    def show(self, frame: int) -> None:
        """Move everything to a frame, in one message to the browsers."""
        with self._server.atomic():
            for figure, tracks in zip(self.stage.figures, self._tracks, strict=True):
                for track, handles in enumerate(tracks):
                    for handle in handles:
                        handle.position, handle.wxyz = figure.position_w[frame, track], figure.rotation_w[frame, track]
            self._show_contacts(frame)
            if self._skin is not None:
                self._skin.show(frame)

    def show_ghost(self, visible: bool) -> None:
        """Show or hide the reference."""
        for handles in self._tracks[0] if len(self._tracks) > 1 else []:
            for handle in handles:
                handle.visible = visible

    def _show_contacts(self, frame: int) -> None:
        actor, contacts = self.actor, self.actor.contacts
        for track, handles in enumerate(self._tracks[-1][: self.stage.num_body_tracks]):
            for handle in handles:
                colour = _TOUCH if actor.touching[frame, track] else _BODY
                if tuple(handle.color) != colour:
                    handle.color = colour
        active = (contacts.first_frame <= frame) & (frame <= contacts.last_frame)
        turned = rotations.rotate(actor.rotation_w[frame, contacts.track], contacts.point_b)
        points = actor.position_w[frame, contacts.track] + turned
        for mark, visible, point in zip(self._marks, active, points, strict=True):
            mark.visible = bool(visible)
            mark.position = point

    def _meshes(self, number: int, track: int, is_ghost: bool, hidden: bool) -> list[Any]:
        is_body = track < self.stage.num_body_tracks
        colour = _OBJECT if not is_body else _GHOST if is_ghost else _BODY
        shapes = [s for s in self.stage.shapes if s.track == track]
        return [
            self._server.scene.add_mesh_simple(
                f"/figure{number}/{track}/{i}", shape.vertices.astype(np.float32), shape.faces.astype(np.uint32),
                color=colour, opacity=0.35 if is_ghost else None, side="double", cast_shadow=not is_ghost,
                visible=not (hidden and is_body),
            )
            for i, shape in enumerate(shapes)
        ]  # fmt: skip


class _SkinMesh:
    """A skin posed frame by frame, so that a long clip needs no more memory than one frame."""

    def __init__(self, server: viser.ViserServer, skin: Skin, motion: Motion) -> None:
        self._skin, self._motion = skin, motion
        faces = np.asarray(skin.faces).astype(np.uint32)
        self._handle = server.scene.add_mesh_simple("/skin", self._vertices(0), faces, color=(214, 178, 156))

    def show(self, frame: int) -> None:
        self._handle.vertices = self._vertices(frame)

    def _vertices(self, frame: int) -> np.ndarray:
        now = np.s_[frame : frame + 1]
        vertices = self._skin.vertices(self._motion.joint_rotations_b[now], self._motion.root_position_w[now])
        return np.asarray(vertices[0], dtype=np.float32)


def start_server(port: int = 8080) -> viser.ViserServer:
    """A viser server on this machine alone (viser takes the next free port if this one is taken)."""
    try:
        return viser.ViserServer(host="127.0.0.1", port=port, label="Touchstone", verbose=False)
    except (OSError, RuntimeError) as error:
        raise TouchstoneError(f"cannot serve on port {port}: {error}; choose another with --port") from error


def view(
    motion: Motion,
    geoms: Sequence[BodyGeom],
    *,
    ghost: Motion | None = None,
    skin: Skin | None = None,
    port: int = 8080,
    server: viser.ViserServer | None = None,
    seconds: float | None = None,
) -> None:
    """Serve a motion until Ctrl-C (or for some seconds).

    Args:
        motion: the actor; geoms: its drawn body; skin: drawn instead of the shapes.
        ghost: a reference on the same clock, drawn translucent.
        server: where to draw; by default a new one on `port`.
    """
    reference = {"reference": ghost} if ghost is not None else {}
    stage = build_stage({**reference, "motion": motion}, geoms)
    server = server or start_server(port)
    try:
        _play(server, LiveScene(server, stage, motion=motion, skin=skin), seconds)
    finally:
        server.stop()


def _play(server: viser.ViserServer, scene: LiveScene, seconds: float | None) -> None:
    """The controls and the clock."""
    last = scene.stage.num_frames - 1
    playing = server.gui.add_checkbox("Play", True)
    frame: Any = server.gui.add_slider("Frame", min=0, max=last, step=1, initial_value=0)
    speed = server.gui.add_dropdown("Speed", _SPEEDS, initial_value="1x")
    if len(scene.stage.figures) > 1:
        ghost = server.gui.add_checkbox("Ghost of the reference", True)
        ghost.on_update(lambda _: scene.show_ghost(ghost.value))
    at, shown = 0.0, 0
    begin = before = time.monotonic()
    while seconds is None or time.monotonic() - begin < seconds:
        time.sleep(1.0 / 60.0)
        now = time.monotonic()
        if frame.value != shown:  # the user moved the slider
            at = float(frame.value)
        elif playing.value:
            at = (at + (now - before) * scene.stage.fps * float(speed.value.removesuffix("x"))) % (last + 1)
        before = now
        if int(at) != shown:
            shown = int(at)
            scene.show(shown)
            frame.value = shown
