"""Motion to a reference that the simulated humanoid can follow, and an account of what had to change for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sim import rotations, skeleton
from sim.balls import with_spheres
from sim.body.capsules import FOOT_JOINTS, FootStance, body_mass, default_stance, measure_stance
from sim.clearance import clear_start
from sim.contact_fit import ContactFitConfig, FitResult, fit_contacts, hand_contact_points
from sim.errors import SimulationError
from sim.feedforward import pd_targets, sole_corners
from sim.grip import GripConfig, close_hands, pressing_targets
from sim.launch import Flight, LaunchConfig, fit_launches
from sim.motion import Motion, MotionObject
from sim.scene import Scene, SceneConfig, build_scene, motion_to_qpos, velocities
from sim.subject import default_offsets
from sim.trajectory import Trajectory

CONTROL_HZ = 30


@dataclass(frozen=True)
class RetargetConfig:
    """How a motion becomes a reference.

    Attributes:
        body: `subject` gives the humanoid the clip's own bones, soles and palms; `fixed` is one humanoid for all clips.
        settle_objects: move objects vertically so that they rest on the floor where they lie still.
        contact_fit: how hands are brought onto the objects that they are said to touch.
        grip: how mittens close on what hands should touch.
        launch: how balls in flight get velocities that carry them along their path.
        feedforward: share of the inverse-dynamics torque in the PD targets (0: velocity term only).
        push_objects: whether that torque includes what the hands must exert on the objects.
    """

    body: Literal["subject", "fixed"] = "subject"
    settle_objects: bool = True
    contact_fit: ContactFitConfig = field(default_factory=ContactFitConfig)
    grip: GripConfig = field(default_factory=GripConfig)
    launch: LaunchConfig = field(default_factory=LaunchConfig)
    feedforward: float = 1.0
    push_objects: bool = True


@dataclass(frozen=True)
class RetargetReport:
    """What retargeting changed and what remains. Lengths in mm, angles in degrees, masses in kg.

    Attributes:
        joint_shift_mean_mm, joint_shift_max_mm: distance of the body's joints from the source motion.
        joint_turn_mean_deg, joint_turn_max_deg: change of the local joint rotations.
        object_shift_max_mm: how far objects were moved.
        hand_gap_mm: per hand, median signed distance to the object over frames labelled as contact; negative inside.
        hand_gap_before_mm: the same before the fit.
        penetration_max_mm, penetration_before_mm: deepest hand inside an object, over all frames.
        foot_gap_mm: median over the frames of the lowest sole point's height over the floor; negative inside.
        body_mass_kg, object_masses_kg, object_frictions, hand_friction: what physics will use.
        flights: of balls that nobody touches: by how much the fit changed the launch, and how far from the recorded
            path physics then takes the ball.
    """

    joint_shift_mean_mm: float
    joint_shift_max_mm: float
    joint_turn_mean_deg: float
    joint_turn_max_deg: float
    object_shift_max_mm: float
    hand_gap_mm: dict[str, float]
    hand_gap_before_mm: dict[str, float]
    penetration_max_mm: float
    penetration_before_mm: float
    foot_gap_mm: float
    body_mass_kg: float
    object_masses_kg: dict[str, float]
    object_frictions: dict[str, float]
    hand_friction: float
    flights: tuple[Flight, ...] = ()


@dataclass(frozen=True, eq=False)
class Reference:
    """A motion as the simulated humanoid has to perform it, at control rate.

    Attributes:
        motion: the retargeted motion, T frames at `CONTROL_HZ`.
        source: the motion that it was made from, at the same rate, with spheres for balls that were meshes.
        scene: the compiled scene.
        qpos: [T, nq]; qvel: [T, nv]; targets: [T, nu] rad, PD targets with feedforward.
        report: what changed.
        trajectory: what physics has shown with these targets, and the way back to it; None until something was planned.
    """

    motion: Motion
    source: Motion
    scene: Scene
    qpos: np.ndarray
    qvel: np.ndarray
    targets: np.ndarray
    report: RetargetReport
    trajectory: Trajectory | None = None

    @property
    def states(self) -> np.ndarray:
        """[T, 1 + nq + nv] full physics states, time zero."""
        return np.concatenate((np.zeros((len(self.qpos), 1)), self.qpos, self.qvel), 1)


def retarget(
    motion: Motion, scene_config: SceneConfig | None = None, config: RetargetConfig | None = None
) -> Reference:
    """Fit humanoid and scene to a motion, mend its contacts, and compute states and PD targets.

    Raises:
        SimulationError: another skeleton than the standard one, or MuJoCo refuses the scene.
    """
    scene_config, config = scene_config or SceneConfig(), config or RetargetConfig()
    if motion.joint_names != skeleton.JOINT_NAMES or motion.parents != skeleton.PARENTS:
        raise SimulationError("retargeting needs the standard 52-joint skeleton; import the motion with Touchstone")
    source = with_spheres(motion).resample(CONTROL_HZ)
    fitted, stance = _fit_body(source, config)
    scene = build_scene(fitted.offsets, fitted.objects, scene_config, stance=stance)
    if config.settle_objects:
        fitted = _settle_objects(fitted, scene)
    fit = clear_start(fit_contacts(fitted, scene, config.contact_fit), scene, config.contact_fit)
    fitted, pressing = close_hands(fit.motion, scene, config.grip)
    qpos = motion_to_qpos(fitted, scene)
    qvel = velocities(scene.model, qpos, CONTROL_HZ)
    qvel, flights = fit_launches(fitted, scene, qpos, qvel, scene_config, config.launch)
    targets = pd_targets(
        scene,
        qpos,
        qvel,
        CONTROL_HZ,
        floor_friction=scene_config.floor_friction,
        contacts=hand_contact_points(fitted, scene) if config.push_objects else None,
        torque_share=config.feedforward,
    )
    targets += pressing_targets(scene, fitted.offsets, pressing, config.grip.force)
    report = dataclasses.replace(_report(source, fitted, scene, fit), flights=flights)
    return Reference(fitted, source, scene, qpos, qvel, targets, report)


def _fit_body(motion: Motion, config: RetargetConfig) -> tuple[Motion, FootStance]:
    if config.body == "subject":
        return motion, measure_stance(motion)
    offsets = default_offsets()
    stance = default_stance(offsets)
    moved = motion.replace(offsets=offsets)
    # One vertical shift puts the fixed body's feet where its soles reach the floor; the contact fit sees to the hands.
    heights = np.percentile(moved.joint_positions_w[:, list(FOOT_JOINTS), 2], 5, axis=0)
    shift = float(np.mean(heights - stance.heights))
    return moved.replace(root_position_w=moved.root_position_w - [0.0, 0.0, shift]), stance


def _settle_objects(motion: Motion, scene: Scene) -> Motion:
    """Shift each movable object vertically so that it neither sinks below the floor nor hovers where it lies still."""
    settled = []
    for item in motion.objects:
        if item.is_static or item.name not in scene.assets:
            settled.append(item)
            continue
        lowest = scene.assets[item.name].lowest_height(item.position_w, item.rotation_w)
        settled.append(
            dataclasses.replace(item, position_w=item.position_w - _settling_shift(item, lowest, motion.fps))
        )
    return motion.replace(objects=tuple(settled))


def _settling_shift(item: MotionObject, lowest: np.ndarray, fps: float) -> np.ndarray:
    """[T, 3] m to subtract. Where the object lies still near the floor its gap is closed, in between linearly."""
    speed = np.linalg.norm(np.gradient(item.position_w, 1.0 / fps, axis=0), axis=-1)
    resting = (speed < 0.03) & (np.abs(lowest) < 0.05)
    frames = np.arange(len(lowest))
    gap = np.interp(frames, frames[resting], lowest[resting]) if resting.any() else np.zeros(len(lowest))
    gap = np.minimum(gap, lowest) if not resting.any() else gap
    return np.stack((np.zeros_like(gap), np.zeros_like(gap), gap), -1)


def _lowest_sole(motion: Motion, scene: Scene) -> np.ndarray:
    """[T] m, height of the lowest corner of the soles over the floor."""
    heights = []
    for name, corners_b in sole_corners(scene.geoms):
        joint = skeleton.JOINT_INDEX[name]
        corners = rotations.rotate(motion.joint_rotations_w[:, joint, None], corners_b[None])
        heights.append(motion.joint_positions_w[:, joint, 2] + corners[..., 2].min(1))
    return np.min(heights, axis=0)


def _report(source: Motion, fitted: Motion, scene: Scene, fit: FitResult) -> RetargetReport:
    body = list(skeleton.BODY_JOINTS)
    shift = np.linalg.norm(fitted.joint_positions_w - source.joint_positions_w, axis=-1)[:, body] * 1000.0
    turn = np.degrees(rotations.angle_between(source.joint_rotations_b, fitted.joint_rotations_b))[:, body]
    moved = [
        np.linalg.norm(a.position_w - b.position_w, axis=-1).max() * 1000.0
        for a, b in zip(source.objects, fitted.objects, strict=True)
    ]
    return RetargetReport(
        joint_shift_mean_mm=float(shift.mean()),
        joint_shift_max_mm=float(shift.max()),
        joint_turn_mean_deg=float(turn.mean()),
        joint_turn_max_deg=float(turn.max()),
        object_shift_max_mm=float(max(moved, default=0.0)),
        hand_gap_mm=fit.gap_after_mm,
        hand_gap_before_mm=fit.gap_before_mm,
        penetration_max_mm=fit.penetration_after_mm,
        penetration_before_mm=fit.penetration_before_mm,
        foot_gap_mm=float(np.median(_lowest_sole(fitted, scene)) * 1000.0),
        body_mass_kg=body_mass(fitted.offsets),
        object_masses_kg=scene.masses,
        object_frictions=scene.frictions,
        hand_friction=scene.hand_friction,
    )
