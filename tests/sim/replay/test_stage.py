"""What is drawn: tracks are the motion's own transforms, touching parts follow the graph, meshes are thinned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from sim import rotations
from sim.body.capsules import body_geoms
from sim.errors import MotionError
from sim.geometry import Mesh, Primitive
from sim.motion import Motion
from sim.replay.stage import build_stage, mesh_of
from sim.skeleton import JOINT_INDEX


def test_tracks_are_the_motions_transforms(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    stage = build_stage({"a": motion}, body_geoms(motion.offsets))
    figure, track = stage.figures[0], stage.tracks.index("left_knee")
    np.testing.assert_allclose(figure.position_w[:, track], motion.joint_positions_w[:, JOINT_INDEX["left_knee"]])
    angle = rotations.angle_between(figure.rotation_w[:, track], motion.joint_rotations_w[:, JOINT_INDEX["left_knee"]])
    np.testing.assert_allclose(angle, 0, atol=1e-7)
    np.testing.assert_allclose(figure.position_w[:, stage.tracks.index("box")], motion.objects[0].position_w)
    assert stage.num_body_tracks == len(stage.tracks) - 1


def test_touching_parts_follow_the_graph_and_the_labels(carrying_motion: Callable[..., Motion]) -> None:
    labels = np.zeros((12, 52), np.int8)
    labels[5, JOINT_INDEX["left_index3"]] = 1  # a finger, which mittens draw as one with the others
    labels[6, JOINT_INDEX["head"]] = -1
    motion = carrying_motion(contact_labels=labels, contacts=carrying_motion().contacts.rows(np.array([1])))
    stage = build_stage({"a": motion}, body_geoms(motion.offsets, hands="mitten"))
    touching = stage.figures[0].touching
    np.testing.assert_array_equal(np.flatnonzero(touching[:, stage.tracks.index("right_wrist")]), np.arange(3, 9))
    np.testing.assert_array_equal(np.flatnonzero(touching[:, stage.tracks.index("left_middle1")]), [5])
    assert not touching[:, stage.tracks.index("left_wrist")].any()
    assert not touching[:, stage.tracks.index("head")].any()


def test_a_shorter_simulation_stops_where_it_ended(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    stage = build_stage({"a": motion, "b": motion.slice(0, 7)}, body_geoms(motion.offsets))
    figure = stage.figures[1]
    assert figure.num_frames == 7
    assert len(figure.position_w) == 12
    np.testing.assert_array_equal(
        figure.position_w[6:], np.broadcast_to(figure.position_w[6], figure.position_w[6:].shape)
    )


def test_motions_that_do_not_fit_together_are_refused(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    geoms = body_geoms(motion.offsets)
    with pytest.raises(MotionError, match="same clock"):
        build_stage({"a": motion, "b": motion.resample(60.0)}, geoms)
    with pytest.raises(MotionError, match="other objects"):
        build_stage(
            {"a": motion, "b": carrying_motion(objects=(), contacts=motion.contacts.rows(np.array([], int)))}, geoms
        )
    with pytest.raises(MotionError, match="at least one"):
        build_stage({}, geoms)


def test_shapes_have_outward_unit_normals_on_their_joint(carrying_motion: Callable[..., Motion]) -> None:
    motion = carrying_motion()
    stage = build_stage({"a": motion}, body_geoms(motion.offsets))
    for shape in stage.shapes:
        np.testing.assert_allclose(np.linalg.norm(shape.normals, axis=1), 1, atol=1e-6)
        outward = ((shape.vertices - shape.vertices.mean(0)) * shape.normals).sum(1)
        assert (outward > 0).all()  # every shape here is convex
    # sharp edges: the box has its 8 corners three times, each with the normal of one face
    box = stage.shapes[-1]
    assert box.vertices.shape == (24, 3)
    np.testing.assert_allclose(np.abs(box.normals).max(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("primitive", "extents"),
    [
        (Primitive("sphere", (0.1,)), (0.2, 0.2, 0.2)),
        (Primitive("box", (0.1, 0.2, 0.3)), (0.1, 0.2, 0.3)),
        (Primitive("cylinder", (0.1, 0.5)), (0.2, 0.2, 0.5)),
        (Primitive("capsule", (0.1, 0.5)), (0.2, 0.2, 0.7)),
    ],
)
def test_primitives_are_drawn_in_their_size(primitive: Primitive, extents: tuple[float, ...]) -> None:
    mesh = mesh_of(primitive)
    np.testing.assert_allclose(mesh.extents, extents, atol=2e-3)
    np.testing.assert_allclose(mesh.bounds.mean(0), 0, atol=2e-3)


def test_dense_meshes_are_thinned_and_keep_their_shape() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    thin = mesh_of(Mesh(ball.vertices, ball.faces), max_vertices=1500)
    assert 300 < len(thin.vertices) <= 1500
    assert thin.area == pytest.approx(ball.area, rel=0.03)
    assert np.abs(np.linalg.norm(thin.vertices, axis=1) - 0.5).max() < 0.01
    same = mesh_of(Mesh(ball.vertices, ball.faces), max_vertices=len(ball.vertices))
    np.testing.assert_array_equal(same.vertices, ball.vertices)
