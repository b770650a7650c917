"""How far the key encoder sees: what a tile of a frame needs around it to be encoded as in the whole frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig

__all__ = ["can_tile", "receptive_halo_px"]


def can_tile(config: ModelConfig) -> bool:
    """Return True if tiles give the whole frame's result: group normalisation looks at the whole image."""
    return config.normalisation == "batch"


def receptive_halo_px(config: ModelConfig) -> int:
    """Return how far the encoder and the shared convolutions after it see, rounded up to whole key cells.

    The sum, over the convolutions on the longest way, of their radius times the stride of their input.
    """
    reach, step = 3, 2
    if config.stem_pool:
        reach, step = reach + step, step * 2
    per_block = 2 if config.key_block == "basic" else 1
    for stage, depth in enumerate(config.key_depths):
        convolutions = per_block * depth
        if stage:  # the first 3x3 convolution of a stage carries its stride
            reach, step, convolutions = reach + step, step * 2, convolutions - 1
        reach += step * convolutions
    reach += step
    return -(-reach // config.stride_px) * config.stride_px
