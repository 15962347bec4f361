"""From clauses to steps: which sense of a verb is meant, and what stands for its object."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from generate.language.clauses import Clause
from generate.language.grammar import Noun
from generate.language.lexicon import Sense
from generate.language.requests import Request, Topic
from generate.language.steps import OVERHEAD, Step
from sim.errors import PlanError

_OBJECTS = frozenset({"thing", "part", "it", "part or body"})
"""Roles of nouns that stand for the object."""
_WITH_CONTENT = frozenset({"pour", "bring", "play"})
"""Scripts that may name what is in the object or comes out of it."""


def _led_on(step: Step, aim: Step) -> Step:
    """A step that takes over where its aim leads."""
    if step.action.script in ("lift", "grasp", "touch", "rest") and aim.action.script != "walk":
        return aim
    kept = ("forward", "leftward", "metres")
    asked = {name: getattr(aim, name) for name in kept if getattr(aim, name)}
    bare = dataclasses.replace(Step(aim.action, aim.verb, led_by=aim.led_by, meanwhile=aim.meanwhile), **asked)
    if dataclasses.replace(aim, speed=1.0) != bare:
        raise PlanError(
            f"what '{step.verb}' is done for ('{aim.verb}') asks for more than a direction; say it on its own"
        )
    return dataclasses.replace(step, **asked)


class Interpreter:
    """Reads clauses one after another and remembers what "it" is."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.words = topic.words

    def steps(self, clauses: Sequence[Clause]) -> list[Step]:
        """One for each clause.

        Raises:
            PlanError: no sense of a verb fits, no or several objects, or a phrase that says nothing to this action.
        """
        for clause in clauses:  # "raises and lowers the box": the object comes later
            if not self.topic.mentioned:
                self._find_object(clause)
        steps: list[Step] = []
        for clause in clauses:
            step = self._step(clause)
            if steps and steps[-1].action.name == "approach" and step.source_m is None and not step.meanwhile:
                step = dataclasses.replace(step, source_m=steps[-1].source_m)  # "walks to the cup on the table and ..."
            pushed = steps and steps[-1].action.script in ("shove", "strike", "touch", "rest", "lift", "grasp")
            if clause.purpose and pushed and clause.readings[0][0] in ("move", "slide", "roll", "shift"):
                steps[-1] = _led_on(steps[-1], step)  # "kicks the box to move it": one deed
            else:
                steps.append(step)
        return steps

    def _find_object(self, clause: Clause) -> None:
        things = [n for n in (*clause.nouns, *(noun for _, noun in clause.phrases)) if n.role == "thing" or n.owner]
        if things and self._sense(clause) is not None:
            sense = self._sense(clause)
            assert sense is not None
            for noun in self._objects(clause, sense):
                self.topic.mention(noun)

    # Senses -----------------------------------------------------------------------------------------------------

    def _sense(self, clause: Clause) -> Sense | None:
        best: tuple[tuple[float, ...], Sense] | None = None
        for lemma in dict.fromkeys(lemma for lemma, _ in clause.readings):
            for sense in self.words.senses.get(lemma, ()):
                score = self._fit(clause, sense)
                if score is not None and (best is None or score > best[0]):
                    best = score, sense
        return best[1] if best else None

    def _fit(self, clause: Clause, sense: Sense) -> tuple[float, ...] | None:
        """How well a sense fits, greater is better; None where it does not."""
        overhead = {"overhead"} if ("height", OVERHEAD) in clause.slots else set()
        if not sense.required <= set(clause.particles) | overhead:
            return None
        direct = [noun for noun in clause.nouns if noun.role not in ("self", "place")]
        places = {noun.name for noun in clause.nouns if noun.role == "place"}
        if any(noun.role == "self" for noun in clause.nouns) and not sense.body:
            return None
        bodies = [noun for noun in direct if "body" in noun.role and noun.owner is None]
        script = self.words.actions[sense.action].script
        tool = script == "tool"
        if places and not tool and not (places == {"content"} and script in _WITH_CONTENT):
            return None
        leads = self._leads(clause, sense)
        if sense.body:
            reflexive = any(noun.role == "self" for noun in clause.nouns)
            fits = (len(bodies) == len(direct) > 0 or (reflexive and not direct)) and (
                bool(leads) or not sense.prepositions
            )
            return (1.0, 1.0, len(sense.required)) if fits else None
        if sense.direct:
            if any(noun.role == "body" for noun in direct):
                return None
            present = bool(direct)
        elif direct and not tool:
            return None
        else:
            present = bool(leads)
        if not sense.transitive:
            return (0.6, 0.0, len(sense.required))
        used = len(set(clause.particles) & sense.particles)
        if present:
            return (1.0, 0.0, used)
        return (0.5, 0.0, used)

    def _objects(self, clause: Clause, sense: Sense) -> list[Noun]:
        """The nouns that stand for the object in this sense."""
        if sense.direct:
            return [noun for noun in clause.nouns if noun.role in _OBJECTS]
        return self._leads(clause, sense)[:1]

    def _leads(self, clause: Clause, sense: Sense) -> list[Noun]:
        """Objects behind the prepositions of a sense; "using" is as good as "with"."""
        fitting = sense.prepositions | ({"using"} if "with" in sense.prepositions else set())
        return [noun for preposition, noun in clause.phrases if preposition in fitting and noun.role in _OBJECTS]

    def _step(self, clause: Clause) -> Step:
        sense = self._sense(clause)
        if sense is None:
            raise PlanError(self._no_sense(clause))
        action = self.words.actions[sense.action]
        objects = self._objects(clause, sense)
        for noun in objects:
            self.topic.mention(noun)
        if action.script == "tool" and not objects and not self.topic.mentioned:
            self._own_tool(sense)
        asked = Request(self.topic, clause, sense, action)
        return asked.step(objects)

    def _own_tool(self, sense: Sense) -> None:
        """ "mops the floor": with a mop."""
        if (sense.verb,) in self.words.nouns and self.topic.kind is None:
            self.topic.kind = self.words.kinds[self.words.nouns[(sense.verb,)][0]]

    def _no_sense(self, clause: Clause) -> str:
        ways = [s for lemma, _ in clause.readings for s in self.words.senses.get(lemma, ())]
        shown = []
        for sense in ways[:8]:
            before = " ".join([sense.verb, *sorted(sense.required)])
            tail = " a part of the body" if sense.body else " an object" if sense.direct else ""
            prepositions = f" {'/'.join(sorted(sense.prepositions))} an object" if sense.prepositions else ""
            shown.append(before + tail + prepositions)
        given = [noun.text for noun in clause.nouns] + [f"{prep} {noun.text}" for prep, noun in clause.phrases]
        return (
            f"'{clause.text}' with {given + clause.particles or 'nothing'} is not understood; known: {'; '.join(shown)}"
        )
