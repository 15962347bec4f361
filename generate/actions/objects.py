"""Scripts of objects that move: pushed, thrown, caught, bounced, struck, turned, tilted, flipped."""

from __future__ import annotations

import dataclasses
import math

from generate.actions.ledger import GRAVITY, SHOVING, Ledger, Script, along, body_parts, heading
from generate.language.steps import Step
from generate.plan import BodyPart
from sim.errors import PlanError


def shove(ledger: Ledger, step: Step) -> None:
    """Along the ground: push, pull, slide, roll; to and fro if so asked."""
    sign = float(step.action.options["forward"])
    grasped = bool(step.action.options["grasped"])
    if ledger.raised or ledger.seated:
        raise PlanError(f"'{step.verb}' needs the object on the ground, and the person beside it")
    if not ledger.open or step.body or step.region:
        ledger.approach()
        parts = ledger.parts(step)
        if parts == ("back",) or parts == ("hips",):
            ledger.away = parts == ("back",)
        by_hand = all(part.endswith("hand") for part in parts)
        region = ledger.region(step, "handle" if step.action.name == "pull" and ledger.hangs else "sides")
        ledger.reach(parts, region, grasped=grasped and by_hand)
    metres = abs(sign)
    there = along(step, metres, forward=math.copysign(1.0, sign))
    if step.cycle == "around":
        raise PlanError(f"'{step.verb}' in circles is not planned")
    if step.home and not (step.forward or step.leftward):
        back = {"forward": -ledger.displaced[0] or 0.0, "leftward": -ledger.displaced[1] or 0.0}
        there = back if any(back.values()) else {"forward": -abs(there["forward"]), "leftward": 0.0}
    if step.cycle == "leftward":
        there = {"forward": 0.0, "leftward": there["forward"] or there["leftward"]}
    free = step.action.options.get("free") and "ball" in ledger.kind.tags
    for i in range(2 * (step.times or 2) if step.cycle else step.times or 1):
        turn_back = -1.0 if step.cycle and i % 2 else 1.0
        if free:
            ledger.shift(SHOVING, **{name: round(0.2 * value, 6) for name, value in there.items()})
            ledger.let_go()
            ledger.phase("move", 1.5, ballistic=True, **{name: round(0.8 * value, 6) for name, value in there.items()})
            ledger.near = False
            return
        ledger.shift(SHOVING, **{name: turn_back * value for name, value in there.items()})


def throw(ledger: Ledger, step: Step) -> None:
    """A swing with the object in the hands, then its flight; up, and the hands wait for it if it is caught next."""
    ledger.take(step, height_m=0.95)
    up = step.upward > 0.0 and not (step.forward or step.leftward)
    caught = ledger.following is not None and ledger.following.action.script == "catch"
    if step.upward < 0.0 or (caught and not up):
        raise PlanError(
            "what is thrown down or away is not caught again; throw it up" if caught else "throwing down is not planned"
        )
    if up:
        ledger.phase("move", 0.5, upward=0.4)
        ledger.let_go()
        ledger.flying = True
        if not caught:
            rise = step.metres or 0.6
            ledger.phase("move", math.sqrt(2.0 * rise / GRAVITY), upward=rise, ballistic=True)
            fall = round(ledger.height_m, 6)
            ledger.phase("move", math.sqrt(2.0 * fall / GRAVITY), upward=-fall, ballistic=True)
            ledger.flying = False
        return
    x, y = heading(step)
    ledger.phase("move", 0.5, forward=0.35 * x, leftward=0.35 * y, upward=0.25)
    ledger.let_go()
    far = step.metres or (3.0 if ledger.mass_kg < 3.0 else 2.0 if ledger.mass_kg < 9.0 else 1.2)
    fall = round(ledger.height_m, 6)
    ledger.phase("move", 0.35 + 0.12 * far, ballistic=True, forward=far * x, leftward=far * y, upward=-fall)
    ledger.support_m, ledger.near = 0.0, False


def catch(ledger: Ledger, step: Step) -> None:
    """The object flies in, or comes down again, into the hands."""
    if ledger.held:
        return
    parts = ledger.parts(step)
    if ledger.flying:
        ledger.reach(parts, "any", seconds=2.0 * math.sqrt(2.0 * 0.6 / GRAVITY), ballistic=True)
        ledger.phase("move", 0.3, upward=-0.2)
    elif ledger.touched:
        raise PlanError("nothing flies that could be caught; throw it up first")
    else:
        ledger.start_m = ledger.height_m = step.height_m or 1.2
        ledger.reach(parts, "any", seconds=0.9, ballistic=True, forward=-3.0)
        ledger.phase("move", 0.3, forward=-0.15)
    ledger.flying, ledger.near = False, True


def bounce(ledger: Ledger, step: Step) -> None:
    """Down with the hand, to the floor, up into the hand again."""
    ledger.take(step, height_m=0.95)
    parts = ledger.parts(step)
    walked = along(step, 0.5) if step.forward or step.leftward else {"forward": 0.0, "leftward": 0.0}
    for _ in range(step.times or 3):
        each = {name: round(value / (step.times or 3), 6) for name, value in walked.items()} if step.metres else walked
        top = ledger.height_m
        ledger.phase("move", 0.25, upward=-0.2)
        ledger.let_go()
        fall = round(ledger.height_m, 6)
        ledger.phase("move", 0.25, upward=-fall, ballistic=True, **each)
        ledger.reach(parts, "any", seconds=0.5, upward=round(top, 6), ballistic=True)


def strike(ledger: Ledger, step: Step) -> None:
    """A foot, hand or head hits it; what is light moves on by itself."""
    ball = "ball" in ledger.kind.tags
    name = str(step.action.options["part"])
    if name == "foot":  # who kicks with the leg hits with its foot
        feet = tuple(dataclasses.replace(body, name="foot") if body.name == "leg" else body for body in step.body)
        step = dataclasses.replace(step, body=feet)
    default: BodyPart = "head" if name == "head" else "right_foot" if name == "foot" else "right_hand"
    many = step.action.name == "hit" and "type" in ledger.kind.tags
    parts = body_parts(step.body) if step.body else (default,) if not many else ("left_hand", "right_hand")
    ledger.parts(step, parts)
    if ledger.held:
        ledger.set_down(0.0)
    flies = ball or (name == "foot" and ledger.mass_kg < 30.0) or bool(step.forward or step.leftward or step.metres)
    if flies and "hangs" in ledger.kind.tags:
        raise PlanError(f"a {ledger.kind.name} hangs and does not fly away")
    far = 3.0 if ball else 1.0 if ledger.mass_kg < 3.0 else 0.4
    low = "drum" in ledger.kind.name or ledger.size_m[2] < 1.2
    region = ledger.region(step, "any" if ball else "sides" if name == "foot" or not low else "top")
    for i in range(step.times or 1):
        if i and flies:
            ledger.near = False
        if name == "head" and not ledger.touched:
            ledger.start_m = ledger.height_m = 1.6
            ledger.near = True
            ledger.reach(parts, region, grasped=False, seconds=0.9, ballistic=True, forward=-3.0)
        else:
            ledger.approach()
            ledger.reach(parts, region, grasped=False, seconds=0.5)
        ledger.phase("hold", 0.1)
        ledger.let_go()
        if flies:
            metres = along(step, 0.5 if step.upward > 0.0 else far)
            fall = -round(ledger.height_m - ledger.support_m, 6) if ledger.raised else 0.0
            rise = 0.8 if ball and step.upward > 0.0 else 0.0
            if rise:
                ledger.phase("move", 0.4, ballistic=True, upward=rise)
            ledger.phase("move", 0.4 + 0.12 * far, ballistic=True, upward=fall - rise, **metres)
        elif i + 1 < (step.times or 1):
            ledger.phase("release", 0.3)
    if not flies:
        ledger.phase("release", 0.4)
    else:
        ledger.near = False


def turn(ledger: Ledger, step: Step) -> None:
    """About the vertical: a quarter unless told; left and counter-clockwise are positive."""
    if not ledger.held:
        ledger.grip(step)
    angle = step.radians or (math.pi / 6 if step.little else 2 * math.pi * step.action.options.get("turns", 0.25))
    sign = step.spin or (1 if step.leftward >= 0.0 else -1)
    angle *= step.times or 1
    if angle > 20 * math.pi:
        raise PlanError(f"{math.degrees(angle):.0f} degrees are more than ten turns")
    ledger.phase("move", max(0.8, angle / 1.5), turn=round(sign * angle, 9))


def tilt(ledger: Ledger, step: Step) -> None:
    """About the person's left: away unless told."""
    if not ledger.held:
        ledger.grip(step)
    angle = step.radians or (0.25 if step.little else 0.5)
    if angle > math.pi:
        raise PlanError("a tilt is at most 180 degrees")
    sign = -1.0 if step.forward < 0.0 or step.home else 1.0
    ahead = 0.0 if ledger.raised else round(sign * _rolled(ledger, angle), 6)
    ledger.phase("move", max(0.8, angle / 0.8), tilt=round(sign * angle, 9), forward=ahead)


def _rolled(ledger: Ledger, angle: float) -> float:
    """m by which the middle of what is tilted about its lower edge goes."""
    return 0.5 * (ledger.size_m[0] * (1.0 - math.cos(angle)) + ledger.size_m[2] * math.sin(angle))


def topple(ledger: Ledger, step: Step) -> None:
    """Tilted until it falls by itself."""
    if ledger.held and ledger.raised:
        raise PlanError(f"'{step.verb}' needs the object on the ground")
    if not ledger.open:
        ledger.approach()
        default: tuple[BodyPart, ...] = ("right_foot",) if step.verb.startswith(("kick", "boot")) else ()
        ledger.reach(ledger.parts(step, default), ledger.region(step, "sides"), grasped=False)
    sign = -1.0 if step.forward < 0.0 else 1.0
    ledger.phase("move", 0.6, tilt=sign * 0.4)
    ledger.let_go()
    ledger.phase("move", 0.6, tilt=round(sign * (math.pi / 2 - 0.4), 9), ballistic=True)
    ledger.near = True


def flip(ledger: Ledger, step: Step) -> None:
    """Upside down, in the hands, and back to where it stood."""
    held = ledger.held and ledger.raised
    if not held:
        ledger.grip(step)
        ledger.raise_to(ledger.height_m + max(0.15, ledger.size_m[2] / 2))
    ledger.phase("move", 1.5, tilt=round(math.pi, 9))
    if not held:
        ledger.set_down()


SCRIPTS: dict[str, tuple[Script, str]] = {
    "shove": (shove, "forward leftward metres little home cycle times"),
    "throw": (throw, "forward leftward upward metres home"),
    "catch": (catch, "height_m home"),
    "bounce": (bounce, "times upward goal_m forward leftward metres cycle"),
    "strike": (strike, "forward leftward upward metres times home"),
    "turn": (turn, "radians spin leftward little times home"),
    "tilt": (tilt, "radians forward little home"),
    "topple": (topple, "forward"),
    "flip": (flip, "radians"),
}
"""Script and the requests that it heeds, beside those that all do; by name."""
