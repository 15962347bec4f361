"""Palms and forearms that are deep inside an object where a motion begins are put beside it.

Physics begins in the first frame. A palm with a shaft or a neck through it, as reconstruction from video often has it,
throws the object away there with tens of metres a second. Points on the hand's skin do not show this: they are at most
half a shaft deep, and the nearest way out may lead on through. What physics collides tells depth and direction. A ball
bounces off a forearm that it begins in.
"""

from __future__ import annotations

import mujoco
import numpy as np

from sim import rotations
from sim.contact_fit import ContactFitConfig, FitResult, fade, hand_contact, hand_gaps, move_wrists
from sim.motion import Motion
from sim.scene import Scene, motion_to_qpos
from sim.skeleton import JOINT_INDEX, SIDES

_PASSES = 4
_WRISTS = [JOINT_INDEX[f"{side}_wrist"] for side in SIDES]


def clear_start(fit: FitResult, scene: Scene, config: ContactFitConfig) -> FitResult:
    """Move hands until palms and forearms are at most `config.start_depth` inside movable objects in the first frame.

    For as long as the hand touches the object from the start on, the shift goes with the hand; then it fades. A fit in
    which none begins that deep comes back as it is.
    """
    motion, cleared = fit.motion, fit.motion
    shift_b, share = np.zeros((2, 3)), np.zeros((motion.num_frames, 2))
    for _ in range(_PASSES if config.start_depth > 0 else 0):
        ways_w = _ways_out(cleared, scene, config.start_depth)
        if not ways_w.any():
            break
        share = share if share.any() else _held_share(motion, scene, config)
        shift_b += rotations.rotate_inverse(motion.joint_rotations_w[0, _WRISTS], ways_w)
        length = np.linalg.norm(shift_b, axis=-1, keepdims=True)
        shift_b *= np.minimum(1.0, config.max_shift / np.maximum(length, 1e-9))
        shift_w = rotations.rotate(motion.joint_rotations_w[:, _WRISTS], shift_b[None])
        cleared = move_wrists(motion, share[..., None] * shift_w)
    return fit if cleared is motion else fit.leading_to(cleared, scene)


def _ways_out(motion: Motion, scene: Scene, depth: float) -> np.ndarray:
    """[2, 3] m, world: each side's shortest way out, if palm or forearm are deeper than `depth` in frame 0, else 0."""
    model, data = scene.model, mujoco.MjData(scene.model)
    data.qpos[:] = motion_to_qpos(motion.slice(0, 2), scene)[0]
    mujoco.mj_fwdPosition(model, data)
    objects = {f"object_{name}" for name in scene.object_names}
    sides = {f"{side}_{part}": i for i, side in enumerate(SIDES) for part in ("wrist", "elbow")}
    ways, deepest = np.zeros((2, 3)), np.full(2, -depth)
    for contact in data.contact:
        first, second = (model.body(int(model.geom_bodyid[g])).name for g in contact.geom)
        for part, other, sign in ((first, second, 1.0), (second, first, -1.0)):  # the normal points to the second
            if part in sides and other in objects and contact.dist < deepest[side := sides[part]]:
                deepest[side], ways[side] = contact.dist, sign * contact.dist * contact.frame[:3]
    return ways


def _held_share(motion: Motion, scene: Scene, config: ContactFitConfig) -> np.ndarray:
    """[T, 2] 1 while a hand touches, or is inside of, an object from frame 0 on; then down to 0."""
    held = np.logical_and.accumulate(hand_contact(motion) | (hand_gaps(motion, scene)[0] < 0.0), axis=0)
    since = np.arange(motion.num_frames)[:, None] - (held.sum(0) - 1)
    return fade(since.clip(min=0) / motion.fps, config.fade_seconds)
