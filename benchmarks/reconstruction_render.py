"""Renders a clip whose truth is known as a video, with masks, depth and camera: a session that reconstruction can take.

    MUJOCO_GL=egl python -m benchmarks.reconstruction_render --clip CLIP.npz --folder FOLDER

The person wears Anny's skin in parts (skin, hair, shirt, trousers, shoes), everything carries a texture that trackers
can follow, and a wall stands behind. FOLDER then holds `video.mp4`, `frames/%05d.jpg`, `mask_dir/%05d.png` (object),
`human_mask_dir/%05d.png`, `depth.npy` [T, H, W] float16 m, `obj_org.obj` (no primitives), and under `truth/` what a
solver must not see: `motion.npz`, `camera.json` and `annotations.json`, drawn by `recon.clicks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import imageio.v2 as imageio
import mujoco
import numpy as np
import trimesh
import tyro
from scipy import sparse
from scipy.ndimage import zoom

from recon.camera import Camera, default_intrinsics
from recon.clicks import ClickConfig, View, draw_annotations
from recon.optimizer.mask_term import Masks
from sim import rotations
from sim.body.skin import Skin, load_skin
from sim.errors import ReconstructionError
from sim.files import atomic_path, write_json
from sim.geometry import Mesh
from sim.motion import Motion, MotionObject
from sim.objects import Shape
from sim.replay.stage import mesh_of
from sim.replay.video import gl_context
from sim.skeleton import JOINT_INDEX, JOINT_NAMES

_TEXTURE = 512
_TEXTURE_M = 0.6
"""m that the texture's edge covers on body and object; on floor and wall three times as much."""
_COLOURS = {
    "skin": (0.84, 0.62, 0.50), "hair": (0.20, 0.14, 0.10), "shirt": (0.26, 0.42, 0.66), "trousers": (0.28, 0.28, 0.31),
    "shoes": (0.85, 0.83, 0.78), "object": (0.66, 0.46, 0.26), "floor": (0.62, 0.60, 0.56), "wall": (0.74, 0.76, 0.72),
}  # fmt: skip
_CONTRAST = {"skin": 0.12, "hair": 0.15, "floor": 0.3, "wall": 0.35, "object": 0.6}
"""How far the texture strays from its colour; `_USUAL_CONTRAST` for the rest."""
_USUAL_CONTRAST = 0.45
_MARGIN = 0.06
"""Share of the image left free on each side of what happens."""
_TURN_OF_AXES = np.array([0.0, 1.0, 0.0, 0.0])
"""wxyz, OpenCV's camera axes (y down, z forward) from MuJoCo's (y up, z backward)."""


class Frame(NamedTuple):
    """A rendered frame: image uint8 [H, W, 3]; human, item (the object) bool [H, W]; depth [H, W] m along the axis."""

    image: np.ndarray
    human: np.ndarray
    item: np.ndarray
    depth: np.ndarray


def filming_camera(motion: Motion, width: int = 640, height: int = 480, side_deg: float = 40.0) -> Camera:
    """A camera that stands still, 1.4 m high, and has the whole clip in view.

    Args:
        side_deg: from where it looks: 0 from the front, 90 from the person's left, averaged over the clip.
    """
    forward = rotations.rotate(rotations.heading(motion.joint_rotations_w[:, 0]), np.array([1.0, 0, 0])).mean(0)
    azimuth = np.arctan2(forward[1], forward[0]) + np.radians(side_deg)
    reach = [(item.position_w + _corners(item)).reshape(-1, 3) for item in motion.objects]
    points = np.concatenate((motion.joint_positions_w.reshape(-1, 3), *reach))
    points = np.concatenate((points, points + (0, 0, 0.15)))  # the head's joint is not its top
    middle = 0.5 * (points.min(0) + points.max(0))
    away = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    limits = (0.5 - _MARGIN) * np.array([width, height])
    for distance in np.arange(1.5, 30.0, 0.1):
        eye = middle * (1, 1, 0) + distance * away + (0, 0, 1.4)
        camera = Camera.look_at(eye, middle, width, height, default_intrinsics(width, height))
        offset = np.abs(camera.project_world(points) - (width / 2, height / 2))
        if (offset <= limits).all():  # NaN, behind the camera, is not
            return camera
    raise ReconstructionError("the clip takes more room than a camera 30 m away can see")


def _corners(item: MotionObject) -> np.ndarray:
    """Corners of the object's bounding box over the clip, [8, T, 3] m, turned but not yet placed."""
    corners = trimesh.bounds.corners(Shape.of(item.geometry).bounds)
    turned: np.ndarray = rotations.rotate(item.rotation_w[None], corners[:, None].repeat(len(item.rotation_w), 1))
    return turned


# --- the scene ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """A part of the body that has its own material: which vertices of the skin, and faces over them."""

    material: str
    vertices: np.ndarray
    faces: np.ndarray


def _parts(skin: Skin) -> list[_Part]:
    names = np.array([_material(JOINT_NAMES[joint]) for joint in range(len(JOINT_NAMES))])[skin.vertex_joints]
    head = JOINT_INDEX["head"]
    above = skin.rest_vertices - skin.rest_joints[head]
    names[(skin.vertex_joints == head) & (above[:, 2] > 0.08 + 0.8 * np.maximum(above[:, 0] - 0.03, -0.12))] = "hair"
    of_face = names[skin.faces[:, 0]]
    parts = []
    for material in dict.fromkeys(of_face.tolist()):
        used, faces = np.unique(skin.faces[of_face == material], return_inverse=True)
        parts.append(_Part(material, used, faces.reshape(-1, 3)))
    return parts


def _material(joint: str) -> str:
    bone = joint.removeprefix("left_").removeprefix("right_")
    if bone in ("ankle", "foot"):
        return "shoes"
    if bone in ("pelvis", "hip", "knee"):
        return "trousers"
    return "shirt" if bone in ("spine1", "spine2", "spine3", "collar", "shoulder") else "skin"


def _texture(colour: tuple[float, ...], contrast: float, rng: np.random.Generator) -> np.ndarray:
    """A colour with spots of all sizes, seamless: uint8 [size, size, 3]."""
    total = np.zeros((_TEXTURE, _TEXTURE, 3))
    for cells in (4, 8, 16, 32, 64):
        spots = rng.uniform(-1, 1, (cells, cells, 1)) + 0.3 * rng.uniform(-1, 1, (cells, cells, 3))
        total += zoom(spots, (_TEXTURE / cells, _TEXTURE / cells, 1), order=1, mode="grid-wrap", grid_mode=True)
    total *= contrast / 2.5
    picture: np.ndarray = (255 * np.clip(np.array(colour) * (1 + total), 0, 1)).astype(np.uint8)
    return picture


def _coordinates(vertices: np.ndarray) -> np.ndarray:
    """Texture coordinates [V, 2] by a skew projection, along a direction that few surfaces contain."""
    x, y, z = vertices.T / _TEXTURE_M
    return np.stack((y + 0.45 * x, z + 0.35 * x), -1)


def _scene(motion: Motion, camera: Camera, skin: Skin, parts: list[_Part], seed: int) -> mujoco.MjModel:
    spec, rng = mujoco.MjSpec(), np.random.default_rng(seed)
    spec.visual.global_.offwidth, spec.visual.global_.offheight = camera.width, camera.height
    spec.visual.headlight.ambient[:], spec.visual.headlight.diffuse[:] = [0.45] * 3, [0.25] * 3
    spec.visual.quality.offsamples = 4
    spec.stat.extent, spec.visual.map.znear, spec.visual.map.zfar = 1.0, 0.1, 60.0
    pictures = [_texture(_COLOURS[n], _CONTRAST.get(n, _USUAL_CONTRAST), rng) for n in _COLOURS]
    for name in _COLOURS:
        spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=_TEXTURE, height=_TEXTURE, nchannel=3,
        )  # fmt: skip
        flat = name in ("floor", "wall")
        repeat = [1 / (3 * _TEXTURE_M)] * 2 if flat else [1, 1]
        material = spec.add_material(name=name, texrepeat=repeat, texuniform=flat, specular=0.1, shininess=0.1)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    world = spec.worldbody
    world.add_light(
        pos=[0, 0, 6], dir=[-0.3, 0.4, -1.0], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, diffuse=[0.5] * 3,
        castshadow=False,
    )  # fmt: skip
    turn = rotations.multiply(camera.rotation_w.copy(), _TURN_OF_AXES)
    fovy = np.degrees(2 * np.arctan(camera.height / 2 / camera.intrinsics[1, 1]))
    world.add_camera(name="film", pos=camera.position_w, quat=turn, fovy=fovy)
    world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], material="floor")
    _add_wall(world, motion, camera)
    for index, part in enumerate(parts):
        _add_mesh(spec, f"part{index}", skin.rest_vertices[part.vertices], part.faces, part.material)
        world.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"part{index}", material=part.material)
    for index, item in enumerate(motion.objects):
        mesh = mesh_of(item.geometry)
        if bool((mesh.face_adjacency_angles > np.radians(35.0)).any()):
            mesh = trimesh.graph.smooth_shade(mesh, angle=np.radians(35.0))
        _add_mesh(spec, f"object{index}", np.asarray(mesh.vertices), np.asarray(mesh.faces), "object")
        body = world.add_body(name=f"object{index}", mocap=True)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"object{index}", material="object")
    model = spec.compile()
    for index, picture in enumerate(pictures):
        start = model.tex_adr[index]
        model.tex_data[start : start + picture.size] = picture.ravel()
    return model


def _add_mesh(spec: Any, name: str, vertices: np.ndarray, faces: np.ndarray, material: str) -> None:
    mesh = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    mesh.uservert, mesh.userface = vertices.ravel().tolist(), faces.ravel().tolist()
    mesh.usernormal = _normals(vertices, faces, _incidence(faces, len(vertices))).ravel().tolist()
    mesh.usertexcoord = _coordinates(vertices).ravel().tolist()


def _add_wall(world: Any, motion: Motion, camera: Camera) -> None:
    """Across the view, a metre behind all that happens."""
    forward = camera.to_world(np.array([0.0, 0, 1.0])) - camera.position_w
    forward = rotations.normalize(forward * (1, 1, 0))
    things = np.concatenate((motion.joint_positions_w.reshape(-1, 3), *(o.position_w for o in motion.objects)))
    far = float(((things - camera.position_w) @ forward).max()) + 1.0
    turn = rotations.between(np.array([0.0, 0, 1.0]), -forward)
    world.add_geom(
        name="wall", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[30, 30, 1], material="wall", quat=turn,
        pos=camera.position_w * (1, 1, 0) + far * forward,
    )  # fmt: skip


def _incidence(faces: np.ndarray, count: int) -> sparse.csr_array:
    """[V, F]: which faces meet at which vertex."""
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_array((np.ones(faces.size), (faces.ravel(), columns)), shape=(count, len(faces)))


def _normals(vertices: np.ndarray, faces: np.ndarray, incidence: sparse.csr_array) -> np.ndarray:
    """Mean of the faces' normals by area, [V, 3], unit."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals: np.ndarray = rotations.normalize(incidence @ np.cross(b - a, c - a))
    return normals


# --- frames -------------------------------------------------------------------------------------------------------


def render(
    motion: Motion, camera: Camera, skin: Skin | None = None, seed: int = 0, masks_only: bool = False
) -> Iterator[Frame]:
    """Frames of a motion as this camera films them, one at a time.

    Args:
        camera: standing still, square pixels, principal point in the middle.
        skin: Anny where None.
        seed: of the textures.
        masks_only: image and depth stay black, in a tenth of the time.

    Raises:
        ReconstructionError: another camera. SimulationError: no offscreen OpenGL.
    """
    k, middle = camera.intrinsics, np.array([camera.width / 2, camera.height / 2])
    if camera.num_frames is not None or not np.allclose(k[0, 0], k[1, 1]) or not np.allclose(k[:2, 2], middle):
        raise ReconstructionError("rendering needs a camera that stands still, with square pixels and centred")
    skin = skin or load_skin("anny", motion)
    parts = _parts(skin)
    model = _scene(motion, camera, skin, parts, seed)
    normals = _incidence(skin.faces, len(skin.rest_vertices))
    context = gl_context(camera.width, camera.height)
    try:
        film = _Film(model, camera)
        for t in range(motion.num_frames):
            posed = skin.vertices(motion.joint_rotations_b[t : t + 1], motion.root_position_w[t : t + 1])[0]
            film.dress(parts, posed, _normals(posed, skin.faces, normals))
            film.place([(item.position_w[t], item.rotation_w[t]) for item in motion.objects])
            yield film.shoot(len(parts), masks_only)
    finally:
        context.free()


class _Film:
    """MuJoCo's renderer on a model of `_scene`. Needs a current OpenGL context."""

    def __init__(self, model: mujoco.MjModel, camera: Camera) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        self.scene, self.options = mujoco.MjvScene(model, maxgeom=200), mujoco.MjvOption()
        self.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self.context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.window = mujoco.MjrRect(0, 0, camera.width, camera.height)
        self.camera = mujoco.MjvCamera()
        self.camera.type, self.camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        self.picture = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.depth = np.zeros((camera.height, camera.width), np.float32)

    def dress(self, parts: list[_Part], vertices: np.ndarray, normals: np.ndarray) -> None:
        """Put the posed skin's vertices [V, 3] m and normals [V, 3], in the world, into its meshes."""
        for index, part in enumerate(parts):
            start, normal = self.model.mesh_vertadr[index], self.model.mesh_normaladr[index]
            self.model.mesh_vert[start : start + len(part.vertices)] = vertices[part.vertices]
            self.model.mesh_normal[normal : normal + len(part.vertices)] = normals[part.vertices]
            mujoco.mjr_uploadMesh(self.model, self.context, index)

    def place(self, poses: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Put the objects at positions [3] m and rotations [4]."""
        for index, (position, rotation) in enumerate(poses):
            self.data.mocap_pos[index], self.data.mocap_quat[index] = position, rotation
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        of_skin = (self.model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (self.model.geom_bodyid == 0)
        self.data.geom_xpos[of_skin], self.data.geom_xmat[of_skin] = 0.0, np.eye(3).ravel()

    def shoot(self, num_parts: int, masks_only: bool) -> Frame:
        """The picture (black where only masks are asked for), then once more with identities for colours."""
        every = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self.model, self.data, self.options, None, self.camera, every, self.scene)
        image, depth = (self.picture * 0, self.depth * 0) if masks_only else self._read()
        flags = [mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR]
        for flag in flags:
            self.scene.flags[flag] = True
        codes = self._read()[0].astype(np.int64) @ (1, 256, 65536)
        for flag in flags:
            self.scene.flags[flag] = False
        things = np.zeros(self.scene.ngeom + 2, np.int64) - 1  # by segid + 1
        for index in range(self.scene.ngeom):
            things[self.scene.geoms[index].segid + 1] = self.scene.geoms[index].objid
        geom = np.where(codes > 0, things[np.minimum(codes, len(things) - 1)], -1)
        kind = np.append(np.where(self.model.geom_type == mujoco.mjtGeom.mjGEOM_MESH, self.model.geom_dataid, -1), -1)
        mesh = kind[geom]  # of -1 the last: none
        return Frame(image, (mesh >= 0) & (mesh < num_parts), mesh >= num_parts, depth)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        mujoco.mjr_render(self.window, self.scene, self.context)
        mujoco.mjr_readPixels(self.picture, self.depth, self.window, self.context)
        near, far = self.model.vis.map.znear * self.model.stat.extent, self.model.vis.map.zfar * self.model.stat.extent
        depth = near / (1.0 - self.depth[::-1].astype(np.float64) * (1.0 - near / far))
        return self.picture[::-1].copy(), depth


def true_masks(motion: Motion, camera: Camera, frames: np.ndarray, skin: Skin | None = None) -> Masks:
    """Masks of the camera's size, drawn at half of it, in the frames [N] asked for; blank in the others."""
    small, size = (
        camera.resized(camera.width // 2, camera.height // 2),
        (motion.num_frames, camera.height, camera.width),
    )
    masks = Masks(np.zeros(size, bool), np.zeros(size, bool))
    item = motion.objects[0]
    item = dataclasses.replace(item, position_w=item.position_w[frames], rotation_w=item.rotation_w[frames])
    part = Motion(
        motion.fps, motion.root_position_w[frames], motion.joint_rotations_b[frames], motion.offsets, objects=(item,)
    )
    for t, frame in zip(frames, render(part, small, skin or load_skin("anny", motion), masks_only=True), strict=True):
        for mask, drawn in ((masks.human, frame.human), (masks.object, frame.item)):
            mask[t] = drawn.repeat(2, 0).repeat(2, 1)
    return masks


# --- the folder ---------------------------------------------------------------------------------------------------


def write_session(
    motion: Motion, camera: Camera, folder: Path, clicks: ClickConfig | None = None, seed: int = 0
) -> Path:
    """Film a motion into a session folder, with its truth beside. See the module's docstring for what it holds."""
    for name in ("frames", "mask_dir", "human_mask_dir", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    skin, depths = load_skin("anny", motion), []
    with (
        atomic_path(folder / "video.mp4") as path,
        imageio.get_writer(path, fps=motion.fps, quality=8, macro_block_size=2) as file,
    ):
        writer: Any = file
        for t, frame in enumerate(render(motion, camera, skin, seed)):
            writer.append_data(frame.image)
            imageio.imwrite(folder / "frames" / f"{t:05d}.jpg", frame.image, quality=92)
            imageio.imwrite(folder / "mask_dir" / f"{t:05d}.png", frame.item.astype(np.uint8) * 255)
            imageio.imwrite(folder / "human_mask_dir" / f"{t:05d}.png", frame.human.astype(np.uint8) * 255)
            depths.append(frame.depth.astype(np.float16))
    np.save(folder / "depth.npy", np.stack(depths))
    geometry = motion.objects[0].geometry
    if isinstance(geometry, Mesh):
        trimesh.Trimesh(geometry.vertices, geometry.faces, process=False).export(folder / "obj_org.obj", digits=6)
    motion.save(folder / "truth" / "motion.npz")
    write_json(
        folder / "truth" / "camera.json",
        {
            "width": camera.width, "height": camera.height, "intrinsics": camera.intrinsics.tolist(),
            "rotation_w": camera.rotation_w.tolist(), "position_w": camera.position_w.tolist(),
        },
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    drawn = draw_annotations(motion, camera, clicks or ClickConfig(), rng, View.of(motion, camera, skin))
    drawn.save(folder / "truth" / "annotations.json")
    return folder


def main(
    clip: Path, folder: Path, start: int = 0, frames: int = 150, width: int = 640, height: int = 480,
    side_deg: float = 40.0,
) -> None:  # fmt: skip
    """Film part of a motion at 30 frames a second; see the module's docstring."""
    motion = Motion.load(clip).resample(30.0)
    motion = motion.slice(start, min(start + frames, motion.num_frames))
    write_session(motion, filming_camera(motion, width, height, side_deg), folder)


if __name__ == "__main__":
    tyro.cli(main)
