"""A calibrated, monotone score: how far figures exceed what recorded clips show, in log-odds, and its fit.

    cost = sum of weight * (log(1 + figure / scale) - neutral), weights >= 0
    log-odds of one kind of fault = bias + cost, by a detector of its own
    log-odds that a motion is recorded = -log sum over the kinds of exp(log-odds of the kind)

so that one fault is enough, a worse figure never raises the score, and one that could not be measured says nothing.
Balls that fly and bounce and things that are carried have detectors of their own: what is normal differs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

from sim.errors import RunError
from sim.files import write_json

DEFAULT_PATH = Path(__file__).with_name("verdict_calibration.json")


@dataclass(frozen=True)
class Term:
    """One figure's part in the score: its scale in its own unit, weight >= 0, and value in recorded clips (`neutral`,
    of log(1 + figure / scale))."""

    name: str
    scale: float
    weight: float
    neutral: float

    def cost(self, value: float) -> float:
        """Log-odds that the figure takes away; negative if it is better than in recorded clips, 0 if not known."""
        if not np.isfinite(value):
            return 0.0
        return float(self.weight * (np.log1p(max(value, 0.0) / self.scale) - self.neutral))


@dataclass(frozen=True)
class Detector:
    """One kind of fault against recorded clips: log-odds `bias` where all figures are neutral, and its terms."""

    fault: str
    bias: float
    terms: tuple[Term, ...]

    def log_odds(self, figures: Mapping[str, float]) -> float:
        """That a motion has this fault rather than being recorded, both as likely before."""
        return self.bias + total(self.terms, figures)


BALL = "handles_ball"
"""The figure that says which detectors are asked: 1 for a motion with a ball, else 0."""
HANDLED = ("thing", "ball")


@dataclass(frozen=True)
class Calibration:
    """Detectors of faults in the source's kinematics and terms of physics, with what they were fitted on.

    Attributes:
        detectors: for each of `HANDLED`, one for each kind of fault.
        physical_bias: log-odds that neutral physics adds.
        threshold: plausibility (kinematics alone) that 95 % of the recorded training clips exceed.
        physical: terms of how physics departed from the source.
        provenance: which command, clips, seeds and counts gave the numbers.
    """

    detectors: Mapping[str, tuple[Detector, ...]]
    physical_bias: float
    threshold: float
    physical: tuple[Term, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def asked(self, figures: Mapping[str, float]) -> tuple[Detector, ...]:
        """The detectors for what the motion handles."""
        return self.detectors[HANDLED[figures.get(BALL, 0.0) > 0.5]]

    def log_odds(self, figures: Mapping[str, float]) -> float:
        """That the kinematics are recorded ones."""
        return -float(logsumexp([detector.log_odds(figures) for detector in self.asked(figures)]))

    def plausibility(self, figures: Mapping[str, float]) -> float:
        """In [0, 1]: how much like recorded motion the kinematics alone look."""
        return float(expit(self.log_odds(figures)))

    def likelihood(self, figures: Mapping[str, float]) -> float:
        """In [0, 1]: the same with what retargeting and physics made of it."""
        return float(expit(self.log_odds(figures) + self.physical_bias - total(self.physical, figures)))

    def worst(self, figures: Mapping[str, float], count: int = 3) -> tuple[str, list[tuple[str, float]]]:
        """The likeliest fault, and the figures that speak most for it, (name, value); only those of half a nat."""
        likeliest = max(self.asked(figures), key=lambda detector: detector.log_odds(figures))
        costs = sorted(((t.cost(figures.get(t.name, np.nan)), t.name) for t in likeliest.terms), reverse=True)
        return likeliest.fault, [(name, figures[name]) for cost, name in costs[:count] if cost > 0.5]

    @staticmethod
    @functools.cache
    def load(path: Path = DEFAULT_PATH) -> Calibration:
        """Raises RunError for a file that is missing or is none."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            content["physical"] = tuple(Term(**row) for row in content["physical"])
            content["detectors"] = {handled: _detectors(content["detectors"][handled]) for handled in HANDLED}
            return Calibration(**content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: no calibration of the verdict ({error})") from error

    def save(self, path: Path = DEFAULT_PATH) -> None:
        """Write it as JSON, atomically."""
        write_json(path, asdict(self))


def _detectors(rows: Sequence[Mapping[str, Any]]) -> tuple[Detector, ...]:
    return tuple(Detector(row["fault"], row["bias"], tuple(Term(**term) for term in row["terms"])) for row in rows)


def total(terms: Sequence[Term], figures: Mapping[str, float]) -> float:
    """Sum of the terms' costs; figures that are absent cost nothing."""
    return sum(term.cost(figures.get(term.name, float("nan"))) for term in terms)


def fit_terms(
    figures: Sequence[Mapping[str, float]],
    real: np.ndarray,
    names: Sequence[str],
    *,
    ridge: float = 1.0,
    offset: np.ndarray | None = None,
) -> tuple[float, tuple[Term, ...]]:
    """Logistic regression with weights >= 0, both classes weighing the same: bias and the terms that earn a weight.

    Args:
        figures: of each clip or copy; real: bool [N], whether it is recorded.
        names: figures to use.
        ridge: penalty on squared weights, in clips.
        offset: [N] log-odds that are given already.
    """
    values = np.array([[row.get(name, np.nan) for name in names] for row in figures], float)
    scales = np.array([_scale(column[real], column) for column in values.T])
    x = np.log1p(np.maximum(values, 0.0) / scales)
    neutral = np.array([_mean(column[real]) for column in x.T])
    x = np.where(np.isfinite(x), x - neutral, 0.0)
    given = np.zeros(len(x)) if offset is None else offset
    sign = np.where(real, 1.0, -1.0)
    share = np.where(real, 0.5 / max(real.sum(), 1), 0.5 / max((~real).sum(), 1)) * 2 * real.sum()

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        odds = sign * (given + p[0] - x @ p[1:])
        slope = -share * expit(-odds) * sign
        gradient = np.concatenate(([slope.sum()], ridge * p[1:] - slope @ x))
        return float(-share @ log_expit(odds) + 0.5 * ridge * p[1:] @ p[1:]), gradient

    bounds = [(None, None)] + [(0.0, None)] * len(names)
    found = minimize(loss, np.zeros(1 + len(names)), jac=True, method="L-BFGS-B", bounds=bounds).x
    terms = tuple(
        Term(name, float(f"{scale:.4g}"), float(f"{weight:.4g}"), float(f"{middle:.4g}"))
        for name, scale, weight, middle in zip(names, scales, found[1:], neutral, strict=True)
        if weight > 1e-3
    )
    return round(float(found[0]), 4), terms


def _scale(real: np.ndarray, every: np.ndarray) -> float:
    """What recorded clips stay below in nine of ten cases; a tenth of what others show where that is zero."""
    for values, share in ((real, 1.0), (every, 0.1)):
        known = values[np.isfinite(values)]
        if known.size and (top := float(np.percentile(known, 90))) > 0:
            return share * top
    return 1.0


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0
