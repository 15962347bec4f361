"""Limits of the kinematic audit, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

Limit = tuple[float, float]
"""(warn, fail): a figure above the first deserves a look; one above the second is not physical, or broken data."""


@dataclass(frozen=True)
class AuditConfig:
    """Limits of every figure, (warn, fail).

    Where no source is named they were set on 80 real clips (40 OMOMO at 30 fps, 40 BallPlay at 60 fps): `warn` lies
    near the worst of what sound mocap shows, `fail` beyond all of it.

    Attributes:
        floor_penetration_mm: 0 on every real clip; keypoints are good to about 20.
        float_mm: BallPlay 5-13, OMOMO 6-52: its subjects hover by up to 50 mm where its floor is off.
        levitation_s: second differences are noisy for about 0.1 s around take-off and landing.
        foot_skate_m_s: OMOMO 0.01-0.06, BallPlay 0.01-0.47 (running at 60 fps).
        jerk_m_s3: OMOMO 20-88 (published: `intermimic_teacher.csv`), BallPlay 48-435; white noise of 5 mm adds 1000.
        joint_speed_m_s: real clips 2-10; a baseball pitcher's wrist reaches about 20.
        joint_turn_rad_s: real clips 3-34; one at 66, whose wrist flips by 126 degrees from one frame to the next.
        root_acceleration_m_s2: real clips 2-44, the most on landing from a jump.
        penetration_mm: OMOMO 0-77, BallPlay 0-59 (a palm on a hard ball); meshes that are convex hulls exaggerate.
        contact_gap_mm: real clips 0-73; 100 is where OMOMO's own labels rule contact out.
        contact_drift_mm: a contact is extracted within 100 (Open4DHOI section 9.6).
        object_floor_mm: real clips 0-25 (a ball that bounces).
        object_float_mm: OMOMO 0-15, its suitcases 27-40. A tripod or a wheel may really have little below it.
        object_jerk_m_s3: OMOMO 4-23, BallPlay 1-353; white noise of 5 mm adds 1000.
        object_speed_m_s: real clips 0.4-9; a hard-thrown baseball 45.
        object_levitation_s: 77 of the 80 clips below 0.04; in three rebounds the ball hesitates in the air for 0.1-0.2.
        object_energy_j_kg: 79 clips below 0.5, one whose ball jumps has 13; 1 is a lift by 0.1 m, or 1.4 m/s.
        object_slide_m_s: OMOMO 0.00-0.02.
        static_motion_mm: none is allowed; the slack is for rounding.
    """

    floor_penetration_mm: Limit = (20.0, 50.0)
    float_mm: Limit = (30.0, 80.0)
    levitation_s: Limit = (0.15, 0.4)
    foot_skate_m_s: Limit = (0.25, 0.5)
    jerk_m_s3: Limit = (350.0, 1000.0)
    joint_speed_m_s: Limit = (12.0, 25.0)
    joint_turn_rad_s: Limit = (40.0, 60.0)
    root_acceleration_m_s2: Limit = (50.0, 100.0)
    penetration_mm: Limit = (30.0, 80.0)
    contact_gap_mm: Limit = (50.0, 100.0)
    contact_drift_mm: Limit = (100.0, 200.0)
    object_floor_mm: Limit = (30.0, 60.0)
    object_float_mm: Limit = (20.0, 60.0)
    object_jerk_m_s3: Limit = (400.0, 1000.0)
    object_speed_m_s: Limit = (15.0, 50.0)
    object_levitation_s: Limit = (0.1, 0.3)
    object_energy_j_kg: Limit = (0.6, 1.5)
    object_slide_m_s: Limit = (0.05, 0.2)
    static_motion_mm: Limit = (1.0, 10.0)
