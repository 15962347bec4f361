"""The rule: every criterion alone decides, the score is what the rule says, and absent figures do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rl.calibration import BALL, Calibration, Detector, Term
from rl.verdict import VerdictConfig, judge, rule

NAN = float("nan")
GOOD: dict[str, Any] = {
    "completion": 1.0, "perturbed_completion": 0.9, "mpjpe_mm": 50.0, "object_mm": 40.0, "object_deg": 10.0,
    "contact_recall": 0.8, "source_mpjpe_mm": 20.0, "assumptions": "no assistance",
}  # fmt: skip
BY_HAND = Calibration(
    {"thing": (Detector("float", -1.0, (Term("float_mm", scale=10.0, weight=1.0, neutral=0.0),)),), "ball": ()},
    physical_bias=0.0, threshold=0.2,
    physical=(Term("physics_joint_mm", scale=100.0, weight=1.0, neutral=0.0),),
)  # fmt: skip
LIMITS = VerdictConfig(
    perturbed_completion=0.8, mpjpe_mm=100.0, object_mm=100.0, object_deg=25.0, contact_recall=0.5, source_mpjpe_mm=50.0
)


def test_all_criteria_met_is_physical() -> None:
    verdict = judge(**GOOD, config=LIMITS)
    assert verdict.label == "physical"
    assert all(reason.startswith("holds:") for reason in verdict.reasons[:-1])
    assert verdict.reasons[-1] == "reached with no assistance"
    assert len(verdict.reasons) == 8


@pytest.mark.parametrize(
    ("name", "bad", "just_good"),
    [
        ("completion", 0.99, 1.0),
        ("perturbed_completion", 0.79, 0.8),
        ("mpjpe_mm", 100.1, 100.0),
        ("object_mm", 100.1, 100.0),
        ("object_deg", 25.1, 25.0),
        ("contact_recall", 0.49, 0.5),
        ("source_mpjpe_mm", 50.1, 50.0),
    ],
)
def test_each_criterion_alone_decides(name: str, bad: float, just_good: float) -> None:
    assert judge(**GOOD | {name: just_good}, config=LIMITS).label == "physical"
    verdict = judge(**GOOD | {name: bad}, config=LIMITS)
    assert verdict.label == ("physical, not robust" if name == "perturbed_completion" else "partly physical")
    assert sum(reason.startswith("fails:") for reason in verdict.reasons) == 1


@pytest.mark.parametrize(("completion", "label"), [(0.5, "partly physical"), (0.49, "not shown to be physical")])
def test_half_of_the_clip_divides_partly_from_not_shown(completion: float, label: str) -> None:
    assert judge(**GOOD | {"completion": completion}, config=LIMITS).label == label


def test_the_score_is_completion_times_likelihood_by_hand() -> None:
    """Log-odds 1 - log(1 + 30/10) = 1 - 2 log 2 for plausibility, and log 2 less with 100 mm in physics."""
    evidence = {"float_mm": 30.0, "physics_joint_mm": 100.0, "unknown": NAN}
    verdict = judge(**GOOD, evidence=evidence, config=LIMITS, calibration=BY_HAND)
    assert verdict.plausibility == pytest.approx(np.e / (4 + np.e), abs=1e-3)
    assert verdict.score == pytest.approx(np.e / (8 + np.e), abs=1e-3)
    half = judge(**GOOD | {"completion": 0.5}, evidence=evidence, config=LIMITS, calibration=BY_HAND)
    assert half.score == pytest.approx(0.5 * np.e / (8 + np.e), abs=1e-3)
    assert verdict.evidence == {"float_mm": 30.0, "physics_joint_mm": 100.0}


@pytest.mark.parametrize("handled", ["thing", "ball"])
def test_a_worse_figure_never_raises_the_score(handled: str) -> None:
    """With the calibration that is shipped, every figure it knows, one at a time."""
    shipped = Calibration.load()
    terms = [term for detector in shipped.detectors[handled] for term in detector.terms]
    middle = {term.name: term.scale for term in (*terms, *shipped.physical)} | {BALL: float(handled == "ball")}
    before = judge(**GOOD, evidence=middle, config=LIMITS).score
    for name, value in middle.items():
        if name == BALL:
            continue
        assert judge(**GOOD, evidence=middle | {name: 3 * value}, config=LIMITS).score <= before, name
    assert judge(**GOOD | {"completion": 0.7}, evidence=middle, config=LIMITS).score <= before


def test_an_implausible_motion_is_not_physical_even_if_it_is_tracked() -> None:
    """Log-odds 1 - log(1 + 990/10) = 1 - log 100: plausible to 0.026, below the limit of 0.2."""
    text = "the source motion looks recorded, not corrupted: plausibility"
    verdict = judge(**GOOD, evidence={"float_mm": 990.0}, config=LIMITS, calibration=BY_HAND)
    assert verdict.label == "partly physical"
    assert (
        f"fails: {text} 0.03 (limit 0.20); likeliest fault: float (body over the floor, median: 990 mm)"
        in verdict.reasons
    )
    sound = judge(**GOOD, evidence={"float_mm": 0.0}, config=LIMITS, calibration=BY_HAND)
    assert sound.label == "physical"
    assert f"holds: {text} 0.73 (limit 0.20)" in sound.reasons


def test_without_object_and_contact_the_body_alone_is_judged() -> None:
    verdict = judge(**GOOD | {"object_mm": NAN, "object_deg": NAN, "contact_recall": NAN}, config=LIMITS)
    assert verdict.label == "physical"
    assert len(verdict.reasons) == 5
    assert "nan" not in " ".join(verdict.reasons)


def test_the_rule_names_every_limit() -> None:
    odd = VerdictConfig(0.71, 101.0, 102.0, 23.0, 0.43, 54.0)
    for limit in ("71%", "101 mm", "102 mm", "23 degrees", "43%", "54 mm", "at least 0.20"):
        assert limit in rule(odd, BY_HAND), limit
    assert judge(**GOOD, config=odd, calibration=BY_HAND).rule == rule(odd, BY_HAND)
