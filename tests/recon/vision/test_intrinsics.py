"""Focal lengths from a video's metadata, given, and by default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recon.camera import default_intrinsics
from recon.vision.intrinsics import clip_intrinsics
from recon.vision.video import VideoInfo
from sim.errors import ReconstructionError


def _info(**metadata: str) -> VideoInfo:
    return VideoInfo(Path("clip.mp4"), 1600, 1200, 30.0, False, 10, ((0, 10),), metadata)


def test_without_metadata_the_default_is_used_and_said() -> None:
    found = clip_intrinsics(_info())
    np.testing.assert_allclose(found.matrix, default_intrinsics(1600, 1200))
    assert found.matrix[0, 0] == pytest.approx(2000.0)
    assert "default" in found.source


def test_a_phones_equivalent_focal_length_counts_along_the_diagonal() -> None:
    """26 mm on a 43.27 mm diagonal; the image's diagonal is 2000 px: 1201.8 px."""
    found = clip_intrinsics(_info(**{"com.apple.quicktime.camera.focal_length.35mm_equivalent": "26"}))
    assert found.matrix[0, 0] == found.matrix[1, 1] == pytest.approx(1201.8, abs=0.1)
    assert "26 mm" in found.source


def test_a_given_focal_length_wins_and_must_be_one() -> None:
    info = _info(**{"com.apple.quicktime.camera.focal_length.35mm_equivalent": "26"})
    assert clip_intrinsics(info, focal=900.0).matrix[0, 0] == 900.0
    with pytest.raises(ReconstructionError, match="-3 px is not a positive number"):
        clip_intrinsics(info, focal=-3)
