"""Small TFLite networks on the CPU, and what MediaPipe's graphs put around them: crops, anchors, boxes.

The facts (crop geometry, anchor layout, scalings) are those of MediaPipe's published graphs (Apache-2.0; Bazarevsky et
al., BlazePose, 2020; Zhang et al., MediaPipe Hands, 2020).
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from scipy.special import expit

from recon.vision.assets import asset_path
from sim.errors import AssetError, MissingDependencyError


class Network:
    """A TFLite network with one image input [1, N, N, 3]; call it with [N, N, 3] float32 for its outputs in order.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
        AssetError: the weights have not been fetched, or are damaged.
    """

    def __init__(self, asset: str, threads: int | None = None) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError("ai-edge-litert", "the pose detector") from error
        path = asset_path(asset)
        try:
            self._interpreter: Any = Interpreter(str(path), num_threads=threads or os.cpu_count() or 1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise AssetError(f"{path} is damaged; delete it and fetch it again with make assets") from error
        details = self._interpreter.get_input_details()[0]
        self.size = int(details["shape"][1])
        self._input = details["index"]
        outputs = sorted(self._interpreter.get_output_details(), key=lambda output: output["name"])
        self._outputs = [output["index"] for output in outputs]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(image[None], np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


class Region(NamedTuple):
    """A turned square of the image: centre (x, y) px, side px, angle rad (clockwise on screen) of its own x axis."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_image(self) -> np.ndarray:
        """[2, 3]: from (u, v, 1) in the unit square to pixels."""
        c, s = np.cos(self.angle) * self.side, np.sin(self.angle) * self.side
        return np.array([[c, -s, self.x - (c - s) / 2], [s, c, self.y - (s + c) / 2]])

    def crop(self, image: np.ndarray, size: int) -> np.ndarray:
        """[size, size, 3] float32 in 0..1, black outside of the image."""
        matrix = self.to_image()
        index = np.column_stack((matrix[:, :2] / size, matrix @ [0.5 / size, 0.5 / size, 1.0] - 0.5))
        if self.side > 2 * size:  # warpAffine does not average over what it skips
            image = cv2.GaussianBlur(image, (0, 0), 0.3 * self.side / size)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop: np.ndarray = cv2.warpAffine(image, index, (size, size), flags=flags)
        return crop.astype(np.float32) / 255.0

    def points(self, unit: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of points [..., 2] of the unit square."""
        matrix = self.to_image()
        pixels: np.ndarray = unit @ matrix[:, :2].T + matrix[:, 2]
        return pixels

    def turned(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] m in the crop's axes to the image's: turned about the viewing axis."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        result: np.ndarray = points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return result

    @staticmethod
    def whole(image: np.ndarray) -> Region:
        """The smallest square that holds the image."""
        height, width = image.shape[:2]
        return Region(width / 2, height / 2, float(max(height, width)))

    @staticmethod
    def upright(base: np.ndarray, top: np.ndarray, centre: np.ndarray, side: float) -> Region:
        """A square turned so that `top` is straight above `base` (pixels [2] all)."""
        dx, dy = np.asarray(top) - base
        angle = np.arctan2(dx, -dy)
        return Region(float(centre[0]), float(centre[1]), float(side), float(angle))


@dataclass(frozen=True)
class Detections:
    """D boxes in the unit square: score [D], box [D, 4] centre and size, points [D, K, 2]."""

    score: np.ndarray
    box: np.ndarray
    points: np.ndarray


class AnchorDetector:
    """A single-shot detector with fixed-size anchors.

    Args:
        asset: the weights.
        strides: px between anchors, of each output layer; each gives two anchors a cell.
        signed: the network expects -1..1 rather than 0..1.
    """

    def __init__(self, asset: str, strides: tuple[int, ...], signed: bool, threads: int | None = None) -> None:
        self._network = Network(asset, threads)
        self._anchors = _anchors(self._network.size, strides)
        self._signed = signed

    def __call__(self, image: np.ndarray, region: Region, threshold: float = 0.5) -> Detections:
        """Everything found in a region of the image, best first, overlaps merged (weighted by score)."""
        size = self._network.size
        crop = region.crop(image, size)
        raw, logits = self._network(2 * crop - 1 if self._signed else crop)
        score = expit(logits[:, 0].astype(np.float64))
        keep = np.flatnonzero(score >= threshold)
        keep = keep[np.argsort(-score[keep])]
        values = raw[keep].reshape(len(keep), raw.shape[1] // 2, 2) / size
        values[:, [0, *range(2, values.shape[1])]] += self._anchors[keep, None]
        return _merged(score[keep], values)


@functools.cache
def _anchors(size: int, strides: tuple[int, ...]) -> np.ndarray:
    """[A, 2] anchor centres; equal strides share a grid, cell by cell."""
    parts = []
    for stride in sorted(set(strides)):
        cells = -(-size // stride)
        axis = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        parts.append(np.repeat(grid, 2 * strides.count(stride), axis=0))
    return np.concatenate(parts)


def _merged(score: np.ndarray, values: np.ndarray, overlap: float = 0.3) -> Detections:
    """Weighted non-maximum suppression; `values` [D, 2 + K, 2]: centre, size, points."""
    scores, merged = [], []
    low, high = values[:, 0] - values[:, 1] / 2, values[:, 0] + values[:, 1] / 2
    area = np.prod(values[:, 1], -1)
    left = np.arange(len(score))
    while len(left):
        best = left[0]
        inner = np.clip(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0, None).prod(-1)
        same = inner > overlap * (area[left] + area[best] - inner)
        same[0] = True
        scores.append(score[best])
        merged.append(np.average(values[left[same]], axis=0, weights=score[left[same]]))
        left = left[~same]
    found = np.array(merged).reshape(len(scores), *values.shape[1:])
    return Detections(np.array(scores), found[:, :2].reshape(-1, 4), found[:, 2:])
