from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_xmem.errors import ConfigError
from napari_xmem.imaging import Padding, resize_image, resize_labels, scale_factor


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 8, 16]), st.sampled_from([0, 32]))
def test_padding_is_undone(rows, columns, multiple, min_px):
    array = np.arange(2 * rows * columns).reshape(2, rows, columns)
    padding = Padding.to_multiple((rows, columns), multiple, min_px)
    padded = padding.apply(array)
    assert padded.shape[1] % multiple == 0 and padded.shape[2] % multiple == 0
    assert min(padded.shape[1:]) >= min_px and padded.shape[1] - max(rows, min_px) < multiple
    np.testing.assert_array_equal(padding.remove(padded), array)
    assert padded.sum() == array.sum()


def test_padding_misuse():
    with pytest.raises(ConfigError):
        Padding.to_multiple((8, 8), 0)


def test_resizing_keeps_a_disc_a_disc():
    yy, xx = np.mgrid[:64, :64]
    labels = 70000 * ((yy - 30) ** 2 + (xx - 33) ** 2 <= 14**2)
    big = resize_labels(labels, (128, 96))
    assert big.dtype == labels.dtype and set(np.unique(big)) == {0, 70000}
    assert (big > 0).mean() == pytest.approx((labels > 0).mean(), rel=0.03)
    image = resize_image((labels > 0).astype(np.float32), (128, 96))
    assert ((image > 0.5) == (big > 0)).mean() > 0.99
    np.testing.assert_array_equal(resize_labels(labels, (64, 64)), labels)


def test_resize_image():
    rgb = np.random.default_rng(0).random((3, 33, 47)).astype(np.float32)
    small = resize_image(rgb, (11, 20))
    assert small.shape == (3, 11, 20) and small.dtype == np.float32
    np.testing.assert_allclose(small.mean((1, 2)), rgb.mean((1, 2)), atol=0.03)
    np.testing.assert_allclose(resize_image(np.full((9, 9), 0.4), (31, 5)), 0.4, atol=1e-6)


def test_scale_factor():
    assert scale_factor(20, 40) == 2
    assert scale_factor(20, 0) == 1
    assert scale_factor(4000, 40) == 0.1
    with pytest.raises(ConfigError):
        scale_factor(0, 40)
