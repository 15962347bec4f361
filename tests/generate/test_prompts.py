"""Files of prompts: sentences, meshes beside them, names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from generate.prompts import Prompt, folder_names, read_prompts
from sim.errors import PlanError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sentence_a_line_with_its_object_and_comments(tmp_path: Path) -> None:
    text = (
        "# chairs\n\na person lifts the chair | chair.obj  # a mesh\n"
        "  a person kicks the ball|sphere:radius=0.1\nhe sits\n"
    )
    found = read_prompts(write(tmp_path / "p.txt", text))
    assert found == (
        Prompt("a person lifts the chair", str(tmp_path / "chair.obj")),
        Prompt("a person kicks the ball", "sphere:radius=0.1"),
        Prompt("he sits"),
    )
    assert [prompt.object_name for prompt in found] == ["chair", None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no sentence"),
        ("# nothing\n", "no sentence"),
        ("| chair.obj", "line 1"),
        ("a person sits |", "line 1"),
        ("he sits\nhe sits | a.obj | b.obj", "line 2"),
        ("he sits\n\nhe sits", "line 3: the same as line 1"),
    ],
)
def test_what_is_no_prompt_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=message):
        read_prompts(write(tmp_path / "p.txt", text))


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    for path in (tmp_path / "none.txt", tmp_path, tmp_path / "binary"):
        with pytest.raises(PlanError, match=r"cannot be read") as error:
            read_prompts(path)
        assert "\n" not in str(error.value)


def test_names_are_plain_and_their_own() -> None:
    prompts = (
        Prompt("A person lifts the chair!"),
        Prompt("a person lifts the chair", "x/Red chair.obj"),
        Prompt("the person lifts the chair"),
        Prompt("../../etc <b>"),
        Prompt("ÄÖÜ"),
    )
    assert folder_names(prompts) == (
        "lifts_the_chair", "lifts_the_chair_Red chair", "lifts_the_chair-2", "etc_b", "clip",
    )  # fmt: skip
    assert len(Prompt("a person " + 50 * "pushes and ").name) <= 48
