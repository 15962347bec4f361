"""How the HOI optimizer runs: the weights of eq. 4's terms, steps, and what may move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sim.errors import ReconstructionError


@dataclass(frozen=True)
class LossWeights:
    """What each term of the optimizer counts.

    The contact's, `human_in_object` and those of the masks are the published code's figures. Its collision counts 8 in
    another unit, that of the object's box; image_points, stay and smooth are not in it.

    Attributes:
        contact: per m^2 of eq. 19.
        collision: per m of eq. 20. On a carried table ten times as much leaves contacts 19 instead of 14 mm apart, none
            2.3 instead of 0.6 % of the body inside; human_in_object: lambda_h->o, body points in the object against the
            reverse.
        mask: of eq. 17 as a whole; mask_area: alpha, per mean squared difference; mask_edge: beta, per edge pixel times
            the square root of its distance; mask_human, mask_object: of the two silhouettes within both.
        image_points: per m^2 between object points and the rays of their pixels: without it contact and collision could
            draw the object away from what was clicked.
        stay: per rad^2 of each joint and m^2, rad^2 of the object away from where it started: brings back what nothing
            else holds.
        smooth: the same of the correction's change from key frame to key frame, in place of one frame starting from the
            last.
    """

    contact: float = 50.0
    collision: float = 0.03
    human_in_object: float = 10.0
    mask: float = 0.05
    mask_area: float = 1.5
    mask_edge: float = 1e-3
    mask_human: float = 0.5
    mask_object: float = 1.5
    image_points: float = 50.0
    stay: float = 0.005
    smooth: float = 0.05


@dataclass(frozen=True)
class OptimizerConfig:
    """How the optimizer runs.

    Attributes:
        stride: K, every which frame is a key frame; iterations: of Adam. The paper's 20 leave contacts of a carried
            table a millimetre farther apart, in half the time.
        pose_rate, finger_rate, object_turn_rate: rad, and object_move_rate, root_rate: m, that one step of Adam moves
            at most; they fall to a tenth on the way (cosine). The published code's steps (1e-3 rad, 3e-3 rad, 2e-3
            degrees, 1e-3 m) cover 2 cm in 20 iterations, too little to reach a point that IK left at 5.
        fingers: fingers of an annotated hand may make way; move_object, move_root: so may the object, the pelvis.
        margin: m by which body points should clear the object; softness: m, see `losses.penetration_loss`.
        interpolate: what is interpolated between key frames: `corrections`, each frame keeps its own pose under them
            and with it whatever is fast, or `poses`, the paper's.
        skin: `anny` or `capsules`, the body that collides and casts the silhouette; both are reduced ones.
        object_points: samples of the object's surface that should stay out of the body.
        object_faces: of the reduced object that casts the silhouette; mask_size: px, longest side of the image part
            with anything in it, at which silhouettes are compared (never finer than a quarter of the video).
        renderer: of silhouettes: `outline` (torch, CPU) or `nvdiffrast` (CUDA, where it is installed).
        weights: of the terms; seed: of the object's surface samples.
    """

    stride: int = 3
    iterations: int = 40
    pose_rate: float = 0.02
    finger_rate: float = 0.03
    object_turn_rate: float = 0.005
    object_move_rate: float = 0.003
    root_rate: float = 0.003
    fingers: bool = True
    move_object: bool = True
    move_root: bool = False
    margin: float = 0.001
    softness: float = 0.003
    interpolate: Literal["corrections", "poses"] = "corrections"
    skin: Literal["anny", "capsules"] = "anny"
    renderer: Literal["outline", "nvdiffrast"] = "outline"
    object_points: int = 500
    object_faces: int = 1000
    mask_size: int = 128
    weights: LossWeights = field(default_factory=LossWeights)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.skin not in ("anny", "capsules"):
            raise ReconstructionError(
                f"optimizer: skin is '{self.skin}', expected anny or capsules (SMPL-X's pose correctives have no "
                "gradients here); view and overlay take any"
            )
        if self.renderer not in ("outline", "nvdiffrast"):
            raise ReconstructionError(f"optimizer: renderer is '{self.renderer}', expected outline or nvdiffrast")
        for name in ("stride", "iterations", "object_points", "object_faces", "mask_size"):
            if getattr(self, name) < 1:
                raise ReconstructionError(f"optimizer: {name} is {getattr(self, name)}, expected at least 1")
