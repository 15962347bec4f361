"""A whole body from a plan: feet on their steps, palms on the box, and the centre of mass where balance wants it.

The centre of mass follows from the feet and the push by the cart-table model (`generate.gait.balance`), the pelvis
follows from the centre of mass of the simulated body, and the limbs follow in closed form.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from generate.box_push import BoxPush
from generate.gait import GRAVITY, LEFT, RIGHT, Step, balance, ramp, track_feet
from generate.limbs import solve_limb
from sim import rotations, skeleton
from sim.body.capsules import body_geoms, body_mass
from sim.skeleton import JOINT_INDEX
from sim.subject import ANKLE_HEIGHT

SIDES = (("left", 1.0), ("right", -1.0))
PALM_DEPTH = 0.014
"""m between the knuckles and the surface that the palm lies on: half the thickness of the simulated palm."""
PALM_TILT = 0.06
"""rad by which the hand leans forward on the face, so that the thicker forearm behind the wrist stays clear of it."""

_BALANCE_ROUNDS = 4
_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_LEAN_SHARE = {"pelvis": 0.35, "spine1": 0.6, "spine2": 0.85, "spine3": 1.0, "neck": 0.75, "head": 0.4}
_TURN_PER_METRE = {"pelvis": 0.22, "spine1": 0.08, "spine2": -0.04, "spine3": -0.14, "neck": -0.06, "head": 0.0}
_LIST_PER_WEIGHT = {"pelvis": 0.06, "spine1": 0.02, "spine2": -0.01, "spine3": -0.02, "neck": 0.0, "head": 0.0}


def pose_box_push(
    plan: BoxPush, times: np.ndarray, offsets: np.ndarray, face_x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose the person over the whole clip.

    Args:
        plan: what happens; times: [T] s, evenly spaced.
        offsets: [52, 3] m, the person's bones; face_x: [T] m, where the box's near face is.

    Returns:
        Pelvis position [T, 3] m and local joint rotations [T, 52, 4] wxyz.
    """
    return _Posing(plan, times, offsets, face_x).solve()


class _Posing:
    """The pose as it comes together: `root` [T, 3] m and world rotations `world` [T, 52, 4]."""

    def __init__(self, plan: BoxPush, times: np.ndarray, offsets: np.ndarray, face_x: np.ndarray) -> None:
        self.plan, self.times, self.offsets, self.face_x = plan, times, offsets, face_x
        self.world = np.tile(_IDENTITY, (len(times), skeleton.NUM_JOINTS, 1))
        self.root = np.zeros((len(times), 3))
        to_ball = offsets[[JOINT_INDEX[f"{side}_foot"] for side, _ in SIDES]]
        self.toes = self._foot_rotation(np.zeros((len(times), 2)))
        flat = rotations.rotate(self.toes[0], to_ball)
        ankles = np.array([[0.0, 0.5 * sign * plan.stance_width, ANKLE_HEIGHT * plan.height] for _, sign in SIDES])
        toes_out = np.array([sign * plan.toe_out for _, sign in SIDES])
        balls = ankles + flat
        steps = [
            Step(s.foot, s.start, s.end, (s.x + flat[0, 0], balls[s.foot, 1]), toes_out[s.foot]) for s in plan.steps
        ]
        self.tracks = track_feet(
            times, balls, toes_out, float(flat[0, 0]), steps, lift=plan.lift, heel_rise=plan.heel_rise
        )
        self.feet = self._foot_rotation(self.tracks.pitch)
        self.ankles = self.tracks.ball_w - rotations.rotate(self.feet, np.tile(to_ball, (len(times), 1, 1)))
        self.stride = self.tracks.ball_w[:, RIGHT, 0] - self.tracks.ball_w[:, LEFT, 0]

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Trunk first; then pelvis, legs and arms in turn, since the arms move the centre of mass a little."""
        self._set_trunk()
        wanted = self._balanced()
        self.root[:, :2] = wanted
        for turn in range(_BALANCE_ROUNDS):
            if turn:
                self.root[:, :2] += wanted - self._center_of_mass()[:, :2]
            self.root[:, 2] = self._pelvis_height()
            self._set_legs()
            self._set_arms()
        return self.root, skeleton.local_rotations(self.world)

    def _joints(self) -> np.ndarray:
        local = skeleton.local_rotations(self.world)
        return skeleton.forward_kinematics(local, self.root, self.offsets)[0]

    def _center_of_mass(self) -> np.ndarray:
        """Of the simulated body, [T, 3] m."""
        geoms = body_geoms(self.offsets)
        on = [geom.joint for geom in geoms]
        arms = rotations.rotate(self.world[:, on], np.stack([geom.position_b for geom in geoms]))
        return np.average(self._joints()[:, on] + arms, axis=1, weights=[geom.mass for geom in geoms])

    def _balanced(self) -> np.ndarray:
        """Centre of mass [T, 2] m that the feet support, further forward while the box pushes back."""
        plan, fps = self.plan, 1.0 / (self.times[1] - self.times[0])
        moving = (np.gradient(self.face_x, self.times) > 0.02).astype(float)
        force = plan.box_friction * plan.box_mass * GRAVITY * ndimage.gaussian_filter1d(moving, 4.0)
        pressure = self.tracks.pressure_w.copy()
        pressure[:, 0] += force * plan.hand_height / (body_mass(self.offsets) * GRAVITY)
        return balance(pressure, 0.56 * plan.height, fps)

    def _foot_rotation(self, pitch: np.ndarray) -> np.ndarray:
        """Toes turned out, then heel raised: [T, 2] rad -> [T, 2, 4]."""
        yaw = np.array([sign * self.plan.toe_out for _, sign in SIDES])
        zero = np.zeros_like(pitch)
        turned = rotations.from_rotvec(np.stack((zero, zero, zero + yaw), -1))
        raised = rotations.from_rotvec(np.stack((zero, pitch, zero), -1))
        q: np.ndarray = rotations.multiply(turned, raised)
        return q

    def _set_trunk(self) -> None:
        """Pelvis turns with the stride and lists with the weight, the spine turns back and leans, the head looks on."""
        plan, times = self.plan, self.times
        weight = ndimage.gaussian_filter1d(self.tracks.pressure_w[:, 1] / plan.stance_width, 4.0)
        lean = plan.walk_lean * ramp(times, 0.2, 0.8)
        lean = lean + (plan.push_lean - plan.walk_lean) * ramp(times, plan.touch - 0.6, plan.touch + 0.4)
        lean = lean - (plan.push_lean - 0.02) * ramp(times, plan.release - 0.1, plan.end - 0.1)
        for joint, share in _LEAN_SHARE.items():
            angles = (_LIST_PER_WEIGHT[joint] * weight, share * lean, _TURN_PER_METRE[joint] * self.stride)
            self.world[:, JOINT_INDEX[joint]] = rotations.from_rotvec(np.stack(angles, -1))
        for side, _ in SIDES:
            self.world[:, JOINT_INDEX[f"{side}_collar"]] = self.world[:, JOINT_INDEX["spine3"]]

    def _pelvis_height(self) -> np.ndarray:
        """As high as both legs allow with the knees a little bent, smoothed from below: [T] m."""
        hips = np.stack([self.offsets[JOINT_INDEX[f"{side}_hip"]] for side, _ in SIDES])
        reach = (
            0.985 * np.linalg.norm(self.offsets[[JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]]], axis=-1).sum()
        )
        to_hip = rotations.rotate(self.world[:, :1], np.tile(hips, (len(self.times), 1, 1)))
        level = ((self.root[:, None] + to_hip - self.ankles)[..., :2] ** 2).sum(-1)
        allowed = self.ankles[..., 2] + np.sqrt(np.maximum(reach**2 - level, 0.01)) - to_hip[..., 2]
        lowest = ndimage.minimum_filter1d(allowed.min(-1), 7, mode="nearest")
        height: np.ndarray = ndimage.gaussian_filter1d(lowest, 3.0, mode="nearest")
        return height

    def _set_legs(self) -> None:
        joints = self._joints()
        for i, (side, _) in enumerate(SIDES):
            hip, knee, ankle, foot = (JOINT_INDEX[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot"))
            forward = rotations.rotate(self.toes[:, i], np.array([1.0, 0.0, 0.0]))
            self.world[:, hip], self.world[:, knee] = solve_limb(
                joints[:, hip], self.ankles[:, i], forward, self.offsets[knee], self.offsets[ankle],
                hinge_b=np.array([0.0, 1.0, 0.0]),
            )  # fmt: skip
            self.world[:, ankle], self.world[:, foot] = self.feet[:, i], self.toes[:, i]

    def _set_arms(self) -> None:
        """Arms swing against the legs, rise to the face, keep the palms on it, and fall again."""
        plan, joints = self.plan, self._joints()
        raised = ramp(self.times, plan.reach, plan.touch) - ramp(self.times, plan.release, plan.end - 0.1)
        bent = ramp(self.times, plan.reach, plan.touch - 0.1) - ramp(self.times, plan.release + 0.1, plan.end)
        for side, sign in SIDES:
            shoulder, elbow, wrist = (JOINT_INDEX[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
            on_face = _hand_on_face(sign)
            length = float(np.linalg.norm(self.offsets[elbow]) + np.linalg.norm(self.offsets[wrist]))
            to_palm = self._wrist_on_face(side, sign, on_face) - joints[:, shoulder]
            hanging = self._hanging(sign) * length
            to_wrist = _shorter_than(0.97 * length, hanging + raised[:, None] * (to_palm - hanging))
            pole = _blend(np.array([-1.0, 0.35 * sign, 0.0]), np.array([-0.3, 0.35 * sign, -0.85]), raised)
            upper, lower = solve_limb(
                joints[:, shoulder], joints[:, shoulder] + to_wrist, pole, self.offsets[elbow], self.offsets[wrist],
                hinge_b=np.array([0.0, 0.0, -sign]),
            )  # fmt: skip
            full_bend = rotations.multiply(rotations.inverse(lower), np.broadcast_to(on_face, lower.shape).copy())
            bend = rotations.slerp(np.tile(_IDENTITY, (len(lower), 1)), full_bend, bent)
            self.world[:, shoulder] = upper
            self.world[:, elbow] = rotations.multiply(lower, _twist(bend, 0.5))
            self.world[:, wrist : wrist + 16] = rotations.multiply(lower, bend)[:, None]  # the fingers stay straight

    def _hanging(self, sign: float) -> np.ndarray:
        """From shoulder to wrist of an arm that hangs and swings, in arm lengths: [T, 3]."""
        swing = 0.15 + 0.45 * sign * self.stride
        return 0.955 * np.stack((np.sin(swing), np.full_like(swing, 0.12 * sign), -np.cos(swing)), -1)

    def _wrist_on_face(self, side: str, sign: float, on_face: np.ndarray) -> np.ndarray:
        """Where the wrist is when the palm lies on the face, its middle at the planned height and spread: [T, 3] m."""
        knuckles = rotations.rotate(on_face, self.offsets[JOINT_INDEX[f"{side}_middle1"]] * [0.0, 1.0, 0.0])
        palm = np.tile([0.0, 0.5 * sign * self.plan.hand_spread, self.plan.hand_height], (len(self.times), 1))
        palm[:, 0] = self.face_x - PALM_DEPTH
        wrist: np.ndarray = palm - knuckles * [1.0, 0.5, 0.5]
        return wrist


def _blend(start: np.ndarray, end: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[3] to [3] by weights [T] -> [T, 3]."""
    return start + weight[:, None] * (end - start)


def _shorter_than(length: float, vector: np.ndarray) -> np.ndarray:
    """Vectors [T, 3] kept below a length by a smooth minimum, which leaves those 8 cm shorter alone (to 1 um)."""
    sharpness = 150.0
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    short: np.ndarray = vector / norm * (length - np.logaddexp(0.0, sharpness * (length - norm)) / sharpness)
    return short


def _hand_on_face(sign: float) -> np.ndarray:
    """World rotation [4] of a hand whose palm lies on a face towards -x, fingers up, its heel a few mm off."""
    fingers_up = np.array([[0.0, 0.0, -1.0], [-sign, 0.0, 0.0], [0.0, sign, 0.0]])
    q: np.ndarray = rotations.multiply(
        rotations.from_rotvec(np.array([0.0, PALM_TILT, 0.0])), rotations.from_matrix(fingers_up)
    )
    return q


def _twist(q: np.ndarray, share: float) -> np.ndarray:
    """A share of the turn about the forearm's bone (y), which the elbow takes over from the wrist: [T, 4] -> [T, 4]."""
    angle = share * 2 * np.arctan2(q[:, 2], q[:, 0])
    turn: np.ndarray = rotations.from_rotvec(angle[:, None] * np.array([0.0, 1.0, 0.0]))
    return turn
