"""Weights of the energies of poses, coarse and fine, and how they are brought down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from generate.settings import at_least, positive
from sim.errors import PlanError


@dataclass(frozen=True)
class PoseWeights:
    """What each term of `generate.pose.energy` counts.

    InteractAnything names L_inter, L_n, L_pene and L_ground and does not publish their weights. These are set by hand
    so that a centimetre of gap, ten degrees of a wrong palm and a vertex half a centimetre deep cost alike, and were
    checked on the plans of `benchmarks/generated_poses.py`. DexGraspNet's (distance 100 per m, penetration 100, prior
    0.5, self-penetration 10) agree in their order.

    Attributes:
        inter: per m^2 of the affordance-weighted Chamfer distance; gap: per m^2 of the distance to the surface.
        normal: per 1 + cosine between the normals of part and surface.
        penetration: per m of depth, summed over a body of 1000 vertices, in the object or the floor.
        feet: per m^2 of a sole's height over the floor; flat: per 1 - cosine of a sole's normal with up.
        balance: per m^2 by which the centre of mass lies outside the support.
        beside: per m^2 by which standing feet are in among the object instead of on the person's side of it.
        limits: per rad^2 beyond a joint's range; prior: per nat of negative log density.
        fingers: per rad^2 from the relaxed hand; itself: per m of depth of limbs in trunk, head or each other.
        upright: per 1 - cosine between the way that the pelvis faces and the way that the plan wants.
    """

    inter: float = 200.0
    gap: float = 2000.0
    normal: float = 0.3
    penetration: float = 100.0
    feet: float = 1000.0
    flat: float = 5.0
    balance: float = 100.0
    beside: float = 60.0
    limits: float = 10.0
    prior: float = 0.03
    fingers: float = 0.02
    itself: float = 10.0
    upright: float = 1.0

    def __post_init__(self) -> None:
        at_least(0.0, self, "pose weights")


@dataclass(frozen=True)
class PoseConfig:
    """How poses are found.

    Attributes:
        weights: of the energy's terms.
        steps: of Adam; rate: rad and m that one of them moves a variable at most, falling to a fiftieth (cosine).
        candidates: poses drawn from the prior for every sample, of which the best begins; temperature: of their spread.
        skin: `anny` (coarse, natural) or `capsules` (what physics collides), the body whose vertices count. Those of
            the capsules crowd on the fingers: a sunken trunk weighs little there, and 3 cm of depth were left on a box.
        points: on the object's surface for the affordance; dense: for distances; patch_points: of those in a target.
        hand_patch, body_patch: m, spread of the target around the place that was drawn for a hand, another part.
        margin, softness: m, see `recon.optimizer.losses.penetration_loss`.
        use_affordance: draw the places of contacts by it; else evenly over the surface, for comparison.
        stand_off: m from the object's near edge to the middle of a standing foot.
        foot: m, what the support reaches beyond the line between the middles of the feet.
    """

    weights: PoseWeights = field(default_factory=PoseWeights)
    steps: int = 200
    rate: float = 0.03
    candidates: int = 48
    temperature: float = 0.5
    skin: Literal["anny", "capsules"] = "anny"
    points: int = 1500
    dense: int = 20_000
    patch_points: int = 128
    hand_patch: float = 0.04
    body_patch: float = 0.1
    margin: float = 0.006
    softness: float = 0.003
    use_affordance: bool = True
    stand_off: float = 0.05
    foot: float = 0.05

    def __post_init__(self) -> None:
        if self.skin not in ("anny", "capsules"):
            raise PlanError(f"poses: skin is '{self.skin}', expected anny or capsules")
        at_least(1, self, "poses", ("steps", "candidates", "points", "dense", "patch_points"))
        positive(self, "poses", ("rate", "hand_patch", "body_patch", "softness"))


@dataclass(frozen=True)
class FineWeights:
    """What each term of `generate.pose.grasp` counts; set by hand on the plans of `benchmarks/generated_poses.py`.

    Attributes:
        closure: per unit of the residual of force closure, of contacts that grasp.
        reach: per m of the touching skin's mean distance to the surface (quadratic below `FineConfig.near`).
        penetration: per m^2 of depth, summed over the vertices of the full skin.
        crossing: per m by which fingers are in one another.
        stay: per rad^2 of a joint's turn away from the coarse pose; feet: per m^2 by which standing feet move.
        curl: per rad^2 by which fingers bend unlike their neighbours or their own joints; hinges: per rad^2 by which
            they leave their range, and trust: per m^2 by which touching skin moves, both within a round.
        limits: per rad^2 beyond the other joints' ranges; prior: per nat of negative log density.
    """

    closure: float = 30.0
    reach: float = 100.0
    penetration: float = 15_000.0
    crossing: float = 20.0
    stay: float = 0.5
    feet: float = 5000.0
    curl: float = 0.03
    hinges: float = 30.0
    trust: float = 800.0
    limits: float = 10.0
    prior: float = 0.03

    def __post_init__(self) -> None:
        at_least(0.0, self, "fine weights")


@dataclass(frozen=True)
class FineConfig:
    """How the fine stage descends.

    Attributes:
        weights: of the terms. rounds: after each, nearest points are looked up anew; within one, planes through them
            stand for the object. iterations: of L-BFGS in a round.
        approach: share of the rounds in which hands come up open; close: then close their fingers until they touch.
        wrap: begin with hands that grasp around what is thin, where they reach it (`generate.pose.wrap`).
        still: what a turn of a joint of trunk, legs and free limbs costs, beside one of a limb that touches.
        softness: m at which skin presses with 0.6 of its force; near: m up to which the reach is quadratic.
        margin: m that skin keeps from the surface.
    """

    weights: FineWeights = field(default_factory=FineWeights)
    rounds: int = 20
    iterations: int = 14
    approach: float = 0.4
    close: bool = True
    wrap: bool = True
    still: float = 10.0
    softness: float = 0.006
    near: float = 0.01
    margin: float = 0.001

    def __post_init__(self) -> None:
        at_least(1, self, "fine stage", ("rounds", "iterations"))
        positive(self, "fine stage", ("softness", "near"))
