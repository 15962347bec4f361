"""A motion played kinematically in MuJoCo's own window: no physics, for a look at contact and geometry up close."""

from __future__ import annotations

import os
import sys
import time

import mujoco

from sim.errors import SimulationError
from sim.replay.stage import Stage
from sim.replay.video import pose, replay_model


def view_native(stage: Stage) -> None:
    """Play a stage in a loop until the window is closed.

    Raises:
        SimulationError: where there is no display, or MuJoCo cannot open a window.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SimulationError("no display for MuJoCo's own viewer; leave out --native to view in the browser")
    try:
        from mujoco import viewer

        model = replay_model(stage)
        data = mujoco.MjData(model)
        handle = viewer.launch_passive(model, data)
    except (RuntimeError, ImportError) as error:  # on macOS the viewer needs `mjpython`
        raise SimulationError(f"MuJoCo's own viewer cannot open: {error}; leave out --native") from error
    begin = time.monotonic()
    with handle:
        while handle.is_running():
            frame = int((time.monotonic() - begin) * stage.fps) % stage.num_frames
            with handle.lock():
                pose(model, data, stage, frame, apart=0.0)
            handle.sync()
            time.sleep(1.0 / stage.fps)
