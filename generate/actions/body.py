"""Scripts of the whole body: walk up and away, sit, stand, climb, kneel, lie, ride."""

from __future__ import annotations

import dataclasses
import math

from generate.actions.ledger import WALKING, Ledger, Script, along, body_parts
from generate.language.steps import Step
from generate.plan import BodyPart, Region
from sim.errors import PlanError

_HANDS: tuple[BodyPart, ...] = ("left_hand", "right_hand")
_FEET: tuple[BodyPart, ...] = ("left_foot", "right_foot")
_LEGS: tuple[BodyPart, ...] = ("left_leg", "right_leg")
_ARMS: tuple[BodyPart, ...] = ("left_arm", "right_arm")
_SITTING_M, _STANDING_M = (0.2, 1.15), (0.0, 1.0)
"""Heights on which a person sits down, and onto which one steps."""
_ARMS_BESIDE_M = 0.55
"""Width from which on there is room for arms beside a body."""
_HANDS_HELP_M = 0.65
"""Height from which on hands help to climb."""


def walk(ledger: Ledger, step: Step) -> None:
    """To the object, with it, or away from it."""
    if step.action.name == "approach":
        if step.region == "backrest":
            ledger.side = "behind"
        if ledger.open:
            return
        if not ledger.near:
            ledger.phase("approach", max(0.5, step.metres / 1.2) if step.metres else 2.0)
        ledger.near = True
    elif ledger.held and not ledger.seated:
        if step.home and not (step.forward or step.leftward):
            step = dataclasses.replace(step, forward=-1.0)
        ledger.shift(WALKING, **along(step, 1.5))
    elif ledger.open or ledger.touched:
        if ledger.open:
            ledger.release()
        ledger.phase("retreat", max(0.5, step.metres / 1.2) if step.metres else 1.5)
        ledger.near = False
    else:
        ledger.approach()


def posture(ledger: Ledger, step: Step) -> None:
    """Crouching and rising: part of reaching and of lifting; what is held comes up with the person."""
    rises = step.verb.startswith(("stand", "ris", "rose", "get", "got", "straight"))
    if ledger.seated and rises:
        stand_up(ledger, step)
    elif rises and ledger.held and not ledger.raised:
        if "armrests" in {contact.region for contact in ledger.open.values()}:
            raise PlanError(f"'{step.verb}': say first that the person sits, as in 'stands up from the chair'")
        ledger.raise_to(ledger.carried_m)  # "crouches, grabs it and stands up"
    elif step.led_by:
        ledger.approach()


def about(ledger: Ledger, step: Step) -> None:
    """The person turns around."""
    if ledger.seated or (ledger.open and not ledger.raised):
        raise PlanError(f"'{step.verb}' with the object in contact is planned only once it is lifted")
    if not ledger.open:
        ledger.turned = not ledger.turned
        return
    angle = step.radians or (math.pi / 2 if step.leftward or step.spin else math.pi)
    if angle > 2 * math.pi:
        raise PlanError(f"'{step.verb}' with the object in the hands goes once around at most")
    ledger.turn_with(angle * (-1.0 if step.leftward < 0.0 or step.spin < 0 else 1.0))


def wait(ledger: Ledger, step: Step) -> None:
    """Nothing moves."""
    ledger.phase("hold", step.seconds or 1.5)


def _board(ledger: Ledger, step: Step, heights: tuple[float, float], width: float, verb: str) -> None:
    """Refuse what does not carry a person; walk up otherwise."""
    top = ledger.kind.surface_m or ledger.size_m[2]
    small = min(ledger.size_m[:2]) < width or not heights[0] <= top <= heights[1]
    made = {"seat", "bed", "stand"} | ({"climb"} if top <= heights[1] else set())  # a ladder's top is no step away
    fitting = made & ledger.kind.tags and ledger.longest_m > 0.3
    if (small and not fitting) or {"drink", "hangs", "instrument"} & ledger.kind.tags:
        size = " x ".join(f"{edge:g}" for edge in ledger.size_m)
        raise PlanError(f"nobody can {verb} a {ledger.kind.name} of {size} m")
    pushed = bool(ledger.open) and ledger.phases[-1].kind == "move"
    if (ledger.held or pushed) and not ledger.seated:
        if ledger.raised:
            ledger.set_down(0.0)
        elif not {part for part in ledger.open if part.endswith("foot")}:
            ledger.release(0.3)
    ledger.approach()
    if verb != "lie on":
        _carries(ledger, step, verb)


def _carries(ledger: Ledger, step: Step, verb: str) -> None:
    """Refuse a region that does not carry a person."""
    if step.region in ("armrests", "handle", "backrest", "underside", "legs", "sides"):
        raise PlanError(f"nobody can {verb} the {step.region} of a {ledger.kind.name}")


def sit(ledger: Ledger, step: Step) -> None:
    """Back to the object, hips onto the seat; astride what is made for it."""
    if "astride" in ledger.kind.tags and step.away is None:
        return straddle(ledger, step)
    _only(step, "hip", "hand", "back", "leg")
    _board(ledger, step, _SITTING_M, 0.25, "sit on")
    ledger.turned, ledger.away = False, step.away is not False
    ledger.reach(("hips", *(part for part in body_parts(step.body) if part != "hips")), step.region or ledger.seat,
                 grasped=False, seconds=1.2)  # fmt: skip
    ledger.seated = True
    ledger.phase("hold", step.seconds or 2.0)


def sit_back(ledger: Ledger, step: Step) -> None:
    """The back against the backrest, sitting."""
    if not ledger.seated:
        sit(ledger, dataclasses.replace(step, region=None))
    region: Region = "backrest" if ledger.kind.has("backrest") else "any"
    ledger.reach(("back",), region, grasped=False)
    ledger.phase("hold", step.seconds or 2.0)


def stand_up(ledger: Ledger, step: Step) -> None:
    """From sitting."""
    if not ledger.seated:
        raise PlanError(f"'{step.verb}': nobody sits")
    _only(step, "hand")
    ledger.release(1.2)


def begin_seated(ledger: Ledger, step: Step) -> None:
    """The person sits on the object at first."""
    _board(ledger, dataclasses.replace(step, region=None), _SITTING_M, 0.25, "sit on")
    ledger.phases.clear()
    ledger.near = ledger.seated = ledger.away = True
    ledger.join(("hips",), ledger.seat, grasped=False, first=0)
    ledger.phase("hold", 1.0)


def stand_on(ledger: Ledger, step: Step) -> None:
    """Both feet, or the one that is named, on top."""
    if "astride" in ledger.kind.tags and not (step.body or step.region):
        return straddle(ledger, step)
    _only(step, "foot")
    _look_ahead(ledger)
    _board(ledger, step, _STANDING_M, 0.12, "stand on")
    parts = body_parts(step.body) or _FEET
    ledger.reach(parts, step.region or ledger.seat, grasped=False, seconds=1.0)
    ledger.seated = True
    ledger.phase("hold", step.seconds or 2.0)


def climb(ledger: Ledger, step: Step) -> None:
    """Onto the top: what is high with the hands first, then the feet."""
    top = ledger.kind.surface_m or ledger.size_m[2]
    if top > _STANDING_M[1]:
        raise PlanError(f"'{step.verb}' {top:g} m up, rung by rung, is not planned; at most {_STANDING_M[1]:g} m")
    _look_ahead(ledger)
    _board(ledger, step, _STANDING_M, 0.2, "climb")
    if top > _HANDS_HELP_M:
        ledger.reach(_HANDS, "top", grasped=False)
        ledger.reach(_FEET, ledger.seat, grasped=False, seconds=1.5)
        ledger.let_go(_HANDS)
    else:
        ledger.reach(_FEET, ledger.seat, grasped=False, seconds=1.5)
    ledger.seated = True
    ledger.phase("hold", step.seconds or 1.5)


def step_off(ledger: Ledger, step: Step) -> None:
    """Down again; the person stands on the object at first if nothing came before."""
    if not ledger.seated:
        if ledger.touched:
            raise PlanError(f"'{step.verb}': nobody stands on it")
        _board(ledger, step, _STANDING_M, 0.12, "stand on")
        ledger.phases.clear()
        ledger.join(_FEET, ledger.seat, grasped=False, first=0)
        ledger.phase("hold", 1.0)
    ledger.release(0.8)


def kneel(ledger: Ledger, step: Step) -> None:
    """Knees on top."""
    _only(step, "leg")
    _board(ledger, step, (0.0, 0.9), 0.2, "kneel on")
    both = len(legs := body_parts(step.body) or _LEGS) == 2
    ledger.reach((*legs, *_FEET) if both else legs, step.region or ledger.seat, grasped=False, seconds=1.2)
    ledger.seated = True
    ledger.phase("hold", step.seconds or 2.0)


def lie(ledger: Ledger, step: Step) -> None:
    """First the hips, then stretched out: on the back unless the front is named."""
    _only(step, "chest", "back")
    if not ({"bed"} & ledger.kind.tags or max(ledger.size_m[:2]) >= 1.1):
        raise PlanError(f"a {ledger.kind.name} of {max(ledger.size_m[:2]):g} m is too short to lie on")
    _board(ledger, step, (0.0, 1.1), 0.2, "lie on")
    prone = any(body.name == "chest" for body in step.body)
    if ledger.side == "any":
        ends = ledger.size_m[0] >= ledger.size_m[1] or ledger.kind.has("armrests")
        ledger.side = "front" if ends else "left"
    if not ledger.seated and not prone:
        ledger.reach(("hips",), "edges", grasped=False, seconds=1.2)
    beside = _ARMS if min(ledger.size_m[:2]) > _ARMS_BESIDE_M and not ledger.kind.has("armrests") else ()
    rest_parts: tuple[BodyPart, ...] = ("chest", *_LEGS) if prone else ("hips", "back", *beside)
    ledger.reach(rest_parts, ledger.seat, grasped=False, seconds=1.5)
    ledger.turned, ledger.away, ledger.seated = False, not prone, True
    ledger.phase("hold", step.seconds or 3.0)


def straddle(ledger: Ledger, step: Step) -> None:
    """One leg on either side; hands that are named hold on to the handle, or lie on the seat."""
    astride, bar = "astride" in ledger.kind.tags, ledger.kind.has("handle")
    _only(step, "hip", "hand", "leg")
    hands = tuple(part for part in body_parts(step.body) if part.endswith("hand"))
    if hands and step.region == "handle":
        step = dataclasses.replace(step, region=None)  # "with both hands on the handle"
    if astride:
        _carries(ledger, step, "sit astride")
    else:
        _board(ledger, step, _SITTING_M, 0.2, "sit astride")
    _look_ahead(ledger)
    ledger.approach()
    ledger.let_go(part for part in hands if part in ledger.open)
    region = ledger.seat if step.region in (None, "top") else step.region  # "on top of it"
    ledger.reach(("hips",), region, grasped=False, seconds=1.5)
    first = len(ledger.phases) - 1
    legs = tuple(part for part in body_parts(step.body) if part.endswith("leg")) if astride else _LEGS
    ledger.join(legs, "sides", grasped=False, first=first)
    ledger.join(hands, "handle" if bar else ledger.seat, grasped=bar, first=first)
    ledger.seated = True
    ledger.phase("hold", step.seconds or 2.0)


def ride(ledger: Ledger, step: Step) -> None:
    """On it, and off with it."""
    astride = "astride" in ledger.kind.tags
    _look_ahead(ledger)
    ledger.approach()
    if not ledger.seated:
        ledger.let_go(part for part in _HANDS if part in ledger.open)
        ledger.reach(("hips",) if astride else _FEET, ledger.seat, grasped=False, seconds=1.5)
    first = len(ledger.phases) - 1
    if astride:
        ledger.join(_FEET, "any", grasped=False, first=first)
    if ledger.kind.has("handle"):
        ledger.join((part for part in _HANDS if part not in ledger.open), "handle", grasped=True, first=first)
    ledger.seated = True
    ledger.shift(1.5, **along(step, 4.0))


def _look_ahead(ledger: Ledger) -> None:
    """Riders look to the front of what they ride, climbers come from where the steps begin, unless they are told."""
    if ledger.side == "any":
        ledger.side = "behind" if "ride" in ledger.kind.tags else "front" if "climb" in ledger.kind.tags else "any"


def _only(step: Step, *names: str) -> None:
    wrong = [body.name for body in step.body if body.name.rstrip("s") not in names]
    if wrong:
        raise PlanError(f"'{step.verb}' is not done with the {wrong[0]}")


SCRIPTS: dict[str, tuple[Script, str]] = {
    "walk": (walk, "forward leftward metres home little"),
    "posture": (posture, "upward forward"),
    "about": (about, "radians spin leftward"),
    "wait": (wait, ""),
    "sit": (sit, "upward home"),
    "sit back": (sit_back, ""),
    "stand up": (stand_up, ""),
    "stand on": (stand_on, "upward"),
    "step on": (stand_on, "upward"),
    "climb": (climb, "upward"),
    "step off": (step_off, ""),
    "kneel": (kneel, "upward"),
    "lie": (lie, ""),
    "straddle": (straddle, ""),
    "ride": (ride, "forward leftward metres"),
}
"""Script and the requests that it heeds, beside those that all do; by name."""
