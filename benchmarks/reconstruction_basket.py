"""The keypoint solver on a real image with real meshes: the basket of Open3DHOI, its annotated mesh taken as truth.

    python -m benchmarks.reconstruction_basket

The data set's human mesh, its object mesh as people aligned it (`obj_annot1.obj`) and its telephoto camera are given.
In each draw the nearest pairs (at most five within 0.1 m, between SMPL-X keypoints and the basket) and five image
points are clicked with noise and the object's pose is solved anew. One frame: there is no motion prior to help. CD-h
is not measured: the body is given, and moving it needs the licensed SMPL-X model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from benchmarks.verdict_calibration import data_folder
from recon.annotations import Annotations, ImagePoints
from recon.camera import Camera
from recon.clicks import EXACT, ClickConfig, farthest_points, nearest_pairs, placed, spoilt_pairs
from recon.keypoints.solver import KeypointSolverConfig, solve_object_poses
from recon.visibility import visible_points
from sim import metrics, rotations
from sim.geometry import Mesh
from sim.keypoint_names import KEYPOINT_NAMES
from sim.meshes import read_mesh
from sim.motion import MotionObject
from sim.objects import Shape

_UPRIGHT = rotations.from_matrix(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]))
"""wxyz, camera axes (y down, z forward) to a world with z up."""
_SAMPLES = 20_000
_CANDIDATES = 400


@dataclass(frozen=True)
class Basket:
    """One frame: camera, the person's keypoints [1, 87, 3] m, the object where people put it, body samples [N, 3] m."""

    camera: Camera
    keypoints_w: np.ndarray
    item: MotionObject
    shape: Shape
    body_w: np.ndarray


def load_basket(folder: Path, keypoints: Path) -> Basket:
    """Read Open3DHOI's folder: meshes lie at `cam_trans` from the camera. keypoints: Open4DHOI's part_kp.json."""
    pose = json.loads((folder / "smplx_parameters.json").read_text())
    intrinsics = np.array(json.loads((folder / "calibration.json").read_text())["K"], float)
    camera = Camera(intrinsics, 1024, 685, _UPRIGHT, np.zeros(3))
    shift = np.array(pose["cam_trans"])
    body, thing = (read_mesh(folder / name) for name in ("h_mesh.obj", "obj_annot1.obj"))
    body_w, object_w = (camera.to_world(mesh.vertices + shift) for mesh in (body, thing))
    ids = json.loads(keypoints.read_text())
    keypoints_w = body_w[[ids[name]["index"] for name in KEYPOINT_NAMES]]
    middle = object_w.mean(0)
    geometry = Mesh(object_w - middle, thing.faces)
    item = MotionObject("basket", geometry, middle[None], np.array([[1.0, 0, 0, 0]]))
    return Basket(camera, keypoints_w[None], item, Shape.of(geometry), body_w)


def draw(basket: Basket, config: ClickConfig, rng: np.random.Generator) -> Annotations:
    """Annotations of the one frame."""
    camera, item = basket.camera, basket.item
    graph, vertices = spoilt_pairs(
        nearest_pairs(basket.keypoints_w, item, basket.shape, config), basket.shape, config, rng
    )
    points = basket.shape.surface_samples(_CANDIDATES, rng)
    hiding = np.concatenate((basket.body_w, placed(item, basket.shape.surface_samples(_SAMPLES, rng))[0]))[None]
    seen_c = camera.to_camera(placed(item, points))
    visible = visible_points(camera, seen_c, camera.to_camera(hiding))[0]
    pixels = camera.project(seen_c)[0]
    chosen = farthest_points(pixels, visible, np.zeros(0, np.int64), config.image_points)
    clicked = pixels[chosen] + config.pixel_noise * rng.normal(size=(len(chosen), 2))
    image = ImagePoints(points[chosen], clicked[None], np.ones((1, len(chosen))), np.full(len(chosen), -1))
    return Annotations(graph, image, contact_vertices=vertices)


def measure(basket: Basket, annotations: Annotations, surfaces: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Errors of the solved pose; surfaces: two draws of the mesh's surface, [P, 3] m."""
    config = KeypointSolverConfig(prior=None)
    poses = solve_object_poses(annotations, basket.keypoints_w, basket.camera, config)
    true = basket.item
    cd = metrics.rigid_chamfer_per_frame(
        surfaces[0], poses.position_w, poses.rotation_w, surfaces[1], true.position_w, true.rotation_w
    )
    return {
        "CD-o, mm": float(cd[0]),
        "object, mm": metrics.position_error(poses.position_w, true.position_w),
        "rotation, deg": metrics.rotation_error(poses.rotation_w, true.rotation_w),
        "contact, mm": float(np.nanmean(poses.contact_residuals) * metrics.MM),
        "image points, px": float(np.nanmean(poses.image_residuals)),
    }


def main(draws: int = 40, seed: int = 0) -> None:
    """Solve many draws of points; print the median and the worst of each figure."""
    data = data_folder()
    basket = load_basket(data / "open3dhoi" / "basket", data / "open4dhoi" / "part_kp.json")
    rng = np.random.default_rng(seed)
    count = metrics.CHAMFER_POINTS
    surfaces = basket.shape.surface_samples(count, rng), basket.shape.surface_samples(count, rng)
    usual = ClickConfig(wrong_share=0.0)
    settings = {
        "exact": EXACT,
        "2 px, 10 mm": usual,
        "2 px, 10 mm, 5 % of the pairs wrong": ClickConfig(),
        "4 px, 20 mm": replace(usual, pixel_noise=4.0, pair_noise_m=0.02),
        "3+3 points": replace(usual, max_pairs=3, image_points=3),
    }
    for name, config in settings.items():
        drawn = [draw(basket, config, rng) for _ in range(draws)]
        rows = [measure(basket, annotations, surfaces) for annotations in drawn]
        pairs = np.median([len(annotations.contacts) for annotations in drawn])
        figures = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        text = "; ".join(f"{key} {np.median(v):.1f} (worst {v.max():.1f})" for key, v in figures.items())
        print(f"{name} ({pairs:.0f} pairs): {text}")
    print(f"two draws of the same surface: {metrics.chamfer_distance(*surfaces):.1f} mm")


if __name__ == "__main__":
    tyro.cli(main)
