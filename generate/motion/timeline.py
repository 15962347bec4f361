"""A plan in time: when phases begin and end, how far each has got, and from when to when its contacts hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from generate.gait import GRAVITY, cruise
from generate.plan import InteractionPlan, Phase, PlannedContact

FPS = 30.0
RAMP_SECONDS = 0.6
"""In which what moves gets up to speed, and comes to rest again."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Phases laid end to end.

    Attributes:
        plan: what happens. seconds: [P], how long each phase lasts.
    """

    plan: InteractionPlan
    seconds: np.ndarray

    @staticmethod
    def of(plan: InteractionPlan) -> Timeline:
        """With the durations that the plan asks for."""
        return Timeline(plan, np.array([phase.seconds for phase in plan.phases]))

    def at_least(self, seconds: np.ndarray) -> Timeline:
        """With phases that last at least so long, [P] s."""
        return dataclasses.replace(self, seconds=np.maximum(self.seconds, seconds))

    @property
    def bounds(self) -> np.ndarray:
        """[P + 1] s: phase p lasts from bounds[p] to bounds[p + 1]."""
        return np.concatenate(([0.0], np.cumsum(self.seconds)))

    @property
    def times(self) -> np.ndarray:
        """[T] s, of the frames."""
        return np.arange(int(np.ceil(self.bounds[-1] * FPS)) + 1) / FPS

    def phase_at(self, times: np.ndarray) -> np.ndarray:
        """[N], index of the phase; the last one from its end on."""
        index = np.searchsorted(self.bounds, times, side="right") - 1
        return np.clip(index, 0, len(self.seconds) - 1)

    def progress(self, times: np.ndarray) -> np.ndarray:
        """[T, P] 0..1: at constant speed in flight, evenly faster up to its speed before it, else from rest to rest."""
        columns = []
        phases = self.plan.phases
        for p, (start, seconds) in enumerate(zip(self.bounds, self.seconds, strict=False)):
            since = times - start
            if phases[p].ballistic:
                columns.append(np.clip(since / seconds, 0.0, 1.0))
            elif phases[p].moves and p + 1 < len(phases) and phases[p + 1].ballistic:
                swing = min(2.0 * _metres(phases[p]) / self._launch_speed(p + 1), seconds)
                columns.append(np.clip((since - seconds + swing) / swing, 0.0, 1.0) ** 2)
            else:
                columns.append(cruise(since, seconds, RAMP_SECONDS))
        return np.stack(columns, 1)

    def _launch_speed(self, phase: int) -> float:
        """m/s at which a flight begins."""
        flight, seconds = self.plan.phases[phase], float(self.seconds[phase])
        rising = flight.upward / seconds + 0.5 * GRAVITY * seconds
        return float(np.linalg.norm([flight.forward / seconds, flight.leftward / seconds, rising]))

    def held(self, contact: PlannedContact) -> tuple[float, float]:
        """From when to when a contact holds, s: a reach ends with it."""
        reaches = self.plan.phases[contact.first].kind == "reach"
        begin = float(self.bounds[contact.first + reaches])
        return begin, max(begin, float(self.bounds[contact.last + 1]))

    def in_force(self, bound: int) -> tuple[PlannedContact, ...]:
        """The contacts that hold at bounds[bound], those that begin or end there among them."""
        now = self.bounds[bound]
        spans = [self.held(contact) for contact in self.plan.contacts]
        return tuple(
            c for c, (begin, end) in zip(self.plan.contacts, spans, strict=True) if begin - 1e-9 <= now <= end + 1e-9
        )


def _metres(phase: Phase) -> float:
    """By which the object moves."""
    return float(np.linalg.norm([phase.forward, phase.leftward, phase.upward]))
