"""From a sentence to words: split, merged into fixed phrases, and freed of what only asks for a motion.

What changes a meaning in a way that a plan cannot hold (negation, attempts, conditions, questions) is refused here by
name, before anything is parsed.
"""

from __future__ import annotations

import functools
import re

from generate.language.lexicon import Lexicon
from sim.errors import PlanError

_TOKEN = re.compile(r"(?<![\w.])-\d|\d+(?:[.,]\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|[.,;:!?°]|\S")
_SEPARATORS = frozenset("-\"'()[]\u2013\u2014\u201c\u201d")
_POSSESSIVES = frozenset({"his", "her", "their", "its", "my", "your", "our", "the"})
_CAUSATIVES = frozenset({"have", "get", "make", "let", "tell", "ask", "show", "can", "could"})
MAX_WORDS = 120
"""A sentence that is longer is not read."""


def tokenise(text: str, words: Lexicon) -> list[str]:
    """Lower-case words and punctuation (".", ",") with fixed phrases as one word each.

    Raises:
        PlanError: nothing to read, a character that no sentence has, or a word that asks for what no plan holds.
    """
    tokens = _merge(_split(text), words)
    tokens = _without_opening(_merge(tokens, words), words)
    for token in tokens:
        reason = "negation" if token.endswith("n't") else words.modifiers["refused"].get(token)
        if reason:
            shown = token.removeprefix("refused_")
            raise PlanError(f"'{shown}' ({reason}) cannot be planned; say what the person does with the object")
    tokens = _merge_idioms(tokens, words)
    if not any(token[0].isalpha() for token in tokens):
        raise PlanError("there is no sentence; say what a person does with an object: 'a person lifts the chair'")
    return tokens


def _split(text: str) -> list[str]:
    tokens: list[str] = []
    for token in _TOKEN.findall(text.lower().replace("\u2019", "'")):
        if token in _SEPARATORS:
            continue
        if token.startswith("-"):
            raise PlanError("amounts have to be positive; say a direction instead, such as 'to the left'")
        if token == "°":
            tokens.append("degrees")
        elif token in ";:!?":
            tokens.append(".")
        elif not (token[0].isalnum() or token in ".,"):
            raise PlanError(f"'{token}' is not part of a sentence")
        elif token.endswith("'s") and token != "let's":
            tokens += [token[:-2], "'s"]
        else:
            tokens.append(token)
    if len(tokens) > MAX_WORDS:
        raise PlanError(f"the text has {len(tokens)} words; a plan is made of one sentence of at most {MAX_WORDS}")
    return tokens


def _canonical(word: str) -> str:
    """Any possessive for any other, and for "the"."""
    return "the" if word in _POSSESSIVES else word


_Index = dict[str, list[tuple[tuple[str, ...], str]]]
"""Phrases and what they mean by their first word, the longest first."""


@functools.cache
def _index(words: Lexicon, name: str) -> _Index:
    found: _Index = {}
    for phrase in words.modifiers[name]:
        meaning = words.modifiers[name][phrase] if isinstance(words.modifiers[name], dict) else ""
        pattern = tuple(_canonical(word) for word in phrase.split())
        found.setdefault(pattern[0], []).append((pattern, meaning))
    for entries in found.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return found


def _longest(index: _Index, first: str, tokens: list[str], i: int) -> tuple[tuple[str, ...], str] | None:
    """The longest phrase that stands at token i, with `first` for its first word."""
    for pattern, meaning in index.get(first, ()):
        rest = tokens[i + 1 : i + len(pattern)]
        if len(rest) == len(pattern) - 1 and all(_canonical(a) == b for a, b in zip(rest, pattern[1:], strict=True)):
            return pattern, meaning
    return None


def _merge(tokens: list[str], words: Lexicon) -> list[str]:
    """Phrases replaced, the longest first, from left to right."""
    index = _index(words, "phrases")
    merged: list[str] = []
    i = 0
    while i < len(tokens):
        found = _longest(index, _canonical(tokens[i]), tokens, i)
        merged += found[1].split() if found else [tokens[i]]
        i += len(found[0]) if found else 1
    return merged


def _merge_idioms(tokens: list[str], words: Lexicon) -> list[str]:
    """ "takes a seat" becomes "sits": the new verb keeps the old one's form."""
    index = _index(words, "idioms")
    merged: list[str] = []
    i = 0
    while i < len(tokens):
        readings = words.verbs.get(tokens[i], ())
        candidates = ((_longest(index, lemma, tokens, i), form) for lemma, form in readings)
        found, form = next(((entry, form) for entry, form in candidates if entry), (None, "base"))
        if found is None:
            merged.append(tokens[i])
            i += 1
            continue
        verb, *rest = found[1].split()
        same = [spelt for spelt, meant in words.verbs.items() if (verb, form) in meant]
        merged += [*same[:1], *rest]
        i += len(found[0])
    return merged


def _without_opening(tokens: list[str], words: Lexicon) -> list[str]:
    """ "I'd like to see a person ..." begins with the person."""
    index = _index(words, "openings")
    while tokens:
        found = _longest(index, _canonical(tokens[0]), tokens, 0)
        causative = found is not None and found[0][-1] in _CAUSATIVES
        if found is None or (causative and not any(token in words.people for token in tokens[1:5])):
            break
        tokens = tokens[len(found[0]) :]
    return tokens
