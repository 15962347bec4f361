"""What people sit at, sit on, lie on and put things into. Each builder: depth x, width y, height z in m -> parts."""

from __future__ import annotations

import numpy as np

from generate.objects.parts import (
    THIN,
    Part,
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
    shifted,
)  # fmt: skip


def _legs(x: float, y: float, height: float, width: float = 0.04, inset: float = 0.0) -> list[Part]:
    """Four at the corners, upright."""
    far_x, far_y = x / 2 - width / 2 - inset, y / 2 - width / 2 - inset
    return [around((a * far_x, b * far_y, height / 2), (width, width, height)) for a in (-1, 1) for b in (-1, 1)]


def chair(x: float, y: float, z: float) -> list[Part]:
    """Seat at half its height, back at -x, armrests."""
    seat, arm, plate = 0.5 * z, 0.73 * z, 0.035
    back = [box((-x / 2, -x / 2 + 0.03), (-y / 2 + 0.01, y / 2 - 0.01), (seat - 0.02, z))]
    rest = [
        box((-x / 2 + 0.02, 0.35 * x), (y / 2 - 0.04, y / 2), (arm - 0.03, arm)),
        around((0.3 * x, y / 2 - 0.02, (seat + arm) / 2 - 0.015), (0.035, 0.03, arm - seat - 0.02)),
    ]
    return [
        box((-x / 2 + 0.005, x / 2), (-y / 2 + 0.002, y / 2 - 0.002), (seat - plate, seat)),
        *back,
        *mirrored(rest),
        *_legs(x - 0.02, y - 0.02, seat - plate / 2),
    ]


def sofa(x: float, y: float, z: float) -> list[Part]:
    """Upholstered: seat at 0.45 m or half its height, back at -x, arms left and right, short legs."""
    seat = min(0.45, 0.53 * z)
    arm, back, low = min(seat + 0.2, 0.9 * z), 0.24 * x, 0.1
    wide = min(0.16, 0.16 * y)
    arms = [cushion((-x / 2 + 0.02, x / 2 - 0.01), (y / 2 - wide, y / 2), (low + 0.02, arm), 0.02)]
    base = [
        box((-x / 2 + 0.01, x / 2 - 0.03), (-y / 2 + 0.05, y / 2 - 0.05), (low, seat - 0.14)),
        cushion((-x / 2 + 0.05, x / 2), (-y / 2 + wide - 0.01, y / 2 - wide + 0.01), (seat - 0.16, seat), 0.015),
    ]
    return [
        *base,
        *mirrored(arms),
        cushion((-x / 2, -x / 2 + back), (-y / 2 + 0.03, y / 2 - 0.03), (low + 0.01, z), 0.03),
        *_legs(x, y, low + 0.03, 0.06, 0.06),
    ]


def stool(x: float, y: float, z: float) -> list[Part]:
    """Round seat on four spread legs with two crossing stretchers."""
    legs = [
        beam((a * 0.42 * x, b * 0.42 * y, 0.0), (a * 0.24 * x, b * 0.24 * y, z - 0.02), (0.035, 0.035))
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    low, half = 0.35 * z, 0.36
    bars = [rod((-half * x, s * half * y, low + 0.002 * s), (half * x, s * half * y, low), 0.011) for s in (-1, 1)]
    return [cone((0, 0, z - 0.035), (0, 0, z), (x / 2, y / 2), sides=24), *legs, *bars]


def bench(x: float, y: float, z: float) -> list[Part]:
    """Without a back: its height is the seat's."""
    ends = [
        box((-0.42 * x, 0.42 * x), (0.4 * y - 0.04, 0.4 * y), (0.03, z - 0.02)),
        box((-0.48 * x, 0.48 * x), (0.4 * y - 0.05, 0.4 * y + 0.01), (0.0, 0.035)),
    ]
    return [
        box((-x / 2, x / 2), (-y / 2, y / 2), (z - 0.04, z)),
        around((0, 0, 0.5 * z), (0.05, 0.8 * y, 0.06)),
        *mirrored(ends),
    ]


def beanbag(x: float, y: float, z: float) -> list[Part]:
    """A flattened bag with a hump to lean on at -x."""
    seat = 0.67 * z
    bag = np.concatenate(
        (
            circle((0.03 * x, 0, 0), (0.4 * x, 0.42 * y)),
            circle((0, 0, 0.4 * seat), (x / 2, y / 2)),
            circle((0.08 * x, 0, seat), (0.34 * x, 0.36 * y)),
        )
    )
    return [bag, ball((-0.3 * x, 0, 0.68 * z), (0.19 * x, 0.4 * y, 0.32 * z))]


def bed(x: float, y: float, z: float) -> list[Part]:
    """Mattress on a frame with four legs; flush with its head."""
    frame = 0.45 * z
    mattress = cushion((-x / 2 + 0.02, x / 2 - 0.02), (-y / 2 + 0.02, y / 2 - 0.02), (frame + 0.04, z), 0.03)
    return [
        mattress,
        box((-x / 2, x / 2), (-y / 2, y / 2), (frame - 0.04, frame + 0.06)),
        *_legs(x, y, frame, 0.07, 0.02),
    ]


def table(x: float, y: float, z: float) -> list[Part]:
    """Top, aprons below it, four legs."""
    apron = [box((-0.45 * x, 0.45 * x), (0.45 * y - 0.02, 0.45 * y), (z - 0.09, z - 0.02))]
    leg = min(0.06, 0.12 * min(x, y))
    return [
        box((-x / 2, x / 2), (-y / 2, y / 2), (z - 0.03, z)),
        *mirrored(apron),
        *_legs(0.94 * x, 0.94 * y, z - 0.015, leg),
    ]


def desk(x: float, y: float, z: float) -> list[Part]:
    """As a table, with drawers on one side."""
    drawers = box((-0.42 * x, 0.42 * x), (0.2 * y, 0.44 * y), (0.55 * z, z - 0.02))
    return [box((-x / 2, x / 2), (-y / 2, y / 2), (z - 0.03, z)), *_legs(0.96 * x, 0.96 * y, z - 0.015, 0.05), drawers]


def shelf(x: float, y: float, z: float) -> list[Part]:
    """Two sides, a back and five boards."""
    side = [box((-x / 2, x / 2), (y / 2 - 0.02, y / 2), (0.0, z))]
    heights = np.linspace(0.04, z - 0.02, 5)
    boards = [box((-x / 2 + 0.002, x / 2 - 0.002), (-y / 2 + 0.01, y / 2 - 0.01), (h, h + 0.018)) for h in heights]
    return [*mirrored(side), *boards, box((-x / 2, -x / 2 + THIN), (-y / 2 + 0.012, y / 2 - 0.012), (0.01, z - 0.01))]


def _grip(x: float, y: float, low: float, high: float) -> list[Part]:
    """Upright bar handle in front of a door at depth x; 3.5 cm of room for the fingers."""
    bar = rod((x + 0.038, y, low), (x + 0.038, y, high), 0.0115)
    return [bar, *(rod((x - 0.01, y, h), (x + 0.04, y, h), 0.009) for h in (low + 0.015, high - 0.015))]


def _drawer_grip(x: float, y: float, z: float, half: float = 0.09) -> list[Part]:
    """The same, level."""
    bar = rod((x + 0.038, y - half, z), (x + 0.038, y + half, z), 0.0115)
    return [
        bar,
        *(rod((x - 0.01, y + s * (half - 0.015), z), (x + 0.04, y + s * (half - 0.015), z), 0.009) for s in (-1, 1)),
    ]


_GRIP_ROOM = 0.0495


def cabinet(x: float, y: float, z: float) -> list[Part]:
    """Two doors with grips at +x, on four short legs."""
    front, low = x / 2 - _GRIP_ROOM, 0.14
    body = [
        box((-x / 2, front), (-y / 2, y / 2), (low, z)),
        *shifted(_legs(x - 0.05, y, low + 0.02, 0.05, 0.03), (-0.025, 0, 0)),
    ]
    return [*body, *mirrored(_grip(front, 0.05, 0.55 * z, 0.55 * z + 0.18))]


def dresser(x: float, y: float, z: float) -> list[Part]:
    """Three drawers with two grips each, on four short legs."""
    front, low = x / 2 - _GRIP_ROOM, 0.14
    body = [
        box((-x / 2, front), (-y / 2, y / 2), (low, z)),
        *shifted(_legs(x - 0.05, y, low + 0.02, 0.05, 0.03), (-0.025, 0, 0)),
    ]
    grips = [part for h in np.linspace(low, z, 4)[:-1] + (z - low) / 6 for part in _drawer_grip(front, 0.25 * y, h)]
    return [*body, *mirrored(grips)]


def wardrobe(x: float, y: float, z: float) -> list[Part]:
    """Two doors with grips at +x."""
    front = x / 2 - _GRIP_ROOM
    return [box((-x / 2, front), (-y / 2, y / 2), (0.0, z)), *mirrored(_grip(front, 0.05, 0.5 * z, 0.5 * z + 0.25))]


def fridge(x: float, y: float, z: float) -> list[Part]:
    """One long grip at +x, hinges to its right."""
    front = x / 2 - _GRIP_ROOM
    return [box((-x / 2, front), (-y / 2, y / 2), (0.0, z)), *_grip(front, 0.42 * y, 0.5 * z, 0.8 * z)]


def ladder(x: float, y: float, z: float) -> list[Part]:
    """Folding: treads between the front rails at +x, a frame behind, a cap."""
    foot, top, step = x / 2 - 0.02, 0.06, z - 0.03
    rails = [beam((s * foot, y / 2 - 0.02 + 0.001 * s, 0.0), (s * top, 0.36 * y, step), (0.04, 0.03)) for s in (-1, 1)]
    treads = []
    for k in range(1, 7):
        share = k / 7
        at = foot + share * (top - foot)
        half = (y / 2 - 0.02) * (1 - share) + 0.36 * y * share
        treads.append(around((at, 0, share * step), (0.08, 2 * half - 0.01, 0.025)))
    brace = [
        rod((-foot * 0.8, -0.45 * y, 0.2 * z), (-foot * 0.8, 0.45 * y, 0.2 * z), 0.012),
        rod((-foot * 0.45, -0.4 * y, 0.6 * z), (-foot * 0.45, 0.4 * y, 0.6 * z), 0.012),
    ]
    return [*mirrored(rails), *treads, *brace, box((-0.1, 0.1), (-0.4 * y, 0.4 * y), (z - 0.04, z))]


def stairs(x: float, y: float, z: float) -> list[Part]:
    """Steps that rise from +x to -x, of about 0.2 m."""
    count = max(2, round(z / 0.2))
    rise, run = z / count, x / count
    return [
        box(
            (-x / 2 + 0.001 * k, x / 2 - k * run),
            (-y / 2 + 0.001 * k, y / 2 - 0.001 * k),
            (max(k * rise - 0.01, 0.0), (k + 1) * rise),
        )
        for k in range(count)
    ]


def lamp(x: float, y: float, z: float) -> list[Part]:
    """Foot, pole, shade."""
    shade = min(0.3 * z, 0.9 * x)
    return [
        cone((0, 0, 0), (0, 0, min(0.03, 0.1 * z)), (0.4 * x, 0.4 * y)),
        cone((0, 0, 0.01), (0, 0, z - 0.3 * shade), 0.0125),
        cone((0, 0, z - shade), (0, 0, z), (x / 2, y / 2), (0.3 * x, 0.3 * y)),
    ]


def tripod(x: float, y: float, z: float) -> list[Part]:
    """Three legs, a column, a head."""
    feet = [(x / 2, 0.0), (-x / 2, y / 2), (-x / 2, -y / 2)]
    legs = [rod((a, b, 0.012), (0.06 * a, 0.06 * b, 0.72 * z), 0.013) for a, b in feet]
    return [
        *legs,
        cone((0, 0, 0.45 * z), (0, 0, z - 0.03), 0.014),
        cone((0, 0, 0.68 * z), (0, 0, 0.75 * z), 0.035),
        around((0, 0, z - 0.025), (0.09, 0.06, 0.05)),
    ]


def clothes_stand(x: float, y: float, z: float) -> list[Part]:
    """Pole on a cross of feet, four pairs of hooks."""
    ways = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]
    feet = [path([(a * x / 2, b * y / 2, 0.0125), (0.0, 0.0, 0.14)], 0.0125)[0] for a, b in ways]
    hooks = [
        part
        for a, b in ways
        for part in path(
            [(0, 0, 0.9 * z), (0.3 * a * x, 0.3 * b * y, 0.9 * z + 0.01), (0.36 * a * x, 0.36 * b * y, z - 0.01)], 0.009
        )
    ]
    return [cone((0, 0, 0.1), (0, 0, z), 0.0175), *feet, *hooks]


def piano(x: float, y: float, z: float) -> list[Part]:
    """Upright: case, keyboard toward +x on two legs."""
    deep, keys = 0.58 * x, 0.6 * z
    legs = [box((x / 2 - 0.07, x / 2 - 0.01), (0.42 * y, 0.42 * y + 0.06), (0.0, keys - 0.02))]
    return [
        box((-x / 2, -x / 2 + deep), (-y / 2, y / 2), (0.0, z)),
        box((-x / 2 + deep - 0.02, x / 2), (-0.48 * y, 0.48 * y), (keys - 0.08, keys)),
        *mirrored(legs),
    ]
