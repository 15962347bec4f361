"""Phases and contacts written one after another: the ledger that the scripts of actions write into.

It knows where the object is, what touches it and what has happened, so that a script only says what is new: "put it
down" begins with the object in the hands if nothing came before, and picks it up first if it lies on the ground.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from generate.language.lexicon import Kind
from generate.language.steps import MAX_HEIGHT, Body, Step
from generate.plan import BodyPart, Phase, PhaseKind, PlannedContact, Region, Side, State
from sim.errors import PlanError

GRAVITY = 9.81
WALKING, SHOVING, LIFTING = 0.9, 0.6, 0.6
"""m/s at which objects are carried, pushed and raised."""
_DENSITY = 150.0
"""kg/m^3 of a bounding box whose content is not known."""
_HANGING_KG = 2.0
"""From this mass on a thing with a handle hangs from the hand."""


@dataclass
class _Open:
    """A contact that lasts."""

    region: Region
    first: int
    grasped: bool
    slides: bool


class Ledger:
    """What happens so far.

    Attributes:
        kind, size_m: what is acted on, and how large it is (x, y, z).
        phases, contacts: in order. open: contacts that last. state, side, away: of the plan.
        start_m, height_m: of the object's underside above the floor, at first and now. support_m: of what it stands on.
        position: forward, leftward, turn and tilt so far.
        heading: rad by which the person has turned with it. seated: the body rests on the object.
        near: the person stands at the object. turned: with the back to it. flying: thrown, and not landed.
    """

    def __init__(self, kind: Kind, size_m: tuple[float, float, float], *, known: bool) -> None:
        self.kind = kind
        self.size_m = size_m
        volume = math.prod(size_m)
        self.mass_kg = volume * _DENSITY if "generic" in kind.tags and known else kind.mass_kg
        self.phases: list[Phase] = []
        self.contacts: list[PlannedContact] = []
        self.open: dict[BodyPart, _Open] = {}
        self.state: State = "ground"
        self.side: Side = "any"
        self.away = self.near = self.turned = self.seated = self.flying = self.touched = False
        self.start_m = self.height_m = self.support_m = 0.0
        self.position = {"forward": 0.0, "leftward": 0.0, "turn": 0.0, "tilt": 0.0}
        self.speed, self.heading = 1.0, 0.0
        self.following: Step | None = None

    # State ------------------------------------------------------------------------------------------------------

    @property
    def longest_m(self) -> float:
        """Largest edge."""
        return max(self.size_m)

    @property
    def held(self) -> bool:
        """Whether something holds on to the object."""
        return any(contact.grasped for contact in self.open.values())

    @property
    def raised(self) -> bool:
        """Whether it is above what it stood on."""
        return self.height_m > self.support_m + 1e-6

    @property
    def portable(self) -> bool:
        """Whether one finds it in somebody's hands, as one finds a bottle there, but not a chair."""
        rolls = "wheels" in self.kind.tags and "handle" in self.kind.parts
        return self.mass_kg <= 12.0 and self.longest_m <= 1.5 and not rolls and not {"seat", "bed"} & self.kind.tags

    @property
    def hangs(self) -> bool:
        """Whether it is carried by a handle, below the hand."""
        return self.kind.use.get("lift") == "handle" and self.kind.hands == 1 and self.kind.mass_kg >= _HANGING_KG

    @property
    def carried_m(self) -> float:
        """Height of the underside at which it is carried."""
        if self.hangs:
            return max(0.1, 0.92 - self.size_m[2])
        return (
            0.95 if self.longest_m < 0.35 else 0.75 if self.longest_m < 0.7 else 0.35 if self.size_m[2] < 1.2 else 0.15
        )

    @property
    def seat(self) -> Region:
        """What a body rests on; of a deck under a handlebar it is any place that carries, for the bar is the top."""
        if "generic" in self.kind.tags:
            return "top"
        deck = "stand" in self.kind.tags and self.kind.has("handle")
        return "seat" if self.kind.has("seat") else "any" if deck else "top"

    def parts(self, step: Step, default: Sequence[BodyPart] = ()) -> tuple[BodyPart, ...]:
        """The parts of the body that act: those named, else the default, else as many hands as the object takes.

        Raises:
            PlanError: this action is not done with them.
        """
        allowed = {
            word.rstrip("s") if word not in ("hips", "feet") else word.replace("feet", "foot")
            for word in step.action.body
        }
        for body in step.body:
            if "any" not in allowed and body.name not in allowed:
                raise PlanError(
                    f"'{step.verb}' is not done with the {body.name}, but with: {', '.join(step.action.body)}"
                )
        if step.body:
            return body_parts(step.body)
        busy = tuple(part for part in self.open if part.endswith("hand"))
        if default or busy:
            return tuple(default) or busy
        return ("right_hand",) if self.takes_one_hand else ("left_hand", "right_hand")

    @property
    def takes_one_hand(self) -> bool:
        """Whether one hand is enough."""
        generic = "generic" in self.kind.tags
        return self.longest_m <= 0.25 if generic else self.kind.hands == 1 or self.longest_m < 0.12

    def region(self, step: Step, default: Region, *uses: str) -> Region:
        """The region that is named, that the object has for this action, or the default."""
        if step.region is not None:
            return step.region
        several = sum(body.count for body in step.body) > 1 or len({body.side for body in step.body}) > 1
        for use in (step.action.name, *uses):
            if use in self.kind.use and not (several and self.kind.hands == 1):
                return self.kind.use[use]
        return default

    # Writing ----------------------------------------------------------------------------------------------------

    def phase(self, kind: PhaseKind, seconds: float, *, ballistic: bool = False, **moves: float) -> None:
        """Append a phase; the object moves by `moves` (see `Phase`), forward being where the person faces now."""
        factor = 1.0 if ballistic else self.speed
        if self.heading and ("forward" in moves or "leftward" in moves):
            moves["forward"], moves["leftward"] = _rotated(
                moves.get("forward", 0.0), moves.get("leftward", 0.0), self.heading
            )
        self.phases.append(Phase(kind, round(seconds * factor, 3), ballistic=ballistic, **moves))
        self.height_m += moves.get("upward", 0.0)
        for name in self.position:
            self.position[name] += moves.get(name, 0.0)
        if moves.get("upward", 0.0) < 0.0 and self.height_m < -1e-6:
            raise PlanError("the object would be pushed into the floor")

    @property
    def displaced(self) -> tuple[float, float]:
        """How far the object is from where it began, (forward, leftward) of where the person faces now."""
        return _rotated(self.position["forward"], self.position["leftward"], -self.heading)

    def turn_with(self, angle: float) -> None:
        """The person turns on the spot, rad, and the object with them, around them."""
        reach = 0.4 + self.size_m[0] / 2
        aside = {"forward": round(reach * (math.cos(angle) - 1.0), 6), "leftward": round(reach * math.sin(angle), 6)}
        self.phase("move", max(0.8, abs(angle)), ballistic=False, turn=round(angle, 9), **aside)
        self.heading += angle

    def shift(self, pace: float, **moves: float) -> None:
        """A move whose duration follows from its distance, m, at a pace, m/s."""
        metres = math.hypot(*(moves.get(axis, 0.0) for axis in ("forward", "leftward", "upward")))
        self.phase("move", max(0.6, metres / pace), ballistic=False, **moves)

    def approach(self) -> None:
        """Walk up, unless the person is there."""
        if not self.near and not self.open:
            self.phase("approach", 2.0)
        self.near = True

    def reach(
        self, parts: Iterable[BodyPart], region: Region, *,
        grasped: bool = True, slides: bool = False, seconds: float = 0.8, ballistic: bool = False, **moves: float,
    ) -> None:  # fmt: skip
        """Contacts that come about at the end of one phase."""
        parts = tuple(parts)
        if self.turned and any(part.endswith("hand") for part in parts):
            raise PlanError("the person has turned the back to the object; nothing behind the back is planned")
        self.let_go(part for part in parts if part in self.open)
        self.phase("reach", seconds, ballistic=ballistic, **moves)
        self.join(parts, region, grasped=grasped, slides=slides, first=len(self.phases) - 1)

    def join(
        self, parts: Iterable[BodyPart], region: Region, *, first: int, grasped: bool, slides: bool = False
    ) -> None:
        """Contacts from a phase on."""
        for part in parts:
            self.open[part] = _Open(region, first, grasped, slides)
        self.touched = True

    def let_go(self, parts: Iterable[BodyPart] | None = None) -> None:
        """Contacts end with the last phase."""
        for part in tuple(self.open if parts is None else parts):
            contact = self.open.pop(part)
            last = max(contact.first, len(self.phases) - 1)
            self.contacts.append(
                PlannedContact(part, contact.region, contact.first, last, contact.grasped, contact.slides)
            )

    def release(self, seconds: float = 0.5) -> None:
        """All contacts end; the hands, or the whole body, come free."""
        self.let_go()
        self.phase("release", seconds)
        self.seated = False

    def begin_held(self, parts: Iterable[BodyPart], region: Region, height_m: float) -> None:
        """The object is in the person's hands at first."""
        self.state, self.near = "held", True
        self.start_m = self.height_m = height_m
        self.phases = [phase for phase in self.phases if phase.kind != "approach"]
        self.join(parts, region, grasped=True, first=0)

    def take(self, step: Step, *, height_m: float | None = None) -> None:
        """Have the object in the hands: it is there, it is there from the start, or it is picked up.

        Args:
            height_m: of its underside if it is there from the start.
        """
        if self.held:
            wanted = {part for part in self.parts(step) if part.endswith("hand")} - set(self.open)
            if wanted and step.body and not self.seated:
                self.reach(wanted, self.region(step, "any", "lift"))
            if not self.raised and step.action.script != "place":
                self.raise_to(self.carried_m)
            return
        parts = self.parts(step)
        if not self.touched and height_m is not None and step.source_m is None:
            self.begin_held(parts, self.region(step, "any", "lift"), height_m)
        else:
            self.grip(step)
            self.raise_to(self.carried_m)

    def grip(self, step: Step) -> None:
        """Walk up and hold on, at the place for lifting; hands that lie on the object already close instead."""
        if self.seated:
            raise PlanError(
                f"'{step.verb}' while the body rests on the object is not planned; say first that it gets up"
            )
        hands = [part for part in self.open if part.endswith(("hand", "arm"))]
        if hands and not step.body and step.region is None:
            for part in hands:
                self.open[part].grasped = True
            return
        self.approach()
        default: Region = "handle" if self.hangs else "sides"
        if self.longest_m < 0.3:
            default = "any"
        self.reach(self.parts(step), self.region(step, default, "lift"))

    def raise_to(self, height_m: float) -> None:
        """Lift to a height of the underside, at least 5 cm."""
        rise = max(0.05, height_m - self.height_m)
        if self.height_m + rise > MAX_HEIGHT:
            raise PlanError(f"{self.height_m + rise:.2g} m is higher than a person reaches ({MAX_HEIGHT} m)")
        self.shift(LIFTING, upward=round(rise, 6))

    def stretch(self, begun: int, seconds: float) -> None:
        """Let the moves from a phase on last so long together."""
        moves = [i for i, phase in enumerate(self.phases) if i >= begun and phase.moves and not phase.ballistic]
        if not moves:
            raise PlanError(f"nothing here can last {seconds:g} s")
        factor = seconds / sum(self.phases[i].seconds for i in moves)
        for i in moves:
            self.phases[i] = dataclasses.replace(self.phases[i], seconds=round(self.phases[i].seconds * factor, 3))

    def set_down(self, height_m: float | None = None) -> None:
        """Lower onto what it stood on, or another height, and let go."""
        goal = self.support_m if height_m is None else height_m
        if goal > self.height_m + 1e-9:
            self.raise_to(goal + 0.1)
        if self.height_m > goal:
            self.shift(LIFTING, upward=round(goal - self.height_m, 6))
        self.support_m = goal
        self.release()

    def finish(self) -> None:
        """What is held stays so for a while; what stands is let go of."""
        stands = not (self.raised or self.seated or self.position["tilt"]) and self.state == "ground"
        if self.open and self.phases and self.phases[-1].kind == "move" and stands:
            self.release()
        elif self.open and (not self.phases or self.phases[-1].kind != "hold"):
            self.phase("hold", 1.0)
        self.let_go()


Script = Callable[[Ledger, Step], None]
"""Writes what one step comes to."""


def _rotated(forward: float, leftward: float, angle: float) -> tuple[float, float]:
    cos, sin = math.cos(angle), math.sin(angle)
    return round(cos * forward - sin * leftward, 6) + 0.0, round(sin * forward + cos * leftward, 6) + 0.0


def body_parts(bodies: Iterable[Body]) -> tuple[BodyPart, ...]:
    """Left and right of what is named; one of two is the right one."""
    named: dict[BodyPart, None] = {}
    for body in bodies:
        if body.name in ("head", "chest", "back", "hips"):
            named[body.name] = None  # type: ignore[index]
            continue
        sides = ("left", "right") if body.count == 2 else (body.side or "right",)
        named |= {f"{side}_{body.name}": None for side in sides}  # type: ignore[misc]
    return tuple(named)


def heading(step: Step, forward: float = 1.0, leftward: float = 0.0) -> tuple[float, float]:
    """Unit vector (forward, leftward) of what the sentence asks for, else of the default."""
    if step.forward or step.leftward:
        forward, leftward = step.forward, step.leftward
    norm = math.hypot(forward, leftward)
    return forward / norm, leftward / norm


def along(step: Step, metres: float, forward: float = 1.0, leftward: float = 0.0) -> dict[str, float]:
    """Displacement over the asked distance, else over `metres` (a third of it for "a bit", twice for "far")."""
    x, y = heading(step, forward, leftward)
    if step.metres is not None:
        metres = step.metres
    elif step.little is not None:
        metres *= 1.0 / 3.0 if step.little else 2.0
    return {"forward": round(metres * x, 6), "leftward": round(metres * y, 6)}
