"""The tracking task as a Gymnasium environment: one environment of the same batched code.

    import gymnasium, envs
    env = gymnasium.make("Touchstone/Tracking-v0", motion="clip.npz")

Importing `envs` registers it; `gymnasium.make("envs:Touchstone/Tracking-v0", motion=...)` does both. For training use
the batch (`envs.vec`): a single environment spends most of its time outside physics.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch

from envs.observations import BodyState
from envs.tracking import TaskConfig, TrackingTask
from sim.errors import SimulationError
from sim.motion import Motion
from sim.replay.video import gl_context
from sim.retarget import CONTROL_HZ, RetargetConfig, retarget
from sim.scene import SceneConfig

OBSERVATION_LIMIT = 1000.0
"""Observations are cut here, far beyond what physics that works can reach."""


class TrackingEnv(gym.Env[np.ndarray, np.ndarray]):
    """Carry a motion out: follow its reference with residual PD targets.

    Observation: float32 [D], see `envs.observations`. Action: float32 [A] in [-1, 1], times `action_scale` on the PD
    targets of the next reference frame. Terminated where a limit is broken or physics fails, truncated at the clip's
    end. Infos: `frame`, the reference frame that was compared with; `terms`, what the reward is made of;
    `broken`, the limits that were broken, `physics` among them where that failed.

    Args:
        motion: the clip, or the path of one.
        config: the task; its number of environments and threads does not count here.
        scene, retargeting: what physics assumes, and how the reference is made.
        render_mode: None or "rgb_array".
        width, height: of pictures, pixels.

    Raises:
        MotionError, SimulationError: the clip cannot be used.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012 - Gymnasium's

    def __init__(
        self,
        motion: Motion | str | Path,
        *,
        config: TaskConfig | None = None,
        scene: SceneConfig | None = None,
        retargeting: RetargetConfig | None = None,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 360,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise gym.error.UnsupportedMode(f"render_mode '{render_mode}' is unknown; valid: None, 'rgb_array'")
        clip = motion if isinstance(motion, Motion) else Motion.load(motion)
        single = dataclasses.replace(config or TaskConfig(), num_envs=1, threads=1)
        self.task = TrackingTask(retarget(clip, scene, retargeting), single)
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Box(
            -OBSERVATION_LIMIT, OBSERVATION_LIMIT, (self.task.num_observations,), np.float32
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.task.num_actions,), np.float32)
        self._size = (width, height)
        self._camera: _Camera | None = None
        self._shown: BodyState | None = None
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: where the task's start sampler says, or at the reference frame `options["frame"]`."""
        super().reset(seed=seed)
        self.task.rng = self.np_random
        frame = (options or {}).get("frame")
        if frame is not None and not 0 <= frame < self.task.num_frames:
            raise SimulationError(f"frame {frame} is not in the clip; its frames are 0 to {self.task.num_frames - 1}")
        observation = self.task.reset(None if frame is None else np.array([frame]))
        self._shown, self._running = self.task.observed, True
        return self._cut(observation), {"frame": int(self.task.frames[0])}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control step of 1/30 s."""
        if not self._running:
            raise gym.error.ResetNeeded("the episode has ended or has not begun; call reset()")
        step = self.task.step(torch.as_tensor(action, dtype=torch.float32)[None])
        terminated, truncated = bool(step.failed[0]), bool(step.finished[0])
        broken = [name for name, limit in step.broken.items() if limit[0]] + ["physics"] * bool(step.unstable[0])
        info = {
            "frame": int(step.frames[0]),
            "terms": {name: float(kernel[0]) for name, kernel in step.terms.items()},
            "broken": broken,
        }
        self._shown, self._running = step.state, not (terminated or truncated)
        return self._cut(step.final_observation), float(step.reward[0]), terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """The present instant, uint8 [height, width, 3], or None without a render mode.

        Raises:
            SimulationError: there is no offscreen OpenGL; the message names the packages to install.
        """
        if self.render_mode is None or self._shown is None:
            return None
        if self._camera is None:
            self._camera = _Camera(self.task.scene.model, *self._size)
        s = self._shown
        things = torch.cat((s.object_positions_w, s.object_rotations_w), -1).flatten(1)
        qpos = torch.cat((s.positions_w[:, 0], s.rotations_w[:, 0], s.angles, things), -1)
        return self._camera.picture(qpos[0].double().numpy())

    def close(self) -> None:
        """End the physics threads and free the picture's context."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self.task.close()

    @staticmethod
    def _cut(observation: torch.Tensor) -> np.ndarray:
        return observation[0].clamp(-OBSERVATION_LIMIT, OBSERVATION_LIMIT).numpy()


class _Camera:
    """Offscreen pictures of a scene from the side, following the pelvis."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.4, 0.5
        self._context = gl_context(width, height)
        self._model, self._data = model, mujoco.MjData(model)
        self._scene, self._options = mujoco.MjvScene(model, maxgeom=2000), mujoco.MjvOption()
        self._renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._window = mujoco.MjrRect(0, 0, width, height)
        self._view = mujoco.MjvCamera()
        self._view.azimuth, self._view.elevation, self._view.distance = 120.0, -12.0, 3.5

    def picture(self, qpos: np.ndarray) -> np.ndarray:
        """uint8 [height, width, 3] of generalised positions [nq]."""
        self._context.make_current()
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._view.lookat[:] = (*qpos[:2], 0.8)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._data, self._options, None, self._view, everything, self._scene)
        mujoco.mjr_render(self._window, self._scene, self._renderer)
        pixels = np.zeros((self._window.height, self._window.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._window, self._renderer)
        return np.ascontiguousarray(pixels[::-1])

    def close(self) -> None:
        """Free the context."""
        self._renderer.free()
        self._context.free()
