"""Corruption: strength 0 is nothing, each kind does what it says and nothing else, and the noise has its figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from generate.authored import author_box_push
from sim import rotations
from sim.contacts import extract_contacts
from sim.corruption import KINDS, CorruptionConfig, band_noise, clip_seed, corrupt
from sim.errors import TouchstoneError, UnknownNameError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX

Make = Callable[..., Motion]
CONFIG = CorruptionConfig()
ARMS = [JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "elbow")]
REST = [j for j in range(52) if j not in ARMS]


@pytest.fixture(scope="module")
def pushing() -> Motion:
    """The authored clip where the hands push, with its contact graph."""
    motion = author_box_push().slice(60, 110)
    return motion.replace(contacts=extract_contacts(motion))


@pytest.fixture(scope="module")
def long(carrying_motion: Make) -> Motion:
    """60 s of standing, for statistics."""
    return at_rate(carrying_motion, 30.0, 1800)


def at_rate(make: Make, fps: float, frames: int) -> Motion:
    still = make(frames=frames)
    box = still.objects[0]
    box = dataclasses.replace(
        box,
        position_w=np.tile([0.4, 0.0, 1.0], (frames, 1)),
        rotation_w=np.tile([1.0, 0.0, 0.0, 0.0], (frames, 1)),
    )
    rest = np.broadcast_to(still.joint_rotations_b[:1], still.joint_rotations_b.shape)
    root = np.tile([0.0, 0.0, 0.95], (frames, 1))
    return still.replace(fps=fps, objects=(box,), joint_rotations_b=rest, root_position_w=root)


def displacement(a: Motion, b: Motion) -> float:
    """Mean distance of joints and object, m."""
    joints = np.linalg.norm(a.joint_positions_w - b.joint_positions_w, axis=-1).mean()
    return float(joints + np.linalg.norm(a.objects[0].position_w - b.objects[0].position_w, axis=-1).mean())


def assert_same_poses(a: Motion, b: Motion) -> None:
    for item, was in zip(a.objects, b.objects, strict=True):
        np.testing.assert_array_equal(item.position_w, was.position_w)
        np.testing.assert_array_equal(item.rotation_w, was.rotation_w)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_changes_nothing(pushing: Motion, kind: str) -> None:
    assert corrupt(pushing, kind, strength=0.0) is pushing


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_copy_and_the_source_says_which(pushing: Motion, kind: str) -> None:
    one, same, other = (corrupt(pushing, kind, strength=0.7, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.joint_rotations_b, same.joint_rotations_b)
    np.testing.assert_array_equal(one.objects[0].position_w, same.objects[0].position_w)
    assert one.source == f"{pushing.source}; corrupted: {kind}, strength 0.7, seed 3"
    if kind in ("jitter", "drift", "video"):
        assert displacement(one, other) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_moves_more(pushing: Motion, kind: str) -> None:
    moved = [displacement(corrupt(pushing, kind, strength=s, seed=1), pushing) for s in (0.25, 0.5, 1.0, 2.0)]
    assert moved == sorted(set(moved))


def test_noise_has_unit_deviation_in_its_band_at_any_rate(carrying_motion: Make) -> None:
    for fps, frames in ((30.0, 1800), (60.0, 3600)):
        motion = at_rate(carrying_motion, fps, frames)
        noise = band_noise(np.random.default_rng(0), motion, (40,), 2.0)
        assert noise.shape == (frames, 40)
        assert noise.std() == pytest.approx(1.0, rel=0.03)
        assert abs(noise.mean()) < 0.05
        power = np.abs(np.fft.rfft(noise * np.hanning(frames)[:, None], axis=0)) ** 2
        above = np.fft.rfftfreq(frames, 1 / fps) > 2.2
        assert power[above].sum() < 1e-3 * power.sum()


def test_white_noise_forgets_from_frame_to_frame_and_coloured_does_not(long: Motion) -> None:
    def lag_one(hz: float) -> float:
        noise = band_noise(np.random.default_rng(1), long, (20,), hz)
        return float((noise[1:] * noise[:-1]).mean() / np.square(noise).mean())

    assert abs(lag_one(15.0)) < 0.02
    # autocorrelation of a flat band is sin(2 pi f t) / (2 pi f t): f = 2 Hz, t = 1/30 s
    assert lag_one(2.0) == pytest.approx(np.sinc(2 * 2.0 / 30), abs=0.02)


def test_jitter_has_the_deviations_it_states(long: Motion) -> None:
    noisy = corrupt(long, "jitter", strength=2.0, seed=5)
    both = 2.0 * np.hypot(1.0, CONFIG.jitter_slow)
    root = noisy.root_position_w - long.root_position_w
    np.testing.assert_allclose(root.std(0), both * CONFIG.jitter_root_mm * 1e-3, rtol=0.12)
    turn = rotations.to_rotvec(rotations.multiply(rotations.inverse(long.joint_rotations_b), noisy.joint_rotations_b))
    assert np.degrees(turn).std() == pytest.approx(both * CONFIG.jitter_joint_deg, rel=0.03)
    item, was = noisy.objects[0], long.objects[0]
    np.testing.assert_allclose((item.position_w - was.position_w).std(0), both * 3e-3, rtol=0.12)
    turned = rotations.to_rotvec(rotations.multiply(rotations.inverse(was.rotation_w.copy()), item.rotation_w))
    np.testing.assert_allclose(np.degrees(turned).std(0), both * CONFIG.jitter_object_deg, rtol=0.12)


def test_jitter_means_the_same_at_sixty_frames_a_second(carrying_motion: Make) -> None:
    """The speed of the noise, not its step per frame, is what stays."""
    speeds = []
    for fps, frames in ((30.0, 1200), (60.0, 2400)):
        motion = at_rate(carrying_motion, fps, frames)
        root = corrupt(motion, "jitter", seed=2).resample(30.0).root_position_w
        speeds.append(np.linalg.norm(np.diff(root, axis=0), axis=-1).mean() * 30)
    assert speeds[0] == pytest.approx(speeds[1], rel=0.1)


def test_drift_is_slow_and_leaves_the_pose(pushing: Motion, long: Motion) -> None:
    copy = corrupt(pushing, "drift", seed=3)
    np.testing.assert_array_equal(copy.joint_rotations_b, pushing.joint_rotations_b)
    noisy = corrupt(long, "drift", seed=3)
    world = noisy.root_position_w - long.root_position_w
    relative = noisy.objects[0].position_w - long.objects[0].position_w - world
    for way, size in ((world, CONFIG.drift_world_mm), (relative, CONFIG.drift_object_mm)):
        assert way.std() == pytest.approx(size * 1e-3, rel=0.2)
        assert np.abs(np.diff(way, axis=0)).max() * 30 < 4 * 2 * np.pi * CONFIG.drift_hz * size * 1e-3


def test_float_moves_up_and_down_by_what_it_says(pushing: Motion) -> None:
    ways = set()
    for seed in range(8):
        copy = corrupt(pushing, "float", strength=0.5, seed=seed)
        np.testing.assert_array_equal(copy.joint_rotations_b, pushing.joint_rotations_b)
        body = copy.root_position_w - pushing.root_position_w
        np.testing.assert_allclose(np.abs(body), np.tile([0.0, 0.0, 0.025], (len(body), 1)), atol=1e-12)
        ways.add(np.sign(body[0, 2]))
        thing = copy.objects[0].position_w - pushing.objects[0].position_w
        np.testing.assert_allclose(thing, np.tile([0.0, 0.0, 0.025], (len(body), 1)), atol=1e-12)
    assert ways == {-1.0, 1.0}


@pytest.mark.parametrize(("kind", "size", "sign"), [("interpenetration", 40.0, 1), ("missed_contacts", 60.0, -1)])
def test_hands_go_in_or_away_by_what_it_says_and_only_arms_bend(
    pushing: Motion, kind: str, size: float, sign: int
) -> None:
    copy = corrupt(pushing, kind, strength=0.5, seed=0)
    np.testing.assert_array_equal(copy.joint_rotations_b[:, REST], pushing.joint_rotations_b[:, REST])
    np.testing.assert_array_equal(copy.root_position_w, pushing.root_position_w)
    wrist = JOINT_INDEX["left_wrist"]
    labelled = pushing.contact_labels[:, wrist] > 0
    moved = (copy.joint_positions_w - pushing.joint_positions_w)[labelled, wrist]
    # the wrists of the authored clip are behind the box, which is pushed along +x; arms nearly straight reach less
    assert np.median(sign * moved[:, 0]) > 0.4 * 0.5 * size * 1e-3
    assert np.linalg.norm(moved, axis=-1).max() < 0.5 * size * 1e-3 + 1e-6
    far = ~labelled & (np.abs(np.arange(len(labelled))[:, None] - np.flatnonzero(labelled)).min(1) > 7)
    assert far.any()
    np.testing.assert_allclose(copy.joint_positions_w[far], pushing.joint_positions_w[far], atol=1e-9)


def test_bent_arms_reach_exactly_where_they_should(pushing: Motion) -> None:
    """Away from the surface every arm can reach: by law of cosines and swing, not by approximation."""
    copy = corrupt(pushing, "missed_contacts", strength=0.3, seed=0)
    wrist = JOINT_INDEX["right_wrist"]
    labelled = pushing.contact_labels[:, wrist] > 0
    way = np.linalg.norm((copy.joint_positions_w - pushing.joint_positions_w)[labelled, wrist], axis=-1)
    np.testing.assert_allclose(way, 0.3 * CONFIG.miss_hand_mm * 1e-3, atol=1e-6)


def test_interpenetration_presses_the_object_towards_the_body(pushing: Motion) -> None:
    copy = corrupt(pushing, "interpenetration", strength=1.0, seed=0)
    way = copy.objects[0].position_w - pushing.objects[0].position_w
    assert np.linalg.norm(way, axis=-1).max() == pytest.approx(CONFIG.push_object_mm * 1e-3)
    assert np.abs(way[:, 2]).max() == 0.0
    nearer = np.linalg.norm((copy.objects[0].position_w - copy.root_position_w)[:, :2], axis=-1)
    before = np.linalg.norm((pushing.objects[0].position_w - pushing.root_position_w)[:, :2], axis=-1)
    assert (nearer <= before + 1e-12).all()
    assert nearer[-1] < before[-1] - 0.02


def test_missed_contacts_drop_rows_and_leave_the_object(pushing: Motion) -> None:
    copy = corrupt(pushing, "missed_contacts", strength=1 / CONFIG.miss_share, seed=0)
    assert len(pushing.contacts) > 0
    assert len(copy.contacts) == 0
    assert_same_poses(copy, pushing)
    few = [len(corrupt(pushing, "missed_contacts", strength=1.0, seed=s).contacts) for s in range(40)]
    assert np.mean(few) == pytest.approx(0.7 * len(pushing.contacts), abs=0.12 * len(pushing.contacts))


def test_sliding_feet_change_the_travel_but_no_pose_and_no_height(pushing: Motion) -> None:
    copy = corrupt(pushing, "sliding_feet", seed=1)
    np.testing.assert_array_equal(copy.joint_rotations_b, pushing.joint_rotations_b)
    body = copy.root_position_w - pushing.root_position_w
    np.testing.assert_allclose(copy.objects[0].position_w - pushing.objects[0].position_w, body, atol=1e-12)
    np.testing.assert_array_equal(body[:, 2], 0.0)
    np.testing.assert_array_equal(body[0], 0.0)
    quiet = dataclasses.replace(CONFIG, slide_m_s=0.0)
    scaled = corrupt(pushing, "sliding_feet", seed=1, config=quiet).root_position_w
    travel = pushing.root_position_w - pushing.root_position_w[0]
    ratio = (scaled - scaled[0])[-1, 0] / travel[-1, 0]
    assert abs(ratio - 1.0) == pytest.approx(CONFIG.slide_share)


def test_time_shift_delays_the_object_and_leaves_the_body(pushing: Motion) -> None:
    copy = corrupt(pushing, "time_shift", strength=1.0, seed=0)
    np.testing.assert_array_equal(copy.joint_positions_w, pushing.joint_positions_w)
    shift = round(CONFIG.shift_seconds * pushing.fps)
    was, now = pushing.objects[0].position_w, copy.objects[0].position_w
    later = np.allclose(now[shift:], was[:-shift], atol=1e-9)
    sooner = np.allclose(now[:-shift], was[shift:], atol=1e-9)
    assert later != sooner


def test_what_is_fixed_to_the_world_stays(pushing: Motion) -> None:
    fixed = pushing.replace(objects=(dataclasses.replace(pushing.objects[0], is_static=True),))
    for kind in KINDS:
        assert_same_poses(corrupt(fixed, kind, strength=2.0), fixed)


def test_a_motion_without_objects_can_be_corrupted(carrying_motion: Make) -> None:
    alone = carrying_motion(objects=(), contacts=carrying_motion().contacts.rows(np.zeros(2, bool)))
    for kind in KINDS:
        assert corrupt(alone, kind).num_frames == alone.num_frames


def test_wrong_names_and_strengths_are_refused(pushing: Motion) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'jitter'"):
        corrupt(pushing, "jiter")
    for strength in (-1.0, float("nan"), float("inf")):
        with pytest.raises(TouchstoneError, match="strength"):
            corrupt(pushing, "jitter", strength=strength)


def test_each_clip_has_a_seed_of_its_own_everywhere() -> None:
    assert clip_seed("sub8_largebox_000", 1) == clip_seed("sub8_largebox_000", 1)
    seeds = {clip_seed(name, seed) for name in ("sub8_largebox_000", "sub8_largebox_001") for seed in (0, 1)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
