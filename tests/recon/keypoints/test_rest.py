"""Rest, against boxes and balls whose way is known: pixels wander, and leave the distance open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.keypoints.motion_prior import MotionPrior
from recon.keypoints.observations import Observations
from recon.keypoints.rest import rest_intervals, resting
from recon.keypoints.solver import KeypointSolverConfig, ObjectPoses, solve_object_poses
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.geometry import Primitive
from sim.keypoint_names import KEYPOINT_NAMES
from sim.objects import Shape

FPS = 30.0
BOX = np.array([0.4, 0.3, 0.2])
CORNERS = BOX * (np.array([[0, 0, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]]) - 0.5)
TOUCHED = BOX * (np.array([[0, 0.5, 0.3], [1, 0.5, 0.6], [0, 0.2, 0.6], [1, 0.8, 0.4]]) - 0.5)
ORDINARY = KeypointSolverConfig(prior=MotionPrior(rest_speed=None))


class Scene:
    """An object on a given way [T, 3], touched in the first `held` frames; pixels wander by about 2 px."""

    def __init__(self, way: np.ndarray, held: int, points_b: np.ndarray = CORNERS, noise: float = 2.0) -> None:
        rng = np.random.default_rng(1)
        frames = len(way)
        self.way, self.turn = way, np.tile([1.0, 0, 0, 0], (frames, 1))
        self.camera = Camera.look_at(np.array([3.5, -2.0, 1.6]), way.mean(0), 1280, 720)
        self.keypoints = way[:, None] + rng.normal(size=(87, 3))
        self.keypoints[:, : len(TOUCHED)] = way[:, None] + TOUCHED + 0.005 * rng.normal(size=(frames, len(TOUCHED), 3))
        pixels = self.camera.project_world(way[:, None] + points_b)
        phase = 2 * np.pi * (0.7 * np.arange(frames)[:, None, None] / FPS + rng.random((len(points_b), 2)))
        self.pixels = pixels + noise * np.sqrt(2) * np.sin(phase)
        graph = ContactGraph(KEYPOINT_NAMES[:4], np.zeros(4), TOUCHED, np.zeros(4), np.full(4, held - 1))
        graph = graph if held else ContactGraph()
        self.seen = np.ones(pixels.shape[:2], bool)
        image = ImagePoints(points_b, self.pixels, self.seen, np.full(len(points_b), -1))
        self.annotations = Annotations(graph, image, contact_vertices=np.full(len(graph), -1))

    @property
    def observations(self) -> Observations:
        return Observations.of(self.annotations, self.keypoints, self.camera, 0.01, 2.0)

    def solve(self, config: KeypointSolverConfig | None = None, **options: Primitive) -> ObjectPoses:
        return solve_object_poses(self.annotations, self.keypoints, self.camera, config, fps=FPS, **options)

    def errors(self, poses: ObjectPoses) -> np.ndarray:
        """m per frame."""
        distance: np.ndarray = np.linalg.norm(poses.position_w - self.way, axis=-1)
        return distance


def put_down(frames: int = 90, held: int = 40, resting_from: int = 34) -> np.ndarray:
    """Carried a metre aside and down, at rest from a frame on."""
    share = np.clip(np.arange(frames) / resting_from, 0, 1)
    return np.stack([0.2 + 0 * share, share, 0.1 + 0.9 * (1 + np.cos(np.pi * share)) / 2], -1)


def thrown(frames: int = 60, height: float = 1.0) -> np.ndarray:
    clock = np.arange(frames) / FPS - frames / FPS / 2
    return np.stack([0.1 * clock, 0.05 * clock, height + 4.905 * ((frames / FPS / 2) ** 2 - clock**2)], -1)


def test_a_box_put_down_stays_where_it_is() -> None:
    scene = Scene(put_down(), 40, 0.6 * CORNERS, noise=4.0)
    before, after = scene.errors(scene.solve(ORDINARY)), scene.errors(scene.solve())
    assert before[40:].mean() > 0.06  # along the ray, or there would be nothing to do
    assert after[40:].mean() < 0.02
    assert after[:40].mean() < before[:40].mean() + 0.001
    assert np.ptp(scene.solve().position_w[45:], axis=0).max() < 0.01


def test_shares_of_a_box_put_down() -> None:
    rest = resting(Scene(put_down(), 40).observations, 2.0, FPS)
    assert (rest[:39] == 0).all()
    assert (rest[41:] == 1).all()


def test_intervals_by_hand() -> None:
    shares = np.array([0.0, 1.0, 0.9, 0.6, 0.4, 0.6, 0.2, 1.0, 1.0])  # step t leads from frame t to t + 1
    assert rest_intervals(shares, fps=10.0).tolist() == [[1, 4], [7, 9]]  # the one step of 0.6 is too short
    assert rest_intervals(shares, fps=5.0).tolist() == [[1, 4], [5, 6], [7, 9]]
    assert rest_intervals(np.zeros(9), 4.0).shape == rest_intervals(np.zeros(0), 4.0).shape == (0, 2)


def test_the_solver_says_when_the_object_rests() -> None:
    scene = Scene(put_down(), 40)
    [[first, last]] = scene.solve().rest.tolist()
    assert first in range(38, 43)
    assert last == 89
    assert not len(scene.solve(ORDINARY).rest)
    scene.annotations = replace(scene.annotations, is_static=True)
    assert not len(scene.solve().rest)


def test_what_its_pixels_show_to_move_is_not_at_rest() -> None:
    way = put_down()
    way[55:] += [0, 1, 0] * (0.3 * np.arange(35) / FPS)[:, None]  # pushed on by something that nobody annotated
    scene = Scene(way, 40)
    assert (resting(scene.observations, 2.0, FPS)[58:] == 0).all()
    before, after = (scene.errors(scene.solve(config))[55:].mean() for config in (ORDINARY, None))
    assert after < before  # what it knows of the rest before helps, and nothing holds it back


def test_slow_motion_that_looks_like_rest_still_follows_its_pixels() -> None:
    way = put_down()
    way[45:, 1] += 0.04 * np.arange(45) / FPS
    scene = Scene(way, 40)
    assert scene.errors(scene.solve())[-1] < 0.04


def test_rest_ends_softly_before_a_contact_that_is_annotated_late() -> None:
    way = put_down()[::-1].copy()  # picked up: moves from frame 55, touched (they say) from 65 on
    scene = Scene(way, 40)
    late = ContactGraph(KEYPOINT_NAMES[:4], np.zeros(4), TOUCHED, np.full(4, 65), np.full(4, 89))
    scene.annotations = replace(scene.annotations, contacts=late)
    rest = resting(scene.observations, 2.0, FPS)
    assert (rest[:48] == 1).all()
    assert (rest[62:] == 0).all()
    assert scene.errors(scene.solve())[:55].mean() < 0.03


def test_unseen_frames_are_as_still_as_those_around_them() -> None:
    scene = Scene(put_down(), 40)
    scene.seen[60:70] = False
    scene.annotations = replace(
        scene.annotations, image_points=replace(scene.annotations.image_points, visible=scene.seen)
    )
    assert (resting(scene.observations, 2.0, FPS)[50:80] == 1).all()


def test_under_a_moving_camera_nothing_is_said() -> None:
    scene = Scene(put_down(), 40)
    turning = Camera.look_at(np.tile([3.5, -2.0, 1.6], (90, 1)), scene.way, 1280, 720)
    assert turning.num_frames == 90
    assert not resting(replace(scene.observations, camera=turning), 2.0, FPS).any()


def test_a_thrown_ball_is_not_frozen_at_the_top_of_its_flight() -> None:
    ball = Primitive("sphere", (0.12,))
    points = 0.12 * rotations.normalize(np.random.default_rng(0).normal(size=(5, 3)))
    scene = Scene(thrown(), 0, points, noise=1.0)
    slow = replace(scene.camera, intrinsics=scene.camera.intrinsics * np.array([[0.2], [0.2], [1.0]]))  # far away
    scene.pixels = slow.project_world(scene.way[:, None] + points)
    far = replace(scene.observations, camera=slow, pixels=scene.pixels)
    assert resting(far, 2.0, FPS).max() > 0.5  # so it would be
    assert not resting(far, 2.0, FPS, ball=True).any()
    height = scene.solve(geometry=ball).position_w[:, 2]
    assert height.argmax() in range(26, 34)
    assert np.isclose(np.ptp(height), np.ptp(scene.way[:, 2]), rtol=0.1)


def test_a_ball_on_the_floor_is_at_rest() -> None:
    scene = Scene(np.tile([0.0, 0.0, 0.12], (60, 1)), 0, noise=1.0)
    assert (resting(scene.observations, 2.0, FPS, ball=True) == 1).all()


def test_a_box_put_down_on_the_floor_stands_on_it() -> None:
    scene, box = Scene(put_down(), 40), Primitive("box", (0.4, 0.3, 0.2))
    scene.keypoints[:, :4] += 0.1 * rotations.normalize(scene.way.mean(0) - scene.camera.position_w)  # a body too far
    without = scene.solve(KeypointSolverConfig(prior=MotionPrior(floor=None)), geometry=box)
    poses = scene.solve(geometry=box)
    lowest = [Shape.of(box).lowest_height(p.position_w, p.rotation_w)[45:] for p in (without, poses)]
    assert lowest[0].mean() < -0.02
    assert np.abs(lowest[1]).max() < 0.01
    assert scene.errors(poses)[45:].mean() < 0.6 * scene.errors(without)[45:].mean()


def test_on_a_table_the_floor_says_nothing() -> None:
    scene, box = Scene(put_down() + [0.0, 0.0, 0.7], 40), Primitive("box", (0.4, 0.3, 0.2))
    without = scene.solve(KeypointSolverConfig(prior=MotionPrior(floor=None)), geometry=box)
    np.testing.assert_array_equal(scene.solve(geometry=box).position_w, without.position_w)
