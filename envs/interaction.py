"""Interaction rewards: the reference's contact graph I_g against what physics shows (seed, section 4, eqs. 5 and 6).

Both are penalties scaled to [-1, 0]: the paper's sums are divided by the number of annotated contacts, so that neither
the number of annotations nor an object that is lost for good outweighs everything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from envs.observations import BodyState
from sim import rotations, skeleton
from sim.contacts import Anchor, labels_from_graph
from sim.humanoid import carriers, fingers_together
from sim.keypoints import KEYPOINT_INDEX, KEYPOINT_JOINTS, keypoint_offsets
from sim.motion import Motion
from sim.retarget import Reference
from sim.scene import Scene


@dataclass(frozen=True)
class InteractionGraph:
    """A reference's contact graph as tables: T frames (or N picked ones), B bodies, at most P pairs in a frame.

    Attributes:
        labels: [T, B] 0 or 1, bodies that carry a keypoint with an annotated contact (c_hat of eq. 5).
        bodies: [T, P] the body that carries the pair's keypoint; keypoints_b: [T, P, 3] m, where in its frame.
        objects: [T, P] 0 for the world (static objects), o + 1 for movable object o.
        points_b: [T, P, 3] m, the annotated point in that object's frame.
        active: [T, P] 0 or 1; zeros fill up frames with fewer pairs.
    """

    labels: torch.Tensor
    bodies: torch.Tensor
    keypoints_b: torch.Tensor
    objects: torch.Tensor
    points_b: torch.Tensor
    active: torch.Tensor

    @classmethod
    def of(cls, reference: Reference, anchor: Anchor = "surface") -> InteractionGraph:
        """The tables of a reference."""
        motion, scene = reference.motion, reference.scene
        bodies, keypoints_b = carried_keypoints(motion, scene, anchor)
        objects, points_b = _object_points(motion, scene)
        active = motion.contacts.active(motion.num_frames)
        most = int(active.sum(1).max(initial=0))
        row = np.argsort(~active, axis=1, kind="stable")[:, :most]  # the active rows of each frame first
        return cls(
            torch.as_tensor(body_labels(motion, scene), dtype=torch.float32),
            torch.as_tensor(bodies[row]),
            torch.as_tensor(keypoints_b[row], dtype=torch.float32),
            torch.as_tensor(objects[row]),
            torch.as_tensor(points_b[row], dtype=torch.float32),
            torch.as_tensor(np.take_along_axis(active, row, 1), dtype=torch.float32),
        )

    @classmethod
    def concatenate(cls, graphs: Sequence[InteractionGraph]) -> InteractionGraph:
        """One table of all frames, clip after clip; the same bodies in all of them."""
        most = max(graph.active.shape[1] for graph in graphs)

        def filled(name: str, graph: InteractionGraph) -> torch.Tensor:
            table: torch.Tensor = getattr(graph, name)
            if name == "labels":
                return table
            return torch.cat((table, table.new_zeros(len(table), most - table.shape[1], *table.shape[2:])), 1)

        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(torch.cat([filled(name, graph) for graph in graphs]) for name in names))

    def at(self, frames: torch.Tensor) -> InteractionGraph:
        """The rows of frames [N]."""
        fields = dataclasses.fields(self)
        return InteractionGraph(*(getattr(self, field.name).index_select(0, frames) for field in fields))


def carried_keypoints(motion: Motion, scene: Scene, anchor: Anchor) -> tuple[np.ndarray, np.ndarray]:
    """The body that carries each contact's keypoint, [C], and the keypoint's place in that body's frame, [C, 3] m.

    A mitten's fingers ride on its knuckle, thumbs on the wrist, as in the motion, which is a reference's. A joint's
    centre moves with its carrier likewise.
    """
    keypoint = [KEYPOINT_INDEX[name] for name in motion.contacts.keypoints]
    joint = KEYPOINT_JOINTS[keypoint]
    pose = motion.joint_rotations_b[0].copy()
    pose[list(scene.joints)] = [1.0, 0.0, 0.0, 0.0]  # so that a carrier's frame has the world's axes
    pose = fingers_together(pose)
    places, turns = skeleton.forward_kinematics(pose, np.zeros(3), motion.offsets)
    body = carriers(scene.joints)[joint]
    place = places[joint] - places[np.array(scene.joints)[body]]
    if anchor == "surface":
        place = place + rotations.rotate(turns[joint], keypoint_offsets(motion.offsets)[keypoint])
    return body, place


def body_labels(motion: Motion, scene: Scene) -> np.ndarray:
    """[T, B] 0 or 1, bodies that have to touch an object: those of the contact graph (the seed's annotated pairs).

    Where the motion has no graph, those that the data set labels +1.
    """
    labels = motion.contact_labels if motion.contact_labels is not None and not len(motion.contacts) else None
    joints = (labels_from_graph(motion) if labels is None else labels) > 0
    carried = carriers(scene.joints)[:, None] == np.arange(len(scene.joints))
    found: np.ndarray = (joints @ carried).astype(np.float32)
    return found


def _object_points(motion: Motion, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Each contact's object as `InteractionGraph` numbers them, [C], and the point in its frame, [C, 3] m."""
    graph, points = motion.contacts, motion.contacts.points_b.copy()
    objects = np.zeros(len(graph), np.int64)
    for index, item in enumerate(motion.objects):
        rows = graph.object_index == index
        if item.is_static:
            points[rows] = item.position_w[0] + rotations.rotate(item.rotation_w[0], points[rows])
        else:
            objects[rows] = scene.object_names.index(item.name) + 1
    return objects, points


def label_reward(forces_w: torch.Tensor, labels: torch.Tensor, touch_force: float) -> torch.Tensor:
    """KP label reward, eq. 5: -sum_b |c_hat - c| c_hat / sum_b c_hat, in [-1, 0], 0 where nothing is annotated: [N].

    The paper has no denominator: with it the penalty is the share of contact that is missing, however many bodies are
    annotated. The simulated label c grows with the force up to 1 at `touch_force`. Touching more than is annotated
    costs nothing, and touching the floor is no contact.

    Args:
        forces_w: [N, B, 3] N, what each body exerts on the objects.
        labels: [N, B] 0 or 1, c_hat.
        touch_force: N.
    """
    touch = (forces_w.norm(dim=-1) / touch_force).clamp(max=1.0)
    return -((labels - touch).abs() * labels).sum(-1) / labels.sum(-1).clamp_min(1.0)


def contact_reward(state: BodyState, graph: InteractionGraph, reach: float) -> torch.Tensor:
    """KP contact reward, eq. 6: -lambda_c sum |R M + p_o - p_h|^2 over the active pairs, in [-1, 0]: [N].

    lambda_c is 1 / (reach^2 x number of active pairs), and no pair counts as farther apart than `reach`: the mean
    squared distance as a share of the worst that can be. 0 where no pair is active.

    Args:
        state: N environments.
        graph: the rows of their frames; the anchor p_h was chosen when it was made.
        reach: m.
    """
    square = pair_gaps(state, graph).square().sum(-1).clamp(max=reach**2)
    return -(square * graph.active).sum(-1) / (reach**2 * graph.active.sum(-1).clamp_min(1.0))


def pair_gaps(state: BodyState, graph: InteractionGraph) -> torch.Tensor:
    """From the human point p_h to the object's point R M + p_o, world frame, of all pairs: [N, P, 3] m."""
    world = torch.zeros_like(state.positions_w[:, :1])
    upright = torch.zeros_like(state.rotations_w[:, :1])
    upright[..., 0] = 1.0
    places = torch.cat((world, state.object_positions_w), 1)
    turns = torch.cat((upright, state.object_rotations_w), 1)
    points_w = _placed(places, turns, graph.objects, graph.points_b)
    return points_w - _placed(state.positions_w, state.rotations_w, graph.bodies, graph.keypoints_b)


def _placed(places: torch.Tensor, turns: torch.Tensor, which: torch.Tensor, points_b: torch.Tensor) -> torch.Tensor:
    """Points [N, P, 3] in frames `which` [N, P] out of K frames at [N, K, 3], turned by [N, K, 4], in the world."""
    place = places.gather(1, which[..., None].expand(-1, -1, 3))
    turn = turns.gather(1, which[..., None].expand(-1, -1, 4))
    return place + rotations.rotate(turn, points_b)
