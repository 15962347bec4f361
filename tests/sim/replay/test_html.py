"""The page: what it embeds decodes to the motion, nothing is fetched, no text breaks out, and a browser draws it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from sim import rotations
from sim.body.capsules import body_geoms
from sim.motion import Motion, MotionObject
from sim.replay import html
from sim.replay.html import page, replay_element, stage_data, write_replay
from sim.replay.stage import Stage, build_stage

MakeMotion = Callable[..., Motion]


def make_stage(carrying_motion: MakeMotion, frames: int = 12) -> Stage:
    reference, simulation = carrying_motion(0, frames), carrying_motion(1, frames)
    return build_stage({"Reference": reference, "Simulation": simulation}, body_geoms(reference.offsets))


def decode(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def embedded(text: str) -> dict:
    match = re.search(r'<script type="application/json">(.*?)</script>', text, re.S)
    assert match
    return json.loads(match[1])


def test_embedded_arrays_decode_to_the_motions_transforms(carrying_motion: MakeMotion) -> None:
    stage = make_stage(carrying_motion)
    data = embedded(page("t", replay_element(stage)))
    assert (data["numFrames"], data["samples"], data["stride"], data["fps"]) == (12, 12, 1, 30.0)
    for figure, entry in zip(stage.figures, data["figures"], strict=True):
        rows = decode(entry["tracks"], "<f4").reshape(12, len(stage.tracks), 8)
        np.testing.assert_allclose(rows[..., :3], figure.position_w, atol=1e-6)
        np.testing.assert_array_equal(rows[..., 3], figure.touching)
        np.testing.assert_allclose(
            rotations.angle_between(rows[..., 4:].astype(float), figure.rotation_w), 0, atol=1e-3
        )
    knee = list(stage.tracks).index("left_knee")
    motion = carrying_motion(0)
    rows = decode(data["figures"][0]["tracks"], "<f4").reshape(12, -1, 8)
    np.testing.assert_allclose(
        rows[:, knee, :3], motion.joint_positions_w[:, motion.joint_names.index("left_knee")], atol=1e-6
    )
    assert data["figures"][0]["contacts"] == [
        [len(stage.tracks) - 1, 0, 0.2, 0, 2, 8],
        [len(stage.tracks) - 1, 0, -0.2, 0, 3, 8],
    ]


def test_embedded_shapes_are_consistent(carrying_motion: MakeMotion) -> None:
    stage = make_stage(carrying_motion)
    shapes = stage_data(stage)["shapes"]
    positions = decode(shapes["positions"], "<f4").reshape(-1, 3)
    faces, tracks = decode(shapes["faces"], "<u4"), decode(shapes["tracks"], "u1")
    assert (
        len(positions)
        == len(tracks)
        == len(decode(shapes["normals"], "i1")) // 3
        == sum(len(s.vertices) for s in stage.shapes)
    )
    assert faces.max() == len(positions) - 1
    last = stage.shapes[-1]
    np.testing.assert_array_equal(
        faces[-last.faces.size :].reshape(-1, 3), last.faces + len(positions) - len(last.vertices)
    )
    assert set(tracks) == set(range(len(stage.tracks)))


def test_a_long_clip_keeps_every_nth_frame_and_its_last(
    carrying_motion: MakeMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(carrying_motion, frames=100)
    monkeypatch.setattr(html, "_TRACK_BUDGET", 100 * len(stage.tracks) * 32 // 3)
    data = stage_data(stage)
    rows = decode(data["figures"][0]["tracks"], "<f4").reshape(data["samples"], -1, 8)
    assert data["stride"] >= 3
    assert (data["samples"] - 1) * data["stride"] >= 99
    np.testing.assert_allclose(rows[1, :, :3], stage.figures[0].position_w[data["stride"]], atol=1e-6)
    np.testing.assert_allclose(rows[-1, :, :3], stage.figures[0].position_w[99], atol=1e-5)


def test_nothing_is_fetched(carrying_motion: MakeMotion) -> None:
    text = page("t", replay_element(make_stage(carrying_motion)))
    assert not re.search(r"""(src|href|action|url)\s*[=(]\s*["']?\s*(https?:)?//""", text, re.I)
    assert not re.search(r"@import|\bimport\s*\(|fetch\s*\(|XMLHttpRequest|<link|<iframe", text)
    assert "default-src 'none'" in text


def test_no_text_of_a_motion_breaks_out_of_the_page(carrying_motion: MakeMotion) -> None:
    evil = '</script><script>alert("x")</script>'
    motion = carrying_motion()
    box = motion.objects[0]
    named = motion.replace(objects=(MotionObject(evil, box.geometry, box.position_w, box.rotation_w),))
    text = page(evil, replay_element(build_stage({evil: named}, body_geoms(motion.offsets))))
    assert evil not in text
    assert text.count("<script") == 2  # the data and the program
    assert evil in embedded(text)["tracks"]


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium to open the page with (Debian: apt-get install chromium)")


def screenshot(path: Path, hash_: str, folder: Path) -> tuple[np.ndarray, str]:
    """The page as Chromium draws it at 1000 x 800, and what it logged."""
    picture = folder / "picture.png"
    flags = (
        "--headless --no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader "
        "--disable-background-networking --hide-scrollbars --enable-logging=stderr --window-size=1000,800 "
        f"--virtual-time-budget=3000 --user-data-dir={folder / 'profile'} --screenshot={picture}"
    )
    done = subprocess.run(
        [browser(), *flags.split(), f"{path.as_uri()}#{hash_}"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert picture.exists(), done.stderr[-2000:]
    return imageio.imread(picture)[..., :3].astype(int), done.stderr


def test_a_browser_draws_both_figures_without_errors(carrying_motion: MakeMotion, tmp_path: Path) -> None:
    path = tmp_path / "replay.html"
    write_replay(path, make_stage(carrying_motion), "A test")
    picture, log = screenshot(path, "t=0.2", tmp_path)
    lines = [line for line in log.splitlines() if "CONSOLE" in line and "GL Driver Message" not in line]
    assert not lines
    for half in (picture[100:500, 60:480], picture[100:500, 520:940]):
        assert half.std(axis=(0, 1)).min() > 15, "the canvas is blank"
        # hands and box sides touched in frame 6 are orange: red far above blue
        assert ((half[..., 0] - half[..., 2]) > 110).sum() > 20
    # the figures have their colours: greenish in the right half alone
    green = (picture[100:500, :, 1] - picture[100:500, :, 0]) > 60
    assert green[:, 520:].sum() > 500 > 10 * green[:, :480].sum()
