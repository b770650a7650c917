"""Patches between the movie's pixels and those of the scaled frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_xmem.engine.scopes.resample import resample, sampling_matrix


@pytest.mark.parametrize("scale", [0.3, 0.8, 1.0, 1.7, 4.0])
def test_rows_sum_to_one_inside(scale: float) -> None:
    length = 40
    matrix = sampling_matrix(torch.tensor([0]), int(length * scale), torch.tensor([0]), length, scale)
    np.testing.assert_allclose(matrix.sum(2).numpy(), 1.0, atol=1e-5)


def test_identity_at_scale_one() -> None:
    patch = torch.rand(2, 9, 7)
    corner = torch.tensor([[3, 5], [10, 2]])
    torch.testing.assert_close(resample(patch, corner, corner, (9, 7), 1.0), patch)


def test_both_axes_at_once_are_one_after_the_other() -> None:
    """Squares are resampled along both axes in one go; a row more of output changes nothing of the others."""
    patches, generator = torch.rand(3, 12, 12), torch.Generator().manual_seed(0)
    begin, start = torch.randint(0, 30, (2, 3, 2), generator=generator)
    found = resample(patches, begin, start, (9, 9), 0.7)
    torch.testing.assert_close(found, resample(patches, begin, start, (10, 9), 0.7)[:, :9], rtol=0, atol=1e-6)


def test_offset_moves_content() -> None:
    patch = torch.arange(20.0).reshape(1, 4, 5)
    moved = resample(patch, torch.tensor([[10, 10]]), torch.tensor([[11, 12]]), (2, 2), 1.0)
    torch.testing.assert_close(moved[0], patch[0, 1:3, 2:4])


@pytest.mark.parametrize("scale", [0.5, 2.0, 2.6])
def test_linear_ramp_stays_a_ramp(scale: float) -> None:
    """Centre of output pixel o lies at (o + 0.5) / scale - 0.5 of the input, at any scale."""
    ramp = torch.arange(60.0)[None, :, None].expand(1, 60, 60)
    start, size = int(20 * scale), int(20 * scale)
    out = resample(ramp, torch.tensor([[0, 0]]), torch.tensor([[start, start]]), (size, size), scale)[0, :, 0]
    expected = (np.arange(start, start + size) + 0.5) / scale - 0.5
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-3)


def test_shrinking_keeps_the_mean() -> None:
    torch.manual_seed(0)
    patch = torch.rand(1, 80, 80)
    small = resample(patch, torch.zeros(1, 2), torch.zeros(1, 2), (20, 20), 0.25)
    assert abs(float(small.mean()) - float(patch.mean())) < 0.01
    assert float(small.std()) < 0.5 * float(patch.std())


def test_outside_is_zero() -> None:
    out = resample(torch.ones(1, 4, 4), torch.tensor([[0, 0]]), torch.tensor([[10, 10]]), (3, 3), 1.0)
    assert float(out.abs().max()) == 0
