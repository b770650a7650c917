"""The image operations against scipy and scikit-image, which compute the same another way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_xmem.imaging import local_contrast
from napari_xmem_training.clips import camera, ops

SCIPY_BORDER = {"reflect": "mirror", "edge": "nearest", "zero": "constant"}


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return ops.blur(rng.random((40, 52, 3), np.float32), 2.0)


def sampled(image: np.ndarray, y: np.ndarray, x: np.ndarray, border: ops.Border) -> np.ndarray:
    mode = SCIPY_BORDER[border]
    return np.stack([ndimage.map_coordinates(image[..., c], [y, x], order=1, mode=mode) for c in range(3)], -1)


@pytest.mark.parametrize("border", ["reflect", "edge", "zero"])
def test_remap_and_affine(picture: np.ndarray, border: ops.Border) -> None:
    rng = np.random.default_rng(1)
    y = rng.uniform(-6, 45, (30, 31)).astype(np.float32)
    x = rng.uniform(-6, 57, (30, 31)).astype(np.float32)
    matrix = np.array([[0.9, 0.2, -3.0], [-0.1, 1.1, 2.0]])
    rows, columns = np.mgrid[:30, :31]
    places = [m[0] * rows + m[1] * columns + m[2] for m in matrix]
    found = ops.remap(picture, y, x, border), ops.affine(picture, matrix, (30, 31), border)
    expected = sampled(picture, y, x, border), sampled(picture, *places, border)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape == (30, 31, 3)
        assert a.dtype == np.float32
        # Beyond a zero border scipy does not blend towards 0 within the last pixel.
        tolerance = 0.02 if border != "zero" else 0.7
        assert np.abs(a - b).max() < tolerance
        assert np.median(np.abs(a - b)) < 0.005


@pytest.mark.parametrize("shape", [(80, 104), (57, 63)])
def test_growing_is_linear_interpolation(picture: np.ndarray, shape: tuple[int, int]) -> None:
    ratio = (40 / shape[0], 52 / shape[1])
    places = [(np.arange(n) + 0.5) * r - 0.5 for n, r in zip(shape, ratio, strict=True)]
    expected = sampled(picture, *np.meshgrid(*places, indexing="ij"), "edge")
    assert np.abs(ops.resize(picture, shape, smooth=False) - expected).max() < 1e-3


def test_shrinking_takes_means_of_areas(picture: np.ndarray) -> None:
    expected = picture.reshape(20, 2, 26, 2, 3).mean((1, 3))
    np.testing.assert_allclose(ops.resize(picture, (20, 26)), expected, atol=1e-6)


def test_blur_box_and_polygon(picture: np.ndarray) -> None:
    corners = np.array([[5.0, 5.0], [30.0, 8.0], [25.0, 40.0]])
    grey = np.ascontiguousarray(picture[..., 0])
    assert np.abs(ops.blur(grey, 1.5) - ndimage.gaussian_filter(grey, 1.5, mode="mirror")).max() < 0.01
    assert np.abs(ops.box_mean(grey, 21) - ndimage.uniform_filter(grey, 21, mode="reflect")).max() < 1e-5
    assert (ops.polygon_mask(corners, (40, 52)) != polygon2mask((40, 52), corners)).sum() < 60


def test_local_contrast_is_that_of_inference() -> None:
    grey = np.random.default_rng(2).random((50, 64), np.float32)
    assert np.allclose(camera.local_contrast(grey), local_contrast(grey, camera.CONTRAST_PX), atol=1e-5)


def test_affine_uses_output_to_input_coordinates() -> None:
    image = np.zeros((20, 20), np.float32)
    image[12, 7] = 1.0
    moved = ops.affine(image, np.array([[1.0, 0, 10], [0, 1.0, 3]]), (8, 9), "zero")
    assert np.argwhere(moved > 0.5).tolist() == [[2, 4]]
