"""Contacts with hand-known answers, invariances, and agreement with the data set's own labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim import contacts, rotations, skeleton
from sim.contact_graph import ContactGraph
from sim.contacts import extract_contacts, graph_distances, labels_from_graph, object_points_w
from sim.formats import import_motion
from sim.geometry import Primitive
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets, keypoint_positions
from sim.motion import Motion, MotionObject
from sim.objects import Shape, load_geometry

FPS = 30.0
CUBE = Primitive("box", (0.4, 0.4, 0.4))
IDENTITY = np.array([1.0, 0, 0, 0])


def offsets() -> np.ndarray:
    """Bones of a plain adult: enough for keypoints to lie where a body has them."""
    bones = {
        "hip": (0, 0.07, -0.09), "knee": (0, 0.03, -0.38), "ankle": (-0.03, 0, -0.40), "foot": (0.13, 0.03, -0.06),
        "spine1": (-0.02, 0, 0.11), "spine2": (0, 0, 0.13), "spine3": (0, 0, 0.05), "neck": (0, 0, 0.21),
        "head": (0.05, 0, 0.08), "collar": (0, 0.08, 0.11), "shoulder": (0, 0.09, 0.03), "elbow": (0, 0.26, 0),
        "wrist": (0, 0.25, 0), "index1": (0.02, 0.09, 0), "middle1": (0, 0.09, 0), "ring1": (-0.02, 0.09, 0),
        "pinky1": (-0.04, 0.08, 0), "thumb1": (0.03, 0.03, 0),
    }  # fmt: skip
    rows = []
    for name in skeleton.JOINT_NAMES:
        side, _, part = name.rpartition("_")
        bone = np.array(bones.get(part, (0, 0.03, 0)), float)
        rows.append(bone * [1, -1 if side == "right" else 1, 1])
    rows[0] = np.zeros(3)
    return np.array(rows)


def walker(frames: int, velocity: tuple[float, float, float] = (0, 0, 0)) -> Motion:
    """A T-pose with its soles near the floor, moved at a constant velocity."""
    turn = np.tile(IDENTITY, (frames, 52, 1))
    root = np.array([0, 0, 0.97]) + np.arange(frames)[:, None] / FPS * np.array(velocity)
    return Motion(FPS, root, turn, offsets())


def keypoint(motion: Motion, name: str) -> np.ndarray:
    places = keypoint_positions(motion.joint_positions_w, motion.joint_rotations_w, keypoint_offsets(motion.offsets))
    return places[:, KEYPOINT_INDEX[name]]


def cube_at(position_w: np.ndarray, name: str = "cube", rotation_w: np.ndarray = IDENTITY) -> MotionObject:
    return MotionObject(name, CUBE, position_w, np.broadcast_to(rotation_w, (len(position_w), 4)))


def carried(first: int = 10, last: int = 20, frames: int = 40, gap: float = 0.02) -> Motion:
    """The left palm lies `gap` over a cube that moves along in frames first..last and is far away otherwise."""
    motion = walker(frames, (0.6, 0, 0))
    position = keypoint(motion, "leftHand_palm") - np.array([0, 0, 0.2 + gap])
    away = np.ones(frames, bool)
    away[first : last + 1] = False
    position[away] += [0, 0, -3.0]
    return motion.replace(objects=(cube_at(position),))


def test_a_palm_that_rides_on_a_cube_for_frames_10_to_20() -> None:
    graph = extract_contacts(carried())
    assert "leftHand_palm" in graph.keypoints
    assert set(graph.first_frame) == {10}
    assert set(graph.last_frame) == {20}
    row = graph.keypoints.index("leftHand_palm")
    np.testing.assert_allclose(graph.points_b[row], [0, 0, 0.2], atol=1e-6)


def test_only_left_arm_parts_and_at_most_five_a_frame() -> None:
    graph = extract_contacts(carried())
    assert graph.active(40).sum(1).max() <= 5
    joints = {skeleton.JOINT_NAMES[KEYPOINT_JOINTS[KEYPOINT_INDEX[name]]] for name in graph.keypoints}
    assert all(name.startswith("left") for name in joints)
    assert len(extract_contacts(carried(), max_pairs=2).rows(np.array([True, True]))) == 2


def test_the_same_after_moving_the_world() -> None:
    """Contacts are about the object's frame: a turn of the whole world about the vertical changes nothing."""
    motion = carried()
    turn = np.array([np.cos(0.4), 0, 0, np.sin(0.4)])
    rows = np.tile(turn, (40, 1))
    local = motion.joint_rotations_b.copy()
    local[:, 0] = rotations.multiply(rows, local[:, 0])
    item = motion.objects[0]
    moved = motion.replace(
        root_position_w=rotations.rotate(rows, motion.root_position_w) + np.array([3.0, -2.0, 0.0]),
        joint_rotations_b=local,
        objects=(cube_at(rotations.rotate(rows, item.position_w) + np.array([3.0, -2.0, 0.0]), "cube", turn),),
    )
    before, after = extract_contacts(motion), extract_contacts(moved)
    assert before.keypoints == after.keypoints
    np.testing.assert_array_equal(before.first_frame, after.first_frame)
    np.testing.assert_allclose(before.points_b, after.points_b, atol=1e-6)


@pytest.mark.parametrize(("gap", "found"), [(0.03, True), (0.09, True), (0.13, False)])
def test_threshold_while_the_object_moves(gap: float, found: bool) -> None:
    assert ("leftHand_palm" in extract_contacts(carried(5, 35, gap=gap)).keypoints) is found


def test_nearness_without_motion_needs_more() -> None:
    still = walker(30)
    for gap, found in ((0.03, True), (0.08, False)):
        cube = cube_at(keypoint(still, "leftHand_palm") - np.array([0, 0, 0.2 + gap]))
        assert bool(len(extract_contacts(still.replace(objects=(cube,))))) is found
    far = cube_at(np.tile([5.0, 0, 0.2], (30, 1)))
    assert len(extract_contacts(still.replace(objects=(far,)))) == 0


def test_passing_by_is_no_contact_and_a_blink_neither() -> None:
    frames = 40
    motion = walker(frames, (2.0, 0, 0))
    cube = cube_at(np.tile(keypoint(motion, "leftHand_palm")[20] - [0, 0, 0.21], (frames, 1)))
    assert len(extract_contacts(motion.replace(objects=(cube,)))) == 0
    assert len(extract_contacts(carried(10, 11), min_seconds=0.2)) == 0


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    motion = carried(5, 35)
    item = motion.objects[0]
    for missing, intervals in ((2, 1), (8, 2)):
        position = item.position_w.copy()
        position[18 : 18 + missing] += [0, 0, -0.13]
        graph = extract_contacts(motion.replace(objects=(cube_at(position),)))
        assert graph.keypoints.count("leftHand_palm") == intervals


def test_a_sliding_hand_is_cut_into_pieces_that_stay_put() -> None:
    frames, drift = 60, 0.05
    motion = walker(frames, (0.2, 0, 0))
    slide = np.linspace(-0.15, 0.15, frames)[:, None] * [1.0, 0, 0]
    cube = cube_at(keypoint(motion, "leftHand_palm") - np.array([0, 0, 0.21]) - slide)
    graph = extract_contacts(motion.replace(objects=(cube,)), drift=drift)
    pieces = [i for i, name in enumerate(graph.keypoints) if name == "leftHand_palm"]
    assert len(pieces) >= 3
    local = keypoint(motion, "leftHand_palm") - cube.position_w
    for i in pieces:
        path = local[graph.first_frame[i] : graph.last_frame[i] + 1]
        assert np.linalg.norm(np.ptp(path, axis=0)) <= 2 * drift + 1e-9


def test_standing_feet_are_no_contacts_but_a_carried_cube_under_a_foot_in_the_air_is() -> None:
    still = walker(30)
    beside = cube_at(np.tile(keypoint(still, "leftToeBase")[0] + np.array([0.22, 0, 0.18]), (30, 1)))
    assert len(extract_contacts(still.replace(objects=(beside,)))) == 0
    raised = still.replace(root_position_w=still.root_position_w + np.array([0, 0, 0.6]))
    under = cube_at(keypoint(raised, "leftFoot_sole") - np.array([0, 0, 0.21]))
    assert "leftFoot_sole" in extract_contacts(raised.replace(objects=(under,))).keypoints


def test_labels_and_contact_flag_veto() -> None:
    motion = carried(5, 35)
    labels = np.zeros((40, 52), np.int8)
    hand = [i for i, name in enumerate(skeleton.JOINT_NAMES) if name.startswith("left") and i in range(17, 33)]
    labels[:, hand] = -1
    vetoed = extract_contacts(motion.replace(contact_labels=labels))
    assert not {KEYPOINT_JOINTS[KEYPOINT_INDEX[name]] for name in vetoed.keypoints} & set(hand)
    flag = np.zeros(40, np.int8)
    assert len(extract_contacts(motion.replace(object_contact=flag))) == 0
    flag[8:25] = 1
    graph = extract_contacts(motion.replace(object_contact=flag))
    assert set(graph.first_frame) == {8}
    assert set(graph.last_frame) == {24}


def test_two_hands_share_the_pairs() -> None:
    motion = walker(30, (0.5, 0, 0))
    hands = [cube_at(keypoint(motion, f"{s}Hand_palm") - np.array([0, 0, 0.21]), s) for s in ("left", "right")]
    graph = extract_contacts(motion.replace(objects=tuple(hands)))
    assert len(graph) == 5
    assert set(graph.object_index) == {0, 1}
    for name, index in zip(graph.keypoints, graph.object_index, strict=True):
        assert hands[index].name in name.lower()


def test_no_objects_no_contacts() -> None:
    graph = extract_contacts(walker(5))
    assert len(graph) == 0
    assert graph_distances(walker(5)).shape == (5, 0)
    assert not labels_from_graph(walker(5)).any()


def test_labels_and_distances_of_a_graph() -> None:
    motion = carried(0, 39, gap=0.03)
    graph = ContactGraph(
        ("leftHand_palm", "Index_left"), np.array([0, 0]), np.array([[0, 0, 0.2], [0, 0, 0.2]]), [10, 12], [20, 12]
    )
    motion = motion.replace(contacts=graph)
    labels = labels_from_graph(motion)
    assert labels.dtype == np.int8
    wrist, tip = skeleton.JOINT_INDEX["left_wrist"], KEYPOINT_JOINTS[KEYPOINT_INDEX["Index_left"]]
    np.testing.assert_array_equal(np.flatnonzero(labels[:, wrist]), np.arange(10, 21))
    np.testing.assert_array_equal(np.argwhere(labels[:, tip]).ravel(), [12])
    distance = graph_distances(motion)
    assert distance.shape == (40, 2)
    np.testing.assert_allclose(distance[10:21, 0], 0.03, atol=1e-9)
    assert np.isnan(distance[:10]).all()
    assert np.isfinite(distance[12, 1])
    raised = graph_distances(motion, motion.joint_positions_w + np.array([0, 0, 0.1]), motion.joint_rotations_w)
    np.testing.assert_allclose(raised[10:21, 0], 0.13, atol=1e-9)
    np.testing.assert_allclose(
        object_points_w(motion)[:, 0], motion.objects[0].position_w + np.array([0, 0, 0.2]), atol=1e-12
    )


def test_a_pair_is_measured_to_the_skin_or_to_the_joint(carrying_motion: Callable[..., Motion]) -> None:
    """The box turns as it is carried; its point by matrices, the body's by kinematics."""
    motion = carrying_motion(0)
    box, graph = motion.objects[0], motion.contacts
    points = np.einsum("tij,cj->tci", rotations.to_matrix(box.rotation_w), graph.points_b) + box.position_w[:, None]
    np.testing.assert_allclose(object_points_w(motion), points, atol=1e-9)
    wrists = [skeleton.JOINT_INDEX[f"{side}_wrist"] for side in ("left", "right")]
    apart = np.linalg.norm(motion.joint_positions_w[:, wrists] - points, axis=-1)
    active = graph.active(12)
    np.testing.assert_allclose(graph_distances(motion, anchor="joint")[active], apart[active], atol=1e-9)
    palm = KEYPOINT_INDEX["leftHand_palm"]
    turned = rotations.rotate(motion.joint_rotations_w[:, wrists[0]], keypoint_offsets(motion.offsets)[palm])
    apart = np.linalg.norm(motion.joint_positions_w[:, wrists[0]] + turned - points[:, 0], axis=-1)
    np.testing.assert_allclose(graph_distances(motion)[active[:, 0], 0], apart[active[:, 0]], atol=1e-9)


def test_bridging_fills_exactly_the_gaps_that_are_short_enough() -> None:
    held = np.array([[1, 1, 0, 0, 1, 0, 0, 0, 1, 0]], bool).T
    np.testing.assert_array_equal(contacts._bridged(held, 2).T, [[1, 1, 1, 1, 1, 0, 0, 0, 1, 0]])
    np.testing.assert_array_equal(contacts._bridged(held, 0), held)


def test_steady_frames_match_a_plain_loop() -> None:
    points = np.cumsum(np.random.default_rng(0).normal(size=(60, 4, 3)) * 0.01, axis=0)
    for window in (2, 3, 4, 7):
        expected = np.zeros((60, 4), bool)
        for start in range(60 - window + 1):
            part = points[start : start + window]
            expected[start : start + window] |= np.ptp(part, axis=0).max(-1) <= 0.04
        np.testing.assert_array_equal(contacts._steady(points, window, 0.04), expected)


HANDS = {
    side: [i for i, n in enumerate(skeleton.JOINT_NAMES)
           if n.startswith(side) and (n.endswith("wrist") or i in skeleton.FINGER_JOINTS)]
    for side in ("left", "right")
}  # fmt: skip


def precision_recall(data: Path, clips: list[str], *, blind: bool) -> tuple[float, float]:
    """Of hands that touch, frame by frame, against the data set's labels."""
    hits = named = true = 0
    for clip in clips:
        mesh = load_geometry(data / "objects" / f"{clip.split('_')[1]}.obj")
        motion = import_motion(data / "motions" / "omomo" / f"{clip}.pt", geometry=mesh)
        seen = motion.replace(contact_labels=None, object_contact=None) if blind else motion
        labels = labels_from_graph(motion.replace(contacts=extract_contacts(seen)))
        for joints in HANDS.values():
            ours, theirs = (labels[:, joints] > 0).any(1), (motion.contact_labels[:, joints] > 0).any(1)
            hits, named, true = hits + (ours & theirs).sum(), named + ours.sum(), true + theirs.sum()
    return hits / named, hits / true


def test_the_pushed_box_of_omomo(data: Path) -> None:
    mesh = load_geometry(data / "objects" / "largebox.obj")
    motion = import_motion(data / "motions" / "omomo" / "sub8_largebox_000.pt", geometry=mesh)
    graph = extract_contacts(motion)
    labelled = np.flatnonzero((motion.contact_labels > 0).any(1))
    for side in HANDS:
        rows = [i for i, name in enumerate(graph.keypoints) if side in name.lower()]
        assert rows, f"no contact of the {side} hand"
        assert abs(int(graph.first_frame[rows].min()) - int(labelled[0])) <= 3
        assert abs(int(graph.last_frame[rows].max()) - int(labelled[-1])) <= 3
    assert np.abs(Shape.of(mesh).signed_distance(graph.points_b)).max() < 2e-3
    assert np.nanmedian(graph_distances(motion.replace(contacts=graph))) < 0.04


@pytest.mark.parametrize("blind", [False, True], ids=["with labels", "blind"])
def test_hands_agree_with_the_labels_of_omomo(data: Path, blind: bool) -> None:
    clips = ["sub8_largebox_000", "sub2_largetable_003", "sub8_suitcase_001", "sub2_woodchair_002"]
    precision, recall = precision_recall(data, clips, blind=blind)
    assert precision > 0.85
    assert recall > 0.95
