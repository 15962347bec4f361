"""The video's model holds every track where it belongs; with OpenGL a film of the right length comes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v2 as imageio
import mujoco
import numpy as np
import pytest

from sim import rotations
from sim.body.capsules import body_geoms
from sim.errors import SimulationError
from sim.motion import Motion
from sim.replay import video
from sim.replay.stage import Stage, build_stage


@pytest.fixture
def stage(carrying_motion: Callable[..., Motion]) -> Stage:
    motion = carrying_motion()
    return build_stage({"reference": motion, "simulation": carrying_motion(1)}, body_geoms(motion.offsets))


def test_the_model_is_posed_like_the_motion(stage: Stage) -> None:
    model = video.replay_model(stage)
    data = mujoco.MjData(model)
    video.pose(model, data, stage, 5, apart=0.0)
    for number, figure in enumerate(stage.figures):
        for track in range(len(stage.tracks)):
            body = data.body(f"{number}/{track}")
            np.testing.assert_allclose(body.xpos, figure.position_w[5, track], atol=1e-9)
            assert rotations.angle_between(body.xquat, figure.rotation_w[5, track]) < 1e-6


def test_the_drawn_meshes_lie_where_the_shapes_lie(stage: Stage) -> None:
    """MuJoCo moves a mesh to its own centre and axes; the product of all frames has to give our vertices back."""
    model = video.replay_model(stage)
    data = mujoco.MjData(model)
    video.pose(model, data, stage, 5, apart=0.0)
    figure = stage.figures[0]
    for geom in range(1, 1 + len(stage.shapes)):
        mesh, track = model.geom_dataid[geom], model.geom_bodyid[geom] - 1
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        drawn = model.mesh_vert[start : start + count] @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        local = stage.shapes[mesh].vertices
        expected = rotations.rotate(figure.rotation_w[5, track], local) + figure.position_w[5, track]
        np.testing.assert_allclose(drawn.max(0), expected.max(0), atol=1e-5)
        np.testing.assert_allclose(drawn.min(0), expected.min(0), atol=1e-5)


def test_touching_parts_change_colour(stage: Stage) -> None:
    model = video.replay_model(stage)
    data = mujoco.MjData(model)
    wrist = stage.tracks.index("left_wrist")
    on_wrist = model.geom_bodyid == data.body(f"1/{wrist}").id
    video.pose(model, data, stage, 0)
    before = model.geom_rgba[on_wrist]
    video.pose(model, data, stage, 5)
    assert (before[:, 1] > before[:, 0]).all()
    assert (model.geom_rgba[on_wrist][:, 0] > 2 * model.geom_rgba[on_wrist][:, 1]).all()


def test_a_film_of_the_motions_length(stage: Stage, tmp_path: Path) -> None:
    try:
        path = video.write_video(tmp_path / "replay.mp4", stage, width=160, height=80, fps=15)
    except SimulationError as error:
        pytest.skip(str(error))
    with imageio.get_reader(path) as reader:
        pictures = np.stack([np.asarray(picture) for picture in reader])
    assert pictures.shape == (6, 80, 160, 3)  # 12 frames at 30 fps are 0.4 s
    assert pictures[0].std() > 10
    assert np.abs(pictures[-1].astype(int) - pictures[0]).max() > 30


def test_without_opengl_one_line_names_the_packages(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mujoco.egl", None)  # importing it fails
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(video.sys, "platform", "linux")
    with pytest.raises(SimulationError, match="libegl1 libgl1-mesa-dri") as caught:
        video.write_video(tmp_path / "replay.mp4", stage)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
