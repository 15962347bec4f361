"""A shape for every kind of object that the lexicon has, so that a sentence needs no mesh."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

from generate.language.lexicon import Kind, lexicon
from generate.objects import furniture, tools, vehicles, vessels
from generate.objects.parts import Part, Size, assemble, ball, cone
from generate.plan import InteractionPlan
from sim.errors import AssetError
from sim.geometry import Geometry, Primitive
from sim.objects import Shape

Builder = Callable[[float, float, float], list[Part]]

_SMALLEST, _LARGEST = 0.005, 20.0
_EVEN = 1e-6


def _box(x: float, y: float, z: float) -> Primitive:
    return Primitive("box", (x, y, z))


def _cylinder(x: float, y: float, z: float) -> Geometry:
    """Upright; a primitive where it is round."""
    if abs(x - y) <= _EVEN:
        return Primitive("cylinder", (x / 2, z))
    return assemble([cone((0, 0, 0), (0, 0, z), (x / 2, y / 2), sides=24)], (x, y, z))


def _sphere(x: float, y: float, z: float) -> Geometry:
    """An ellipsoid; a primitive where it is a sphere."""
    if max(x, y, z) - min(x, y, z) <= _EVEN:
        return Primitive("sphere", (x / 2,))
    return assemble([ball((0, 0, 0), (x / 2, y / 2, z / 2))], (x, y, z))


_WHOLE: Mapping[str, Callable[[float, float, float], Geometry]] = {
    **dict.fromkeys(
        ("object", "box", "mattress", "mat", "platform", "book", "laptop", "keyboard", "remote", "appliance", "tv",
         "phone", "brick", "sponge", "board", "plank"), _box),
    **dict.fromkeys(("frisbee", "flute", "drum", "punching bag"), _cylinder),
    **dict.fromkeys(("ball", "tennis ball", "yoga ball", "medicine ball", "bowling ball", "fruit"), _sphere),
}  # fmt: skip
"""Kinds that are one primitive: physics is faster on them, and exact."""

_BUILT: Mapping[str, Builder] = {
    "chair": furniture.chair, "armchair": furniture.sofa, "stool": furniture.stool, "bench": furniture.bench,
    "sofa": furniture.sofa, "beanbag": furniture.beanbag, "bed": furniture.bed, "table": furniture.table,
    "desk": furniture.desk, "shelf": furniture.shelf, "cabinet": furniture.cabinet, "dresser": furniture.dresser,
    "wardrobe": furniture.wardrobe, "fridge": furniture.fridge, "ladder": furniture.ladder, "stairs": furniture.stairs,
    "floor lamp": furniture.lamp, "desk lamp": furniture.lamp, "tripod": furniture.tripod, "piano": furniture.piano,
    "clothes stand": furniture.clothes_stand,
    "crate": vessels.crate, "basket": vessels.basket, "pot": vessels.pot, "pan": vessels.pan, "bowl": vessels.bowl,
    "trash can": vessels.bin_, "bucket": vessels.bucket, "cup": vessels.cup, "bottle": vessels.bottle,
    "teapot": vessels.teapot, "watering can": vessels.watering_can, "vase": vessels.vase, "barrel": vessels.barrel,
    "plate": vessels.plate, "tray": vessels.tray, "suitcase": vessels.suitcase, "backpack": vessels.backpack,
    "bag": vessels.bag, "toolbox": vessels.toolbox, "plant": vessels.plant, "kettlebell": vessels.kettlebell,
    "hat": vessels.hat, "tire": vessels.tire, "melon": vessels.melon, "pillow": vessels.block,
    "blanket": vessels.block, "jacket": vessels.block, "monitor": vessels.slab_on_foot,
    "javelin": tools.spear, "pen": tools.pen, "log": tools.log, "spoon": tools.spoon, "knife": tools.knife,
    "scissors": tools.scissors, "saw": tools.saw, "toothbrush": tools.toothbrush, "screwdriver": tools.screwdriver,
    "flashlight": tools.flashlight, "hair dryer": tools.hair_dryer, "drill": tools.drill, "hammer": tools.hammer,
    "axe": tools.axe, "bat": tools.bat, "stick": tools.stick, "racket": tools.racket, "broom": tools.broom,
    "mop": tools.broom, "shovel": tools.shovel, "vacuum cleaner": tools.vacuum, "umbrella": tools.umbrella,
    "flag": tools.flag, "guitar": tools.guitar, "violin": tools.violin,
    "headphones": tools.headphones, "camera": tools.camera, "mouse": tools.mouse, "shoe": tools.shoe,
    "dumbbell": tools.weight, "barbell": tools.weight, "doll": tools.doll, "statue": tools.statue,
    "stone": tools.stone, "boulder": tools.stone,
    "cart": vehicles.cart, "wheelbarrow": vehicles.wheelbarrow, "bicycle": vehicles.bicycle,
    "motorcycle": vehicles.motorcycle, "rocking horse": vehicles.rocking_horse, "scooter": vehicles.scooter,
    "skateboard": vehicles.skateboard, "surfboard": vehicles.surfboard, "car": vehicles.car,
}  # fmt: skip


def object_for(what: InteractionPlan | str, size_m: Size | None = None) -> Geometry:
    """The shape of what a plan or a name speaks of, upright, its front +x, its bounding box centred at the origin.

    Args:
        what: a plan, or a kind of object or another noun for it ("couch"). What no lexicon has becomes a box.
        size_m: depth (x), width (y), height (z) of the bounding box, which comes out exactly; None: of a plan the
            kind's typical proportions at the plan's `size_m`, else the kind's typical size.

    Returns:
        A primitive where the object is one, else a mesh of closed convex pieces. The same one for the same request.

    Raises:
        AssetError: a size that is none: not three finite lengths between 5 mm and 20 m.
    """
    kind = kind_of(what)
    size = typical_size(what) if size_m is None else _checked(kind, size_m)
    return _build(kind.name, size)


def shape_for(what: InteractionPlan | str, size_m: Size | None = None) -> Shape:
    """`object_for`, made ready for distance questions."""
    return Shape.of(object_for(what, size_m))


def kind_of(what: InteractionPlan | str) -> Kind:
    """Of a plan's object, or of a name; the lexicon's "object" where the name says nothing."""
    name = what.object_name if isinstance(what, InteractionPlan) else what
    words = lexicon()
    return words.kinds.get(name) or words.kind_of(name) or words.kinds["object"]


def typical_size(what: InteractionPlan | str) -> Size:
    """Depth, width and height in m: of a plan at the size that it asks for."""
    kind = kind_of(what)
    longest = what.size_m if isinstance(what, InteractionPlan) else None
    scale = 1.0 if longest is None else longest / max(kind.size_m)
    x, y, z = (scale * edge for edge in kind.size_m)
    return _checked(kind, (x, y, z))


def mass_of(what: InteractionPlan | str, size_m: Size | None = None) -> float:
    """kg: the kind's typical mass, in proportion to the bounding box's volume to the power 2/3.

    Between hollow things, whose walls grow with the surface alone, and solid ones: large furniture has thicker boards.
    A volume ratio of 8 (each edge doubled) makes 4 times the mass.
    """
    kind = kind_of(what)
    size = typical_size(what) if size_m is None else _checked(kind, size_m)
    return kind.mass_kg * float(math.prod(size) / math.prod(kind.size_m)) ** (2 / 3)


def _checked(kind: Kind, size: Size) -> Size:
    edges = tuple(float(edge) for edge in size)
    if len(edges) != 3 or not all(math.isfinite(e) and _SMALLEST <= e <= _LARGEST for e in edges):
        raise AssetError(
            f"a {kind.name} of {' x '.join(f'{e:g}' for e in edges)} m cannot be made; each edge has to be "
            f"{_SMALLEST * 1000:g} mm to {_LARGEST:g} m (usual: {' x '.join(f'{e:g}' for e in kind.size_m)} m)"
        )
    return edges


@functools.lru_cache(maxsize=32)
def _build(name: str, size: Size) -> Geometry:
    if name in _WHOLE:
        return _WHOLE[name](*size)
    return assemble(_BUILT[name](*size), size)
