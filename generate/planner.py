"""Sentences become plans: the protocol of planners, and the one that needs no model.

`GrammarPlanner` reads English with a lexicon and a grammar of its own and refuses what it does not understand; the
planner that asks a language model is `generate.llm.ModelPlanner`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

from generate.actions import body, hands, objects, tools
from generate.actions.ledger import Ledger
from generate.language.clauses import parse
from generate.language.lexicon import Kind, Lexicon, lexicon
from generate.language.meaning import Interpreter
from generate.language.requests import Topic
from generate.language.steps import Step
from generate.objects.checks import size_fault
from generate.plan import InteractionPlan
from sim.errors import PlanError

SCRIPTS = hands.SCRIPTS | objects.SCRIPTS | body.SCRIPTS | tools.SCRIPTS
_HEEDED = {name: frozenset(fields.split()) for name, (_, fields) in SCRIPTS.items()}
_HOLDING = frozenset({"hold", "carry", "grasp"})
_ASKED = (
    "forward", "leftward", "upward", "metres", "height_m", "radians", "spin", "times", "goal_m", "rest_on", "against",
    "cycle", "home", "little",
)  # fmt: skip
_LASTING = frozenset({
    "wait", "hold", "grasp", "hug", "touch", "rest", "lean", "sit", "sit back", "stand on", "step on", "climb", "kneel",
    "lie", "straddle", "bring", "pour", "balance", "play",
})  # fmt: skip
"""Scripts whose last phase lasts as long as the sentence says; of the others it is the moves."""
_MEASURED = frozenset({
    "lift", "carry", "relocate", "shove", "throw", "strike", "turn", "tilt", "swing", "oscillate", "tool", "ride",
})  # fmt: skip
"""Scripts that move the object by an amount; the sentence may say which."""
_WEIGHT = {
    **dict.fromkeys(("walk", "posture", "about", "wait"), -1), "grasp": 0, "rest": 0, "release": 0, "hold": 1,
    "place": 1, "drop": 1, "sit back": 1, "lift": 2, "catch": 2, "stand up": 2, "sit": 4, "lie": 4, "ride": 4,
}  # fmt: skip
"""How much a script says about a plan: its action is the first of those that say most (3 if not listed)."""


class Planner(Protocol):
    """Makes a plan of a sentence."""

    def plan(self, text: str, object_name: str | None = None, size: Sequence[float] | None = None) -> InteractionPlan:
        """What the sentence comes to.

        Args:
            text: what a person does with an object.
            object_name: of the object at hand, such as its file's name; the sentence may call it by that name even if
                no lexicon has it. None: whatever the sentence names.
            size: edges of its bounding box along its own axes (x is its front, z up), m. None: the kind's typical size,
                which the plan then asks for in `size_m`.

        Raises:
            PlanError: the sentence is not understood or asks for what cannot be done.
        """


@dataclasses.dataclass(frozen=True)
class GrammarPlanner:
    """Lexicon and grammar, no model; a sentence that it does not understand is refused with a reason.

    Attributes:
        words: the lexicon.
    """

    words: Lexicon = dataclasses.field(default_factory=lexicon)

    def plan(self, text: str, object_name: str | None = None, size: Sequence[float] | None = None) -> InteractionPlan:
        """As `Planner.plan`."""
        name = (object_name or "").replace("_", " ").lower().strip()
        named = (self.words.kind_of(object_name) or self.words.kinds["object"]) if object_name else None
        topic = Topic(self.words, named, name)
        steps = _together(Interpreter(topic).steps(parse(text, self.words, name)))
        kind = topic.kind
        if kind is None or not (topic.mentioned or named or any(s.action.script == "tool" for s in steps)):
            raise PlanError(f"no object is named; objects: {', '.join(self.words.kinds)}")
        ledger = Ledger(kind, _size(kind, size, topic.scale), known=size is not None)
        _write(ledger, steps)
        return InteractionPlan(
            text, _action(steps), kind.name if kind.name != "object" or not name else name,
            tuple(sorted(ledger.contacts, key=lambda contact: (contact.first, contact.body_part))),
            tuple(ledger.phases), ledger.state, ledger.side, ledger.away,
            None if size is not None else max(ledger.size_m), "grammar", round(ledger.start_m, 6),
            _assumed(ledger, steps, size is not None), round(ledger.mass_kg, 3),
        )  # fmt: skip


def _size(kind: Kind, size: Sequence[float] | None, scale: float) -> tuple[float, float, float]:
    typical = kind.size_m
    if size is None:
        return typical[0] * scale, typical[1] * scale, typical[2] * scale
    if len(size) != 3 or not all(math.isfinite(edge) and edge > 0.0 for edge in size):
        raise PlanError(f"the object's size has to be three lengths over 0 m, not {list(size)}")
    edges = (float(size[0]), float(size[1]), float(size[2]))
    if fault := size_fault(kind, edges):
        raise PlanError(fault)
    return edges


def _together(steps: Sequence[Step]) -> list[Step]:
    """Steps at the same time become one: walking while carrying, dribbling, pushing."""
    merged: list[Step] = []
    for step in steps:
        if not step.meanwhile:
            merged.append(step)
            continue
        if not merged:
            raise PlanError("the sentence begins with what happens meanwhile; say first what the person does")
        one, other = merged.pop(), step
        if other.action.script == "walk":
            one, other = other, one
        kept = next((s for s in (one, other) if s.action.script in _HOLDING | {"lift"}), None)
        if kept is not None and other.action.script == "hold" and one.action.script in _HOLDING | {"lift", "place"}:
            _refuse_unheeded(other, "wait")
            body = other.body or one.body
            merged.append(dataclasses.replace(one, body=body, meanwhile=False))  # "carries it, keeping it in front"
            continue
        if one.action.script != "walk" or one.action.name == "approach":
            raise PlanError(f"'{step.verb}' at the same time is not planned; say one after the other with 'then'")
        _refuse_unheeded(one, "walk")
        carrying = other.action.script in _HOLDING
        if not carrying and other.action.script not in ("bounce", "shove"):
            raise PlanError(f"'{other.verb}' while walking is not planned; say one after the other with 'then'")
        if carrying:
            other = dataclasses.replace(other, action=lexicon().actions["carry"])
        moves = {name: getattr(one, name) for name in ("forward", "leftward", "metres", "seconds", "speed")}
        if other.action.script == "bounce" and not one.directed:
            moves["forward"] = 1.0
        merged.append(dataclasses.replace(other, meanwhile=False, **moves))
    return merged


def _write(ledger: Ledger, steps: Sequence[Step]) -> None:
    first_seat = next((s for s in steps if s.action.script in ("stand up", "sit", "lie", "sit back")), None)
    if first_seat is not None and first_seat.action.script == "stand up":
        body.begin_seated(ledger, first_seat)
    steps = [once for step in steps for once in _times(step)]
    for i, step in enumerate(steps):
        _check(ledger, step)
        ledger.following = next((s for s in steps[i + 1 :] if s.action.script != "posture"), None)
        ledger.speed = step.speed
        if step.side is not None:
            ledger.side = step.side
        if step.source_m is not None and not ledger.touched:
            ledger.start_m = ledger.height_m = ledger.support_m = step.source_m
        if step.wait is not None:
            ledger.phase("hold", step.wait / step.speed)
        begun = len(ledger.phases)
        SCRIPTS[step.action.script][0](ledger, step)
        if step.seconds is not None and step.action.script not in _LASTING:
            ledger.stretch(begun, step.seconds)
        if step.away is not None:
            ledger.away = step.away
    ledger.speed = 1.0
    ledger.finish()
    acted = any(step.action.name == "approach" for step in steps)
    if not ledger.contacts and not acted:
        raise PlanError("nothing is done with the object")


def _assumed(ledger: Ledger, steps: Sequence[Step], known: bool) -> tuple[str, ...]:
    """What the sentence left open, with what stands for it."""
    edges = " x ".join(f"{edge:.3g}" for edge in ledger.size_m)
    hands = [p.replace("_", " ") for p in dict.fromkeys(c.body_part for c in ledger.contacts) if p.endswith("hand")]
    told = ("metres", "height_m", "goal_m", "home", "radians", "rest_on")
    open_ended = [
        step.action.name for step in steps
        if step.action.script in _MEASURED and all(getattr(step, name) is None for name in told)
    ]  # fmt: skip
    lines = {
        f"the size of a {ledger.kind.name}, {edges} m": not known,
        f"its mass, {ledger.mass_kg:.3g} kg": True,
        f"which hand: {' and '.join(hands)}": bool(hands) and not any(step.body for step in steps),
        "where around the object the person stands": ledger.side == "any",
        f"how far or how high: {', '.join(dict.fromkeys(open_ended))}": bool(open_ended),
        "how long each phase takes": all(step.seconds is None for step in steps),
    }
    return tuple(line for line, left_open in lines.items() if left_open)


def _times(step: Step) -> list[Step]:
    """A step that is done several times, where its script does not count."""
    if step.times is None or "times" in _HEEDED[step.action.script]:
        return [step]
    return [dataclasses.replace(step, times=None)] * step.times


def _check(ledger: Ledger, step: Step) -> None:
    """What is asked of an action that has no use for it, or of an object that is not made for it."""
    action, kind = step.action, ledger.kind
    _refuse_unheeded(step, action.script)
    if action.needs and action.needs not in kind.tags and "generic" not in kind.tags:
        fitting = [k.name for k in lexicon().kinds.values() if action.needs in k.tags]
        raise PlanError(f"'{step.verb}' is not done with a {kind.name}, but with: {', '.join(fitting)}")
    if ledger.mass_kg > action.mass_kg and step.whole:
        raise PlanError(
            f"'{step.verb}' cannot be done to a {kind.name} of about {ledger.mass_kg:.0f} kg "
            f"(at most {action.mass_kg:g} kg)"
        )


def _refuse_unheeded(step: Step, script: str) -> None:
    """Nothing that a sentence asks for is passed over."""
    for name in _ASKED:
        if getattr(step, name) and name not in _HEEDED[script]:
            meant = {"forward": "direction", "leftward": "direction", "upward": "direction"}.get(name, name)
            raise PlanError(f"'{step.verb}' has no use for a {meant.removesuffix('_m')}; say it with another verb")


def _action(steps: Sequence[Step]) -> str:
    weights = [_WEIGHT.get(step.action.script, 3) for step in steps]
    if max(weights) < 0:
        return next((step.action.name for step in steps if step.action.name == "approach"), steps[0].action.name)
    return steps[weights.index(max(weights))].action.name
