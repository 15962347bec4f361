"""PD targets from inverse dynamics: what a hinge, a stance, a push and a carry ask for, computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim import rotations
from sim.batch import CpuBatchSim
from sim.body.capsules import FOOT_JOINTS
from sim.feedforward import HandContacts, pd_targets, sole_corners
from sim.geometry import Primitive
from sim.humanoid import HumanoidConfig
from sim.motion import Motion, MotionObject
from sim.scene import Scene, SceneConfig, build_scene, motion_to_qpos, velocities
from sim.skeleton import JOINT_INDEX, JOINT_NAMES

GRAVITY = 9.81
FPS = 30.0


def states(motion: Motion, config: SceneConfig | None = None) -> tuple[Scene, np.ndarray, np.ndarray]:
    scene = build_scene(motion.offsets, motion.objects, config or SceneConfig())
    qpos = motion_to_qpos(motion, scene)
    return scene, qpos, velocities(scene.model, qpos, motion.fps)


def torques(scene: Scene, qpos: np.ndarray, qvel: np.ndarray, contacts: HandContacts | None = None) -> np.ndarray:
    """[T, nu] N m: what the targets make the actuators exert when the pose is exactly the reference's."""
    targets = pd_targets(scene, qpos, qvel, FPS, floor_friction=0.9, contacts=contacts)
    model, data = scene.model, mujoco.MjData(scene.model)
    out = np.zeros_like(targets)
    for t in range(len(qpos)):
        data.qpos[:], data.qvel[:], data.ctrl[:] = qpos[t], qvel[t], targets[t]
        mujoco.mj_forward(model, data)
        out[t] = data.actuator_force
    return out


def at(scene: Scene, joint: str) -> list[int]:
    """Actuators about x, y and z."""
    return [scene.model.actuator(f"{joint}_{axis}").id for axis in "xyz"]


# -- a hinge ---------------------------------------------------------------------------------------------------------


def test_without_torque_the_target_leads_by_what_damping_costs(standing: Callable[..., Motion]) -> None:
    """With kv / kp = 0.1 s a hinge at 1.2 rad/s needs its target 0.12 rad ahead, and at rest none."""
    motion = standing(9)
    turn = motion.joint_rotations_b.copy()
    turn[:, JOINT_INDEX["left_elbow"]] = rotations.from_rotvec(np.arange(9)[:, None] / FPS * [0.0, 0.0, -1.2])
    config = SceneConfig(humanoid=HumanoidConfig(damping_seconds=0.1))
    scene, qpos, qvel = states(motion.replace(joint_rotations_b=turn), config)
    targets = pd_targets(scene, qpos, qvel, FPS, floor_friction=0.9, torque_share=0.0)
    expected = qpos[:, 7:].copy()
    expected[:, scene.model.actuator("left_elbow_z").id] -= 0.12
    np.testing.assert_allclose(targets, expected, atol=1e-9)


def test_an_arm_held_out_needs_its_weight_times_its_lever(standing: Callable[..., Motion]) -> None:
    scene, qpos, qvel = states(standing(3))
    data = mujoco.MjData(scene.model)
    data.qpos[:] = qpos[1]
    mujoco.mj_forward(scene.model, data)
    shoulder = scene.model.body("left_shoulder").id
    weight, arm = data.subtree_com[shoulder], scene.model.body_subtreemass[shoulder]
    expected = np.cross(weight - data.xpos[shoulder], [0.0, 0.0, arm * GRAVITY])
    np.testing.assert_allclose(torques(scene, qpos, qvel)[1, at(scene, "left_shoulder")], expected, atol=1e-6)


def test_a_torque_beyond_the_limit_is_not_asked_for(standing: Callable[..., Motion]) -> None:
    motion = standing(9)
    whirl = motion.joint_rotations_b.copy()
    angle = 0.5 * 400.0 * (np.arange(9) / FPS) ** 2
    whirl[:, JOINT_INDEX["left_hip"]] = rotations.from_rotvec(angle[:, None] * [0.0, 1.0, 0.0])
    scene, qpos, qvel = states(motion.replace(joint_rotations_b=whirl))
    with_torque, without = (
        pd_targets(scene, qpos, qvel, FPS, floor_friction=0.9, torque_share=share) for share in (1.0, 0.0)
    )
    assert np.abs(with_torque - without).max() == pytest.approx(1.0), "the limit is the torque of one radian"


# -- standing --------------------------------------------------------------------------------------------------------


def test_soles_are_found_under_the_feet(standing: Callable[..., Motion]) -> None:
    motion = standing(2)
    scene, _, _ = states(motion)
    found = sole_corners(scene.geoms)
    assert [name for name, _ in found] == [JOINT_NAMES[j] for j in FOOT_JOINTS]
    for name, corners in found:
        heights = motion.joint_positions_w[0, JOINT_INDEX[name], 2] + corners[:, 2]
        np.testing.assert_allclose(heights, 0.0, atol=1e-9)


def test_standing_legs_carry_the_body(standing: Callable[..., Motion]) -> None:
    """With the floor's forces booked, nothing is left for the pelvis: the knees carry, and the root needs no force."""
    scene, qpos, qvel = states(standing(3))
    found = torques(scene, qpos, qvel)[1]
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.ctrl[:] = qpos[1], pd_targets(scene, qpos, qvel, FPS, floor_friction=0.9)[1]
    mujoco.mj_forward(scene.model, data)
    # the same torques from the other side: floor forces that balance the body, seen from the knee
    feet = [scene.model.body(f"{side}_knee").id for side in ("left", "right")]
    total = scene.model.body_subtreemass[1] * GRAVITY
    knees = np.array([found[at(scene, f"{side}_knee")][1] for side in ("left", "right")])
    np.testing.assert_allclose(knees[0], knees[1], atol=0.05)
    # force balance: half the weight each, whose line of action passes under the centre of mass
    centre = data.subtree_com[1][0]
    below = sum(scene.model.body_subtreemass[b] * GRAVITY * (data.subtree_com[b][0] - data.xpos[b][0]) for b in feet)
    lever = sum(0.5 * total * (centre - data.xpos[b][0]) for b in feet)
    # both knees together: pitch torque = - moment of the floor's push + moment of the shanks' weight (y axis)
    assert knees.sum() == pytest.approx(-(below - lever), abs=0.03 * total)


def test_standing_still_needs_the_torques(standing: Callable[..., Motion]) -> None:
    """Ten control steps: with the torques the pose stays where it is, with plain targets it sags."""
    motion = standing(12)
    scene, qpos, qvel = states(motion)
    sim = CpuBatchSim(scene.model, substeps=4, threads=1)
    errors = []
    for share in (1.0, 0.0):
        targets = pd_targets(scene, qpos, qvel, FPS, floor_friction=0.9, torque_share=share)
        state = np.concatenate(([0.0], qpos[0], qvel[0]))[None]
        for t in range(10):
            result = sim.step(state, targets[t : t + 1])
            state = result.state.copy()
            assert not result.failed.any()
        places = result.sensors[0, scene.body_frames["framepos"]].reshape(-1, 3)
        errors.append(np.linalg.norm(places - motion.joint_positions_w[0, list(scene.joints)], axis=-1) * 1000)
    sim.close()
    assert errors[0].max() < 6.0, f"{JOINT_NAMES[scene.joints[errors[0].argmax()]]} is off by {errors[0].max():.1f} mm"
    assert errors[1].max() > 3 * errors[0].max()


# -- objects ---------------------------------------------------------------------------------------------------------


def pushing(
    standing: Callable[..., Motion],
    box_path: np.ndarray,
    size: tuple[float, float, float],
    hand_points: np.ndarray,
    normal: list[float],
    *,
    mass: float,
    friction: float,
) -> tuple[np.ndarray, np.ndarray]:
    """[T, 3] N of the left and the right hand on a box that moves along a path while the person hovers out of reach.

    The elbow lies a length L to the left of the shoulder, so a force F on the hand shows as the difference of their
    torques, (0, L, 0) x F = (L Fz, 0, -L Fx). Fy does not show.
    """
    frames = len(box_path)
    still = np.tile([1.0, 0.0, 0.0, 0.0], (frames, 1))
    box = MotionObject("box", Primitive("box", size), box_path, still, mass=mass, friction=friction)
    motion = standing(frames, objects=(box,))
    scene, qpos, qvel = states(motion.replace(root_position_w=motion.root_position_w + np.array([0.0, 0.0, 2.0])))
    count = len(hand_points)
    bodies = np.tile(np.repeat(["left_wrist", "right_wrist"], count), (frames, 1))
    points = np.concatenate((hand_points, hand_points * [1, -1, 1]))
    contacts = HandContacts(
        bodies,
        np.zeros((frames, 2 * count), int),
        box_path[:, None] + points,
        np.tile(normal, (frames, 2 * count, 1)).astype(float),
        np.ones((frames, 2 * count), bool),
    )
    extra = torques(scene, qpos, qvel, contacts) - torques(scene, qpos, qvel)
    hands = []
    for side in ("left", "right"):
        arm = motion.offsets[JOINT_INDEX[f"{side}_elbow"]][1]
        step = extra[:, at(scene, f"{side}_shoulder")] - extra[:, at(scene, f"{side}_elbow")]
        np.testing.assert_allclose(step[:, 1], 0.0, atol=1e-6)
        hands.append(np.stack((-step[:, 2] / arm, 0 * step[:, 0], step[:, 0] / arm), 1))
    return hands[0], hands[1]


def path(frames: int, start: list[float], speed: list[float], acceleration: list[float]) -> np.ndarray:
    clock = np.arange(frames)[:, None] / FPS
    return np.array(start) + clock * speed + 0.5 * clock**2 * acceleration


BEHIND = np.array([[-0.2, 0.15, 0.0], [-0.2, 0.15, 0.05]])


@pytest.mark.parametrize("acceleration", [0.0, 1.5])
def test_a_push_is_inertia_and_friction(standing: Callable[..., Motion], acceleration: float) -> None:
    mass, mu = 4.0, 0.4
    box_path = path(9, [1, 0, 0.2], [0.6, 0, 0], [acceleration, 0, 0])
    left, right = pushing(standing, box_path, (0.4, 0.6, 0.4), BEHIND, [-1, 0, 0], mass=mass, friction=mu)
    inner = slice(2, -2)
    np.testing.assert_allclose(left, right, atol=0.05)
    force = (left + right)[inner]
    # the floor carries what the hands do not: friction is mu times that
    expected = mass * acceleration + mu * (mass * GRAVITY - force[:, 2])
    np.testing.assert_allclose(force[:, 0], expected, rtol=0.01)
    assert (np.abs(force[:, 2]) < 0.3 * mass * GRAVITY).all(), "hands need not carry what stands on the floor"


def test_hands_cannot_pull(standing: Callable[..., Motion]) -> None:
    """A box that brakes harder than friction brakes it would have to be held back: palms behind it cannot."""
    box_path = path(9, [1, 0, 0.2], [3.0, 0, 0], [-8.0, 0, 0])
    left, right = pushing(standing, box_path, (0.4, 0.6, 0.4), BEHIND, [-1, 0, 0], mass=4.0, friction=0.3)
    assert ((left + right)[2:-2, 0] > -0.5).all()


@pytest.mark.parametrize("acceleration", [0.0, 2.0, -3.0])
def test_a_carry_is_weight_and_inertia(standing: Callable[..., Motion], acceleration: float) -> None:
    mass = 3.0
    box_path = path(9, [1, 0, 1.0], [0, 0, 0.2], [0, 0, acceleration])
    under = np.array([[-0.05, 0.2, -0.2], [0.05, 0.2, -0.2]])
    left, right = pushing(standing, box_path, (0.4, 0.6, 0.4), under, [0, 0, -1], mass=mass, friction=0.8)
    np.testing.assert_allclose((left + right)[2:-2, 2], mass * (GRAVITY + acceleration), rtol=0.01)
    np.testing.assert_allclose(left[2:-2], right[2:-2], atol=0.05)


def test_a_box_that_rests_on_the_floor_asks_for_nothing(standing: Callable[..., Motion]) -> None:
    left, right = pushing(
        standing,
        path(5, [1, 0, 0.2], [0, 0, 0], [0, 0, 0]),
        (0.4, 0.6, 0.4),
        BEHIND,
        [-1, 0, 0],
        mass=4.0,
        friction=0.5,
    )
    assert np.abs([left, right]).max() < 0.02 * 4.0 * GRAVITY


def test_nobody_touches_nothing_changes(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> None:
    motion = standing(4, objects=(resting(Primitive("box", (0.2, 0.2, 0.2)), (1, 0, 0.1), 4),))
    scene, qpos, qvel = states(motion)
    none = HandContacts(
        np.full((4, 1), "left_wrist"),
        np.zeros((4, 1), int),
        np.zeros((4, 1, 3)),
        np.tile([0.0, 0, 1], (4, 1, 1)),
        np.zeros((4, 1), bool),
    )
    np.testing.assert_array_equal(torques(scene, qpos, qvel, none), torques(scene, qpos, qvel))
    flags = int(scene.model.opt.disableflags)
    assert not flags & int(mujoco.mjtDisableBit.mjDSBL_CONTACT), "contacts are back on afterwards"
