"""Scripts of the whole body, by the plans that sentences come to."""

from __future__ import annotations

import pytest

from generate.plan import InteractionPlan
from generate.planner import GrammarPlanner
from sim.errors import PlanError


def plan(text: str) -> InteractionPlan:
    return GrammarPlanner().plan(text)


def touching(found: InteractionPlan, phase: int) -> dict[str, str]:
    return {contact.body_part: contact.region for contact in found.touching(phase)}


def test_who_kneels_has_the_feet_up_as_well() -> None:
    assert touching(plan("a person kneels on the mat"), 1).keys() == {
        "left_leg", "right_leg", "left_foot", "right_foot",
    }  # fmt: skip


def test_who_kneels_with_one_knee_stands_on_the_other_foot() -> None:
    assert touching(plan("a person kneels on the bench with the left knee"), 1).keys() == {"left_leg"}


def test_one_sits_down_on_the_edge_before_one_lies() -> None:
    found = plan("a person lies down on the bed")
    assert touching(found, 1) == {"hips": "edges"}
    assert touching(found, 2) == dict.fromkeys(("hips", "back", "left_arm", "right_arm"), "top")
    assert found.faces_away


@pytest.mark.parametrize(("thing", "side"), [("bed", "front"), ("sofa", "front"), ("bench", "left")])
def test_one_lies_down_from_the_end_unless_armrests_are_there(thing: str, side: str) -> None:
    assert plan(f"a person lies on the {thing}").side == side


@pytest.mark.parametrize("thing", ["bicycle", "motorcycle", "scooter", "skateboard"])
def test_riders_face_the_way_that_they_ride(thing: str) -> None:
    assert plan(f"a person rides the {thing}").side == "behind"  # of the object's own axes, whose front is +x


def test_feet_are_on_a_deck_not_on_the_handlebar_over_it() -> None:
    regions = {name: touching(plan(f"a person rides the {name}"), 1)["left_foot"] for name in ("scooter", "skateboard")}
    assert regions == {"scooter": "any", "skateboard": "top"}


def test_one_leg_on_either_side_only_where_the_object_does_not_see_to_it() -> None:
    assert touching(plan("a person sits astride the motorcycle"), 1).keys() == {"hips"}
    assert touching(plan("a person straddles the bench"), 1).keys() == {"hips", "left_leg", "right_leg"}


def test_stairs_are_climbed_from_where_they_begin_without_hands() -> None:
    found = plan("a person climbs the stairs")
    assert found.side == "front"
    assert {contact.body_part for contact in found.contacts} == {"left_foot", "right_foot"}


def test_hands_help_onto_a_table() -> None:
    found = plan("a person climbs onto the table")
    assert touching(found, 1).keys() == {"left_hand", "right_hand"}
    assert {"left_foot", "right_foot"} <= touching(found, 2).keys()


def test_a_ladder_is_not_climbed_in_one_step() -> None:
    with pytest.raises(PlanError, match=r"1\.8 m up, rung by rung, is not planned; at most 1 m"):
        plan("a person climbs the ladder")


def test_one_sits_on_a_bicycle_as_a_rider_does() -> None:
    found = plan("a person sits on the bicycle")
    assert (found.side, found.faces_away) == ("behind", False)
    assert plan("a person sits on the chair").faces_away


@pytest.mark.parametrize(("thing", "arms"), [("bed", True), ("mat", True), ("bench", False), ("sofa", False)])
def test_arms_lie_beside_the_body_where_there_is_room(thing: str, arms: bool) -> None:
    found = plan(f"a person lies on the {thing}")
    assert ("left_arm" in {contact.body_part for contact in found.contacts}) is arms
