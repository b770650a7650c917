"""Building blocks: residual blocks of the encoders, gates, and the fusion of image and object features.

Notation: ``x`` are features of the image, shared by all objects; ``g`` are features of one object.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.factored import FactoredConv2d, conv3x3

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ChannelSpatialGate",
    "FeatureFusion",
    "FusionContext",
    "NarrowUpsampleBlock",
    "ObjectResBlock",
    "UpsampleBlock",
    "make_norm",
    "make_stage",
    "relu_of_own",
    "sum_into",
]


def relu_of_own(x: Tensor) -> Tensor:
    """ReLU of a tensor that nobody else reads, in place where nothing is learned: large tensors are dear to make."""
    return F.relu(x, inplace=not torch.is_grad_enabled())


def sum_into(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a + b``, in ``a`` where nothing is learned; nobody else may read ``a``."""
    return a + b if torch.is_grad_enabled() or a.dtype != b.dtype or a.shape[0] < b.shape[0] else a.add_(b)


def make_norm(channels: int, kind: str) -> nn.Module:
    """Return the normalisation of `ModelConfig.normalisation` for `channels` channels."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(min(8, channels), channels)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, ResNet-18); those of stride 1 are factored where asked."""

    def __init__(self, in_channels: int, width: int, stride: int, norm: str, kernels: int = 0) -> None:
        super().__init__()
        self.conv1: nn.Conv2d | FactoredConv2d
        if stride == 1:
            self.conv1 = conv3x3(in_channels, width, kernels, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = make_norm(width, norm)
        self.conv2 = conv3x3(width, width, kernels, bias=False)
        self.bn2 = make_norm(width, norm)
        self.downsample = _shortcut(in_channels, width, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, width, H / stride, W / stride)``."""
        out = relu_of_own(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return relu_of_own(sum_into(out, shortcut))


class Bottleneck(nn.Module):
    """1x1, 3x3 (carrying the stride), 1x1 convolutions and a shortcut (ResNet-50, torchvision layout)."""

    def __init__(self, in_channels: int, width: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = make_norm(width, norm)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = make_norm(width, norm)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = make_norm(width * 4, norm)
        self.downsample = _shortcut(in_channels, width * 4, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in, H, W)`` to ``(B, 4 width, H / stride, W / stride)``."""
        out = relu_of_own(self.bn1(self.conv1(x)))
        out = relu_of_own(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return relu_of_own(sum_into(out, shortcut))


def _shortcut(in_channels: int, out_channels: int, stride: int, norm: str) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    conv = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
    return nn.Sequential(conv, make_norm(out_channels, norm))


def make_stage(
    kind: str, in_channels: int, width: int, depth: int, stride: int, norm: str, kernels: int = 0
) -> nn.Sequential:
    """Return `depth` residual blocks, the first of which carries `stride`; `kernels` is for basic blocks."""
    if kind == "bottleneck":
        first = Bottleneck(in_channels, width, stride, norm)
        return nn.Sequential(first, *(Bottleneck(width * 4, width, 1, norm) for _ in range(depth - 1)))
    start = BasicBlock(in_channels, width, stride, norm, kernels)
    return nn.Sequential(start, *(BasicBlock(width, width, 1, norm, kernels) for _ in range(depth - 1)))


class ObjectResBlock(nn.Module):
    """Pre-activation residual block without normalisation, ``conv2(relu(conv1(relu(g)))) + shortcut(g)``.

    The shortcut is a 3x3 convolution of the un-activated input where the widths differ.
    With `kernels` above 0 both convolutions are factored (`conv3x3`).
    """

    def __init__(self, in_channels: int, out_channels: int, kernels: int = 0) -> None:
        super().__init__()
        self.downsample: nn.Conv2d | None = None
        if in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv1: nn.Conv2d | FactoredConv2d = conv3x3(in_channels, out_channels, kernels)
        self.conv2: nn.Conv2d | FactoredConv2d = conv3x3(out_channels, out_channels, kernels)

    def forward(self, g: Tensor) -> Tensor:
        """Map ``(N, in, h, w)`` to ``(N, out, h, w)``."""
        out: Tensor = self.conv2(relu_of_own(self.conv1(F.relu(g))))
        return sum_into(out, g if self.downsample is None else self.downsample(g))


class _ChannelGate(nn.Module):
    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, g: Tensor) -> Tensor:
        mean, largest = self.mlp(torch.cat([g.mean((2, 3)), g.amax((2, 3))])).chunk(2)
        return g * torch.sigmoid(mean + largest)[:, :, None, None]


class _SpatialConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)


class _SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = _SpatialConv()

    def forward(self, g: Tensor) -> Tensor:
        pooled = torch.cat([g.amax(1, keepdim=True), g.mean(1, keepdim=True)], 1)
        return g * torch.sigmoid(self.spatial.conv(pooled))


class ChannelSpatialGate(nn.Module):
    """CBAM (Woo et al. 2018, arXiv 1807.06521) without normalisation: a channel gate, then a spatial gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = _ChannelGate(channels)
        self.SpatialGate = _SpatialGate()

    def forward(self, g: Tensor) -> Tensor:
        """Return ``(N, C, h, w)`` features, gated."""
        return self.SpatialGate(self.ChannelGate(g))


class FusionContext(NamedTuple):
    """The image's half of a fusion block: both ``(1 or N, C, h, w)``, see `FeatureFusion.image_half`."""

    conv: Tensor
    shortcut: Tensor


class FeatureFusion(nn.Module):
    """Fuse image features ``x`` with object features ``g``.

    ``g <- block1(cat[x, g])``, ``g <- block2(g + gate(g))``. Both convolutions of ``block1`` are linear in
    ``cat[x, g]`` (the ReLU acts on each channel), so the image's half is convolved once for all objects and added:
    the same numbers, without repeating the widest convolution of the network for every object.
    """

    def __init__(self, image_channels: int, object_channels: int, out_channels: int) -> None:
        super().__init__()
        self.image_channels = image_channels
        self.block1 = ObjectResBlock(image_channels + object_channels, out_channels)
        self.attention = ChannelSpatialGate(out_channels)
        self.block2 = ObjectResBlock(out_channels, out_channels)

    def image_half(self, x: Tensor) -> FusionContext:
        """Convolve image features ``(B, image_channels, h, w)``: what all objects of the image share."""
        conv1, shortcut = self.first_convs()
        split = self.image_channels
        return FusionContext(
            F.conv2d(F.relu(x), conv1.weight[:, :split], conv1.bias, padding=1),
            F.conv2d(x, shortcut.weight[:, :split], shortcut.bias, padding=1),
        )

    def forward(self, g: Tensor, image: FusionContext) -> Tensor:
        """Map object features ``(N, object_channels, h, w)`` to ``(N, out_channels, h, w)``."""
        conv1, shortcut = self.first_convs()
        split = self.image_channels
        inner = F.conv2d(F.relu(g), conv1.weight[:, split:], padding=1) + image.conv
        g = self.block1.conv2(F.relu(inner)) + F.conv2d(g, shortcut.weight[:, split:], padding=1) + image.shortcut
        fused: Tensor = self.block2(sum_into(self.attention(g), g))
        return fused

    def first_convs(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        """Return the two convolutions that read image and object together: the first one, and the shortcut's."""
        conv1, shortcut = self.block1.conv1, self.block1.downsample
        if shortcut is None or not isinstance(conv1, nn.Conv2d):
            raise ValueError("A fusion block needs image and object channels that differ in sum from its output.")
        return conv1, shortcut


class UpsampleBlock(nn.Module):
    """Double the resolution of object features and add image features of that resolution."""

    def __init__(self, skip_channels: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(skip_channels, in_channels, 3, padding=1)
        self.out_conv = ObjectResBlock(in_channels, out_channels)

    def forward(self, g: Tensor, skip: Tensor) -> Tensor:
        """Map ``g (N, in, h, w)`` and ``skip = skip_conv(x) (1 or N, in, 2h, 2w)`` to ``(N, out, 2h, 2w)``."""
        up = F.interpolate(g, scale_factor=2, mode="bilinear", align_corners=False)
        out: Tensor = self.out_conv(sum_into(up, skip))
        return out


class NarrowUpsampleBlock(nn.Module):
    """As `UpsampleBlock`, with fewer channels at the fine resolution.

    A 1x1 convolution takes channels away before the features are upsampled, and the skip connection is a 1x1
    convolution to as few: at the fine resolution, where every channel is dear, nothing is wider than the output.
    """

    def __init__(self, skip_channels: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_channels, out_channels, 1)
        self.skip_conv = nn.Conv2d(skip_channels, out_channels, 1)
        self.out_conv = ObjectResBlock(out_channels, out_channels)

    def forward(self, g: Tensor, skip: Tensor) -> Tensor:
        """Map ``g (N, in, h, w)`` and ``skip = skip_conv(x) (1 or N, out, 2h, 2w)`` to ``(N, out, 2h, 2w)``."""
        up = F.interpolate(self.reduce(g), scale_factor=2, mode="bilinear", align_corners=False)
        out: Tensor = self.out_conv(sum_into(up, skip))
        return out
