"""The batch against a plain loop of `mj_step`; independence, threads, and everything that can go wrong in physics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim.batch import CpuBatchSim
from sim.errors import SimulationError
from sim.motion import Motion
from sim.scene import Scene, SceneConfig, build_scene, motion_to_qpos

SUBSTEPS = 4


@pytest.fixture(autouse=True)
def log_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo writes its warnings to MUJOCO_LOG.TXT in the working folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def scene(carrying_motion: Callable[..., Motion]) -> Scene:
    motion = carrying_motion()
    return build_scene(motion.offsets, motion.objects, SceneConfig())


@pytest.fixture(scope="module")
def sim(scene: Scene) -> Iterator[CpuBatchSim]:
    batch = CpuBatchSim(scene.model, substeps=SUBSTEPS, threads=2)
    yield batch
    batch.close()


@pytest.fixture(scope="module")
def states(scene: Scene, carrying_motion: Callable[..., Motion]) -> np.ndarray:
    """[5, S]: feet at the floor, a box before the chest, random velocities; clocks differ."""
    rng = np.random.default_rng(0)
    qpos = motion_to_qpos(carrying_motion(), scene)[:5]
    qvel = rng.normal(scale=0.3, size=(5, scene.model.nv))
    return np.concatenate((np.arange(5.0)[:, None], qpos, qvel), 1)


@pytest.fixture(scope="module")
def controls(scene: Scene) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=0.2, size=(3, 5, scene.model.nu))


def by_hand(model: mujoco.MjModel, state: np.ndarray, control: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """States after, and sensors of, each simulation step. Solver warm starts from zero, as in every rollout call."""
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    states, sensors = [], []
    for row, u in zip(state, control, strict=True):
        data = mujoco.MjData(model)
        mujoco.mj_setState(model, data, row, kind)
        data.qacc_warmstart[:] = 0.0
        data.ctrl[:] = u
        trace = []
        for _ in range(steps):
            mujoco.mj_step(model, data)
            after = np.empty(len(row))
            mujoco.mj_getState(model, data, after, kind)
            trace.append((after, data.sensordata.copy()))
        states.append([t[0] for t in trace])
        sensors.append([t[1] for t in trace])
    return np.array(states), np.array(sensors)


def test_three_control_steps_equal_a_plain_loop(
    sim: CpuBatchSim, scene: Scene, states: np.ndarray, controls: np.ndarray
) -> None:
    state, expected = states, states
    for control in controls:
        loop_states, loop_sensors = by_hand(scene.model, expected, control, SUBSTEPS)
        result = sim.step(state, control)
        np.testing.assert_array_equal(result.state, loop_states[:, -1])
        np.testing.assert_array_equal(result.observed_state, loop_states[:, -2])
        np.testing.assert_array_equal(result.sensors, loop_sensors[:, -1])
        assert not result.failed.any()
        # the state goes back in as the view that it is
        state, expected = result.state, loop_states[:, -1]
    np.testing.assert_allclose(state[:, 0], states[:, 0] + 3 * SUBSTEPS / 120)


def test_sensors_describe_the_observed_state(
    sim: CpuBatchSim, scene: Scene, states: np.ndarray, controls: np.ndarray
) -> None:
    result = sim.step(states, controls[0])
    data = mujoco.MjData(scene.model)
    for row, sensors, late in zip(result.observed_state, result.sensors, result.state, strict=True):
        mujoco.mj_setState(scene.model, data, row, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        mujoco.mj_forward(scene.model, data)
        at = scene.body_frames["framepos"]
        np.testing.assert_allclose(sensors[at], data.sensordata[at], atol=1e-12)
        assert late[0] - row[0] == pytest.approx(scene.model.opt.timestep)


def test_start_observes_the_state_that_it_was_given(
    sim: CpuBatchSim, scene: Scene, states: np.ndarray, controls: np.ndarray
) -> None:
    result = sim.start(states, controls[0])
    loop_states, loop_sensors = by_hand(scene.model, states, controls[0], 1)
    np.testing.assert_array_equal(result.observed_state, states)
    np.testing.assert_allclose(result.state, loop_states[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(result.sensors, loop_sensors[:, 0])
    after = sim.step(result.state, controls[0])
    # from one observation to the next is one control step
    np.testing.assert_allclose(after.observed_state[:, 0] - result.observed_state[:, 0], SUBSTEPS / 120)


def test_starts_outlive_the_next_call(sim: CpuBatchSim, states: np.ndarray, controls: np.ndarray) -> None:
    first = sim.start(states, controls[0])
    kept = [a.copy() for a in first]
    sim.start(states[::-1].copy(), controls[1])
    for now, then in zip(first, kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_environments_do_not_see_each_other(sim: CpuBatchSim, states: np.ndarray, controls: np.ndarray) -> None:
    together = sim.step(states, controls[0]).state.copy()
    order = [3, 0, 4, 1, 2]
    np.testing.assert_array_equal(sim.step(states[order], controls[0][order]).state, together[order])
    for i in (0, 4):
        alone = sim.step(states[i : i + 1], controls[0][i : i + 1]).state
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_the_number_of_threads_changes_nothing(
    threads: int, sim: CpuBatchSim, scene: Scene, states: np.ndarray, controls: np.ndarray
) -> None:
    other = CpuBatchSim(scene.model, substeps=SUBSTEPS, threads=threads)
    for ours, theirs in zip(sim.step(states, controls[0]), other.step(states, controls[0]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other.close()


@pytest.mark.parametrize(
    ("where", "value"), [("position", np.nan), ("hinge", np.inf), ("velocity", 1e30), ("object", np.nan)]
)
@pytest.mark.parametrize("clock", [0.0, 2.5])
@pytest.mark.parametrize("call", ["start", "step"])
def test_what_mujoco_resets_is_flagged_and_stays_alone(
    call: str,
    clock: float,
    where: str,
    value: float,
    sim: CpuBatchSim,
    scene: Scene,
    states: np.ndarray,
    controls: np.ndarray,
) -> None:
    """MuJoCo silently resets a state that it gives up on; at clock zero even the time looks right then."""
    column = {"position": 1, "hinge": 1 + 7 + 20, "velocity": 1 + scene.model.nq + 9, "object": scene.model.nq}[where]
    state = states.copy()
    state[:, 0] = clock
    expected = getattr(sim, call)(state, controls[0])
    expected = [a.copy() for a in expected]
    assert not expected[3].any()
    state[2, column] = value
    result = getattr(sim, call)(state, controls[0])
    np.testing.assert_array_equal(result.failed, [False, False, True, False, False])
    others = [0, 1, 3, 4]
    for now, then in zip(result[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(now[others], then[others])
    clean = getattr(sim, call)(np.where(np.arange(5)[:, None] == 2, states[:1], state), controls[0])
    assert not clean.failed.any(), "a failure must not stay in the pool"


def test_a_control_that_is_not_a_number_is_flagged(sim: CpuBatchSim, states: np.ndarray, controls: np.ndarray) -> None:
    control = controls[0].copy()
    control[1, 5] = np.nan
    assert sim.step(states, control).failed[1] or np.isfinite(sim.step(states, control).state[1]).all()
    np.testing.assert_array_equal(sim.step(states, control).failed[[0, 2, 3, 4]], False)


def test_an_explosion_in_the_middle_of_a_step_is_flagged(sim: CpuBatchSim, scene: Scene, states: np.ndarray) -> None:
    state = states.copy()
    state[:, 0] = 0.0
    state[4, 1 + scene.model.nq :] = 1e6 * (-1.0) ** np.arange(scene.model.nv)
    failed = sim.step(state, np.zeros((5, scene.model.nu))).failed
    np.testing.assert_array_equal(failed, [False, False, False, False, True])


def test_one_simulation_step_a_control_step_is_too_few(scene: Scene) -> None:
    with pytest.raises(SimulationError, match="at least 2"):
        CpuBatchSim(scene.model, substeps=1)


def test_sizes(sim: CpuBatchSim, scene: Scene, states: np.ndarray, controls: np.ndarray) -> None:
    assert sim.state_size == 1 + scene.model.nq + scene.model.nv == states.shape[1]
    result = sim.step(states, controls[0])
    assert result.sensors.shape == (5, scene.model.nsensordata)
    assert result.failed.dtype == bool


def scene_of(*, boxes: int = 1, mass: float = 1.0, timestep: float = 0.01, pushed: bool = True) -> mujoco.MjModel:
    """A thing of some boxes in a row that falls on a floor, pushed sideways; sensors say where it is."""
    size = 0.3 / boxes
    geoms = "".join(
        f'<geom type="box" size="{size} .1 .1" pos="{2 * size * i} 0 0" mass="{mass / boxes}"/>' for i in range(boxes)
    )
    drive = '<actuator><motor joint="push"/></actuator>' if pushed else ""
    return mujoco.MjModel.from_xml_string(f"""
    <mujoco><option timestep="{timestep}"/><worldbody><geom type="plane" size="5 5 1"/>
    <body pos="0 0 .3"><freejoint/>{geoms}</body>
    <body pos="0 3 1"><joint name="push" type="slide" axis="1 0 0"/><geom size=".1"/></body></worldbody>
    {drive}<sensor><subtreecom body="world"/></sensor></mujoco>""")


def falling(models: list[mujoco.MjModel], which: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(3)
    states = np.array([[0.0, *models[w].qpos0, *np.zeros(models[w].nv)] for w in which])
    states[:, -7:] = rng.normal(scale=0.5, size=(len(which), 7))
    return states


@pytest.mark.parametrize("threads", [1, 3])
def test_several_models_in_a_batch_are_each_stepped_by_their_own(threads: int) -> None:
    """Against a plain loop of each model; they differ in mass and in how many shapes there are."""
    models = [scene_of(), scene_of(boxes=40, mass=3.0), scene_of(boxes=3)]
    assert len({model.ngeom for model in models}) == 3
    which = np.random.default_rng(0).integers(0, 3, 29)
    state = falling(models, which)
    sim = CpuBatchSim(models, substeps=SUBSTEPS, threads=threads)
    control = np.linspace(-1, 1, 29)[:, None]
    expected, seen = state.copy(), np.zeros((29, 3))
    for k in range(12):
        for m, model in enumerate(models):
            mine = which == m
            states, sensors = by_hand(model, expected[mine], control[mine], SUBSTEPS)
            expected[mine], seen[mine] = states[:, -1], sensors[:, -1]
        result = sim.step(state, control, which) if k else sim.step(state, control, which.astype(np.int32))
        state = result.state
        np.testing.assert_array_equal(state, expected)
        np.testing.assert_array_equal(result.sensors, seen)
        assert not result.failed.any()
    begun = sim.start(expected, control, which)
    np.testing.assert_array_equal(begun.observed_state, expected)
    for m, model in enumerate(models):
        states, _ = by_hand(model, expected[which == m], control[which == m], 1)
        np.testing.assert_allclose(begun.state[which == m], states[:, 0], rtol=0, atol=1e-12)
    sim.close()


def test_a_failure_in_one_model_stays_alone() -> None:
    models = [scene_of(), scene_of(boxes=4)]
    which = np.array([0, 1, 0, 1, 1])
    state = falling(models, which)
    sim = CpuBatchSim(models, substeps=SUBSTEPS, threads=2)
    clean = sim.step(state, np.zeros((5, 1)), which).state.copy()
    state[3, 4] = np.nan
    result = sim.step(state, np.zeros((5, 1)), which)
    np.testing.assert_array_equal(result.failed, [False, False, False, True, False])
    np.testing.assert_array_equal(result.state[[0, 1, 2, 4]], clean[[0, 1, 2, 4]])
    sim.close()


def test_models_that_cannot_share_a_batch_are_named() -> None:
    with pytest.raises(SimulationError, match=r"equal nu: model 0 has 1, model 1 has 0$"):
        CpuBatchSim([scene_of(), scene_of(pushed=False)], substeps=SUBSTEPS)
    with pytest.raises(SimulationError, match=r"same time step, got \[0.005, 0.01\] s"):
        CpuBatchSim([scene_of(), scene_of(timestep=0.005)], substeps=SUBSTEPS)
    with pytest.raises(SimulationError, match="needs a model"):
        CpuBatchSim([], substeps=SUBSTEPS)
