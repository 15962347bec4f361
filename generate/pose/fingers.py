"""Fingers as hinges: flexion of every joint, spreading at the knuckles, opposition of the thumb, within their ranges.

A joint that only turns about these axes cannot twist, and clamping the angles keeps it from bending too far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sim import rotations
from sim.body.capsules import palm_frame
from sim.skeleton import JOINT_INDEX

_FOUR = ("index", "middle", "ring", "pinky")
_FLEXION = {"1": (-10.0, 85.0), "2": (0.0, 100.0), "3": (0.0, 70.0)}
_SPREAD = (-10.0, 10.0)
_THUMB = {"1": ((-25.0, 40.0), (-30.0, 30.0), (-20.0, 35.0)), "2": ((-5.0, 55.0),), "3": ((-5.0, 80.0),)}
"""Degrees, active ranges of motion after Norkin & White, *Measurement of Joint Motion*, the last joint less than
passively; of the thumb's root: flexion, abduction, and the turn about itself with which it opposes the fingers."""
_FLAT = (-8.0, 12.0)
_PAD_TILT = 0.7


@dataclass(frozen=True, eq=False)
class HandHinges:
    """D hinges of one hand.

    Attributes:
        joints: [15] index. columns: [D] which of these joints each hinge turns; axes: [D, 3] in the joint's frame.
        low, high: [D] rad. flexes: [D] bool, whether it bends the finger towards the palm.
        pads: [16, 3], the way that the touching side faces in the rest pose: of the palm, then of each joint.
    """

    joints: tuple[int, ...]
    columns: torch.Tensor
    axes: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    flexes: torch.Tensor
    pads: np.ndarray

    @staticmethod
    def of(offsets: np.ndarray, side: str, *, grasps: bool, dtype: torch.dtype = torch.float64) -> HandHinges:
        """For a subject's bones [52, 3] m; fingers that do not grasp stay straight within a few degrees."""
        palm = rotations.rotate(palm_frame(offsets, side), np.array([0.0, 0.0, -1.0]))
        joints: list[int] = []
        rows, pads = [], [palm]
        for finger in (*_FOUR, "thumb"):
            before = offsets[JOINT_INDEX[f"{side}_{finger}1"]]
            for segment in "123":
                joint = JOINT_INDEX[f"{side}_{finger}{segment}"]
                bone = _unit(offsets[joint if segment == "3" else joint + 1])
                pad = _pad(offsets, side, finger, bone, palm)
                axis = _unit(np.cross(bone, pad))
                pads.append(_unit(np.cross(axis, bone)))
                for kind, (low, high), about in _ranges(finger, segment, axis, bone):
                    bent = _bend(before, bone, axis) if kind == "flexion" and finger != "thumb" else 0.0
                    if not grasps:
                        low, high = max(low, _FLAT[0]), min(high, _FLAT[1])
                    rows.append((len(joints), about, np.radians(low) - bent, np.radians(high) - bent, kind))
                joints.append(joint)
                before = bone
        columns, axes, low_, high_, kinds = zip(*rows, strict=True)
        return HandHinges(
            tuple(joints),
            torch.tensor(columns),
            torch.as_tensor(np.array(axes), dtype=dtype),
            torch.tensor(low_, dtype=dtype),
            torch.tensor(high_, dtype=dtype),
            torch.tensor([kind == "flexion" for kind in kinds]),
            np.array(pads),
        )

    def rotations(self, angles: torch.Tensor) -> torch.Tensor:
        """Local rotations of the joints: [D] rad -> [15, 4]."""
        turns = angles.new_zeros(len(self.joints), 3).index_add(0, self.columns, angles[:, None] * self.axes)
        local: torch.Tensor = rotations.from_rotvec(turns)
        return local

    def angles(self, local: torch.Tensor) -> torch.Tensor:
        """What the hinges can follow of local rotations: [15, 4] -> [D] rad, within the ranges."""
        return self.clamp((rotations.to_rotvec(local)[self.columns] * self.axes).sum(-1))

    def open(self) -> torch.Tensor:
        """[D] rad: straight fingers."""
        return self.clamp(torch.zeros_like(self.low))

    def curled(self, level: float) -> torch.Tensor:
        """[D] rad: every joint flexed by this share of its range, fingers not spread."""
        return self.clamp(torch.where(self.flexes, self.low + level * (self.high - self.low), 0.0))

    def clamp(self, angles: torch.Tensor) -> torch.Tensor:
        """[D] rad within the ranges."""
        return torch.minimum(torch.maximum(angles, self.low), self.high)


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.linalg.norm(v))


def _pad(offsets: np.ndarray, side: str, finger: str, bone: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """The way that a segment's pad faces: as the palm does; of the thumb half towards the fingers."""
    if finger != "thumb":
        return palm
    across = offsets[JOINT_INDEX[f"{side}_pinky1"]] - offsets[JOINT_INDEX[f"{side}_index1"]]
    across = _unit(across - (across @ palm) * palm)
    across = across - (across @ bone) * bone
    return _unit(palm + _PAD_TILT * _unit(across))


def _ranges(
    finger: str, segment: str, axis: np.ndarray, bone: np.ndarray
) -> list[tuple[str, tuple[float, float], np.ndarray]]:
    """Kind, range in degrees and axis of each hinge of a joint."""
    if finger == "thumb":
        axes = (("flexion", axis), ("spread", _unit(np.cross(axis, bone))), ("turn", bone))
        return [(kind, span, about) for (kind, about), span in zip(axes, _THUMB[segment], strict=False)]
    found = [("flexion", _FLEXION[segment], axis)]
    if segment == "1":
        found.append(("spread", _SPREAD, _unit(np.cross(axis, bone))))
    return found


def _bend(before: np.ndarray, bone: np.ndarray, axis: np.ndarray) -> float:
    """rad by which a bone is bent against the one before while its joint is not turned."""
    before = before - (before @ axis) * axis
    return float(np.arctan2(np.cross(before, bone) @ axis, before @ bone))
