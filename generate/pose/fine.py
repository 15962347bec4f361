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
from sim import rotations
from sim.objects import Shape

_LOOK = 4


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
    """First with open hands until the palms lie well, then fingers close, then all of it together.

    Returns pose [52, 4], root [3] m, and the weighted terms at its end.
    """
    config = grasp.config
    variables = grasp.variables()
    approach = round(config.approach * config.rounds) if grasp.hands else 0
    last = None
    for number in range(config.rounds):
        if number == approach and config.close:
            grasp.close(variables)
        fingers = number >= approach
        moving, known = variables if fingers else variables[:2], number % _LOOK and number != approach
        last = _improve(grasp, variables, moving, last if known else None, fingers=fingers)
    local, root = grasp.pose(variables)
    terms = weighted(grasp, grasp.terms(variables, grasp.nearest(variables)))
    return local, root, {name: float(term) for name, term in terms.items() if name != "total"}


def _improve(
    grasp: Grasp, variables: list[torch.Tensor], moving: list[torch.Tensor], last: Nearest | None, *, fingers: bool
) -> Nearest:
    """One round, in place: L-BFGS on some of the variables while planes stand for the object, hinges kept in range."""
    config = grasp.config
    nearest = grasp.nearest(variables, last)
    for tensor in moving:
        tensor.requires_grad_()
    optimizer = torch.optim.LBFGS(moving, max_iter=config.iterations, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        optimizer.zero_grad()
        total = weighted(grasp, grasp.terms(variables, nearest, fingers=fingers))["total"]
        total.backward()
        return total

    optimizer.step(cost)
    for tensor in moving:
        tensor.requires_grad_(False)
    grasp.clamp(variables)
    return nearest


def weighted(grasp: Grasp, terms: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Terms times their weights, and their `total`; closure counts where contacts can have it."""
    found = {name: getattr(grasp.config.weights, name) * term for name, term in terms.items()}
    if not grasp.counts:
        found["closure"] = 0.0 * found["closure"]
    return {**found, "total": torch.stack(list(found.values())).sum()}
