"""The body's shapes: masses, soles, palms, mirror symmetry, closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.body.capsules import (
    FOOT_JOINTS,
    BodyGeom,
    FootStance,
    Hands,
    body_geoms,
    body_mass,
    default_stance,
    finger_length,
    measure_stance,
    palm_frame,
    rest_flexion,
    surface_points,
)
from sim.errors import SimulationError
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, JOINT_NAMES
from sim.subject import default_offsets

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def joint_mass(geoms: tuple[BodyGeom, ...], *names: str) -> float:
    return sum(g.mass for g in geoms if JOINT_NAMES[g.joint] in names)


@pytest.mark.parametrize("stature", [1.6, 1.75, 1.9])
def test_a_person_weighs_23_kg_per_square_metre_of_stature(stature: float) -> None:
    assert body_mass(default_offsets(stature)) == pytest.approx(23.0 * stature**2, rel=0.002)


def test_mass_grows_with_the_square_of_stature() -> None:
    assert body_mass(default_offsets(1.6)) / body_mass(default_offsets(1.8)) == pytest.approx((1.6 / 1.8) ** 2)


@pytest.mark.parametrize("hands", ["mitten", "full"])
def test_segments_weigh_what_the_body_weighs_and_de_leva_says(hands: Hands) -> None:
    offsets = default_offsets()
    geoms = body_geoms(offsets, hands=hands)
    total = body_mass(offsets)
    assert sum(g.mass for g in geoms) == pytest.approx(total)
    assert all(g.mass > 0 for g in geoms)
    # de Leva (1996), male: thigh 14.16 %, shank 4.33 %, upper arm 2.71 %, forearm 1.62 %; his segments sum to 100 %
    for joint, share in (
        ("left_hip", 0.1416),
        ("left_knee", 0.0433),
        ("left_shoulder", 0.0271),
        ("left_elbow", 0.0162),
    ):
        assert joint_mass(geoms, joint) / total == pytest.approx(share, rel=0.03)
    hand = [
        n
        for n in JOINT_NAMES
        if n == "left_wrist" or (n.startswith("left") and JOINT_INDEX[n] in skeleton.FINGER_JOINTS)
    ]
    assert joint_mass(geoms, *hand) / total == pytest.approx(0.0061, rel=0.03)
    trunk = joint_mass(geoms, "pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
    assert trunk / total == pytest.approx(0.4346, rel=0.03)


@pytest.mark.parametrize("hands", ["mitten", "full"])
def test_left_mirrors_right(hands: Hands) -> None:
    offsets = default_offsets()
    geoms = body_geoms(offsets, hands=hands)
    for geom in geoms:
        name = JOINT_NAMES[geom.joint]
        if not name.startswith("left"):
            continue
        twins = [g for g in geoms if JOINT_NAMES[g.joint] == name.replace("left", "right") and g.kind == geom.kind]
        mirrored = geom.position_b * [1, -1, 1]
        twin = min(twins, key=lambda g: float(np.linalg.norm(g.position_b - mirrored)))
        np.testing.assert_allclose(twin.position_b, mirrored, atol=1e-12)
        np.testing.assert_allclose(twin.size, geom.size, atol=1e-12)
        assert twin.mass == pytest.approx(geom.mass)
        cloud, other = (g.position_b + rotations.rotate(g.rotation_b, surface_points(g)) for g in (geom, twin))
        if geom.kind == "box":  # a capsule's rings start anywhere around the axis
            gap = np.linalg.norm((cloud * [1, -1, 1])[:, None] - other[None], axis=-1)
            assert gap.min(1).max() < 1e-9


@pytest.mark.parametrize("tilt", [0.0, 0.15])
def test_soles_are_planes_at_the_stance_height(tilt: float) -> None:
    offsets = default_offsets()
    up_b = np.array([[np.sin(tilt), 0.0, np.cos(tilt)], [-np.sin(tilt), 0.1, np.cos(tilt)]] * 2)
    up_b /= np.linalg.norm(up_b, axis=-1, keepdims=True)
    stance = FootStance(np.array([0.09, 0.03, 0.08, 0.02]), up_b)
    for geom in body_geoms(offsets, stance=stance):
        if geom.joint not in FOOT_JOINTS:
            continue
        row = FOOT_JOINTS.index(geom.joint)
        assert geom.kind == "box"
        lower = np.array([[x, y, -1.0] for x in (-1, 1) for y in (-1, 1)]) * np.array(geom.size)
        corners = geom.position_b + rotations.rotate(geom.rotation_b, lower)
        # stand the foot: turn the joint so that up_b points up, with the joint at the stance's height
        heights = stance.heights[row] + corners @ up_b[row]
        np.testing.assert_allclose(heights, 0.0, atol=1e-9)


def test_the_stance_is_read_off_a_clip_that_stands(standing: Callable[..., Motion]) -> None:
    motion = standing(40)
    measured, expected = measure_stance(motion), default_stance(motion.offsets)
    np.testing.assert_allclose(measured.heights, expected.heights, atol=1e-9)
    np.testing.assert_allclose(measured.up_b, expected.up_b, atol=1e-9)
    turned = motion.joint_rotations_b.copy()
    turned[:, 0] = rotations.from_rotvec(np.array([0.0, 0.0, 1.2]))
    turned[:, JOINT_INDEX["left_foot"]] = rotations.from_rotvec(np.array([0.0, -0.2, 0.0]))
    toe = measure_stance(motion.replace(joint_rotations_b=turned)).up_b[1]
    # a toe that is bent up by 0.2 about -y sees up tilted forward, towards its own +x
    np.testing.assert_allclose(toe, [np.sin(0.2), 0.0, np.cos(0.2)], atol=1e-9)


def test_a_hop_of_two_frames_still_has_a_stance(standing: Callable[..., Motion]) -> None:
    motion = standing(2)
    hop = motion.replace(root_position_w=motion.root_position_w + np.array([[0, 0, 0], [0, 0, 1.0]]))
    stance = measure_stance(hop)
    assert np.isfinite(stance.heights).all()
    np.testing.assert_allclose(stance.up_b, np.tile([0.0, 0.0, 1.0], (4, 1)), atol=1e-9)


def test_volumes_by_hand() -> None:
    def volume(kind: str, *size: float) -> float:
        return BodyGeom(0, kind, np.zeros(3), IDENTITY, size).volume  # type: ignore[arg-type]

    assert volume("box", 0.1, 0.2, 0.3) == pytest.approx(0.2 * 0.4 * 0.6)
    assert volume("sphere", 0.1) == pytest.approx(4 / 3 * np.pi * 1e-3)
    assert volume("capsule", 0.1, 0.2) == pytest.approx(np.pi * 0.01 * 0.4 + 4 / 3 * np.pi * 1e-3)


def test_surface_points_lie_on_the_surface() -> None:
    box = surface_points(BodyGeom(0, "box", np.zeros(3), IDENTITY, (0.1, 0.2, 0.3)))
    assert box.shape == (18, 3)
    np.testing.assert_allclose(np.abs(box[:, 2]), 0.3)
    assert (np.abs(box) <= np.array([0.1, 0.2, 0.3]) + 1e-12).all()
    capsule = surface_points(BodyGeom(0, "capsule", np.zeros(3), IDENTITY, (0.1, 0.2)))
    axis = np.clip(capsule[:, 2], -0.2, 0.2)[:, None] * [0, 0, 1]
    np.testing.assert_allclose(np.linalg.norm(capsule - axis, axis=-1), 0.1)
    ball = surface_points(BodyGeom(0, "sphere", np.zeros(3), IDENTITY, (0.1,)))
    np.testing.assert_allclose(np.linalg.norm(ball, axis=-1), 0.1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_palms_face_down_in_the_t_pose_and_reach_the_knuckles(side: str) -> None:
    offsets = default_offsets()
    frame = palm_frame(offsets, side)
    np.testing.assert_allclose(rotations.rotate(frame, np.array([0.0, 0.0, 1.0])), [0, 0, 1], atol=1e-6)
    along = rotations.rotate(frame, np.array([1.0, 0.0, 0.0]))
    assert along[1] * (1 if side == "left" else -1) > 0.95
    palm = next(g for g in body_geoms(offsets) if g.joint == JOINT_INDEX[f"{side}_wrist"] and g.kind == "box")
    assert 2 * palm.size[2] == pytest.approx(0.028)
    knuckle = offsets[JOINT_INDEX[f"{side}_middle1"]]
    assert np.abs(rotations.rotate_inverse(frame, knuckle - palm.position_b))[0] == pytest.approx(
        palm.size[0], abs=0.012
    )


@pytest.mark.parametrize("bend", [0.0, 0.5])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_mittens_fingers_are_curled_alike_whatever_their_bend_at_rest(bend: float, side: str) -> None:
    """Bones that are bent by 0 or 0.5 rad at the knuckle and again behind it: the bend behind it becomes 20 degrees."""
    offsets = default_offsets()
    for finger in ("index", "middle", "ring", "pinky"):
        for segment, turns in ((2, 1), (3, 2)):
            joint, down = JOINT_INDEX[f"{side}_{finger}{segment}"], turns * bend * skeleton.flexion_axis(side)
            offsets[joint] = rotations.rotate(rotations.from_rotvec(down), offsets[joint])
    assert rest_flexion(offsets, side) == pytest.approx(bend, abs=1e-9)
    first, second = (g for g in body_geoms(offsets) if g.joint == JOINT_INDEX[f"{side}_middle1"])
    assert rotations.angle_between(first.rotation_b, second.rotation_b) == pytest.approx(np.radians(20), abs=0.02)
    along = [rotations.rotate(g.rotation_b, np.array([1.0, 0.0, 0.0])) for g in (first, second)]
    down = np.array([-a[2] for a in along])  # palms face down: fingers that are bent point down
    np.testing.assert_allclose(down, np.sin([bend, bend + np.radians(20)]), atol=1e-6)
    np.testing.assert_allclose([2 * first.size[2], 2 * second.size[2]], 0.02)
    length = 2 * first.size[0] + 2 * second.size[0]
    assert length == pytest.approx(finger_length(offsets, side), rel=0.01)


def test_full_hands_have_a_shape_on_every_joint() -> None:
    assert {g.joint for g in body_geoms(default_offsets(), hands="full")} == set(range(52))
    mitten = {*skeleton.BODY_JOINTS, *skeleton.MITTEN_JOINTS}
    assert {g.joint for g in body_geoms(default_offsets())} == mitten


@pytest.mark.parametrize("joint", ["left_elbow", "right_index1", "spine2", "left_foot"])
def test_bones_without_length_are_named(joint: str) -> None:
    offsets = default_offsets()
    offsets[JOINT_INDEX[joint]] = 0.0
    with pytest.raises(SimulationError, match=joint):
        body_geoms(offsets)


@pytest.mark.parametrize(
    "change",
    [
        {"left_foot": (0.0, 0.0, -0.1)},
        {f"right_{f}1": (0.0, -0.08, 0.0) for f in ("index", "middle", "ring", "pinky")},
    ],
)
def test_bones_that_span_no_foot_or_hand_are_refused(change: dict[str, tuple[float, float, float]]) -> None:
    offsets = default_offsets()
    for joint, offset in change.items():
        offsets[JOINT_INDEX[joint]] = offset
    with pytest.raises(SimulationError, match="foot or hand"):
        body_geoms(offsets)
