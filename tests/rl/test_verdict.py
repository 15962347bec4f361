"""The rule: every criterion alone decides, the score is what the rule says, and absent figures do not count."""

from __future__ import annotations

from typing import Any

import pytest

from rl.verdict import VerdictConfig, judge, rule

NAN = float("nan")
GOOD: dict[str, Any] = {
    "completion": 1.0, "perturbed_completion": 0.9, "mpjpe_mm": 50.0, "object_mm": 40.0, "object_deg": 10.0,
    "contact_recall": 0.8, "source_mpjpe_mm": 20.0, "assumptions": "no assistance",
}  # fmt: skip
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


def test_the_score_by_hand() -> None:
    """(1 + 0.9 + (1 - 50/200) + (1 - 40/200)) / 4 = 0.8625, times the completion."""
    assert judge(**GOOD, config=LIMITS).score == pytest.approx(0.8625, abs=1e-3)
    # completion 0.5 enters the mean, too: (0.5 + 0.9 + 0.75 + 0.8) / 4 * 0.5
    assert judge(**GOOD | {"completion": 0.5}, config=LIMITS).score == pytest.approx(0.36875, abs=1e-3)


def test_an_error_beyond_twice_the_limit_is_no_debt() -> None:
    """(1 + 0.9 + 0 + 0.8) / 4"""
    assert judge(**GOOD | {"mpjpe_mm": 5000.0}, config=LIMITS).score == pytest.approx(0.675, abs=1e-3)


def test_without_object_and_contact_the_body_alone_is_judged() -> None:
    """(1 + 0.9 + 0.75) / 3"""
    verdict = judge(**GOOD | {"object_mm": NAN, "object_deg": NAN, "contact_recall": NAN}, config=LIMITS)
    assert verdict.label == "physical"
    assert verdict.score == pytest.approx(0.8833, abs=1e-3)
    assert len(verdict.reasons) == 5
    assert "nan" not in " ".join(verdict.reasons)


def test_the_rule_names_every_limit() -> None:
    odd = VerdictConfig(0.71, 101.0, 102.0, 23.0, 0.43, 54.0)
    for limit in ("71%", "101 mm", "102 mm", "23 degrees", "43%", "54 mm"):
        assert limit in rule(odd), limit
    assert judge(**GOOD, config=odd).rule == rule(odd)
