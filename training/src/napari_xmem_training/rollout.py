"""One differentiable pass over a batch of clips: what the local scope does, one object per clip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.memory.affinity import add_position, read_dense
from napari_xmem.model.aggregate import odds

if TYPE_CHECKING:
    from napari_xmem.model import XMem

__all__ = ["Batch", "Rollout", "Schedule", "roll_out"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips as tensors: image ``(B, T, C, W, W)``, target and others ``(B, T, W, W)`` in 0..1."""

    image: Tensor
    target: Tensor
    others: Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is drawn at random for every step.

    Attributes
    ----------
    offset_px : tuple of 2 int
        Top left corner of the region in the window, multiples of the key stride.
    region_px : int
        Side of the region.
    memory_frames : tuple of bool
        Which frames enter memory; the first always does.
    others_known : Tensor
        ``(B,)`` bool: whether the other objects are tracked too.
    top_k : int or None
        Memory elements that may answer one query.
    others_compete : bool
        Whether the others' true masks compete with the prediction, or are only told to the value encoder.
    misplaced_px : Tensor or None
        ``(B, T, 2)`` y, x error of the place where the object is expected; None: it is where it is expected.
    places : bool
        Whether the network's prior on places is used.
    """

    offset_px: tuple[int, int]
    region_px: int
    memory_frames: tuple[bool, ...]
    others_known: Tensor
    top_k: int | None = None
    others_compete: bool = False
    misplaced_px: Tensor | None = None
    places: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """Aggregated and independent probabilities ``(B, T - 1, R, R)`` of the object and its target there.

    `states` are logits ``(B, T - 1, 5)`` of the head that judges states, None for a network without it.
    """

    aggregated: Tensor
    independent: Tensor
    target: Tensor
    states: Tensor | None = None


def roll_out(network: XMem, batch: Batch, schedule: Schedule, seeds: Tensor | None = None) -> Rollout:
    """Follow the first frame's target through every clip.

    Parameters
    ----------
    network : XMem
        In train or eval mode.
    batch : Batch
        Clips.
    schedule : Schedule
        Region and memory frames.
    seeds : Tensor, optional
        ``(B, W, W)`` masks for the first frame; None: its target.
    """
    count, length = batch.image.shape[:2]
    stride = network.config.stride_px
    y, x, side = *schedule.offset_px, schedule.region_px
    region = (slice(y, y + side), slice(x, x + side))
    features = network.encode_key(batch.image.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    decoder_context, value_context = network.decoder_context(features), network.value_context(features)

    def crop(tensor: Tensor, scale: int, t: int) -> Tensor:
        step = stride // scale
        part = tensor.unflatten(0, (count, length))[:, t]
        return part[:, :, y // step : (y + side) // step, x // step : (x + side) // step]

    def at(tensor: Tensor, t: int) -> Tensor:
        return crop(tensor, 1, t).flatten(2)

    reach = network.config.locality_px if schedule.places else 0.0
    grid = _cell_centres(side, stride, batch.image.device)
    misplaced = schedule.misplaced_px
    if misplaced is None:
        misplaced = batch.image.new_zeros(count, length, 2)

    def placed(t: int, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Key and selection of frame `t`, with places relative to `centre` if the network uses them."""
        key, selection = at(features.key, t), at(features.selection, t)
        if not reach:
            return key, selection
        return add_position(key.float(), selection.float(), grid - centre[:, None], reach)

    known = schedule.others_known[:, None, None].to(batch.others.dtype)
    hidden: Tensor | None = None
    if network.config.hidden_dim:
        cells = side // stride
        hidden = batch.image.new_zeros(count, network.config.hidden_dim, cells, cells)
    mask = (batch.target[:, 0] if seeds is None else seeds)[(slice(None), *region)]
    keys: list[Tensor] = []
    shrinkages: list[Tensor] = []
    values: list[Tensor] = []
    aggregated: list[Tensor] = []
    independent: list[Tensor] = []
    states: list[Tensor] = []
    for t in range(length):
        others = batch.others[:, t][(slice(None), *region)] * known
        memory_frame = schedule.memory_frames[t]
        target_centre = _centre(batch.target[:, t][(slice(None), *region)])
        if t:
            key, selection = placed(t, target_centre + misplaced[:, t])
            readout = read_dense(
                torch.cat(keys, 2),
                torch.cat(shrinkages, 2),
                key,
                selection,
                torch.cat(values, 2),
                schedule.top_k,
            ).unflatten(2, (side // stride, side // stride))
            logits, hidden, state = network.judge(
                decoder_context.map(partial(crop, t=t)), readout, hidden, update_hidden=not memory_frame
            )
            if state is not None:
                states.append(state)
            own = logits.sigmoid()
            mask = _aggregate(own, others * float(schedule.others_compete))
            independent.append(own)
            aggregated.append(mask)
        if memory_frame and t < length - 1:
            image = batch.image[:, t][(slice(None), slice(None), *region)]
            context = value_context.map(partial(crop, t=t))
            value, hidden = network.encode_value(image, mask, others, context, hidden, deep=True)
            keys.append(placed(t, target_centre)[0])
            shrinkages.append(at(features.shrinkage, t))
            values.append(value.flatten(2))
    target = batch.target[(slice(None), slice(1, None), *region)]
    judged = torch.stack(states, 1) if states else None
    return Rollout(torch.stack(aggregated, 1), torch.stack(independent, 1), target, judged)


def _aggregate(own: Tensor, others: Tensor) -> Tensor:
    """Soft aggregation of the object, all other objects as one, and the background."""
    background = (1 - own) * (1 - others)
    own_odds = odds(own)
    return own_odds / (own_odds + odds(others) + odds(background))


def _cell_centres(side_px: int, stride_px: int, device: torch.device) -> Tensor:
    """Centres ``(cells, 2)`` of the key cells of a region as y, x in its pixels."""
    along = (torch.arange(side_px // stride_px, device=device) + 0.5) * stride_px
    return torch.stack(torch.meshgrid(along, along, indexing="ij"), -1).flatten(0, 1)


def _centre(mask: Tensor) -> Tensor:
    """Centre ``(B, 2)`` of masks ``(B, R, R)``; the middle of the region for an empty one."""
    side = mask.shape[-1]
    along = torch.arange(side, device=mask.device) + 0.5
    mass = mask.sum((1, 2))
    y, x = (mask.sum(2) * along).sum(1), (mask.sum(1) * along).sum(1)
    centre = torch.stack([y, x], 1) / mass.clamp(min=1)[:, None]
    return torch.where(mass[:, None] > 0, centre, torch.full_like(centre, side / 2))
