"""Which example looks most like a place, part by part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.tiling import EncodedFrame

__all__ = ["Templates"]

#: Key cells of an example that are compared, at most, and values held at a time.
_MOST_CELLS, _CHUNK = 64, 1 << 22


class Templates:
    """Keys of examples and of what is right beside them, each at its place relative to the example's centre.

    Parameters
    ----------
    encoded : EncodedFrame
        The frame on which both the examples and the places are.
    examples : sequence of TrackedObject
        The examples.
    owner : ndarray, shape (H, W), int
        Ids of the objects that own the pixels of the scaled frame, the examples among them.
    stride_px : int
        Key stride.
    """

    def __init__(
        self, encoded: EncodedFrame, examples: Sequence[TrackedObject], owner: NDArray[np.int32], stride_px: int
    ) -> None:
        self.shape, self.stride_px = (encoded.key.shape[-2], encoded.key.shape[-1]), stride_px
        self._key, self._selection = (t[0].flatten(1).T.contiguous() for t in (encoded.key, encoded.selection))
        self.cells = [_cells_of(owner == e.object_id, stride_px) for e in examples]
        self.centres = [(e.centre_px[0] / stride_px, e.centre_px[1] / stride_px) for e in examples]

    def settled(
        self, centres_px: Sequence[tuple[float, float]], reach_cells: int, apart_px: float
    ) -> tuple[list[tuple[float, float]], NDArray[np.float32]]:
        """Move places to where they are most like an example, and leave out those that come to lie on better ones.

        Parameters
        ----------
        centres_px : sequence of tuple of 2 float
            Centres y, x of the places in pixels of the scaled frame.
        reach_cells : int
            How far they may move along either axis.
        apart_px : float
            Of two places that come nearer to each other than this, the less alike one is left out.

        Returns
        -------
        list of tuple of 2 float
            Where the places that are left lie, in their order.
        ndarray, shape (places, examples)
            How alike they are, see `alike`.
        """
        if not centres_px:
            return [], np.zeros((0, len(self.cells)), np.float32)
        steps = range(-reach_cells, reach_cells + 1)
        shifts = sorted(((dy, dx) for dy in steps for dx in steps), key=lambda s: s[0] ** 2 + s[1] ** 2)
        stride = self.stride_px
        tried = [[(y + dy * stride, x + dx * stride) for y, x in centres_px] for dy, dx in shifts]
        alike = np.stack([self.alike(places) for places in tried])
        best = alike.max(2).argmax(0)
        centres = [tried[shift][n] for n, shift in enumerate(best)]
        scores = alike[best, np.arange(len(centres))]
        kept: list[int] = []
        where = np.array(centres)
        free = np.ones(len(centres), bool)
        for n in np.argsort(-scores.max(1), kind="stable"):
            if free[n]:
                kept.append(int(n))
                free &= ((where - where[n]) ** 2).sum(1) >= apart_px**2
        kept.sort()
        return [centres[n] for n in kept], scores[kept]

    @torch.no_grad()
    def alike(self, centres_px: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """Return how alike places are to examples: the mean similarity of their parts.

        Parameters
        ----------
        centres_px : sequence of tuple of 2 float
            Centres y, x of the places in pixels of the scaled frame.

        Returns
        -------
        ndarray, shape (places, examples)
            At most 0; similarities as in XMem (Cheng & Schwing, ECCV 2022, eq. 2), without shrinkage.
        """
        out = np.full((len(centres_px), len(self.cells)), -np.inf, np.float32)
        if not len(centres_px):
            return out
        for column, (cells, centre) in enumerate(zip(self.cells, self.centres, strict=True)):
            if len(cells):
                out[:, column] = self._compared(np.asarray(centres_px) / self.stride_px, cells, centre)
        return out

    def _compared(
        self, places: NDArray[np.float64], cells: NDArray[np.int64], centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        (height, width), device = self.shape, self._key.device
        example = self._key[torch.from_numpy(cells[:, 0] * width + cells[:, 1]).to(device)]
        chunk, parts = max(1, _CHUNK // max(1, example.numel())), []
        for low in range(0, len(places), chunk):
            shift = np.round(places[low : low + chunk] - np.array(centre)).astype(np.int64)
            at = shift[:, None] + cells[None]
            counted = ((at >= 0) & (at < (height, width))).all(-1)
            at = np.clip(at, 0, (height - 1, width - 1))
            rows = torch.from_numpy(at[..., 0] * width + at[..., 1]).to(device)
            distance = ((self._key[rows] - example) ** 2 * self._selection[rows]).sum(2).cpu().numpy()
            total = (distance * counted).sum(1) / np.maximum(counted.sum(1), 1)
            parts.append(-total / math.sqrt(example.shape[1]))
        return np.concatenate(parts).astype(np.float32)


def _cells_of(inside: NDArray[np.bool_], stride_px: int) -> NDArray[np.int64]:
    """Return y, x of the key cells on an object and right beside it; of very many, some that are spread evenly."""
    height, width = inside.shape[0] // stride_px, inside.shape[1] // stride_px
    touched = inside.reshape(height, stride_px, width, stride_px).any((1, 3))
    cells = np.argwhere(ndimage.binary_dilation(touched))
    if len(cells) > _MOST_CELLS:
        cells = cells[np.linspace(0, len(cells) - 1, _MOST_CELLS).round().astype(int)]
    return cells
