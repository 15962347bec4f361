"""From a sentence to words: split, merged into fixed phrases, and freed of what only asks for a motion.

What changes a meaning in a way that a plan cannot hold (negation, attempts, conditions, questions) is refused here by
name, before anything is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

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
    tokens = _merge(_split(text), words.modifiers["phrases"])
    tokens = _without_opening(_merge(tokens, words.modifiers["phrases"]), words)
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


def _fits(words: Sequence[str], pattern: Sequence[str]) -> bool:
    """Word for word, any possessive (or "the") for any other."""
    return len(words) == len(pattern) and all(
        a == b or (a in _POSSESSIVES and b in _POSSESSIVES) for a, b in zip(words, pattern, strict=True)
    )


def _by_length(table: Iterable[str]) -> list[list[str]]:
    return sorted((phrase.split() for phrase in table), key=len, reverse=True)


def _merge(tokens: list[str], table: Mapping[str, str]) -> list[str]:
    """Phrases replaced, the longest first, from left to right."""
    patterns = _by_length(table)
    merged: list[str] = []
    i = 0
    while i < len(tokens):
        found = next((p for p in patterns if _fits(tokens[i : i + len(p)], p)), None)
        merged += table[" ".join(found)].split() if found else [tokens[i]]
        i += len(found) if found else 1
    return merged


def _merge_idioms(tokens: list[str], words: Lexicon) -> list[str]:
    """ "takes a seat" becomes "sits": the new verb keeps the old one's form."""
    patterns = {tuple(p.split()): meaning for p, meaning in words.modifiers["idioms"].items()}
    by_length = sorted(patterns, key=len, reverse=True)
    merged: list[str] = []
    i = 0
    while i < len(tokens):
        lemmas = {verb for verb, _ in words.verbs.get(tokens[i], ())}
        fitting = (p for p in by_length if p[0] in lemmas and _fits(tokens[i + 1 : i + len(p)], p[1:]))
        found = next(fitting, None)
        if found is None:
            merged.append(tokens[i])
            i += 1
            continue
        verb, *rest = patterns[found].split()
        forms = [form for lemma, form in words.verbs[tokens[i]] if lemma == found[0]]
        same = [spelt for spelt, readings in words.verbs.items() if (verb, forms[0]) in readings]
        merged += [*same[:1], *rest]
        i += len(found)
    return merged


def _without_opening(tokens: list[str], words: Lexicon) -> list[str]:
    """ "I'd like to see a person ..." begins with the person."""
    openings = _by_length(words.modifiers["openings"])
    people = words.people
    while True:
        found = next((o for o in openings if tokens[: len(o)] == o), None)
        if found and found[-1] in _CAUSATIVES and not any(t in people for t in tokens[1:5]):
            found = None
        if not found:
            return tokens
        tokens = tokens[len(found) :]
