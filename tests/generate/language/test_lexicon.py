"""Words: inflection by rules, names of files, tables that hang together."""

from __future__ import annotations

from typing import get_args

import pytest

from generate.affordance.config import purpose_of
from generate.language.lexicon import Purpose, lexicon, plural, verb_forms
from generate.plan import REGIONS, BodyPart
from generate.planner import SCRIPTS


@pytest.mark.parametrize(
    ("verb", "irregular", "forms"),
    [
        ("lift", None, {"lift", "lifts", "lifting", "lifted"}),
        ("carry", None, {"carries", "carrying", "carried"}),
        ("play", None, {"plays", "playing", "played"}),
        ("push", None, {"pushes", "pushing", "pushed"}),
        ("drop", None, {"drops", "dropping", "dropped"}),
        ("place", None, {"places", "placing", "placed"}),
        ("throw", "threw thrown", {"throws", "throwing", "threw", "thrown"}),
        ("lie", "lay lain lying", {"lies", "lying", "lay", "lain"}),
        ("put", "put", {"puts", "putting", "put"}),
    ],
)
def test_verbs_are_inflected(verb: str, irregular: str | None, forms: set[str]) -> None:
    assert forms <= {form for form, _ in verb_forms(verb, irregular)}


def test_irregular_past_forms_replace_the_regular_ones() -> None:
    assert "throwed" not in {form for form, _ in verb_forms("throw", "threw thrown")}


def test_plurals() -> None:
    table = {"shelf": "shelves", "foot": "feet"}
    shown = [plural(noun, table) for noun in ("box", "office chair", "shelf", "foot", "baby", "toy", "brush")]
    assert shown == ["boxes", "office chairs", "shelves", "feet", "babies", "toys", "brushes"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("largetable_2", "table"), ("woodchair", "chair"), ("Office Chair", "chair"), ("trashcan", "trash can"),
     ("floor_lamp.obj", "floor lamp"), ("mug03", "cup"), ("scan", None), ("obj_12", None), ("", None)],
)  # fmt: skip
def test_names_of_files(name: str, kind: str | None) -> None:
    found = lexicon().kind_of(name.removesuffix(".obj"))
    assert (found.name if found else None) == kind


def test_the_lexicon_is_as_large_as_it_claims() -> None:
    words = lexicon()
    assert len(words.actions) >= 40
    assert len(words.kinds) >= 30


def test_tables_hang_together() -> None:
    words = lexicon()
    tags = {tag for kind in words.kinds.values() for tag in kind.tags}
    classes = {part.split("_")[-1] for part in get_args(BodyPart)} | {"hands", "feet", "arms", "legs", "any"}
    for action in words.actions.values():
        assert action.script in SCRIPTS, action.name
        assert not action.needs or action.needs in tags, action.name
        assert set(action.body) <= classes, action.name
        assert action.purpose in get_args(Purpose), action.name
    for kind in words.kinds.values():
        assert set(kind.use.values()) | kind.parts <= set(REGIONS), kind.name
        assert all(kind.has(region) for region in kind.use.values()), kind.name
        assert min(kind.size_m) > 0.0, kind.name
        assert kind.mass_kg > 0.0, kind.name
    assert set(words.modifiers["regions"].values()) <= set(REGIONS)


def test_no_action_merely_touches_but_those_that_do() -> None:
    """What a new action's contacts are for has to be said; `touch` is for those that move and bear nothing."""
    touching = {action.name for action in lexicon().actions.values() if action.purpose == "touch"}
    without_contact = {"approach", "walk", "posture", "turn around", "wait"}
    assert touching - without_contact == {
        "bounce", "hit", "head", "touch", "tap", "knock", "poke", "press", "stroke", "wipe", "type", "play",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("phrase", "purpose"),
    [("pick_up", "load"), ("Carry", "load"), ("hoist", "load"), ("cut", "load"), ("sit down", "settle"),
     ("stand up", "settle"), ("push", "shove"), ("dragging", "shove"), ("tip", "tilt"), ("tip over", "tilt"),
     ("knock-over", "tilt"), ("stand on", "tread"), ("step", "tread"), ("admire", "touch"), ("", "touch")],
)  # fmt: skip
def test_purposes_of_words_that_are_not_the_lexicons(phrase: str, purpose: Purpose) -> None:
    assert purpose_of(phrase) == purpose


def test_words_that_are_refused_are_not_known_otherwise() -> None:
    words = lexicon()
    refused = set(words.modifiers["refused"]) | set(words.modifiers["fixed"])
    named = {noun[0] for noun in words.nouns if len(noun) == 1}
    assert refused.isdisjoint(words.verbs)
    assert refused.isdisjoint(named)
    assert refused.isdisjoint(words.modifiers["filler"])


def test_the_nearest_word() -> None:
    assert lexicon().nearest("chiar") == "chair"
    assert lexicon().nearest("lfit", "verbs") == "lift"
    assert lexicon().nearest("xqzw") == ""
