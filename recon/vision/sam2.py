"""SAM 2 as the segmenter, where its weights and transformers are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recon.annotations import Click
from recon.vision.local_model import load_local
from recon.vision.masks import MaskTrack, Prior, check_clicks


class Sam2:
    """SAM 2 video segmentation by transformers, from a local folder (Ravi et al., 2024): a `Segmenter`.

    The prior is not used; a clip without a positive click is refused.

    Raises:
        MissingDependencyError: transformers is not installed.
        ReconstructionError: the folder holds no such model.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        model = load_local(folder, "Sam2VideoModel", "Sam2VideoProcessor", "SAM 2", device)
        self._model, self._processor, self._device = model.network, model.processor, device
        self.source = f"sam2 {model.name}"

    def __call__(self, images: Sequence[np.ndarray], clicks: Sequence[Click], prior: Prior | None = None) -> MaskTrack:
        import torch

        check_clicks(images, clicks)
        height, width = images[0].shape[:2]
        result, confidence = np.zeros((len(images), height, width), bool), np.zeros(len(images))
        frames = sorted({click.frame for click in clicks})
        with torch.inference_mode():
            session = self._processor.init_video_session(video=list(images), inference_device=self._device)
            for frame in frames:
                own = [click for click in clicks if click.frame == frame]
                self._processor.add_inputs_to_inference_session(
                    inference_session=session, frame_idx=frame, obj_ids=1,
                    input_points=[[[list(click.pixel) for click in own]]],
                    input_labels=[[[int(click.positive) for click in own]]],
                )  # fmt: skip
                self._model(inference_session=session, frame_idx=frame)
            first = min(click.frame for click in clicks if click.positive)
            for reverse in (False, True):
                for found in self._model.propagate_in_video_iterator(session, start_frame_idx=first, reverse=reverse):
                    logits = self._processor.post_process_masks(
                        [found.pred_masks], original_sizes=[[height, width]], binarize=False
                    )[0]
                    logit = logits.float().cpu().numpy().reshape(-1, height, width)[0]
                    mask = logit > 0
                    result[found.frame_idx] = mask
                    share = 1 / (1 + np.exp(-np.clip(logit[mask], 0, 30)))
                    confidence[found.frame_idx] = float(share.mean()) if mask.any() else 0.0
        return MaskTrack(result, confidence, self.source)
