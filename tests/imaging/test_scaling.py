from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import ConfigError
from napari_xmem.imaging import resize_image, resize_labels, scale_factor


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
