"""Skin that may touch the object, and skin that must not be in it, as the fine stage counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from generate.plan import BodyPart
from generate.pose.body import touching_side, vertex_normals
from generate.pose.fingers import HandHinges
from sim.body.skin import LinearBlendSkin
from sim.skeleton import JOINT_INDEX, PARENTS

_LIMBS = {
    "hand": ("collar", "shoulder", "elbow", "wrist"),
    "arm": ("collar", "shoulder", "elbow"),
    "leg": ("hip", "knee"),
    "foot": ("hip", "knee", "ankle"),
}
_PAD = 0.3
PALM = (5.0, *(1.0 for _ in range(15)))
"""What palm and segments of fingers count in the reach of a hand."""
_CLOSE_BY, _CLOSE_BY_LIMB = 0.1, 0.15
_THIN = 2
"""Of skin that must not be in the object every second vertex will do; of skin that may touch all count."""


def limb_joints(parts: tuple[BodyPart, ...]) -> list[int]:
    """The joints that the fine stage turns, fingers apart, for the parts that touch; none for a seat or a back."""
    found = []
    for part in parts:
        side, _, name = part.rpartition("_")
        found += [JOINT_INDEX[f"{side}_{joint}"] for joint in _LIMBS.get(name, ())]
    return sorted(set(found))


@dataclass(frozen=True, eq=False)
class ContactSkin:
    """Skin that may touch: rows [K] among the vertices of a `Grasp`, area [K] m^2, share [K] of the reach (sums to 1
    over each hand, 0 of other parts: of them only the nearest have to lie on the object), palms [K] the same of palms
    alone, group [K] which part."""

    rows: torch.Tensor
    area: torch.Tensor
    share: torch.Tensor
    palms: torch.Tensor
    group: torch.Tensor


def _below(joints: list[int]) -> list[int]:
    """These joints and all that hang on them."""
    found = set(joints)
    for joint, parent in enumerate(PARENTS):
        if parent in found:
            found.add(joint)
    return sorted(found)


def close_by(distance: np.ndarray, dominant: np.ndarray, joints: list[int]) -> np.ndarray:
    """Of vertices at `distance` [V] m from object or floor those that may come into them: near ones, of limbs that turn
    at these joints and of what hangs on them from farther away too."""
    reach = np.where(np.isin(dominant, _below(joints)), _CLOSE_BY_LIMB, _CLOSE_BY)
    return np.flatnonzero(distance < reach)[::_THIN]


def contact_skin(
    skin: LinearBlendSkin, dominant: np.ndarray, parts: tuple[BodyPart, ...], hands: Mapping[str, HandHinges]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [K] of all parts' touching sides, area [K] m^2, share [K] of the reach, and the part's number [K]."""
    normals, areas = vertex_normals(skin), _areas(skin)
    found, shares, groups = [], [], []
    for number, part in enumerate(parts):
        side = part.split("_")[0]
        if part.endswith("hand"):
            hand = hands[side]
            segments = (JOINT_INDEX[f"{side}_wrist"], *hand.joints)
            rows = [
                np.flatnonzero((dominant == j) & (normals @ pad > _PAD))
                for j, pad in zip(segments, hand.pads, strict=True)
            ]
            weights = np.array(PALM) / sum(PALM)
            share = np.concatenate(
                [w * areas[r] / areas[r].sum() for w, r in zip(weights, rows, strict=True) if len(r)]
            )
            mine = np.concatenate(rows)
        else:
            mine = touching_side(part, dominant, normals)
            share = np.zeros(len(mine))
        found.append(mine)
        shares.append(share)
        groups.append(np.full(len(mine), number))
    index = np.concatenate(found)
    return index, areas[index], np.concatenate(shares), np.concatenate(groups)


def _areas(skin: LinearBlendSkin) -> np.ndarray:
    """[V] m^2, a third of the triangles around each vertex."""
    corners = skin.rest_vertices[skin.faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return np.bincount(skin.faces.ravel(), np.repeat(area / 3.0, skin.faces.shape[1]), len(skin.rest_vertices))
