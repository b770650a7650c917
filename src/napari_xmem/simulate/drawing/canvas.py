"""Drawing bodies into a frame: who owns a pixel, and how far is the next edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["BINS", "Canvas", "Patch", "capsule_depth", "polar_depth", "spine_depth"]

BINS = 512
"""Angles of a polar outline."""

_FAR = np.float32(-1e4)
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a frame around a body, in the body's own axes.

    Attributes
    ----------
    window : tuple of slice
        Rows and columns of the frame.
    u, v : ndarray
        (h, w) float32 coordinates in pixels along and across the body's long axis, from its centre.
    row, column : int
        Where the body's centre is in the patch; may lie outside.
    """

    window: tuple[slice, slice]
    u: F32
    v: F32
    row: int
    column: int

    def box(self, dy: tuple[float, float], dx: tuple[float, float], margin: float) -> tuple[slice, slice]:
        """Return the part of the patch around displacements `dy` and `dx` (low, high) from the centre, in pixels."""
        rows = slice(max(self.row + int(dy[0] - margin), 0), max(self.row + int(dy[1] + margin) + 1, 0))
        columns = slice(max(self.column + int(dx[0] - margin), 0), max(self.column + int(dx[1] + margin) + 1, 0))
        return rows, columns


class Canvas:
    """One frame in which bodies compete for pixels.

    A body offers a depth (signed distance in pixels to its outline, positive inside) at every pixel of its patch.
    The greatest depth owns the pixel, so that two touching bodies meet in the middle.

    Parameters
    ----------
    shape : tuple of int
        (Y, X).
    fill : bool
        True: bodies own pixels outside their outline too (tessellation).
    """

    def __init__(self, shape: tuple[int, int], *, fill: bool = False) -> None:
        self.shape = shape
        self.fill = fill
        self.best = np.full(shape, _FAR, np.float32)
        self.second = np.full(shape, _FAR, np.float32)
        self.owner = np.zeros(shape, np.int32)

    def patch(self, y: float, x: float, angle: float, long_px: float, short_px: float | None = None) -> Patch | None:
        """Return the patch around a body, or None if it is out of the frame.

        Parameters
        ----------
        y, x, angle : float
            Centre in pixels, direction of the long axis in radians (from x towards y).
        long_px, short_px : float
            Half sides of the box around the body in its own axes; `short_px` None: as `long_px`, at any angle.
        """
        reach_y = reach_x = long_px
        if short_px is not None:
            c, s = abs(np.cos(angle)), abs(np.sin(angle))
            reach_y, reach_x = s * long_px + c * short_px, c * long_px + s * short_px
        return self.patch_between(y, x, angle, (-reach_y, reach_y), (-reach_x, reach_x))

    def patch_between(
        self, y: float, x: float, angle: float, dy: tuple[float, float], dx: tuple[float, float]
    ) -> Patch | None:
        """Return the patch of a body whose box is given.

        Parameters
        ----------
        y, x, angle : float
            As in `patch`.
        dy, dx : tuple of float
            Lowest and highest row and column of the box, relative to the centre, in pixels.
        """
        y0, y1 = max(int(y + dy[0]), 0), min(int(y + dy[1]) + 2, self.shape[0])
        x0, x1 = max(int(x + dx[0]), 0), min(int(x + dx[1]) + 2, self.shape[1])
        if y1 <= y0 or x1 <= x0:
            return None
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        rows = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(y)
        columns = np.arange(x0, x1, dtype=np.float32)[None] - np.float32(x)
        window = (slice(y0, y1), slice(x0, x1))
        return Patch(window, columns * c + rows * s, rows * c - columns * s, int(y) - y0, int(x) - x0)

    def claim(self, patch: Patch, depth: F32, body: int, *, over: bool = False) -> NDArray[np.bool_]:
        """Let a body compete for the pixels of its patch.

        Parameters
        ----------
        patch : Patch
            Where.
        depth : ndarray
            (h, w) float32, signed distance in pixels to the outline, positive inside.
        body : int
            Index of the body; the owner of a pixel is ``body + 1``.
        over : bool
            True: the body lies above all others and takes every pixel inside its outline.

        Returns
        -------
        ndarray
            (h, w) bool, pixels won.
        """
        best = self.best[patch.window]
        second = self.second[patch.window]
        owner = self.owner[patch.window]
        won = depth > best
        np.maximum(second, np.minimum(best, depth), out=second)
        np.maximum(best, depth, out=best)
        if over:
            inside = depth > 0
            best[inside] = depth[inside]
            second[inside] = _FAR
            won = won | inside
        if not self.fill:
            won &= depth > 0
        owner[won] = body + 1
        return won

    def keep_whole(self, patch: Patch, body: int, n_pixels: int) -> tuple[NDArray[np.bool_], bool]:
        """Give up what another body cut off: only the largest piece of a body stays.

        Parameters
        ----------
        patch, body : Patch, int
            As in `claim`.
        n_pixels : int
            Pixels the body would have if it were alone.

        Returns
        -------
        lost, any_lost : ndarray, bool
            (h, w) bool pixels given up, and whether there are any.
        """
        owner = self.owner[patch.window]
        mine = owner == body + 1
        if int(np.count_nonzero(mine)) == n_pixels:
            return mine, False
        pieces, n = ndimage.label(mine, _CROSS)
        if n < 2:
            return mine, False
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        lost = mine & (pieces != int(sizes.argmax()))
        owner[lost] = 0
        self.best[patch.window][lost] = -1
        return lost, True

    def edge(self) -> F32:
        """Return the signed distance to the next edge, contacts included: (Y, X) float32, negative outside."""
        contact = (self.best - self.second) * np.float32(0.5)
        if self.fill:
            return contact
        return np.where(self.best > 0, np.minimum(self.best, contact), self.best)


def polar_depth(u: F32, v: F32, outline: F32) -> tuple[F32, F32]:
    """Return the depth in a star-shaped body and the relative radius.

    Parameters
    ----------
    u, v : ndarray
        (h, w) float32 coordinates from the centre.
    outline : ndarray
        (2, BINS) float32: radius in pixels per angle (from -pi), and the factor from radial to true distance.

    Returns
    -------
    depth, relative : ndarray
        (h, w) float32: depth in pixels; distance from the centre in radii.
    """
    angle = np.arctan2(v, u)
    index = ((angle + np.float32(np.pi)) * np.float32((BINS - 1) / (2 * np.pi))).astype(np.int32)
    radius = outline[0].take(index)
    distance = np.sqrt(u * u + v * v)
    return (radius - distance) * outline[1].take(index), distance / radius


def capsule_depth(u: F32, v: F32, half_px: float, radius_px: F32 | float) -> F32:
    """Return the depth in a rod: all points within `radius_px` of the segment of half length `half_px`."""
    beyond = np.maximum(np.abs(u) - np.float32(half_px), np.float32(0))
    return np.asarray(radius_px - np.sqrt(beyond * beyond + v * v), np.float32)


def spine_depth(u: F32, v: F32, half_px: float, bend: float, sides: F32) -> F32:
    """Return the depth in a bent body given by its half widths along a spine.

    Parameters
    ----------
    u, v : ndarray
        (h, w) float32 coordinates from the centre.
    half_px : float
        Half length of the spine.
    bend : float
        Sideways displacement of the ends, in half lengths.
    sides : ndarray
        (3, K) float32: half widths in pixels below and above the spine from one end (u = -half) to the other, and the
        factor from the vertical to the true distance.
    """
    n = sides.shape[1]
    across = u * np.float32(1 / half_px)
    index = across * np.float32((n - 1) / 2)
    index += np.float32((n - 1) / 2 + 0.5)
    np.maximum(index, np.float32(0), out=index)
    np.minimum(index, np.float32(n - 1), out=index)
    column = index.astype(np.int32)
    across *= across
    across *= np.float32(-bend * half_px)
    across += v
    width = sides[:2].ravel().take(column + (across > 0) * np.int32(n))
    width -= np.abs(across)
    width *= sides[2].take(column)
    beyond = np.abs(u)
    beyond -= np.float32(half_px)
    width -= np.maximum(beyond, np.float32(0), out=beyond)
    return width
