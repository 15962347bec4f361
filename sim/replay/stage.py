"""What a replay draws: rigid meshes, the tracks they ride on, and where body and objects touch, frame by frame.

One value for the page (`html`), the video (`video`) and the live view (`live`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh

from sim import rotations
from sim.body.capsules import BodyGeom, Hands, body_geoms, measure_stance
from sim.contacts import labels_from_graph
from sim.errors import MotionError
from sim.geometry import Geometry, Mesh
from sim.motion import Motion
from sim.skeleton import FINGERS_OF_MITTEN, JOINT_NAMES

_CREASE = np.radians(35.0)


@dataclass(frozen=True)
class Shape:
    """A mesh that rides on one track. vertices [V, 3] m and normals [V, 3] in the track's frame, faces [F, 3]."""

    track: int
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray


@dataclass(frozen=True)
class ContactPoints:
    """Points on objects that are touched. track [C], point_b [C, 3] m in its frame, first and last frame [C]."""

    track: np.ndarray
    point_b: np.ndarray
    first_frame: np.ndarray
    last_frame: np.ndarray


@dataclass(frozen=True)
class Figure:
    """One actor: where every track is in every frame.

    Attributes:
        label: shown beside the figure.
        position_w: [T, N, 3] m; rotation_w: [T, N, 4] wxyz.
        touching: [T, N] bool, the body parts in contact with an object.
        contacts: the touched points.
        num_frames: frames that were really reached; later ones repeat the last.
    """

    label: str
    position_w: np.ndarray
    rotation_w: np.ndarray
    touching: np.ndarray
    contacts: ContactPoints
    num_frames: int


@dataclass(frozen=True)
class Stage:
    """Figures that share one clock, one body and the same objects.

    Attributes:
        fps: frames per second of the clock; num_frames: T.
        tracks: N names; the first `num_body_tracks` are joints, then the objects.
        root: [T, 3] m, path of the first figure's root, which cameras follow.
        facing: rad, mean heading of the first figure.
        height, reach: m, how high anything gets, and how far from the root (in the plan), for framing.
    """

    fps: float
    num_frames: int
    tracks: tuple[str, ...]
    num_body_tracks: int
    shapes: tuple[Shape, ...]
    figures: tuple[Figure, ...]
    root: np.ndarray
    facing: float
    height: float
    reach: float

    @property
    def azimuth(self) -> float:
        """rad, direction from which cameras look at first: from the front, 50 degrees to the side."""
        return self.facing + 0.87

    @property
    def distance(self) -> float:
        """m, from which a camera with a vertical field of view of 35 degrees sees all that is near."""
        return 1.15 * max(self.height, 2.0 * self.reach) / (2.0 * float(np.tan(np.radians(17.5))))


def build_stage(
    motions: Mapping[str, Motion],
    geoms: Sequence[BodyGeom],
    *,
    touching: Mapping[str, np.ndarray] | None = None,
    max_vertices: int = 30_000,
) -> Stage:
    """Lay out one or more motions of the same subject and objects for drawing; the first one sets the clock.

    Args:
        motions: label -> motion. A later one may be shorter (it stops there) but not at another frame rate.
        geoms: the drawn body.
        touching: label -> [T, J] bool, joints in contact; by default read from the motion's graph and labels.
        max_vertices: meshes with more are thinned out to about as many.

    Raises:
        MotionError: if the motions do not fit together.
    """
    if not motions:
        raise MotionError("a replay needs at least one motion")
    first = next(iter(motions.values()))
    for label, motion in motions.items():
        _check_fits(label, motion, first)
    joints = sorted({geom.joint for geom in geoms})
    if not joints or joints[-1] >= len(first.joint_names):
        raise MotionError(f"the drawn body has no shape, or one on a joint that the motion lacks: {joints}")
    body = [_geom_shape(geom, joints.index(geom.joint)) for geom in geoms]
    objects = [_shape(len(joints) + i, mesh_of(o.geometry, max_vertices)) for i, o in enumerate(first.objects)]
    heading = rotations.heading(first.joint_rotations_w[:, 0])
    forward = rotations.rotate(heading, np.array([1.0, 0.0, 0.0])).mean(0)
    touching = touching or {}
    figures = tuple(_figure(n, m, joints, first.num_frames, touching.get(n)) for n, m in motions.items())
    height, reach = _extent(figures[0].position_w, first.root_position_w)
    return Stage(
        fps=first.fps,
        num_frames=first.num_frames,
        tracks=(*(first.joint_names[j] for j in joints), *(o.name for o in first.objects)),
        num_body_tracks=len(joints),
        shapes=tuple(body + objects),
        figures=figures,
        root=first.root_position_w,
        facing=float(np.arctan2(forward[1], forward[0])),
        height=height,
        reach=reach,
    )


def drawn_body(motion: Motion, hands: Hands = "full") -> tuple[BodyGeom, ...]:
    """The shapes of the motion's subject, standing as the subject stands. Raises MotionError on another skeleton."""
    if motion.joint_names != JOINT_NAMES:
        raise MotionError(f"joint_names: a body can be drawn on the standard {len(JOINT_NAMES)} joints only")
    return body_geoms(motion.offsets, stance=measure_stance(motion), hands=hands)


def touching_joints(motion: Motion) -> np.ndarray:
    """[T, J] bool: joints with a keypoint in an active row of the contact graph, or labelled as touching."""
    touching: np.ndarray = labels_from_graph(motion) > 0
    return touching if motion.contact_labels is None else touching | (motion.contact_labels > 0)


def mesh_of(geometry: Geometry, max_vertices: int = 30_000) -> trimesh.Trimesh:
    """A drawable mesh of an object in its own frame, m; a dense one is thinned out by merging vertices in cells."""
    if isinstance(geometry, Mesh):
        return trimesh.Trimesh(*_thin(geometry.vertices, geometry.faces, max_vertices), process=False)
    size = geometry.size
    if geometry.kind == "sphere":
        return trimesh.creation.icosphere(subdivisions=4, radius=size[0])
    if geometry.kind == "box":
        return trimesh.creation.box(extents=size)
    if geometry.kind == "cylinder":
        return trimesh.creation.cylinder(radius=size[0], height=size[1], sections=48)
    return trimesh.creation.capsule(radius=size[0], height=size[1], count=[24, 24])


def _check_fits(label: str, motion: Motion, first: Motion) -> None:
    if motion.joint_names != first.joint_names:
        raise MotionError(f"replay: '{label}' has another skeleton than the first motion")
    if [o.name for o in motion.objects] != [o.name for o in first.objects]:
        raise MotionError(f"replay: '{label}' has other objects than the first motion")
    if abs(motion.fps - first.fps) > 1e-6 or motion.num_frames > first.num_frames:
        raise MotionError(
            f"replay: '{label}' runs {motion.num_frames} frames at {motion.fps:g} fps, "
            f"the first motion {first.num_frames} at {first.fps:g}; resample or slice it to the same clock"
        )


def _figure(label: str, motion: Motion, joints: list[int], num_frames: int, touching: np.ndarray | None) -> Figure:
    objects, frames = motion.objects, np.minimum(np.arange(num_frames), motion.num_frames - 1)
    position = np.stack([*motion.joint_positions_w[:, joints].swapaxes(0, 1), *(o.position_w for o in objects)], 1)
    rotation = np.stack([*motion.joint_rotations_w[:, joints].swapaxes(0, 1), *(o.rotation_w for o in objects)], 1)
    graph = motion.contacts
    by_joint = touching_joints(motion) if touching is None else np.asarray(touching, bool)
    if by_joint.shape != (motion.num_frames, len(motion.joint_names)):
        raise MotionError(f"replay: touching of '{label}' has shape {list(by_joint.shape)}")
    by_track = np.zeros((motion.num_frames, position.shape[1]), bool)
    for track, group in enumerate(_joints_drawn_by(joints, motion.parents)):
        by_track[:, track] = by_joint[:, group].any(1)
    return Figure(
        label,
        position[frames],
        rotations.make_continuous(rotation)[frames],
        by_track[frames],
        ContactPoints(graph.object_index + len(joints), graph.points_b, graph.first_frame, graph.last_frame),
        motion.num_frames,
    )


def _extent(position_w: np.ndarray, root_w: np.ndarray) -> tuple[float, float]:
    """Height and reach to frame, m; an object that lies farther than 1.5 m away does not count, nor does one flying."""
    apart = np.linalg.norm(position_w[..., :2] - root_w[:, None, :2], axis=-1)
    near = apart < 1.5
    return float(np.clip(position_w[near][:, 2].max(initial=1.0) + 0.2, 1.2, 3.0)), float(
        apart[near].max(initial=0.5) + 0.25
    )


def _joints_drawn_by(joints: list[int], parents: Sequence[int]) -> list[list[int]]:
    """Per drawn joint, itself and the joints that have no shape of their own and move with it (in a mitten)."""
    groups: dict[int, list[int]] = {joint: [] for joint in joints}
    for joint in range(len(parents)):
        owner = joint if joint in groups else FINGERS_OF_MITTEN.get(joint, joint)
        while owner not in groups and owner >= 0:
            owner = parents[owner]
        if owner >= 0:
            groups[owner].append(joint)
    return list(groups.values())


def _geom_shape(geom: BodyGeom, track: int) -> Shape:
    if geom.kind == "capsule":
        mesh = trimesh.creation.capsule(radius=geom.size[0], height=2 * geom.size[1], count=[14, 20])
    elif geom.kind == "box":
        mesh = trimesh.creation.box(extents=2 * np.asarray(geom.size))
    else:
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=geom.size[0])
    pose = np.eye(4)
    pose[:3, :3] = rotations.to_matrix(np.asarray(geom.rotation_b, np.float64))
    pose[:3, 3] = geom.position_b
    return _shape(track, mesh.apply_transform(pose))


def _shape(track: int, mesh: trimesh.Trimesh) -> Shape:
    """Vertices are doubled along sharp edges, so that boxes look like boxes and round things round."""
    sharp = bool((mesh.face_adjacency_angles > _CREASE).any())
    smooth = trimesh.graph.smooth_shade(mesh, angle=_CREASE) if sharp else mesh
    return Shape(track, np.asarray(smooth.vertices), np.asarray(smooth.vertex_normals), np.asarray(smooth.faces))


def _thin(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge vertices that share a cell of a regular grid, as coarse as the budget needs; drop collapsed faces."""
    cell = float(np.ptp(vertices, axis=0).max()) / 400
    while len(vertices) > budget:
        _, owner = np.unique(np.floor(vertices / cell).astype(np.int64), axis=0, return_inverse=True)
        owner = owner.reshape(-1)
        count = np.bincount(owner)[:, None]
        vertices = np.stack([np.bincount(owner, axis) for axis in vertices.T], -1) / count
        faces = owner[faces]
        faces = faces[(faces != np.roll(faces, 1, axis=1)).all(1)]
        cell *= 1.25
    return vertices, faces
