"""Several clips in one batch: where frames lie, and that each clip is exactly what it is alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from envs.clips import Clips, require_alike
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask
from generate.authored import author_box_push
from sim.contact_graph import ContactGraph
from sim.errors import SimulationError
from sim.geometry import Mesh, Primitive
from sim.motion import Motion
from sim.primitives import to_trimesh
from sim.retarget import Reference, retarget

LENIENT = TaskConfig(num_envs=6, threads=1, termination=TerminationConfig(body_distance=0.5, object_distance=0.5))


@pytest.fixture(scope="module")
def other() -> Reference:
    """Another person pushes another box, a mesh of three times the mass: 30 frames."""
    clip = author_box_push(seed=1).slice(70, 100)
    box = clip.objects[0]
    assert isinstance(box.geometry, Primitive)
    shape = to_trimesh(box.geometry)
    mesh = Mesh(np.asarray(shape.vertices), np.asarray(shape.faces))
    heavy = dataclasses.replace(box, geometry=mesh, mass=3.0 * (box.mass or 1.0))
    return retarget(clip.replace(objects=(heavy,)))


def rollout(task: TrackingTask, frames: np.ndarray, actions: torch.Tensor) -> list[list[torch.Tensor]]:
    """Observation, reward and ends of each step, without new starts."""
    task.reset(frames)
    rows = []
    for action in actions:
        step = task.step(action)
        rows.append([step.final_observation, step.reward, step.failed, step.finished])
    return rows


def test_frames_are_counted_through_the_clips() -> None:
    clips = Clips([3, 1, 2])
    assert (len(clips), clips.num_frames) == (3, 6)
    assert clips.first.tolist() == [0, 3, 4]
    assert clips.last.tolist() == [2, 3, 5]
    assert clips.of_frame.tolist() == [0, 0, 0, 1, 2, 2]
    assert clips.ahead(np.arange(6), 1).tolist() == [1, 2, 2, 3, 5, 5]
    assert clips.ahead(np.array([[0], [4]]), np.array([1, 9])).tolist() == [[1, 2], [5, 5]]


def test_two_clips_in_a_batch_are_two_tasks_of_one(push: Reference, other: Reference) -> None:
    """Bit for bit in physics, through to each clip's own end."""
    both = TrackingTask([push, other], LENIENT)
    assert both.num_frames == len(push.qpos) + len(other.qpos)
    draw = torch.Generator().manual_seed(0)
    actions = 0.1 * torch.randn(8, 6, both.num_actions, generator=draw)
    local = np.array([0, 0, 34, 5, 23, 12])
    which = np.array([0, 1, 0, 1, 1, 0])
    together = rollout(both, both.clips.first[which] + local, actions)
    ended = torch.zeros(6, dtype=torch.bool)
    alone = []
    for w, reference in enumerate((push, other)):
        task = TrackingTask(reference, dataclasses.replace(LENIENT, num_envs=3))
        alone.append(rollout(task, local[which == w], actions[:, which == w]))
        task.close()
    for k, (observation, reward, failed, finished) in enumerate(together):
        for w in (0, 1):
            still = torch.as_tensor(which == w) & ~ended
            seen, earned, lost, done = alone[w][k]
            now = ~ended[which == w]
            torch.testing.assert_close(observation[still], seen[now], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(reward[still], earned[now], atol=1e-6, rtol=0)
            assert torch.equal(failed[still], lost[now])
            assert torch.equal(finished[still], done[now])
        ended |= failed | finished
    assert ended[2]  # 34 + 5 is the first clip's last frame
    assert ended[4]
    both.close()


def test_an_environment_may_change_its_clip(push: Reference, other: Reference) -> None:
    """An episode ends at its clip's end, the next one begins where the sampler says, on the right model's reference."""
    start = StartConfig(first_share=1.0)
    task = TrackingTask([push, other], dataclasses.replace(LENIENT, num_envs=32, start=start))
    task.reset(np.full(32, len(push.qpos) - 2))
    step = task.step(torch.zeros(32, task.num_actions))
    assert step.finished.all()
    assert set(task.frames.tolist()) == set(task.clips.first.tolist())
    torch.testing.assert_close(task.observed.positions_w, task.goals.positions_w[torch.as_tensor(task.frames)])
    after = task.step(torch.zeros(32, task.num_actions))
    goal = task.goals.object_positions_w[after.frames]
    assert (after.state.object_positions_w - goal).norm(dim=-1).max() < 0.02
    task.close()


def test_memory_brings_back_environments_of_every_clip(push: Reference, other: Reference) -> None:
    task = TrackingTask([push, other], LENIENT)
    task.reset(np.array([0, 40, 10, 50, 30, 45]))
    present, action = task.memory(), torch.full((6, task.num_actions), 0.1)
    one = [task.step(action, renew=False).reward for _ in range(3)]
    task.recall(present)
    two = [task.step(action, renew=False).reward for _ in range(3)]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    task.close()


def test_clips_that_cannot_share_a_batch_are_refused(push: Reference, push_clip: Motion) -> None:
    bare = retarget(push_clip.replace(objects=(), contacts=ContactGraph()))
    with pytest.raises(SimulationError, match=r"clip 1 \(.*\) cannot share a batch with clip 0: it has 0 movable obj"):
        TrackingTask([push, bare], LENIENT)
    fingers = dataclasses.replace(push, scene=dataclasses.replace(push.scene, joints=push.scene.joints[:-1]))
    with pytest.raises(SimulationError, match=r"only one of them simulates right_middle1"):
        require_alike([push, fingers])
    with pytest.raises(SimulationError, match="at least one clip"):
        TrackingTask([], LENIENT)


def test_the_clip_in_which_physics_fails_is_named(push: Reference, other: Reference) -> None:
    qpos = other.qpos.copy()
    qpos[13, 3] = np.nan
    with pytest.raises(SimulationError, match=r"frame 13 of the reference of clip 1"):
        TrackingTask([push, dataclasses.replace(other, qpos=qpos)], LENIENT)
