"""Fast image operations on float32 arrays, done by OpenCV."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Border", "Floats", "affine", "blur", "box_mean", "polygon_mask", "remap", "resize", "single_threaded"]

Floats = npt.NDArray[np.float32]
Border = Literal["reflect", "edge", "zero"]
_BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}


def single_threaded() -> None:
    """Keep OpenCV to one thread (many small calls; the other cores train)."""
    cv2.setNumThreads(0)


def remap(image: Floats, y: Floats, x: Floats, border: Border = "reflect") -> Floats:
    """Sample `image` linearly at given places.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C), float32
        C at most 4.
    y, x : ndarray, shape (h, w), float32
        Places in pixels of `image`.
    border : {"reflect", "edge", "zero"}
        What lies outside.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, C), float32
    """
    out = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=_BORDERS[border])
    return np.asarray(out.reshape(*y.shape, *image.shape[2:]), np.float32)


def affine(
    image: Floats, matrix: npt.NDArray[np.float64], shape: tuple[int, int], border: Border = "reflect"
) -> Floats:
    """Sample `image` linearly on a grid seen through an affine map.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C), float32
        C at most 4.
    matrix : ndarray, shape (2, 3)
        From (y, x, 1) of the output to (y, x) of `image`, pixels.
    shape : tuple of 2 int
        Output height and width.
    border : {"reflect", "edge", "zero"}
        What lies outside.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, C), float32
    """
    swapped = np.array([[matrix[1, 1], matrix[1, 0], matrix[1, 2]], [matrix[0, 1], matrix[0, 0], matrix[0, 2]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(image, swapped, (shape[1], shape[0]), flags=flags, borderMode=_BORDERS[border])
    return np.asarray(out.reshape(*shape, *image.shape[2:]), np.float32)


def resize(image: Floats, shape: tuple[int, int], smooth: bool = True) -> Floats:
    """Resize to `shape`: area means when shrinking, cubic (`smooth`) or linear when growing; areas are aligned."""
    if image.shape[:2] == shape:
        return image
    shrinking = shape[0] * shape[1] < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinking else (cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR)
    out = cv2.resize(image, (shape[1], shape[0]), interpolation=how)
    return np.asarray(out.reshape(*shape, *image.shape[2:]), np.float32)


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur in the plane; `sigma` in pixels, channels untouched."""
    if sigma < 0.2:
        return image
    out = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(out.reshape(image.shape), np.float32)


def box_mean(image: Floats, width: int) -> Floats:
    """Mean over a square of side `width` (odd, pixels) around every pixel of a (H, W) image."""
    return np.asarray(cv2.blur(image, (width, width), borderType=cv2.BORDER_REFLECT), np.float32)


def polygon_mask(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> Floats:
    """Fill a polygon: 1 inside, 0 outside.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Corners y, x in pixels.
    shape : tuple of 2 int
        Height and width.
    """
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points[:, ::-1]).astype(np.int32)], 1)
    return mask.astype(np.float32)
