"""Scripts of hands that hold: lift, put down, carry, hold, hug, let go, from hand to hand."""

from __future__ import annotations

import dataclasses
import math

from generate.actions.ledger import GRAVITY, LIFTING, WALKING, Ledger, Script, along, body_parts, heading
from generate.actions.objects import shove, tilt
from generate.language.steps import Step
from generate.plan import BodyPart, Region
from sim.errors import PlanError

_OVER_SHOULDER_M = 1.3
_RESTING_M = {"arm": _OVER_SHOULDER_M, "back": 0.9, "head": 1.7, "legs": 0.5, "hips": 0.8}
"""Heights of the underside of what lies on a part of the body."""


def lift(ledger: Ledger, step: Step) -> None:
    """Up to a height, by a distance, or to where it is carried."""
    if step.upward < 0.0 and step.action.name != "take":
        raise PlanError(f"'{step.verb}' does not go down")
    if not step.whole:
        return tilt(ledger, step)
    if not ledger.held:
        ledger.grip(step)
    elif step.body or step.region:
        ledger.take(step)
    target = ledger.carried_m if step.height_m is None else step.height_m
    if step.rest_on is not None:
        target = _RESTING_M[step.rest_on.name]
    elif step.height_m is None and (not ledger.hangs or ledger.raised):
        target = max(target, ledger.height_m + 0.2)
    if step.metres is not None and not (step.forward or step.leftward):
        target = ledger.height_m + step.metres
    for i in range(step.times or 1):
        if i:
            ledger.shift(LIFTING, upward=round(ledger.support_m - ledger.height_m, 6))
        ledger.raise_to(target)
    _rest_on(ledger, step)
    if step.forward or step.leftward:
        ledger.shift(WALKING, **along(step, 0.5))
    if step.goal_m is not None and step.rest_on is None:
        _put(ledger, step, 0.4 if step.goal_m else 0.0)


def _rest_on(ledger: Ledger, step: Step) -> None:
    if step.rest_on is not None:
        ledger.phase("hold", 0.5)
        ledger.join(body_parts((step.rest_on,)), "any", grasped=False, first=len(ledger.phases) - 1)


def _put(ledger: Ledger, step: Step, metres: float) -> None:
    """Sideways, if at all, and down: to the height that is asked for, where it came from, or the floor."""
    moved = math.hypot(ledger.position["forward"], ledger.position["leftward"]) > 1e-9
    goal = step.goal_m
    if goal is None:
        goal = ledger.support_m if (not moved or step.home) and not (step.forward or step.leftward) else 0.0
    if goal > ledger.height_m:
        ledger.raise_to(goal + 0.1)
    if abs(goal - ledger.support_m) > 0.05 and not moved and ledger.state == "ground" and not metres:
        # away from what it stood on, or over to what is higher
        asked = step.forward or step.leftward
        step = step if asked else dataclasses.replace(step, forward=1.0 if goal > ledger.support_m else -1.0)
    if step.home and moved and not (step.forward or step.leftward):
        forward, leftward = ledger.displaced
        ledger.shift(WALKING, forward=-forward, leftward=-leftward)
    elif step.forward or step.leftward or (step.metres and not step.upward) or metres:
        ledger.shift(WALKING, **along(step, metres or 0.5))
    ledger.set_down(goal)


def place(ledger: Ledger, step: Step) -> None:
    """Down, and let go."""
    if step.upward > 0.0:
        raise PlanError(f"'{step.verb}' does not go up")
    if ledger.touched and not ledger.held and step.action.name == "lower":
        raise PlanError("nothing is held that could be lowered")
    stands = ledger.touched and not ledger.raised
    if stands and not any((step.forward, step.leftward, step.metres, step.home, step.rest_on, step.goal_m)):
        if ledger.open:
            ledger.release()
        return  # it is down already
    high = (step.goal_m or 0.0) + 0.25
    ledger.take(step, height_m=max(ledger.carried_m, high) if not ledger.hangs or step.goal_m else ledger.carried_m)
    if step.rest_on is not None:
        ledger.raise_to(_RESTING_M[step.rest_on.name])
        return _rest_on(ledger, step)
    if step.action.name == "lower" and (
        step.height_m is not None or (step.metres and not (step.forward or step.leftward))
    ):
        drop = ledger.height_m - step.height_m if step.height_m is not None else float(step.metres or 0.0)
        return ledger.shift(LIFTING, upward=-round(drop, 6))
    _put(ledger, step, 0.0)


def drop(ledger: Ledger, step: Step) -> None:
    """Let go in the air: it falls."""
    ledger.take(step, height_m=ledger.carried_m)
    if step.forward or step.leftward:
        ledger.shift(WALKING, **along(step, 0.5))
    goal = step.goal_m or 0.0
    fall = ledger.height_m - goal
    if fall <= 0.0:
        raise PlanError("there is nothing that it could fall from")
    ledger.let_go()
    ledger.phase("move", math.sqrt(2.0 * fall / GRAVITY), upward=-round(fall, 6), ballistic=True)
    ledger.support_m = goal


def carry(ledger: Ledger, step: Step) -> None:
    """With the person, over the ground; on a shoulder, the back or the head if so asked."""
    if step.rest_on is not None and not ledger.touched:
        _shoulder(ledger, step)
    elif not ledger.raised:
        if ledger.held:
            ledger.take(step)
        else:
            ledger.grip(step)
        ledger.raise_to(ledger.carried_m if step.height_m is None else step.height_m)
        _rest_on(ledger, step)
    else:
        ledger.take(step)
    if step.against:
        ledger.join(("chest",), "any", grasped=False, first=len(ledger.phases))
    if step.home and not step.forward and not step.leftward:
        ledger.shift(
            WALKING,
            forward=-ledger.displaced[0] or -1.5,
            leftward=-ledger.displaced[1],
        )
    else:
        ledger.shift(WALKING, **along(step, 1.5))
    if step.goal_m is not None:
        _put(ledger, step, 0.0)


def _shoulder(ledger: Ledger, step: Step) -> None:
    """It lies on a part of the body at first, steadied by a hand unless it is on the back."""
    assert step.rest_on is not None
    carrier = body_parts((step.rest_on,))
    ledger.begin_held((), "any", _RESTING_M[step.rest_on.name])
    ledger.join(carrier, "any", grasped=True, first=0)
    if step.rest_on.name == "arm":
        hands: tuple[BodyPart, ...] = ("left_hand",) if "left_arm" in carrier else ("right_hand",)
        ledger.join(body_parts(step.body) or hands, "any", grasped=True, first=0)
    elif step.body:
        ledger.join(body_parts(step.body), "any", grasped=True, first=0)


def relocate(ledger: Ledger, step: Step) -> None:
    """Elsewhere: lifted a little, or pushed along the ground where it is heavy."""
    if step.upward > 0.0 and not (step.forward or step.leftward):
        return lift(ledger, step)
    if step.home and not any(ledger.position.values()):
        step = dataclasses.replace(step, forward=-1.0, home=None)
    if not (step.forward or step.leftward or step.home):  # on in the direction in which it was going
        step = dataclasses.replace(step, forward=ledger.displaced[0], leftward=ledger.displaced[1])
    if ledger.raised or (step.upward < 0.0 and not ledger.touched):
        if step.upward < 0.0:
            return place(ledger, step)
        ledger.take(step)
        if step.home:
            return _put(ledger, step, 0.0)
        ledger.shift(WALKING, **along(step, 1.0))
    elif ledger.mass_kg > 15.0 or any(not body.name.startswith("hand") for body in step.body):
        pulled = heading(step)[0] < 0.0
        grasped = pulled or all(body.name == "hand" for body in step.body)
        options = {"forward": 0.6, "grasped": grasped}
        body = ("hands", "hand", "feet", "foot", "hips")
        return shove(
            ledger, dataclasses.replace(step, action=dataclasses.replace(step.action, options=options, body=body))
        )
    else:
        if not ledger.held:
            ledger.grip(step)
        ledger.raise_to(ledger.height_m + 0.15)
        ledger.shift(WALKING, **along(step, 1.0))
        if step.goal_m is None and ledger.support_m and not ledger.raised:
            return
        following = ledger.following
        if following is None or following.action.script not in ("place", "drop", "carry", "throw", "walk", "hold"):
            ledger.set_down(step.goal_m if step.goal_m is not None else ledger.support_m)
        return
    if step.goal_m is not None:
        _put(ledger, step, 0.0)


def hold(ledger: Ledger, step: Step) -> None:
    """In the hands for a while; furniture is held where it stands."""
    if not ledger.held and not ledger.touched and step.rest_on is not None:
        _shoulder(ledger, step)
    elif not ledger.held and ledger.portable and not ledger.touched and not ledger.near:
        ledger.take(step, height_m=step.height_m if step.height_m is not None else max(ledger.carried_m, 0.0))
    elif ledger.held:
        ledger.take(step)
    else:
        ledger.grip(step)
    if step.height_m is not None and ledger.height_m < step.height_m - 1e-6:
        ledger.raise_to(step.height_m)
    elif step.upward > 0.0:
        ledger.raise_to(ledger.height_m + 0.3)
    if step.against:
        ledger.join(("chest",), "any", grasped=False, first=len(ledger.phases))
    if ledger.following is None or ledger.following.action.script in ("wait", "drop", "place") or step.seconds:
        ledger.phase("hold", step.seconds or 2.0)


def grasp(ledger: Ledger, step: Step) -> None:
    """Hands close around it; nothing moves."""
    if ledger.held and not step.body and step.region is None:
        return
    ledger.approach()
    if ledger.turned or ledger.seated:
        raise PlanError(f"'{step.verb}' with the back to the object is not planned")
    default: Region = "handle" if ledger.hangs else "any" if ledger.longest_m < 0.3 else "sides"
    ledger.reach(ledger.parts(step), ledger.region(step, default, "pull", "lift"))
    if step.seconds:
        ledger.phase("hold", step.seconds)


def hug(ledger: Ledger, step: Step) -> None:
    """Both arms around it, against the chest."""
    around: tuple[BodyPart, ...] = ("left_arm", "right_arm", "chest")
    if ledger.held or (ledger.portable and not ledger.touched and not ledger.near):
        if not ledger.held:
            ledger.begin_held((), "any", 1.0)
        first = len(ledger.phases)
        ledger.join(around, "any", grasped=True, first=first)
    else:
        ledger.approach()
        ledger.reach(around, ledger.region(step, "sides"))
    ledger.phase("hold", step.seconds or 2.5)


def release(ledger: Ledger, step: Step) -> None:
    """Hands come off; what is in the air falls."""
    if ledger.held and ledger.raised:
        return drop(ledger, step)
    if not ledger.open:
        if ledger.touched:
            raise PlanError("nothing is held that could be let go of")
        if ledger.portable and not {"wheels"} & ledger.kind.tags:
            return drop(ledger, step)
        default: Region = "sides"
        ledger.near = True
        ledger.join(ledger.parts(step), ledger.region(step, default, "hold", "pull"), first=0, grasped=True)
        ledger.phase("hold", 1.0)
    ledger.release()


def pass_hands(ledger: Ledger, step: Step) -> None:
    """From one hand into the other."""
    if len(step.body) != 2 or {body.side for body in step.body} != {"left", "right"}:
        raise PlanError(f"'{step.verb}': say from which hand to which, as in 'from the left hand to the right hand'")
    giver, taker = (f"{body.side}_hand" for body in step.body)
    if not ledger.held:
        if ledger.touched:
            raise PlanError(f"'{step.verb}': nothing is held")
        ledger.begin_held((giver,), ledger.region(step, "any", "lift"), max(ledger.carried_m, 0.95))  # type: ignore[arg-type]
    ledger.phase("move", 0.6, leftward=0.15 if giver == "right_hand" else -0.15)
    ledger.reach((taker,), "any")  # type: ignore[arg-type]
    ledger.let_go((giver,))  # type: ignore[arg-type]
    ledger.phase("move", 0.6, leftward=0.15 if giver == "right_hand" else -0.15)


SCRIPTS: dict[str, tuple[Script, str]] = {
    "lift": (lift, "forward leftward upward metres height_m goal_m rest_on times little home"),
    "place": (place, "forward leftward upward metres height_m goal_m home rest_on"),
    "drop": (drop, "forward leftward upward goal_m"),
    "carry": (carry, "forward leftward metres height_m goal_m rest_on against home"),
    "relocate": (relocate, "forward leftward upward metres goal_m home little"),
    "hold": (hold, "height_m rest_on against upward"),
    "grasp": (grasp, ""),
    "hug": (hug, "against"),
    "release": (release, "goal_m"),
    "hands": (pass_hands, ""),
}
"""Script and the requests that it heeds, beside those that all do; by name."""
