"""Whether labels of one frame fit the picture there, or another frame better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import binary_dilation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource

__all__ = ["better_frame", "contrast"]

#: Frames looked at beside the one in question.
LOOKS = 8
#: Objects looked at; a few tell.
MOST_OBJECTS = 20
#: Labels belong elsewhere if they stand out this many times more there.
CLEARLY = 1.5
RING_PX = 3


def contrast(image: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return how far objects stand out from their surroundings.

    Parameters
    ----------
    image : ndarray, shape (Y, X) or (Y, X, C)
        A frame.
    labels : ndarray of int, shape (Y, X)
        Objects.

    Returns
    -------
    float
        Difference of the means inside and in a ring around, in interquartile ranges of the frame, mean over objects.
    """
    grey = np.asarray(image, np.float64)
    grey = grey.mean(-1) if grey.ndim == 3 else grey
    low, high = np.percentile(grey, (25, 75))
    spread = max(float(high - low), 1e-12)
    found = []
    for object_id in np.unique(labels[labels > 0])[:MOST_OBJECTS]:
        inside = labels == object_id
        ring = binary_dilation(inside, iterations=RING_PX) & (labels == 0)
        if ring.any():
            found.append(abs(grey[inside].mean() - grey[ring].mean()) / spread)
    return float(np.mean(found)) if found else 0.0


def better_frame(source: FrameSource, labels: NDArray[Any], frame: int) -> int | None:
    """Return the frame on which labels clearly stand out more than on `frame`; None if there is none.

    Parameters
    ----------
    source : FrameSource
        The movie; some of its frames are read.
    labels : ndarray of int, shape (Y, X)
        Labels that are to belong to `frame`.
    frame : int
        The frame in question.
    """
    last = len(source) - 1
    others = sorted({round(k * last / LOOKS) for k in range(LOOKS + 1)} - {frame})
    scores = {t: contrast(source.read(t), labels) for t in others}
    best = max(scores, key=lambda t: scores[t], default=frame)
    clearly = best != frame and scores[best] > CLEARLY * contrast(source.read(frame), labels)
    return best if clearly else None
