"""A run's configuration goes to JSON and back as it was; what does not fit is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from envs.rewards import RewardConfig, Term
from envs.starts import StartConfig
from envs.tracking import TaskConfig
from rl.config import PpoConfig, TrainConfig
from rl.runs import load_config, save_config
from sim.errors import RunError
from sim.retarget import RetargetConfig
from sim.scene import SceneConfig

UNUSUAL = TrainConfig(
    max_steps=17,
    ppo=PpoConfig(layers=(7, 5, 3), gamma=0.123),
    task=TaskConfig(
        lookahead=(1, 2, 9),
        reward=RewardConfig("product", hand_object=Term(0.7, 11.0)),
        start=StartConfig(angle_noise=0.3),
    ),
    scene=SceneConfig(object_mass=0.5, object_friction=None),
    retarget=RetargetConfig(body="fixed"),
)


@pytest.mark.parametrize("config", [TrainConfig(), UNUSUAL], ids=["default", "unusual"])
def test_round_trip(config: TrainConfig, tmp_path: Path) -> None:
    save_config(tmp_path / "config.json", config)
    back = load_config(tmp_path / "config.json", TrainConfig)
    assert back == config
    assert isinstance(back.task.reward.hand_object, Term)
    assert isinstance(back.task.lookahead, tuple)
    assert hash(back) == hash(config)


def test_every_knob_is_written(tmp_path: Path) -> None:
    save_config(tmp_path / "config.json", TrainConfig())
    written = json.loads((tmp_path / "config.json").read_text())
    for group in ("ppo", "task", "scene", "retarget", "mastery"):
        assert set(written[group]) == {f.name for f in dataclasses.fields(getattr(TrainConfig(), group))}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"max_steps": 1, "max_stepz": 2}', "unknown setting max_stepz"),
        ('{"task": {"reward": {"hand_objekt": {"weight": 1, "scale": 1}}}}', "unknown setting hand_objekt"),
        ('{"task": {"reward": {"hand_object": {"weight": 1}}}}', "scale"),
        ('{"task": 3}', "3 where a group of settings belongs"),
        ("[]", "where a group of settings belongs"),
        ('{"max_steps": ', "line 1"),
    ],
)
def test_another_versions_file_is_refused_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(RunError) as caught:
        load_config(path, TrainConfig)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a configuration of this version")
    assert complaint in message
    assert "\n" not in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        load_config(tmp_path / "config.json", TrainConfig)


def test_configurations_do_not_share_state() -> None:
    a: Any = TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.task.reward.mode = "product"
