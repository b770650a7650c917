"""Fast image operations: OpenCV where it is installed, scipy otherwise (same results within interpolation error)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Border", "Floats", "affine", "blur", "box_mean", "polygon_mask", "remap", "resize", "single_threaded"]

Floats = npt.NDArray[np.float32]
Border = Literal["reflect", "edge", "zero"]
_SCIPY_BORDER = {"reflect": "mirror", "edge": "nearest", "zero": "constant"}


def _import_opencv() -> ModuleType | None:
    try:
        import cv2
    except ImportError:
        return None
    module: ModuleType = cv2
    return module


_cv2 = _import_opencv()


def single_threaded() -> None:
    """Keep OpenCV to one thread (many small calls; the other cores train)."""
    if _cv2 is not None:
        _cv2.setNumThreads(0)


def _cv_border(border: Border) -> int:
    names = {"reflect": "BORDER_REFLECT_101", "edge": "BORDER_REPLICATE", "zero": "BORDER_CONSTANT"}
    return int(getattr(_cv2, names[border]))


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
    if _cv2 is not None:
        out: Floats = _cv2.remap(image, x, y, _cv2.INTER_LINEAR, borderMode=_cv_border(border))
        return out.reshape(*y.shape, *image.shape[2:])
    return _sample(image, y, x, border)


def _sample(image: Floats, y: Floats, x: Floats, border: Border) -> Floats:
    mode = _SCIPY_BORDER[border]
    if image.ndim == 2:
        return np.asarray(ndimage.map_coordinates(image, [y, x], order=1, mode=mode), np.float32)
    planes = [ndimage.map_coordinates(image[..., c], [y, x], order=1, mode=mode) for c in range(image.shape[2])]
    return np.stack(planes, axis=-1).astype(np.float32)


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
    if _cv2 is not None:
        swapped = np.array([[matrix[1, 1], matrix[1, 0], matrix[1, 2]], [matrix[0, 1], matrix[0, 0], matrix[0, 2]]])
        flags = _cv2.INTER_LINEAR | _cv2.WARP_INVERSE_MAP
        out: Floats = _cv2.warpAffine(image, swapped, (shape[1], shape[0]), flags=flags, borderMode=_cv_border(border))
        return out.reshape(*shape, *image.shape[2:])
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    y = matrix[0, 0] * rows + matrix[0, 1] * columns + matrix[0, 2]
    x = matrix[1, 0] * rows + matrix[1, 1] * columns + matrix[1, 2]
    return _sample(image, y, x, border)


def resize(image: Floats, shape: tuple[int, int], smooth: bool = True) -> Floats:
    """Resize to `shape`: area means when shrinking, cubic (`smooth`) or linear when growing; areas are aligned."""
    if image.shape[:2] == shape:
        return image
    if _cv2 is not None:
        shrinking = shape[0] * shape[1] < image.shape[0] * image.shape[1]
        how = _cv2.INTER_AREA if shrinking else (_cv2.INTER_CUBIC if smooth else _cv2.INTER_LINEAR)
        out: Floats = _cv2.resize(image, (shape[1], shape[0]), interpolation=how)
        return out.reshape(*shape, *image.shape[2:])
    ratio = (image.shape[0] / shape[0], image.shape[1] / shape[1])
    if max(ratio) > 1:
        sigma = [0.4 * max(r - 1, 0) for r in ratio] + [0.0] * (image.ndim - 2)
        image = ndimage.gaussian_filter(image, sigma)
    places = [(np.arange(n, dtype=np.float32) + 0.5) * r - 0.5 for n, r in zip(shape, ratio, strict=True)]
    y, x = np.meshgrid(*places, indexing="ij")
    return _sample(image, y.astype(np.float32), x.astype(np.float32), "edge")


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur in the plane; `sigma` in pixels, channels untouched."""
    if sigma < 0.2:
        return image
    if _cv2 is not None:
        out: Floats = _cv2.GaussianBlur(image, (0, 0), sigma, borderType=_cv2.BORDER_REFLECT_101)
        return out.reshape(image.shape)
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0)[: image.ndim], mode="mirror"), np.float32)


def box_mean(image: Floats, width: int) -> Floats:
    """Mean over a square of side `width` (odd, pixels) around every pixel of a (H, W) image."""
    if _cv2 is not None:
        out: Floats = _cv2.blur(image, (width, width), borderType=_cv2.BORDER_REFLECT)
        return out
    return np.asarray(ndimage.uniform_filter(image, width, mode="reflect"), np.float32)


def polygon_mask(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> Floats:
    """Fill a polygon: 1 inside, 0 outside.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Corners y, x in pixels.
    shape : tuple of 2 int
        Height and width.
    """
    if _cv2 is not None:
        mask = np.zeros(shape, np.uint8)
        _cv2.fillPoly(mask, [np.round(points[:, ::-1]).astype(np.int32)], 1)
        return mask.astype(np.float32)
    from skimage.draw import polygon2mask

    return np.asarray(polygon2mask(shape, points), np.float32)
