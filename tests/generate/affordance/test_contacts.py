"""From plans to places: what each contact is for, and the map that it gets."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from generate.affordance import AffordanceConfig, SurfacePoints, affordance, contact_maps
from generate.affordance.contacts import carries_person, contact_purpose, height_at, manner_of
from generate.language.lexicon import Purpose
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.planner import GrammarPlanner
from sim.errors import AssetError
from sim.geometry import Primitive
from sim.objects import Shape

CONFIG = AffordanceConfig(points=600)


@pytest.fixture(scope="module")
def seen(chair: Shape) -> SurfacePoints:
    return SurfacePoints.of(chair, count=CONFIG.points)


def purposes(text: str) -> set[tuple[str, Purpose]]:
    """(limb, purpose) of all contacts of a sentence's plan."""
    plan = GrammarPlanner().plan(text)
    return {(c.body_part.removeprefix("left_").removeprefix("right_"), contact_purpose(plan, c)) for c in plan.contacts}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a person carries the chair to the left and sits down on it", {("hand", "load"), ("hips", "settle")}),
        ("a person pulls the chair back and sits on it", {("hand", "shove"), ("hips", "settle")}),
        ("a person pushes the chair forward and sits on it", {("hand", "shove"), ("hips", "settle")}),
        ("a person pushes the table with his hips", {("hips", "shove")}),
        ("a person moves the table", {("hand", "shove")}),
        ("a person moves the cup", {("hand", "load")}),
        ("a person tips over the chair", {("hand", "tilt")}),
        ("a person tilts the stool and sits down on it", {("hand", "tilt"), ("hips", "settle")}),
        ("a person lifts the box, turns it by 90 degrees and puts it down", {("hand", "load")}),
        ("a person catches the ball", {("hand", "load")}),
        ("a person kicks the ball", {("foot", "shove")}),
        ("a person puts a foot on the chair", {("foot", "tread")}),
        ("a person rides the bicycle", {("hips", "settle"), ("foot", "tread"), ("hand", "settle")}),
        ("a person wipes the table", {("hand", "touch")}),
        ("a person leans on the table", {("hand", "settle")}),
    ],
)
def test_a_contact_is_for_what_it_does_in_the_plan(text: str, expected: set[tuple[str, Purpose]]) -> None:
    assert purposes(text) == expected


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("a person sits on the chair", True),
        ("a person lies down on the bed", True),
        ("a person leans on the table with both hands", False),
        ("a person lifts the box", False),
    ],
)
def test_the_object_carries_who_sits_or_lies_on_it(text: str, carried: bool) -> None:
    plan = GrammarPlanner().plan(text)
    assert carries_person(plan, plan.touching(len(plan.phases) - 1)) is carried


@pytest.mark.parametrize(
    ("text", "part", "manner"),
    [
        ("a person lies down on the bed", "back", "lie"),
        ("a person sits on the bed and lies down", "back", "lie"),
        ("a person rides the bicycle", "left_foot", "ride"),
        ("a person sits on the bicycle and rides it", "right_hand", "ride"),
        ("a person leans on the table with both hands", "left_hand", "lean"),
        ("a person sits on the chair", "hips", None),
        ("a person pushes the box", "left_hand", None),
        ("a person lifts the box", "right_hand", None),
    ],
)
def test_how_the_body_is_on_the_object_follows_from_the_contacts(text: str, part: str, manner: str | None) -> None:
    plan = GrammarPlanner().plan(text)
    if manner != "lean":  # whatever a language model calls it; hands that lean look like hands that touch
        plan = replace(plan, action="do something")
    found = {manner_of(plan, contact) for contact in plan.contacts if contact.body_part == part}
    assert found == {manner}


def test_who_sits_before_lying_down_sits_first() -> None:
    plan = GrammarPlanner().plan("a person sits on the bed and lies down")
    hips = sorted((c for c in plan.contacts if c.body_part == "hips"), key=lambda contact: contact.first)
    assert [manner_of(plan, contact) for contact in hips] == [None, "lie"]


def test_each_contact_has_its_map(seen: SurfacePoints) -> None:
    plan = GrammarPlanner().plan("a person pulls the chair back and sits down on it")
    maps = contact_maps(plan, seen, config=CONFIG)
    assert len(maps) == len(plan.contacts) == 3
    for contact, found in zip(plan.contacts, maps, strict=True):
        alone = affordance(
            seen, "pull" if "hand" in contact.body_part else "sit", contact.body_part, contact.region, config=CONFIG
        )
        np.testing.assert_array_equal(found.probability, alone.probability)
    assert maps[0] is not maps[1]
    assert maps[2].region == "seat"


def test_a_contact_that_comes_again_shares_its_map(seen: SurfacePoints) -> None:
    plan = GrammarPlanner().plan("a person taps the chair with the left hand three times")
    maps = contact_maps(plan, seen, config=CONFIG)
    assert len(maps) == 3
    assert maps[0] is maps[1] is maps[2]


def _push(**changes: object) -> InteractionPlan:
    hands = tuple(PlannedContact(part, "any", 0, 1, grasped=False) for part in ("left_hand", "right_hand"))
    phases = (Phase("reach", 0.5), Phase("move", 1.0, forward=0.5))
    return replace(InteractionPlan("", "push", "block", hands, phases), **changes)  # type: ignore[arg-type]


@functools.cache
def _block() -> SurfacePoints:
    return SurfacePoints.of(Shape.of(Primitive("box", (0.6, 0.6, 1.0))), count=CONFIG.points)


def _means(plan: InteractionPlan, **options: object) -> np.ndarray:
    """[2, 3] m, of the left and the right hand's map on a block."""
    maps = contact_maps(plan, _block(), config=CONFIG, **options)  # type: ignore[arg-type]
    return np.array([m.probability @ m.points_b for m in maps])


@pytest.mark.parametrize(
    ("side", "toward", "leftward"),
    [("front", (1, 0), (0, -1)), ("behind", (-1, 0), (0, 1)), ("left", (0, 1), (1, 0)), ("right", (0, -1), (-1, 0))],
)
def test_the_side_of_the_plan(side: str, toward: tuple[int, int], leftward: tuple[int, int]) -> None:
    """Who stands in front, at +x, looks along -x and has -y to the left; and so on around the object."""
    left, right = _means(_push(side=side))[:, :2]
    assert min(left @ toward, right @ toward) > 0.05
    assert (left - right) @ leftward > 0.1


def test_with_the_back_to_it_left_and_right_change_places_and_the_side_stays() -> None:
    facing, away = (_means(_push(side="front", faces_away=a)) for a in (False, True))
    np.testing.assert_allclose(away, facing[::-1])


def test_a_direction_decides_over_the_side() -> None:
    told = _means(_push(side="left"), facing_b=np.array([-1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(told, _means(_push(side="front")))
    with pytest.raises(AssetError, match="does not point anywhere along the floor"):
        _means(_push(), facing_b=np.array([0.0, 0.0, 1.0]))


def test_without_a_side_nothing_is_made_up() -> None:
    left, right = _means(_push())
    np.testing.assert_array_equal(left, right)


def test_what_stands_higher_is_touched_lower() -> None:
    """Knuckles hang at 0.75 m: on a block of 1 m that is its upper half, on one that stands 0.5 m up its lower half."""
    floor, raised = _means(_push(side="front")), _means(_push(side="front", height_m=0.5))
    assert (floor[:, 2] > 0.1).all()
    assert (raised[:, 2] < -0.1).all()


def test_a_head_touches_at_its_own_height() -> None:
    """1.6 m over the floor: the upper end of a block of 1 m that is held at 0.6 m, the lower end of one at 1.6 m."""
    block = _block()
    low, high = (affordance(block, "touch", "head", height_m=h, config=CONFIG) for h in (0.6, 1.6))
    assert low.probability @ block.points_b[:, 2] > 0.2
    assert high.probability @ block.points_b[:, 2] < -0.1


def test_the_height_at_which_a_contact_comes_about() -> None:
    phases = (Phase("reach", 1.0, upward=0.2, ballistic=True), Phase("move", 1.0, upward=0.3), Phase("hold", 1.0))
    contacts = PlannedContact("left_hand", first=0, last=2), PlannedContact("head", first=1, last=2)
    plan = InteractionPlan("", "catch", "ball", contacts, phases, height_m=1.0)
    assert [height_at(plan, contact) for contact in contacts] == pytest.approx([1.2, 1.2])


def test_every_purpose_is_one_that_the_affordance_knows(seen: SurfacePoints) -> None:
    maps = [affordance(seen, "", "left_foot", purpose=p, config=CONFIG).probability for p in get_args(Purpose)]
    assert all(np.isfinite(m).all() and m.sum() == pytest.approx(1.0) for m in maps)
