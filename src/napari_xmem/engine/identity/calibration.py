"""From the expected Jaccard index that probabilities say to the one that is found: the confidence that users see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine.results import FrameResult

__all__ = ["CALIBRATION", "calibrated", "with_calibrated_confidence"]

#: What is said and what is found (docs/identity.md); straight lines between. Along their outlines masks are smoothed,
#: so that even faultless ones are said to be less than sure. The engine decides by what is said.
CALIBRATION = ((0.0, 0.9, 0.925, 1.0), (0.0, 0.9, 0.96, 1.0))


def calibrated(confidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return confidences of any shape, 0 to 1 or NaN, as they are shown; up to 0.9 they are left as they are."""
    shown = np.interp(confidence, *CALIBRATION).astype(np.float32)
    return np.where(confidence <= CALIBRATION[0][1], confidence, shown)


def with_calibrated_confidence(result: FrameResult) -> FrameResult:
    """Return a frame's result as it is given away."""
    return replace(result, confidence=calibrated(result.confidence))
