"""The coverage benchmark: its judgement by hand, and floors under what it measures."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmarks.planner_coverage import measure, misses, read
from generate.plan import InteractionPlan, Phase, PlannedContact
from generate.planner import GrammarPlanner

PUSH = InteractionPlan(
    "", "push", "box",
    tuple(PlannedContact(part, "sides", 1, 2, False) for part in ("left_hand", "right_hand")),
    (Phase("approach", 1.0), Phase("reach", 1.0), Phase("move", 1.0, forward=2.0, leftward=0.5)),
)  # fmt: skip
RIGHT = {"action": "push/shove", "object": "box", "parts": "hands", "regions": "*", "moves": "forward left"}


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({"action": "pull"}, ["action"]),
        ({"object": "chair"}, ["object"]),
        ({"parts": "hand"}, ["parts"]),
        ({"parts": "hand/hands ?back"}, []),
        ({"parts": "hands back"}, ["parts"]),
        ({"regions": "top/sides"}, []),
        ({"regions": "top"}, ["regions"]),
        ({"moves": "left forward"}, []),
        ({"moves": "forward"}, ["moves"]),
        ({"moves": "forward left up"}, ["moves"]),
        ({"moves": "none"}, ["moves"]),
        ({"net": {"forward": 2.0, "right": -0.5}}, []),
        ({"net": {"forward": 1.0}}, ["net"]),
        ({"times": 1}, []),
        ({"times": 2}, ["times"]),
        ({"last": "retreat"}, ["last"]),
        ({"away": True, "held": True, "side": "left"}, ["side", "away", "held"]),
    ],
)
def test_judgement(changed: dict[str, Any], missed: list[str]) -> None:
    assert misses(PUSH, RIGHT | changed) == missed


def test_a_plan_for_what_has_to_be_refused_is_wrong() -> None:
    found = measure(GrammarPlanner(), [{"text": "a person lifts the box"}, {"text": "a person lifts no box"}])
    assert (found.right, found.wrong, found.refused) == (0, 1, 1)


@pytest.mark.parametrize(("name", "least"), [("written", 0.95), ("held_out", 0.75)])
def test_coverage_does_not_fall(name: str, least: float) -> None:
    rows = read(name)
    found = measure(GrammarPlanner(), rows)
    assert found.right + found.wrong + found.refused == len(rows)
    assert found.right >= least * len(rows)
    assert found.wrong <= 0.05 * len(rows)


def test_nothing_is_planned_that_has_to_be_refused() -> None:
    found = measure(GrammarPlanner(), read("refused"))
    assert found.wrong == 0, found.lines


def test_the_written_list_is_as_large_as_it_has_to_be() -> None:
    rows = read("written")
    assert len({row["text"] for row in rows}) >= 300
    assert len({row["action"] for row in rows}) >= 30
    assert len({row["object"] for row in rows}) >= 20


def test_the_benchmark_sees_a_planner_that_is_worse() -> None:
    class Mirrored(GrammarPlanner):
        def plan(self, *asked: Any, **more: Any) -> InteractionPlan:
            found = super().plan(*asked, **more)
            phases = tuple(dataclasses.replace(phase, forward=-phase.forward) for phase in found.phases)
            return dataclasses.replace(found, phases=phases)

    rows = read("written")
    assert measure(Mirrored(), rows).right < 0.8 * measure(GrammarPlanner(), rows).right
