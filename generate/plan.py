"""What a sentence about a person and an object comes to: a part affordance graph with phases over time.

Nodes are parts of the body and regions of the object, edges are contacts with the phases that they last for; contacts
may be broken and made again. The object's own motion is what its phases add up to. After the predefined options that
InteractAnything's language model chooses from, and HOI-PAGE's part affordance graphs.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sim.errors import PlanError, UnknownNameError

BodyPart = Literal[
    "head", "chest", "back", "hips", "left_arm", "right_arm", "left_hand", "right_hand", "left_leg", "right_leg",
    "left_foot", "right_foot",
]  # fmt: skip
Region = Literal["any", "top", "underside", "sides", "edges", "seat", "backrest", "armrests", "legs", "handle"]
PhaseKind = Literal["approach", "reach", "hold", "move", "release", "retreat"]
State = Literal["ground", "held"]
Side = Literal["front", "behind", "left", "right", "any"]

BODY_PARTS: tuple[BodyPart, ...] = get_args(BodyPart)
REGIONS: tuple[Region, ...] = get_args(Region)
PHASES: tuple[PhaseKind, ...] = get_args(PhaseKind)
MAX_SECONDS = 60.0
MAX_METRES = 20.0
MAX_KILOGRAMS = 5000.0
_UNDERGROUND = 1e-3


@dataclass(frozen=True)
class PlannedContact:
    """A part of the body touches a region of the object.

    Attributes:
        body_part, region: what touches what; "any" leaves the region to the object's shape.
        first, last: phases that it lasts for, counted from 0, both included.
        grasped: the part holds on (a hand that closes, both palms that press); else it only rests, pushes or strikes.
        slides: the point on the object moves while it lasts, as that of a wiping hand.
    """

    body_part: BodyPart
    region: Region = "any"
    first: int = 0
    last: int = 0
    grasped: bool = True
    slides: bool = False


@dataclass(frozen=True)
class Phase:
    """A stretch of time with one purpose.

    Attributes:
        kind: approach (walk up), reach (contacts come about at its end), hold (nothing moves), move (the object does),
            release (contacts end at its beginning), retreat (walk away).
        seconds: how long.
        forward, leftward, upward: m by which the object moves, in the frame of a person who faces it at first.
        turn: rad by which it turns about the vertical, counter-clockwise from above; tilt: rad about the axis to the
            person's left, positive away from the person.
        ballistic: the object flies by itself.
    """

    kind: PhaseKind
    seconds: float
    forward: float = 0.0
    leftward: float = 0.0
    upward: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0
    ballistic: bool = False

    @property
    def moves(self) -> bool:
        """Whether the object is elsewhere, or turned, at the end."""
        return any((self.forward, self.leftward, self.upward, self.turn, self.tilt))


@dataclass(frozen=True)
class InteractionPlan:
    """A part affordance graph over time.

    Attributes:
        text: the sentence. action: its verb in the lexicon's form. object_name: what is acted on.
        contacts: edges. phases: in order.
        state: whether the object stands on the ground at first, or is in the person's hands.
        side: from which side of the object the person acts, in the object's own axes (+x is its front).
        faces_away: the person's back is to the object, as in sitting down.
        size_m: largest edge of the object's bounding box, or None for the size that its mesh has.
        source: which planner made it.
        height_m: of the object's underside above the floor at first: 0 on the ground, more on a table or in the hands.
            An object that flies in stands on "ground" and is raised, and its first move is ballistic.
        assumed: what the sentence left open and the planner filled in, in words.
        mass_kg: of the object, or None where nobody knows it.

    Raises:
        PlanError: from the constructor, naming the field.
    """

    text: str
    action: str
    object_name: str
    contacts: tuple[PlannedContact, ...]
    phases: tuple[Phase, ...]
    state: State = "ground"
    side: Side = "any"
    faces_away: bool = False
    size_m: float | None = None
    source: str = ""
    height_m: float = 0.0
    assumed: tuple[str, ...] = ()
    mass_kg: float | None = None

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def seconds(self) -> float:
        """Of all phases."""
        return sum(phase.seconds for phase in self.phases)

    def touching(self, phase: int) -> tuple[PlannedContact, ...]:
        """The contacts of one phase."""
        return tuple(contact for contact in self.contacts if contact.first <= phase <= contact.last)

    def to_json(self) -> str:
        """As `plan_from_json` reads it."""
        return json.dumps(dataclasses.asdict(self), indent=2)


def plan_from_json(text: str, /, **overrides: Any) -> InteractionPlan:
    """Read a plan as JSON, such as a language model's answer; `overrides` replace fields.

    Raises:
        PlanError: not JSON, a field that is missing, unknown or of another kind, or a plan that makes no sense.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise PlanError(f"the plan is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise PlanError("the plan is not a JSON object")
    content |= overrides
    for name, kind in (("contacts", PlannedContact), ("phases", Phase)):
        rows = content.get(name)
        if not isinstance(rows, list):
            raise PlanError(f"{name} has to be a list of objects")
        content[name] = tuple(_build(kind, row, f"{name}[{i}]") for i, row in enumerate(rows))
    assumed = content.get("assumed", ())
    if not isinstance(assumed, list | tuple) or not all(isinstance(line, str) for line in assumed):
        raise PlanError("assumed has to be a list of strings")
    content["assumed"] = tuple(assumed)
    plan: InteractionPlan = _build(InteractionPlan, content, "plan")
    return plan


def plan_schema() -> dict[str, Any]:
    """JSON schema of a plan, for language models that answer in one; strict: every property is required."""
    contact = _object_schema(PlannedContact, body_part=_enum(BODY_PARTS), region=_enum(REGIONS))
    phase = _object_schema(Phase, kind=_enum(PHASES))
    return _object_schema(
        InteractionPlan, skip=("text", "source", "assumed"),
        contacts={"type": "array", "items": contact}, phases={"type": "array", "items": phase},
        state=_enum(get_args(State)), side=_enum(get_args(Side)), size_m={"type": ["number", "null"]},
        mass_kg={"type": ["number", "null"]},
    )  # fmt: skip


_KINDS = {"str": "string", "float": "number", "int": "integer", "bool": "boolean"}


def _enum(values: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object_schema(described: type, /, *, skip: tuple[str, ...] = (), **known: dict[str, Any]) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(described) if field.name not in skip]
    properties = {f.name: known.get(f.name) or {"type": _KINDS[str(f.type)]} for f in fields}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _build(kind: type, row: Any, where: str) -> Any:
    """A dataclass of plain values, its fields checked by name and type."""
    if not isinstance(row, Mapping):
        raise PlanError(f"{where} has to be an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in row.items():
        if name not in fields:
            raise PlanError(f"{where}: unknown field {name!r}; there are {', '.join(fields)}")
        expected = _KINDS.get(str(fields[name].type))
        fits = {
            "string": isinstance(value, str),
            "number": isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "boolean": isinstance(value, bool),
        }
        if expected and not fits[expected]:
            raise PlanError(f"{where}.{name} has to be a {expected}, not {value!r}")
    try:
        return kind(**row)
    except TypeError as error:
        raise PlanError(f"{where}: {error}") from error


def _validate(plan: InteractionPlan) -> None:
    for name, values in (("state", get_args(State)), ("side", get_args(Side))):
        _known(name, getattr(plan, name), values)
    for name in ("action", "object_name"):
        if not getattr(plan, name).strip():
            raise PlanError(f"{name} is empty")
    if not plan.phases:
        raise PlanError("a plan needs at least one phase")
    for i, phase in enumerate(plan.phases):
        _known(f"phases[{i}].kind", phase.kind, PHASES)
        if not 0.0 < phase.seconds <= MAX_SECONDS:
            raise PlanError(f"phases[{i}].seconds is {phase.seconds}; it has to be over 0 and at most {MAX_SECONDS:g}")
        if max(abs(phase.forward), abs(phase.leftward), abs(phase.upward)) > MAX_METRES:
            raise PlanError(f"phases[{i}] moves the object by more than {MAX_METRES:g} m")
    for i, contact in enumerate(plan.contacts):
        _known(f"contacts[{i}].body_part", contact.body_part, BODY_PARTS)
        _known(f"contacts[{i}].region", contact.region, REGIONS)
        if not 0 <= contact.first <= contact.last < len(plan.phases):
            raise PlanError(
                f"contacts[{i}] lasts from phase {contact.first} to {contact.last}; there are {len(plan.phases)}"
            )
    for i, phase in enumerate(plan.phases):
        if phase.moves and not phase.ballistic and not plan.touching(i):
            raise PlanError(f"phases[{i}] moves the object, but nothing touches it")
    height = plan.height_m
    if not 0.0 <= height <= MAX_METRES:
        raise PlanError(f"height_m is {height}; it has to be at least 0 and at most {MAX_METRES:g}")
    for i, phase in enumerate(plan.phases):
        height += phase.upward
        if height < -_UNDERGROUND:
            raise PlanError(f"phases[{i}] moves the object {-height:.3g} m under the floor")
    if plan.mass_kg is not None and not 0.0 < plan.mass_kg <= MAX_KILOGRAMS:
        raise PlanError(f"mass_kg is {plan.mass_kg}; it has to be over 0 and at most {MAX_KILOGRAMS:g}")
    if plan.size_m is not None and not 0.0 < plan.size_m <= MAX_METRES:
        raise PlanError(f"size_m is {plan.size_m}; it has to be over 0 and at most {MAX_METRES:g}")


def _known(where: str, value: object, values: tuple[str, ...]) -> None:
    if value not in values:
        raise PlanError(f"{where}: {UnknownNameError('option', str(value), values)}")
