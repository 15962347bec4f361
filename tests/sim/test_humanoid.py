"""The humanoid's model: bodies, gains, limits, contact bits; hinge angles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim import rotations, skeleton
from sim.body.capsules import Hands, body_mass
from sim.formats import import_motion
from sim.geometry import Primitive
from sim.humanoid import (
    HINGES,
    HumanoidConfig,
    add_humanoid,
    gain,
    grip_torque,
    hinge_angles,
    joint_rotations,
    simulated_joints,
)
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, MITTEN_JOINTS, PARENTS
from sim.subject import default_offsets


def build(hands: Hands = "mitten", **changes: float) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    add_humanoid(spec, default_offsets(), HumanoidConfig(hands=hands, **changes))
    return spec.compile()


@pytest.mark.parametrize(("hands", "bodies"), [("mitten", 24), ("full", 52)])
def test_bodies_are_the_joints_in_skeleton_order(hands: Hands, bodies: int) -> None:
    model, offsets = build(hands), default_offsets()
    joints = simulated_joints(hands)
    assert (model.nbody, model.nu, model.nq, model.nv) == (bodies + 1, 3 * (bodies - 1), 3 * bodies + 4, 3 * bodies + 3)
    for i, joint in enumerate(joints):
        assert model.body(i + 1).name == JOINT_NAMES[joint]
        if joint:
            assert model.body(model.body_parentid[i + 1]).name == JOINT_NAMES[PARENTS[joint]]
            np.testing.assert_allclose(model.body_pos[i + 1], offsets[joint])
    assert model.body_mass.sum() == pytest.approx(body_mass(offsets))
    names = [f"{JOINT_NAMES[j]}_{axis}" for j in joints[1:] for axis in HINGES]
    assert [model.joint(i + 1).name for i in range(model.nu)] == names
    assert [model.actuator(i).name for i in range(model.nu)] == names
    np.testing.assert_array_equal(model.actuator_trnid[:, 0], np.arange(1, model.nu + 1))


@pytest.mark.parametrize("hands", ["mitten", "full"])
def test_gains_stand_in_the_actuators_and_nowhere_else(hands: Hands) -> None:
    model = build(hands, gain_scale=0.25, damping_seconds=0.04, torque_limit_scale=0.8, armature=0.03)
    kp = np.repeat([0.25 * gain(j, hands) for j in simulated_joints(hands)[1:]], 3)
    mittens = np.repeat([hands == "mitten" and j in MITTEN_JOINTS for j in simulated_joints(hands)[1:]], 3)
    np.testing.assert_allclose(model.actuator_gainprm[:, 0], kp)
    np.testing.assert_allclose(model.actuator_biasprm[:, 1], -kp)
    np.testing.assert_allclose(model.actuator_biasprm[:, 2], -0.04 * kp)
    limit = np.where(mittens, grip_torque(HumanoidConfig().grip_strength, default_offsets(), "left"), 0.8 * kp)
    np.testing.assert_allclose(model.actuator_forcerange, np.stack((-limit, limit), 1))
    assert model.actuator_forcelimited.all()
    # the porting trap: gains as passive springs pull every joint to zero whatever the policy says
    assert not model.jnt_stiffness.any()
    assert not model.dof_damping.any()
    np.testing.assert_allclose(model.dof_armature[6:], np.where(mittens, 0.001, 0.03))
    assert not model.dof_armature[:6].any()


def test_gains_by_name() -> None:
    assert gain(JOINT_INDEX["left_knee"]) == 800
    assert gain(JOINT_INDEX["right_wrist"]) == 300
    assert gain(JOINT_INDEX["right_thumb2"]) == 100
    assert gain(JOINT_INDEX["left_middle1"], "mitten") == 20


def test_torque_saturates_at_the_limit() -> None:
    model = build()
    data = mujoco.MjData(model)
    knee = model.actuator("left_knee_y").id
    limit = 0.5 * 800
    for target, torque in ((0.5, 0.5 * limit), (50.0, limit), (-50.0, -limit)):
        data.ctrl[:] = 0
        data.ctrl[knee] = target
        mujoco.mj_forward(model, data)
        assert data.actuator_force[knee] == pytest.approx(torque)
        assert data.qfrc_actuator[6 + knee] == pytest.approx(torque)


def test_limbs_pass_through_each_other() -> None:
    model = build("full")
    data = mujoco.MjData(model)
    data.qpos[7:] = np.random.default_rng(0).normal(scale=1.5, size=model.nu)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    bits = model.geom_contype[:, None] & model.geom_conaffinity[None]
    assert not (bits | bits.T).any()


def test_hinges_turn_a_body_as_the_angles_say() -> None:
    model, rng = build("full"), np.random.default_rng(1)
    data = mujoco.MjData(model)
    angles = rng.uniform(-1.4, 1.4, model.nu)
    data.qpos[7:] = angles
    mujoco.mj_forward(model, data)
    local = np.concatenate((np.array([[1.0, 0, 0, 0]]), joint_rotations(angles)))
    positions, world = skeleton.forward_kinematics(local, np.zeros(3), default_offsets())
    np.testing.assert_allclose(data.xpos[1:], positions, atol=1e-9)
    np.testing.assert_allclose(rotations.angle_between(data.xquat[1:].copy(), world), 0.0, atol=1e-7)


def test_hinge_angles_round_trip_on_any_rotation() -> None:
    q = rotations.normalize(np.random.default_rng(2).normal(size=(50, 7, 4)))
    angles = hinge_angles(q)
    assert angles.shape == (50, 21)
    np.testing.assert_allclose(rotations.angle_between(joint_rotations(angles), q), 0.0, atol=1e-6)
    np.testing.assert_allclose(hinge_angles(-q), angles, atol=1e-9)


@pytest.mark.parametrize("axis", "xyz")
def test_a_turn_of_two_rounds_about_one_axis_unwinds(axis: str) -> None:
    """Through +-180 degrees, and for x through the gimbal's +-90 twice a round: the hinge just goes on turning."""
    turn = np.linspace(0.0, 4 * np.pi, 173)
    angles = hinge_angles(rotations.from_rotvec(turn[:, None, None] * np.eye(3)["xyz".index(axis)]))
    expected = np.zeros((len(turn), 3))
    expected[:, HINGES.index(axis)] = turn
    np.testing.assert_allclose(angles, expected, atol=1e-6)


@pytest.mark.parametrize("flexed", ["hip", "knee", "elbow"])
def test_no_gimbal_where_people_bend(flexed: str) -> None:
    """Flexed by 90 degrees and rolled to and fro by 5 degrees, hinges move no more than 1.5 times that."""
    bend = np.array([0.0, 0.0, -np.pi / 2]) if flexed == "elbow" else np.array([0.0, np.pi / 2, 0.0])
    for axis in np.eye(3):
        roll = 0.087 * np.sin(np.linspace(0.0, 2 * np.pi, 40))[:, None] * axis
        angles = hinge_angles(rotations.multiply(rotations.from_rotvec(bend), rotations.from_rotvec(roll))[:, None])
        assert np.ptp(angles, axis=0).max() < 1.5 * 2 * 0.087


@pytest.mark.parametrize("clip", ["sub8_largebox_000", "sub2_woodchair_007"])
def test_hinge_angles_of_a_real_clip_do_not_jump(clip: str, omomo: Callable[[str], Motion]) -> None:
    q = omomo(clip).joint_rotations_b[:, list(skeleton.BODY_JOINTS[1:])]
    np.testing.assert_allclose(rotations.angle_between(joint_rotations(hinge_angles(q)), q), 0.0, atol=1e-6)
    assert_no_jumps(q)


@pytest.mark.slow
def test_hinge_angles_of_all_real_clips_do_not_jump(data: Path) -> None:
    clips = sorted((data / "motions" / "omomo").glob("*.pt"))
    assert len(clips) == 40
    for clip in clips:
        motion = import_motion(clip, geometry=Primitive("box", (0.3, 0.3, 0.3)))
        assert_no_jumps(motion.joint_rotations_b[:, list(skeleton.BODY_JOINTS[1:])], clip.stem)


def assert_no_jumps(q: np.ndarray, clip: str = "") -> None:
    """q: [T, body joints without pelvis, 4] at 30 Hz. Where a hinge moves by 0.4 rad a frame, so did the joint."""
    step = np.abs(np.diff(hinge_angles(q).reshape(*q.shape[:2], 3), axis=0)).max(2)
    step[rotations.angle_between(q[1:].copy(), q[:-1].copy()) > 0.35] = 0.0  # the clip's own jumps (4 in OMOMO's 40)
    frame, joint = np.unravel_index(step.argmax(), step.shape)
    name = JOINT_NAMES[skeleton.BODY_JOINTS[joint + 1]]
    assert step.max() < 0.4, f"{clip} {name} jumps by {step.max():.2f} rad after frame {frame}"
