"""Steps: one action each, with what the sentence asks of it."""

from __future__ import annotations

from dataclasses import dataclass

from generate.language.lexicon import Action
from generate.plan import Region, Side

OVERHEAD = 1.85
"""m, of the underside of what is held overhead."""
MAX_HEIGHT = 2.3
"""m, as far as a raised hand reaches."""


@dataclass(frozen=True)
class Body:
    """Parts of the body that are named: class, side ("" for either or both), how many."""

    name: str
    side: str = ""
    count: int = 1


@dataclass(frozen=True)
class Step:
    """One action with what the sentence asks of it; None, empty or zero where it asks nothing.

    Attributes:
        action: what. verb: as written. body: parts that do it. region: of the object.
        forward, leftward, upward: signs of the direction. metres: how far.
        height_m: of the object's underside above the floor. radians: how far to turn. spin: +1 counter-clockwise.
        times, seconds, wait: how often, how long, s before. speed: factor on durations.
        side: of the object where the person stands. source_m, goal_m: heights of what it stands on, before and after.
        rest_on: part of the body that carries it. against: part that it is held to. cycle: axis of to-and-fro.
        home: back to where it was. little: True for a bit, False for far. away: the back turned to the object.
        meanwhile: together with the step before. led_by: the preposition before the object.
        whole: False where it is done to one side of the object only.
    """

    action: Action
    verb: str
    body: tuple[Body, ...] = ()
    region: Region | None = None
    forward: float = 0.0
    leftward: float = 0.0
    upward: float = 0.0
    metres: float | None = None
    height_m: float | None = None
    radians: float | None = None
    spin: int = 0
    times: int | None = None
    seconds: float | None = None
    wait: float | None = None
    speed: float = 1.0
    side: Side | None = None
    source_m: float | None = None
    goal_m: float | None = None
    rest_on: Body | None = None
    against: str | None = None
    cycle: str | None = None
    home: bool | None = None
    little: bool | None = None
    away: bool | None = None
    meanwhile: bool = False
    led_by: str = ""
    whole: bool = True

    @property
    def directed(self) -> bool:
        """Whether a direction is asked for."""
        return any((self.forward, self.leftward, self.upward))
