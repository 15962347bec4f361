"""An experiment over groups, settings and seeds: what lies where, what is left out, and that it goes on as a whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from generate.authored import author_box_push
from rl import groups
from rl.config import TrainConfig
from rl.evaluate import evaluate_run
from rl.groups import Experiment, Failures, Plan, Watcher
from rl.lqr import LqrConfig
from rl.manifest import Manifest, read_manifest
from rl.record import read_record
from rl.refine import RefineConfig
from rl.runs import RunFolder, load_config
from rl.train import train
from sim import metrics, skeleton
from sim.corruption import clip_seed, corrupt
from sim.errors import RunError, SimulationError, UnknownNameError
from sim.motion import Motion

Tiny = Callable[..., TrainConfig]
PLAN = RefineConfig(iterations=1, samples=4, horizon=4, carried_out=4, knot=2)


class Told(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def manifest(push_clip: Motion, tmp_path: Path) -> Manifest:
    """Two clips of two people with two boxes in `push`, one of them again in `alone`, and a file that is no motion."""
    other = author_box_push(seed=1).slice(70, 90)
    for name, motion in {"a": push_clip.slice(0, 20), "b": other, "c": other}.items():
        motion.save(tmp_path / f"{name}.npz")
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    rows = [{"clip": f"{name}.npz", "group": "push"} for name in ("a", "broken", "b")]
    (tmp_path / "m.json").write_text(json.dumps({"clips": [*rows, {"clip": "c.npz", "group": "alone"}]}))
    return read_manifest(tmp_path / "m.json")


def plan(manifest: Manifest, group: str = "push", **changes: object) -> Plan:
    return Plan.of(manifest, group, **({"settings": ("TR",), "seeds": (0,)} | changes))  # type: ignore[arg-type]


def test_a_plan_names_what_is_wanted(manifest: Manifest) -> None:
    wanted = plan(manifest, "all", settings=("TR", "TR+LR"), seeds=(0, 2), clips=1)
    assert [entry.name for entry in wanted.groups["push"]] == ["a"]
    assert [str(where) for where, *_ in wanted.runs()] == [
        f"{s}/{g}/seed{k}" for k in (0, 2) for s in ("TR", "TR+LR") for g in ("push", "alone")
    ]
    with pytest.raises(UnknownNameError, match=r"reward setting 'TR\+RL'.*Valid: TR, TR\+LR, TR\+LR\+CR"):
        plan(manifest, settings=("TR+RL",))
    with pytest.raises(UnknownNameError, match="action group"):
        plan(manifest, "pull")
    with pytest.raises(RunError, match="at least one"):
        plan(manifest, seeds=())


def test_an_experiment_from_its_beginning_to_its_end(manifest: Manifest, tiny: Tiny, tmp_path: Path) -> None:
    """Two groups, one with a broken clip; planned, learned, evaluated, recorded; then nothing is left to do."""
    folder, told = tmp_path / "out", Told()
    config = tiny(max_steps=256, refine=PLAN)
    Experiment(plan(manifest, "all"), manifest, folder, config, episodes=1, watcher=told).run()
    run = RunFolder(folder / "TR" / "push" / "seed0")
    assert [clip.path.name for clip in run.clips] == ["a", "b"]
    assert load_config(run.config, TrainConfig).task.reward.setting == "TR"
    for clip in (*run.clips, *RunFolder(folder / "TR" / "alone" / "seed0").clips):
        assert clip.evaluation.exists()
        assert clip.planning.exists()
        assert Motion.load(clip.simulation).num_frames >= 2
    failures = json.loads((folder / "failures.json").read_text())
    assert list(failures) == ["TR/push/seed0/clips/broken"]
    assert "broken.npz" in failures["TR/push/seed0/clips/broken"]
    wanted = {"settings": ["TR"], "seeds": [0], "groups": {"push": ["a", "broken", "b"], "alone": ["c"]}}
    assert json.loads((folder / "plan.json").read_text()) == wanted
    assert (folder / "manifest.json").read_text() == manifest.path.read_text()

    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    Experiment(plan(manifest), manifest, folder, config, watcher=told).run()
    assert told.lines[-1] == "TR/push/seed0: done"
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before
    assert json.loads((folder / "plan.json").read_text()) == wanted  # earlier wishes stay

    record = read_record(run.clips[1].path)  # config and progress lie two levels up
    assert record.config["max_steps"] == 256
    assert set(record.progress["mastered"]) <= {0.0, 0.5, 1.0}
    assert (record.progress["worst_completion"] <= record.progress["completion"]).all()
    with pytest.raises(RunError, match=r"holds several clips; give one of them, .*clips/NAME"):
        evaluate_run(run.path)
    with pytest.raises(RunError, match=r"is a policy of 2 clips, not of these 1"):
        Experiment(plan(manifest, clips=1), manifest, folder, config)


def test_a_killed_experiment_goes_on_where_it_was(manifest: Manifest, tiny: Tiny, tmp_path: Path) -> None:
    """Stopped while the second clip is planned, then while learning; the end is that of an undisturbed one."""
    config = tiny(max_steps=700, refine=PLAN, lqr=LqrConfig(on=False))
    train({e.name: Motion.load(e.clip) for e in plan(manifest).groups["push"] if e.name != "broken"},
          tmp_path / "whole", config)  # fmt: skip

    class Stop(Watcher):
        def __init__(self, at: int) -> None:
            self.at = at

        def on_steps(self, steps: int) -> None:
            if steps >= self.at:
                raise KeyboardInterrupt

    folder = tmp_path / "out"
    wanted = plan(manifest, settings=("TR+LR+CR",))
    run = RunFolder(folder / "TR+LR+CR" / "push" / "seed0")
    planned = [json.loads(clip.planning.read_text())["steps"] for clip in RunFolder(tmp_path / "whole").clips]
    for stop, done in ((planned[0] + 1, [True, False]), (sum(planned) + 8, [True, True])):
        with pytest.raises(KeyboardInterrupt):
            Experiment(wanted, manifest, folder, config, watcher=Stop(stop)).run()
        assert [clip.planning.exists() for clip in run.clips] == done
    told = Told()
    Experiment(wanted, manifest, folder, config, episodes=1, watcher=told).run()
    assert told.lines[0] == "TR+LR+CR/push/seed0: going on with 2 clips"
    assert [clip.evaluation.exists() for clip in run.clips] == [True, True]
    mine, theirs = (torch.load(r.checkpoint, weights_only=True)["policy"] for r in (run, RunFolder(tmp_path / "whole")))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert list(json.loads((folder / "failures.json").read_text())) == ["TR+LR+CR/push/seed0/clips/broken"]


def test_a_run_that_fails_as_a_whole_does_not_stop_the_rest(
    manifest: Manifest, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sometimes(motions: dict[str, Motion], *args: object, **options: object) -> object:
        if "a" in motions:
            raise SimulationError("no")
        return train(motions, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(groups, "train", sometimes)
    experiment = Experiment(plan(manifest, "all"), manifest, tmp_path / "out", tiny(max_steps=128, learn=False))
    experiment.run()
    assert experiment.failures.lines["TR/push/seed0"] == "no"
    assert (tmp_path / "out/TR/alone/seed0/clips/c/evaluation.json").exists()


def test_another_configuration_or_manifest_is_refused(manifest: Manifest, tiny: Tiny, tmp_path: Path) -> None:
    Experiment(plan(manifest), manifest, tmp_path / "out", tiny())
    with pytest.raises(RunError, match="another configuration"):
        Experiment(plan(manifest), manifest, tmp_path / "out", tiny(max_steps=1))
    manifest.path.write_text(manifest.path.read_text() + "\n")
    with pytest.raises(RunError, match="another manifest"):
        Experiment(plan(manifest), manifest, tmp_path / "out", tiny())


def test_an_experiment_on_corrupted_clips(manifest: Manifest, tiny: Tiny, tmp_path: Path) -> None:
    """Policies see the copies, evaluation also compares with what was before; the corruption belongs to the folder."""
    folder, config = tmp_path / "out", tiny(learn=False, refine=dataclasses.replace(PLAN, iterations=0))
    noisy = plan(manifest, "alone", seeds=(3,), corruption="float", strength=0.5)
    Experiment(noisy, manifest, folder, config, episodes=1).run()
    clip = RunFolder(folder / "TR" / "alone" / "seed3").clips[0]
    clean, motion = Motion.load(clip.clean), Motion.load(clip.motion)
    expected = corrupt(clean, "float", strength=0.5, seed=clip_seed("c", 3))
    np.testing.assert_array_equal(motion.root_position_w, expected.root_position_w)
    assert abs(motion.root_position_w - clean.root_position_w).max() == pytest.approx(0.025)
    figures = json.loads(clip.evaluation.read_text())["figures"]
    assert figures["mpjpe_clean_source"]["value"] == pytest.approx(25.0)  # the body is lifted by half of 50 mm,
    assert figures["object_clean_source"]["value"] == pytest.approx(25.0)  # and so is the box
    simulation = Motion.load(clip.simulation)
    body = list(skeleton.BODY_JOINTS)
    before = clean.resample(simulation.fps).joint_positions_w[: simulation.num_frames, body]
    found = metrics.mpjpe(simulation.joint_positions_w[:, body], before)
    assert figures["mpjpe_clean"]["value"] == pytest.approx(found)
    assert json.loads((folder / "plan.json").read_text())["corruption"] == {"kind": "float", "strength": 0.5}
    with pytest.raises(RunError, match="another corruption"):
        Experiment(dataclasses.replace(noisy, strength=1.0), manifest, folder, config)
    with pytest.raises(RunError, match="another corruption"):
        Experiment(plan(manifest, "alone"), manifest, folder, config)


def test_a_corruption_that_makes_no_sense_is_refused(manifest: Manifest) -> None:
    with pytest.raises(UnknownNameError, match=r"kind of corruption 'noise'.*jitter"):
        plan(manifest, corruption="noise")
    for strength in (0.0, -1.0, float("nan")):
        with pytest.raises(RunError, match="above 0"):
            plan(manifest, corruption="drift", strength=strength)


def test_failures_of_a_run_are_forgotten_when_it_begins_anew(tmp_path: Path) -> None:
    failures = Failures(tmp_path / "failures.json")
    for where in ("TR/a/seed0", "TR/a/seed0/clips/x", "TR/a/seed1"):
        failures.add(Path(where), RunError("why"))
    failures.forget(Path("TR/a/seed0"))
    assert Failures(tmp_path / "failures.json").lines == {"TR/a/seed1": "why"}


def test_planning_alone_is_judged(push_clip: Motion, tiny: Tiny, tmp_path: Path) -> None:
    """Without learning there is one evaluation, a policy that answers zero, and resuming changes nothing."""
    config = dataclasses.replace(tiny(learn=False, refine=PLAN))
    result = train(push_clip.slice(0, 20), tmp_path / "run", config)
    assert (result.ended_by, len(result.history)) == ("planned", 1)
    run = RunFolder(tmp_path / "run")
    assert result.history[0].steps == json.loads(run.planning.read_text())["steps"]
    assert not torch.load(run.policy, weights_only=True)["policy"]["action_net.weight"].any()
    before = run.checkpoint.read_bytes()
    assert train(None, run.path, resume=True).history == result.history
    assert run.checkpoint.read_bytes() == before
    evaluation = evaluate_run(run.path, episodes=1)
    assert evaluation.figures["completion"]["value"] == pytest.approx(result.history[0].completion)


def test_one_policy_for_two_clips_is_told_apart_by_its_reference(
    manifest: Manifest, tiny: Tiny, tmp_path: Path
) -> None:
    """In-training evaluation runs all clips in one batch and agrees with each clip's own."""
    motions = {name: Motion.load(tmp_path / f"{name}.npz") for name in ("a", "b")}
    result = train(motions, tmp_path / "run", tiny(max_steps=256, evaluate_every=1000, learn=False))
    last, each = result.history[-1], [evaluate_run(clip.path, episodes=1) for clip in RunFolder(tmp_path / "run").clips]
    completion = [e.figures["completion"]["value"] for e in each]
    assert last.completion == pytest.approx(np.mean(completion))
    assert last.worst_completion == pytest.approx(min(completion))


def test_a_clip_that_cannot_join_the_batch_is_left_out(push_clip: Motion, tiny: Tiny, tmp_path: Path) -> None:
    lonely = push_clip.replace(objects=(), contacts=type(push_clip.contacts)())
    motions = {"a": push_clip.slice(0, 20), "b": lonely}
    failed: dict[str, str] = {}
    train(motions, tmp_path / "run", tiny(learn=False), on_failure=lambda name, e: failed.update({name: str(e)}))
    assert "cannot share a batch" in failed["b"]
    assert [clip.path.name for clip in RunFolder(tmp_path / "run").clips] == ["a"]
    with pytest.raises(SimulationError, match="cannot share a batch"):
        train(motions, tmp_path / "other", tiny(learn=False))


def test_nothing_that_can_be_used_is_an_error(push_clip: Motion, tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no clip can be used"):
        train({}, tmp_path / "run", tiny())
    assert not (tmp_path / "run").exists()
