"""The OpenCV and the scipy way of the image operations agree."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.imaging import local_contrast
from napari_xmem_training.clips import camera, ops

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return ops.blur(rng.random((40, 52, 3), np.float32), 2.0)


def with_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "_cv2", None)


@pytest.mark.parametrize("border", ["reflect", "edge", "zero"])
def test_remap_and_affine_agree(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, border: ops.Border) -> None:
    rng = np.random.default_rng(1)
    y = rng.uniform(-6, 45, (30, 31)).astype(np.float32)
    x = rng.uniform(-6, 57, (30, 31)).astype(np.float32)
    matrix = np.array([[0.9, 0.2, -3.0], [-0.1, 1.1, 2.0]])
    fast = ops.remap(picture, y, x, border), ops.affine(picture, matrix, (30, 31), border)
    with_scipy(monkeypatch)
    slow = ops.remap(picture, y, x, border), ops.affine(picture, matrix, (30, 31), border)
    for a, b in zip(fast, slow, strict=True):
        assert a.shape == b.shape == (30, 31, 3)
        # Beyond a zero border scipy does not blend towards 0 within the last pixel.
        tolerance = 0.02 if border != "zero" else 0.7
        assert np.abs(a - b).max() < tolerance
        assert np.median(np.abs(a - b)) < 0.005


@pytest.mark.parametrize("shape", [(20, 26), (80, 104), (57, 33)])
def test_resize_agrees(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]) -> None:
    fast = ops.resize(picture, shape, smooth=False)
    with_scipy(monkeypatch)
    slow = ops.resize(picture, shape, smooth=False)
    assert fast.shape == slow.shape == (*shape, 3)
    assert np.abs(fast - slow).max() < 0.08


def test_blur_box_and_polygon_agree(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    corners = np.array([[5.0, 5.0], [30.0, 8.0], [25.0, 40.0]])
    grey = np.ascontiguousarray(picture[..., 0])
    fast = ops.blur(grey, 1.5), ops.box_mean(grey, 21), ops.polygon_mask(corners, (40, 52))
    with_scipy(monkeypatch)
    slow = ops.blur(grey, 1.5), ops.box_mean(grey, 21), ops.polygon_mask(corners, (40, 52))
    assert np.abs(fast[0] - slow[0]).max() < 0.01
    assert np.abs(fast[1] - slow[1]).max() < 1e-5
    assert (fast[2] != slow[2]).sum() < 60


def test_local_contrast_is_that_of_inference() -> None:
    grey = np.random.default_rng(2).random((50, 64), np.float32)
    assert np.allclose(camera.local_contrast(grey), local_contrast(grey, camera.CONTRAST_PX), atol=1e-5)


def test_affine_uses_output_to_input_coordinates() -> None:
    image = np.zeros((20, 20), np.float32)
    image[12, 7] = 1.0
    moved = ops.affine(image, np.array([[1.0, 0, 10], [0, 1.0, 3]]), (8, 9), "zero")
    assert np.argwhere(moved > 0.5).tolist() == [[2, 4]]
