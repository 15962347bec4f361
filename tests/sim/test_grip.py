"""Mittens: which way fingers bend, how hard they press, where they close, what they can hold."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim import humanoid, rotations, skeleton
from sim.body.capsules import body_geoms, finger_length
from sim.geometry import Primitive
from sim.grip import GripConfig, close_hands, pressing_targets
from sim.humanoid import HumanoidConfig, add_humanoid, flexion_hinge, simulated_joints, to_hinge
from sim.motion import Motion, MotionObject
from sim.scene import SceneConfig, build_scene, motion_to_qpos
from sim.skeleton import JOINT_INDEX
from sim.subject import default_offsets

Make = Callable[..., Motion]
Rest = Callable[..., MotionObject]
OFFSETS = default_offsets()
JOINTS = simulated_joints("mitten")
HALF = 0.01
"""m, half of the fingers' thickness."""
SIDES = pytest.mark.parametrize(("side", "out"), [("left", 1.0), ("right", -1.0)])


def knuckle(motion: Motion, side: str) -> np.ndarray:
    return motion.joint_positions_w[0, JOINT_INDEX[f"{side}_middle1"]]


def flexion(motion: Motion, side: str) -> np.ndarray:
    """[T] degrees; the default subject's fingers are straight at rest."""
    turn = rotations.to_rotvec(motion.joint_rotations_b[:, JOINT_INDEX[f"{side}_middle1"]])
    np.testing.assert_allclose(turn[:, 1:], 0.0, atol=1e-9)
    return np.degrees(turn @ skeleton.flexion_axis(side))


def touching(standing: Make, side: str, *objects: MotionObject, held: slice = slice(None)) -> Motion:
    labels = np.zeros((30, 52), np.int8)
    labels[held, JOINT_INDEX[f"{side}_wrist"]] = 1
    return standing(30, objects=objects, contact_labels=labels)


def closed(motion: Motion, config: GripConfig | None = None) -> tuple[Motion, np.ndarray]:
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    return close_hands(motion, scene, config or GripConfig(ramp_seconds=0.0))


# -- the fingers' hinge ----------------------------------------------------------------------------------------------


@SIDES
def test_bent_fingers_point_to_the_palms_side(side: str, out: float) -> None:
    """T-pose, palms down. The first box' end is its length away from the knuckle, at the flexion's angle downwards."""
    spec = mujoco.MjSpec()
    add_humanoid(spec, OFFSETS, HumanoidConfig())
    model = spec.compile()
    data = mujoco.MjData(model)
    first, second = (g for g in range(model.ngeom) if model.body(model.geom_bodyid[g]).name == f"{side}_middle1")
    data.qpos[3] = 1.0
    for degrees in (0.0, 40.0, 90.0):
        angle = np.radians(degrees)
        data.qpos[7 + flexion_hinge(JOINTS, side)] = to_hinge(angle, OFFSETS, side)
        mujoco.mj_kinematics(model, data)
        along = data.geom_xmat[first].reshape(3, 3)[:, 0]
        expected = [0.0, out * np.cos(angle), -np.sin(angle)]
        np.testing.assert_allclose([0.0, *along[1:]], expected, atol=0.02)
        curl = angle + np.radians(20)
        along = data.geom_xmat[second].reshape(3, 3)[:, 0]
        np.testing.assert_allclose([0.0, *along[1:]], [0.0, out * np.cos(curl), -np.sin(curl)], atol=0.02)


def test_hinges_give_a_little_and_bend_from_minus_10_to_110_degrees() -> None:
    spec = mujoco.MjSpec()
    add_humanoid(spec, OFFSETS, HumanoidConfig())
    model = spec.compile()
    ranges = {a: np.degrees(model.joint(f"left_middle1_{a}").range) for a in "xyz"}
    np.testing.assert_allclose(ranges["x"], [-110, 10], atol=1e-6)
    np.testing.assert_allclose(np.degrees(model.joint("right_middle1_x").range), [-10, 110], atol=1e-6)
    for axis in "yz":
        np.testing.assert_allclose(np.radians(ranges[axis]), [-0.15, 0.15], atol=1e-9)
    assert np.flatnonzero(model.jnt_limited).tolist() == sorted(
        model.joint(f"{side}_middle1_{a}").id for side in ("left", "right") for a in "xyz"
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_flexion_is_the_middle_hinge_alone_beyond_the_gimbal_too(side: str) -> None:
    angles = np.zeros((60, 3))
    angles[:, humanoid.HINGES.index("x")] = to_hinge(np.radians(np.linspace(-10, 110, 60)), OFFSETS, side)
    np.testing.assert_allclose(humanoid.hinge_angles(humanoid.joint_rotations(angles)[:, None]), angles, atol=1e-6)


# -- physics ---------------------------------------------------------------------------------------------------------


def workshop(gravity: list[float]) -> mujoco.MjSpec:
    """A weightless humanoid in T-pose, its pelvis fixed at the origin."""
    spec = mujoco.MjSpec()
    spec.option.timestep, spec.option.integrator = 1 / 120, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.gravity = gravity
    add_humanoid(spec, OFFSETS, HumanoidConfig())
    spec.delete(spec.joint("root"))
    for body in spec.bodies:
        body.gravcomp = 1.0
    return spec


def add_thing(
    body: mujoco.MjsBody, size: list[float], kind: mujoco.mjtGeom = mujoco.mjtGeom.mjGEOM_BOX, **changes: object
) -> None:
    body.add_geom(type=kind, size=size, contype=4, conaffinity=2, priority=2, friction=[0.6, 0.005, 1e-4], **changes)


def rest_position(joint: str) -> np.ndarray:
    return skeleton.rest_joints(OFFSETS)[JOINT_INDEX[joint]]


@SIDES
def test_fingers_press_with_their_strength_and_no_more(side: str, out: float) -> None:
    """On a bar across under their first segment, however far beyond it they aim; counted at their middle."""
    spec = workshop([0.0, 0.0, 0.0])
    lever = 0.5 * finger_length(OFFSETS, side)
    at = rest_position(f"{side}_middle1") + np.array([0.0, out * 0.015, -0.034])
    turn = rotations.from_rotvec(np.array([0.0, np.pi / 2, 0.0]))
    add_thing(spec.worldbody, [0.012, 0.1, 0.0], mujoco.mjtGeom.mjGEOM_CAPSULE, pos=at, quat=turn)
    model = spec.compile()
    data = mujoco.MjData(model)
    hinge = flexion_hinge(JOINTS, side)
    for _ in range(240):
        data.ctrl[hinge] = data.qpos[hinge] + to_hinge(0.6, OFFSETS, side)
        mujoco.mj_step(model, data)
    torque, force = 0.0, np.zeros(6)
    axis = data.xanchor[model.joint(f"{side}_middle1_x").id]
    for c in range(data.ncon):
        mujoco.mj_contactForce(model, data, c, force)
        arm = np.linalg.norm((data.contact[c].pos - axis)[1:])
        torque += force[0] * arm
    assert 60.0 < torque / lever < 80.0


@pytest.mark.parametrize(("degrees", "held"), [(70.0, True), (0.0, False)])
def test_hooked_fingers_hold_two_kilograms_that_slide_off_straight_ones(degrees: float, held: bool) -> None:
    """Down is where straight fingers point: a board along the palm rests on tips that are bent by 70 + 20 degrees."""
    spec = workshop([0.0, 9.81, 0.0])
    at = rest_position("left_middle1") + np.array([0.0, 0.008 - 0.05, -0.014 - 0.003 - 0.03])
    board = spec.worldbody.add_body(name="board", pos=at)
    board.add_freejoint()
    add_thing(board, [0.15, 0.05, 0.03], mass=2.0)
    model = spec.compile()
    data = mujoco.MjData(model)
    hinge = flexion_hinge(JOINTS, "left")
    data.qpos[hinge] = to_hinge(np.radians(degrees), OFFSETS, "left")
    press = humanoid.grip_torque(20.0, OFFSETS, "left") / model.actuator_gainprm[hinge, 0]
    data.ctrl[hinge] = to_hinge(np.radians(degrees) + (press if held else 0.0), OFFSETS, "left")
    for _ in range(240):
        mujoco.mj_step(model, data)
    fallen = data.body("board").xpos[1] - at[1]
    assert fallen < 0.03 if held else fallen > 0.3


# -- closing ---------------------------------------------------------------------------------------------------------


@SIDES
def test_fingers_close_onto_a_bar(standing: Make, resting: Rest, side: str, out: float) -> None:
    """A bar of radius r across, D from the knuckle and phi below: the fingers' face meets it at phi - asin((r+h)/D)."""
    radius, away, below = 0.012, 0.036, np.radians(70)
    at = knuckle(standing(2), side) + [0.0, out * away * np.cos(below), -away * np.sin(below)]
    turn = np.tile(rotations.from_rotvec(np.array([0.0, np.pi / 2, 0.0])), (30, 1))
    bar = MotionObject("bar", Primitive("cylinder", (radius, 0.3)), np.tile(at, (30, 1)), turn, is_static=True)
    motion, pressing = closed(touching(standing, side, bar))
    expected = np.degrees(below - np.arcsin((radius + HALF) / away))
    np.testing.assert_allclose(flexion(motion, side), expected, atol=1.0)
    assert pressing[:, ["left", "right"].index(side)].all()
    assert pressing.sum() == 30, "the other hand touches nothing"


@SIDES
def test_fingers_close_onto_an_edge(standing: Make, resting: Rest, side: str, out: float) -> None:
    """An edge across, d ahead of the knuckle and e below: the face meets it at atan(e/d) - asin(h/D)."""
    ahead, below = 0.02, 0.018
    corner = knuckle(standing(2), side) + [0.0, out * ahead, -below]
    block = resting(Primitive("box", (0.3, 0.3, 0.3)), tuple(corner - [0.0, out * 0.15, 0.15]), is_static=True)
    motion, _ = closed(touching(standing, side, block))
    expected = np.degrees(np.arctan2(below, ahead) - np.arcsin(HALF / np.hypot(ahead, below)))
    np.testing.assert_allclose(flexion(motion, side), expected, atol=1.0)


def test_fingers_of_a_hand_that_lies_flat_lie_flat(standing: Make, resting: Rest) -> None:
    """The palm on a table top that reaches beyond the fingers: curled by 20 degrees they come to lie along it."""
    at = knuckle(standing(2), "left") - [0.0, 0.0, 0.014 + 0.1]
    table = resting(Primitive("box", (0.5, 0.5, 0.2)), tuple(at), is_static=True)
    motion, pressing = closed(touching(standing, "left", table))
    assert -10 <= flexion(motion, "left")[0] < 0
    assert pressing[:, 0].all()


def test_nothing_to_touch_leaves_the_fingers_relaxed_and_no_contact_open(standing: Make, resting: Rest) -> None:
    far = resting(Primitive("box", (0.2, 0.2, 0.2)), (3.0, 0.0, 0.1), is_static=True)
    motion, pressing = closed(touching(standing, "left", far, held=slice(10, 20)))
    expected = np.full(30, 15.0)
    expected[10:20] = 35.0
    np.testing.assert_allclose(flexion(motion, "left"), expected, atol=1e-6)
    np.testing.assert_allclose(flexion(motion, "right"), 15.0, atol=1e-6)
    assert not pressing.any()
    smooth, _ = closed(touching(standing, "left", far, held=slice(10, 20)), GripConfig())
    angles = flexion(smooth, "left")
    np.testing.assert_allclose(angles, angles[::-1], atol=1e-9)  # both ways alike: nothing lags
    assert np.abs(np.diff(angles)).max() < 20 / (0.15 * 30) * 1.5


def test_four_fingers_move_as_one_and_full_hands_as_recorded(standing: Make, resting: Rest) -> None:
    far = resting(Primitive("box", (0.2, 0.2, 0.2)), (3.0, 0.0, 0.1), is_static=True)
    motion = touching(standing, "left", far)
    local = closed(motion)[0].joint_rotations_b
    for finger in ("index1", "ring1", "pinky1"):
        np.testing.assert_array_equal(local[:, JOINT_INDEX[f"left_{finger}"]], local[:, JOINT_INDEX["left_middle1"]])
    scene = build_scene(motion.offsets, motion.objects, SceneConfig(humanoid=HumanoidConfig(hands="full")))
    same, pressing = close_hands(motion, scene, GripConfig())
    assert same is motion
    assert not pressing.any()


@pytest.mark.parametrize("side", ["left", "right"])
def test_pressing_adds_the_force_times_its_lever(standing: Make, side: str) -> None:
    motion = standing(2)
    scene = build_scene(motion.offsets, (), SceneConfig())
    share = np.zeros((2, 2))
    share[1, ["left", "right"].index(side)] = 0.5
    torque = pressing_targets(scene, OFFSETS, share, 20.0) * scene.model.actuator_gainprm[:, 0]
    torque_per_newton = 0.5 * finger_length(OFFSETS, side) * (1 if side == "right" else -1)
    expected = np.zeros_like(torque)
    expected[1, flexion_hinge(JOINTS, side)] = 10.0 * torque_per_newton
    np.testing.assert_allclose(torque, expected, atol=1e-12)


def test_the_hand_is_as_long_as_its_fingers(standing: Make) -> None:
    """The fingers' boxes end where the chain of joints says that the mean finger ends."""
    motion, _ = closed(standing(2))
    local = motion.joint_rotations_b[0].copy()
    local[skeleton.MITTEN_JOINTS[0]] = [1.0, 0.0, 0.0, 0.0]
    places, turns = skeleton.forward_kinematics(humanoid.fingers_together(local), np.zeros(3), OFFSETS)
    last = [JOINT_INDEX[f"left_{finger}3"] for finger in ("index", "middle", "ring", "pinky")]
    tip = (places[last] + rotations.rotate(turns[last], 0.8 * OFFSETS[last])).mean(0)
    second = [g for g in body_geoms(OFFSETS) if g.joint == skeleton.MITTEN_JOINTS[0]][1]
    end = second.position_b + rotations.rotate(second.rotation_b, np.array([second.size[0], 0.0, 0.0]))
    np.testing.assert_allclose(places[skeleton.MITTEN_JOINTS[0]] + end, tip, atol=1e-6)


def test_simulated_bodies_stand_where_the_closed_hands_motion_says(standing: Make, resting: Rest) -> None:
    far = resting(Primitive("box", (0.2, 0.2, 0.2)), (3.0, 0.0, 0.1), is_static=True)
    motion, _ = closed(touching(standing, "left", far))
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    data = mujoco.MjData(scene.model)
    data.qpos[:] = motion_to_qpos(motion, scene)[0]
    mujoco.mj_kinematics(scene.model, data)
    knuckles = list(skeleton.MITTEN_JOINTS)
    found = data.xquat[[scene.model.body(skeleton.JOINT_NAMES[j]).id for j in knuckles]]
    np.testing.assert_allclose(rotations.angle_between(found, motion.joint_rotations_w[0, knuckles]), 0.0, atol=1e-6)
