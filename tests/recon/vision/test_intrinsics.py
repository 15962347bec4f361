"""Focal lengths from metadata, EXIF and a residual whose minimum is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon.camera import default_intrinsics
from recon.vision.intrinsics import clip_intrinsics, search_focal
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


def test_exif_of_a_photo_of_the_same_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    Image.new("RGB", (8, 6)).save(tmp_path / "photo.jpg", exif=exif)
    found = clip_intrinsics(_info(), tmp_path / "photo.jpg")
    assert found.matrix[0, 0] == pytest.approx(50 / np.hypot(36, 24) * 2000)
    assert "EXIF" in found.source
    Image.new("RGB", (8, 6)).save(tmp_path / "plain.jpg")
    assert "default" in clip_intrinsics(_info(), tmp_path / "plain.jpg").source
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ReconstructionError, match="not an image"):
        clip_intrinsics(_info(), tmp_path / "text.jpg")


def test_a_given_focal_length_wins_and_must_be_one() -> None:
    info = _info(**{"com.apple.quicktime.camera.focal_length.35mm_equivalent": "26"})
    assert clip_intrinsics(info, focal=900.0).matrix[0, 0] == 900.0
    with pytest.raises(ReconstructionError, match="-3 px is not a positive number"):
        clip_intrinsics(info, focal=-3)


def test_the_search_finds_the_focal_length_of_points_seen_at_two_depths() -> None:
    """Residual of projecting known points with another focal length: zero at the true one."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3)) * [0.5, 0.5, 0.8] + [0.0, 0.0, 3.0]
    seen = 1234.0 * points[:, :2] / points[:, 2:]

    def residual(focal: float) -> float:
        return float(np.abs(focal * points[:, :2] / points[:, 2:] - seen).mean())

    found = search_focal(residual, 1500.0)
    assert found.is_clear
    assert found.focal == pytest.approx(1234.0, rel=0.02)


@pytest.mark.parametrize("slope", [0.0, 1.0, -1.0])
def test_a_clip_that_does_not_tell_keeps_the_start(slope: float) -> None:
    found = search_focal(lambda focal: 5.0 + slope * 1e-3 * focal, 1500.0)
    assert not found.is_clear
    assert found.focal == 1500.0


def test_a_fit_that_always_fails_is_said() -> None:
    with pytest.raises(ReconstructionError, match="any focal length"):
        search_focal(lambda focal: float("nan"), 1500.0)
