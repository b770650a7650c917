"""Fusion of image and object features with factored convolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.blocks import (
    ChannelSpatialGate,
    FeatureFusion,
    FusionContext,
    ObjectResBlock,
    relu_of_own,
    sum_into,
)
from napari_xmem.model.factored import FactoredConv2d

__all__ = ["FactoredFusion", "make_fusion"]


class FactoredFusion(nn.Module):
    """`FeatureFusion` of factored convolutions and 1x1 shortcuts; the image's half is a module of its own."""

    def __init__(self, image_channels: int, object_channels: int, out_channels: int, kernels: int) -> None:
        super().__init__()
        self.image_conv = FactoredConv2d(image_channels, out_channels, kernels)
        self.object_conv = FactoredConv2d(object_channels, out_channels, kernels, bias=False)
        self.image_shortcut = nn.Conv2d(image_channels, out_channels, 1)
        self.object_shortcut = nn.Conv2d(object_channels, out_channels, 1, bias=False)
        self.conv2 = FactoredConv2d(out_channels, out_channels, kernels)
        self.attention = ChannelSpatialGate(out_channels)
        self.block2 = ObjectResBlock(out_channels, out_channels, kernels)

    def image_half(self, x: Tensor) -> FusionContext:
        """See `FeatureFusion.image_half`."""
        return FusionContext(self.image_conv(F.relu(x)), self.image_shortcut(x))

    def forward(self, g: Tensor, image: FusionContext) -> Tensor:
        """See `FeatureFusion.forward`."""
        inner = relu_of_own(sum_into(self.object_conv(F.relu(g)), image.conv))
        g = sum_into(sum_into(self.conv2(inner), self.object_shortcut(g)), image.shortcut)
        fused: Tensor = self.block2(sum_into(self.attention(g), g))
        return fused


def make_fusion(
    image_channels: int, object_channels: int, out_channels: int, kernels: int
) -> FeatureFusion | FactoredFusion:
    """Return a fusion block: with whole convolutions for `kernels` 0, else with factored ones."""
    if kernels:
        return FactoredFusion(image_channels, object_channels, out_channels, kernels)
    return FeatureFusion(image_channels, object_channels, out_channels)
