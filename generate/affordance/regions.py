"""Seats, backrests, legs, handles and the like, found by shape: no part names, no labels. Memberships [N] in 0..1."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from generate.affordance.config import AffordanceConfig
from generate.affordance.surface import Surroundings
from generate.plan import Region

_LEVEL = 0.03
_HEADROOM = 0.5
_SEAT_FLAT = 0.85
_ABOVE = 0.08
_ARMS = (0.12, 0.35)
_MARGIN = 0.5
_SLIM = 0.10
_HANDLE = 0.05
_LEGS = 0.15
_SPACINGS = 3.0
"""Points that are so many mean spacings apart, or nearer, belong together."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Of one object: `Regions(around, config)["seat"]`."""

    around: Surroundings
    config: AffordanceConfig

    def __getitem__(self, region: Region) -> np.ndarray:
        if region == "any":
            return np.ones(len(self.around.rim))
        found: np.ndarray = getattr(self, region)
        return found

    @property
    def top(self) -> np.ndarray:
        """max(n_z, 0) where nothing is above, times (height / H)^2."""
        a = self.around
        return a.normals[:, 2].clip(0.0) * (a.headroom > _HEADROOM) * (a.points[:, 2] / a.height) ** 2

    @property
    def underside(self) -> np.ndarray:
        """max(-n_z, 0), but not what stands on the floor."""
        a = self.around
        return (-a.normals[:, 2]).clip(0.0) * (a.points[:, 2] > _LEVEL)

    @property
    def sides(self) -> np.ndarray:
        """1 - n_z^2, what faces away from the middle."""
        a = self.around
        outward = ((a.points - a.center)[:, :2] * a.normals[:, :2]).sum(1) > 0
        return (1.0 - a.normals[:, 2] ** 2) * outward

    @property
    def edges(self) -> np.ndarray:
        """exp(-rim / 2 cm)."""
        return np.exp(-self.around.rim / 0.02)

    def support(self, low: float, high: float) -> np.ndarray:
        """flat(n_z) within(z) cover(p): level places from `low` to `high` m that are wide enough to carry a person.

        flat is 1 from 32 degrees off level down; cover(p) the share of a disc of the seat's radius about p that level
        surface at p's height (3 cm) fills, over one half, at most 1; and there is half a metre of room above.
        """
        a = self.around
        flat = (a.normals[:, 2] > _SEAT_FLAT) & (a.headroom > _HEADROOM)
        flat &= (a.points[:, 2] >= low) & (a.points[:, 2] <= high)
        cover = np.zeros(len(flat))
        if flat.any():
            level = a.points[flat]
            stretched = level * [1.0, 1.0, self.config.seat_radius / _LEVEL]
            near = cKDTree(stretched).query_ball_point(stretched, self.config.seat_radius, return_length=True)
            disc = np.pi * self.config.seat_radius**2
            cover[flat] = np.minimum(near * a.area / disc / 0.5, 1.0)
        return cover

    @functools.cached_property
    def seat(self) -> np.ndarray:
        """`support` at the height of seats; of several levels the widest."""
        found = self.support(*self.config.seat)
        z = self.around.points[:, 2]
        if not found.any():
            return found
        weight = [found[np.abs(z - level) < _LEVEL].sum() for level in z]
        best = z[int(np.argmax(np.where(found > 0, weight, 0.0)))]
        return found * (np.abs(z - best) < 2 * _LEVEL)

    @property
    def backrest(self) -> np.ndarray:
        """What rises over the seat on the side where the object is highest; not the armrests."""
        return self._over_seat[1]

    @property
    def armrests(self) -> np.ndarray:
        """What lies 0.12 to 0.35 m over the seat at its left and right."""
        return self._over_seat[0]

    @functools.cached_property
    def legs(self) -> np.ndarray:
        """Slim parts from the floor up to the seat or, without one, to the widest level surface; on two feet or more.

        What is slim below that but does not reach the floor is a bar, what stands on one foot a shaft; under a level
        of less than 15 cm there are no legs.
        """
        a = self.around
        base = self.seat if self.seat.any() else self.support(0.0, np.inf)
        found = np.zeros(len(a.rim))
        if not base.any():
            return found
        level = np.average(a.points[:, 2], weights=base)
        if level < _LEGS:
            return found
        slim = np.flatnonzero((a.width < _SLIM) & (a.thickness < _SLIM) & (a.points[:, 2] < level - _LEVEL))
        reach = max(0.05, _SPACINGS * float(np.sqrt(a.area)))
        low = a.points[slim, 2] < max(2 * _LEVEL, reach)
        if len(np.unique(_joined(a.points[slim[low]], reach))) > 1:
            part = _joined(a.points[slim], reach)
            found[slim] = np.isin(part, part[low])
        return found

    @property
    def handle(self) -> np.ndarray:
        """Bars that a hand closes around, at most 5 cm through and across, no legs."""
        a = self.around
        bar = (a.thickness < _HANDLE) & (a.width < _HANDLE + 0.01) & (a.openness > 0.3)
        return bar * (1.0 - self.legs)

    @functools.cached_property
    def _over_seat(self) -> tuple[np.ndarray, np.ndarray]:
        """Armrests, backrest."""
        a, seat = self.around, self.seat
        nothing = np.zeros(len(seat))
        if not seat.any():
            return nothing, nothing
        middle = np.average(a.points, axis=0, weights=seat)
        over = a.points - middle
        high = over[:, 2] > _ARMS[1]
        if not high.any():
            return nothing, nothing
        behind = over[high, :2].mean(0)
        behind = behind / max(float(np.linalg.norm(behind)), 1e-9)
        deep, wide = over[:, :2] @ behind, np.abs(over[:, :2] @ np.array([-behind[1], behind[0]]))
        seated = seat > 0.5 * seat.max()
        back = (over[:, 2] > _ABOVE) & (deep > _MARGIN * deep[seated].max())
        arms = (over[:, 2] > _ARMS[0]) & (over[:, 2] < _ARMS[1]) & ~back & (wide > _MARGIN * wide[seated].max())
        return arms.astype(float), back.astype(float)


def _joined(points: np.ndarray, reach: float) -> np.ndarray:
    """[P] number of the cluster that each point [P, 3] belongs to; neighbours within `reach` m are in the same."""
    if not len(points):
        return np.zeros(0, np.int64)
    tree = cKDTree(points)
    label: np.ndarray = connected_components(tree.sparse_distance_matrix(tree, reach), directed=False)[1]
    return label
