"""The keypoint solver against known truth: drawn points of real meshes on real trajectories, with drawn faults.

    python -m benchmarks.keypoint_solver [--clips 40] [--cases 5+5 flat ...]

Every case takes the same clips: object poses of `motions/omomo` under the folder that TOUCHSTONE_DATA names (default
../shared/data), a camera 3 to 5 m away (1280 x 720, focal length of `default_intrinsics`), contacts at random points
of the mesh and image points that lie far apart. The person's keypoints are the true contact points plus noise, so this
measures the solver alone; `benchmarks.reconstruction_truth` measures the way from pixels.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.keypoints.solver import KeypointSolverConfig, ObjectPoses, solve_object_poses
from sim import rotations
from sim.contact_graph import ContactGraph
from sim.formats import import_motion
from sim.geometry import Geometry
from sim.keypoint_names import KEYPOINT_NAMES
from sim.metrics import position_error_per_frame, rotation_error_per_frame
from sim.motion import MotionObject
from sim.objects import Shape, load_geometry

DATA = Path(os.environ.get("TOUCHSTONE_DATA", "../shared/data"))
FRAMES = 150


@dataclass(frozen=True)
class Case:
    """What is drawn. Noise is white in time; bias is drawn once per point, as a body fit's error is.

    Attributes:
        contacts, images: points of each kind.
        contact_noise, contact_bias: m; image_noise, image_bias: pixels, one standard deviation per axis.
        contact_share: share of the clip, from its middle out, in which the contacts hold.
        missing: share of image points that are hidden, in stretches of 15 frames.
        wrong_images, wrong_contacts: points that lie elsewhere: clicked on a wrong vertex.
        glitches: share of tracked pixels that are off by 100 px.
        flat: points only on the plane of the mesh's two longest axes.
        line: contacts only on the mesh's longest axis.
        static: the object stands still and is annotated so.
        initial: rad and m by which a first guess that is handed in is off; 0 hands in none.
    """

    contacts: int = 5
    images: int = 5
    contact_noise: float = 0.01
    contact_bias: float = 0.0
    image_noise: float = 2.0
    image_bias: float = 0.0
    contact_share: float = 1.0
    missing: float = 0.0
    wrong_images: int = 0
    wrong_contacts: int = 0
    glitches: float = 0.0
    flat: bool = False
    line: bool = False
    static: bool = False
    initial: float = 0.0


CASES: dict[str, Case] = {
    "5+5": Case(),
    "5+5, all of it bias": Case(contact_noise=0, contact_bias=0.01, image_noise=0, image_bias=2.0),
    "5+5, contacts off by 50 mm": Case(contact_bias=0.05),
    "3+3": Case(3, 3),
    "2+2": Case(2, 2),
    "2+1": Case(2, 1),
    "1+3": Case(1, 3),
    "3+0": Case(3, 0),
    "2+0 (rank 5)": Case(2, 0),
    "0+5": Case(0, 5),
    "0+4": Case(0, 4),
    "0+3 (four solutions)": Case(0, 3),
    "5+5, contacts in half of the clip": Case(contact_share=0.5),
    "5+5, 40 % hidden": Case(missing=0.4),
    "2+3, 40 % hidden": Case(2, 3, missing=0.4),
    "5+5, one image point on a wrong vertex": Case(wrong_images=1),
    "5+5, one contact on a wrong vertex": Case(wrong_contacts=1),
    "5+5, one of each on a wrong vertex": Case(wrong_images=1, wrong_contacts=1),
    "5+5, 15 % of pixels glitch": Case(glitches=0.15),
    "flat 5+5": Case(flat=True),
    "flat 0+5": Case(0, 5, flat=True),
    "contacts on a line, 5+2": Case(5, 2, line=True),
    "static 5+5": Case(static=True),
    "static 2+3": Case(2, 3, static=True),
    "2+2, first guess off by 0.5": Case(2, 2, initial=0.5),
    "2+2, first guess off by 3": Case(2, 2, initial=3.0),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn problem and its truth."""

    annotations: Annotations
    keypoints_w: np.ndarray
    camera: Camera
    fps: float
    position_w: np.ndarray
    rotation_w: np.ndarray
    center_b: np.ndarray
    initial: tuple[np.ndarray, np.ndarray] | None


def draw_scene(case: Case, item: MotionObject, fps: float, rng: np.random.Generator) -> Scene:
    """Points, pixels and keypoints for a real object on its real way."""
    start = int(rng.integers(0, max(len(item.position_w) - FRAMES, 0) + 1))
    position, rotation = item.position_w[start : start + FRAMES], item.rotation_w[start : start + FRAMES]
    if case.static:
        position, rotation = np.tile(position[:1], (len(position), 1)), np.tile(rotation[:1], (len(rotation), 1))
    frames = len(position)
    surface = rng.choice(_surface_points(item.geometry), 400, replace=False)
    center = 0.5 * (surface.max(0) + surface.min(0))
    extents = np.ptp(surface, axis=0)
    if case.flat:
        surface[:, extents.argmin()] = center[extents.argmin()]
    contacts_b = surface[rng.choice(len(surface), case.contacts, replace=False)]
    if case.line:
        contacts_b = np.where(np.arange(3) == extents.argmax(), contacts_b, center)
    middle = position.mean(0) + center
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(3, 5)
    eye = middle + distance * np.array([np.cos(angle), np.sin(angle), 0.0]) + [0, 0, rng.uniform(0.2, 1.2)]
    camera = Camera.look_at(eye, middle, 1280, 720)

    def placed(points_b: np.ndarray) -> np.ndarray:
        turned: np.ndarray = rotations.rotate(rotation[:, None], points_b)
        return position[:, None] + turned

    images_b = surface[_farthest(camera.project_world(placed(surface))[0], case.images, rng)]
    pixels = camera.project_world(placed(images_b))
    pixels = pixels + case.image_noise * rng.normal(size=pixels.shape)
    pixels = pixels + case.image_bias * rng.normal(size=pixels.shape[1:])
    pixels = pixels + 100 * (rng.random((*pixels.shape[:2], 1)) < case.glitches) * rng.normal(size=pixels.shape)
    visible = np.repeat(rng.random((frames // 15 + 1, case.images)) >= case.missing, 15, axis=0)[:frames]
    chosen = rng.choice(len(KEYPOINT_NAMES), case.contacts, replace=False)
    keypoints = position[:, None] + 0.3 * rng.normal(size=(len(KEYPOINT_NAMES), 3))
    keypoints[:, chosen] = placed(contacts_b) + case.contact_noise * rng.normal(size=(frames, case.contacts, 3))
    keypoints[:, chosen] += case.contact_bias * rng.normal(size=(case.contacts, 3))
    images_b[: case.wrong_images] = surface[rng.choice(len(surface), case.wrong_images)]
    contacts_b[: case.wrong_contacts] = surface[rng.choice(len(surface), case.wrong_contacts)]
    cut = round(0.5 * (1 - case.contact_share) * frames)
    graph = ContactGraph(
        tuple(KEYPOINT_NAMES[i] for i in chosen),
        np.zeros(case.contacts), contacts_b, np.full(case.contacts, cut), np.full(case.contacts, frames - 1 - cut),
    )  # fmt: skip
    points = ImagePoints(images_b, pixels, visible, np.full(case.images, -1))
    initial = None
    if case.initial:
        turn = rotations.from_rotvec(case.initial * rotations.normalize(rng.normal(size=3)))
        initial = (position + case.initial * rng.normal(size=3) / np.sqrt(3), rotations.multiply(rotation, turn))
    annotations = Annotations(graph, points, is_static=case.static)
    return Scene(annotations, keypoints, camera, fps, position, rotation, center, initial)


def errors(scene: Scene, poses: ObjectPoses) -> tuple[np.ndarray, np.ndarray]:
    """mm of the middle of the object, and degrees, [T] each."""
    middle = poses.position_w + rotations.rotate(poses.rotation_w, scene.center_b)
    true = scene.position_w + rotations.rotate(scene.rotation_w, scene.center_b)
    return position_error_per_frame(middle, true), rotation_error_per_frame(poses.rotation_w, scene.rotation_w)


def omomo_objects(count: int) -> list[tuple[MotionObject, float]]:
    """Objects on their ways, and the frame rate of each, of up to `count` clips, evenly out of all."""
    paths = sorted((DATA / "motions" / "omomo").glob("*.pt"))
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int))]
    found = []
    for path in chosen:
        motion = import_motion(path, geometry=load_geometry(DATA / "objects" / f"{path.stem.split('_')[1]}.obj"))
        found.append((motion.objects[0], motion.fps))
    return found


@dataclass(frozen=True)
class Command:
    """Settings of the benchmark.

    Attributes:
        clips: how many clips.
        cases: parts of the names of cases; all where empty.
        per_frame: leave the motion prior out.
        kernel: robust kernel, the solver's own where None.
    """

    clips: int = 40
    cases: tuple[str, ...] = ()
    per_frame: bool = False
    kernel: str | None = None

    def run(self) -> None:
        """Print a table: errors over clips (of each clip's median), worst frames, failures, CPU time."""
        config = KeypointSolverConfig()
        config = replace(config, prior=None) if self.per_frame else config
        config = replace(config, kernel=self.kernel) if self.kernel else config  # type: ignore[arg-type]
        items = omomo_objects(self.clips)
        print("median and 90th percentile over clips of the median over frames, and of all frames the 99th percentile;")
        print("failed: clips whose median is > 100 mm or 20 degrees; rank<6: frames so flagged; s: CPU seconds a clip")
        columns = ("mm", "90 %", "99 %", "deg", "90 %", "99 %", "failed", "rank<6", "s")
        print(f"{'case':42s} " + " ".join(f"{column:>6s}" for column in columns))
        for name, case in CASES.items():
            if self.cases and not any(part in name for part in self.cases):
                continue
            rows, frames = [], []
            for seed, (item, fps) in enumerate(items):
                scene = draw_scene(case, item, fps, np.random.default_rng(seed))
                began = time.process_time()
                poses = solve_object_poses(
                    scene.annotations, scene.keypoints_w, scene.camera, config, fps=fps, initial=scene.initial
                )
                seconds = time.process_time() - began
                shift, turn = errors(scene, poses)
                frames.append((shift, turn))
                rows.append((np.median(shift), np.median(turn), 1 - poses.solved.mean(), seconds))
            shift, turn, loose, seconds = np.array(rows).T
            failed = np.mean((shift > 100) | (turn > 20))
            all_shift, all_turn = (np.concatenate(column) for column in zip(*frames, strict=True))
            quantiles = (
                *np.quantile(shift, (0.5, 0.9)), np.quantile(all_shift, 0.99),
                *np.quantile(turn, (0.5, 0.9)), np.quantile(all_turn, 0.99),
            )  # fmt: skip
            figures = " ".join(f"{q:6.1f}" for q in quantiles)
            print(f"{name:42s} {figures} {failed:6.0%} {loose.mean():6.0%} {np.median(seconds):6.2f}", flush=True)


@functools.cache
def _surface_points(geometry: Geometry) -> np.ndarray:
    return Shape.of(geometry).surface_samples(4000, np.random.default_rng(0))


def _farthest(pixels: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Indices of points [P, 2] that lie far apart in the image: farthest-point sampling (seed, section 9.6)."""
    chosen = [int(rng.integers(len(pixels)))][:count]
    while len(chosen) < count:
        gaps = np.linalg.norm(pixels[:, None] - pixels[chosen], axis=-1).min(1)
        chosen.append(int(gaps.argmax()))
    return chosen


if __name__ == "__main__":
    tyro.cli(Command).run()
