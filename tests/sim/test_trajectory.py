"""Differences of full physics states, against MuJoCo's own."""

from __future__ import annotations

import mujoco
import numpy as np
import torch

from sim.retarget import Reference
from sim.trajectory import state_difference, state_sum


def test_a_difference_is_mujocos(push: Reference) -> None:
    model, states = push.scene.model, push.states
    one, other = states[30], states[5]
    expected = np.zeros(model.nv)
    mujoco.mj_differentiatePos(model, expected, 1.0, other[1 : 1 + model.nq], one[1 : 1 + model.nq])
    found = state_difference(torch.as_tensor(one), torch.as_tensor(other), model.nu).numpy()
    np.testing.assert_allclose(found[: model.nv], expected, atol=1e-9)
    np.testing.assert_allclose(found[model.nv :], one[1 + model.nq :] - other[1 + model.nq :], atol=1e-12)


def test_a_sum_undoes_a_difference(push: Reference) -> None:
    model, states = push.scene.model, torch.as_tensor(push.states)
    step = 0.3 * torch.randn(len(states), 2 * model.nv, generator=torch.Generator().manual_seed(0)).double()
    there = state_sum(states, step, model.nu)
    assert there.shape == states.shape
    torch.testing.assert_close(state_difference(there, states, model.nu), step, atol=1e-9, rtol=0.0)
    assert (there[:, 4:8].norm(dim=-1) - 1.0).abs().max() < 1e-9
