"""Drawing bodies into a frame: who owns a pixel, and how far is the next edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["BINS", "Canvas", "Patch", "capsule_depth", "polar_depth", "spine_depth"]

BINS = 512
"""Angles of a polar outline."""

_FAR = np.float32(-1e4)


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a frame around a body, in the body's own axes.

    Attributes
    ----------
    window : tuple of slice
        Rows and columns of the frame.
    u, v : ndarray
        (h, w) float32 coordinates in pixels along and across the body's long axis, from its centre.
    """

    window: tuple[slice, slice]
    u: F32
    v: F32


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

    def patch(self, y: float, x: float, angle: float, reach_px: float) -> Patch | None:
        """Return the square patch of half side `reach_px` around (y, x), or None if it is out of the frame."""
        y0, y1 = max(int(y - reach_px), 0), min(int(y + reach_px) + 2, self.shape[0])
        x0, x1 = max(int(x - reach_px), 0), min(int(x + reach_px) + 2, self.shape[1])
        if y1 <= y0 or x1 <= x0:
            return None
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(x0, x1, dtype=np.float32)[None] - np.float32(x)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return Patch((slice(y0, y1), slice(x0, x1)), dx * c + dy * s, dy * c - dx * s)

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


def spine_depth(u: F32, v: F32, half_px: float, bend: float, upper: F32, lower: F32) -> F32:
    """Return the depth in a bent body given by its half widths along a spine.

    Parameters
    ----------
    u, v : ndarray
        (h, w) float32 coordinates from the centre.
    half_px : float
        Half length of the spine.
    bend : float
        Sideways displacement of the ends, in half lengths.
    upper, lower : ndarray
        (K,) float32 half widths in pixels from one end (u = -half) to the other, above and below the spine.
    """
    n = len(upper)
    s = u * np.float32(1 / half_px)
    across = v - np.float32(bend * half_px) * (s * s)
    index = np.clip((s + np.float32(1)) * np.float32((n - 1) / 2) + np.float32(0.5), 0, n - 1).astype(np.int32)
    width = np.where(across > 0, upper.take(index), lower.take(index))
    slope = np.gradient((upper + lower) * np.float32(0.5)) * np.float32((n - 1) / (2 * half_px))
    steep = (1 / np.sqrt(1 + np.square(slope))).astype(np.float32)
    beyond = np.maximum(np.abs(u) - np.float32(half_px), np.float32(0))
    return (width - np.abs(across)) * steep.take(index) - beyond
