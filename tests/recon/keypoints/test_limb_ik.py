"""Limbs that reach: truth is a motion whose keypoints touch; the given one has its limbs turned away."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from recon.annotations import Annotations, ImagePoints
from recon.keypoints.limb_ik import LIMBS, LimbIKConfig, _Contacts, _Limb, refine_limbs
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.contacts import graph_distances
from sim.errors import ReconstructionError
from sim.geometry import Primitive
from sim.keypoints import KEYPOINT_INDEX, keypoint_offsets, keypoint_positions
from sim.metrics import jitter, mpjpe
from sim.motion import Motion, MotionObject
from sim.skeleton import JOINT_INDEX

FRAMES = 60
TOUCHING = ("leftHand_palm", "rightHand_palm", "Index_left", "leftElbow_back", "leftKnee_front", "Chin")
ARMS = [JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("elbow", "wrist")]


@pytest.fixture
def touching(carrying_motion: Callable[..., Motion]) -> tuple[Motion, Annotations]:
    """A motion with bent arms and knees, and a box whose points are where six keypoints are on average.

    Contacts hold from frame 20 to 39. In the box's frame the keypoints hardly move.
    """
    motion = carrying_motion(frames=FRAMES, contacts=ContactGraph())
    pose = np.zeros((FRAMES, 52, 3))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose[:, JOINT_INDEX[f"{side}_shoulder"]] = [0.0, 0.0, -0.9 * sign]
        pose[:, JOINT_INDEX[f"{side}_elbow"]] = [0.0, 0.0, -0.8 * sign]
        pose[:, JOINT_INDEX[f"{side}_knee"]] = [0.0, 0.6, 0.0]
    root = motion.root_position_w
    box = MotionObject(
        "box", Primitive("box", (0.3, 0.4, 0.2)), root + [0.3, 0.0, 0.2], np.tile([1.0, 0, 0, 0], (FRAMES, 1))
    )
    motion = motion.replace(joint_rotations_b=rotations.from_rotvec(pose), objects=(box,))
    points = _keypoints(motion)[:, [KEYPOINT_INDEX[n] for n in TOUCHING]] - box.position_w[:, None]
    n = len(TOUCHING)
    graph = ContactGraph(TOUCHING, np.zeros(n), points.mean(0), np.full(n, 20), np.full(n, 39))
    return motion, Annotations(graph, ImagePoints.empty(FRAMES))


def _keypoints(motion: Motion) -> np.ndarray:
    places = motion.joint_positions_w, motion.joint_rotations_w
    return keypoint_positions(*places, keypoint_offsets(motion.offsets))


def _turned_away(motion: Motion, degrees: float = 8.0, noise: float = 0.0) -> Motion:
    rng = np.random.default_rng(0)
    q = motion.joint_rotations_b.copy()
    for part in ("shoulder", "elbow", "wrist", "hip", "knee"):
        for side in ("left", "right"):
            error = rng.normal(size=3) + 0.5 * gaussian_filter1d(rng.normal(size=(FRAMES, 3)), 10, axis=0) * 6
            hinge = {"elbow": [0, 0, -1.0 if side == "left" else 1.0], "knee": [0, 1.0, 0]}.get(part)
            error = np.abs(error) * hinge if hinge else error
            error = np.radians(degrees) * error + noise * rng.normal(size=(FRAMES, 3))
            joint = JOINT_INDEX[f"{side}_{part}"]
            q[:, joint] = rotations.multiply(q[:, joint], rotations.from_rotvec(error))
    return motion.replace(joint_rotations_b=q)


def test_keypoints_reach_their_points_and_arms_come_back(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    given = _turned_away(truth)
    found = refine_limbs(given, annotations)
    graph = annotations.contacts
    before, after = graph_distances(given, graph=graph)[20:40], graph_distances(found, graph=graph)[20:40]
    limbs = [i for i, name in enumerate(TOUCHING) if name != "Chin"]
    assert before[:, limbs].mean() > 0.06
    assert after[:, limbs].mean() < 0.005
    assert after[:, limbs].max() < 0.02
    at_contact = np.s_[20:40]
    true = truth.joint_positions_w[at_contact][:, ARMS]
    old, new = (mpjpe(m.joint_positions_w[at_contact][:, ARMS], true) for m in (given, found))
    assert new < 0.6 * old


def test_nothing_else_moves(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    given = _turned_away(truth)
    config = LimbIKConfig(fade_seconds=0.2)
    found = refine_limbs(given, annotations, config)
    may_turn = np.zeros((FRAMES, 52), bool)
    limbs = [*LIMBS["left arm"], *LIMBS["right arm"], *LIMBS["left leg"][:2]]  # no ankle: only the knee touches
    may_turn[14:46, limbs] = True
    np.testing.assert_array_equal(found.joint_rotations_b[~may_turn], given.joint_rotations_b[~may_turn])
    assert (found.joint_rotations_b[20:40, limbs] != given.joint_rotations_b[20:40, limbs]).any(-1).any(0).all()
    for name in ("root_position_w", "offsets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    np.testing.assert_array_equal(found.objects[0].position_w, given.objects[0].position_w)
    bones = [
        np.linalg.norm(m.joint_positions_w[:, ARMS[1]] - m.joint_positions_w[:, ARMS[0]], axis=-1)
        for m in (given, found)
    ]
    np.testing.assert_allclose(*bones, atol=1e-9)


def test_corrections_fade_instead_of_leaping(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    given = _turned_away(truth)
    found = refine_limbs(given, annotations)
    correction = rotations.to_rotvec(
        rotations.multiply(rotations.inverse(given.joint_rotations_b), found.joint_rotations_b)
    )
    steps = np.abs(np.diff(correction[:, list(LIMBS["left arm"])], axis=0))
    assert steps.max() < np.radians(2.5), "per frame"
    assert jitter(found.joint_positions_w[:, ARMS]) < jitter(given.joint_positions_w[:, ARMS]) + 0.7


def test_a_contact_that_is_far_off_is_given_up(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    graph = annotations.contacts
    points = graph.points_b.copy()
    points[0] += [0.0, 3.0, 0.0]
    wrong = replace(annotations, contacts=replace(graph, points_b=points))
    left = list(LIMBS["left arm"])
    angle = rotations.angle_between(
        refine_limbs(truth, wrong).joint_rotations_b[:, left], truth.joint_rotations_b[:, left]
    )
    assert np.degrees(angle).max() < 30
    after = graph_distances(refine_limbs(truth, wrong), graph=graph)[20:40]
    assert np.nanmax(after[:, 2:4]) < 0.03, "the other contacts of that arm stay"


def test_elbows_do_not_bend_backwards(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    graph = annotations.contacts.rows(
        np.array([0, 3])
    )  # palm and elbow: the elbow's place is fixed, the palm's asks ...
    points = graph.points_b.copy()
    elbow, wrist = truth.joint_positions_w[30, ARMS[0]], truth.joint_positions_w[30, ARMS[1]]
    shoulder = truth.joint_positions_w[30, JOINT_INDEX["left_shoulder"]]
    straight = rotations.normalize(elbow - shoulder)
    length = np.linalg.norm(wrist - elbow)
    outward = rotations.normalize(
        straight - 0.6 * rotations.normalize((wrist - elbow) - (wrist - elbow) @ straight * straight)
    )
    points[0] = elbow + 1.2 * length * outward - truth.objects[0].position_w[30]  # ... for 31 degrees the wrong way
    asking = replace(annotations, contacts=replace(graph, points_b=points), contact_vertices=np.zeros(0))
    limb = _limb(truth, "left arm", asking)
    for config in (LimbIKConfig(), LimbIKConfig(bend_limits=(-90.0, 150.0))):
        found = refine_limbs(truth, asking, config)
        bend = np.degrees(limb._bend(found.joint_rotations_b[:, JOINT_INDEX["left_elbow"]])[0])
        if config.bend_limits[0] == 0:
            assert bend.min() > -1.0
            assert bend[30] < 10.0, "it goes as far as it may"
        else:
            assert bend.min() < -10.0, "the limit has something to hold back"


def _limb(motion: Motion, name: str, annotations: Annotations, config: LimbIKConfig | None = None) -> _Limb:
    graph = annotations.contacts
    rows = np.array([KEYPOINT_INDEX[k] for k in graph.keypoints])
    targets = motion.objects[0].position_w[:, None] + graph.points_b
    contacts = _Contacts(rows, targets, graph.active(motion.num_frames))
    return _Limb(motion, name, LIMBS[name], contacts, config or LimbIKConfig())


def test_gradient_by_finite_differences(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    contacts = annotations.contacts.rows(np.array([0, 2, 3]))
    arm = replace(annotations, contacts=contacts, contact_vertices=np.zeros(0))
    limb = _limb(_turned_away(truth), "left arm", arm, LimbIKConfig(bend_limits=(60.0, 62.0)))
    correction = 0.2 * np.random.default_rng(1).normal(size=(FRAMES, 4, 3))
    found = limb._equations(correction)
    for t, i, k in ((0, 0, 0), (25, 0, 1), (25, 1, 2), (25, 2, 0), (25, 2, 1), (25, 2, 2), (25, 3, 1), (39, 1, 0)):
        step = np.zeros_like(correction)
        step[t, i, k] = 1e-6
        numeric = (limb._equations(correction + step).cost - limb._equations(correction - step).cost) / 2e-6
        np.testing.assert_allclose(found.gradient[t, 3 * i + k], numeric, rtol=1e-4, atol=1e-2)


def test_bend_by_hand(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    contacts = annotations.contacts.rows(np.array([0]))
    limb = _limb(truth, "left arm", replace(annotations, contacts=contacts, contact_vertices=np.zeros(0)))
    turns = rotations.from_rotvec(np.array([[0, 0, -0.5], [0, 0, 0.2], [0, 0.7, 0], [0, 0, -2.0]]))
    np.testing.assert_allclose(limb._bend(turns)[0], [0.5, -0.2, 0.0, 2.0], atol=1e-9)


def test_without_limb_contacts_the_motion_is_the_same(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    chin = replace(annotations, contacts=annotations.contacts.rows(np.array([5])), contact_vertices=np.zeros(0))
    np.testing.assert_array_equal(refine_limbs(truth, chin).joint_rotations_b, truth.joint_rotations_b)


def test_bad_input_is_refused(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    with pytest.raises(ReconstructionError, match="row 0 names object 0, the motion has 0"):
        refine_limbs(truth.replace(objects=()), annotations)
    with pytest.raises(ReconstructionError, match="row 0 holds until frame 39, the motion has 30"):
        refine_limbs(truth.slice(0, 30), annotations)
    with pytest.raises(ReconstructionError, match=r"targets: shape \[60, 5, 3\], the contacts need \[60, 6, 3\]"):
        refine_limbs(truth, annotations, targets_w=np.zeros((60, 5, 3)))


def test_other_targets_may_be_given(touching: tuple[Motion, Annotations]) -> None:
    truth, annotations = touching
    at = [KEYPOINT_INDEX[name] for name in TOUCHING]
    raised = _keypoints(truth)[:, at] + [0.0, 0.0, 0.03]
    found = _keypoints(refine_limbs(truth, annotations, targets_w=raised))[:, at]
    assert np.linalg.norm((found - raised)[20:40, :5], axis=-1).mean() < 0.006
