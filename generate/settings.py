"""Bounds of the numbers in frozen settings, checked in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields

from sim.errors import PlanError


def at_least(least: float, settings: object, what: str, names: Iterable[str] | None = None) -> None:
    """Raise PlanError where one of these fields (all of a dataclass, if not told) is below `least`, or no number."""
    _check(settings, what, names, lambda value: value >= least, f"at least {least:g}")


def positive(settings: object, what: str, names: Iterable[str]) -> None:
    """Raise PlanError where one of these fields is not over 0."""
    _check(settings, what, names, lambda value: value > 0.0, "more than 0")


def _check(
    settings: object, what: str, names: Iterable[str] | None, holds: Callable[[float], bool], expected: str
) -> None:
    for name in [item.name for item in fields(settings)] if names is None else names:  # type: ignore[arg-type]
        value = getattr(settings, name)
        if not holds(value):
            raise PlanError(f"{what}: {name} is {value}, expected {expected}")
