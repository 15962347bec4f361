"""The Anny body (NAVER, Apache-2.0; MakeHuman assets, CC0) as a skin of the standard skeleton.

Anny rests in an A-pose, faces -y, and has other bones than the standard skeleton. Three steps carry it over:

1. Its phenotype (age, height, proportions, ...) is fitted by gradient descent to the subject's bones. Data sets differ
   in where in the flesh they put hips, spine, collars, neck and thumbs: the anchors of these joints in Anny
   (`_ANCHORS`) are fitted too, so that the convention moves the joint, and only true proportions move the flesh.
2. The fitted mesh is brought from the A-pose to the subject's own rest pose: the flesh of each joint turns with the
   bones that leave it, and stretches by what the fit left over.
3. It is skinned to the subject's skeleton with Anny's weights, gathered by standard joint (`_joint_weights`).

So the skeleton is the subject's own, the flesh turns about its joints exactly, and no pose is retargeted. How well the
flesh surrounds the joints is measured by the joints of the posed mesh, each a fixed mean of the vertices around it
(`joint_regressor`): over 40 OMOMO clips all 52 stay within 15 mm of the skeleton's in every frame, over 40 BallPlay
clips all but the shoulders, which reach 19 mm with arms overhead. Anny's own skeleton does not come as close at any
phenotype: a subject's bones differ from it by 20 mm and more.

Anny builds its data once, which takes about two minutes, and keeps them in $ANNY_CACHE_DIR (~/.cache/anny).
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from sim import skeleton
from sim.body.skin import LinearBlendSkin
from sim.errors import MissingDependencyError, UnknownNameError
from sim.skeleton import JOINT_INDEX, NUM_JOINTS, PARENTS

if TYPE_CHECKING:
    from anny import Anny

_TOPOLOGIES = {"full": "anny", "coarse": "notoes_collapse10pc"}
_TO_STANDARD = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
"""Anny's axes (left +x, back +y, up +z) to ours (front +x, left +y, up +z)."""

_REFERENCE_HEIGHT = 1.4
"""m from Anny's ankle to the head joint, for which the shifts in `_ANCHORS` are given."""
_Anchor = tuple[dict[str, float], tuple[float, float, float]]
_ANCHORS: dict[str, _Anchor] = {
    "pelvis": ({"root": 1.0}, (2.5, 0.0, 2.5)),
    "spine1": ({"spine03": 1.0}, (1.5, 0.0, 0.0)),
    "spine2": ({"spine02": 0.5, "spine01": 0.5}, (3.5, 0.0, 0.0)),
    "spine3": ({"spine02": 0.1, "spine01": 0.9}, (7.5, 0.0, 0.0)),
    "neck": ({"neck01": 1.0}, (-1.0, 0.0, -4.0)),
    "head": ({"head": 1.0}, (0.5, 0.0, 0.0)),
    "left_hip": ({"root": 0.36, "upperleg02.L": 0.64}, (0.0, 0.0, 0.0)),
    "left_knee": ({"lowerleg01.L": 1.0}, (0.0, 0.0, 0.0)),
    "left_ankle": ({"foot.L": 1.0}, (0.0, 0.0, 0.0)),
    "left_foot": ({"toe2-1.L": 0.5, "toe3-1.L": 0.5}, (-1.0, 0.0, -1.0)),
    "left_collar": ({"clavicle.L": 0.75, "shoulder01.L": 0.25}, (2.0, 0.0, -5.0)),
    "left_shoulder": ({"upperarm01.L": 1.0}, (0.0, 0.0, 1.0)),
    "left_elbow": ({"lowerarm01.L": 0.9, "upperarm02.L": 0.1}, (0.0, 0.0, 0.0)),
    "left_wrist": ({"wrist.L": 1.0}, (0.0, 0.0, 0.0)),
} | {
    f"left_{finger}{segment}": ({f"finger{number}-{segment}.L": 1.0}, (0.0, 0.0, 0.0))
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), start=1)
    for segment in (1, 2, 3)
}
"""Where the standard joints lie in Anny: a mean of bone heads plus a shift (front, left, up) in cm. Left side and
middle; right mirrors it. Set so that the flesh around each joint lies where the keypoint table has it."""

_PARTS = (
    ("root", "pelvis"), ("pelvis", "pelvis"), ("spine05", "pelvis"), ("spine04", "pelvis"), ("spine03", "spine1"),
    ("spine02", "spine2"), ("spine01", "spine3"), ("neck", "neck"), ("head", "head"), ("eye", "head"),
    ("clavicle", "collar"), ("shoulder", "collar"), ("upperarm", "shoulder"), ("lowerarm", "elbow"),
    ("wrist", "wrist"), ("metacarpal", "wrist"), ("upperleg", "hip"), ("lowerleg", "knee"), ("foot", "ankle"),
    ("toe", "foot"), ("finger1-", "thumb"), ("finger2-", "index"), ("finger3-", "middle"), ("finger4-", "ring"),
    ("finger5-", "pinky"),
)  # fmt: skip
"""Beginning of Anny's bone name -> standard joint, or finger."""

_PRIOR = {"gender": 0.5, "age": 0.67, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.5}
_TRUNK = [
    JOINT_INDEX[name]
    for name in (
        *("pelvis", "spine1", "spine2", "spine3", "neck", "head"),
        *(f"{side}_{part}" for side in ("left", "right") for part in ("hip", "collar", "shoulder")),
    )
]
"""Joints whose place in the flesh is a convention, and that rest alike in A-pose and T-pose."""
_LIMBS = [j for j in skeleton.BODY_JOINTS if j not in _TRUNK]
_SIGMA_TRUNK, _SIGMA_LIMB, _SIGMA_SHIFT, _SIGMA_PHENOTYPE = 0.01, 0.02, 0.03, 0.3
"""Standard deviations: trunk bones (m, vectors), limb bones (m, lengths), anchors (m), phenotype parameters."""


@dataclass(frozen=True)
class AnnyFit:
    """What fits Anny to a subject: phenotype parameters in (0, 1), and where the joints lie in its flesh.

    `shifts` [52, 3] m moves the anchors from where `_ANCHORS` has them, in our axes.
    """

    phenotype: dict[str, float]
    shifts: np.ndarray


def anny_skin(offsets: np.ndarray, *, detail: str = "full") -> LinearBlendSkin:
    """Anny fitted to a subject's bones: offsets [52, 3] m -> skin whose joints are those bones'.

    Raises:
        UnknownNameError: detail is not `full` (13,718 vertices) or `coarse` (1,229).
        MissingDependencyError: the package anny is not installed.
    """
    model = load_model(detail)
    vertices, anchors = _rest(model, fit(model, offsets))
    anchors = _slide_fingers(anchors, offsets)
    weights = _joint_weights(model, vertices, anchors)
    regressor = joint_regressor(weights, vertices, anchors)
    joints = skeleton.rest_joints(offsets)
    points = np.concatenate((vertices, np.ones((len(vertices), 1))), -1)
    maps = (weights @ _to_subject(anchors, joints).reshape(NUM_JOINTS, 12)).reshape(-1, 3, 4)
    vertices = np.einsum("vab,vb->va", maps, points)
    # blending leaves some millimetres at the joints: shift the flesh of each so that they vanish (damped)
    mixing = (regressor @ weights).toarray()
    damped = mixing.T @ mixing + np.diag(_SHIFT_DAMPING)
    vertices += weights @ np.linalg.solve(damped, mixing.T @ (joints - regressor @ vertices))
    return LinearBlendSkin(model.get_triangular_faces().numpy(), vertices, weights, offsets, regressor)


@functools.cache
def load_model(detail: str = "full") -> Anny:
    """Anny's data; says so on the terminal when it has to build them first (about two minutes, once)."""
    if detail not in _TOPOLOGIES:
        raise UnknownNameError("detail of the Anny body", detail, _TOPOLOGIES)
    try:
        import anny
        import warp
        from anny.paths import get_anny_cache_path
    except ImportError as error:
        raise MissingDependencyError("anny", "the Anny skin") from error
    warp.config.quiet = True  # type: ignore[attr-defined]
    cache = get_anny_cache_path()
    if not any(cache.glob("**/build_compact_model_data_*")):
        sys.stderr.write(f"Building the Anny body: once, about two minutes, kept in {cache} ...\n")
    # "dqs" only keeps Anny from loading a skinning backend that is not used here
    return anny.Anny(topology=_TOPOLOGIES[detail], skinning_method="dqs")


def fit(model: Anny, offsets: np.ndarray, *, steps: int = 200) -> AnnyFit:
    """Phenotype and anchors that best explain a subject's bones: maximum a posteriori under the `_SIGMA_`s.

    Args:
        offsets: [52, 3] m.
        steps: of Adam, on the anchors' shifts and on the logits of the phenotype, which so stays within (0, 1).
    """
    bones = torch.as_tensor(np.array(offsets))
    prior = torch.tensor([_PRIOR[label] for label in model.phenotype_labels], dtype=torch.float64)
    logits = torch.logit(prior).requires_grad_()
    moved = torch.zeros(len(_TRUNK), 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([{"params": [logits], "lr": 0.1}, {"params": [moved], "lr": 0.003}])
    above = [max(p, 0) for p in PARENTS]
    for _ in range(steps):
        optimizer.zero_grad()
        values, shifts = torch.sigmoid(logits), torch.zeros(NUM_JOINTS, 3, dtype=torch.float64)
        shifts[_TRUNK] = moved
        anchors = _anchors(model, _coefficients(model, values)) + shifts
        found = anchors - anchors[above]
        loss = (((found - bones)[_TRUNK[1:]] / _SIGMA_TRUNK) ** 2).sum()
        loss = loss + (((found.norm(dim=-1) - bones.norm(dim=-1))[_LIMBS] / _SIGMA_LIMB) ** 2).sum()
        loss = loss + ((moved / _SIGMA_SHIFT) ** 2).sum() + (((values - prior) / _SIGMA_PHENOTYPE) ** 2).sum()
        loss.backward()
        optimizer.step()
    phenotype = dict(zip(model.phenotype_labels, torch.sigmoid(logits).tolist(), strict=True))
    return AnnyFit(phenotype, shifts.detach().numpy())


def _coefficients(model: Anny, values: torch.Tensor) -> torch.Tensor:
    """Phenotype values [6] -> blend shape coefficients [1, N], differentiable."""
    named = dict(zip(model.phenotype_labels, values.unbind(), strict=True))
    return model.get_phenotype_blendshape_coefficients(**named)


def _anchors(model: Anny, coefficients: torch.Tensor) -> torch.Tensor:
    """The standard joints in Anny's A-pose, in our axes: [52, 3] m, differentiable."""
    heads = model.template_bone_heads + torch.einsum("n,nbc->bc", coefficients[0], model.bone_heads_blendshapes)
    mean, shift = _anchor_tables(tuple(model.bone_labels))
    ankle, head = (model.bone_labels.index(name) for name in ("foot.L", "head"))
    size = (heads[head, 2] - heads[ankle, 2]) / _REFERENCE_HEIGHT
    return mean @ heads @ _TO_STANDARD.T + size * shift


@functools.cache
def _anchor_tables(labels: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """`_ANCHORS` with the right side: weights over bones [52, B] and shifts [52, 3] m in our axes."""
    mean = torch.zeros(NUM_JOINTS, len(labels), dtype=torch.float64)
    shifts = torch.zeros(NUM_JOINTS, 3, dtype=torch.float64)
    for joint, (bones, shift) in _ANCHORS.items():
        for side in ("left", "right"):
            j = JOINT_INDEX[joint.replace("left", side)]
            mean[j] = 0.0
            for bone, weight in bones.items():
                mean[j, labels.index(bone.replace(".L", ".L" if side == "left" else ".R"))] = weight
            shifts[j] = 0.01 * torch.tensor(shift) * torch.tensor([1.0, 1.0 if side == "left" else -1.0, 1.0])
    return mean, shifts


def _rest(model: Anny, fitted: AnnyFit) -> tuple[np.ndarray, np.ndarray]:
    """Mesh [V, 3] and anchors [52, 3] in the A-pose, our axes, m."""
    values = torch.tensor([fitted.phenotype[label] for label in model.phenotype_labels], dtype=torch.float64)
    with torch.no_grad():
        coefficients = _coefficients(model, values)
        vertices = model.get_rest_vertices(coefficients)[0] @ _TO_STANDARD.T
        return vertices.numpy(), _anchors(model, coefficients).numpy() + fitted.shifts


def _bone_joint(label: str) -> int:
    """The standard joint that an Anny bone moves with."""
    stem, _, side = label.partition(".")
    part = next(part for start, part in _PARTS if stem.startswith(start))
    if stem.startswith("finger"):
        part += stem[-1]
    sided = f"{'left' if side == 'L' else 'right'}_{part}"
    return JOINT_INDEX[sided] if sided in JOINT_INDEX else JOINT_INDEX[part]


_SPINE = [JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3", "neck")]
_FINGERS = [
    [JOINT_INDEX[f"{side}_{joint}"] for joint in ("wrist", f"{finger}1", f"{finger}2", f"{finger}3")]
    for side in ("left", "right")
    for finger in ("thumb", "index", "middle", "ring", "pinky")
]
_TIP = 0.8
"""Length of a finger's last segment over the one before it."""
_SPINE_BLEND, _FINGER_BLEND = 0.08, 0.016
"""m along the chain over which the flesh passes from one joint to the next."""


def _slide_fingers(anchors: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move the finger anchors along Anny's fingers to where the subject's segments, in proportion, put its joints.

    Data sets differ here too: a thumb's first joint may be at the wrist or at the end of the metacarpal.
    """
    moved = anchors.copy()
    for chain in _FINGERS:
        line = _with_tip(anchors[chain])
        length = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=-1))))
        own = np.linalg.norm(offsets[chain[1:]], axis=-1)
        at = np.cumsum(own) / (own.sum() + _TIP * own[-1]) * length[-1]
        moved[chain[1:]] = np.column_stack([np.interp(at, length, line[:, k]) for k in range(3)])
    return moved


def _with_tip(chain: np.ndarray) -> np.ndarray:
    """Wrist and three finger joints [4, 3] m -> the same and the finger's tip [5, 3]."""
    return np.vstack((chain, chain[3] + _TIP * (chain[3] - chain[2])))


def _along(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far along a polyline [N, 3] points [V, 3] and its own corners lie, m: [V] and [N]."""
    steps = np.diff(line, axis=0)
    lengths = np.linalg.norm(steps, axis=-1)
    corners = np.concatenate(([0.0], np.cumsum(lengths)))
    ahead = points[:, None] - line[:-1]
    t = np.clip((ahead * steps).sum(-1) / lengths**2, 0.0, 1.0)
    nearest = np.linalg.norm(ahead - t[..., None] * steps, axis=-1).argmin(1)
    rows = np.arange(len(points))
    return corners[nearest] + t[rows, nearest] * lengths[nearest], corners


def _joint_weights(model: Anny, vertices: np.ndarray, anchors: np.ndarray) -> sparse.csr_array:
    """Anny's skinning weights gathered by standard joint: [V, 52], rows sum to 1.

    What Anny gives to the spine and to each finger is shared out anew along them, between the subject's joints.
    """
    joint_of_bone = np.array([_bone_joint(label) for label in model.bone_labels])
    weights, bones = model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    table = np.zeros((len(weights), NUM_JOINTS))
    np.add.at(table, (np.arange(len(weights))[:, None], joint_of_bone[bones]), weights)
    starts = np.maximum.accumulate(anchors[_SPINE[1:], 2])
    spine = _shares(vertices[:, 2], starts, _SPINE_BLEND)
    table[:, _SPINE] = table[:, _SPINE].sum(1, keepdims=True) * spine
    for chain in _FINGERS:
        at, corners = _along(vertices, _with_tip(anchors[chain]))
        pool = table[:, chain[1:]].sum(1, keepdims=True)
        table[:, chain[1:]] = 0.0
        table[:, chain] += pool * _shares(at, corners[1:4], _FINGER_BLEND)
    return sparse.csr_array(table / table.sum(1, keepdims=True))


def _shares(at: np.ndarray, starts: np.ndarray, blend: float) -> np.ndarray:
    """Shares of a chain's joints in flesh at places [V] m, if all but the first joint start at [N] m: [V, N + 1]."""
    above = np.clip((at[:, None] - starts) / blend + 0.5, 0.0, 1.0)
    smooth = above * above * (3.0 - 2.0 * above)
    return -np.diff(smooth, axis=1, prepend=1.0, append=0.0)


_SHIFT_DAMPING = np.where(np.isin(range(NUM_JOINTS), skeleton.FINGER_JOINTS), 0.3, 0.001)
"""[52] against the square of the share of a joint's flesh that moves with it; fingers are too thin to be shifted."""
_NEAR = 0.04
"""m: how far around a joint its flesh reaches."""
_UNSHARED = 1e-3
"""How much a vertex counts that only one side of the joint moves, where one moved by both counts up to 1/4."""


def joint_regressor(weights: sparse.csr_array, vertices: np.ndarray, joints: np.ndarray) -> sparse.csr_array:
    """Joints as fixed means of the vertices around them, exact on the mesh that they are made from.

    Vertices count that the joint and its parent (its children, for the root) move together, and the more the closer
    they are; the smallest change of these weights makes their mean the joint.

    Args:
        weights: [V, 52] skinning weights; vertices: [V, 3] m; joints: [52, 3] m, in the same pose.

    Returns:
        [52, V]; rows sum to 1.
    """
    dense, rows = weights.toarray(), np.zeros((NUM_JOINTS, len(vertices)))
    for joint, parent in enumerate(PARENTS):
        others = [parent] if joint else [j for j, p in enumerate(PARENTS) if p == joint]
        local = vertices - joints[joint]
        own, other = dense[:, joint], dense[:, others].sum(1)
        shared = own * other + _UNSHARED * (own + other)  # a coarse finger has too few vertices on the border
        base = shared * np.exp(-0.5 * (local**2).sum(-1) / _NEAR**2)
        design = np.column_stack((np.ones(len(local)), local / _NEAR))
        gram = design.T @ (base[:, None] * design)
        rows[joint] = base * (design @ np.linalg.solve(gram, [1.0, 0.0, 0.0, 0.0]))
    return sparse.csr_array(rows)


_TWIST_PRIOR, _STRETCH_PRIOR = 0.01, 0.02
"""Relative to the bones' squared lengths: how much a turn is held to the parent's (which decides a single bone's
twist), and how much the stretch is held to none, where the bones leave them free."""


def _to_subject(anchors: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Affine maps of each joint's flesh from Anny's A-pose to the subject's rest pose: [52, 3] x2 m -> [52, 3, 4].

    The linear part is a turn (Kabsch on the bones that leave the joint, with the parent's turn as prior), then the
    smallest change that also carries those bones to the subject's, ridge-regularised.
    """
    maps, turns = np.zeros((NUM_JOINTS, 3, 4)), np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for joint, parent in enumerate(PARENTS):
        inherited = turns[parent] if joint else np.eye(3)
        children = [j for j, p in enumerate(PARENTS) if p == joint]
        before, after = anchors[children] - anchors[joint], joints[children] - joints[joint]
        size = (before**2).sum() + 1e-9  # 0 for a chain's end, which turns as its parent
        turns[joint] = _kabsch(after.T @ before + _TWIST_PRIOR * size * inherited)
        left_over = after - before @ turns[joint].T
        gram = before.T @ before + _STRETCH_PRIOR * size * np.eye(3)
        linear = turns[joint] + np.linalg.solve(gram, before.T @ left_over).T
        maps[joint] = np.column_stack((linear, joints[joint] - linear @ anchors[joint]))
    return maps


def _kabsch(covariance: np.ndarray) -> np.ndarray:
    """The rotation closest to a 3x3 matrix."""
    u, _, vt = np.linalg.svd(covariance)
    rotation: np.ndarray = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return rotation
