"""A density over body poses: Gaussian mixtures on local rotations, one for the trunk, one for an arm, one for a leg.

A pose is the 6D form (Zhou et al. 2019) of each joint's local rotation, in canonical axes: those of the default
subject, whose bones lie along the axes of the T-pose. Data sets put their rest bones elsewhere (a spread of the legs, a
slope of the arms); `canonical_axes` takes that out, so that one prior serves every skeleton. A right limb is the mirror
image of a left one. The mixture is used as in SMPLify (Bogo et al. 2016): of its components the most probable one
counts, which makes the prior a sum of squares.

The parameters shipped beside this file were fitted by `benchmarks/pose_prior_training.py` to clips of BallPlay-M
(SkillMimic, Apache-2.0); `fit_pose_prior` makes one from clips of your own.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim import rotations
from sim.errors import AssetError, MotionError
from sim.files import atomic_path
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, NUM_JOINTS, PARENTS
from sim.subject import default_offsets

SHIPPED = Path(__file__).with_name("pose_prior.npz")
_TRUNK = ("spine1", "spine2", "spine3", "neck", "head")
_ARM, _LEG = ("collar", "shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "foot")
PARTS: dict[str, tuple[str, tuple[int, ...], bool]] = {
    "trunk": ("trunk", tuple(JOINT_INDEX[n] for n in _TRUNK), False),
    **{f"{s}_arm": ("arm", tuple(JOINT_INDEX[f"{s}_{n}"] for n in _ARM), s == "right") for s in ("left", "right")},
    **{f"{s}_leg": ("leg", tuple(JOINT_INDEX[f"{s}_{n}"] for n in _LEG), s == "right") for s in ("left", "right")},
}
"""Part of the body -> which mixture it takes, its joints, whether it is mirrored for that."""
_MIRROR_6D = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
"""Reflection in the middle plane of a rotation's first two columns: M R M with M = diag(1, -1, 1)."""


_HINGES = (
    (JOINT_INDEX["left_knee"], 2, 1.0), (JOINT_INDEX["right_knee"], 2, 1.0),
    (JOINT_INDEX["left_elbow"], 3, -1.0), (JOINT_INDEX["right_elbow"], 3, 1.0),
)  # fmt: skip
"""Joint, entry of its canonical 6D rotation that is the sine of its bend (knees about y, elbows about z), sign."""

_FLOOR = 0.12
"""Least standard deviation of a component in any direction of the 6D space: clips are fewer than ways to move."""
_BROAD_WEIGHT, _BROAD_SIGMA = 0.02, 0.35
"""Weight and width of the component that lets in what the clips never showed."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """K Gaussians in D dimensions: weights [K], means [K, D], factors [K, D, D] with factor factor^T = precision."""

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @functools.cached_property
    def constants(self) -> np.ndarray:
        """[K] log weight + log determinant of the factor - D/2 log 2 pi."""
        dimensions = self.means.shape[1]
        determinant = np.log(np.abs(np.diagonal(self.factors, axis1=1, axis2=2))).sum(-1)
        constants: np.ndarray = np.log(self.weights) + determinant - 0.5 * dimensions * np.log(2 * np.pi)
        return constants

    def component_log_densities(self, x: np.ndarray) -> np.ndarray:
        """[..., D] -> [..., K], weights included."""
        white = np.einsum("...kd,kde->...ke", x[..., None, :] - self.means, self.factors, optimize=True)
        densities: np.ndarray = self.constants - 0.5 * np.square(white).sum(-1)
        return densities

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """[..., D] -> [...]."""
        return np.logaddexp.reduce(self.component_log_densities(x), axis=-1)


@dataclass(frozen=True, eq=False)
class PosePrior:
    """Mixtures by part (`trunk`, `arm`, `leg`), the mean of relaxed fingers [30, 4] wxyz, and what they came from."""

    mixtures: Mapping[str, Mixture]
    fingers_b: np.ndarray
    source: str

    def log_density(self, joint_rotations_b: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """Log density of poses in the 6D space: [T, 52, 4], canonical axes [52, 4] -> [T] nats."""
        pose = canonical_6d(joint_rotations_b, axes)
        parts = [self.mixtures[kind].log_density(_part(pose, joints, m)) for kind, joints, m in PARTS.values()]
        return np.sum(parts, axis=0)

    def residuals(self, joint_rotations_b: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most probable component's whitened distance, and its derivative by local turns R <- R exp(d).

        Args:
            joint_rotations_b: [T, 52, 4]; axes: [52, 4] from `canonical_axes`.

        Returns:
            [T, M] and [T, M, 52, 3]; half the square of the first is the negative log density up to a constant that
            depends on the component (`penalty` has it).
        """
        pose, change = canonical_6d(joint_rotations_b, axes), _canonical_jacobian(joint_rotations_b, axes)
        values, slopes = [], []
        for kind, joints, mirrored in PARTS.values():
            mixture, x = self.mixtures[kind], _part(pose, joints, mirrored)
            best = mixture.component_log_densities(x).argmax(-1)
            factors = mixture.factors[best]  # [T, D, D]
            values.append(np.einsum("td,tde->te", x - mixture.means[best], factors))
            part = change[:, list(joints)] * (_MIRROR_6D[:, None] if mirrored else 1.0)  # [T, n, 6, 3]
            rows = factors.reshape(len(x), len(joints), 6, -1)
            slope = np.zeros((len(x), rows.shape[-1], NUM_JOINTS, 3))
            slope[:, :, list(joints)] = np.einsum("tnda,tnde->tena", part, rows, optimize=True)
            slopes.append(slope)
        return np.concatenate(values, 1), np.concatenate(slopes, 1)

    def joint_limits(self, joint_rotations_b: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far knees and elbows bend the wrong way, as the sine of the angle: [T, 4] (0 within), [T, 4, 52, 3]."""
        joints, rows, signs = (np.array(column) for column in zip(*_HINGES, strict=True))
        bent = signs * canonical_6d(joint_rotations_b, axes)[:, joints, rows]
        slope = np.zeros((*bent.shape, NUM_JOINTS, 3))
        change = signs[:, None] * _canonical_jacobian(joint_rotations_b, axes)[:, joints, rows]
        slope[:, np.arange(len(joints)), joints] = np.where(bent > 0, 1.0, 0.0)[..., None] * change
        return np.maximum(bent, 0.0), slope

    def penalty(self, joint_rotations_b: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """What `residuals` minimise, [T] nats over the best component's peak: >= 0 up to the weights' difference."""
        pose, total = canonical_6d(joint_rotations_b, axes), np.zeros(len(joint_rotations_b))
        for kind, joints, mirrored in PARTS.values():
            mixture = self.mixtures[kind]
            densities = mixture.component_log_densities(_part(pose, joints, mirrored))
            total += mixture.constants.max() - densities.max(-1)
        return total

    def save(self, path: str | Path) -> None:
        """Write one .npz (no pickle), atomically."""
        arrays = {
            f"{kind}/{name}": getattr(mixture, name).astype(np.float32)
            for kind, mixture in self.mixtures.items()
            for name in ("weights", "means", "factors")
        }
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, fingers_b=self.fingers_b, source=np.array(self.source), **arrays)


@functools.cache
def load_pose_prior(path: str | Path = SHIPPED) -> PosePrior:
    """Read a prior that `PosePrior.save` wrote; the shipped one by default. Raises AssetError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        mixtures = {
            kind: Mixture(*(arrays[f"{kind}/{name}"].astype(np.float64) for name in ("weights", "means", "factors")))
            for kind in ("trunk", "arm", "leg")
        }
        return PosePrior(mixtures, arrays["fingers_b"].astype(np.float64), str(arrays["source"]))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise AssetError(f"{path}: not a pose prior ({error}); make one with fit_pose_prior") from error


_ALONG = {
    "hip": "knee", "knee": "ankle", "ankle": "foot", "collar": "shoulder", "shoulder": "elbow", "elbow": "wrist",
    "wrist": "middle1", "spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head",
}  # fmt: skip
"""Joint -> the child whose bone gives its canonical axis; a chain's end takes its parent's, the pelvis its own."""


def canonical_axes(offsets: np.ndarray) -> np.ndarray:
    """Turns [52, 4] of each joint's frame that carry the default subject's rest bones onto those of offsets [52, 3].

    A joint's canonical world rotation is its world rotation times this.
    """
    axes = np.tile([1.0, 0.0, 0.0, 0.0], (NUM_JOINTS, 1))
    reference = default_offsets()
    for joint in range(1, NUM_JOINTS):
        side, _, part = _name(joint).rpartition("_")
        child = _ALONG.get(part)
        if child is None:
            axes[joint] = axes[PARENTS[joint]]
        else:
            index = JOINT_INDEX[f"{side}_{child}" if side else child]
            axes[joint] = rotations.between(reference[index], np.asarray(offsets[index], np.float64))
    return axes


def _name(joint: int) -> str:
    return next(name for name, index in JOINT_INDEX.items() if index == joint)


def canonical_rotations(joint_rotations_b: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Local rotations in canonical axes: [..., 52, 4], [52, 4] -> [..., 52, 4]."""
    above = axes[[max(p, 0) for p in PARENTS]].copy()
    above[0] = [1.0, 0.0, 0.0, 0.0]
    turned: np.ndarray = rotations.multiply(
        rotations.inverse(above), rotations.multiply(joint_rotations_b, np.ascontiguousarray(axes))
    )
    return turned


def canonical_6d(joint_rotations_b: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """[T, 52, 4], [52, 4] -> [T, 52, 6]."""
    columns: np.ndarray = rotations.to_6d(canonical_rotations(joint_rotations_b, axes))
    return columns


def _canonical_jacobian(joint_rotations_b: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Derivative of `canonical_6d` by local turns: [T, 52, 6, 3]. With C = B^T R A, dC e = -B^T R [A e]x d."""
    above = axes[[max(p, 0) for p in PARENTS]].copy()
    above[0] = [1.0, 0.0, 0.0, 0.0]
    left = rotations.to_matrix(rotations.multiply(rotations.inverse(above), joint_rotations_b))  # B^T R
    columns = rotations.to_matrix(axes)[:, :, :2].swapaxes(-1, -2)  # [52, 2, 3]: A e0, A e1
    crossed = -np.swapaxes(np.cross(columns[:, :, None], np.eye(3)), -1, -2)  # -[v]x, [52, 2, 3, 3]
    change: np.ndarray = np.einsum("tjab,jcbd->tjcad", left, crossed, optimize=True)
    return change.reshape(*change.shape[:2], 6, 3)


def _part(pose: np.ndarray, joints: Sequence[int], mirrored: bool) -> np.ndarray:
    """[T, 52, 6] -> [T, 6n] of one part, as a left one."""
    part = pose[:, list(joints)] * (_MIRROR_6D if mirrored else 1.0)
    return part.reshape(len(part), -1)


def training_poses(motions: Sequence[Motion], fps: float = 10.0) -> dict[str, np.ndarray]:
    """Poses by mixture: trunk (and its mirror image) [N, 30], arm and leg (right ones mirrored) [N, 24]."""
    poses: dict[str, list[np.ndarray]] = {"trunk": [], "arm": [], "leg": []}
    for motion in motions:
        if motion.offsets.shape != (NUM_JOINTS, 3):
            raise MotionError(f"joint_names: a pose prior needs the standard {NUM_JOINTS} joints")
        step = max(1, round(motion.fps / fps))
        pose = canonical_6d(motion.joint_rotations_b[::step].copy(), canonical_axes(motion.offsets))
        for kind, joints, mirrored in PARTS.values():
            poses[kind].append(_part(pose, joints, mirrored))
        poses["trunk"].append(_part(pose, PARTS["trunk"][1], True))
    return {kind: np.concatenate(rows) for kind, rows in poses.items()}


def fit_pose_prior(motions: Sequence[Motion], rng: np.random.Generator, *, components: int = 8) -> PosePrior:
    """Fit the mixtures by expectation maximisation to clips sampled at 10 frames per second.

    Raises MotionError where there is no motion, or one without the standard skeleton.
    """
    if not motions:
        raise MotionError("a pose prior needs at least one motion")
    mixtures = {kind: _fit_mixture(x, components, rng) for kind, x in training_poses(motions).items()}
    fingers = [j for j in range(NUM_JOINTS) if _name(j)[-1] in "123" and "spine" not in _name(j)]
    samples = np.concatenate([m.joint_rotations_b[:: max(1, round(m.fps))][:, fingers] for m in motions])
    mean = rotations.from_6d(rotations.to_6d(samples).mean(0))
    return PosePrior(mixtures, mean, f"{len(motions)} clips, {components} components")


def _fit_mixture(x: np.ndarray, components: int, rng: np.random.Generator, steps: int = 60) -> Mixture:
    """Expectation maximisation from k-means++ seeds; covariances have `_FLOOR`, and a broad component is added."""
    centres = x[_seeds(x, components, rng)]
    share = np.eye(components)[np.square(x[:, None] - centres).sum(-1).argmin(1)]
    for _ in range(steps):
        mixture = _maximise(x, share)
        densities = mixture.component_log_densities(x)
        share = np.exp(densities - np.logaddexp.reduce(densities, axis=1, keepdims=True))
    broad = np.linalg.cholesky(np.linalg.inv(4.0 * np.cov(x.T) + _BROAD_SIGMA**2 * np.eye(x.shape[1])))
    return Mixture(
        np.append(mixture.weights * (1.0 - _BROAD_WEIGHT), _BROAD_WEIGHT),
        np.vstack((mixture.means, x.mean(0))),
        np.concatenate((mixture.factors, broad[None])),
    )


def _maximise(x: np.ndarray, share: np.ndarray) -> Mixture:
    count = share.sum(0) + 1e-9
    means = share.T @ x / count[:, None]
    away = x[None] - means[:, None]
    covariances = np.einsum("nk,kna,knb->kab", share, away, away, optimize=True) / count[:, None, None]
    covariances += _FLOOR**2 * np.eye(x.shape[1])
    return Mixture(count / count.sum(), means, np.linalg.cholesky(np.linalg.inv(covariances)))


def _seeds(x: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Indices of samples far from each other (k-means++)."""
    chosen = [int(rng.integers(len(x)))]
    nearest = np.square(x - x[chosen[0]]).sum(-1)
    while len(chosen) < count:
        chosen.append(int(rng.choice(len(x), p=nearest / nearest.sum())))
        nearest = np.minimum(nearest, np.square(x - x[chosen[-1]]).sum(-1))
    return chosen
