"""The object's way through the phases: by hand, on arcs, and in flight."""

from __future__ import annotations

import numpy as np
import pytest

from generate.affordance import SurfacePoints
from generate.gait import GRAVITY
from generate.object_path import along_arc, object_path, planar_path, turn_matrix
from generate.plan import InteractionPlan, Phase, PlannedContact
from sim import rotations
from sim.geometry import Primitive
from sim.objects import Shape

BOX = SurfacePoints.of(Shape.of(Primitive("box", (0.4, 0.6, 0.2))), count=50)
FORWARD = np.array([0.0, 1.0])
HANDS = (PlannedContact("left_hand", first=0, last=2),)


def plan(*phases: Phase, height_m: float = 0.0) -> InteractionPlan:
    held = (PlannedContact("left_hand", first=0, last=len(phases) - 1),)
    return InteractionPlan("", "lift", "box", held, phases, height_m=height_m)


def test_moves_add_up_in_the_frame_of_who_faces_the_object() -> None:
    moves = plan(Phase("move", 1.0, forward=1.0, upward=0.5), Phase("move", 1.0, leftward=0.25))
    position, rotation = object_path(
        moves, BOX, FORWARD, np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 1.0]]), np.array([1.0, 1.0])
    )
    np.testing.assert_allclose(position, [[0, 0, 0.1], [0, 0.5, 0.35], [-0.25, 1.0, 0.6]], atol=1e-9)
    np.testing.assert_allclose(rotation, np.tile([1.0, 0, 0, 0], (3, 1)), atol=1e-12)


def test_what_turns_with_a_person_goes_around_them() -> None:
    """A quarter turn about a pole one metre before the object: every point of the way is a metre off it."""
    done = np.linspace(0.0, 1.0, 7)
    way = along_arc(np.array([-1.0, 1.0]), 0.5 * np.pi, done)
    pole = np.array([-1.0, 0.0])
    np.testing.assert_allclose(np.linalg.norm(way - pole, axis=1), 1.0)
    np.testing.assert_allclose(way[[0, -1]], [[0, 0], [-1, 1]], atol=1e-12)
    np.testing.assert_allclose(along_arc(np.array([1.0, 0.0]), 0.0, done)[:, 0], done)
    np.testing.assert_allclose(
        along_arc(np.array([1.0, 0.0]), 2 * np.pi, done)[:, 0], done, err_msg="no pole: straight"
    )


def test_a_whole_turn_is_not_lost() -> None:
    spin = plan(Phase("move", 1.0, turn=2 * np.pi))
    _, rotation = object_path(spin, BOX, FORWARD, np.array([[0.25], [0.5]]), np.array([1.0]))
    np.testing.assert_allclose(rotations.rotate(rotation, np.array([1.0, 0, 0])), [[0, 1, 0], [-1, 0, 0]], atol=1e-9)
    assert planar_path(spin.phases, FORWARD, np.array([[0.5]]))[1][0] == pytest.approx(np.pi)


def test_what_is_tilted_on_the_floor_stays_on_it() -> None:
    tilt = plan(Phase("move", 1.0, tilt=0.5 * np.pi))
    done = np.linspace(0.0, 1.0, 5)[:, None]
    position, rotation = object_path(tilt, BOX, np.array([1.0, 0.0]), done, np.array([1.0]))
    np.testing.assert_allclose(BOX.shape.lowest_height(position, rotation), 0.0, atol=1e-9)
    np.testing.assert_allclose(position[-1, 2], 0.2, atol=1e-9, err_msg="it stands on its edge of 0.4 m")
    np.testing.assert_allclose(rotations.rotate(rotation[-1], np.array([0.0, 0, 1])), [1, 0, 0], atol=1e-9)


def test_a_tilt_is_away_from_a_person_who_has_gone_round_with_the_object() -> None:
    """A quarter turn to the left, then a tilt by 0.3: they face -x by then, and the top leans there."""
    both = plan(Phase("move", 1.0, turn=0.5 * np.pi), Phase("move", 1.0, tilt=0.3), height_m=0.5)
    _, rotation = object_path(both, BOX, FORWARD, np.array([[1.0, 1.0]]), np.array([1.0, 1.0]))
    up = rotations.rotate(rotation[0], np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(up, [-np.sin(0.3), 0.0, np.cos(0.3)], atol=1e-9)


def test_height_is_that_of_the_underside_however_it_is_turned() -> None:
    raised = plan(Phase("move", 1.0, upward=0.4, tilt=0.7), height_m=0.3)
    done = np.linspace(0.0, 1.0, 6)[:, None]
    position, rotation = object_path(raised, BOX, FORWARD, done, np.array([1.0]))
    np.testing.assert_allclose(BOX.shape.lowest_height(position, rotation), 0.3 + 0.4 * done[:, 0], atol=1e-9)


def test_flight_falls_with_gravity() -> None:
    times = np.arange(31) / 30.0
    throw = InteractionPlan(
        "", "throw", "ball", HANDS[:0], (Phase("move", 1.0, forward=3.0, ballistic=True),), height_m=1
    )
    position, _ = object_path(throw, BOX, np.array([1.0, 0.0]), times[:, None], np.array([1.0]))
    acceleration = np.diff(position, 2, axis=0) * 30.0**2
    np.testing.assert_allclose(acceleration, np.tile([0.0, 0.0, -GRAVITY], (29, 1)), atol=1e-6)


def test_turn_matrix_turns_left() -> None:
    np.testing.assert_allclose(turn_matrix(np.array([0.5 * np.pi]))[0] @ [1.0, 0.0], [0.0, 1.0], atol=1e-12)
