"""Humanoid, objects and floor as one MuJoCo model, with everything that a task reads as sensors, found by name once."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np
from scipy.optimize import brentq

from sim import rotations
from sim.body.capsules import BodyGeom, FootStance
from sim.convex import MAX_HULLS
from sim.errors import SimulationError
from sim.geometry import Primitive
from sim.humanoid import HumanoidConfig, add_humanoid, hinge_angles, simulated_joints
from sim.motion import Motion, MotionObject
from sim.objects import DEFAULT_DENSITY, ObjectAsset
from sim.skeleton import JOINT_NAMES

_FLOOR_BIT = 1
_BODY_BIT = 2
_OBJECT_BIT = 4
_IMPACT_STEPS = 2 * np.pi
_KINK = 60.0
"""m/s^2; no hand accelerates what it holds like this, an impact at 30 Hz far more."""
_FORCE_DATA = 1 << 1
_REDUCE_NETFORCE = 3
FRAME_SENSORS = ("framepos", "framequat", "framelinvel", "frameangvel")
_FRAME_TYPES = {
    "framepos": (mujoco.mjtSensor.mjSENS_FRAMEPOS, 3),
    "framequat": (mujoco.mjtSensor.mjSENS_FRAMEQUAT, 4),
    "framelinvel": (mujoco.mjtSensor.mjSENS_FRAMELINVEL, 3),
    "frameangvel": (mujoco.mjtSensor.mjSENS_FRAMEANGVEL, 3),
}


@dataclass(frozen=True)
class SceneConfig:
    """What physics assumes where the motion does not say.

    Attributes:
        humanoid: the humanoid's build.
        physics_hz: simulation steps per second; bounce_hz: the same for scenes with balls, whose bounce is to be as
            short as a real one (26 ms; at 120 Hz a ball would leave the floor 30 ms late and squash by 9 cm).
        floor_friction: sliding friction of the floor against the body.
        object_mass: kg; overrides the motion's mass and density.
        object_density: kg/m^3 of hull volume, where neither the motion nor `object_mass` gives a mass (hollow goods).
        object_friction: sliding friction of objects against the floor, each other and all of the body but its hands;
            overrides the motion's.
        restitution: of balls (movable spheres) against the floor, each other and all of the body but its hands: speed
            after over speed before the impact, at least 0.14, or 0 for none. 0.79: 12 free bounces of a basketball at
            5.2 to 6.5 m/s in BallPlay-M, 0.77 to 0.81.
        default_friction: used where neither `object_friction` nor the motion gives one (the seed's Table 7).
        max_hulls: convex parts per mesh.
        solver_iterations: at most so many Newton steps per simulation step.
    """

    humanoid: HumanoidConfig = field(default_factory=HumanoidConfig)
    physics_hz: int = 120
    bounce_hz: int = 240
    floor_friction: float = 0.9
    object_mass: float | None = None
    object_density: float = DEFAULT_DENSITY
    object_friction: float | None = None
    restitution: float = 0.79
    default_friction: float = 0.6
    max_hulls: int = MAX_HULLS
    solver_iterations: int = 10


@dataclass(frozen=True)
class Scene:
    """A compiled scene and where things stand in its vectors.

    Attributes:
        model: compiled MuJoCo model.
        joints: indices into the standard skeleton of the simulated bodies, B of them, pelvis first.
        object_names: O movable objects, in the order of their free joints after the humanoid's.
        body_frames: sensor kind -> slice of sensordata that holds [B, 3 or 4] of the bodies.
        object_frames: the same for the movable objects, [O, 3 or 4].
        contact_force: slice of sensordata that holds [A, B, 3] N, world frame: what each body exerts on each of all A
            objects, static ones included, and never on the floor.
        geoms: the humanoid's collision shapes.
        assets: collision assets of all objects of the motion, by name.
        masses: kg of the movable objects; frictions: of all objects, as simulated; hand_friction: of the hands.
    """

    model: mujoco.MjModel
    joints: tuple[int, ...]
    object_names: tuple[str, ...]
    body_frames: dict[str, slice]
    object_frames: dict[str, slice]
    contact_force: slice
    geoms: tuple[BodyGeom, ...]
    assets: dict[str, ObjectAsset]
    masses: dict[str, float]
    frictions: dict[str, float]
    hand_friction: float


def build_scene(
    offsets: np.ndarray,
    objects: tuple[MotionObject, ...],
    config: SceneConfig,
    *,
    stance: FootStance | None = None,
) -> Scene:
    """Compile the scene of a subject and the objects of a motion.

    Args:
        offsets: [52, 3] m, the subject's bones.
        objects: what the motion holds; static ones are welded where their first frame has them.
        config: physics.
        stance: see `sim.humanoid.add_humanoid`.

    Raises:
        AssetError: an object without volume, or a mass or density that is not positive.
        SimulationError: bones without length, a restitution out of range, or MuJoCo refuses the model; the message is
            MuJoCo's.
    """
    spec = _empty_world(objects, config)
    geoms = add_humanoid(spec, offsets, config.humanoid, stance=stance)
    assets, masses, frictions = _add_objects(spec, objects, config)
    joints = simulated_joints(config.humanoid.hands)
    movable = tuple(item.name for item in objects if not item.is_static)
    _add_sensors(spec, [JOINT_NAMES[j] for j in joints], movable, tuple(item.name for item in objects))
    model = _compiled(spec)
    body_frames, object_frames, contact_force = _sensor_slices(len(joints), len(movable), len(objects))
    return Scene(
        model=model,
        joints=joints,
        object_names=movable,
        body_frames=body_frames,
        object_frames=object_frames,
        contact_force=contact_force,
        geoms=geoms,
        assets=assets,
        masses=masses,
        frictions=frictions,
        hand_friction=config.humanoid.hand_friction,
    )


def build_deserted(objects: tuple[MotionObject, ...], config: SceneConfig) -> mujoco.MjModel:
    """The scene's floor and objects without the humanoid. Raises what `build_scene` raises for objects."""
    spec = _empty_world(objects, config)
    _add_objects(spec, objects, config)
    return _compiled(spec)


def _compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    try:
        return spec.compile()
    except (ValueError, mujoco.FatalError) as error:
        raise SimulationError(f"MuJoCo refuses the scene: {error}") from error


def _add_objects(
    spec: mujoco.MjSpec, objects: tuple[MotionObject, ...], config: SceneConfig
) -> tuple[dict[str, ObjectAsset], dict[str, float], dict[str, float]]:
    """Assets of all objects, masses of the movable ones and frictions, by name."""
    assets, masses, frictions = {}, {}, {}
    for item in objects:
        asset = ObjectAsset.from_geometry(
            item.geometry,
            max_hulls=config.max_hulls,
            mass=_first(config.object_mass, item.mass),
            density=_first(item.density, config.object_density),
        )
        assets[item.name] = asset
        friction = _first(config.object_friction, item.friction, config.default_friction)
        assert friction is not None
        frictions[item.name] = friction
        if not item.is_static:
            masses[item.name] = asset.mass
        body = _add_object(spec, item, asset, friction)
        if config.restitution and item.is_ball:
            _let_bounce(spec, body.geoms[0], asset.mass, config.restitution)
    return assets, masses, frictions


def _empty_world(objects: tuple[MotionObject, ...], config: SceneConfig) -> mujoco.MjSpec:
    """Options and the floor; time steps are shorter where a ball is to bounce."""
    spec = mujoco.MjSpec()
    bounces = config.restitution and any(item.is_ball for item in objects)
    spec.option.timestep = 1.0 / (config.bounce_hz if bounces else config.physics_hz)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = config.solver_iterations
    spec.option.ls_iterations = 20
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=np.array([0.0, 0.0, 1.0]),
        contype=_FLOOR_BIT,
        conaffinity=0,
        priority=1,  # without it the larger of floor's and body's friction would rule
        friction=np.array([config.floor_friction, 0.005, 0.0001]),
    )
    spec.worldbody.add_light(pos=np.array([0.0, 0.0, 4.0]))
    return spec


def _first(*values: float | None) -> float | None:
    """The first that is given; a zero is."""
    return next((value for value in values if value is not None), None)


def _let_bounce(spec: mujoco.MjSpec, ball: mujoco.MjsGeom, mass: float, restitution: float) -> None:
    """Make a sphere a ball: a thin shell whose contacts, but those with hands, give back a part of the speed.

    MuJoCo's "direct" contact parameters are a spring and a damper per mass; the contact lasts as long as the spring
    pushes, and with damping ratio z gives back e = exp(-2 z acos(z) / sqrt(1 - z^2)) (Schwager & Poeschel 2007,
    eq. 20). The spring is as stiff as the time step resolves: half a period is 2 pi steps, in which e comes out within
    10 % from 0.7 upwards wherever in a step the impact falls (20 % at 0.5). A constant impedance keeps it linear.

    Damping so weak would let the ball slide over the floor, as it rules friction too; so that pair gets friction of its
    own, which only elliptic cones know: a real ball leaves the floor with half of its horizontal speed, and rolling.
    """
    if not 0.14 <= restitution <= 1:
        raise SimulationError(f"restitution {restitution:g}: balls give back 0.14 to 1 of their speed, or 0 for none")
    hz = 1.0 / spec.option.timestep
    frequency = np.pi * hz / _IMPACT_STEPS
    damping = brentq(lambda z: -2 * z * np.arccos(z) / np.sqrt(1 - z * z) - np.log(restitution), 0.0, 1 - 1e-9)
    ball.name = f"{ball.parent.name}_ball"
    ball.mass, ball.typeinertia = mass, mujoco.mjtGeomInertia.mjINERTIA_SHELL
    ball.solref[:] = -(frequency**2), -2 * damping * frequency
    ball.solimp[:] = 0.9, 0.9, 0.001, 0.5, 2.0
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    sliding, *rest = ball.friction
    spec.add_pair(
        geomname1=ball.name,
        geomname2="floor",
        condim=3,
        friction=[sliding, sliding, rest[0], rest[1], rest[1]],
        solref=ball.solref,
        solreffriction=[-1e-3, -0.25 * hz],
        solimp=ball.solimp,
    )


def _add_object(spec: mujoco.MjSpec, item: MotionObject, asset: ObjectAsset, friction: float) -> mujoco.MjsBody:
    """One body in the frame of the object's mesh; its friction rules over that of everything but hands."""
    pose = {"pos": item.position_w[0], "quat": item.rotation_w[0]} if item.is_static else {}
    body = spec.worldbody.add_body(name=f"object_{item.name}", **pose)
    if not item.is_static:
        body.add_freejoint(name=f"object_{item.name}")
    shared = {
        "contype": _OBJECT_BIT,
        "conaffinity": _FLOOR_BIT | _BODY_BIT | _OBJECT_BIT,
        "priority": 2,
        "friction": np.array([friction, 0.005, 0.0001]),
        "density": asset.density,
        "rgba": np.array([0.85, 0.55, 0.25, 1.0]),
    }
    if isinstance(item.geometry, Primitive):
        kind, size = _primitive(item.geometry)
        body.add_geom(type=kind, size=size, **shared)
        return body
    for i, hull in enumerate(asset.hulls):
        name = f"{item.name}_hull{i}"
        spec.add_mesh(name=name, uservert=hull.vertices.ravel(), userface=hull.faces.ravel())
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, **shared)
    return body


def _primitive(geometry: Primitive) -> tuple[mujoco.mjtGeom, np.ndarray]:
    """MuJoCo's type and size of a primitive: half lengths where ours are full."""
    s = geometry.size
    return {
        "sphere": lambda: (mujoco.mjtGeom.mjGEOM_SPHERE, np.array([s[0], 0.0, 0.0])),
        "box": lambda: (mujoco.mjtGeom.mjGEOM_BOX, 0.5 * np.array(s)),
        "cylinder": lambda: (mujoco.mjtGeom.mjGEOM_CYLINDER, np.array([s[0], 0.5 * s[1], 0.0])),
        "capsule": lambda: (mujoco.mjtGeom.mjGEOM_CAPSULE, np.array([s[0], 0.5 * s[1], 0.0])),
    }[geometry.kind]()


def _add_sensors(spec: mujoco.MjSpec, bodies: list[str], movable: tuple[str, ...], touchable: tuple[str, ...]) -> None:
    """Frames of all bodies, kind by kind, then of movable objects, then the force of each body on each object."""
    for names in (bodies, [f"object_{name}" for name in movable]):
        for kind in FRAME_SENSORS:
            for name in names:
                spec.add_sensor(
                    name=f"{kind}_{name}", type=_FRAME_TYPES[kind][0], objtype=mujoco.mjtObj.mjOBJ_XBODY, objname=name
                )
    for item in touchable:
        for name in bodies:
            spec.add_sensor(
                name=f"contact_{name}_{item}",
                type=mujoco.mjtSensor.mjSENS_CONTACT,
                objtype=mujoco.mjtObj.mjOBJ_BODY,
                objname=name,
                reftype=mujoco.mjtObj.mjOBJ_BODY,
                refname=f"object_{item}",
                intprm=[_FORCE_DATA, _REDUCE_NETFORCE, 1],
            )


def _sensor_slices(bodies: int, movable: int, touchable: int) -> tuple[dict[str, slice], dict[str, slice], slice]:
    at, groups = 0, []
    for count in (bodies, movable):
        frames = {}
        for kind in FRAME_SENSORS:
            width = count * _FRAME_TYPES[kind][1]
            frames[kind] = slice(at, at + width)
            at += width
        groups.append(frames)
    return groups[0], groups[1], slice(at, at + 3 * bodies * touchable)


def motion_to_qpos(motion: Motion, scene: Scene) -> np.ndarray:
    """[T, nq]: free root, hinge angles, then the free joints of the movable objects."""
    hinges = hinge_angles(motion.joint_rotations_b[:, list(scene.joints[1:])])
    objects = {item.name: item for item in motion.objects}
    free = [np.concatenate((objects[n].position_w, objects[n].rotation_w), 1) for n in scene.object_names]
    root = rotations.make_continuous(motion.joint_rotations_b[:, 0])
    return np.concatenate((motion.root_position_w, root, hinges, *free), 1)


def velocities(model: mujoco.MjModel, qpos: np.ndarray, fps: float) -> np.ndarray:
    """[T, nv] generalised velocities by differences of second order in MuJoCo's tangent space.

    Central, one-sided at the ends, where a ball in flight would else start 0.16 m/s too fast. Around an impact objects
    take the side on which nothing happens: before it the speed they come with, after it the one they leave with.
    """
    steps = np.zeros((len(qpos) - 1, model.nv))
    for t in range(len(steps)):
        mujoco.mj_differentiatePos(model, steps[t], 1.0 / fps, qpos[t], qpos[t + 1])
    if len(steps) == 1:
        return np.repeat(steps, 2, axis=0)
    ahead = np.concatenate((1.5 * steps[:-1] - 0.5 * steps[1:], steps[-1:], 1.5 * steps[-1:] - 0.5 * steps[-2:-1]))
    behind = np.concatenate((ahead[:1], steps[:1], 1.5 * steps[1:] - 0.5 * steps[:-1]))
    qvel = 0.5 * (np.concatenate((ahead[:1], steps)) + np.concatenate((steps, behind[-1:])))
    qvel[0], qvel[-1] = ahead[0], behind[-1]
    for first in range(6 + model.nu, model.nv, 6):  # free joints after the humanoid's
        dofs = slice(first, first + 3)
        kink = np.pad(np.linalg.norm(np.diff(steps[:, dofs], axis=0), axis=1) * fps, 1, mode="edge")
        around = np.pad(kink, 1, mode="edge")
        calm = np.where((around[:-2] < around[2:])[:, None], behind[:, dofs], ahead[:, dofs])
        calm[0], calm[-1] = steps[0, dofs], steps[-1, dofs]
        qvel[:, dofs] = np.where((kink > _KINK)[:, None], calm, qvel[:, dofs])
    return qvel
