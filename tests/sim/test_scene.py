"""The compiled scene: sensors against forward kinematics, masses, friction, contact forces, states of a motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

from sim import rotations, skeleton
from sim.body.capsules import Hands
from sim.errors import AssetError, SimulationError
from sim.geometry import Mesh, Primitive
from sim.humanoid import HumanoidConfig, hand_bodies, joint_rotations
from sim.motion import Motion, MotionObject
from sim.scene import FRAME_SENSORS, Scene, SceneConfig, build_scene, motion_to_qpos, velocities
from sim.skeleton import JOINT_INDEX

GRAVITY = 9.81
BOX = Primitive("box", (0.3, 0.4, 0.2))


def read(scene: Scene, data: mujoco.MjData) -> np.ndarray:
    """[A, B, 3] N, the contact forces."""
    bodies = len(scene.joints)
    return data.sensordata[scene.contact_force].reshape(-1, bodies, 3)


def settle(scene: Scene, qpos: np.ndarray, seconds: float, *, hold: bool = False) -> mujoco.MjData:
    """Simulate from rest; `hold` puts the humanoid's pose back before every step, so that it stands like rock."""
    data = mujoco.MjData(scene.model)
    data.qpos[:] = qpos
    data.ctrl[:] = qpos[7 : 7 + scene.model.nu]
    for _ in range(round(seconds / scene.model.opt.timestep)):
        if hold:
            data.qpos[: 7 + scene.model.nu] = qpos[: 7 + scene.model.nu]
            data.qvel[: 6 + scene.model.nu] = 0.0
        mujoco.mj_step(scene.model, data)
    return data


@pytest.mark.parametrize("hands", ["mitten", "full"])
def test_sensors_are_forward_kinematics(hands: Hands, carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    scene = build_scene(motion.offsets, motion.objects, SceneConfig(humanoid=HumanoidConfig(hands=hands)))
    rng, data = np.random.default_rng(0), mujoco.MjData(scene.model)
    joints = list(scene.joints)
    for _ in range(3):
        pose = np.zeros((52, 4))
        pose[:, 0] = 1.0
        angles = rng.uniform(-1.5, 1.5, scene.model.nu)
        pose[joints[1:]] = joint_rotations(angles)
        pose[0] = rotations.normalize(rng.normal(size=4))
        root, box = rng.normal(size=3), np.concatenate((rng.normal(size=3), rotations.normalize(rng.normal(size=4))))
        data.qpos[:] = np.concatenate((root, pose[0], angles, box))
        mujoco.mj_forward(scene.model, data)
        positions, world = skeleton.forward_kinematics(pose, root, motion.offsets)
        sensed = {k: data.sensordata[at].reshape(len(joints), -1) for k, at in scene.body_frames.items()}
        np.testing.assert_allclose(sensed["framepos"], positions[joints], atol=1e-5)
        assert rotations.angle_between(sensed["framequat"], world[joints]).max() < 1e-5
        np.testing.assert_allclose(data.sensordata[scene.object_frames["framepos"]], box[:3], atol=1e-12)
        assert rotations.angle_between(data.sensordata[scene.object_frames["framequat"]], box[3:]) < 1e-7


def test_velocity_sensors_are_derivatives_in_the_world_frame(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    rng, step = np.random.default_rng(1), 1e-6
    qpos = motion_to_qpos(motion, scene)[3]
    qvel = rng.normal(size=scene.model.nv)
    frames = []
    for sign in (-1.0, 1.0, 0.0):
        data = mujoco.MjData(scene.model)
        data.qpos[:] = qpos
        mujoco.mj_integratePos(scene.model, data.qpos, qvel, sign * step)
        data.qvel[:] = qvel
        mujoco.mj_forward(scene.model, data)
        frames.append(data.sensordata.copy())
    before, after, now = frames
    for group in (scene.body_frames, scene.object_frames):
        linear = (after - before)[group["framepos"]].reshape(-1, 3) / (2 * step)
        np.testing.assert_allclose(now[group["framelinvel"]].reshape(-1, 3), linear, atol=1e-5)
        q = [f[group["framequat"]].reshape(-1, 4) for f in (before, after)]
        angular = rotations.to_rotvec(rotations.multiply(q[1], rotations.inverse(q[0]))) / (2 * step)
        np.testing.assert_allclose(now[group["frameangvel"]].reshape(-1, 3), angular, atol=1e-4)


def test_slices_cover_the_sensors_without_gap(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    objects = (
        resting(BOX, (1, 0, 0.1), name="a"),
        resting(BOX, (2, 0, 0.1), name="shelf", is_static=True),
        resting(Primitive("sphere", (0.1,)), (3, 0, 0.1), name="b"),
    )
    scene = build_scene(standing().offsets, objects, SceneConfig())
    assert scene.object_names == ("a", "b")
    assert set(scene.masses) == {"a", "b"}
    assert set(scene.frictions) == set(scene.assets) == {"a", "shelf", "b"}
    slices = [*scene.body_frames.values(), *scene.object_frames.values(), scene.contact_force]
    edges = [0, *(s.stop for s in slices)]
    assert [s.start for s in slices] == edges[:-1]
    assert edges[-1] == scene.model.nsensordata
    for kind in FRAME_SENSORS:
        first = scene.model.sensor_adr[scene.model.sensor(f"{kind}_pelvis").id]
        assert scene.body_frames[kind].start == first
        assert scene.object_frames[kind].start == scene.model.sensor_adr[scene.model.sensor(f"{kind}_object_a").id]
    width = scene.object_frames["framequat"]
    assert width.stop - width.start == 8


# -- mass ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geometry", "inertia"),
    [
        (BOX, np.array([0.4**2 + 0.2**2, 0.3**2 + 0.2**2, 0.3**2 + 0.4**2]) / 12),
        (Primitive("sphere", (0.12,)), np.full(3, 0.4 * 0.12**2)),
        (Primitive("cylinder", (0.1, 0.5)), np.array([(3 * 0.01 + 0.25) / 12] * 2 + [0.005])),
    ],
)
def test_primitives_weigh_and_turn_as_computed_by_hand(
    geometry: Primitive,
    inertia: np.ndarray,
    standing: Callable[..., Motion],
    resting: Callable[..., MotionObject],
) -> None:
    solid = SceneConfig(restitution=0.0)  # else a sphere is a ball, which is hollow
    scene = build_scene(standing().offsets, (resting(geometry, (1, 0, 1), mass=2.5),), solid)
    body = scene.model.body("object_box")
    assert body.mass[0] == pytest.approx(2.5)
    assert scene.masses == {"box": pytest.approx(2.5)}
    np.testing.assert_allclose(np.sort(body.inertia), np.sort(2.5 * inertia), rtol=1e-6)
    np.testing.assert_allclose(np.sort(np.diag(scene.assets["box"].inertia_b)), np.sort(body.inertia), rtol=1e-6)
    assert scene.assets["box"].mass == pytest.approx(2.5)


def test_who_decides_the_mass(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    volume = 0.3 * 0.4 * 0.2

    def mass(config: SceneConfig, **given: float) -> float:
        scene = build_scene(standing().offsets, (resting(BOX, (1, 0, 1), **given),), config)
        assert scene.model.body("object_box").mass[0] == pytest.approx(scene.masses["box"])
        return scene.masses["box"]

    assert mass(SceneConfig(object_mass=7.0), mass=2.0, density=100.0) == pytest.approx(7.0)
    assert mass(SceneConfig(), mass=2.0, density=100.0) == pytest.approx(2.0)
    assert mass(SceneConfig(object_density=50.0), density=100.0) == pytest.approx(100 * volume)
    assert mass(SceneConfig(object_density=50.0)) == pytest.approx(50 * volume)


def test_meshes_become_hulls_of_the_right_mass(
    standing: Callable[..., Motion],
    resting: Callable[..., MotionObject],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path))
    box = trimesh.creation.box(extents=(0.3, 0.4, 0.2)).subdivide()
    shifted = Mesh(np.add(box.vertices, [0.1, 0.0, 0.05]), np.array(box.faces))
    scene = build_scene(standing().offsets, (resting(shifted, (1, 0, 1), mass=3.0),), SceneConfig())
    body = scene.model.body("object_box")
    assert body.mass[0] == pytest.approx(3.0, rel=1e-3)
    np.testing.assert_allclose(body.ipos, [0.1, 0.0, 0.05], atol=1e-3)
    expected = 3.0 * np.array([0.4**2 + 0.2**2, 0.3**2 + 0.2**2, 0.3**2 + 0.4**2]) / 12
    np.testing.assert_allclose(np.sort(body.inertia), np.sort(expected), rtol=5e-3)


# -- friction --------------------------------------------------------------------------------------------------------


def pair_friction(scene: Scene, qpos: np.ndarray) -> dict[frozenset[str], float]:
    """Sliding friction of each contact, by the names of the two bodies."""
    data = mujoco.MjData(scene.model)
    data.qpos[:] = qpos
    mujoco.mj_forward(scene.model, data)
    geoms = scene.model.geom_bodyid
    return {
        frozenset(scene.model.body(geoms[g]).name for g in c.geom): float(c.friction[0])
        for c in data.contact[: data.ncon]
    }


@pytest.mark.parametrize("friction", [0.3, 1.7])
def test_the_hands_friction_rules_over_the_objects_and_that_over_the_rest(
    friction: float, standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    motion = standing()
    wrist = motion.joint_positions_w[0, JOINT_INDEX["left_wrist"]]
    held = resting(Primitive("sphere", (0.2,)), tuple(wrist - [0, 0, 0.2]), name="held", friction=friction)
    head = motion.joint_positions_w[0, JOINT_INDEX["head"]]
    hat = resting(Primitive("sphere", (0.1,)), tuple(head + np.array([0, 0, 0.2])), name="hat", friction=friction)
    floored = resting(BOX, (2.0, 0, 0.099), name="floored", friction=friction)
    motion = motion.replace(objects=(held, hat, floored))
    scene = build_scene(motion.offsets, motion.objects, SceneConfig(humanoid=HumanoidConfig(hand_friction=0.85)))
    found = pair_friction(scene, motion_to_qpos(motion, scene)[0])
    assert found[frozenset(("left_wrist", "object_held"))] == pytest.approx(0.85)
    assert found[frozenset(("head", "object_hat"))] == pytest.approx(friction)
    assert found[frozenset(("world", "object_floored"))] == pytest.approx(friction)


@pytest.mark.parametrize("friction", [0.2, 0.9, 1.5])
def test_the_floors_friction_holds_for_the_soles(friction: float, standing: Callable[..., Motion]) -> None:
    motion = standing()
    scene = build_scene(motion.offsets, (), SceneConfig(floor_friction=friction))
    qpos = motion_to_qpos(motion, scene)[0]
    qpos[2] -= 0.002
    found = pair_friction(scene, qpos)
    assert found[frozenset(("world", "left_ankle"))] == pytest.approx(friction)


def test_who_decides_the_friction(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    def friction(config: SceneConfig, **given: float) -> float:
        return build_scene(standing().offsets, (resting(BOX, (1, 0, 1), **given),), config).frictions["box"]

    assert friction(SceneConfig(object_friction=0.4), friction=0.7) == 0.4
    assert friction(SceneConfig(object_friction=0.0), friction=0.7) == 0.0
    assert friction(SceneConfig(), friction=0.7) == 0.7
    assert friction(SceneConfig(default_friction=0.55)) == 0.55


# -- contact forces --------------------------------------------------------------------------------------------------


def test_a_box_on_the_hand_weighs_on_it(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    """The sensor gives what the body exerts on the object, in the world: weight upwards (Newton's third law)."""
    motion = standing()
    hand = motion.joint_positions_w[0, JOINT_INDEX["left_wrist"]] + [0.0, 0.07, 0.0]
    box = resting(Primitive("box", (0.06, 0.05, 0.1)), tuple(np.add(hand, [0, 0, 0.014 + 0.05])), mass=1.5)
    scene = build_scene(motion.offsets, (box,), SceneConfig())
    qpos = motion_to_qpos(motion.replace(objects=(box,)), scene)[0]
    force = read(scene, settle(scene, qpos, 1.0, hold=True))
    hand = hand_bodies(scene.joints)[0]
    np.testing.assert_allclose(force[0, hand].sum(0), [0, 0, 1.5 * GRAVITY], atol=0.1 * 1.5 * GRAVITY)
    assert not force[0, ~hand].any(), "nobody else touches it"


def test_the_floor_is_not_an_object(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    motion = standing()
    scene = build_scene(motion.offsets, (resting(BOX, (2, 0, 0.1)),), SceneConfig())
    qpos = motion_to_qpos(motion.replace(objects=(resting(BOX, (2, 0, 0.1)),)), scene)[0]
    data = settle(scene, qpos, 0.2)
    touching = {scene.model.body(scene.model.geom_bodyid[g]).name for c in data.contact[: data.ncon] for g in c.geom}
    assert {"world", "object_box"} <= touching
    assert any("ankle" in name or "foot" in name for name in touching), "the test would show nothing in the air"
    assert not read(scene, data).any()


def test_forces_are_told_apart_by_object_static_ones_included(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    motion = standing()
    left, right = (motion.joint_positions_w[0, JOINT_INDEX[f"{s}_wrist"]] for s in ("left", "right"))
    shape = Primitive("box", (0.2, 0.06, 0.2))
    shelf = resting(shape, tuple(np.add(right, [0, -0.05, -0.014 - 0.098])), name="shelf", is_static=True)
    box = resting(shape, tuple(np.add(left, [0, 0.05, -0.014 - 0.098])), name="box", mass=1.0)
    scene = build_scene(motion.offsets, (shelf, box), SceneConfig())
    data = mujoco.MjData(scene.model)
    data.qpos[:] = motion_to_qpos(motion.replace(objects=(shelf, box)), scene)[0]
    mujoco.mj_forward(scene.model, data)
    force = read(scene, data)
    assert force.shape == (2, len(scene.joints), 3)
    wrists = [scene.joints.index(JOINT_INDEX[f"{s}_wrist"]) for s in ("left", "right")]
    assert force[0, wrists[1], 2] < -1.0, "the right hand presses the shelf down"
    assert force[1, wrists[0], 2] < -1.0, "the left hand presses the box down"
    assert not force[0, wrists[0]].any()
    assert not force[1, wrists[1]].any()


def test_objects_carry_each_other_and_rest_on_the_floor(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    objects = (
        resting(BOX, (2, 0, 0.1), name="lower"),
        resting(BOX, (2, 0, 0.3), name="upper"),
        resting(Primitive("box", (1.0, 1.0, 0.5)), (4, 0, 0.75), name="table", is_static=True),
        resting(BOX, (4, 0, 1.1), name="dish"),
    )
    motion = standing(objects=objects)
    scene = build_scene(motion.offsets, objects, SceneConfig())
    data = settle(scene, motion_to_qpos(motion, scene)[0], 1.0, hold=True)
    for name, height in (("lower", 0.1), ("upper", 0.3), ("table", 0.75), ("dish", 1.1)):
        assert data.body(f"object_{name}").xpos[2] == pytest.approx(height, abs=0.01)


# -- states of a motion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hands", ["mitten", "full"])
def test_a_motions_states_put_every_body_in_its_place(
    hands: Hands, omomo: Callable[[str], Motion], resting: Callable[..., MotionObject]
) -> None:
    motion = omomo("sub8_largebox_000").slice(0, 40)
    item = motion.objects[0]
    box = resting(BOX, (0, 0, 0), 40, name="shelf", is_static=True)
    motion = motion.replace(objects=(box, MotionObject("largebox", BOX, item.position_w, item.rotation_w)))
    scene = build_scene(motion.offsets, motion.objects, SceneConfig(humanoid=HumanoidConfig(hands=hands)))
    qpos, data = motion_to_qpos(motion, scene), mujoco.MjData(scene.model)
    for t in (0, 20, 39):
        data.qpos[:] = qpos[t]
        mujoco.mj_kinematics(scene.model, data)
        joints = list(scene.joints)
        np.testing.assert_allclose(data.xpos[1 : 1 + len(joints)], motion.joint_positions_w[t, joints], atol=1e-5)
        np.testing.assert_allclose(data.body("object_largebox").xpos, item.position_w[t], atol=1e-9)
        assert rotations.angle_between(data.body("object_largebox").xquat.copy(), item.rotation_w[t]) < 1e-6


def test_velocities_by_hand(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    frames, fps = 7, 50.0
    clock = np.arange(frames) / fps
    motion = standing(frames)
    spin = rotations.from_rotvec(clock[:, None] * np.array([0.0, 0.0, 2.0]))
    fall = np.stack((0 * clock, 0.3 * clock, 1 + 0.5 * clock**2), 1)
    knee = motion.joint_rotations_b.copy()
    knee[:, JOINT_INDEX["left_knee"]] = rotations.from_rotvec(clock[:, None] * np.array([0.0, 1.5, 0.0]))
    box = MotionObject("box", BOX, fall, spin)
    motion = motion.replace(joint_rotations_b=knee, objects=(box,), fps=fps)
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    qvel = velocities(scene.model, motion_to_qpos(motion, scene), fps)
    assert qvel.shape == (frames, scene.model.nv)
    np.testing.assert_allclose(qvel[:, scene.model.joint("left_knee_y").dofadr[0]], 1.5, atol=1e-9)
    at = scene.model.joint("object_box").dofadr[0]
    np.testing.assert_allclose(qvel[:, at + 1], 0.3, atol=1e-9)
    np.testing.assert_allclose(qvel[:, at + 2], clock, atol=1e-9)  # to the ends: differences of second order
    np.testing.assert_allclose(qvel[:, at + 3 : at + 6], np.tile([0, 0, 2.0], (frames, 1)), atol=1e-6)
    others = np.delete(qvel[:, 6:at], scene.model.joint("left_knee_y").dofadr[0] - 6, axis=1)
    np.testing.assert_allclose(others, 0.0, atol=1e-9)


def test_the_sign_of_a_quaternion_makes_no_velocity(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    item = motion.objects[0]
    flip = np.where(np.arange(motion.num_frames) % 2, -1.0, 1.0)[:, None]
    flipped = motion.replace(
        joint_rotations_b=motion.joint_rotations_b * flip[..., None],
        objects=(MotionObject("box", item.geometry, item.position_w, item.rotation_w * flip),),
    )
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    ours, theirs = (velocities(scene.model, motion_to_qpos(m, scene), 30.0) for m in (motion, flipped))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


# -- bad input -------------------------------------------------------------------------------------------------------


def test_no_object_at_all(standing: Callable[..., Motion]) -> None:
    scene = build_scene(standing().offsets, (), SceneConfig())
    assert (scene.object_names, scene.masses) == ((), {})
    assert scene.contact_force.stop == scene.contact_force.start == scene.model.nsensordata
    assert scene.object_frames["framepos"].start == scene.object_frames["framepos"].stop


def test_bones_without_length_are_refused_in_our_words(standing: Callable[..., Motion]) -> None:
    offsets = standing().offsets.copy()
    offsets[JOINT_INDEX["right_elbow"]] = 0.0
    with pytest.raises(SimulationError, match="right_elbow"):
        build_scene(offsets, (), SceneConfig())


def test_mujocos_refusal_becomes_ours(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    with pytest.raises(SimulationError, match="MuJoCo refuses the scene"):
        build_scene(standing().offsets, (resting(BOX, (1, 0, 1), mass=1e-20),), SceneConfig())
    with pytest.raises(AssetError, match="mass -1"):
        build_scene(standing().offsets, (resting(BOX, (1, 0, 1)),), SceneConfig(object_mass=-1.0))
