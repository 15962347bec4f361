"""Where the parts of a body go of somebody who lies, rides, or sits on what is deep."""

from __future__ import annotations

from typing import cast, get_args

import numpy as np
import pytest

from generate.affordance import AffordanceConfig, SurfacePoints, affordance
from generate.affordance.config import Manner
from generate.language.lexicon import Purpose
from generate.objects.kinds import object_for
from generate.plan import BodyPart, Region
from sim.geometry import Primitive
from sim.objects import Shape

CONFIG = AffordanceConfig(points=1500)


def block(x: float, y: float, z: float) -> SurfacePoints:
    return SurfacePoints.of(Shape.of(Primitive("box", (x, y, z))), count=CONFIG.points)


def middle(
    surface: SurfacePoints, action: str, part: BodyPart, region: Region, *, facing: tuple[float, float],
    away: bool = True, purpose: Purpose = "settle",
) -> np.ndarray:  # fmt: skip
    """[3] m, mean of the places by their probability."""
    found = affordance(
        surface, action, part, region, facing_b=np.array([*facing, 0.0]), faces_away=away, purpose=purpose,
        manner=cast(Manner, action) if action in get_args(Manner) else None, config=CONFIG,
    )  # fmt: skip
    place: np.ndarray = found.probability @ found.points_b
    return place


def test_who_lies_on_a_bed_has_head_back_and_hips_in_a_row_from_its_far_end() -> None:
    bed = block(2.0, 1.4, 0.5)
    found = np.array([middle(bed, "lie", part, "top", facing=(-1.0, 0.0)) for part in ("head", "back", "hips")])
    np.testing.assert_allclose(found[:, 0], [-0.8, -0.4, -0.05], atol=0.06)  # the far end is x = -1 m
    np.testing.assert_allclose(found[:, 1], 0.0, atol=0.06)
    np.testing.assert_allclose(found[:, 2], 0.25, atol=0.02)


def test_on_a_thin_mat_one_lies_as_on_a_bed() -> None:
    mat = block(0.7, 1.8, 0.02)
    back, hips = (middle(mat, "lie", part, "top", facing=(0.0, 1.0)) for part in ("back", "hips"))
    np.testing.assert_allclose([back[1], hips[1]], [0.3, -0.05], atol=0.06)


def test_what_is_longer_across_is_lain_on_across() -> None:
    sofa = block(0.8, 2.0, 0.45)
    head, hips = (middle(sofa, "lie", part, "top", facing=(-1.0, 0.0)) for part in ("head", "hips"))
    np.testing.assert_allclose([head[1], hips[1]], [-0.8, -0.05], atol=0.06)  # left of the way from the front is -y
    np.testing.assert_allclose([head[0], hips[0]], 0.0, atol=0.06)


@pytest.mark.parametrize("region", ["top", "edges"])
def test_one_sits_on_the_near_edge_of_a_bed(region: Region) -> None:
    bed = block(2.0, 1.4, 0.5)
    hips = middle(bed, "sit", "hips", region, facing=(0.0, 1.0))
    assert -0.65 < hips[1] < -0.4  # the near edge is y = -0.7 m
    assert abs(hips[2] - 0.25) < 0.02


def test_before_one_lies_down_on_a_sofa_one_sits_on_its_seat_not_on_its_back() -> None:
    sofa = SurfacePoints.of(Shape.of(object_for("sofa")), count=CONFIG.points)
    hips = middle(sofa, "sit", "hips", "edges", facing=(-1.0, 0.0))
    assert abs(hips[2] - sofa.shape.bounds[0, 2] - 0.45) < 0.05


def test_a_seat_that_is_no_deeper_than_seats_are_is_sat_on_in_its_middle(chair: Shape) -> None:
    seat = SurfacePoints.of(chair, count=CONFIG.points)
    found = affordance(seat, "sit", "hips", "seat", facing_b=np.array([-1.0, 0.0, 0.0]), faces_away=True, config=CONFIG)
    assert "placed" not in found.terms


@pytest.mark.parametrize("name", ["bicycle", "motorcycle"])
def test_riders_have_hands_on_the_bars_and_feet_low_on_their_own_sides(name: str) -> None:
    shape = Shape.of(object_for(name))
    surface = SurfacePoints.of(shape, count=CONFIG.points)
    low, high = shape.bounds[:, 2]
    ahead = (1.0, 0.0)
    hands = [middle(surface, "ride", part, "handle", facing=ahead, away=False) for part in ("left_hand", "right_hand")]
    feet = [
        middle(surface, "ride", part, "any", facing=ahead, away=False, purpose="tread")
        for part in ("left_foot", "right_foot")
    ]
    assert all(high - hand[2] < 0.12 for hand in hands)
    np.testing.assert_allclose([foot[2] - low for foot in feet], 0.31, atol=0.06)
    assert all(left[1] > 0.05 and right[1] < -0.05 for left, right in (hands, feet))
    hips = middle(surface, "ride", "hips", "seat", facing=ahead, away=False)
    assert 0.75 < hips[2] - low < 0.95  # the saddle, not a pedal
    assert abs(hips[1]) < 0.03


@pytest.mark.parametrize(("name", "region"), [("skateboard", "top"), ("scooter", "any")])
def test_on_a_deck_one_foot_is_ahead_of_the_other(name: str, region: Region) -> None:
    surface = SurfacePoints.of(Shape.of(object_for(name)), count=CONFIG.points)
    left, right = (
        middle(surface, "ride", part, region, facing=(1.0, 0.0), away=False, purpose="tread")
        for part in ("left_foot", "right_foot")
    )
    assert left[0] - right[0] > 0.15
    np.testing.assert_allclose([left[1], right[1]], 0.0, atol=0.03)
    low = surface.shape.bounds[0, 2]
    assert max(left[2], right[2]) - low < 0.13  # the deck's height, not the bar's


def test_one_leans_on_the_near_edge_with_hands_a_shoulders_breadth_apart() -> None:
    table = block(0.8, 1.4, 0.7)
    left, right = (
        middle(table, "lean", part, "top", facing=(1.0, 0.0), away=False) for part in ("left_hand", "right_hand")
    )
    np.testing.assert_allclose([left[0], right[0]], -0.3, atol=0.04)  # a tenth of a metre from the edge at -0.4
    np.testing.assert_allclose([left[1], right[1]], [0.22, -0.22], atol=0.04)
    np.testing.assert_allclose([left[2], right[2]], 0.35, atol=0.02)


def test_a_long_handle_is_held_at_the_elbows_and_a_short_one_where_it_is() -> None:
    broom = SurfacePoints.of(Shape.of(object_for("broom")), count=CONFIG.points)
    hand = middle(broom, "sweep", "right_hand", "handle", facing=(1.0, 0.0), away=False, purpose="load")
    lowest = float(broom.points_b[:, 2].min())
    assert abs(hand[2] - lowest - CONFIG.elbows) < 0.1
    suitcase = SurfacePoints.of(Shape.of(object_for("suitcase")), count=CONFIG.points)
    hand = middle(suitcase, "lift", "right_hand", "handle", facing=(1.0, 0.0), away=False, purpose="load")
    assert suitcase.points_b[:, 2].max() - hand[2] < 0.1
