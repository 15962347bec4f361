"""The plan of the authored clip: what the person and the box do, when and where, and what touches what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from generate.gait import LEFT, RIGHT, ramp
from sim.contact_graph import ContactGraph
from sim.geometry import Primitive
from sim.motion import MotionObject
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS

_NEVER_TOUCHES = ("pelvis", "hip", "knee", "ankle", "foot", "spine1", "spine2", "spine3", "neck", "head")
_RAMP_TIME = 0.7


class Stride(NamedTuple):
    """One foot goes straight ahead: `foot` LEFT or RIGHT, off the floor from `start` to `end` s, to ankle at `x` m."""

    foot: int
    start: float
    end: float
    x: float


@dataclass(frozen=True)
class BoxPush:
    """A walk up to a box and a push; SI units, times in seconds from the first frame.

    The box is long and slides easily: pushed at height h it slides instead of tipping while friction * h < length / 2.

    Attributes:
        height: stature of the person.
        box_size: full edges x, y, z; box_mass, box_friction: of the box.
        face_x: where the near face is at first; distance, speed: of the push.
        hand_height, hand_spread: of the palms on the face.
        reach, touch: when the arms begin to rise, and when the palms lie on the face.
        push, release, end: when the box starts, when the arms leave it, when the clip ends.
        steps: footsteps; stance_width: between the ankles; toe_out: rad.
        lift: of the swinging foot; heel_rise: rad, at the end of its stance.
        walk_lean, push_lean: rad, of the trunk from upright.
    """

    height: float = 1.75
    box_size: tuple[float, float, float] = (0.9, 0.7, 1.4)
    box_mass: float = 6.0
    box_friction: float = 0.3
    face_x: float = 1.67
    distance: float = 1.0
    speed: float = 0.5
    hand_height: float = 1.2
    hand_spread: float = 0.40
    reach: float = 1.7
    touch: float = 2.5
    push: float = 2.6
    release: float = 5.4
    end: float = 6.3
    steps: tuple[Stride, ...] = (
        Stride(RIGHT, 0.50, 0.92, 0.40), Stride(LEFT, 1.05, 1.47, 0.86), Stride(RIGHT, 1.60, 2.02, 1.22),
        Stride(LEFT, 2.68, 3.10, 1.50), Stride(RIGHT, 3.30, 3.72, 1.82), Stride(LEFT, 3.92, 4.34, 2.13),
        Stride(RIGHT, 4.54, 4.96, 2.20),
    )  # fmt: skip
    stance_width: float = 0.16
    toe_out: float = 0.10
    lift: float = 0.06
    heel_rise: float = 0.40
    walk_lean: float = 0.06
    push_lean: float = 0.30


def varied(rng: np.random.Generator) -> BoxPush:
    """The plan with a person's small differences; tempo stretches all times alike."""
    base = BoxPush()
    stretch = rng.uniform(0.97, 1.05)
    return BoxPush(
        **{name: stretch * getattr(base, name) for name in ("reach", "touch", "push", "release", "end")},
        speed=base.speed / stretch,
        steps=tuple(Stride(s.foot, stretch * s.start, stretch * s.end, s.x) for s in base.steps),
        push_lean=base.push_lean * rng.uniform(0.9, 1.1),
        stance_width=base.stance_width * rng.uniform(0.95, 1.05),
        hand_height=base.hand_height + rng.uniform(-0.02, 0.02),
        lift=base.lift * rng.uniform(0.9, 1.2),
    )


def face_position(plan: BoxPush, times: np.ndarray) -> np.ndarray:
    """Where the near face is, [T] m along x: at rest, constant speed between two minimum-jerk ramps, at rest."""
    fine = np.linspace(0.0, times[-1], 20 * len(times))
    brake = plan.push + plan.distance / plan.speed  # as long after the start as without ramps: their halves cancel
    pace = ramp(fine, plan.push, plan.push + _RAMP_TIME) - ramp(fine, brake, brake + _RAMP_TIME)
    travelled = np.concatenate(([0.0], np.cumsum(0.5 * (pace[1:] + pace[:-1]) * np.diff(fine))))
    return plan.face_x + plan.speed * np.interp(times, fine, travelled)


def box(plan: BoxPush, face_x: np.ndarray) -> MotionObject:
    """The box with its near face at [T] m along x, standing on the floor, its sides along the world's axes."""
    height = np.full_like(face_x, 0.5 * plan.box_size[2])
    return MotionObject(
        name="box",
        geometry=Primitive("box", plan.box_size),
        position_w=np.stack((face_x + 0.5 * plan.box_size[0], np.zeros_like(face_x), height), -1),
        rotation_w=np.tile([1.0, 0.0, 0.0, 0.0], (len(face_x), 1)),
        mass=plan.box_mass,
        friction=plan.box_friction,
    )


def contact_graph(plan: BoxPush, fps: float) -> ContactGraph:
    """Both palms on the near face, from touch to release."""
    x, z = -0.5 * plan.box_size[0], plan.hand_height - 0.5 * plan.box_size[2]
    y = 0.5 * plan.hand_spread
    first, last = int(np.ceil(plan.touch * fps)), int(np.floor(plan.release * fps))
    return ContactGraph(
        ("leftHand_palm", "rightHand_palm"),
        object_index=np.zeros(2, int),
        points_b=np.array([[x, y, z], [x, -y, z]]),
        first_frame=np.full(2, first),
        last_frame=np.full(2, last),
    )


def contact_labels(touching: np.ndarray) -> np.ndarray:
    """[T, 52] int8: hands +1 where they touch ([T] bool), trunk, head and legs never, arms and fingers as they like."""
    labels = np.zeros((len(touching), NUM_JOINTS), np.int8)
    labels[:, [j for j, name in enumerate(JOINT_NAMES) if name.rpartition("_")[2] in _NEVER_TOUCHES]] = -1
    labels[:, [JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]]] = touching[:, None]
    return labels
