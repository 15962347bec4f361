"""The clip-wide least squares of a body: its terms, their derivatives, and a Levenberg-Marquardt loop over them.

Unknowns: per frame the root's place and a turn of every free joint; for the clip the scales of the bones, the floor's
plane and the focal length. Derivatives are analytic (`recon.body.points`), the linear system is banded
(`recon.banded`). Heavy-tailed terms are reweighted each step (Cauchy's rho).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recon.banded import NormalEquations
from recon.body.grounding import Floor
from recon.body.points import SCALE_GROUPS, BodyTemplate, PointModel
from recon.body.pose_prior import PosePrior, canonical_axes
from recon.camera import Camera
from sim import rotations, skeleton
from sim.skeleton import BODY_JOINTS

GROUPS = len(SCALE_GROUPS)
SLOPE, HEIGHT, FOCAL, SHARED = slice(GROUPS, GROUPS + 2), GROUPS + 2, GROUPS + 3, GROUPS + 4
"""Columns of the shared unknowns: log scales, the floor's slope and height, log focal length."""


@dataclass(frozen=True)
class FitWeights:
    """Standard deviations of the terms: what a residual is divided by. The smaller, the stricter.

    Attributes:
        pixel: of a 2D landmark, as a share of the diagonal of the person in the image.
        landmark_m: of a 3D landmark, m.
        prior: factor on the pose prior's spread; 1 takes it as a density, greater loosens it.
        limit: sine of the angle by which knees and elbows bend the wrong way.
        acceleration: of points of the body, m/s^2.
        contact_speed: of a sole that stands, m/s.
        floor_m: of a standing sole's height over a plane that is known, m.
        stand_m: of a foot's height over a plane that is sought, m, a whole stand being one observation; sole_m: of
            soles against their foot, all stands of the clip being one (`stands`).
        sink_m: of a sole under the floor, m.
        size: log of the body's size; proportion: log of one bone group against the others.
        roll, pitch: of the camera against the first guess, rad (what `grounding.upright` leaves open).
        log_focal: 0 keeps the focal length.
        knee: multiple of a standard deviation from which on landmarks and accelerations count as outliers.
    """

    pixel: float = 0.01
    landmark_m: float = 0.05
    prior: float = 2.0
    limit: float = 0.05
    acceleration: float = 6.0
    contact_speed: float = 0.03
    floor_m: float = 0.005
    stand_m: float = 0.03
    sole_m: float = 0.04
    sink_m: float = 0.01
    size: float = 0.06
    proportion: float = 0.06
    roll: float = 0.042
    pitch: float = 0.094
    log_focal: float = 0.0
    knee: float = 3.0


@dataclass(frozen=True, eq=False)
class Observations:
    """What the body is fitted to.

    Attributes:
        fps: frames per second.
        names: L landmarks; pixels: [T, L, 2]; pixel_weight: [T, L], 0 where missing.
        extent: [T] px, the diagonal of the person in the image.
        points_w: [T, L, 3] m in world axes, about the mean that `centring` takes off; point_weight: [T, L].
        centring: [L, L], what makes points of landmarks relative to each other: rows sum to 0.
    """

    fps: float
    names: tuple[str, ...]
    pixels: np.ndarray
    pixel_weight: np.ndarray
    extent: np.ndarray
    points_w: np.ndarray
    point_weight: np.ndarray
    centring: np.ndarray


@dataclass(frozen=True, eq=False)
class BodyState:
    """A body over a clip: rotations [T, 52, 4], root [T, 3] m, log scales [G], floor, camera."""

    rotations_b: np.ndarray
    root_w: np.ndarray
    log_scales: np.ndarray
    floor: Floor
    camera: Camera


@dataclass(frozen=True, eq=False)
class Term:
    """sum_t w_t rho(|r_t|^2) / 2 over vectors r_t = sum_k stencil_k x_(t+k).

    residual [N, M, C]; weight [N, M]; jacobian [T, M, C, D] and by_shared [T, M, C, K] of x, None where only the cost
    is asked for; knee None means plain squares; cost replaces the plain sum where the term knows it better.
    """

    name: str
    residual: np.ndarray
    weight: np.ndarray
    jacobian: np.ndarray | None = None
    by_shared: np.ndarray | None = None
    stencil: tuple[float, ...] = (1.0,)
    knee: float | None = None
    cost: float | None = None

    def total(self) -> float:
        """The term's share of the cost."""
        if self.cost is not None:
            return self.cost
        square = np.square(self.residual).sum(-1)
        if self.knee is not None:
            square = self.knee**2 * np.log1p(square / self.knee**2)
        return float(0.5 * (self.weight * square).sum())

    def add_to(self, equations: NormalEquations) -> None:
        """Put the term, linearised, into the normal equations."""
        assert self.jacobian is not None
        weight = self.weight
        if self.knee is not None:
            weight = weight / (1.0 + np.square(self.residual).sum(-1) / self.knee**2)
        rows = self.residual.reshape(len(self.residual), -1)
        root = np.sqrt(np.repeat(weight, self.residual.shape[-1], axis=1))[..., None]

        def windows(slope: np.ndarray) -> list[np.ndarray]:
            flat = slope.reshape(len(slope), rows.shape[1], -1)
            return [c * root * flat[k : k + len(rows)] for k, c in enumerate(self.stencil)]

        shared = None if self.by_shared is None else np.sum(windows(self.by_shared), axis=0)
        equations.add(root[..., 0] * rows, windows(self.jacobian), shared)


_MARKERS = 0.1 * np.eye(3)[:2]
Seek = Literal["plane", "height", "nothing"]


def stands(contacts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What stands say of the floor's plane: each foot's place, and each sole's height against that of its foot.

    The frames of a stand err alike, so a foot that stands is one observation, however long. How detectors see a foot
    pitched is wrong in the same way all over a clip: all that is one observation more.

    Args:
        contacts: bool [T, 6], the soles that stand.

    Returns:
        [T, 8, 6], what gives those heights from the soles': two means, six differences; and their weights [T, 8].
    """
    soles = contacts.reshape(len(contacts), 2, 3)
    mean = soles / np.maximum(soles.sum(-1, keepdims=True), 1)
    means = (mean[:, :, None] * np.eye(2)[:, :, None]).reshape(-1, 2, 6)
    differences = np.eye(6) - np.repeat(means, 3, axis=1)
    standing = np.asarray(soles.any(-1))
    number = max(_shares(standing).sum(), 1.0)
    weight = np.concatenate((_shares(standing), _shares(contacts) / number), 1)
    return np.concatenate((means, differences), 1), weight


def _shares(contacts: np.ndarray) -> np.ndarray:
    """Each frame's share of the stand that it belongs to: bool [T, S] -> [T, S], every stand's sum is 1."""
    starts = contacts & ~np.pad(contacts, ((1, 0), (0, 0)))[:-1]
    stand = np.cumsum(starts, axis=0) + (len(contacts) + 1) * np.arange(contacts.shape[1])  # numbers differ by column
    _, index, count = np.unique(np.where(contacts, stand, 0), return_inverse=True, return_counts=True)
    return np.where(contacts, 1.0 / count[index.reshape(contacts.shape)], 0.0)


class BodyProblem:
    """Terms of the fit of one clip.

    Args:
        template: subject before scaling; observations, weights, prior: see there.
        contacts: bool [T, 6], soles that stand; None leaves the floor out.
        seek: what of the floor; a plane only gently draws the feet.
        free: joints that turn.
    """

    def __init__(
        self,
        template: BodyTemplate,
        observations: Observations,
        weights: FitWeights,
        prior: PosePrior,
        *,
        contacts: np.ndarray | None = None,
        seek: Seek = "plane",
        free: Sequence[int] = BODY_JOINTS,
    ) -> None:
        self.template, self.seen, self.weights, self.prior = template, observations, weights, prior
        self.contacts, self.seek, self.free = contacts, seek if contacts is not None else "nothing", list(free)
        self.axes = canonical_axes(template.offsets)
        self.landmarks = PointModel(template, *template.landmarks(observations.names), free=free)
        self.soles = PointModel(template, *template.soles(), free=free)
        joints = np.repeat(self.free, 3)
        places = np.tile(np.vstack((np.zeros(3), _MARKERS)), (len(self.free), 1))
        self.markers = PointModel(template, joints, places, free=free)

    def cost(self, state: BodyState) -> float:
        """What is minimised."""
        return sum(term.total() for term in self.terms(state, False)) + self._shared_cost(state)

    def costs(self, state: BodyState) -> dict[str, float]:
        """The cost by term."""
        return {term.name: term.total() for term in self.terms(state, False)} | {"shape": self._shared_cost(state)}

    def step(self, state: BodyState, damping: float) -> BodyState:
        """The state after one Levenberg-Marquardt step."""
        equations = NormalEquations(len(state.root_w), 3 + 3 * len(self.free), SHARED)
        for term in self.terms(state, True):
            term.add_to(equations)
        equations.add_shared(*self._shared_residual(state))
        return self.moved(state, *equations.step(damping))

    def moved(self, state: BodyState, change: np.ndarray, shared: np.ndarray) -> BodyState:
        """The state after a change of the frames' unknowns [T, 3 + 3F] and of the shared ones [K]."""
        turns = rotations.from_rotvec(change[:, 3:].reshape(len(change), -1, 3))
        q = state.rotations_b.copy()
        q[:, self.free] = rotations.normalize(rotations.multiply(q[:, self.free].copy(), turns))
        intrinsics = state.camera.intrinsics.copy()
        intrinsics[[0, 1], [0, 1]] *= np.exp(shared[FOCAL])
        return BodyState(
            q,
            state.root_w + change[:, :3],
            state.log_scales + shared[:GROUPS],
            Floor(state.floor.slope + shared[SLOPE], state.floor.height + float(shared[HEIGHT])),
            dataclasses.replace(state.camera, intrinsics=intrinsics),
        )

    def terms(self, state: BodyState, linear: bool) -> Iterator[Term]:
        """All terms at a state; `linear` asks for derivatives too."""
        subject = self.template.scaled(state.log_scales)
        positions, world = skeleton.forward_kinematics(state.rotations_b, state.root_w, subject.offsets)
        posed = (positions, rotations.to_matrix(world))

        def points(model: PointModel) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
            found = model.positions(posed, state.log_scales)
            if not linear:
                return found, None, None
            by_frame, by_scale = model.jacobians(found, posed, subject.offsets)
            padded = np.zeros((*by_scale.shape[:-1], SHARED))
            padded[..., :GROUPS] = by_scale
            return found, by_frame, padded

        marks = points(self.landmarks)
        yield self._pixels(state, *marks)
        yield self._points(*marks)
        yield from self._pose(state, linear)
        yield self._smooth(*points(self.markers))
        if self.contacts is not None:
            yield from self._feet(state, *points(self.soles))

    def _pixels(
        self, state: BodyState, points: np.ndarray, by_frame: np.ndarray | None, by_shared: np.ndarray | None
    ) -> Term:
        camera, sigma = state.camera, self.weights.pixel * self.seen.extent[:, None, None]
        inside = camera.to_camera(points)
        residual = (camera.project(inside) - self.seen.pixels) / sigma
        valid = (self.seen.pixel_weight > 0) & np.isfinite(residual).all(-1)
        weight = np.where(valid, self.seen.pixel_weight, 0.0)
        residual = np.where(valid[..., None], residual, 0.0)
        if by_frame is None or by_shared is None:
            return Term("pixels", residual, weight, knee=self.weights.knee)
        turn = rotations.to_matrix(np.array(camera.rotation_w))  # camera to world
        turn = turn[:, None] if turn.ndim == 3 else turn
        slope = (camera.projection_jacobian(inside) @ turn.swapaxes(-1, -2)) / sigma[..., None]
        slope = np.where(valid[..., None, None], slope, 0.0)
        shared = slope @ by_shared
        centre = camera.intrinsics[:2, 2]
        shared[..., FOCAL] = np.where(valid[..., None], residual + (self.seen.pixels - centre) / sigma, 0.0)
        return Term("pixels", residual, weight, slope @ by_frame, shared, knee=self.weights.knee)

    def _points(self, points: np.ndarray, by_frame: np.ndarray | None, by_shared: np.ndarray | None) -> Term:
        sigma, centring = self.weights.landmark_m, self.seen.centring

        def centred(x: np.ndarray) -> np.ndarray:
            flat = x.reshape(len(x), x.shape[1], -1)
            return (centring @ flat).reshape(x.shape) / sigma

        valid = self.seen.point_weight > 0
        residual = np.where(valid[..., None], centred(points) - self.seen.points_w / sigma, 0.0)
        if by_frame is None or by_shared is None:
            return Term("points", residual, self.seen.point_weight, knee=self.weights.knee)
        return Term(
            "points", residual, self.seen.point_weight, centred(by_frame), centred(by_shared), knee=self.weights.knee
        )

    def _pose(self, state: BodyState, linear: bool) -> Iterator[Term]:
        looseness, q = self.weights.prior, state.rotations_b
        one = np.ones((len(q), 1))
        if not linear:
            cost = float(self.prior.penalty(q, self.axes).sum()) / looseness**2
            yield Term("prior", np.zeros((len(q), 1, 1)), one, cost=cost)
            bent, _ = self.prior.joint_limits(q, self.axes)
            yield Term("limits", bent[:, None] / self.weights.limit, one)
            return
        for name, sigma, (residual, slope) in (
            ("prior", looseness, self.prior.residuals(q, self.axes)),
            ("limits", self.weights.limit, self.prior.joint_limits(q, self.axes)),
        ):
            turns = slope[:, :, self.free].reshape(*residual.shape, -1) / sigma
            jacobian = np.concatenate((np.zeros((*residual.shape, 3)), turns), -1)
            yield Term(name, residual[:, None] / sigma, one, jacobian[:, None])

    def _smooth(self, points: np.ndarray, by_frame: np.ndarray | None, by_shared: np.ndarray | None) -> Term:
        sigma = self.weights.acceleration / self.seen.fps**2
        residual = (points[:-2] - 2 * points[1:-1] + points[2:]) / sigma
        weight = np.full(residual.shape[:2], 1.0 / 3.0)  # three points a joint
        if by_frame is None or by_shared is None:
            return Term("smooth", residual, weight, knee=self.weights.knee)
        return Term("smooth", residual, weight, by_frame / sigma, None, (1.0, -2.0, 1.0), self.weights.knee)

    def _feet(
        self, state: BodyState, points: np.ndarray, by_frame: np.ndarray | None, by_shared: np.ndarray | None
    ) -> Iterator[Term]:
        assert self.contacts is not None
        standing = self.contacts.astype(np.float64)
        step = self.weights.contact_speed / self.seen.fps
        still = Term("still", (points[1:] - points[:-1]) / step, standing[1:] * standing[:-1], stencil=(-1.0, 1.0))
        if by_frame is not None and by_shared is not None:
            still = dataclasses.replace(still, jacobian=by_frame / step, by_shared=by_shared / step)
        yield still
        yield self._floor(state, points, by_frame, by_shared)

    def _floor(
        self, state: BodyState, points: np.ndarray, by_frame: np.ndarray | None, by_shared: np.ndarray | None
    ) -> Term:
        assert self.contacts is not None
        slope, height = state.floor.slope, state.floor.height
        if self.seek == "plane":
            rows, weight = stands(self.contacts)
            over = (rows @ (points[..., 2] - points[..., :2] @ slope - height)[..., None])[..., 0]
            sigma = np.repeat([self.weights.stand_m, self.weights.sole_m], [2, 6])
        else:
            over = points[..., 2] - points[..., :2] @ slope - height
            sigma = np.where((over < 0) & ~self.contacts, self.weights.sink_m, self.weights.floor_m)
            weight = np.where(self.contacts | (over < 0), 1.0, 0.0)
        if by_frame is None or by_shared is None:
            return Term("floor", (over / sigma)[..., None], weight)
        normal = np.array([-slope[0], -slope[1], 1.0])
        own, shared = normal @ by_frame, normal @ by_shared
        shared[..., SLOPE], shared[..., HEIGHT] = -points[..., :2], -1.0
        if self.seek == "plane":
            own, shared = rows @ own, rows @ shared
        own, shared = ((slope / sigma[..., None])[..., None, :] for slope in (own, shared))
        return Term("floor", (over / sigma)[..., None], weight, own, shared)

    def _shared_residual(self, state: BodyState) -> tuple[np.ndarray, np.ndarray]:
        """Size and proportions, level floor; what is kept is held by a tiny deviation."""
        w = self.weights
        covariance = w.size**2 + w.proportion**2 * np.eye(GROUPS)
        whiten = np.linalg.cholesky(np.linalg.inv(covariance)).T
        jacobian = np.zeros((SHARED, SHARED))
        jacobian[:GROUPS, :GROUPS] = whiten
        jacobian[SLOPE, SLOPE] = np.diag((1.0 / w.roll, 1.0 / w.pitch)) if self.seek == "plane" else 1e5 * np.eye(2)
        jacobian[HEIGHT, HEIGHT] = 1e5 if self.seek == "nothing" else 1e-3
        jacobian[FOCAL, FOCAL] = 1.0 / w.log_focal if w.log_focal > 0 else 1e5
        now = np.concatenate((state.log_scales, np.zeros(2), [0.0, 0.0]))
        if self.seek == "plane":
            now[SLOPE] = state.floor.slope  # the world is level by the first guess, with the camera looking along y
        now[FOCAL] = np.log(state.camera.intrinsics[0, 0] / self._focal(state))
        return jacobian @ now, jacobian

    def _focal(self, state: BodyState) -> float:
        if not hasattr(self, "_first_focal"):
            self._first_focal = float(state.camera.intrinsics[0, 0])
        return self._first_focal

    def _shared_cost(self, state: BodyState) -> float:
        return float(0.5 * np.square(self._shared_residual(state)[0]).sum())


def minimise(problem: BodyProblem, state: BodyState, steps: int, *, tolerance: float = 1e-3) -> BodyState:
    """Levenberg-Marquardt from `state`; ends early where the cost falls by less than a share `tolerance`."""
    cost, damping = problem.cost(state), 1e-3
    for _ in range(steps):
        try:
            tried = problem.step(state, damping)
            new_cost = problem.cost(tried)
        except np.linalg.LinAlgError:
            new_cost = np.inf
        if not new_cost < cost:
            damping = min(damping * 10, 1e6)
            continue
        gain, state, cost, damping = (cost - new_cost) / max(cost, 1e-9), tried, new_cost, max(damping * 0.2, 1e-6)
        if gain < tolerance:
            break
    return state
