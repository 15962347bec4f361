"""Say what a sentence about a person and an object comes to: phases, contacts, and where on the object they would be.

    touchstone plan "a person lifts the chair"
    touchstone plan "a person lifts the chair" --object chair.obj
    touchstone plan "a person lifts the chair" --json > plan.json
    touchstone plan "a person lifts the chair" --endpoint http://127.0.0.1:8000/v1 --model NAME

A grammar of its own reads the sentence, or a language model behind an endpoint that speaks OpenAI's chat completions
(its key, where it wants one, in OPENAI_API_KEY). A mesh is taken to be in metres, with its front along +x.

With one, each contact is shown with what it does to the object, the heights over the floor that hold the middle 80 % of
its probability, the likeliest point in the mesh's own axes, and the probability within 10 cm of it (in brackets: that
share of the surface). Where the side on which the person stands is not known, both hands have the same places.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from generate.affordance import SurfacePoints
    from generate.plan import InteractionPlan


@dataclass(frozen=True)
class Command:
    """What to plan."""

    text: tyro.conf.Positional[str]
    """What a person does with an object."""
    object: str | None = None
    """Its shape: a mesh file, or a primitive such as box:x=0.4,y=0.4,z=0.3."""
    scale: float = 1.0
    """Multiplies the lengths of the shape; 0.001 for a mesh in millimetres."""
    up: Literal["y", "z"] = "z"
    """Which axis of the shape points up."""
    json: bool = False
    """Print the plan as JSON instead, without places."""
    endpoint: str | None = None
    """Ask a language model there, such as http://127.0.0.1:8000/v1, instead of the grammar."""
    model: str | None = None
    """Its name at the endpoint."""

    def run(self) -> None:
        """Plan, and print."""
        surface = None if self.object is None else self._surface(self.object)
        plan = self._plan(surface)
        if self.json:
            sys.stdout.write(plan.to_json() + "\n")
            return
        from rich.console import Console

        from generate.affordance import contact_maps
        from generate.tables import phase_table, place_table, plan_text

        shown = [plan_text(plan), "", phase_table(plan)]
        if surface is not None:
            shown += ["", place_table(plan, surface, contact_maps(plan, surface))]
        Console().print(*shown, sep="\n", highlight=False, markup=False)

    def _plan(self, surface: SurfacePoints | None) -> InteractionPlan:
        from generate.llm import planner_at
        from generate.prompts import Prompt

        planner = planner_at(self.endpoint, self.model)
        if surface is None:
            return planner.plan(self.text)
        return planner.plan(self.text, Prompt(self.text, self.object).object_name, surface.size_m)

    def _surface(self, shape: str) -> SurfacePoints:
        import numpy as np

        from generate.affordance import SurfacePoints
        from sim.objects import Shape, load_geometry

        up_b = np.array([0.0, float(self.up == "y"), float(self.up == "z")])
        return SurfacePoints.of(Shape.of(load_geometry(shape, scale=self.scale)), up_b=up_b)
