"""The head that says what happens to an object: is it there, will it divide, did it, and is the mask right."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["STATES", "StateHead"]

STATES = ("present", "about_to_divide", "dividing", "divided", "agreement")
"""What the logits of `StateHead` mean, after a sigmoid.

``present``: the object is in the region. ``about_to_divide``: it is one and will be two within three frames.
``dividing``: this is the first frame on which it is two. ``divided``: it has become two since it was seeded.
``agreement``: the Jaccard index of the mask with the truth that is to be expected.
"""


class StateHead(nn.Module):
    """Judge objects from the decoder's coarse features and the mask it arrived at.

    Parameters
    ----------
    in_channels : int
        Channels of the decoder's coarse features.
    width : int
        Hidden channels.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(in_channels, width, 1)
        self.look = nn.Conv2d(width + 1, width, 3, padding=1)
        self.hidden = nn.Linear(2 * width + 3, 2 * width)
        self.out = nn.Linear(2 * width, len(STATES))

    def forward(self, g16: Tensor, logits_s4: Tensor) -> Tensor:
        """Map features ``(N, C, h, w)`` and fine logits ``(N, 1, 4h, 4w)`` to logits ``(N, 5)``, float32."""
        fine = logits_s4.float().sigmoid()
        mask = F.adaptive_avg_pool2d(fine, (g16.shape[-2], g16.shape[-1]))
        seen = self.narrow(F.relu(g16))
        seen = F.relu(self.look(torch.cat([F.relu(seen), mask.to(seen.dtype)], 1))).float()
        mass = mask.sum((2, 3))
        inside = (seen * mask).sum((2, 3)) / mass.clamp(min=0.5)
        certain = (fine * (fine - 0.5).abs() * 2).sum((2, 3)) / fine.sum((2, 3)).clamp(min=0.5)
        facts = torch.cat([inside, seen.amax((2, 3)), mass.clamp(min=1e-3).log(), fine.amax((2, 3)), certain], 1)
        with torch.autocast(facts.device.type, enabled=False):
            judged: Tensor = self.out(F.relu(self.hidden(facts)))
        return judged
