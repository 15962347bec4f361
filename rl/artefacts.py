"""Artefacts of a motion: what reconstruction and recording leave in it, and physics takes out or puts in.

Every figure is measured alike on the motion as given, as retargeted and as physics carried it out, at control rate and
over the same frames. They look at 87 keypoints on the skin, which are good to some 20 mm: physics keeps the humanoid's
own shapes out of the floor and of the objects, and its soles lie where the motion as given seems to stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim import audit_checks, metrics
from sim.audit_checks import Person
from sim.motion import Motion

ARTEFACTS: dict[str, tuple[str, str]] = {
    "penetration_share": ("%", "keypoints inside an object"),
    "penetration_mean": ("mm", "their depth, mean"),
    "penetration_max": ("mm", "their depth, deepest"),
    "floor_penetration": ("mm", "lowest keypoint under the floor, mean over frames"),
    "float": ("mm", "lowest keypoint over the floor, mean over frames"),
    "foot_skate": ("m/s", "horizontal speed of standing feet"),
    "jitter": ("mm/frame^3", "third difference of the body (eq. 24)"),
    "jerk": ("m/s^3", "mean jerk of the body"),
    "object_jitter": ("mm/frame^3", "third difference of the objects' middles (eq. 24)"),
    "object_jerk": ("m/s^3", "mean jerk of the objects' middles"),
}
"""Figure -> unit, and what it is."""
VERSIONS: dict[str, str] = {"_given": "as given", "_reference": "retargeted", "": "simulation"}
"""Ending of a figure's name -> the motion that it is measured on, in the order in which one is made of the other."""


def artefacts(motion: Motion) -> dict[str, float]:
    """The figures `ARTEFACTS` of a motion, by name; NaN where there is nothing to measure.

    Args:
        motion: at control rate, so that jitter and jerk compare; on the standard skeleton.
    """
    person = Person(motion)
    body = motion.joint_positions_w[:, metrics.PEER_JOINTS]
    figures = dict.fromkeys(ARTEFACTS, float("nan")) | {
        "floor_penetration": metrics.ground_penetration(person.keypoints_w),
        "float": metrics.ground_float(person.keypoints_w),
        "jitter": metrics.jitter(body),
        "jerk": metrics.mean_jerk(body, motion.fps),
    }
    skate = audit_checks.foot_skate_m_s(person).value
    if skate is not None:
        figures["foot_skate"] = skate
    if person.things:
        depth = metrics.penetration(np.concatenate([thing.distance.ravel() for thing in person.things]))
        figures |= {
            "penetration_share": depth.share_percent,
            "penetration_mean": depth.mean_mm,
            "penetration_max": depth.max_mm,
        }
    movable = [thing.center_w for thing in person.things if not thing.item.is_static]
    if movable:
        middles = np.stack(movable, 1)
        figures |= {"object_jitter": metrics.jitter(middles), "object_jerk": metrics.mean_jerk(middles, motion.fps)}
    return figures


def is_version(name: str, figures: Mapping[str, Any]) -> bool:
    """Whether a figure is that of an artefact, in any version, of an evaluation that has all of its versions."""
    base = next((name.removesuffix(v) for v in VERSIONS if v and name.endswith(v)), name)
    return base in ARTEFACTS and all(base + version in figures for version in VERSIONS)
