"""Evidence: each artefact raises the figure that is there to betray it; figures that need no physics, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from generate.authored import author_box_push
from rl import evidence
from rl.calibration import BALL
from rl.evidence import WORDS, evidence_of, in_words, physics_evidence, repair_evidence, source_evidence
from sim.audit_checks import HAND_KEYPOINTS, Person
from sim.contacts import extract_contacts
from sim.corruption import corrupt
from sim.motion import Motion, MotionObject
from sim.retarget import Reference


@pytest.fixture(scope="module")
def clean() -> Motion:
    motion = author_box_push().slice(40, 120)
    return motion.replace(contacts=extract_contacts(motion))


@pytest.fixture(scope="module")
def figures(clean: Motion) -> dict[str, float]:
    return source_evidence(clean)


@pytest.mark.parametrize(
    ("kind", "betrayed_by"),
    [
        ("jitter", ("quiet_jerk_m_s3", "object_quiet_jerk_m_s3", "support_speed_m_s")),
        ("drift", ("floor_wander_mm", "carry_slip_m_s")),
        ("float", ("object_rest_mm",)),
        ("interpenetration", ("penetration_mm",)),
        ("missed_contacts", ("contact_gap_mm",)),
        ("sliding_feet", ("support_speed_m_s",)),
        ("time_shift", ("carry_slip_m_s", "shift_s")),
    ],
)
def test_an_artefact_raises_what_is_there_to_betray_it(
    clean: Motion, figures: dict[str, float], kind: str, betrayed_by: tuple[str, ...]
) -> None:
    noisy = source_evidence(corrupt(clean, kind, strength=1.0, seed=1))
    for name in betrayed_by:
        assert noisy[name] > figures[name] + 1e-9, name


def test_sinking_and_floating_by_hand(clean: Motion, figures: dict[str, float]) -> None:
    up, down = (source_evidence(shifted(clean, height)) for height in (0.06, -0.06))
    assert up["float_mm"] == pytest.approx(figures["float_mm"] - figures["sink_mm"] + 60.0)
    assert down["sink_mm"] == pytest.approx(60.0 - figures["float_mm"] + figures["sink_mm"])
    assert up["floor_wander_mm"] == pytest.approx(figures["floor_wander_mm"])


def shifted(motion: Motion, height: float) -> Motion:
    return motion.replace(root_position_w=motion.root_position_w + [0.0, 0.0, height])


def test_an_object_that_goes_alone_slips_at_its_own_speed(clean: Motion) -> None:
    """The box travels at 0.5 m/s on the floor, 5 m from everyone."""
    frames = clean.num_frames
    way = np.linspace(0.0, 0.5 * (frames - 1) / 30.0, frames)[:, None] * [1.0, 0.0, 0.0]
    alone = dataclasses.replace(clean.objects[0], position_w=clean.objects[0].position_w[:1] + [0.0, 5.0, 0.0] + way)
    alone = dataclasses.replace(alone, rotation_w=np.repeat(alone.rotation_w[:1], frames, 0))
    found = source_evidence(clean.replace(objects=(alone,)))
    assert found["carry_slip_m_s"] == pytest.approx(0.5, abs=1e-6)


def test_a_shift_in_time_is_measured(clean: Motion) -> None:
    """A box that rides on the left hand slips not at all; moved by 0.2 s it would, and 0.2 s is what is found."""
    hand_w = Person(clean).keypoints_w[:, HAND_KEYPOINTS["left"]].mean(1)
    swing = 0.3 * np.sin(2 * np.pi * np.arange(clean.num_frames) / 40.0)[:, None] * [1.0, 0.5, 0.0]
    swung = clean.replace(root_position_w=clean.root_position_w + swing)
    ride = dataclasses.replace(
        clean.objects[0],
        position_w=hand_w + swing + [0.0, 0.0, 0.5],
        rotation_w=np.repeat(clean.objects[0].rotation_w[:1], clean.num_frames, 0),
    )
    near = np.full((clean.num_frames, 87), 0.05)

    def measured(item: MotionObject) -> float:
        thing = Person(swung.replace(objects=(item,))).things[0]
        thing.__dict__["distance"] = near
        return evidence._shift(thing)

    assert measured(ride) == 0.0
    for frames in (6, -6):
        late = dataclasses.replace(ride, position_w=np.roll(ride.position_w, frames, axis=0))
        assert measured(late) == pytest.approx(0.2)


def test_every_figure_of_the_source_has_words_and_a_unit(figures: dict[str, float]) -> None:
    assert set(WORDS) | {BALL} == set(figures)
    assert in_words("foot_skate_m_s", 0.2149) == "standing feet slide, mean: 0.215 m/s"


def test_without_objects_their_figures_are_unknown(clean: Motion) -> None:
    found = source_evidence(
        clean.replace(objects=(), contacts=clean.contacts.rows(np.zeros(len(clean.contacts), bool)))
    )
    assert np.isnan([found["carry_slip_m_s"], found["object_rest_mm"], found["penetration_mm"]]).all()
    assert np.isfinite([found["quiet_jerk_m_s3"], found["floor_wander_mm"], found["support_speed_m_s"]]).all()


def test_repair_and_physics_by_hand(push: Reference) -> None:
    report = dataclasses.replace(push.report, hand_gap_before_mm={"left": -30.0, "right": 12.0})
    assert repair_evidence(report)["repair_hand_gap_mm"] == 30.0
    item = push.source.objects[0]
    moved = dataclasses.replace(item, position_w=item.position_w + [0.03, 0.04, 0.0])
    simulation = push.source.replace(objects=(moved,))
    known: dict[str, dict[str, float | None]] = {
        "mpjpe_source": {"value": 41.0},
        "contact_recall": {"value": 0.75},
        "completion_perturbed": {"value": None},
    }
    found = physics_evidence(push, simulation, known)
    assert found["physics_object_mm"] == pytest.approx(50.0)
    assert found["physics_joint_mm"] == 41.0
    assert found["physics_missed_contact"] == 0.25
    assert np.isnan(found["physics_not_robust"])
    assert {"quiet_jerk_m_s3", "repair_joint_mm", "physics_object_mm"} <= set(evidence_of(push, simulation, known))
