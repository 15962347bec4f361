"""Key frames and what lies between them; the low-pass against its laws."""

import numpy as np

from recon.smoothing import key_frames, spread_positions, spread_rotations
from sim import rotations


def test_key_frames_hold_both_ends() -> None:
    assert key_frames(10, 3).tolist() == [0, 3, 6, 9]
    assert key_frames(9, 3).tolist() == [0, 3, 6, 8]
    assert key_frames(2, 5).tolist() == [0, 1]


def test_lines_and_even_turns_come_back() -> None:
    frames = key_frames(11, 4)
    times = np.arange(11.0)
    line = times[:, None] * np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(spread_positions(frames, line[frames], 11), line, atol=1e-12)
    turn = rotations.from_rotvec(0.2 * times[:, None] * np.array([0.0, 0.6, 0.8]))
    flipped = turn[frames] * np.array([1.0, -1.0, 1.0, -1.0])[: len(frames), None]  # the double cover must not matter
    spread = spread_rotations(frames, flipped, 11)
    np.testing.assert_allclose(rotations.angle_between(spread, turn), 0.0, atol=1e-7)
