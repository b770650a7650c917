"""Stage drift is found, cells moving each on its own way are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.engine.drift import estimate_drift


def scene(seed: int, shape: tuple[int, int] = (400, 500)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = np.zeros(shape)
    points[rng.integers(0, shape[0], 120), rng.integers(0, shape[1], 120)] = 1
    blobs = ndimage.gaussian_filter(points, 6)
    return (blobs / blobs.max() + 0.02 * rng.standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("shift", [(0, 0), (5, -7), (-60, 33), (100, 0), (-100, 90)])
def test_finds_shift(shift: tuple[int, int]) -> None:
    big = scene(0)
    a = big[120:270, 120:350]
    b = big[120 - shift[0] : 270 - shift[0], 120 - shift[1] : 350 - shift[1]]
    found = estimate_drift(a, b)
    assert abs(found[0] - shift[0]) <= 2
    assert abs(found[1] - shift[1]) <= 2


def test_large_frames_are_shrunk() -> None:
    big = ndimage.zoom(scene(1), 3, order=1)
    found = estimate_drift(big[300:1000, 300:1200], big[240:940, 360:1260])
    assert abs(found[0] - 60) <= 4
    assert abs(found[1] + 60) <= 4


def test_independent_motion_is_no_drift() -> None:
    rng = np.random.default_rng(3)
    places = rng.uniform(20, 280, (40, 2))
    frames = []
    for step in range(2):
        image = np.zeros((300, 300))
        for y, x in np.clip(places + step * rng.normal(0, 5, places.shape), 0, 299).astype(int):
            image[y, x] = 1
        frames.append(ndimage.gaussian_filter(image, 5).astype(np.float32))
    assert np.hypot(*estimate_drift(*frames)) <= 4


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_frames(value: float) -> None:
    frame = np.full((64, 64), value, np.float32)
    assert estimate_drift(frame, frame) == (0.0, 0.0)


def test_tiny_frames() -> None:
    assert estimate_drift(np.ones((4, 4), np.float32), np.zeros((4, 4), np.float32)) == (0.0, 0.0)
