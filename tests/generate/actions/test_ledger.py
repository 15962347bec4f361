"""The ledger: what it knows of the object and the person while scripts write into it."""

from __future__ import annotations

import pytest

from generate.actions.ledger import Ledger, along, body_parts, heading
from generate.language.lexicon import lexicon
from generate.language.steps import Body, Step
from generate.plan import PlannedContact
from sim.errors import PlanError

LIFT = Step(lexicon().actions["lift"], "lifts")


@pytest.fixture
def ledger() -> Ledger:
    kind = lexicon().kinds["box"]
    return Ledger(kind, kind.size_m, known=False)


def test_contacts_last_from_their_reach_to_the_phase_before_the_release(ledger: Ledger) -> None:
    ledger.approach()
    ledger.reach(("left_hand",), "top", grasped=False)
    ledger.shift(0.5, forward=1.0)
    ledger.release()
    ledger.finish()
    assert ledger.contacts == [PlannedContact("left_hand", "top", 1, 2, False)]
    assert [phase.kind for phase in ledger.phases] == ["approach", "reach", "move", "release"]
    assert ledger.phases[2].seconds == pytest.approx(2.0)
    assert ledger.position["forward"] == 1.0


def test_what_is_held_in_the_air_stays_held_at_the_end(ledger: Ledger) -> None:
    ledger.grip(LIFT)
    ledger.raise_to(0.8)
    ledger.finish()
    assert ledger.phases[-1].kind == "hold"
    assert {contact.last for contact in ledger.contacts} == {3}
    assert ledger.raised


def test_nobody_walks_up_twice(ledger: Ledger) -> None:
    ledger.approach()
    ledger.approach()
    assert len(ledger.phases) == 1


def test_heights_have_limits(ledger: Ledger) -> None:
    ledger.grip(LIFT)
    with pytest.raises(PlanError, match="higher than a person reaches"):
        ledger.raise_to(2.5)
    with pytest.raises(PlanError, match="into the floor"):
        ledger.phase("move", 1.0, upward=-0.1)


def test_moves_are_stretched_and_flights_are_not(ledger: Ledger) -> None:
    ledger.grip(LIFT)
    ledger.phase("move", 1.0, upward=0.5)
    ledger.let_go()
    ledger.phase("move", 0.3, upward=-0.5, ballistic=True)
    ledger.stretch(0, 4.0)
    assert [phase.seconds for phase in ledger.phases[-2:]] == [pytest.approx(4.0), 0.3]


def test_parts_of_the_body() -> None:
    assert body_parts((Body("hand", count=2),)) == ("left_hand", "right_hand")
    assert body_parts((Body("hand", "left"), Body("leg"))) == ("left_hand", "right_leg")
    assert body_parts((Body("hips"),)) == ("hips",)


def test_directions() -> None:
    assert heading(LIFT) == (1.0, 0.0)
    diagonal = Step(LIFT.action, "", forward=1.0, leftward=-1.0, metres=2.0)
    assert along(diagonal, 9.0) == {"forward": pytest.approx(2**0.5), "leftward": pytest.approx(-(2**0.5))}
    assert along(Step(LIFT.action, "", little=True), 3.0)["forward"] == pytest.approx(1.0)


def test_hands_by_size() -> None:
    kind = lexicon().kinds["object"]
    small, large = (Ledger(kind, (edge, edge, edge), known=True) for edge in (0.1, 0.6))
    assert small.parts(LIFT) == ("right_hand",)
    assert large.parts(LIFT) == ("left_hand", "right_hand")
    with pytest.raises(PlanError, match="not done with the head"):
        large.parts(Step(LIFT.action, "lifts", body=(Body("head"),)))
