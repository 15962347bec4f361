"""The report holds what the run holds, says what is missing, and lets no text break out."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.report import Command
from rl.record import read_record
from rl.report import write_report
from sim.errors import RunError
from sim.motion import Motion

EVIL = "<img src=x onerror=alert(1)>"
MOTIONS = ("motion.npz", "reference.npz", "simulation.npz")
PARTS = ("config.json", "evaluation.json", "retarget.json", "progress.csv", *MOTIONS)


@pytest.fixture
def run(tmp_path: Path, carrying_motion: Callable[..., Motion]) -> Path:
    """A run folder with everything in it."""
    folder = tmp_path / "run1"
    folder.mkdir()
    carrying_motion(source="imported by hand").save(folder / "motion.npz")
    carrying_motion(text="carries a box").save(folder / "reference.npz")
    carrying_motion(1).slice(0, 9).save(folder / "simulation.npz")
    figures = {
        "completion": {"value": 0.75, "unit": "share", "explanation": "of the clip carried through"},
        "mpjpe": {"value": 81.234, "unit": "mm", "explanation": "joints against the reference"},
        "jitter": {"value": None, "unit": "mm/frame^3", "explanation": "third difference"},
        "jitter_reference": {"value": 0.5, "unit": "mm/frame^3", "explanation": "third difference"},
    }
    verdict = {
        "label": "partly physical",
        "score": 0.5,
        "rule": "all of it",
        "reasons": ["holds: it moves", "fails: fell at 0.3 s"],
    }
    per_frame = {"mpjpe_mm": [10.0, None, 30.0], "object_mm": [1.0] * 12}
    evaluation = {"verdict": verdict, "figures": figures, "per_frame": per_frame, "episodes": []}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "config.json").write_text(json.dumps({"seed": 7, "ppo": {"learning_rate": 3e-4, "net": [512, 256]}}))
    (folder / "retarget.json").write_text(json.dumps({"hand_gap_mm": {"left": 1.5}, "turn_deg": 3.0}))
    (folder / "progress.csv").write_text("steps,seconds,completion,mpjpe_mm\n0,0,0.1,\n1000,1,0.5,90\nbroken,,,\n")
    return folder


def test_a_full_run(run: Path) -> None:
    path = write_report(run)
    assert path == run / "report.html"
    text = path.read_text()
    for words in ("partly physical", "score 0.50", "fell at 0.3 s", "all of it", "carries a box", "imported by hand"):
        assert words in text
    assert "75.0 %" in text
    assert "81.2 mm" in text
    assert '<td class="fail">75.0 %</td>' in text
    assert '<td class="pass">81.2 mm</td>' in text
    assert "ppo.net" in text
    assert "512, 256" in text
    assert "<td>Hand gap, left</td><td>1.5 mm</td>" in text
    assert "<td>Turn</td><td>3 °</td>" in text
    assert '<li class="fail">fell at 0.3 s</li>' in text
    assert "<td>0.5 mm/frame^3</td>" in text  # the reference's, in the row of the simulation's
    assert "Jitter reference" not in text
    assert text.count("data-clock data-left") == 3  # two errors over time and the contact strip
    assert text.count("Training:") == 2  # no returns in the table, so no plot of them
    assert "mass 2 kg" in text
    assert "Not in this report" not in text
    assert "Artefacts" not in text  # of an evaluation that did not measure them


def test_artefacts_stand_side_by_side_and_nowhere_else(run: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    for version, value in (("_given", 0.31), ("_reference", 0.32), ("", 0.07)):
        evaluation["figures"]["foot_skate" + version] = {"value": value, "unit": "m/s", "explanation": "of feet"}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    text = write_report(run).read_text()
    assert "Artefacts, before and after physics" in text
    assert "<td>0.31 m/s</td><td>0.32 m/s</td><td>0.07 m/s</td>" in text
    assert "over the 9 frames" in text
    assert text.count("Foot skate") == 1
    assert text.count("<td>0.5 mm/frame^3</td>") == 1  # jitter of an evaluation without the motion as given


def test_the_training_curve_survives_broken_rows(run: Path) -> None:
    progress = read_record(run).progress
    assert progress["steps"].tolist() == [0.0, 1000.0]
    assert progress["mpjpe_mm"][1] == 90.0
    assert progress["mpjpe_mm"][0] != progress["mpjpe_mm"][0]  # NaN


@pytest.mark.parametrize("part", PARTS)
def test_each_part_may_be_missing_or_damaged(run: Path, part: str) -> None:
    (run / part).write_text('"')
    damaged = write_report(run).read_text()
    (run / part).unlink()
    missing = write_report(run).read_text()
    for text in (damaged, missing):
        assert f"<li>{part}" in text
        assert "</html>" in text


def test_all_parts_but_one_motion_may_be_missing(run: Path) -> None:
    for part in PARTS[:-2]:
        (run / part).unlink()
    (run / "simulation.npz").unlink()
    text = write_report(run).read_text()
    assert "No verdict yet" in text
    assert text.count('data-figure="') == 1


def test_motions_that_do_not_fit_show_one_of_them(run: Path, carrying_motion: Callable[..., Motion]) -> None:
    carrying_motion().resample(60.0).save(run / "simulation.npz")
    text = write_report(run).read_text()
    assert text.count('data-figure="') == 1
    assert "same clock" in text


def test_contacts_copied_from_the_reference_are_not_shown_as_the_simulations(
    run: Path, carrying_motion: Callable[..., Motion]
) -> None:
    reference = carrying_motion(frames=30)
    box = reference.objects[0]
    lost = dataclasses.replace(box, position_w=box.position_w + np.array([5.0, 0.0, 0.0]))
    reference.save(run / "reference.npz")
    reference.replace(objects=(lost,)).save(run / "simulation.npz")
    text = write_report(run).read_text()
    assert 'class="bar reference"' in text
    assert 'class="bar simulation"' not in text


def test_contacts_measured_by_force_are_shown(run: Path, carrying_motion: Callable[..., Motion]) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["touching"] = {"left_knee": [[1, 2], [5, 6]], "no such joint": [[0, 1]]}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    text = write_report(run).read_text()
    assert text.count('class="bar simulation"') == 2
    assert ">legs</text>" in text


def test_a_motion_on_another_skeleton_is_not_drawn(run: Path, carrying_motion: Callable[..., Motion]) -> None:
    names = tuple(f"bone{i}" for i in range(52))
    for name in MOTIONS:
        carrying_motion(joint_names=names).save(run / name)
    text = write_report(run).read_text()
    assert "standard 52 joints" in text
    assert 'data-figure="' not in text


def test_no_text_of_the_run_breaks_out(run: Path, carrying_motion: Callable[..., Motion]) -> None:
    carrying_motion(text=EVIL, source=EVIL).save(run / "motion.npz")
    figure = {EVIL: {"value": EVIL, "unit": EVIL, "threshold": EVIL}}
    verdict = {"label": EVIL, "score": EVIL, "rule": EVIL, "reasons": [EVIL]}
    evaluation = {"verdict": verdict, "figures": figure, "per_frame": {EVIL: [1.0, EVIL]}}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    (run / "config.json").write_text(json.dumps({EVIL: [EVIL]}))
    (run / "retarget.json").write_text(json.dumps({EVIL: {EVIL: EVIL}}))
    (run / "progress.csv").write_text(f"steps,{EVIL}\n1,{EVIL}\n2,{EVIL}\n")
    text = write_report(run).read_text()
    assert "onerror" in text
    assert "<img" not in text


def test_unexpected_shapes_of_the_evaluation_are_tolerated(run: Path) -> None:
    (run / "evaluation.json").write_text(json.dumps({"verdict": "good", "figures": [1], "per_frame": [2]}))
    assert "No verdict yet" in write_report(run).read_text()


def test_nothing_is_fetched(run: Path) -> None:
    text = write_report(run).read_text()
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?\s*(https?:)?//""", text)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunError, match="nothing of a run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_verb_names_the_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Command(run).run()
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
