"""How many sentences become the right plan: the grammar planner on frozen lists.

    python -m benchmarks.planner_coverage                 # three lists, one line each
    python -m benchmarks.planner_coverage --show written  # and every miss of one list

In `benchmarks/sentences`, `written.json` (many actions and objects) and `held_out.json` (captions of motion capture,
casual requests) say what each sentence has to come to; `refused.json` holds sentences that no plan is right for. All
three were written before the lexicon, by its author (how far `held_out.json` is still held out: benchmarks/README.md).

An expectation names the action and the object, the parts of the body in contact ("hands": both, "hand": either one,
"?back": or not), regions, and directions of the object's moves in order; alternatives are separated by "/", "*" is
anything. `net` gives displacement over the whole plan (m, degrees), `times` the number of separate contacts of the
first part, `first` and `last` kinds of phases. A plan that misses any of them counts as wrong, a refusal as refused.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from generate.plan import InteractionPlan, Phase
from generate.planner import GrammarPlanner, Planner
from sim.errors import PlanError

SENTENCES = Path(__file__).parent / "sentences"
_CLASSES = {
    "hands": ("left_hand", "right_hand"), "feet": ("left_foot", "right_foot"), "arms": ("left_arm", "right_arm"),
    "legs": ("left_leg", "right_leg"),
}  # fmt: skip
_EITHER = {"hand": "hands", "foot": "feet", "arm": "arms", "leg": "legs"}


def misses(plan: InteractionPlan, expected: dict[str, Any]) -> list[str]:
    """Names of the expected fields that a plan does not meet."""
    checks = {
        "action": plan.action in expected["action"].split("/"),
        "object": plan.object_name == expected["object"],
        "parts": any(_parts_fit(plan, option) for option in _options(expected["parts"])),
        "regions": _regions_fit(plan, expected["regions"]),
        "moves": _moves_fit(plan, expected["moves"]),
        "net": all(abs(net(plan)[name] - value) < 0.01 for name, value in expected.get("net", {}).items()),
        "times": "times" not in expected or _stretches(plan) == expected["times"],
        "first": plan.phases[0].kind == expected.get("first", plan.phases[0].kind),
        "last": plan.phases[-1].kind == expected.get("last", plan.phases[-1].kind),
        "side": plan.side == expected.get("side", plan.side),
        "away": plan.faces_away or not expected.get("away"),
        "held": plan.state == "held" or not expected.get("held"),
        "high": plan.height_m > 0.0 or not expected.get("high"),
    }
    return [name for name, met in checks.items() if not met]


def net(plan: InteractionPlan) -> dict[str, float]:
    """Displacement of the object over the whole plan: forward, left, right, up (m), turn (degrees)."""
    total = {name: sum(getattr(p, name) for p in plan.phases) for name in ("forward", "leftward", "upward", "turn")}
    left = total["leftward"]
    return {
        "forward": total["forward"], "left": left, "right": -left, "up": total["upward"],
        "turn": math.degrees(total["turn"]),
    }  # fmt: skip


def _options(parts: str) -> Iterator[str]:
    """ "hand/hands ?back" as "hand ?back" and "hands ?back"."""
    first, *others = parts.split() or [""]
    for choice in first.split("/"):
        yield " ".join([choice, *others])


def _parts_fit(plan: InteractionPlan, expected: str) -> bool:
    if expected.startswith("*"):
        return True
    left = {contact.body_part for contact in plan.contacts}
    for word in sorted(expected.split(), key=lambda w: w.startswith("?")):
        name, optional = word.removeprefix("?"), word.startswith("?")
        if name in _EITHER:
            found = {part for part in left if part in _CLASSES[_EITHER[name]]}
            if len(found) != 1 and not optional:
                return False
            left -= found
        else:
            wanted = set(_CLASSES.get(name, (name,)))
            if not optional and not wanted <= left:
                return False
            left -= wanted
    return not left


def _regions_fit(plan: InteractionPlan, expected: str) -> bool:
    if expected == "*":
        return True
    wanted = set(expected.replace(" ", "/").split("/"))
    return {contact.region for contact in plan.contacts} <= wanted


def _events(phase: Phase) -> set[str]:
    signs = (
        ("up", phase.upward), ("down", -phase.upward), ("forward", phase.forward), ("back", -phase.forward),
        ("left", phase.leftward), ("right", -phase.leftward), ("ccw", phase.turn), ("cw", -phase.turn),
        ("turn", abs(phase.turn)), ("tilt", abs(phase.tilt)),
    )  # fmt: skip
    return {name for name, value in signs if value > 1e-6}


def _moves_fit(plan: InteractionPlan, expected: str) -> bool:
    """The expected directions come in this order, and the object ends up in no horizontal direction but these."""
    if expected == "*" or "*" in expected.split("/"):
        return True
    if expected == "none":
        return not any(phase.moves for phase in plan.phases)
    events, i = [_events(phase) for phase in plan.phases], 0
    for word in expected.split():
        i = next((k for k in range(i, len(events)) if events[k] & set(word.split("/"))), -1)
        if i < 0:
            return False
    total = net(plan)
    ways = {"forward": total["forward"], "back": -total["forward"], "left": total["left"], "right": total["right"]}
    asked = set(expected.replace("/", " ").split())
    return all(name in asked for name, value in ways.items() if value > 0.01)


def _stretches(plan: InteractionPlan) -> int:
    """Separate contacts of the part of the body that has most."""
    return max(Counter(contact.body_part for contact in plan.contacts).values(), default=0)


@dataclass(frozen=True)
class Coverage:
    """Counts of one list: plans that are right, plans that are wrong, refusals; and the lines to show."""

    right: int
    wrong: int
    refused: int
    lines: tuple[str, ...]


def measure(planner: Planner, rows: list[dict[str, Any]]) -> Coverage:
    """Plan every sentence. Rows without an expected action have to be refused: a plan for them is wrong."""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    for row in rows:
        try:
            plan = planner.plan(row["text"])
        except PlanError as error:
            counts["refused"] += 1
            lines.append(f"refused  {row['text']!r}: {str(error)[:150]}")
            continue
        failed = misses(plan, row) if "action" in row else ["planned"]
        counts["wrong" if failed else "right"] += 1
        if failed:
            shown = f"{plan.action} {plan.object_name} {sorted({c.body_part + ':' + c.region for c in plan.contacts})}"
            moves = " | ".join(f"{p.kind} {' '.join(sorted(_events(p)))}" for p in plan.phases)
            lines.append(f"wrong    {row['text']!r}: {', '.join(failed)}: {shown} {moves}")
    return Coverage(counts["right"], counts["wrong"], counts["refused"], tuple(lines))


def read(name: str) -> list[dict[str, Any]]:
    """One of the lists: written, held_out, refused."""
    rows: list[dict[str, Any]] = json.loads((SENTENCES / f"{name}.json").read_text(encoding="utf-8"))
    return rows


def main(show: str = "") -> None:
    """Print coverage of each list; `show` names one whose misses are printed too."""
    planner = GrammarPlanner()
    for name in ("written", "held_out", "refused"):
        rows = read(name)
        found = measure(planner, rows)
        kinds = (
            f", {len({r['action'] for r in rows})} actions, {len({r['object'] for r in rows})} objects"
            if "action" in rows[0]
            else ""
        )
        share = found.refused if name == "refused" else found.right
        print(f"{name}: {len(rows)} sentences{kinds}: {100 * share / len(rows):.1f} % as expected; "
              f"right {found.right}, wrong {found.wrong}, refused {found.refused}")  # fmt: skip
        if name == show:
            print("\n".join(found.lines))


if __name__ == "__main__":
    tyro.cli(main)
