"""Scripts of touches and of things in use, by the plans that sentences come to."""

from __future__ import annotations

import numpy as np
import pytest

from generate.objects.kinds import object_for
from generate.plan import InteractionPlan
from generate.planner import GrammarPlanner
from sim.objects import Shape


def plan(text: str) -> InteractionPlan:
    return GrammarPlanner().plan(text)


def test_what_one_types_on_lies_as_on_a_desk_unless_it_stands_there_by_itself() -> None:
    assert plan("a person types on the keyboard").height_m == pytest.approx(0.72)
    assert plan("a person taps the keyboard").height_m == 0.0


@pytest.mark.parametrize("place", ["floor", "ground"])
def test_one_types_where_the_sentence_has_it(place: str) -> None:
    assert plan(f"a person types on the laptop on the {place}").height_m == 0.0
    assert plan(f"a person walks to the laptop on the {place} and types on it").height_m == 0.0
    assert plan("a person types on the laptop on the table").height_m == pytest.approx(0.74)


def test_what_ends_on_the_floor_did_not_lie_there() -> None:
    for deed in ("places the box", "drops the box", "throws the ball", "bounces the ball", "lets go of the box"):
        assert plan(f"a person {deed} on the floor").state == "held"
    assert plan("a person holds the box on the floor").state == "ground"


def test_hands_lean_on_the_handlebar_not_on_the_deck() -> None:
    found = plan("a person leans on the scooter")
    assert {contact.region for contact in found.contacts} == {"top"}


def test_one_pours_standing_upright() -> None:
    found = plan("a person pours from the teapot")
    assert sum(phase.upward for phase in found.phases) == pytest.approx(0.85)  # up from the floor
    high = plan("a person takes the teapot from the table and pours")
    assert high.height_m + max(phase.upward for phase in high.phases) > 0.85


def test_a_guitar_is_played_with_its_neck_to_the_left_and_its_face_ahead() -> None:
    found = plan("a person plays the guitar")
    assert found.side == "behind"  # facing +x, so that +y is left
    assert {c.body_part: c.region for c in found.contacts} == {"left_hand": "handle", "right_hand": "sides"}
    corners = Shape.of(object_for("guitar")).hull_corners
    neck = corners[corners[:, 1] > 0.5 * corners[:, 1].max()]
    body = corners[corners[:, 1] < 0.0]
    assert np.ptp(neck[:, 2]) < 0.4 * np.ptp(body[:, 2])
