"""How well `recon.body.fit` brings back known motions from landmarks with a detector's noise.

    python -m benchmarks.body_fit MOTION.npz ... --px 5 --mm 30

Landmarks are the motion's own by `recon.body.points`, through a camera 3.5 to 5 m away, with Gaussian noise in image
and space, an arm hidden for a quarter of the clip and eight frames without a person. Rows: the subject's own
proportions, each bone group off by 6 % (`own`), or a person of average proportions whose joints lie elsewhere in the
flesh than the data set's (`default`, limb joints only). Columns: see `Figures`.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon.body.fit import BodyFit, BodyFitConfig, fit_body
from recon.body.points import SCALE_GROUPS, BodyTemplate, landmarks_of
from recon.camera import Camera
from recon.vision.landmarks import Landmarks
from sim import metrics, rotations
from sim.body.capsules import measure_stance
from sim.contact_graph import ContactGraph
from sim.motion import Motion
from sim.skeleton import BODY_JOINTS, JOINT_INDEX

HIPS = [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]
FEET = [JOINT_INDEX["left_foot"], JOINT_INDEX["right_foot"]]
LIMBS = [
    JOINT_INDEX[f"{s}_{p}"] for s in ("left", "right") for p in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]


@dataclass(frozen=True)
class Figures:
    """mm unless said; joint errors in camera axes.

    relative: about the middle of the hips; aligned: after the best similarity transform of each frame (PA-MPJPE);
    place: without alignment; tilt: degrees between the two ups; feet: height of toe joints against the truth's; skate:
    mm/s of toes that stand, `skate0` the truth's; jerk: m/s^3 of the body, `jerk0` the truth's; cpu: s a clip.
    """

    relative: float
    aligned: float
    place: float
    tilt: float
    feet: float
    skate: float
    skate0: float
    jerk: float
    jerk0: float
    cpu: float


def detected(
    motion: Motion, camera: Camera, template: BodyTemplate, rng: np.random.Generator, px: float, mm: float
) -> Landmarks:
    """What a detector might say: noise, a hidden left arm (guessed 40 px and 150 mm off), frames with nobody."""
    exact = landmarks_of(motion, camera, template)
    shape, names = exact.pixels.shape[:2], exact.names
    pixels = exact.pixels + px * rng.normal(size=(*shape, 2))
    points = np.array(exact.points_m) + 0.001 * mm * rng.normal(size=(*shape, 3))
    confidence = np.full(shape, 0.95)
    arm = [names.index(f"left_{part}") for part in ("elbow", "wrist", "index", "pinky", "thumb")]
    hidden = np.ix_(np.arange(shape[0] // 4, shape[0] // 2), arm)
    pixels[hidden] += 40.0 * rng.normal(size=pixels[hidden].shape)
    points[hidden] += 0.15 * rng.normal(size=points[hidden].shape)
    confidence[hidden] = 0.15
    nobody = slice(shape[0] // 2 + 10, shape[0] // 2 + 18)
    pixels[nobody], points[nobody], confidence[nobody] = np.nan, np.nan, 0.0
    return Landmarks(names, pixels, points, confidence, "synthetic")


def aligned_error(found: np.ndarray, known: np.ndarray) -> float:
    """Mean distance after a similarity transform of each frame (Umeyama 1991), mm: [T, J, 3] x2 m."""
    x, y = (a - a.mean(1, keepdims=True) for a in (found, known))
    u, s, vt = np.linalg.svd(np.einsum("tja,tjb->tab", x, y))
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(1) / np.square(x).sum((1, 2))
    return metrics.mpjpe(scale[:, None, None] * (x @ turn), y)


def measure(fit: BodyFit, motion: Motion, camera: Camera, joints: list[int], cpu: float) -> Figures:
    """Compare a fit with the truth."""
    world = (fit.motion.joint_positions_w, motion.joint_positions_w)
    found, known = fit.camera.to_camera(world[0]), camera.to_camera(world[1])
    centred = [x - x[:, HIPS].mean(1, keepdims=True) for x in (found, known)]
    ups = [rotations.rotate_inverse(np.array(c.rotation_w), np.array([0.0, 0.0, 1.0])) for c in (fit.camera, camera)]
    stands = np.linalg.norm(np.gradient(world[1][:, FEET], axis=0), axis=-1) * motion.fps < 0.2
    skate, skate0 = (metrics.foot_skate(x[:, FEET], stands, motion.fps) * metrics.MM for x in world)
    jerk, jerk0 = (metrics.mean_jerk(x[:, list(metrics.PEER_JOINTS)], motion.fps) for x in world)
    return Figures(
        metrics.mpjpe(centred[0][:, joints], centred[1][:, joints]),
        aligned_error(found[:, joints], known[:, joints]),
        metrics.mpjpe(found[:, joints], known[:, joints]),
        float(np.degrees(np.arccos(np.clip(ups[0] @ ups[1], -1.0, 1.0)))),
        float(np.abs(world[0][:, FEET, 2] - world[1][:, FEET, 2])[stands].mean() * metrics.MM),
        skate, skate0, jerk, jerk0, cpu,
    )  # fmt: skip


def run(path: Path, own: bool, keep: bool, px: float, mm: float, frames: int, seed: int) -> Figures:
    """One clip."""
    rng = np.random.default_rng(seed)
    motion = Motion.load(path)
    motion = motion.slice(0, min(frames, motion.num_frames)).replace(
        objects=(), contacts=ContactGraph(), contact_labels=None, object_contact=None
    )
    template = BodyTemplate.of(motion.offsets, measure_stance(motion))
    pelvis, angle, away = motion.root_position_w.mean(0), rng.uniform(0, 2 * np.pi), rng.uniform(3.5, 5.0)
    eye = np.array([pelvis[0] + away * np.cos(angle), pelvis[1] + away * np.sin(angle), rng.uniform(1.2, 1.9)])
    camera = Camera.look_at(eye, pelvis, 1280, 720)
    landmarks = detected(motion, camera, template, rng, px, mm)
    off = template.scaled(0.06 * rng.normal(size=len(SCALE_GROUPS)))
    config = BodyFitConfig(camera_pose="keep" if keep else "estimate", height=template.height)
    if not own:  # a person of average proportions: the data set's convention of stature is none of its business
        config = dataclasses.replace(config, height=None)
    start = time.process_time()
    fit = fit_body(landmarks, camera, config, fps=motion.fps, template=off if own else None)
    return measure(fit, motion, camera, list(BODY_JOINTS) if own else LIMBS, time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motions", type=Path, nargs="+")
    parser.add_argument("--px", type=float, default=5.0)
    parser.add_argument("--mm", type=float, default=30.0)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    titles = [field.name for field in dataclasses.fields(Figures)]
    print(f"{'bones':8s}{'camera':9s}{'clip':28s}" + "".join(f"{title:>10s}" for title in titles))
    for own, keep in ((True, False), (True, True), (False, False)):
        for path in args.motions:
            figures = run(path, own, keep, args.px, args.mm, args.frames, args.seed)
            head = f"{'own' if own else 'default':8s}{'keep' if keep else 'estimate':9s}{path.stem[:26]:28s}"
            print(head + "".join(f"{getattr(figures, title):10.1f}" for title in titles), flush=True)


if __name__ == "__main__":
    main()
