"""The verdict: a written rule over the figures of an evaluation, printed wherever the verdict is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rl.calibration import Calibration
from rl.evidence import in_words


@dataclass(frozen=True)
class VerdictConfig:
    """Limits of the rule.

    Attributes:
        perturbed_completion: mean share of the clip carried through from perturbed starts.
        mpjpe_mm: mean joint distance from the retargeted reference.
        object_mm, object_deg: mean object error; SBTO's limits of success.
        contact_recall: share of the labelled hand contacts that physics shows.
        source_mpjpe_mm: mean joint distance that retargeting may have put between source and reference.
    """

    perturbed_completion: float = 0.8
    mpjpe_mm: float = 100.0
    object_mm: float = 100.0
    object_deg: float = 25.0
    contact_recall: float = 0.5
    source_mpjpe_mm: float = 50.0


_ROBUST = 1  # which of the checks is about perturbed starts
LABELS = ("physical", "physical, not robust", "partly physical", "not shown to be physical")


@dataclass(frozen=True)
class Verdict:
    """What the rule says.

    Attributes:
        label: one of `LABELS`; score: in [0, 1].
        rule, reasons: in words.
        plausibility: in [0, 1], of the source's kinematics alone; None without evidence.
        evidence: the figures behind score and plausibility, those that could be measured.
    """

    label: str
    score: float
    rule: str
    reasons: tuple[str, ...]
    plausibility: float | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)


def rule(config: VerdictConfig, calibration: Calibration | None = None) -> str:
    """The rule in words."""
    c, calibrated = config, calibration or Calibration.load()
    return (
        "physical: a policy carries the clip through from frame 0 without any help, carries on average at least "
        f"{c.perturbed_completion:.0%} of it through from perturbed starts, and stays within {c.mpjpe_mm:g} mm of the "
        f"joints, {c.object_mm:g} mm and {c.object_deg:g} degrees of the object, touches with the hands in at least "
        f"{c.contact_recall:.0%} of the frames labelled as contact, retargeting moved the joints by at most "
        f"{c.source_mpjpe_mm:g} mm, and the motion itself is as plausible as recorded ones are (plausibility at least "
        f"{calibrated.threshold:.2f}). Physical, not robust: all of this but the perturbed starts; the motion can be "
        "carried out, by a policy that a small push upsets. Partly physical: at least half of the clip is carried "
        "through. Otherwise not shown to be physical: this policy failed, which is no proof that none can succeed. The "
        "plausibility is the probability, by logistic rules, one for each kind of fault, that a motion with these "
        "kinematic figures (jitter, wander over the floor, sliding feet, slip of what is carried, gaps at contact and "
        "so on) is recorded rather than a copy of one that has a fault. The score is the same probability when it also "
        "counts what retargeting had to mend and how far physics departed from the source, times the completion from "
        "frame 0. No figure raises it by getting worse; weights, scales and what they were fitted on are in "
        "rl/verdict_calibration.json."
    )


def judge(
    *,
    completion: float,
    perturbed_completion: float,
    mpjpe_mm: float,
    object_mm: float,
    object_deg: float,
    contact_recall: float,
    source_mpjpe_mm: float,
    assumptions: str,
    evidence: Mapping[str, float] | None = None,
    config: VerdictConfig | None = None,
    calibration: Calibration | None = None,
) -> Verdict:
    """Apply the rule.

    Args:
        completion, perturbed_completion: shares of the clip in [0, 1].
        mpjpe_mm, object_mm, object_deg: mean errors over the frames that were lived; NaN without objects.
        contact_recall: NaN where nothing had to be touched.
        source_mpjpe_mm: reference against source.
        assumptions: masses and friction with which it was reached, for the reasons.
        evidence: figures of `rl.evidence`; what is absent or NaN counts as neutral.
        config: limits.
        calibration: of plausibility and score; the package's own where None.
    """
    c, calibrated = config or VerdictConfig(), calibration or Calibration.load()
    known = {name: float(value) for name, value in (evidence or {}).items() if np.isfinite(value)}
    plausibility = calibrated.plausibility(known) if known else float("nan")
    checks = (
        (completion >= 1.0, f"carried {completion:.0%} of the clip through from frame 0"),
        (
            perturbed_completion >= c.perturbed_completion,
            f"carried {perturbed_completion:.0%} through from perturbed starts (limit {c.perturbed_completion:.0%})",
        ),
        (mpjpe_mm <= c.mpjpe_mm, f"joints {mpjpe_mm:.0f} mm from the reference (limit {c.mpjpe_mm:g})"),
        _optional(object_mm, object_mm <= c.object_mm, f"object {object_mm:.0f} mm off (limit {c.object_mm:g})"),
        _optional(object_deg, object_deg <= c.object_deg, f"object turned {object_deg:.0f}° (limit {c.object_deg:g})"),
        _optional(
            contact_recall,
            contact_recall >= c.contact_recall,
            f"hands touch in {contact_recall:.0%} of the labelled frames (limit {c.contact_recall:.0%})",
        ),
        (
            source_mpjpe_mm <= c.source_mpjpe_mm,
            f"retargeting moved the joints by {source_mpjpe_mm:.0f} mm (limit {c.source_mpjpe_mm:g})",
        ),
        _optional(
            plausibility,
            plausibility >= calibrated.threshold,
            f"the source motion looks recorded, not corrupted: plausibility {plausibility:.2f} "
            f"(limit {calibrated.threshold:.2f}){_culprits(calibrated, known, plausibility)}",
        ),
    )
    held = [check for check in checks if check is not None]
    failed = [check for check in held if not check[0]]
    if not failed:
        label = LABELS[0]
    elif failed == [checks[_ROBUST]]:
        label = LABELS[1]
    else:
        label = LABELS[2] if completion >= 0.5 else LABELS[3]
    score = completion * calibrated.likelihood(known)
    reasons = [f"{'holds' if ok else 'fails'}: {text}" for ok, text in held]
    said = (*reasons, f"reached with {assumptions}")
    return Verdict(label, round(score, 3), rule(c, calibrated), said, round(plausibility, 3) if known else None, known)


def _optional(value: float, ok: bool, text: str) -> tuple[bool, str] | None:
    return None if np.isnan(value) else (ok, text)


def _culprits(calibration: Calibration, figures: Mapping[str, float], plausibility: float) -> str:
    """The likeliest fault and the kinematic figures that speak for it, in words, where the source is not plausible."""
    if plausibility >= calibration.threshold:
        return ""
    fault, worst = calibration.worst(figures)
    said = f" ({', '.join(in_words(name, value) for name, value in worst)})" if worst else ""
    return f"; likeliest fault: {fault.replace('_', ' ')}{said}"
