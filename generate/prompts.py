"""Sentences to make clips of: one a line in a text file, each with its object's mesh where it has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sim.errors import PlanError
from sim.meshes import MESH_SUFFIXES

_LONGEST = 48
"""Characters of a name."""


@dataclass(frozen=True)
class Prompt:
    """A sentence, and the shape of its object: a mesh file, a primitive such as box:x=0.4,y=0.4,z=0.3, or None for the
    built-in shape of whatever the sentence names."""

    text: str
    object: str | None = None

    @property
    def object_name(self) -> str | None:
        """The mesh file's name; a primitive has none."""
        if self.object is None or Path(self.object).suffix.lower() not in MESH_SUFFIXES:
            return None
        return Path(self.object).stem

    @property
    def name(self) -> str:
        """Lower-case words that a file may be called by: the sentence's without "a person"."""
        words = re.sub(r"[^a-z0-9]+", "_", self.text.lower()).strip("_")
        words = re.sub(r"^(a|the)_person_", "", words)
        name = f"{words[:_LONGEST]}_{self.object_name}" if self.object_name else words[:_LONGEST]
        return name.strip("_") or "clip"


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Read `sentence` or `sentence | object` lines; empty lines and what follows a # are left out.

    A mesh file is looked for beside the file of prompts.

    Raises:
        PlanError: no such file, no text in it, no sentence in it or in a line, or the same line twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read as text ({getattr(error, 'strerror', None) or error})") from error
    prompts: dict[Prompt, int] = {}
    for number, line in enumerate(lines, 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        text, bar, shape = (part.strip() for part in content.partition("|"))
        if not text or (bar and not shape) or "|" in shape:
            raise PlanError(f"{path}, line {number}: {content!r} is not 'sentence' or 'sentence | object.obj'")
        prompt = Prompt(text, _beside(path, shape) if shape else None)
        if prompt in prompts:
            raise PlanError(f"{path}, line {number}: the same as line {prompts[prompt]}")
        prompts[prompt] = number
    if not prompts:
        raise PlanError(f"{path}: no sentence in it; write one a line, such as: a person lifts the chair | chair.obj")
    return tuple(prompts)


def folder_names(prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    """A name of its own for every prompt; later ones that would be called alike get a number."""
    taken: dict[str, int] = {}
    names = []
    for prompt in prompts:
        taken[prompt.name] = count = taken.get(prompt.name, 0) + 1
        names.append(prompt.name if count == 1 else f"{prompt.name}-{count}")
    return tuple(names)


def _beside(path: Path, shape: str) -> str:
    is_mesh = Path(shape).suffix.lower() in MESH_SUFFIXES
    return str(path.parent / shape) if is_mesh else shape
