"""What holds something: luggage, buckets, pots, cups, vases. Each builder: depth x, width y, height z in m -> parts."""

from __future__ import annotations

import numpy as np

from generate.objects.parts import (
    THIN,
    Part,
    arch,
    around,
    ball,
    box,
    circle,
    cone,
    cushion,
    mirrored,
    path,
    rod,
    shell,
    shifted,
)  # fmt: skip

_BAR = 0.01


def _handled(x: float, y: float, z: float, body: float, span: float) -> list[Part]:
    """A stiff handle over a body of height `body`: two posts and a bar along y."""
    top = z - 0.011
    posts = [rod((0, span / 2, body - 0.01), (0, span / 2, z - 0.005), 0.009)]
    return [*mirrored(posts), rod((0, -span / 2 - 0.01, top), (0, span / 2 + 0.01, top), 0.011)]


def crate(x: float, y: float, z: float) -> list[Part]:
    """Four walls and a floor; the ends at -y and +y are open below their upper bar, to hold it by."""
    wall, bar = 0.018, 0.03
    long_side = [box((x / 2 - wall, x / 2), (-y / 2, y / 2), (0.0, z))]
    end = [
        box((-x / 2 + 0.002, x / 2 - 0.002), (y / 2 - wall - 0.001, y / 2 - 0.001), (0.005, z - bar - 0.06)),
        box((-x / 2 + 0.003, x / 2 - 0.003), (y / 2 - wall - 0.002, y / 2 - 0.002), (z - bar, z - 0.001)),
    ]
    floor = box((-x / 2 + 0.004, x / 2 - 0.004), (-y / 2 + 0.004, y / 2 - 0.004), (0.001, wall))
    return [floor, *mirrored(long_side, axis=0), *mirrored(end)]


def basket(x: float, y: float, z: float) -> list[Part]:
    """Round and tapered, with a loop at either end of y."""
    rim = y / 2 - 0.045
    ear = arch(
        (-0.06, rim - 0.01, 0.88 * z), (0.06, rim - 0.01, 0.88 * z), (0.0, y / 2 - _BAR - rim + 0.01, 0.01), _BAR
    )
    return [*shell((0.0, z), (0.38 * x, 0.8 * rim), (x / 2, rim)), *mirrored(ear)]


def pot(x: float, y: float, z: float) -> list[Part]:
    """Straight, with a loop at either end of y."""
    rim = y / 2 - 0.04
    ear = arch(
        (-0.045, rim - 0.01, 0.8 * z), (0.045, rim - 0.01, 0.8 * z), (0.0, y / 2 - _BAR - rim + 0.01, 0.003), _BAR
    )
    return [*shell((0.0, z), (0.96 * x / 2, 0.96 * rim), (x / 2, rim)), *mirrored(ear)]


def pan(x: float, y: float, z: float) -> list[Part]:
    """Flat, its handle toward +y."""
    dish = 0.5 * min(x, 0.64 * y)
    middle = -y / 2 + dish
    handle = rod((0, middle + dish - 0.012, 0.6 * z), (0, y / 2, z - 0.013), 0.012)
    return [*shifted(shell((0.0, 0.65 * z), (0.85 * x / 2, 0.85 * dish), (x / 2, dish), 0.012), (0, middle, 0)), handle]


def bowl(x: float, y: float, z: float) -> list[Part]:
    """Flaring, open above."""
    return shell((0.0, z), (0.3 * x, 0.3 * y), (x / 2, y / 2), min(THIN, 0.1 * x))


def bin_(x: float, y: float, z: float) -> list[Part]:
    """Tapered, open above."""
    return shell((0.0, z), (0.38 * x, 0.38 * y), (x / 2, y / 2))


def bucket(x: float, y: float, z: float) -> list[Part]:
    """Tapered, with its bail up."""
    rim = 0.72 * z
    bail = arch((0, y / 2 - 0.012, rim - 0.02), (0, -y / 2 + 0.012, rim - 0.02), (0, 0, z - rim + 0.02 - _BAR), _BAR, 6)
    return [*shell((0.0, rim), (0.36 * x, 0.36 * y), (x / 2, y / 2)), *bail]


def cup(x: float, y: float, z: float) -> list[Part]:
    """Open above, its handle toward +y."""
    middle, radius = -(y - x) / 2, x / 2
    wall, bar = min(0.01, 0.12 * x), min(0.008, 0.09 * x)
    rim = middle + radius
    ear = arch((0, rim - wall / 2, 0.8 * z), (0, rim - wall / 2, 0.22 * z), (0, y / 2 - bar - rim + wall / 2, 0), bar)
    return [*shifted(shell((0.0, z), 0.92 * radius, radius, wall), (0, middle, 0)), *ear]


def bottle(x: float, y: float, z: float) -> list[Part]:
    """Body, shoulder and neck."""
    body, neck = (x / 2, y / 2), (0.18 * x, 0.18 * y)
    shoulder = np.concatenate((circle((0, 0, 0.6 * z), (0.99 * x / 2, 0.99 * y / 2)), circle((0, 0, 0.8 * z), neck)))
    return [
        cone((0, 0, 0), (0, 0, 0.62 * z), body),
        shoulder,
        cone((0, 0, 0.76 * z), (0, 0, 0.95 * z), (0.16 * x, 0.16 * y)),
        cone((0, 0, 0.92 * z), (0, 0, z), (0.2 * x, 0.2 * y)),
    ]


def teapot(x: float, y: float, z: float) -> list[Part]:
    """Bellied, spout toward +y, handle toward -y, knob on its lid."""
    r, bar = x / 2, 0.009
    belly = np.concatenate(
        [circle((0, 0.02 * y, h * z), k * r) for h, k in ((0, 0.7), (0.35, 1.0), (0.6, 0.9), (0.8, 0.55))]
    )
    side = 0.02 * y - 0.85 * r
    handle = arch((0, side, 0.68 * z), (0, side, 0.18 * z), (0, -y / 2 + bar - side, 0), bar)
    spout = np.concatenate((circle((0, 0.8 * r, 0.3 * z), (0.03, 0.03)), circle((0, y / 2 - 0.012, 0.75 * z), 0.012)))
    return [belly, spout, *handle, cone((0, 0.02 * y, 0.78 * z), (0, 0.02 * y, z), 0.012, 0.02)]


def watering_can(x: float, y: float, z: float) -> list[Part]:
    """Spout toward +y, handle above and toward -y."""
    r, bar = x / 2, _BAR
    middle = -0.18 * y + 0.01
    handle = path(
        [
            (0, middle + 0.6 * r, 0.66 * z),
            (0, middle + 0.3 * r, z - bar),
            (0, middle - 0.6 * r, z - bar),
            (0, -y / 2 + bar, 0.75 * z),
            (0, -y / 2 + bar, 0.45 * z),
            (0, middle - 0.9 * r, 0.25 * z),
        ],
        bar,
    )
    spout = [
        rod((0, middle + 0.8 * r, 0.15 * z), (0, y / 2 - 0.03, 0.85 * z), 0.013),
        rod((0, y / 2 - 0.045, 0.8 * z), (0, y / 2 - 0.015, 0.9 * z), 0.026),
    ]
    return [cone((0, middle, 0), (0, middle, 0.7 * z), r, 0.9 * r), *handle, *spout]


def vase(x: float, y: float, z: float) -> list[Part]:
    """Foot, belly, neck and lip: solid pieces of a body of revolution."""
    profile = ((0, 0.5), (0.12, 0.42), (0.4, 1.0), (0.58, 0.95), (0.82, 0.4), (1.0, 0.62))
    rings = [circle((0, 0, h * z), (k * x / 2, k * y / 2)) for h, k in profile]
    lap = 0.004 * np.array([0, 0, 1.0])
    return [
        np.concatenate(rings[:2]),
        np.concatenate((rings[1] * [0.98, 0.98, 1] - lap, *rings[2:5])),
        np.concatenate((rings[4] * [0.97, 0.97, 1] - lap, rings[5])),
    ]


def barrel(x: float, y: float, z: float) -> list[Part]:
    """Bellied."""
    return [
        np.concatenate([circle((0, 0, h * z), (k * x / 2, k * y / 2)) for h, k in ((0, 0.84), (0.5, 1.0), (1, 0.84))])
    ]


def plate(x: float, y: float, z: float) -> list[Part]:
    """Shallow: a foot and a flaring rim."""
    return [cone((0, 0, 0), (0, 0, z), (0.55 * x / 2, 0.55 * y / 2), (x / 2, y / 2), sides=24)]


def tray(x: float, y: float, z: float) -> list[Part]:
    """Floor and rim, with a grip raised at either end of y."""
    rim = min(THIN, 0.5 * z)
    wall = [box((x / 2 - THIN, x / 2), (-y / 2 + 0.001, y / 2 - 0.001), (0.001, 0.7 * z))]
    end = [box((-x / 2 + 0.001, x / 2 - 0.001), (y / 2 - THIN, y / 2), (0.002, z))]
    floor = box((-x / 2 + 0.002, x / 2 - 0.002), (-y / 2 + 0.002, y / 2 - 0.002), (0.0, rim))
    return [floor, *mirrored(wall, axis=0), *mirrored(end)]


def suitcase(x: float, y: float, z: float) -> list[Part]:
    """Upright on four wheels, its handle out."""
    body = 0.8 * z
    wheel = [rod((0.32 * x, 0.4 * y - 0.012, 0.025), (0.32 * x, 0.4 * y + 0.012, 0.025), 0.025)]
    return [
        cushion((-x / 2, x / 2), (-y / 2, y / 2), (0.035, body), 0.02),
        *mirrored(mirrored(wheel), axis=0),
        *_handled(x, y, z, body, min(0.2, 0.5 * y)),
    ]


def backpack(x: float, y: float, z: float) -> list[Part]:
    """Pocket toward +x, straps toward -x, a loop on top."""
    body, back = 0.91 * z, -0.3 * x
    pocket = cushion((0.2 * x, x / 2), (-0.36 * y, 0.36 * y), (0.04 * z, 0.5 * z), 0.02)
    bag = cushion((back, 0.32 * x), (-y / 2, y / 2), (0.0, body), 0.04)
    strap = path(
        [
            (back + 0.01, 0.22 * y, 0.88 * z),
            (-x / 2 + 0.01, 0.24 * y, 0.6 * z),
            (-x / 2 + 0.01, 0.28 * y, 0.3 * z),
            (back + 0.01, 0.34 * y, 0.08 * z),
        ],
        0.01,
    )
    return [
        bag,
        pocket,
        *mirrored(strap),
        *arch((0, 0.07, body - 0.02), (0, -0.07, body - 0.02), (0, 0, z - body + 0.01), _BAR),
    ]


def bag(x: float, y: float, z: float) -> list[Part]:
    """Narrower above, one arched handle."""
    body = 0.62 * z
    sack = np.concatenate(
        (
            box((-0.44 * x, 0.44 * x), (-0.47 * y, 0.47 * y), (0.0, 0.02)),
            box((-x / 2, x / 2), (-y / 2, y / 2), (0.15 * z, 0.2 * z)),
            box((-0.25 * x, 0.25 * x), (-0.42 * y, 0.42 * y), (body - 0.01, body)),
        )
    )
    return [
        sack,
        *arch((0, 0.24 * y, body - 0.02), (0, -0.24 * y, body - 0.02), (0, 0, z - body + 0.02 - _BAR), _BAR, 6),
    ]


def toolbox(x: float, y: float, z: float) -> list[Part]:
    """Box, lid, handle."""
    body = 0.7 * z
    lid = np.concatenate(
        (
            box((-x / 2 + 0.01, x / 2 - 0.01), (-y / 2 + 0.01, y / 2 - 0.01), (0.72 * body, 0.8 * body)),
            box((-0.3 * x, 0.3 * x), (-0.45 * y, 0.45 * y), (body - 0.01, body)),
        )
    )
    return [box((-x / 2, x / 2), (-y / 2, y / 2), (0.0, 0.75 * body)), lid, *_handled(x, y, z, body, 0.4 * y)]


def plant(x: float, y: float, z: float) -> list[Part]:
    """Pot, stem, leaves."""
    pot_m = min(0.35 * z, 0.9 * x)
    leaves = 0.5 * (z - pot_m)
    crown = [
        ball((0, 0, z - 0.5 * leaves), (0.34 * x, 0.34 * y, 0.5 * leaves)),
        ball((0.2 * x, 0.12 * y, z - 0.95 * leaves), (0.3 * x, 0.32 * y, 0.4 * leaves)),
        ball((-0.22 * x, -0.14 * y, z - 0.9 * leaves), (0.28 * x, 0.34 * y, 0.4 * leaves)),
    ]
    return [
        cone((0, 0, 0), (0, 0, pot_m), (0.3 * x, 0.3 * y), (0.44 * x, 0.44 * y)),
        cone((0, 0, pot_m - 0.02), (0, 0, z - 0.8 * leaves), 0.0125),
        *crown,
    ]


def kettlebell(x: float, y: float, z: float) -> list[Part]:
    """Ball with a flat foot and an arched handle along y."""
    r = x / 2
    body = np.concatenate(
        [
            circle((0, 0, h * r), (k * r, k * y / 2))
            for h, k in ((0, 0.6), (0.4, 0.9), (0.9, 1.0), (1.4, 0.85), (1.7, 0.5))
        ]
    )
    bar = min(0.016, 0.09 * x)
    return [
        body,
        *path(
            [
                (0, 0.26 * y, 1.5 * r),
                (0, 0.36 * y, 0.75 * z),
                (0, 0.3 * y, z - bar),
                (0, -0.3 * y, z - bar),
                (0, -0.36 * y, 0.75 * z),
                (0, -0.26 * y, 1.5 * r),
            ],
            bar,
        ),
    ]


def hat(x: float, y: float, z: float) -> list[Part]:
    """Brim and crown, open below."""
    crown = shell((0.01, z - 0.01), (0.36 * x, 0.36 * y), (0.3 * x, 0.3 * y), 0.012, floor=False, staves=8)
    brim = shell((0.0, 0.018), (x / 2, y / 2), (0.48 * x, 0.48 * y), 0.15 * x, floor=False, staves=8)
    return [*crown, *brim, cone((0, 0, z - 0.018), (0, 0, z), (0.295 * x, 0.295 * y), sides=8)]


def tire(x: float, y: float, z: float) -> list[Part]:
    """A ring, lying."""
    return shell((0.0, z), (x / 2, y / 2), (x / 2, y / 2), 0.22 * x, floor=False)


def melon(x: float, y: float, z: float) -> list[Part]:
    """An ellipsoid."""
    return [ball((0, 0, z / 2), (x / 2, y / 2, z / 2))]


def block(x: float, y: float, z: float) -> list[Part]:
    """A soft block with its edges cut: folded cloth, a pillow."""
    return [cushion((-x / 2, x / 2), (-y / 2, y / 2), (0.0, z), 0.3 * min(x, y, z))]


def slab_on_foot(x: float, y: float, z: float) -> list[Part]:
    """A screen on a stand, looking toward +x."""
    low = 0.25 * z
    foot = [around((0.0, 0, 0.01), (x, 0.4 * y, 0.02)), around((-0.2 * x, 0, 0.3 * z), (0.03, 0.08, 0.58 * z))]
    return [box((-0.2 * x, -0.2 * x + 0.03), (-y / 2, y / 2), (low, z)), *foot]
