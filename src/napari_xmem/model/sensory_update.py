"""The two updates of sensory memory: every frame from the decoder, on memory frames from the value encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.factored import conv3x3

__all__ = ["DecoderHiddenUpdate", "HiddenReinforce", "gated_update"]


def gated_update(gates: Tensor, hidden: Tensor) -> Tensor:
    """Return ``f * h * (1 - u) + u * n`` for gates ``f, u, n`` of ``(N, 3 Ch, h, w)`` and hidden ``(N, Ch, h, w)``.

    Not the textbook GRU: the candidate ``n`` does not see a reset hidden state.
    """
    both, candidate = gates.float().split([2 * hidden.shape[1], hidden.shape[1]], dim=1)
    forget, update = both.sigmoid().chunk(2, dim=1)
    return forget * hidden * (1 - update) + update * candidate.tanh()


class HiddenReinforce(nn.Module):
    """Deep update: sensory memory refreshed from a new value."""

    def __init__(self, value_dim: int, hidden_dim: int, kernels: int = 0) -> None:
        super().__init__()
        self.transform = conv3x3(value_dim + hidden_dim, hidden_dim * 3, kernels)

    def forward(self, value: Tensor, hidden: Tensor) -> Tensor:
        """Return the new hidden state from ``value (N, Cv, h, w)`` and ``hidden (N, Ch, h, w)``."""
        return gated_update(self.transform(torch.cat([value, hidden.to(value.dtype)], 1)), hidden)


class DecoderHiddenUpdate(nn.Module):
    """Normal update: sensory memory follows the decoder's features at three resolutions."""

    def __init__(self, widths: tuple[int, int, int], mid_dim: int, hidden_dim: int, kernels: int = 0) -> None:
        super().__init__()
        self.g16_conv = nn.Conv2d(widths[0], mid_dim, 1)
        self.g8_conv = nn.Conv2d(widths[1], mid_dim, 1)
        self.g4_conv = nn.Conv2d(widths[2] + 1, mid_dim, 1)
        self.transform = conv3x3(mid_dim + hidden_dim, hidden_dim * 3, kernels)

    def forward(self, g16: Tensor, g8: Tensor, g4: Tensor, logits_s4: Tensor, hidden: Tensor) -> Tensor:
        """Return the new hidden state; ``g4`` is taken before its ReLU, ``logits_s4`` is ``(N, 1, 4h, 4w)``."""
        g4 = torch.cat([g4, logits_s4.to(g4.dtype)], 1)
        mixed = self.g16_conv(g16) + self.g8_conv(F.avg_pool2d(g8, 2)) + self.g4_conv(F.avg_pool2d(g4, 4))
        return gated_update(self.transform(torch.cat([mixed, hidden.to(mixed.dtype)], 1)), hidden)
