"""What is seen of a ball: where it is and how fast, never how it has turned."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from envs.rewards import object_rotation
from envs.rows import RowLayout
from envs.tracking import TaskConfig, TrackingTask
from rl.evaluate import simulated_motion
from rl.figures import figures_of, per_frame_of
from rl.rollouts import Evaluator
from sim.geometry import Primitive
from sim.motion import Motion
from sim.retarget import Reference, retarget

CONFIG = TaskConfig(num_envs=2, threads=1)


def with_geometry(motion: Motion, geometry: Primitive) -> Motion:
    item = dataclasses.replace(motion.objects[0], geometry=geometry, mass=0.6)
    return motion.replace(objects=(item,)).slice(0, 10)


@pytest.fixture(scope="module")
def ball(push_clip: Motion) -> Reference:
    return retarget(with_geometry(push_clip, Primitive("sphere", (0.15,))))


def spun(task: TrackingTask) -> TrackingTask:
    """Begun at frame 0 with an object that spins at 20 rad/s about the vertical."""
    task.reset(np.zeros(2, np.int64))
    state, *rest = task.memory()
    state[:, -1] += 20.0
    task.recall((state, *rest))
    return task


def test_a_ball_looks_as_turned_as_its_reference_and_a_box_as_it_is(ball: Reference, push: Reference) -> None:
    for reference, looks_turned in ((ball, False), (push, True)):
        task = spun(TrackingTask(reference, CONFIG))
        for _ in range(3):
            step = task.step(torch.zeros(2, task.num_actions), renew=False)
        assert bool((object_rotation(step.state, step.goal) > 0.5).all()) == looks_turned
        assert bool((step.state.object_spins_w - step.goal.object_spins_w).norm(dim=-1).max() > 5) == looks_turned
        assert not torch.equal(step.state.object_positions_w, step.goal.object_positions_w)
        task.close()


def test_turns_of_balls_are_the_columns_of_their_rotations_and_spins(ball: Reference, push: Reference) -> None:
    layout = RowLayout(ball.scene)
    where = layout.turns_of_balls([ball.motion, push.motion])
    seen = layout.split(where)
    assert seen.object_rotations_w[0].all()
    assert seen.object_spins_w[0].all()
    assert int(where[0].sum()) == 7
    assert not where[1].any()


def test_how_a_ball_turned_is_no_figure(ball: Reference) -> None:
    episodes = Evaluator(ball, CONFIG).run(None)
    simulation = simulated_motion(ball, episodes)
    figures = figures_of(ball, simulation, episodes, episodes, touch_force=1.0)
    assert "object_position_error" in figures
    assert "object_rotation_error" not in figures
    assert "object_rotation_deg" not in per_frame_of(ball, simulation)
    assert "object_position_mm" in per_frame_of(ball, simulation)
