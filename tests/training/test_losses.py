"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_xmem_training.losses import bootstrapped_cross_entropy, dice_loss, state_loss, true_states


def test_cross_entropy_of_all_pixels_is_the_plain_mean():
    p = torch.tensor([[[0.9, 0.2], [0.5, 0.5]]])
    target = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    expected = -(math.log(0.9) + math.log(0.8) + 2 * math.log(0.5)) / 4
    assert bootstrapped_cross_entropy(p, target, 1.0).item() == pytest.approx(expected, rel=1e-5)


def test_bootstrapping_keeps_the_hardest_pixels_of_each_frame():
    p = torch.tensor([[[0.9, 0.2], [0.5, 0.5]], [[0.99, 0.99], [0.99, 0.6]]])
    target = torch.ones(2, 2, 2)
    hardest = (-math.log(0.2) - math.log(0.6)) / 2
    assert bootstrapped_cross_entropy(p, target, 0.25).item() == pytest.approx(hardest, rel=1e-5)


def test_certain_and_wrong_stays_finite():
    loss = bootstrapped_cross_entropy(torch.zeros(1, 4, 4), torch.ones(1, 4, 4), 0.15)
    assert torch.isfinite(loss)


def test_dice_is_zero_for_a_perfect_mask_and_grows_with_paint_on_an_absent_object():
    target = torch.zeros(1, 16, 16)
    target[0, 4:12, 4:12] = 1
    assert dice_loss(target, target).item() == pytest.approx(0.0, abs=1e-6)
    absent = torch.zeros(1, 16, 16)
    few, many = torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    few[0, :2, :2] = 1
    assert dice_loss(absent, absent).item() == pytest.approx(0.0, abs=1e-6)
    assert 0 < dice_loss(few, absent) < dice_loss(many, absent) < 1


def square(side):
    mask = torch.zeros(1, 16, 16)
    mask[0, :side, :side] = 1
    return mask


def test_state_loss_is_the_cross_entropy_of_what_is_known():
    """One object of 8 x 8 pixels, painted over 8 x 4 of them: present, divided, the rest of the events unknown."""
    painted = square(8)
    painted[0, 4:] = 0
    logits = torch.tensor([[2.0, 9.0, 9.0, -1.0, 0.5]])
    events = torch.tensor([[math.nan, math.nan, 1.0]])
    sigmoid = [1 / (1 + math.exp(-x)) for x in (2.0, -1.0, 0.5)]
    agreement = -0.5 * math.log(sigmoid[2]) - 0.5 * math.log(1 - sigmoid[2])
    expected = (-math.log(sigmoid[0]) - math.log(sigmoid[1]) + agreement) / 3
    assert state_loss(logits, painted, square(8), events).item() == pytest.approx(expected, rel=1e-5)


def test_an_absent_object_has_no_events_and_agrees_with_an_empty_mask():
    events = torch.ones(1, 3)
    sure = torch.tensor([[-20.0, 20.0, -20.0, 20.0, 20.0]])
    assert state_loss(sure, torch.zeros(1, 16, 16), torch.zeros(1, 16, 16), events).item() == pytest.approx(0, abs=1e-6)
    assert state_loss(sure, square(8), torch.zeros(1, 16, 16), events).item() > 5


def test_true_states_of_an_object_that_is_there_and_of_one_that_is_not():
    half = square(8)
    half[0, 4:] = 0
    events = torch.tensor([[0.0, 1.0, math.nan]] * 2)
    target = torch.cat([square(8), torch.zeros(1, 16, 16)])
    states = true_states(torch.cat([half, square(8)]), target, events)
    assert states[0, [0, 1, 2, 4]].tolist() == [1.0, 0.0, 1.0, 0.5]
    assert states[1, [0, 4]].tolist() == [0.0, 0.0]
    assert torch.isnan(states[[0, 1, 1, 1], [3, 1, 2, 3]]).all()
