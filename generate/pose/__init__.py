"""Poses of a person at an object, for one phase of a plan, by optimisation."""

from generate.pose.config import PoseConfig, PoseWeights
from generate.pose.measure import PoseQuality, measure_pose
from generate.pose.synthesis import StaticPose, synthesise_poses
from generate.pose.targets import Given

__all__ = ["Given", "PoseConfig", "PoseQuality", "PoseWeights", "StaticPose", "measure_pose", "synthesise_poses"]
