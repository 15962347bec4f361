"""Which joints a contact may turn: the kinematic chain of its keypoint (seed, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable

from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, JOINT_NAMES, PARENTS

_SPINE = tuple(JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3"))
_AXIAL = (*_SPINE, JOINT_INDEX["neck"], JOINT_INDEX["head"])


def chain_joints(keypoints: Iterable[str], *, fingers: bool = True) -> tuple[int, ...]:
    """Joints that may turn to bring these keypoints to their object points.

    A limb's chain ends where the limb leaves the trunk (collar, hip). That of the trunk and the head ends above the
    pelvis, which no contact turns.

    Args:
        keypoints: names out of the 87.
        fingers: a chain that holds a wrist holds that hand's fingers too, so that they can make way.

    Returns:
        Indices of the standard skeleton, ascending.
    """
    found: set[int] = set()
    for name in keypoints:
        joint = int(KEYPOINT_JOINTS[KEYPOINT_INDEX[name]])
        limb = joint not in _AXIAL
        while PARENTS[joint] >= 0 and not (limb and joint in _SPINE):
            found.add(joint)
            joint = PARENTS[joint]
    if fingers:
        sides = [side for side in ("left", "right") if JOINT_INDEX[f"{side}_wrist"] in found]
        found |= {j for j in FINGER_JOINTS if JOINT_NAMES[j].split("_")[0] in sides}
    return tuple(sorted(found))
