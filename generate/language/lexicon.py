"""The words that the grammar planner knows: actions, kinds of objects, modifiers; inflected by rules.

The tables are JSON in `generate/language/words`: `actions.json` gives for each action its script and the ways to say
it, `objects.json` for each kind of object its words, size, mass, parts and uses, `modifiers.json` everything else.

A way to say an action is a pattern: a verb, particles (`up!` has to be there, `up?` may be), then `_` for a direct
object, `BODY` for a part of the body, and `@on|in` for the prepositions that lead to the object.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from generate.plan import Region

Form = Literal["base", "s", "ing", "past"]
Purpose = Literal["load", "shove", "tilt", "settle", "tread", "touch"]
"""load: the object's weight is taken; shove: it is moved over the floor; tilt: turned over; settle: it takes the
person's weight, sitting, lying or leaning; tread: feet stand on it; touch: anything else."""
WORDS = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Sense:
    """One way to say an action.

    Attributes:
        action, verb: what is meant, the verb's lemma.
        required, optional: particles.
        direct: the object follows without a preposition. body: a part of the body does instead.
        prepositions: that lead to the object; empty with a direct object or none.
    """

    action: str
    verb: str
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    direct: bool = False
    body: bool = False
    prepositions: frozenset[str] = frozenset()

    @property
    def particles(self) -> frozenset[str]:
        """All that belong to the verb."""
        return self.required | self.optional

    @property
    def transitive(self) -> bool:
        """Whether it takes an object."""
        return self.direct or bool(self.prepositions)


@dataclass(frozen=True)
class Action:
    """What a verb comes to.

    Attributes:
        name: canonical form. script: which composition of phases. purpose: of the contacts that it needs.
        mass_kg: most that it can be done to.
        needs: tag that the object has to have. body: words of parts of the body that may do it.
        options: further values of its script.
    """

    name: str
    script: str
    purpose: Purpose
    mass_kg: float = 1e9
    needs: str = ""
    body: tuple[str, ...] = ("hand", "hands")
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Attributes:
        name: canonical noun. size_m: typical depth (x, its front is +x), width (y) and height (z).
        mass_kg: typical. hands: that carry it. parts: regions beside those that every object has.
        tags: what it is good for. surface_m: height of what things are put on, or None. use: region for an action.
    """

    name: str
    size_m: tuple[float, float, float]
    mass_kg: float
    hands: int = 2
    parts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    surface_m: float | None = None
    use: Mapping[str, Region] = field(default_factory=dict)

    def has(self, region: str) -> bool:
        """Whether there is such a region on it."""
        everywhere = {"any", "top", "underside", "sides", "edges"} - ({"edges"} if "ball" in self.tags else set())
        return region in everywhere or region in self.parts


def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((WORDS / name).read_text(encoding="utf-8"))
    return content


def _parse_sense(action: str, pattern: str) -> Sense:
    verb, *rest = pattern.split()
    prepositions = [word[1:].split("|") for word in rest if word.startswith("@")]
    return Sense(
        action, verb,
        required=frozenset(word[:-1] for word in rest if word.endswith("!")),
        optional=frozenset(word[:-1] for word in rest if word.endswith("?")),
        direct="_" in rest, body="BODY" in rest,
        prepositions=frozenset(prepositions[0] if prepositions else ()),
    )  # fmt: skip


def verb_forms(verb: str, irregular: str | None = None) -> list[tuple[str, Form]]:
    """Inflected forms of a verb; `irregular`: past forms (and one in -ying) instead of the regular ones."""
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) else verb
    doubled = verb + verb[-1] if re.search(r"(^|[^aeiou])[aeiou][^aeiouwxyh]$", verb) else stem
    own = irregular.split() if irregular else []
    regular = [verb[:-1] + "ied" if re.search(r"[^aeiou]y$", verb) else stem + "ed", doubled + "ed"]
    forms: set[tuple[str, Form]] = {
        (verb, "base"),
        (_with_s(verb), "s"),
        (stem + "ing", "ing"),
        (doubled + "ing", "ing"),
    }
    forms |= {(form, "ing" if form.endswith("ying") else "past") for form in own or regular}
    return sorted(forms)


def plural(noun: str, irregular: Mapping[str, str]) -> str:
    """Of its last word."""
    head, _, last = noun.rpartition(" ")
    return f"{head} {irregular.get(last) or _with_s(last)}".strip()


def _with_s(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh|o)$", word) else "s")


class Lexicon:
    """All tables, with look-ups by inflected form.

    Attributes:
        actions, kinds: by canonical name. senses: by the verb's lemma. verbs: readings of an inflected form.
        nouns: (kind, is plural) by words. modifiers: the tables of `modifiers.json`.
    """

    def __init__(self) -> None:
        self.modifiers = _load("modifiers.json")
        self.actions: dict[str, Action] = {}
        self.senses: dict[str, list[Sense]] = {}
        for name, row in _load("actions.json").items():
            known = {"script", "purpose", "kg", "needs", "with", "as"}
            self.actions[name] = Action(
                name, row["script"], row["purpose"], float(row.get("kg", 1e9)), row.get("needs", ""),
                tuple(row.get("with", "hand hands").split()), {k: v for k, v in row.items() if k not in known},
            )  # fmt: skip
            for pattern in row["as"]:
                sense = _parse_sense(name, pattern)
                self.senses.setdefault(sense.verb, []).append(sense)
        irregular = self.modifiers["irregular"]
        self.verbs: dict[str, list[tuple[str, Form]]] = {}
        for verb in (*self.senses, "give"):
            for form, kind in verb_forms(verb, irregular.get(verb)):
                self.verbs.setdefault(form, []).append((verb, kind))
        self.particles = frozenset(p for senses in self.senses.values() for sense in senses for p in sense.particles)
        self._read_objects()

    def _read_objects(self) -> None:
        plurals = self.modifiers["plurals"]
        self.kinds: dict[str, Kind] = {}
        self.nouns: dict[tuple[str, ...], tuple[str, bool]] = {}
        for name, row in _load("objects.json").items():
            self.kinds[name] = Kind(
                name, tuple(row["size"]), float(row["kg"]), int(row.get("hands", 2)),
                frozenset(row.get("parts", "").split()), frozenset(row.get("tags", "").split()),
                row.get("surface"), row.get("use", {}),
            )  # fmt: skip
            for noun in row["words"].split(", "):
                several = plural(noun, plurals)
                self.nouns.setdefault(tuple(several.split()), (name, several != noun))
                self.nouns[tuple(noun.split())] = (name, False)
        self.body_words = self._inflected(self.modifiers["bodies"])
        self.region_words = self._inflected(self.modifiers["regions"])
        self.height_words = self._inflected(self.modifiers["heights"])
        self.unit_words = self._inflected(self.modifiers["units"])
        self.people = {plural(word, plurals): (word, True) for word in self.modifiers["people"]}
        self.people |= {word: (word, False) for word in self.modifiers["people"]}

    def _inflected(self, table: Mapping[str, Any]) -> dict[str, Any]:
        plurals = self.modifiers["plurals"]
        return {plural(word, plurals): value for word, value in table.items()} | dict(table)

    def action_of(self, phrase: str) -> Action | None:
        """What a phrase such as "Carry", "pick_up" or "dragging" says: an action's name, else a way to say one.

        Of several ways the one with the most of the phrase's particles, then of an action that is called after the
        verb ("step": "step on"), then one that takes an object.
        """
        words = phrase.lower().replace("_", " ").replace("-", " ").split()
        if (name := " ".join(words)) in self.actions:
            return self.actions[name]
        found = [
            (len((sense.particles | sense.prepositions) & set(words)), sense.action.split()[0] == verb,
             sense.transitive, sense.action)
            for verb, _ in self.verbs.get(words[0] if words else "", ())
            for sense in self.senses.get(verb, ())
            if sense.required <= set(words)
        ]  # fmt: skip
        return self.actions[max(found, key=lambda way: way[:3])[3]] if found else None

    def kind_of(self, name: str) -> Kind | None:
        """The kind that a name of a file or of an object says, such as "largetable_2", or None (a "scan" is no can)."""
        words = re.findall(r"[a-z]+", name.lower())
        for start in range(len(words)):
            for noun in (tuple(words[start:]), ("".join(words[start:]),)):
                if noun in self.nouns:
                    return self.kinds[self.nouns[noun][0]]
        ends = [noun[0] for noun in self.nouns if len(noun) == 1 and len(noun[0]) > 2]
        fitting = [noun for noun in ends if words and words[-1][3:].endswith(noun)]
        return self.kinds[self.nouns[(max(fitting, key=len),)][0]] if fitting else None

    @functools.cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word that has a meaning here."""
        tables = ("filler", "adjectives", "contents", "people", "crowds", "determiners", "self_pronouns")
        listed = {word for table in tables for word in self.modifiers[table]}
        keyed = {word for name in ("speed", "direction", "counts", "numbers", "sizes") for word in self.modifiers[name]}
        nouns = {noun[0] for noun in self.nouns if len(noun) == 1}
        inner = {*self.body_words, *self.region_words, *self.unit_words, *self.modifiers["places"]}
        return frozenset({*self.verbs, *listed, *keyed, *nouns, *inner, *self.particles})

    def nearest(self, word: str, among: str = "") -> str:
        """The known word that looks most like this one, a verb by its lemma; among "verbs", "nouns" or all."""
        pool = {"verbs": list(self.verbs), "nouns": [" ".join(noun) for noun in self.nouns]}.get(among)
        found = difflib.get_close_matches(word, sorted(pool or self.vocabulary), n=1, cutoff=0.5)
        if not found:
            return ""
        readings = self.verbs.get(found[0]) if (found[0],) not in self.nouns else None
        return readings[0][0] if readings else found[0]


@functools.cache
def lexicon() -> Lexicon:
    """The one that is shipped; read once."""
    return Lexicon()
