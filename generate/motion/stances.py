"""Where the person stands, and the footsteps from one stance to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from generate.gait import LEFT, RIGHT, Step, cruise
from generate.motion.config import GaitConfig
from generate.motion.timeline import RAMP_SECONDS
from generate.object_path import along_arc, turn_matrix
from sim import rotations
from sim.skeleton import JOINT_INDEX, SIDES

_SWING = (0.12, 0.88)
"""Share of a step's time at which its foot leaves the floor, and comes down."""
_AHEAD_OF_LOAD = 0.85
"""Share of the time in which the feet of one who pulls get there."""
_TURNS = 0.3
"""rad from which on a way to the side is a turn."""
_SAME = (0.02, 0.05)
"""m and rad by which a stance may be off without a step."""


@dataclass(frozen=True)
class Stance:
    """Both feet side by side: x, y in m of the middle between them, the way that they point, rad, and the height z of
    what they stand on, m."""

    x: float
    y: float
    yaw: float
    z: float = 0.0

    @property
    def position(self) -> np.ndarray:
        """[2] m."""
        return np.array([self.x, self.y])

    @property
    def forward(self) -> np.ndarray:
        """[2] unit."""
        return np.array([np.cos(self.yaw), np.sin(self.yaw)])

    def ahead(self, forward: float, leftward: float = 0.0, turn: float = 0.0) -> Stance:
        """The stance so many m ahead and to the left, turned by rad."""
        x, y = self.position + turn_matrix(np.array(self.yaw)) @ [forward, leftward]
        return Stance(float(x), float(y), self.yaw + turn, self.z)

    def beside(self, place_w: np.ndarray) -> np.ndarray:
        """[3] m ahead, left and above the floor of the stance's middle, of a place in the world."""
        away = turn_matrix(np.array(-self.yaw)) @ (place_w[:2] - self.position)
        return np.append(away, place_w[2])

    def same_as(self, other: Stance) -> bool:
        """Whether no step leads from one to the other."""
        apart = float(np.linalg.norm(self.position - other.position))
        return apart < _SAME[0] and abs(self.yaw - other.yaw) < _SAME[1] and not self.climbs_to(other)

    def climbs_to(self, other: Stance) -> bool:
        """Whether the way to another leads up or down."""
        return abs(self.z - other.z) > _SAME[0]


@dataclass(frozen=True)
class Foot:
    """Of a subject, m: from the ankle to the ball along a level foot and down, and sole to ankle."""

    length: float
    ankle_height: float
    ball_height: float


def balls(stance: Stance, config: GaitConfig, foot: Foot) -> np.ndarray:
    """[2, 3] m, left and right ball of the foot in a stance; the middle of the foot is beside the stance's middle."""
    rows = []
    for side in (1.0, -1.0):
        toes = stance.ahead(0.0, 0.5 * side * config.stance_width, side * config.toe_out)
        rows.append([*toes.ahead(0.5 * foot.length).position, stance.z + foot.ball_height])
    return np.array(rows)


def ankles(ball_w: np.ndarray, feet_w: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Where the ankles of feet are, given their balls [..., 2, 3] m, how they are turned [..., 2, 4], and the bones."""
    to_ball = offsets[[JOINT_INDEX[f"{side}_foot"] for side in SIDES]]
    place: np.ndarray = ball_w - rotations.rotate(feet_w, np.broadcast_to(to_ball, ball_w.shape).copy())
    return place


def toes(stance: Stance, config: GaitConfig) -> np.ndarray:
    """[2] rad, the way that left and right toes point."""
    return stance.yaw + config.toe_out * np.array([1.0, -1.0])


def between(start: Stance, end: Stance, share: np.ndarray) -> np.ndarray:
    """[N, 3] x, y, yaw at shares [N] of the way; turns and ways together go along an arc."""
    turn = end.yaw - start.yaw
    moved = start.position + along_arc(end.position - start.position, turn, share)
    return np.column_stack((moved, start.yaw + turn * share))


def step_count(start: Stance, end: Stance, config: GaitConfig) -> int:
    """How many steps lead from one to the other; the last one closes the feet, and up or down lead two."""
    if start.same_as(end):
        return 0
    if start.climbs_to(end):
        return 2
    path = between(start, end, np.linspace(0.0, 1.0, 9))
    metres = float(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum())
    turn = abs(end.yaw - start.yaw)
    travel = max(1, int(np.ceil(metres / config.step_length)), int(np.ceil(turn / config.step_turn)))
    return 2 * travel if _sideways(start, end) else 1 + travel


def _sideways(start: Stance, end: Stance) -> bool:
    """Whether the way is rather to the side than ahead or back: then one foot follows the other and never passes it."""
    way = turn_matrix(np.array(-start.yaw)) @ (end.position - start.position)
    return bool(abs(way[1]) > abs(way[0]) + 0.05 and abs(end.yaw - start.yaw) < _TURNS)


def needed_seconds(stances: list[Stance], config: GaitConfig) -> np.ndarray:
    """[P] s that each phase has to last for its steps, given the P + 1 stances at the phases' bounds."""
    counts = [step_count(a, b, config) * (1.0 + a.climbs_to(b)) for a, b in pairwise(stances)]
    return np.array(counts) * config.step_seconds


def footsteps(
    stances: list[Stance], bounds: np.ndarray, config: GaitConfig, foot: Foot, drives: Sequence[int] = ()
) -> list[Step]:
    """Steps from stance to stance; each pair of them has the time of its phase.

    Args:
        drives: for each phase, 1 where something is pushed along the floor: feet come down no farther ahead than it has
            gone by then, and the last foot but one stays behind, as in a lunge; -1 where something is pulled after the
            person: feet are out of its way sooner; else 0.
    """
    steps: list[Step] = []
    for p, (start, end) in enumerate(pairwise(stances)):
        begin, finish = bounds[p : p + 2]
        count = step_count(start, end, config)
        if not count:
            continue
        drive = sum(drives[p : p + 1])
        each = (finish - begin) / count * (_AHEAD_OF_LOAD if drive < 0 else 1.0)
        way = turn_matrix(np.array(-start.yaw)) @ (end.position - start.position)
        to_left = way[1] + 0.3 * (end.yaw - start.yaw) > 0.02
        shares = _shares(start, end, count, finish - begin if drive > 0 else None)
        path = between(start, end, np.minimum(shares, 1.0))
        for k, row in enumerate(path):
            which = (LEFT if to_left else RIGHT) if k % 2 == 0 else (RIGHT if to_left else LEFT)
            there = Stance(*(float(v) for v in row))
            x, y, _ = balls(there, config, foot)[which]
            since = begin + k * each
            lifted, down = since + _SWING[0] * each, since + _SWING[1] * each
            steps.append(Step(which, lifted, down, (x, y), float(toes(there, config)[which]), end.z - start.z))
    return steps


def _shares(start: Stance, end: Stance, count: int, trailing: float | None) -> np.ndarray:
    """[count], how much of the way lies behind each foot that comes down; `trailing`: s of a phase that pushes."""
    if trailing is not None:
        landing = (np.arange(count) + _SWING[1]) / count * trailing
        return np.append(cruise(landing, trailing, RAMP_SECONDS)[:-1], 1.0)
    if start.climbs_to(end):
        return np.ones(count)
    if _sideways(start, end):
        return np.arange(2, count + 2) // 2 / (count // 2)
    return np.arange(1, count + 1) / (count - 1)
