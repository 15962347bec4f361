"""Evidence about a motion: what its kinematics betray, what retargeting had to mend, and where physics departed.

Beside the figures of the audit there are some that tell jitter, wander and slip from motion that is merely fast. The
source is measured at control rate, so that frame rates compare; every figure is worse the larger it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rl.calibration import BALL
from sim import audit, metrics, rotations
from sim.audit_checks import AIRBORNE, HAND_KEYPOINTS, RESTING_SPEED, SOLES, Person, Thing
from sim.metrics import MM
from sim.motion import Motion
from sim.retarget import Reference, RetargetReport

_QUIET = 20.0
"""Percentile of the frames that counts as quiet: what is fast is over sooner, noise never stops."""
_CARRY_SPEED = 0.1
"""m/s from which on an object is on its way."""
_REACH = 0.15
"""m within which a keypoint may be what carries it."""
_LOW = 0.15
"""m under which an object that rests should be on the floor."""
_HANDLED = 0.3
"""m within which a hand may be what moves an object, when that may be shown too late or too soon."""
_LONGEST_SHIFT = 0.4
"""s, of an object against the hands, that is looked for."""
_HANDS = np.concatenate(list(HAND_KEYPOINTS.values()))

WORDS = {name: text for checks in (audit.PERSON_CHECKS, audit.OBJECT_CHECKS) for name, (_, text) in checks.items()} | {
    "sink_mm": "body under the floor, median",
    "floor_wander_mm": "body rises and sinks over the floor",
    "quiet_jerk_m_s3": "body jitters while it is calm",
    "support_speed_m_s": "no foot rests, speed of the slower one",
    "object_quiet_jerk_m_s3": "object jitters while it is calm",
    "object_rest_mm": "object that lies still is off the floor",
    "carry_slip_m_s": "moving object slips past whatever is near",
    "shift_s": "object out of time with the hands",
}
"""Figures of the source by name, in words."""


def in_words(name: str, value: float) -> str:
    """A figure of the source for people: `standing feet slide, mean: 0.21 m/s`."""
    return f"{WORDS.get(name, name)}: {value:.3g} {audit.unit_of(name)}".rstrip()


def source_evidence(source: Motion) -> dict[str, float]:
    """Figures of a motion at control rate by name, the worst of its objects; NaN where nothing could be measured."""
    person = Person(source)
    figures = {name: _number(check(person).value) for name, (check, _) in audit.PERSON_CHECKS.items()}
    figures[BALL] = float(any(item.is_ball for item in source.objects))
    for name, (check, _) in audit.OBJECT_CHECKS.items():
        figures[name] = _worst([_number(check(thing).value) for thing in person.things])
    figures |= {
        "sink_mm": max(0.0, -float(np.median(person.lowest)) * MM),
        "floor_wander_mm": float(np.subtract(*np.percentile(person.lowest, (80, 20)))) * MM,
        "quiet_jerk_m_s3": _quiet(person, source.joint_positions_w[:, metrics.PEER_JOINTS]),
        "support_speed_m_s": _support_speed(person),
        "object_quiet_jerk_m_s3": _worst([_quiet(person, t.center_w[:, None]) for t in person.things]),
        "object_rest_mm": _worst([_rest_height(thing) for thing in person.things]),
        "carry_slip_m_s": _worst([_carry_slip(thing) for thing in person.things]),
        "shift_s": _worst([_shift(thing) for thing in person.things if not thing.item.is_static]),
    }
    return figures


def evidence_of(reference: Reference, simulation: Motion, figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """All of it, by name; see the three parts."""
    found = source_evidence(reference.source) | repair_evidence(reference.report)
    return found | physics_evidence(reference, simulation, figures)


def repair_evidence(report: RetargetReport) -> dict[str, float]:
    """What retargeting had to mend, by name."""
    gaps = [abs(gap) for gap in report.hand_gap_before_mm.values()]
    return {
        "repair_joint_mm": report.joint_shift_mean_mm,
        "repair_object_mm": report.object_shift_max_mm,
        "repair_hand_gap_mm": max(gaps, default=float("nan")),
        "repair_penetration_mm": report.penetration_before_mm,
    }


def physics_evidence(
    reference: Reference, simulation: Motion, figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """How physics departed from the source, over the frames that were lived, from the figures of an evaluation."""
    source = reference.source.slice(0, simulation.num_frames)
    pairs = [(a, b) for a, b in zip(simulation.objects, source.objects, strict=True) if not a.is_static]

    def value(name: str) -> float:
        return _number(figures.get(name, {}).get("value"))

    return {
        "physics_joint_mm": value("mpjpe_source"),
        "physics_object_mm": _worst([metrics.position_error(a.position_w, b.position_w) for a, b in pairs]),
        "physics_object_deg": _worst(
            [metrics.rotation_error(a.rotation_w, b.rotation_w) for a, b in pairs if not a.is_ball]
        ),
        "physics_missed_contact": 1.0 - value("contact_recall"),
        "physics_contact_mm": value("contact_distance"),
        "physics_not_robust": 1.0 - value("completion_perturbed"),
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _worst(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return max(known, default=float("nan"))


def _quiet(person: Person, points_w: np.ndarray) -> float:
    """Jerk of points [T, P, 3], mean over them, in the quiet frames."""
    jerk = np.linalg.norm(person.derivative(points_w, 3), axis=-1).mean(-1)
    return float(np.percentile(jerk, _QUIET)) if jerk.size else float("nan")


def _support_speed(person: Person) -> float:
    """Speed of the slowest sole point, median: who stands or walks has one that rests."""
    speed = np.linalg.norm(person.derivative(person.keypoints_w[:, SOLES], 1), axis=-1)
    return float(np.median(speed.min(1)))


def _rest_height(thing: Thing) -> float:
    """Distance from the floor of an object that lies still near it, mm, median."""
    resting = (thing.speed < RESTING_SPEED) & (np.abs(thing.lowest) < _LOW)
    if thing.item.is_static or not resting.any():
        return float("nan")
    return float(np.median(np.abs(thing.lowest[resting]))) * MM


def _carry_slip(thing: Thing) -> float:
    """Speed, seen from a moving object that does not fall, of the near keypoint that stays best: 75th percentile."""
    person, item = thing.person, thing.item
    points_b = rotations.rotate_inverse(item.rotation_w[:, None], person.keypoints_w - item.position_w[:, None])
    slip = np.linalg.norm(person.derivative(points_b, 1), axis=-1)
    k = person.step
    near = thing.distance[k:] < _REACH
    speed = np.linalg.norm(person.derivative(thing.center_w, 1), axis=-1)
    slip = np.where(near.any(1), np.where(near, slip, np.inf).min(1), speed)
    free = (thing.lowest > AIRBORNE) & thing.falls
    carried = (speed > _CARRY_SPEED) & ~free[k:] & np.isfinite(thing.speed[k:])
    return float(np.percentile(slip[carried], 75)) if carried.any() and not item.is_static else float("nan")


def _shift(thing: Thing) -> float:
    """How far an object's path must be moved in time, s, either way, for the hands to slip the least.

    The slip is the speed, seen from the moving object, of the hand that slips less; mean over the frames in which the
    object moves, does not fall, and has a hand near.
    """
    person, item, frames = thing.person, thing.item, thing.person.motion.num_frames
    most = round(_LONGEST_SHIFT * person.motion.fps)
    hands_w = np.stack([person.keypoints_w[:, rows].mean(1) for rows in HAND_KEYPOINTS.values()], 1)
    handled = _held(thing) & (thing.speed > _CARRY_SPEED) & (thing.distance[:, _HANDS].min(1) < _HANDLED)
    handled[:most] = handled[max(frames - most - 1, 0) :] = False
    rows = np.flatnonzero(handled)
    if len(rows) < most:
        return float("nan")
    lags = np.arange(-most, most + 1)
    poses = rows + lags[:, None]

    def seen(step: int) -> np.ndarray:
        moved: np.ndarray = rotations.rotate_inverse(
            item.rotation_w[poses + step][:, :, None], hands_w[rows + step] - item.position_w[poses + step][:, :, None]
        )
        return moved

    slip = np.linalg.norm(seen(1) - seen(0), axis=-1).min(-1).mean(-1) * person.motion.fps
    return abs(float(lags[slip.argmin()])) / person.motion.fps


def _held(thing: Thing) -> np.ndarray:
    """bool [T]: it is off the floor, or moves and cannot roll, and does not fall, for a few frames at least."""
    moves = (thing.speed > _CARRY_SPEED) & (not thing.is_round)
    off = (thing.lowest > AIRBORNE) | moves
    return thing.person.settled(off & ~thing.falls & thing.alone)
