"""Offscreen mp4 of a replay by MuJoCo's renderer: the reference, pale, beside the simulation.

Software rendering takes about 0.4 s for a 640x480 frame, hence the small default size and rate.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from sim.errors import SimulationError
from sim.files import atomic_path
from sim.replay.stage import Figure, Stage

_NO_GL = (
    "no offscreen OpenGL, so no video: on Debian `apt-get install libegl1 libgl1-mesa-dri` "
    "(the HTML replay needs none of it)"
)
_COLOURS = {"body": ((0.62, 0.70, 0.82), (0.10, 0.58, 0.48)), "object": (0.80, 0.62, 0.40), "touch": (0.94, 0.36, 0.20)}
_SIDE_BY_SIDE = 1.6
"""m between two figures."""


def write_video(path: str | Path, stage: Stage, *, width: int = 640, height: int = 320, fps: float = 15.0) -> Path:
    """Render a stage to an mp4 file.

    Args:
        stage: one or two figures; the first of two is the pale one.
        width, height: pixels, even.
        fps: of the video; frames are picked out of the motion so that it plays at its own speed.

    Returns:
        The path written.

    Raises:
        SimulationError: where there is no offscreen OpenGL; the message names the packages to install.
    """
    import imageio.v2 as imageio

    pictures = frames(stage, width=width, height=height, fps=fps)
    first = next(pictures)  # without OpenGL it fails here, before a file is begun
    with (
        atomic_path(path) as temporary,
        imageio.get_writer(temporary, fps=fps, quality=7, macro_block_size=2) as file,
    ):
        writer: Any = file  # imageio's type lacks what every writer has
        writer.append_data(first)
        for picture in pictures:
            writer.append_data(picture)
    return Path(path)


def frames(stage: Stage, *, width: int = 640, height: int = 320, fps: float = 15.0) -> Iterator[np.ndarray]:
    """The pictures of `write_video`, uint8 [height, width, 3], one at a time."""
    model = replay_model(stage, width, height)
    data = mujoco.MjData(model)
    context = gl_context(width, height)
    try:
        scene, options = mujoco.MjvScene(model, maxgeom=4000), mujoco.MjvOption()
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, renderer)
        picture, window = np.zeros((height, width, 3), np.uint8), mujoco.MjrRect(0, 0, width, height)
        camera = _camera(stage)
        for time in np.arange(0.0, stage.num_frames / stage.fps, 1.0 / fps):
            frame = min(round(time * stage.fps), stage.num_frames - 1)
            pose(model, data, stage, frame)
            camera.lookat[:] = (*_smooth_root(stage, frame), 0.46 * stage.height)
            mujoco.mjv_updateScene(model, data, options, None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
            mujoco.mjr_render(window, scene, renderer)
            mujoco.mjr_readPixels(picture, None, window, renderer)
            yield np.ascontiguousarray(picture[::-1])
    finally:
        context.free()


def replay_model(stage: Stage, width: int = 640, height: int = 480) -> mujoco.MjModel:
    """A model without physics: every track of every figure is a mocap body, named `FIGURE/TRACK` by index."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.headlight.ambient[:], spec.visual.headlight.diffuse[:] = (0.35, 0.35, 0.37), (0.25, 0.25, 0.25)
    spec.visual.quality.shadowsize = 4096
    spec.visual.map.shadowclip = 7.0
    spec.visual.map.znear, spec.visual.global_.fovy = 0.01, 35.0
    sky, grid = mujoco.mjtTexture.mjTEXTURE_SKYBOX, mujoco.mjtTexture.mjTEXTURE_2D
    gradient, checker = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, mujoco.mjtBuiltin.mjBUILTIN_CHECKER
    spec.add_texture(
        name="sky", type=sky, builtin=gradient, rgb1=[0.93, 0.95, 0.97], rgb2=[0.80, 0.85, 0.90], width=64, height=64
    )
    spec.add_texture(
        name="grid", type=grid, builtin=checker, rgb1=[0.80, 0.83, 0.87], rgb2=[0.85, 0.88, 0.91], width=128, height=128
    )
    material = spec.add_material(name="floor", texrepeat=[1, 1], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "grid"
    low, high = stage.root.min(0), stage.root.max(0)
    centre = 0.5 * (low + high)
    world = spec.worldbody
    world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], material="floor")
    # shadows reach `extent` around the light, so it hangs over the middle of the path
    spec.stat.extent, spec.stat.center[:] = 2.5 + 0.5 * float((high - low).max()), centre
    towards = np.array([-0.12, 0.22, -1.0])
    above = centre * (1, 1, 0) - 8.0 * towards
    world.add_light(pos=above, dir=towards, type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, diffuse=[0.6] * 3)
    for i, shape in enumerate(stage.shapes):
        mesh = spec.add_mesh(name=f"shape{i}", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        mesh.uservert, mesh.userface = shape.vertices.ravel().tolist(), shape.faces.ravel().tolist()
        mesh.usernormal = shape.normals.ravel().tolist()
    for number, _ in enumerate(stage.figures):
        for track in range(len(stage.tracks)):
            body = world.add_body(name=f"{number}/{track}", mocap=True)
            for i, shape in enumerate(stage.shapes):
                if shape.track == track:
                    body.add_geom(
                        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"shape{i}", contype=0, conaffinity=0,
                        rgba=_colour(stage, number, track, False),
                    )  # fmt: skip
    return spec.compile()


def pose(model: mujoco.MjModel, data: mujoco.MjData, stage: Stage, frame: int, *, apart: float | None = None) -> None:
    """Put every figure where it is in a frame; two figures stand `apart` m from each other, across the view."""
    apart = (_SIDE_BY_SIDE if len(stage.figures) > 1 else 0.0) if apart is None else apart
    count = len(stage.tracks)
    for number, figure in enumerate(stage.figures):
        rows = slice(number * count, (number + 1) * count)
        shift = (number - 0.5 * (len(stage.figures) - 1)) * apart
        data.mocap_pos[rows] = figure.position_w[frame] + shift * _across(stage)
        data.mocap_quat[rows] = figure.rotation_w[frame]
        _paint(model, stage, number, figure, frame)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)


def _paint(model: mujoco.MjModel, stage: Stage, number: int, figure: Figure, frame: int) -> None:
    """Colour the body parts that touch an object."""
    first = 1 + number * len(stage.tracks)  # body 0 is the world
    tracks = model.geom_bodyid - first
    inside = (tracks >= 0) & (tracks < stage.num_body_tracks)
    touching = figure.touching[frame][tracks[inside]]
    model.geom_rgba[inside] = np.where(
        touching[:, None], _colour(stage, number, 0, True), _colour(stage, number, 0, False)
    )


def _colour(stage: Stage, number: int, track: int, touching: bool) -> list[float]:
    body = _COLOURS["body"][0 if len(stage.figures) > 1 and number == 0 else 1]
    rgb: Any = _COLOURS["touch"] if touching else body if track < stage.num_body_tracks else _COLOURS["object"]
    return [*rgb, 1.0]


def _across(stage: Stage) -> np.ndarray:
    """[3], unit, to the right in the picture."""
    return np.array([-np.sin(stage.azimuth), np.cos(stage.azimuth), 0.0])


def _camera(stage: Stage) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.azimuth = np.degrees(stage.azimuth) + 180.0  # MuJoCo's azimuth points from the camera to the target
    camera.elevation = -13.0
    camera.distance = stage.distance
    return camera


def _smooth_root(stage: Stage, frame: int) -> np.ndarray:
    """[2] m, the followed root averaged over +-0.4 s."""
    reach = max(1, round(0.4 * stage.fps))
    mean: np.ndarray = stage.root[max(0, frame - reach) : frame + reach + 1, :2].mean(0)
    return mean


def gl_context(width: int, height: int) -> Any:
    """A current offscreen context. Raises SimulationError where there is none."""
    try:
        if sys.platform == "linux" and os.environ.get("MUJOCO_GL", "egl") in ("egl", "osmesa"):
            # by name, since MuJoCo's own choice is fixed by the environment when it is first imported
            if os.environ.get("MUJOCO_GL") == "osmesa":
                from mujoco.osmesa import GLContext
            else:
                from mujoco.egl import GLContext
            context: Any = GLContext(width, height)
        else:
            from mujoco.rendering.classic import gl_context

            context = gl_context.GLContext(width, height)
        context.make_current()
    except Exception as error:  # PyOpenGL, EGL and GLFW fail in their own, undocumented ways
        raise SimulationError(f"{_NO_GL} [{type(error).__name__}: {error}]") from error
    return context
