"""Chunks grouped around verbs: who does what, in which order, and which modifier belongs to which verb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from generate.language.grammar import Chunker, Noun
from generate.language.lexicon import Form, Lexicon
from generate.language.tokens import tokenise
from sim.errors import PlanError

_BE = frozenset({"is", "are", "was", "were", "be", "been", "being", "'s"})
_DIRECTED = frozenset({"to", "direction", "metres", "height"})
Chunk = tuple[str, Any]


@dataclass
class Clause:
    """A verb with what belongs to it.

    Attributes:
        text: the verb as written. readings: its lemmas with their forms. passive: the object stands before it.
        meanwhile: at the same time as the clause before.
        purpose: what the clause before is done for. nouns: direct. phrases: preposition and noun.
        particles: up, down, over. slots: what is measured or said of the manner, (name, value) pairs.
    """

    text: str
    readings: list[tuple[str, Form]]
    passive: bool = False
    meanwhile: bool = False
    purpose: bool = False
    nouns: list[Noun] = field(default_factory=list)
    phrases: list[tuple[str, Noun]] = field(default_factory=list)
    particles: list[str] = field(default_factory=list)
    slots: list[Chunk] = field(default_factory=list)


def parse(text: str, words: Lexicon, name: str = "") -> list[Clause]:
    """The clauses of a text in order; `name` is a noun that stands for the object even if no table has it.

    Raises:
        PlanError: a word, a subject or an order of words that is not understood.
    """
    chunks = Chunker(tokenise(text, words), words, name).read()
    verbs = [i for i, (tag, _) in enumerate(chunks) if tag in ("verb", "while verb")]
    if not verbs and any(tag == "phrase" and value[0] == "using" for tag, value in chunks):
        raise PlanError("'use' alone says nothing of what is done; name the action, as in 'uses both hands to lift it'")
    if not verbs:
        raise PlanError(f"there is no verb in the sentence; actions: {', '.join(words.actions)}")
    before: Sequence[Chunk] = chunks[: verbs[0]]
    clauses: list[Clause] = []
    for i, verb in enumerate(verbs):
        between = chunks[verb + 1 : verbs[i + 1] if i + 1 < len(verbs) else len(chunks)]
        after, ahead = _split(between) if i + 1 < len(verbs) else (between, [])
        # "a person standing at the table lifts it": a participle, then what the person does
        participle = i == 1 and all(form == "ing" for _, form in clauses[0].readings)
        clause = _clause(chunks[verb], before, first=i == 0, following=participle)
        _attach(clause, after)
        clauses.append(clause)
        before = ahead
    if len(clauses) > 1 and chunks[-1][0] == "stop":
        chunks = chunks[:-1]
    if len(clauses) > 1 and chunks[-1][0] == "slot" and chunks[-1][1][0] == "times" and chunks[-2][0] == "comma":
        clauses[-1].slots.remove(chunks[-1][1])  # "..., repeatedly": all of it
        return clauses * min(int(chunks[-1][1][1]), 10)
    return clauses


def _split(between: Sequence[Chunk]) -> tuple[Sequence[Chunk], Sequence[Chunk]]:
    """What of the chunks between two verbs belongs to the first one, and what to the second."""
    tags = [tag for tag, _ in between]
    strong = max((i for i, tag in enumerate(tags) if tag in ("join", "stop", "while")), default=-1)
    tail = between[strong + 1 :]
    coordinated = any(tag in ("noun", "particle") for tag, _ in tail) and not any(
        tag == "subject" or (tag == "aux" and value in _BE) for tag, value in tail
    )
    if strong >= 0 and not coordinated:
        cut = strong
    elif "comma" in tags:
        cut = max(i for i, tag in enumerate(tags) if tag == "comma")
    elif "subject" in tags:
        cut = tags.index("subject")
    else:
        cut = len(between)
    return between[:cut], between[cut:]


def _clause(verb: Chunk, before: Sequence[Chunk], *, first: bool, following: bool = False) -> Clause:
    text, readings = verb[1]
    joined = any(tag in ("join", "stop", "comma") for tag, _ in before)
    joined |= bool(following) and any(form in ("s", "past") for _, form in readings)
    clause = Clause(text, list(readings), meanwhile=verb[0] == "while verb" and not joined)
    if not (first or joined or verb[0] == "while verb" or any(tag in ("while", "subject") for tag, _ in before)):
        raise PlanError(f"two verbs without 'and', 'then' or a comma before '{text}'")
    clause.meanwhile |= any(tag == "while" for tag, _ in before)
    clause.purpose = not first and ("join", "to") in before[-1:]
    if sum(tag == "subject" for tag, _ in before) > 1:
        raise PlanError("a plan has one person")
    passive = any(tag == "aux" and value in _BE for tag, value in before)
    for tag, value in before:
        if tag == "subject":
            _check_subject(value)
        elif tag == "noun" and value.role == "body":
            clause.phrases.append(("with", value))
        elif tag == "noun":
            clause.nouns.append(value)
        elif tag == "slot" and value[0] in _DIRECTED and not first:
            raise PlanError(
                f"it is not clear which verb the direction before '{text}' belongs to; put it behind its verb"
            )
        elif tag == "slot":
            clause.slots.append(value)
        elif tag == "phrase":
            clause.phrases.append(value)
        elif tag == "particle":
            raise PlanError(f"'{value}' before '{text}' is not understood")
    if clause.nouns:
        clause.passive = passive and any(form == "past" for _, form in readings)
        if not clause.passive:
            raise PlanError(f"'{clause.nouns[0].text}' cannot act; say what a person does with it")
    return clause


def _check_subject(subject: Noun) -> None:
    if subject.plural or (subject.count or 1) > 1:
        raise PlanError(f"a plan has one person, not '{subject.text}'")


def _attach(clause: Clause, after: Sequence[Chunk]) -> None:
    for tag, value in after:
        if tag == "noun":
            clause.nouns.append(value)
        elif tag == "phrase":
            clause.phrases.append(value)
        elif tag == "slot":
            clause.slots.append(value)
        elif tag == "particle":
            clause.particles.append(value)
        elif tag == "act":
            clause.text, clause.readings = value[0], list(value[1])
        elif tag == "subject":
            raise PlanError(f"a plan has one person and one object; '{value.text}' cannot be acted on")
        elif tag == "join" and value == "before":
            raise PlanError("'before' has to be followed by what the person does next")
