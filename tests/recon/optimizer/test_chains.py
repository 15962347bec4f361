"""Chains end at the trunk, and hold what hangs on a wrist."""

from recon.optimizer.chains import chain_joints
from sim.skeleton import JOINT_INDEX, JOINT_NAMES


def _names(*keypoints: str, fingers: bool = False) -> set[str]:
    return {JOINT_NAMES[j] for j in chain_joints(keypoints, fingers=fingers)}


def test_an_arm_ends_at_the_collar() -> None:
    assert _names("leftHand_palm") == {"left_wrist", "left_elbow", "left_shoulder", "left_collar"}
    assert _names("Index_right") - _names("rightHand_palm") == {"right_index1", "right_index2", "right_index3"}


def test_a_leg_ends_at_the_hip() -> None:
    assert _names("leftKnee_front") == {"left_knee", "left_hip"}


def test_the_trunk_ends_above_the_pelvis() -> None:
    assert _names("hip_back") == set()
    assert _names("middleSpine_back") == {"spine1"}


def test_fingers_come_with_their_wrist_alone() -> None:
    gained = _names("leftHand_palm", fingers=True) - _names("leftHand_palm")
    assert len(gained) == 15
    assert all(name.startswith("left_") for name in gained)
    assert _names("leftForeArm_back", fingers=True) == _names("leftForeArm_back")


def test_ascending_and_without_doubles() -> None:
    joints = chain_joints(("leftHand_palm", "Index_left", "leftHand_back"))
    assert list(joints) == sorted(set(joints))
    assert JOINT_INDEX["pelvis"] not in joints
