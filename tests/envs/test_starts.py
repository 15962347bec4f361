"""Where episodes begin: shares by counting, and failures draw starts before them."""

from __future__ import annotations

import numpy as np
import pytest

from envs.starts import StartConfig, StartSampler

MANY = 40_000


def sampler(**config: float) -> StartSampler:
    settings = {"first_share": 0.0, "failure_share": 0.0, "failure_seconds": 0.5, "min_frames": 15} | config
    return StartSampler([100], 30.0, StartConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("first_share", [0.0, 0.2, 1.0])
def test_the_share_of_first_frames_is_kept(first_share: float) -> None:
    """The uniform rest reaches frame 0 once in 85 frames, too."""
    frames = sampler(first_share=first_share).draw(MANY, np.random.default_rng(0))
    expected = first_share + (1 - first_share) / 85
    assert abs((frames == 0).mean() - expected) < 0.01


def test_uniform_starts_reach_every_frame_that_leaves_room() -> None:
    frames = sampler().draw(MANY, np.random.default_rng(0))
    counts = np.bincount(frames, minlength=100)
    assert frames.max() == 99 - 15
    assert (counts[:85] > 0.7 * MANY / 85).all()
    assert (counts[:85] < 1.3 * MANY / 85).all()


def test_failures_draw_starts_into_the_half_second_before_them() -> None:
    starts = sampler(failure_share=0.6)
    for _ in range(200):
        starts.record(np.array([60, 60]))
    frames = starts.draw(MANY, np.random.default_rng(0))
    before = ((frames >= 60 - 15) & (frames < 60)).mean()
    assert abs(before - (0.6 + 0.4 * 15 / 85)) < 0.02


def test_a_failure_at_the_very_beginning_starts_at_the_first_frame() -> None:
    starts = sampler(failure_share=1.0)
    for _ in range(200):
        starts.record(np.array([1]))
    frames = starts.draw(1000, np.random.default_rng(0))
    assert (frames == 0).mean() > 0.95


def test_new_failures_push_old_ones_out() -> None:
    starts = sampler(failure_share=1.0)
    for frame in (30, 80):
        for _ in range(300):
            starts.record(np.array([frame]))
    frames = starts.draw(1000, np.random.default_rng(0))
    assert (frames >= 80 - 15).mean() > 0.9


def test_recording_many_at_once_or_one_by_one_agrees() -> None:
    """Up to the order of forgetting: the same failures in a batch weigh the same among themselves."""
    together, apart = sampler(), sampler()
    together.record(np.array([20, 40, 40]))
    for frame in (20, 40, 40):
        apart.record(np.array([frame]))
    np.testing.assert_allclose(together.failure_rate, apart.failure_rate, atol=2e-3)


def test_no_failure_changes_next_to_nothing() -> None:
    starts = sampler()
    before = starts.failure_rate.copy()
    starts.record(np.zeros(0, np.int64))
    np.testing.assert_allclose(starts.failure_rate, before, atol=1e-5)


def test_a_clip_shorter_than_the_room_starts_at_its_first_frame() -> None:
    starts = StartSampler([10], 30.0, StartConfig(first_share=0.0, failure_share=0.5, min_frames=15))
    assert not starts.draw(100, np.random.default_rng(0)).any()


def test_same_seed_same_draws() -> None:
    a, b = (sampler(first_share=0.2, failure_share=0.3).draw(50, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(a, b)


def two_clips(**config: float) -> StartSampler:
    settings = {"first_share": 0.0, "min_frames": 15, "clip_floor": 0.2, "clip_forgetting": 0.1} | config
    return StartSampler([60, 100], 30.0, StartConfig(**settings))  # type: ignore[arg-type]


def test_clips_are_drawn_by_their_failure_rate_above_a_floor() -> None:
    """By hand: floor 0.2 over two clips gives 0.1 each; rates 0.3 and 0.9 share the other 0.8 as 0.2 and 0.6."""
    starts = two_clips()
    np.testing.assert_allclose(starts.clip_probabilities(), [0.5, 0.5])
    starts.clip_failure = np.array([0.3, 0.9])
    np.testing.assert_allclose(starts.clip_probabilities(), [0.3, 0.7])
    frames = starts.draw(MANY, np.random.default_rng(0))
    assert abs((frames < 60).mean() - 0.3) < 0.01
    starts.clip_failure = np.zeros(2)
    np.testing.assert_allclose(starts.clip_probabilities(), [0.5, 0.5])


def test_a_clips_failure_rate_is_a_running_mean_over_its_ended_episodes() -> None:
    """By hand, with weight 0.1: one failure and one end in clip 0 give 0.81 + 0.19 / 2; clip 1 had neither."""
    starts = two_clips()
    starts.record(np.array([10]), np.array([59]))
    np.testing.assert_allclose(starts.clip_failure, [0.905, 1.0])
    starts.record(np.zeros(0, np.int64), np.array([159]))
    np.testing.assert_allclose(starts.clip_failure, [0.905, 0.9])


def test_a_mastered_clip_is_still_drawn_and_the_failing_one_mostly() -> None:
    starts = two_clips()
    for _ in range(100):
        starts.record(np.array([100]), np.array([59]))
    share = (starts.draw(MANY, np.random.default_rng(0)) < 60).mean()
    assert abs(share - 0.1) < 0.01


def test_starts_within_a_clip_keep_to_it() -> None:
    """Uniform ones leave room before their own clip's end, and failures are blamed on frames of the same clip."""
    starts = two_clips()
    frames = starts.draw(MANY, np.random.default_rng(0))
    assert set(np.unique(frames)) == {*range(45), *range(60, 145)}
    failing = two_clips(failure_share=1.0)
    for _ in range(300):
        failing.record(np.array([62, 40]))
    frames = failing.draw(MANY, np.random.default_rng(0))
    assert (frames[frames >= 60] == 60).mean() > 0.9
    assert ((frames[frames < 60] >= 25) & (frames[frames < 60] < 40)).mean() > 0.9
    first = two_clips(first_share=1.0).draw(1000, np.random.default_rng(0))
    assert set(first.tolist()) == {0, 60}
