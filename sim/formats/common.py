"""What all layouts share: safe reading, columns by name, and what a file becomes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sim import rotations
from sim.errors import FormatError

PoseSource = Literal["positions", "rotations"]


@dataclass(frozen=True)
class Layout:
    """One [T, width] tensor layout: named blocks of columns in file order.

    Attributes:
        name: as on the command line.
        fps: frames per second of the published files, which do not store it.
        blocks: (name, shape of one frame); a name that begins with `_` is padding.
    """

    name: str
    fps: float
    blocks: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(int(np.prod(shape)) for _, shape in self.blocks)

    def slices(self) -> dict[str, slice]:
        """Block name -> its columns."""
        stops = np.cumsum([int(np.prod(shape)) for _, shape in self.blocks])
        starts = [0, *stops[:-1]]
        return {name: slice(int(a), int(b)) for (name, _), a, b in zip(self.blocks, starts, stops, strict=True)}

    def split(self, table: np.ndarray) -> dict[str, np.ndarray]:
        """[T, width] -> block name -> [T, *shape]. Raises FormatError on another width or a NaN."""
        if table.ndim != 2 or table.shape[1] != self.width:
            raise FormatError(f"{self.name} has {self.width} columns, the file has shape {list(table.shape)}")
        columns = self.slices()
        for name, part in columns.items():
            finite = np.isfinite(table[:, part]).all(1)
            if not name.startswith("_") and not finite.all():
                raise FormatError(f"{name} is not finite at frame {int(np.argmin(finite))}")
        return {name: table[:, columns[name]].reshape(len(table), *shape) for name, shape in self.blocks}

    def join(self, blocks: Mapping[str, np.ndarray], num_frames: int) -> np.ndarray:
        """The inverse of `split`: [T, width] float32, zeros where a block is not given."""
        table = np.zeros((num_frames, self.width), np.float32)
        for name, columns in self.slices().items():
            if name in blocks:
                table[:, columns] = blocks[name].reshape(num_frames, -1)
        return table


@dataclass
class Clip:
    """A file's content in standard order, axes and quaternions, before it becomes a `Motion`.

    Attributes:
        joint_rotations_b: [T, 52, 4] wxyz, as in `Motion`.
        offsets: [52, 3] m.
        root_position_w: [T, 3] m.
        object_position_w, object_rotation_w: [T, 3] m and [T, 4] wxyz, or None.
        contact_labels: [T, 52] in -1, 0, +1, or None; object_contact: [T] in 0, 1, or None.
        notes: what was found and changed, for the motion's `source`.
    """

    joint_rotations_b: np.ndarray
    offsets: np.ndarray
    root_position_w: np.ndarray
    object_position_w: np.ndarray | None = None
    object_rotation_w: np.ndarray | None = None
    contact_labels: np.ndarray | None = None
    object_contact: np.ndarray | None = None
    body_shape: np.ndarray | None = None
    fps: float | None = None
    notes: list[str] = field(default_factory=list)


def load_torch(path: Path) -> Any:
    """What a `.pt` file holds, on the CPU and without running code. Raises FormatError with one line."""
    try:
        with open(path, "rb") as file:
            head = file.read(40)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror or error}") from error
    if not head:
        raise FormatError("the file is empty")
    if head.startswith(b"version https://git-lfs"):
        raise FormatError("a Git LFS pointer, not the data: run `git lfs pull` where it came from")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise FormatError("not a file that torch can read as plain tensors (is it truncated, or a pickle?)") from error
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise FormatError("damaged or truncated: torch cannot read it; fetch the file again") from error


def as_table(content: Any) -> np.ndarray:
    """A loaded tensor as a [T, columns] float64 array. Raises FormatError if it is nothing of the kind."""
    if not isinstance(content, torch.Tensor):
        raise FormatError(f"holds a {type(content).__name__}, expected one tensor [frames, columns]")
    if content.ndim != 2 or content.is_complex():
        raise FormatError(f"holds a {content.dtype} tensor of shape {list(content.shape)}, expected [frames, columns]")
    if content.numel() == 0:
        raise FormatError(f"holds an empty tensor of shape {list(content.shape)}")
    table: np.ndarray = content.detach().to(torch.float64).numpy()
    return table


def drop_zero_start(parts: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Blocks without frame 0 where that is all zeros (as in the published OMOMO_retarget files), and a note if so.

    Raises FormatError if fewer than the two frames of a motion are left.
    """
    notes = []
    if not any(block[0].any() for block in parts.values()):
        parts = {name: block[1:] for name, block in parts.items()}
        notes = ["dropped the all-zero frame 0"]
    frames = len(parts["root_position_w"])
    if frames < 2:
        raise FormatError(f"{frames} frame(s) with data, a motion needs at least 2")
    return parts, notes


def unit_quaternions(xyzw: np.ndarray, name: str) -> np.ndarray:
    """xyzw as stored -> unit wxyz, [T, ..., 4]. Raises FormatError where the length is off by more than 1 %."""
    error = np.abs(np.linalg.norm(xyzw, axis=-1) - 1.0).reshape(len(xyzw), -1).max(1)
    if error.max() > 0.01:
        raise FormatError(f"{name}: quaternion at frame {int(np.argmax(error > 0.01))} is not of unit length")
    unit: np.ndarray = rotations.normalize(rotations.from_xyzw(xyzw))
    return unit
