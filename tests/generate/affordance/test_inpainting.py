"""Affordance from pictures: masks, projection, f and aggregation by hand, the whole chain with a painter that is known,
and the diffusion pipeline's real code path with a tiny network of random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generate.affordance import SurfacePoints
from generate.affordance.inpainting import (
    LANDMARKS,
    DiffusersInpainter,
    InpaintingConfig,
    aggregate,
    body_points,
    inpainted_affordance,
    nearness,
    part_keypoints,
    projected_mask,
)
from generate.affordance.views import ObjectViews, around_object
from recon.camera import Camera
from recon.vision.landmarks import BODY_NAMES, LEFT_HAND_NAMES, RIGHT_HAND_NAMES, PersonFrame
from sim.errors import MissingDependencyError, ReconstructionError, UnknownNameError
from sim.geometry import Primitive
from sim.objects import Shape

NAMES = BODY_NAMES + LEFT_HAND_NAMES + RIGHT_HAND_NAMES
CAMERA = Camera(
    np.array([[100.0, 0.0, 50.0], [0.0, 100.0, 40.0], [0.0, 0.0, 1.0]]), 100, 80, np.array([1.0, 0, 0, 0]), np.zeros(3)
)
"""At the origin, looks along +z: a point (x, y, z) is at pixel (50 + 100 x / z, 40 + 100 y / z)."""


@pytest.fixture(scope="module")
def cube() -> SurfacePoints:
    return SurfacePoints.of(Shape.of(Primitive("box", (0.6, 0.6, 0.6))), count=400)


def test_mask_is_the_projection_plus_an_offset() -> None:
    mask = projected_mask(np.array([[0.1, -0.1, 2.0], [0.0, 0.0, -1.0]]), CAMERA, 0.2)
    rows, columns = np.nonzero(mask)
    # at pixel (55, 35), whose index is half less; 0.2 m are 10 pixels at 2 m; what is behind the camera is not there
    assert (columns.min(), columns.max()) == (44, 64)
    assert (rows.min(), rows.max()) == (24, 44)
    assert mask.sum() == pytest.approx(np.pi * 10.5**2, rel=0.1)


def test_f_is_the_exponential_of_the_distance_at_the_points_depth() -> None:
    points = np.array([[0.0, 0.0, 2.0], [0.1, 0.0, 2.0], [0.0, 0.0, 4.0], [0.0, 0.0, -1.0]])
    keypoints = np.array([[50.0, 40.0], [90.0, 70.0]])
    # 5 pixels at 2 m are 0.1 m
    np.testing.assert_allclose(nearness(points, CAMERA, keypoints, 0.1), [1.0, np.exp(-1.0), 1.0, 0.0], atol=1e-12)
    far = nearness(np.array([[0.1, 0.0, 4.0]]), CAMERA, keypoints[:1], 0.1)
    np.testing.assert_allclose(far, np.exp(-1.0))  # metres, not pixels


def test_views_are_averaged_where_they_show_a_place() -> None:
    heat = np.array([[1.0, 0.4, 0.7], [0.5, 0.8, 0.7]])
    shown = np.array([[True, False, False], [True, True, False]])
    np.testing.assert_allclose(aggregate(heat, shown), [0.75, 0.8, 0.0])


def test_views_show_the_side_that_faces_them(cube: SurfacePoints) -> None:
    views = ObjectViews(cube)
    camera = around_object(4, 3.0, 0.3, 0.3, 96)[0]  # level with the middle, on +x
    np.testing.assert_array_equal(views.visible(camera), cube.normals_b[:, 0] > 0.9)
    depth = views.depth(camera)
    assert depth[48, 48] == pytest.approx(2.7, abs=1e-3)
    assert np.isinf(depth[2, 2])
    focal = camera.intrinsics[0, 0]
    assert np.isfinite(depth).sum() == pytest.approx((focal * 0.6 / 2.7) ** 2, rel=0.08)
    image = views.draw(camera)
    assert image.shape == (96, 96, 3)
    assert image[48, 48, 0] < 200 < image[2, 2, 0]


def test_what_hides_is_not_seen_through(chair: Shape) -> None:
    surface = SurfacePoints.of(chair, count=400)
    behind = around_object(2, 3.0, 0.9, 0.5, 64)[1]  # on -x, where the back is
    shown = ObjectViews(surface).visible(behind)
    p, n = surface.points_b, surface.normals_b
    assert shown[(p[:, 2] > 0.5) & (n[:, 0] < -0.9) & (p[:, 0] < -0.21)].mean() > 0.95
    assert not shown[(p[:, 2] > 0.5) & (n[:, 0] > 0.9) & (p[:, 0] < -0.18)].any()


def test_the_body_of_the_mask_stands_before_the_object_and_reaches_for_it(cube: SurfacePoints) -> None:
    config = InpaintingConfig()
    facing = np.array([-1.0, 0.0])  # the person stands on +x
    body, hand = body_points(cube, facing, "left_hand", config)
    assert body[:, 2].min() == pytest.approx(0.0)
    assert 1.5 < body[:, 2].max() < 2.0
    legs = body[body[:, 2] < 0.5]
    assert legs[:, 0].mean() == pytest.approx(0.3 + config.distance, abs=0.08)
    assert hand[:, 0].mean() < legs[:, 0].mean() - 0.3
    assert hand[:, 1].max() < 0.0  # left of somebody who looks along -x is -y
    right = body_points(cube, facing, "right_hand", config)[1]
    np.testing.assert_allclose(np.sort(right[:, 1]), np.sort(-hand[:, 1]), atol=1e-6)
    assert len(hand) < 0.6 * len(body)


class _Painter:
    """Paints the mask red, and remembers what it was asked."""

    source = "red paint"

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, int]] = []

    def __call__(self, image: np.ndarray, mask: np.ndarray, prompt: str, seed: int) -> np.ndarray:
        self.asked.append((float(mask.mean()), prompt, seed))
        return np.where(mask[..., None], np.array([255, 0, 0], np.uint8), image)


class _Pointer:
    """A detector that finds the left wrist where a given place of the scene is seen."""

    source = "pointer"

    def __init__(self, pixel: np.ndarray | None, confidence: float = 0.9) -> None:
        self._pixel, self._confidence = pixel, confidence

    def step(self, image: np.ndarray) -> PersonFrame | None:
        if self._pixel is None:
            return None
        pixels, confidence = np.full((len(NAMES), 2), np.nan), np.zeros(len(NAMES))
        row = NAMES.index("left_wrist")
        pixels[row], confidence[row] = self._pixel, self._confidence
        return PersonFrame(
            pixels, np.full((len(NAMES), 3), np.nan), confidence, np.zeros((4, 4), np.uint8), np.eye(2, 3)
        )


CONFIG = InpaintingConfig(views=4, size=64, falloff=0.1)


def _pointers(place: np.ndarray) -> Any:
    cameras = iter(around_object(CONFIG.views, CONFIG.radius, CONFIG.height, 0.5, CONFIG.size))
    return lambda: _Pointer(next(cameras).project_world(place))


def test_the_chain_finds_the_place_that_all_views_point_at(cube: SurfacePoints) -> None:
    corner = np.array([0.3, 0.3, 0.6])  # upright
    painter = _Painter()
    found = inpainted_affordance(cube, "a person lifts a box", "left_hand", painter, _pointers(corner), config=CONFIG)
    assert found.probability.sum() == pytest.approx(1.0)
    best = found.points_b[found.probability.argsort()[-5:]]
    assert np.linalg.norm(best - [0.3, 0.3, 0.3], axis=1).max() < 0.2
    under = found.normals_b[:, 2] < -0.9  # no camera looks from below
    assert found.probability[under].max() == 0.0
    assert [seed for _, _, seed in painter.asked] == [0, 0, 1, 1, 2, 2, 3, 3]
    bodies, parts = (np.array([share for share, _, _ in painter.asked[k::2]]) for k in (0, 1))
    assert (bodies > parts).all()
    assert (parts > 0).all()


def test_nobody_found_is_said(cube: SurfacePoints) -> None:
    with pytest.raises(ReconstructionError, match="red paint: in 0 of 4 pictures of 'a person flies' the left hand"):
        inpainted_affordance(cube, "a person flies", "left_hand", _Painter(), lambda: _Pointer(None), config=CONFIG)
    with pytest.raises(UnknownNameError, match="unknown body part 'tail'"):
        inpainted_affordance(cube, "x", "tail", _Painter(), lambda: _Pointer(None), config=CONFIG)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown mask 'head'"):
        InpaintingConfig(passes=("head",))


def test_unsure_landmarks_and_those_of_other_parts_do_not_count() -> None:
    image, place = np.zeros((8, 8, 3), np.uint8), np.array([3.0, 4.0])
    np.testing.assert_array_equal(part_keypoints(image, "left_hand", _Pointer(place), 0.3), [place])
    assert len(part_keypoints(image, "left_hand", _Pointer(place, 0.2), 0.3)) == 0
    assert len(part_keypoints(image, "right_hand", _Pointer(place), 0.3)) == 0


def test_every_part_has_landmarks_of_its_own_side() -> None:
    for part, names in LANDMARKS.items():
        assert names, part
        assert set(names) <= set(NAMES)
        side, _, _ = part.rpartition("_")
        assert all(name.startswith(side) for name in names)


def _tiny_pipeline(folder: Path) -> None:
    """An inpainting pipeline as Stable Diffusion's, with some thousand random weights."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    import torch

    torch.manual_seed(0)
    words = folder / "words"
    words.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    (words / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    (words / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})
    )
    tokenizer = transformers.CLIPTokenizer.from_pretrained(words, local_files_only=True)
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, projection_dim=16, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=9, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=4,
    )  # fmt: skip
    diffusers.StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet,
        scheduler=diffusers.DDIMScheduler(clip_sample=False), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder / "tiny")  # fmt: skip


@pytest.mark.slow  # to import, most of all
@pytest.mark.filterwarnings("ignore")  # of diffusers and transformers about each other
def test_a_real_pipeline_paints_inside_the_mask_and_nowhere_else(tmp_path: Path, cube: SurfacePoints) -> None:
    _tiny_pipeline(tmp_path)
    config = InpaintingConfig(views=2, size=32, steps=2)
    painter = DiffusersInpainter(tmp_path / "tiny", config)
    assert painter.source == "diffusers tiny"
    image = np.full((32, 32, 3), 128, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    first, again, other = (painter(image, mask, "a person lifts a box", seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(first[~mask], image[~mask])
    assert (first[mask] != image[mask]).any()
    pointers = iter([_Pointer(np.array([16.0, 16.0]))] * 2)
    found = inpainted_affordance(
        cube, "a person lifts a box", "left_hand", painter, lambda: next(pointers), config=config
    )
    assert found.probability.sum() == pytest.approx(1.0)


def test_a_folder_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ReconstructionError, MissingDependencyError), match=r"no pipeline of diffusers|pip install "):
        DiffusersInpainter(tmp_path)
