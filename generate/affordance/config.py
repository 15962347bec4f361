"""What an action asks of the place that is touched, and how much each consideration weighs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from generate.language.lexicon import Purpose, lexicon
from generate.plan import BodyPart


def purpose_of(action: str) -> Purpose:
    """Of an action in the words of a plan, which need not be the lexicon's; of an unknown one only to touch."""
    found = lexicon().action_of(action)
    return found.purpose if found else "touch"


@dataclass(frozen=True)
class HandWeights:
    """How much each term of `generate.affordance.hands` adds to the log probability of a place for a hand.

    Fitted by maximum likelihood, ridge 0.01, to the contact maps of 40 OMOMO clips, each object counting alike: the
    first five to ten pairs of object and action, the other two to each hand of each clip from where the person stood
    (`python -m benchmarks.affordance --fit`, which reports all of them left out one object at a time).
    """

    reach: float = 2.6
    edge: float = 0.84
    exposed: float = 0.3
    outer: float = 0.47
    grasp: float = 0.76
    near: float = 0.8
    own_side: float = 0.65


FITTED = ("reach", "edge", "exposed", "outer", "grasp")
"""Terms that need no person."""


@dataclass(frozen=True)
class AffordanceConfig:
    """Settings of the geometric affordance.

    Attributes:
        points: number of surface points; seed: of their places.
        hands: weights.
        support: what a place that fails as a support altogether loses in log probability, for body parts that rest on
            the object; reach: what a place that is a spread away from the part's height loses, for those that only
            touch; placed: what a place costs that is a spread off from where the body as a whole has the part; exposed:
            what a place without room in front of it loses. Set by hand: there are no clips to fit them.
        region: what a place outside the wanted region loses in log probability.
        found: least share of the surface that counts as a region being there at all.
        knuckles, reach_spread: m over the floor where a standing person's knuckles hang (0.43 of a stature of 1.75 m,
            Drillis and Contini 1966) and how far from there costs one unit; elbows: m over the floor where elbows are
            (0.6 of it), at which long handles are held.
        hook: m, reach of the fingers around an edge; palm: m, half of a palm's length.
        span: m, least and most between two hands that work together; shoulders are about 0.4 m wide.
        balance: m by which the middle between two hands may miss the line through the centre of mass.
        seat: m over the floor, range of the heights that people sit on; seat_radius: m, of a disc that carries them.
    """

    points: int = 2000
    seed: int = 0
    hands: HandWeights = field(default_factory=HandWeights)
    support: float = 6.0
    reach: float = 1.0
    placed: float = 1.0
    exposed: float = 2.0
    region: float = 8.0
    found: float = 0.002
    knuckles: float = 0.75
    elbows: float = 1.05
    reach_spread: float = 0.4
    hook: float = 0.04
    palm: float = 0.04
    span: tuple[float, float] = (0.25, 0.6)
    balance: float = 0.1
    seat: tuple[float, float] = (0.3, 0.6)
    seat_radius: float = 0.15


Manner = Literal["lie", "ride", "lean"]
"""How a body as a whole can be on an object, where its parts' places follow from that."""
PART_HEIGHTS: dict[BodyPart, float] = {
    "head": 1.60, "chest": 1.30, "back": 1.20, "hips": 0.95, "left_arm": 1.10, "right_arm": 1.10,
    "left_leg": 0.60, "right_leg": 0.60, "left_foot": 0.08, "right_foot": 0.08,
}  # fmt: skip
"""m over the floor of the body parts of a standing person of 1.75 m; of hands it is `AffordanceConfig.knuckles`."""
