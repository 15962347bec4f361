"""What rolls, rocks or slides. Each builder: depth x (its front is +x), width y, height z in m -> parts."""

from __future__ import annotations

import numpy as np

from generate.objects.parts import (
    Part,
    Point,
    around,
    ball,
    beam,
    box,
    circle,
    cone,
    cushion,
    mirrored,
    path,
    rod,
    trough,
)

_BAR = 0.0125


def _wheel(x: float, y: float, radius: float, width: float = 0.035) -> Part:
    """On the floor, rolling along x."""
    return cone((x, y - width / 2, radius), (x, y + width / 2, radius), radius, axis=1, sides=20)


def _hand_bar(x: float, y: float, z: float) -> Part:
    """Straight bar across, its axis at height z."""
    return rod((x, -y / 2, z), (x, y / 2, z), _BAR + 0.003)


def cart(x: float, y: float, z: float) -> list[Part]:
    """Low deck on four wheels, a bar to push it by at -x."""
    deck, r = 0.42 * z, 0.08
    wheels = [_wheel(s * 0.36 * x, 0.42 * y, r) for s in (-1, 1)]
    posts = [beam((s * 0.36 * x, 0.4 * y, r), (s * 0.36 * x, 0.4 * y, deck - 0.01), (0.03, 0.03)) for s in (-1, 1)]
    rise = [rod((-0.42 * x, 0.42 * y, deck - 0.02), (-x / 2 + 0.016, 0.42 * y, z - 0.016), 0.012)]
    return [
        box((-0.45 * x, x / 2), (-y / 2 + 0.005, y / 2 - 0.005), (deck - 0.04, deck)),
        *mirrored([*wheels, *posts, *rise]),
        _hand_bar(-x / 2 + 0.0155, y, z - 0.0155),
    ]


def wheelbarrow(x: float, y: float, z: float) -> list[Part]:
    """Tray on a wheel in front, two legs, two handles toward -x."""
    tray_low, r = 0.42 * z, 0.27 * z
    low, high = ((-0.1 * x, 0.22 * x), (-0.3 * y, 0.3 * y)), ((-0.2 * x, 0.42 * x), (-0.48 * y, 0.48 * y))
    tray = trough(low, high, (tray_low, z))
    handle = [rod((x / 2 - r, 0.07, r), (-x / 2, 0.42 * y, 0.78 * z), 0.016)]
    leg = [rod((-0.14 * x, 0.3 * y, 0.014), (-0.1 * x, 0.25 * y, tray_low + 0.04), 0.014)]
    return [
        *tray,
        _wheel(x / 2 - r, 0.0, r, 0.07),
        rod((x / 2 - r, -0.09, r), (x / 2 - r, 0.09, r), 0.012),
        *mirrored([*handle, *leg]),
    ]


def bicycle(x: float, y: float, z: float) -> list[Part]:
    """Frame of tubes between two wheels, saddle, handlebar toward +x."""
    r = 0.2 * x
    rear, front = -x / 2 + r, x / 2 - r
    crank, seat, head = (
        np.array((-0.06 * x, 0, 0.265 * z)),
        np.array((-0.16 * x, 0, 0.86 * z)),
        np.array((0.2 * x, 0, 0.82 * z)),
    )
    tubes: list[tuple[Point, Point]] = [
        ((rear, 0, r), crank),
        (crank, seat),
        (crank, head),
        (seat * 0.8 + crank * 0.2, head),
        ((rear, 0, r), seat * 0.75 + crank * 0.25),
        ((front, 0, r), head),
        (head, head * [0.92, 1, 1] + [0, 0, 0.16 * z]),
    ]
    bars = 0.976 * z
    saddle = np.concatenate(
        (around((-0.2 * x, 0, 0.875 * z), (0.02, 0.15, 0.04)), around((-0.1 * x, 0, 0.88 * z), (0.02, 0.04, 0.03)))
    )
    grip = [rod((0.17 * x, 0.2 * y, bars), (0.13 * x, y / 2, bars - 0.003), 0.015)]
    return [
        _wheel(rear, 0, r),
        _wheel(front, 0, r),
        *(rod(a, b, 0.016) for a, b in tubes),
        saddle,
        *mirrored(grip),
        rod((0.17 * x, -0.22 * y, bars), (0.17 * x, 0.22 * y, bars + 0.002), 0.013),
        rod((crank[0], -0.1, crank[2]), (crank[0], 0.1, crank[2]), 0.02),
        *(part for side in (-1, 1) for part in _pedal(crank, side)),
    ]


def _pedal(crank: np.ndarray, side: int) -> list[Part]:
    """Level cranks, the left one ahead."""
    foot = crank + (side * 0.17, side * 0.15, 0.0)
    arm = [crank + (0.0, side * 0.09, 0.0), foot - (0.0, side * 0.06, 0.0)]
    return [rod(arm[0], arm[1], 0.012), around(foot, (0.1, 0.13, 0.025))]


def motorcycle(x: float, y: float, z: float) -> list[Part]:
    """Two thick wheels, engine, tank, saddle, handlebar."""
    r = 0.15 * x
    rear, front = -x / 2 + r, x / 2 - r
    tank = cushion((-0.05 * x, 0.2 * x), (-0.17, 0.17), (0.6 * z, 0.84 * z), 0.05)
    saddle = np.concatenate(
        (
            box((-0.4 * x, -0.02 * x), (-0.14, 0.14), (0.66 * z, 0.74 * z)),
            box((-0.3 * x, 0.0), (-0.1, 0.1), (0.5 * z, 0.52 * z)),
        )
    )
    grip = [rod((0.22 * x, 0.1, 0.96 * z), (0.16 * x, y / 2, 0.94 * z), 0.017)]
    fork = [
        rod((front, 0.09, r), (0.22 * x, 0.09, 0.97 * z), 0.022),
        rod((rear, 0.1, r), (-0.05 * x, 0.1, 0.4 * z), 0.025),
    ]
    return [
        _wheel(rear, 0, r, 0.14),
        _wheel(front, 0, r, 0.11),
        tank,
        saddle,
        cushion((-0.16 * x, 0.18 * x), (-0.16, 0.16), (0.16 * z, 0.58 * z), 0.04),
        *mirrored([*grip, *fork]),
        rod((0.22 * x, -0.12, 0.96 * z), (0.22 * x, 0.12, 0.96 * z), 0.016),
        rod((front, -0.1, r), (front, 0.1, r), 0.015),
        ball((0.27 * x, 0, 0.9 * z), (0.09, 0.09, 0.1 * z)),
        rod((rear, -0.11, r), (rear, 0.11, r), 0.015),
        *mirrored([around((-0.04 * x, 0.23, 0.25 * z), (0.1, 0.2, 0.025))]),
    ]


def rocking_horse(x: float, y: float, z: float) -> list[Part]:
    """Trunk with a flat back to sit on, neck, head with a bar, legs on rockers."""
    back = 0.6 * z
    neck = np.concatenate(
        (around((0.22 * x, 0, back - 0.05), (0.12, 0.13, 0.1)), around((0.34 * x, 0, 0.92 * z), (0.08, 0.09, 0.1)))
    )
    head = np.concatenate(
        (around((0.33 * x, 0, 0.93 * z), (0.1, 0.1, 0.14 * z)), around((0.46 * x, 0, 0.85 * z), (0.06, 0.07, 0.07)))
    )
    legs = [
        beam((s * 0.32 * x, y / 2 - 0.03, 0.03), (s * 0.2 * x, 0.2 * y, back - 0.08), (0.045, 0.04)) for s in (-1, 1)
    ]
    rocker = path(
        [
            (-x / 2, y / 2 - 0.02, 0.1),
            (-0.25 * x, y / 2 - 0.02, 0.025),
            (0.25 * x, y / 2 - 0.02, 0.025),
            (x / 2, y / 2 - 0.02, 0.1),
        ],
        0.02,
    )
    return [
        cushion((-0.3 * x, 0.28 * x), (-0.3 * y, 0.3 * y), (back - 0.16, back), 0.02),
        neck,
        head,
        *mirrored([*legs, *rocker]),
        rod((0.3 * x, -0.45 * y, 0.82 * z), (0.3 * x, 0.45 * y, 0.82 * z), 0.0125),
        around((0.1 * x, 0, 0.2 * z), (0.1, 0.96 * y, 0.02)),
    ]


def scooter(x: float, y: float, z: float) -> list[Part]:
    """Deck between two wheels, a stem with a bar toward +x."""
    r = 0.1 * z
    stem = (0.3 * x, 0, z - 0.016)
    return [
        _wheel(-x / 2 + r, 0, r),
        _wheel(x / 2 - r, 0, r),
        cushion((-0.36 * x, 0.24 * x), (-0.07, 0.07), (0.08, 0.115), 0.008),
        rod((x / 2 - r, 0, r), stem, 0.018),
        rod((0.2 * x, 0, 0.1), (0.5 * x - r, 0, 0.22 * z), 0.018),
        rod((-0.3 * x, 0, 0.095), (-x / 2 + r, 0, r), 0.018),
        _hand_bar(0.3 * x, y, z - 0.0155),
    ]


def skateboard(x: float, y: float, z: float) -> list[Part]:
    """Deck with round ends that bend up, on four wheels."""
    r, deck = 0.25 * z, 0.62 * z
    wheels = [cone((s * 0.28 * x, 0.3 * y, r), (s * 0.28 * x, 0.46 * y, r), r, axis=1, sides=12) for s in (-1, 1)]
    axles = [around((s * 0.28 * x, 0, 0.45 * z), (0.06, 0.62 * y, 0.4 * z)) for s in (-1, 1)]
    ends = [
        np.concatenate(
            (
                around((s * 0.345 * x, 0, deck + 0.0075), (0.02, y, 0.015)),
                circle((s * 0.42 * x, 0, z - 0.015), (0.08 * x, 0.4 * y)),
                circle((s * 0.42 * x, 0, z), (0.08 * x, 0.4 * y)),
            )
        )
        for s in (-1, 1)
    ]
    return [box((-0.35 * x, 0.35 * x), (-0.498 * y, 0.498 * y), (deck, deck + 0.017)), *ends, *axles, *mirrored(wheels)]


def surfboard(x: float, y: float, z: float) -> list[Part]:
    """Pointed at +x, a fin below at -x."""
    plan = [(-0.5, 0.25), (-0.3, 0.46), (0.0, 0.5), (0.28, 0.38), (0.45, 0.14), (0.5, 0.0)]
    rim = np.array([(a * x, s * b * y, 0.68 * z) for a, b in plan for s in (-1, 1)])
    flat = rim * (0.95, 0.85, 1.0)
    board = np.concatenate((rim, flat + (0, 0, 0.32 * z), flat + (0, 0, -0.1 * z)))
    fin = np.array(
        [
            (a * x, s * 0.0075, h * z)
            for a, h in ((-0.46, 0.62), (-0.38, 0.62), (-0.47, 0.0), (-0.44, 0.0))
            for s in (-1, 1)
        ]
    )
    return [board, fin]


def car(x: float, y: float, z: float) -> list[Part]:
    """Body, cabin, four wheels, four door handles."""
    r, waist = 0.22 * z, 0.6 * z
    cabin = np.concatenate(
        (
            box((-0.4 * x, 0.2 * x), (-0.46 * y, 0.46 * y), (waist - 0.02, waist)),
            box((-0.3 * x, 0.05 * x), (-0.38 * y, 0.38 * y), (z - 0.01, z)),
        )
    )
    body = cushion((-x / 2, x / 2), (-0.48 * y, 0.48 * y), (0.7 * r, waist), 0.06)
    side = [_wheel(s * 0.31 * x, 0.44 * y, r, 0.2) for s in (-1, 1)]
    for at in (-0.16 * x, 0.08 * x):
        side += [
            rod((at - 0.1, y / 2 - 0.0125, 0.85 * waist), (at + 0.1, y / 2 - 0.0125, 0.85 * waist), 0.0125),
            *(around((at + s * 0.09, 0.48 * y, 0.85 * waist), (0.015, 0.04 * y - 0.02, 0.015)) for s in (-1, 1)),
        ]
    return [body, cabin, *mirrored(side)]
