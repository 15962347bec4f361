"""Point tracks against the known motion of a generated square: accuracy, occlusion, return, drift, clicks that stay."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from recon.annotations import ImagePoints
from recon.vision.tracks import CoTracker, LucasKanade, LucasKanadeConfig, Queries, Tracks, track_image_points
from sim.errors import MissingDependencyError, ReconstructionError

PATH = np.stack((20 + 2.3 * np.arange(24), 30 + 8 * np.sin(np.arange(24) / 4)), -1)
INNER = np.array([[14.0, 14.0], [30.5, 17.25], [24.0, 33.0]])


def test_points_move_with_the_square_both_ways(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)
    tracks = LucasKanade()(clip.images, Queries(np.full(3, 10), PATH[10] + INNER))
    error = np.linalg.norm(tracks.pixels - (PATH[:, None] + INNER), axis=-1)
    assert tracks.visible.all()
    assert np.median(error) < 0.15
    assert error.max() < 0.6
    assert (tracks.confidence[10] == 1).all()


def test_a_hidden_point_is_not_seen_and_is_found_again(square_clip: Callable[..., Any]) -> None:
    """A post 12 px wide crosses the view; a point passes behind it and comes out."""
    clip = square_clip(PATH, post=(70, 82))
    start = PATH[0] + INNER[:1]
    tracks = LucasKanade()(clip.images, Queries([0], start))
    truth = PATH + INNER[0]
    behind = (truth[:, 0] > 72) & (truth[:, 0] < 80)
    clear = (truth[:, 0] < 60) | (truth[:, 0] > 93)
    assert not tracks.visible[behind, 0].any()
    assert tracks.visible[clear, 0].mean() > 0.85
    seen = tracks.visible[:, 0]
    assert np.linalg.norm(tracks.pixels[seen, 0] - truth[seen], axis=-1).max() < 1.5
    assert (tracks.confidence[~seen] == 0).all()


def test_the_mask_hides_what_the_picture_does_not(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)
    masks = clip.masks.copy()
    masks[8:12] = False
    tracks = LucasKanade()(clip.images, Queries(np.zeros(3, int), PATH[0] + INNER), masks)
    assert not tracks.visible[8:12].any()
    assert tracks.visible[:8].all()
    assert tracks.visible[14:].all(), "found again behind the gap"


def test_drift_is_noticed(square_clip: Callable[..., Any]) -> None:
    """The texture turns slowly into another one: from frame to frame all is well, yet the clicked point is gone."""
    still = np.tile([40.0, 30.0], (1, 1))
    before, after = square_clip(still, seed=0).images[0], square_clip(still, seed=1).images[0]
    images = [np.round(before + (after.astype(float) - before) * t).astype(np.uint8) for t in np.linspace(0, 1, 30)]
    query = Queries([0], still + INNER[0])
    tracks = LucasKanade()(images, query)
    assert tracks.visible[:8, 0].all()
    assert not tracks.visible[20:, 0].any()
    blind = LucasKanade(LucasKanadeConfig(min_similarity=-1.0))
    assert blind(images, query).visible[20:, 0].any(), "without the comparison it passes for the point"


def test_a_point_on_an_edge_or_a_plain_face_is_trusted_less_than_a_corner() -> None:
    image = np.full((80, 100, 3), 60, np.uint8)
    image[30:, 40:] = 200
    images = [np.roll(image, shift, axis=1) for shift in range(4)]
    tracks = LucasKanade()(images, Queries([0, 0, 0], [[40.0, 30.0], [40.0, 60.0], [75.0, 60.0]]))
    corner, edge, plain = tracks.confidence[1]
    assert corner > 3 * edge
    assert corner > 3 * plain
    assert (tracks.confidence[0] == 1).all()


def test_clicks_stay_and_the_rest_is_filled_in(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)
    truth = PATH[:, None] + INNER
    visible = np.zeros((24, 3), bool)
    visible[0], visible[20, 1] = True, True
    clicks = truth.copy()
    clicks[20, 1] += [3.0, -2.0]  # a person who clicked elsewhere the second time
    points = ImagePoints(np.zeros((3, 3)), np.where(visible[..., None], clicks, np.nan), visible, [4, 5, 6])
    filled, tracks = track_image_points(clip.images, points)
    np.testing.assert_array_equal(filled.pixels[visible], clicks[visible])
    assert list(filled.vertices) == [4, 5, 6]
    assert np.abs(filled.pixels[:9] - truth[:9]).max() < 0.6
    assert np.linalg.norm(filled.pixels[19, 1] - truth[19, 1]) > 2, "near the second click, its track counts"
    assert tracks.visible.all()


@pytest.mark.parametrize(
    ("frame", "pixel", "message"),
    [(24, (3, 3), "point 0 is asked for in frame 24 of 24"), (0, (161, 3), r"\(161, 3\) is outside of 160 x 120")],
)
def test_impossible_queries_are_named(
    square_clip: Callable[..., Any], frame: int, pixel: tuple[float, float], message: str
) -> None:
    with pytest.raises(ReconstructionError, match=message):
        LucasKanade()(square_clip(PATH).images, Queries([frame], [pixel]))


@pytest.mark.skipif(importlib.util.find_spec("cotracker") is not None, reason="CoTracker is installed")
def test_cotracker_says_how_to_install_it() -> None:
    with pytest.raises(MissingDependencyError, match=r"pip install git\+https"):
        CoTracker("nowhere")


class _Drifting:
    """Every track slides 2 px to the right in each frame away from its click; the truth stands still."""

    source = "drifting"

    def __call__(self, images: Sequence[np.ndarray], queries: Queries, masks: np.ndarray | None = None) -> Tracks:
        away = np.abs(np.arange(len(images))[:, None] - queries.frames)
        pixels = queries.pixels + np.stack([2.0 * (np.arange(len(images))[:, None] - queries.frames), 0 * away], -1)
        ones = np.ones(away.shape)
        return Tracks(pixels, ones > 0, ones, self.source)


def test_frames_between_clicks_whose_tracks_disagree_are_left_out() -> None:
    """Clicks 20 frames apart: tracks differ by 40 px everywhere, so 2 px slip per frame since the nearer click."""
    pixels = np.full((31, 1, 2), np.nan)
    pixels[[0, 20], 0] = [50.0, 50.0]
    points = ImagePoints(np.zeros((1, 3)), pixels, np.isfinite(pixels).all(-1), np.array([-1]))
    found, _ = track_image_points([np.zeros((8, 8, 3), np.uint8)] * 31, points, _Drifting(), max_slip=6.0)
    hidden = np.flatnonzero(~found.visible[:, 0])
    assert hidden.tolist() == list(range(4, 17))  # 3 frames x 2 px are allowed; after the last click nothing can tell
    assert np.array_equal(found.pixels[[0, 20], 0], [[50.0, 50.0]] * 2)


def test_points_keep_the_confidence_of_their_tracks(square_clip: Callable[..., Any]) -> None:
    clip = square_clip(PATH)
    pixels = np.full((len(clip.images), 1, 2), np.nan)
    pixels[4, 0] = clip.corners[4] + 20.0
    points = ImagePoints(np.zeros((1, 3)), pixels, np.isfinite(pixels).all(-1), np.array([-1]))
    found, tracks = track_image_points(clip.images, points)
    assert found.confidence is not None
    np.testing.assert_array_equal(found.confidence, tracks.confidence)
    assert found.confidence[4, 0] == 1.0
    assert 0.0 < found.confidence[found.visible].min() < 1.0
