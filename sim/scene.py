"""Humanoid, objects and floor as one MuJoCo model, with everything that a task reads as sensors, found by name once."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

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
        physics_hz: simulation steps per second.
        floor_friction: sliding friction of the floor against the body.
        object_mass: kg; overrides the motion's mass and density.
        object_density: kg/m^3 of hull volume, where neither the motion nor `object_mass` gives a mass (hollow goods).
        object_friction: sliding friction of objects against the floor, each other and all of the body but its hands;
            overrides the motion's.
        default_friction: used where neither `object_friction` nor the motion gives one (the seed's Table 7).
        max_hulls: convex parts per mesh.
        solver_iterations: at most so many Newton steps per simulation step.
    """

    humanoid: HumanoidConfig = field(default_factory=HumanoidConfig)
    physics_hz: int = 120
    floor_friction: float = 0.9
    object_mass: float | None = None
    object_density: float = DEFAULT_DENSITY
    object_friction: float | None = None
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
    finger_rotations_b: np.ndarray | None = None,
) -> Scene:
    """Compile the scene of a subject and the objects of a motion.

    Args:
        offsets: [52, 3] m, the subject's bones.
        objects: what the motion holds; static ones are welded where their first frame has them.
        config: physics.
        stance, finger_rotations_b: see `sim.humanoid.add_humanoid`.

    Raises:
        AssetError: an object without volume, or a mass or density that is not positive.
        SimulationError: bones without length, or MuJoCo refuses the model; the message is MuJoCo's.
    """
    spec = mujoco.MjSpec()
    _set_options(spec, config)
    _add_floor(spec, config)
    geoms = add_humanoid(spec, offsets, config.humanoid, stance=stance, finger_rotations_b=finger_rotations_b)
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
        _add_object(spec, item, asset, friction)
    joints = simulated_joints(config.humanoid.hands)
    movable = tuple(item.name for item in objects if not item.is_static)
    _add_sensors(spec, [JOINT_NAMES[j] for j in joints], movable, tuple(item.name for item in objects))
    try:
        model = spec.compile()
    except (ValueError, mujoco.FatalError) as error:
        raise SimulationError(f"MuJoCo refuses the scene: {error}") from error
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


def _set_options(spec: mujoco.MjSpec, config: SceneConfig) -> None:
    spec.option.timestep = 1.0 / config.physics_hz
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = config.solver_iterations
    spec.option.ls_iterations = 20


def _add_floor(spec: mujoco.MjSpec, config: SceneConfig) -> None:
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


def _first(*values: float | None) -> float | None:
    """The first that is given; a zero is."""
    return next((value for value in values if value is not None), None)


def _add_object(spec: mujoco.MjSpec, item: MotionObject, asset: ObjectAsset, friction: float) -> None:
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
        return
    for i, hull in enumerate(asset.hulls):
        name = f"{item.name}_hull{i}"
        spec.add_mesh(name=name, uservert=hull.vertices.ravel(), userface=hull.faces.ravel())
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, **shared)


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
    """[T, nv] generalised velocities by central differences in MuJoCo's tangent space (one-sided at the ends)."""
    qvel = np.zeros((len(qpos), model.nv))
    for t in range(len(qpos)):
        low, high = max(t - 1, 0), min(t + 1, len(qpos) - 1)
        mujoco.mj_differentiatePos(model, qvel[t], (high - low) / fps, qpos[low], qpos[high])
    return qvel
