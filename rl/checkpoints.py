"""Checkpoints: tensors and plain values only, read back with `weights_only`, never a pickle of code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import BasePolicy

from envs.tracking import UnstableStep
from envs.vec import TrackingVecEnv
from sim.errors import RunError
from sim.files import atomic_path


def save_policy(path: Path, policy: BasePolicy) -> None:
    """The network with its normalisation."""
    _write(path, {"policy": policy.state_dict()})


def load_policy(path: Path, policy: BasePolicy) -> None:
    """Put saved weights into a network of the same shape. Raises RunError where they do not fit."""
    try:
        policy.load_state_dict(_read(path)["policy"])
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{path}: holds another network than the run's configuration says") from error


def save_unstable(path: Path, steps: Sequence[UnstableStep]) -> None:
    """Steps in which physics failed, for replay: put `state` into MuJoCo (mjSTATE_FULLPHYSICS), `control` into ctrl."""
    states, controls, frames = (np.stack(column) for column in zip(*steps, strict=True))
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, state=states, control=controls, frame=frames)


def save_training(
    path: Path, model: PPO, env: TrackingVecEnv, history: list[tuple[Any, ...]], seconds: tuple[float, float]
) -> None:
    """Network, optimiser, every random state and the state of every environment.

    Args:
        path: of the checkpoint.
        model, env: in training, between a learning step and the next rollout.
        history: rows of evaluations so far.
        seconds: wall time spent so far, and the learner's part of it.
    """
    task = env.task
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - SB3 shuffles with the global generator
    value = {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "history": [list(row) for row in history],
        "seconds": list(seconds),
        "torch_random": torch.get_rng_state(),
        "numpy_random": json.dumps(numpy_state, default=lambda a: a.tolist()),
        "task_random": json.dumps(task.rng.bit_generator.state),
        "last_observation": torch.as_tensor(np.asarray(model._last_obs)),
        "last_starts": torch.as_tensor(np.asarray(model._last_episode_starts)),
        "episodes": [[e["r"], e["l"]] for e in (model.ep_info_buffer or [])],
        "returns": torch.as_tensor(env._returns),
        "lengths": torch.as_tensor(env._lengths),
        "frames": torch.as_tensor(task.frames),
        "begun": torch.as_tensor(task.begun),
        "failure_rate": torch.as_tensor(task.starts.failure_rate),
        "clip_failure": torch.as_tensor(task.starts.clip_failure),
        "reached_states": {} if task.reached_states is None else task.reached_states.state_dict(),
        "state": torch.as_tensor(task._state),
        "observed_state": torch.as_tensor(task._observed_state),
        "action": task._action,
        "rows": task._rows,
        "unstable": task.unstable_count,
    }
    _write(path, value)


def load_training(path: Path, model: PPO, env: TrackingVecEnv) -> tuple[list[list[Any]], tuple[float, float]]:
    """Put a training checkpoint back; returns the history rows and the seconds, as they were saved.

    Raises:
        RunError: there is none, it is damaged, or it belongs to another configuration or version.
    """
    value = _read(path)
    try:
        model.policy.load_state_dict(value["policy"])
        model.policy.optimizer.load_state_dict(value["optimizer"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: holds another network than the run's configuration says") from error
    try:
        _restore(value, model, env)
        return value["history"], (value["seconds"][0], value["seconds"][1])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: a checkpoint of another version; it cannot be resumed") from error


def _restore(value: dict[str, Any], model: PPO, env: TrackingVecEnv) -> None:
    """Everything but the network and its optimiser."""
    task = env.task
    model.num_timesteps, model._n_updates = value["steps"], value["updates"]
    model._setup_learn(0, reset_num_timesteps=False)
    torch.set_rng_state(value["torch_random"])
    numpy_state = json.loads(value["numpy_random"])
    numpy_state["state"]["key"] = np.array(numpy_state["state"]["key"], dtype=np.uint32)
    np.random.set_state(numpy_state)  # noqa: NPY002
    task.rng.bit_generator.state = json.loads(value["task_random"])
    model._last_obs = value["last_observation"].numpy()
    model._last_episode_starts = value["last_starts"].numpy()
    if model.ep_info_buffer is not None:
        model.ep_info_buffer.extend({"r": r, "l": n, "t": 0.0} for r, n in value["episodes"])
    env._returns, env._lengths = value["returns"].numpy(), value["lengths"].numpy()
    task.frames, task.begun = value["frames"].numpy(), value["begun"].numpy()
    task.starts.failure_rate = value["failure_rate"].numpy()
    task.starts.clip_failure = value["clip_failure"].numpy()
    if task.reached_states is not None:
        task.reached_states.load_state_dict(value["reached_states"])
    task._state, task._action = value["state"].numpy(), value["action"]
    task._observed_state = value["observed_state"].numpy()
    task._rows = value["rows"]
    task.unstable_count = value["unstable"]


def _write(path: Path, value: dict[str, Any]) -> None:
    try:
        with atomic_path(path) as temporary:
            torch.save(value, temporary)
    except RuntimeError as error:  # torch's own, where the disk is full
        raise RunError(f"cannot write {path}: {str(error).splitlines()[0]}") from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"{path}: no such checkpoint")
    try:
        value: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(f"{path}: damaged checkpoint; delete it to begin anew") from error
    return value
