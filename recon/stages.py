"""Stages of pre-processing: their results lie in a session, with a digest of what each was made from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recon.camera import Camera
from recon.session import OWN, Session
from recon.vision.landmarks import Landmarks
from recon.vision.video import FRAME_NAME
from sim.errors import ReconstructionError
from sim.files import atomic_path, write_json


class Work:
    """What the stages of one call share: the frames, where results are kept, and what is to be said about them.

    Attributes:
        session, frames: of the video. folder: of our own results. on_stage: told the name of each stage.
        sources: what made each part, by stage. notes: what was missing or lost; one line each.
    """

    def __init__(self, session: Session, frames: range, on_stage: Callable[[str], None]) -> None:
        self.session, self.frames, self.on_stage = session, frames, on_stage
        self.folder = session.folder / OWN
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self._book = self.folder / "stages.json"

    def recall(self, stage: str, path: Path, *inputs: Any) -> bool:
        """Whether the result at `path` is there and was made from the same; then its source and notes hold again."""
        entry = self._read().get(stage)
        if entry is None or not path.exists() or entry.get("digest") != self._digest(*inputs):
            return False
        self.sources[stage] = entry["source"]
        self.notes += entry["notes"]
        return True

    def keep(self, stage: str, source: str, notes: Sequence[str], *inputs: Any) -> None:
        """Remember what made a stage's result, from what, and what is to be said about it."""
        self.sources[stage] = source
        self.notes += notes
        entry = {"digest": self._digest(*inputs), "source": source, "notes": list(notes)}
        write_json(self._book, {**self._read(), stage: entry})

    def wrote(self, stage: str) -> bool:
        """Whether a stage's result is one that this program made."""
        return stage in self._read()

    def _digest(self, *inputs: Any) -> str:
        plain = [
            dataclasses.asdict(i) if dataclasses.is_dataclass(i) and not isinstance(i, type) else i for i in inputs
        ]
        text = json.dumps([self.frames.start, self.frames.stop, *plain], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self._book.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) and all(isinstance(e, dict) for e in content.values()) else {}


class Images(Sequence[np.ndarray]):
    """Extracted frames as a sequence of images, read one at a time, so that a long clip does not fill the memory."""

    def __init__(self, folder: Path, frames: range) -> None:
        self._paths = [folder / FRAME_NAME.format(index) for index in frames]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        path = self._paths[index]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ReconstructionError(f"{path} is missing or no image; extract the frames again")
        return np.ascontiguousarray(image[..., ::-1])


def save_landmarks(path: Path, landmarks: Landmarks) -> None:
    """Write landmarks as .npz, atomically."""
    arrays = {"pixels": landmarks.pixels, "confidence": landmarks.confidence}
    if landmarks.points_m is not None:
        arrays["points_m"] = landmarks.points_m
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, names=np.array(landmarks.names), source=np.array(landmarks.source), **arrays)  # type: ignore[arg-type]


def save_camera(path: Path, camera: Camera) -> None:
    """Write a camera as JSON, atomically."""
    write_json(path, {name: _plain(value) for name, value in vars(camera).items()})


def load_camera(path: Path) -> Camera:
    """Read what `save_camera` wrote. Raises ReconstructionError for a damaged file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, Any] = {n: np.array(v) if isinstance(v, list) else v for n, v in content.items()}
        return Camera(**values)
    except (OSError, ValueError, TypeError) as error:
        raise ReconstructionError(f"{path}: no camera; delete it to find it anew ({error})") from error


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
