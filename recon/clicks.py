"""The points that a person would click, drawn from a motion that is known (seed, sections 3.2 and 9.6).

Two ways to draw them. `tracked`, as an annotator works: contacts that last, and image points that are followed until
too few of them are in view, when new ones are clicked. `per_frame`, as the seed's experiment has it: in every frame
anew the nearest pairs and the farthest-point sample. Both are spoilt as configured: inexact and wrong clicks, tracks
that wander, points that something hides for a while, frames without points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtri

from recon.annotations import Annotations, Click, ImagePoints
from recon.camera import Camera
from recon.visibility import surface_points, visible_points
from sim import rotations
from sim.body.skin import Skin, load_skin
from sim.contact_graph import ContactGraph
from sim.contacts import extract_contacts
from sim.corruption import band_noise
from sim.errors import ReconstructionError
from sim.geometry import Mesh
from sim.keypoint_names import KEYPOINT_NAMES
from sim.keypoints import keypoint_offsets, keypoint_positions
from sim.motion import Motion, MotionObject
from sim.objects import Shape

_CANDIDATES = 400
"""Surface points among which image points are chosen."""
_BODY_SAMPLES, _OBJECT_SAMPLES = 8_000, 12_000
_BLOCK = 32
_SNAP = 0.005
"""m; a clicked point this near to a vertex is that vertex."""


@dataclass(frozen=True)
class ClickConfig:
    """How many points are drawn, and how badly.

    Attributes:
        mode: see the module.
        max_pairs: most 3D-3D pairs in any frame.
        max_distance_m: a keypoint farther from the surface makes no pair.
        image_points: 3D-2D pairs in a frame, where so many points are in view.
        min_in_view: `tracked` clicks new image points when fewer than these are in view.
        pixel_noise: deviation of each pixel coordinate.
        pixel_noise_hz: `tracked`: the pixel noise wanders, its power lies below this frequency; 0 for white noise.
        pair_noise_m: deviation of each coordinate of a pair's point before it is put back on the surface.
        wrong_share: share of the points (both kinds) that were clicked on a wrong vertex nearby.
        wrong_reach_m: how far away that vertex lies, about.
        hidden_share: share of its frames in which something hides an image point, beyond what body and object hide.
        hidden_hz: about how often a second that begins or ends.
        missing_share: share of the frames in which no image point is given at all.
        clicks: also click on person and object in the first frame that shows both, as prompts for their masks.
    """

    mode: Literal["tracked", "per_frame"] = "tracked"
    max_pairs: int = 5
    max_distance_m: float = 0.1
    image_points: int = 5
    min_in_view: int = 4
    pixel_noise: float = 2.0
    pixel_noise_hz: float = 1.0
    pair_noise_m: float = 0.010
    wrong_share: float = 0.05
    wrong_reach_m: float = 0.03
    hidden_share: float = 0.1
    hidden_hz: float = 1.0
    missing_share: float = 0.05
    clicks: bool = True


EXACT = ClickConfig(
    pixel_noise=0.0, pair_noise_m=0.0, wrong_share=0.0, hidden_share=0.0, missing_share=0.0
)  # fmt: skip
"""Nothing spoilt: what remains is that keypoints do not quite reach the surface, and wander on it."""


def draw_annotations(
    motion: Motion, camera: Camera, config: ClickConfig, rng: np.random.Generator, view: View | None = None
) -> Annotations:
    """Annotations of a motion's only object, as a person who sees the video might give them.

    Args:
        motion: the truth, in frames of the video; its contact graph is not looked at, but drawn anew.
        camera: of the video.
        view: what the camera sees of the object, where it is known already; else `View.of(motion, camera)`.

    Raises:
        ReconstructionError: the motion has not exactly one object, or the camera never sees it.
    """
    view = view or View.of(motion, camera)
    item = motion.objects[0]
    shape = Shape.of(item.geometry)
    if not view.visible.any():
        raise ReconstructionError(f"the camera never sees '{item.name}'")
    if config.mode == "tracked":
        graph = extract_contacts(motion, threshold=config.max_distance_m, max_pairs=config.max_pairs)
    else:
        graph = nearest_pairs(_keypoints_w(motion), item, shape, config)
    graph, contact_vertices = spoilt_pairs(graph, shape, config, rng)
    chosen = (_tracked_points if config.mode == "tracked" else _fresh_points)(view, config)
    return Annotations(
        contacts=graph,
        image_points=_spoilt_points(motion, shape, view, chosen, config, rng),
        is_static=item.is_static,
        contact_vertices=contact_vertices,
        clicks=_prompts(motion, camera, view) if config.clicks else (),
    )


# --- what the camera sees -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """What a camera sees of an object: places that can be clicked, where they appear, and whether.

    points_b [N, 3] m in the object's frame; pixels [T, N, 2]; visible [T, N] bool, in the image and not hidden by the
    body or by the object itself.
    """

    points_b: np.ndarray
    pixels: np.ndarray
    visible: np.ndarray

    @staticmethod
    def of(motion: Motion, camera: Camera, skin: Skin | None = None, seed: int = 0) -> View:
        """The view of the motion's one object, hidden by this skin (the capsule body where None).

        Raises ReconstructionError for a motion with no object, or several.
        """
        if len(motion.objects) != 1:
            raise ReconstructionError(f"points are drawn for one object, the motion has {len(motion.objects)}")
        skin, shape = skin or load_skin("capsules", motion), Shape.of(motion.objects[0].geometry)
        rng = np.random.default_rng(seed)
        points = _candidates(shape, rng)
        surface = shape.surface_samples(_OBJECT_SAMPLES, rng)
        body = surface_points(skin, motion, _BODY_SAMPLES, seed)
        item, pixels, visible = motion.objects[0], [], []
        for start in range(0, motion.num_frames, _BLOCK):
            frames = np.arange(start, min(start + _BLOCK, motion.num_frames))
            part = camera.frames(frames)
            hiding = np.concatenate((part.to_camera(body[frames]), part.to_camera(placed(item, surface, frames))), 1)
            seen = part.to_camera(placed(item, points, frames))
            pixels.append(part.project(seen))
            visible.append(visible_points(part, seen, hiding))
        return View(points, np.concatenate(pixels), np.concatenate(visible))


def placed(item: MotionObject, points_b: np.ndarray, frames: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Points [N, 3] of an object in the world, in some frames: [T, N, 3] m."""
    moved: np.ndarray = rotations.rotate(item.rotation_w[frames, None], points_b) + item.position_w[frames, None]
    return moved


def _candidates(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Where one might click: places even over the surface, each moved to its nearest vertex if one is near."""
    points = shape.surface_samples(_CANDIDATES, rng)
    return np.unique(_vertices_at(shape, points)[0], axis=0)


def _vertices_at(shape: Shape, points_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, 3] moved to their vertex, and its id [N]; -1, and not moved, where none is near enough."""
    if not isinstance(shape.geometry, Mesh) or not len(points_b):
        return points_b, np.full(len(points_b), -1)
    vertices = shape.geometry.vertices
    distance, nearest = cKDTree(vertices).query(points_b)
    at_vertex = distance <= _SNAP
    return np.where(at_vertex[:, None], vertices[nearest], points_b), np.where(at_vertex, nearest, -1)


# --- which points -------------------------------------------------------------------------------------------------


def nearest_pairs(keypoints_w: np.ndarray, item: MotionObject, shape: Shape, config: ClickConfig) -> ContactGraph:
    """In every frame the keypoints nearest to the surface, one row a frame and pair (section 9.6 to the letter).

    Args:
        keypoints_w: [T, 87, 3] m; item: the object in the same T frames; shape: its geometry's.
    """
    local = rotations.rotate_inverse(item.rotation_w[:, None], keypoints_w - item.position_w[:, None])
    distance = np.full(local.shape[:2], np.inf)
    low, high = shape.bounds
    reach = config.max_distance_m
    near = ((local > low - reach) & (local < high + reach)).all(-1)
    nearest = np.zeros_like(local)
    nearest[near], distance[near] = shape.closest_points(local[near])
    order = distance.argsort(1)[:, : config.max_pairs]
    frame, rank = np.nonzero(np.take_along_axis(distance, order, 1) < reach)
    keypoint = order[frame, rank]
    names = tuple(KEYPOINT_NAMES[k] for k in keypoint)
    return ContactGraph(names, np.zeros(len(frame), np.int64), nearest[frame, keypoint], frame, frame)


def _keypoints_w(motion: Motion) -> np.ndarray:
    return keypoint_positions(motion.joint_positions_w, motion.joint_rotations_w, keypoint_offsets(motion.offsets))


def _tracked_points(view: View, config: ClickConfig) -> np.ndarray:
    """Which candidates are annotated when: bool [T, N].

    In the first frame that shows any, points are clicked; where fewer than `min_in_view` of them are left, those that
    are gone are given up and others clicked beside those that are left.
    """
    chosen, current = np.zeros_like(view.visible), np.zeros(0, np.int64)
    frame, last = 0, len(view.visible)
    while frame < last and config.image_points > 0:
        seen = view.visible[frame]
        current = farthest_points(view.pixels[frame], seen, current[seen[current]], config.image_points)
        enough = min(config.min_in_view, max(len(current), 1))
        low = view.visible[frame + 1 :, current].sum(1) < enough
        # a new click helps only where there is more to see than is annotated
        more = view.visible[frame + 1 :].sum(1) > view.visible[frame + 1 :, current].sum(1)
        stop = frame + 1 + int((low & more).argmax()) if (low & more).any() else last
        chosen[frame:stop, current] = view.visible[frame:stop, current]
        frame = stop
    return chosen


def _fresh_points(view: View, config: ClickConfig) -> np.ndarray:
    """A farthest-point sample of what is visible, in each frame its own: bool [T, N]."""
    chosen, none = np.zeros_like(view.visible), np.zeros(0, np.int64)
    for frame, (pixels, seen) in enumerate(zip(view.pixels, view.visible, strict=True)):
        chosen[frame, farthest_points(pixels, seen, none, config.image_points)] = True
    return chosen


def farthest_points(pixels: np.ndarray, seen: np.ndarray, kept: np.ndarray, count: int) -> np.ndarray:
    """Kept points and others that are seen, each the farthest from all before it in the image: at most [count]."""
    index = np.flatnonzero(seen)
    if not len(index):
        return kept
    places, chosen = pixels[index], kept.tolist()
    start = [places.mean(0)] if not chosen else [pixels[k] for k in chosen]
    distance = np.min([np.linalg.norm(places - p, axis=-1) for p in start], axis=0)
    while len(chosen) < min(count, len(index)):
        best = int(distance.argmax())
        # the first one alone is measured from the middle, the others from the points before them
        fresh = np.linalg.norm(places - places[best], axis=-1)
        distance = fresh if not chosen else np.minimum(distance, fresh)
        chosen.append(int(index[best]))
    return np.array(chosen[:count], np.int64)


# --- how badly ----------------------------------------------------------------------------------------------------


def spoilt_pairs(
    graph: ContactGraph, shape: Shape, config: ClickConfig, rng: np.random.Generator
) -> tuple[ContactGraph, np.ndarray]:
    """Pairs whose object points were clicked inexactly, some wrongly; and the vertices [C] that were hit."""
    if not len(graph):
        return graph, np.zeros(0, np.int64)
    points = graph.points_b + config.pair_noise_m * rng.normal(size=graph.points_b.shape)
    points, vertices = _clicked(shape, points, graph.points_b, config, rng)
    return ContactGraph(graph.keypoints, graph.object_index, points, graph.first_frame, graph.last_frame), vertices


def _clicked(
    shape: Shape, points_b: np.ndarray, true_b: np.ndarray, config: ClickConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points back on the surface, some on a wrong place near the true one; and their vertices."""
    wrong = rng.random(len(points_b)) < config.wrong_share
    aside = rotations.normalize(rng.normal(size=true_b.shape)) * config.wrong_reach_m
    moved = np.where(wrong[:, None], true_b + aside, points_b)
    changed = (moved != true_b).any(1)
    if changed.any():
        moved[changed] = shape.closest_points(moved[changed])[0]
    return _vertices_at(shape, moved)


def _spoilt_points(
    motion: Motion, shape: Shape, view: View, chosen: np.ndarray, config: ClickConfig, rng: np.random.Generator
) -> ImagePoints:
    used = np.flatnonzero(chosen.any(0))
    visible, pixels, true = chosen[:, used], view.pixels[:, used], view.points_b[used]
    if config.pixel_noise > 0:
        white = config.mode == "per_frame" or config.pixel_noise_hz <= 0
        hz = 0.5 * motion.fps if white else config.pixel_noise_hz
        pixels = pixels + config.pixel_noise * band_noise(rng, motion, (len(used), 2), hz)
    if config.hidden_share > 0:
        wander = band_noise(rng, motion, (len(used),), config.hidden_hz)
        visible = visible & (wander > ndtri(config.hidden_share))
    visible = visible & (rng.random(motion.num_frames) >= config.missing_share)[:, None]
    points, vertices = _clicked(shape, true.copy(), true, config, rng)
    return ImagePoints(points, pixels, visible, vertices)


def _prompts(motion: Motion, camera: Camera, view: View) -> tuple[Click, ...]:
    """A click on the object's middle and one on the person's, in the first frame that shows most of the object."""
    count = view.visible.sum(1)
    frame = int((count >= 0.8 * count.max()).argmax())
    pixels = view.pixels[frame][view.visible[frame]]
    middle = pixels[np.linalg.norm(pixels - np.median(pixels, axis=0), axis=-1).argmin()]
    spine = motion.joint_names.index("spine2")
    person = camera.frames(np.array([frame])).project_world(motion.joint_positions_w[frame : frame + 1, spine])[0]
    found = [Click("object", frame, (float(middle[0]), float(middle[1])))]
    return (
        (*found, Click("human", frame, (float(person[0]), float(person[1]))))
        if np.isfinite(person).all()
        else (*found,)
    )
