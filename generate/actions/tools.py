"""Scripts of touches and of things in use: tap, wipe, lean, drink, pour, play, shake, swing, sweep."""

from __future__ import annotations

import dataclasses
import math

from generate.actions.ledger import Ledger, Script, body_parts, heading
from generate.language.steps import Body, Step
from generate.plan import BodyPart, Region
from sim.errors import PlanError

_POURING_M, _PLAYED_M = 0.85, 0.85
"""Heights of the underside of what one pours from, standing upright, and of an instrument in the hands."""


def touch(ledger: Ledger, step: Step) -> None:
    """Contact without moving it: touch, tap, press, wipe; once or several times."""
    options = step.action.options
    both: tuple[BodyPart, ...] = ("left_hand", "right_hand")
    one: tuple[BodyPart, ...] = ("right_hand",)
    if ledger.held and not step.body:
        free = tuple(hand for hand in both if hand not in ledger.open)
        if not free or options.get("grasped"):
            return ledger.phase("hold", step.seconds or 1.5)
        one = free[:1]
    untold = step.source_m is None and not (ledger.touched or ledger.support_m)
    if untold and ledger.size_m[2] < options.get("desk", 0.0) / 2:
        ledger.start_m = ledger.height_m = ledger.support_m = options["desk"]  # as on a desk, unless the sentence tells
    by_size = options.get("hands", 1) == 2 and not (options.get("grasped") and ledger.takes_one_hand)
    parts = ledger.parts(step, both if by_size else one)
    above = options.get("top") or ledger.size_m[2] <= 1.2
    region = ledger.region(step, "sides" if "board" in ledger.kind.tags or not above else "top")
    if region == "top" and ledger.kind.surface_m and ledger.size_m[2] > 1.2:
        region = "sides"
    ledger.approach()
    times = step.times or options.get("count", 1)
    seconds = step.seconds or options.get("seconds", 1.5)
    slides = bool(options.get("slides") or step.cycle)
    for i in range(times):
        ledger.reach(parts, region, grasped=bool(options.get("grasped")), slides=slides, seconds=0.8 if i == 0 else 0.3)
        ledger.phase("hold", seconds)
        ledger.let_go(parts)
        if i + 1 < times:
            ledger.phase("release", 0.2)
    ledger.phase("release", 0.4)


def rest(ledger: Ledger, step: Step) -> None:
    """A part of the body lies on the object."""
    parts = body_parts(step.body)
    if not parts:
        raise PlanError(f"'{step.verb}': say which part of the body")
    underneath = step.led_by in ("under", "underneath", "beneath")
    default: Region = "underside" if underneath else "sides" if step.led_by == "against" else _leant_on(ledger, parts)
    ledger.approach()
    if "back" in parts:
        ledger.away = True
    ledger.reach(parts, step.region or default, grasped=False)
    if ledger.following is None or ledger.following.action.script in ("wait", "walk"):
        ledger.phase("hold", step.seconds or 2.0)


def lean(ledger: Ledger, step: Step) -> None:
    """Weight against the object: on both hands, or with the back against it."""
    against = step.led_by == "against"
    default: tuple[BodyPart, ...] = ("back",) if against else ("left_hand", "right_hand")
    parts = body_parts(step.body) or default
    if ledger.held and ledger.raised:
        ledger.set_down(0.0)
    ledger.approach()
    if "back" in parts or "hips" in parts:
        ledger.away, ledger.turned = True, False
    ledger.reach(parts, step.region or ("sides" if against else _leant_on(ledger, parts)), grasped=False)
    ledger.phase("hold", step.seconds or 2.5)


def _leant_on(ledger: Ledger, parts: tuple[BodyPart, ...]) -> Region:
    """What carries these parts: hands are at a handlebar, not down on the deck."""
    at_bar = ledger.seat == "any" and any(part.endswith("hand") for part in parts)
    return "top" if at_bar else ledger.seat


def bring(ledger: Ledger, step: Step) -> None:
    """Up to the eyes, the mouth or the ear for a while."""
    options = step.action.options
    default: tuple[BodyPart, ...] = ("left_hand", "right_hand") if options.get("hands") == 2 else ()
    body = step.body or tuple(Body(part.split("_")[1], part.split("_")[0]) for part in default)
    body = tuple(part for part in body if part.name != "head")
    if not ledger.held:
        ledger.grip(dataclasses.replace(step, body=body))
    if ledger.height_m < options["to"] - 0.05:
        ledger.raise_to(options["to"])
    tilt = float(options.get("tilt", 0.0))
    if tilt:
        ledger.phase("move", 0.6, tilt=tilt)
    if "head" in options:
        ledger.reach(("head",), options["head"], grasped=False, slides=bool(options.get("slides")), seconds=0.3)
    ledger.phase("hold", step.seconds or options.get("seconds", 1.5))
    if "head" in options:
        ledger.let_go(("head",))
    if tilt:
        ledger.phase("move", 0.6, tilt=-tilt)


def pour(ledger: Ledger, step: Step) -> None:
    """Tilted away from the person and back."""
    if not ledger.held:
        ledger.grip(step)
    if not ledger.raised:
        ledger.raise_to(max(ledger.height_m + 0.3, _POURING_M))
    ledger.phase("move", 1.2, tilt=1.3)
    ledger.phase("hold", step.seconds or 1.5)
    ledger.phase("move", 1.0, tilt=-1.3)


def balance(ledger: Ledger, step: Step) -> None:
    """On the head or a hand."""
    carrier = step.rest_on or next(iter(step.body), None)
    if carrier is None:
        raise PlanError("'balance' needs a part of the body: on the head, on one hand")
    if not ledger.held:
        ledger.begin_held(body_parts((carrier,)), "underside", 1.7 if carrier.name == "head" else 1.1)
    ledger.phase("hold", step.seconds or 3.0)


def play(ledger: Ledger, step: Step) -> None:
    """An instrument in the hands or before them."""
    if "portable" not in ledger.kind.tags:
        ledger.approach()
        ledger.reach(("left_hand", "right_hand"), ledger.region(step, "top"), grasped=False, slides=True)
    else:
        if not ledger.held:
            if ledger.side == "any" and ledger.kind.has("handle"):
                ledger.side = "behind"  # its front to those who listen, its neck to the left
            ledger.begin_held(("left_hand",), "handle" if ledger.kind.has("handle") else "sides", _PLAYED_M)
        ledger.let_go(part for part in ("right_hand",) if part in ledger.open)
        ledger.join(("right_hand",), "sides", grasped=False, slides=True, first=len(ledger.phases))
        if "mouth" in ledger.kind.tags:
            ledger.join(("head",), "top", grasped=False, first=len(ledger.phases))
    ledger.phase("hold", step.seconds or 4.0)


def _axis(step: Step) -> str:
    axis = step.cycle or str(step.action.options["axis"])
    if axis == "around":
        raise PlanError(f"'{step.verb}' in circles is not planned; back and forth, up and down, or from side to side")
    return axis


def oscillate(ledger: Ledger, step: Step) -> None:
    """To and fro along one axis, in the hands."""
    options = step.action.options
    rise = step.height_m if step.height_m is not None else options.get("rise")
    start = ledger.carried_m if rise is None else max(ledger.carried_m, rise)
    ledger.take(step, height_m=start if ledger.portable else None)
    if rise is not None and ledger.height_m < rise - 0.05:
        ledger.raise_to(rise)
    _to_and_fro(ledger, step, _axis(step), float(options["amplitude"]), float(options["period"]), options["count"])


def _to_and_fro(ledger: Ledger, step: Step, axis: str, amplitude: float, period: float, count: int) -> None:
    if axis == "upward" and amplitude + ledger.height_m > 2.3:
        amplitude = -amplitude
    for _ in range(step.times or count):
        ledger.phase("move", period / 2, ballistic=False, **{axis: amplitude})
        ledger.phase("move", period / 2, ballistic=False, **{axis: -amplitude})


def swing(ledger: Ledger, step: Step) -> None:
    """Wound up to one side, through to the other, and back; a weight goes forward and up."""
    ledger.take(step, height_m=0.6 if "weight" in ledger.kind.tags else 0.95)
    if "weight" in ledger.kind.tags or step.cycle in ("forward", "upward"):
        for _ in range(step.times or 3):
            ledger.phase("move", 0.8, forward=0.4, upward=0.5)
            ledger.phase("move", 0.8, forward=-0.4, upward=-0.5)
        return
    _level(ledger)
    side = -1.0 if ledger.open.keys() == {"left_hand"} else 1.0
    side *= -1.0 if heading(step, 0.0, 1.0)[1] < 0.0 else 1.0
    for _ in range(step.times or 1):
        ledger.phase("move", 0.6, leftward=-0.4 * side, turn=-0.8 * side)
        ledger.phase("move", 0.35, leftward=0.9 * side, turn=2.0 * side)
        ledger.phase("move", 0.7, leftward=-0.5 * side, turn=-1.2 * side)


def _level(ledger: Ledger) -> None:
    """What is long and upright in the hands is tilted away from the person, about the hands at its lower end."""
    length, angle = ledger.size_m[2], 1.2
    if length > 2.0 * max(ledger.size_m[:2]) and not ledger.position["tilt"]:
        ledger.phase("move", 0.6, tilt=angle, forward=round(0.4 * length * math.sin(angle), 3))


def tool(ledger: Ledger, step: Step) -> None:
    """A tool in both hands, or one, goes to and fro where it works."""
    options = step.action.options
    axis = "forward" if "wheels" in ledger.kind.tags and step.cycle is None else _axis(step)
    if not ledger.held and (ledger.touched or ledger.near or "wheels" in ledger.kind.tags):
        ledger.grip(step)
        if "wheels" not in ledger.kind.tags:
            ledger.raise_to(max(0.05, float(options.get("rise", 0.05))))
    elif not ledger.held:
        parts = ledger.parts(step)
        ledger.begin_held(parts, ledger.region(step, "handle" if ledger.kind.has("handle") else "any", "lift"),
                          float(options.get("rise", 0.0)))  # fmt: skip
    amplitude = float(options["amplitude"])
    _to_and_fro(ledger, step, axis, amplitude, 1.0 + amplitude, 3)


SCRIPTS: dict[str, tuple[Script, str]] = {
    "touch": (touch, "times upward cycle"),
    "rest": (rest, "upward"),
    "lean": (lean, "upward forward"),
    "bring": (bring, "height_m upward"),
    "pour": (pour, ""),
    "balance": (balance, "rest_on"),
    "play": (play, ""),
    "oscillate": (oscillate, "times cycle height_m upward"),
    "swing": (swing, "times cycle leftward radians forward"),
    "tool": (tool, "times cycle upward"),
}
"""Script and the requests that it heeds, beside those that all do; by name."""
