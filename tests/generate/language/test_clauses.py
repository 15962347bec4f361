"""From text to clauses: tokens, phrases, nouns with their owners, measures, and what belongs to which verb."""

from __future__ import annotations

import pytest

from generate.language.clauses import Clause, parse
from generate.language.grammar import Chunker, Noun
from generate.language.lexicon import lexicon
from generate.language.tokens import tokenise
from sim.errors import PlanError


def noun(text: str) -> Noun:
    found = Chunker(tokenise(text, lexicon()), lexicon()).noun(0)
    assert found is not None
    return found[0]


def one(text: str) -> Clause:
    (clause,) = parse(text, lexicon())
    return clause


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A person's box: 50cm!", ["a", "person", "'s", "box", ".", "50", "cm", "."]),
        ("turn it 90° counter-clockwise", ["turn", "it", "90", "degrees", "counterclockwise"]),
        ("I'd like to see a man in front of it", ["a", "man", "in_front_of", "it"]),
        ("she takes her seat", ["she", "sits"]),
        ("he took a seat", ["he", "sat"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenise(text, lexicon()) == tokens


def test_nouns_and_their_owners() -> None:
    assert (noun("the large wooden box").name, noun("the large wooden box").scale) == ("box", 1.4)
    for text in ("the legs of the chair", "the chair's legs", "the chair legs"):
        legs = noun(text)
        assert (legs.role, legs.name) == ("part", "legs")
        assert legs.owner is not None
        assert legs.owner.name == "chair"
    assert (noun("his legs").role, noun("its legs").role, noun("the legs").role) == ("body", "part", "part or body")
    assert (noun("her left hand").name, noun("her left hand").side) == ("hand", "left")
    assert (noun("both hands").count, noun("a tennis ball").name) == (2, "tennis ball")
    assert (noun("a cup of tea").name, noun("the boxes").plural) == ("cup", True)


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("50 cm", ("metres", 0.5)), ("half a metre", ("metres", 0.5)), ("one and a half meters", ("metres", 1.5)),
        ("two feet", ("metres", 0.6096)), ("1,5 m", ("metres", 1.5)), ("90 degrees", ("degrees", 90.0)),
        ("a quarter of a turn", ("degrees", 90.0)), ("three times", ("times", 3.0)), ("5 seconds", ("seconds", 5.0)),
        ("1.2 m high", ("height", 1.2)),
    ],
)  # fmt: skip
def test_measures(text: str, measure: tuple[str, float]) -> None:
    found = Chunker(tokenise(text, lexicon()), lexicon()).measure(0)
    assert found is not None
    assert found[0] == (measure[0], pytest.approx(measure[1]))


def test_particles_may_stand_before_or_behind_the_object() -> None:
    before, behind = one("a person knocks over the vase"), one("a person knocks the vase over")
    assert before.particles == behind.particles == ["over"]
    assert [n.name for n in before.nouns] == [n.name for n in behind.nouns] == ["vase"]


def test_modifiers_go_to_the_nearest_verb_of_their_side() -> None:
    lift, put = parse("he lifts the box quickly and slowly puts it down", lexicon())
    assert ("speed", 0.65) in lift.slots
    assert ("speed", 1.6) in put.slots
    lift, put = parse("he lifts the box and, after 3 seconds, puts it down", lexicon())
    assert ("wait", 3.0) in put.slots
    (push,) = parse("push the box with both hands, one metre, to the right", lexicon())
    assert {name for name, _ in push.slots} == {"metres", "to"}


def test_a_sequence_that_is_repeated() -> None:
    assert len(parse("he lifts the box and puts it down, repeatedly", lexicon())) == 6
    assert len(parse("he lifts the box and taps it twice", lexicon())) == 2


def test_meanwhile_purpose_and_passive() -> None:
    assert [c.meanwhile for c in parse("he walks forward while carrying the box", lexicon())] == [False, True]
    assert [c.meanwhile for c in parse("he walks forward carrying the box", lexicon())] == [False, True]
    assert [c.purpose for c in parse("he crouches to lift the box", lexicon())] == [False, True]
    assert one("the box is lifted by a man").passive


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the box", "there is no verb"),
        ("a man and a woman lift the box", "one person"),
        ("a man lifts the box lowers it", "two verbs without 'and'"),
        ("a man lifts the box and to the left, lowers it", "not clear which verb"),
        ("the box lifts", "'box' cannot act"),
        ("a man lifts the a the box", "cannot make sense|unknown word"),
        ("he lifts the box -3 m", "positive"),
        ("word " * 200, "at most"),
    ],
)
def test_what_is_no_sentence(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        parse(text, lexicon())
