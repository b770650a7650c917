"""Moving patches between the pixels of the movie and those of the scaled frame, at any offset and scale."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["resample", "resize", "sampling_matrix"]


def sampling_matrix(out_start: Tensor, out_length: int, in_start: Tensor, in_length: int, scale: float) -> Tensor:
    """Return triangle-filter weights that resample one axis of ``N`` patches.

    Output pixel ``o`` covers input coordinate ``(o + 0.5) / scale``; when shrinking, the filter widens with the input
    pixels an output pixel covers (no aliasing). Pixels outside an input patch count as missing, not as zero; output
    pixels that see no input get weight 0.

    Parameters
    ----------
    out_start, in_start : Tensor
        ``(N,)``, first pixel of each patch in its own frame.
    out_length, in_length : int
        Pixels per patch.
    scale : float
        Output pixels per input pixel.

    Returns
    -------
    Tensor
        ``(N, out_length, in_length)`` float32; rows sum to 1 or 0.
    """
    device = out_start.device
    out = out_start.float()[:, None] + _middles(out_length, device)
    centre = out / scale - in_start.float()[:, None]
    radius = max(1.0, 1.0 / scale)
    weights = (1 - (centre[:, :, None] - _middles(in_length, device)).abs() / radius).clamp(min=0)
    outside = (centre < -0.5) | (centre > in_length + 0.5)
    weights = weights.masked_fill(outside[:, :, None], 0.0)
    return weights / weights.sum(2, keepdim=True).clamp(min=1e-6)


@lru_cache(maxsize=64)
def _middles(length: int, device: torch.device) -> Tensor:
    """Return where the middles of so many pixels lie, ``(length,)`` float32; not to be written to."""
    with torch.inference_mode(False):
        return torch.arange(length, dtype=torch.float32, device=device) + 0.5


def resample(
    patches: Tensor, in_corner: Tensor, out_corner: Tensor, out_shape: tuple[int, int], scale: float
) -> Tensor:
    """Resample ``N`` patches of one frame into patches of another.

    Parameters
    ----------
    patches : Tensor
        ``(N, h, w)`` float32.
    in_corner, out_corner : Tensor
        ``(N, 2)`` y, x of the first pixel of each patch, in its own frame.
    out_shape : tuple of 2 int
        Size of the output patches.
    scale : float
        Output pixels per input pixel.

    Returns
    -------
    Tensor
        ``(N, *out_shape)``.
    """
    if out_shape[0] == out_shape[1] and patches.shape[1] == patches.shape[2]:  # both axes in one go
        out_start, in_start = out_corner.T.flatten(), in_corner.T.flatten()
        rows, columns = sampling_matrix(out_start, out_shape[0], in_start, patches.shape[1], scale).chunk(2)
    else:
        rows = sampling_matrix(out_corner[:, 0], out_shape[0], in_corner[:, 0], patches.shape[1], scale)
        columns = sampling_matrix(out_corner[:, 1], out_shape[1], in_corner[:, 1], patches.shape[2], scale)
    return rows @ patches @ columns.transpose(1, 2)


def resize(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resize whole images ``(N, H, W)`` bilinearly to `shape`, without aliasing where that shrinks them."""
    if tuple(images.shape[1:]) == shape:
        return images
    shrinks = shape[0] < images.shape[1]
    return F.interpolate(images[None], shape, mode="bilinear", align_corners=False, antialias=shrinks)[0]
