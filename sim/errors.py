"""Exceptions of Touchstone. Each message says what was wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TouchstoneError(Exception):
    """Base of every error that a user can mend; the command line prints it as one line."""


class MotionError(TouchstoneError):
    """A motion breaks its contract. The message names the field and, where there is one, the frame."""


class FormatError(TouchstoneError):
    """A file does not hold what its layout promises."""


class AnnotationError(TouchstoneError):
    """Annotated points break their contract. The message names the row."""


class AssetError(TouchstoneError):
    """An object mesh or a body model cannot be used."""


class SimulationError(TouchstoneError):
    """Physics could not be set up or went wrong."""


class PlanError(TouchstoneError):
    """A sentence cannot be understood, or a plan of an interaction makes no sense."""


class EndpointError(PlanError):
    """A language model's endpoint is not configured, not there, refuses, or does not speak the protocol."""


class ReconstructionError(TouchstoneError):
    """A video, camera or annotation does not determine a motion."""


class RunError(TouchstoneError):
    """A run folder is missing, incomplete, or belongs to another configuration."""


class UnknownNameError(TouchstoneError):
    """A name that is not in a fixed vocabulary; lists the valid ones and suggests the nearest."""

    def __init__(self, what: str, name: str, valid: Iterable[str]) -> None:
        names = sorted(valid)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"unknown {what} '{name}'.{hint} Valid: {', '.join(names)}")


class MissingDependencyError(TouchstoneError):
    """An optional package is not installed; the message gives the command that installs it."""

    def __init__(self, package: str, needed_for: str, install: str | None = None) -> None:
        super().__init__(f"{needed_for} needs the package '{package}': pip install {install or package}")
