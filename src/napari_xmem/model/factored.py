"""3x3 convolutions as few small kernels per channel and a 1x1 convolution: a quarter of the arithmetic, or less."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

__all__ = ["FactoredConv2d", "conv3x3"]


class FactoredConv2d(nn.Module):
    """`kernels` 3x3 kernels for every input channel, then a 1x1 convolution over all of them.

    Equal to a 3x3 convolution whose weights have rank `kernels` per input channel; 9 kernels give any 3x3 convolution.

    Parameters
    ----------
    in_channels, out_channels : int
        As of `torch.nn.Conv2d`.
    kernels : int
        3x3 kernels per input channel.
    bias : bool
        Whether the 1x1 convolution has one.
    """

    def __init__(self, in_channels: int, out_channels: int, kernels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.spatial = nn.ModuleList(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False) for _ in range(kernels)
        )
        self.mix = nn.Conv2d(in_channels * kernels, out_channels, 1, bias=bias)

    @classmethod
    def like(cls, weight: Tensor, bias: Tensor | None, kernels: int) -> Self:
        """Return the nearest factored convolution (least squares) to one of ``weight (out, in, 3, 3)``."""
        out_channels, in_channels = weight.shape[:2]
        conv = cls(in_channels, out_channels, kernels, bias=bias is not None)
        with torch.no_grad():
            u, s, v = torch.linalg.svd(weight.double().transpose(0, 1).flatten(2), full_matrices=False)
            root = s.sqrt()
            nn.init.zeros_(conv.mix.weight)
            for k, spatial in zip(range(s.shape[1]), conv.spatial, strict=False):
                spatial.get_parameter("weight").copy_((v[:, k] * root[:, k, None]).reshape(-1, 1, 3, 3))
                part = slice(k * in_channels, (k + 1) * in_channels)
                conv.mix.weight[:, part].copy_((u[:, :, k] * root[:, k, None]).T[..., None, None])
            if bias is not None and conv.mix.bias is not None:
                conv.mix.bias.copy_(bias)
        return conv

    def whole(self) -> nn.Conv2d:
        """Return the 3x3 convolution it stands for: the same function as one call, with more arithmetic."""
        kernels, bias = len(self.spatial), self.mix.bias
        with torch.device("meta"):
            conv = nn.Conv2d(
                self.mix.in_channels // kernels, self.mix.out_channels, 3, padding=1, bias=bias is not None
            )
        with torch.no_grad():
            spatial = torch.stack([part.get_parameter("weight")[:, 0] for part in self.spatial]).double()
            mix = self.mix.weight[..., 0, 0].unflatten(1, (kernels, -1))
            weight = torch.einsum("oki,kiyx->oiyx", mix.double(), spatial).to(mix.dtype)
        conv.weight, conv.bias = nn.Parameter(weight, requires_grad=False), bias
        return conv

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in, h, w)`` to ``(N, out, h, w)``."""
        mixed: Tensor = self.mix(torch.cat([spatial(x) for spatial in self.spatial], 1))
        return mixed


def conv3x3(in_channels: int, out_channels: int, kernels: int = 0, *, bias: bool = True) -> nn.Conv2d | FactoredConv2d:
    """Return a 3x3 convolution with padding 1: a whole one for `kernels` 0, else factored."""
    if kernels:
        return FactoredConv2d(in_channels, out_channels, kernels, bias=bias)
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
