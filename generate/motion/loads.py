"""What an object does to the person who holds it: weight in the hands, or the pull of what slides along the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from generate.affordance.contacts import contact_purpose
from generate.gait import GRAVITY
from generate.motion.contacts import Hold
from generate.motion.timeline import Timeline
from generate.plan import InteractionPlan, PlannedContact
from sim import rotations

_FRICTIONS, _SURELY = (0.15, 0.6), 0.7
"""Of objects on the floor; and the share of the friction at which one that is pushed tips over."""
_OFF = 0.05
"""m over its support at which an object is borne."""
_MOVING = 0.1
"""m/s from which on it slides."""


@dataclass(frozen=True, eq=False)
class Load:
    """What the person carries or pushes: mass [T] in shares of the body's, its centre [T, 3] m, and the pull on the
    hands [T, 2], horizontal force times height over weight, m: the centre of mass leans against it."""

    share: np.ndarray
    center_w: np.ndarray
    lean: np.ndarray


def sliding_friction(
    plan: InteractionPlan, holds: Mapping[PlannedContact, Hold], position_w: np.ndarray, rotation_w: np.ndarray,
    depth: float,
) -> float | None:  # fmt: skip
    """Of an object that goes along the floor under hands: low enough that it slides where a rougher one would tip over.

    A push at a height h tips what is rougher than (depth / h), about its far edge. At most the friction that is usual,
    at least that of smooth things.

    Args:
        position_w: [3] m, rotation_w: [4], of the object at first. depth: m, from its middle to its edge on the way.

    Returns:
        None where physics' default will do: nothing is pushed along the floor, or it is raised as well.
    """
    ways = [step for step in plan.phases if step.moves and not (step.upward or step.tilt or step.ballistic)]
    lifted = np.cumsum([step.upward for step in plan.phases]).max(initial=0.0) > 0.02 or plan.height_m > 0.01
    heights = [
        float((position_w + rotations.rotate(rotation_w, hold.position_b))[2])
        for contact, hold in holds.items()
        if contact.body_part.endswith("hand")
    ]
    if lifted or not heights or not any(np.hypot(step.forward, step.leftward) > 0.1 for step in ways):
        return None
    return float(np.clip(_SURELY * depth / max(heights), *_FRICTIONS))


def carried_load(
    timeline: Timeline, times: np.ndarray, center_w: np.ndarray, raised: np.ndarray, mass: float, friction: float,
    weight: float,
) -> Load:  # fmt: skip
    """What hands hold up weighs, what they move along the floor pulls.

    Args:
        times: [T] s. center_w: [T, 3] m, of the object's mass; raised: [T] m over where it stood.
        mass, weight: kg, of the object and the person. friction: of the object on the floor.
    """
    held = np.zeros(len(times))
    for contact in timeline.plan.contacts:
        begin, end = timeline.held(contact)
        if contact_purpose(timeline.plan, contact) not in ("settle", "tread"):
            held = np.maximum(held, ((times >= begin) & (times <= end)).astype(float))
    borne = held * np.clip(raised / _OFF, 0.0, 1.0)
    speed = np.gradient(center_w[:, :2], times, axis=0) if len(times) > 1 else np.zeros((len(times), 2))
    pace = np.linalg.norm(speed, axis=-1)
    way = speed / np.maximum(pace, 1e-6)[:, None]
    force = friction * mass * GRAVITY * held * (1.0 - borne) * np.clip(pace / _MOVING, 0.0, 1.0)
    return Load(borne * min(mass / weight, 1.0), center_w, push_lean(force, way, center_w[:, 2], weight))


def push_lean(force: np.ndarray, way: np.ndarray, height: np.ndarray, weight: float) -> np.ndarray:
    """By how far the centre of mass leads the feet who push with `force` [T] N along `way` [T, 2] at a height [T] m
    over the floor; weight: kg of the body. [T, 2] m."""
    lean: np.ndarray = (force * height / (weight * GRAVITY))[:, None] * way
    return lean
