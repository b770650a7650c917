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


def test_followed_objects_decide() -> None:
    """Dirt on the camera stays where it is while the objects jump."""
    dirt = 0.3 * scene(5)[:200, :240]
    points = np.zeros((300, 340))
    points[np.random.default_rng(6).integers(110, 190, 8), np.random.default_rng(7).integers(120, 220, 8)] = 1
    cells = ndimage.gaussian_filter(points, 4)
    cells = (0.5 * cells / cells.max()).astype(np.float32)
    before = dirt + cells[60:260, 60:300]
    after = dirt + cells[100:300, 20:260]
    focus = (cells[60:260, 60:300] > 0.1).astype(np.float32)
    found = estimate_drift(before, after, focus)
    assert abs(found[0] + 40) <= 2
    assert abs(found[1] - 40) <= 2


def test_objects_that_stay_decide_against_a_moving_background() -> None:
    still = np.zeros((200, 240), np.float32)
    still[90:110, 100:130] = 2
    backdrop = 0.2 * scene(8)
    found = estimate_drift(
        still + backdrop[:200, :240], still + backdrop[30:230, 20:260], (still > 0).astype(np.float32)
    )
    assert found == (0.0, 0.0)
