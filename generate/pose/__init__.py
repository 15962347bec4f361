"""Poses of a person at an object, for one phase of a plan, by optimisation."""

from generate.pose.config import FineConfig, FineWeights, PoseConfig, PoseWeights
from generate.pose.fine import FinePose, measure_closure, refine_pose
from generate.pose.measure import PoseQuality, measure_pose
from generate.pose.synthesis import StaticPose, synthesise_poses
from generate.pose.targets import Given

__all__ = [
    "FineConfig", "FinePose", "FineWeights", "Given", "PoseConfig", "PoseQuality", "PoseWeights", "StaticPose",
    "measure_closure", "measure_pose", "refine_pose", "synthesise_poses",
]  # fmt: skip
