"""Figures worked out by hand, laws they must obey, and the peers' published table on real clips."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from sim import metrics, rotations


def still(frames: int, joints: int = 2) -> np.ndarray:
    return np.zeros((frames, joints, 3))


def test_mpjpe_by_hand() -> None:
    moved = still(2)
    moved[0, 0] = [0.03, 0.04, 0.0]  # 50 mm
    moved[1, 1] = [0.0, 0.0, -0.01]  # 10 mm
    np.testing.assert_allclose(metrics.joint_error_per_frame(moved, still(2)), [25.0, 5.0])
    assert metrics.mpjpe(moved, still(2)) == pytest.approx(15.0)


def test_root_relative_forgets_translation_and_global_does_not() -> None:
    reference = np.random.default_rng(0).normal(size=(5, 4, 3))
    moved = reference + np.array([0.3, 0.4, 0.0])
    assert metrics.mpjpe(moved, reference) == pytest.approx(500.0)
    assert metrics.mpjpe_root_relative(moved, reference) == pytest.approx(0.0, abs=1e-9)
    moved[:, 0] += [0.0, 0.0, 0.1]  # only the pelvis is off: the 3 others are off relative to it
    assert metrics.mpjpe_root_relative(moved, reference) == pytest.approx(100.0 * 3 / 4)


def test_object_errors_by_hand() -> None:
    position = np.array([[0.0, 0.0, 0.1], [0.0, 0.3, 0.0]])
    assert metrics.position_error(position, np.zeros((2, 3))) == pytest.approx(200.0)
    np.testing.assert_allclose(metrics.position_error_per_frame(position, np.zeros((2, 3))), [100.0, 300.0])
    turned = rotations.from_rotvec(np.radians([[0.0, 0.0, 30.0], [90.0, 0.0, 0.0]]))
    identity = np.tile([1.0, 0.0, 0.0, 0.0], (2, 1))
    np.testing.assert_allclose(metrics.rotation_error_per_frame(turned, identity), [30.0, 90.0])
    assert metrics.rotation_error(-turned, identity) == pytest.approx(60.0)  # q and -q are one rotation


def test_waypoint_errors_by_hand() -> None:
    reference = np.zeros((91, 3))
    position = reference.copy()
    position[0] = [0.0, 0.0, 0.01]
    position[30] = [0.03, 0.04, 9.0]  # the height of a way-point does not count
    position[60] = [0.0, 0.01, 0.0]
    position[31] = [5.0, 5.0, 5.0]  # not a way-point
    position[90] = [0.02, 0.0, 0.0]  # the end is not a way-point between
    assert metrics.waypoint_errors(position, reference) == pytest.approx((10.0, 20.0, 30.0))
    assert np.isnan(metrics.waypoint_errors(position[:30], reference[:30]).xy)


def test_completion() -> None:
    assert metrics.completion(np.array([50, 100]), 100) == pytest.approx(75.0)


@pytest.mark.parametrize(
    ("mm", "degrees", "spider", "sbto"),
    [
        (50, 10, True, True),
        (50, 27, True, False),
        (50, 29, False, False),
        (100, 25, False, True),
        (101, 0, False, False),
    ],
)
def test_success_rules_at_their_limits(mm: float, degrees: float, spider: bool, sbto: bool) -> None:
    position, rotation = np.array([mm, mm], float), np.array([degrees, degrees], float)
    assert metrics.spider_success(position, rotation) is spider
    assert metrics.sbto_success(position, rotation) is sbto


def test_contact_distances_by_hand() -> None:
    """Two pairs over three frames: 0.1 m alone, then 0 and 0.3 m, then none."""
    distance = np.array([[0.1, np.nan], [0.0, 0.3], [np.nan, np.nan]])
    assert metrics.contact_score(distance) == pytest.approx((0.01 + (0.0 + 0.09)) / 2)
    assert metrics.contact_distance(distance) == pytest.approx((100.0 + 0.0 + 300.0) / 3)
    np.testing.assert_allclose(metrics.contact_distance_per_frame(distance), [100.0, 150.0, np.nan])


@pytest.mark.parametrize("shape", [(2, 2), (3, 0)])
def test_contact_distances_of_nothing_are_nan(shape: tuple[int, int]) -> None:
    nothing = np.full(shape, np.nan)
    assert np.isnan(metrics.contact_score(nothing))
    assert np.isnan(metrics.contact_distance(nothing))
    assert np.isnan(metrics.contact_distance_per_frame(nothing)).all()


def test_contact_agreement_by_hand() -> None:
    labels = np.array([[1, 1, 1, 0, -1, -1]])
    touching = np.array([[True, True, False, True, True, False]])  # 2 hits, 1 miss, 1 false alarm, 1 ignored
    precision, recall, f1 = metrics.contact_agreement(labels, touching)
    assert (precision, recall, f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_contact_agreement_ignores_zero_labels_and_survives_nothing() -> None:
    labels = np.array([[0, 0, 1]])
    assert metrics.contact_agreement(labels, np.array([[True, True, True]])) == (1.0, 1.0, 1.0)
    assert np.isnan(metrics.contact_agreement(np.zeros((1, 3)), np.ones((1, 3)))).all()
    none_touched = metrics.contact_agreement(labels, np.zeros((1, 3), bool))
    assert np.isnan(none_touched.precision)
    assert (none_touched.recall, none_touched.f1) == (0.0, 0.0)


def test_penetration_by_hand() -> None:
    assert metrics.penetration(np.array([[0.1, -0.01], [-0.03, 0.0]])) == pytest.approx((20.0, 30.0, 50.0))
    assert metrics.penetration(np.array([0.1, 0.0])) == (0.0, 0.0, 0.0)


def test_ground_figures_by_hand() -> None:
    points = np.zeros((2, 2, 3))
    points[..., 2] = [[0.02, 0.5], [0.3, -0.01]]
    np.testing.assert_allclose(metrics.lowest_per_frame(points), [20.0, -10.0])
    assert metrics.ground_float(points) == pytest.approx(10.0)
    assert metrics.ground_penetration(points) == pytest.approx(5.0)


def test_foot_skate_counts_standing_feet_alone() -> None:
    feet = still(3)
    feet[:, 0, 0] = [0.0, 0.01, 0.03]  # slides 0.01 then 0.02 m a frame
    feet[:, 1, 1] = [0.0, 1.0, 2.0]  # swings
    feet[:, 0, 2] = [0.0, 0.5, 0.0]  # vertical motion is no skating
    standing = np.array([[True, False], [True, False], [True, True]])
    assert metrics.foot_skate(feet, standing, fps=10.0) == pytest.approx(0.15)
    assert np.isnan(metrics.foot_skate(feet, np.zeros((3, 2), bool), fps=10.0))


def test_floor_height_is_the_lowest_cluster_of_resting_toes() -> None:
    toes = np.zeros((40, 2, 3))
    toes[:20, 0, 2], toes[20:, 0, 2] = 0.02, 0.35  # stands on the floor, then on a step
    toes[:, 1, 0] = np.arange(40)  # a toe that moves fast
    toes[:, 1, 2] = -0.5
    assert metrics.floor_height(toes) == pytest.approx(0.02)
    toes[:, 0, 0] = np.arange(40)
    assert np.isnan(metrics.floor_height(toes))


def test_floor_height_leaves_out_two_stray_frames() -> None:
    toes = np.full((40, 1, 3), 0.03)
    toes[9:13, 0, 2] = [0.03, -0.2, -0.2, 0.03]
    assert metrics.floor_height(toes) == pytest.approx(0.03)


def test_fs_score_by_hand() -> None:
    ankles, toes = np.zeros((3, 2, 3)), np.full((3, 2, 3), 1.0)  # toes far above: they do not count
    ankles[:, 0, 0] = [0.0, 0.1, 0.1]
    ankles[:, 0, 2] = [0.04, 0.0, 0.0]
    ankles[:, 1, 2] = 0.5
    # one step of 0.1 m at half of H: weight 2 - 2^0.5; over 3 frames, 4 joints
    assert metrics.fs_score(ankles, toes, 0.0) == pytest.approx(100.0 * (2 - 2**0.5) / 3 / 4)
    up = np.array([0.0, 0.0, 1.0])
    assert metrics.fs_score(ankles + up, toes + up, 1.0) == pytest.approx(metrics.fs_score(ankles, toes, 0.0))


def test_jitter_by_hand() -> None:
    # x = t^3 has the constant third difference 6; the other joint stands still
    positions = still(7)
    positions[:, 0, 0] = np.arange(7.0) ** 3 / 1000
    assert metrics.jitter(positions) == pytest.approx(3.0)  # mm: mean of 6 and 0
    assert metrics.jitter_per_second(positions, fps=10.0) == pytest.approx(3.0)  # 0.003 m * 10^3
    assert metrics.mean_jerk(positions, fps=10.0) == pytest.approx(3.0)


def test_jitter_is_a_root_mean_square_and_jerk_a_mean() -> None:
    positions = still(5, joints=1)
    positions[4, 0] = [0.0, 0.003, 0.0]  # third differences: 0 and 3 mm
    assert metrics.jitter(positions) == pytest.approx(np.sqrt(4.5))
    assert metrics.mean_jerk(positions, fps=1.0) == pytest.approx(0.0015)
    np.testing.assert_allclose(metrics.jerk_per_frame(positions, fps=1.0), [0.0, 0.003])


def test_jitter_is_blind_to_uniform_acceleration_and_scales_with_the_frame_rate() -> None:
    time = np.arange(20.0)[:, None, None]
    assert metrics.jitter(time**2 * [0.1, 0.2, -9.81]) == pytest.approx(0.0, abs=1e-8)
    wave30, wave60 = (np.sin(2 * np.arange(0, 2, 1 / fps))[:, None, None] * [1.0, 0, 0] for fps in (30, 60))
    assert metrics.mean_jerk(wave30, 30) == pytest.approx(metrics.mean_jerk(wave60, 60), rel=0.02)


@pytest.mark.parametrize("frames", [2, 3])
def test_clips_too_short_for_a_jerk_have_none(frames: int) -> None:
    assert np.isnan(metrics.jitter(still(frames)))
    assert np.isnan(metrics.mean_jerk(still(frames), 30.0))


def test_jerk_and_jitter_reproduce_the_peers_table(data: Path) -> None:
    """The published columns hold for 21 bodies: no fingers, no pelvis, and without the empty frame 0."""
    with open(data / "peers" / "intermimic_teacher.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(metrics.PEER_JOINTS) == 21
    for row in rows:
        clip = torch.load(data / f"motions/omomo/{row['clip']}.pt", weights_only=True, map_location="cpu").detach()
        positions = clip[1:, 162:318].double().numpy().reshape(-1, 52, 3)[:, metrics.PEER_JOINTS]
        assert metrics.mean_jerk(positions, 30.0) == pytest.approx(float(row["reference_jerk_m_s3"]), abs=0.0501)
        assert metrics.jitter(positions) == pytest.approx(float(row["reference_jitter_mm"]), abs=0.00501)


def test_chamfer_sums_both_ways_by_hand() -> None:
    points = np.array([[0.0, 0, 0], [0.003, 0, 0]])
    reference = np.array([[0.0, 0, 0.001]])
    forth, back = (1 + np.sqrt(10)) / 2, 1.0
    assert metrics.chamfer_distance(points, reference) == pytest.approx(forth + back)
    both = metrics.chamfer_per_frame(np.stack((points, reference[[0, 0]])), np.stack((reference, reference)))
    np.testing.assert_allclose(both, [forth + back, 0.0])


def test_two_draws_of_one_surface_are_as_far_apart_as_the_docstring_says() -> None:
    rng = np.random.default_rng(0)
    a, b = np.pad(rng.random((2, metrics.CHAMFER_POINTS, 2)), ((0, 0), (0, 0), (0, 1)))
    assert metrics.chamfer_distance(a, b) == pytest.approx(7.07, rel=0.05)


def test_rigid_chamfer_agrees_with_the_plain_one_in_the_world() -> None:
    rng = np.random.default_rng(1)
    points, reference = rng.normal(size=(2, 60, 3))
    turns = rotations.from_rotvec(rng.normal(size=(2, 4, 3)))
    places = rng.normal(size=(2, 4, 3))
    world = [rotations.rotate(turns[i, :, None], (points, reference)[i]) + places[i, :, None] for i in (0, 1)]
    fast = metrics.rigid_chamfer_per_frame(points, places[0], turns[0], reference, places[1], turns[1])
    np.testing.assert_allclose(fast, metrics.chamfer_per_frame(*world))


def test_rotation_error_up_to_symmetry() -> None:
    def about_z(degrees: float) -> np.ndarray:
        return rotations.from_rotvec(np.radians(degrees) * np.array([[0.0, 0, 1]]))

    table = np.concatenate([about_z(d) for d in (0, 90, 180, 270)])
    tilt = rotations.from_rotvec(np.array([[0.3, -0.2, 0.1]]))
    turned = rotations.multiply(tilt, about_z(93.0))
    np.testing.assert_allclose(metrics.symmetric_rotation_error_per_frame(turned, tilt, table), [3.0], atol=1e-6)
    np.testing.assert_allclose(metrics.symmetric_rotation_error_per_frame(turned, tilt, table[:1]), [93.0], atol=1e-6)
