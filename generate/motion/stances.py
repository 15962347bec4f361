"""Where the person stands, and the footsteps from one stance to the next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from generate.gait import LEFT, RIGHT, Step
from generate.motion.config import GaitConfig
from generate.object_path import along_arc, turn_matrix

_SWING = (0.12, 0.88)
"""Share of a step's time at which its foot leaves the floor, and comes down."""
_TURNS = 0.3
"""rad from which on a way to the side is a turn."""
_SAME = (0.02, 0.05)
"""m and rad by which a stance may be off without a step."""


@dataclass(frozen=True)
class Stance:
    """Both feet side by side: x, y in m of the middle between them, and the way that they point, rad."""

    x: float
    y: float
    yaw: float

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
        return Stance(float(x), float(y), self.yaw + turn)

    def same_as(self, other: Stance) -> bool:
        """Whether no step leads from one to the other."""
        apart = float(np.linalg.norm(self.position - other.position))
        return apart < _SAME[0] and abs(self.yaw - other.yaw) < _SAME[1]


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
        rows.append([*toes.ahead(0.5 * foot.length).position, foot.ball_height])
    return np.array(rows)


def toes(stance: Stance, config: GaitConfig) -> np.ndarray:
    """[2] rad, the way that left and right toes point."""
    return stance.yaw + config.toe_out * np.array([1.0, -1.0])


def between(start: Stance, end: Stance, share: np.ndarray) -> np.ndarray:
    """[N, 3] x, y, yaw at shares [N] of the way; turns and ways together go along an arc."""
    turn = end.yaw - start.yaw
    moved = start.position + along_arc(end.position - start.position, turn, share)
    return np.column_stack((moved, start.yaw + turn * share))


def step_count(start: Stance, end: Stance, config: GaitConfig) -> int:
    """How many steps lead from one to the other; the last one closes the feet."""
    if start.same_as(end):
        return 0
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
    counts = [step_count(a, b, config) for a, b in pairwise(stances)]
    return np.array(counts) * config.step_seconds


def footsteps(stances: list[Stance], bounds: np.ndarray, config: GaitConfig, foot: Foot) -> list[Step]:
    """Steps from stance to stance; each pair of them has the time of its phase."""
    steps: list[Step] = []
    for start, end, begin, finish in zip(stances, stances[1:], bounds, bounds[1:], strict=False):
        count = step_count(start, end, config)
        if not count:
            continue
        each = (finish - begin) / count
        way = turn_matrix(np.array(-start.yaw)) @ (end.position - start.position)
        to_left = way[1] + 0.3 * (end.yaw - start.yaw) > 0.02
        shares = (
            np.arange(2, count + 2) // 2 / (count // 2)
            if _sideways(start, end)
            else np.arange(1, count + 1) / (count - 1)
        )
        path = between(start, end, np.minimum(shares, 1.0))
        for k, row in enumerate(path):
            which = (LEFT if to_left else RIGHT) if k % 2 == 0 else (RIGHT if to_left else LEFT)
            there = Stance(*(float(v) for v in row))
            x, y, _ = balls(there, config, foot)[which]
            since = begin + k * each
            steps.append(
                Step(
                    which, since + _SWING[0] * each, since + _SWING[1] * each, (x, y), float(toes(there, config)[which])
                )
            )
    return steps
