"""What PhysHOI's and SkillMimic's ball clips have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim import rotations, skeleton
from sim.errors import FormatError
from sim.formats.bones import check_bones, estimate_bones, fit_rotations, to_standard_rest_axes, world_rotations
from sim.formats.common import Clip, Layout, PoseSource, drop_zero_start
from sim.geometry import Primitive

BALL = Primitive("sphere", (0.12,))
"""The ball of both data sets, a basketball of size 7."""
BALL_MASS = 0.62
"""kg; FIBA's rules ask for 0.567 to 0.650."""

GRAVITY = 9.81
_AGREEMENT = 1e-3
_FLIGHT_WINDOWS = 5


def read_ball_clip(
    layout: Layout, table: np.ndarray, names: Sequence[str], parents: Sequence[int], pose: PoseSource
) -> Clip:
    """A table as a clip of the layout's own bodies, in standard rest axes. Raises FormatError.

    The body positions of SkillMimic's files keep their bone lengths to 0.0001 mm, but the joint rotations put bodies
    10 to 20 mm off them, and the root column lies 10 to 20 mm below the pelvis. The positions stand on the floor, so by
    default (`pose="positions"`) each joint is turned by the few degrees that make forward kinematics meet them;
    `pose="rotations"` keeps the file's rotations. Either way the root is the pelvis of the position columns.
    """
    parts, notes = drop_zero_start(layout.split(table))
    rotvec = np.concatenate([parts["root_rotvec"][:, None], parts["joint_rotvec"]], 1)
    rotations_b = rotations.from_rotvec(rotvec)
    rotations_w, positions_w = world_rotations(rotations_b, parents), parts["body_position_w"]
    bones = estimate_bones(rotations_w, positions_w, parents)
    check_bones(bones, names)
    offsets, notes = bones.offsets, [*notes, bones.describe()]
    found, _ = skeleton.forward_kinematics(rotations_b, positions_w[:, 0].copy(), offsets, parents)
    error = np.linalg.norm(found - positions_w, axis=-1).mean()
    if pose == "positions" and error > _AGREEMENT:
        fitted_w, offsets = fit_rotations(rotations_w, positions_w, parents)
        turn = np.rad2deg(rotations.angle_between(fitted_w, rotations_w).mean())
        notes.append(
            f"rotations turned by {turn:.1f} degrees on average to meet body positions {error * 1e3:.0f} mm off"
        )
        rotations_b = skeleton.local_rotations(fitted_w, parents)
    rotations_b, offsets, turned = to_standard_rest_axes(rotations_b, offsets, names, parents)
    return Clip(
        rotations_b,
        offsets,
        positions_w[:, 0],
        parts["object_position_w"],
        rotations.from_rotvec(parts["object_rotvec"].copy()),
        object_contact=np.rint(parts["object_contact"][:, 0]),
        notes=[*notes, *turned],
    )


def free_fall_fps(height: np.ndarray, held: np.ndarray, fps: float) -> float | None:
    """The frame rate at which the ball falls with 9.81 m/s^2, or None if it is hardly ever in the air.

    The second difference of the height over +-1/15 s is -g (k / fps)^2 in free flight; the median over all such windows
    in which the ball is neither held nor near the floor. Drag makes it read 1 % high.

    Args:
        height: [T] m, the ball's centre above the floor; held: [T] bool; fps: a guess, which sets the window.
    """
    k = max(1, round(fps / 15))
    if len(height) <= 2 * k:
        return None
    free = ~held & (height > 0.3)
    inside = np.lib.stride_tricks.sliding_window_view(free, 2 * k + 1).all(1)
    drop = (height[2 * k :] - 2 * height[k:-k] + height[: -2 * k])[inside]
    if len(drop) < _FLIGHT_WINDOWS or np.median(drop) >= 0:
        return None
    return float(k * np.sqrt(GRAVITY / -np.median(drop)))


def check_fall(clip: Clip, fps: float) -> None:
    """Note the frame rate that the ball's free fall fits; refuse one that is more than a factor of 1.5 away from it."""
    assert clip.object_position_w is not None
    assert clip.object_contact is not None
    fitting = free_fall_fps(clip.object_position_w[:, 2], clip.object_contact > 0, fps)
    if fitting is None:
        return
    if not 1 / 1.5 < fitting / fps < 1.5:
        raise FormatError(
            f"at {fps:g} fps the ball falls with {GRAVITY * (fps / fitting) ** 2:.1f} m/s^2; its free fall fits "
            f"{fitting:.0f} fps: give that as the frame rate (--fps)"
        )
    clip.notes.append(f"free fall of the ball fits {fitting:.0f} fps")
