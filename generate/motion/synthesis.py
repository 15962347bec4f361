"""A plan and a shape to a motion: static poses, stances, footsteps, postures, and one optimisation over the clip.

After InteractAnything (static poses by affordance, fine stage) and AnchorHOI (contact keypoints as anchors of the
motion); walking, contacts that are broken and made again, and balance are this project's own.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

from generate.affordance.contacts import lies
from generate.affordance.surface import upright
from generate.gait import track_feet
from generate.motion import limbs
from generate.motion.clearance import WRISTS, Kept, clear
from generate.motion.config import GenerateConfig
from generate.motion.contacts import anchors, contact_graph, contact_labels
from generate.motion.draft import Draft, blended, draft
from generate.motion.energy import Course, MotionEnergy, Subject, descend
from generate.motion.epochs import Epoch, find_epochs
from generate.motion.loads import Load, carried_load, sliding_friction
from generate.motion.postures import Posture, apply, closing, holding, idle_arms, relaxed, settle
from generate.motion.route import plan_stances
from generate.motion.stances import Foot, Stance, ankles, balls, footsteps, needed_seconds, toes
from generate.motion.style import load_style
from generate.motion.timeline import FPS, Timeline
from generate.object_path import object_path
from generate.objects.kinds import mass_of
from generate.plan import InteractionPlan
from generate.pose.body import PoseBody, skin_of
from generate.pose.density import PoseDensity
from generate.pose.targets import Ground
from recon.optimizer.distance_field import distance_field
from sim import rotations
from sim.body.capsules import body_mass
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.skeleton import JOINT_INDEX, SIDES
from sim.subject import default_offsets

_UP = np.array([0.0, 0.0, 1.0])
_PULLED_SLOWER = 1.3
"""Time for steps of one who pulls, over that of one who walks."""
_IN_FRONT = 0.45
"""m from an object's edge to the person who only walks up to it."""


@dataclass(frozen=True, eq=False)
class GeneratedMotion:
    """A motion with the account of it.

    Attributes:
        motion: 30 fps, with contact graph and labels. plan: as it was carried out, with the seconds that it took.
        closure: force-closure residual before and after the fine stage, mean over the sets of contacts; or None.
        seconds: per stage.
    """

    motion: Motion
    plan: InteractionPlan
    closure: tuple[float, float] | None
    seconds: Mapping[str, float]


def generate_motion(
    plan: InteractionPlan,
    shape: Shape,
    config: GenerateConfig | None = None,
    *,
    seed: int = 0,
    up_b: np.ndarray = _UP,
    on_stage: Callable[[str], None] | None = None,
) -> GeneratedMotion:
    """Carry a plan out.

    Args:
        shape: the object's, in its final size. up_b: [3], which way of it is up while it rests.
        seed: of all that is drawn; the same gives the same. on_stage: told what begins.

    Raises:
        PlanError: the plan asks for what cannot be done. AssetError: a mesh without volume.
        MissingDependencyError: no `anny`, where the config wants it.
    """
    return _Synthesis(plan, shape, config or GenerateConfig(), seed, np.asarray(up_b, np.float64), on_stage).run()


class _Synthesis:
    """The work, stage by stage."""

    def __init__(
        self, plan: InteractionPlan, shape: Shape, config: GenerateConfig, seed: int, up_b: np.ndarray,
        on_stage: Callable[[str], None] | None,
    ) -> None:  # fmt: skip
        self.plan, self.shape, self.config, self.seed, self.up_b = plan, shape, config, seed, up_b
        self._tell, self._seconds, self._began = on_stage, dict[str, float](), 0.0
        self.offsets = default_offsets(config.height_m)
        self.body = PoseBody.of(self.offsets, config.pose.skin)
        ankle, ball = (float(height) for height in self.body.sole_heights[:2])
        self.foot = Foot(float(np.hypot(*self.offsets[JOINT_INDEX["left_foot"], :2])), ankle, ball)
        self.timeline = Timeline.of(plan)
        x, y, z = (float(edge) for edge in np.ptp(shape.bounds, axis=0))
        self.mass = plan.mass_kg or mass_of(plan, (x, y, z))
        self.free = relaxed(self.offsets, self.foot.ankle_height)
        self.style = None if config.style is None else load_style(config.style)
        self.styled: dict[int, tuple[Posture, str]] = {}

    def run(self) -> GeneratedMotion:
        self._stage("poses")
        self.ground = Ground.of(self.shape, self.up_b, self.config.pose)
        self.epochs, self.holds = find_epochs(
            self.timeline, self.shape, self.up_b, self.offsets, self.foot, self.config, self.seed
        )
        self._stage("postures")
        like = self.body.normals_b
        self.subject = Subject(
            self.body,
            PoseDensity.of(self.offsets, like),
            distance_field(self.shape.geometry).to(like),
            self.free.rotations_b,
        )
        self._place_stances()
        postures = self._postures()
        self._lay_out(postures)
        self._stage("motion")
        drafted = self._draft(postures)
        local, root = self._optimised(drafted)
        self._stage("clearance")
        local, root = self._cleared(drafted, local, root)
        motion = self._motion(local, root)
        self._stage("")
        return GeneratedMotion(motion, self._plan_as_timed(), self._closure(), self._seconds)

    def _made_by(self) -> str:
        """What was there in place of learned models, and what was left out."""
        config = self.config
        drawn = config.use_affordance and config.pose.use_affordance
        stages = {"without contact keypoints": config.use_anchors, "without fine stage": config.use_fine}
        left_out = [name for name, used in stages.items() if not used]
        return ", ".join((f"{'geometric' if drawn else 'no'} affordance", "embedded pose prior", *left_out))

    def _plan_as_timed(self) -> InteractionPlan:
        """The plan with the seconds that its phases took, and what else was assumed."""
        phases = zip(self.plan.phases, self.timeline.seconds, strict=True)
        timed = tuple(replace(phase, seconds=round(float(seconds), 3)) for phase, seconds in phases)
        slides = () if self.friction is None else (f"its friction, {self.friction:.2f}, so that it slides",)
        return replace(self.plan, phases=timed, assumed=(*self.plan.assumed, *slides))

    def _closure(self) -> tuple[float, float] | None:
        """Mean over the sets of contacts that can have force closure."""
        found = [epoch.closure for epoch in self.epochs if epoch.closure is not None]
        if not found:
            return None
        before, after = np.mean(found, axis=0)
        return float(before), float(after)

    def _stage(self, name: str) -> None:
        now = time.perf_counter()
        if self._seconds:
            last = next(reversed(self._seconds))
            self._seconds[last] = now - self._began
        self._began = now
        if name:
            self._seconds[name] = 0.0
            if self._tell is not None:
                self._tell(name)

    # What is given ----------------------------------------------------------------------------------------------

    @property
    def facing(self) -> np.ndarray:
        """[2], from the person to the object before the first phase."""
        return self.epochs[0].pose.facing_w[:2] if self.epochs else np.array([1.0, 0.0])

    def _place_stances(self) -> None:
        """Where the person stands at the bounds of the phases, and on what."""
        config = self.config.gait
        edge = float((self.ground.surface.around.points[:, :2] @ self.facing).min())
        before = self.facing * (edge - _IN_FRONT)
        approached = Stance(float(before[0]), float(before[1]), float(np.arctan2(self.facing[1], self.facing[0])))
        self.stances = plan_stances(self.timeline, self.epochs, approached, config)
        self.standing, self.carried, self.upright = self._support()

    def _lay_out(self, postures: list[Posture]) -> None:
        """Time, the object's path, footsteps."""
        config = self.config.gait
        moved = np.linalg.norm(np.diff([posture.root for posture in postures], axis=0), axis=1)
        wait = [phase.kind in ("reach", "release") for phase in self.plan.phases]
        rising = np.where(wait, config.rise_seconds * np.sqrt(moved), 0.0)
        drives = [self._drives(p) for p in range(len(self.plan.phases))]
        slower = np.where(np.array(drives) < 0, _PULLED_SLOWER, 1.0)
        walked = needed_seconds(self.stances, config) * slower * (self.standing[:-1] + self.standing[1:]).any(1)
        self.timeline = self.timeline.at_least(np.maximum(walked, rising))
        stride = self.config.optimisation.stride
        count = len(self.timeline.times)
        self.times = np.arange(-(-(count - 1) // stride) * stride + 1) / FPS
        self.position_w, self.rotation_w = self._object(self.times)
        steps = footsteps(self.stances, self.timeline.bounds, config, self.foot, drives)
        self.feet = track_feet(
            self.times, balls(self.stances[0], config, self.foot), toes(self.stances[0], config), self.foot.length,
            steps, lift=config.lift, heel_rise=config.heel_rise,
        )  # fmt: skip

    def _drives(self, phase: int) -> int:
        """1 where the object goes ahead of the person along the floor, -1 where it comes after them, else 0."""
        start, end = self.stances[phase : phase + 2]
        ahead = float((end.position - start.position) @ start.forward)
        raised = self.plan.height_m + sum(step.upward for step in self.plan.phases[: phase + 1])
        along = raised < 0.05 and self.plan.phases[phase].moves and abs(ahead) > 0.05
        return int(np.sign(ahead)) if along else 0

    def _object(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return object_path(
            self.plan, self.ground.surface, self.facing, self.timeline.progress(times), self.timeline.seconds
        )

    def _support(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[P + 1, 2] and [P + 1] twice: whether each foot is on the floor, whether the object bears the person, and
        whether the pelvis faces a way along the floor."""
        standing, carried = np.ones((len(self.stances), 2)), np.zeros(len(self.stances))
        upright = np.ones(len(self.stances))
        for b in range(len(self.stances)):
            epoch = self._epoch_at(b)
            if epoch is not None:
                standing[b], carried[b] = epoch.footing.standing, epoch.footing.carried
                upright[b] = not lies(self.plan, epoch.contacts)
        return standing, carried, upright

    def _epoch_at(self, bound: int) -> Epoch | None:
        """The epoch at a bound, or None where nothing touches."""
        if not self.timeline.in_force(bound):
            return None
        return [epoch for epoch in self.epochs if epoch.bound <= bound][-1]

    @functools.cached_property
    def friction(self) -> float | None:
        """As `generate.motion.loads.sliding_friction`."""
        position, rotation = (x[0] for x in self._object(np.zeros(1)))
        depth = float(np.abs(self.ground.surface.around.points[:, :2] @ self.facing).max())
        return sliding_friction(self.plan, self.holds, position, rotation, depth)

    def _over_time(self, values: np.ndarray) -> np.ndarray:
        """Values at the bounds [P + 1, ...] on all frames: they change in the course of a phase."""
        progress = self.timeline.progress(self.times)
        change = np.diff(values, axis=0)
        out: np.ndarray = values[0] + np.tensordot(progress, change, 1)
        return out

    def _load(self, times: np.ndarray, position_w: np.ndarray, rotation_w: np.ndarray) -> Load:
        around = self.ground.surface.around
        middle = rotations.rotate_inverse(upright(self.up_b), around.center + around.origin)
        center = position_w + rotations.rotate(rotation_w, np.broadcast_to(middle, position_w.shape).copy())
        raised = self.shape.lowest_height(position_w, rotation_w) - self.plan.height_m
        weight = body_mass(self.offsets)
        return carried_load(self.timeline, times, center, raised, self.mass, self.friction or 0.0, weight)

    # Stages -----------------------------------------------------------------------------------------------------

    def _postures(self) -> list[Posture]:
        """At the P + 1 bounds: relaxed, or with the contacts in force."""
        bounds = [b for b in range(len(self.stances)) if self._epoch_at(b) is not None]
        found = [self.free] * len(self.stances)
        if not bounds:
            return found
        times = self.timeline.bounds[bounds]
        stances = [self.stances[b] for b in bounds]
        guesses = []
        for b in bounds:
            epoch = self._epoch_at(b)
            assert epoch is not None
            guess = Posture.beside(epoch.footing.stance, epoch.pose.joint_rotations_b, epoch.pose.root_position_w)
            busy = {c.body_part.partition("_")[0] for c in epoch.contacts if c.body_part.endswith(("hand", "arm"))}
            guesses.append(holding([self.holds[c] for c in epoch.contacts], idle_arms(guess, self.free, busy)))
        position, rotation = self._object(times)
        self._find_style(bounds, position, rotation)
        load = self._load(times, position, rotation)
        styled = [self._at_ease(b, guess) for b, guess in zip(bounds, guesses, strict=True)] if self.styled else None
        settled = settle(
            self.subject, self._course_at(stances, times, np.array(bounds), position, rotation, load),
            self.config.optimisation, stances, self.free, guesses, styled,
        )  # fmt: skip
        for b, posture in zip(bounds, settled, strict=True):
            found[b] = posture
        return found

    def _course_at(
        self, stances: list[Stance], times: np.ndarray, bounds: np.ndarray, position: np.ndarray, rotation: np.ndarray,
        load: Load,
    ) -> Course:  # fmt: skip
        """Of the bounds, each by itself."""
        gait = self.config.gait
        yaw = np.stack([toes(stance, gait) for stance in stances])
        feet = rotations.from_rotvec(yaw[..., None] * _UP)
        ball = np.stack([balls(stance, gait, self.foot) for stance in stances])
        forward = np.stack([np.append(stance.forward, 0.0) for stance in stances])
        return Course(
            position, rotation, ankles(ball, feet, self.offsets), feet, self.standing[bounds],
            np.stack([stance.position for stance in stances]), 1.0 - self.carried[bounds], load.share, load.center_w,
            forward, self.upright[bounds],
            anchors(self.timeline, self.holds, position, rotation, times, self.config.optimisation),
            ease_b=np.stack([self._at_ease(b).rotations_b for b in bounds]),
        )  # fmt: skip

    def _find_style(self, bounds: list[int], position: np.ndarray, rotation: np.ndarray) -> None:
        """Keep, for each bound, the recorded posture whose hands are nearest to where the object has them, if any."""
        for b, where, turned in zip(bounds if self.style else (), position, rotation, strict=False):
            wrists, touching = np.zeros((2, 3)), np.zeros(2, bool)
            for contact in self.timeline.in_force(b):
                side, _, part = contact.body_part.partition("_")
                if part == "hand":
                    touching[SIDES.index(side)] = True
                    place = where + rotations.rotate(turned, self.holds[contact].position_b)
                    wrists[SIDES.index(side)] = self.stances[b].beside(place)
            assert self.style is not None
            found = self.style.nearest(wrists, touching, self.config.height_m)
            if found is not None:
                self.styled[b] = found

    def _at_ease(self, bound: int, guess: Posture | None = None) -> Posture:
        """What least effort draws to at a bound: the recorded posture, else the relaxed one, or the guess."""
        if bound in self.styled:
            return self.styled[bound][0]
        return self.free if guess is None else guess

    def _draft(self, postures: list[Posture]) -> Draft:
        load = self._load(self.times, self.position_w, self.rotation_w)
        self.load = load
        self.balanced = 1.0 - self._over_time(self.carried)
        found = draft(
            self.timeline, self.times, self.stances, postures, self.feet, self.offsets, load,
            self._over_time(self.standing), self.balanced, self.config.height_m,
        )  # fmt: skip
        return replace(found, rotations_b=closing(self.timeline, self.holds, self.times, found.rotations_b, self.free))

    def _optimised(self, drafted: Draft) -> tuple[np.ndarray, np.ndarray]:
        """Space-time optimisation on key frames, its corrections on all frames, and limbs exactly on their goals."""
        config, count = self.config.optimisation, len(self.times)
        standing = self._over_time(self.standing)
        held = anchors(self.timeline, self.holds, self.position_w, self.rotation_w, self.times, config)
        self.held = held if self.config.use_anchors else ()
        course = Course(
            self.position_w, self.rotation_w, drafted.ankles_w, drafted.feet_w, standing, drafted.center_w,
            np.where(self.balanced > 0.99, 1.0, 0.0), self.load.share, self.load.center_w, drafted.forward,
            self._over_time(self.upright), self.held,
            ease_b=blended(self.timeline, self.times, [self._at_ease(b) for b in range(len(self.stances))])[0],
        )  # fmt: skip
        keys = np.arange(0, count, config.stride)
        energy = MotionEnergy(self.subject, course.at(keys, config.stride / FPS), config)
        turn, move, _ = descend(energy, drafted.rotations_b[keys], drafted.root_w[keys], config.steps)
        spread = CubicSpline(keys, turn, bc_type="natural")(np.arange(count))
        local = apply(drafted.rotations_b, spread)
        root = drafted.root_w + CubicSpline(keys, move, bc_type="natural")(np.arange(count))
        local = self._on_footsteps(local, root, drafted, standing)
        for side in SIDES:
            chain = (JOINT_INDEX[f"{side}_shoulder"], JOINT_INDEX[f"{side}_elbow"], JOINT_INDEX[f"{side}_wrist"])
            for at in (anchor for anchor in self.held if anchor.joint == chain[2]):
                local = limbs.bend(local, root, self.offsets, chain, at.position_w, at.rotation_w, at.weight)
        return local, root

    def _cleared(self, drafted: Draft, local: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The body gives way to the object; feet that stand keep their places."""
        planted = self.feet.planted * self._over_time(self.standing)
        hands = np.zeros((len(self.times), 2))
        for at in (anchor for anchor in self.held if anchor.joint in WRISTS):
            hands[at.weight >= 1.0, WRISTS.index(at.joint)] = 1.0
        flesh = skin_of(self.offsets, self.config.pose.skin, "full")
        free, root = clear(
            local, root, flesh, self.shape.geometry, self.subject.field, self.position_w, self.rotation_w,
            Kept(hands, planted), self.config.clearance,
        )  # fmt: skip
        return (local if free is local else self._on_footsteps(free, root, drafted, planted)), root

    def _on_footsteps(self, local: np.ndarray, root: np.ndarray, drafted: Draft, standing: np.ndarray) -> np.ndarray:
        for i, side in enumerate(SIDES):
            chain = (JOINT_INDEX[f"{side}_hip"], JOINT_INDEX[f"{side}_knee"], JOINT_INDEX[f"{side}_ankle"])
            local = limbs.bend(
                local, root, self.offsets, chain, drafted.ankles_w[:, i], drafted.feet_w[:, i], standing[:, i]
            )
        return local

    def _motion(self, local: np.ndarray, root: np.ndarray) -> Motion:
        plan, frames = self.plan, len(self.times)
        item = MotionObject(
            plan.object_name,
            self.shape.geometry,
            self.position_w,
            self.rotation_w,
            mass=self.mass,
            friction=self.friction,
        )
        return Motion(
            fps=FPS,
            root_position_w=root,
            joint_rotations_b=rotations.make_continuous(local),
            offsets=self.offsets,
            objects=(item,),
            contacts=contact_graph(self.timeline, self.holds, self.shape, self.offsets, frames),
            contact_labels=contact_labels(plan, self.timeline, frames),
            text=plan.text,
            action=plan.action,
            group=f"{plan.action}_{plan.object_name}".replace(" ", "_"),
            source=f"touchstone generate, planner {plan.source or 'unknown'}, seed {self.seed}, {self._made_by()}"
            + "".join(f", style of {name}" for name in dict.fromkeys(name for _, name in self.styled.values()))
            + ("" if self.friction is None else f", friction {self.friction:.2f} chosen so that the object slides"),
        )
