"""Plans and places for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from generate.affordance.contacts import contact_purpose, height_at
from generate.affordance.estimate import Affordance
from generate.affordance.surface import SurfacePoints
from generate.plan import InteractionPlan, Phase, PlannedContact

_PATCH = 0.1
"""m around the best point that count as there."""


def plan_text(plan: InteractionPlan) -> str:
    """What is done with what, from where, and what was assumed."""
    where = {"any": "from any side", "front": "from its front", "behind": "from behind it"}
    side = where.get(plan.side, f"from its {plan.side}") + (", with the back to it" if plan.faces_away else "")
    start = "in the hands, " if plan.state == "held" else "" if plan.height_m else "on the floor"
    height = f"its underside at {plan.height_m:g} m" if plan.height_m else ""
    size = "" if plan.size_m is None else f" of {plan.size_m:g} m"
    lines = [f"{plan.action}: {plan.object_name}{size}, {side}; at first {start}{height} ({plan.source})"]
    if plan.assumed:
        lines += ["The sentence leaves open, so assumed:", *(f"  - {line}" for line in plan.assumed)]
    return "\n".join(lines)


def phase_table(plan: InteractionPlan) -> Table:
    """A row a phase: when it begins, how long it lasts, how the object moves, what touches it."""
    table = _table("phase", "from", "s", "the object moves", "what touches it")
    begun = 0.0
    for i, phase in enumerate(plan.phases):
        touching = ", ".join(_contacts(plan.touching(i)))
        table.add_row(f"{i} {phase.kind}", f"{begun:.1f}", f"{phase.seconds:.1f}", _moves(phase), touching)
        begun += phase.seconds
    return table


def _contacts(contacts: Sequence[PlannedContact]) -> list[str]:
    """Such as "hands on sides (held)"; left and right that do the same are one."""
    same: dict[tuple[str, str], list[str]] = {}
    for contact in contacts:
        how = "held" if contact.grasped else "sliding" if contact.slides else ""
        limb = contact.body_part.removeprefix("left_").removeprefix("right_")
        where = "anywhere" if contact.region == "any" else f"on {contact.region}"
        same.setdefault((limb, where + (f" ({how})" if how else "")), []).append(contact.body_part)
    plural = {"foot": "feet"}
    return [
        f"{plural.get(limb, limb + 's') if len(parts) == 2 else _words(parts[0])} {how}"
        for (limb, how), parts in same.items()
    ]


def _moves(phase: Phase) -> str:
    """Such as "0.8 m forward, 30° counter-clockwise"."""
    ways = (
        (phase.forward, "m forward", "m backward"), (phase.leftward, "m left", "m right"),
        (phase.upward, "m up", "m down"),
        (math.degrees(phase.turn), "° counter-clockwise", "° clockwise"),
        (math.degrees(phase.tilt), "° tilted away", "° tilted back"),
    )  # fmt: skip
    moves = ", ".join(
        f"{abs(amount):.3g}{'' if unit.startswith('°') else ' '}{unit}"
        for amount, positive, negative in ways
        if amount
        for unit in (positive if amount > 0.0 else negative,)
    )
    return f"{moves}, flying" if phase.ballistic and moves else moves or "-"


def place_table(plan: InteractionPlan, surface: SurfacePoints, maps: Sequence[Affordance]) -> Table:
    """A row a contact (see `generate.affordance.contact_maps`): purpose, region, heights, the likeliest place.

    Heights over the floor hold the middle 80 % of the probability; the best point is in the object's own axes; last
    the probability around it, beside the share of the surface there.
    """
    table = _table("phases, contact", "to", "region", "height, m", "best point, m", "in 10 cm")
    table.columns[4].no_wrap = True
    table.caption = "height: of the middle 80 % of the probability; in 10 cm: of the best point (share of the surface)"
    table.caption_justify = "left"
    for contact, found in zip(plan.contacts, maps, strict=True):
        heights = surface.around.points[:, 2] + height_at(plan, contact)
        order = np.argsort(heights)
        mass = np.cumsum(found.probability[order])
        low, high = (heights[order[np.searchsorted(mass, q)]] for q in (0.1, 0.9))
        best = found.points_b[found.probability.argmax()]
        near = np.linalg.norm(found.points_b - best, axis=1) < _PATCH
        given_up = f" (no {contact.region} found)" if found.region != contact.region != "any" else ""
        table.add_row(
            f"{contact.first}-{contact.last} {_words(contact.body_part)}", contact_purpose(plan, contact),
            f"{found.region}{given_up}", f"{low:.2f} to {high:.2f}", " ".join(f"{x:.2f}" for x in best + 0.0),
            f"{found.probability[near].sum():.0%} ({near.mean():.0%})",
        )  # fmt: skip
    return table


def figure_table(figures: Mapping[str, float | None]) -> Table:
    """A row a figure of `generate.quality.FIGURES` that there is, with its target and whether it is met."""
    from generate.quality import FIGURES  # with the body's skin: only for a clip

    table = _table("figure", "", "target", "")
    for name, figure in FIGURES.items():
        if (value := figures.get(name)) is not None:
            target = "" if figure.target is None else f"{'≥' if figure.sign > 0 else '≤'} {figure.target:g}"
            met = {True: "met", False: "missed", None: ""}[figure.met(value)]
            table.add_row(figure.title, f"{figure.text(value)} {figure.unit}", target, met)
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))


def _words(name: str) -> str:
    return name.replace("_", " ")
