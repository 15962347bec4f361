"""A small annotation record of Open4DHOI, as its JSON holds it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def record() -> dict[str, Any]:
    """Four frames: contacts, 2D points, a frame with cameras that are not ours to read, and what else a clip says."""
    return {
        "00002": {"leftHand_palm": 7, "2D_keypoint": [[3, [10.5, 20.0]], [9, [1.0, 2.0]]]},
        "00003": {"leftHand_palm": 7, "rightHand_palm": 8, "2D_keypoint": []},
        "00004": {"multiview_cam_params": {"x": [1]}, "2D_keypoint": [[9, [1.5, 2.5]]]},
        "00005": {"leftHand_palm": 7, "2D_keypoint": [[9, [2.5, 3.5]]]},
        "object_scale": 1.5, "is_static_object": True, "start_frame_index": 2, "annotator": "someone",
    }  # fmt: skip
