"""Two hands: palms against each other about the centre of mass, or side by side."""

from __future__ import annotations

import numpy as np
import pytest

from generate.affordance import AffordanceConfig, SurfacePoints, palm_pairs
from generate.affordance.pairs import pair_quality
from sim.errors import AssetError
from sim.geometry import Primitive
from sim.objects import Shape

CONFIG = AffordanceConfig(points=800)


@pytest.fixture(scope="module")
def crate() -> SurfacePoints:
    return SurfacePoints.of(Shape.of(Primitive("box", (0.8, 0.45, 0.3))), count=CONFIG.points)


def test_palms_that_carry_press_against_each_other_through_the_middle(crate: SurfacePoints) -> None:
    pairs = palm_pairs(crate, "carry", count=3, config=CONFIG)
    assert (np.diff(pairs.quality) <= 0).all()
    first, second = np.moveaxis(pairs.points_b, 1, 0)
    np.testing.assert_allclose((pairs.normals_b[:, 0] * pairs.normals_b[:, 1]).sum(1), -1.0, atol=1e-9)
    np.testing.assert_allclose(np.abs(first[:, 1] - second[:, 1]), 0.45, atol=1e-9)  # across: 0.8 m is too far apart
    assert np.abs(0.5 * (first + second)[:, :2]).max() < 0.06
    assert np.abs(first[:, 2] - second[:, 2]).max() < 0.06


def test_a_purpose_decides_over_the_action(crate: SurfacePoints) -> None:
    """What is pushed on the way to being carried is pushed."""
    carried, pushed = (palm_pairs(crate, a, purpose="shove", count=3, config=CONFIG) for a in ("carry", "push"))
    np.testing.assert_array_equal(carried.points_b, pushed.points_b)


def test_palms_that_push_lie_side_by_side(crate: SurfacePoints) -> None:
    pairs = palm_pairs(crate, "push", count=4, config=CONFIG)
    np.testing.assert_allclose((pairs.normals_b[:, 0] * pairs.normals_b[:, 1]).sum(1), 1.0, atol=1e-9)
    assert np.abs(pairs.normals_b[..., 2]).max() < 1e-9
    span = np.linalg.norm(pairs.points_b[:, 0] - pairs.points_b[:, 1], axis=1)
    assert ((span > 0.2) & (span < 0.7)).all()
    # the line of push through the middle passes the centre of mass
    along = pairs.normals_b[:, 0]
    missed = np.cross(pairs.points_b.mean(1)[:, :2], along[:, :2])
    assert np.abs(missed).max() < 0.1


def test_quality_is_symmetric_and_as_computed_by_hand(crate: SurfacePoints) -> None:
    around = crate.around
    for purpose in ("load", "shove"):
        quality = pair_quality(around, purpose, CONFIG)
        np.testing.assert_allclose(quality, quality.T, atol=1e-6)
    i, j = 3, 500
    p, n, c = around.points, around.normals, around.center
    apart = np.linalg.norm(p[j] - p[i])
    d = (p[j] - p[i]) / apart
    beyond = max(0.25 - apart, 0) + max(apart - 0.6, 0)
    missed = np.linalg.norm((0.5 * (p[i] + p[j]) - c)[:2])
    by_hand = np.exp(-0.5 * ((beyond / 0.1) ** 2 + ((p[i] - p[j])[2] / 0.05) ** 2 + (missed / 0.1) ** 2))
    by_hand *= max(-d @ n[i], 0) * max(d @ n[j], 0)
    assert pair_quality(around, "load", CONFIG)[i, j] == pytest.approx(by_hand, abs=1e-5)


def test_heat_draws_both_hands(crate: SurfacePoints) -> None:
    low = crate.points_b[:, 2] < -0.05
    pairs = palm_pairs(crate, "carry", heat=np.where(low, 1.0, 0.01), count=2, config=CONFIG)
    assert pairs.points_b[..., 2].max() < -0.05


def test_no_two_hands_on_a_marble() -> None:
    marble = SurfacePoints.of(Shape.of(Primitive("sphere", (0.01,))), count=200)
    with pytest.raises(AssetError, match="two hands find no place for 'carry'"):
        palm_pairs(marble, "carry", config=CONFIG)
