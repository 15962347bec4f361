"""Every figure the workbench reports: small pure functions over plain arrays, each with unit, shape and source.

Arrays are time-first, metres, seconds, world frame. A function named `..._per_frame` answers one value a frame; the
others one number, which is NaN where nothing was there to measure (no active pair, no foot in contact).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from sim import rotations, skeleton

MM = 1000.0
PEER_JOINTS: tuple[int, ...] = skeleton.BODY_JOINTS[1:]
"""The 21 bodies over which the peers' jerk and jitter are taken: no fingers, no pelvis (found from their figures)."""

SPIDER_LIMITS = (0.1, float(np.degrees(0.5)))
"""Object error that SPIDER (arXiv 2511.09484) counts as success: below 0.1 m and 0.5 rad (in degrees)."""
SBTO_LIMITS = (0.1, 25.0)
"""Object error that SBTO (DynaRetarget, arXiv 2602.06827) counts as success: at most 0.1 m and 25 degrees."""

FS_ANKLE_HEIGHT, FS_TOE_HEIGHT = 0.08, 0.04
"""H of the foot skate score FS: an ankle or toe joint below it counts as standing, m."""


def _mean(values: np.ndarray) -> float:
    """Mean, or NaN of nothing, without NumPy's warning."""
    return float(values.mean()) if values.size else float("nan")


# --- how far from the reference -----------------------------------------------------------------------------------


def joint_error_per_frame(positions_w: np.ndarray, reference_w: np.ndarray) -> np.ndarray:
    """Mean distance of the joints to their reference, mm: [T, J, 3] x2 m -> [T]."""
    error: np.ndarray = np.linalg.norm(positions_w - reference_w, axis=-1).mean(-1) * MM
    return error


def mpjpe(positions_w: np.ndarray, reference_w: np.ndarray) -> float:
    """Mean per-joint position error, mm: [T, J, 3] x2 m (Open4DHOI eq. 22)."""
    return _mean(joint_error_per_frame(positions_w, reference_w))


def root_relative(positions_w: np.ndarray) -> np.ndarray:
    """Positions with joint 0, the pelvis, moved to the origin: [T, J, 3] -> [T, J, 3]."""
    return positions_w - positions_w[:, :1]


def root_relative_error_per_frame(positions_w: np.ndarray, reference_w: np.ndarray) -> np.ndarray:
    """`joint_error_per_frame` with the pelvises aligned, mm. The pelvis, zero by construction, is counted (eq. 22)."""
    return joint_error_per_frame(root_relative(positions_w), root_relative(reference_w))


def mpjpe_root_relative(positions_w: np.ndarray, reference_w: np.ndarray) -> float:
    """MPJPE with the pelvises aligned by translation, mm: [T, J, 3] x2 m."""
    return _mean(root_relative_error_per_frame(positions_w, reference_w))


def position_error_per_frame(position_w: np.ndarray, reference_w: np.ndarray) -> np.ndarray:
    """Distance of an object's origin to its reference, mm: [T, 3] x2 m -> [T]."""
    return joint_error_per_frame(position_w[:, None], reference_w[:, None])


def position_error(position_w: np.ndarray, reference_w: np.ndarray) -> float:
    """Mean distance of an object's origin to its reference, mm: [T, 3] x2 m."""
    return _mean(position_error_per_frame(position_w, reference_w))


def rotation_error_per_frame(rotation_w: np.ndarray, reference_w: np.ndarray) -> np.ndarray:
    """Geodesic angle to the reference, degrees, blind to the double cover: [T, ..., 4] x2 -> [T, ...]."""
    angle: np.ndarray = np.degrees(rotations.angle_between(rotation_w, reference_w))
    return angle


def rotation_error(rotation_w: np.ndarray, reference_w: np.ndarray) -> float:
    """Mean geodesic angle to the reference, degrees: [T, ..., 4] x2."""
    return _mean(rotation_error_per_frame(rotation_w, reference_w))


def symmetric_rotation_error_per_frame(
    rotation_w: np.ndarray, reference_w: np.ndarray, symmetries_b: np.ndarray
) -> np.ndarray:
    """Angle to the nearest rotation that looks the same, degrees: [T, 4], [T, 4] -> [T].

    Args:
        symmetries_b: [S, 4] turns of the object's own frame that carry its shape onto itself, the identity among them.
    """
    alike = rotations.multiply(rotation_w[:, None], np.asarray(symmetries_b, np.float64)[None])
    error: np.ndarray = rotation_error_per_frame(alike, np.broadcast_to(reference_w[:, None], alike.shape).copy())
    return error.min(-1)


class WaypointErrors(NamedTuple):
    """OMOMO's and CHOIS's object errors, mm: at the start, at the end, and horizontally at the way-points between."""

    start: float
    end: float
    xy: float


def waypoint_errors(position_w: np.ndarray, reference_w: np.ndarray, stride: int = 30) -> WaypointErrors:
    """T_s, T_e and T_xy of CHOIS (also FBM, IMAGIN-4D), mm: [T, 3] x2 m.

    Way-points lie every `stride` frames strictly between the ends; T_xy is NaN in a clip too short to have one.
    """
    error = position_w - reference_w
    between = np.arange(stride, len(error) - 1, stride)
    start, end = np.linalg.norm(error[[0, -1]], axis=-1) * MM
    return WaypointErrors(float(start), float(end), _mean(np.linalg.norm(error[between, :2], axis=-1) * MM))


# --- how far one surface is from another --------------------------------------------------------------------------

CHAMFER_POINTS = 20_000
"""Points drawn from each mesh for a Chamfer distance (Open4DHOI eq. 21, after VisTracker)."""


def chamfer_distance(points: np.ndarray, reference: np.ndarray) -> float:
    """Mean distance to the nearest reference point plus that back, mm: [P, 3], [Q, 3] m (Open4DHOI eq. 21: CD-h, CD-o).

    Both are draws from a surface, so that it never gets to zero: two draws of n points from the same area A are about
    sqrt(A / n) apart in this sum, 7 mm for 1 m^2 and `CHAMFER_POINTS`.
    """
    forth, back = cKDTree(reference).query(points)[0], cKDTree(points).query(reference)[0]
    return (_mean(forth) + _mean(back)) * MM


def chamfer_per_frame(points_w: np.ndarray, reference_w: np.ndarray) -> np.ndarray:
    """`chamfer_distance` in each frame, mm: [T, P, 3], [T, Q, 3] m -> [T]."""
    return np.array([chamfer_distance(p, q) for p, q in zip(points_w, reference_w, strict=True)])


def rigid_chamfer_per_frame(
    points_b: np.ndarray,
    position_w: np.ndarray,
    rotation_w: np.ndarray,
    reference_b: np.ndarray,
    reference_position_w: np.ndarray,
    reference_rotation_w: np.ndarray,
) -> np.ndarray:
    """`chamfer_distance` between two rigid surfaces in each frame, mm; each is indexed once, in its own frame.

    Args:
        points_b: [P, 3] m, in the frame that lies at position_w [T, 3] m, rotation_w [T, 4].
        reference_b: [Q, 3] m, with its pose alike.

    Returns:
        [T] mm.
    """
    tree, reference_tree = cKDTree(points_b), cKDTree(reference_b)

    def carried(
        points: np.ndarray, t: int, of: tuple[np.ndarray, np.ndarray], to: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        world = rotations.rotate(of[1][t], points) + of[0][t]
        local: np.ndarray = rotations.rotate_inverse(to[1][t], world - to[0][t])
        return local

    mine, its = (position_w, rotation_w), (reference_position_w, reference_rotation_w)
    forth = [reference_tree.query(carried(points_b, t, mine, its))[0].mean() for t in range(len(position_w))]
    back = [tree.query(carried(reference_b, t, its, mine))[0].mean() for t in range(len(position_w))]
    return (np.array(forth) + np.array(back)) * MM


# --- success ------------------------------------------------------------------------------------------------------


def completion(frames_done: np.ndarray, num_frames: int) -> float:
    """Mean share of the clip that episodes got through, %: [N] frames carried out, of `num_frames`."""
    return _mean(np.asarray(frames_done, np.float64) / num_frames * 100.0)


def spider_success(position_error_mm: np.ndarray, rotation_error_deg: np.ndarray) -> bool:
    """SPIDER's rule on per-frame object errors [T], averaged over the clip: below 0.1 m and below 0.5 rad."""
    metres, degrees = SPIDER_LIMITS
    return _mean(np.asarray(position_error_mm)) < metres * MM and _mean(np.asarray(rotation_error_deg)) < degrees


def sbto_success(position_error_mm: np.ndarray, rotation_error_deg: np.ndarray) -> bool:
    """SBTO's rule on per-frame object errors [T], averaged over the clip: at most 0.1 m and at most 25 degrees."""
    metres, degrees = SBTO_LIMITS
    return _mean(np.asarray(position_error_mm)) <= metres * MM and _mean(np.asarray(rotation_error_deg)) <= degrees


# --- contact ------------------------------------------------------------------------------------------------------


def contact_score(distance: np.ndarray) -> float:
    """Squared distances summed over the pairs of a frame, mean over the frames with any, m^2 (Open4DHOI eq. 23).

    The paper's sum is over t as well; the mean makes clips of different length comparable.

    Args:
        distance: [T, C] m between the pairs of the contact graph, NaN where one is not active.
    """
    active = np.isfinite(distance)
    return _mean(np.square(np.where(active, distance, 0.0)).sum(-1)[active.any(-1)])


def contact_distance(distance: np.ndarray) -> float:
    """Mean distance over the active pairs, mm: [T, C] m, NaN where one is not active."""
    return _mean(distance[np.isfinite(distance)]) * MM


def contact_distance_per_frame(distance: np.ndarray) -> np.ndarray:
    """Mean over the pairs active in each frame, mm, NaN where none is: [T, C] m, NaN where inactive -> [T]."""
    active = np.isfinite(distance)
    count, total = active.sum(-1), np.where(active, distance, 0.0).sum(-1) * MM
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class ContactAgreement(NamedTuple):
    """Shares in [0, 1]; NaN where there is nothing to divide by (nothing touched, nothing had to be touched)."""

    precision: float
    recall: float
    f1: float


def contact_agreement(labels: np.ndarray, touching: np.ndarray) -> ContactAgreement:
    """Precision, recall and F1 of touch against labels: int [T, K] (+1 must, 0 ignored, -1 must not), bool [T, K].

    `touching` is what happened: a force above a threshold, or a palm within 5 cm of the object (OMOMO). A touch where
    the label is 0 counts neither for nor against.
    """
    touching = np.asarray(touching, bool)
    hits = int((touching & (labels > 0)).sum())
    false_alarms, misses = int((touching & (labels < 0)).sum()), int((~touching & (labels > 0)).sum())

    def share(whole: int) -> float:
        return hits / whole if whole else float("nan")

    f1 = 2 * hits / (2 * hits + false_alarms + misses) if hits + false_alarms + misses else float("nan")
    return ContactAgreement(share(hits + false_alarms), share(hits + misses), f1)


class Penetration(NamedTuple):
    """Depth below a surface: mean and greatest over the points inside (0 if none is), mm, and their share, %."""

    mean_mm: float
    max_mm: float
    share_percent: float


def penetration(signed_distance: np.ndarray) -> Penetration:
    """Depth statistics of points, from their signed distance to a surface, m, negative inside: [...]."""
    depth = -signed_distance[signed_distance < 0] * MM
    if not depth.size:
        return Penetration(0.0, 0.0, 0.0)
    return Penetration(float(depth.mean()), float(depth.max()), 100.0 * depth.size / signed_distance.size)


# --- feet and floor -----------------------------------------------------------------------------------------------


def lowest_per_frame(points_w: np.ndarray) -> np.ndarray:
    """Height of the lowest point over the floor z = 0, mm, negative below: [T, P, 3] m -> [T]."""
    lowest: np.ndarray = points_w[..., 2].min(-1) * MM
    return lowest


def ground_penetration(points_w: np.ndarray) -> float:
    """Mean over the frames of how far the lowest point lies under the floor z = 0, mm: [T, P, 3] m."""
    return _mean(np.maximum(-lowest_per_frame(points_w), 0.0))


def ground_float(points_w: np.ndarray) -> float:
    """Mean over the frames of how far the lowest point hovers over the floor z = 0, mm: [T, P, 3] m."""
    return _mean(np.maximum(lowest_per_frame(points_w), 0.0))


def foot_skate(feet_w: np.ndarray, in_contact: np.ndarray, fps: float) -> float:
    """Mean horizontal speed of feet that stand, m/s: [T, F, 3] m, bool [T, F]. Standing means in both end frames."""
    speed = np.linalg.norm(np.diff(feet_w[..., :2], axis=0), axis=-1) * fps
    return _mean(speed[in_contact[1:] & in_contact[:-1]])


def floor_height(toes_w: np.ndarray, *, max_step: float = 0.005, eps: float = 0.005, min_samples: int = 3) -> float:
    """Height on which slow toes stand, m: [T, F, 3] m. NaN if no toe ever rests.

    HuMoR's estimate, used by OMOMO and CHOIS: cluster (DBSCAN) the heights of toes that move less than `max_step` m a
    frame and take the lowest cluster's median. On a line DBSCAN is this: sort, and cut where a gap exceeds `eps`.
    """
    step = np.linalg.norm(np.diff(toes_w, axis=0), axis=-1)
    slow = np.concatenate((step, step[-1:])) < max_step
    heights = np.sort(toes_w[..., 2][slow])
    clusters = np.split(heights, np.flatnonzero(np.diff(heights) > eps) + 1)
    medians = [float(np.median(c)) for c in clusters if len(c) >= min_samples]
    return min(medians, default=float("nan"))


def fs_score(ankles_w: np.ndarray, toes_w: np.ndarray, floor: float) -> float:
    """The foot skate score FS of OMOMO, CHOIS and IMAGIN-4D, mm a frame: [T, 2, 3] m x2, floor height m.

    Mean over frames and the four joints of d_xy (2 - 2^(h/H)) where h < H: horizontal step d_xy, height h over the
    floor, H = 0.08 m for ankles and 0.04 m for toes. It depends on the frame rate; compare at 30 fps.
    """

    def slide(joints_w: np.ndarray, limit: float) -> np.ndarray:
        step = np.linalg.norm(np.diff(joints_w[..., :2], axis=0), axis=-1)
        height = joints_w[:-1, :, 2] - floor
        weighted: np.ndarray = np.where(height < limit, step * (2 - 2 ** (height / limit)), 0.0)
        return weighted.sum(0) / len(joints_w)

    return float(np.concatenate((slide(ankles_w, FS_ANKLE_HEIGHT), slide(toes_w, FS_TOE_HEIGHT))).mean() * MM)


# --- smoothness ---------------------------------------------------------------------------------------------------


def third_difference(positions: np.ndarray) -> np.ndarray:
    """Third difference along time: [T, ..., 3] -> [T-3, ..., 3]; row t spans the frames t..t+3."""
    return np.diff(positions, n=3, axis=0)


def jitter(positions_w: np.ndarray) -> float:
    """Mean over the joints of the root mean square third difference, mm a frame^3: [T, J, 3] m (Open4DHOI eq. 24)."""
    square = np.square(third_difference(positions_w)).sum(-1)
    return _mean(np.sqrt(square.mean(0))) * MM if square.size else float("nan")


def jitter_per_second(positions_w: np.ndarray, fps: float) -> float:
    """Eq. 24 in m/s^3, so that clips of different frame rates compare: [T, J, 3] m."""
    return jitter(positions_w) / MM * fps**3


def jerk_per_frame(positions_w: np.ndarray, fps: float) -> np.ndarray:
    """Mean jerk of the joints, m/s^3: [T, J, 3] m -> [T-3]; row t spans the frames t..t+3."""
    jerk: np.ndarray = np.linalg.norm(third_difference(positions_w), axis=-1).mean(-1) * fps**3
    return jerk


def mean_jerk(positions_w: np.ndarray, fps: float) -> float:
    """Mean jerk over frames and joints, m/s^3: [T, J, 3] m. The peers' table takes the joints `PEER_JOINTS`."""
    return _mean(jerk_per_frame(positions_w, fps))
