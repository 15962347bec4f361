"""The benchmark of reconstruction: its yardsticks, its rough bodies, its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import reconstruction_truth as benchmark
from benchmarks.reconstruction_render import filming_camera
from recon.clicks import EXACT, View, draw_annotations
from sim import rotations
from sim.body.skin import capsule_skin
from sim.motion import Motion

POINTS = 1000


@pytest.fixture(scope="module")
def motion(carrying_motion: Callable[..., Motion]) -> Motion:
    return carrying_motion(frames=30)


@pytest.fixture(scope="module")
def truth(motion: Motion) -> benchmark.Truth:
    class CapsuleTruth(benchmark.Truth):
        skin = capsule_skin(motion)  # type: ignore[assignment]

    return CapsuleTruth(motion, filming_camera(motion), POINTS)


@pytest.fixture(scope="module")
def view(truth: benchmark.Truth) -> View:
    return View.of(truth.motion, truth.camera, truth.skin)


def _moved(motion: Motion, shift: np.ndarray, turn: np.ndarray) -> Motion:
    item = motion.objects[0]
    turned = rotations.multiply(item.rotation_w.copy(), rotations.from_rotvec(np.tile(turn, (motion.num_frames, 1))))
    return motion.replace(objects=(dataclasses.replace(item, position_w=item.position_w + shift, rotation_w=turned),))


def test_figures_of_known_errors(truth: benchmark.Truth, view: View) -> None:
    rng = np.random.default_rng(0)
    annotations = draw_annotations(truth.motion, truth.camera, EXACT, rng, view)
    none = truth.measure(truth.motion, annotations)
    assert none["translation_mm"] == none["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)
    assert none["rotation_deg"] == pytest.approx(0.0, abs=1e-4)
    area = 2 * (0.3 * 0.4 + 0.3 * 0.2 + 0.4 * 0.2)
    assert none["cd_o_mm"] == pytest.approx(np.sqrt(area / POINTS) * 1000, rel=0.1)


def test_a_setting_is_measured_after_each_step_and_says_what_fails(truth: benchmark.Truth, view: View) -> None:
    rows = benchmark.measure_setting(truth, view, benchmark.Setting(EXACT, stages=2), seed=0)
    assert list(rows) == ["truth", "lsq", "ik"]
    assert rows["lsq"]["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)  # the solver leaves the body alone
    assert rows["ik"]["contact_mm"] < rows["lsq"]["contact_mm"] + 1.0
    assert rows["lsq"]["seconds"] > 0.0
    none = benchmark.Setting(dataclasses.replace(EXACT, max_pairs=0, image_points=0))
    assert list(benchmark.measure_setting(truth, view, none, seed=0)["lsq"]) == ["error"]
