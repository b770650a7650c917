"""Validation during training: fixed clips of held-out images, never trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.model import STATES
from napari_xmem.model.inference import choose_precision
from napari_xmem_training.clips.val import validation_clips
from napari_xmem_training.losses import true_states
from napari_xmem_training.rollout import Batch, Schedule, roll_out

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem.model import XMem

__all__ = ["Validator", "mixed_precision"]

_WINDOW_PX, _REGION_PX = 160, 128
_MISPLACED_PX = 10.0


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return the context in which a device trains: bfloat16 where it computes that fast, else float32."""
    dtype = choose_precision(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


class Validator:
    """Mean Jaccard index per kind of clip, over all predicted frames.

    Parameters
    ----------
    data_dir : Path or None
        Folder of the image archives.
    device : torch.device
        Where to compute.
    frames, clips_per_kind, seed : int
        Size of the fixed set.
    """

    def __init__(
        self, data_dir: Path | None, device: torch.device, frames: int = 8, clips_per_kind: int = 8, seed: int = 99
    ) -> None:
        self.device = device
        self.clips = validation_clips(data_dir, _WINDOW_PX, frames, clips_per_kind, seed)

    @torch.no_grad()
    def score(self, network: XMem) -> dict[str, float]:
        """Return ``val/KIND`` and ``val`` of a network in eval mode.

        ``val`` is the mean over families of the mean over their kinds, so that the many simulated kinds do not
        outweigh the others; the family of ``crowd/phase`` is ``crowd``. Of a network that judges states there is also
        ``state/NAME`` and ``state/NAME/base``: the Brier score of that probability over all clips, and the score of
        saying the mean always, which it has to be below.
        """
        figures = {}
        said: list[torch.Tensor] = []
        true: list[torch.Tensor] = []
        for kind, clips in self.clips.items():
            arrays = [np.stack([getattr(c, name) for c in clips]) for name in ("image", "target", "others")]
            batch = Batch(*(torch.from_numpy(a).to(self.device) for a in arrays))
            length, spare = batch.image.shape[1], (_WINDOW_PX - _REGION_PX) // 2
            known = torch.ones(len(clips), dtype=torch.bool, device=self.device)
            errors = torch.randn(len(clips), length, 2, generator=torch.Generator().manual_seed(1)) * _MISPLACED_PX
            misplaced = errors.to(self.device)
            schedule = Schedule((spare, spare), _REGION_PX, (True,) * length, known, 30, False, misplaced)
            with mixed_precision(self.device):
                out = roll_out(network, batch, schedule)
            figures[f"val/{kind}"] = round(_jaccard(out.aggregated > 0.5, out.target > 0.5), 4)
            if out.states is not None:
                events = torch.from_numpy(np.stack([c.events for c in clips])).to(self.device)[:, 1:]
                said.append(out.states.sigmoid().flatten(0, 1))
                true.append(true_states(out.aggregated.flatten(0, 1), out.target.flatten(0, 1), events.flatten(0, 1)))
        figures["val"] = round(_mean_over_families(figures), 4)
        if said:
            figures |= _brier(torch.cat(said), torch.cat(true))
        return figures


def _mean_over_families(figures: dict[str, float]) -> float:
    families: dict[str, list[float]] = {}
    for name, value in figures.items():
        families.setdefault(name.split("/")[1], []).append(value)
    return float(np.mean([np.mean(values) for values in families.values()]))


def _brier(said: torch.Tensor, true: torch.Tensor) -> dict[str, float]:
    """Mean squared error of every probability where the truth is known, and that of the best constant."""
    figures = {}
    for name, p, y in zip(STATES, said.T, true.T, strict=True):
        known = torch.isfinite(y)
        if known.any():
            p, y = p[known], y[known]
            figures[f"state/{name}"] = round(float((p - y).square().mean()), 4)
            figures[f"state/{name}/base"] = round(float(y.var(correction=0)), 4)
    return figures


def _jaccard(prediction: torch.Tensor, target: torch.Tensor) -> float:
    """Mean Jaccard index; an absent target counts 1 if at most 20 pixels were painted, else 0."""
    overlap = (prediction & target).sum((2, 3)).float()
    union = (prediction | target).sum((2, 3)).float()
    absent = ~target.flatten(2).any(2)
    score = torch.where(absent, (union <= 20).float(), overlap / union.clamp(min=1))
    return float(score.mean())
