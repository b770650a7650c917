"""Where an element lies, as two more channels of its key: nearby elements answer first.

Cells look alike; what lies a diameter away is rarely the same cell. The similarity of XMem (Cheng & Schwing 2022,
arXiv 2207.07115, equation 3) is a weighted squared distance, so that a distance between places fits in as two channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["PLACE_CHANNELS", "with_place"]

PLACE_CHANNELS = 2


def with_place(key: Tensor, selection: Tensor, place_px: Tensor, reach_px: float) -> tuple[Tensor, Tensor]:
    """Add places to keys and selections.

    The similarity of element ``m`` and query ``q`` becomes ``S[m, q] - s_m |p_m - p_q|^2 / (2 reach^2)``, where ``S``
    is the similarity without places: a Gaussian prior on distance, sharpened by the element's shrinkage ``s_m >= 1``.

    Parameters
    ----------
    key, selection : Tensor
        ``(..., C, n)``.
    place_px : Tensor
        ``(..., n, 2)`` y, x relative to the object, in pixels.
    reach_px : float
        Standard deviation of the prior; above 0.

    Returns
    -------
    tuple of 2 Tensor
        ``(..., C + 2, n)`` in the type of `key`.
    """
    channels = key.shape[-2]
    total = channels + PLACE_CHANNELS
    place = place_px.to(key).transpose(-1, -2) * ((total**0.5 / 2) ** 0.5 / reach_px)
    key = torch.cat([key * (total / channels) ** 0.25, place], dim=-2)
    return key, torch.cat([selection, torch.ones_like(place)], dim=-2)
