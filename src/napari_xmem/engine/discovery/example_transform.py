"""Examples turned and stretched: so that an example of another size or orientation says what an object looks like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Fit", "spread"]

#: Axes of an object may be so many times those of an example, or this share of them.
_MOST_STRETCH = 4.0


def spread(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the covariance ``(2, 2)`` of the y, x of a mask's pixels, in squared pixels."""
    places = np.argwhere(inside).astype(np.float64)
    return np.cov(places, rowvar=False, bias=True) + np.eye(2) / 12 if len(places) else np.eye(2) / 12


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How an example has to be turned and stretched to cover an object.

    Attributes
    ----------
    matrix : Tensor, shape (2, 2)
        Maps offsets y, x from the object's centre to those from the example's.
    extent_px : tuple of 2 float
        Height and width of the object's box.
    """

    matrix: Tensor
    extent_px: tuple[float, float]

    @classmethod
    def of(cls, example: NDArray[np.float64], seen: NDArray[np.float64], extent_px: tuple[float, float]) -> Self:
        """Return the fit that maps long axes to long axes, by the smaller angle; both are given by their `spread`."""
        (to_values, to_axes), (from_values, from_axes) = np.linalg.eigh(example), np.linalg.eigh(seen)
        signs = np.sign((to_axes * from_axes).sum(0))
        from_axes = from_axes * np.where(signs == 0, 1, signs)
        stretch = np.clip(np.sqrt(to_values / from_values), 1 / _MOST_STRETCH, _MOST_STRETCH)
        matrix = to_axes @ np.diag(stretch) @ from_axes.T
        return cls(torch.from_numpy(matrix), extent_px)

    def applied(self, hidden: Tensor) -> Tensor:
        """Return sensory memory ``(Ch, h, w)`` of the example as the object has it."""
        matrix = self.matrix.to(hidden)
        grow = math.sqrt(abs(float(torch.det(matrix))))
        turn = (matrix / grow).flip(0, 1)  # y, x to x, y
        theta = torch.cat([turn, turn.new_zeros(2, 1)], 1)[None]
        grid = F.affine_grid(theta, [1, *hidden.shape], align_corners=False)
        return F.grid_sample(hidden[None], grid, padding_mode="border", align_corners=False)[0]
