"""Local contrast: what stands out from its surroundings, whatever the brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["local_contrast", "luminance"]

_EPSILON = 0.02
_CLIP = 3.0
_SCALE = 0.33


def luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels of a normalised frame: (3, Y, X) to (Y, X), float32. Grey stays as it is."""
    if np.shares_memory(rgb[0], rgb[1]) or np.array_equal(rgb[0], rgb[1]):
        return rgb[0]
    return rgb.mean(axis=0, dtype=np.float32)


def local_contrast(gray: NDArray[Any], width_px: int) -> NDArray[np.float32]:
    """Normalise each pixel by the mean and standard deviation of the square around it.

    Parameters
    ----------
    gray : ndarray, (Y, X), float32
        Normalised intensities (`IntensityNormaliser.to_rgb`), about 0..1, finite.
    width_px : int
        Side of the square in pixels; the frame is mirrored at its border.

    Returns
    -------
    ndarray, (Y, X), float32
        ``0.33 * clip((x - mean) / (std + 0.02), -3, 3)``, so within about -1..1; the 0.02 keeps the noise of empty
        background small.

    Raises
    ------
    ConfigError
        If `width_px` is below 2 or `gray` is not 2D.
    """
    if width_px < 2 or gray.ndim != 2:
        raise ConfigError(f"width_px is {width_px} and the frame {gray.ndim}D; expected 2 or more pixels and 2D.")
    values = np.ascontiguousarray(gray, np.float32)
    mean = ndimage.uniform_filter(values, width_px, mode="reflect")
    square = ndimage.uniform_filter(values * values, width_px, mode="reflect")
    square -= mean * mean
    deviation = np.sqrt(np.maximum(square, 0, out=square), out=square)
    deviation += _EPSILON
    contrast = values - mean
    contrast /= deviation
    np.clip(contrast, -_CLIP, _CLIP, out=contrast)
    contrast *= _SCALE
    return contrast
