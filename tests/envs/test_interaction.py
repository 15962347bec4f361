"""Interaction rewards by hand, their laws, and their tables against plain loops."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from envs import interaction
from envs.interaction import InteractionGraph
from envs.observations import BodyState
from envs.rows import RowLayout
from sim import rotations
from sim.batch import CpuBatchSim
from sim.contact_graph import ContactGraph
from sim.contacts import graph_distances
from sim.geometry import Primitive
from sim.humanoid import HumanoidConfig
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS
from sim.motion import Motion, MotionObject
from sim.retarget import Reference, retarget
from sim.scene import SceneConfig
from sim.skeleton import FINGER_JOINTS, JOINT_INDEX

Make = Callable[..., BodyState]


def table(**fields: Any) -> InteractionGraph:
    """One frame with one pair of body 1 and movable object 0, both in their origins, with changes."""
    one: dict[str, Any] = {
        "labels": [[0.0, 1.0, 0.0, 0.0]], "bodies": [[1]], "keypoints_b": [[[0.0] * 3]],
        "objects": [[1]], "points_b": [[[0.0] * 3]], "active": [[1.0]],
    }  # fmt: skip
    return InteractionGraph(**{name: torch.tensor(value) for name, value in (one | fields).items()})


def at_rest(**fields: Any) -> BodyState:
    """One environment: four bodies and two objects, all in the origin, unturned."""
    upright = torch.tensor([1.0, 0.0, 0.0, 0.0])
    body, thing, none = torch.zeros(1, 4, 3), torch.zeros(1, 2, 3), torch.zeros(1, 0)
    state = BodyState(
        body, upright.expand(1, 4, 4), body, body, none, none,
        thing, upright.expand(1, 2, 4), thing, thing, body,
    )  # fmt: skip
    return dataclasses.replace(state, **{name: torch.tensor(value) for name, value in fields.items()})


def random_graph(seed: int, *, envs: int = 5, bodies: int = 4, objects: int = 2, pairs: int = 3) -> InteractionGraph:
    draw = torch.Generator().manual_seed(seed)
    return InteractionGraph(
        torch.randint(2, (envs, bodies), generator=draw).float(),
        torch.randint(bodies, (envs, pairs), generator=draw),
        torch.randn(envs, pairs, 3, generator=draw),
        torch.randint(1, objects + 1, (envs, pairs), generator=draw),
        torch.randn(envs, pairs, 3, generator=draw),
        torch.randint(2, (envs, pairs), generator=draw).float(),
    )


# -- eq. 5 -----------------------------------------------------------------------------------------------------------


def test_label_reward_by_hand() -> None:
    """Forces of 0, 3-4-0 = 5, 0.5 and 20 N at a touch force of 2 N: c = 0, 1, 0.25, 1."""
    forces = torch.tensor([[[0.0] * 3, [3.0, 4.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 20.0]]])
    for labels, expected in (
        ([1.0, 0.0, 0.0, 0.0], -1.0),
        ([0.0, 1.0, 0.0, 1.0], 0.0),
        ([0.0, 0.0, 1.0, 0.0], -0.75),
        ([1.0, 1.0, 1.0, 1.0], -(1 + 0.75) / 4),
        ([1.0, 1.0, 0.0, 0.0], -0.5),
        ([0.0, 0.0, 0.0, 0.0], 0.0),  # nothing annotated: touching costs nothing
    ):
        found = interaction.label_reward(forces, torch.tensor([labels]), 2.0)
        torch.testing.assert_close(found, torch.tensor([expected]))


def test_label_reward_of_a_batch_is_that_of_each(random_state: Make) -> None:
    forces, labels = random_state(0, envs=7).forces_w, random_graph(1, envs=7).labels
    found = interaction.label_reward(forces, labels, 1.5)
    for n in range(7):
        asked = [b for b in range(4) if labels[n, b]]
        missing = [1 - min(float(forces[n, b].norm()) / 1.5, 1.0) for b in asked]
        assert found[n].item() == pytest.approx(-sum(missing) / max(len(asked), 1), abs=1e-6)


def test_more_force_never_costs(random_state: Make) -> None:
    forces, labels = random_state(0).forces_w, torch.ones(5, 4)
    weak = interaction.label_reward(forces, labels, 1.0)
    assert (interaction.label_reward(1.5 * forces, labels, 1.0) >= weak).all()
    assert (weak < 0).any()


# -- eq. 6 -----------------------------------------------------------------------------------------------------------


def test_contact_reward_by_hand_for_a_turned_object() -> None:
    """A quarter about z carries the object's point (0.1, 0, 0) to (0, 0.1, 0); from (1, 0, 0) it lands in (1, 0.1, 0).

    The hand, a quarter about x, carries its keypoint (0, 0, 0.02) from (1, 0.1, 0) to (1, 0.08, 0): 20 mm apart.
    """
    half = math.sqrt(0.5)
    state = at_rest(
        positions_w=[[[0.0] * 3, [1.0, 0.1, 0.0], [0.0] * 3, [0.0] * 3]],
        rotations_w=[[[1.0, 0, 0, 0], [half, half, 0, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0]]],
        object_positions_w=[[[9.0] * 3, [1.0, 0.0, 0.0]]],
        object_rotations_w=[[[1.0, 0, 0, 0], [half, 0, 0, half]]],
    )
    graph = table(objects=[[2]], points_b=[[[0.1, 0.0, 0.0]]], keypoints_b=[[[0.0, 0.0, 0.02]]])
    gap = interaction.pair_gaps(state, graph)
    torch.testing.assert_close(gap, torch.tensor([[[0.0, 0.02, 0.0]]]), atol=1e-6, rtol=0)
    found = interaction.contact_reward(state, graph, 0.2)
    torch.testing.assert_close(found, torch.tensor([-0.01]), atol=1e-6, rtol=0)


def test_contact_reward_is_the_mean_over_active_pairs_and_bounded() -> None:
    """Pairs 0.1, 0.2 and 7 m apart at a reach of 0.4 m: 1/16, 1/4, and 1 instead of 306; a filler 5 m off."""
    points = [[[0.1, 0, 0], [0, 0.2, 0], [0, 0, 7.0], [5.0, 0, 0]]]
    graph = table(
        bodies=[[1, 1, 1, 1]], objects=[[1, 2, 1, 1]], points_b=points, keypoints_b=[[[0.0] * 3] * 4],
        active=[[1.0, 1.0, 1.0, 0.0]],
    )  # fmt: skip
    found = interaction.contact_reward(at_rest(), graph, 0.4)
    torch.testing.assert_close(found, torch.tensor([-(1 / 16 + 1 / 4 + 1) / 3]))
    none = dataclasses.replace(graph, active=torch.zeros(1, 4))
    assert interaction.contact_reward(at_rest(), none, 0.4).item() == 0.0


def test_fillers_have_no_say(random_state: Make) -> None:
    state, graph = random_state(0), random_graph(1)
    filled = InteractionGraph.concatenate([graph, random_graph(2, pairs=6)]).at(torch.arange(5))
    assert filled.active.shape == (5, 6)
    nowhere = torch.where(filled.active[..., None] > 0, filled.points_b, 1e6)
    for other in (filled, dataclasses.replace(filled, points_b=nowhere)):
        torch.testing.assert_close(
            interaction.contact_reward(state, other, 3.0), interaction.contact_reward(state, graph, 3.0)
        )


def test_moving_the_object_along_with_the_body_changes_nothing(random_state: Make, moved: Any) -> None:
    state, graph = random_state(0), random_graph(1)
    turn, shift = rotations.normalize(torch.tensor([0.3, 0.1, -0.7, 0.2])), torch.tensor([1.0, 2.0, 3.0])
    before, after = (interaction.contact_reward(s, graph, 4.0) for s in (state, moved(state, turn, shift)))
    assert ((before < -0.01) & (before > -1.0)).any()
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)
    alone = dataclasses.replace(state, object_positions_w=state.object_positions_w + shift)
    assert not torch.allclose(interaction.contact_reward(alone, graph, 4.0), before, atol=1e-2)


def test_the_gradient_pulls_the_object_to_the_hand() -> None:
    """d/dp_o of -|p_o - p_h|^2 / reach^2 is -2 (p_o - p_h) / reach^2, and central differences agree."""
    state = at_rest(object_positions_w=[[[0.03, -0.02, 0.01], [0.0] * 3]])
    place = state.object_positions_w.clone().requires_grad_()

    def value(p: torch.Tensor) -> torch.Tensor:
        return interaction.contact_reward(dataclasses.replace(state, object_positions_w=p), table(), 0.2)

    value(place).sum().backward()
    assert place.grad is not None
    torch.testing.assert_close(place.grad[0, 0], -2 * place.detach()[0, 0] / 0.04)
    step = torch.zeros_like(place.detach())
    step[0, 0, 1] = 1e-2
    slope = (value(place.detach() + step) - value(place.detach() - step)) / 2e-2
    torch.testing.assert_close(slope, place.grad[:, 0, 1], atol=1e-3, rtol=1e-3)


def test_contact_reward_of_a_batch_is_that_of_each(random_state: Make) -> None:
    state, graph = random_state(0), random_graph(3)
    found = interaction.contact_reward(state, graph, 2.5)
    for n in range(5):
        squares = []
        for p in range(3):
            if graph.active[n, p]:
                b, o = int(graph.bodies[n, p]), int(graph.objects[n, p]) - 1
                turn = rotations.to_matrix(state.object_rotations_w[n, o])
                point = turn @ graph.points_b[n, p] + state.object_positions_w[n, o]
                body = rotations.to_matrix(state.rotations_w[n, b])
                human = body @ graph.keypoints_b[n, p] + state.positions_w[n, b]
                squares.append(min(float((point - human).square().sum()), 6.25) / 6.25)
        assert found[n].item() == pytest.approx(-sum(squares) / max(len(squares), 1), abs=1e-5)


def test_static_objects_stand_in_the_world(random_state: Make) -> None:
    graph = table(objects=[[0]], points_b=[[[1.0, 2.0, 2.0]]])
    torch.testing.assert_close(interaction.pair_gaps(at_rest(), graph), torch.tensor([[[1.0, 2.0, 2.0]]]))
    far = at_rest(object_positions_w=[[[9.0] * 3, [9.0] * 3]])
    torch.testing.assert_close(interaction.pair_gaps(far, graph), interaction.pair_gaps(at_rest(), graph))


# -- tables ----------------------------------------------------------------------------------------------------------


def two_objects(carrying_motion: Callable[..., Motion]) -> Motion:
    """A shelf that stands and a box that moves, in this order, with contacts of palm, fingertip, hip and elbow."""
    motion = carrying_motion(0)
    half = math.sqrt(0.5)
    shelf = MotionObject(
        "shelf", Primitive("box", (0.2, 0.2, 1.0)), np.tile([3.0, 0.0, 0.5], (12, 1)),
        np.tile([half, 0.0, 0.0, half], (12, 1)), is_static=True,
    )  # fmt: skip
    graph = ContactGraph(
        ("leftHand_palm", "Index_right", "hip_left", "rightElbow_back"),
        [1, 1, 0, 0],
        [[0, 0.2, 0], [0, -0.2, 0.05], [0.1, 0, 0], [0, 0.1, 0.3]],
        [2, 3, 0, 8],
        [8, 6, 1, 11],
    )
    return motion.replace(objects=(shelf, *motion.objects), contacts=graph)


@pytest.fixture(scope="module")
def carried(carrying_motion: Callable[..., Motion]) -> Reference:
    return retarget(two_objects(carrying_motion))


def seen(reference: Reference) -> BodyState:
    """The reference as the sensors see it, all frames as environments."""
    sim = CpuBatchSim(reference.scene.model, substeps=4, threads=1)
    found = RowLayout(reference.scene).split(
        RowLayout(reference.scene).record(sim.start(reference.states, reference.targets))
    )
    sim.close()
    return found


def test_every_joint_is_carried_by_itself_or_by_the_body_it_moves_with() -> None:
    mitten, full = (HumanoidConfig(hands=hands) for hands in ("mitten", "full"))
    from sim.humanoid import carriers, simulated_joints

    everything = carriers(simulated_joints(full.hands))
    np.testing.assert_array_equal(everything, np.arange(52))
    joints = simulated_joints(mitten.hands)
    found = np.array(joints)[carriers(joints)]
    for joint in range(52):
        if joint not in FINGER_JOINTS:
            assert found[joint] == joint
    for finger in ("index1", "index3", "middle2", "pinky1", "ring3"):
        assert found[JOINT_INDEX[f"left_{finger}"]] == JOINT_INDEX["left_middle1"]
    assert found[JOINT_INDEX["right_thumb1"]] == JOINT_INDEX["right_wrist"]


def test_labels_follow_the_intervals_of_the_graph(carried: Reference) -> None:
    labels = InteractionGraph.of(carried).labels
    joints = carried.scene.joints
    expected = torch.zeros_like(labels)
    for joint, first, last in (("left_wrist", 2, 8), ("right_middle1", 3, 6), ("pelvis", 0, 1), ("right_elbow", 8, 11)):
        expected[first : last + 1, joints.index(JOINT_INDEX[joint])] = 1.0
    torch.testing.assert_close(labels, expected)


def test_without_a_graph_the_data_sets_labels_count(carried: Reference) -> None:
    marks = np.zeros((12, 52), np.int8)
    marks[4, JOINT_INDEX["left_ring2"]], marks[5] = 1, -1
    bare = carried.motion.replace(contacts=ContactGraph(), contact_labels=marks)
    labels = interaction.body_labels(bare, carried.scene)
    assert labels.sum() == labels[4, carried.scene.joints.index(JOINT_INDEX["left_middle1"])] == 1
    both = carried.motion.replace(contact_labels=marks)
    np.testing.assert_array_equal(
        interaction.body_labels(both, carried.scene), interaction.body_labels(carried.motion, carried.scene)
    )


@pytest.mark.parametrize("anchor", ["surface", "joint"])
def test_pairs_are_as_far_apart_as_the_motion_has_them(carried: Reference, anchor: Any) -> None:
    """Pair distances of the sensed reference against those of the motion, whose tips turn about other knuckles."""
    graph = InteractionGraph.of(carried, anchor)
    assert graph.active.sum(1).tolist() == [1, 1, 1, 2, 2, 2, 2, 1, 2, 1, 1, 1]
    gaps = interaction.pair_gaps(seen(carried), graph).norm(dim=-1)
    expected = graph_distances(carried.motion, anchor=anchor)
    for t in range(12):
        ours = sorted(gaps[t][graph.active[t] > 0].tolist())
        assert ours == pytest.approx(sorted(expected[t][np.isfinite(expected[t])].tolist()), abs=5e-4), t


def test_with_simulated_fingers_each_keypoint_rides_on_its_own_joint(carrying_motion: Callable[..., Motion]) -> None:
    full = retarget(two_objects(carrying_motion), SceneConfig(humanoid=HumanoidConfig(hands="full")))
    graph = InteractionGraph.of(full, "joint")
    rows = {int(body) for body in graph.bodies[graph.active > 0]}
    names = ("leftHand_palm", "Index_right", "hip_left", "rightElbow_back")
    assert rows == {int(KEYPOINT_JOINTS[KEYPOINT_INDEX[name]]) for name in names}
    assert not graph.keypoints_b[graph.active > 0].any()


def test_concatenated_tables_are_looked_up_by_global_frame(carried: Reference, push: Reference) -> None:
    first, second = InteractionGraph.of(push), InteractionGraph.of(carried)
    both = InteractionGraph.concatenate([first, second])
    start = len(first.labels)
    assert len(both.labels) == start + 12
    frames = torch.tensor([3, 11, 5, 8])
    state = seen(carried)[frames]
    for reward in (
        lambda graph: interaction.contact_reward(state, graph, 0.5),
        lambda graph: interaction.label_reward(state.positions_w, graph.labels, 3.0),
    ):
        torch.testing.assert_close(reward(both.at(frames + start)), reward(second.at(frames)))
    torch.testing.assert_close(both.at(torch.tensor([20])).labels, first.at(torch.tensor([20])).labels)


def test_a_reference_without_contacts_is_never_penalised(push: Reference) -> None:
    bare = dataclasses.replace(push, motion=push.motion.replace(contacts=ContactGraph(), contact_labels=None))
    graph = InteractionGraph.of(bare)
    state = seen(push)
    assert not interaction.contact_reward(state, graph, 0.2).any()
    assert not interaction.label_reward(state.forces_w, graph.labels, 1.0).any()


def test_contact_with_the_floor_does_not_count(stand: Reference) -> None:
    """A standing person's ankles push on the floor with all their weight; a label on them is missed all the same."""
    ankle = ContactGraph(("leftFoot_sole",), [0], [[0, 0, 0]], [0], [19])
    asked = dataclasses.replace(stand, motion=stand.motion.replace(contacts=ankle, contact_labels=None))
    labels = InteractionGraph.of(asked).labels
    assert labels.sum() == 20
    model = stand.scene.model
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = stand.qpos[0], stand.targets[0]
    for _ in range(60):
        mujoco.mj_step(model, data)
    bodies = {model.body(model.geom_bodyid[g]).name for c in data.contact[: data.ncon] for g in c.geom}
    assert "world" in bodies
    assert {"left_ankle", "left_foot"} & bodies, "the test would show nothing in the air"
    forces = torch.as_tensor(data.sensordata[stand.scene.contact_force].reshape(1, -1, 3), dtype=torch.float32)
    torch.testing.assert_close(interaction.label_reward(forces, labels[:1], 1.0), torch.tensor([-1.0]))
