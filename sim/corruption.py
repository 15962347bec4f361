"""What reconstruction from video does to a motion, as a model: seeded, at a stated physical strength, by kind.

Noise is given in seconds and hertz, never in frames, so that a clip means the same at 30 and at 60 fps. Objects that
are fixed to the world belong to the scene and stay where they are; labels and the clip's length stay, too.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from sim import rotations
from sim.contact_fit import hand_contact
from sim.errors import TouchstoneError, UnknownNameError
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES

MM = 1e-3
_PERIOD = 8.0
"""Noise repeats after twice the clip, or after this many periods of its highest frequency if that is longer."""


@dataclass(frozen=True)
class CorruptionConfig:
    """Magnitudes at strength 1; all grow in proportion to the strength.

    `video` is set beside published monocular errors on BEHAVE (`reconstruction.md`: Chamfer distance of the human
    48-77 mm, of the object 47-121 mm, each the sum of two directions, after alignment; eq. 21 of Open4DHOI). At
    strength 1 it moves, on average over clips of bench80, the joints by 22 mm with the pelvis aligned and the scene in
    the world by 0.13 m (`benchmarks/verdict_calibration.py` measures it): milder in pose than those, and with the
    wander of a camera that aligned figures do not see. Single kinds show an artefact where that is at its worst.

    Attributes:
        white_hz: upper end of the white noise, the Nyquist frequency of 30 fps video; slow_hz: of the coloured noise.
        jitter_root_mm, jitter_joint_deg, jitter_object_mm, jitter_object_deg: deviations, an axis, of the white noise
            on pelvis, local joint rotations and object poses; jitter_slow: times that for the coloured noise.
        drift_hz: upper end of the wander; drift_world_mm: deviation, an axis, of the camera, which takes the whole
            scene along; drift_object_mm, drift_object_deg: of the objects against the body.
        float_body_mm: lift of the body, up or down by chance; float_object_mm: lift of the objects.
        push_object_mm: objects towards the pelvis, push_hand_mm: wrists towards the surface, while hands touch.
        miss_hand_mm: wrists away from the surface while hands touch; miss_share: of the graph's contacts that are lost.
        slide_share: by which horizontal travel of body and objects is scaled, up or down by chance;
        slide_m_s: deviation, an axis, of what is added to their horizontal velocity; slide_hz: its upper end.
        shift_seconds: of objects against the body, later or sooner by chance.
        fade_seconds: in which hands leave and come back.
        video: share of each kind's strength in the mix.
    """

    white_hz: float = 15.0
    slow_hz: float = 2.0
    jitter_root_mm: float = 3.0
    jitter_joint_deg: float = 0.5
    jitter_object_mm: float = 3.0
    jitter_object_deg: float = 0.5
    jitter_slow: float = 3.0
    drift_hz: float = 0.3
    drift_world_mm: float = 50.0
    drift_object_mm: float = 50.0
    drift_object_deg: float = 5.0
    float_body_mm: float = 50.0
    float_object_mm: float = 50.0
    push_object_mm: float = 30.0
    push_hand_mm: float = 40.0
    miss_hand_mm: float = 60.0
    miss_share: float = 0.3
    slide_share: float = 0.2
    slide_m_s: float = 0.1
    slide_hz: float = 0.5
    shift_seconds: float = 0.2
    fade_seconds: float = 0.2
    video: tuple[tuple[str, float], ...] = (
        ("missed_contacts", 0.5), ("interpenetration", 0.5), ("time_shift", 0.25), ("sliding_feet", 0.5),
        ("float", 0.5), ("drift", 0.7), ("jitter", 0.5),
    )  # fmt: skip


def corrupt(
    motion: Motion, kind: str, *, strength: float = 1.0, seed: int = 0, config: CorruptionConfig | None = None
) -> Motion:
    """A copy of a motion with an artefact of one kind, or with `video`, their mix.

    Args:
        motion: on the standard skeleton.
        kind: one of `KINDS`.
        strength: 1 is what `CorruptionConfig` says; 0 gives the motion itself back.
        seed: same seed, same copy; a greater strength is the same noise, larger.
        config: magnitudes.

    Raises:
        UnknownNameError: for another kind.
        TouchstoneError: for a strength that is negative or not finite.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of corruption", kind, KINDS)
    if not (np.isfinite(strength) and strength >= 0):
        raise TouchstoneError(f"strength {strength:g}: give a finite number from 0 (nothing) over 1 (as documented)")
    if strength == 0:
        return motion
    config = config or CorruptionConfig()
    corrupted = motion
    for part, share in config.video if kind == "video" else ((kind, 1.0),):
        rng = np.random.default_rng([seed, zlib.crc32(part.encode())])
        corrupted = _EFFECTS[part](corrupted, strength * share, rng, config)
    note = f"corrupted: {kind}, strength {strength:g}, seed {seed}"
    return corrupted.replace(source=f"{motion.source}; {note}" if motion.source else note)


def clip_seed(name: str, seed: int = 0) -> int:
    """A clip's own seed from its name, the same on every machine: each clip of a manifest is corrupted differently."""
    return zlib.crc32(f"{name} {seed}".encode())


def band_noise(rng: np.random.Generator, motion: Motion, shape: tuple[int, ...], hz: float) -> np.ndarray:
    """Gaussian noise of unit deviation whose power is even up to a frequency and none above: [T, *shape]."""
    period = max(2.0 * motion.num_frames / motion.fps, _PERIOD / hz)
    length = round(period * motion.fps)
    bins = max(1, min(int(hz * period), (length - 1) // 2))
    spectrum = np.zeros((length // 2 + 1, *shape), complex)
    spectrum[1 : bins + 1] = rng.normal(size=(bins, *shape, 2)) @ np.array([1.0, 1.0j])
    noise: np.ndarray = np.fft.irfft(spectrum, length, axis=0) * (0.5 * length / np.sqrt(bins))
    return noise[: motion.num_frames]


# --- the kinds ----------------------------------------------------------------------------------------------------


def _jitter(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    def noise(*shape: int) -> np.ndarray:
        white, slow = (band_noise(rng, motion, shape, hz) for hz in (c.white_hz, c.slow_hz))
        return cast(np.ndarray, strength * (white + c.jitter_slow * slow))

    root, joints = noise(3) * c.jitter_root_mm * MM, noise(len(motion.joint_names), 3) * np.radians(c.jitter_joint_deg)
    moved = _with_objects(
        motion,
        lambda item: dataclasses.replace(
            item,
            position_w=item.position_w + noise(3) * c.jitter_object_mm * MM,
            rotation_w=_turned(item.rotation_w, noise(3) * np.radians(c.jitter_object_deg)),
        ),
    )
    return moved.replace(
        root_position_w=motion.root_position_w + root, joint_rotations_b=_turned(motion.joint_rotations_b, joints)
    )


def _drift(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    def wander(scale: float) -> np.ndarray:
        return strength * scale * band_noise(rng, motion, (3,), c.drift_hz)

    moved = _shifted(motion, wander(c.drift_world_mm * MM))
    return _with_objects(
        moved,
        lambda item: dataclasses.replace(
            item,
            position_w=item.position_w + wander(c.drift_object_mm * MM),
            rotation_w=_turned(item.rotation_w, wander(np.radians(c.drift_object_deg))),
        ),
    )


def _float(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    up = strength * MM * np.array([0.0, 0.0, 1.0])
    lifted = motion.replace(root_position_w=motion.root_position_w + rng.choice((-1.0, 1.0)) * c.float_body_mm * up)
    return _with_objects(
        lifted, lambda item: dataclasses.replace(item, position_w=item.position_w + c.float_object_mm * up)
    )


def _interpenetration(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    fade, inward = _fade(motion, c.fade_seconds), _towards_surface(motion)
    pushed = _reached(motion, strength * c.push_hand_mm * MM * fade[..., None] * inward)

    def press(item: MotionObject) -> MotionObject:
        way = (motion.root_position_w - _middle(item)) * [1.0, 1.0, 0.0]
        way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-3)
        shift = strength * c.push_object_mm * MM * fade.max(1, keepdims=True) * way
        return dataclasses.replace(item, position_w=item.position_w + shift)

    return _with_objects(pushed, press)


def _missed_contacts(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    away = -strength * c.miss_hand_mm * MM * _fade(motion, c.fade_seconds)[..., None] * _towards_surface(motion)
    kept = rng.random(len(motion.contacts)) >= min(1.0, strength * c.miss_share)
    return _reached(motion, away).replace(contacts=motion.contacts.rows(kept))


def _sliding_feet(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    scale = strength * c.slide_share * rng.choice((-1.0, 1.0))
    extra = strength * c.slide_m_s * np.cumsum(band_noise(rng, motion, (3,), c.slide_hz), axis=0) / motion.fps
    travel = motion.root_position_w - motion.root_position_w[0]
    return _shifted(motion, (scale * travel + extra - extra[0]) * [1.0, 1.0, 0.0])


def _time_shift(motion: Motion, strength: float, rng: np.random.Generator, c: CorruptionConfig) -> Motion:
    delay = strength * c.shift_seconds * rng.choice((-1.0, 1.0)) * motion.fps
    times = np.clip(np.arange(motion.num_frames) - delay, 0.0, motion.num_frames - 1.0)
    low = np.minimum(times.astype(np.int64), motion.num_frames - 2)
    weight = times - low
    return _with_objects(
        motion,
        lambda item: dataclasses.replace(
            item,
            position_w=item.position_w[low] * (1.0 - weight[:, None]) + item.position_w[low + 1] * weight[:, None],
            rotation_w=rotations.slerp(item.rotation_w[low], item.rotation_w[low + 1], weight),
        ),
    )


_EFFECTS: dict[str, Callable[[Motion, float, np.random.Generator, CorruptionConfig], Motion]] = {
    "jitter": _jitter,
    "drift": _drift,
    "float": _float,
    "interpenetration": _interpenetration,
    "missed_contacts": _missed_contacts,
    "sliding_feet": _sliding_feet,
    "time_shift": _time_shift,
}
KINDS: tuple[str, ...] = (*_EFFECTS, "video")


# --- what they share ----------------------------------------------------------------------------------------------


def _with_objects(motion: Motion, change: Callable[[MotionObject], MotionObject]) -> Motion:
    return motion.replace(objects=tuple(item if item.is_static else change(item) for item in motion.objects))


def _shifted(motion: Motion, shift_w: np.ndarray) -> Motion:
    """The whole scene but what is fixed to the world, moved by [T, 3] m."""
    moved = _with_objects(motion, lambda item: dataclasses.replace(item, position_w=item.position_w + shift_w))
    return moved.replace(root_position_w=motion.root_position_w + shift_w)


def _turned(q: np.ndarray, rotvec_b: np.ndarray) -> np.ndarray:
    turned: np.ndarray = rotations.normalize(rotations.multiply(q.copy(), rotations.from_rotvec(rotvec_b)))
    return turned


def _middle(item: MotionObject) -> np.ndarray:
    """[T, 3] m, the middle of the object's bounding box."""
    middle: np.ndarray = item.position_w + rotations.rotate(item.rotation_w, Shape.of(item.geometry).bounds.mean(0))
    return middle


def _fade(motion: Motion, seconds: float) -> np.ndarray:
    """[T, 2], 1 where a hand touches by label or graph, falling to 0 around it."""
    touching = hand_contact(motion) if motion.objects else np.zeros((motion.num_frames, 2), bool)
    fade = np.zeros(touching.shape)
    frames = np.arange(motion.num_frames)
    for side in np.flatnonzero(touching.any(0)):
        nearest = np.abs(frames[:, None] - np.flatnonzero(touching[:, side])).min(1) / motion.fps
        fade[:, side] = 0.5 + 0.5 * np.cos(np.pi * np.clip(nearest / seconds, 0.0, 1.0))
    return fade


def _towards_surface(motion: Motion) -> np.ndarray:
    """[T, 2, 3] unit, from each wrist to the nearest movable surface; onwards for a wrist that is inside."""
    wrists = motion.joint_positions_w[:, [JOINT_INDEX[f"{side}_wrist"] for side in SIDES]]
    best = np.full(wrists.shape[:2], np.inf)
    way = np.zeros_like(wrists)
    for item in motion.objects:
        if not item.is_static:
            wrists_b = rotations.rotate_inverse(item.rotation_w[:, None], wrists - item.position_w[:, None])
            nearest_b, distance = Shape.of(item.geometry).signed_closest(wrists_b)
            turned = rotations.rotate(item.rotation_w[:, None], nearest_b - wrists_b) * np.sign(distance)[..., None]
            way = np.where((distance < best)[..., None], turned, way)
            best = np.minimum(distance, best)
    unit: np.ndarray = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6)
    return unit


def _reached(motion: Motion, shift_w: np.ndarray) -> Motion:
    """Wrists moved by [T, 2, 3] m, as far as arms reach, by bending the elbow and swinging the shoulder."""
    local = motion.joint_rotations_b.copy()
    for i, side in enumerate(SIDES):
        shoulder, elbow, wrist = (JOINT_INDEX[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        start, bend, end = (motion.joint_positions_w[:, j] for j in (shoulder, elbow, wrist))
        upper, lower, target = bend - start, end - bend, end + shift_w[:, i] - start
        axis = np.cross(upper, lower)
        axis /= np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-9)
        a, b = np.linalg.norm(upper, axis=-1), np.linalg.norm(lower, axis=-1)
        longest = np.maximum(0.999 * (a + b), np.linalg.norm(end - start, axis=-1))
        reach = np.clip(np.linalg.norm(target, axis=-1), np.abs(a - b) + 1e-3, longest)
        # flexion between the bones by the law of cosines; the bent arm is then swung so that it points at the target
        now, then = (_flexion(a, b, d) for d in (np.linalg.norm(end - start, axis=-1), reach))
        extra = rotations.from_rotvec(axis * (then - now)[:, None])
        swing = rotations.between(upper + rotations.rotate(extra, lower), target)
        for joint, turn in ((elbow, extra), (shoulder, swing)):
            q = motion.joint_rotations_w[:, joint].copy()  # a turn in the world, seen from the joint itself
            seen = rotations.multiply(rotations.inverse(q), rotations.multiply(turn, q))
            local[:, joint] = rotations.normalize(rotations.multiply(motion.joint_rotations_b[:, joint].copy(), seen))
    return motion.replace(joint_rotations_b=local)


def _flexion(a: np.ndarray, b: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Angle between two bones in a row, rad, 0 when straight: lengths and distance of the ends [T] m."""
    angle: np.ndarray = np.arccos(np.clip((distance**2 - a**2 - b**2) / (2.0 * a * b), -1.0, 1.0))
    return angle
