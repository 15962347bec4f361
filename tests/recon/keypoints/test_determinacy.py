"""Which directions are free, and what is said about it; poses are the true ones of hand-made scenes."""

import numpy as np
import pytest

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.keypoints.solver import solve_object_poses
from sim.contact_graph import ContactGraph
from sim.keypoint_names import KEYPOINT_NAMES

FRAMES = 6


def _solved(contacts_b: list, images_b: list, visible: np.ndarray | None = None):
    """An object at rest, unturned, at (0, 0, 1), 4 m before the camera; the first guess is the truth."""
    contacts_b, images_b = np.reshape(contacts_b, (-1, 3)), np.reshape(images_b, (-1, 3))
    camera = Camera.look_at(np.array([4.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]), 1280, 720)
    position, rotation = np.tile([0.0, 0, 1], (FRAMES, 1)), np.tile([1.0, 0, 0, 0], (FRAMES, 1))
    keypoints = np.tile(np.random.default_rng(0).normal(size=(87, 3)) * 0.3 + [0, 0, 1], (FRAMES, 1, 1))
    keypoints[:, : len(contacts_b)] = contacts_b + [0, 0, 1]
    pixels = np.tile(camera.project_world(images_b + [0, 0, 1]), (FRAMES, 1, 1))
    shown = np.ones(pixels.shape[:2], bool) if visible is None else visible
    n = len(contacts_b)
    graph = ContactGraph(KEYPOINT_NAMES[:n], np.zeros(n), contacts_b, np.zeros(n), np.full(n, FRAMES - 1))
    annotations = Annotations(graph, ImagePoints(images_b, pixels, shown, np.arange(len(images_b))))
    return solve_object_poses(annotations, keypoints, camera, initial=(position, rotation))


SQUARE = [[0, -0.2, -0.2], [0, 0.2, -0.2], [0, 0.2, 0.2], [0, -0.2, 0.2]]
NAMES = [f"contact {i} ({KEYPOINT_NAMES[i]})" for i in range(3)]


@pytest.mark.parametrize(
    ("contacts", "images", "rank", "words"),
    [
        ([[0.2, 0, 0]], [], 3, ["every turn about the contact", "two image points"]),
        ([[0, -0.2, 0], [0, 0.2, 0]], [], 5, [f"line through {NAMES[0]} and {NAMES[1]}", "off that line"]),
        ([[0, -0.2, 0], [0, 0.0, 0], [0, 0.2, 0]], [], 5, [f"{NAMES[0]} and {NAMES[1]} and {NAMES[2]}"]),
        ([[0, -0.2, 0], [0, 0.2, 0]], [[0, 0.1, 0]], 5, ["line through", "image point 0 (vertex 0)"]),
        # A point above the line moves towards the camera as the object turns about the line: that does not show.
        (
            [[0, -0.2, 0], [0, 0.2, 0]], [[0, 0.0, 0.2]], 5,
            [f"line through {NAMES[0]} and {NAMES[1]} is free", "image point 0 (vertex 0) only moves along"],
        ),
        # One in front moves up and down.
        ([[0, -0.2, 0], [0, 0.2, 0]], [[0.2, 0.0, 0.0]], 6, []),
        ([[0, -0.2, 0]], [[0, 0.2, 0.1]], 5, [f"line through {NAMES[0]} and image point 0"]),
        ([], [[0, 0.2, 0.1]], 2, ["0 contacts and 1 image point determine 2 of 6", "add 2 image points"]),
        ([], [[0, 0.2, 0.1], [0, -0.2, 0.1]], 4, ["add 1 image point"]),
        ([], SQUARE, 6, []),
        # 2 px of a 40 mm square at 4 m: the distance is known to 4 m * 2 px / (1469 px * 0.04 m / 4 m) / 2 = 0.27 m.
        ([], 0.1 * np.array(SQUARE), None, ["distance from the camera is free"]),
    ],
)  # fmt: skip
def test_rank_and_message(contacts: list, images: list, rank: int | None, words: list[str]) -> None:
    poses = _solved(contacts, images)
    if rank is not None:
        assert poses.rank.tolist() == [rank] * FRAMES
    assert (poses.rank == 6).all() == (not words)
    if rank == 6:
        assert poses.messages == ()
    for word in words if rank is not None else []:
        assert word in poses.messages[0]
        assert poses.messages[0].startswith("frames 0-5: ")


def test_stretches_of_frames_are_told_apart() -> None:
    visible = np.zeros((FRAMES, 1), bool)
    visible[2:4] = True
    poses = _solved([[0, -0.2, 0], [0, 0.2, 0]], [[0.2, 0.0, 0.0]], visible)
    assert poses.rank.tolist() == [5, 5, 6, 6, 5, 5]
    assert len(poses.messages) == 1
    assert poses.messages[0].startswith("frames 0-1, frames 4-5: 2 contacts and 0 image points determine 5 of 6")
