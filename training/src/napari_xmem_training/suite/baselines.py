"""What needs no learning: copying the seeds, warping them along the optical flow, and flow with watershed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_xmem_training.suite.movie import SuiteMovie

    Labels = NDArray[np.uint16]

__all__ = ["BASELINES", "FLOW_NAME", "copy_seeds", "optical_flow", "warp_by_flow", "warp_then_watershed"]


FLOW_NAME = "OpenCV DIS"
"""The optical flow that is used."""


def copy_seeds(movie: SuiteMovie) -> Labels:
    """Repeat the labels of frame 0."""
    return np.broadcast_to(movie.seeds, movie.truth.shape)


def warp_by_flow(movie: SuiteMovie) -> Labels:
    """Carry the labels from frame to frame along the optical flow."""
    return _carry(movie, lambda labels, grey: labels)


def warp_then_watershed(movie: SuiteMovie) -> Labels:
    """Carry the labels along the flow, then let them grow to the nearest edges of each frame.

    The watershed of the gradient starts from the shrunken labels and from what is well outside of them; the same
    widths, a tenth of the median diameter, for every kind.
    """
    _, areas = np.unique(movie.seeds[movie.seeds > 0], return_counts=True)
    width = 0.1 * float(np.median(np.sqrt(4 * areas / np.pi)))
    return _carry(movie, lambda labels, grey: _watershed(labels, grey, width))


BASELINES: dict[str, Callable[[SuiteMovie], Labels]] = {
    "copy": copy_seeds,
    "flow": warp_by_flow,
    "flow+ws": warp_then_watershed,
}
"""Baselines by the name in the table."""


def optical_flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Estimate where every pixel of `source` is found in `target`.

    Parameters
    ----------
    source, target : ndarray, (Y, X), uint8
        Two frames.

    Returns
    -------
    ndarray, (2, Y, X), float32
        y, x displacement in pixels.

    References
    ----------
    Kroeger et al. 2016, Fast optical flow using dense inverse search (arXiv 1603.03590).
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(source, target, None)  # type: ignore[call-overload]
    return np.stack([flow[..., 1], flow[..., 0]]).astype(np.float32)


def _carry(movie: SuiteMovie, refine: Callable[[Labels, NDArray[np.uint8]], Labels]) -> Labels:
    greys = _grey(movie.frames)
    out = [movie.seeds]
    rows, columns = np.mgrid[: out[0].shape[0], : out[0].shape[1]]
    for before, after in pairwise(greys):
        flow = optical_flow(after, before)
        y, x = np.round(rows + flow[0]).astype(int), np.round(columns + flow[1]).astype(int)
        inside = (y >= 0) & (x >= 0) & (y < rows.shape[0]) & (x < rows.shape[1])
        y, x = np.clip(y, 0, rows.shape[0] - 1), np.clip(x, 0, rows.shape[1] - 1)
        out.append(refine(np.where(inside, out[-1][y, x], 0).astype(np.uint16), after))
    return np.stack(out)


def _grey(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """8-bit grey between the percentiles of the movie."""
    grey = frames.mean(-1) if frames.ndim == 4 else frames.astype(np.float32)
    low, high = np.percentile(grey[:, ::3, ::3], (0.5, 99.8))
    return np.clip((grey - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


def _watershed(labels: Labels, grey: NDArray[np.uint8], width: float) -> Labels:
    from skimage.segmentation import watershed

    smooth = ndimage.gaussian_filter(grey.astype(np.float32), max(1.0, 0.3 * width))
    edges = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
    borders = labels != ndimage.grey_erosion(labels, size=3)
    borders |= labels != ndimage.grey_dilation(labels, size=3)
    deep = ndimage.distance_transform_edt(~borders)
    markers = np.where((labels > 0) & (deep >= width), labels, 0).astype(np.int32)
    lost = np.setdiff1d(labels[labels > 0], markers)
    markers = np.where(np.isin(labels, lost), labels, markers)
    outside = int(labels.max()) + 1
    markers[(labels == 0) & (deep >= width)] = outside
    grown = watershed(edges, markers)
    return np.where(grown == outside, 0, grown).astype(np.uint16)
