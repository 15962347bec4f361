"""Scripts of the whole body, by the plans that sentences come to."""

from __future__ import annotations

import pytest

from generate.plan import InteractionPlan
from generate.planner import GrammarPlanner
from sim.errors import PlanError


def plan(text: str, size: tuple[float, float, float] | None = None) -> InteractionPlan:
    return GrammarPlanner().plan(text, size=size)


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


@pytest.mark.parametrize(
    ("text", "phase"),
    [("stands on", 1), ("mounts", 1), ("steps off", 0), ("puts the left foot on", 1), ("rides", 1)],
)
def test_the_deck_is_meant_whatever_feet_do_there(text: str, phase: int) -> None:
    assert touching(plan(f"a person {text} the scooter"), phase)["left_foot"] == "any"
    assert touching(plan(f"a person {text} the skateboard"), phase)["left_foot"] == "top"


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


@pytest.mark.parametrize("height", [1.2, 2.0, 2.001, 2.5])
def test_no_height_makes_a_ladder_one_step(height: float) -> None:
    for deed in ("climbs", "climbs onto", "stands on", "steps onto", "sits on", "steps off"):
        with pytest.raises(PlanError, match=rf"{height:g} m"):
            plan(f"a person {deed} the ladder", (0.5, 0.5, height))


def test_a_step_ladder_of_a_metre_is_climbed() -> None:
    assert plan("a person climbs the ladder", (0.5, 0.5, 1.0)).contacts
    with pytest.raises(PlanError, match="at most 1 m"):
        plan("a person climbs the ladder", (0.5, 0.5, 1.01))


def test_one_sits_on_a_bicycle_as_a_rider_does() -> None:
    found = plan("a person sits on the bicycle")
    assert (found.side, found.faces_away) == ("behind", False)
    assert plan("a person sits on the chair").faces_away


def test_hands_that_are_named_hold_on_astride() -> None:
    found = plan("a person sits on the motorcycle with both hands on the handle")
    assert touching(found, 1) == {"hips": "seat", "left_hand": "handle", "right_hand": "handle"}
    assert {c.body_part for c in found.contacts if c.grasped} == {"left_hand", "right_hand"}
    one = plan("a person straddles the bench with the left hand")
    assert touching(one, 1) == {"hips": "seat", "left_leg": "sides", "right_leg": "sides", "left_hand": "seat"}
    assert touching(plan("a person straddles the bicycle with both legs"), 1)["left_leg"] == "sides"


def test_on_top_of_a_motorcycle_is_on_its_seat() -> None:
    assert touching(plan("a person sits on top of the motorcycle"), 1) == {"hips": "seat"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sits on the handle of the bicycle", "sit astride the handle of a bicycle"),
        ("sits astride the underside of the motorcycle", "sit astride the underside of a motorcycle"),
        ("sits on the bicycle with the head", "not done with the head"),
        ("sits on the bicycle with the back", "not done with the back"),
        ("stands on the seat of the motorcycle", "nobody can stand on a motorcycle"),
    ],
)
def test_what_nobody_does_astride_is_refused(text: str, fault: str) -> None:
    with pytest.raises(PlanError, match=fault):
        plan(f"a person {text}")


def test_hands_that_push_let_go_to_mount_and_hands_on_the_handle_stay() -> None:
    pushed = plan("a person pushes the bicycle forward and rides it")
    hands = [(c.first, c.last) for c in pushed.contacts if c.body_part == "left_hand"]
    assert hands == [(1, 2), (3, len(pushed.phases) - 1)]
    seated = plan("a person sits on the bicycle with both hands and rides it")
    assert [c.first for c in seated.contacts if c.body_part == "left_hand"] == [1]


@pytest.mark.parametrize(("thing", "arms"), [("bed", True), ("mat", True), ("bench", False), ("sofa", False)])
def test_arms_lie_beside_the_body_where_there_is_room(thing: str, arms: bool) -> None:
    found = plan(f"a person lies on the {thing}")
    assert ("left_arm" in {contact.body_part for contact in found.contacts}) is arms
