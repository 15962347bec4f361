"""SMPL-X (Pavlakos et al. 2019) as a skin of the standard skeleton, by the `smplx` package and the user's own files.

The model's files are licensed: nobody but its makers hands them out, so nothing here works without
`SMPLX_NEUTRAL.npz` from https://smpl-x.is.tue.mpg.de. They are read without unpickling; the `.pkl` twin is refused.

Conversions: axes (SMPL: left +x, up +y, facing +z) and joint order. Hands: SMPL-X rests with flat hands; where a
motion's bones already hold the curl of its mean hand (OMOMO's do), the same curl is put under the motion's rotations.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sim import rotations, skeleton
from sim.errors import AssetError, MissingDependencyError
from sim.motion import BodyShape
from sim.skeleton import JOINT_INDEX, NUM_JOINTS, PARENTS

MODEL_FILE = "SMPLX_NEUTRAL.npz"
MODEL_VARIABLE = "TOUCHSTONE_SMPLX"
_TO_STANDARD = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""SMPL's axes (left, up, front) to ours (front, left, up)."""

_HANDS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in skeleton.SMPLX_HAND_ORDER)
_MODEL_ORDER: tuple[str, ...] = (*skeleton.SMPLX_BODY_ORDER, "jaw", "left_eye", "right_eye", *_HANDS)
_TO_MODEL = np.array([JOINT_INDEX.get(name, JOINT_INDEX["head"]) for name in _MODEL_ORDER])
"""[55] the standard joint that each of the model's joints moves with; jaw and eyes with the head."""
_FROM_MODEL = np.array([_MODEL_ORDER.index(name) for name in skeleton.JOINT_NAMES])
"""[52] the model's joint for each standard joint."""
_ON_FACE = np.isin(_MODEL_ORDER, ("jaw", "left_eye", "right_eye"))

_SHAPES: dict[str, tuple[int | str, ...]] = {
    "v_template": ("V", 3), "f": ("F", 3), "J_regressor": (55, "V"), "weights": ("V", 55), "kintree_table": (2, 55),
    "posedirs": ("V", 3, 486), "shapedirs": ("V", 3, "N"), "hands_meanl": (45,), "hands_meanr": (45,),
}  # fmt: skip
_FITTED_BETAS = 10
_BETA_PRIOR = 1e-4
"""m^2 per squared standard deviation of shape."""
_BLOCK = 32


@dataclass(frozen=True, eq=False)
class SmplxSkin:
    """SMPL-X with a subject's shape. Its joints are the model's own, not exactly those of the motion.

    Attributes:
        faces: [F, 3]; rest_vertices: [V, 3] m; rest_joints: [52, 3] m, T-pose with the pelvis at the origin.
        vertex_joints: [V] standard joint of the greatest weight.
        betas: [N] shape parameters.
        curl_b: [52, 4] wxyz, turn of each joint's flesh from SMPL-X's flat rest pose to the motion's.
    """

    faces: np.ndarray
    vertex_joints: np.ndarray
    betas: np.ndarray
    curl_b: np.ndarray
    _model: Mapping[str, torch.Tensor]

    @staticmethod
    def load(model_path: str | Path | None, body: BodyShape | None, offsets: np.ndarray) -> SmplxSkin:
        """Read the model and shape it.

        Args:
            model_path: the `.npz`, or a folder that holds `SMPLX_NEUTRAL.npz` (or `smplx/SMPLX_NEUTRAL.npz`); None
                looks at the environment variable TOUCHSTONE_SMPLX.
            body: shape of the subject; `betas` is taken if its model is SMPL-X, else betas are fitted to the bones.
            offsets: [52, 3] m, the subject's bones.

        Raises:
            AssetError: the file is missing, or is not an SMPL-X model.
            MissingDependencyError: the package smplx is not installed.
        """
        arrays = _read(find_model(model_path))
        given = body.parameters.get("betas") if body is not None and body.model.startswith("smplx") else None
        betas = _fit_betas(arrays, offsets) if given is None else np.array(given, dtype=np.float64).ravel()
        betas = betas[: arrays["shapedirs"].shape[-1]]
        model = {name: torch.as_tensor(arrays[name], dtype=torch.float32) for name in ("v_template", "J_regressor")}
        model["shapedirs"] = torch.as_tensor(arrays["shapedirs"][..., : len(betas)], dtype=torch.float32)
        model["posedirs"] = torch.as_tensor(arrays["posedirs"].reshape(-1, 486).T.copy(), dtype=torch.float32)
        model["parents"] = torch.as_tensor(_parents(arrays))
        model["lbs_weights"] = torch.as_tensor(arrays["weights"], dtype=torch.float32)
        moved = np.zeros((len(arrays["weights"]), NUM_JOINTS))
        np.add.at(moved.T, _TO_MODEL, arrays["weights"].T)
        curl = _curl(arrays, betas, offsets)
        return SmplxSkin(arrays["f"].astype(np.int64), moved.argmax(1), betas, curl, model)

    @property
    def rest_vertices(self) -> np.ndarray:
        """[V, 3] m."""
        return self._pose(*_rest_pose())[0][0]

    @property
    def rest_joints(self) -> np.ndarray:
        """[52, 3] m."""
        return self._pose(*_rest_pose())[1][0]

    def vertices(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """[T, 52, 4], [T, 3] m -> [T, V, 3] m, with SMPL-X's pose correctives."""
        return self._pose(joint_rotations_b, root_position_w)[0]

    def joints(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> np.ndarray:
        """[T, 52, 4], [T, 3] m -> [T, 52, 3] m: the model's joints."""
        return self._pose(joint_rotations_b, root_position_w)[1]

    def _pose(self, joint_rotations_b: np.ndarray, root_position_w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [T, V, 3] and joints [T, 52, 3], world, m."""
        try:
            from smplx.lbs import lbs
        except ImportError as error:
            raise MissingDependencyError("smplx", "the SMPL-X skin") from error
        above = [max(p, 0) for p in PARENTS]
        bent = rotations.multiply(
            rotations.multiply(rotations.inverse(self.curl_b[above]), joint_rotations_b), self.curl_b
        )
        matrices = _TO_STANDARD.T @ rotations.to_matrix(bent) @ _TO_STANDARD
        full = matrices[:, _TO_MODEL]
        full[:, _ON_FACE] = np.eye(3)
        betas = torch.as_tensor(self.betas, dtype=torch.float32)
        posed, joints = [], []
        with torch.no_grad():
            for start in range(0, len(full), _BLOCK):
                part = torch.as_tensor(full[start : start + _BLOCK], dtype=torch.float32).contiguous()
                vertices, skeleton_points = lbs(betas.expand(len(part), -1), part, **self._model, pose2rot=False)
                posed.append(vertices.double().numpy())
                joints.append(skeleton_points.double().numpy())
        pelvis = joints[0][0, 0]  # the pelvis turns about itself, so it stays where it rests
        root = root_position_w[:, None]
        vertices_w = (np.concatenate(posed) - pelvis) @ _TO_STANDARD.T + root
        return vertices_w, (np.concatenate(joints)[:, _FROM_MODEL] - pelvis) @ _TO_STANDARD.T + root


def find_model(model_path: str | Path | None) -> Path:
    """The model file that a path, a folder or the environment variable means. Raises AssetError with what to do."""
    where = model_path or os.environ.get(MODEL_VARIABLE)
    advice = (
        f"download {MODEL_FILE} from https://smpl-x.is.tue.mpg.de (licensed, free for research) and give its folder as "
        f"model_path or in the environment variable {MODEL_VARIABLE}; without it, use the skin 'anny' or 'capsules'"
    )
    if not where:
        raise AssetError(f"the SMPL-X skin needs the model's files: {advice}")
    path = Path(where).expanduser()
    if path.suffix == ".pkl":
        raise AssetError(f"{path}: a pickle can run code and is not read; {advice}")
    for candidate in (path, path / MODEL_FILE, path / "smplx" / MODEL_FILE):
        if candidate.is_file():
            return candidate
    raise AssetError(f"{path}: no SMPL-X model there; {advice}")


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays that skinning needs, with their shapes checked."""
    try:
        with np.load(path, allow_pickle=False) as archive:  # reads only what is asked for: other members may be pickles
            arrays = {name: archive[name] for name in _SHAPES}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AssetError(f"{path}: not an SMPL-X model ({error}); expected {MODEL_FILE} as downloaded") from error
    sizes: dict[str, int] = {}
    for name, shape in _SHAPES.items():
        actual = arrays[name].shape
        expected = tuple(
            sizes.setdefault(n, s) if isinstance(n, str) else n for n, s in zip(shape, actual, strict=False)
        )
        if len(actual) != len(shape) or actual != expected:
            raise AssetError(f"{path}: {name} has shape {list(actual)}, an SMPL-X model has {list(shape)}")
    return arrays


def _parents(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """[55] parent of each of the model's joints, -1 for the pelvis (stored as an unsigned -1)."""
    parents = arrays["kintree_table"][0].astype(np.int64)
    parents[0] = -1
    return parents


def _model_joints(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The model's rest joints as a linear function of shape, our axes: base [52, 3] m and directions [52, 3, N]."""
    regressor = arrays["J_regressor"][_FROM_MODEL]
    base = regressor @ arrays["v_template"] @ _TO_STANDARD.T
    return base, np.einsum("ab,jv,vbn->jan", _TO_STANDARD, regressor, arrays["shapedirs"])


def _fit_betas(arrays: Mapping[str, np.ndarray], offsets: np.ndarray) -> np.ndarray:
    """Shape whose body bones come closest to the subject's, by ridge regression: [<= 10]."""
    base, directions = _model_joints(arrays)
    bones = list(skeleton.BODY_JOINTS[1:])
    above = [PARENTS[j] for j in bones]
    design = (directions[bones] - directions[above])[..., :_FITTED_BETAS].reshape(3 * len(bones), -1)
    target = (offsets[bones] - (base[bones] - base[above])).ravel()
    gram = design.T @ design + _BETA_PRIOR * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(gram, design.T @ target))


def _curl(arrays: Mapping[str, np.ndarray], betas: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """[52, 4] turns of the mean hand if the subject's fingers are closer to it than to the flat hand, else none."""
    base, directions = _model_joints(arrays)
    joints = base + directions[..., : len(betas)] @ betas
    flat = np.zeros((NUM_JOINTS, 4))
    flat[:, 0] = 1.0
    mean = flat.copy()
    hands = np.concatenate((arrays["hands_meanl"], arrays["hands_meanr"])).reshape(30, 3)
    mean[[JOINT_INDEX[name] for name in _HANDS]] = rotations.from_rotvec(hands @ _TO_STANDARD.T)
    above = [max(p, 0) for p in PARENTS]
    bones = joints - joints[above]
    curled = skeleton.forward_kinematics(mean, np.zeros(3), bones)[1]
    fingers = list(skeleton.FINGER_JOINTS)

    def miss(turn: np.ndarray) -> float:
        return float(np.abs(rotations.rotate(turn[above], bones) - offsets)[fingers].sum())

    return curled if miss(curled) < miss(flat) else flat


def _rest_pose() -> tuple[np.ndarray, np.ndarray]:
    rest = np.zeros((1, NUM_JOINTS, 4))
    rest[..., 0] = 1.0
    return rest, np.zeros((1, 3))
