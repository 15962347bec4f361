"""Fits the shipped pose prior (`recon/body/pose_prior.npz`) to BallPlay-M clips, and says how it does elsewhere.

    python -m benchmarks.pose_prior_training ../shared/data/motions --write

Every fifth clip is held out; likelihoods are of those, of poses whose joints are shuffled between frames, and of OMOMO
clips, of which nothing was seen. Poses 6D, nats a pose.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from recon.body.pose_prior import SHIPPED, PosePrior, canonical_axes, fit_pose_prior
from sim.formats import import_motion
from sim.geometry import Primitive
from sim.motion import Motion


def scrambled(motion: Motion, rng: np.random.Generator) -> np.ndarray:
    """Each joint's rotations from a frame of its own and from another joint: [T, J, 4]."""
    q = motion.joint_rotations_b
    frames = rng.integers(len(q), size=q.shape[:2])
    return q[frames, rng.permutation(q.shape[1])]


def mean_density(prior: PosePrior, motions: list[Motion], rng: np.random.Generator | None = None) -> float:
    """Mean log density over the clips' frames, shuffled where a generator is given."""
    rows = []
    for motion in motions:
        q = motion.joint_rotations_b if rng is None else scrambled(motion, rng)
        rows.append(prior.log_density(q, canonical_axes(motion.offsets)))
    return float(np.concatenate(rows).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("--write", action="store_true", help="write the prior into the package")
    args = parser.parse_args()
    clips = [import_motion(path) for path in sorted((args.motions / "ballplay").glob("*.pt"))]
    anything = Primitive("sphere", (0.1,))  # the object does not matter here
    other = [import_motion(path, geometry=anything) for path in sorted((args.motions / "omomo").glob("*.pt"))[::5]]
    held_out = clips[::5]
    kept = [clip for i, clip in enumerate(clips) if i % 5]
    for components in (1, 4, 8, 16):
        prior = fit_pose_prior(kept, np.random.default_rng(0), components=components)
        figures = [mean_density(prior, m, r) for m in (held_out, other) for r in (None, np.random.default_rng(1))]
        print(
            f"{components:2d} components: held-out {figures[0]:8.1f} (shuffled {figures[1]:9.1f}), "
            f"OMOMO {figures[2]:8.1f} (shuffled {figures[3]:9.1f})"
        )
    if args.write:
        prior = fit_pose_prior(kept, np.random.default_rng(0))
        PosePrior(prior.mixtures, prior.fingers_b, f"BallPlay-M (Apache-2.0), {prior.source}").save(SHIPPED)
        print(f"wrote {SHIPPED} ({SHIPPED.stat().st_size / 1024:.0f} KB)")


if __name__ == "__main__":
    main()
