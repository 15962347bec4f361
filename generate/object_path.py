"""Where a plan brings its object: position and rotation for any state of progress through the phases.

Everything is in the object's canonical frame: turned upright as it rests, its centre of mass above the origin and the
floor at z = 0 (`generate.affordance.surface.Surroundings`).
"""

from __future__ import annotations

import numpy as np

from generate.affordance import SurfacePoints
from generate.affordance.surface import upright
from generate.gait import GRAVITY
from generate.plan import InteractionPlan, Phase
from sim import rotations

_ARC = 0.2
"""rad from which on an object that turns goes along an arc instead of straight: around the person who turns with it."""


def object_path(
    plan: InteractionPlan, surface: SurfacePoints, facing: np.ndarray, progress: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T, 3] m and rotations [T, 4] of the object's own frame.

    Turns and tilts are about the centre of mass; the underside is at `height_m` plus all that was raised, and above
    that in flight.

    Args:
        facing: [2] unit, from the person to the object before the first phase.
        progress: [T, P] 0..1, how much of each phase is done. seconds: [P], how long each lasts, for flights.
    """
    around, rest = surface.around, upright(surface.up_b)
    turned = np.tile([1.0, 0.0, 0.0, 0.0], (len(progress), 1))
    moved, _ = planar_path(plan.phases, facing, progress)
    height, before = np.full(len(progress), float(plan.height_m)), np.zeros(len(progress))
    left = np.array([-facing[1], facing[0], 0.0])
    for p, phase in enumerate(plan.phases):
        done = progress[:, p]
        axis = rotations.rotate(_about_z(before), np.broadcast_to(left, (len(done), 3)).copy())
        tilted = rotations.multiply(rotations.from_rotvec(phase.tilt * done[:, None] * axis), turned)
        turned = rotations.multiply(_about_z(phase.turn * done), tilted)
        before = before + phase.turn * done
        height += phase.upward * done
        if phase.ballistic:
            height += 0.5 * GRAVITY * seconds[p] ** 2 * done * (1.0 - done)
    rotation: np.ndarray = rotations.multiply(turned, np.broadcast_to(rest, turned.shape).copy())
    middle = np.broadcast_to(around.center + around.origin, (len(progress), 3)).copy()
    position = around.center - rotations.rotate(turned, middle)
    position[:, :2] += moved
    position[:, 2] += height - surface.shape.lowest_height(position, rotation)
    return position, rotation


def planar_path(phases: tuple[Phase, ...], facing: np.ndarray, progress: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the centre of mass has gone along the floor, [T, 2] m, and turned about the vertical, [T] rad."""
    left = np.array([-facing[1], facing[0]])
    moved, yaw = np.zeros((len(progress), 2)), np.zeros(len(progress))
    for p, phase in enumerate(phases):
        way = phase.forward * np.asarray(facing) + phase.leftward * left
        moved += along_arc(way, phase.turn, progress[:, p])
        yaw += phase.turn * progress[:, p]
    return moved, yaw


def along_arc(way: np.ndarray, turn: float, done: np.ndarray) -> np.ndarray:
    """[T, 2] m after shares `done` [T] of a displacement [2] m that goes with a turn, rad: about their common pole."""
    straight: np.ndarray = done[:, None] * way
    if abs(turn) < _ARC or not way.any() or abs(np.sin(turn / 2)) < 1e-3:
        return straight
    pole = np.linalg.solve(np.eye(2) - turn_matrix(np.array([turn]))[0], way)
    arc: np.ndarray = pole - np.einsum("tij,j->ti", turn_matrix(turn * done), pole)
    return arc


def turn_matrix(angle: np.ndarray) -> np.ndarray:
    """[...] rad -> [..., 2, 2], counter-clockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack((np.stack((c, -s), -1), np.stack((s, c), -1)), -2)


def _about_z(angle: np.ndarray) -> np.ndarray:
    q: np.ndarray = rotations.from_rotvec(np.asarray(angle)[:, None] * np.array([0.0, 0.0, 1.0]))
    return q
