"""Limb IK: arms and legs turned so that annotated keypoints reach the object's points (seed, section 3.4, Algorithm 1).

Damped least squares over the whole clip, one limb at a time: unknown are a rotation vector for each joint of the limb
and frame, on top of the given pose. Residuals are the contacts' distances, staying close to the given pose, corrections
that change evenly in time, and elbows and knees that bend neither backwards nor too far.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recon.annotations import Annotations
from recon.banded import NormalEquations
from recon.keypoints.observations import robust
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.contacts import object_points_w
from sim.errors import ReconstructionError
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets, keypoint_positions
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS

LIMBS: dict[str, tuple[int, ...]] = {
    f"{side} {limb}": tuple(JOINT_INDEX[f"{side}_{part}"] for part in parts)
    for side in ("left", "right")
    for limb, parts in (("arm", ("collar", "shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle")))
}
"""The joints that may turn, from the trunk outwards."""

_STIFFNESS = {
    "collar": (4.0, 4.0, 4.0), "shoulder": (30.0, 30.0, 30.0), "elbow": (3.0, 20.0, 30.0), "wrist": (20.0, 10.0, 15.0),
    "hip": (25.0, 25.0, 25.0), "knee": (3.0, 30.0, 5.0), "ankle": (10.0, 15.0, 10.0),
}  # fmt: skip
"""Degrees by which a joint may well leave its pose, about front, left and up of its own axes (rest pose): hinges bend,
elbows and wrists twist a little, collars hardly move."""

_HINGES = {"elbow": (np.array([1.0, 0.0, 0.0]), "wrist"), "knee": (np.array([-1.0, 0.0, 0.0]), "ankle")}
"""Where the outer bone of a hinge goes when it bends, in the inner one's rest axes, and the joint at its end."""


@dataclass(frozen=True)
class LimbIKConfig:
    """How limbs may be turned.

    Attributes:
        contact_sigma: m, how closely contacts are to be reached, against the joints' stiffness.
        give_up: m; a pair that stays farther apart than this pulls less and less (Cauchy), so that a wrong contact
            does not tear at its limb.
        turn_acceleration: rad/s^2, how unevenly a correction may well change in time.
        fade_seconds: frames farther than this from every contact of a limb stay as they are, bit for bit.
        bend_limits: degrees an elbow or knee may bend: least and most. A pose that is beyond them already may stay so.
        stiffness: multiplies how far joints may leave their poses.
        iterations: Gauss-Newton steps.
    """

    contact_sigma: float = 0.005
    give_up: float = 0.15
    turn_acceleration: float = 2.0
    fade_seconds: float = 0.5
    bend_limits: tuple[float, float] = field(default=(0.0, 150.0))
    stiffness: float = 1.0
    iterations: int = 8


def refine_limbs(
    motion: Motion,
    annotations: Annotations,
    config: LimbIKConfig | None = None,
    *,
    targets_w: np.ndarray | None = None,
) -> Motion:
    """The motion with annotated limbs turned so that their keypoints reach the objects' points.

    Args:
        motion: with the standard skeleton and the objects where the keypoint solver put them.
        annotations: the contacts of one object, or of several with `object_index` as in the motion.
        targets_w: [T, C, 3] m, where each contact's keypoint should be; the annotated object points where None.

    Returns:
        The same motion but for the joints of `LIMBS` that have contacts, near those contacts. Bones keep their length.

    Raises:
        ReconstructionError: contacts with an object that the motion has not, or beyond its frames.
    """
    config = LimbIKConfig() if config is None else config
    graph = annotations.contacts
    _check(motion, graph)
    rows = np.array([KEYPOINT_INDEX[name] for name in graph.keypoints], np.int64)
    targets_w = object_points_w(motion, graph) if targets_w is None else targets_w
    if targets_w.shape != (motion.num_frames, len(graph), 3):
        raise ReconstructionError(
            f"targets: shape {list(targets_w.shape)}, the contacts need {[motion.num_frames, len(graph), 3]}"
        )
    turned = motion.joint_rotations_b.copy()
    for name, joints in LIMBS.items():
        mine = np.flatnonzero(np.isin(KEYPOINT_JOINTS[rows], _carried(joints[0])))
        if len(mine):
            contacts = _Contacts(rows[mine], targets_w[:, mine], graph.active(motion.num_frames)[:, mine])
            _Limb(motion, name, joints, contacts, config).turn(turned)
    return motion.replace(joint_rotations_b=turned)


def _check(motion: Motion, graph: ContactGraph) -> None:
    if motion.joint_names != JOINT_NAMES:
        raise ReconstructionError(f"limb IK needs the standard {NUM_JOINTS} joints, the motion has others")
    for row in range(len(graph)):
        if not 0 <= graph.object_index[row] < len(motion.objects):
            raise ReconstructionError(
                f"contacts: row {row} names object {graph.object_index[row]}, the motion has {len(motion.objects)}"
            )
        if graph.last_frame[row] >= motion.num_frames:
            raise ReconstructionError(
                f"contacts: row {row} holds until frame {graph.last_frame[row]}, the motion has {motion.num_frames}"
            )


def _carried(joint: int) -> list[int]:
    """The joint and all that hang on it."""
    found = [joint]
    for other in range(joint + 1, NUM_JOINTS):
        if PARENTS[other] in found:
            found.append(other)
    return found


@dataclass(frozen=True, eq=False)
class _Contacts:
    """A limb's contacts: keypoints [C] out of the 87, targets_w [T, C, 3] m, active [T, C] bool."""

    keypoints: np.ndarray
    targets_w: np.ndarray
    active: np.ndarray


class _Limb:
    """The least-squares problem of one limb: corrections c [T, L, 3] rad, given pose times exp(c)."""

    def __init__(
        self, motion: Motion, name: str, joints: tuple[int, ...], contacts: _Contacts, config: LimbIKConfig
    ) -> None:
        ridden = KEYPOINT_JOINTS[contacts.keypoints]
        moves = np.array([[k in _carried(j) for j in joints] for k in ridden])
        joints = joints[: int(moves.sum(1).max())]  # beyond the outermost contact nothing is to turn
        self.motion, self.joints, self.contacts, self.config = motion, list(joints), contacts, config
        self.moves = moves[:, : len(joints)]  # [C, L]
        self.last = self.moves.sum(1) - 1  # the outermost joint of the limb that moves the keypoint
        self.given = motion.joint_rotations_b[:, self.joints]
        self.trunk = rotations.to_matrix(motion.joint_rotations_w[:, PARENTS[joints[0]]])
        self.points_b = self._in_last_joint(keypoint_offsets(motion.offsets))
        reach = round(config.fade_seconds * motion.fps)
        held = np.flatnonzero(contacts.active.any(1))
        self.window = np.abs(np.arange(motion.num_frames)[:, None] - held).min(1, initial=reach + 1) <= reach
        parts = [JOINT_NAMES[j].split("_")[1] for j in joints]
        self.stay = 1 / np.radians(config.stiffness * np.concatenate([_STIFFNESS[part] for part in parts]))
        self.hinge = next((i for i, part in enumerate(parts) if part in _HINGES), None)
        if self.hinge is not None:
            bent, end = _HINGES[parts[self.hinge]]
            bone = rotations.normalize(motion.offsets[JOINT_INDEX[f"{name.split()[0]}_{end}"]])
            self.axes = np.stack((bone, rotations.normalize(bent - (bent @ bone) * bone)))
            low, high = np.radians(config.bend_limits)
            bends = self._bend(self.given[:, self.hinge])[0]
            self.bend_limits = np.minimum(bends, low), np.maximum(bends, high)

    def turn(self, joint_rotations_b: np.ndarray) -> None:
        """Solve, and write the limb's rotations near its contacts into [T, J, 4]."""
        correction = np.zeros((len(self.given), len(self.joints), 3))
        damping = 1e-3 * np.diag(self.stay**2)
        equations = self._equations(correction)
        for _ in range(self.config.iterations):
            trial = correction + equations.step(damping)[0].reshape(correction.shape)
            trial_equations = self._equations(trial)
            if trial_equations.cost < equations.cost:
                settled = equations.cost - trial_equations.cost < 1e-4 * equations.cost
                correction, equations, damping = trial, trial_equations, 0.1 * damping
                if settled:
                    break
            else:
                damping = 100 * damping
        turned = self._pose(correction)
        for i, joint in enumerate(self.joints):
            joint_rotations_b[self.window, joint] = turned[self.window, i]

    def _pose(self, correction: np.ndarray) -> np.ndarray:
        turned: np.ndarray = rotations.multiply(self.given, rotations.from_rotvec(correction))
        return rotations.normalize(turned)

    def _equations(self, correction: np.ndarray) -> NormalEquations:
        frames, unknowns = len(correction), 3 * len(self.joints)
        pose = self._pose(correction)
        slopes = rotations.left_jacobian(-correction)
        equations = NormalEquations(frames, unknowns)
        apart, jacobian = self._contact_rows(pose, slopes)
        scale = self.config.give_up / self.config.contact_sigma
        loss, weight = robust((apart**2).sum(-1), "cauchy", scale)
        root = np.sqrt(weight)[..., None]
        equations.add(
            (root * apart).reshape(frames, -1),
            [(root[..., None] * jacobian).reshape(frames, -1, unknowns)],
            cost=0.5 * float(loss.sum()),
        )
        if self.hinge is not None:
            equations.add(*self._bend_rows(pose, slopes, self.hinge))
        flat = correction.reshape(frames, -1)
        stay = np.where(self.window[:, None], 1.0, 1e3) * self.stay
        equations.add(stay * flat, [stay[:, None] * np.eye(unknowns)])
        even = self.motion.fps**2 / self.config.turn_acceleration * np.eye(unknowns)
        equations.add(np.diff(flat, n=2, axis=0) @ even, [even[None], -2 * even[None], even[None]])
        return equations

    def _contact_rows(self, pose: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whitened keypoint-to-target vectors [T, C, 3] and their Jacobian [T, C, 3, 3 L].

        A turn d of a joint at p, in the world, moves a point x that hangs on it by d x (x - p).
        """
        places, turns = self._chain(pose)
        points = places[:, self.last] + (turns[:, self.last] @ self.points_b[..., None])[..., 0]
        weight = self.contacts.active / self.config.contact_sigma
        arms = points[:, :, None] - places[:, None]  # [T, C, L, 3]
        in_world = turns @ slopes  # exp(c + dc) = exp(c) exp(slopes dc)
        moves = -rotations.skew(arms) @ in_world[:, None] * self.moves[..., None, None]
        jacobian = np.swapaxes(moves, 2, 3).reshape(*points.shape, -1)
        return weight[..., None] * (points - self.contacts.targets_w), weight[..., None, None] * jacobian

    def _chain(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forward kinematics of the limb alone: local [T, L, 4] -> places [T, L, 3] m, turns [T, L, 3, 3], world."""
        places, turns = [self.motion.joint_positions_w[:, self.joints[0]]], [self.trunk]
        for i, local in enumerate(np.moveaxis(rotations.to_matrix(pose), 1, 0)):
            turns.append(turns[-1] @ local)
            if i + 1 < len(self.joints):
                places.append(places[-1] + turns[-1] @ self.motion.offsets[self.joints[i + 1]])
        return np.stack(places, 1), np.stack(turns[1:], 1)

    def _in_last_joint(self, offsets_b: np.ndarray) -> np.ndarray:
        """The keypoints [T, C, 3] m in the frames of the limb's joints that they hang on; fingers stay as given."""
        places, turns = self.motion.joint_positions_w, self.motion.joint_rotations_w
        points = keypoint_positions(places, turns, offsets_b)[:, self.contacts.keypoints]
        joints = np.array(self.joints)[self.last]
        inside: np.ndarray = rotations.rotate_inverse(turns[:, joints], points - places[:, joints])
        return inside

    def _bend(self, hinge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bend [T] rad of a hinge's local rotation [T, 4], and its slope [T, 3] by a turn in the hinge's own axes."""
        bone, bent = self.axes
        direction = rotations.rotate(hinge, np.broadcast_to(bone, (len(hinge), 3)))
        along, aside = direction @ bone, direction @ bent
        slope = (along[:, None] * bent - aside[:, None] * bone) / np.maximum(along**2 + aside**2, 1e-6)[:, None]
        # R exp(d) u = R u + R (d x u), so the slope by d is u x (R^T slope)
        return np.arctan2(aside, along), np.cross(bone, rotations.rotate_inverse(hinge, slope))

    def _bend_rows(self, pose: np.ndarray, slopes: np.ndarray, hinge: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """By how many times a tenth of a degree the hinge is beyond its limits [T, 1], and the Jacobian [T, 1, 3 L]."""
        bend, slope = self._bend(pose[:, hinge])
        low, high = self.bend_limits
        beyond = np.minimum(bend - low, 0.0) + np.maximum(bend - high, 0.0)
        jacobian = np.zeros((len(bend), 1, len(self.joints), 3))
        jacobian[:, 0, hinge] = (slope[:, None] @ slopes[:, hinge])[:, 0] * (beyond != 0)[:, None]
        scale = 1 / np.radians(0.1)
        return scale * beyond[:, None], [scale * jacobian.reshape(len(bend), 1, -1)]
