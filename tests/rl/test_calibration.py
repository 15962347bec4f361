"""The calibrated score: its formula by hand, monotony, silence about what is not known, a fit that finds the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rl.calibration import Calibration, Term, fit_terms
from sim.errors import RunError

NAN = float("nan")
FLOAT = Term("float_mm", scale=10.0, weight=2.0, neutral=np.log(2.0))
SLIP = Term("slip_m_s", scale=0.5, weight=1.0, neutral=0.0)
FAR = Term("physics_joint_mm", scale=100.0, weight=1.0, neutral=0.0)
BY_HAND = Calibration(1.0, -0.5, 0.2, (FLOAT, SLIP), (FAR,), {"seed": 0})


def test_the_cost_by_hand() -> None:
    """2 (log(1 + 30/10) - log 2) = 2 log 2; at 10 mm nothing; at 0 it is 2 log 2 the other way."""
    assert FLOAT.cost(30.0) == pytest.approx(2 * np.log(2))
    assert FLOAT.cost(10.0) == pytest.approx(0.0)
    assert FLOAT.cost(0.0) == pytest.approx(-2 * np.log(2))
    assert FLOAT.cost(NAN) == 0.0


def test_plausibility_and_likelihood_by_hand() -> None:
    """Log-odds 1 - 2 log 2 - log(1 + 0.5/0.5) = 1 - 3 log 2, so odds e / 8; physics adds -0.5 - log 2: sqrt(e) / 16."""
    figures = {"float_mm": 30.0, "slip_m_s": 0.5, "physics_joint_mm": 100.0}
    odds = np.e / 8
    assert BY_HAND.plausibility(figures) == pytest.approx(odds / (1 + odds))
    odds = np.sqrt(np.e) / 16
    assert BY_HAND.likelihood(figures) == pytest.approx(odds / (1 + odds))


def test_a_worse_figure_never_raises_plausibility_or_likelihood() -> None:
    rng = np.random.default_rng(0)
    names = ("float_mm", "slip_m_s", "physics_joint_mm")
    for _ in range(50):
        better = dict(zip(names, rng.exponential(50.0, 3), strict=True))
        worse = {name: value + rng.exponential(20.0) * rng.integers(2) for name, value in better.items()}
        assert BY_HAND.plausibility(worse) <= BY_HAND.plausibility(better)
        assert BY_HAND.likelihood(worse) <= BY_HAND.likelihood(better)


def test_what_is_not_known_says_nothing() -> None:
    neutral = 1 / (1 + np.exp(-1.0))
    assert BY_HAND.plausibility({}) == BY_HAND.plausibility({"float_mm": NAN, "strange": 7.0}) == pytest.approx(neutral)


def test_the_dearest_figures_are_named_first() -> None:
    assert BY_HAND.worst({"float_mm": 20.0, "slip_m_s": 5.0}) == [("slip_m_s", 5.0), ("float_mm", 20.0)]
    assert BY_HAND.worst({"float_mm": 10.0}) == []


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    BY_HAND.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == BY_HAND


@pytest.mark.parametrize("content", ["", "{}", '{"bias": 1, "kinematic": [{"name": "x"}], "physical": []}', "[1]"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(RunError, match=r"c\.json: no calibration"):
        Calibration.load(tmp_path / "c.json")


def test_the_packages_own_has_weights_and_says_where_they_come_from() -> None:
    shipped = Calibration.load()
    assert shipped.kinematic
    assert all(t.weight > 0 and t.scale > 0 for t in (*shipped.kinematic, *shipped.physical))
    assert {"command", "seed", "clips", "recorded", "copies"} <= set(shipped.provenance)
    assert 0 < shipped.threshold < 1


def test_the_fit_finds_what_separates_and_leaves_out_what_does_not() -> None:
    rng = np.random.default_rng(1)
    real = np.arange(400) < 100
    rows = [
        {
            "tells": rng.exponential(1.0) + (0.0 if recorded else 3.0),
            "noise": rng.exponential(1.0),
            "wrong": rng.exponential(1.0) + (3.0 if recorded else 0.0),
            "rare": NAN,
        }
        for recorded in real
    ]
    bias, terms = fit_terms(rows, real, ["tells", "noise", "wrong", "rare"])
    found = {term.name: term for term in terms}
    assert found["tells"].weight > 1.0
    assert "wrong" not in found
    assert "rare" not in found
    assert found["noise"].weight < 0.5 if "noise" in found else True
    scores = np.array([Calibration(bias, 0.0, 0.5, terms, ()).plausibility(row) for row in rows])
    assert (scores[real] > 0.5).mean() > 0.8
    assert (scores[~real] < 0.5).mean() > 0.8


def test_the_fit_solves_its_own_equations() -> None:
    """At the optimum of the balanced logistic loss the weighted residuals sum to zero (the bias is not penalised)."""
    rng = np.random.default_rng(2)
    real = np.arange(90) < 30
    rows = [{"a": float(v)} for v in rng.exponential(1.0, 90) + ~real]
    bias, terms = fit_terms(rows, real, ["a"])
    p = np.array([Calibration(bias, 0.0, 0.5, terms, ()).plausibility(row) for row in rows])
    assert (1 - p[real]).mean() == pytest.approx(p[~real].mean(), abs=1e-3)


def test_what_is_given_already_is_not_fitted_again() -> None:
    rng = np.random.default_rng(3)
    real = np.arange(300) < 150
    values = rng.exponential(1.0, 300) + 2.0 * ~real
    bias, terms = fit_terms([{"a": float(v)} for v in values], real, ["a"], ridge=1e-4)
    offset = np.array([bias - terms[0].cost(float(v)) for v in values])
    again, more = fit_terms([{"a": float(v)} for v in values], real, ["a"], ridge=1e-4, offset=offset)
    assert abs(again) < 0.05
    assert sum(term.weight for term in more) < 0.1
