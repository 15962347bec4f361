"""From words to chunks: verbs, particles, noun phrases, prepositional phrases, measures; nothing is skipped unread.

Read from left to right. `generate.language.clauses` groups the chunks around verbs, `generate.language.meaning` decides
what they do to the plan. A word without a reading where it stands is an error that names it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from generate.language.lexicon import Form, Lexicon, Sense
from sim.errors import PlanError

Role = Literal["thing", "part", "body", "part or body", "person", "place", "side", "it", "self"]

_SIDES = frozenset({"left", "right", "front", "back", "side"})
_JOINS = frozenset({"and", "then", "before", "but"})
_ABOVE_THE_HEAD = 0.2


@dataclass(frozen=True)
class Noun:
    """A noun phrase.

    Attributes:
        role: what sort of thing; "part or body" is open ("the legs").
        name: kind of object, region, part of the body, place or side, by role. body: the part of the body if open.
        text: the words. count: how many, or None. side: left or right. plural: grammatical number.
        scale: factor on the typical size. owner: what it is a part of.
    """

    role: Role
    name: str
    text: str
    body: str = ""
    count: int | None = None
    side: str = ""
    plural: bool = False
    scale: float = 1.0
    owner: Noun | None = None


class Chunker:
    """Reads chunks: (tag, value) pairs, in order."""

    def __init__(self, tokens: list[str], words: Lexicon, name: str = "") -> None:
        self.tokens = tokens
        self.words = words
        self.table = words.modifiers
        self.prepositions = frozenset(self.table["prepositions"])
        self.qualifiers = frozenset(self.table["qualifiers"])
        self.adjectives = self.qualifiers.union(*(self.table[name] for name in ("adjectives", "sizes", "speed")))
        self.name = tuple(name.lower().split())  # what the object is called, known or not
        self.senses: list[Sense] = []  # of the verb that was read last
        self.gives = False  # that verb is "give"
        self.direct = False  # whether its object was read
        self.expecting = True  # a verb

    def at(self, i: int) -> str:
        """The word there, empty behind the end."""
        return self.tokens[i] if i < len(self.tokens) else ""

    def read(self) -> list[tuple[str, Any]]:
        """All chunks.

        Raises:
            PlanError: a word that has no reading where it stands.
        """
        chunks: list[tuple[str, Any]] = []
        i = 0
        while i < len(self.tokens):
            tag, value, i = self._next(i)
            if tag:
                chunks.append((tag, value))
        return chunks

    def _next(self, i: int) -> tuple[str, Any, int]:
        word = self.at(i)
        if word in ".,":
            self.expecting = True
            return ("stop" if word == "." else "comma"), word, i + 1
        if word in _JOINS or (word == "to" and self._is_verb(i + 1, ("base",)) and not self._names(i + 1)):
            self.expecting = True
            return "join", word, i + 1
        if word in ("while", "whilst"):
            self.expecting = True
            return "while", word, i + 1
        if word == "'s" or (self.expecting and word in self.table["auxiliaries"]):
            return "aux", word, i + 1
        if self.expecting and self._is_verb(i):
            return self._verb(i)
        return self._modifier(i)

    def _names(self, i: int) -> bool:
        """Whether a noun phrase stands there; "drink" alone is rather the verb."""
        found = self.noun(i)
        return found is not None and found[0].name != "content"

    def _is_verb(self, i: int, forms: tuple[Form, ...] = ("base", "s", "ing", "past")) -> bool:
        return any(form in forms for _, form in self.words.verbs.get(self.at(i), ()))

    def _verb(self, i: int) -> tuple[str, Any, int]:
        readings = self.words.verbs[self.at(i)]
        self.senses = [sense for lemma, _ in readings for sense in self.words.senses.get(lemma, ())]
        self.direct, self.expecting = False, False
        self.gives = any(lemma == "give" for lemma, _ in readings)
        return "verb", (self.at(i), readings), i + 1

    def _modifier(self, i: int) -> tuple[str, Any, int]:
        word = self.at(i)
        if (act := self._verbal_noun(i)) is not None:
            return act
        takes_body = self.expecting or (not self.direct and any(sense.body for sense in self.senses))
        body = takes_body and (found := self.noun(i)) is not None and "body" in found[0].role
        if not body and (measure := self.measure(i)) is not None:
            return "slot", measure[0], measure[1]
        if word in self.prepositions and not self._belongs_to_verb(i) and (phrase := self._phrase(i)) is not None:
            return phrase
        if (adverb := self._adverb(word)) is not None and not self._begins_noun(i):
            return *adverb, i + 1
        if (found := self.noun(i)) is not None:
            noun, j = found
            if noun.role == "person":
                self.expecting = True
                return "subject", noun, j
            self.direct = True
            return "noun", noun, j
        if word in self.words.particles:
            return "particle", word, i + 1
        if self._is_verb(i):
            form = self.words.verbs[word][0][1]
            return self._verb(i) if form != "ing" else ("while verb", self._verb(i)[1], i + 1)
        if word in self.table["filler"]:
            return "", None, i + 1
        raise self._unread(i)

    def _begins_noun(self, i: int) -> bool:
        """ "left" and "back" are adverbs unless a noun follows; "quick" and "slow" always go before one."""
        return self.at(i) in self.qualifiers and self.noun(i) is not None

    def _belongs_to_verb(self, i: int) -> bool:
        """ "knocks over the vase": the verb has this particle, wants an object and leads to none by this word."""
        word = self.at(i)
        particle = any(word in sense.particles and (sense.direct or sense.body) for sense in self.senses)
        leads = any(word in sense.prepositions for sense in self.senses)
        return particle and not leads and not self.direct

    def _verbal_noun(self, i: int) -> tuple[str, Any, int] | None:
        """ "gives the box a push"."""
        if not self.gives:
            return None
        j = i + 1
        while self.at(j) in self.adjectives or self.at(j) in self.table["manner_adjectives"]:
            j += 1
        if self.at(i) in ("a", "another", "one") and self._is_verb(j, ("base",)) and not self.noun(i):
            return "act", (self.at(j), self.words.verbs[self.at(j)]), j + 1
        return None

    def _adverb(self, word: str) -> tuple[str, Any] | None:
        """Adverbs that say something: manner, direction, count; "back", "left" and others with two readings too."""
        special = self.table["adverbs"].get(word)
        if special:
            return "slot", tuple(special)
        for slot, table in (("speed", "speed"), ("direction", "direction"), ("times", "counts")):
            if word in self.table[table]:
                return "slot", (slot, self.table[table][word])
        return None

    def _unread(self, i: int) -> PlanError:
        known = self.words.vocabulary | self.prepositions
        fixed = next((t for t in self.tokens[i : i + 4] if t in self.table["fixed"]), "")
        if fixed:
            return PlanError(f"'{fixed}' is nothing that a person handles; objects: {', '.join(self.words.kinds)}")
        unknown = next((t for t in self.tokens[i : i + 5] if t.isalpha() and t not in known), "")
        if not unknown:
            return PlanError(f"cannot make sense of '{' '.join(self.tokens[i : i + 4])}' where it stands")
        verb = self.expecting and self.tokens[i] == unknown
        near = self.words.nearest(unknown, "verbs" if verb else "")
        hint = f"; the nearest known word is '{near}'" if near else ""
        listed = f"actions: {', '.join(self.words.actions)}" if verb else f"objects: {', '.join(self.words.kinds)}"
        return PlanError(f"unknown {'verb' if verb else 'word'} '{unknown}'{hint}; {listed}")

    # Measures ---------------------------------------------------------------------------------------------------

    def number(self, i: int) -> tuple[float, int] | None:
        """A number from word i, with the index behind it."""
        word, table = self.at(i), self.table["numbers"]
        if word[:1].isdigit():
            value, j = float(word.replace(",", ".")), i + 1
        elif word in ("a", "an", "another", "each", "the") and self.at(i + 1) in ("half", "quarter", "full", "single"):
            return self.number(i + 1)
        elif word in ("a", "an", "another", "full", "complete", "whole"):
            value, j = 1.0, i + 1
        elif word in table:
            value, j = float(table[word]), i + 1
        else:
            return None
        if self.tokens[j : j + 3] == ["and", "a", "half"]:
            value, j = value + 0.5, j + 3
        if word in ("half", "quarter"):
            j += (self.at(j) == "of") + (self.at(j + (self.at(j) == "of")) in ("a", "an"))
        elif self.at(j) in ("hundred", "thousand", "half"):
            value, j = value * table[self.at(j)], j + 1
        while self.at(j) in ("full", "complete", "more", "whole", "small", "short", "long", "big", "large"):
            j += 1
        return value, j

    def measure(self, i: int) -> tuple[tuple[str, float], int] | None:
        """A number with its unit: (metres, degrees, seconds or times; the value) and the index behind."""
        number = self.number(i)
        if number is None or self.at(number[1]) not in self.words.unit_words:
            return None
        unit, factor = self.words.unit_words[self.at(number[1])]
        j = number[1] + 1
        high = unit == "metres" and self.at(j) in ("high", "height", "tall")
        return ("height" if high else unit, number[0] * factor), j + high

    # Nouns ------------------------------------------------------------------------------------------------------

    def noun(self, i: int) -> tuple[Noun, int] | None:
        """A noun phrase from word i, with the index behind it, or None."""
        start, possessive, count, side, scale, articles = i, "", None, "", 1.0, 0
        while self.at(i) in self.table["determiners"] or self.at(i) in ("two", "all"):
            articles += self.at(i) not in ("all", "both", "each", "two", "same")
            if articles > 1:
                return None
            possessive = self.at(i) if self.at(i) in self.table["possessives"] else possessive
            count = 2 if self.at(i) in ("both", "two") else count
            i += 1
        if i > start and self.at(start) in self.table["object_pronouns"] and i == start + 1 and self._head(i) is None:
            return self._pronoun(start)
        if i == start and (pronoun := self._pronoun(i)):
            return pronoun
        if (number := self._cardinal(i)) is not None:
            count, i = number
        if i == start and self.at(i) == "back":
            return None  # the adverb
        while (adjective := self.at(i)) in self.adjectives and not self._compound(i) and self._continues(i + 1):
            side = adjective if adjective in ("left", "right") else side
            scale *= self.table["sizes"].get(adjective, 1.0)
            i += 1
        head = self._head(i)
        if head is None:
            return None
        noun, j = head
        noun = dataclasses.replace(noun, count=count if count is not None else noun.count, side=side, scale=scale)
        noun = self._resolved(noun, possessive)
        return self._owned(noun, j, start)

    def _cardinal(self, i: int) -> tuple[int, int] | None:
        word = self.at(i)
        if word[:1].isdigit() or word in self.table["numbers"]:
            value = float(word.replace(",", ".")) if word[:1].isdigit() else float(self.table["numbers"][word])
            return (int(value), i + 1) if value == int(value) and self._continues(i + 1) else None
        return None

    def _pronoun(self, i: int) -> tuple[Noun, int] | None:
        word = self.at(i)
        possessive = word in self.table["possessives"] and self._continues(i + 1)
        if word in ("it", "them", "this", "that", "these", "those"):
            return Noun("it", "it", word), i + 1
        if word in self.table["self_pronouns"] and not possessive:
            return Noun("self", "self", word), i + 1
        return None

    def _continues(self, i: int) -> bool:
        """Whether a noun's head follows, adjectives before it allowed."""
        while self._head(i) is None and self.at(i) in self.adjectives:
            i += 1
        return self._head(i) is not None

    def _compound(self, i: int) -> bool:
        """ "tennis ball" is one noun, not a ball for tennis."""
        return any(tuple(self.tokens[i : i + n]) in self.words.nouns for n in (2, 3, 4) if i + n <= len(self.tokens))

    def _head(self, i: int) -> tuple[Noun, int] | None:
        """The noun itself: the longest name that fits."""
        words, word = self.words, self.at(i)
        if self.name and tuple(self.tokens[i : i + len(self.name)]) == self.name:
            return Noun("thing", " ".join(self.name), " ".join(self.name)), i + len(self.name)
        for length in (4, 3, 2, 1):
            phrase = tuple(self.tokens[i : i + length])
            if phrase in words.nouns and len(phrase) == length:
                name, several = words.nouns[phrase]
                if length == 1 and word in self.adjectives and self._continues(i + 1):
                    return None
                return Noun("thing", name, " ".join(phrase), plural=several), i + length
        pair = " ".join(self.tokens[i : i + 2])
        if pair in words.people:
            return Noun("person", pair, pair, plural=words.people[pair][1]), i + 2
        if word in words.people or word in self.table["crowds"]:
            several = word in self.table["crowds"] or words.people[word][1]
            return Noun("person", word, word, plural=several), i + 1
        if word in self.table["places"] or word in self.table["contents"]:
            return Noun("place", self.table["places"].get(word, "content"), word), i + 1
        region, body = words.region_words.get(word, ""), words.body_words.get(word, "")
        several = word not in self.table["regions"] and word not in self.table["bodies"]
        if region or body:
            role: Role = "part or body" if region and body else "part" if region else "body"
            return Noun(role, region or body, word, body=body, plural=several), i + 1
        return None

    def _resolved(self, noun: Noun, possessive: str) -> Noun:
        """His legs and its legs."""
        if noun.role == "part or body" and possessive:
            mine = possessive != "its"
            return dataclasses.replace(noun, role="body" if mine else "part", name=noun.body if mine else noun.name)
        if noun.role == "body":
            return dataclasses.replace(noun, name=noun.body)
        return noun

    def _owned(self, noun: Noun, j: int, start: int) -> tuple[Noun, int] | None:
        """Parts of what comes next: "the chair's legs", "chair legs", "the legs of the chair", "a cup of tea"."""
        if noun.role in ("thing", "person"):
            k = j + (self.at(j) == "'s")
            part = self._head(k) if (k > j or noun.role == "thing") else None
            if k > j and part is None and (inner := self.noun(k)):
                part = inner
            if part and part[0].role in ("part", "part or body", "body"):
                mine = noun.role == "person"
                inner_noun = dataclasses.replace(part[0], role="body" if mine else "part", owner=None if mine else noun)
                return dataclasses.replace(inner_noun, name=part[0].body if mine else part[0].name), part[1]
            if noun.role == "thing" and self.at(j) == "of":
                k = j + 1
                while self.at(k) in self.adjectives:
                    k += 1
                return (
                    (noun, k + 1) if self.at(k) in self.table["contents"] or (self.at(k),) in self.words.nouns else None
                )
            return noun, j
        if self.at(j) == "of" and (owner := self.noun(j + 1)):
            if owner[0].role in ("thing", "it") and noun.role in ("part", "part or body"):
                return dataclasses.replace(noun, role="part", owner=owner[0]), owner[1]
            if noun.role == "place" and owner[0].role == "place":
                return noun, owner[1]
            if owner[0].role in ("person", "self", "body") and noun.body:
                return dataclasses.replace(noun, role="body", name=noun.body), owner[1]
        return noun, j

    # Phrases ----------------------------------------------------------------------------------------------------

    def _phrase(self, i: int) -> tuple[str, Any, int] | None:
        """A preposition with what it leads to."""
        word = self.at(i)
        for reading in (self._height, self._side, self._measured):
            if (slot := reading(i)) is not None:
                return "slot", slot[0], slot[1]
        if (found := self.noun(i + 1)) is not None:
            preposition = "using" if word in ("use", "uses", "used") else word
            return "phrase", (preposition, found[0]), found[1]
        if word in ("with", "in", "at", "using") and (manner := self._manner(i + 1)) is not None:
            return manner
        if word in ("for", "with") and self.at(i + 1) in self.table["contents"]:
            return "", None, i + 2
        return None

    def _manner(self, i: int) -> tuple[str, Any, int] | None:
        """ "with steady steps", "in one swift motion": at most its speed is heard."""
        factor = 1.0
        while (word := self.at(i)) in self.table["manner_adjectives"] or word in ("a", "an", "the", ",", "and"):
            slow, fast = word in ("slow", "leisurely", "careful"), word in ("quick", "fast", "swift", "rapid", "brisk")
            factor *= 1.5 if slow else 0.7 if fast else 1.0
            i += 1
        singular = self.at(i).removesuffix("s")
        if self.at(i) in self.table["manner"] or singular in self.table["manner"]:
            return "slot", ("speed", factor), i + 1
        return None

    def _height(self, i: int) -> tuple[tuple[str, Any], int] | None:
        """ "to chest height", "above her head", "to a height of 1.2 m"."""
        word, j = self.at(i), i + 1
        while self.at(j) in self.table["determiners"]:
            j += 1
        if self.tokens[j : j + 2] == ["height", "of"] and (measure := self.measure(j + 2)):
            return ("height", measure[0][1]), measure[1]
        if word in ("to", "at") and (measure := self.measure(i + 1)) and measure[0][0] == "height":
            return measure[0], measure[1]
        height = self.words.height_words.get(self.at(j))
        if height is None or word not in ("to", "at", "until", "above", "over", "near", "around"):
            return None
        if self.at(j + 1) in ("height", "level", "high"):
            return ("height", height), j + 2
        if word in ("above", "over") and self.at(j) not in ("shoulder", "shoulders", "back"):
            return ("height", height + _ABOVE_THE_HEAD), j + 1
        return None

    def _side(self, i: int) -> tuple[tuple[str, Any], int] | None:
        """ "to the left", "on his right side", "from the front": (to or from, side)."""
        word, j = self.at(i), i + 1
        if word not in ("to", "toward", "on", "onto", "at", "from", "off"):
            return None
        while self.at(j) in self.table["determiners"]:
            j += 1
        side = self.at(j)
        if side not in _SIDES or (side == "side" and word not in ("to", "on")):
            return None
        k = j + 1 + (self.at(j + 1) == "hand" and self.at(j + 2) == "side")
        k += self.at(k) == "side" and side != "side"
        if k == j + 1 and self._continues(k):
            return None
        if self.at(k) == "of" and (owner := self.noun(k + 1)):
            if word in ("on", "onto", "at", "off") or owner[0].role not in ("thing", "it"):
                return None
            k = owner[1]
        elif self.at(k) == "of" and self.at(k + 1) in self.table["self_pronouns"]:
            k += 2
        if side in ("back", "front") and word in ("on", "onto", "at"):
            return None
        return ("from" if word == "from" else "to", side), k

    def _measured(self, i: int) -> tuple[tuple[str, Any], int] | None:
        """ "by 50 cm", "for 5 seconds", "after 2 seconds", "over a distance of 2 m"."""
        word, j = self.at(i), i + 1
        if word not in (
            "by",
            "for",
            "over",
            "of",
            "about",
            "to",
            "at",
            "around",
            "through",
            "after",
            "in",
            "up",
            "within",
        ):
            return None
        if self.tokens[j : j + 3] == ["a", "distance", "of"]:
            j += 3
        j += self.at(j) == "about"
        measure = self.measure(j)
        if measure is None:
            return None
        (unit, value), k = measure
        if unit == "metres" and word in ("to", "at"):
            unit = "height"
        if unit == "seconds" and word == "after":
            unit = "wait"
        return (unit, value), k
