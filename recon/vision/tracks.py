"""Points followed through a clip's images, with drift and occlusion noticed (seed, section 3.2: clicks are tracked).

The default is pyramidal Lucas-Kanade with a forward-backward check (Kalal et al., 2010) and a comparison with the patch
that was clicked; CoTracker from a local folder is the strong alternative.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from recon.annotations import ImagePoints
from sim.arrays import frozen
from sim.errors import MissingDependencyError, ReconstructionError


@dataclass(frozen=True, eq=False)
class Queries:
    """P points to follow: frames [P] int, where each is known; pixels [P, 2] of the original video there."""

    frames: np.ndarray
    pixels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", frozen(self.frames, np.int64).reshape(-1))
        object.__setattr__(self, "pixels", frozen(self.pixels).reshape(-1, 2))
        if len(self.frames) != len(self.pixels):
            raise ReconstructionError(f"tracks: {len(self.frames)} frames for {len(self.pixels)} points")


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where P points are in T frames.

    Attributes:
        pixels: [T, P, 2] px, the last known place where not visible, NaN where never known.
        visible: [T, P] bool.
        confidence: [T, P] in 0..1, 1 where clicked, 0 where not visible; low throughout for points that nothing
            distinguishes from their surroundings, which may slide along an edge unnoticed.
        source: which tracker made them.
    """

    pixels: np.ndarray
    visible: np.ndarray
    confidence: np.ndarray
    source: str


class PointTracker(Protocol):
    """Follows points through a clip."""

    source: str

    def __call__(self, images: Sequence[np.ndarray], queries: Queries, masks: np.ndarray | None = None) -> Tracks:
        """Follow `queries` forwards and backwards.

        Args:
            images: T images [H, W, 3] uint8 RGB.
            queries: points on one object.
            masks: [T, H, W] bool, where the object is seen, or None; outside of it a point counts as hidden.

        Raises:
            ReconstructionError: a query outside the clip or the image (names it).
        """
        ...


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of `LucasKanade`.

    Attributes:
        window: px, side of the square that is matched from frame to frame.
        levels: of the pyramid above the image: motions up to about window * 2**levels / 2 are followed.
        max_round_trip: px between a point and itself, followed to the next frame and back; more is a loss.
        patch: px, side of the patch that is compared with the clicked one.
        min_similarity: normalised correlation with the clicked patch below which a point has drifted.
        reacquire_similarity: correlation with the clicked patch that finds a lost point again.
        search: px around the last place (moved by the other points' median) where a lost point is looked for.
        mask_margin: px that a point may lie outside of the mask.
    """

    window: int = 21
    levels: int = 4
    max_round_trip: float = 1.0
    patch: int = 21
    min_similarity: float = 0.5
    reacquire_similarity: float = 0.8
    search: int = 48
    mask_margin: int = 3


class LucasKanade:
    """Pyramidal Lucas-Kanade with forward-backward check, drift check and re-acquisition. See `PointTracker`."""

    source = "lucas-kanade with forward-backward check (OpenCV)"

    def __init__(self, config: LucasKanadeConfig | None = None) -> None:
        self.config = config or LucasKanadeConfig()

    def __call__(self, images: Sequence[np.ndarray], queries: Queries, masks: np.ndarray | None = None) -> Tracks:
        _check(images, queries)
        gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        allowed = None if masks is None else [self._grown(mask) for mask in masks]
        shape = (len(gray), len(queries.frames))
        pixels, confidence = np.full((*shape, 2), np.nan), np.zeros(shape)
        patches = np.stack([_patches(gray[f], p[None], self.config.patch)[0]
                            for f, p in zip(queries.frames, queries.pixels, strict=True)])  # fmt: skip
        for step in (1, -1):
            self._follow(gray, allowed, queries, patches, step, pixels, confidence)
        clear = np.stack([_distinctness(gray[f], p, self.config.patch)
                          for f, p in zip(queries.frames, queries.pixels, strict=True)])  # fmt: skip
        confidence *= np.where(np.arange(len(gray))[:, None] == queries.frames, 1.0, clear)
        return Tracks(pixels, confidence > 0, confidence, self.source)

    def _follow(
        self, gray: list[np.ndarray], allowed: list[np.ndarray] | None, queries: Queries, patches: np.ndarray,
        step: int, pixels: np.ndarray, confidence: np.ndarray,
    ) -> None:  # fmt: skip
        """Fill the frames after (step 1) or before (step -1) each query."""
        order = range(len(gray))[::step]
        for previous, now in zip([None, *order[:-1]], order, strict=True):
            if previous is not None:
                started = (queries.frames - previous) * step <= 0
                if started.any():
                    places, trust = self._advance(
                        gray[previous], gray[now], pixels[previous, started], confidence[previous, started] > 0,
                        patches[started], None if allowed is None else allowed[now],
                    )  # fmt: skip
                    pixels[now, started], confidence[now, started] = places, trust
            here = queries.frames == now
            pixels[now, here], confidence[now, here] = queries.pixels[here], 1.0

    def _advance(
        self, before: np.ndarray, after: np.ndarray, places: np.ndarray, seen: np.ndarray, patches: np.ndarray,
        allowed: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """One frame on: places [P, 2] and confidence [P]."""
        config = self.config
        moved, gap = self._flow(before, after, places)
        similarity = _correlation(_patches(after, moved, config.patch), patches)
        found = seen & (gap <= config.max_round_trip) & (similarity >= config.min_similarity)
        found &= _inside(moved, after, allowed)
        shift = np.median((moved - places)[found], axis=0) if found.any() else np.zeros(2)
        result = np.where(found[:, None], moved, places + shift)
        trust = np.where(found, np.clip(similarity, 1e-3, 1) * (1 - 0.5 * gap / config.max_round_trip), 0.0)
        for lost in np.flatnonzero(~found):  # few: a template has no batched search in OpenCV
            place, likeness = self._search(after, result[lost], patches[lost])
            if likeness >= config.reacquire_similarity and _inside(place[None], after, allowed)[0]:
                result[lost], trust[lost] = place, likeness / 2
        return result, trust

    def _flow(self, before: np.ndarray, after: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places [P, 2] in the next image, and px [P] between the start and the way back (inf where none)."""
        follow = partial(
            cv2.calcOpticalFlowPyrLK, winSize=(self.config.window, self.config.window), maxLevel=self.config.levels
        )
        start = np.ascontiguousarray(places[:, None] - 0.5, np.float32)  # OpenCV counts from the first pixel's centre
        there, ok_there, _ = follow(before, after, start, np.zeros_like(start))
        back, ok_back, _ = follow(after, before, there, np.zeros_like(start))
        gap = np.linalg.norm(back - start, axis=-1)[:, 0].astype(np.float64)
        return there[:, 0].astype(np.float64) + 0.5, np.where(
            (np.asarray(ok_there) + np.asarray(ok_back))[:, 0] == 2, gap, np.inf
        )

    def _search(self, image: np.ndarray, place: np.ndarray, patch: np.ndarray) -> tuple[np.ndarray, float]:
        """The best match of a patch around a place: pixel [2] and correlation, -1 where there is nothing to compare."""
        half, reach = patch.shape[0] // 2, self.config.search
        x, y = np.floor(np.clip(place, -1e6, 1e6)).astype(int)
        left, top = max(0, x - reach - half), max(0, y - reach - half)
        part = image[top : max(0, y + reach + half + 1), left : max(0, x + reach + half + 1)]
        if min(part.shape) < len(patch) or patch.std() < 2.0:  # a flat patch is found everywhere
            return place, -1.0
        scores = cv2.matchTemplate(part, np.round(patch).astype(np.uint8), cv2.TM_CCOEFF_NORMED)
        _, best, _, (column, row) = cv2.minMaxLoc(scores)
        # the peak to a fraction of a pixel, by a parabola through its neighbours
        offset = np.array([_peak(scores[row], column), _peak(scores[:, column], row)])
        return np.array([left + column, top + row]) + half + 0.5 + offset, float(best)

    def _grown(self, mask: np.ndarray) -> np.ndarray:
        side = 2 * self.config.mask_margin + 1
        grown: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))
        return grown > 0


class CoTracker:
    """CoTracker from its own package with a checkpoint in a local folder (Karaev et al.). See `PointTracker`.

    Raises:
        MissingDependencyError: the package or torch is not installed.
        ReconstructionError: the folder holds no `.pth`.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        try:
            from cotracker.predictor import CoTrackerPredictor
        except ImportError as error:
            raise MissingDependencyError(
                "cotracker", "this point tracker", "git+https://github.com/facebookresearch/co-tracker"
            ) from error
        checkpoints = sorted(Path(folder).glob("*.pth"))
        if not checkpoints:
            raise ReconstructionError(f"{folder} holds no CoTracker checkpoint (*.pth)")
        self._model: Any = CoTrackerPredictor(checkpoint=str(checkpoints[0])).to(device)
        self._device = device
        self.source = f"cotracker {checkpoints[0].name}"

    def __call__(self, images: Sequence[np.ndarray], queries: Queries, masks: np.ndarray | None = None) -> Tracks:
        import torch

        _check(images, queries)
        video = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[None].float().to(self._device)
        asked = np.column_stack((queries.frames, queries.pixels - 0.5)).astype(np.float32)
        with torch.inference_mode():
            places, visible = self._model(
                video, queries=torch.from_numpy(asked)[None].to(self._device), backward_tracking=True
            )
        pixels = places[0].cpu().numpy().astype(np.float64) + 0.5
        seen = visible[0].cpu().numpy().astype(bool)
        if masks is not None:
            grown = [LucasKanade()._grown(mask) for mask in masks]
            seen &= np.stack([_inside(p, images[0], m) for p, m in zip(pixels, grown, strict=True)])
        return Tracks(pixels, seen, seen.astype(np.float64), self.source)


def _check(images: Sequence[np.ndarray], queries: Queries) -> None:
    if not len(images):
        raise ReconstructionError("tracks: no image")
    height, width = images[0].shape[:2]
    for index, (frame, (x, y)) in enumerate(zip(queries.frames, queries.pixels, strict=True)):
        if not 0 <= frame < len(images):
            raise ReconstructionError(f"tracks: point {index} is asked for in frame {frame} of {len(images)}")
        if not (0 <= x <= width and 0 <= y <= height):
            raise ReconstructionError(f"tracks: point {index} at ({x:g}, {y:g}) is outside of {width} x {height}")


def _patches(image: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """[P, size, size] float32 around pixels [P, 2], bilinear, the edge repeated."""
    axis = np.arange(size) - size // 2
    places = np.clip(np.nan_to_num(places), -1e4, 1e4) - 0.5
    x = (places[:, 0, None, None] + axis).astype(np.float32) + np.zeros((size, 1), np.float32)
    y = (places[:, 1, None, None] + axis[:, None]).astype(np.float32) + np.zeros((1, size), np.float32)
    flat: np.ndarray = cv2.remap(image, x.reshape(-1, size), y.reshape(-1, size), cv2.INTER_LINEAR,
                                 borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return flat.reshape(len(places), size, size).astype(np.float32)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[P] normalised correlation of patches [P, N, N], 0 where one is flat."""
    a, b = a - a.mean((1, 2), keepdims=True), b - b.mean((1, 2), keepdims=True)
    scale = np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return np.where(scale > 1e-3, (a * b).sum((1, 2)) / np.maximum(scale, 1e-3), 0.0).astype(np.float64)


def _distinctness(image: np.ndarray, place: np.ndarray, size: int, shift: float = 4.0) -> float:
    """0..1: how much a patch differs from its surroundings; little on a straight edge (it slides) or a plain face."""
    angles = np.arange(8) * np.pi / 4
    around = _patches(image, place + shift * np.stack((np.cos(angles), np.sin(angles)), -1), size)
    own = _patches(image, place[None], size)
    alike = float(_correlation(around, np.repeat(own, 8, axis=0)).max())
    return float(np.clip((1 - alike) / 0.3, 0.05, 1.0) * np.clip(own.std() / 8.0, 0.05, 1.0))


def _inside(places: np.ndarray, image: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    """[P] bool: within the image, and within `allowed` [H, W] where given."""
    height, width = image.shape[:2]
    index = np.floor(np.clip(np.nan_to_num(places, nan=-1.0), -1, 1e6)).astype(int)
    inside = (index >= 0).all(-1) & (index[:, 0] < width) & (index[:, 1] < height)
    if allowed is not None:
        inside &= allowed[np.clip(index[:, 1], 0, height - 1), np.clip(index[:, 0], 0, width - 1)]
    return inside


def _peak(scores: np.ndarray, at: int) -> float:
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, here, after = (float(s) for s in scores[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def track_image_points(
    images: Sequence[np.ndarray], points: ImagePoints, tracker: PointTracker | None = None,
    masks: np.ndarray | None = None, max_slip: float = 6.0,
) -> tuple[ImagePoints, Tracks]:  # fmt: skip
    """Fill in the frames between a person's clicks: every visible pixel of `points` is one click and stays as it is.

    Elsewhere a point is where the track of the click that is nearest in time sees it. Between two clicks, the tracks of
    both tell how far either has slipped, in proportion to the frames since its click: too far counts as not visible.

    Args:
        images: [T] images of the clip, T that of `points`.
        points: the clicks; tracker: `LucasKanade` unless told; masks: as in `PointTracker`.
        max_slip: px.

    Returns the completed points and, per point rather than per click, the tracks. Raises as `PointTracker`.
    """
    if len(images) != len(points.visible):
        raise ReconstructionError(f"tracks: {len(images)} images for points over {len(points.visible)} frames")
    tracker = tracker or LucasKanade()
    clicked, which = np.nonzero(points.visible)
    tracks = tracker(images, Queries(clicked, points.pixels[clicked, which]), masks)
    shape = points.visible.shape
    pixels, confidence = np.full((*shape, 2), np.nan), np.zeros(shape)
    frames = np.arange(shape[0])[:, None]
    for point in np.unique(which):
        own = np.flatnonzero(which == point)
        away = np.abs(frames - clicked[own]) + np.where(tracks.visible[:, own], 0, 2 * shape[0])
        nearest = own[away.argmin(1)]
        pixels[:, point] = tracks.pixels[frames[:, 0], nearest]
        confidence[:, point] = tracks.confidence[frames[:, 0], nearest]
        confidence[_slip(tracks, own, clicked[own]) > max_slip, point] = 0.0
    visible = confidence > 0
    merged = Tracks(pixels, visible, confidence, tracks.source)
    return dataclasses.replace(points, pixels=pixels, visible=visible, confidence=confidence), merged


def _slip(tracks: Tracks, own: np.ndarray, clicked: np.ndarray) -> np.ndarray:
    """[T] px: how far a point's track has slipped, by two of its tracks `own` [K], from frames `clicked` (sorted)."""
    frames = np.arange(len(tracks.visible))
    after = np.searchsorted(clicked, frames)
    between = (after > 0) & (after < len(clicked))
    before, after = np.maximum(after - 1, 0), np.minimum(after, len(clicked) - 1)
    both = between & tracks.visible[frames, own[before]] & tracks.visible[frames, own[after]]
    apart = np.linalg.norm(tracks.pixels[frames, own[before]] - tracks.pixels[frames, own[after]], axis=-1)
    since = np.minimum(frames - clicked[before], clicked[after] - frames)
    slipped = apart * since / np.maximum(clicked[after] - clicked[before], 1)
    return np.where(both, slipped, 0.0)
