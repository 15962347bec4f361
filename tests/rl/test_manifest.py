"""Manifests: read whole, refused in one line that says where and what would be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rl.manifest import load_motion, read_manifest
from sim.errors import FormatError, TouchstoneError, UnknownNameError
from sim.geometry import Mesh
from sim.motion import Motion


@pytest.fixture
def folder(push_clip: Motion, tmp_path: Path) -> Path:
    """Two motions in a folder of their own."""
    for name in ("one", "two"):
        push_clip.save(tmp_path / "clips" / f"{name}.npz")
    return tmp_path


def write(folder: Path, *rows: Any, **more: Any) -> Path:
    path = folder / "m.json"
    path.write_text(json.dumps({"clips": list(rows)} | more))
    return path


ONE = {"clip": "clips/one.npz", "group": "push"}
TWO = {"clip": "clips/two.npz", "group": "pull"}


def test_clips_and_groups_come_in_the_manifests_order(folder: Path, push_clip: Motion) -> None:
    (folder / "clips" / "three.npz").write_bytes((folder / "clips" / "one.npz").read_bytes())
    manifest = read_manifest(write(folder, TWO, ONE, ONE | {"clip": "clips/three.npz"}, name="some"))
    assert manifest.name == "some"
    assert manifest.groups == manifest.chosen("all") == ("pull", "push")
    assert manifest.chosen("push") == ("push",)
    assert [entry.name for entry in manifest.clips("push")] == ["one", "three"]
    assert [entry.name for entry in manifest.clips("push", 1)] == ["one"]
    motion = load_motion(manifest.clips("pull")[0])
    assert motion.num_frames == push_clip.num_frames
    assert motion.group == "pull"


def test_a_plain_list_is_a_manifest(folder: Path) -> None:
    path = folder / "list.json"
    path.write_text(json.dumps([ONE]))
    manifest = read_manifest(path)
    assert (manifest.name, len(manifest.entries)) == ("list", 1)


def test_an_unknown_group_lists_the_valid_ones_and_the_nearest(folder: Path) -> None:
    manifest = read_manifest(write(folder, ONE, TWO))
    with pytest.raises(UnknownNameError, match=r"action group 'pusch'\. Did you mean 'push'\? Valid: all, pull, push"):
        manifest.chosen("pusch")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds a list 'clips'"),
        ([ONE, {"clip": "clips/two.npz"}], "clip 1 needs the texts 'clip' and 'group'"),
        ([ONE, "clips/two.npz"], "clip 1 needs the texts"),
        ([ONE, ONE], "clips 0 and 1 are both called 'one'"),
        ([ONE | {"clip": "clips/none.npz"}], r"clip 0: no such file: .*clips/none.npz$"),
        ([ONE | {"object": "box.obj"}], r"clip 0: no such object: .*box.obj$"),
        ([ONE | {"format": "intermimic-590"}], r"unknown format of clip 0 .* Did you mean 'intermimic-591'"),
        ([ONE | {"grup": "x"}], r"unknown setting of clip 0 .*'grup'.* Did you mean 'group'"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(rows: list[Any], said: str, folder: Path) -> None:
    with pytest.raises(TouchstoneError, match=said) as caught:
        read_manifest(write(folder, *rows))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_manifest_is_refused(folder: Path) -> None:
    with pytest.raises(FormatError, match=r"none.json: No such file"):
        read_manifest(folder / "none.json")
    (folder / "text.json").write_text("clips:")
    with pytest.raises(FormatError, match="not JSON"):
        read_manifest(folder / "text.json")


def test_the_real_manifest_has_the_papers_counts(data: Path) -> None:
    """Section 11, Table 1 of the paper counts 80 clips in 12 groups."""
    manifest = read_manifest(data / "bench80.json")
    assert (len(manifest.entries), len(manifest.groups)) == (80, 12)
    assert len(manifest.clips("push_box")) == 9


def test_a_data_set_file_comes_with_its_object_and_contacts(data: Path) -> None:
    manifest = read_manifest(data / "bench80.json")
    motion = load_motion(next(entry for entry in manifest.entries if entry.name == "sub8_largebox_000"))
    assert [item.name for item in motion.objects] == ["largebox"]
    assert isinstance(motion.objects[0].geometry, Mesh)
    assert len(motion.contacts) > 0
    ball = load_motion(manifest.clips("catch_ball")[0])
    assert [item.name for item in ball.objects] == ["ball"]
