"""Each finding fires on the fault it is for and on no sound motion: authored clips, real clips, and broken copies."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim import rotations, skeleton
from sim.audit import Audit, audit
from sim.audit_checks import Person
from sim.audit_config import AuditConfig
from sim.contact_graph import ContactGraph
from sim.errors import MotionError
from sim.files import write_json
from sim.formats import import_motion
from sim.geometry import Primitive
from sim.motion import Motion, MotionObject
from sim.objects import load_geometry
from sim.skeleton import JOINT_INDEX

FPS = 30.0
T = 90
BOX = Primitive("box", (0.4, 0.4, 0.4))
BALL = Primitive("sphere", (0.12,))
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def bones() -> np.ndarray:
    """Rest offsets of a plain adult in a T-pose, m."""
    offsets = np.zeros((52, 3))
    rows = {
        "hip": (0, 0.09, -0.08), "knee": (0, 0, -0.40), "ankle": (0, 0, -0.40), "foot": (0.13, 0, -0.06),
        "collar": (0, 0.05, 0.10), "shoulder": (0, 0.12, 0.05), "elbow": (0, 0.26, 0), "wrist": (0, 0.25, 0),
    }  # fmt: skip
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for part, (x, y, z) in rows.items():
            offsets[JOINT_INDEX[f"{side}_{part}"]] = (x, sign * y, z)
        for i, finger in enumerate(("index", "middle", "ring", "pinky", "thumb")):
            for segment in (1, 2, 3):
                joint = JOINT_INDEX[f"{side}_{finger}{segment}"]
                offsets[joint] = (0.03 * (1 - i) * (segment == 1), sign * (0.09 if segment == 1 else 0.03), 0)
    for name, z in (("spine1", 0.12), ("spine2", 0.13), ("spine3", 0.06), ("neck", 0.20), ("head", 0.10)):
        offsets[JOINT_INDEX[name]] = (0, 0, z)
    return offsets


def standing(frames: int = T, fps: float = FPS, objects: tuple[MotionObject, ...] = (), **fields: object) -> Motion:
    """Somebody who stands still, arms out, with the soles on the floor."""
    q = np.tile(IDENTITY, (frames, 52, 1))
    motion = Motion(fps, np.zeros((frames, 3)), q, bones())
    lowest = float(Person(motion).keypoints_w[..., 2].min())
    return motion.replace(root_position_w=np.tile([0.0, 0.0, -lowest], (frames, 1)), objects=objects, **fields)


def thing(position: np.ndarray, geometry: Primitive = BOX, *, is_static: bool = False) -> MotionObject:
    position = np.broadcast_to(position, (T, 3))
    return MotionObject("thing", geometry, position, np.tile(IDENTITY, (T, 1)), is_static=is_static)


AWAY = np.array([2.0, 0.0, 0.2])
"""A box 0.4 m high that lies on the floor, out of reach."""
TIME = np.arange(T) / FPS


def raised(found: Audit) -> set[str]:
    return {f.name for f in found.findings if f.level in ("warn", "fail")}


def test_somebody_who_stands_beside_a_box_is_fine() -> None:
    found = audit(standing(objects=(thing(AWAY),)))
    assert found.level == "ok"
    for name in (
        "float_mm",
        "foot_skate_m_s",
        "jerk_m_s3",
        "joint_speed_m_s",
        "object_slide_m_s",
        "object_energy_j_kg",
    ):
        assert found[name].value == pytest.approx(0.0, abs=1e-6)
    assert found["contact_gap_mm"].level == found["static_motion_mm"].level == "none"


# --- faults of the person, by hand --------------------------------------------------------------------------------


def moved(shift: np.ndarray) -> Motion:
    motion = standing()
    return motion.replace(root_position_w=motion.root_position_w + shift)


@pytest.mark.parametrize(("height", "value", "level"), [(0.05, 50.0, "warn"), (0.1, 100.0, "fail"), (0.02, 20.0, "ok")])
def test_float_is_the_height_over_the_floor(height: float, value: float, level: str) -> None:
    finding = audit(moved(np.array([0.0, 0.0, height])))["float_mm"]
    assert finding.value == pytest.approx(value)
    assert finding.level == level


def test_sinking_into_the_floor_names_the_frame() -> None:
    shift = np.zeros((T, 3))
    shift[40, 2] = -0.06
    finding = audit(moved(shift))["floor_penetration_mm"]
    assert finding.value == pytest.approx(60.0)
    assert (finding.level, finding.frame) == ("fail", 40)


def test_sliding_feet_are_measured_in_metres_a_second() -> None:
    found = audit(moved(TIME[:, None] * [0.3, 0.4, 0.0]))
    assert found["foot_skate_m_s"].value == pytest.approx(0.5)
    assert raised(found) == {"foot_skate_m_s"}


def test_hanging_in_the_air_is_levitation_and_a_jump_is_not() -> None:
    hang, jump = np.zeros((T, 3)), np.zeros((T, 3))
    hang[30:60, 2] = 0.5
    flight = TIME[:25]
    jump[30:55, 2] = 4.0 * flight - 0.5 * 9.81 * flight**2
    assert audit(moved(hang))["levitation_s"].level == "fail"
    assert audit(moved(jump))["levitation_s"].level == "ok"


def test_a_teleport_is_an_acceleration_of_the_root() -> None:
    shift = np.zeros((T, 3))
    shift[50:, 0] = 0.5
    found = audit(moved(shift))
    assert found["root_acceleration_m_s2"].level == "fail"
    assert found["root_acceleration_m_s2"].frame in (49, 50)
    assert found["joint_speed_m_s"].value == pytest.approx(0.5 * FPS)


def test_a_flipped_joint_is_named_by_its_frame() -> None:
    motion = standing()
    q = motion.joint_rotations_b.copy()
    q[33, JOINT_INDEX["left_wrist"]] = rotations.from_rotvec(np.array([0.0, 2.5, 0.0]))
    finding = audit(motion.replace(joint_rotations_b=q))["joint_turn_rad_s"]
    assert finding.value == pytest.approx(2.5 * FPS)
    assert finding.level == "fail"
    assert finding.frame in (32, 33)
    assert audit(motion.replace(joint_rotations_b=-motion.joint_rotations_b)).level == "ok"  # the double cover


def test_jitter_shows_as_jerk() -> None:
    noise = np.random.default_rng(0).normal(scale=0.02, size=(T, 3))
    found = audit(moved(noise))
    assert found["jerk_m_s3"].level == "fail"


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0, 62.0, 120.0])
def test_figures_mean_the_same_at_every_frame_rate(fps: float) -> None:
    """A slow sway has one jerk and one speed, whatever the sampling."""
    frames = round(4 * fps)
    motion = standing(frames, fps)
    sway = 0.1 * np.sin(2 * np.pi * np.arange(frames) / fps)[:, None] * [1.0, 0.0, 0.0]
    found = audit(motion.replace(root_position_w=motion.root_position_w + sway))
    assert found["joint_speed_m_s"].value == pytest.approx(0.1 * 2 * np.pi, rel=0.02)
    assert found["jerk_m_s3"].value == pytest.approx(0.1 * (2 * np.pi) ** 3 * 2 / np.pi, rel=0.05)


# --- faults of an object, by hand ---------------------------------------------------------------------------------


def audit_thing(position: np.ndarray, geometry: Primitive = BOX, *, is_static: bool = False) -> Audit:
    return audit(standing(objects=(thing(position, geometry, is_static=is_static),)))


def test_a_ball_that_is_thrown_and_bounces_is_fine() -> None:
    height, speed, heights = 2.0, 0.0, []
    for _ in range(T * 20):
        height, speed = height + speed / FPS / 20, speed - 9.81 / FPS / 20
        if height < 0.12 and speed < 0:
            speed *= -0.8
        heights.append(height)
    path = np.stack([2 + TIME, np.zeros(T), np.array(heights)[::20]], 1)
    assert raised(audit_thing(path, BALL)) <= {"object_floor_mm"}


def test_an_object_that_hangs_in_the_air_levitates() -> None:
    path = np.tile([2.0, 0.0, 0.2], (T, 1))
    path[:, 2] += 0.5
    finding = audit_thing(path)["object_levitation_s"]
    assert finding.value == pytest.approx((T - 4) / FPS, abs=0.1)
    assert finding.level == "fail"


def test_an_object_that_rises_by_itself_gains_energy() -> None:
    path = np.tile(AWAY, (T, 1))
    path[30:60, 2] += np.linspace(0, 0.6, 30)
    path[60:, 2] += 0.6
    finding = audit_thing(path)["object_energy_j_kg"]
    assert finding.value == pytest.approx(9.81 * 0.6, rel=0.05)
    assert finding.level == "fail"
    path[60:, 2] -= np.minimum(0.5 * 9.81 * TIME[:30] ** 2, 0.6)  # ... and falls again, which adds nothing
    assert audit_thing(path)["object_energy_j_kg"].value == pytest.approx(9.81 * 0.6, rel=0.05)


def test_an_object_that_slides_by_itself_is_found_and_a_rolling_ball_is_not() -> None:
    path = AWAY + TIME[:, None] * [0.3, 0.0, 0.0]
    finding = audit_thing(path)["object_slide_m_s"]
    assert finding.value == pytest.approx(0.3)
    assert finding.level == "fail"
    rolling = audit_thing(path - [0.0, 0.0, 0.08], BALL)
    assert rolling["object_slide_m_s"].level == "none"
    assert rolling.level == "ok"


def test_an_object_that_somebody_holds_may_do_as_it_likes() -> None:
    wrist = standing().joint_positions_w[0, JOINT_INDEX["left_wrist"]]
    path = wrist + [0.0, 0.1, 0.16] + np.sin(3 * TIME)[:, None] * [0.0, 0.0, 0.02]
    found = audit_thing(path, BALL)
    assert raised(found) == set()
    assert found["object_energy_j_kg"].value == 0.0


def test_a_neighbour_may_hold_an_object_up() -> None:
    """A box on a table does not levitate."""
    table = MotionObject(
        "table", Primitive("box", (1.0, 1.0, 0.5)), np.tile([2.0, 0, 0.25], (T, 1)), np.tile(IDENTITY, (T, 1)), True
    )
    found = audit(standing(objects=(table, thing(np.array([2.0, 0.0, 0.7])))))
    assert found["thing", "object_levitation_s"].level == "ok"
    assert found["thing", "object_float_mm"].level == "none"


def test_an_object_that_rests_over_or_under_the_floor() -> None:
    over = audit_thing(AWAY + np.array([0, 0, 0.04]))["object_float_mm"]
    assert (over.value, over.level) == (pytest.approx(40.0), "warn")
    under = audit_thing(AWAY - [0, 0, 0.07])["object_floor_mm"]
    assert (under.value, under.level) == (pytest.approx(70.0), "fail")
    tilted = np.tile(rotations.from_rotvec(np.array([np.pi / 4, 0, 0])), (T, 1))
    item = dataclasses.replace(thing(AWAY), rotation_w=tilted)  # stands on an edge, which the middle does not tell
    assert audit(standing(objects=(item,)))["object_floor_mm"].value == pytest.approx(
        1000 * 0.2 * (2**0.5 - 1), rel=1e-3
    )


def test_a_hand_inside_an_object() -> None:
    palm = Person(standing()).keypoints_w[0, 49]  # leftHand_palm
    finding = audit_thing(palm - np.array([0.0, 0.0, 0.12 - 0.05]), BALL)["penetration_mm"]
    assert finding.value is not None
    assert finding.value > 49.9
    assert finding.level in ("warn", "fail")


def test_a_gap_where_contact_is_labelled() -> None:
    labels = np.zeros((T, 52))
    labels[10:50, JOINT_INDEX["left_wrist"]] = 1
    palm = Person(standing()).keypoints_w[0, 49]
    for gap, level in ((0.02, "ok"), (0.07, "warn"), (0.15, "fail")):
        found = audit(standing(objects=(thing(palm - [0, 0, 0.12 + gap], BALL),), contact_labels=labels))
        assert found["contact_gap_mm"].value == pytest.approx(gap * 1000, abs=5.0)
        assert found["contact_gap_mm"].level == level
        assert 10 <= (found["contact_gap_mm"].frame or 0) < 50
    flag = np.zeros(T)
    flag[10:50] = 1
    found = audit(standing(objects=(thing(palm - [0, 0, 0.27], BALL),), object_contact=flag))
    assert found["contact_gap_mm"].value == pytest.approx(150.0, abs=5.0)


def test_a_contact_that_drifts_away() -> None:
    palm = Person(standing()).keypoints_w[0, 49]
    path = palm - [0, 0, 0.12] + np.maximum(TIME - 1.0, 0)[:, None] * [0.2, 0, 0]
    graph = ContactGraph(("leftHand_palm",), [0], [[0, 0, 0.12]], [0], [T - 1])  # type: ignore[arg-type]
    finding = audit(standing(objects=(thing(path, BALL),), contacts=graph))["contact_drift_mm"]
    assert finding.value == pytest.approx(0.2 * (TIME[-1] * 0.9 - 1.0) * 1000, rel=0.02)
    assert (finding.level, finding.frame) == ("fail", T - 1)


def test_a_static_object_that_moves() -> None:
    found = audit_thing(AWAY + TIME[:, None] * [0.1, 0, 0], is_static=True)
    assert found["static_motion_mm"].value == pytest.approx(100 * TIME[-1])
    assert found["static_motion_mm"].level == "fail"
    assert found["object_slide_m_s"].level == "none"


# --- the value ----------------------------------------------------------------------------------------------------


def test_limits_can_be_set() -> None:
    strict = AuditConfig(float_mm=(0.1, 0.2))
    assert audit(moved(np.array([0, 0, 0.02])), strict)["float_mm"].level == "fail"


def test_json_holds_everything_and_the_table_every_row(tmp_path: Path) -> None:
    found = audit(standing(objects=(thing(AWAY),)))
    write_json(tmp_path / "audit.json", found.to_json())
    loaded = json.loads((tmp_path / "audit.json").read_text())
    assert loaded["level"] == "ok"
    assert {row["name"] for row in loaded["findings"]} == {f.name for f in dataclasses.fields(AuditConfig)}
    assert {row["unit"] for row in loaded["findings"]} == {"mm", "s", "m/s", "m/s^2", "m/s^3", "rad/s", "J/kg"}
    assert found.table().row_count == len(found.findings)
    assert found.table(everything=False).row_count == sum(f.value is not None for f in found.findings)
    with pytest.raises(KeyError):
        found["height"]


def test_another_skeleton_is_refused() -> None:
    motion = Motion(30, np.zeros((3, 3)), np.tile(IDENTITY, (3, 1, 1)), np.zeros((1, 3)), ("pelvis",), (-1,))
    with pytest.raises(MotionError, match="standard 52 joints"):
        audit(motion)


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("frames", [2, 3, 4, 6, 8])
def test_the_shortest_clips_are_measured_or_left_out(frames: int, fps: float) -> None:
    item = MotionObject("thing", BOX, np.tile(AWAY, (frames, 1)), np.tile(IDENTITY, (frames, 1)))
    found = audit(standing(frames, fps, objects=(item,), object_contact=np.zeros(frames)))
    assert found.level == "ok"


# --- real clips ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pushed(data: Path) -> Motion:
    """A box that is pushed over the floor."""
    box = load_geometry(data / "objects/largebox.obj")
    return import_motion(data / "motions/omomo/sub8_largebox_000.pt", geometry=box)


@pytest.fixture(scope="module")
def lifted(data: Path) -> Motion:
    """A table that is raised and carried."""
    table = load_geometry(data / "objects/largetable.obj")
    return import_motion(data / "motions/omomo/sub2_largetable_003.pt", geometry=table)


def test_a_real_clip_has_no_failure(lifted: Motion, pushed: Motion) -> None:
    assert raised(audit(lifted)) <= {"float_mm"}
    assert raised(audit(pushed)) <= {"float_mm", "penetration_mm"}  # its hands are 49 mm inside the box


def shifted(motion: Motion, frames: int) -> Motion:
    """The object comes so many frames late (or early)."""
    index = np.clip(np.arange(motion.num_frames) - frames, 0, motion.num_frames - 1)
    item = motion.objects[0]
    item = dataclasses.replace(item, position_w=item.position_w[index], rotation_w=item.rotation_w[index])
    return motion.replace(objects=(item,))


def jittered(motion: Motion) -> Motion:
    noise = np.random.default_rng(0).normal(scale=0.02, size=(motion.num_frames, 3))
    return motion.replace(root_position_w=motion.root_position_w + noise)


def object_jittered(motion: Motion) -> Motion:
    noise = np.random.default_rng(0).normal(scale=0.02, size=(motion.num_frames, 3))
    item = dataclasses.replace(motion.objects[0], position_w=motion.objects[0].position_w + noise)
    return motion.replace(objects=(item,))


def drifted(motion: Motion) -> Motion:
    """The whole scene drifts at 0.6 m/s: the person skates, and the table slides before it is touched."""
    drift = np.arange(motion.num_frames)[:, None] / motion.fps * np.array([0.6, 0.0, 0.0])
    item = dataclasses.replace(motion.objects[0], position_w=motion.objects[0].position_w + drift)
    return motion.replace(root_position_w=motion.root_position_w + drift, objects=(item,))


FAULTS: dict[str, tuple[Callable[[Motion], Motion], dict[str, str]]] = {
    "drift": (drifted, {"foot_skate_m_s": "fail", "object_slide_m_s": "fail"}),
    "float of 5 cm": (
        lambda m: m.replace(root_position_w=m.root_position_w + np.array([0, 0, 0.05])),
        {"float_mm": "fail"},
    ),
    "jitter of 2 cm": (jittered, {"jerk_m_s3": "fail"}),
    "jitter of the object": (object_jittered, {"object_jerk_m_s3": "fail"}),
    "object half a second late": (lambda m: shifted(m, 15), {"contact_gap_mm": "fail"}),
    "object half a second early": (lambda m: shifted(m, -15), {"contact_gap_mm": "fail"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_put_into_a_real_clip_is_found(lifted: Motion, fault: str) -> None:
    spoil, expected = FAULTS[fault]
    found = audit(spoil(lifted))
    before = audit(lifted)
    for name, level in expected.items():
        assert before[name].level in ("ok", "warn")
        assert found[name].level == level, found[name]


def test_feet_that_slide_under_a_real_push(pushed: Motion) -> None:
    slide = np.zeros((pushed.num_frames, 3))
    slide[:, 1] = np.arange(pushed.num_frames) / pushed.fps * 0.5
    found = audit(pushed.replace(root_position_w=pushed.root_position_w + slide))
    assert found["foot_skate_m_s"].level in ("warn", "fail")
    assert audit(pushed)["foot_skate_m_s"].level == "ok"


def test_a_published_clip_whose_wrist_flips_is_caught(data: Path) -> None:
    """sub2_largetable_004: the right wrist turns by 126 degrees between two frames of the published file."""
    table = load_geometry(data / "objects/largetable.obj")
    motion = import_motion(data / "motions/omomo/sub2_largetable_004.pt", geometry=table)
    finding = audit(motion)["joint_turn_rad_s"]
    assert (finding.level, finding.frame) == ("fail", 74)
    turn = rotations.angle_between(motion.joint_rotations_b[74].copy(), motion.joint_rotations_b[75].copy())
    assert skeleton.JOINT_NAMES[int(turn.argmax())] == "right_wrist"


def test_a_published_clip_whose_ball_jumps_is_caught(data: Path) -> None:
    """rebound_17: the ball moves by a quarter of a metre within one frame, untouched, in mid-air."""
    path = next((data / "motions/ballplay").glob("*rebound_17.pt"))
    finding = audit(import_motion(path))["object_energy_j_kg"]
    assert finding.level == "fail"
    assert abs((finding.frame or 0) - 28) <= 2


@pytest.mark.slow
def test_real_mocap_is_mostly_sound(data: Path) -> None:
    """80 clips, some 18 figures each: failures only where a published file is broken, and few warnings."""
    shapes = {}
    levels: list[str] = []
    failed: dict[str, set[str]] = {}
    for row in json.loads((data / "bench80.json").read_text())["clips"]:
        name = row["object"]
        if name not in shapes:
            shapes[name] = load_geometry(data / name if name.endswith(".obj") else name)
        motion = import_motion(data / row["clip"], layout=row["format"], fps=row["fps"], geometry=shapes[name])
        found = audit(motion)
        levels += [f.level for f in found.findings if f.value is not None]
        if found.level == "fail":
            failed[Path(row["clip"]).stem] = {f.name for f in found.findings if f.level == "fail"}
    assert {stem.split("pickle_")[-1]: names for stem, names in failed.items()} == {
        "sub2_largetable_004": {"joint_turn_rad_s"},
        "rebound_17": {"object_energy_j_kg"},
    }
    assert levels.count("ok") > 0.93 * len(levels)
