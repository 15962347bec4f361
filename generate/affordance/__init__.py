"""Where on an object a part of the body may touch it: probabilities over the surface, from geometry or from images."""

from generate.affordance.config import AffordanceConfig, HandWeights
from generate.affordance.contacts import contact_maps
from generate.affordance.estimate import Affordance, affordance
from generate.affordance.pairs import PalmPairs, palm_pairs
from generate.affordance.surface import SurfacePoints

__all__ = [
    "Affordance", "AffordanceConfig", "HandWeights", "PalmPairs", "SurfacePoints", "affordance", "contact_maps",
    "palm_pairs",
]  # fmt: skip
