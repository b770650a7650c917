"""3x3 convolutions with a quarter of the multiplications, for float32 on a CPU.

A tile of 4 x 4 outputs is made from 6 x 6 inputs: both are brought to another basis, where the convolution is one
product per entry and channel, so that all tiles together are 36 matrix products.

References
----------
Lavin & Gray 2016, Fast Algorithms for Convolutional Neural Networks (arXiv 1509.09308), section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["WinogradConv2d", "use_winograd", "winograd_pays"]

_IN, _OUT = 6, 4
_INPUT_BASIS = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_KERNEL_BASIS = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_OUTPUT_BASIS = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)

#: Tiles worked on at a time: what they need stays in a core's cache.
_TILES = 64
#: Fewer channels than this are not worth it (measured).
_LEAST_CHANNELS = 128


class WinogradConv2d(nn.Module):
    """A 3x3 convolution with stride 1 and padding 1; equal to it up to 2e-5 of the largest output.

    Parameters
    ----------
    conv : nn.Conv2d
        Kernel 3, stride 1, padding 1, one group, float32.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.detach()
        both = torch.kron(_KERNEL_BASIS, _KERNEL_BASIS).float()
        kernel = (both @ weight.float().cpu().permute(2, 3, 1, 0).reshape(9, -1)).view(-1, weight.shape[1], len(weight))
        self.kernel: Tensor
        self.into: Tensor
        self.back: Tensor
        self.register_buffer("kernel", kernel)
        self.register_buffer("into", torch.kron(_INPUT_BASIS, _INPUT_BASIS).float())
        self.register_buffer("back", torch.kron(_OUTPUT_BASIS, _OUTPUT_BASIS).float())
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in, H, W)`` to ``(N, out, H, W)``, channels last."""
        count, _, height, width = x.shape
        rows, columns = -(-height // _OUT), -(-width // _OUT)
        padding = (0, 0, 1, columns * _OUT - width + 1, 1, rows * _OUT - height + 1)
        padded = F.pad(x.permute(0, 2, 3, 1), padding)
        out = x.new_empty(count, rows * _OUT, columns * _OUT, self.kernel.shape[2])
        step = max(1, min(rows, _TILES // columns))
        images = max(1, _TILES // (rows * columns)) if step == rows else 1
        for first in range(0, count, images):
            for top in range(0, rows, step):
                bottom = min(rows, top + step)
                part = padded[first : first + images, top * _OUT : bottom * _OUT + 2]
                self._tiles(part, out[first : first + images, top * _OUT : bottom * _OUT])
        if self.bias is not None:
            out += self.bias
        return out[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def _tiles(self, part: Tensor, out: Tensor) -> None:
        """Convolve rows of tiles ``(n, 4 r + 2, 4 c + 2, in)`` into ``out`` ``(n, 4 r, 4 c, out channels)``."""
        tiles = part.unfold(1, _IN, _OUT).unfold(2, _IN, _OUT)
        n, rows, columns, channels = tiles.shape[:4]
        entries = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_IN * _IN, -1)
        products = torch.bmm((self.into @ entries).view(_IN * _IN, -1, channels), self.kernel)
        found = (self.back @ products.flatten(1)).view(_OUT, _OUT, n, rows, columns, -1)
        out.view(n, rows, _OUT, columns, _OUT, -1).copy_(found.permute(2, 3, 0, 4, 1, 5))


def use_winograd(module: nn.Module) -> nn.Module:
    """Replace the wide 3x3 convolutions in a module, in place."""
    for part in list(module.modules()):
        for name, conv in list(part.named_children()):
            if isinstance(conv, nn.Conv2d) and _suits(conv):
                setattr(part, name, WinogradConv2d(conv))
    return module


def _suits(conv: nn.Conv2d) -> bool:
    plain = conv.kernel_size == (3, 3) and conv.stride == (1, 1) and conv.padding == (1, 1)
    return plain and conv.groups == 1 and conv.dilation == (1, 1) and min(conv.weight.shape[:2]) >= _LEAST_CHANNELS


def winograd_pays() -> bool:
    """Tell whether matrix products are quick enough on this CPU, that is those of MKL (measured: 1.2 to 2.2 times).

    Asked of the build, not timed: the same machine must give the same labels whatever else it is doing.
    """
    return bool(torch.backends.mkl.is_available())
