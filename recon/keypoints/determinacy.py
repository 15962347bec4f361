"""What annotated points determine of an object's pose, and in plain words what is missing or contradicts.

Equations are not counted: two contacts give six, yet leave the turn about the line between them free. Counted are the
directions in which the Jacobian of the points alone holds the object.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recon.keypoints.observations import Observations
from sim import rotations

_ON_AXIS = 0.15
"""Share of the object's radius within which a point counts as lying on the axis of a free turn."""


class RankTest(NamedTuple):
    """rank [T] int 0..6, and the principal directions [T, 6, 6] (columns, least held first; turns times radius)."""

    rank: np.ndarray
    directions: np.ndarray


def frame_rank(information: np.ndarray, radius: float, free_limit: float) -> RankTest:
    """How many directions of pose the points hold to within `free_limit`.

    Args:
        information: [T, 6, 6] J^T J of the whitened residuals of the points alone (position m, then turn rad).
        radius: m, turns an angle into a motion of the object's surface.
        free_limit: m, one standard deviation of the surface's place that counts as free.
    """
    lengths = np.repeat([1.0, 1.0 / radius], 3)
    values, vectors = np.linalg.eigh(information * lengths * lengths[:, None])
    held = values > np.maximum(1e-9 * values[:, -1:], free_limit**-2)
    return RankTest(held.sum(-1), vectors)


def missing_points(
    o: Observations, position_w: np.ndarray, rotation_w: np.ndarray, test: RankTest, first_frame: int = 0
) -> tuple[str, ...]:
    """One line for each stretch of frames with the same points that leave the same open.

    Poses as solved, [T or 1]; the lines count frames from `first_frame`.
    """
    static = len(test.rank) == 1 < len(o.active)
    active = np.asarray(o.active.any(0, keepdims=True) if static else o.active)
    keys = np.concatenate((active, test.rank[:, None]), 1)
    starts = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(1)))
    stops = np.append(starts[1:], len(keys))
    found: dict[str, list[str]] = {}
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if test.rank[start] == 6:
            continue
        frame = (start + stop - 1) // 2
        open_ = test.directions[frame, :, : 6 - int(test.rank[frame])]
        text = _missing(o, active[frame], position_w[frame], rotation_w[frame], open_, frame)
        frames = "all frames" if static else _frames(start + first_frame, stop - 1 + first_frame)
        found.setdefault(text, []).append(frames)
    return tuple(f"{_several(frames)}: {text}" for text, frames in found.items())


def contradictions(o: Observations, distances: np.ndarray, limits: np.ndarray, first_frame: int = 0) -> tuple[str, ...]:
    """One line for each point that stays farther off than its limit: distances [T, N] and limits [N] as in `o`."""
    lines = []
    with np.errstate(invalid="ignore"):
        off = distances > limits
    for point in np.flatnonzero(off.any(0)).tolist():
        frames = np.flatnonzero(off[:, point])
        worst = float(distances[frames, point].max())
        where = _several(_stretches(frames + first_frame))
        amount = f"{1000 * worst:.0f} mm" if point < o.num_contacts else f"{worst:.0f} px"
        lines.append(
            f"{where}: {o.names[point]} contradicts the other points (up to {amount} off); "
            "check its place on the object and its frames"
        )
    return tuple(lines)


def _missing(
    o: Observations, active: np.ndarray, position: np.ndarray, rotation: np.ndarray, open_: np.ndarray, frame: int
) -> str:
    """What is open, and what would close it, in one frame with active points [N] and open directions [6, n]."""
    contacts, images = int(active[: o.num_contacts].sum()), int(active[o.num_contacts :].sum())
    if not active.any():
        return "no points, interpolated; add any point that is seen or held there"
    here = f"{_count(contacts, 'contact')} and {_count(images, 'image point')} determine {6 - open_.shape[1]} of 6"
    if open_.shape[1] > 1:
        if contacts == 1 and images == 0:
            return f"{here}: every turn about the contact is free; add two image points, or two more contacts"
        wanted = -(-open_.shape[1] // 2)
        return f"{here} directions; add {_count(wanted, 'image point')} or contact{'s' * (wanted > 1)} elsewhere on it"
    slide, turn = open_[:3, 0], open_[3:, 0]
    if np.linalg.norm(turn) < np.linalg.norm(slide):
        sight = o.camera.to_camera(np.broadcast_to(position, (len(o.active), 1, 3)))[frame, 0]
        axes = np.broadcast_to(o.camera_axes, (len(o.active), 3, 3))[frame]
        along = abs(float(axes @ slide @ sight)) / (np.linalg.norm(slide) * np.linalg.norm(sight))
        which = "the distance from the camera" if along > 0.8 else "a shift"
        return f"{here}: {which} is free; add a contact, or image points farther apart"
    # x -> x + slide + (turn / radius) x (x - position): the points that stay put form the axis
    turn = turn / o.radius
    axis = turn / np.linalg.norm(turn)
    through = position + np.cross(turn, slide) / (turn @ turn)
    points = position + rotations.rotate(rotation[None], o.points_b)
    beside = np.linalg.norm(np.cross(points - through, axis), axis=-1)
    on_axis = beside < _ON_AXIS * o.radius
    named = [o.names[i] for i in np.flatnonzero(active & on_axis)]
    unseen = [o.names[i] for i in np.flatnonzero(active & ~on_axis)]
    line = f"the line through {' and '.join(named)}" if len(named) > 1 else "one axis"
    aside = f" ({' and '.join(unseen)} only moves along the line of sight by it)" if unseen else ""
    return f"{here}: the turn about {line} is free{aside}; add a contact or an image point off that line"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _frames(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first}-{last}"


def _stretches(frames: np.ndarray) -> list[str]:
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return [_frames(int(part[0]), int(part[-1])) for part in parts]


def _several(stretches: list[str], limit: int = 4) -> str:
    more = f" and {len(stretches) - limit} more stretches" if len(stretches) > limit else ""
    return ", ".join(stretches[:limit]) + more
