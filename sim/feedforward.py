"""PD targets that would carry a reference out in a perfect world: inverse dynamics with ground reaction forces.

A PD actuator with target u exerts kp (u - q) - kv qvel. Aiming at the reference pose itself lags behind by kv/kp times
the velocity and sags by torque/kp under gravity, so a policy would first have to learn both. Solved for u instead:
u = q + (kv/kp) qvel + torque/kp, with the torque from inverse dynamics. The wrench that inverse dynamics would put on
the free-floating root is given to the standing feet: non-negative forces on the sole corners' friction pyramids
(non-negative least squares), whose joint torques are then taken off.
"""

from __future__ import annotations

import mujoco
import numpy as np
from scipy.optimize import nnls

from sim import rotations
from sim.body.capsules import FOOT_JOINTS, BodyGeom
from sim.skeleton import JOINT_NAMES

_STANDING_HEIGHT = 0.025
_REGULARISATION = 1e-3


def pd_targets(
    model: mujoco.MjModel,
    qpos: np.ndarray,
    qvel: np.ndarray,
    fps: float,
    geoms: tuple[BodyGeom, ...],
    *,
    friction: float,
    gravity_share: float = 1.0,
) -> np.ndarray:
    """PD targets with feedforward for every frame.

    Args:
        model: scene with the humanoid first; its hinges are dofs 6..6+nu in the order of the actuators.
        qpos: [T, nq]; qvel: [T, nv].
        fps: frames per second.
        geoms: the humanoid's shapes; the corners of the foot boxes are where the floor pushes.
        friction: of the floor against the soles.
        gravity_share: how much of the computed torque is used; 0 leaves only the velocity term.

    Returns:
        [T, nu] rad.
    """
    nu = model.nu
    kp = model.actuator_gainprm[:, 0]
    kv = -model.actuator_biasprm[:, 2]
    hinges = slice(6, 6 + nu)
    angles = qpos[:, 7 : 7 + nu]
    targets: np.ndarray = angles + (kv / kp) * qvel[:, hinges]
    if gravity_share == 0.0:
        return targets
    torque = _joint_torques(model, qpos, qvel, fps, geoms, friction)
    limit = model.actuator_forcerange[:, 1]
    return targets + gravity_share * np.clip(torque, -limit, limit) / kp


def _joint_torques(
    model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray, fps: float, geoms: tuple[BodyGeom, ...], friction: float
) -> np.ndarray:
    """[T, nu] N m that the hinges must exert, with the floor's forces shared out over the standing soles."""
    data = mujoco.MjData(model)
    humanoid = slice(0, 6 + model.nu)
    acceleration = np.gradient(qvel, 1.0 / fps, axis=0)
    corners = sole_corners(geoms)
    torques = np.zeros((len(qpos), model.nu))
    no_contacts = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    flags = int(model.opt.disableflags)
    model.opt.disableflags = flags | no_contacts
    try:
        for t in range(len(qpos)):  # MuJoCo's inverse dynamics take one state at a time
            data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t], qvel[t], acceleration[t]
            mujoco.mj_inverse(model, data)
            required = data.qfrc_inverse[humanoid].copy()
            jacobian = _standing_jacobian(model, data, corners, humanoid)
            if len(jacobian):
                rays = _friction_rays(friction)
                basis = np.einsum("pkv,rk->vpr", jacobian, rays).reshape(required.size, -1)
                forces = _distribute(basis[:6], required[:6])
                required -= basis @ forces
            torques[t] = required[6:]
    finally:
        model.opt.disableflags = flags
    return torques


def sole_corners(geoms: tuple[BodyGeom, ...]) -> list[tuple[str, np.ndarray]]:
    """(body name, [4, 3] m in its frame) of the lower faces of the foot boxes."""
    corners = []
    for geom in geoms:
        if geom.joint in FOOT_JOINTS and geom.kind == "box":
            signs = np.array([[x, y, -1.0] for x in (-1, 1) for y in (-1, 1)])
            points = geom.position_b + rotations.rotate(geom.rotation_b, signs * np.array(geom.size))
            corners.append((JOINT_NAMES[geom.joint], points))
    return corners


def _standing_jacobian(
    model: mujoco.MjModel, data: mujoco.MjData, corners: list[tuple[str, np.ndarray]], dofs: slice
) -> np.ndarray:
    """[P, 3, V] translational Jacobians of the sole corners that are near the floor."""
    rows = []
    for name, points_b in corners:
        body = model.body(name).id
        points = data.xpos[body] + points_b @ data.xmat[body].reshape(3, 3).T
        for point in points[points[:, 2] < _STANDING_HEIGHT]:
            jacobian = np.zeros((3, model.nv))
            mujoco.mj_jac(model, data, jacobian, None, point, body)
            rows.append(jacobian[:, dofs])
    return np.stack(rows) if rows else np.zeros((0, 3, 0))


def _friction_rays(friction: float) -> np.ndarray:
    """[4, 3] edges of the friction pyramid around +z."""
    return np.array([[friction, 0, 1], [-friction, 0, 1], [0, friction, 1], [0, -friction, 1]], dtype=np.float64)


def _distribute(basis: np.ndarray, wrench: np.ndarray) -> np.ndarray:
    """Non-negative ray forces whose sum is nearest to the root's wrench, small ones preferred."""
    regular = _REGULARISATION * np.eye(basis.shape[1])
    forces, _ = nnls(np.vstack((basis, regular)), np.concatenate((wrench, np.zeros(basis.shape[1]))))
    return np.asarray(forces)
