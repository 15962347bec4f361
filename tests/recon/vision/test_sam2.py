"""The SAM 2 adapter with a tiny network, where transformers is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recon.annotations import Click
from recon.vision.sam2 import Sam2
from sim.errors import MissingDependencyError, ReconstructionError

PATH = np.stack((20 + 2.3 * np.arange(5), np.full(5, 30.0)), -1)
CLICKS = [Click("object", 2, (48.6, 54.0)), Click("object", 2, (5.0, 5.0), False)]


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_sam2_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        Sam2("nowhere")


def test_sam2_runs_from_a_local_folder(square_clip: Callable[..., Any], tmp_path: Path) -> None:
    """A tiny network with random weights: what it finds means nothing, the way through the adapter is the real one."""
    transformers = pytest.importorskip("transformers", reason="transformers is an optional extra")
    pytest.importorskip("torchvision", reason="SAM 2's image processor needs torchvision")
    _tiny_sam2(transformers).save_pretrained(tmp_path)
    size = {"height": 64, "width": 64}
    transformers.Sam2VideoProcessor(
        transformers.Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16}),
        transformers.Sam2VideoVideoProcessor(size=size),
        target_size=64,
    ).save_pretrained(tmp_path)
    clip = square_clip(PATH)
    track = Sam2(tmp_path)(clip.images, CLICKS)
    assert track.masks.shape == clip.masks.shape
    assert ((track.confidence > 0) == track.masks.any((1, 2))).all()
    assert track.source == f"sam2 {tmp_path.name}"
    with pytest.raises(ReconstructionError, match="holds no model for SAM 2"):
        Sam2(tmp_path / "nowhere")


def _tiny_sam2(transformers: Any) -> Any:
    hiera = transformers.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[64, 64], blocks_per_stage=[1, 1, 1, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 4],
        window_size_per_stage=[4, 4, 4, 4], global_attention_blocks=[],
        window_positional_embedding_background_size=[2, 2],
    )  # fmt: skip
    vision = transformers.Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=[64, 32, 16, 8], backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=128,
    )  # fmt: skip
    return transformers.Sam2VideoModel(
        transformers.Sam2VideoConfig(
            vision_config=vision, image_size=64,
            prompt_encoder_config={"hidden_size": 128, "image_size": 64},
            mask_decoder_config={"hidden_size": 128, "mlp_dim": 32, "num_attention_heads": 2},
            memory_attention_hidden_size=128, memory_attention_num_layers=1, memory_attention_num_attention_heads=1,
            memory_attention_feed_forward_hidden_size=32, memory_attention_rope_feat_sizes=[4, 4],
            memory_encoder_hidden_size=128, memory_encoder_output_channels=64, mask_downsampler_embed_dim=128,
            memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=32, memory_fuser_num_layers=1,
        )
    )  # fmt: skip
