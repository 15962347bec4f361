"""Names, figures and settings of a run in words, as HTML-safe text."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from rl.record import finite

_UNITS = {"mm": "mm", "m": "m", "deg": "°", "rad": "rad", "n": "N", "s": "s", "ms": "ms", "kg": "kg", "hz": "Hz"}
"""Units that a name may end in."""
_WORDS = {"mpjpe": "MPJPE", "fps": "fps", "f1": "F1", "ppo": "PPO"}
_SHARES = ("share", "ratio", "fraction")
_LONGEST_LIST = 12


def words(name: str) -> str:
    """A name for people, without its unit: `root_relative_mpjpe_mm` becomes `Root relative MPJPE`."""
    parts = name.replace("/", " ").split("_")
    parts = parts[:-1] if len(parts) > 1 and parts[-1] in _UNITS else parts
    text = " ".join(_WORDS.get(part, part) for part in parts)
    return text[:1].upper() + text[1:]


def unit_of(name: str) -> str:
    """The unit in which a name ends, or nothing."""
    return _UNITS.get(name.rpartition("_")[2], "")


def quantity(value: Any, unit: str = "") -> str:
    """A number with its unit, HTML; shares as per cent, a dash for what was not measured."""
    number = None if isinstance(value, bool) else finite(value)
    if number is None:
        return escape(plain(value))
    if unit in _SHARES:
        return f"{100 * number:.1f} %"
    shown = f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"
    return escape(f"{shown} {unit}".strip())


def plain(value: Any) -> str:
    """A setting as text (not yet HTML)."""
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested JSON as dotted names; a list is one entry, cut where it is long."""
    if isinstance(value, Mapping):
        rows: dict[str, Any] = {}
        for key, item in value.items():
            rows |= flat(item, f"{prefix}.{key}" if prefix else str(key))
        return rows
    if isinstance(value, list):
        text = ", ".join(plain(v) for v in value[:_LONGEST_LIST])
        return {prefix: text + (f", ... ({len(value)} in all)" if len(value) > _LONGEST_LIST else "")}
    return {prefix: value}


def measured(value: Mapping[str, Any]) -> dict[str, str]:
    """Nested measurements in words: `{"hand_gap_mm": {"left": 1.5}}` becomes `{"Hand gap, left": "1.5 mm"}`."""
    rows = {}
    for path, number in flat(value).items():
        names = path.split(".")
        unit = next((u for name in names if (u := unit_of(name))), "")
        label = words(", ".join(words(n) if i == 0 else words(n).lower() for i, n in enumerate(names)))
        exact = finite(number)
        rows[label] = plain(number) if exact is None else f"{exact:.3g} {unit}".strip()
    return rows
