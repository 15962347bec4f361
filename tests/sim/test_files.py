"""Writes are whole or not at all, and what the system refuses becomes one clear line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sim import files
from sim.errors import TouchstoneError


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_write_replaces_the_file_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.txt"
    files.write_text(path, "one")
    files.write_text(path, "two ☕")
    assert path.read_text(encoding="utf-8") == "two ☕"
    assert names(path.parent) == ["a.txt"]


def test_the_temporary_file_lies_beside_and_keeps_the_suffix(tmp_path: Path) -> None:
    with files.atomic_path(tmp_path / "clip.npz") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npz"
        assert not (tmp_path / "clip.npz").exists()
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["clip.npz"]


@pytest.mark.parametrize("fault", [RuntimeError("bug"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_failure_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(type(fault)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_while_writing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(self: Path, *_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(TouchstoneError) as caught:
            files.write_text(path, "new")
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_while_renaming_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(TouchstoneError, match=r"No space left on device$"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_outgrows_its_limit_is_one_line(tmp_path: Path) -> None:
    """The same fault from the kernel rather than from a stand-in."""
    resource = pytest.importorskip("resource")
    path, limits = tmp_path / "a.txt", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_text("old")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(TouchstoneError) as caught:
            files.write_text(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value).startswith(f"cannot write {path}: ")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(TouchstoneError, match=r"Permission denied$"):
            files.write_text(tmp_path / "a.txt", "x")
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_that_refuses_new_files_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, also where the tests run as root."""

    def refuse(**_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(TouchstoneError) as caught:
        files.write_text(tmp_path / "a.txt", "x")
    assert str(caught.value) == f"cannot write {tmp_path / 'a.txt'}: Permission denied"


def test_a_file_where_a_folder_is_needed_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    with pytest.raises(TouchstoneError, match="cannot write"):
        files.write_text(tmp_path / "plain" / "a.txt", "x")


def test_a_folder_where_the_file_belongs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(TouchstoneError, match="cannot write"):
        files.write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"figure": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"figure": float("nan")})
    assert (tmp_path / "a.json").read_text() == '{\n  "figure": 1.5\n}\n'


def test_the_cache_folder_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "mine"))
    assert files.cache_dir("hulls") == tmp_path / "mine" / "hulls"
    monkeypatch.delenv("TOUCHSTONE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = files.cache_dir("hulls")
    assert folder == tmp_path / "xdg" / "touchstone" / "hulls"
    assert folder.is_dir()


def test_an_unusable_cache_folder_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").write_text("x")
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "plain"))
    with pytest.raises(TouchstoneError, match="Set TOUCHSTONE_CACHE"):
        files.cache_dir("hulls")
