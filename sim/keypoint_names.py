"""Names of the 87 body keypoints, in the order of Open4DHOI (facts of its `part_kp.json`, second version)."""

from __future__ import annotations

KEYPOINT_NAMES: tuple[str, ...] = (
    "leftToeBase", "leftShoulder_front", "rightShoulder_front", "leftShoulder_back", "rightShoulder_back",
    "leftNeck_front", "rightNeck_back", "leftNeck_back", "rightNeck_front", "rightToeBase", "leftUpperLeg_inner",
    "leftUpperLeg_outer", "rightUpperLeg_inner", "rightUpperLeg_outer", "leftForeArm_back", "leftForeArm_pinky",
    "leftForeArm_wrist", "leftForeArm_thumb", "rightForeArm_back", "rightForeArm_pinky", "rightForeArm_wrist",
    "rightForeArm_thumb", "leftUpperArm_up", "leftUpperArm_down", "leftUpperArm_back", "leftUpperArm_front",
    "rightUpperArm_back", "rightUpperArm_up", "rightUpperArm_front", "rightUpperArm_down", "leftLowerLeg_front",
    "rightLowerLeg_front", "rightLowerLeg_outer", "leftLowerLeg_outer", "leftLowerLeg_back", "rightLowerLeg_back",
    "leftLowerLeg_inner", "rightLowerLeg_inner", "rightUpperLeg_front", "rightUpperLeg_back", "leftUpperLeg_front",
    "leftUpperLeg_back", "rightFoot_instep", "leftFoot_instep", "rightFoot_sole", "leftFoot_sole", "buttocks_right",
    "buttocks_left", "leftHand_back", "leftHand_palm", "Thumb_left", "Index_left", "Middle_left", "Ring_left",
    "Pinky_left", "rightHand_back", "Thumb_right", "Index_right", "Middle_right", "Ring_right", "Pinky_right",
    "upperSpine_back", "upperSpine_right", "upperSpine_front", "upperSpine_left", "middleSpine_front",
    "middleSpine_right", "middleSpine_back", "middleSpine_left", "hip_front", "hip_left", "hip_back", "hip_right",
    "rightHand_palm", "rightKnee_front", "leftKnee_front", "rightKnee_back", "leftKnee_back", "Mouth", "rightCheek",
    "leftCheek", "Head_top", "leftElbow_back", "rightElbow_back", "leftElbow_front", "rightElbow_front", "Chin",
)  # fmt: skip
