"""Hand-worked values, gradients by finite differences, and the laws that each term should keep."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from recon.optimizer import losses

_RNG = np.random.default_rng(0)


def _random(*shape: int) -> torch.Tensor:
    return torch.as_tensor(_RNG.uniform(0.05, 0.95, shape)).requires_grad_()


def test_contact_by_hand() -> None:
    # w = (0.1 + 0.1)^2 : (0.3 + 0.1)^2 = 1 : 4, so 0.2 * 0.01 + 0.8 * 0.09
    found = losses.contact_loss(torch.tensor([[0.1, 0.3, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([0.074]))


def test_contact_pulls_the_distant_pair_harder_than_in_proportion() -> None:
    distance = torch.tensor([[0.1, 0.2]], requires_grad=True)
    losses.contact_loss(distance, torch.ones(1, 2)).sum().backward()
    assert distance.grad is not None
    assert distance.grad[0, 1] > 4 * distance.grad[0, 0]


def test_no_pair_no_loss() -> None:
    distance = torch.tensor([[0.1, 0.2]], requires_grad=True)
    loss = losses.contact_loss(distance, torch.zeros(1, 2)).sum()
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert distance.grad is not None
    assert not distance.grad.any()


def test_penetration_by_hand() -> None:
    # depths 0, 0.01, 0.04 below the surface: x^2 / (x + 0.01) = 0, 0.005, 0.032; times 1000 / 3 points
    found = losses.penetration_loss(torch.tensor([[0.1, -0.01, -0.04]]), margin=0.0, softness=0.01)
    torch.testing.assert_close(found, torch.tensor([37.0 / 3.0]))


def test_penetration_does_not_depend_on_the_meshs_density() -> None:
    coarse = torch.as_tensor(_RNG.normal(size=(2, 50)) * 0.01)
    dense = coarse.repeat_interleave(7, 1)
    torch.testing.assert_close(
        losses.penetration_loss(coarse, margin=0.001, softness=0.01),
        losses.penetration_loss(dense, margin=0.001, softness=0.01),
    )


def test_masks_by_hand() -> None:
    drawn = torch.tensor([[[1.0, 1.0], [0.5, 0.0]]])
    other = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    seen = losses.visible_silhouette(drawn, other)
    torch.testing.assert_close(seen, torch.tensor([[[1.0, 0.0], [0.5, 0.0]]]))
    mask = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(losses.mask_loss(seen, mask, 4.0), torch.tensor([0.0625]))


def test_edges_are_the_ring_outside() -> None:
    square = torch.zeros(1, 7, 7)
    square[0, 2:5, 2:5] = 1.0
    edges = losses.silhouette_edges(square)
    assert float(edges.sum()) == 25 - 9
    assert not edges[square > 0].any()
    weight = losses.edge_distance_weight(square)
    torch.testing.assert_close(weight[0, 3, 3], torch.tensor(2.0).sqrt())  # two pixels from the ring
    assert float(losses.edge_loss(square, weight)) == 0.0
    shifted = torch.roll(square, 1, 2)
    assert float(losses.edge_loss(shifted, weight)) > 0.0
    assert not losses.edge_distance_weight(torch.zeros(1, 5, 5)).any()


@pytest.mark.parametrize(
    "check",
    [
        lambda: gradcheck(lambda d: losses.contact_loss(d, torch.tensor([[1.0, 1.0, 0.0]])), _random(2, 3)),
        lambda: gradcheck(lambda d: losses.penetration_loss(d - 0.5, margin=0.01, softness=0.1), _random(2, 9)),
        lambda: gradcheck(
            lambda m: losses.mask_loss(losses.visible_silhouette(m, torch.eye(3)[None]), torch.ones(1, 3, 3), 9.0),
            _random(1, 3, 3),
        ),
        lambda: gradcheck(lambda m: losses.edge_loss(m, torch.arange(16.0).reshape(1, 4, 4)), _random(1, 4, 4)),
        lambda: gradcheck(
            lambda p: losses.image_point_loss(p, torch.full((2, 3, 2), 0.2), torch.ones(2, 3)), _random(2, 3, 3)
        ),
    ],
    ids=["contact", "penetration", "mask", "edge", "image points"],
)
def test_gradients_by_finite_differences(check) -> None:
    assert check()


def test_image_points_by_hand() -> None:
    # the ray (0.5, 0) at depth 2 passes x = 1; the point at x = 1.3 is 0.3 m off; the second pair is not seen
    points = torch.tensor([[[1.3, 0.0, 2.0], [9.0, 9.0, 1.0]]])
    rays = torch.tensor([[[0.5, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(losses.image_point_loss(points, rays, torch.tensor([[1.0, 0.0]])), torch.tensor([0.09]))
    torch.testing.assert_close(losses.image_point_loss(points, rays, torch.tensor([[0.5, 0.0]])), torch.tensor([0.045]))
