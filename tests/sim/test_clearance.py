"""What a palm or a forearm is deep inside of in the first frame, it is put beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim.body.capsules import default_stance
from sim.clearance import clear_start
from sim.contact_fit import ContactFitConfig, fit_contacts
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.retarget import RetargetConfig, retarget
from sim.scene import Scene, SceneConfig, build_scene, motion_to_qpos
from sim.skeleton import JOINT_INDEX

FRAMES, HELD = 40, 12
ROD = Primitive("box", (0.8, 0.03, 0.03))
LEFT, RIGHT = JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]


@pytest.fixture(scope="module")
def pierced(standing: Callable[..., Motion], resting: Callable[..., MotionObject]) -> Motion:
    """A T-pose whose left palm has a rod along x through its middle for 12 frames; then the rod is gone."""
    scene = scene_of(standing(2))
    palm = next(g for g in scene.geoms if g.joint == LEFT)
    middle = standing(2).joint_positions_w[0, LEFT] + palm.position_b
    rod = resting(ROD, tuple(middle), FRAMES, mass=0.1)
    rod = dataclasses.replace(
        rod, position_w=rod.position_w + np.where(np.arange(FRAMES) < HELD, 0.0, 2.0)[:, None] * [1.0, 0.0, 0.0]
    )
    labels = np.zeros((FRAMES, 52), np.int8)
    labels[:HELD, LEFT] = 1
    return standing(FRAMES, objects=(rod,), contact_labels=labels)


def scene_of(motion: Motion) -> Scene:
    return build_scene(motion.offsets, motion.objects, SceneConfig(), stance=default_stance(motion.offsets))


def test_the_palm_goes_the_shortest_way_out_and_stays_there_while_it_holds(pierced: Motion) -> None:
    """Half of the palm's thickness and half of the rod's, up or down; when the rod is gone, back to where it was."""
    scene = scene_of(pierced)
    thickness = 2.0 * min(next(g for g in scene.geoms if g.joint == LEFT).size)
    fit = fit_contacts(pierced, scene, ContactFitConfig(passes=0))
    cleared = clear_start(fit, scene, ContactFitConfig()).motion
    shift = cleared.joint_positions_w - pierced.joint_positions_w
    assert np.abs(shift[:HELD, LEFT, 2]) == pytest.approx((thickness + 0.03) / 2, abs=0.003)
    np.testing.assert_allclose(shift[:HELD, LEFT, :2], 0.0, atol=0.003)
    np.testing.assert_allclose(shift[HELD + 9 :, LEFT], 0.0, atol=1e-4)
    np.testing.assert_allclose(shift[:, RIGHT], 0.0, atol=1e-9)
    np.testing.assert_array_equal(cleared.objects[0].position_w, pierced.objects[0].position_w)


def test_physics_no_longer_throws_the_object_away(pierced: Motion) -> None:
    """A tenth of a second with the reference's own targets."""

    def fastest(depth: float) -> float:
        reference = retarget(pierced, config=RetargetConfig(contact_fit=ContactFitConfig(start_depth=depth)))
        model, data = reference.scene.model, mujoco.MjData(reference.scene.model)
        data.qpos[:], seen = reference.qpos[0], 0.0
        for step in range(12):
            data.ctrl[:] = reference.targets[step // 4 + 1]
            mujoco.mj_step(model, data)
            seen = max(seen, float(np.linalg.norm(data.qvel[-6:-3])))
        return seen

    assert fastest(0.015) < 1.0 < fastest(0.0)


def test_a_forearm_leaves_the_ball_that_it_begins_in(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    """A ball 25 mm deep over the middle of the forearm: the arm gives way down until no part is over 15 mm deep."""
    joints = standing(2).joint_positions_w[0]
    middle = 0.4 * joints[JOINT_INDEX["left_elbow"]] + 0.6 * joints[LEFT]
    radius = next(g for g in scene_of(standing(2)).geoms if g.joint == JOINT_INDEX["left_elbow"]).size[0]
    above = middle + np.array([0.0, 0.0, radius + 0.11 - 0.025])
    motion = standing(FRAMES, objects=(resting(Primitive("sphere", (0.11,)), tuple(above), FRAMES, mass=0.4),))
    scene = scene_of(motion)
    cleared = clear_start(fit_contacts(motion, scene, ContactFitConfig()), scene, ContactFitConfig()).motion
    assert cleared.joint_positions_w[0, LEFT, 2] < motion.joint_positions_w[0, LEFT, 2] - 0.010
    data = mujoco.MjData(scene.model)
    data.qpos[:] = motion_to_qpos(cleared, scene)[0]
    mujoco.mj_forward(scene.model, data)
    arms = [scene.model.body(f"left_{part}").id for part in ("elbow", "wrist")]
    depths = [-c.dist for c in data.contact if any(scene.model.geom_bodyid[g] in arms for g in c.geom)]
    assert all(depth <= 0.015 for depth in depths)


def test_the_report_tells_the_gap_after_it(pierced: Motion) -> None:
    """A rod thicker than the palm hides it: from all of the skin the way out is 1 mm."""
    report = retarget(pierced).report
    assert report.hand_gap_before_mm["left"] == pytest.approx(-1.0, abs=0.1)
    assert abs(report.hand_gap_mm["left"]) < 5.0
    assert report.joint_shift_max_mm > 20.0


def test_what_begins_clear_is_left_alone(carrying_motion: Callable[..., Motion], pierced: Motion) -> None:
    config = ContactFitConfig()
    for motion in (carrying_motion(), pierced.slice(HELD, FRAMES)):
        scene = scene_of(motion)
        fit = fit_contacts(motion, scene, config)
        assert clear_start(fit, scene, config) is fit
    stuck = fit_contacts(pierced, scene_of(pierced), ContactFitConfig(passes=0))
    assert clear_start(stuck, scene_of(pierced), ContactFitConfig(start_depth=0.0)) is stuck
