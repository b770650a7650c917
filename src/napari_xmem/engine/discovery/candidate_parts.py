"""Parts of a candidate that may be several objects that touch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

if TYPE_CHECKING:
    from napari_xmem.engine.discovery.candidate_masks import Candidate

__all__ = ["parts_of"]

#: Width of the smoothing of the distance from the outline, in radii of the examples.
_SMOOTH_RADII = 0.1
#: A neck is at most this share as wide as the narrower of the parts that it joins.
_NECK_SHARE = 0.8


def parts_of(candidate: Candidate, radius_px: float) -> list[Candidate]:
    """Cut a candidate at its necks; empty where it has none.

    The tops of the distance from its outline are the middles of parts, unless the way to a higher one is nearly as
    wide as they are; every pixel goes to the top whose basin it lies in. A part is no surer than the whole was.

    Parameters
    ----------
    candidate : Candidate
        What may be several objects.
    radius_px : float
        Radius of the examples.
    """
    inside = np.pad(candidate.inside, 1)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), _SMOOTH_RADII * radius_px)
    height = np.log(np.where(inside, np.maximum(depth, 1e-3), 1e-3))  # so that a drop is a share of the width
    tops = local_maxima(reconstruction(height + math.log(_NECK_SHARE), height), connectivity=2) & inside
    markers, count = ndimage.label(tops, np.ones((3, 3)))
    if count < 2:
        return []
    basins = watershed(-depth, markers, mask=inside)[1:-1, 1:-1]
    parts = (candidate.only(basins == n) for n in range(1, count + 1))
    return [replace(part, confidence=min(part.confidence, candidate.confidence)) for part in parts]
