"""Balls in the compiled scene: restitution, rolling, what they bounce off, and their speed around an impact."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim.errors import SimulationError
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.scene import Scene, SceneConfig, build_scene, motion_to_qpos, velocities

BOX = Primitive("box", (0.3, 0.4, 0.2))
BALL = Primitive("sphere", (0.12,))


def ball_scene(
    motion: Motion, resting: Callable[..., MotionObject], at: tuple[float, float, float], **config: float
) -> Scene:
    ball = resting(BALL, at, motion.num_frames, name="ball", mass=0.62)
    return build_scene(motion.offsets, (ball,), SceneConfig(**config))


def bounce(scene: Scene, speed: float, above: float, along: float = 0.0) -> tuple[float, float]:
    """Vertical and horizontal speed after over before the impact of a ball thrown down `above` m over the floor."""
    model, data = scene.model, mujoco.MjData(scene.model)
    qpos, qvel = model.joint("object_ball").qposadr[0], model.joint("object_ball").dofadr[0]
    data.qpos[qpos : qpos + 3], data.qvel[qvel + 1], data.qvel[qvel + 2] = [5.0, 0.0, 0.12 + above], along, -speed
    fallen = False
    while not (fallen and data.qpos[qpos + 2] > 0.12):
        mujoco.mj_step(model, data)
        fallen |= data.qpos[qpos + 2] < 0.12
        assert data.time < 2.0
    after, height = data.qvel[qvel + 2], data.qpos[qpos + 2] - 0.12
    vertical = np.sqrt((after**2 + 2 * 9.81 * height) / (speed**2 + 2 * 9.81 * above))
    return float(vertical), float(data.qvel[qvel + 1] / along) if along else 0.0


@pytest.mark.parametrize("restitution", [0.7, 0.79, 0.9])
def test_a_dropped_ball_gives_back_the_restitution(
    restitution: float, standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    scene = ball_scene(standing(), resting, (5.0, 0.0, 1.0), restitution=restitution)
    for speed in (2.0, 5.5):
        # wherever in a time step the impact falls
        found = [bounce(scene, speed, speed * (3 + phase) / 240)[0] for phase in np.arange(0, 1, 0.1)]
        assert np.mean(found) == pytest.approx(restitution, rel=0.05)
        np.testing.assert_allclose(found, restitution, rtol=0.10)


def test_a_ball_that_comes_in_at_a_slant_leaves_rolling(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    """A thin shell that stops sliding keeps 1 / (1 + 2/3) of its speed along the floor."""
    scene = ball_scene(standing(), resting, (5.0, 0.0, 1.0))
    inertia = scene.model.body_inertia[scene.model.body("object_ball").id]
    np.testing.assert_allclose(inertia, 2 / 3 * 0.62 * 0.12**2, rtol=1e-6)
    for phase in (0.0, 0.3, 0.7):
        up, along = bounce(scene, 5.5, 5.5 * (3 + phase) / 240, along=4.4)
        assert along == pytest.approx(0.6, rel=0.10)
        assert up == pytest.approx(0.79, rel=0.10)


def test_a_ball_without_restitution_stays_down_and_steps_like_any_object(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    dead = ball_scene(standing(), resting, (5.0, 0.0, 1.0), restitution=0.0)
    assert dead.model.opt.timestep == pytest.approx(1 / 120)
    data, qpos = mujoco.MjData(dead.model), dead.model.joint("object_ball").qposadr[0]
    data.qpos[qpos : qpos + 3] = [5.0, 0.0, 1.0]
    heights = []
    for _ in range(240):
        mujoco.mj_step(dead.model, data)
        heights.append(data.qpos[qpos + 2])
    assert min(heights) < 0.12
    assert max(heights[70:]) < 0.13  # 0.43 s to fall, 0.58 s later


def test_balls_bounce_off_arms_but_not_off_hands_and_boxes_off_nothing(
    standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    motion = standing()
    model = ball_scene(motion, resting, (5.0, 0.0, 1.0)).model
    ball = model.body("object_ball").geomadr[0]
    hand, arm = (model.body(f"left_{part}").geomadr[0] for part in ("wrist", "elbow"))
    assert model.opt.timestep == pytest.approx(1 / 240)
    assert model.geom_solref[ball, 0] < 0
    assert model.geom_priority[hand] > model.geom_priority[ball] > model.geom_priority[arm]
    assert (model.geom_solref[hand] > 0).all()
    box = build_scene(motion.offsets, (resting(BOX, (5.0, 0.0, 1.0), 30),), SceneConfig()).model
    assert box.opt.timestep == pytest.approx(1 / 120)
    assert (box.geom_solref > 0).all()


@pytest.mark.parametrize("restitution", [-0.1, 0.1, 1.1])
def test_a_restitution_out_of_range_is_refused(
    restitution: float, standing: Callable[..., Motion], resting: Callable[..., MotionObject]
) -> None:
    with pytest.raises(SimulationError, match="restitution"):
        ball_scene(standing(), resting, (5.0, 0.0, 1.0), restitution=restitution)


def test_around_an_impact_a_ball_has_the_speed_of_one_side(standing: Callable[..., Motion]) -> None:
    """Thrown down at 5 m/s and back up at 4 m/s between two frames: no frame has a speed that is neither."""
    frames, fps, impact = 13, 30.0, 6.4
    clock = (np.arange(frames) - impact) / fps
    fall, rise = -5.0 - 9.81 * clock, 4.0 - 9.81 * clock
    height = 0.12 + np.where(clock < 0, -5.0 * clock, 4.0 * clock) - 0.5 * 9.81 * clock**2
    path = np.stack((2.0 * clock, 0 * clock, height), 1)
    ball = MotionObject("ball", BALL, path, np.tile([1.0, 0, 0, 0], (frames, 1)))
    motion = standing(frames, objects=(ball,))
    scene = build_scene(motion.offsets, motion.objects, SceneConfig())
    qvel = velocities(scene.model, motion_to_qpos(motion, scene), fps)[:, -6:]
    np.testing.assert_allclose(qvel[:, 2], np.where(clock < 0, fall, rise), atol=1e-9)
    np.testing.assert_allclose(qvel[:, :2], np.tile([2.0, 0.0], (frames, 1)), atol=1e-9)
