"""MJX against `mujoco.rollout` on a small scene: states, sensors, contact forces, failures, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from sim.batch import BatchSim, CpuBatchSim, StepResult, make_sim
from sim.errors import SimulationError, UnknownNameError

pytest.importorskip("mujoco.mjx", reason="the extra 'mjx' is not installed", exc_type=ImportError)
import jax
from mujoco.mjx._src.collision_primitive import GeomInfo

from sim.batch.mjx import MjxBatchSim, _plane_box

SUBSTEPS = 4
HZ = 120
BOX_MASS = 2.0
GRAVITY = 9.81
SCENE = f"""
<mujoco>
  <option timestep="{1 / HZ}" integrator="implicitfast" iterations="20" ls_iterations="30"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="1" conaffinity="0" priority="1" friction="0.9 0.005 0.0001"/>
    <body name="arm" pos="-0.5 0 0.3">
      <joint name="hinge" axis="0 1 0" armature="0.02"/>
      <geom type="capsule" fromto="0 0 0 0.4 0 0" size="0.03" mass="1" contype="2" conaffinity="1"/>
    </body>
    <body name="object_box" pos="0 0 0.1">
      <freejoint/>
      <geom type="box" size="0.15 0.15 0.1" mass="{BOX_MASS}" contype="4" conaffinity="7" priority="2"
        friction="0.6 0.005 0.0001"/>
    </body>
    <body name="ball" pos="2 0 1">
      <freejoint/>
      <geom type="sphere" size="0.12" mass="0.6" contype="8" conaffinity="1" priority="2" solref="-3600 -9"
        solimp="0.9 0.9 0.001 0.5 2"/>
    </body>
  </worldbody>
  <actuator><position joint="hinge" kp="100" kv="5" forcerange="-20 20"/></actuator>
  <sensor>
    <framepos objtype="xbody" objname="arm"/><framequat objtype="xbody" objname="arm"/>
    <framelinvel objtype="xbody" objname="object_box"/><frameangvel objtype="xbody" objname="object_box"/>
    <contact name="arm_on_box" body1="arm" body2="object_box" data="force" reduce="netforce" num="1"/>
    <framepos objtype="xbody" objname="object_box"/>
  </sensor>
</mujoco>
"""
"""An arm on a hinge, driven by a PD actuator with a limit, a free box and a bouncing ball on a floor."""
FORCE = slice(13, 16)
TIME, HINGE, BOX_Z, BALL_Z, HINGE_SPEED, BOX_SPIN, BALL_SPEED = 0, 1, 4, 11, 16, 21, 25
BOX_QUAT = slice(5, 9)


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(SCENE)


@pytest.fixture(scope="module")
def cpu(model: mujoco.MjModel) -> Iterator[CpuBatchSim]:
    sim = CpuBatchSim(model, substeps=SUBSTEPS, threads=1)
    yield sim
    sim.close()


@pytest.fixture(scope="module")
def sim(model: mujoco.MjModel) -> MjxBatchSim:
    """In double precision, four environments at a time."""
    return MjxBatchSim(model, substeps=SUBSTEPS, width=4, precision="double")


@pytest.fixture(scope="module")
def states(model: mujoco.MjModel) -> np.ndarray:
    """[4, S]: the box falls freely and spins; rocks; is pressed by the arm; is struck by a fast arm.

    It rocks on corners 0.5 and 6.5 mm deep, of which MJX alone would leave two out, and about one axis alone, as MJX
    leaves the gyroscopic term out of its implicit step. The ball is about to hit the floor. Clocks differ.
    """
    state = np.zeros((4, 1 + model.nq + model.nv))
    state[:, 1 : 1 + model.nq] = model.qpos0
    state[:, TIME] = np.arange(4.0)
    state[:, HINGE] = (-0.5, -0.5, 0.2, -0.3)
    state[0, BOX_Z], state[0, BOX_SPIN] = 1.0, 2.0
    state[1:, BOX_Z] = 0.0995
    state[1, BOX_Z], state[1, BOX_QUAT] = 0.0965, (np.cos(0.01), 0.0, np.sin(0.01), 0.0)
    state[3, HINGE_SPEED] = 3.0
    state[:, BALL_Z], state[:, BALL_SPEED] = 0.15, -4.0
    return state


def roll(sim: BatchSim, state: np.ndarray, control: np.ndarray, steps: int) -> list[StepResult]:
    results = []
    for _ in range(steps):
        result = sim.step(state, control)
        results.append(StepResult(*(a.copy() for a in result)))
        state = result.state
    return results


CONTROL = np.array([[-0.5], [-0.5], [0.4], [0.6]])
"""[4, 1] rad: the last is so far from the arm that its actuator stands at its limit."""


def test_twelve_control_steps_equal_mujoco(sim: MjxBatchSim, cpu: CpuBatchSim, states: np.ndarray) -> None:
    """1e-8 in states, 1e-6 (m/s, N) in sensors: falling, rocking, pressed, struck, bouncing."""
    ours, theirs = roll(sim, states, CONTROL, 12), roll(cpu, states, CONTROL, 12)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.state, b.state, rtol=0, atol=1e-8)
        np.testing.assert_allclose(a.observed_state, b.observed_state, rtol=0, atol=1e-8)
        np.testing.assert_allclose(a.sensors, b.sensors, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(a.failed, b.failed)
    assert np.abs(theirs[0].sensors[2, FORCE]).max() > 10.0, "the arm has to press for its force to be compared"
    assert np.abs(theirs[1].sensors[3, FORCE]).max() > 10.0
    assert max(r.state[0, BALL_SPEED] for r in theirs) > 2.0, "the ball has to bounce for that to be compared"


def test_a_box_meets_the_floor_where_mujoco_says() -> None:
    """Depths, points and normals of the corners below a slanted floor: flat, tipped, on an edge, sunk to its middle."""
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><geom type="plane" size="0 0 1" euler="5 3 0" pos="0 0 0.1"/>
        <body><freejoint/><geom type="box" size="0.1 0.2 0.05"/></body></worldbody></mujoco>"""
    )
    data, draw = mujoco.MjData(model), np.random.default_rng(0)

    @jax.jit
    def ours(position: jax.Array, turn: jax.Array) -> tuple[jax.Array, ...]:
        plane = GeomInfo(data.geom_xpos[0], data.geom_xmat[0].reshape(3, 3), model.geom_size[0])
        return _plane_box(plane, GeomInfo(position, turn, model.geom_size[1]))

    counts = set()
    with jax.enable_x64(True):
        for tip in np.repeat((0.0, 0.02, 0.3, 3.0), 25):
            data.qpos[:3], data.qpos[3:] = (0.3, 0.2, draw.uniform(0.1, 0.3)), (1.0, *draw.uniform(-tip, tip, 3))
            mujoco.mj_fwdPosition(model, data)
            distance, points, frames = map(np.asarray, ours(data.geom_xpos[1], data.geom_xmat[1].reshape(3, 3)))
            order = np.argsort(distance)[: (distance < 0).sum()]
            theirs = data.contact.dist.argsort()
            counts.add(len(theirs))
            np.testing.assert_allclose(distance[order], data.contact.dist[theirs], rtol=0, atol=1e-12)
            np.testing.assert_allclose(points[order], data.contact.pos[theirs], rtol=0, atol=1e-12)
            np.testing.assert_allclose(frames[order, 0], data.contact.frame[theirs, :3], rtol=0, atol=1e-12)
    assert {1, 2, 3, 4} <= counts


def test_a_falling_box_follows_the_formula(sim: MjxBatchSim, states: np.ndarray) -> None:
    """Semi-implicit Euler: after n steps of h, z falls by g h^2 n (n + 1) / 2; the arm is far, its force zero."""
    result = roll(sim, states, CONTROL, 3)[-1]
    n = 3 * SUBSTEPS
    assert result.state[0, BOX_Z] == pytest.approx(1.0 - GRAVITY / HZ**2 * n * (n + 1) / 2, abs=1e-12)
    np.testing.assert_array_equal(result.sensors[0, FORCE], 0.0)


def test_the_arm_presses_down_and_the_box_alone_feels_nothing(sim: MjxBatchSim, states: np.ndarray) -> None:
    """The force is what the first body exerts on the second; the floor's does not count."""
    result = sim.step(states, CONTROL)
    assert result.sensors[2, FORCE][2] < -10.0
    np.testing.assert_array_equal(result.sensors[1, FORCE], 0.0)


def test_an_actuator_at_its_limit_is_not_damped(sim: MjxBatchSim, states: np.ndarray) -> None:
    """20 N m on the arm's moment of inertia: implicit damping of a constant force would hold it back."""
    state, control = states[:1].copy(), np.array([[-100.0]])
    state[0, HINGE] = -np.pi / 2  # straight up, where gravity has no lever
    after = sim.start(state, control).state[0, HINGE_SPEED]
    length, radius, mass = 0.4, 0.03, 1.0
    cylinder, ball = length, 4 / 3 * radius
    m_c, m_b = mass * cylinder / (cylinder + ball), mass * ball / (cylinder + ball)
    inertia = m_c * (length**2 / 12 + radius**2 / 4) + m_b * (0.4 * radius**2 + length**2 / 4 + 3 / 8 * length * radius)
    inertia += mass * (length / 2) ** 2 + 0.02
    assert after == pytest.approx(-20.0 / inertia / HZ, rel=1e-6)


def test_start_observes_the_state_that_it_was_given(sim: MjxBatchSim, cpu: CpuBatchSim, states: np.ndarray) -> None:
    ours, theirs = sim.start(states, CONTROL), cpu.start(states, CONTROL)
    np.testing.assert_array_equal(ours.observed_state, states)
    np.testing.assert_allclose(ours.state, theirs.state, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.sensors, theirs.sensors, rtol=0, atol=1e-7)
    assert not ours.failed.any()


@pytest.mark.parametrize("count", [1, 3, 9])
def test_any_number_of_environments_runs_on_one_compilation(sim: MjxBatchSim, states: np.ndarray, count: int) -> None:
    together = sim.step(states, CONTROL)
    rows = np.arange(count) % 4
    for call, expected in ((sim.step, together), (sim.start, sim.start(states, CONTROL))):
        for ours, theirs in zip(call(states[rows], CONTROL[rows]), expected, strict=True):
            np.testing.assert_allclose(ours, theirs[rows], rtol=0, atol=1e-12)
    assert sim._run._cache_size() == 1


@pytest.mark.parametrize(
    ("column", "value"), [(BOX_Z, np.nan), (HINGE, np.inf), (HINGE_SPEED, 1e30), (BOX_SPIN, np.nan), (TIME, np.nan)]
)
@pytest.mark.parametrize("call", ["start", "step"])
def test_what_mujoco_gives_up_fails_here_too(
    call: str, column: int, value: float, sim: MjxBatchSim, cpu: CpuBatchSim, states: np.ndarray
) -> None:
    state, others = states.copy(), [0, 1, 3]
    expected = getattr(sim, call)(state, CONTROL)
    state[2, column] = value
    ours = getattr(sim, call)(state, CONTROL)
    np.testing.assert_array_equal(ours.failed, [False, False, True, False])
    np.testing.assert_array_equal(ours.failed, getattr(cpu, call)(state, CONTROL).failed)
    for now, then in zip(ours[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(now[others], then[others])


def test_an_explosion_within_a_step_fails(sim: MjxBatchSim, cpu: CpuBatchSim, states: np.ndarray) -> None:
    state = states.copy()
    state[0, HINGE_SPEED], state[1, BOX_SPIN] = 1e9, 1e7
    np.testing.assert_array_equal(sim.step(state, CONTROL).failed, cpu.step(state, CONTROL).failed)


def test_results_are_the_callers_own(sim: MjxBatchSim, states: np.ndarray) -> None:
    state, control = states.copy(), CONTROL.copy()
    first = sim.step(state, control)
    kept = [a.copy() for a in first]
    sim.step(first.state, -control)
    for now, then in zip(first, kept, strict=True):
        np.testing.assert_array_equal(now, then)
        assert now.flags.writeable
        assert now.dtype == (bool if now.ndim == 1 else np.float64)
    np.testing.assert_array_equal(state, states)
    np.testing.assert_array_equal(control, CONTROL)


def test_the_clock_keeps_double_precision(sim: MjxBatchSim, states: np.ndarray) -> None:
    state = states.copy()
    state[:, TIME] = 1e6
    result = sim.step(state, CONTROL)
    np.testing.assert_allclose(result.state[:, TIME], 1e6 + SUBSTEPS / HZ, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.observed_state[:, TIME], 1e6 + (SUBSTEPS - 1) / HZ, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('integrator="implicitfast"', 'integrator="Euler"', "implicitfast only"),
        ('reduce="netforce"', 'reduce="maxforce"', "'arm_on_box' asks for more"),
        ('body1="arm" body2', 'subtree1="arm" body2', "'arm_on_box' asks for more"),
        ('type="capsule" fromto', 'type="cylinder" fromto', "MJX cannot run .*CYLINDER.*BOX.* collisions"),
    ],
)
def test_scenes_that_cannot_run_are_refused_with_one_line(old: str, new: str, message: str) -> None:
    assert old in SCENE
    with pytest.raises(SimulationError, match=message) as error:
        MjxBatchSim(mujoco.MjModel.from_xml_string(SCENE.replace(old, new)), substeps=SUBSTEPS)
    assert "\n" not in str(error.value)


def test_one_scene_and_two_simulation_steps_at_least(
    model: mujoco.MjModel, sim: MjxBatchSim, states: np.ndarray
) -> None:
    with pytest.raises(SimulationError, match="one scene at a time, got 2"):
        MjxBatchSim([model, model], substeps=SUBSTEPS)
    with pytest.raises(SimulationError, match="at least 2"):
        MjxBatchSim(model, substeps=1)
    with pytest.raises(SimulationError, match="`which` must be 0"):
        sim.step(states, CONTROL, np.array([0, 0, 1, 0]))
    assert not sim.start(states, CONTROL, np.zeros(4, np.int64)).failed.any()


def test_the_backend_is_chosen_by_name(model: mujoco.MjModel) -> None:
    made = make_sim([model], "mjx", substeps=SUBSTEPS, width=3)
    assert isinstance(made, MjxBatchSim)
    assert (made.width, made.substeps, made.model) == (3, SUBSTEPS, model)
    plain = make_sim([model], substeps=SUBSTEPS, threads=1)
    assert isinstance(plain, CpuBatchSim)
    plain.close()
    with pytest.raises(UnknownNameError, match="Did you mean 'mjx'"):
        make_sim([model], "mjxx", substeps=SUBSTEPS)
