"""Launches found again from recorded flights: parabola, bounce, noise; and balls that do not fly are left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from sim.geometry import Primitive
from sim.launch import Flight, LaunchConfig, fit_launches
from sim.motion import Motion, MotionObject
from sim.scene import SceneConfig, build_scene, motion_to_qpos, velocities
from sim.skeleton import JOINT_INDEX

FPS, RADIUS = 30.0, 0.12
CONFIG = SceneConfig()


def ball(path: np.ndarray) -> MotionObject:
    still = np.tile([1.0, 0.0, 0.0, 0.0], (len(path), 1))
    return MotionObject("ball", Primitive("sphere", (RADIUS,)), path, still, mass=0.62)


def thrown(position: np.ndarray, velocity: np.ndarray, frames: int) -> np.ndarray:
    """[T, 3] m: two parabolas with a bounce between that returns 0.79 of the fall and 0.6 of the way along.

    So a hollow ball bounces that does not spin when it is thrown and rolls when it leaves the floor.
    """
    clock = np.arange(frames) / FPS
    down = np.sqrt(velocity[2] ** 2 + 2 * 9.81 * (position[2] - RADIUS))
    impact = (velocity[2] + down) / 9.81
    before, after = np.minimum(clock, impact)[:, None], np.maximum(clock - impact, 0.0)[:, None]
    along, up = velocity * [1, 1, 0], np.array([0, 0, 1.0])
    path: np.ndarray = position + along * (before + 0.6 * after)
    height = np.where(
        clock < impact,
        velocity[2] * clock - 0.5 * 9.81 * clock**2,
        RADIUS - position[2] + 0.79 * down * after[:, 0] - 0.5 * 9.81 * after[:, 0] ** 2,
    )
    return path + up * height[:, None]


def fit(motion: Motion, config: LaunchConfig | None = None) -> tuple[np.ndarray, np.ndarray, tuple[Flight, ...]]:
    """The ball's velocities [T, 6] before and after, and its flights."""
    scene = build_scene(motion.offsets, motion.objects, CONFIG)
    qpos = motion_to_qpos(motion, scene)
    qvel = velocities(scene.model, qpos, FPS)
    fitted, flights = fit_launches(motion, scene, qpos, qvel, CONFIG, config or LaunchConfig())
    np.testing.assert_array_equal(fitted[:, :-6], qvel[:, :-6])
    return qvel[:, -6:], fitted[:, -6:], flights


def test_a_parabola_is_found_again(standing: Callable[..., Motion]) -> None:
    """Half a second in the air: v(t) = v - g t, whatever the noise of the differences, and no spin."""
    launch, frames = np.array([-3.0, 1.0, 3.0]), 15
    path = thrown(np.array([6.0, 0.0, 1.5]), launch, frames)
    noise = np.random.default_rng(0).normal(0, 0.005, path.shape)
    noise[0] = 0.0
    before, after, (flight,) = fit(standing(frames, objects=(ball(path + noise),)))
    expected = launch - np.outer(np.arange(frames) / FPS, [0, 0, 9.81])
    np.testing.assert_allclose(after[:, :3], expected, atol=0.06)
    np.testing.assert_allclose(after[:, 3:], 0.0, atol=0.5)
    assert np.abs(before[:, :3] - expected).max() > 0.15
    assert (flight.name, flight.first, flight.last) == ("ball", 0, frames - 1)
    assert flight.change == pytest.approx(np.linalg.norm(after[0, :3] - before[0, :3]))
    assert 3 < flight.error_mm < 15
    assert flight.error_before_mm > 2 * flight.error_mm


def test_a_launch_is_found_through_a_bounce(standing: Callable[..., Motion]) -> None:
    launch = np.array([-4.0, 0.0, -1.0])
    path = thrown(np.array([8.0, 0.0, 1.0]), launch, 24)
    path[1:] += np.random.default_rng(1).normal(0, 0.005, path[1:].shape)
    _, after, (flight,) = fit(standing(24, objects=(ball(path),)))
    np.testing.assert_allclose(after[0, :3], launch, atol=0.25)
    assert after[-1, 2] > after[0, 2]
    assert flight.error_mm < 40  # physics needs 26 ms for a bounce, the two parabolas none


def test_spin_tells_by_how_the_ball_leaves_the_floor(standing: Callable[..., Motion]) -> None:
    """A ball dropped that leaves the floor sideways along x must have turned about y."""
    path = thrown(np.array([6.0, 0.0, 1.0]), np.zeros(3), 24)
    since = np.maximum(np.arange(24) / FPS - np.sqrt(2 * 0.88 / 9.81), 0.0)
    path[:, 0] += 0.8 * since
    _, after, (flight,) = fit(standing(24, objects=(ball(path),)))
    assert after[0, 4] > 5
    np.testing.assert_allclose(after[0, [3, 5]], 0.0, atol=2.0)
    assert flight.error_mm < 20


def test_a_ball_that_lies_or_is_held_keeps_its_velocities(standing: Callable[..., Motion]) -> None:
    frames = 20
    resting = np.tile([2.0, 0.0, RADIUS], (frames, 1))
    hand = standing(frames).joint_positions_w[:, JOINT_INDEX["left_wrist"]]
    held = hand + [0.0, 0.0, RADIUS] + np.linspace(0, 0.05, frames)[:, None]
    for path in (resting, held):
        before, after, flights = fit(standing(frames, objects=(ball(path),)))
        np.testing.assert_array_equal(before, after)
        assert flights == ()


def test_what_labels_call_a_touch_or_is_too_short_is_no_flight(standing: Callable[..., Motion]) -> None:
    frames = 15
    motion = standing(frames, objects=(ball(thrown(np.array([6.0, 0.0, 1.5]), np.array([-3.0, 0.0, 3.0]), frames)),))
    touched = (np.arange(frames) >= 6).astype(np.int8)
    before, after, (flight,) = fit(motion.replace(object_contact=touched))
    assert (flight.first, flight.last) == (0, 5)
    np.testing.assert_array_equal(before[6:], after[6:])
    assert fit(motion.replace(object_contact=touched), LaunchConfig(min_frames=7))[2] == ()
    assert fit(motion, LaunchConfig(min_frames=0))[2] == ()


def test_boxes_are_not_fitted(standing: Callable[..., Motion]) -> None:
    path = thrown(np.array([6.0, 0.0, 1.5]), np.array([-3.0, 0.0, 3.0]), 15)
    box = dataclasses.replace(ball(path), geometry=Primitive("box", (0.2, 0.2, 0.2)))
    before, after, flights = fit(standing(15, objects=(box,)))
    np.testing.assert_array_equal(before, after)
    assert flights == ()
