"""How a ball begins a flight: the velocity and spin with which physics, left alone, takes it along its recorded path.

Differences of recorded positions give a velocity that is a few percent off, and say nothing of the spin that decides
how a ball leaves the floor; after half a second and a bounce it is out of the hands' reach. So each flight is fitted as
a whole (Gauss-Newton) on rollouts of the ball in the scene without the humanoid.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.optimize import least_squares

from sim.contact_fit import hand_contact
from sim.motion import Motion, MotionObject
from sim.scene import Scene, SceneConfig, build_deserted

_STEPS = np.array([0.02, 0.02, 0.02, 0.5, 0.5, 0.5])
"""m/s and rad/s, of the central differences: large against what the time steps do to a bounce."""
_SPIN_PRIOR = 2e-4
"""m s/rad; a spin that no bounce shows stays zero."""
_STILL = 0.02
"""m; a ball that moves less than this lies still."""


@dataclass(frozen=True)
class LaunchConfig:
    """How flights are fitted.

    Attributes:
        clearance: m; nearer than this to the body, or labelled as touched, a ball does not fly.
        min_frames: shorter flights keep the velocities that they had; 0 fits none.
        max_spin: rad/s, of each component.
        outlier: m; frames farther off than this weigh less and less (the hoop that a ball hits is not in the scene).
    """

    clearance: float = 0.03
    min_frames: int = 4
    max_spin: float = 30.0
    outlier: float = 0.05


@dataclass(frozen=True)
class Flight:
    """Frames first to last of an object out of anyone's reach.

    Attributes:
        name: of the object.
        change: m/s, by how much its launch was changed.
        error_mm, error_before_mm: mean distance between the flight that physics then makes of it and the recorded
            positions, after the fit and before.
    """

    name: str
    first: int
    last: int
    change: float
    error_mm: float
    error_before_mm: float


def fit_launches(
    motion: Motion, scene: Scene, qpos: np.ndarray, qvel: np.ndarray, scene_config: SceneConfig, config: LaunchConfig
) -> tuple[np.ndarray, tuple[Flight, ...]]:
    """Give flying balls the velocities of a flight that physics carries out.

    Args:
        motion: as fitted to the humanoid; scene: its scene.
        qpos: [T, nq]; qvel: [T, nv], which is not changed.
        scene_config: what the scene was built with.
        config: how to fit.

    Returns:
        qvel [T, nv] with new velocities of the balls in all frames of their flights, and the flights.
    """
    qvel, flights = qvel.copy(), []
    for item in motion.objects:
        if not item.is_ball or not config.min_frames:
            continue
        free = _free(motion, scene, qpos, item, config.clearance)
        world = tuple(other for other in motion.objects if other is item or other.is_static)
        ball = _Ball(build_deserted(world, scene_config), item, motion.fps)
        first = int(scene.model.joint(f"object_{item.name}").dofadr[0])
        dofs = slice(first, first + 6)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], free.astype(np.int8), [0]))))
        for begin, end in edges.reshape(-1, 2):
            path = item.position_w[begin:end]
            if end - begin < config.min_frames or np.ptp(path, axis=0).max() < _STILL:
                continue
            launch = qvel[begin, dofs].copy()
            fitted, after = ball.fly(begin, ball.fit(begin, path, launch, config), path)
            before = ball.fly(begin, launch, path)[1]
            change = float(np.linalg.norm(fitted[0, :3] - launch[:3]))
            qvel[begin:end, dofs] = fitted
            flights.append(Flight(item.name, int(begin), int(end) - 1, change, 1000.0 * after, 1000.0 * before))
    return qvel, tuple(flights)


class _Ball:
    """A ball alone in the world."""

    def __init__(self, model: mujoco.MjModel, item: MotionObject, fps: float) -> None:
        self.model, self.data, self.item = model, mujoco.MjData(model), item
        self.substeps = round(1.0 / (fps * model.opt.timestep))

    def fit(self, begin: int, path: np.ndarray, guess: np.ndarray, config: LaunchConfig) -> np.ndarray:
        """Velocity and spin [6] whose flight is nearest to a path [K, 3] m."""
        limit = np.concatenate((np.full(3, np.inf), np.full(3, config.max_spin)))
        start = np.clip(guess, 0.99 * -limit, 0.99 * limit)

        def off(change: np.ndarray) -> np.ndarray:
            launch = start + change
            apart = self._fly(begin, launch, len(path))[0][1:] - path[1:]
            return np.concatenate((apart.ravel(), _SPIN_PRIOR * launch[3:]))

        def slopes(change: np.ndarray) -> np.ndarray:
            return np.stack([(off(change + s) - off(change - s)) / (2 * s.sum()) for s in np.diag(_STEPS)], 1)

        # Of the change, as SciPy's first step is as long as its start, or 1 (in units of x_scale) where that is zero.
        found = least_squares(
            off, np.zeros(6), slopes, (-limit - start, limit - start), x_scale=10 * _STEPS, loss="soft_l1",
            f_scale=config.outlier, max_nfev=20, ftol=1e-4, xtol=1e-4,
        )  # fmt: skip
        launch: np.ndarray = start + found.x
        return launch

    def fly(self, begin: int, launch: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, float]:
        """Velocities [K, 6] of a flight, and its mean distance from a path [K, 3], m."""
        positions, velocities = self._fly(begin, launch, len(path))
        return velocities, float(np.linalg.norm(positions - path, axis=-1).mean())

    def _fly(self, begin: int, launch: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions [K, 3] m and velocities [K, 6] at the frames of a flight from the recorded place of its first."""
        model, data = self.model, self.data
        mujoco.mj_resetData(model, data)
        data.qpos[:3], data.qpos[3:] = self.item.position_w[begin], self.item.rotation_w[begin]
        data.qvel[:] = launch
        positions, velocities = np.zeros((frames, 3)), np.zeros((frames, 6))
        for k in range(frames):
            positions[k], velocities[k] = data.qpos[:3], data.qvel
            mujoco.mj_step(model, data, self.substeps)
        return positions, velocities


def _free(motion: Motion, scene: Scene, qpos: np.ndarray, item: MotionObject, clearance: float) -> np.ndarray:
    """[T] bool: the ball is farther than `clearance` from all of the body, and no label says that it is touched."""
    model, data = scene.model, mujoco.MjData(scene.model)
    ball = int(model.body(f"object_{item.name}").geomadr[0])
    body = [g for g in range(model.ngeom) if model.geom_bodyid[g] and model.body_rootid[model.geom_bodyid[g]] == 1]
    free: np.ndarray = np.asarray(~hand_contact(motion).any(1))
    if motion.object_contact is not None:
        free &= motion.object_contact <= 0
    for t in np.flatnonzero(free):
        data.qpos[:] = qpos[t]
        mujoco.mj_kinematics(model, data)
        near = min(mujoco.mj_geomDistance(model, data, g, ball, 2 * clearance, None) for g in body)
        free[t] = near > clearance
    return free
