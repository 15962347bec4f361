"""The HOI keypoint solver (eq. 3) and limb IK: the object placed by sparse points."""
