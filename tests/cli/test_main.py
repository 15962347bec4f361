"""The command line's frame: verbs, exit codes, and errors in one line."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import main as frame
from sim.errors import TouchstoneError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Install a verb `stub` whose run() does what it is given."""

    def install(action: Callable[[], None]) -> None:
        @dataclass(frozen=True)
        class Command:
            number: int = 1
            """A number."""

            def run(self) -> None:
                action()

        module = types.ModuleType("stub_verb", "Does nothing.")
        module.Command = Command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stub_verb", module)
        monkeypatch.setitem(frame.VERBS, "stub", ("stub_verb", "does nothing"))

    return install


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_verb(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main([flag]) == 0
    out = capsys.readouterr().out
    for name, (_, line) in frame.VERBS.items():
        assert f"  {name}" in out
        assert line in out


def test_no_verb_shows_the_usage_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main([]) == frame.EXIT_USER_ERROR
    assert "usage: touchstone VERB" in capsys.readouterr().out


def test_an_unknown_verb_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["trian"]) == frame.EXIT_USER_ERROR
    captured = capsys.readouterr()
    assert "unknown verb 'trian'. Did you mean 'train'?" in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_verb_that_works_returns_zero(verb: Callable) -> None:
    done = []
    verb(lambda: done.append(True))
    assert frame.main(["stub", "--number", "3"]) == 0
    assert done == [True]


def test_an_error_of_the_users_is_one_line_and_code_2(verb: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise TouchstoneError("clip.npz: no such file")

    verb(fail)
    assert frame.main(["stub"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "touchstone: clip.npz: no such file\n"
    assert captured.out == ""


def test_ctrl_c_is_code_130(verb: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    verb(interrupt)
    assert frame.main(["stub"]) == 130
    assert capsys.readouterr().err == "touchstone: interrupted\n"


def test_a_bug_of_ours_keeps_its_traceback(verb: Callable) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    verb(bug)
    with pytest.raises(ZeroDivisionError):
        frame.main(["stub"])


def test_a_verbs_help_and_a_wrong_option_are_left_to_the_parser(
    verb: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    verb(lambda: None)
    with pytest.raises(SystemExit) as asked:
        frame.main(["stub", "--help"])
    assert asked.value.code == 0
    assert "Does nothing." in capsys.readouterr().out
    with pytest.raises(SystemExit) as wrong:
        frame.main(["stub", "--nunber", "3"])
    assert wrong.value.code == 2


def test_looking_at_the_verbs_is_quick_because_it_imports_none_of_them() -> None:
    """The frame must not drag torch and MuJoCo in: `touchstone --help` answers at once."""
    code = (
        "import sys; from cli.main import main; assert main(['--help']) == 0; "
        "heavy = {'torch', 'mujoco', 'trimesh', 'anny'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
