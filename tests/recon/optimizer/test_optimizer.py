"""A carried box, put wrong on purpose: contact, collision and masks bring it back, and nothing else moves."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.optimizer.chains import chain_joints
from recon.optimizer.config import LossWeights, OptimizerConfig
from recon.optimizer.mask_term import Masks, MaskTerm
from recon.optimizer.optimizer import optimize
from recon.optimizer.silhouette import fill, outline_renderer
from sim import primitives, rotations
from sim.body.skin import LinearBlendSkin, load_skin
from sim.contacts import graph_distances, object_points_w
from sim.errors import MissingDependencyError, ReconstructionError
from sim.metrics import contact_distance
from sim.motion import Motion
from sim.skeleton import NUM_JOINTS

MotionMaker = Callable[..., Motion]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _carrying(carrying_motion: MotionMaker, frames: int = 25) -> Motion:
    """Holds still with bent arms while walking; the annotated points lie 5 % inside of where the palms are."""
    motion = carrying_motion(frames=frames)
    motion = motion.replace(joint_rotations_b=np.tile(motion.joint_rotations_b[1], (frames, 1, 1)))
    palms = [_palm(motion, side) for side in ("left", "right")]
    item = dataclasses.replace(motion.objects[0], position_w=0.5 * (palms[0] + palms[1]))
    points = [np.median(rotations.rotate_inverse(item.rotation_w, p - item.position_w), 0) for p in palms]
    graph = dataclasses.replace(motion.contacts, points_b=np.array(points) * 0.95)
    return motion.replace(objects=(item,), contacts=graph)


def _palm(motion: Motion, side: str) -> np.ndarray:
    from sim.keypoints import KEYPOINT_INDEX, keypoint_offsets, keypoint_positions

    keypoints = keypoint_positions(motion.joint_positions_w, motion.joint_rotations_w, keypoint_offsets(motion.offsets))
    return np.asarray(keypoints[:, KEYPOINT_INDEX[f"{side}Hand_palm"]])


def _annotations(motion: Motion, **changes: Any) -> Annotations:
    return Annotations(motion.contacts, ImagePoints.empty(motion.num_frames), **changes)


def _camera(motion: Motion) -> Camera:
    middle = motion.root_position_w.mean(0)
    return Camera.look_at(middle + np.array([3.0, 1.0, 0.3]), middle, 320, 240)


def _skin(motion: Motion) -> LinearBlendSkin:
    skin = load_skin("capsules", motion)
    assert isinstance(skin, LinearBlendSkin)
    return skin


QUICK = OptimizerConfig(skin="capsules", stride=6, iterations=20, object_points=200, weights=LossWeights(collision=0.0))


def test_contact_closes_and_nothing_off_the_chains_moves(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    done = optimize(motion, _annotations(motion), config=QUICK)
    assert done.report.contact_before_mm > 8.0
    assert done.report.contact_after_mm < 0.4 * done.report.contact_before_mm
    assert contact_distance(graph_distances(done.motion)) == done.report.contact_after_mm
    still = [j for j in range(NUM_JOINTS) if j not in chain_joints(motion.contacts.keypoints)]
    np.testing.assert_array_equal(done.motion.joint_rotations_b[:, still], motion.joint_rotations_b[:, still])
    np.testing.assert_array_equal(done.motion.root_position_w, motion.root_position_w)
    assert done.report.terms["contact"][-1] < 0.2 * done.report.terms["contact"][0]


def test_the_object_stays_where_it_may_not_move(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    done = optimize(motion, _annotations(motion), config=dataclasses.replace(QUICK, move_object=False))
    np.testing.assert_array_equal(done.motion.objects[0].position_w, motion.objects[0].position_w)
    np.testing.assert_array_equal(done.motion.objects[0].rotation_w, motion.objects[0].rotation_w)


def test_a_static_object_has_one_pose(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    item = optimize(motion, _annotations(motion, is_static=True), config=QUICK).motion.objects[0]
    assert item.is_static
    np.testing.assert_allclose(item.position_w, np.tile(item.position_w[0], (motion.num_frames, 1)), atol=1e-7)
    np.testing.assert_allclose(rotations.angle_between(item.rotation_w[1:], item.rotation_w[:-1]), 0.0, atol=1e-6)


def test_what_rests_is_not_moved_by_pixels_that_wander(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    camera, item = _camera(motion), motion.objects[0]
    points = np.array([[0.15, 0.2, 0.1], [-0.15, 0.2, 0.1], [0.15, -0.2, 0.1], [0.15, 0.2, -0.1]])
    pixels = camera.project_world(item.position_w[:, None] + rotations.rotate(item.rotation_w[:, None], points[None]))
    pixels = pixels + 4.0 * np.random.default_rng(0).normal(size=(motion.num_frames, 1, 1))
    clicked = ImagePoints(points, pixels, np.ones(pixels.shape[:2], bool), np.full(4, -1))
    annotations = Annotations(motion.contacts.cut(0, 8), clicked)
    config = dataclasses.replace(QUICK, stride=3)

    def moved(rest: np.ndarray | None) -> np.ndarray:
        done = optimize(motion, annotations, camera, config=config, rest=rest).motion.objects[0]
        assert rotations.angle_between(done.rotation_w, item.rotation_w).max() > 1e-4
        return np.asarray(done.position_w - item.position_w)

    free, resting = moved(None), moved(np.array([[7, 22]]))  # no key frames of their own
    assert np.ptp(free[7:23], axis=0).max() > 5e-3
    assert np.abs(resting[7:23]).max() < 1e-6
    assert np.ptp(resting[:8], axis=0).max() > 1e-3
    assert np.ptp(resting[22:], axis=0).max() > 1e-3


def test_collision_pushes_out(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    item = motion.objects[0]
    wide = primitives.Primitive("box", (0.1, 2 * float(np.abs(motion.contacts.points_b[:, 1]).max()) + 0.01, 0.1))
    motion = motion.replace(objects=(dataclasses.replace(item, geometry=wide),))
    weights = LossWeights(contact=0.0, collision=0.1)
    config = dataclasses.replace(QUICK, weights=weights, iterations=30)
    report = optimize(motion, _annotations(motion), config=config).report
    assert report.inside_before > 0.2
    assert report.inside_after < 0.3 * report.inside_before
    assert report.terms["object in human"][-1] < report.terms["object in human"][0]


def _drawn(motion: Motion, camera: Camera) -> Masks:
    mesh, item = primitives.to_trimesh(motion.objects[0].geometry), motion.objects[0]
    corners = np.asarray(mesh.vertices)
    box = item.position_w[:, None] + rotations.rotate(item.rotation_w[:, None], corners[None])
    body, skin = _skin(motion).vertices(motion.joint_rotations_b, motion.root_position_w), _skin(motion)
    shots = [
        fill(
            torch.as_tensor(camera.project_world(p)), torch.as_tensor(np.array(f)), camera.height, camera.width
        ).numpy()
        for p, f in ((body, skin.faces), (box, np.asarray(mesh.faces)))
    ]
    return Masks(shots[0] & ~shots[1], shots[1])


def test_masks_bring_the_object_back(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    camera, masks = _camera(motion), _drawn(motion, _camera(motion))
    item = motion.objects[0]
    off = dataclasses.replace(item, position_w=item.position_w + np.array([0.0, 0.03, -0.03]))
    weights = LossWeights(contact=0.0, collision=0.0, mask=5.0)
    config = dataclasses.replace(QUICK, weights=weights, stride=12, iterations=30)
    done = optimize(motion.replace(objects=(off,)), _annotations(motion), camera, masks, config)
    across = rotations.rotate_inverse(camera.rotation_w, done.motion.objects[0].position_w - item.position_w)[:, :2]
    assert np.linalg.norm(across, axis=-1).mean() < 0.025  # it was 42 mm off across the line of sight; a pixel is 35 mm


def test_image_points_hold_the_object(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    camera, item = _camera(motion), motion.objects[0]
    points = np.array([[0.15, 0.2, 0.1], [-0.15, 0.2, 0.1], [0.15, -0.2, 0.1], [0.15, 0.2, -0.1]])
    points_w = item.position_w[:, None] + rotations.rotate(item.rotation_w[:, None], points[None])
    visible = np.ones((motion.num_frames, 4), bool)
    clicked = ImagePoints(points, camera.project_world(points_w), visible, np.full(4, -1))
    off = dataclasses.replace(item, position_w=item.position_w + np.array([0.0, 0.03, 0.0]))
    config = dataclasses.replace(QUICK, weights=LossWeights(contact=0.0, collision=0.0))
    done = optimize(motion.replace(objects=(off,)), Annotations(motion.contacts, clicked), camera, None, config)
    assert np.abs(done.motion.objects[0].position_w - item.position_w)[:, 1].mean() < 0.01


def test_gradient_of_the_mask_term_by_finite_differences(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    camera, masks, skin = _camera(motion), _drawn(motion, _camera(motion)), _skin(motion)
    frames, item = np.array([0, 8]), motion.objects[0]
    body = torch.as_tensor(skin.vertices(motion.joint_rotations_b[frames], motion.root_position_w[frames]))
    position, turn = (torch.as_tensor(a[frames].copy()) for a in (item.position_w, item.rotation_w))
    term = MaskTerm.of(
        masks, camera, frames, torch.as_tensor(np.array(skin.faces)), item.geometry, 500, 80, outline_renderer,
        body, position, turn,
    )  # fmt: skip

    # the box to the fourth digit; where capsules overlap, parts of outlines come and go, which small steps would see
    for moved, step_m, tolerance in (("object", 1e-5, 1e-3), ("human", 4e-3, 0.15)):
        weights = LossWeights(**{f"mask_{other}": float(other == moved) for other in ("human", "object")})

        def loss(shift: torch.Tensor, weights: LossWeights = weights) -> torch.Tensor:
            return torch.stack(list(term(body + shift, position - shift, turn, weights).values())).sum()

        shift = torch.full((3,), 0.013, dtype=torch.float64)
        gradient = torch.autograd.functional.jacobian(loss, shift)
        steps = step_m * torch.eye(3, dtype=torch.float64)
        slopes = torch.stack([(loss(shift + step) - loss(shift - step)) / (2 * step_m) for step in steps])
        assert float((gradient - slopes).norm()) < tolerance * float(slopes.norm())


def test_what_does_not_fit_is_refused(carrying_motion: MotionMaker) -> None:
    motion = _carrying(carrying_motion)
    short = _annotations(motion.slice(0, 24))
    with pytest.raises(ReconstructionError, match="annotations have 24 frames"):
        optimize(motion, short, config=QUICK)
    masks = Masks(*np.zeros((2, motion.num_frames, 4, 4), bool))
    with pytest.raises(ReconstructionError, match="4 x 4 pixels"):
        optimize(motion, _annotations(motion), _camera(motion), masks, QUICK)
    with pytest.raises(ReconstructionError, match="alike"):
        Masks(np.zeros((5, 4, 4), bool), np.zeros((5, 4, 3), bool))
    with pytest.raises(ReconstructionError, match="camera"):
        optimize(motion, _annotations(motion), None, masks, QUICK)
    with pytest.raises(ReconstructionError, match="the motion has 0"):
        optimize(motion.replace(objects=(), contacts=type(motion.contacts)()), _annotations(motion), config=QUICK)
    with pytest.raises(ReconstructionError, match="stride is 0"):
        OptimizerConfig(stride=0)
    with pytest.raises(ReconstructionError, match="'smplx', expected anny or capsules"):
        OptimizerConfig(skin="smplx")  # type: ignore[arg-type]


def test_the_renderer_is_the_configs(carrying_motion: MotionMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    motion = _carrying(carrying_motion)
    with pytest.raises(MissingDependencyError, match="nvdiffrast"):
        optimize(motion, _annotations(motion), config=dataclasses.replace(QUICK, renderer="nvdiffrast"))
    with pytest.raises(ReconstructionError, match="'pytorch3d', expected outline or nvdiffrast"):
        OptimizerConfig(renderer="pytorch3d")  # type: ignore[arg-type]


def test_points_move_with_the_object(carrying_motion: MotionMaker) -> None:
    """The contact distance is measured where the annotated points are, whatever the object's mesh has as origin."""
    motion = _carrying(carrying_motion)
    done = optimize(motion, _annotations(motion), config=QUICK).motion
    expected = done.objects[0].position_w[:, None] + rotations.rotate(
        done.objects[0].rotation_w[:, None], motion.contacts.points_b[None]
    )
    np.testing.assert_allclose(object_points_w(done), expected, atol=1e-12)
