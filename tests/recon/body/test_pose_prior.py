from pathlib import Path

import numpy as np
import pytest

from recon.body import pose_prior
from recon.body.pose_prior import PARTS, Mixture, PosePrior, canonical_axes, canonical_rotations, fit_pose_prior
from sim import rotations, skeleton
from sim.errors import AssetError, MotionError
from sim.formats import import_motion
from sim.motion import Motion
from sim.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS
from sim.subject import default_offsets


@pytest.fixture(scope="module")
def prior() -> PosePrior:
    return pose_prior.load_pose_prior()


def _turned(q: np.ndarray, joint: int, axis: int, angle: float) -> np.ndarray:
    turned = q.copy()
    turn = rotations.from_rotvec(angle * np.eye(3)[axis])
    turned[:, joint] = rotations.multiply(q[:, joint].copy(), turn)
    return turned


def test_a_mixture_is_a_density() -> None:
    """One dimension, by hand: 0.3 N(-1, 0.5^2) + 0.7 N(2, 1); it integrates to 1."""
    mixture = Mixture(np.array([0.3, 0.7]), np.array([[-1.0], [2.0]]), np.array([[[2.0]], [[1.0]]]))
    x = np.linspace(-8, 10, 4001)
    density = np.exp(mixture.log_density(x[:, None]))
    assert density.sum() * (x[1] - x[0]) == pytest.approx(1.0, abs=1e-6)
    expected = 0.3 * 2 / np.sqrt(2 * np.pi) + 0.7 * np.exp(-4.5) / np.sqrt(2 * np.pi)
    assert np.exp(mixture.log_density(np.array([-1.0]))) == pytest.approx(expected)


def test_residuals_and_limits_have_their_finite_differences(prior: PosePrior) -> None:
    rng = np.random.default_rng(0)
    q = rotations.from_rotvec(0.3 * rng.normal(size=(3, NUM_JOINTS, 3)))
    axes = rotations.from_rotvec(0.3 * rng.normal(size=(NUM_JOINTS, 3)))
    for function in (prior.residuals, prior.joint_limits):
        value, slope = function(q, axes)
        for joint in (JOINT_INDEX[n] for n in ("left_knee", "right_elbow", "spine2", "right_hip", "left_wrist")):
            for axis in range(3):
                change = (function(_turned(q, joint, axis, 1e-6), axes)[0] - value) / 1e-6
                np.testing.assert_allclose(change, slope[:, :, joint, axis], atol=2e-4)


def test_the_residual_is_the_penalty_up_to_the_components_constant(prior: PosePrior) -> None:
    q, axes = np.tile([1.0, 0, 0, 0], (1, NUM_JOINTS, 1)), canonical_axes(default_offsets())
    half_square = 0.5 * np.square(prior.residuals(q, axes)[0]).sum()
    constant = 0.0
    pose = pose_prior.canonical_6d(q, axes)
    for kind, joints, mirrored in PARTS.values():
        mixture = prior.mixtures[kind]
        best = mixture.component_log_densities(pose_prior._part(pose, joints, mirrored)).argmax()
        constant += mixture.constants.max() - mixture.constants[best]
    assert prior.penalty(q, axes)[0] == pytest.approx(half_square + constant)


def test_a_mirrored_pose_is_as_probable(prior: PosePrior) -> None:
    rng = np.random.default_rng(1)
    q = rotations.from_rotvec(0.3 * rng.normal(size=(4, NUM_JOINTS, 3)))
    q[:, JOINT_INDEX["spine1"] : JOINT_INDEX["left_collar"]] = [
        1.0,
        0,
        0,
        0,
    ]  # the trunk is learnt mirrored, not made so
    twin = [JOINT_INDEX[n.replace("left", "R").replace("right", "left").replace("R", "right")] for n in JOINT_NAMES]
    axes = np.tile([1.0, 0, 0, 0], (NUM_JOINTS, 1))
    mirrored = q[:, twin] * [1.0, -1.0, 1.0, -1.0]
    np.testing.assert_allclose(prior.log_density(mirrored, axes), prior.log_density(q, axes))


def test_canonical_rotations_do_not_know_the_rest_pose() -> None:
    """One pose of bones, written on two skeletons whose rest bones point elsewhere, is the same canonical pose."""
    rng = np.random.default_rng(2)
    plain = default_offsets()
    bent = rotations.rotate(rotations.from_rotvec(0.4 * rng.normal(size=(NUM_JOINTS, 3))), plain)
    axes = canonical_axes(bent)
    assert np.abs(axes[1:] - [1, 0, 0, 0]).max() > 0.05
    q = rotations.from_rotvec(0.5 * rng.normal(size=(3, NUM_JOINTS, 3)))
    world = skeleton.forward_kinematics(q, np.zeros((3, 3)), plain)[1]
    other = skeleton.local_rotations(rotations.multiply(world, rotations.inverse(axes)))
    np.testing.assert_allclose(np.abs((canonical_rotations(other, axes) * q).sum(-1)), 1.0, atol=1e-9)
    knee, ankle = JOINT_INDEX["left_knee"], JOINT_INDEX["left_ankle"]
    shank = skeleton.forward_kinematics(other, np.zeros((3, 3)), bent)[0]
    shank = rotations.normalize(shank[:, ankle] - shank[:, knee])
    expected = rotations.normalize(rotations.rotate(world[:, knee], plain[ankle]))
    np.testing.assert_allclose(shank, expected, atol=1e-9)


def test_knees_and_elbows_bend_one_way(prior: PosePrior) -> None:
    axes = canonical_axes(default_offsets())
    rest = np.tile([1.0, 0, 0, 0], (1, NUM_JOINTS, 1))
    for joint, axis, right_way in (
        ("left_knee", 1, 1),
        ("right_knee", 1, 1),
        ("left_elbow", 2, -1),
        ("right_elbow", 2, 1),
    ):
        good = _turned(rest, JOINT_INDEX[joint], axis, 1.2 * right_way)
        bad = _turned(rest, JOINT_INDEX[joint], axis, -0.4 * right_way)
        assert prior.joint_limits(good, axes)[0].max() == 0.0
        assert prior.joint_limits(bad, axes)[0].max() == pytest.approx(np.sin(0.4))


def test_the_shipped_prior_prefers_real_poses(prior: PosePrior, data: Path) -> None:
    """On clips that it was not fitted to (every fifth was held out), against joints shuffled between frames."""
    rng = np.random.default_rng(0)
    paths = sorted((data / "motions" / "ballplay").glob("*.pt"))[::5]
    assert "BallPlay" in prior.source
    assert pose_prior.SHIPPED.stat().st_size < 1e6
    for path in paths[:4]:
        motion = import_motion(path)
        q, axes = motion.joint_rotations_b, canonical_axes(motion.offsets)
        order = rng.permutation(NUM_JOINTS)
        shuffled = q[rng.integers(len(q), size=q.shape[:2]), order]
        real, fake = prior.log_density(q, axes), prior.log_density(shuffled, axes)
        assert real.mean() > fake.mean() + 50.0
        assert np.quantile(real, 0.05) > np.quantile(fake, 0.95)


def test_fit_save_and_load(push_clip: Motion, tmp_path: Path) -> None:
    fitted = fit_pose_prior([push_clip], np.random.default_rng(0), components=2)
    fitted.save(tmp_path / "prior.npz")
    loaded = pose_prior.load_pose_prior(tmp_path / "prior.npz")
    q, axes = push_clip.joint_rotations_b, canonical_axes(push_clip.offsets)
    np.testing.assert_allclose(loaded.log_density(q, axes), fitted.log_density(q, axes), rtol=1e-3)
    assert loaded.source == fitted.source
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    with pytest.raises(AssetError, match="broken"):
        pose_prior.load_pose_prior(tmp_path / "broken.npz")
    with pytest.raises(MotionError, match="at least one"):
        fit_pose_prior([], np.random.default_rng(0))
