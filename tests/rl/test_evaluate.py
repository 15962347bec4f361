"""Evaluation of a run: what it writes, that JSON holds it, and that the simulated motion is the simulated one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from envs.tracking import TaskConfig
from rl.evaluate import evaluate_run, simulated_motion
from rl.rollouts import PERTURBATION, Evaluator
from rl.runs import RunFolder
from sim import rotations
from sim.errors import RunError
from sim.motion import Motion
from sim.retarget import Reference


@pytest.fixture(scope="module")
def evaluated(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(trained.path, folder)
    evaluate_run(folder, episodes=3)
    return RunFolder(folder)


def test_the_folder_can_be_moved_and_holds_the_result(evaluated: RunFolder) -> None:
    content = json.loads(evaluated.evaluation.read_text())
    assert set(content) == {"verdict", "figures", "per_frame", "episodes"}
    assert content["verdict"]["label"] in ("physical", "partly physical", "not shown to be physical")
    assert 0 <= content["verdict"]["score"] <= 1
    assert [row["start"] for row in content["episodes"]] == ["frame 0", "perturbed", "perturbed", "perturbed"]
    assert all(0 <= row["completion"] <= 1 and row["ended_by"] for row in content["episodes"])
    assert all(set(figure) >= {"value", "unit", "explanation"} for figure in content["figures"].values())
    completion = content["figures"]["completion"]["value"]
    assert completion == pytest.approx(content["episodes"][0]["completion"])
    simulation, reference = Motion.load(evaluated.simulation), Motion.load(evaluated.reference)
    assert simulation.fps == reference.fps
    assert simulation.num_frames == 1 + round(39 * completion)
    assert "simulated by Touchstone" in simulation.source


def test_json_has_no_nan(evaluated: RunFolder) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(evaluated.evaluation.read_text(), parse_constant=refuse)


def test_errors_per_frame_are_as_long_as_the_clip(evaluated: RunFolder) -> None:
    content = json.loads(evaluated.evaluation.read_text())
    frames = Motion.load(evaluated.simulation).num_frames
    assert {"mpjpe_mm", "object_position_mm"} <= set(content["per_frame"])
    for series in content["per_frame"].values():
        assert len(series) == 40
        assert all(value is None for value in series[frames:])
    errors = [v for v in content["per_frame"]["mpjpe_mm"] if v is not None]
    assert np.mean(errors) == pytest.approx(content["figures"]["mpjpe"]["value"], rel=1e-4)


def test_the_same_seed_gives_the_same_evaluation(evaluated: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(evaluated.path, tmp_path / "run")
    before = evaluated.evaluation.read_text()
    evaluate_run(tmp_path / "run", episodes=3)
    assert RunFolder(tmp_path / "run").evaluation.read_text() == before
    evaluate_run(tmp_path / "run", episodes=3, seed=1)
    assert RunFolder(tmp_path / "run").evaluation.read_text() != before


def test_a_run_without_policy_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    RunFolder(tmp_path / "run").policy.unlink()
    with pytest.raises(RunError, match=r"best.pt is missing; make it with: touchstone train"):
        evaluate_run(tmp_path / "run")
    assert not RunFolder(tmp_path / "run").evaluation.exists()


def test_a_policy_of_another_network_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    settings = json.loads(run.config.read_text())
    settings["ppo"]["layers"] = [3]
    run.config.write_text(json.dumps(settings))
    with pytest.raises(RunError, match="another network"):
        evaluate_run(run.path)


def test_the_simulated_motion_is_what_the_bodies_did(stand: Reference) -> None:
    """Forward kinematics of the motion puts the joints where physics had the bodies."""
    episodes = Evaluator(stand, TaskConfig(threads=1)).run(None)
    motion = simulated_motion(stand, episodes)
    simulated = list(stand.scene.joints)
    expected = episodes.states.positions_w[:, 0].numpy()
    np.testing.assert_allclose(motion.joint_positions_w[:, simulated], expected, atol=2e-4)
    turn = rotations.angle_between(
        motion.joint_rotations_w[:, simulated], episodes.states.rotations_w[:, 0].double().numpy()
    )
    assert turn.max() < 2e-3
    thing = motion.objects[0]
    np.testing.assert_allclose(thing.position_w, episodes.states.object_positions_w[:, 0, 0].numpy(), atol=1e-6)
    assert motion.num_frames == stand.motion.num_frames


def test_a_first_step_that_fails_still_makes_a_motion(stand: Reference) -> None:
    """A motion has two frames at least: the start, and the instant of the failure."""
    from envs.terminations import TerminationConfig

    limits = TerminationConfig(body_distance=1e-6, object_distance=0.0)
    episodes = Evaluator(stand, TaskConfig(threads=1, termination=limits)).run(None)
    assert simulated_motion(stand, episodes).num_frames == 2
    assert episodes.completion()[0] == pytest.approx(1 / 19)


def test_the_robustness_test_perturbs_everything() -> None:
    assert min(PERTURBATION.angle_noise, PERTURBATION.root_noise, PERTURBATION.speed_noise) > 0
