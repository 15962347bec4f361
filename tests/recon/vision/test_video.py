"""Shots and frames of generated videos: cuts where they were made, every frame once, rotation, damage."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from recon.stages import Images
from recon.vision.video import decode_frames, extract_frames, scan_video, select_frames, write_video
from sim.errors import ReconstructionError

PATH = np.stack((20 + 2.0 * np.arange(30), np.full(30, 30.0)), -1)


@pytest.fixture(scope="module")
def two_shots(
    square_clip: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[np.ndarray]]:
    """30 frames of one scene and 20 of another, 25 fps."""
    other = [255 - image[::-1] // 2 for image in square_clip(PATH[:20], seed=5).images]
    images = [*square_clip(PATH).images, *other]
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    write_video(path, images, 25.0)
    return path, images


def test_shots_and_size(two_shots: tuple[Path, list[np.ndarray]]) -> None:
    info = scan_video(two_shots[0])
    assert (info.width, info.height, info.num_frames) == (160, 120, 50)
    assert info.fps == pytest.approx(25.0)
    assert info.shots == ((0, 30), (30, 50))
    assert not info.is_variable_rate


def test_frames_come_once_in_order_and_look_as_they_did(two_shots: tuple[Path, list[np.ndarray]]) -> None:
    path, images = two_shots
    found = list(decode_frames(path, range(10, 20)))
    assert len(found) == 10
    error = np.array([[np.abs(image.astype(float) - images[k]).mean() for k in range(50)] for image in found])
    assert list(error.argmin(1)) == list(range(10, 20)), "compression apart, each is the frame it should be"
    with pytest.raises(ReconstructionError, match="has 50 frames, frame 59"):
        list(decode_frames(path, range(40, 60)))


def test_extraction_names_frames_as_the_video_counts_them(
    two_shots: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    path, images = two_shots
    files = extract_frames(path, tmp_path / "frames", range(28, 33))
    assert [file.name for file in files] == ["00028.jpg", "00029.jpg", "00030.jpg", "00031.jpg", "00032.jpg"]
    stamp = files[0].stat().st_mtime_ns
    assert extract_frames(path, tmp_path / "frames", range(28, 33)) == files
    assert files[0].stat().st_mtime_ns == stamp, "what is there stays"
    again = Images(tmp_path / "frames", range(28, 33))
    assert np.abs(again[4].astype(float) - images[32]).mean() < 12
    files[1].write_bytes(b"")
    with pytest.raises(ReconstructionError, match=r"00029\.jpg is missing or no image"):
        list(again)


@pytest.mark.parametrize(
    ("asked", "given"),
    [((None, None), range(30)), ((32, None), range(32, 50)), ((None, 20), range(20)), ((30, 50), range(30, 50))],
)
def test_a_range_within_a_shot_is_taken(
    two_shots: tuple[Path, list[np.ndarray]], asked: tuple[int | None, int | None], given: range
) -> None:
    assert select_frames(scan_video(two_shots[0]), *asked) == given


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((20, 40), "has a cut at frame 30; choose within one shot: 0:30, 30:50"),
        ((60, None), "lie outside the video, which has 0:50"),
        ((10, 60), "no range of at least two frames"),
        ((10, 11), "no range of at least two frames"),
        ((20, 10), "no range of at least two frames"),
    ],
)
def test_other_ranges_are_refused(
    two_shots: tuple[Path, list[np.ndarray]], asked: tuple[int, int | None], message: str
) -> None:
    with pytest.raises(ReconstructionError, match=message):
        select_frames(scan_video(two_shots[0]), *asked)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_upright(two_shots: tuple[Path, list[np.ndarray]], tmp_path: Path, degrees: int) -> None:
    """Phones store the sensor's picture and how to turn it; FFmpeg's own program says what upright is."""
    ffmpeg, turned = imageio_ffmpeg.get_ffmpeg_exe(), tmp_path / "turned.mp4"
    quiet = [ffmpeg, "-v", "error", "-y"]
    subprocess.run([*quiet, "-display_rotation", str(degrees), "-i", two_shots[0], "-c", "copy", turned], check=True)
    raw = subprocess.run([*quiet, "-i", turned, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         check=True, capture_output=True).stdout  # fmt: skip
    info = scan_video(turned)
    truth = np.frombuffer(raw, np.uint8).reshape(info.height, info.width, 3)
    first = next(decode_frames(turned))
    assert first.shape == truth.shape
    assert np.abs(first.astype(float) - truth).mean() < 3


def test_what_is_no_video_is_refused_in_one_line(two_shots: tuple[Path, list[np.ndarray]], tmp_path: Path) -> None:
    cases = {"text.mp4": b"no video at all", "empty.mp4": b"", "cut.mp4": two_shots[0].read_bytes()[:200]}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReconstructionError, match="not a video that can be read") as caught:
            scan_video(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(ReconstructionError, match="no such video"):
        scan_video(tmp_path / "missing.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    sound = tmp_path / "sound.m4a"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=0.2", sound]
    subprocess.run(command, check=True)
    with pytest.raises(ReconstructionError, match="holds no video stream"):
        scan_video(sound)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    with av.open(str(path), "w", options={"movflags": "empty_moov+frag_keyframe"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(ReconstructionError, match="the video has no frame"):
        scan_video(path)


def test_the_real_clips_shots(data: Path) -> None:
    """The spear clip ends with two frames of another picture."""
    info = scan_video(data / "open4dhoi" / "spear_session" / "video.mp4")
    assert (info.width, info.height, info.num_frames) == (576, 1024, 42)
    assert info.shots == ((0, 40), (40, 42))
