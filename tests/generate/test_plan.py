"""Plans: what makes no sense is refused by name; JSON there and back; the schema describes exactly what is read."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from generate.plan import InteractionPlan, Phase, PlannedContact, plan_from_json, plan_schema
from sim.errors import PlanError


@pytest.fixture
def plan() -> InteractionPlan:
    hands = tuple(PlannedContact(part, "backrest", 1, 2) for part in ("left_hand", "right_hand"))
    phases = (Phase("approach", 2.0), Phase("reach", 0.5), Phase("move", 1.5, upward=0.5, turn=0.3))
    return InteractionPlan("a person lifts the chair", "lift", "chair", hands, phases)


def test_phases_add_up(plan: InteractionPlan) -> None:
    assert plan.seconds == 4.0
    assert plan.touching(0) == ()
    assert plan.touching(2) == plan.contacts
    assert [phase.moves for phase in plan.phases] == [False, False, True]


def test_json_there_and_back(plan: InteractionPlan) -> None:
    plan = dataclasses.replace(plan, assumed=("its mass, 5 kg",))
    assert plan_from_json(plan.to_json()) == plan
    assert plan_from_json(plan.to_json(), source="a model").source == "a model"


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("contacts", 0, "body_part"), "lefthand", r"contacts\[0\].body_part.*left_hand"),
        (("contacts", 1, "region"), "backrst", r"contacts\[1\].region.*backrest"),
        (("contacts", 0, "last"), 3, r"contacts\[0\] lasts from phase 1 to 3; there are 3"),
        (("contacts", 0, "last"), 1.5, r"contacts\[0\].last has to be a integer"),
        (("contacts", 0, "grip"), 1, "unknown field 'grip'"),
        (("contacts",), [], r"phases\[2\] moves the object, but nothing touches it"),
        (("contacts",), "hands", "contacts has to be a list"),
        (("phases", 0, "kind"), "walk", r"phases\[0\].kind"),
        (("phases", 0, "seconds"), 0, r"phases\[0\].seconds is 0"),
        (("phases", 2, "upward"), math.inf, r"phases\[2\].upward has to be a number"),
        (("phases", 2, "upward"), 50.0, r"phases\[2\] moves the object by more than 20 m"),
        (("phases",), [], "at least one phase"),
        (("state",), "air", "state"),
        (("size_m",), -1.0, "size_m is -1.0"),
        (("height_m",), -1.0, "height_m is -1.0"),
        (("phases", 2, "upward"), -0.5, r"phases\[2\] moves the object 0.5 m under the floor"),
        (("action",), " ", "action is empty"),
        (("assumed",), "nothing", "assumed has to be a list of strings"),
        (("assumed",), [5], "assumed has to be a list of strings"),
    ],
)
def test_what_makes_no_sense_is_named(
    plan: InteractionPlan, where: tuple[str | int, ...], value: Any, message: str
) -> None:
    content = json.loads(plan.to_json())
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    with pytest.raises(PlanError, match=message):
        plan_from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("text", "message"), [("nonsense", "not JSON"), ("[]", "not a JSON object"), ("{}", "contacts")]
)
def test_what_is_no_plan_at_all_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_from_json(text)


def test_a_ball_in_flight_needs_no_hand(plan: InteractionPlan) -> None:
    flight = Phase("move", 0.5, upward=1.0, ballistic=True)
    assert dataclasses.replace(plan, contacts=(), phases=(flight,)).touching(0) == ()


def test_the_schema_names_the_fields_that_are_read(plan: InteractionPlan) -> None:
    schema = plan_schema()
    content = json.loads(plan.to_json())
    assert set(schema["properties"]) == set(content) - {"text", "source", "assumed"}
    for name in ("contacts", "phases"):
        items = schema["properties"][name]["items"]
        assert set(items["properties"]) == set(content[name][0]) == set(items["required"])
        assert items["additionalProperties"] is False
    answer = {name: value for name, value in content.items() if name in schema["required"]}
    assert plan_from_json(json.dumps(answer), text=plan.text, source="") == plan
