"""States that physics reached: which are kept, which are drawn, and that an episode begins in them exactly."""

from __future__ import annotations

import numpy as np
import torch

from envs.reached import ReachedStates
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask
from sim.retarget import Reference


def reached(frames: int = 10, envs: int = 2, slots: int = 2, survived: int = 2) -> ReachedStates:
    return ReachedStates(frames, envs, 3, slots=slots, survived=survived)


def marked(*marks: float) -> np.ndarray:
    return np.stack([np.array([9.0, mark, mark]) for mark in marks])


def drawn(states: ReachedStates, frame: int, share: float = 1.0, count: int = 400) -> list[float]:
    """Marks of states drawn for a frame; -1 is what was there before."""
    before = np.tile([0.0, -1.0, -1.0], (count, 1))
    after = states.replace(before, np.full(count, frame), share, np.random.default_rng(0))
    assert (after[:, 0] == 0.0).all()  # the clock begins anew
    return after[:, 1].tolist()


def test_a_state_is_kept_once_its_episode_has_lived_on() -> None:
    """Two steps on: environment 0 lives through frames 1, 2, 3; environment 1 fails in the third step."""
    states = reached()
    quiet = np.zeros(2, bool)
    for step in range(3):
        lost = np.array([False, step == 2])
        states.record(marked(step, 10 + step), np.array([1 + step, 4 + step]), lost, lost)
    assert set(drawn(states, 1)) == {0.0}
    for frame in (2, 3, 4, 5, 6):
        assert set(drawn(states, frame)) == {-1.0}
    # a new episode's trail holds nothing of the old one
    states.record(marked(3, 20), np.array([4, 7]), quiet, quiet)
    states.record(marked(4, 21), np.array([5, 8]), quiet, quiet)
    assert set(drawn(states, 5)) == {-1.0}
    states.record(marked(5, 22), np.array([6, 9]), quiet, quiet)
    assert set(drawn(states, 7)) == {20.0}
    assert set(drawn(states, 2)) == {1.0}


def test_the_newest_states_of_a_frame_are_kept_and_drawn_alike() -> None:
    states = reached(envs=1, survived=1)
    for mark in range(5):  # one frame over and over
        states.record(marked(mark), np.array([3]), np.zeros(1, bool), np.zeros(1, bool))
    marks = drawn(states, 3)
    assert set(marks) == {2.0, 3.0}
    assert abs(np.mean(np.array(marks) == 2.0) - 0.5) < 0.1
    assert abs(np.mean(np.array(drawn(states, 3, share=0.3)) >= 0) - 0.3) < 0.1


def test_all_that_is_known_comes_back() -> None:
    one, two = reached(), reached()
    quiet = np.zeros(2, bool)
    for step in range(4):
        one.record(marked(step, 10 + step), np.array([step, step]), quiet, quiet)
    two.load_state_dict(one.state_dict())
    for states in (one, two):
        states.record(marked(7, 8), np.array([4, 4]), quiet, quiet)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def test_episodes_begin_in_states_that_the_batch_was_in(push: Reference) -> None:
    """On the clock of the reference: the instant observed is a state once observed in that frame, bit for bit."""
    start = StartConfig(first_share=0.0, min_frames=5, reached_share=1.0, reached_frames=3, reached_slots=8)
    config = TaskConfig(num_envs=8, threads=1, start=start, termination=TerminationConfig(0.0, 0.0))
    task = TrackingTask(push, config)
    task.reset(np.arange(8))
    draw = torch.Generator().manual_seed(0)
    seen: dict[int, list[torch.Tensor]] = {}
    begun = 0
    for _ in range(60):
        step = task.step(0.3 * torch.randn(8, task.num_actions, generator=draw))
        for i, frame in enumerate(step.frames.tolist()):
            seen.setdefault(frame, []).append(step.state.angles[i].clone())
        for i in np.flatnonzero((step.failed | step.finished).numpy()).tolist():
            frame, now = int(task.frames[i]), task.observed.angles[i]
            on_reference = torch.equal(now, task.goals.angles[frame])
            assert on_reference or any(torch.equal(now, past) for past in seen.get(frame, []))
            begun += not on_reference
    assert begun > 4
    task.reset(np.full(8, 20))  # where a frame is asked for, it is the reference's own state
    assert torch.equal(task.observed.angles, task.goals.angles[20].expand(8, -1))
    task.close()
