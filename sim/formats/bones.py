"""A subject's bones out of world positions and rotations, and the rest axes they imply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim import rotations, skeleton
from sim.errors import FormatError

MIN_BONE_LENGTH = 1e-3
"""Metres; a shorter bone has no direction, so the file's positions are not a person's."""
MAX_OFFSET_SPREAD = 0.1
"""Metres; bone offsets that vary more over a clip mean that positions and rotations do not belong together."""


@dataclass(frozen=True)
class Bones:
    """Bone offsets estimated over a clip: offsets [J, 3] m, spread [J] m (largest standard deviation of an axis)."""

    offsets: np.ndarray
    spread: np.ndarray

    def describe(self) -> str:
        """For a motion's `source`."""
        return f"bone offset spread mean {self.spread.mean() * 1e3:.2f} max {self.spread.max() * 1e3:.2f} mm"


def estimate_bones(rotations_w: np.ndarray, positions_w: np.ndarray, parents: Sequence[int]) -> Bones:
    """Offset = R_parent^T (p_child - p_parent), averaged over the frames, with the mean bone's true length.

    Averaging directions shortens a bone that wobbles, hence the rescaling.

    Args:
        rotations_w: [T, J, 4] world rotations; positions_w: [T, J, 3] m world positions of the same joints.
        parents: J parent indices, -1 for the root, whose offset is zero.
    """
    above = np.maximum(parents, 0)
    local = rotations.rotate_inverse(rotations_w[:, above], positions_w - positions_w[:, above])
    mean, length = local.mean(0), np.linalg.norm(local, axis=-1).mean(0)
    mean *= (length / np.maximum(np.linalg.norm(mean, axis=-1), 1e-9))[:, None]
    return Bones(mean, local.std(0).max(-1))


def check_bones(bones: Bones, names: Sequence[str]) -> None:
    """Refuse bones without length and positions that the rotations cannot explain."""
    length = np.linalg.norm(bones.offsets, axis=-1)
    short = [name for name, size in zip(names[1:], length[1:], strict=True) if size < MIN_BONE_LENGTH]
    if short:
        more = f" and {len(short) - 1} more" if len(short) > 1 else ""
        raise FormatError(f"zero-length bone: {short[0]}{more} lies on its parent in the body position columns")
    if bones.spread.max() > MAX_OFFSET_SPREAD:
        worst = int(bones.spread.argmax())
        raise FormatError(
            f"body positions and joint rotations do not belong together: the bone to {names[worst]} varies by "
            f"{bones.spread[worst] * 1e3:.0f} mm in its parent's frame; is this another layout?"
        )


def fit_rotations(
    rotations_w: np.ndarray, positions_w: np.ndarray, parents: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Turn each joint as little as possible until forward kinematics meets the positions.

    A joint with one child swings that bone into place and keeps its twist; one with several is fitted to them all
    by orthogonal Procrustes (Kabsch 1976). Exact where the positions keep their bone lengths.

    Args:
        rotations_w: [T, J, 4]; positions_w: [T, J, 3] m; parents: J indices, -1 for the root.

    Returns:
        rotations_w [T, J, 4] and the offsets [J, 3] m that go with them. A leaf turns with its parent.
    """
    fitted, offsets = rotations_w.copy(), np.zeros((len(parents), 3))
    for joint in range(len(parents)):
        children = [j for j, parent in enumerate(parents) if parent == joint]
        above = max(parents[joint], 0)
        if not children:
            turn = rotations.multiply(fitted[:, above], rotations.inverse(rotations_w[:, above]))
            fitted[:, joint] = rotations.multiply(turn, rotations_w[:, joint])
            continue
        bones_w = positions_w[:, children] - positions_w[:, [joint]]
        for _ in range(3 if len(children) > 1 else 1):
            local = rotations.rotate_inverse(fitted[:, [joint]], bones_w)
            mean, length = local.mean(0), np.linalg.norm(local, axis=-1).mean(0)
            template = mean * (length / np.linalg.norm(mean, axis=-1))[:, None]
            turn = _procrustes(template, local) if len(children) > 1 else rotations.between(template, local[:, 0])
            fitted[:, joint] = rotations.multiply(fitted[:, joint], turn)
        offsets[children] = template
    return rotations.normalize(fitted), offsets


def _procrustes(template: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Rotation that carries template [C, 3] best onto each local [T, C, 3] -> [T, 4]."""
    u, _, vt = np.linalg.svd(np.einsum("tci,cj->tij", local, template))
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    q: np.ndarray = rotations.from_matrix(u @ vt)
    return q


def to_standard_rest_axes(
    rotations_b: np.ndarray, offsets: np.ndarray, names: Sequence[str], parents: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Turn joint frames so that the rest pose faces +x with the left arm along +y and z up.

    SkillMimic's joint frames are SMPL's (left +x, up +y, facing +z), InterMimic's already the standard ones; which
    they are is read off the rest pose itself: where the left hip and the head lie.

    Returns:
        rotations_b [T, J, 4], offsets [J, 3] and a note, empty where nothing had to turn.
    """
    index = {name: i for i, name in enumerate(names)}
    up, joint = np.zeros(3), index["head"]
    while joint > 0:
        up, joint = up + offsets[joint], parents[joint]
    left = offsets[index["left_hip"]] - offsets[index["right_hip"]]
    axes = np.zeros((3, 3))  # rows: facing, left, up, each a signed axis of the file's frame
    for row, direction in ((1, left), (2, up)):
        axis = int(np.abs(direction).argmax())
        axes[row, axis] = np.sign(direction[axis])
    axes[0] = np.cross(axes[1], axes[2])
    if not np.isclose(np.linalg.det(axes), 1.0):
        raise FormatError("the rest pose has no clear up and left: hips and head lie along one axis")
    if np.allclose(axes, np.eye(3)):
        return rotations_b, offsets, []
    turn = np.broadcast_to(rotations.from_matrix(axes), rotations_b.shape).copy()
    turned = rotations.multiply(rotations_b, rotations.inverse(turn))
    turned[:, 1:] = rotations.multiply(turn, turned)[:, 1:]
    named = ", ".join(f"{'-' if r.sum() < 0 else ''}{'xyz'[int(np.abs(r).argmax())]}" for r in axes)
    return turned, offsets @ axes.T, [f"rest axes turned from (facing, left, up) = ({named})"]


def world_rotations(rotations_b: np.ndarray, parents: Sequence[int] = skeleton.PARENTS) -> np.ndarray:
    """[T, J, 4] local -> [T, J, 4] world."""
    joints = rotations_b.shape[-2]
    return skeleton.forward_kinematics(rotations_b, np.zeros((len(rotations_b), 3)), np.zeros((joints, 3)), parents)[1]
