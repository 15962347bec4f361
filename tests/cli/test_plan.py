"""touchstone plan: what a sentence comes to, for people and as JSON, and where it would be touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh

from cli.main import main
from generate.plan import plan_from_json
from generate.planner import GrammarPlanner

SENTENCE = "a person lifts the chair"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_a_plan_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "a person pushes the box two metres with the left hand"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("push: box")
    rows = [line.split() for line in out.splitlines()]
    assert ["2", "move", "2.8", "3.3", "2", "m", "forward", "left", "hand", "on", "sides"] in rows
    assert "how far" not in out  # the sentence says it
    assert "which hand" not in out
    assert "its mass, 4 kg" in out


def test_what_the_sentence_leaves_open_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", SENTENCE]) == 0
    out = capsys.readouterr().out
    for line in ("size of a chair", "which hand: left hand and right hand", "how far or how high: lift", "how long"):
        assert f"- {line}" in out or f"- the {line}" in out


def test_json_is_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", SENTENCE, "--json"]) == 0
    assert plan_from_json(capsys.readouterr().out) == GrammarPlanner().plan(SENTENCE)


@pytest.mark.parametrize(("up", "extents"), [("z", (0.5, 0.9, 0.4)), ("y", (0.5, 0.4, 0.9))])
def test_places_on_an_object(
    up: str, extents: tuple[float, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same block of 0.5 x 0.9 x 0.4 m, its file z up or y up: pushed near its upper edge, 0.4 m over the floor."""
    trimesh.creation.box(extents=extents).export(tmp_path / "box.obj")
    shape = str(tmp_path / "box.obj")
    assert main(["plan", "a person pushes the box with the right hand", "--object", shape, "--up", up]) == 0
    out = capsys.readouterr().out
    assert "size of a box" not in out
    row = next(line for line in out.splitlines() if "right hand" in line and "shove" in line).split()
    assert row[:5] == ["1-2", "right", "hand", "shove", "sides"]
    low, high, *best = (float(row[i]) for i in (5, 7, 8, 9, 10))
    assert 0.0 <= low < high <= 0.4
    assert best["xyz".index(up)] > 0.05  # the origin is the middle
    around, even = (float(text.strip("()%")) for text in row[11:13])
    assert around > even


def test_heights_are_those_at_which_contact_comes_about(capsys: pytest.CaptureFixture[str]) -> None:
    """A cup of 10 cm, its underside brought to 1.4 m: the mouth meets its top."""
    assert main(["plan", "a person drinks from the cup", "--object", "box:x=0.08,y=0.08,z=0.1"]) == 0
    (head,) = (line for line in capsys.readouterr().out.splitlines() if " head " in line and " to " in line)
    assert " 1.50 to 1.50 " in head


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a person lfits the chair"], "unknown verb 'lfits'"),
        (["a person eats the chair"], "food"),
        ([""], "sentence"),
        ([SENTENCE, "--object", "none.obj"], "none.obj"),
        ([SENTENCE, "--object", "box:x=0.0005,y=0.0005,z=0.0009"], "metres"),
        ([SENTENCE, "--object", "box:x=50,y=50,z=90"], "metres"),
        ([SENTENCE, "--endpoint", "http://127.0.0.1:9/v1"], "OPENAI_MODEL"),
        ([SENTENCE, "--model", "m"], "OPENAI_BASE_URL"),
        ([SENTENCE, "--endpoint", "http://127.0.0.1:9/v1", "--model", "m"], "cannot be reached"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert main(["plan", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.fixture
def endpoint(answering: Callable[[bytes], str]) -> str:
    """A server that answers every question with a plan of its own."""
    plan = GrammarPlanner().plan("a person pushes the table").to_json()
    answer = json.dumps({"choices": [{"message": {"content": plan}}]}).encode()

    return answering(answer)


def test_a_language_model_may_plan(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "shove that thing", "--endpoint", endpoint, "--model", "tiny", "--json"]) == 0
    plan = plan_from_json(capsys.readouterr().out)
    assert (plan.action, plan.object_name, plan.source) == ("push", "table", "model tiny")
