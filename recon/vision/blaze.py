"""One person's pose and hands in one image after another: MediaPipe's BlazePose and Hands networks, run by LiteRT.

Detect the person, then follow: the crop for the next frame comes from this frame's landmarks, so left, right and
identity are kept as long as the person stays in view. The hands are looked for where the pose says that they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from recon.vision.landmarks import BODY_NAMES, HAND_NAMES, PersonFrame
from recon.vision.litert import AnchorDetector, Network, Region

_BODY, _HAND = len(BODY_NAMES), len(HAND_NAMES)
_WRIST, _INDEX, _PINKY = (
    [BODY_NAMES.index(f"{side}_{part}") for side in ("left", "right")] for part in ("wrist", "index", "pinky")
)
_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
"""Hand landmarks that bound the palm: they place the next crop."""


@dataclass(frozen=True)
class BlazeConfig:
    """Settings of `BlazeTracker`.

    Attributes:
        weights: "heavy" (27 MB, most accurate) or "full" (6 MB, three times as fast).
        hands: look for the hands as well.
        person_at: (x, y) px of the person in the first image; None takes the one that is found most clearly.
        min_person, min_hand: 0..1, confidence below which there is no person, no hand.
        hand_reach: m from the pose's hand within which a hand is taken to be it.
        threads: of the networks; None takes all cores.
    """

    weights: str = "heavy"
    hands: bool = True
    person_at: tuple[float, float] | None = None
    min_person: float = 0.5
    min_hand: float = 0.5
    hand_reach: float = 0.15
    threads: int | None = None


class BlazeTracker:
    """Follows one person; `step` takes the images in order. Raises as `recon.vision.litert.Network`."""

    def __init__(self, config: BlazeConfig | None = None) -> None:
        self.config = config = config or BlazeConfig()
        self.source = f"mediapipe pose {config.weights} 0.5.1675469404" + (" + hands" if config.hands else "")
        threads = config.threads
        self._persons = AnchorDetector("pose_detection.tflite", (8, 16, 32, 32, 32), True, threads)
        self._pose = Network(f"pose_landmark_{config.weights}.tflite", threads)
        self._region: Region | None = None
        self._last: np.ndarray | None = None if config.person_at is None else np.array(config.person_at)
        self._hands = [HandTracker(config, side) for side in (0, 1)] if config.hands else []
        if config.hands:
            self._palms = AnchorDetector("palm_detection_full.tflite", (8, 16, 16, 16), False, threads)
            self._hand_network = Network("hand_landmark_full.tflite", threads)

    def step(self, image: np.ndarray) -> PersonFrame | None:
        """The person in the next image [H, W, 3] uint8 RGB, or None where nobody is found."""
        found = self._find(image, self._region) if self._region is not None else None
        if found is None:
            region = self._detect(image)
            found = self._find(image, region) if region is not None else None
            # the detector's crop is rough: look again where the landmarks say
            found = self._find(image, self._region) if found is not None and self._region is not None else None
        if found is None:
            self._region = None
            return None
        self._last = found.pixels[:_BODY].mean(0)
        if self._hands:
            self._add_hands(image, found)
        return found

    def _detect(self, image: np.ndarray) -> Region | None:
        whole = Region.whole(image)
        people = self._persons(image, whole, self.config.min_person)
        if not len(people.score):
            return None
        hips = whole.points(people.points[:, 0])
        # the person followed so far (or clicked), else the clearest
        nearest = self._last is not None
        best = int(np.linalg.norm(hips - self._last, axis=-1).argmin()) if nearest else int(people.score.argmax())
        return _body_region(hips[best], whole.points(people.points[best, 1]))

    def _find(self, image: np.ndarray, region: Region) -> PersonFrame | None:
        size = self._pose.size
        raw, presence, mask, heatmaps, world = self._pose(region.crop(image, size))
        if float(presence.ravel()[0]) < self.config.min_person:
            return None
        raw = raw.reshape(-1, 5).astype(np.float64)
        unit = _refined(raw[:, :2] / size, heatmaps)
        pixels = region.points(unit)
        self._region = _body_region(pixels[33], pixels[34])
        count = _BODY + 2 * _HAND
        result = PersonFrame(np.full((count, 2), np.nan), np.full((count, 3), np.nan), np.zeros(count),
                             np.round(255 * expit(mask[..., 0])).astype(np.uint8), region.to_image())  # fmt: skip
        result.pixels[:_BODY] = pixels[:_BODY]
        result.points_m[:_BODY] = region.turned(world.reshape(-1, 3)[:_BODY].astype(np.float64))
        result.confidence[:_BODY] = expit(raw[:_BODY, 3:]).min(-1)
        return result

    def _add_hands(self, image: np.ndarray, person: PersonFrame) -> None:
        pixels, points = person.pixels[:_BODY], person.points_m[:_BODY, :2]
        pixels, points = pixels - pixels.mean(0), points - points.mean(0)
        scale = float((pixels * points).sum() / max((points**2).sum(), 1e-9))  # px per metre at the person
        hands = [h.step(image, person, scale, self._palms, self._hand_network) for h in self._hands]
        if all(hand is not None for hand in hands):
            wrists = np.stack([hand.pixels[0] for hand in hands if hand is not None])
            if np.linalg.norm(wrists[0] - wrists[1]) < 0.04 * scale:  # both took the same hand
                away = np.linalg.norm(wrists - person.pixels[_WRIST], axis=-1)
                self._hands[int(away.argmax())].forget()
                hands[int(away.argmax())] = None
        for side, hand in enumerate(hands):
            if hand is not None:
                rows = slice(_BODY + side * _HAND, _BODY + (side + 1) * _HAND)
                person.pixels[rows], person.points_m[rows] = hand.pixels, hand.points_m
                person.confidence[rows] = hand.confidence


@dataclass(frozen=True)
class _Hand:
    pixels: np.ndarray
    points_m: np.ndarray
    confidence: float


class HandTracker:
    """Follows the hand of one side (0 left, 1 right) of a person."""

    def __init__(self, config: BlazeConfig, side: int) -> None:
        self._config, self._side = config, side
        self._region: Region | None = None

    def forget(self) -> None:
        """Look for the hand anew in the next image."""
        self._region = None

    def step(
        self, image: np.ndarray, person: PersonFrame, scale: float, palms: AnchorDetector, network: Network
    ) -> _Hand | None:
        """The hand, by the last crop or else by the palm that is nearest to the pose's; `scale` px per metre."""
        rows = [part[self._side] for part in (_WRIST, _INDEX, _PINKY)]
        centre, reach = person.pixels[rows].mean(0), self._config.hand_reach * scale
        hand = self._find(image, network, self._region, centre, reach) if self._region is not None else None
        if hand is None:
            around = Region(centre[0], centre[1], 4 * reach)
            found = palms(image, around, self._config.min_hand)
            away = np.linalg.norm(around.points(found.box[:, :2]) - centre, axis=-1) if len(found.score) else np.ones(0)
            near = np.flatnonzero(away < reach)
            if len(near):
                best = near[np.argmax(found.score[near] - away[near] / reach)]
                points = around.points(found.points[best])
                side = 2.6 * 4 * reach * float(found.box[best, 2:].max())
                # the square is moved by 0.5 of the palm's box towards the fingers
                box = Region.upright(points[0], points[2], around.points(found.box[best, :2]), side)
                region = Region.upright(points[0], points[2], box.points(np.array([0.5, 0.5 - 0.5 / 2.6])), side)
                hand = self._find(image, network, region, centre, reach)
        if hand is None:
            self._region = None
        return hand

    def _find(
        self, image: np.ndarray, network: Network, region: Region, centre: np.ndarray, reach: float
    ) -> _Hand | None:
        raw, presence, _, world = network(region.crop(image, network.size))
        confidence = float(presence.ravel()[0])
        pixels = region.points(raw.reshape(-1, 3)[:, :2].astype(np.float64) / network.size)
        if confidence < self._config.min_hand or np.linalg.norm(pixels[_PALM].mean(0) - centre) > reach:
            return None
        self._region = _hand_region(pixels)
        return _Hand(pixels, region.turned(world.reshape(-1, 3).astype(np.float64)), confidence)


def _body_region(hips: np.ndarray, end: np.ndarray) -> Region:
    """The person's crop, from the middle of the hips and the point that tells size and tilt."""
    return Region.upright(hips, end, hips, 2.5 * float(np.linalg.norm(end - hips)))


def _hand_region(pixels: np.ndarray) -> Region:
    """The hand's next crop: twice the palm's box in the hand's own direction, moved by 0.1 of it to the fingers."""
    knuckles = ((pixels[5] + pixels[13]) / 2 + pixels[9]) / 2
    turn = Region.upright(pixels[0], knuckles, pixels[0], 1.0).angle
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    own = pixels[_PALM] @ axes.T
    low, high = own.min(0), own.max(0)
    middle = (low + high) / 2 - [0.0, 0.1 * (high - low)[1]]
    x, y = middle @ axes
    return Region(x, y, 2.0 * float((high - low).max()), turn)


def _refined(unit: np.ndarray, heatmaps: np.ndarray, radius: int = 3, certain: float = 0.5) -> np.ndarray:
    """Landmarks [L, 2] of the unit square, where clear moved to the mean of their heatmaps [N, N, L] nearby."""
    size = heatmaps.shape[0]
    cell = np.clip(np.floor(unit * size).astype(int), -radius, size + radius)
    offsets = np.stack(np.meshgrid(*(np.arange(-radius, radius + 1),) * 2), -1).reshape(-1, 2)
    places = cell[:, None] + offsets  # [L, 49, 2]
    inside = ((places >= 0) & (places < size)).all(-1)
    column, row = np.moveaxis(np.clip(places, 0, size - 1), -1, 0)
    weight = expit(heatmaps[row, column, np.arange(len(unit))[:, None]]) * inside
    total = weight.sum(1, keepdims=True)
    # cell i of the heatmaps stands for i / N, not for its middle: a mirrored image then gives the mirrored landmarks
    mean = (weight[..., None] * places).sum(1) / np.maximum(total, 1e-9) / size
    return np.where(weight.max(1, keepdims=True) >= certain, mean, unit)
