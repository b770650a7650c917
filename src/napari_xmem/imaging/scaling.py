"""Scaling of frames and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["resize_image", "resize_labels", "scale_factor"]


def scale_factor(diameter_px: float, nominal_px: float, limits: tuple[float, float] = (0.1, 8.0)) -> float:
    """Return the factor by which to enlarge frames so that objects get the diameter a model is made for.

    Parameters
    ----------
    diameter_px : float
        Diameter of the objects in pixels of the movie, above 0.
    nominal_px : float
        Diameter the model is made for, in pixels; 0 for none, which returns 1.
    limits : tuple of 2 float
        Smallest and largest factor.
    """
    if not diameter_px > 0:
        raise ConfigError(f"diameter_px is {diameter_px}, expected more than 0.")
    return 1.0 if nominal_px <= 0 else float(np.clip(nominal_px / diameter_px, *limits))


def resize_image(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize the last two axes linearly, smoothing first where that shrinks them.

    Parameters
    ----------
    image : ndarray, (..., Y, X), float
        Finite values.
    shape : tuple of 2 int
        New rows and columns.
    """
    out = np.empty((*image.shape[:-2], *shape), np.float32)
    factors = [new / old for new, old in zip(shape, image.shape[-2:], strict=True)]
    sigma = [max(0.0, (1 / f - 1) / 2) for f in factors]
    for index in np.ndindex(*image.shape[:-2]):
        plane = np.asarray(image[index], np.float32)
        plane = ndimage.gaussian_filter(plane, sigma, mode="nearest") if any(sigma) else plane
        ndimage.zoom(plane, factors, output=out[index], order=1, mode="nearest", grid_mode=True)
    return out


def resize_labels(labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize the last two axes of labels to `shape` by nearest pixel, keeping the dtype."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(shape, labels.shape[-2:], strict=True)
    )
    return labels[..., rows[:, None], columns[None, :]]
