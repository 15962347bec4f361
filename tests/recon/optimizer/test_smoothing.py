"""Key frames and what lies between them; the low-pass against its laws; contacts that smoothing would lose."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.optimizer.smoothing import (
    SmoothingConfig,
    _places,
    breaks,
    key_frames,
    low_pass,
    low_pass_rotations,
    smooth,
    spread_positions,
    spread_rotations,
)
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.metrics import contact_distance, jitter
from sim.motion import Motion


def test_key_frames_hold_both_ends() -> None:
    assert key_frames(10, 3).tolist() == [0, 3, 6, 9]
    assert key_frames(9, 3).tolist() == [0, 3, 6, 8]
    assert key_frames(2, 5).tolist() == [0, 1]


def test_lines_and_even_turns_come_back() -> None:
    frames = key_frames(11, 4)
    times = np.arange(11.0)
    line = times[:, None] * np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(spread_positions(frames, line[frames], 11), line, atol=1e-12)
    turn = rotations.from_rotvec(0.2 * times[:, None] * np.array([0.0, 0.6, 0.8]))
    flipped = turn[frames] * np.array([1.0, -1.0, 1.0, -1.0])[: len(frames), None]  # the double cover must not matter
    spread = spread_rotations(frames, flipped, 11)
    np.testing.assert_allclose(rotations.angle_between(spread, turn), 0.0, atol=1e-7)


def test_low_pass_keeps_slow_kills_fast_delays_nothing() -> None:
    t = np.arange(300) / 30.0
    slow, fast = np.sin(2 * np.pi * 1.0 * t), np.sin(2 * np.pi * 12.0 * t)
    inner = slice(30, -30)
    np.testing.assert_allclose(low_pass(slow, 30.0, 6.0)[inner], slow[inner], atol=0.01)
    assert np.abs(low_pass(fast, 30.0, 6.0)[inner]).max() < 0.01
    # power falls to half at the cutoff in one pass, so the amplitude to a half in two
    at_cutoff = np.sin(2 * np.pi * 6.0 * t)
    assert np.abs(low_pass(at_cutoff, 30.0, 6.0)[inner]).max() == pytest.approx(0.5, abs=0.03)
    straight = np.linspace(0.0, 1.0, 40)
    np.testing.assert_allclose(low_pass(straight, 30.0, 4.0), straight, atol=1e-3)  # ends included
    assert low_pass(slow, 30.0, 0.0) is slow
    assert low_pass(slow[:2], 30.0, 6.0).shape == (2,)


def test_low_pass_of_rotations_is_blind_to_the_double_cover() -> None:
    turn = rotations.from_rotvec(np.linspace(0, 1.2, 60)[:, None] * np.array([0.3, 0.9, 0.1]))
    signs = np.where(np.random.default_rng(0).random(60) < 0.5, -1.0, 1.0)[:, None]
    filtered = low_pass_rotations(turn * signs, 30.0, 5.0)
    np.testing.assert_allclose(rotations.angle_between(filtered, turn), 0.0, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(filtered, axis=-1), 1.0, atol=1e-12)


def _shaken(carrying_motion: Callable[..., Motion]) -> Motion:
    """A still body and a box that trembles, with points where the palms are on average."""
    motion = carrying_motion(frames=60)
    held = motion.replace(joint_rotations_b=np.tile(motion.joint_rotations_b[1], (60, 1, 1)))
    noise = 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    item = replace(held.objects[0], position_w=held.objects[0].position_w + noise)
    return held.replace(objects=(item,))


def test_contacts_do_not_get_worse(carrying_motion: Callable[..., Motion]) -> None:
    motion = _shaken(carrying_motion)
    annotations = Annotations(motion.contacts, ImagePoints.empty(60))
    free = smooth(motion, annotations, SmoothingConfig(body_hertz=1.5, hold_contacts=False))
    held = smooth(motion, annotations, SmoothingConfig(body_hertz=1.5))
    before, apart, after = (contact_distance(graph_distances(m)) for m in (motion, free, held))
    assert after <= before + 0.5
    assert after <= apart + 0.5
    box, calm = (m.objects[0].position_w[:, None] for m in (motion, held))
    assert jitter(calm) < 0.1 * jitter(box)


def test_fast_hands_are_brought_back_to_what_they_hold(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion(frames=30).replace(fps=10.0).resample(30.0)  # its arms swing at 1.6 Hz
    swing = _places(motion, motion.contacts)[:, 0]  # the box hangs on the left palm
    item = motion.objects[0]
    moved = item.position_w + rotations.rotate(item.rotation_w, swing - motion.contacts.points_b[0])
    graph = motion.contacts.rows(np.array([True, False]))
    motion = motion.replace(objects=(replace(item, position_w=moved),), contacts=graph)
    annotations = Annotations(graph, ImagePoints.empty(motion.num_frames))
    assert contact_distance(graph_distances(motion)) < 1e-6
    config = SmoothingConfig(body_hertz=1.0, object_hertz=0.0)
    lost = contact_distance(graph_distances(smooth(motion, annotations, replace(config, hold_contacts=False))))
    held = contact_distance(graph_distances(smooth(motion, annotations, config)))
    assert lost > 20.0
    assert held < 0.25 * lost


def test_a_static_object_stays(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion(frames=30)
    item = replace(motion.objects[0], is_static=True, **_first_pose(motion))
    motion = motion.replace(objects=(item,))
    done = smooth(motion, Annotations(motion.contacts, ImagePoints.empty(30)))
    np.testing.assert_array_equal(done.objects[0].position_w, item.position_w)


def test_motion_does_not_reach_into_rest(carrying_motion: Callable[..., Motion]) -> None:
    """A box falls at 3 m/s and turns at 3 rad/s until it lies from frame 20 to 34, where it is thrown up again."""
    motion = carrying_motion(frames=50)
    clock = (np.clip(20 - np.arange(50), 0, None) + np.clip(np.arange(50) - 34, 0, None)) / 10.0
    path, turn = np.outer(clock, [0.0, 0.0, 1.0]), rotations.from_rotvec(np.outer(clock, [0.0, 1.0, 0.0]))
    none = ContactGraph()
    item = replace(motion.objects[0], position_w=path, rotation_w=turn)
    motion = motion.replace(fps=30.0, objects=(item,), contacts=none)
    annotations, inner = Annotations(none, ImagePoints.empty(50)), slice(22, 33)
    through = smooth(motion, annotations).objects[0]
    kept = smooth(motion, annotations, rest=np.array([[20, 34]])).objects[0]
    assert np.abs(through.position_w[inner] - path[inner]).max() > 0.005
    assert rotations.angle_between(through.rotation_w[inner], turn[inner]).max() > 0.005
    np.testing.assert_allclose(kept.position_w[inner], path[inner], atol=1e-12)
    np.testing.assert_allclose(rotations.angle_between(kept.rotation_w[inner], turn[inner]), 0.0, atol=1e-6)
    assert breaks(none, 0, np.array([[20, 34]]), 30.0, SmoothingConfig()).tolist() == [22, 32]  # 30 / (2 pi 4 Hz) = 1.2
    assert breaks(none, 0, np.array([[0, 3]]), 30.0, SmoothingConfig(object_hertz=1.0)).tolist() == [1, 2]


def _first_pose(motion: Motion) -> dict[str, np.ndarray]:
    item = motion.objects[0]
    return {"position_w": np.tile(item.position_w[0], (30, 1)), "rotation_w": np.tile(item.rotation_w[0], (30, 1))}


def test_config_is_checked() -> None:
    with pytest.raises(ReconstructionError, match="negative"):
        SmoothingConfig(body_hertz=-1.0)


def test_a_kick_keeps_its_lowest_point(carrying_motion: Callable[..., Motion]) -> None:
    """A ball falls and is kicked up in frame 20, at 3 m/s: smoothed through, its lowest point rises by centimetres."""
    motion = carrying_motion(frames=40)
    height = 0.3 + 0.1 * np.abs(np.arange(40) - 20.0)
    path = np.stack([np.zeros(40), np.zeros(40), height], -1)
    contacts = ContactGraph(("rightFoot_instep",), [0], [[0.0, 0.0, 0.0]], [20], [21])
    motion = motion.replace(objects=(replace(motion.objects[0], position_w=path),), contacts=contacts)
    annotations = Annotations(contacts, ImagePoints.empty(40))
    kept = smooth(motion, annotations, SmoothingConfig(hold_contacts=False)).objects[0].position_w[:, 2]
    through = smooth(motion, annotations, SmoothingConfig(hold_contacts=False, impact_frames=0)).objects[0].position_w
    assert np.allclose(kept, height, atol=1e-3)  # straight lines on either side are slow
    assert through[20, 2] > height[20] + 0.03
