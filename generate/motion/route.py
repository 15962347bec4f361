"""Where the person stands at the bounds of the phases: up to the object, along with it, and away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generate.motion.config import GaitConfig
from generate.motion.epochs import Epoch
from generate.motion.stances import Stance, step_count
from generate.motion.timeline import Timeline
from generate.object_path import planar_path, turn_matrix
from generate.plan import Phase

_CARRIES_ALONG = (0.2, 0.45)
"""m and rad by which an object goes before the person walks with it."""
_WITHIN_REACH = 0.55
"""m by which it goes, as tools do, without the person who stays if it comes back, or flies off."""


def plan_stances(timeline: Timeline, epochs: list[Epoch], approached: Stance, config: GaitConfig) -> list[Stance]:
    """Where the person stands at the phases' P + 1 bounds.

    Args:
        approached: where they would stand if nothing were touched.
    """
    phases = timeline.plan.phases
    first = epochs[0].before if epochs else approached
    begins = {epoch.bound: epoch.footing.stance for epoch in epochs}
    facing = epochs[0].pose.facing_w[:2] if epochs else first.forward
    progress = (np.arange(len(phases))[None] < np.arange(len(phases) + 1)[:, None]).astype(float)
    moved, yaw = planar_path(phases, facing, progress)
    walks = next((p for p, phase in enumerate(phases) if phase.kind != "approach"), len(phases))
    stance = walk_up(first, timeline.plan.faces_away, config) if walks else first
    stances, here = [stance], 0  # here: the bound at which the object was where the person now has it
    for p, phase in enumerate(phases):
        if phase.ballistic or not phase.moves or _rides(epochs, p) or p in begins:
            here = p
        upcoming = next((e.before for e in epochs if e.bound > p), stance if epochs else approached)
        floor = next((e.footing.floor for e in reversed(epochs) if e.bound <= p), None)
        if floor and stance.z and not _on_top(timeline, p + 1):
            stances.append(stance := floor[1])
            continue
        if phase.kind == "approach":
            stance = upcoming
        elif phase.kind == "retreat":
            stance = walk_away(stance, timeline.plan.faces_away, config)
        elif p + 1 in begins and _steps_to(stance, begins[p + 1], config):
            stance = begins[p + 1]
        elif phase.moves and _rides(epochs, p):
            stance = _along(stance, moved[p], moved[p + 1] - moved[p], yaw[p + 1] - yaw[p])
        elif phase.moves and not phase.ballistic:
            way, turn = moved[p + 1] - moved[here], yaw[p + 1] - yaw[here]
            far = np.linalg.norm(way) > _CARRIES_ALONG[0] or abs(turn) > _CARRIES_ALONG[1]
            if far and not _within_reach(phases, p, way, moved):
                stance, here = _along(stance, moved[here], way, turn), p + 1
        stances.append(stance)
    return stances


def _within_reach(phases: tuple[Phase, ...], p: int, way: np.ndarray, moved: np.ndarray) -> bool:
    """Whether an object that has gone some way is still in reach, and comes back or flies off in the next phase."""
    if p + 1 == len(phases) or np.linalg.norm(way) > _WITHIN_REACH:
        return False
    back = float((moved[p + 2] - moved[p + 1]) @ (moved[p + 1] - moved[p])) < 0.0
    return phases[p + 1].ballistic or (back and phases[p + 1].moves)


def _rides(epochs: list[Epoch], phase: int) -> bool:
    return next((e.footing.carried for e in reversed(epochs) if e.bound <= phase), False)


def _on_top(timeline: Timeline, bound: int) -> bool:
    return any(contact.body_part.endswith("foot") for contact in timeline.in_force(bound))


def _steps_to(one: Stance, other: Stance, config: GaitConfig) -> bool:
    far = float(np.linalg.norm(one.position - other.position)) > 0.3
    return one.climbs_to(other) or (far and step_count(one, other, config) > 1)


def _along(stance: Stance, center: np.ndarray, way: np.ndarray, turn: float) -> Stance:
    """A stance that keeps its place beside an object that goes along the floor and turns."""
    beside = turn_matrix(np.array(turn)) @ (stance.position - center)
    x, y = center + way + beside
    return replace(stance, x=float(x), y=float(y), yaw=stance.yaw + turn)


def walk_up(goal: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way to a stance begins: behind it; for one who will face away, beside it, so that they turn in."""
    if not faces_away:
        return goal.ahead(-config.walk_up)
    return goal.ahead(0.9 * config.walk_up, 0.5 * config.walk_up, -0.5 * np.pi)


def walk_away(stance: Stance, faces_away: bool, config: GaitConfig) -> Stance:
    """Where the way from an object ends: ahead of one who faces away, else aside and turned off."""
    if faces_away:
        return stance.ahead(config.walk_up)
    return stance.ahead(-0.6 * config.walk_up, 0.6 * config.walk_up, 0.6 * np.pi)
