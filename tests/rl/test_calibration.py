"""The calibrated score: its formula by hand, monotony, silence about what is not known, a fit that finds the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rl.calibration import BALL, Calibration, Detector, Term, fit_terms
from sim.corruption import KINDS
from sim.errors import RunError

NAN = float("nan")
FLOAT = Term("float_mm", scale=10.0, weight=2.0, neutral=np.log(2.0))
SLIP = Term("slip_m_s", scale=0.5, weight=1.0, neutral=0.0)
FAR = Term("physics_joint_mm", scale=100.0, weight=1.0, neutral=0.0)
BY_HAND = Calibration(
    {
        "thing": (Detector("float", -1.0, (FLOAT,)), Detector("drift", -2.0, (SLIP,))),
        "ball": (Detector("float", 1.0, (FLOAT,)),),
    },
    -0.5, 0.2, (FAR,), {"seed": 0},
)  # fmt: skip


def alone(bias: float, terms: tuple[Term, ...]) -> Calibration:
    """A single detector of anything."""
    return Calibration({"thing": (Detector("any", -bias, terms),), "ball": ()}, 0.0, 0.5, ())


def test_the_cost_by_hand() -> None:
    """2 (log(1 + 30/10) - log 2) = 2 log 2; at 10 mm nothing; at 0 it is 2 log 2 the other way."""
    assert FLOAT.cost(30.0) == pytest.approx(2 * np.log(2))
    assert FLOAT.cost(10.0) == pytest.approx(0.0)
    assert FLOAT.cost(0.0) == pytest.approx(-2 * np.log(2))
    assert FLOAT.cost(NAN) == 0.0


def test_plausibility_and_likelihood_by_hand() -> None:
    """Odds of a floating body 4 / e, of drift 2 / e^2; together 4 / e + 2 / e^2. Physics adds log-odds -0.5 - log 2."""
    figures = {"float_mm": 30.0, "slip_m_s": 0.5, "physics_joint_mm": 100.0}
    odds = 1 / (4 / np.e + 2 / np.e**2)
    assert BY_HAND.plausibility(figures) == pytest.approx(odds / (1 + odds))
    odds /= 2 * np.sqrt(np.e)
    assert BY_HAND.likelihood(figures) == pytest.approx(odds / (1 + odds))


def test_one_fault_is_enough_and_cannot_be_made_up_for() -> None:
    """What floats stays implausible however little it drifts; a sum of costs would let one pay for the other."""
    floating, still = {"float_mm": 1e4, "slip_m_s": 0.5}, {"float_mm": 1e4, "slip_m_s": 0.0}
    bound = 1 / (1 + np.exp(-1.0 + FLOAT.cost(1e4)))
    assert BY_HAND.plausibility(floating) < BY_HAND.plausibility(still) < bound


def test_balls_have_detectors_of_their_own() -> None:
    figures = {"float_mm": 10.0, "slip_m_s": 100.0}
    assert BY_HAND.plausibility(figures | {BALL: 1.0}) == pytest.approx(1 / (1 + np.e))
    assert BY_HAND.plausibility(figures | {BALL: 0.0}) == BY_HAND.plausibility(figures)


def test_a_worse_figure_never_raises_plausibility_or_likelihood() -> None:
    rng = np.random.default_rng(0)
    names = ("float_mm", "slip_m_s", "physics_joint_mm")
    for _ in range(50):
        better = dict(zip(names, rng.exponential(50.0, 3), strict=True))
        worse = {name: value + rng.exponential(20.0) * rng.integers(2) for name, value in better.items()}
        assert BY_HAND.plausibility(worse) <= BY_HAND.plausibility(better)
        assert BY_HAND.likelihood(worse) <= BY_HAND.likelihood(better)


def test_what_is_not_known_says_nothing() -> None:
    neutral = 1 / (1 + np.exp(-1.0) + np.exp(-2.0))
    assert BY_HAND.plausibility({}) == BY_HAND.plausibility({"float_mm": NAN, "strange": 7.0}) == pytest.approx(neutral)


def test_the_likeliest_fault_and_its_dearest_figures_are_named() -> None:
    assert BY_HAND.worst({"float_mm": 20.0, "slip_m_s": 50.0}) == ("drift", [("slip_m_s", 50.0)])
    assert BY_HAND.worst({"float_mm": 20.0, "slip_m_s": 0.5}) == ("float", [("float_mm", 20.0)])
    assert BY_HAND.worst({"float_mm": 10.0}) == ("float", [])


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    BY_HAND.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == BY_HAND


@pytest.mark.parametrize("content", ["", "{}", '{"detectors": {"thing": [{"fault": "x"}]}, "physical": []}', "[1]"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(RunError, match=r"c\.json: no calibration"):
        Calibration.load(tmp_path / "c.json")


def test_the_packages_own_has_weights_and_says_where_they_come_from() -> None:
    shipped = Calibration.load()
    faults = {handled: [d.fault for d in detectors] for handled, detectors in shipped.detectors.items()}
    assert faults["thing"] == faults["ball"] == [kind for kind in KINDS if kind != "video"]
    terms = [term for detectors in shipped.detectors.values() for d in detectors for term in d.terms]
    assert terms
    assert all(t.weight > 0 and t.scale > 0 for t in (*terms, *shipped.physical))
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
    scores = np.array([alone(bias, terms).plausibility(row) for row in rows])
    assert (scores[real] > 0.5).mean() > 0.8
    assert (scores[~real] < 0.5).mean() > 0.8


def test_the_fit_solves_its_own_equations() -> None:
    """At the optimum of the balanced logistic loss the weighted residuals sum to zero (the bias is not penalised)."""
    rng = np.random.default_rng(2)
    real = np.arange(90) < 30
    rows = [{"a": float(v)} for v in rng.exponential(1.0, 90) + ~real]
    bias, terms = fit_terms(rows, real, ["a"])
    p = np.array([alone(bias, terms).plausibility(row) for row in rows])
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
