"""The demo's chain with its slow stages replaced: order, what is handed on, the verdict's words, a missing OpenGL."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import demo
from cli.main import main
from generate.authored import author_box_push
from sim.errors import AssetError, SimulationError
from sim.motion import Motion


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace training, evaluation, film and report; the list fills with the stages in order."""
    done: list[str] = []

    def train(motion: Motion, folder: Path, *, minutes: float, seed: int) -> None:
        done.append(f"train {motion.num_frames > 100} {minutes:g} {seed}")
        folder.mkdir(parents=True)

    def evaluate(folder: Path) -> str:
        done.append("evaluate")
        return "Verdict: physical (score 0.93)"

    def report(folder: Path) -> Path:
        done.append("report")
        return folder / "report.html"

    monkeypatch.setattr(demo, "_train", train)
    monkeypatch.setattr(demo, "_evaluate", evaluate)
    monkeypatch.setattr(demo, "_film", lambda folder: done.append("film"))
    monkeypatch.setattr(demo, "_report", report)
    return done


def test_the_stages_run_in_order_and_end_with_the_verdict(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "demo"
    assert main(["demo", "--clip", "authored", "--budget-minutes", "3", "--seed", "2", "-o", str(folder)]) == 0
    assert calls == ["train True 3 2", "evaluate", "report", "film"]
    text = capsys.readouterr().out
    assert "Verdict: physical (score 0.93)\n" in text
    assert text.rstrip().endswith(str(folder / "report.html"))
    stages = [
        text.index(word)
        for word in ("clip: authored", "inspect:", "audit: ok", "train:", "evaluate:", "report", "film")
    ]
    assert stages == sorted(stages)


def test_a_failing_stage_ends_the_demo_with_one_line(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline() -> None:
        raise AssetError("cannot fetch the real demo clip")

    monkeypatch.setattr("generate.demo_clip.fetch_demo_clip", offline)
    assert main(["demo", "--clip", "real", "-o", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    assert captured.err == "touchstone: cannot fetch the real demo clip\n"
    assert calls == []
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_clips_run_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"")
    author_box_push(seed=1).save(tmp_path / "motion.npz")
    before = (tmp_path / "motion.npz").read_bytes()
    assert main(["demo", "--seed", "0", "-o", str(tmp_path)]) == 2
    assert "holds a run of another clip" in capsys.readouterr().err
    assert (tmp_path / "motion.npz").read_bytes() == before


def test_without_opengl_the_demo_names_the_packages_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_gl(*_: object) -> None:
        raise SimulationError("no offscreen OpenGL: apt-get install libegl1 libgl1-mesa-dri")

    clip = author_box_push()
    for name in ("reference.npz", "simulation.npz"):
        clip.save(tmp_path / name)
    monkeypatch.setattr("sim.replay.video.write_video", no_gl)
    demo._film(tmp_path)
    assert "libegl1 libgl1-mesa-dri" in capsys.readouterr().out
    assert not (tmp_path / "replay.mp4").exists()


def test_without_a_wish_the_authored_clip_stands_in_for_one_that_cannot_be_fetched(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline() -> None:
        raise AssetError("cannot fetch the real demo clip")

    monkeypatch.setattr("generate.demo_clip.fetch_demo_clip", offline)
    assert main(["demo", "-o", str(tmp_path / "run")]) == 0
    assert "cannot fetch the real demo clip\n  going on with the authored clip" in capsys.readouterr().out
    assert calls[0].startswith("train True")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sentence", "a person eats the chair"], "food"),
        (["--sentence", "he sits", "--clip", "authored"], "two clips"),
    ],
)
def test_a_sentence_that_is_no_clip_is_one_line(
    arguments: list[str], message: str, calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments, "-o", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert calls == []
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_demo_may_begin_with_a_sentence(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--sentence", "a person walks to the box", "-o", str(tmp_path / "run")]) == 0
    assert calls == ["train False 8 0", "evaluate", "report", "film"]
    assert "assumed: its mass, 4 kg" in capsys.readouterr().out
