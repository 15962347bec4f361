"""Figures of an evaluation on motions for which they are known."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from envs.interaction import InteractionGraph, pair_gaps
from envs.tracking import TaskConfig
from rl.evaluate import simulated_motion
from rl.figures import figures_of, per_frame_of
from rl.rollouts import Episodes, Evaluator
from sim.contacts import graph_distances
from sim.motion import Motion
from sim.retarget import Reference, retarget


@pytest.fixture(scope="module")
def episodes(push: Reference) -> Episodes:
    from envs.terminations import TerminationConfig

    return Evaluator(push, TaskConfig(threads=1, termination=TerminationConfig(0.0, 0.0))).run(None)


def figures(reference: Reference, simulation: Motion, clean: Episodes) -> dict[str, dict[str, Any]]:
    return figures_of(reference, simulation, clean, clean, touch_force=1.0)


def test_the_reference_itself_has_no_error(push: Reference, episodes: Episodes) -> None:
    found = figures(push, push.motion, episodes)
    for name in ("mpjpe", "mpjpe_root_relative", "object_position_error", "object_rotation_error"):
        assert found[name]["value"] == pytest.approx(0, abs=1e-4), name
    assert found["mpjpe_source"]["value"] == pytest.approx(push.report.joint_shift_mean_mm, rel=0.05)
    for name in ("jitter", "penetration_max", "penetration_share", "foot_skate"):
        assert found[name]["value"] == pytest.approx(found[f"{name}_reference"]["value"], rel=1e-9), name
    assert found["contact_distance"]["value"] == pytest.approx(found["contact_distance_reference"]["value"], rel=1e-9)


def test_a_shifted_copy_has_the_shift_as_its_error(push: Reference, episodes: Episodes) -> None:
    """30 mm aside: as much of global error, none relative to the pelvis, and the object 40 mm off."""
    thing = push.motion.objects[0]
    moved = push.motion.replace(
        root_position_w=push.motion.root_position_w + np.array([0.0, 0.03, 0.0]),
        objects=(dataclasses.replace(thing, position_w=thing.position_w + np.array([0.04, 0.0, 0.0])),),
    )
    found = figures(push, moved, episodes)
    assert found["mpjpe"]["value"] == pytest.approx(30, abs=1e-3)
    assert found["mpjpe_root_relative"]["value"] == pytest.approx(0, abs=1e-3)
    assert found["object_position_error"]["value"] == pytest.approx(40, abs=1e-3)
    series = per_frame_of(push, moved)
    assert series["mpjpe_mm"] == pytest.approx([30.0] * 40, abs=1e-3)
    assert series["object_position_mm"] == pytest.approx([40.0] * 40, abs=1e-3)
    assert series["object_height_m"] == pytest.approx(series["object_height_m_reference"])


def test_a_shorter_simulation_is_compared_with_its_own_frames(push: Reference, episodes: Episodes) -> None:
    found = figures(push, push.motion.slice(0, 10), episodes)
    assert found["mpjpe"]["value"] == pytest.approx(0, abs=1e-4)
    series = per_frame_of(push, push.motion.slice(0, 10))
    assert all(len(row) == 40 and row[10:] == [None] * 30 for row in series.values())


def test_artefacts_are_those_of_the_motion_they_are_named_for(push: Reference, episodes: Episodes) -> None:
    """An object that is given as trembling by 1 mm up and down has a third difference of 8 mm; physics sees none."""
    box = push.source.objects[0]
    tremble = np.where(np.arange(len(box.position_w)) % 2, 0.001, -0.001)[:, None] * [0.0, 0.0, 1.0]
    still = dataclasses.replace(
        box, position_w=box.position_w[:1] + tremble, rotation_w=np.tile(box.rotation_w[:1], (len(tremble), 1))
    )
    given = dataclasses.replace(push, source=push.source.replace(objects=(still,)))
    found, plain = figures(given, push.motion, episodes), figures(push, push.motion, episodes)
    assert found["object_jitter_given"]["value"] == pytest.approx(8.0)
    assert found["object_jerk_given"]["value"] == pytest.approx(8e-3 * 30**3)
    for name in ("object_jitter", "object_jitter_reference", "penetration_max", "float", "jerk_given"):
        assert found[name]["value"] == plain[name]["value"], name


def test_nothing_that_is_written_is_nan(push: Reference, episodes: Episodes) -> None:
    json.dumps(figures(push, push.motion, episodes), allow_nan=False)
    json.dumps(per_frame_of(push, push.motion), allow_nan=False)


def test_without_object_and_contact_those_figures_are_absent_or_empty(push_clip: Motion) -> None:
    alone = push_clip.slice(0, 8)
    alone = alone.replace(objects=(), contacts=alone.contacts.cut(0, 0), contact_labels=None, object_contact=None)
    reference = retarget(alone)
    clean = Evaluator(reference, TaskConfig(threads=1)).run(None)
    found = figures(reference, reference.motion, clean)
    json.dumps(found, allow_nan=False)
    json.dumps(per_frame_of(reference, reference.motion), allow_nan=False)
    assert "object_position_error" not in found
    assert "contact_distance" not in found
    assert found["contact_recall"]["value"] is None
    assert found["penetration_max"]["value"] is None
    assert found["mpjpe"]["value"] == pytest.approx(0, abs=1e-4)


def test_hands_that_never_touch_recall_nothing(push: Reference, episodes: Episodes) -> None:
    """Forces of zero where contact is labelled: recall 0, no precision; forces everywhere: recall 1.

    The labels ask for touch in 23 frames, forbid it in 10 (made so here) and say nothing in the 7 between.
    """
    labels = push.motion.contact_labels
    assert labels is not None
    assert (labels[17:, _hands(push)] > 0).any(1).all()
    assert not labels[:17, _hands(push)].any()
    forbidding = labels.copy()
    forbidding[:10] = -1
    strict = dataclasses.replace(push, motion=push.motion.replace(contact_labels=forbidding))
    for force, recall, precision in ((0.0, 0.0, None), (10.0, 1.0, 23 / 33)):
        forces = torch.full_like(episodes.states.forces_w, force)
        felt = dataclasses.replace(episodes, states=dataclasses.replace(episodes.states, forces_w=forces))
        found = figures(strict, strict.motion, felt)
        assert found["contact_recall"]["value"] == recall
        assert found["contact_precision"]["value"] == pytest.approx(precision)


def test_contact_is_measured_to_skin_and_joint(push: Reference, episodes: Episodes) -> None:
    """Joints lie deeper than the skin; both are those of the reference where the simulation is the reference."""
    found = figures(push, push.motion, episodes)
    skin, joint = (found[name]["value"] for name in ("contact_distance", "contact_distance_joint"))
    assert joint > skin + 10
    for name in ("contact_distance_joint", "contact_score"):
        assert found[name]["value"] == pytest.approx(found[f"{name}_reference"]["value"], rel=1e-9)
    apart = graph_distances(push.motion, anchor="joint")
    frames = [sum(float(d) ** 2 for d in row if np.isfinite(d)) for row in apart if np.isfinite(row).any()]
    assert found["contact_score"]["value"] == pytest.approx(sum(frames) / len(frames))
    series = per_frame_of(push, push.motion)
    known = [v for v in series["contact_distance_mm"] if v is not None]
    assert len(known) == len(frames)
    assert series["contact_distance_mm"] == series["contact_distance_mm_reference"]


def test_a_simulation_is_measured_where_the_reward_measures(push: Reference, episodes: Episodes) -> None:
    """Fingers stand as the mitten has them: the figure's distances are those of the contact reward."""
    simulation = simulated_motion(push, episodes)
    graph = InteractionGraph.of(push)
    for t in range(1, simulation.num_frames, 4):
        gaps = pair_gaps(episodes.states[t], graph.at(torch.as_tensor(episodes.frames[t])))[0].norm(dim=-1)
        expected = graph_distances(simulation)[t]
        assert sorted(gaps[graph.active[t] > 0].tolist()) == pytest.approx(
            sorted(expected[np.isfinite(expected)].tolist()), abs=1e-4
        ), t


def _hands(push: Reference) -> list[int]:
    from sim.skeleton import FINGER_JOINTS, JOINT_INDEX, JOINT_NAMES

    columns: list[int] = []
    for side in ("left", "right"):
        columns += [j for j in FINGER_JOINTS if JOINT_NAMES[j].startswith(side)] + [JOINT_INDEX[f"{side}_wrist"]]
    return columns
