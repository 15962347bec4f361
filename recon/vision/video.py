"""The clip: what a video holds, its shots, and the frames of one shot as JPEG files (seed, section 3.1, step 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import ContentDetector

from sim.errors import ReconstructionError
from sim.files import atomic_path

FRAME_NAME = "{:05d}.jpg"
"""Frame t of the original video, counted from 0: the layout of Open4DHOI's `frames/`."""
_DETECTION_WIDTH = 320
"""px; shots are found on frames of this width."""


@dataclass(frozen=True)
class VideoInfo:
    """What one pass over a video found.

    Attributes:
        path: the file.
        width, height: px, upright (a rotation that the file asks for is carried out).
        fps: mean frames per second; is_variable_rate: whether single frames last over 1.5 times as long or as short.
        num_frames: frames that can be decoded.
        shots: (first, end) of each shot, end exclusive; they tile the video.
        metadata: what the container says about itself, keys in lower case.
    """

    path: Path
    width: int
    height: int
    fps: float
    is_variable_rate: bool
    num_frames: int
    shots: tuple[tuple[int, int], ...]
    metadata: dict[str, str]


def scan_video(path: str | Path, threshold: float = 27.0, min_shot_frames: int = 15) -> VideoInfo:
    """Decode a video once: size, rate, length and shots.

    Args:
        path: any file that FFmpeg decodes.
        threshold: mean change of hue, saturation and brightness (0..255) between two frames that makes a cut
            (PySceneDetect's `ContentDetector`).
        min_shot_frames: changes that follow each other faster are one.

    Raises:
        ReconstructionError: no such file, no video in it, no frame in it, or damaged (names the frame).
    """
    path = Path(path)
    detector = ContentDetector(threshold=threshold, min_scene_len=min_shot_frames)
    cuts: list[int] = []
    times: list[float] = []
    shape = (0, 0)
    rate = Fraction(30)
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or rate
        metadata = {k.lower(): v for k, v in {**container.metadata, **stream.metadata}.items()}
        for index, frame in enumerate(_frames(container, path)):
            times.append(frame.time if frame.time is not None else index / float(rate))
            image = _pixels(frame, _DETECTION_WIDTH)
            shape = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
            found = detector.process_frame(FrameTimecode(index, rate), np.ascontiguousarray(image[..., ::-1]))
            cuts += [cut.frame_num for cut in found]
    if not times:
        raise ReconstructionError(f"{path}: the video has no frame")
    cuts += [cut.frame_num for cut in detector.post_process(FrameTimecode(len(times) - 1, rate))]
    bounds = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(times)), len(times)]
    gaps = np.diff(times)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    uneven = usual > 0 and bool(((gaps > 1.5 * usual) | (gaps < usual / 1.5)).any())
    return VideoInfo(path, *shape, float(rate), uneven, len(times), tuple(pairwise(bounds)), metadata)


def select_frames(info: VideoInfo, first: int | None = None, end: int | None = None) -> range:
    """The frames to work on: those asked for, or the longest shot (the first of equals).

    With only one of the two given, the other is the bound of the shot that it lies in.

    Raises:
        ReconstructionError: outside the video, fewer than two frames, or a cut inside (names it and the shots).
    """
    if first is None and end is None:
        return range(*max(info.shots, key=lambda shot: shot[1] - shot[0]))
    asked = f"frames {'' if first is None else first}:{'' if end is None else end}"
    inside = first if first is not None else (end or 0) - 1
    shot = next((s for s in info.shots if s[0] <= inside < s[1]), None)
    if shot is None:
        raise ReconstructionError(f"{info.path}: {asked} lie outside the video, which has 0:{info.num_frames}")
    start, stop = shot[0] if first is None else first, shot[1] if end is None else end
    if not 0 <= start < stop <= info.num_frames or stop - start < 2:
        raise ReconstructionError(
            f"{info.path}: {asked} is no range of at least two frames; the video has 0:{info.num_frames}"
        )
    cuts = [s[0] for s in info.shots if start < s[0] < stop]
    if cuts:
        shots = ", ".join(f"{a}:{b}" for a, b in info.shots)
        raise ReconstructionError(f"{info.path}: {asked} has a cut at frame {cuts[0]}; choose within one shot: {shots}")
    return range(start, stop)


def decode_frames(path: str | Path, frames: range | None = None) -> Iterator[np.ndarray]:
    """The frames in order, each [H, W, 3] uint8 RGB, upright; all of them where `frames` is None.

    Raises ReconstructionError as `scan_video`, and where the video ends before `frames` do.
    """
    path = Path(path)
    wanted = range(1 << 62) if frames is None else frames
    index = -1
    with _opened(path) as container:
        for index, frame in enumerate(_frames(container, path)):
            if index >= wanted.stop:
                return
            if index in wanted:
                yield _pixels(frame)
    if frames is not None and index + 1 < frames.stop:
        raise ReconstructionError(f"{path}: has {index + 1} frames, frame {frames.stop - 1} was asked for")


def extract_frames(path: str | Path, folder: str | Path, frames: range | None = None, quality: int = 95) -> list[Path]:
    """Write the frames as `folder`/%05d.jpg, numbered as in the video; files that are there already are kept.

    Raises ReconstructionError as `decode_frames`.
    """
    folder = Path(folder)
    if frames is not None:
        files = [folder / FRAME_NAME.format(index) for index in frames]
        if all(file.is_file() for file in files):
            return files
    written = []
    for index, image in enumerate(decode_frames(path, frames), frames.start if frames is not None else 0):
        file = folder / FRAME_NAME.format(index)
        written.append(file)
        if not file.is_file():
            ok, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            if not ok:
                raise ReconstructionError(f"frame {index} of {path} cannot be written as JPEG")
            with atomic_path(file) as temporary:
                temporary.write_bytes(content.tobytes())
    return written


def write_video(path: str | Path, images: Iterator[np.ndarray] | list[np.ndarray], fps: float) -> None:
    """Write RGB uint8 images [H, W, 3] (even sizes) as H.264 `.mp4`, atomically; for overlays and generated clips."""
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as container:
        stream = None
        for image in images:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "18"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())


def _opened(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise ReconstructionError(f"{path}: no such video")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ReconstructionError(f"{path}: not a video that can be read ({_reason(error)})") from error
    if not container.streams.video:
        container.close()
        raise ReconstructionError(f"{path}: holds no video stream")
    return container


def _frames(container: av.container.InputContainer, path: Path) -> Iterator[av.VideoFrame]:
    count = 0
    try:
        for frame in container.decode(video=0):
            yield frame
            count += 1
    except (av.error.FFmpegError, ValueError) as error:
        raise ReconstructionError(f"{path}: damaged after frame {count - 1} ({_reason(error)})") from error


def _pixels(frame: av.VideoFrame, width: int | None = None) -> np.ndarray:
    """[H, W, 3] uint8 RGB, upright, shrunk to `width` where it is wider."""
    if width is not None and frame.width > width:
        frame, turned = frame.reformat(width=width, height=max(1, frame.height * width // frame.width)), frame.rotation
    else:
        turned = frame.rotation
    image: np.ndarray = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, turned // 90)) if turned % 360 else image


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
