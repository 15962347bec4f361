"""Sentences and the plans that they have to become: by hand, by laws, and what has to be refused."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random

import pytest

from benchmarks.planner_coverage import read
from generate.language.lexicon import lexicon
from generate.plan import InteractionPlan, plan_from_json
from generate.planner import GrammarPlanner
from sim.errors import PlanError

PLANNER = GrammarPlanner()
HANDS = {"left_hand", "right_hand"}


def plan(text: str) -> InteractionPlan:
    return PLANNER.plan(text)


def kinds(planned: InteractionPlan) -> list[str]:
    return [phase.kind for phase in planned.phases]


def touched(planned: InteractionPlan) -> set[tuple[str, str]]:
    return {(contact.body_part, contact.region) for contact in planned.contacts}


def total(planned: InteractionPlan, name: str) -> float:
    return float(sum(getattr(phase, name) for phase in planned.phases))


def bare(planned: InteractionPlan) -> InteractionPlan:
    """Without the sentence."""
    return dataclasses.replace(planned, text="")


# The chair of InteractAnything: where it is touched depends on the action.


def test_sit_pull_and_lift_touch_other_regions() -> None:
    assert touched(plan("a person sits on the chair")) == {("hips", "seat")}
    assert touched(plan("a person pulls the chair")) == {(hand, "backrest") for hand in HANDS}
    assert touched(plan("a person lifts the chair")) == {(hand, "sides") for hand in HANDS}
    assert plan("a person sits on the chair").faces_away
    assert not plan("a person lifts the chair").faces_away


def test_lift() -> None:
    lifted = plan("a person lifts the chair by 40 cm")
    assert kinds(lifted) == ["approach", "reach", "move", "hold"]
    assert lifted.phases[2].upward == pytest.approx(0.4)
    assert [(c.first, c.last, c.grasped) for c in lifted.contacts] == [(1, 3, True)] * 2
    assert (lifted.action, lifted.object_name, lifted.state, lifted.height_m) == ("lift", "chair", "ground", 0.0)


def test_walk_lift_and_put_down_on_the_left() -> None:
    moved = plan("a person walks to the box, lifts it and puts it down on the left")
    assert kinds(moved) == ["approach", "reach", "move", "move", "move", "release"]
    assert total(moved, "leftward") > 0.0
    assert total(moved, "forward") == total(moved, "upward") == pytest.approx(0.0)
    assert all(contact.last == 4 for contact in moved.contacts)  # let go at the beginning of the release


def test_push_does_not_grasp_and_pull_does() -> None:
    pushed, pulled = plan("a person pushes the table by 2 m"), plan("a person pulls the table by 2 m")
    assert total(pushed, "forward") == pytest.approx(2.0)
    assert total(pulled, "forward") == pytest.approx(-2.0)
    assert not any(contact.grasped for contact in pushed.contacts)
    assert all(contact.grasped for contact in pulled.contacts)


def test_contact_breaks_and_comes_again_in_throw_and_catch() -> None:
    thrown = plan("a person throws the ball up and catches it with both hands")
    assert thrown.state == "held"
    left = sorted((c.first, c.last) for c in thrown.contacts if c.body_part == "left_hand")
    assert len(left) == 2
    flight = next(i for i, phase in enumerate(thrown.phases) if phase.ballistic)
    assert left[0][1] < flight == left[1][0]


def test_a_thrown_ball_lands_on_the_floor() -> None:
    thrown = plan("a person throws the ball")
    assert thrown.phases[-1].ballistic
    assert thrown.height_m + total(thrown, "upward") == pytest.approx(0.0)
    assert thrown.touching(len(thrown.phases) - 1) == ()


def test_a_bounced_ball_touches_floor_and_hand_in_turn() -> None:
    bounced = plan("a person bounces the ball twice with the left hand")
    assert len(bounced.contacts) == 3
    height, heights = bounced.height_m, []
    for phase in bounced.phases:
        height += phase.upward
        heights.append(height)
    assert sum(abs(h) < 1e-9 for h in heights) == 2


def test_taps_are_separate_contacts() -> None:
    tapped = plan("a person taps the box three times")
    spans = sorted((c.first, c.last) for c in tapped.contacts)
    assert len(spans) == 3
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_hands_change() -> None:
    passed = plan("a person passes the ball from the left hand to the right hand")
    left, right = (next(c for c in passed.contacts if c.body_part == f"{side}_hand") for side in ("left", "right"))
    assert left.first < right.first <= left.last < right.last


def test_heights_of_furniture() -> None:
    taken = plan("a person picks up the cup from the table")
    assert taken.height_m == pytest.approx(0.74)
    put = plan("a person picks up the cup from the table and puts it on the floor")
    assert put.height_m + total(put, "upward") == pytest.approx(0.0)
    assert total(put, "forward") != 0.0  # not through the table top


def test_sitting_down_and_getting_up() -> None:
    seated = plan("a person pulls the chair back, sits on it for 3 seconds and stands up")
    hips = next(c for c in seated.contacts if c.body_part == "hips")
    hands = [c for c in seated.contacts if c.body_part in HANDS]
    assert all(c.last < hips.first for c in hands)
    assert seated.phases[hips.last].seconds == pytest.approx(3.0)
    assert seated.phases[-1].kind == "release"
    assert kinds(plan("a person stands up from the chair"))[0] == "hold"


def test_posture_sides_and_instruments() -> None:
    assert touched(plan("a person pushes the box with his back")) == {("back", "sides")}
    assert plan("a person pushes the chair from behind").side == "behind"
    assert touched(plan("a person rests his left foot on the box")) == {("left_foot", "top")}
    assert touched(plan("a person lifts the suitcase")) == {("right_hand", "handle")}
    wiped = plan("a person wipes the table with the left hand")
    assert [(c.body_part, c.region, c.slides) for c in wiped.contacts] == [("left_hand", "top", True)]


def test_the_person_turns_with_the_object_and_goes_on_from_there() -> None:
    """A quarter to the left and 2 m on: to the left of where the person faced at first."""
    planned = plan("a person lifts the box, turns to the left, walks 2 m and puts it down")
    turn = next(phase for phase in planned.phases if phase.turn)
    assert turn.turn == pytest.approx(math.pi / 2)
    assert turn.leftward > 0.0
    assert turn.leftward == pytest.approx(-turn.forward)  # around the person, who stands behind it
    walked = planned.phases[planned.phases.index(turn) + 1]
    assert (walked.forward, walked.leftward) == (pytest.approx(0.0, abs=1e-6), pytest.approx(2.0))


def test_put_back_is_where_it_was() -> None:
    for way in ("walks 1 m to the left", "turns to the right and walks 2 m"):
        planned = plan(f"a person lifts the box, {way} and puts it back")
        assert total(planned, "forward") == pytest.approx(0.0, abs=1e-5)
        assert total(planned, "leftward") == pytest.approx(0.0, abs=1e-5)
        assert total(planned, "upward") == pytest.approx(0.0, abs=1e-5)


def test_one_side_is_tilted_not_lifted() -> None:
    tilted = plan("a person lifts one side of the sofa")
    assert total(tilted, "tilt") > 0.0
    assert total(tilted, "upward") == 0.0


@pytest.mark.parametrize("begin", range(0, 333, 111))
def test_every_plan_keeps_to_the_ledger(begin: int) -> None:
    """What rises is held on to, nobody walks while touching, hands come by a reach, no contact overlaps itself."""
    for row in read("written")[begin : begin + 111]:
        planned = plan(row["text"])
        for i, phase in enumerate(planned.phases):
            touching = planned.touching(i)
            if phase.upward > 0.0 and not phase.ballistic:
                assert any(contact.grasped for contact in touching), row["text"]
            assert not (touching and phase.kind in ("approach", "retreat")), row["text"]
            assert not (phase.ballistic and any(contact.first < i for contact in touching)), row["text"]
        reaches = {i for i, phase in enumerate(planned.phases) if phase.kind == "reach"}
        begun = {contact.first for contact in planned.contacts if contact.body_part.endswith("hand")}
        assert begun <= reaches | {0} or planned.action in ("play", "ride"), row["text"]
        for part in {contact.body_part for contact in planned.contacts}:
            mine = sorted((c.first, c.last) for c in planned.contacts if c.body_part == part)
            assert all(a[1] < b[0] for a, b in itertools.pairwise(mine)), row["text"]


# Laws


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a person lifts the chair", "someone picks the chair up"),
        ("a person pushes the couch", "a man shoves the sofa"),
        ("a person pulls the box", "the person is dragging a carton"),
        ("a person sits on the chair", "a woman takes a seat on the chair"),
        ("a person pushes the box by 50 cm", "a person pushes the box 0.5 m"),
        ("a person pushes the box by 50 cm", "a person pushes the box half a metre"),
        ("a person pushes the box 500 mm", "a person pushes the box half a meter forward"),
        ("a person turns the box by 90 degrees", "a person turns the box by a quarter turn"),
        ("with both hands, a person lifts the box", "a person lifts the box with both hands"),
        ("a person lifts the box slowly", "slowly, a person lifts the box"),
        ("a person pushes the box to the left with the right hand", "a person pushes the box with the right hand left"),
        ("a person lifts the chair", "the chair is lifted by a person"),
        ("a person lifts the chair", "please make the person lift the chair"),
        ("a person holds the box while walking forward", "a person walks forward while holding the box"),
        ("a person pushes the box twice", "a person pushes the box two times"),
        ("a person kicks the ball", "a person gives the ball a kick"),
    ],
)
def test_two_ways_to_say_the_same(one: str, other: str) -> None:
    assert bare(plan(one)) == bare(plan(other))


MIRROR = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}


@pytest.mark.parametrize(
    "text",
    [
        "a person pushes the box to the left with the right hand",
        "a person turns the chair clockwise by 30 degrees",
        "a person lifts the bag with the left hand and puts it down on the right",
        "a person kicks the ball to the left with the right foot",
        "a person approaches the box from the left and lifts it",
        "a person passes the ball from the left hand to the right hand",
    ],
)
def test_left_and_right_mirror(text: str) -> None:
    swapped = plan(" ".join(MIRROR.get(word, word) for word in text.split()))
    original = plan(text)
    other = {"left": "right", "right": "left"}
    phases = tuple(dataclasses.replace(p, leftward=-p.leftward, turn=-p.turn) for p in original.phases)
    flipped = {
        (other[c.body_part.split("_")[0]] + "_" + c.body_part.split("_")[1], c.region, c.first, c.last)
        for c in original.contacts
    }
    assert swapped.phases == phases
    assert {(c.body_part, c.region, c.first, c.last) for c in swapped.contacts} == flipped
    assert swapped.side == other.get(original.side, original.side)


def test_slowly_lasts_longer_and_changes_nothing_else() -> None:
    slow, usual = plan("a person slowly pushes the box"), plan("a person pushes the box")
    assert slow.seconds > usual.seconds
    assert [dataclasses.replace(p, seconds=1.0) for p in slow.phases] == [
        dataclasses.replace(p, seconds=1.0) for p in usual.phases
    ]


def test_a_stated_duration_is_kept() -> None:
    pushed = plan("a person pushes the box for 4 seconds")
    assert sum(p.seconds for p in pushed.phases if p.kind == "move") == pytest.approx(4.0)


def test_plans_survive_json() -> None:
    for text in ("a person throws the ball up and catches it", "a person sits on the chair"):
        assert plan_from_json(plan(text).to_json()) == plan(text)


def test_what_was_left_open_is_said() -> None:
    assert plan("a person lifts the chair").assumed == (
        "the size of a chair, 0.5 x 0.5 x 0.9 m", "its mass, 5 kg", "which hand: left hand and right hand",
        "where around the object the person stands", "how far or how high: lift", "how long each phase takes",
    )  # fmt: skip
    told = "a person lifts the chair from behind to a height of one metre with the left hand for 2 seconds"
    assert PLANNER.plan(told, "chair", (0.5, 0.5, 0.9)).assumed == ("its mass, 5 kg",)


def test_who_sits_down_has_let_go_of_what_was_pushed() -> None:
    pushed = plan("a person pushes the chair forward and sits down on it")
    hands = [c.last for c in pushed.contacts if c.body_part.endswith("hand")]
    (hips,) = (c.first for c in pushed.contacts if c.body_part == "hips")
    assert max(hands) < hips


# The object at hand


def test_an_object_that_no_lexicon_has() -> None:
    lifted = PLANNER.plan("a person lifts the gizmo", "gizmo", (0.2, 0.2, 0.15))
    assert (lifted.object_name, lifted.size_m) == ("gizmo", None)
    assert {c.body_part for c in lifted.contacts} == {"right_hand"}
    large = PLANNER.plan("a person lifts it", "gizmo", (0.6, 0.5, 0.4))
    assert {c.body_part for c in large.contacts} == HANDS
    with pytest.raises(PlanError, match="unknown word 'gizmo'"):
        PLANNER.plan("a person lifts the gizmo")


def test_the_object_at_hand_names_what_it_is() -> None:
    assert PLANNER.plan("a person lifts it", "largetable_2").object_name == "table"
    assert PLANNER.plan("a person sits on the object", "woodchair").object_name == "chair"
    with pytest.raises(PlanError, match="'chair' and 'table'"):
        PLANNER.plan("a person lifts the table", "woodchair")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((90.0, 90.0, 120.0), "scale it to metres"),
        ((0.001, 0.001, 0.002), "scale it to metres"),
        ((0.5, 0.5), "three lengths"),
        ((0.5, math.nan, 0.9), "three lengths"),
        ((0.5, -0.5, 0.9), "three lengths"),
    ],
)
def test_a_mesh_of_another_size_is_refused(size: tuple[float, ...], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        PLANNER.plan("a person lifts the chair", "chair", size)


def test_size_is_asked_for_only_without_a_mesh() -> None:
    assert PLANNER.plan("a person lifts the chair", "chair", (0.5, 0.5, 1.0)).size_m is None
    assert plan("a person lifts the small chair").size_m == pytest.approx(0.9 * 0.7)


# Refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no sentence"),
        ("a person does not lift the box", "negation"),
        ("a person glorps the box", "unknown verb 'glorps'.*actions: "),
        ("a person lifts the flumbox", "unknown word 'flumbox'.*lunchbox.*objects: "),
        ("a person pushs the chiar", "unknown word 'chiar'|unknown verb 'pushs'; the nearest known word is 'push"),
        ("a person lifts", "no object is named"),
        ("a person sits on the ball's handle", "a ball has no handle"),
        ("a person lifts the house", "'house' is nothing that a person handles"),
        ("a person lifts the car", "cannot be done to a car of about 1500 kg"),
        ("a person lifts the box and the chair", "'box' and 'chair' cannot be related"),
        ("a person carries the box to the table", "cannot be related"),
        ("a person sits on the chair to the left", "has no use for a direction"),
        ("a person pushes the box forward to the back", "two different things"),
        ("a person lifts the box lazily backhandedly", "unknown word 'backhandedly'"),
        ("a person lifts the box to 3 m height", "higher than a person reaches"),
        ("a person walks to the box, turns around and lifts it", "turned the back"),
        ("a person sits on the chair and lifts it", "while the body rests on the object"),
        ("a person throws the ball and catches it", "not caught again"),
        ("a person lifts the couch", "about 60 kg"),
        ("a person sits at the table", "cannot be related"),
        ("a person watches the tv", "unknown verb 'watches'"),
        ("a person carries the box while walking in a circle", "'walking' has no use for a cycle"),
        ("a person carries the box while holding it at chest height", "'holding' has no use for a height"),
        ("a person kicks the box to move it upside down", "not understood|nothing that is understood"),
        ("a person grabs the chair's armrests and stands up", "say first that the person sits"),
        ("a person grabs the chair and pulls himself up", "not understood"),
        ("a person pushes the ball by the backrest", "a ball has no backrest"),
        ("a person pushes the box for 3 hours", "too long"),
        ("a person turns the box 50 times", "between 1 and 20 times"),
        ("two people carry the table", "one person"),
        ("the box lifts a person", "'box' cannot act"),
    ],
)
def test_what_is_refused_and_why(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message) as found:
        plan(text)
    assert "\n" not in str(found.value)


def test_random_words_raise_nothing_but_plan_errors() -> None:
    pool = [
        *sorted(lexicon().vocabulary),
        *["the", "a", "his", "to", "on", "of", "and", "then", "with", "from", "it", "not"],
        *["2", "0.5", ".", ",", "90", "m", "cm"],
    ] * 2
    pool += ["qwertz", "-3", "{", "ß", "''", "\x00", "999999999999"]
    chance = random.Random(0)
    planned, errors = 0, []
    for _ in range(1000):
        words = chance.choices(pool, k=chance.randint(1, 12))
        framed = ["a", "person", chance.choice(pool), "the", "box", *words[:4]]
        try:
            json.loads(plan(" ".join(words if chance.random() < 0.5 else framed)).to_json())
            planned += 1
        except PlanError as error:
            errors.append(str(error))
    assert all(error.strip() and "\n" not in error for error in errors)
    assert 0 < planned < 100


def test_every_way_to_say_every_action_leads_somewhere() -> None:
    """Each pattern of the lexicon, said of each object that fits it, is planned for at least one."""
    words = lexicon()
    fitting = [
        "box", "chair", "ball", "cup", "table", "guitar", "broom", "dumbbell", "bicycle", "book", "phone", "camera",
        "toothbrush", "shovel", "hammer", "axe", "knife", "pen", "pot", "keyboard", "bed", "hat", "drill", "barrel",
    ]  # fmt: skip
    silent = []
    for senses in words.senses.values():
        for sense in senses:
            if not sense.transitive or sense.body:
                continue
            lead = " ".join([sense.verb, *sorted(sense.required)]).replace("_", " ")
            to = sorted(sense.prepositions)[0].replace("_", " ") + " " if sense.prepositions else ""
            tail = " from the left hand to the right hand" if words.actions[sense.action].script == "hands" else ""
            tail = " on the head" if sense.action == "balance" else tail
            texts = [f"a person should {lead} {to}the {name}{tail}" for name in fitting]
            if not any(_planned(text) for text in texts + [f"a person should lift the ball, then {lead} {to}it"]):
                silent.append(f"{sense.action}: {lead} {to}")
    assert silent == []


def _planned(text: str) -> bool:
    try:
        plan(text)
    except PlanError:
        return False
    return True
