"""Guards of the project as a whole: packages, layers, a fast command line, pinned versions, rules of the house."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sim", "recon", "generate", "rl", "envs", "cli")
SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
OTHERS = sorted(p for folder in ("tests", "benchmarks") for p in (ROOT / folder).rglob("*.py"))
MAX_LINES, MAX_TEST_LINES = 450, 600
HEAVY = ("torch", "mujoco", "numpy", "scipy", "trimesh", "stable_baselines3", "viser", "anny")
BANNED_CALLS = {"eval", "exec", "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.load"}
NETWORK_CLIENTS = {"urllib.request", "requests", "http.client", "httpx"}
CLIENTS = {
    ROOT / "recon" / "vision" / "assets.py": {"urllib.request"},
    ROOT / "generate" / "llm.py": {"requests"},
}
"""The modules that may use the network: the set-up's command, and the planner that a user points at an endpoint."""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_is_the_one_of_this_checkout(name: str) -> None:
    """The names are plain words, so another distribution could shadow them."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve() == ROOT / name / "__init__.py"


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8")))


def test_import_contracts_hold() -> None:
    result = _run(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_command_line_starts_without_heavy_imports() -> None:
    """`touchstone --help` loads no array or physics library; on two busy cores it takes well under two seconds."""
    code = "import sys, cli.main; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    started = time.monotonic()
    result = _run(sys.executable, "-c", code, *HEAVY)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
    assert time.monotonic() - started < 10


def test_verbs_point_at_their_modules() -> None:
    """Every verb that is listed has its module with a `Command`, and an example in its help text."""
    from cli.main import VERBS

    for verb, (module, _) in VERBS.items():
        path = ROOT / (module.replace(".", "/") + ".py")
        assert path.is_file(), f"{verb}: {path.name} is missing"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert f"touchstone {verb}" in (ast.get_docstring(tree) or ""), f"{verb}: no example in its help"
        assert any(isinstance(node, ast.ClassDef) and node.name == "Command" for node in tree.body)


@pytest.mark.parametrize("path", [*SOURCES, *OTHERS], ids=_relative)
def test_files_are_short_and_finished(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= (MAX_TEST_LINES if path in OTHERS else MAX_LINES)
    markers = [m for m in ("TO" + "DO", "FIX" + "ME", "X" + "XX", "raise Not" + "ImplementedError") if m in text]
    assert not markers


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_nothing_is_unpickled_evaluated_or_fetched(path: Path) -> None:
    """torch.load only with weights_only=True; no network client but the set-up's and the language model's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            clients = NETWORK_CLIENTS & {alias.name for alias in node.names}
            assert clients <= CLIENTS.get(path, set()), where
        if isinstance(node, ast.ImportFrom):
            assert node.module not in NETWORK_CLIENTS, where
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in BANNED_CALLS, where
            assert keywords.get("allow_pickle", "False") == "False", where
            assert called != "torch.load" or keywords.get("weights_only") == "True", where


def test_constraints_pin_every_dependency_exactly() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9a-z.]*)", line).groups() for line in lines)  # type: ignore[union-attr, misc]
    normal = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in wanted:
        name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
        assert re.sub(r"[-_.]+", "-", name).lower() in normal, f"{name} is not pinned"


def test_make_names_an_old_or_missing_python(tmp_path: Path) -> None:
    """The set-up stops with one line before it touches anything."""
    venv = tmp_path / "venv"
    result = _run("make", "--no-print-directory", "setup", "PYTHON=no-such-python", f"VENV={venv}")
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith("Touchstone needs Python 3.11 or newer")
    assert not venv.exists()
