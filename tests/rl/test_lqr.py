"""Feedback around a planned trajectory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from envs.tracking import TaskConfig
from rl.lqr import LqrConfig, _proven, regulate, riccati
from rl.refine import load_trajectory, refined, save_corrections
from rl.rollouts import PERTURBATION, Evaluator
from sim.retarget import Reference
from sim.trajectory import Trajectory

TASK = TaskConfig(threads=1)


@pytest.fixture(scope="module")
def still(stand: Reference) -> tuple[Trajectory, int]:
    """Feedback for a person who stands still for 20 frames."""
    return regulate(stand, TASK, LqrConfig())


def test_gains_of_a_long_constant_system_are_the_stationary_ones() -> None:
    """Far from the end the recursion has converged to the solution of the algebraic Riccati equation."""
    a, b = np.array([[1.0, 0.1], [0.3, 1.0]]), np.array([[0.0], [0.1]])
    q, r = np.diag([2.0, 0.5]), np.array([[0.1]])
    value = solve_discrete_are(a, b, q, r)
    expected = np.linalg.solve(r + b.T @ value @ b, b.T @ value @ a)
    found = riccati(np.repeat(a[None], 400, 0), np.repeat(b[None], 400, 0), q, r)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_the_last_gain_by_hand() -> None:
    """One step of x' = 2 x + u with q = 3, r = 1: K = 3 * 2 / (1 + 3)."""
    found = riccati(np.full((1, 1, 1), 2.0), np.ones((1, 1, 1)), np.array([[3.0]]), np.array([[1.0]]))
    assert found[0, 0, 0] == pytest.approx(1.5)


def test_steps_are_counted(stand: Reference, still: tuple[Trajectory, int]) -> None:
    nu, nv = stand.scene.model.nu, stand.scene.model.nv
    frames = len(stand.qpos)
    alone = (frames - 1) * 2 * (2 * nv + nu) + frames
    trials = still[1] - alone
    assert 0 < trials <= 4 * 2 * 16 * (frames - 1)  # three strengths and none, 16 starts of either kind
    assert still[0].gains.shape == (frames, nu, 2 * nv)
    assert not still[0].gains[-1].any()  # nothing follows the last frame


def test_on_the_trajectory_feedback_changes_nothing(stand: Reference, still: tuple[Trajectory, int]) -> None:
    nothing = np.zeros_like(stand.targets)
    plain = Evaluator(stand, TASK).run(None)
    followed = Evaluator(refined(stand, nothing, still[0]), TASK).run(None)
    off = (plain.states.positions_w - followed.states.positions_w).norm(dim=-1)
    assert float(off.max()) < 2e-4


def test_it_brings_a_disturbed_body_nearer(stand: Reference, still: tuple[Trajectory, int]) -> None:
    def error(reference: Reference) -> float:
        episodes = Evaluator(reference, TASK, episodes=24, noise=PERTURBATION).run(None, seed=0)
        return float((episodes.states.positions_w - episodes.goals.positions_w)[-1].norm(dim=-1).mean())

    assert error(refined(stand, np.zeros_like(stand.targets), still[0])) < 0.8 * error(stand)


def test_gains_that_throw_the_person_over_are_not_taken(stand: Reference, still: tuple[Trajectory, int]) -> None:
    """Feedback with the wrong sign drives every error on; of its strengths, none at all is the best."""
    wrong = dataclasses.replace(still[0], gains=-5.0 * still[0].gains, limit=1.0)
    taken, _ = _proven(stand, wrong, TASK, LqrConfig(trials=8))
    assert not taken.gains.any()
    right, _ = _proven(stand, still[0], TASK, LqrConfig(strengths=(1.0,), trials=8))
    np.testing.assert_array_equal(right.gains, still[0].gains)


def test_targets_change_by_no_more_than_the_limit(stand: Reference, still: tuple[Trajectory, int]) -> None:
    bound = dataclasses.replace(still[0], limit=0.0)
    nothing = np.zeros_like(stand.targets)
    one = Evaluator(stand, TASK, episodes=4, noise=PERTURBATION).run(None, seed=1)
    same = Evaluator(refined(stand, nothing, bound), TASK, episodes=4, noise=PERTURBATION).run(None, seed=1)
    assert np.array_equal(one.states.positions_w.numpy(), same.states.positions_w.numpy())


def test_gains_are_zero_where_the_plan_has_failed(stand: Reference) -> None:
    targets = stand.targets.copy()
    targets[8:] += 1.5  # every joint at once: the person goes down
    trajectory, _ = regulate(dataclasses.replace(stand, targets=targets), TASK, LqrConfig())
    living = trajectory.gains.any((1, 2))
    assert living[:7].all()
    assert not living[-2:].any()
    np.testing.assert_array_equal(trajectory.states[-1], stand.states[-1])


def test_a_trajectory_is_saved_with_the_corrections(
    stand: Reference, still: tuple[Trajectory, int], tmp_path: Path
) -> None:
    save_corrections(tmp_path / "c.npz", np.zeros_like(stand.targets), still[0])
    back = load_trajectory(tmp_path / "c.npz")
    assert back is not None
    assert back.limit == still[0].limit
    np.testing.assert_array_equal(back.states, still[0].states)
    np.testing.assert_allclose(back.gains, still[0].gains, rtol=2e-3, atol=1e-4)
    save_corrections(tmp_path / "d.npz", np.zeros_like(stand.targets))
    assert load_trajectory(tmp_path / "d.npz") is None
