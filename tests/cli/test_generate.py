"""touchstone generate: one clip, a folder of them that can be gone on with, and what is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

import cli.batch
from cli.batch import Batch, JudgeSettings
from cli.generate import Command
from cli.main import main
from envs.tracking import TaskConfig
from generate.authored import author_box_push
from generate.clips import Clip, ClipFiles, ClipSettings, make_clip, plan_prompt, read_failure
from generate.motion.config import GenerateConfig, SpaceTimeConfig
from generate.plan import plan_from_json
from generate.pose.config import PoseConfig
from generate.prompts import Prompt
from generate.quality import diversity, measure_motion
from rl.config import PpoConfig, TrainConfig
from rl.lqr import LqrConfig
from rl.refine import RefineConfig
from sim.body.skin import capsule_skin
from sim.motion import Motion
from sim.subject import default_offsets

PUSH, EAT, PULL = (Prompt(f"a person {rest}") for rest in ("pushes the box", "eats the chair", "pulls the table"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Clips are ten frames of the authored push, whatever the plan: synthesis is not what these tests are about."""
    from generate.motion.synthesis import GeneratedMotion

    calls: list[tuple[str, int]] = []

    def quick(prompt: Prompt, settings: ClipSettings, *, seed: int = 0, on_stage: Callable | None = None) -> Clip:
        calls.append((prompt.text, seed))
        plan = plan_prompt(prompt, settings)[0]
        motion = author_box_push(seed=seed).slice(70, 80)
        seconds = {"plan": 0.5, "motion": 60.0, "figures": 7.0}
        quality = measure_motion(motion, plan, capsule_skin(motion))
        return Clip(GeneratedMotion(motion, plan, (0.8, 0.2), seconds), quality, seconds)

    monkeypatch.setattr(cli.batch, "make_clip", quick)
    return calls


def carry_out(batch: Batch) -> list[str]:
    done: list[str] = []
    batch.carry_out(on_job=lambda _: None, on_done=lambda job: done.append(job.files.folder.name))
    return done


def test_a_failing_prompt_is_a_row_and_the_rest_goes_on(made: list[tuple[str, int]], tmp_path: Path) -> None:
    batch = Batch((EAT, PUSH), (0, 1), tmp_path, ClipSettings())
    carry_out(batch)
    assert made == [(EAT.text, 0), (PUSH.text, 0), (EAT.text, 1), (PUSH.text, 1)]
    eaten, pushed = batch.rows()
    assert all("food" in (clip.error or "") and not clip.figures for clip in eaten.clips)
    assert [clip.error for clip in pushed.clips] == [None, None]
    assert pushed.figure("seconds") == 60.5  # without figures
    assert pushed.figure("closure") == 0.2
    assert 0.0 < pushed.diversity < 0.5
    assert pushed.object_name == "box, built-in shape"
    page = batch.write_gallery("trial").read_text(encoding="utf-8")
    assert "food" in page
    assert "pushes_the_box/seed0/replay.html" in page
    files = ClipFiles(tmp_path / "pushes_the_box" / "seed1")
    assert files.replay.is_file()
    assert plan_from_json(files.plan.read_text(encoding="utf-8")).action == "push"
    assert Motion.load(files.motion).num_frames == 10


def test_what_is_finished_is_not_made_again(made: list[tuple[str, int]], tmp_path: Path) -> None:
    batch = Batch((PUSH, PULL), (0,), tmp_path, ClipSettings())
    carry_out(batch)
    ClipFiles(tmp_path / "pulls_the_table" / "seed0").metrics.unlink()  # killed before the last file
    made.clear()
    carry_out(dataclasses.replace(batch, seeds=(0, 1)))
    assert made == [(PULL.text, 0), (PUSH.text, 1), (PULL.text, 1)]


def test_another_mesh_under_the_same_name_is_another_clip(made: list[tuple[str, int]], tmp_path: Path) -> None:
    mesh = tmp_path / "box.obj"
    trimesh.creation.box(extents=(0.4, 0.4, 0.4)).export(mesh)
    batch = Batch((Prompt(PUSH.text, str(mesh)),), (0,), tmp_path / "out", ClipSettings())
    carry_out(batch)
    carry_out(batch)
    assert len(made) == 1
    trimesh.creation.box(extents=(0.5, 0.4, 0.4)).export(mesh)
    carry_out(batch)
    assert len(made) == 2


def test_a_bug_in_one_clip_is_kept_with_its_trace(
    made: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Clip:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(cli.batch, "make_clip", broken)
    carry_out(Batch((PUSH,), (0,), tmp_path, ClipSettings()))
    files = ClipFiles(tmp_path / "pushes_the_box" / "seed0")
    assert read_failure(files) == "internal error, ZeroDivisionError: by zero"
    assert "Traceback" in files.failure.read_text(encoding="utf-8")
    assert not files.motion.exists()


def test_other_settings_need_another_folder(made: list[tuple[str, int]], tmp_path: Path) -> None:
    carry_out(Batch((PUSH,), (0,), tmp_path, ClipSettings()))
    with pytest.raises(cli.batch.RunError, match="another folder"):
        carry_out(Batch((PUSH,), (0,), tmp_path, ClipSettings(mass_kg=9.0)))
    carry_out(Batch((PUSH,), (0,), tmp_path, ClipSettings(), JudgeSettings(), judged_seeds=0))  # a judge may come later


@pytest.mark.slow
def test_physics_judges_and_is_not_asked_twice(made: list[tuple[str, int]], tmp_path: Path) -> None:
    small = TrainConfig(
        task=TaskConfig(num_envs=4, threads=1), ppo=PpoConfig(steps_per_env=8, batch_size=32),
        refine=RefineConfig(iterations=1, samples=8, horizon=4, carried_out=4),
        lqr=LqrConfig(strengths=(1.0,), trials=2),
    )  # fmt: skip
    batch = Batch((PUSH,), (0, 1), tmp_path, ClipSettings(), JudgeSettings(small, episodes=2), judged_seeds=1)
    carry_out(batch)
    (row,) = batch.rows()
    assert row.clips[0].verdict is not None
    assert row.clips[1].verdict is None
    assert row.completion == row.clips[0].verdict.completion == 1.0
    assert (tmp_path / (row.clips[0].verdict.report or "")).is_file()
    assert all(job.is_done for job in batch.jobs())
    assert json.loads((tmp_path / "settings.json").read_text())["judge"]["episodes"] == 2


def test_the_verb_writes_the_page_and_says_where(
    made: list[tuple[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text(f"{PUSH.text}\n{EAT.text}\n", encoding="utf-8")
    out = tmp_path / "out"
    assert (
        main(["generate", "--prompts", str(tmp_path / "few.txt"), "--seeds", "2", "--seed", "3", "-o", str(out)]) == 0
    )
    captured = capsys.readouterr()
    assert captured.out == f"{out / 'index.html'}\n"
    assert "food" in captured.err
    assert [seed for text, seed in made if text == PUSH.text] == [3, 4]


def test_where_nothing_could_be_made_the_exit_code_says_so(
    made: list[tuple[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", EAT.text, "--seeds", "2", "-o", str(tmp_path / "out")]) == 2
    assert "none of the 2 clips" in capsys.readouterr().err
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a sentence"),
        (["a person lifts the box", "--prompts", "p.txt"], "give a sentence"),
        (["a person lifts the box", "--seeds", "0", "-o", "{tmp}/out"], "at least one"),
        (["a person lifts the box", "--seeds", "2", "-o", "{tmp}/lift.npz"], "folder"),
        (["--prompts", "{tmp}/none.txt", "-o", "{tmp}/out"], "none.txt"),
        ([""], "sentence"),
        (["a person eats the chair"], "food"),
        (["a person lfits the chair"], "unknown verb 'lfits'"),
        (["a person lifts the box", "--object", "{tmp}/none.obj"], "none.obj"),
        (["a person lifts the box", "--object", "box:x=50,y=50,z=90"], "metres"),
        (["a person lifts the box", "--object", "box:x=0.0005,y=0.0005,z=0.0009"], "metres"),
        (["a person lifts the box", "--object", "box:x=0.4,y=0.4,z=0.4", "--scale", "-1"], "scale"),
        (["a person lifts the box", "--mass", "-2"], "mass_kg"),
        (["a person lifts the box", "--endpoint", "http://127.0.0.1:9/v1", "--model", "m"], "cannot be reached"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    assert main(["generate", *(text.format(tmp=tmp_path) for text in arguments)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("extents", "message"),
    [((9.0, 12.0, 8.0), "metres"), ((0.001, 0.001, 0.03), "metres"), ((400.0, 500.0, 400.0), "scale 0.001")],
)
def test_a_house_and_a_pin_are_no_boxes(
    extents: tuple[float, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trimesh.creation.box(extents=extents).export(tmp_path / "box.obj")
    out = tmp_path / "out.npz"
    assert main(["generate", PUSH.text, "--object", str(tmp_path / "box.obj"), "-o", str(out)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_mesh_with_three_faces_on_an_edge_is_taken_with_a_remark(tmp_path: Path) -> None:
    box = trimesh.creation.box(extents=(0.4, 0.5, 0.4))
    fin = np.vstack((box.faces, [[0, 1, 8]]))
    trimesh.Trimesh(np.vstack((box.vertices, [[0.1, 0.3, 0.5]])), fin, process=False).export(tmp_path / "box.obj")
    planned = plan_prompt(Prompt(PUSH.text, str(tmp_path / "box.obj")), ClipSettings())
    assert any("more than two faces" in remark for remark in planned.remarks)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"choices": [{"message": {"content": "push it!"}}]}'])
def test_an_endpoint_that_answers_nonsense_is_one_line(
    answer: bytes, answering: Callable[[bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.npz"
    assert main(["generate", PUSH.text, "--endpoint", answering(answer), "--model", "m", "-o", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_a_given_mass_is_no_assumption() -> None:
    plan = plan_prompt(PUSH, ClipSettings(mass_kg=7.5)).plan
    assert plan.mass_kg == 7.5
    assert not any("mass" in line for line in plan.assumed)
    plan = plan_prompt(PUSH, ClipSettings()).plan
    assert any("mass" in line for line in plan.assumed)


def test_a_file_may_be_in_millimetres_and_have_y_up(tmp_path: Path) -> None:
    trimesh.creation.box(extents=(500.0, 900.0, 400.0)).export(tmp_path / "box.obj")
    settings = ClipSettings(scale=0.001, up="y")
    plan, shape, up_b, remarks = plan_prompt(Prompt(PUSH.text, str(tmp_path / "box.obj")), settings)
    assert remarks == ()
    assert up_b.tolist() == [0.0, 1.0, 0.0]
    assert (shape.bounds[1] - shape.bounds[0]).tolist() == pytest.approx([0.5, 0.9, 0.4])
    assert plan.size_m is None
    assert not any("size" in line for line in plan.assumed)


QUICK = GenerateConfig(
    PoseConfig(steps=10, candidates=4),
    optimisation=SpaceTimeConfig(posture_steps=5, steps=5),
    samples=1,
    use_fine=False,
)  # fmt: skip


@pytest.mark.slow
def test_a_sentence_becomes_a_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In fewer steps than a good one takes; the object's way, its mass and the words are the sentence's."""
    path = tmp_path / "push.npz"
    Command(
        "a person pushes the box 0.5 m", output=path, mass=3.0, height=1.6, without=("affordance",), config=QUICK
    ).run()
    out = capsys.readouterr().out
    assert "contact ratio" in out
    assert f"Next: touchstone inspect {path}" in out
    motion = Motion.load(path)
    assert motion.objects[0].mass == 3.0
    assert motion.text == "a person pushes the box 0.5 m"
    moved = motion.objects[0].position_w[-1] - motion.objects[0].position_w[0]
    assert np.linalg.norm(moved) == pytest.approx(0.5, abs=0.02)
    assert np.allclose(motion.offsets, default_offsets(1.6))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_clip_and_another_one_another() -> None:
    one, two, three = (make_clip(PUSH, ClipSettings(QUICK), seed=seed).generated.motion for seed in (1, 1, 2))
    assert np.array_equal(one.joint_rotations_b, two.joint_rotations_b)
    assert diversity([one, three]) > 0.001


@pytest.mark.slow
def test_worker_processes_keep_what_went_wrong(tmp_path: Path) -> None:
    batch = Batch((EAT, Prompt("a person lfits the chair")), (0,), tmp_path, ClipSettings())
    done: list[str] = []
    batch.carry_out(workers=2, on_job=lambda _: None, on_done=lambda job: done.append(job.prompt.text))
    assert sorted(done) == sorted(prompt.text for prompt in batch.prompts)
    assert ["food" in (row.clips[0].error or "") for row in batch.rows()] == [True, False]
    assert "lfits" in (batch.rows()[1].clips[0].error or "")
