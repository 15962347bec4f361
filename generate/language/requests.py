"""What the phrases of one clause ask of its action.

A phrase that nothing can be made of is refused, and so are contradictions and a second object.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from generate.language.clauses import Clause
from generate.language.grammar import Noun
from generate.language.lexicon import Action, Kind, Lexicon, Sense
from generate.language.steps import MAX_HEIGHT, Body, Step
from generate.plan import MAX_METRES, MAX_SECONDS
from sim.errors import PlanError

_INSTRUMENTAL = frozenset({"with", "using", "by", "in", "between"})
_CARRIED_ON = {"arm": "arm", "back": "back", "head": "head", "leg": "legs", "hips": "hips"}
_AT_PARTS = frozenset(
    ["by", "at", "on", "onto", "from", "off", "under", "around", "to", "with", "near", "against", "using", "in"]
)
_ENDING_DOWN = frozenset({"place", "relocate", "carry", "drop", "release", "throw", "bounce"})
"""Scripts whose object comes to the floor on which the sentence has it; of the others it lies there at first."""
_TWO = "a plan holds one object; '{}' and '{}' cannot be related"


class Topic:
    """What the plan is about: the one object, and what "it" is.

    Attributes:
        words: the lexicon. named: kind of the object at hand, or None. name: how it is called, known or not.
        kind: what is acted on, once known. mentioned: whether the sentence named it. scale: by "small" or "large".
    """

    def __init__(self, words: Lexicon, named: Kind | None = None, name: str = "") -> None:
        self.words = words
        self.kind = self.named = named
        self.name = name
        self.scale = 1.0
        self.mentioned = False

    def mention(self, noun: Noun) -> None:
        """The plan is about this noun.

        Raises:
            PlanError: it is a second object, or several.
        """
        thing = noun.owner or noun
        if thing.role != "thing":
            return
        if (thing.plural or (thing.count or 1) > 1) and thing.text not in ("stairs", "steps"):
            raise PlanError(f"a plan holds one object, not several '{thing.text}'")
        generic = thing.name == "object" or (self.name and thing.name == self.name)
        kind = self.named if generic and self.named else self.words.kinds.get(thing.name)
        if kind is None:
            raise PlanError(f"unknown object '{thing.text}'")
        if self.kind is not None and kind.name != self.kind.name and self.kind.name != "object" and not generic:
            raise PlanError(_TWO.format(self.kind.name, thing.text))
        if not (generic and self.kind):
            self.kind = kind
        self.mentioned = True
        self.scale = thing.scale if thing.scale != 1.0 else self.scale


class Request:
    """What the modifiers of one clause ask for, collected; contradictions are refused."""

    def __init__(self, topic: Topic, clause: Clause, sense: Sense, action: Action) -> None:
        self.topic = topic
        self.clause = clause
        self.sense = sense
        self.action = action
        self.asked: dict[str, Any] = {}
        self.body: list[Body] = []

    def step(self, objects: Sequence[Noun]) -> Step:
        """The step, once everything in the clause has been read."""
        for noun in objects:
            self._as_object(noun)
        if self.sense.body:
            self.body += [_body(noun) for noun in self.clause.nouns if noun not in objects and noun.role != "self"]
        elif len([noun for noun in self.clause.nouns if noun.role in ("thing", "it")]) > 1:
            raise PlanError(_TWO.format(self.clause.nouns[0].text, self.clause.nouns[1].text))
        phrases = [pair for pair in self.clause.phrases if pair[1] not in objects]
        self._facing_away(phrases)
        hands = {preposition for preposition, noun in phrases if noun.role != "part" and noun.body == "hand"}
        if "from" in hands and self.action.script in ("throw", "relocate", "carry"):
            self.action = self.topic.words.actions["pass"]  # "tosses it from the left hand to the right hand"
        for preposition, noun in phrases:
            self._phrase(preposition, noun)
        for name, value in self.clause.slots:
            self._slot(name, value)
        for particle in self.clause.particles:
            if particle not in self.sense.particles:
                self._particle(particle)
        if "rest_on" in self.asked and self.action.script in ("swing", "throw", "relocate"):
            self.action = self.topic.words.actions["lift"]  # what ends up on a shoulder is lifted there
        led_by = next((preposition for preposition, noun in self.clause.phrases if noun in objects), "")
        if self.sense.verb in ("walk", "step", "go", "move", "back") and {"away", "back"} & self.sense.required:
            self._put("forward", -1.0)
        return Step(
            self.action, self.clause.text, body=tuple(self.body), meanwhile=self.clause.meanwhile, led_by=led_by,
            **self.asked,
        )  # fmt: skip

    def _put(self, name: str, value: Any) -> None:
        """Ask for one thing; twice the same is fine, two different ones are not."""
        if self.asked.setdefault(name, value) != value:
            raise PlanError(
                f"'{self.clause.text}' is asked for two different things ({name}: {self.asked[name]} and {value})"
            )

    def _as_object(self, noun: Noun) -> None:
        if noun.role in ("part", "part or body"):
            self._region(noun)

    def _region(self, noun: Noun) -> None:
        kind = self.topic.kind
        name = noun.name
        if kind is not None and name == "backrest" and noun.text == "back" and not kind.has(name):
            name = "sides"
        if kind is not None and name == "legs" and noun.text in ("foot", "feet") and not kind.has(name):
            name = "underside"
        if kind is not None and not kind.has(name):
            raise PlanError(
                f"a {kind.name} has no {noun.text}; it has {', '.join(sorted(kind.parts) or ['top, sides, underside'])}"
            )
        self._put("region", name)
        if noun.count == 1 and name in ("edges", "sides"):
            self._put("whole", False)
        if noun.side:
            self._put("side", noun.side)
        if noun.count == 2 and not self.body:
            self.body.append(Body("hand", count=2))

    def _facing_away(self, phrases: list[tuple[str, Noun]]) -> None:
        """ "with his back to the chair"."""
        backs = [
            pair
            for pair in phrases
            if pair[0] in ("with", "using") and pair[1].name == "back" and pair[1].role == "body"
        ]
        leads = [pair for pair in phrases if pair[0] in ("to", "toward") and pair[1].role in ("thing", "it")]
        if backs and leads:
            self.topic.mention(leads[0][1])
            phrases.remove(backs[0])
            phrases.remove(leads[0])
            self._put("away", True)

    def _phrase(self, preposition: str, noun: Noun) -> None:
        readers = {
            "body": self._with_body, "part": self._at_part, "thing": self._at_thing, "it": self._at_thing,
            "place": self._at_place, "self": self._at_self, "person": self._at_self,
        }  # fmt: skip
        role = noun.role
        if role == "part or body":
            mine = preposition in _INSTRUMENTAL - {"by"} or preposition == "in_front_of"
            role = "body" if mine else "part"
            noun = dataclasses.replace(noun, role=role, name=noun.body if mine else noun.name)
        if not readers[role](preposition, noun):
            raise PlanError(
                f"'{preposition.replace('_', ' ')} {noun.text}' says nothing that is understood of '{self.clause.text}'"
            )

    def _with_body(self, preposition: str, noun: Noun) -> bool:
        height = self.topic.words.height_words.get(noun.text)
        hands = noun.name in ("hand", "foot")
        if preposition in ("from", "to", "into") and noun.name == "hand":
            self.body.append(Body("hand", noun.side or ("left" if preposition == "to" else "right")))
            return self.action.script == "hands"
        if preposition in ("on", "with", "using") and self.action.script in ("lie", "sit", "kneel"):
            self.body.append(_body(noun))
            return True
        if preposition in ("on", "onto", "over", "upon", "under") and noun.name in _CARRIED_ON and not hands:
            if preposition == "over" and noun.text not in ("shoulder", "shoulders", "back"):
                return False
            else:
                self._put("rest_on", dataclasses.replace(_body(noun), name=_CARRIED_ON[noun.name]))
            return True
        if preposition in _INSTRUMENTAL or (preposition in ("on", "onto") and hands):
            self.body.append(_body(noun))
            return True
        if preposition in ("against", "to") and noun.name == "chest" and self.action.script in ("hold", "hug", "carry"):
            self._put("against", "chest")
            return True
        if preposition in ("to", "at", "near", "around", "beside", "in_front_of") and height is not None:
            self._put("height_m", height)
            return True
        return preposition == "in_front_of"

    def _at_part(self, preposition: str, noun: Noun) -> bool:
        if noun.text == "surface" and preposition in ("across", "along", "over"):
            return True
        if noun.owner is not None:
            self.topic.mention(noun.owner)
        if preposition not in _AT_PARTS:
            return False
        if preposition == "under":
            noun = dataclasses.replace(noun, name="underside")
        self._region(noun)
        return True

    def _at_thing(self, preposition: str, noun: Noun) -> bool:
        topic = self.topic
        if (
            noun.role == "it"
            or noun.name == (topic.kind.name if topic.kind else "")
            or noun.name in ("object", topic.name)
        ):
            if preposition in ("underneath", "beneath", "under", "below"):
                self._put("region", "underside")
                return True
            return preposition in (
                "with",
                "to",
                "toward",
                "at",
                "near",
                "from",
                "away_from",
                "in_front_of",
                "behind",
                "beside",
                "on",
            )
        other = topic.words.kinds[noun.name]
        if other.surface_m is None or noun.plural:
            raise PlanError(_TWO.format(topic.kind.name if topic.kind else "the object", noun.text))
        if preposition in ("from", "off"):
            self._put("source_m", other.surface_m)
        elif preposition in ("on", "onto"):
            placed = self.action.script in ("place", "relocate", "carry", "drop") or preposition == "onto"
            self._put("goal_m" if placed else "source_m", other.surface_m)
        else:
            raise PlanError(_TWO.format(topic.kind.name if topic.kind else "the object", f"{preposition} {noun.text}"))
        return True

    def _at_place(self, preposition: str, noun: Noun) -> bool:
        if noun.name == "air":
            self._put("upward", 1.0)
            return preposition in ("in", "into", "up", "to", "through")
        if noun.name in ("somewhere", "room"):
            return preposition in ("to", "toward", "into", "at", "in", "across", "through", "on")
        if noun.name == "floor" and preposition in ("on", "onto", "to", "at", "toward"):
            if self.action.script in _ENDING_DOWN:
                self._put("goal_m", 0.0)
            elif preposition == "on":
                self._put("source_m", 0.0)
            return True
        return noun.name == "floor" and preposition in ("from", "off", "above", "along", "across", "over")

    def _at_self(self, preposition: str, noun: Noun) -> bool:
        if preposition == "by" and self.clause.passive:
            return True
        if preposition == "with" and noun.role == "self" and self.action.script in ("carry", "lift", "shove"):
            return True
        if noun.role == "person" and (noun.plural or preposition in ("with", "for", "and")):
            return False
        if preposition in ("toward", "to", "near"):
            self._put("forward", -1.0)
        elif preposition in ("away_from", "from"):
            self._put("forward", 1.0)
        elif preposition == "beside":
            self._put("leftward", 1.0)
        elif preposition == "behind" and self.action.script in ("shove", "carry"):
            self._put("forward", -1.0)
        else:
            return preposition == "in_front_of"
        return True

    def _slot(self, name: str, value: Any) -> None:
        if name == "direction":
            for axis, sign in zip(("forward", "leftward", "upward"), value, strict=True):
                if sign:
                    self._put(axis, float(sign))
        elif name == "to":
            self._toward(value)
        elif name == "from":
            self._put("side", {"back": "behind"}.get(value, value))
        elif name == "degrees":
            self._put("radians", math.radians(value))
        elif name == "height":
            if value > MAX_HEIGHT:
                raise PlanError(f"{value:g} m is higher than a person reaches ({MAX_HEIGHT} m)")
            self._put("height_m", value)
        elif name == "metres":
            if not 0.0 < value <= MAX_METRES:
                raise PlanError(f"{value:g} m is no distance that is planned; over 0 and at most {MAX_METRES:g} m")
            self._put("metres", value)
        elif name == "speed":
            self.asked["speed"] = self.asked.get("speed", 1.0) * value
        elif name in ("seconds", "wait") and not 0.0 < value <= MAX_SECONDS:
            raise PlanError(f"{value:g} s are too long or too short; over 0 and at most {MAX_SECONDS:g} s")
        elif name == "times":
            if value != int(value) or not 1 <= value <= 20:
                raise PlanError(f"{value:g} times cannot be planned; between 1 and 20 times")
            self._put("times", int(value))
        elif name != "again":
            self._put(name, value)

    def _toward(self, side: str) -> None:
        axis, sign = {
            "left": ("leftward", 1.0), "right": ("leftward", -1.0), "side": ("leftward", 1.0),
            "front": ("forward", 1.0), "back": ("forward", -1.0),
        }[side]  # fmt: skip
        self._put(axis, sign)

    def _particle(self, particle: str) -> None:
        axis = {"up": ("upward", 1.0), "down": ("upward", -1.0), "forward": ("forward", 1.0), "away": ("forward", 1.0),
                "closer": ("forward", -1.0), "high": ("upward", 1.0)}.get(particle)  # fmt: skip
        if particle == "back":
            if "metres" in self.asked:
                self._put("forward", -1.0)
            elif not {"down", "up"} & set(self.clause.particles) and "goal_m" not in self.asked:
                self._put("home", True)
        elif particle == "around" and self.action.script in ("turn", "oscillate", "swing"):
            self._put("radians", math.pi)
        elif axis is not None:
            self._put(*axis)
        elif particle != "flat":
            raise PlanError(f"'{particle}' says nothing that is understood of '{self.clause.text}'")


def _body(noun: Noun) -> Body:
    name = noun.body or noun.name
    count = noun.count or (2 if noun.plural else 1)
    if count > 2 or (
        name in ("head", "chest", "back", "hips") and count > 1 and noun.text not in ("teeth", "hips", "lips")
    ):
        raise PlanError(f"a person has no {count} {noun.text}")
    return Body(name, noun.side, 1 if name in ("head", "chest", "back", "hips") else count)
