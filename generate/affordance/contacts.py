"""From a plan to places: where on the object each of its contacts may be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from generate.affordance.config import AffordanceConfig, Manner, purpose_of
from generate.affordance.estimate import Affordance, affordance
from generate.affordance.surface import SurfacePoints
from generate.language.lexicon import Purpose
from generate.plan import InteractionPlan, PlannedContact


def contact_maps(
    plan: InteractionPlan,
    surface: SurfacePoints,
    *,
    facing_b: np.ndarray | None = None,
    config: AffordanceConfig | None = None,
) -> tuple[Affordance, ...]:
    """One for each of `plan.contacts`, in their order; equal contacts share one.

    The plan says from which side the person acts and whether with the back to the object. All contacts are looked for
    on the object as it stands at first: that it lies on its side after having been tipped over is not followed.

    Args:
        facing_b: [3] from the person to the object, in its frame; decides over the plan's side.

    Raises:
        AssetError: a direction that is none.
    """
    found: dict[object, Affordance] = {}
    maps = []
    for contact in plan.contacts:
        purpose, height = contact_purpose(plan, contact), round(height_at(plan, contact), 3)
        manner = manner_of(plan, contact)
        key = contact.body_part, contact.region, purpose, height, manner
        if key not in found:
            found[key] = affordance(
                surface, plan.action, contact.body_part, contact.region, side=plan.side, facing_b=facing_b,
                faces_away=plan.faces_away, height_m=height, purpose=purpose, manner=manner, config=config,
            )  # fmt: skip
        maps.append(found[key])
    return tuple(maps)


def contact_purpose(plan: InteractionPlan, contact: PlannedContact) -> Purpose:
    """What a contact does, as far as the plan's phases show it, else what its action is for.

    In "carries the chair over and sits down on it" the action is sitting, but hands bear the chair, hips settle on it:
    hands and arms under which the object goes up, or that hold it off its support, bear a load; where it only tilts
    or goes along the floor they do that. A body or feet on top of what stays in place settle or stand.
    """
    span = range(contact.first, contact.last + 1)
    borne = _borne(plan)
    moved = [i for i in span if plan.phases[i].moves and not plan.phases[i].ballistic]
    driven = [i for i in moved if not _boarded(plan, i, contact)]
    own = purpose_of(plan.action)
    limb = contact.body_part.removeprefix("left_").removeprefix("right_")
    rests = not contact.grasped and not driven and not any(borne[i] for i in span)
    if limb == "foot" and rests and (contact.region in ("top", "seat") or own == "settle"):
        return "tread"
    if limb in ("hips", "leg", "back") and rests:
        return "settle"
    if limb in ("hand", "arm"):
        if contact.grasped and any(borne[i] for i in driven):
            return "load"
        along_floor = [plan.phases[i] for i in driven if not borne[i]]
        if any(phase.tilt for phase in along_floor):
            return "tilt"
        if any(phase.forward or phase.leftward or phase.turn for phase in along_floor):
            return "shove"
    return own


def manner_of(plan: InteractionPlan, contact: PlannedContact) -> Manner | None:
    """How the body as a whole is on the object while a contact comes about; None where that says nothing of places.

    It lies with back or chest on what carries it, rides on what moves under hips or feet, and leans with nothing but
    hands or arms.
    """
    span = range(contact.first, contact.last + 1)
    resting = {c for i in span for c in plan.touching(i) if contact_purpose(plan, c) in ("settle", "tread")}
    if any(c.body_part in ("back", "chest") and c.region in ("top", "seat", "any") for c in resting):
        return "lie"
    aboard = [c for c in resting if c.body_part in ("hips", "left_foot", "right_foot")]
    if any(
        plan.phases[i].moves and not plan.phases[i].ballistic for c in aboard for i in span if c.first <= i <= c.last
    ):
        return "ride"
    return "lean" if contact in resting and all(c.body_part.endswith(("hand", "arm")) for c in resting) else None


def lies(plan: InteractionPlan, contacts: Iterable[PlannedContact]) -> bool:
    """Whether the body lies while these contacts are in force."""
    return any(manner_of(plan, contact) == "lie" for contact in contacts)


def carries_person(plan: InteractionPlan, contacts: Iterable[PlannedContact]) -> bool:
    """Whether the object bears the person, who sits or lies on it; on hands and arms alone one only leans."""
    return any(
        contact_purpose(plan, contact) == "settle" and not contact.body_part.endswith(("hand", "arm"))
        for contact in contacts
    )


def _boarded(plan: InteractionPlan, phase: int, contact: PlannedContact) -> bool:
    """Whether another contact shows that the person is on the object, as one who rides it."""
    below = ("hips", "left_foot", "right_foot")
    return any(other.body_part in below and other is not contact for other in plan.touching(phase))


def _borne(plan: InteractionPlan) -> list[bool]:
    """For each phase, whether the object is held off its support, leaves it, or is caught as it flies in."""
    off, found = plan.state == "held", []
    for i, phase in enumerate(plan.phases):
        rises = phase.upward > 0.0
        off = bool(plan.touching(i)) and (off or (not rises if phase.ballistic else rises))
        found.append(off)
    return found


def height_at(plan: InteractionPlan, contact: PlannedContact) -> float:
    """m of the object's underside above the floor when the contact comes about: a reach ends with it."""
    before = plan.phases[: contact.first + (plan.phases[contact.first].kind == "reach")]
    return plan.height_m + sum(phase.upward for phase in before)
