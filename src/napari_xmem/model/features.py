"""What one image gives to all its objects: features, and the shared halves of the convolutions that read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from napari_xmem.model.blocks import FusionContext

__all__ = ["DecoderContext", "ImageFeatures", "ValueContext"]

#: Maps a tensor and its resolution relative to the keys (1, 2 or 4) to a tensor, e.g. a crop.
TensorMap = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Output of the key encoder for ``B`` images.

    Strides are those of the official network; the bundled model is one octave finer (2 / 4 / 8).

    Attributes
    ----------
    key : Tensor
        ``(B, Ck, h, w)``.
    shrinkage : Tensor
        ``(B, 1, h, w)``, at least 1: how sharply this place answers as a memory element.
    selection : Tensor
        ``(B, Ck, h, w)``, 0 to 1: which channels matter to this place as a query.
    feat_s16, feat_s8, feat_s4 : Tensor
        Image features, ``(B, C, h, w)``, ``(B, C, 2h, 2w)``, ``(B, C, 4h, 4w)``.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    feat_s16: Tensor
    feat_s8: Tensor
    feat_s4: Tensor


@dataclass(frozen=True, slots=True)
class DecoderContext:
    """The image's part of the decoder, computed once per frame: ``(1 or N, ...)`` tensors.

    Attributes
    ----------
    fusion : FusionContext
        Image half of the decoder's fusion block, key resolution.
    skip_s8, skip_s4 : Tensor
        Convolved skip connections at twice and four times the key resolution.
    """

    fusion: FusionContext
    skip_s8: Tensor
    skip_s4: Tensor

    def map(self, function: TensorMap) -> DecoderContext:
        """Apply `function` to every tensor, e.g. to crop regions of objects."""
        fusion = FusionContext(function(self.fusion.conv, 1), function(self.fusion.shortcut, 1))
        return DecoderContext(fusion, function(self.skip_s8, 2), function(self.skip_s4, 4))


@dataclass(frozen=True, slots=True)
class ValueContext:
    """The image's part of the value encoder, computed once per memory frame (key resolution)."""

    fusion: FusionContext

    def map(self, function: TensorMap) -> ValueContext:
        """Apply `function` to every tensor, e.g. to crop regions of objects."""
        return ValueContext(FusionContext(function(self.fusion.conv, 1), function(self.fusion.shortcut, 1)))
