"""The live scene, stepped without a browser."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import viser

from sim.body.capsules import body_geoms
from sim.body.skin import load_skin
from sim.errors import RunError, SimulationError
from sim.motion import Motion
from sim.replay.live import LiveScene, start_server, view
from sim.replay.native import view_native
from sim.replay.stage import Stage, build_stage


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server() -> Iterator[viser.ViserServer]:
    running = start_server(free_port())
    yield running
    running.stop()


@pytest.fixture
def stage(carrying_motion: Callable[..., Motion]) -> Stage:
    motion = carrying_motion()
    return build_stage({"reference": motion, "motion": carrying_motion(1)}, body_geoms(motion.offsets))


def test_stepping_moves_every_mesh_and_shows_contacts(server: viser.ViserServer, stage: Stage) -> None:
    scene = LiveScene(server, stage)
    for frame in (5, 0, 11):
        scene.show(frame)
        for figure, tracks in zip(stage.figures, scene._tracks, strict=True):
            for track, handles in enumerate(tracks):
                for handle in handles:
                    np.testing.assert_allclose(handle.position, figure.position_w[frame, track], atol=1e-6)
                    np.testing.assert_allclose(handle.wxyz, figure.rotation_w[frame, track], atol=1e-6)
        assert [mark.visible for mark in scene._marks] == [frame == 5] * 2
    scene.show(5)
    wrist = scene._tracks[1][stage.tracks.index("left_wrist")][0]
    touching = tuple(wrist.color)
    scene.show(0)
    assert tuple(wrist.color) != touching
    # the box's centre plus 0.2 m along its own y, 0.05 rad a frame about z
    scene.show(5)
    box = stage.figures[1].position_w[5, -1]
    np.testing.assert_allclose(
        scene._marks[0].position, box + 0.2 * np.array([-np.sin(0.25), np.cos(0.25), 0]), atol=1e-6
    )


def test_the_ghost_can_be_hidden(server: viser.ViserServer, stage: Stage) -> None:
    scene = LiveScene(server, stage)
    scene.show_ghost(False)
    assert not any(handle.visible for handles in scene._tracks[0] for handle in handles)
    assert all(handle.visible for handles in scene._tracks[1] for handle in handles)


def test_a_skin_takes_the_place_of_the_actors_shapes(
    server: viser.ViserServer, carrying_motion: Callable[..., Motion]
) -> None:
    motion = carrying_motion()
    skin = load_skin("capsules", motion)
    scene = LiveScene(server, build_stage({"m": motion}, body_geoms(motion.offsets)), motion=motion, skin=skin)
    scene.show(4)
    assert scene._skin is not None
    expected = skin.vertices(motion.joint_rotations_b[4:5], motion.root_position_w[4:5])[0]
    np.testing.assert_allclose(scene._skin._handle.vertices, expected, atol=1e-5)
    body, box = scene._tracks[0][:-1], scene._tracks[0][-1]
    assert not any(handle.visible for handles in body for handle in handles)
    assert all(handle.visible for handle in box)


def test_view_plays_and_stops_its_server(carrying_motion: Callable[..., Motion]) -> None:
    motion, port = carrying_motion(), free_port()
    view(motion, body_geoms(motion.offsets), ghost=motion, port=port, seconds=0.3)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_native_without_a_display_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.replay.native.sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SimulationError, match="no display"):
        view_native(stage)


def test_an_empty_run_folder_is_refused(tmp_path: Path) -> None:
    from cli.view import Command

    with pytest.raises(RunError, match="no simulation"):
        Command(tmp_path).run()
