"""The kinematic audit: is a motion plausible before any physics is run? Figures, limits and worst frames, in seconds.

It cannot prove that a motion is physical, only say where it is not: feet in or over the floor, sliding feet, jitter,
teleports, hands in the object or away from it where they should touch, and objects that move by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from sim import audit_checks
from sim.audit_checks import Measure, Person, Thing
from sim.audit_config import AuditConfig
from sim.motion import Motion

if TYPE_CHECKING:
    from rich.table import Table

Level = Literal["ok", "warn", "fail", "none"]
"""`none`: there was nothing to measure."""
_ORDER: tuple[Level, ...] = ("none", "ok", "warn", "fail")
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "none": "dim"}

UNITS = {"_mm": "mm", "_s": "s", "_m_s": "m/s", "_m_s2": "m/s^2", "_m_s3": "m/s^3", "_rad_s": "rad/s", "_j_kg": "J/kg"}
"""Unit by the ending of a figure's name, the longest ending first where two fit."""

PERSON_CHECKS: dict[str, tuple[Callable[[Person], Measure], str]] = {
    "floor_penetration_mm": (audit_checks.floor_penetration_mm, "body under the floor, deepest"),
    "float_mm": (audit_checks.float_mm, "body over the floor, median"),
    "levitation_s": (audit_checks.levitation_s, "off everything and not falling"),
    "foot_skate_m_s": (audit_checks.foot_skate_m_s, "standing feet slide, mean"),
    "jerk_m_s3": (audit_checks.jerk_m_s3, "jerk of the body, mean"),
    "joint_speed_m_s": (audit_checks.joint_speed_m_s, "fastest joint"),
    "joint_turn_rad_s": (audit_checks.joint_turn_rad_s, "fastest turn of a joint"),
    "root_acceleration_m_s2": (audit_checks.root_acceleration_m_s2, "acceleration of the root, peak"),
}
OBJECT_CHECKS: dict[str, tuple[Callable[[Thing], Measure], str]] = {
    "penetration_mm": (audit_checks.penetration_mm, "body in the object, deepest"),
    "contact_gap_mm": (audit_checks.contact_gap_mm, "gap at labelled contact, 90 %"),
    "contact_drift_mm": (audit_checks.contact_drift_mm, "drift of graph contacts, 90 %"),
    "object_floor_mm": (audit_checks.object_floor_mm, "object under the floor, most"),
    "object_float_mm": (audit_checks.object_float_mm, "at rest over floor, untouched"),
    "object_jerk_m_s3": (audit_checks.object_jerk_m_s3, "jerk of the object, median"),
    "object_speed_m_s": (audit_checks.object_speed_m_s, "speed of the object, peak"),
    "object_levitation_s": (audit_checks.object_levitation_s, "untouched in air, not falling"),
    "object_energy_j_kg": (audit_checks.object_energy_j_kg, "energy gained untouched"),
    "object_slide_m_s": (audit_checks.object_slide_m_s, "speed on the floor, untouched"),
    "static_motion_mm": (audit_checks.static_motion_mm, "travel of a static object"),
}


@dataclass(frozen=True)
class Finding:
    """One figure of an audit.

    Attributes:
        subject: "person" or the name of an object.
        name: of the figure, a field of `AuditConfig`.
        value: in `unit`; None where there was nothing to measure.
        warn, fail: above which it is a warning, or a failure.
        frame: where it is worst, if there is such a frame.
        explanation: what is measured, in words.
    """

    subject: str
    name: str
    value: float | None
    unit: str
    warn: float
    fail: float
    frame: int | None
    explanation: str

    @property
    def level(self) -> Level:
        """ok, warn, fail, or none where there was nothing to measure."""
        if self.value is None:
            return "none"
        return "fail" if self.value > self.fail else "warn" if self.value > self.warn else "ok"


@dataclass(frozen=True)
class Audit:
    """What the audit of a motion found."""

    findings: tuple[Finding, ...]
    num_frames: int
    fps: float

    @property
    def level(self) -> Level:
        """The worst of the findings."""
        return max((finding.level for finding in self.findings), key=_ORDER.index)

    def __getitem__(self, key: str | tuple[str, str]) -> Finding:
        """A finding by name, or by (subject, name) where there are several objects. Raises KeyError."""
        subject, name = key if isinstance(key, tuple) else (None, key)
        for finding in self.findings:
            if finding.name == name and subject in (None, finding.subject):
                return finding
        raise KeyError(key)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        rows = [
            {
                "subject": f.subject, "name": f.name, "value": f.value, "unit": f.unit, "warn": f.warn,
                "fail": f.fail, "level": f.level, "frame": f.frame, "explanation": f.explanation,
            }
            for f in self.findings
        ]  # fmt: skip
        return {"level": self.level, "num_frames": self.num_frames, "fps": self.fps, "findings": rows}

    def table(self, *, everything: bool = True) -> Table:
        """For a rich console. Findings without anything to measure are left out unless `everything`."""
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("", "subject", "figure"):
            table.add_column(heading)
        for heading in ("value", "warn", "fail", "frame"):
            table.add_column(heading, justify="right", no_wrap=True)
        for f in self.findings:
            if f.value is not None or everything:
                value = "-" if f.value is None else f"{f.value:.3g} {f.unit}"
                frame = "" if f.frame is None else str(f.frame)
                level = f"[{_COLOURS[f.level]}]{f.level}[/]"
                table.add_row(level, f.subject, f.explanation, value, f"{f.warn:g}", f"{f.fail:g}", frame)
        return table


def audit(motion: Motion, config: AuditConfig | None = None) -> Audit:
    """Measure a motion against limits, without physics.

    Raises:
        MotionError: the motion is not on the standard skeleton.
        AssetError: an object's mesh cannot be used.
    """
    config = config or AuditConfig()
    person = Person(motion)
    findings = [_finding("person", n, check(person), config, why) for n, (check, why) in PERSON_CHECKS.items()]
    for thing in person.things:
        findings += [
            _finding(thing.item.name, n, check(thing), config, why) for n, (check, why) in OBJECT_CHECKS.items()
        ]
    return Audit(tuple(findings), motion.num_frames, motion.fps)


def unit_of(name: str) -> str:
    """The unit that a figure's name ends in; nothing where it ends in none."""
    return UNITS.get(max((ending for ending in UNITS if name.endswith(ending)), key=len, default=""), "")


def _finding(subject: str, name: str, measure: Measure, config: AuditConfig, explanation: str) -> Finding:
    warn, fail = getattr(config, name)
    return Finding(subject, name, measure.value, unit_of(name), warn, fail, measure.frame, explanation)


assert {f.name for f in fields(AuditConfig)} == {*PERSON_CHECKS, *OBJECT_CHECKS}
