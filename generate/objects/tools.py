"""What one swings, sweeps, cuts, writes or plays with. Each builder: depth x, width y, height z in m -> parts.

Long tools stand upright with the end that is held up or down as one finds them; small ones lie along y.
"""

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
    loop,
    mirrored,
    path,
    rod,
    shifted,
)  # fmt: skip


def _shaft(low: float, high: float, radius: float) -> Part:
    """Upright, with blunted ends: nothing stands on them."""
    h = min(radius, 0.2 * (high - low))
    levels = ((low, 0.3), (low + h, 1.0), (high - h, 1.0), (high, 0.3))
    return np.concatenate([circle((0, 0, z), k * radius, sides=12) for z, k in levels])


def spear(x: float, y: float, z: float) -> list[Part]:
    """Along x, pointed at +x."""
    ends = ((-x / 2, 0.4), (-0.48 * x, 1.0), (0.42 * x, 1.0), (x / 2, 0.1))
    return [np.concatenate([circle((a, 0, z / 2), (k * y / 2, k * z / 2), axis=0, sides=12) for a, k in ends])]


def stick(x: float, y: float, z: float) -> list[Part]:
    """Upright, with a knob."""
    knob = [
        circle((0, 0, h), (k * x / 2, k * y / 2), sides=12) for h, k in ((0.955 * z, 0.7), (0.975 * z, 1.0), (z, 0.4))
    ]
    return [_shaft(0.0, 0.98 * z, 0.36 * min(x, y)), np.concatenate(knob)]


def pen(x: float, y: float, z: float) -> list[Part]:
    """Along y, pointed at +y."""
    ends = ((-y / 2, 0.8), (-0.45 * y, 1.0), (0.38 * y, 1.0), (y / 2, 0.15))
    return [np.concatenate([circle((0, a, z / 2), (k * z / 2, k * x / 2), axis=1, sides=12) for a, k in ends])]


def log(x: float, y: float, z: float) -> list[Part]:
    """Along y."""
    return [cone((0, -y / 2, z / 2), (0, y / 2, z / 2), (z / 2, x / 2), axis=1, sides=20)]


def spoon(x: float, y: float, z: float) -> list[Part]:
    """Along y, its bowl at +y."""
    handle = cone((0, -y / 2, 0.7 * z), (0, 0.3 * y, 0.4 * z), (0.25 * z, 0.25 * x), axis=1, sides=8)
    return [handle, ball((0, 0.36 * y, z / 2), (x / 2, 0.14 * y, z / 2))]


def knife(x: float, y: float, z: float) -> list[Part]:
    """Along y, its edge down, its point at +y."""
    handle = cushion((-x / 2, x / 2), (-y / 2, -0.08 * y), (0.1 * z, 0.9 * z), 0.003)
    blade = np.array(
        [
            (s * 0.4 * x, a, b)
            for s in (-1, 1)
            for a, b in ((-0.1 * y, 0.0), (-0.1 * y, z), (y / 2, 0.95 * z), (0.3 * y, 0.1 * z))
        ]
    )
    return [handle, blade]


def scissors(x: float, y: float, z: float) -> list[Part]:
    """Flat in the plane x = 0 along y: crossing blades, two rings at -y."""
    parts = []
    for s in (-1, 1):
        blade = np.array(
            [
                (s * 0.1 * x + d * 0.35 * x, a, z / 2 + s * b)
                for d in (-1, 1)
                for a, b in (
                    (-0.1 * y, -0.1 * z),
                    (-0.1 * y, 0.1 * z),
                    (y / 2 - 0.001 * (s + 1), 0.14 * z),
                    (0.45 * y, 0.02 * z),
                )
            ]
        )
        shank = rod((s * 0.1 * x, -0.05 * y, z / 2 - 0.05 * s * z), (0, -0.24 * y, z / 2 + 0.2 * s * z), 0.35 * x)
        ring = loop((0, -0.35 * y, z / 2 + 0.3 * s * z), (0.12 * y, 0.16 * z), 0.25 * x, axis=0, pieces=6)
        parts += [blade, shank, *ring]
    return parts


def saw(x: float, y: float, z: float) -> list[Part]:
    """Along y, its teeth down, its grip at -y."""
    blade = np.array(
        [
            (s * 0.4 * x, a, b)
            for s in (-1, 1)
            for a, b in ((-0.3 * y, 0.0), (-0.3 * y, 0.9 * z), (y / 2, 0.15 * z), (y / 2, 0.5 * z))
        ]
    )
    ring = [
        np.array(p)
        for p in (
            (0, -0.28 * y, 0.88 * z),
            (0, -0.45 * y, 0.85 * z),
            (0, -0.48 * y, 0.5 * z),
            (0, -0.43 * y, 0.15 * z),
            (0, -0.28 * y, 0.12 * z),
        )
    ]
    return [blade, *path(ring, x / 2)]


def toothbrush(x: float, y: float, z: float) -> list[Part]:
    """Along y, bristles up at +y."""
    return [
        cushion((-x / 2, x / 2), (-y / 2, y / 2), (0.0, 0.5 * z), 0.2 * x),
        box((-0.45 * x, 0.45 * x), (0.3 * y, 0.48 * y), (0.3 * z, z)),
    ]


def screwdriver(x: float, y: float, z: float) -> list[Part]:
    """Along y, its blade toward +y."""
    ends = ((-y / 2, 0.7), (-0.46 * y, 1.0), (-0.12 * y, 1.0), (-0.06 * y, 0.5))
    grip = np.concatenate([circle((0, a, z / 2), (k * z / 2, k * x / 2), axis=1, sides=12) for a, k in ends])
    return [grip, cone((0, -0.1 * y, z / 2), (0, y / 2, z / 2), 0.2 * z, 0.12 * z, axis=1, sides=8)]


def flashlight(x: float, y: float, z: float) -> list[Part]:
    """Along y, its head at +y."""
    return [
        cone((0, -y / 2, z / 2), (0, 0.25 * y, z / 2), (0.36 * z, 0.36 * x), axis=1),
        cone((0, 0.2 * y, z / 2), (0, y / 2, z / 2), (0.36 * z, 0.36 * x), (z / 2, x / 2), axis=1),
    ]


def hair_dryer(x: float, y: float, z: float) -> list[Part]:
    """Barrel along y, grip down."""
    r, at = x / 2, z - x / 2
    barrel = np.concatenate(
        [circle((0, a * y, at), k * r, axis=1) for a, k in ((-0.5, 0.7), (-0.3, 1.0), (0.1, 0.9), (0.5, 0.6))]
    )
    return [barrel, cushion((-0.2 * x, 0.2 * x), (-0.26 * y, -0.04 * y), (0.0, at - 0.4 * r), 0.006)]


def drill(x: float, y: float, z: float) -> list[Part]:
    """Along y, its bit toward +y, grip down on a battery."""
    body = cone((0, -y / 2, z - x / 2), (0, 0.2 * y, z - x / 2), x / 2, axis=1)
    bit = cone((0, 0.15 * y, z - x / 2), (0, y / 2, z - x / 2), 0.35 * x, 0.15 * x, axis=1)
    grip = cushion((-0.38 * x, 0.38 * x), (-0.36 * y, -0.22 * y), (0.1 * z, z - 0.7 * x), 0.004)
    return [body, bit, grip, box((-x / 2, x / 2), (-0.44 * y, -0.12 * y), (0.0, 0.18 * z))]


def hammer(x: float, y: float, z: float) -> list[Part]:
    """Upright, its head above along y."""
    head = 0.14 * z
    claw = np.array(
        [
            (s * 0.4 * x, a, b)
            for s in (-1, 1)
            for a, b in ((0.0, z - head), (0.0, z), (-y / 2, z - head - 0.1 * head), (-y / 2, z - 0.85 * head))
        ]
    )
    face = cone((0, -0.05 * y, z - head / 2), (0, y / 2, z - head / 2), (head / 2, x / 2), axis=1)
    return [_shaft(0.0, z - 0.2 * head, min(0.014, 0.4 * x)), face, claw]


def axe(x: float, y: float, z: float) -> list[Part]:
    """Upright, its blade above toward +y."""
    blade = np.array(
        [
            *((s * 0.45 * x, a, b) for s in (-1, 1) for a, b in ((-0.25 * y, 0.86 * z), (-0.25 * y, 0.95 * z))),
            (0.004, 0.72 * y, 0.8 * z),
            (-0.004, 0.72 * y, 0.8 * z),
            (0.004, 0.7 * y, 0.98 * z),
            (-0.004, 0.7 * y, 0.98 * z),
        ]
    )
    collar = around((0, -0.12 * y, 0.905 * z), (x, 0.3 * y, 0.08 * z))
    return [_shaft(0.0, z, min(0.018, 0.4 * x)), blade, collar]


def bat(x: float, y: float, z: float) -> list[Part]:
    """Upright, its grip below."""
    rings = [
        circle((0, 0, h * z), (k * x / 2, k * y / 2), sides=12)
        for h, k in ((0.02, 0.4), (0.4, 0.5), (0.65, 0.9), (0.8, 1.0), (0.96, 0.95), (1.0, 0.3))
    ]
    knob = np.concatenate(
        [circle((0, 0, h * z), k * x / 2, sides=12) for h, k in ((0, 0.4), (0.008, 0.7), (0.02, 0.6), (0.03, 0.4))]
    )
    return [np.concatenate((rings[0], rings[1])), np.concatenate((rings[1] * [0.99, 0.99, 0.998], *rings[2:])), knob]


def racket(x: float, y: float, z: float) -> list[Part]:
    """Upright, its face across x, its grip below."""
    tall = 0.26 * z
    centre = z - tall
    frame = loop((0, 0, centre), (y / 2 - x / 4, tall - x / 4), x / 4, axis=0, pieces=12)
    strings = cone((-THIN / 2, 0, centre), (THIN / 2, 0, centre), (y / 2 - x / 4, tall - x / 4), axis=0, sides=12)
    throat = np.concatenate(
        (circle((0, 0, 0.36 * z), x / 2.5, sides=8), around((0, 0, centre - tall + 0.02), (x / 3, 0.3 * y, 0.02)))
    )
    return [strings, *frame, _shaft(0.0, 0.4 * z, x / 2), throat]


def broom(x: float, y: float, z: float) -> list[Part]:
    """Upright, brush below."""
    brush = np.concatenate(
        (
            box((-x / 2, x / 2), (-y / 2, y / 2), (0.0, 0.01)),
            box((-0.25 * x, 0.25 * x), (-0.4 * y, 0.4 * y), (0.1, 0.12)),
        )
    )
    return [brush, around((0, 0, 0.13), (0.4 * x, 0.75 * y, 0.03)), _shaft(0.12, z, 0.0135)]


def shovel(x: float, y: float, z: float) -> list[Part]:
    """Upright, blade below, a D-shaped grip above."""
    outline = ((0.0, 0.08, 0.0), (0.0, 0.5, 0.08), (-0.3 * x, 0.5, 0.24))
    blade = np.array([(d + t, s * w * y, h * z) for d, w, h in outline for s in (-1, 1) for t in (0.0, THIN)])
    at = z - 0.011
    grip = path(
        [
            (0, 0, z - 0.12),
            (0, 0.055, z - 0.06),
            (0, 0.055, at),
            (0, -0.055, at),
            (0, -0.055, z - 0.06),
            (0, 0, z - 0.12),
        ],
        0.011,
    )
    return [blade, _shaft(0.18 * z, z - 0.11, 0.015), *grip, around((0.01, 0, 0.21 * z), (x - 0.02, 0.04, 0.1))]


def vacuum(x: float, y: float, z: float) -> list[Part]:
    """Head on the floor toward +x, body, pole, a looped grip above."""
    head = np.concatenate(
        (
            box((0.1 * x, x / 2), (-y / 2, y / 2), (0.0, 0.05)),
            box((-x / 2, 0.1 * x), (-0.35 * y, 0.35 * y), (0.01, 0.08)),
        )
    )
    body = np.concatenate(
        (circle((-0.1 * x, 0, 0.07), 0.3 * x, sides=12), circle((-0.15 * x, 0, 0.55 * z), 0.2 * x, sides=12))
    )
    top = (-0.2 * x, 0, 0.82 * z)
    grip = path(
        [
            top,
            (-0.05 * x, 0, z - 0.03),
            (-0.2 * x, 0, z - 0.012),
            (-0.42 * x, 0, z - 0.04),
            (-0.4 * x, 0, 0.88 * z),
            top,
        ],
        0.012,
    )
    return [head, body, rod((-0.15 * x, 0, 0.5 * z), top, 0.014), *grip]


def umbrella(x: float, y: float, z: float) -> list[Part]:
    """Furled, point below, its crook above."""
    cloth = np.concatenate(
        (
            circle((0, 0, 0.04), 0.012, sides=12),
            circle((0, 0, 0.7 * z), (x / 2, 0.42 * y), sides=12),
            circle((0, 0, 0.74 * z), 0.015, sides=12),
        )
    )
    top = z - 0.0115
    crook = arch((0, 0.02, top - 0.03), (0, -0.06, top - 0.03), (0, 0, 0.03), 0.0115)
    return [cloth, _shaft(0.0, 0.1, 0.008), rod((0, 0.02, 0.72 * z), (0, 0.02, top - 0.025), 0.0115), *crook]


def flag(x: float, y: float, z: float) -> list[Part]:
    """Pole with a cloth toward +y."""
    return [
        *shifted([_shaft(0.0, z, x / 2)], (0, -y / 2 + x / 2, 0)),
        box((-THIN / 2, THIN / 2), (-y / 2 + x / 2, y / 2), (0.58 * z, z - 0.03)),
    ]


def guitar(x: float, y: float, z: float) -> list[Part]:
    """On its edge as it is played: its face toward +x, neck and head toward +y."""
    return [part[:, [0, 2, 1]] - (0.0, y / 2, -z / 2) for part in violin(x, z, y)]


def violin(x: float, y: float, z: float) -> list[Part]:
    """Body below, its face toward +x, neck and head above."""
    deep, low, high = 0.4 * x, 0.23 * z, 0.4 * z
    lower = cone((-deep, 0, low), (deep, 0, low), (y / 2, low), axis=0)
    upper = cone((-0.99 * deep, 0, high), (0.99 * deep, 0, high), (0.37 * y, 0.13 * z), axis=0)
    wide = min(0.05, 0.2 * y)
    neck = box((deep - 0.025, deep - 0.001), (-wide / 2, wide / 2), (high, 0.88 * z))
    return [
        lower,
        upper,
        neck,
        around((0.3 * x, 0, 0.935 * z), (0.022, 1.5 * wide, 0.13 * z)),
        around((deep + 0.05 * x, 0, low), (0.1 * x, 0.3 * y, 0.015)),
    ]


def headphones(x: float, y: float, z: float) -> list[Part]:
    """Band over two cups that stand at -y and +y."""
    cup = [cone((0, y / 2 - 0.035, 0.23 * z), (0, y / 2, 0.23 * z), (0.23 * z, x / 2), axis=1)]
    return [
        *mirrored(cup),
        *arch((0, y / 2 - 0.012, 0.4 * z), (0, -y / 2 + 0.012, 0.4 * z), (0, 0, 0.6 * z - 0.008), 0.008, 8),
    ]


def camera(x: float, y: float, z: float) -> list[Part]:
    """Its lens toward +x, a grip at +y."""
    body = box((-x / 2, 0.1 * x), (-y / 2, y / 2), (0.0, 0.8 * z))
    return [
        body,
        cone((0.05 * x, 0, 0.42 * z), (x / 2, 0, 0.42 * z), 0.34 * z, axis=0),
        around((-0.1 * x, 0, 0.85 * z), (0.4 * x, 0.35 * y, 0.3 * z)),
        cushion((-0.2 * x, 0.3 * x), (0.33 * y, 0.498 * y), (0.02 * z, 0.78 * z), 0.006),
    ]


def mouse(x: float, y: float, z: float) -> list[Part]:
    """Half an ellipsoid."""
    return [
        np.concatenate(
            [
                circle((0, 0, h * z), (k * x / 2, k * y / 2))
                for h, k in ((0, 0.95), (0.3, 1.0), (0.75, 0.75), (1.0, 0.35))
            ]
        )
    ]


def shoe(x: float, y: float, z: float) -> list[Part]:
    """Along y, its toe at +y."""
    sole = np.concatenate((circle((0, 0, 0), (x / 2, y / 2)), circle((0, 0, 0.25 * z), (x / 2, y / 2))))
    foot = np.concatenate(
        (circle((0, 0, 0.2 * z), (0.45 * x, 0.47 * y)), circle((0, -0.22 * y, z), (0.36 * x, 0.24 * y)))
    )
    return [sole, foot]


def weight(x: float, y: float, z: float) -> list[Part]:
    """Bar along y between two discs; a long one goes through them."""
    plate = min(0.28 * y, 0.1)
    bar, grip = min(0.0165, 0.2 * z), y / 2 - (0.08 * y if y > 1.0 else -0.001)
    disc = [cone((0, grip - plate, z / 2), (0, grip, z / 2), (z / 2, x / 2), axis=1)]
    return [cone((0, -y / 2, z / 2), (0, y / 2, z / 2), bar, axis=1, sides=12), *mirrored(disc)]


def doll(x: float, y: float, z: float) -> list[Part]:
    """Standing, its face toward +x, its arms out."""
    arm = [
        rod((0, 0.12 * y, 0.56 * z), (0, y / 2 - 0.02, 0.46 * z), 0.1 * y),
        ball((0, y / 2 - 0.12 * y, 0.46 * z), 0.12 * y),
    ]
    leg = [
        cone((0.02 * x, 0.24 * y, 0.03 * z), (0, 0.13 * y, 0.4 * z), 0.1 * y, sides=12),
        ball((0.18 * x, 0.25 * y, 0.06 * z), (0.32 * x, 0.11 * y, 0.06 * z)),
    ]
    return [
        ball((0, 0, 0.45 * z), (0.36 * x, 0.26 * y, 0.21 * z)),
        ball((0, 0, 0.8 * z), (0.5 * x, 0.33 * y, 0.2 * z)),
        *mirrored(arm),
        *mirrored(leg),
    ]


def statue(x: float, y: float, z: float) -> list[Part]:
    """A bust on a plinth, looking toward +x."""
    torso = np.concatenate(
        (
            circle((0, 0, 0.2 * z), (0.25 * x, 0.3 * y)),
            circle((0, 0, 0.55 * z), (0.36 * x, 0.48 * y)),
            circle((0, 0, 0.64 * z), (0.15 * x, 0.2 * y)),
        )
    )
    return [
        box((-x / 2, x / 2), (-y / 2, y / 2), (0.0, 0.22 * z)),
        torso,
        cone((0, 0, 0.6 * z), (0, 0, 0.75 * z), 0.13 * x),
        ball((0.03 * x, 0, 0.85 * z), (0.28 * x, 0.24 * y, 0.15 * z)),
    ]


def stone(x: float, y: float, z: float) -> list[Part]:
    """A rough lump, the same every time."""
    lump = ball((0, 0, 0), 1.0)
    rough = lump * (1.0 + 0.16 * np.sin(7.0 * lump @ np.array([1.0, 2.3, 3.7])))[:, None]
    return [rough * (x / 2, y / 2, z / 2)]
