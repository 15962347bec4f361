"""Rotations: quaternion, matrix, axis-angle, 6D and Euler angles, batched over leading axes.

Quaternions are wxyz, unit, and rotate local vectors into the parent or world frame. Every function takes
torch tensors or NumPy arrays of any leading shape and answers in kind; all of them are differentiable in torch.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)

_EPS = 1e-12


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor over the array's memory, or over a copy where that memory is read-only or strided backwards."""
    return torch.as_tensor(np.require(array, requirements=["C", "W"]))


def _numpy_too(function: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    """Let a torch function take and return NumPy arrays when its first argument is one."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(args[0], np.ndarray):
            return function(*args, **kwargs)
        tensors = [as_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
        return function(*tensors, **kwargs).numpy()

    return wrapper


# Rotations are sums of products of two quaternions' numbers. All products at once, times a constant table, are two
# operations where the written-out sums are thirty; on small batches an operation costs more than its arithmetic.


def _pairs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """All products a_i b_j: [..., 4] x2 -> [..., 16]."""
    return (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(-2)


@functools.cache
def _table(columns: tuple[str, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """[16, C] from columns such as `+2wx-2yz`: how much of each product a column takes."""
    table = torch.zeros(4, 4, len(columns), dtype=dtype, device=device)
    for c, column in enumerate(columns):
        for sign, factor, i, j in re.findall(r"([+-])(\d)([wxyz])([wxyz])", column):
            table["wxyz".index(i), "wxyz".index(j), c] = float(sign + factor)
    return table.flatten(0, 1)


_PRODUCT = ("+1ww-1xx-1yy-1zz", "+1wx+1xw+1yz-1zy", "+1wy-1xz+1yw+1zx", "+1wz+1xy-1yx+1zw")
"""Hamilton's: i j = k, j k = i, k i = j, i i = j j = k k = -1."""
_MATRIX = (
    "-2yy-2zz", "+2xy-2wz", "+2xz+2wy",
    "+2xy+2wz", "-2xx-2zz", "+2yz-2wx",
    "+2xz-2wy", "+2yz+2wx", "-2xx-2yy",
)  # fmt: skip
"""What a unit quaternion's products add to the identity."""


@_numpy_too
def normalize(q: torch.Tensor) -> torch.Tensor:
    """Scale to unit length: [..., n] -> [..., n]."""
    return q / q.norm(dim=-1, keepdim=True).clamp_min(_EPS)


@_numpy_too
def multiply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Hamilton product a * b (first b, then a): [..., 4], [..., 4] -> [..., 4]."""
    pairs = _pairs(a, b)
    return pairs @ _table(_PRODUCT, pairs.dtype, pairs.device)


@_numpy_too
def inverse(q: torch.Tensor) -> torch.Tensor:
    """Inverse of unit quaternions: [..., 4] -> [..., 4]."""
    return torch.cat((q[..., :1], -q[..., 1:]), -1)


@_numpy_too
def rotate(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors by quaternions: [..., 4], [..., 3] -> [..., 3]."""
    w, u = q[..., :1], q[..., 1:]
    u, v = torch.broadcast_tensors(u, v)
    t = 2.0 * torch.linalg.cross(u, v, dim=-1)
    return v + w * t + torch.linalg.cross(u, t, dim=-1)


@_numpy_too
def rotate_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors by the inverse of quaternions: [..., 4], [..., 3] -> [..., 3]."""
    w, u = q[..., :1], -q[..., 1:]
    u, v = torch.broadcast_tensors(u, v)
    t = 2.0 * torch.linalg.cross(u, v, dim=-1)
    return v + w * t + torch.linalg.cross(u, t, dim=-1)


@_numpy_too
def from_rotvec(v: torch.Tensor) -> torch.Tensor:
    """Rotation vector (axis times angle, rad; the exponential map) to quaternion: [..., 3] -> [..., 4]."""
    half = 0.5 * v.norm(dim=-1, keepdim=True)
    # sinc keeps the map smooth at zero: sin(a/2)/a * v = 0.5 * sinc(a/2) * v
    return torch.cat((half.cos(), 0.5 * torch.sinc(half / torch.pi) * v), -1)


@_numpy_too
def to_rotvec(q: torch.Tensor) -> torch.Tensor:
    """Quaternion to the shortest rotation vector, rad: [..., 4] -> [..., 3]."""
    q = torch.where(q[..., :1] < 0, -q, q)
    sin_half = q[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2.0 * torch.atan2(sin_half, q[..., :1])
    scale = torch.where(sin_half > 1e-7, angle / sin_half.clamp_min(1e-7), torch.full_like(sin_half, 2.0))
    return scale * q[..., 1:]


@_numpy_too
def skew(v: torch.Tensor) -> torch.Tensor:
    """The matrix of the cross product, skew(v) u = v x u: [..., 3] -> [..., 3, 3]."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))


@_numpy_too
def left_jacobian(v: torch.Tensor) -> torch.Tensor:
    """Jl of SO(3), [..., 3] -> [..., 3, 3]: exp(v + d) = exp(Jl(v) d) exp(v) = exp(v) exp(Jl(-v) d) for small d."""
    angle = v.norm(dim=-1)[..., None, None]
    safe = torch.where(angle < 1e-2, 1.0, angle)
    sine = torch.where(angle < 1e-2, 1 / 6 - angle**2 / 120, (safe - safe.sin()) / safe**3)
    cross: torch.Tensor = skew(v)
    eye = torch.eye(3, dtype=v.dtype, device=v.device)
    return eye + 0.5 * torch.sinc(0.5 * angle / torch.pi) ** 2 * cross + sine * cross @ cross


@_numpy_too
def left_jacobian_inverse(v: torch.Tensor) -> torch.Tensor:
    """Inverse of `left_jacobian`, angles below 2 pi: log(exp(d) exp(v)) = v + Jl^-1(v) d for small d."""
    angle = v.norm(dim=-1)[..., None, None]
    safe = torch.where(angle < 1e-2, 1.0, angle)
    share = torch.where(angle < 1e-2, 1 / 12 + angle**2 / 720, (1 - 0.5 * safe / (0.5 * safe).tan()) / safe**2)
    cross: torch.Tensor = skew(v)
    return torch.eye(3, dtype=v.dtype, device=v.device) - 0.5 * cross + share * cross @ cross


@_numpy_too
def angle_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Geodesic angle between quaternions in [0, pi] rad, blind to the double cover: [..., 4] x2 -> [...].

    Chords of the unit sphere: |a - b| = 2 sin(angle / 4) and |a + b| = 2 cos(angle / 4), swapped where signs differ.
    """
    difference, total = (a - b).norm(dim=-1), (a + b).norm(dim=-1)
    return 4.0 * torch.atan2(torch.minimum(difference, total), torch.maximum(difference, total))


@_numpy_too
def to_matrix(q: torch.Tensor) -> torch.Tensor:
    """Quaternion to rotation matrix: [..., 4] -> [..., 3, 3]."""
    quadratic = _pairs(q, q) @ _table(_MATRIX, q.dtype, q.device)
    return quadratic.unflatten(-1, (3, 3)) + torch.eye(3, dtype=q.dtype, device=q.device)


@_numpy_too
def from_matrix(m: torch.Tensor) -> torch.Tensor:
    """Rotation matrix to quaternion with w >= 0: [..., 3, 3] -> [..., 4]. The best-conditioned of four forms."""
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack((1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22), -1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    s0, s1, s2, s3 = squares.unbind(-1)
    candidates = torch.stack(
        (
            torch.stack((s0, wx, wy, wz), -1),
            torch.stack((wx, s1, xy, xz), -1),
            torch.stack((wy, xy, s2, yz), -1),
            torch.stack((wz, xz, yz, s3), -1),
        ),
        -2,
    )
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    q = normalize(candidates.gather(-2, best).squeeze(-2))
    return torch.where(q[..., :1] < 0, -q, q)


@_numpy_too
def between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Shortest rotation that points vector a where b points, any lengths: [..., 3] x2 -> [..., 4].

    Opposite vectors are half a turn apart about some axis that is perpendicular to both.
    """
    a, b = torch.broadcast_tensors(normalize(a), normalize(b))
    cosine = (a * b).sum(-1, keepdim=True)
    aside = torch.nn.functional.one_hot(a.abs().argmin(-1), 3).to(a)
    half_turn = torch.cat((torch.zeros_like(cosine), torch.linalg.cross(a, aside, dim=-1)), -1)
    arc = torch.cat((1.0 + cosine, torch.linalg.cross(a, b, dim=-1)), -1)
    return normalize(torch.where(1.0 + cosine < 1e-9, half_turn, arc))


@_numpy_too
def to_6d(q: torch.Tensor) -> torch.Tensor:
    """First two columns of the rotation matrix, column by column: [..., 4] -> [..., 6] (Zhou et al. 2019)."""
    columns: torch.Tensor = to_matrix(q).mT[..., :2, :]
    return columns.flatten(-2)


@_numpy_too
def from_6d(d: torch.Tensor) -> torch.Tensor:
    """6D representation to quaternion by Gram-Schmidt: [..., 6] -> [..., 4] (Zhou et al. 2019)."""
    x = normalize(d[..., :3])
    y = normalize(d[..., 3:] - (x * d[..., 3:]).sum(-1, keepdim=True) * x)
    return from_matrix(torch.stack((x, y, torch.linalg.cross(x, y, dim=-1)), -1))


def _tait_bryan(order: str) -> tuple[int, int, int, float]:
    """Indices of the three axes of an order such as "yxz", and +1 where it is a cyclic one, -1 where not."""
    i, j, k = ("xyz".index(axis) for axis in order)
    return i, j, k, 1.0 if (j - i) % 3 == 1 else -1.0


@_numpy_too
def to_euler(q: torch.Tensor, order: str) -> torch.Tensor:
    """Intrinsic Tait-Bryan angles, rad, middle one in [-pi/2, pi/2]: [..., 4] -> [..., 3], in the order's order.

    order: a permutation of "xyz"; for "yxz", q = qy * qx * qz.
    """
    i, j, k, sign = _tait_bryan(order)
    m = to_matrix(q)
    first = torch.atan2(-sign * m[..., j, k], m[..., k, k])
    middle = torch.asin((sign * m[..., i, k]).clamp(-1.0, 1.0))
    last = torch.atan2(-sign * m[..., i, j], m[..., i, i])
    return torch.stack((first, middle, last), -1)


@_numpy_too
def from_euler(angles: torch.Tensor, order: str) -> torch.Tensor:
    """The inverse of `to_euler`: [..., 3] rad -> [..., 4]."""
    axes = torch.eye(3, dtype=angles.dtype, device=angles.device)[list(_tait_bryan(order)[:3])]
    first, middle, last = from_rotvec(angles[..., None] * axes).unbind(-2)
    q: torch.Tensor = multiply(multiply(first, middle), last)
    return q


@_numpy_too
def heading(q: torch.Tensor) -> torch.Tensor:
    """The yaw part of a rotation: turn about +z that carries +x to where q points it. [..., 4] -> [..., 4]."""
    w, x, y, z = q.unbind(-1)
    half_yaw = 0.5 * torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    zero = torch.zeros_like(w)
    return torch.stack((half_yaw.cos(), zero, zero, half_yaw.sin()), -1)


@_numpy_too
def slerp(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Constant-speed interpolation along the shorter arc; t in [0, 1] has one axis fewer. [..., 4] x2 -> [..., 4]."""
    step = to_rotvec(multiply(inverse(a), b)) * t[..., None]
    return normalize(multiply(a, from_rotvec(step)))


@_numpy_too
def make_continuous(q: torch.Tensor) -> torch.Tensor:
    """Flip signs along axis 0 so that neighbours lie in one hemisphere: [T, ..., 4] -> [T, ..., 4]."""
    flips = torch.where((q[1:] * q[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0).to(q)
    return torch.cat((q[:1], q[1:] * torch.cumprod(flips, 0)), 0)


@_numpy_too
def angular_velocity(q: torch.Tensor, fps: float) -> torch.Tensor:
    """World angular velocity, rad/s, by central differences along axis 0 (one-sided at the ends).

    q: [T, ..., 4], T >= 2 -> [T, ..., 3]. A difference of rotations, never of rotation vectors.
    """
    ahead = torch.cat((q[1:], q[-1:]), 0)
    behind = torch.cat((q[:1], q[:-1]), 0)
    steps = torch.full((q.shape[0],), 2.0, dtype=q.dtype, device=q.device)
    steps[0] = steps[-1] = 1.0
    turn = to_rotvec(multiply(ahead, inverse(behind)))
    return turn * (fps / steps).reshape(-1, *([1] * (q.ndim - 1)))


def from_xyzw(q: Array) -> Array:
    """Reorder xyzw (SciPy, Isaac Gym) to wxyz: [..., 4] -> [..., 4]."""
    return q[..., [3, 0, 1, 2]]


def to_xyzw(q: Array) -> Array:
    """Reorder wxyz to xyzw: [..., 4] -> [..., 4]."""
    return q[..., [1, 2, 3, 0]]
