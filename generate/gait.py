"""Walking from footsteps: where the feet are, and a centre of mass whose dynamics the feet can support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

LEFT, RIGHT = 0, 1
GRAVITY = 9.81
_HEEL_RISE_TIME = 0.18
_SHIFT_TIME = 0.5
"""s, in which the weight goes from one foot onto both."""
_JERK_WEIGHT = 2e-3
_STAGGER = 0.4
"""Share of a step up in which its foot only rises."""


@dataclass(frozen=True)
class Step:
    """One foot goes to a new place.

    Attributes:
        foot: LEFT or RIGHT. start, end: s, between which it is off the floor.
        ball_w: x, y in m, where its ball (the toe joint) comes down; yaw: rad, the way that its toes point.
        rise: m, by how much higher it comes down than it stood: up first and then ahead, or ahead first and then down.
    """

    foot: int
    start: float
    end: float
    ball_w: tuple[float, float]
    yaw: float = 0.0
    rise: float = 0.0


@dataclass(frozen=True)
class FeetTracks:
    """Feet over time; column 0 left, 1 right.

    Attributes:
        ball_w: [T, 2, 3] m, ball of the foot (the toe joint): at rest while the foot is on the floor.
        yaw: [T, 2] rad, the way that the toes point. pitch: [T, 2] rad, heel rise about the ball.
        planted: bool [T, 2], the ball is on the floor.
        pressure_w: [T, 2] m, where on the floor the weight is carried (the zero-moment point that is asked for).
    """

    ball_w: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    planted: np.ndarray
    pressure_w: np.ndarray


def minimum_jerk(s: np.ndarray) -> np.ndarray:
    """Smooth 0 to 1 over s in [0, 1], constant outside: 10 s^3 - 15 s^4 + 6 s^5 (Flash & Hogan 1985)."""
    s = np.clip(s, 0.0, 1.0)
    value: np.ndarray = s**3 * (10 - 15 * s + 6 * s**2)
    return value


def ramp(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before `start`, 1 after `end`, minimum jerk between."""
    return minimum_jerk((times - start) / (end - start))


def cruise(times: np.ndarray, seconds: float, ramp_seconds: float) -> np.ndarray:
    """0 to 1 over 0..`seconds`: constant speed between two minimum-jerk ramps of the speed; constant outside."""
    ramp_seconds = min(ramp_seconds, 0.5 * seconds)
    covered = _ramp_integral(times / ramp_seconds) - _ramp_integral((times - seconds) / ramp_seconds + 1.0)
    return covered * ramp_seconds / (seconds - ramp_seconds)


def _ramp_integral(s: np.ndarray) -> np.ndarray:
    inside = np.clip(s, 0.0, 1.0)
    value: np.ndarray = inside**4 * (2.5 - 3.0 * inside + inside**2) + np.maximum(s - 1.0, 0.0)
    return value


def bump(s: np.ndarray) -> np.ndarray:
    """0 to 1 and back over s in [0, 1], starting and ending at rest: (4 s (1 - s))^2."""
    s = np.clip(s, 0.0, 1.0)
    value: np.ndarray = (4 * s * (1 - s)) ** 2
    return value


def track_feet(
    times: np.ndarray, ball_w: np.ndarray, yaw: np.ndarray, ankle_to_ball: float, steps: Sequence[Step], *,
    lift: float, heel_rise: float,
) -> FeetTracks:  # fmt: skip
    """Follow the steps, in order of time.

    Args:
        times: [T] s.
        ball_w: [2, 3] m, where the balls of the feet stand at first; yaw: [2] rad, where their toes point.
        ankle_to_ball: m, along a level foot.
        steps: not overlapping.
        lift: m, how high the ball is lifted; heel_rise: rad, for a stride of 0.6 m forward, less for shorter ones.
    """
    track, turned = np.repeat(ball_w[None], len(times), 0), np.repeat(yaw[None].astype(float), len(times), 0)
    pitch = np.zeros((len(times), 2))
    planted = np.ones((len(times), 2), bool)
    for step in steps:
        stride = np.subtract(step.ball_w, track[-1, step.foot, :2])
        ahead = float(stride @ [np.cos(step.yaw), np.sin(step.yaw)])
        s = (times - step.start) / (step.end - step.start)
        there, up = _staggered(s, step.rise)
        track[:, step.foot, :2] += stride * there[:, None]
        track[:, step.foot, 2] += lift * bump(s) + step.rise * up
        turned[:, step.foot] += (step.yaw - turned[-1, step.foot]) * minimum_jerk(s)
        rise_start = step.start - _HEEL_RISE_TIME
        rise = bump((times - rise_start) / (step.end - rise_start))
        pitch[:, step.foot] += heel_rise * min(max(ahead, 0.0) / 0.6, 1.0) * rise
        planted[(s > 0) & (s < 1), step.foot] = False
    return FeetTracks(track, turned, pitch, planted, _pressure(times, track, turned, ankle_to_ball, steps))


def _staggered(s: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares 0..1 of the way ahead and of the rise, over s in [0, 1], in turn where a foot goes up or down."""
    first, then = minimum_jerk(s / (1.0 - _STAGGER)), minimum_jerk((s - _STAGGER) / (1.0 - _STAGGER))
    if not rise:
        return minimum_jerk(s), minimum_jerk(s)
    return (then, first) if rise > 0.0 else (first, then)


def _pressure(
    times: np.ndarray, ball_w: np.ndarray, yaw: np.ndarray, ankle_to_ball: float, steps: Sequence[Step]
) -> np.ndarray:
    """The middle of the carrying foot while the other swings, a smooth way across while both stand."""
    right = np.full(len(times), 0.5)
    share, since = 0.5, max(steps[0].start - 0.4, 0.0) if steps else 0.0
    for step in steps:
        if step.start - since > 2 * _SHIFT_TIME:  # stands on both feet for a while
            right += (0.5 - share) * ramp(times, since, since + _SHIFT_TIME)
            share, since = 0.5, step.start - _SHIFT_TIME
        goal = 1.0 if step.foot == LEFT else 0.0
        right += (goal - share) * ramp(times, since, step.start)
        share, since = goal, step.end
    right += (0.5 - share) * ramp(times, since, since + _SHIFT_TIME)
    ahead = yaw.mean(1, keepdims=True)
    middle = ball_w[..., :2] - 0.4 * ankle_to_ball * np.stack((np.cos(ahead), np.sin(ahead)), -1)
    return middle[:, LEFT] * (1 - right)[:, None] + middle[:, RIGHT] * right[:, None]


def balance(pressure_w: np.ndarray, height: float, fps: float) -> np.ndarray:
    """Centre of mass that keeps the zero-moment point at the pressure asked for (cart-table model, Kajita et al. 2003).

    Solves x - (height / g) x'' = pressure in least squares with a little weight on jerk, starting and ending at rest.

    Args:
        pressure_w: [T, 2] m; height: m, of the centre of mass, taken as constant; fps: frames per second.

    Returns:
        [T, 2] m.
    """
    frames = len(pressure_w)
    eye = np.eye(frames)
    acceleration = np.diff(eye, 2, axis=0) * fps**2
    model = eye[1:-1] - height / GRAVITY * acceleration
    jerk = np.diff(eye, 3, axis=0) * fps**3 * _JERK_WEIGHT
    still = (eye[[1, -1]] - eye[[0, -2]]) * fps
    ends = [0, -1]
    goal = np.concatenate((pressure_w[1:-1], np.zeros((len(jerk) + 2, 2)), 3 * pressure_w[ends]))
    solution: np.ndarray = scipy.linalg.lstsq(np.concatenate((model, jerk, still, 3 * eye[ends])), goal)[0]
    return solution
