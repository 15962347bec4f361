"""How well a static pose touches its object and stays out of it, by the exact surface and the full skin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from generate.plan import BodyPart
from generate.pose.body import part_joints
from generate.pose.synthesis import StaticPose
from sim import rotations
from sim.body.skin import Skin
from sim.objects import Shape

CONTACT = 0.02
"""m from the surface at which a part counts as touching."""


@dataclass(frozen=True)
class PoseQuality:
    """Attributes:
    gaps: m from the surface to the nearest vertex of each part that should touch, 0 inside.
    penetrating: share of the body's vertices inside the object; depth: m, of the deepest.
    below_floor: m, of the lowest vertex.
    """

    gaps: Mapping[BodyPart, float]
    penetrating: float
    depth: float
    below_floor: float

    @property
    def contact_ratio(self) -> float:
        """Share of the parts that touch."""
        return float(np.mean([gap <= CONTACT for gap in self.gaps.values()]))


def measure_pose(pose: StaticPose, shape: Shape, skin: Skin) -> PoseQuality:
    """Exact distances of every vertex of a skin that fits the subject."""
    vertices = skin.vertices(pose.joint_rotations_b[None], pose.root_position_w[None])[0]
    local = rotations.rotate_inverse(pose.object_rotation_w, vertices - pose.object_position_w)
    distance = shape.signed_distance(local)
    gaps = {
        part: float(distance[np.isin(skin.vertex_joints, part_joints(part))].min().clip(0.0)) for part in pose.parts
    }
    return PoseQuality(
        gaps, float((distance < 0).mean()), float(max(-distance.min(), 0.0)), float(max(-vertices[:, 2].min(), 0.0))
    )
