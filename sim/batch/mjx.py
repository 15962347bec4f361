"""Batched physics by MuJoCo MJX (JAX): the CPU backend's protocol and sensor layout, compiled once, on JAX's device.

What differs from `mujoco.rollout`, all of it measured by `python -m benchmarks.mjx_parity`:

- MJX has no contact sensor that matches bodies; the same forces are summed here from its contacts.
- MJX damps an actuator implicitly even at its force limit, where MuJoCo leaves it out; `_simulation_step` does too.
- Of a box on the floor MJX keeps the corners within 1 mm of the deepest alone, so that a foot that tips stands on one
  edge or corner where MuJoCo has four; `_plane_box` finds MuJoCo's.
- Boxes against boxes and capsules, and meshes against all, still meet by MJX's algorithms: the contact points are
  others than MuJoCo's, and with them the forces, where the humanoid touches such an object.
- MuJoCo's `implicitfast` takes the gyroscopic term of a tumbling free body into its implicit step, MJX does not.
- Every pair of shapes that may collide costs constraint rows at all times, touching or not.

Solver warm starts begin at zero in every control step, as they do in `mujoco.rollout`, so that a state alone, without
memory, determines what follows.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import mujoco
import numpy as np

from sim.batch.protocol import StepResult
from sim.errors import MissingDependencyError, SimulationError

try:
    import jax
    from jax import numpy as jnp
    from mujoco import mjx

    # These have no public names: contact forces, the table of collision functions, and what adds one to it.
    from mujoco.mjx._src import collision_driver, collision_primitive, math, support
except ImportError as error:
    raise MissingDependencyError("mujoco-mjx", "the backend 'mjx'", "-c constraints.txt -e '.[mjx]'") from error

_FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
_FORCE_DATA = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE)
_REDUCE_NETFORCE = 3
_CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))


class _Forces(NamedTuple):
    """Contact sensors, C of them: where each stands in the sensor data, and whose force on whom it is."""

    columns: np.ndarray
    giver: np.ndarray
    taker: np.ndarray


class _Carry(NamedTuple):
    """What goes from one simulation step of one environment to the next; `observed` is the state before it."""

    qpos: jax.Array
    qvel: jax.Array
    act: jax.Array
    warmstart: jax.Array
    observed: jax.Array
    sensors: jax.Array
    bad: jax.Array


class MjxBatchSim:
    """`BatchSim` on whatever device JAX finds, one scene in all environments.

    Args:
        models: compiled scene; exactly one.
        substeps: simulation steps in a control step, at least 2.
        width: environments that step together. The one compilation, at the first call, is for so many: fewer are
            filled up, more go in portions. Best the size of the caller's batch.
        precision: of the arithmetic; results come back as float64 either way. `single` is what GPUs are made for.

    Raises:
        SimulationError: several models, or a scene that MJX cannot run; says what to do.
    """

    def __init__(
        self,
        models: mujoco.MjModel | Sequence[mujoco.MjModel],
        *,
        substeps: int,
        width: int = 128,
        precision: Literal["single", "double"] = "single",
    ) -> None:
        models = (models,) if isinstance(models, mujoco.MjModel) else tuple(models)
        if substeps < 2:
            raise SimulationError(f"a control step needs at least 2 simulation steps, got {substeps}")
        if len(models) != 1:
            raise SimulationError(
                f"the backend 'mjx' runs one scene at a time, got {len(models)}: use the backend 'cpu'"
            )
        self.model, self.substeps, self.width = models[0], substeps, width
        self._double = precision == "double"
        _require_supported(self.model)
        plain, self._forces = _without_contact_sensors(self.model)
        with jax.enable_x64(self._double), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the speed of meshes with many faces
            try:
                self._physics = mjx.put_model(plain, impl="jax")
            except (NotImplementedError, ValueError) as error:
                raise SimulationError(
                    f"MJX cannot run this scene: {error}. Use the backend 'cpu', or another object shape"
                ) from error
            self._blank = mjx.make_data(plain, impl="jax")
        self._run = jax.jit(jax.vmap(self._rollout, in_axes=(None, None, 0, 0, None)), donate_argnums=2)

    @property
    def state_size(self) -> int:
        """S: numbers in a full physics state."""
        return int(mujoco.mj_stateSize(self.model, _FULL.value))

    def start(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """See `BatchSim.start`."""
        result = self._in_portions(state, control, which, steps=1)
        return result._replace(observed_state=state.copy())

    def step(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None = None) -> StepResult:
        """See `BatchSim.step`."""
        return self._in_portions(state, control, which, steps=self.substeps)

    def _in_portions(self, state: np.ndarray, control: np.ndarray, which: np.ndarray | None, steps: int) -> StepResult:
        if which is not None and np.any(which):
            raise SimulationError("the backend 'mjx' runs one scene at a time: `which` must be 0 everywhere")
        firsts = range(0, len(state), self.width)
        parts = [self._portion(state[i : i + self.width], control[i : i + self.width], steps) for i in firsts]
        return StepResult(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _portion(self, state: np.ndarray, control: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
        """At most `width` environments; where they are fewer, the device sees them repeated."""
        count = len(state)
        rows = np.arange(self.width) % count
        kind = np.float64 if self._double else np.float32
        with jax.enable_x64(self._double), np.errstate(over="ignore", invalid="ignore"):
            inputs = state[rows].astype(kind), control[rows].astype(kind)
            after, sensors, observed, bad = self._run(self._physics, self._blank, *inputs, steps)
        arrays = [np.array(a[:count], np.float64) for a in map(np.asarray, (after, sensors, observed))]
        after, sensors, observed = arrays
        # The clock stays in double precision: MJX's would lose milliseconds after hours.
        after[:, 0] = state[:, 0] + steps * self.model.opt.timestep
        observed[:, 0] = after[:, 0] - self.model.opt.timestep
        return after, sensors, observed, np.array(np.asarray(bad)[:count]) | ~np.isfinite(state[:, 0])

    def _rollout(
        self, physics: Any, blank: Any, state: jax.Array, control: jax.Array, steps: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """One environment, `steps` simulation steps: state, sensors, observed state, and whether it went wrong."""
        model = self.model
        time, qpos, qvel, act = jnp.split(state, np.cumsum((1, model.nq, model.nv)))
        sensors = jnp.zeros(model.nsensordata, state.dtype)

        def body(_: int, at: _Carry) -> _Carry:
            before = jnp.concatenate((time, at.qpos, at.qvel, at.act))
            data = blank.replace(qpos=at.qpos, qvel=at.qvel, act=at.act, ctrl=control, qacc_warmstart=at.warmstart)
            data = _simulation_step(physics, data)
            bad = at.bad | ~_sound(at.qpos, at.qvel, data.qacc)
            seen = _with_forces(physics, data, self._forces)
            return _Carry(data.qpos, data.qvel, data.act, data.qacc_warmstart, before, seen, bad)

        first = _Carry(qpos, qvel, act, jnp.zeros_like(qvel), state, sensors, jnp.zeros((), bool))
        last: _Carry = jax.lax.fori_loop(0, steps, body, first)
        after = jnp.concatenate((time, last.qpos, last.qvel, last.act))
        bad = last.bad | ~_sound(last.qpos, last.qvel, last.sensors)
        return after, last.sensors, last.observed, bad

    def close(self) -> None:
        """Nothing to end: JAX owns its threads."""


def _sound(*numbers: jax.Array) -> jax.Array:
    """Real numbers within MuJoCo's own limit, which it warns beyond (mjMAXVAL)."""
    return jnp.all(jnp.abs(jnp.concatenate(numbers)) <= mujoco.mjMAXVAL)


def _simulation_step(physics: Any, data: Any) -> Any:
    """MJX's step by `implicitfast`, with actuators at their force limit left out of the implicit damping.

    There the force no longer depends on the velocity. MuJoCo says so (`mjd_actuator_vel`), MJX 3.17 does not, which
    holds a saturated joint back.
    """
    with _collisions_as_in_mujoco():
        data = mjx.forward(physics, data)
    low, high = physics.actuator_forcerange[:, 0], physics.actuator_forcerange[:, 1]
    limited = physics.actuator_forcelimited & ((data.actuator_force <= low) | (data.actuator_force >= high))
    free = jnp.where(limited, 0.0, 1.0)[:, None]
    gains = {"actuator_biasprm": physics.actuator_biasprm * free, "actuator_gainprm": physics.actuator_gainprm * free}
    return mjx.implicit(physics.replace(**gains), data)


@contextmanager
def _collisions_as_in_mujoco() -> Iterator[None]:
    """While JAX traces what stands within, boxes meet the floor by `_plane_box`."""
    table, key = collision_driver._COLLISION_FUNC, (mjx.GeomType.PLANE, mjx.GeomType.BOX)
    original = table[key]
    table[key] = collision_primitive.collider(ncon=4)(_plane_box)
    try:
        yield
    finally:
        table[key] = original


def _plane_box(plane: Any, box: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Distances [4], points [4, 3] and frames [4, 3, 3] of the box's lowest corners (`mjc_PlaneBox`)."""
    normal = plane.mat[:, 2]
    # A NumPy constant would keep the precision of whoever traced it first.
    corners = (jnp.asarray(_CORNERS, box.size.dtype) * box.size) @ box.mat.T
    heights = corners @ normal
    _, lowest = jax.lax.top_k(-heights, 4)
    distance = (box.pos - plane.pos) @ normal + heights[lowest]
    points = box.pos + corners[lowest] - 0.5 * distance[:, None] * normal
    return distance, points, jnp.stack([math.make_frame(normal)] * 4)


def _with_forces(physics: Any, data: Any, forces: _Forces) -> jax.Array:
    """Sensor data [D] with the net contact force of `giver` on `taker`, N, world frame, in the columns of each pair."""
    contact = data._impl.contact
    if not len(forces.columns) or not len(contact.dim):
        return data.sensordata.at[forces.columns.ravel()].set(0.0)
    found = [support.contact_force_dim(physics, data, dim) for dim in sorted(set(contact.dim.tolist()))]
    order = np.argsort(np.concatenate([index for _, index in found]))
    local = jnp.concatenate([force for force, _ in found])[order, :3]
    on_second = jnp.einsum("ki,kij->kj", local, contact.frame)  # the frame's first row points from geom1 to geom2
    body = jnp.asarray(physics.geom_bodyid)[contact.geom]
    first, second = body[:, 0], body[:, 1]
    giver, taker = forces.giver[:, None], forces.taker[:, None]
    sign = 1.0 * ((first == giver) & (second == taker)) - 1.0 * ((second == giver) & (first == taker))
    net = sign.astype(on_second.dtype) @ on_second
    return data.sensordata.at[forces.columns].set(net)


def _without_contact_sensors(model: mujoco.MjModel) -> tuple[mujoco.MjModel, _Forces]:
    """A copy with a frame position, just as wide, in place of each contact sensor; and what those were."""
    plain = copy.copy(model)
    at = np.flatnonzero(model.sensor_type == mujoco.mjtSensor.mjSENS_CONTACT)
    forces = _Forces(
        model.sensor_adr[at][:, None] + np.arange(3), model.sensor_objid[at].copy(), model.sensor_refid[at].copy()
    )
    plain.sensor_type[at] = mujoco.mjtSensor.mjSENS_FRAMEPOS
    plain.sensor_needstage[at] = mujoco.mjtStage.mjSTAGE_POS
    plain.sensor_reftype[at], plain.sensor_refid[at] = mujoco.mjtObj.mjOBJ_UNKNOWN, -1
    return plain, forces


def _require_supported(model: mujoco.MjModel) -> None:
    """Refuse what this module, rather than MJX, does not do."""
    if model.opt.integrator != mujoco.mjtIntegrator.mjINT_IMPLICITFAST:
        raise SimulationError(
            "the backend 'mjx' integrates by implicitfast only; set it in the scene, or use the backend 'cpu'"
        )
    if mujoco.mj_stateSize(model, _FULL.value) != 1 + model.nq + model.nv + model.na:
        raise SimulationError(
            "the backend 'mjx' knows time, qpos, qvel and act, no plugin state; use the backend 'cpu'"
        )
    contact = model.sensor_type == mujoco.mjtSensor.mjSENS_CONTACT
    body = int(mujoco.mjtObj.mjOBJ_BODY)
    matched = (model.sensor_objtype[contact] == body) & (model.sensor_reftype[contact] == body)
    asked = (model.sensor_intprm[contact][:, :3] == (_FORCE_DATA, _REDUCE_NETFORCE, 1)).all(1)
    if not (matched & asked).all():
        name = mujoco.mj_id2name(
            model, mujoco.mjtObj.mjOBJ_SENSOR, int(np.flatnonzero(contact)[np.argmin(matched & asked)])
        )
        raise SimulationError(
            f"the backend 'mjx' gives the net force of one body on another; the contact sensor '{name}' asks for more"
        )
