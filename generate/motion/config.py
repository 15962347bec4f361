"""How motions are made: gait, the weights of the space-time optimisation, and what is left out for comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from generate.pose.config import FineConfig, PoseConfig
from generate.settings import at_least, positive
from sim.errors import PlanError


@dataclass(frozen=True)
class GaitConfig:
    """How the person walks.

    Attributes:
        step_length: m; step_turn: rad, of one step at most; step_seconds: s, of one step at least.
        stance_width: m, between the feet; toe_out: rad.
        lift: m, how high the ball of a swinging foot is lifted; heel_rise: rad, at the end of its stance.
        rise_seconds: s, that the pelvis takes for its first metre up or down; times the square root for others.
        walk_up: m that an approach or a retreat covers.
    """

    step_length: float = 0.45
    step_turn: float = 0.6
    step_seconds: float = 0.5
    stance_width: float = 0.24
    toe_out: float = 0.1
    lift: float = 0.06
    heel_rise: float = 0.3
    rise_seconds: float = 2.0
    walk_up: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "gait", ("step_length", "step_turn", "step_seconds"))
        at_least(0.0, self, "gait", ("stance_width", "lift", "heel_rise", "rise_seconds", "walk_up"))


@dataclass(frozen=True)
class MotionWeights:
    """What each term of `generate.motion.energy` counts, by frame.

    Attributes:
        anchor: per m^2 by which the joint of a touching part is off its place on the object; turned: per 1 - cosine^2
            of half the angle by which it is turned.
        feet: per m^2 by which ankles are off the footsteps.
        balance: per m^2 by which the centre of mass is off the one that the feet can support.
        penetration: per m of depth in the object or the floor, as in `PoseWeights`; itself: the same in oneself.
        limits: per rad^2 beyond a joint's range; prior: per nat of negative log density.
        upright: per 1 - cosine between the way that the pelvis faces and the way of the stance.
        ease: per rad^2 of each joint off the relaxed posture: least effort; hang: per m of height of elbows and wrists.
        smooth: per (m/s^2)^2 of the joints' mean squared acceleration; stay: per rad^2 off the draft.
    """

    anchor: float = 3000.0
    turned: float = 4.0
    feet: float = 3000.0
    balance: float = 150.0
    penetration: float = 120.0
    itself: float = 10.0
    limits: float = 10.0
    prior: float = 0.01
    upright: float = 1.0
    ease: float = 0.06
    hang: float = 0.3
    smooth: float = 0.02
    stay: float = 0.05

    def __post_init__(self) -> None:
        at_least(0.0, self, "motion weights")


@dataclass(frozen=True)
class SpaceTimeConfig:
    """How the whole clip is optimised.

    Attributes:
        weights: of the terms. stride: every which frame is a key frame, between which corrections are interpolated.
        posture_steps: of Adam for the postures at the phases' bounds; steps: for the clip; rate: rad and m of one.
        stand_off: m from which hands come to their place straight along the surface's normal, and go again;
            stand_off_seconds: how long that takes.
        margin, softness: m, see `recon.optimizer.losses.penetration_loss`.
    """

    weights: MotionWeights = field(default_factory=MotionWeights)
    stride: int = 3
    posture_steps: int = 150
    steps: int = 100
    rate: float = 0.02
    stand_off: float = 0.06
    stand_off_seconds: float = 0.35
    margin: float = 0.008
    softness: float = 0.003

    def __post_init__(self) -> None:
        at_least(1, self, "motion", ("stride", "posture_steps", "steps"))
        positive(self, "motion", ("rate", "softness", "stand_off_seconds"))


@dataclass(frozen=True)
class ClearanceConfig:
    """How body and fingers give way to the object at the end (`generate.motion.clearance`).

    Attributes:
        rounds: of looking and giving way; 0 leaves it out. steps: of L-BFGS in each.
        tolerance: m of depth from which on a frame needs it.
        seconds: before and after such a frame over which the way is given; smoothing: s, of corrections over time.
    """

    rounds: int = 3
    steps: int = 50
    tolerance: float = 0.004
    seconds: float = 0.35
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        at_least(0, self, "clearance", ("rounds",))
        at_least(1, self, "clearance", ("steps",))
        positive(self, "clearance", ("tolerance", "seconds", "smoothing"))


@dataclass(frozen=True)
class GenerateConfig:
    """How a plan becomes a motion.

    Attributes:
        pose: of the static poses; fine: of their fine stage; gait; optimisation: of the clip.
        clearance: of the clip from the object at the end.
        samples: static poses that are drawn for each set of contacts, of which the best is taken.
        height_m: the person's stature.
        style: a folder of recorded clips (.npz) whose postures are kept to where hands are alike; None: least effort.
        use_affordance: draw contacts by it, where `pose` does not say otherwise.
        use_anchors: contact keypoints hold body and object together, else only the postures at the phases' bounds.
        use_fine: grasps are closed by the fine stage.
    """

    pose: PoseConfig = field(default_factory=PoseConfig)
    fine: FineConfig = field(default_factory=FineConfig)
    gait: GaitConfig = field(default_factory=GaitConfig)
    optimisation: SpaceTimeConfig = field(default_factory=SpaceTimeConfig)
    clearance: ClearanceConfig = field(default_factory=ClearanceConfig)
    samples: int = 4
    height_m: float = 1.75
    style: Path | None = None
    use_affordance: bool = True
    use_anchors: bool = True
    use_fine: bool = True

    def __post_init__(self) -> None:
        at_least(1, self, "motion", ("samples",))
        if not 1.0 <= self.height_m <= 2.3:
            raise PlanError(f"motion: a person of {self.height_m:g} m; expected 1 to 2.3 m")
