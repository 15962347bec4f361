"""Planning of corrected PD targets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask
from rl.refine import RefineConfig, _Planner, load_corrections, refine, refined, save_corrections
from rl.rollouts import Evaluator
from sim.errors import RunError
from sim.motion import Motion
from sim.retarget import Reference, retarget

TASK = TaskConfig(threads=1, termination=TerminationConfig(body_distance=0.5, object_distance=0.5))
NEVER = TerminationConfig(0.0, 0.0, 0.0)
SMALL = RefineConfig(iterations=2, samples=12, horizon=6, carried_out=3, knot=3)


@pytest.fixture(scope="module")
def lame(push: Reference) -> Reference:
    """The reference with knee targets that are off by 0.15 rad: something for planning to mend."""
    targets = push.targets.copy()
    for name in ("left_knee_y", "right_knee_y"):
        targets[:, push.scene.model.actuator(name).id] += 0.15
    return dataclasses.replace(push, targets=targets)


def test_planning_brings_the_body_nearer(lame: Reference) -> None:
    found = refine(lame, TASK, dataclasses.replace(SMALL, samples=32, iterations=3))
    before = Evaluator(lame, TASK).run(None)
    after = Evaluator(refined(lame, found.corrections), TASK).run(None)
    assert after.completion()[0] >= before.completion()[0]
    rows = min(int(before.alive.sum()), int(after.alive.sum()))

    def error(episodes: object) -> float:
        states, goals = episodes.states, episodes.goals  # type: ignore[attr-defined]
        return float((states.positions_w - goals.positions_w)[:rows].norm(dim=-1).mean())

    assert error(after) < 0.9 * error(before)


def test_the_corrected_reference_replays_what_was_planned(push: Reference) -> None:
    found = refine(push, TASK, SMALL)
    assert found.reached == len(push.qpos) - 1
    replay = Evaluator(refined(push, found.corrections), TASK).run(None)
    assert replay.completed.all()


def test_steps_are_counted_and_corrections_bounded(push: Reference) -> None:
    found = refine(push, TASK, SMALL)
    last, expected, frame = len(push.qpos) - 1, 0, 0
    while frame < last:
        horizon = min(SMALL.horizon, last - frame)
        carried = min(SMALL.carried_out, horizon)
        expected += SMALL.samples * (SMALL.iterations * horizon + carried)
        frame += carried
    assert found.steps == expected
    assert found.corrections.shape == push.targets.shape
    assert np.abs(found.corrections).max() <= TASK.action_scale + 1e-6
    assert not found.corrections[0].any()  # no action leads to frame 0


@pytest.fixture(scope="module")
def stumble(push_clip: Motion) -> Reference:
    """24 frames with knees that give way for a moment: a small search falls at first."""
    walk = retarget(push_clip.slice(8, 32))
    targets = walk.targets.copy()
    for name in ("left_knee_y", "right_knee_y"):
        targets[6:16, walk.scene.model.actuator(name).id] += 0.6
    return dataclasses.replace(walk, targets=targets)


def test_where_a_plan_fails_it_goes_back_and_tries_harder(stumble: Reference) -> None:
    task = dataclasses.replace(TASK, termination=TerminationConfig(body_distance=0.06, object_distance=0.5))
    once = refine(stumble, task, dataclasses.replace(SMALL, retries=0, stray=NEVER))
    again = refine(stumble, task, dataclasses.replace(SMALL, patience=6.0))
    assert once.reached < len(stumble.qpos) - 1
    assert again.reached > once.reached
    assert again.steps > once.steps
    replay = Evaluator(refined(stumble, again.corrections), task).run(None)
    assert int(replay.alive[:, 0].sum()) > once.reached


def test_a_plan_that_strays_is_made_anew_before_it_fails(stumble: Reference) -> None:
    """With wide limits nothing fails; counting half of the body's as failing spends more steps and stays nearer."""
    task = dataclasses.replace(TASK, termination=TerminationConfig(body_distance=0.12, object_distance=0.5))
    patient = dataclasses.replace(SMALL, patience=8.0)
    loose, strict = (
        refine(stumble, task, dataclasses.replace(patient, stray=s)) for s in (NEVER, TerminationConfig(0.06, 0.0))
    )
    assert strict.steps > loose.steps

    def worst(corrections: np.ndarray) -> float:
        episodes = Evaluator(refined(stumble, corrections), task).run(None)
        return float((episodes.states.positions_w - episodes.goals.positions_w).norm(dim=-1).mean(-1).max())

    assert strict.reached == loose.reached == len(stumble.qpos) - 1
    assert worst(strict.corrections) < worst(loose.corrections)


def test_it_gives_up_when_its_patience_is_spent(stumble: Reference) -> None:
    task = dataclasses.replace(TASK, termination=TerminationConfig(body_distance=0.02, object_distance=0.5))
    found = refine(stumble, task, dataclasses.replace(SMALL, patience=1.0, retries=10**6))
    one_pass = SMALL.samples * (SMALL.iterations * SMALL.horizon / SMALL.carried_out + 1) * len(stumble.qpos)
    assert found.reached < len(stumble.qpos) - 1
    assert one_pass <= found.steps < 4 * one_pass


def test_rough_plans_cost(push: Reference) -> None:
    """Second differences by hand: 0, 0 | 0, 1, 0 gives 1 and -2, each squared, for every angle."""
    task = TrackingTask(push, dataclasses.replace(TASK, num_envs=2), seed=0)
    planner = _Planner(task, dataclasses.replace(SMALL, samples=2), torch.Generator())
    tried = torch.zeros(2, 3, task.num_actions)
    tried[1, 1, :4] = 1.0
    assert planner._roughness(frame=5, tried=tried).tolist() == [0.0, 4 * (1.0 + 4.0)]
    planner.plan[4] = 0.5  # what has just been carried out
    assert planner._roughness(frame=5, tried=tried)[0] == pytest.approx(task.num_actions * (0.25 + 1.0))
    assert planner._roughness(frame=0, tried=tried[:1])[0] == 0.0
    task.close()


def test_smoother_plans_where_roughness_costs(push: Reference) -> None:
    rough, smooth = (
        refine(push, TASK, dataclasses.replace(SMALL, deviation=0.25, smoothness=s)).corrections for s in (0.0, 0.05)
    )
    assert np.square(np.diff(smooth, n=2, axis=0)).sum() < 0.8 * np.square(np.diff(rough, n=2, axis=0)).sum()


def test_planning_stops_when_its_time_is_spent(push: Reference) -> None:
    found = refine(push, TASK, SMALL, max_seconds=1e-9)
    assert found.reached == 0
    assert found.steps == 0
    assert not found.corrections.any()


def test_the_same_seed_plans_the_same(stumble: Reference) -> None:
    one, same, other = (refine(stumble, TASK, SMALL, seed=s).corrections for s in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_corrections_round_trip_and_damage_is_one_line(tmp_path: Path) -> None:
    corrections = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double().numpy()
    save_corrections(tmp_path / "c.npz", corrections)
    assert np.array_equal(load_corrections(tmp_path / "c.npz"), corrections)
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(RunError, match="damaged"):
        load_corrections(tmp_path / "c.npz")
