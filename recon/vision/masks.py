"""Where the person and the object are seen, from a few clicks (seed, sections 3.1 and 9.4).

The default seeds GrabCut (Rother et al., 2004) with the clicks and carries the mask on by dense optical flow (DIS,
Kroeger et al., 2016), refitted by GrabCut in a band around its outline. `recon.vision.sam2` is the strong one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from recon.annotations import Click
from sim.errors import AnnotationError, ReconstructionError

Prior = Callable[[int], np.ndarray | None]
"""Frame -> [H, W] uint8, how surely a detector sees the target there (255: it does), None where it says nothing."""


@dataclass(frozen=True, eq=False)
class MaskTrack:
    """A target's masks over T frames.

    Attributes:
        masks: [T, H, W] bool, empty where lost.
        confidence: [T] in 0..1: 1 where clicked, 0 where lost; how consistent flow, area and colours are otherwise.
        source: which segmenter made them.
    """

    masks: np.ndarray
    confidence: np.ndarray
    source: str

    @property
    def lost(self) -> tuple[int, ...]:
        """Frames without a mask."""
        return tuple(np.flatnonzero(self.confidence <= 0).tolist())


class Segmenter(Protocol):
    """Finds one target in a clip."""

    source: str

    def __call__(self, images: Sequence[np.ndarray], clicks: Sequence[Click], prior: Prior | None = None) -> MaskTrack:
        """Segment what the clicks point at.

        Args:
            images: T images [H, W, 3] uint8 RGB.
            clicks: on one target, frames counted within `images`; at least one positive unless there is a prior.
            prior: a detector's own mask of the target (the person's, for the person).

        Raises:
            AnnotationError: no positive click and no prior, or a click outside of the clip or the image.
        """
        ...


@dataclass(frozen=True)
class GrabCutConfig:
    """Settings of `GrabCutFlow`.

    Attributes:
        long_side: px; images are shrunk to this for flow and GrabCut.
        band: px (shrunk) around the carried outline within which GrabCut decides anew.
        click_radius: px (shrunk) around a click that surely belong to the target.
        colour_distance: Lab units within which connected colours are taken to be the target at first, at most.
        max_share: of the image, which they may cover at most.
        min_confidence: below it the target counts as lost in this frame.
        reach: px (shrunk) per frame, beside half its size, that a fast target may move.
        max_growth: how many times larger or smaller than clicked the target may get.
    """

    long_side: int = 512
    band: int = 6
    click_radius: int = 2
    colour_distance: float = 24.0
    max_share: float = 0.25
    min_confidence: float = 0.25
    reach: int = 24
    max_growth: float = 4.0


class GrabCutFlow:
    """GrabCut at the clicks, dense flow in between. See `Segmenter`."""

    source = "grabcut + DIS flow (OpenCV)"

    def __init__(self, config: GrabCutConfig | None = None) -> None:
        self.config = config or GrabCutConfig()

    def __call__(self, images: Sequence[np.ndarray], clicks: Sequence[Click], prior: Prior | None = None) -> MaskTrack:
        check_clicks(images, clicks, prior)
        clip = _Clip.shrunk(images, prior, self.config.long_side)
        scale = np.array(clip.images[0].shape[1::-1]) / images[0].shape[1::-1]
        seeds = self._seeds(clip, clicks, scale)
        masks: list[np.ndarray | None] = [None] * len(images)
        confidence = np.zeros(len(images))
        frames = sorted(seeds)
        for place, frame in enumerate(frames):
            masks[frame], confidence[frame] = seeds[frame], 1.0
            after = frames[place + 1] if place + 1 < len(frames) else len(images)
            before = frames[place - 1] if place else -1
            # every frame is reached from the click that is nearest in time
            ahead = range(frame + 1, len(images) if after == len(images) else (frame + after) // 2 + 1)
            behind = range(frame - 1, -1 if before < 0 else (frame + before) // 2, -1)
            for reach in (ahead, behind):
                self._carry(clip, frame, reach, masks, confidence)
        height, width = images[0].shape[:2]
        result = np.zeros((len(images), height, width), bool)
        for frame, mask in enumerate(masks):
            if mask is not None and confidence[frame] > 0:
                large = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
                result[frame] = np.asarray(large) > 0.5
        confidence[~result.any((1, 2))] = 0.0
        return MaskTrack(result, confidence, self.source + (" + detector's mask" if prior else ""))

    def _seeds(self, clip: _Clip, clicks: Sequence[Click], scale: np.ndarray) -> dict[int, np.ndarray]:
        """Frame -> mask, where a person clicked; else the frames in which the detector is surest."""
        seeds = {}
        for frame in sorted({click.frame for click in clicks if click.positive}):
            own = [click for click in clicks if click.frame == frame]
            points = np.array([click.pixel for click in own]) * scale
            positive = np.array([click.positive for click in own])
            seeds[frame] = self._seed(clip, frame, points, positive)
        if not seeds:
            sure = [0.0 if p is None else float((p > 230).sum()) for p in clip.priors]
            if max(sure) <= 0:
                raise ReconstructionError("masks: the detector finds nothing in this clip; click on the target")
            frame = int(np.argmax(sure))
            seeds[frame] = self._refit(clip, frame, None, np.zeros(clip.shape, np.uint8))
        return seeds

    def _seed(self, clip: _Clip, frame: int, points: np.ndarray, positive: np.ndarray) -> np.ndarray:
        """The mask in a clicked frame: what is connected to the clicks by colour starts GrabCut."""
        sure = np.zeros(clip.shape, np.uint8)  # 1: target, 2: not the target
        for (x, y), good in zip(points, positive, strict=True):
            cv2.circle(sure, (int(x), int(y)), self.config.click_radius, 1 if good else 2, -1)
        lab = np.asarray(cv2.cvtColor(clip.images[frame], cv2.COLOR_RGB2LAB), np.float32)
        lab = np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.7))
        near, far = (_colour_distance(lab, lab[sure == kind]) for kind in (1, 2))
        near[near >= far] = np.inf  # more like what was clicked away
        near[sure == 2] = np.inf
        start = self._grown(np.where(sure == 1, 0, near), points[positive])
        if not clip.prior_says(frame):
            # what is far from everything alike is background; the rest GrabCut decides
            window = cv2.dilate(start.astype(np.uint8), _disc(max(8, int(0.3 * np.sqrt(start.sum())))))
            sure[(window == 0) & (sure == 0)] = 2
        mask = self._refit(clip, frame, start, sure, iterations=5, everywhere=True)
        return _connected(mask, points[positive])

    def _grown(self, distance: np.ndarray, points: np.ndarray) -> np.ndarray:
        """What is connected to the clicks by colour, at the distance [h, w] where a little more changes it least."""
        limits = np.arange(2.0, self.config.colour_distance + 2.1, 2.0)
        grown = [_connected(distance < limit, points) for limit in limits]
        areas = np.array([max(g.sum(), 1) for g in grown], float)
        growth = np.log(areas[1:] / areas[:-1])
        growth[areas[:-1] > self.config.max_share * distance.size] = np.inf
        growth[areas[:-1] < 3 * (distance <= 0).sum()] += 0.3  # the click itself is no shape
        return grown[len(growth) - 1 - int(np.argmin(growth[::-1]))]

    def _refit(
        self, clip: _Clip, frame: int, guess: np.ndarray | None, sure: np.ndarray, iterations: int = 2,
        everywhere: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """GrabCut in the band around a guess [h, w] bool (or `everywhere`), or by the detector's mask where known."""
        labels = np.full(clip.shape, cv2.GC_BGD, np.uint8)
        prior = clip.priors[frame]
        if prior is not None:
            labels[prior > 13] = cv2.GC_PR_BGD
            labels[prior > 128] = cv2.GC_PR_FGD
            labels[prior > 242] = cv2.GC_FGD
        elif guess is not None:
            band = self.config.band
            outer = cv2.dilate(guess.astype(np.uint8), _disc(band)) > 0
            inner = cv2.distanceTransform(guess.astype(np.uint8), cv2.DIST_L2, 3)
            labels[outer | everywhere] = cv2.GC_PR_BGD
            labels[guess] = cv2.GC_PR_FGD
            # a thin target has no pixel that far inside: its middle is sure then
            labels[(inner > min(band, 0.6 * float(inner.max()))) & (not everywhere)] = cv2.GC_FGD
        labels[sure == 1], labels[sure == 2] = cv2.GC_FGD, cv2.GC_BGD
        inside = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        if not inside.any() or inside.all():
            return inside
        return _grab_cut(clip.images[frame], labels, iterations, 2 * self.config.band)

    def _carry(
        self, clip: _Clip, seed: int, reach: range, masks: list[np.ndarray | None], confidence: np.ndarray
    ) -> None:
        """Fill `reach` from a seed, frame by frame."""
        start = masks[seed]
        if start is None or not start.any():
            confidence[seed] = 0.0
            return
        look = _histogram(clip.images[seed], start)
        shape, seen_at = start, seed
        for frame in reach:
            guesses = [clip.carried(shape, seen_at, frame), self._matched(clip, shape, seen_at, frame)]
            alike = [_likeness(look, clip.images[frame], guess) for guess, _ in guesses]
            carried, agreement = guesses[1 if alike[1] > alike[0] + 0.05 else 0]
            fitted = _largest(self._refit(clip, frame, carried, np.zeros(clip.shape, np.uint8)), carried)
            growth, step = (max(fitted.sum(), 1) / max(mask.sum(), 1) for mask in (start, shape))
            trust = min(1.0, 2 * _likeness(look, clip.images[frame], fitted)) * np.exp(-abs(np.log(step)))
            trust *= 1.0 if clip.prior_says(frame) else agreement
            steady = 1 / self.config.max_growth < growth < self.config.max_growth and fitted.any()
            if trust >= self.config.min_confidence and steady:
                masks[frame], confidence[frame] = fitted, trust
                shape, seen_at = fitted, frame

    def _matched(self, clip: _Clip, shape: np.ndarray, start: int, end: int) -> tuple[np.ndarray, float]:
        """The shape where its picture fits best in another frame, for motions too fast for flow; and how well, 0..1."""
        x, y, width, height = cv2.boundingRect(shape.astype(np.uint8))
        reach = self.config.reach * max(1, abs(end - start)) + max(width, height) // 2
        left, top = max(0, x - reach), max(0, y - reach)
        part = clip.images[end][top : y + height + reach, left : x + width + reach]
        weight = shape[y : y + height, x : x + width].astype(np.float32)
        if weight.sum() < 10:
            return shape, 0.0
        patch = clip.images[start][y : y + height, x : x + width].astype(np.float32)
        error = cv2.matchTemplate(part.astype(np.float32), patch, cv2.TM_SQDIFF, mask=np.dstack([weight] * 3))
        lowest, _, (column, row), _ = cv2.minMaxLoc(np.maximum(error, 0))
        move = np.array([[1.0, 0, left + column - x], [0, 1.0, top + row - y]])
        moved = np.asarray(cv2.warpAffine(shape.astype(np.uint8), move, clip.shape[::-1])) > 0
        return moved, float(np.exp(-np.sqrt(lowest / (3 * weight.sum())) / 40.0))


@dataclass(frozen=True, eq=False)
class _Clip:
    """The clip shrunk: RGB and gray images, the detector's masks."""

    images: list[np.ndarray]
    gray: list[np.ndarray]
    priors: list[np.ndarray | None]
    flow: Any

    @staticmethod
    def shrunk(images: Sequence[np.ndarray], prior: Prior | None, long_side: int) -> _Clip:
        height, width = images[0].shape[:2]
        scale = min(1.0, long_side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))

        def small(image: np.ndarray) -> np.ndarray:
            return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))

        rgb = [small(image) for image in images]
        priors = [prior(frame) if prior else None for frame in range(len(images))]
        return _Clip(
            rgb,
            [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in rgb],
            [None if p is None else small(p) for p in priors],
            cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM),
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.gray[0].shape[:2]

    def prior_says(self, frame: int) -> bool:
        return self.priors[frame] is not None

    def carried(self, mask: np.ndarray, start: int, end: int) -> tuple[np.ndarray, float]:
        """A mask moved along the flow from one frame to another, and the share of it that flows back to itself."""
        back = self.flow.calc(self.gray[end], self.gray[start], None)
        there = self.flow.calc(self.gray[start], self.gray[end], None)
        height, width = self.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        source = (x + back[..., 0], y + back[..., 1])
        moved = np.asarray(cv2.remap(mask.astype(np.float32), *source, cv2.INTER_LINEAR)) > 0.5
        returned = np.asarray(cv2.remap(there, *source, cv2.INTER_LINEAR)) + back
        gap = np.linalg.norm(returned, axis=-1)[moved]
        length = np.linalg.norm(back, axis=-1)[moved]
        agreement = float((gap < 1.0 + 0.1 * length).mean()) if gap.size else 0.0
        return moved, agreement


def check_clicks(images: Sequence[np.ndarray], clicks: Sequence[Click], prior: Prior | None = None) -> None:
    """Raise AnnotationError as `Segmenter` says, ReconstructionError without images."""
    if not len(images):
        raise ReconstructionError("masks: no image")
    height, width = images[0].shape[:2]
    for click in clicks:
        x, y = click.pixel
        if not click.frame < len(images):
            raise AnnotationError(f"clicks: frame {click.frame} of a clip of {len(images)}")
        if not (0 <= x < width and 0 <= y < height):
            raise AnnotationError(f"clicks: frame {click.frame}, pixel [{x:g}, {y:g}] is outside of {width} x {height}")
    if prior is None and not any(click.positive for click in clicks):
        raise AnnotationError("clicks: none of them says where the target is; give at least one positive click")


def _grab_cut(image: np.ndarray, labels: np.ndarray, iterations: int, margin: int) -> np.ndarray:
    """GrabCut on the part of the image that is in question; [h, w] bool."""
    open_rows, open_columns = (np.flatnonzero((labels != cv2.GC_BGD).any(axis)) for axis in (1, 0))
    rows = slice(max(0, open_rows[0] - margin), open_rows[-1] + margin + 1)
    columns = slice(max(0, open_columns[0] - margin), open_columns[-1] + margin + 1)
    part = np.ascontiguousarray(labels[rows, columns])
    result = np.zeros(labels.shape, bool)
    is_in = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    if min(is_in.sum(), (~is_in).sum()) < 10:  # too few for a mixture of five colours
        result[rows, columns] = is_in
        return result
    cv2.setRNGSeed(0)
    model = np.zeros((2, 1, 65))
    cv2.grabCut(
        np.ascontiguousarray(image[rows, columns]),
        part,
        (0, 0, 1, 1),
        model[0],
        model[1],
        iterations,
        cv2.GC_INIT_WITH_MASK,
    )
    result[rows, columns] = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    return result


def _colour_distance(lab: np.ndarray, colours: np.ndarray, most: int = 64) -> np.ndarray:
    """[h, w] distance of an image's colours to the nearest of these [N, 3] (every so many, `most` at most)."""
    nearest = np.full(lab.shape[:2], np.inf, np.float32)
    for colour in colours[:: max(1, len(colours) // most)]:
        nearest = np.minimum(nearest, np.linalg.norm(lab - colour, axis=-1))
    return nearest


def _connected(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The parts of a mask that hold one of the points [P, 2]."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8))
    limit = np.array(mask.shape[::-1]) - 1
    x, y = np.clip(points.astype(int), 0, limit).T
    wanted = np.unique(np.asarray(labels)[y, x])
    return np.isin(labels, wanted[wanted > 0])


def _largest(mask: np.ndarray, like: np.ndarray, share: float = 0.1) -> np.ndarray:
    """The parts of a mask that overlap `like`, without crumbs smaller than `share` of the largest."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    labels = np.asarray(labels)
    overlap = np.bincount(labels[like & mask], minlength=count)
    overlap[0] = 0
    if not overlap.any():
        return np.zeros_like(mask)
    return np.isin(labels, np.flatnonzero(overlap >= max(1, share * overlap.max())))


def _disc(radius: int) -> np.ndarray:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def _bins(image: np.ndarray) -> np.ndarray:
    """[h, w] of 512 colours."""
    r, g, b = np.moveaxis(image.astype(np.int64) // 32, -1, 0)
    return (r * 8 + g) * 8 + b


def _likeness(look: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float:
    """Bhattacharyya coefficient of a histogram [512] and that of the image within the mask, 0..1."""
    return float(np.sqrt(look * _histogram(image, mask)).sum())


def _histogram(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[512] share of each colour within the mask."""
    return np.bincount(_bins(image)[mask], minlength=512) / max(int(mask.sum()), 1)
