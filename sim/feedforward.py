"""PD targets that would carry a reference out in a perfect world: inverse dynamics with contact forces.

A PD actuator with target u exerts kp (u - q) - kv qvel. Aiming at the reference pose itself lags behind by kv/kp times
the velocity and sags by torque/kp under gravity, so a policy would first have to learn both. Solved for u instead:
u = q + (kv/kp) qvel + torque/kp, with the torque from inverse dynamics. What inverse dynamics asks of the free objects
is given to the touching hands and the floor, and then what it asks of the free-floating pelvis to the standing feet:
non-negative forces along the edges of friction pyramids (non-negative least squares), whose joint torques are booked.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.optimize import nnls

from sim import rotations
from sim.body.capsules import FOOT_JOINTS, BodyGeom
from sim.scene import Scene
from sim.skeleton import JOINT_NAMES

_STANDING_HEIGHT = 0.025
_RESTING_HEIGHT = 0.015
_SLIDING_SPEED = 0.05
GRIP = 0.5
"""Share of the friction cone that hands count on: the rest is the reserve against slipping."""
_LEVER = 0.3
"""m; weighs torques against forces when a wrench is shared out."""
_HAND_EFFORT, _FLOOR_EFFORT = 3e-2, 3e-3
"""Regularisation of contact forces: whatever the floor can carry, the hands need not."""


@dataclass(frozen=True, eq=False)
class HandContacts:
    """Where the hands can push objects. P candidate points a frame.

    Attributes:
        bodies: [T, P] names of the bodies that the points ride on; objects: [T, P] index of the touched movable object.
        points_w: [T, P, 3] m; normals_w: [T, P, 3] out of the object; active: [T, P] bool.
    """

    bodies: np.ndarray
    objects: np.ndarray
    points_w: np.ndarray
    normals_w: np.ndarray
    active: np.ndarray


def pd_targets(
    scene: Scene,
    qpos: np.ndarray,
    qvel: np.ndarray,
    fps: float,
    *,
    floor_friction: float,
    contacts: HandContacts | None = None,
    torque_share: float = 1.0,
) -> np.ndarray:
    """PD targets with feedforward for every frame.

    Args:
        scene: compiled scene, humanoid first: its hinges are dofs 6..6+nu in the order of the actuators.
        qpos: [T, nq]; qvel: [T, nv].
        fps: frames per second.
        floor_friction: of the floor against the soles.
        contacts: where hands push objects; None leaves the objects' weight out.
        torque_share: how much of the computed torque is used; 0 leaves only the velocity term.

    Returns:
        [T, nu] rad.
    """
    model = scene.model
    kp, kv = model.actuator_gainprm[:, 0], -model.actuator_biasprm[:, 2]
    targets: np.ndarray = qpos[:, 7 : 7 + model.nu] + (kv / kp) * qvel[:, 6 : 6 + model.nu]
    if torque_share == 0.0:
        return targets
    torque = _joint_torques(scene, qpos, qvel, fps, floor_friction, contacts)
    limit = model.actuator_forcerange[:, 1]
    return targets + torque_share * np.clip(torque, -limit, limit) / kp


def _joint_torques(
    scene: Scene,
    qpos: np.ndarray,
    qvel: np.ndarray,
    fps: float,
    floor_friction: float,
    contacts: HandContacts | None,
) -> np.ndarray:
    """[T, nu] N m that the hinges must exert."""
    model, data = scene.model, mujoco.MjData(scene.model)
    humanoid = slice(0, 6 + model.nu)
    acceleration = np.gradient(qvel, 1.0 / fps, axis=0)
    soles = sole_corners(scene.geoms)
    torques = np.zeros((len(qpos), model.nu))
    flags = int(model.opt.disableflags)
    model.opt.disableflags = flags | int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    try:
        for t in range(len(qpos)):  # MuJoCo's inverse dynamics take one state at a time
            data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t], qvel[t], acceleration[t]
            mujoco.mj_inverse(model, data)
            required = data.qfrc_inverse[humanoid].copy()
            if contacts is not None and contacts.active[t].any():
                required += _pushing(scene, data, contacts, t)
            feet = standing_jacobians(model, data, soles, humanoid)
            if len(feet):
                basis = np.einsum("pkv,rk->vpr", feet, _pyramid(floor_friction)).reshape(required.size, -1)
                required -= basis @ _shares(basis[:6], required[:6], np.full(basis.shape[1], _FLOOR_EFFORT))
            torques[t] = required[6:]
    finally:
        model.opt.disableflags = flags
    return torques


def _pushing(scene: Scene, data: mujoco.MjData, contacts: HandContacts, t: int) -> np.ndarray:
    """[6 + nu] generalised forces that the body needs in addition, to exert what the objects need from it."""
    model = scene.model
    extra = np.zeros(6 + model.nu)
    for o, name in enumerate(scene.object_names):
        touching = np.flatnonzero(contacts.active[t] & (contacts.objects[t] == o))
        if not len(touching):
            continue
        body = model.body(f"object_{name}").id
        first = int(model.joint(f"object_{name}").dofadr[0])
        centre = data.xpos[body]
        # The free joint's torque is in the body's frame; forces and torques about its origin, both in the world.
        wrench = data.qfrc_inverse[first : first + 6].copy()
        wrench[3:] = data.xmat[body].reshape(3, 3) @ wrench[3:]
        friction = scene.frictions[name]
        rays = [_cone(-contacts.normals_w[t, p], GRIP * scene.hand_friction) for p in touching]
        points = [contacts.points_w[t, p] for p in touching]
        floor_points, floor_rays = _support(model, data, body, friction)
        forces = np.concatenate((*rays, *floor_rays)) if floor_rays else np.concatenate(rays)
        at = np.concatenate([np.tile(p, (4, 1)) for p in points] + ([floor_points] if floor_rays else []))
        basis = np.concatenate((forces, np.cross(at - centre, forces) / _LEVER), 1).T
        wrench[3:] /= _LEVER
        hand_rays = 4 * len(touching)
        effort = np.where(np.arange(len(forces)) < hand_rays, _HAND_EFFORT, _FLOOR_EFFORT)
        share = _shares(basis, wrench, effort)[:hand_rays].reshape(-1, 4)
        for p, ray, s in zip(touching, rays, share, strict=True):
            jacobian = np.zeros((3, model.nv))
            hand = model.body(str(contacts.bodies[t, p])).id
            mujoco.mj_jac(model, data, jacobian, None, contacts.points_w[t, p], hand)
            extra += (s @ ray) @ jacobian[:, : 6 + model.nu]
    return extra


def _support(
    model: mujoco.MjModel, data: mujoco.MjData, body: int, friction: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Where the floor holds an object and along which rays: a pyramid at rest, sliding friction's ray in motion."""
    vertices = _corners(model, data, body)
    low = vertices[vertices[:, 2] < min(vertices[:, 2].min(), 0.0) + _RESTING_HEIGHT]
    if not len(low) or low[:, 2].min() > _RESTING_HEIGHT:
        return np.zeros((0, 3)), []
    # The extremes in eight directions, none of them along an edge of the usual object: all corners of a rectangle.
    angles = 0.1 + np.arange(8) * (np.pi / 4)
    extreme = low[np.unique((low[:, :2] @ np.stack((np.cos(angles), np.sin(angles)))).argmax(0))]
    velocity = np.zeros(6)
    mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
    points, rays = [], []
    for corner in extreme:
        speed = velocity[3:] + np.cross(velocity[:3], corner - data.xipos[body])
        sliding = float(np.linalg.norm(speed[:2]))
        if sliding > _SLIDING_SPEED:
            ray = np.array([[-friction * speed[0] / sliding, -friction * speed[1] / sliding, 1.0]])
        else:
            ray = _pyramid(friction)
        points.append(np.tile(corner, (len(ray), 1)))
        rays.append(ray)
    return np.concatenate(points), rays


def _corners(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> np.ndarray:
    """[V, 3] m, world: vertices of a body's collision shapes (corners of a box, the bounding box of round shapes)."""
    parts = []
    first = model.body_geomadr[body]
    for g in range(first, first + model.body_geomnum[body]):
        if model.geom_type[g] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.geom_dataid[g]
            start = model.mesh_vertadr[mesh]
            local = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
        else:
            signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
            local = model.geom_aabb[g, :3] + signs * model.geom_aabb[g, 3:]
        parts.append(data.geom_xpos[g] + local @ data.geom_xmat[g].reshape(3, 3).T)
    return np.concatenate(parts)


def sole_corners(geoms: tuple[BodyGeom, ...]) -> list[tuple[str, np.ndarray]]:
    """(body name, [4, 3] m in its frame) of the lower faces of the foot boxes."""
    corners = []
    for geom in geoms:
        if geom.joint in FOOT_JOINTS and geom.kind == "box":
            signs = np.array([[x, y, -1.0] for x in (-1, 1) for y in (-1, 1)])
            points = geom.position_b + rotations.rotate(geom.rotation_b, signs * np.array(geom.size))
            corners.append((JOINT_NAMES[geom.joint], points))
    return corners


def standing_jacobians(
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
    return np.stack(rows) if rows else np.zeros((0, 3, dofs.stop - dofs.start))


def _pyramid(friction: float) -> np.ndarray:
    """[4, 3] edges of the friction pyramid around +z."""
    return np.array([[friction, 0, 1], [-friction, 0, 1], [0, friction, 1], [0, -friction, 1]], dtype=np.float64)


def _cone(axis: np.ndarray, friction: float) -> np.ndarray:
    """[4, 3] edges of the friction pyramid around a direction."""
    helper = np.eye(3)[np.abs(axis).argmin()]
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    return np.stack([axis + friction * s for s in (side, -side, other, -other)])


def _shares(basis: np.ndarray, wanted: np.ndarray, effort: np.ndarray) -> np.ndarray:
    """Non-negative ray forces whose sum is nearest to what is wanted; `effort` [R] makes rays costly."""
    forces, _ = nnls(np.vstack((basis, np.diag(effort))), np.concatenate((wanted, np.zeros(len(effort)))))
    return np.asarray(forces)
