"""Feet that follow their steps, and a centre of mass that obeys the cart-table model."""

from __future__ import annotations

import numpy as np
import pytest

from generate.gait import GRAVITY, LEFT, RIGHT, Step, balance, bump, cruise, minimum_jerk, track_feet

TIMES = np.arange(91) / 30.0
STEPS = (Step(RIGHT, 0.6, 1.0, (0.52, -0.1)), Step(LEFT, 1.3, 1.7, (0.52, 0.1)))
AHEAD = np.zeros(2)
BALLS = np.array([[0.12, 0.1, 0.02], [0.12, -0.1, 0.02]])


def test_minimum_jerk_by_hand() -> None:
    np.testing.assert_allclose(minimum_jerk(np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])), [0, 0, 0.103515625, 0.5, 1, 1])
    np.testing.assert_allclose(bump(np.array([-1.0, 0.0, 0.5, 1.0])), [0, 0, 1, 0])


def test_feet_rest_on_the_floor_between_their_steps_and_land_where_told() -> None:
    feet = track_feet(TIMES, BALLS, AHEAD, 0.12, STEPS, lift=0.05, heel_rise=0.3)
    np.testing.assert_allclose(feet.ball_w[-1, :, 0], [0.52, 0.52])
    still = feet.planted[1:] & feet.planted[:-1]
    step = np.linalg.norm(np.diff(feet.ball_w, axis=0), axis=-1)
    assert step[still].max() == 0.0
    assert feet.ball_w[..., 2].max() == pytest.approx(0.02 + 0.05, abs=0.002)
    assert feet.ball_w[..., 2].min() == pytest.approx(0.02)
    assert feet.planted.any(-1).all(), "one foot always stands"


def test_weight_is_on_the_standing_foot_while_the_other_swings() -> None:
    feet = track_feet(TIMES, BALLS, AHEAD, 0.12, STEPS, lift=0.05, heel_rise=0.3)
    right_swings = ~feet.planted[:, RIGHT]
    np.testing.assert_allclose(feet.pressure_w[right_swings, 1], 0.1)
    np.testing.assert_allclose(feet.pressure_w[~feet.planted[:, LEFT], 1], -0.1)
    np.testing.assert_allclose(feet.pressure_w[[0, -1], 1], 0.0, atol=1e-9)


def test_the_centre_of_mass_keeps_the_zero_moment_point_on_the_feet() -> None:
    """Recompute the zero-moment point x - (h / g) x'' from the answer: it is where it was asked for, within 2 cm."""
    feet = track_feet(TIMES, BALLS, AHEAD, 0.12, STEPS, lift=0.05, heel_rise=0.3)
    center = balance(feet.pressure_w, 0.95, 30.0)
    reached = center[1:-1] - 0.95 / GRAVITY * np.diff(center, 2, axis=0) * 30.0**2
    assert np.abs(reached - feet.pressure_w[1:-1]).mean() < 0.01
    assert np.abs(reached - feet.pressure_w[1:-1]).max() < 0.05
    assert np.abs(center[:, 1]).max() < np.abs(feet.pressure_w[:, 1]).max(), (
        "the body sways less than the feet stand wide"
    )


def test_standing_still_is_balanced_over_the_feet() -> None:
    pressure = np.tile([0.3, -0.1], (40, 1))
    np.testing.assert_allclose(balance(pressure, 0.95, 30.0), pressure, atol=1e-9)


@pytest.mark.parametrize(("seconds", "ramp_seconds"), [(3.0, 0.6), (2.0, 1.0), (0.5, 0.6)])
def test_cruise_is_the_integral_of_its_speed(seconds: float, ramp_seconds: float) -> None:
    """Speed rises as minimum jerk, stays, falls; ramps that do not fit are half of the time each."""
    times = np.linspace(-0.5, seconds + 0.5, 20_001)
    rise = min(ramp_seconds, 0.5 * seconds)
    speed = minimum_jerk(times / rise) * minimum_jerk((seconds - times) / rise)
    way = np.concatenate(([0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(times))))
    np.testing.assert_allclose(cruise(times, seconds, ramp_seconds), way / way[-1], atol=1e-6)


def test_cruise_by_hand() -> None:
    """Three seconds with ramps of 0.6 s: 2.4 s at full speed, so a share of 1 / 2.4 a second in between."""
    found = cruise(np.array([-1.0, 0.0, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0]), 3.0, 0.6)
    np.testing.assert_allclose(found, [0, 0, 0.3 / 2.4, 0.7 / 2.4, 0.5, 1.7 / 2.4, 1, 1], atol=1e-12)


def test_longer_strides_raise_the_heel_more() -> None:
    rises = []
    for stride in (0.0, 0.3, 0.6, 1.2):
        step = (Step(RIGHT, 0.6, 1.0, (0.12 + stride, -0.1)),)
        rises.append(track_feet(TIMES, BALLS, AHEAD, 0.12, step, lift=0.05, heel_rise=0.3).pitch.max())
    np.testing.assert_allclose(rises, [0.0, 0.15, 0.3, 0.3], rtol=0.02)
