"""Linear feedback gains along a reference."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim.feedback import feedback_gains
from sim.retarget import Reference

HANDS = ("left_wrist", "right_wrist")


def test_without_feet_on_the_floor_the_pelvis_cannot_be_pulled(push: Reference) -> None:
    flying = push.qpos[:2].copy()
    flying[:, 2] += 0.5
    assert not feedback_gains(push.scene, flying, HANDS).pelvis.any()


def test_hands_in_the_air_push_by_the_transposed_jacobian(push: Reference) -> None:
    flying = push.qpos[:1].copy()
    flying[:, 2] += 0.5
    gains = feedback_gains(push.scene, flying, HANDS)
    model, data = push.scene.model, mujoco.MjData(push.scene.model)
    data.qpos[:] = flying[0]
    mujoco.mj_forward(model, data)
    body, kp = model.body("left_wrist").id, model.actuator_gainprm[:, 0]
    step = 1e-6
    for axis in (0, 20, 45):  # finite differences of the hand's centre along three hinges
        data.qpos[:] = flying[0]
        data.qpos[7 + axis] += step
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        moved = data.xipos[body].copy()
        data.qpos[7 + axis] -= step
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        column = (moved - data.xipos[body]) / step
        assert gains.hands[0, 0, axis] == pytest.approx(column / kp[axis], abs=1e-6)


def test_standing_feet_deliver_the_wrench(push: Reference) -> None:
    """Only joints between pelvis and feet take part, and lifting the pelvis takes real torque."""
    gains = feedback_gains(push.scene, push.qpos[:1], HANDS).pelvis[0]
    torque = gains * push.scene.model.actuator_gainprm[:, :1]
    assert np.abs(torque[:, 2]).max() > 0.01  # lifting the pelvis takes the knees
    arms = [i for i in range(push.scene.model.nu) if "elbow" in push.scene.model.actuator(i).name]
    assert not torque[arms].any()  # nothing above the pelvis takes part
