"""The registered Gymnasium environment: its contract, and that it is the batched task."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from envs.gym import OBSERVATION_LIMIT, TrackingEnv
from envs.starts import StartConfig
from envs.terminations import TerminationConfig
from envs.tracking import TaskConfig, TrackingTask
from sim.errors import MotionError, SimulationError
from sim.motion import Motion
from sim.replay.video import gl_context
from sim.retarget import retarget

SETTINGS = TaskConfig(start=StartConfig(first_share=0.0, min_frames=5), termination=TerminationConfig(0.5, 0.5))


@pytest.fixture(scope="module")
def env(push_clip: Motion) -> Iterator[TrackingEnv]:
    made = TrackingEnv(push_clip, config=SETTINGS)
    yield made
    made.close()


def zero(env: TrackingEnv) -> np.ndarray:
    return np.zeros(env.action_space.shape, np.float32)  # type: ignore[arg-type]


def test_the_registered_environment_keeps_gymnasiums_contract(push_clip: Motion, tmp_path: Path) -> None:
    """Without a single warning, from a file."""
    push_clip.save(tmp_path / "clip.npz")
    made = gymnasium.make("Touchstone/Tracking-v0", motion=tmp_path / "clip.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made.unwrapped, skip_render_check=True)
    made.close()


def test_it_takes_a_motion_as_well(push_clip: Motion) -> None:
    made = gymnasium.make("Touchstone/Tracking-v0", motion=push_clip)
    observation, info = made.reset(seed=0)
    assert made.observation_space.contains(observation)
    assert set(info) == {"frame"}
    made.close()


def test_it_is_the_batched_task(env: TrackingEnv, push_clip: Motion) -> None:
    task = TrackingTask(retarget(push_clip), TaskConfig(num_envs=1, threads=1))
    seen = task.reset(np.array([4]))
    observation, info = env.reset(options={"frame": 4})
    np.testing.assert_array_equal(observation, seen[0].clamp(-OBSERVATION_LIMIT, OBSERVATION_LIMIT).numpy())
    assert info["frame"] == 4
    rng = np.random.default_rng(0)
    for k in range(4):
        action = rng.uniform(-0.3, 0.3, env.action_space.shape).astype(np.float32)
        step = task.step(torch.as_tensor(action)[None])
        observation, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_array_equal(observation, step.observation[0].numpy())
        assert reward == pytest.approx(step.reward.item())
        assert (terminated, truncated) == (False, False)
        assert info["frame"] == 5 + k
        assert info["terms"] == pytest.approx({name: kernel.item() for name, kernel in step.terms.items()})
        assert info["broken"] == []
    task.close()


def test_the_clips_end_truncates_with_the_last_observation_and_asks_for_a_reset(env: TrackingEnv) -> None:
    env.reset(options={"frame": 37})
    first = env.step(zero(env))
    last = env.step(zero(env))
    assert first[2:4] == (False, False)
    assert last[2:4] == (False, True)
    assert last[4]["frame"] == 39
    # the last observation is that of the old episode: close to the one before, far from a new start
    assert np.abs(last[0] - first[0]).mean() < 0.1
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step(zero(env))
    assert env.reset()[0].shape == last[0].shape


def test_a_broken_limit_terminates_and_is_named(push_clip: Motion) -> None:
    made = TrackingEnv(push_clip, config=TaskConfig(termination=TerminationConfig(0.0, 1e-7)))
    made.reset(options={"frame": 25})
    _, _, terminated, truncated, info = made.step(zero(made))
    assert (terminated, truncated) == (True, False)
    assert info["broken"] == ["object_lost"]
    made.close()


def test_failing_physics_terminates_with_a_finite_observation(env: TrackingEnv) -> None:
    env.reset(seed=0)
    env.task._state[0, 10] = np.nan
    observation, reward, terminated, _, info = env.step(zero(env))
    assert terminated
    assert reward == 0
    assert "physics" in info["broken"]
    assert np.isfinite(observation).all()


def test_a_seed_settles_the_starts(env: TrackingEnv) -> None:
    def frames(seed: int) -> list[int]:
        return [env.reset(seed=seed)[1]["frame"]] + [env.reset()[1]["frame"] for _ in range(8)]

    assert frames(3) == frames(3)
    assert frames(3) != frames(4)


def test_a_frame_outside_the_clip_is_refused(env: TrackingEnv) -> None:
    with pytest.raises(SimulationError, match="frame 40 is not in the clip; its frames are 0 to 39"):
        env.reset(options={"frame": 40})


def test_bad_arguments_are_refused(push_clip: Motion, tmp_path: Path) -> None:
    with pytest.raises(gymnasium.error.UnsupportedMode, match="'rgb_array'"):
        TrackingEnv(push_clip, render_mode="human")
    with pytest.raises(MotionError, match="nowhere"):
        TrackingEnv(tmp_path / "nowhere.npz")


def test_pictures_show_the_instant(push_clip: Motion) -> None:
    try:
        gl_context(16, 16).free()
    except SimulationError as error:
        pytest.skip(str(error))
    registered = gymnasium.make("Touchstone/Tracking-v0", motion=push_clip, render_mode="rgb_array")
    check_env(registered.unwrapped)
    registered.close()
    made = TrackingEnv(push_clip, config=SETTINGS, render_mode="rgb_array", width=160, height=120)
    assert made.render() is None
    made.reset(options={"frame": 37})
    start = made.render()
    made.step(zero(made))
    made.step(zero(made))
    end = made.render()
    for picture in (start, end):
        assert picture is not None
        assert picture.shape == (120, 160, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 5
    # after the clip's end the picture is still that of its last instant
    assert 0 < np.abs(start.astype(int) - end.astype(int)).mean() < 10  # type: ignore[union-attr]
    made.close()


def test_without_a_render_mode_there_is_no_picture(env: TrackingEnv) -> None:
    env.reset(seed=0)
    assert env.render() is None
