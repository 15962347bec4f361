"""PhysHOI's layout for its ball clips: a tensor [T, 331] at 25 fps (`physhoi-331`).

All rotations are exponential maps, the root's twice. Bodies in the order of `sim.skeleton`. The ball has 0.12 m radius.
"""

from __future__ import annotations

import numpy as np

from sim import skeleton
from sim.formats.ball import read_ball_clip
from sim.formats.common import Clip, Layout, PoseSource

_J = skeleton.NUM_JOINTS
LAYOUT = Layout(
    "physhoi-331",
    25.0,
    (
        ("root_position_w", (3,)),
        ("root_rotvec", (3,)),
        ("_root_rotvec_again", (3,)),
        ("joint_rotvec", (_J - 1, 3)),
        ("body_position_w", (_J, 3)),
        ("object_position_w", (3,)),
        ("object_rotvec", (3,)),
        ("_padding", (6,)),
        ("object_contact", (1,)),
    ),
)


def read(table: np.ndarray, pose: PoseSource = "positions") -> Clip:
    """A [T, 331] table as a clip; see `sim.formats.ball`. Raises FormatError."""
    return read_ball_clip(LAYOUT, table, skeleton.JOINT_NAMES, skeleton.PARENTS, pose)
