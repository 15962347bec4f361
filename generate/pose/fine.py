"""The fine stage: hands and arms of one pose, so that what holds the object holds it firmly.

InteractAnything's finer optimisation over the pose of body and hands: force closure (`generate.pose.closure`), skin on
the surface, nothing inside the object. Standing feet stay as the coarse stage left them, trunk and legs give a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from generate.affordance.contacts import contact_purpose
from generate.plan import InteractionPlan, PlannedContact
from generate.pose.body import skin_of
from generate.pose.closure import Support
from generate.pose.config import FineConfig, PoseConfig
from generate.pose.density import PoseDensity
from generate.pose.grasp import Grasp
from generate.pose.measure import PoseQuality, measure_pose
from generate.pose.nearest import Nearest, PlacedSurface
from generate.pose.synthesis import StaticPose
from generate.pose.targets import contacts_of
from generate.pose.wrap import wrapped
from sim import rotations
from sim.objects import Shape

_LOOK = 4
_WORSE, _NARROWER, _WIDER, _NARROWEST = 1.1, 8.0, 2.0, 1e4
_HOLDS = 0.05
"""Residual of force closure up to which no other start is tried."""


@dataclass(frozen=True, eq=False)
class FinePose:
    """A refined pose.

    Attributes:
        pose: as it came, with other limbs and fingers; its energy and terms are those of this stage.
        closure: residual of force closure before and after, see `generate.pose.closure`. counts: whether contacts of
            this plan can have it, so that it was brought down; a push with flat hands or a seat cannot.
        quality_before, quality_after: with the same skin.
    """

    pose: StaticPose
    closure: tuple[float, float]
    counts: bool
    quality_before: PoseQuality
    quality_after: PoseQuality


def refine_pose(
    pose: StaticPose,
    plan: InteractionPlan,
    phase: int,
    shape: Shape,
    offsets: np.ndarray,
    config: FineConfig | None = None,
    pose_config: PoseConfig | None = None,
) -> FinePose:
    """Bring the limbs that touch and their fingers to a firm hold; deterministic.

    Hands that grasp close their fingers on what is there, hands that push or rest lie flat. Only one pose is moved: the
    object stays where it is.

    Args:
        pose: of the coarse stage, for the same plan, phase, shape and bones [52, 3] m.

    Raises:
        PlanError: no such phase, or nothing that touches in it. MissingDependencyError: no `anny`, where wanted.
    """
    pose_config = PoseConfig() if pose_config is None else pose_config
    grasp = grasp_of(pose, plan, phase, shape, offsets, config, pose_config)
    skin = skin_of(offsets, pose_config.skin, "full")
    local, root, terms = descend(grasp)
    refined = replace(
        pose, joint_rotations_b=rotations.normalize(local.numpy()), root_position_w=root.numpy(),
        energy=sum(terms.values()), terms=terms,
    )  # fmt: skip
    closure = tuple(grasp.residual(*where) for where in ((grasp.start, grasp.root), (local, root)))
    return FinePose(
        refined, (closure[0], closure[1]), grasp.counts,
        measure_pose(pose, shape, skin), measure_pose(refined, shape, skin),
    )  # fmt: skip


def measure_closure(
    pose: StaticPose, plan: InteractionPlan, phase: int, shape: Shape, offsets: np.ndarray,
    config: FineConfig | None = None, pose_config: PoseConfig | None = None,
) -> tuple[float, bool]:  # fmt: skip
    """Residual of force closure of a pose as it is, and whether its contacts count; to choose among coarse poses.

    Raises:
        PlanError: no such phase, or nothing that touches in it. MissingDependencyError: no `anny`, where wanted.
    """
    grasp = grasp_of(pose, plan, phase, shape, offsets, config, pose_config)
    return grasp.residual(grasp.start, grasp.root), grasp.counts


def grasp_of(
    pose: StaticPose, plan: InteractionPlan, phase: int, shape: Shape, offsets: np.ndarray,
    config: FineConfig | None = None, pose_config: PoseConfig | None = None,
) -> Grasp:  # fmt: skip
    """What the fine stage moves, for a pose of the coarse one."""
    pose_config = PoseConfig() if pose_config is None else pose_config
    contacts = contacts_of(plan, phase)
    support, counts = support_of(plan, contacts)
    return Grasp.of(
        pose, {contact.body_part: contact.grasped for contact in contacts}, support, counts,
        skin_of(offsets, pose_config.skin, "full"),
        PlacedSurface.of(shape.geometry, pose.object_position_w, pose.object_rotation_w),
        PoseDensity.of(offsets, torch.zeros((), dtype=torch.float64)),
        FineConfig() if config is None else config,
    )  # fmt: skip


def support_of(plan: InteractionPlan, contacts: Sequence[PlannedContact]) -> tuple[Support, bool]:
    """What acts on the object besides the contacts, and whether they can have force closure at all.

    Contacts that grasp can: against its weight where they bear it, against floor and weight where they move it over
    the floor or tilt it, else by themselves. Hands that push, hips that sit and feet that kick cannot.
    """
    purposes = {contact_purpose(plan, contact) for contact in contacts if contact.grasped}
    if "load" in purposes:
        return "weight", True
    if purposes & {"shove", "tilt"}:
        return "floor", True
    return "none", bool(purposes)


def descend(grasp: Grasp) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    """From where the coarse stage left the palms; where that does not close, from hands around what is thin, too.

    Returns pose [52, 4], root [3] m, and the weighted terms of the best at its end.
    """
    config = grasp.config
    found = [_held(grasp, grasp.variables(), closed=False)]
    if config.wrap and grasp.counts and not _holds(grasp, found[0][1]):
        for start in wrapped(grasp):
            found.append(_held(grasp, start, closed=True))
            if _holds(grasp, found[-1][1]):
                break
    variables, terms = min(found, key=lambda held: sum(held[1].values()))
    return *grasp.pose(variables), terms


def _holds(grasp: Grasp, terms: Mapping[str, float]) -> bool:
    return terms["closure"] <= _HOLDS * grasp.config.weights.closure


def _held(grasp: Grasp, variables: list[torch.Tensor], *, closed: bool) -> tuple[list[torch.Tensor], dict[str, float]]:
    """First with open hands until the palms lie well, unless they are closed, then fingers close, then all together.

    With fingers, a round that made things much worse is taken back, and the next one goes less far (a trust region).
    What was best counts.
    """
    config, variables = grasp.config, [x.clone() for x in variables]  # starts share them
    approach = round(config.approach * config.rounds) if grasp.hands else 0
    last: Nearest | None = None
    best: tuple[float, list[torch.Tensor], Nearest] | None = None
    trust = 1.0
    for number in range(approach if closed else 0, config.rounds):
        if number == approach and config.close and not closed:
            grasp.close(variables)
        fingers = number >= approach
        nearest = grasp.nearest(variables, last if number % _LOOK and number != approach else None)
        total = float(grasp.weighted(grasp.terms(variables, nearest, fingers=fingers))["total"])
        if best is not None and total > _WORSE * best[0]:
            trust = min(trust * _NARROWER, _NARROWEST)
            variables, nearest = [x.clone() for x in best[1]], best[2]
        elif fingers and (best is None or total < best[0]):
            trust = max(trust / _WIDER, 1.0)
            best = total, [x.clone() for x in variables], nearest
        _improve(grasp, variables, variables if fingers else variables[:2], nearest, trust, fingers=fingers)
        last = nearest
    nearest = grasp.nearest(variables)
    terms = grasp.weighted(grasp.terms(variables, nearest))
    if best is not None and float(terms["total"]) > best[0]:
        variables, terms = best[1], grasp.weighted(grasp.terms(best[1], best[2]))
    return variables, {name: float(term) for name, term in terms.items() if name != "total"}


def _improve(
    grasp: Grasp, variables: list[torch.Tensor], moving: list[torch.Tensor], nearest: Nearest, trust: float,
    *, fingers: bool,
) -> None:  # fmt: skip
    """One round, in place: L-BFGS on some of the variables while planes stand for the object, hinges kept in range."""
    for tensor in moving:
        tensor.requires_grad_()
    optimizer = torch.optim.LBFGS(moving, max_iter=grasp.config.iterations, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        terms = grasp.weighted(grasp.terms(variables, nearest, fingers=fingers))
        total = terms["total"] + (trust - 1.0) * terms["trust"]
        total.backward()
        return total

    optimizer.step(cost)
    for tensor in moving:
        tensor.requires_grad_(False)
    grasp.clamp(variables)
