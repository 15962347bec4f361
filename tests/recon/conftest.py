"""Small generated clips with known truth: a textured square over a textured wall."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import pytest


class SquareClip(NamedTuple):
    """images [T] of [H, W, 3] uint8 RGB; the square's corner [T, 2] px; where it is seen [T, H, W] bool."""

    images: list[np.ndarray]
    corners: np.ndarray
    masks: np.ndarray


def _texture(rng: np.random.Generator, height: int, width: int, tint: tuple[float, float, float]) -> np.ndarray:
    noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 1.5)
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(np.array(tint, np.float32) + 28 * noise, 0, 255).astype(np.float32)


def _square_clip(
    corners: np.ndarray, side: int = 48, height: int = 120, width: int = 160, post: tuple[int, int] | None = None,
    seed: int = 0,
) -> SquareClip:  # fmt: skip
    rng = np.random.default_rng(seed)
    wall = _texture(rng, height, width, (70, 90, 150))
    square = _texture(rng, side, side, (190, 110, 60))
    hiding = _texture(rng, height, width, (60, 160, 70))
    images, masks = [], []
    for x, y in corners:
        move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        alpha = cv2.warpAffine(np.ones((side, side), np.float32), move, (width, height))[..., None]
        image = (1 - alpha) * wall + alpha * cv2.warpAffine(
            square, move, (width, height), borderMode=cv2.BORDER_REFLECT
        )
        seen = alpha[..., 0] > 0.5
        if post is not None:
            image[:, slice(*post)], seen[:, slice(*post)] = hiding[:, slice(*post)], False
        images.append(np.round(image).astype(np.uint8))
        masks.append(seen)
    return SquareClip(images, np.asarray(corners, np.float64), np.stack(masks))


@pytest.fixture(scope="session")
def square_clip() -> Callable[..., SquareClip]:
    """square_clip(corners [T, 2], side=48, height=120, width=160, post=None, seed=0); `post`: columns in front."""
    return _square_clip
