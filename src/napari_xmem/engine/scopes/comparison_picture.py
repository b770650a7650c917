"""A frame as it is compared with others: in gray, shrunk, without slow background."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import ndimage

from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frame", "Picture"]

#: Pictures are compared with sides of at most so many pixels.
_LONGEST_PX = 320

Frame: TypeAlias = "NDArray[np.float32]"


class Picture:
    """A frame, or where objects are on it, for comparison; what is made of it is made once.

    Parameters
    ----------
    frame : ndarray, shape (Y, X), float32
        Gray values, or where objects are, 0 to 1.
    pixel_px : float
        Pixels of the scaled frame per pixel of `frame`.
    """

    def __init__(self, frame: Frame, pixel_px: float = 1.0) -> None:
        self.frame, self.pixel_px = frame, pixel_px
        self.factor = max(1, -(-max(frame.shape) // _LONGEST_PX))

    @classmethod
    def of(cls, frame: Frame | Picture) -> Picture:
        """Return a frame of the scaled size as a picture, and a picture as it is."""
        return frame if isinstance(frame, Picture) else cls(frame)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the frame."""
        return self.frame.shape

    @property
    def step_px(self) -> float:
        """Pixels of the scaled frame per pixel of what is compared."""
        return self.factor * self.pixel_px

    @cached_property
    def detail(self) -> Frame:
        """The frame shrunk by block means, without slow background."""
        small = ndimage.gaussian_filter(block_means(self.frame, self.factor), 1.0)
        detail: Frame = small - ndimage.uniform_filter(small, max(9, min(small.shape) // 6))
        return detail

    @cached_property
    def weight(self) -> Frame:
        """Objects widened by a little of their surroundings, where their outlines are; 1 everywhere without any."""
        small = block_means(self.frame, self.factor)
        if not self.frame.any():
            return np.ones_like(small)
        return _widened(_widened(small > 0.25, 0), 1).astype(np.float32)


def _widened(inside: NDArray[np.bool_], axis: int, reach: int = 2) -> NDArray[np.bool_]:
    """Widen along one axis."""
    out, a = inside.copy(), np.moveaxis(inside, axis, 0)
    b = np.moveaxis(out, axis, 0)
    for step in range(1, reach + 1):
        b[step:] |= a[:-step]
        b[:-step] |= a[step:]
    return out
