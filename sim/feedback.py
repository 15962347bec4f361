"""Linear feedback along a reference: how PD targets answer to a pelvis or an object that strays.

Virtual model control (Pratt et al. 2001), linearised at the reference. A force that would pull an object back is asked
of the touching hands, and so, through the body, of the feet; a wrench that would pull the pelvis back is asked of the
standing feet: J_root^T f = w in the least-squares sense, and the joints get the torques -J_joints^T f that make the
feet push so. Nothing acts on the scene from outside: all of this exists only as a change of PD targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim.feedforward import sole_corners, standing_jacobians
from sim.scene import Scene

_LEVER = 0.5
"""m; weighs the pelvis' torques against its forces."""
_REGULARISATION = 0.05


@dataclass(frozen=True)
class FeedbackConfig:
    """Virtual springs between the simulation and its reference. A frequency of 0 switches a spring off.

    Attributes:
        pelvis_frequency: rad/s, on the pelvis' position, with the body's mass.
        turn_frequency: rad/s, on the pelvis' rotation, with `inertia`.
        inertia: kg m^2.
        object_frequency: rad/s, on the position of an object that both should hold, with the object's mass; each
            touching hand exerts the whole force.
        damping_ratio: of all springs.
        max_force: N and max_torque: N m on the pelvis; max_hand_force: N of each hand.
    """

    pelvis_frequency: float = 6.0
    turn_frequency: float = 1.0
    inertia: float = 8.0
    object_frequency: float = 6.0
    damping_ratio: float = 0.7
    max_force: float = 250.0
    max_torque: float = 120.0
    max_hand_force: float = 60.0


@dataclass(frozen=True, eq=False)
class FeedbackGains:
    """What forces ask of the PD targets in each frame.

    Attributes:
        pelvis: [T, nu, 6] rad per N (force on the pelvis, world) and rad per N m (torque, in the pelvis' frame).
        hands: [T, H, nu, 3] rad per N that a hand exerts, world.
    """

    pelvis: np.ndarray
    hands: np.ndarray


def feedback_gains(scene: Scene, qpos: np.ndarray, hands: tuple[str, ...]) -> FeedbackGains:
    """Linearise at every frame of a reference.

    Args:
        scene: compiled scene.
        qpos: [T, nq].
        hands: names of the hand bodies, H of them.
    """
    model, data = scene.model, mujoco.MjData(scene.model)
    soles = sole_corners(scene.geoms)
    dofs = slice(0, 6 + model.nu)
    kp = model.actuator_gainprm[:, 0]
    pelvis = np.zeros((len(qpos), model.nu, 6))
    exerted = np.zeros((len(qpos), len(hands), model.nu, 3))
    jacobian = np.zeros((3, model.nv))
    for t in range(len(qpos)):  # MuJoCo's Jacobians come one state at a time
        data.qpos[:] = qpos[t]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        pelvis[t] = _through_feet(standing_jacobians(model, data, soles, dofs)) / kp[:, None]
        for h, name in enumerate(hands):
            body = model.body(name).id
            mujoco.mj_jac(model, data, jacobian, None, data.xipos[body], body)
            arms, root = jacobian[:, dofs][:, 6:].T, jacobian[:, :6].T
            exerted[t, h] = arms / kp[:, None] + pelvis[t] @ root
    return FeedbackGains(pelvis, exerted)


def _through_feet(feet: np.ndarray) -> np.ndarray:
    """[nu, 6] joint torques by which standing feet [P, 3, 6 + nu] put a unit wrench on the pelvis; 0 without feet."""
    if not len(feet):
        return np.zeros((feet.shape[-1] - 6, 6))
    rows = feet.reshape(-1, feet.shape[-1])
    weights = np.array([1.0, 1.0, 1.0, 1 / _LEVER, 1 / _LEVER, 1 / _LEVER])
    grip = rows[:, :6].T * weights[:, None]
    forces = grip.T @ np.linalg.solve(grip @ grip.T + _REGULARISATION * np.eye(6), np.diag(weights))
    torques: np.ndarray = -rows[:, 6:].T @ forces
    return torques
