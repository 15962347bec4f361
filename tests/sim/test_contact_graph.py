"""The table of contacts: which rows hold when, and what cutting and retiming make of them."""

from __future__ import annotations

import numpy as np
import pytest

from sim.contact_graph import ContactGraph


def graph() -> ContactGraph:
    return ContactGraph(
        ("leftHand_palm", "rightHand_palm", "Chin"),
        np.array([0, 0, 1]),
        np.arange(9.0).reshape(3, 3),
        np.array([0, 2, 4]),
        np.array([1, 4, 4]),
    )


def test_an_empty_graph_has_the_same_shapes() -> None:
    empty = ContactGraph()
    assert len(empty) == 0
    assert empty.points_b.shape == (0, 3)
    assert empty.active(5).shape == (5, 0)
    assert len(empty.cut(0, 3)) == len(empty.retimed(2.0, 10)) == 0


def test_both_ends_of_an_interval_count() -> None:
    expected = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]]
    np.testing.assert_array_equal(graph().active(6), np.array(expected, bool))


def test_rows_by_mask_and_by_index() -> None:
    for keep in (np.array([True, False, True]), np.array([0, 2])):
        kept = graph().rows(keep)
        assert kept.keypoints == ("leftHand_palm", "Chin")
        np.testing.assert_array_equal(kept.points_b, graph().points_b[[0, 2]])
        np.testing.assert_array_equal(kept.object_index, [0, 1])


@pytest.mark.parametrize(("start", "stop"), [(0, 6), (1, 4), (3, 5), (5, 6), (0, 1)])
def test_a_cut_graph_is_active_where_the_whole_one_was(start: int, stop: int) -> None:
    whole, cut = graph(), graph().cut(start, stop)
    kept = [whole.keypoints.index(name) for name in cut.keypoints]
    part = whole.active(6)[start:stop]
    np.testing.assert_array_equal(cut.active(stop - start), part[:, kept])
    assert not np.delete(part, kept, axis=1).any()  # what was dropped held in no frame of the part


def test_retiming_keeps_the_times() -> None:
    doubled = graph().retimed(2.0, 9)
    np.testing.assert_array_equal(doubled.first_frame, [0, 4, 8])
    np.testing.assert_array_equal(doubled.last_frame, [2, 8, 8])
    back = doubled.retimed(0.5, 5)
    np.testing.assert_array_equal(back.first_frame, graph().first_frame)
    np.testing.assert_array_equal(back.last_frame, graph().last_frame)


def test_retiming_stays_inside_the_clip() -> None:
    assert graph().retimed(10.0, 20).last_frame.max() == 19
