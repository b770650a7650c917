from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import ConfigError
from napari_xmem.imaging import local_contrast, luminance

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("width", [3, 8, 21])
def test_against_the_definition(width):
    gray = RNG.random((20, 24)).astype(np.float32)
    padded = np.pad(gray.astype(float), width, mode="symmetric")
    expected = np.empty_like(gray)
    for y in range(20):
        for x in range(24):
            top, left = y + width - width // 2, x + width - width // 2
            box = padded[top : top + width, left : left + width]
            expected[y, x] = 0.33 * np.clip((gray[y, x] - box.mean()) / (box.std() + 0.02), -3, 3)
    got = local_contrast(gray, width)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_flat_is_zero_and_brightness_does_not_matter():
    assert not local_contrast(np.full((30, 30), 0.7, np.float32), 21).any()
    gray = RNG.random((40, 40)).astype(np.float32)
    np.testing.assert_allclose(local_contrast(gray, 9), local_contrast(gray + 0.9, 9), atol=1e-4)


def test_width_may_exceed_the_frame():
    assert np.isfinite(local_contrast(RNG.random((7, 9)).astype(np.float32), 21)).all()


def test_misuse():
    with pytest.raises(ConfigError):
        local_contrast(np.zeros((3, 8, 8), np.float32), 5)
    with pytest.raises(ConfigError):
        local_contrast(np.zeros((8, 8), np.float32), 1)


def test_luminance():
    rgb = RNG.random((3, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(luminance(rgb), rgb.mean(0), atol=1e-6)
    grey = np.repeat(rgb[:1], 3, axis=0)
    np.testing.assert_array_equal(luminance(grey), rgb[0])
