"""The project's own clip: a person walks up to a box and pushes it. Authored by rules, so nothing need be fetched."""

from __future__ import annotations

import numpy as np

from generate.box_push import BoxPush, box, contact_graph, contact_labels, face_position, varied
from generate.posing import pose_box_push
from sim import rotations
from sim.motion import Motion
from sim.subject import default_offsets

FPS = 30.0


def author_box_push(*, seed: int = 0, plan: BoxPush | None = None) -> Motion:
    """A person stands, walks up to a box, pushes it one metre along +x, stops and lets go; 30 fps, about 6.3 s.

    Args:
        seed: varies lean, stance, hands, foot lift and tempo by a few per cent; same seed, same motion.
        plan: what happens; the seed's variation of `BoxPush()` unless told.
    """
    source = "touchstone generate.authored.author_box_push, " + (f"seed {seed}" if plan is None else "own plan")
    plan = varied(np.random.default_rng(seed)) if plan is None else plan
    times = np.arange(round(plan.end * FPS) + 1) / FPS
    offsets = default_offsets(plan.height)
    face_x = face_position(plan, times)
    root, local = pose_box_push(plan, times, offsets, face_x)
    contacts = contact_graph(plan, FPS)
    touching: np.ndarray = np.any(contacts.active(len(times)), axis=-1)
    return Motion(
        fps=FPS,
        root_position_w=root,
        joint_rotations_b=rotations.make_continuous(local),
        offsets=offsets,
        objects=(box(plan, face_x),),
        contacts=contacts,
        contact_labels=contact_labels(touching),
        object_contact=touching,
        text="A person walks up to a large box and pushes it one metre forward with both hands.",
        action="push",
        group="push_box",
        source=source,
    )
