"""Every term by hand, zero where it should be, and the gradient of all against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from generate.motion.config import MotionWeights, SpaceTimeConfig
from generate.motion.energy import BODY, Anchors, Course, MotionEnergy, Subject, corrected, descend
from generate.motion.postures import Posture, apply
from sim import rotations, skeleton
from sim.errors import PlanError
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX
from sim.subject import default_offsets

CONFIG = SpaceTimeConfig(weights=MotionWeights(**{item.name: 1.0 for item in fields(MotionWeights)}))
Courses = Callable[..., Course]


def terms(
    subject: Subject, course: Course, local: np.ndarray, root: np.ndarray, config: SpaceTimeConfig = CONFIG
) -> dict[str, np.ndarray]:
    """[N] each, of poses [N, 52, 4], [N, 3] without corrections."""
    turn = torch.zeros(len(local), len(BODY), 3, dtype=torch.float64)
    found = MotionEnergy(subject, course, config).terms(torch.as_tensor(local), torch.as_tensor(root), turn)
    return {name: term.numpy() for name, term in found.items()}


def turned(posture: Posture, **turns: Any) -> np.ndarray:
    """[1, 52, 4], with joints turned by rotation vectors."""
    local = posture.rotations_b.copy()
    for name, turn in turns.items():
        local[JOINT_INDEX[name]] = rotations.multiply(local[JOINT_INDEX[name]], rotations.from_rotvec(np.array(turn)))
    return local[None]


def test_gradients_of_all_terms_by_finite_differences(
    subject: Subject, course: Courses, free: Posture, wrist: Callable[..., Anchors]
) -> None:
    """A body that is a little in the box and in the floor, off everything that it should keep to."""
    rng = np.random.default_rng(4)
    frames, like = 4, torch.float64
    local = np.repeat(free.rotations_b[None], frames, 0)
    local[:, BODY] = rotations.multiply(local[:, BODY], rotations.from_rotvec(0.3 * rng.normal(size=(frames, 22, 3))))
    local[:, JOINT_INDEX["left_knee"]] = rotations.from_rotvec(np.array([0.0, -0.5, 0.0]))  # the wrong way
    root = torch.as_tensor(free.root + [0.0, 0.0, -0.12] + 0.05 * rng.normal(size=(frames, 3)))
    anchor = wrist((0.1, 0.2, 0.0), rotations.from_rotvec(np.array([0.5, 0.0, 0.2])), 0.7).at(np.zeros(frames, int))
    hard = course(
        frames, position_w=np.tile(free.root + [0.15, 0.0, -0.1], (frames, 1)), load=np.full(frames, 0.2),
        center_w=np.ones((frames, 2)), anchors=(anchor,), seconds=0.1,
    )  # fmt: skip
    energy, start = MotionEnergy(subject, hard, CONFIG), torch.as_tensor(local)
    way, push = (torch.as_tensor(rng.normal(size=shape)) for shape in ((frames, 22, 3), (frames, 3)))
    at = torch.as_tensor(0.1 * rng.normal(size=(frames, 22, 3)))

    def along(share: torch.Tensor) -> dict[str, torch.Tensor]:
        turn = at + share * way
        return energy.terms(corrected(start, turn), root + share * push, turn)

    share = torch.zeros((), dtype=like, requires_grad=True)
    found = along(share)
    h = 1e-6
    with torch.no_grad():
        after, before = along(torch.tensor(h)), along(torch.tensor(-h))
    assert set(found) == {item.name for item in fields(MotionWeights)}, "a weight for every term, a term for each"
    for name, term in found.items():
        slope = torch.autograd.grad(term.sum(), share, retain_graph=True)[0].item()
        expected = ((after[name] - before[name]).sum() / (2 * h)).item()
        assert slope != 0.0, f"{name} does not feel the pose"
        assert slope == pytest.approx(expected, rel=2e-4), name


def test_nothing_pulls_a_relaxed_body_on_its_course(
    subject: Subject, course: Courses, free: Posture, wrist: Callable[..., Anchors]
) -> None:
    found = terms(subject, course(anchors=(wrist(),)), free.rotations_b[None], free.root[None])
    for name in ("anchor", "turned", "feet", "balance", "penetration", "upright", "ease", "smooth", "stay"):
        np.testing.assert_allclose(found[name], 0.0, atol=1e-12, err_msg=name)


def test_anchors_by_hand(subject: Subject, course: Courses, free: Posture, wrist: Callable[..., Anchors]) -> None:
    """Half the weight, 5 cm (a 3-4-0 triangle) and 60 degrees off: 0.5 * 0.05^2 and 0.5 * sin^2(30 degrees)."""
    third = rotations.from_rotvec(np.array([0.0, 0.0, np.pi / 3]))
    off = wrist((0.03, 0.04, 0.0), third, 0.5)
    found = terms(subject, course(anchors=(off, wrist())), free.rotations_b[None], free.root[None])
    assert found["anchor"][0] == pytest.approx(0.5 * 0.05**2)
    assert found["turned"][0] == pytest.approx(0.5 * 0.25)
    flipped = replace(off, rotation_w=-off.rotation_w)
    again = terms(subject, course(anchors=(flipped,)), free.rotations_b[None], free.root[None])
    assert again["turned"][0] == pytest.approx(0.5 * 0.25), "a quaternion and its negative are one rotation"


def test_feet_by_hand(subject: Subject, course: Courses, free: Posture) -> None:
    """The left one 10 cm off, the right one turned by 90 degrees: the mean of 0.1^2 and 0.01 * sin^2(45 degrees)."""
    here = course()
    off = here.ankles_w + np.array([[[0.0, 0.1, 0.0], [0.0, 0.0, 0.0]]])
    feet = here.feet_w.copy()
    feet[:, 1] = rotations.multiply(rotations.from_rotvec(np.array([0.0, 0.0, np.pi / 2])), feet[:, 1])
    both = terms(subject, course(ankles_w=off, feet_w=feet), free.rotations_b[None], free.root[None])
    assert both["feet"][0] == pytest.approx(0.5 * (0.01 + 0.01 * 0.5))
    lifted = course(ankles_w=off, feet_w=feet, standing=np.array([[0.0, 1.0]]))
    assert terms(subject, lifted, free.rotations_b[None], free.root[None])["feet"][0] == pytest.approx(0.5 * 0.005)


def test_balance_is_of_body_and_load_together(subject: Subject, course: Courses, free: Posture) -> None:
    """A quarter of the body's weight half a metre aside: 0.25 * 0.5 / 1.25 = 0.1 m."""
    center = course().center_w
    load_w = np.append(center[0] + [0.3, 0.4], 1.0)[None]
    loaded = course(load=np.array([0.25]), load_w=load_w)
    assert terms(subject, loaded, free.rotations_b[None], free.root[None])["balance"][0] == pytest.approx(0.01)
    met = replace(loaded, center_w=center + [[0.06, 0.08]])
    assert terms(subject, met, free.rotations_b[None], free.root[None])["balance"][0] == pytest.approx(0.0, abs=1e-12)
    borne = replace(loaded, balanced=np.zeros(1))
    assert terms(subject, borne, free.rotations_b[None], free.root[None])["balance"][0] == 0.0


def test_acceleration_of_a_parabola(subject: Subject, course: Courses, free: Posture) -> None:
    """A fall with (1, 0, -2) m/s^2 without turning: every joint has 5 (m/s^2)^2, the ends none."""
    times = 0.1 * np.arange(5)
    root = free.root + [0.0, 0.0, 1.0] + 0.5 * times[:, None] ** 2 * np.array([1.0, 0.0, -2.0])
    local = np.repeat(free.rotations_b[None], 5, 0)
    found = terms(subject, course(5, seconds=0.1), local, root)["smooth"]
    np.testing.assert_allclose(found, [0.0, 5.0, 5.0, 5.0, 0.0], atol=1e-8)
    np.testing.assert_array_equal(terms(subject, course(5), local, root)["smooth"], 0.0)


def test_penetration_is_of_object_and_floor(subject: Subject, course: Courses, free: Posture) -> None:
    def depth(lowered: float = 0.0, **changes: Any) -> float:
        down = free.root[None] - [[0.0, 0.0, lowered]]
        return float(terms(subject, course(**changes), free.rotations_b[None], down)["penetration"][0])

    posed = subject.body.pose(torch.as_tensor(free.rotations_b[None]), torch.as_tensor(free.root[None]))
    gap = posed.vertices_w[..., 2].min().item()
    assert gap > 0.02
    assert depth() == 0.0
    assert depth(gap + 0.002) == 0.0, "3 mm of give"
    assert 0.0 < depth(gap + 0.01) < depth(gap + 0.02)
    assert depth(position_w=free.root[None]) > 0.0, "the box is in the pelvis"
    assert depth(position_w=free.root[None] + [[0.8, 0.0, 0.0]]) == 0.0
    box = subject.field(torch.as_tensor([[0.0, 0.0, 0.15 + 0.1]]))
    assert float(box[0]) == pytest.approx(0.1, abs=2e-3), "the field is that of the box"


def test_facing_is_level_and_effort_counts_half_angles(subject: Subject, course: Courses, free: Posture) -> None:
    stooped = terms(subject, course(), turned(free, pelvis=(0.0, 0.8, 0.0)), free.root[None])
    assert stooped["upright"][0] == pytest.approx(0.0, abs=1e-9), "one who bends still faces ahead"
    aside = terms(subject, course(), turned(free, pelvis=(0.0, 0.0, np.pi / 2)), free.root[None])
    assert aside["upright"][0] == pytest.approx(1.0)
    knee = terms(subject, course(), turned(free, left_knee=(0.0, np.pi / 3, 0.0)), free.root[None])
    assert knee["ease"][0] == pytest.approx(4.0 * 0.25), "4 sin^2 of 30 degrees"


def test_shoulders_are_left_to_gravity(subject: Subject, course: Courses, free: Posture) -> None:
    """An arm that is raised costs no effort but height: as many m as its elbow and wrist have gone up."""
    up = turned(free, left_shoulder=(0.9, 0.0, 0.0))
    joints = [skeleton.forward_kinematics(q, free.root[None], default_offsets())[0][0] for q in (turned(free), up)]
    arm = [JOINT_INDEX["left_elbow"], JOINT_INDEX["left_wrist"]]
    risen = float((joints[1] - joints[0])[arm, 2].sum())
    assert risen > 0.1
    before, after = (terms(subject, course(), q, free.root[None]) for q in (turned(free), up))
    assert (after["hang"] - before["hang"])[0] == pytest.approx(risen)
    assert after["ease"][0] == pytest.approx(0.0, abs=1e-12)


def test_corrections_turn_the_body_and_leave_the_fingers(subject: Subject, course: Courses, free: Posture) -> None:
    turn = np.random.default_rng(2).normal(size=(1, 22, 3))
    local = apply(free.rotations_b[None], turn)
    fingers = list(FINGER_JOINTS)
    np.testing.assert_allclose(local[0, fingers], free.rotations_b[fingers], atol=1e-15)
    back = rotations.to_rotvec(rotations.multiply(rotations.inverse(free.rotations_b[list(BODY)]), local[0, BODY]))
    moderate = np.linalg.norm(turn[0], axis=1) < np.pi
    np.testing.assert_allclose(back[moderate], turn[0][moderate], atol=1e-9)
    energy = MotionEnergy(subject, course(), CONFIG)
    stay = energy.terms(torch.as_tensor(local), torch.as_tensor(free.root[None]), torch.as_tensor(turn))["stay"]
    assert stay.item() == pytest.approx((turn**2).sum())


def test_a_descent_brings_the_wrist_to_its_anchor(
    subject: Subject, course: Courses, free: Posture, wrist: Callable[..., Anchors]
) -> None:
    anchor = wrist((0.15, 0.05, 0.1))
    config = SpaceTimeConfig()
    energy = MotionEnergy(subject, course(anchors=(anchor,)), config)
    turn, move, found = descend(energy, free.rotations_b[None], free.root[None], 25)
    reached = skeleton.forward_kinematics(apply(free.rotations_b[None], turn), free.root + move, default_offsets())[0]
    assert np.linalg.norm(reached[0, anchor.joint] - anchor.position_w[0]) < 0.02
    assert found["anchor"][0] == pytest.approx(
        config.weights.anchor * ((reached[0, anchor.joint] - anchor.position_w[0]) ** 2).sum()
    )


def test_weights_are_not_negative() -> None:
    with pytest.raises(PlanError, match="motion weights: balance is -1"):
        MotionWeights(balance=-1.0)
