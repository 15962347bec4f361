"""From a sentence to a clip on disk: plan, shape, motion, figures, and the folder that keeps them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from generate.affordance.surface import SurfacePoints
from generate.llm import planner_at
from generate.motion.config import GenerateConfig
from generate.objects.checks import check_mesh
from generate.objects.kinds import shape_for
from generate.plan import InteractionPlan
from generate.prompts import Prompt
from generate.quality import MotionQuality, measure_motion
from sim.errors import TouchstoneError
from sim.files import write_json, write_text
from sim.objects import Shape, load_geometry
from sim.replay.html import write_replay
from sim.replay.stage import build_stage, drawn_body

if TYPE_CHECKING:
    from generate.motion.synthesis import GeneratedMotion


@dataclass(frozen=True)
class ClipSettings:
    """What all clips of a batch have in common.

    Attributes:
        config: of the motion.
        scale: multiplies the lengths of given shapes. up: which of their axes points up.
        mass_kg: of the object; None takes what the planner knows.
        endpoint, model: of a language model that plans; the grammar does where both are None.
    """

    config: GenerateConfig = field(default_factory=GenerateConfig)
    scale: float = 1.0
    up: Literal["y", "z"] = "z"
    mass_kg: float | None = None
    endpoint: str | None = None
    model: str | None = None

    @property
    def up_b(self) -> np.ndarray:
        """[3], up in the axes of a given shape."""
        return np.array([0.0, float(self.up == "y"), float(self.up == "z")])


class Planned(NamedTuple):
    """A plan, the shape that it acts on, up in that shape's axes [3], and what was odd about a given mesh."""

    plan: InteractionPlan
    shape: Shape
    up_b: np.ndarray
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Clip:
    """A generated motion with its figures.

    Attributes:
        seconds: by stage, figures and all. remarks: what was odd about a given mesh, and mended.
    """

    generated: GeneratedMotion
    quality: MotionQuality
    seconds: Mapping[str, float]
    remarks: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, float | None]:
        """By the names of `generate.quality.FIGURES`; None where there is nothing to measure."""
        closure = self.generated.closure
        made = sum(seconds for stage, seconds in self.seconds.items() if stage != "figures")
        return {**self.quality.figures(), "closure": None if closure is None else closure[1], "seconds": made}


def plan_prompt(prompt: Prompt, settings: ClipSettings) -> Planned:
    """What a sentence comes to, with the shape of its object.

    Raises:
        PlanError: the sentence is not understood or cannot be done. AssetError: the mesh cannot be used.
        EndpointError: no answer from the language model.
    """
    planner = planner_at(settings.endpoint, settings.model)
    if prompt.object is None:
        plan = _weighing(planner.plan(prompt.text), settings.mass_kg)
        return Planned(plan, shape_for(plan), np.array([0.0, 0.0, 1.0]))
    geometry = load_geometry(prompt.object, scale=settings.scale)
    remarks = check_mesh(geometry, prompt.object_name)
    shape = Shape.of(geometry)
    size = SurfacePoints(shape, np.zeros((0, 3)), np.zeros((0, 3)), settings.up_b).size_m
    plan = planner.plan(prompt.text, prompt.object_name, size)
    return Planned(_weighing(plan, settings.mass_kg), shape, settings.up_b, remarks)


def _weighing(plan: InteractionPlan, mass_kg: float | None) -> InteractionPlan:
    """With a mass that a user gives, which is then not assumed."""
    if mass_kg is None:
        return plan
    assumed = tuple(line for line in plan.assumed if not line.startswith("its mass"))
    return dataclasses.replace(plan, mass_kg=mass_kg, assumed=assumed)


def make_clip(
    prompt: Prompt, settings: ClipSettings, *, seed: int = 0, on_stage: Callable[[str], None] | None = None
) -> Clip:
    """Plan, synthesise and measure.

    Raises:
        TouchstoneError: anything that a user can mend, in one line.
    """
    from generate.motion.synthesis import generate_motion

    tell = on_stage or (lambda _: None)
    tell("plan")
    begun = time.perf_counter()
    plan, shape, up_b, remarks = plan_prompt(prompt, settings)
    planned = time.perf_counter()
    generated = generate_motion(plan, shape, settings.config, seed=seed, up_b=up_b, on_stage=on_stage)
    tell("figures")
    made = time.perf_counter()
    quality = measure_motion(generated.motion, generated.plan)
    seconds = {"plan": planned - begun, **generated.seconds, "figures": time.perf_counter() - made}
    return Clip(generated, quality, {stage: round(value, 3) for stage, value in seconds.items()}, remarks)


@dataclass(frozen=True)
class ClipFiles:
    """The names of what a folder holds of one clip."""

    folder: Path

    @property
    def motion(self) -> Path:
        """The clip."""
        return self.folder / "clip.npz"

    @property
    def plan(self) -> Path:
        """The plan, JSON."""
        return self.folder / "plan.json"

    @property
    def metrics(self) -> Path:
        """What was asked for, figures and seconds, JSON; written last."""
        return self.folder / "metrics.json"

    @property
    def replay(self) -> Path:
        """The page that plays the clip."""
        return self.folder / "replay.html"

    @property
    def failure(self) -> Path:
        """Why there is no clip, or no verdict; its first line says it."""
        return self.folder / "failure.txt"

    @property
    def run(self) -> Path:
        """Run folder of the judge."""
        return self.folder / "run"


def write_clip(files: ClipFiles, clip: Clip, prompt: Prompt, seed: int) -> None:
    """Write clip, plan, replay and, last, metrics, each atomically."""
    generated = clip.generated
    generated.motion.save(files.motion)
    write_text(files.plan, generated.plan.to_json() + "\n")
    stage = build_stage({"Generated": generated.motion}, drawn_body(generated.motion))
    write_replay(files.replay, stage, prompt.text)
    write_json(
        files.metrics,
        {
            "request": request(prompt, seed),
            "object_name": generated.plan.object_name,
            "figures": clip.figures,
            "contact_by_part": dict(clip.quality.contact_by_part),
            "deepest": clip.quality.deepest,
            "closure_before": None if generated.closure is None else generated.closure[0],
            "seconds": dict(clip.seconds),
            "frames": generated.motion.num_frames,
            "duration_s": generated.motion.duration,
            "assumed": list(generated.plan.assumed),
            "remarks": list(clip.remarks),
            "source": generated.motion.source,
        },
    )


def request(prompt: Prompt, seed: int) -> dict[str, Any]:
    """What a clip was asked for, JSON: the sentence, the shape with the content of its file, the seed."""
    digest = None
    if prompt.object_name is not None and prompt.object is not None and Path(prompt.object).is_file():
        digest = hashlib.sha256(Path(prompt.object).read_bytes()).hexdigest()
    return {"text": prompt.text, "object": prompt.object, "object_sha256": digest, "seed": seed}


def read_metrics(files: ClipFiles) -> dict[str, Any] | None:
    """The content of metrics.json; None where the clip is not finished or the file is damaged."""
    try:
        content = json.loads(files.metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and files.motion.is_file() else None


def is_made(files: ClipFiles, prompt: Prompt, seed: int) -> bool:
    """Whether the folder holds this very clip, finished."""
    metrics = read_metrics(files)
    return metrics is not None and metrics.get("request") == request(prompt, seed)


def read_failure(files: ClipFiles) -> str | None:
    """The line that says why; None where nothing failed."""
    try:
        return files.failure.read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return None


def keep_failure(files: ClipFiles, error: Exception, trace: str = "") -> None:
    """Write why there is no clip: one line for an error that a user can mend, with the trace for any other."""
    known = isinstance(error, TouchstoneError)
    line = " ".join(str(error).split()) or type(error).__name__
    write_text(files.failure, f"{line}\n" if known else f"internal error, {type(error).__name__}: {line}\n\n{trace}")
