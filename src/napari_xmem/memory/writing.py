"""One frame for many banks of one object each, memorised together: the same elements with a few calls for all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from napari_xmem.memory.distractors import store_of, worth_of_frame
from napari_xmem.memory.limits import enforce_limits
from napari_xmem.memory.table_stack import append_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from napari_xmem.memory.bank import MemoryBank
    from napari_xmem.memory.distractors import Contest
    from napari_xmem.memory.state import BankState
    from napari_xmem.memory.store import PackedKeys

__all__ = ["add_together", "settle"]


@torch.no_grad()
def add_together(
    banks: Sequence[MemoryBank],
    frame: int,
    keys: PackedKeys,
    values: Tensor,
    object_ids: Sequence[int],
    permanent: Sequence[bool],
    sizes: Sequence[int] | None = None,
    contests: Mapping[int, Contest] = MappingProxyType({}),
) -> Iterator[int]:
    """Memorise one frame in each of some banks, as `MemoryBank.add_packed` does in one; `settle` them afterwards.

    Banks that hold another object, or are empty or elsewhere, are added to one by one.

    Parameters
    ----------
    banks : sequence of MemoryBank
        N banks, no one twice.
    frame : int
        Index in the movie.
    keys : PackedKeys
        (N, n, ...), with selection.
    values : Tensor
        (N, V, n).
    object_ids : sequence of int
        The one object of each.
    permanent : sequence of bool
        The object was seeded or corrected.
    sizes : sequence of int, optional
        How many of the n elements each bank gets, the others being there to fill up. None: all.
    contests : mapping of int to Contest
        How objects fared against what looks like them.

    Yields
    ------
    int
        Place of a bank as soon as it holds the frame.
    """
    sizes = sizes or [keys.looks.shape[-2]] * len(banks)
    together = [
        place
        for place, (bank, i) in enumerate(zip(banks, object_ids, strict=True))
        if _is_plain(bank._state, i, keys.looks.device)
    ]
    if together:
        states, lasting, worths = [], [], list[float]()
        for place in together:
            states.append(banks[place]._state)
            lasting.append(permanent[place] and states[-1].config.permanent_seeds)
            seen = () if permanent[place] else _of(contests, object_ids[place])
            worths.append(worth_of_frame(states[-1], seen, frame))
        chosen = slice(None) if len(together) == len(banks) else together
        append_together(
            [state.filled() for state in states],
            keys[chosen],
            frame,
            [state.next_block for state in states],
            [store_of(permanent=lasts, worth=worth) for lasts, worth in zip(lasting, worths, strict=True)],
            values[chosen].transpose(1, 2),
            [sizes[place] for place in together],
        )
        for place, state, lasts, worth in zip(together, states, lasting, worths, strict=True):
            state.count_frame(frame, sizes[place], lasting=lasts, worth=worth)
        yield from together
    for place in sorted(set(range(len(banks))) - set(together)):
        own, value = keys[place, : sizes[place]], values[place : place + 1, :, : sizes[place]]
        i, seen = object_ids[place], _of(contests, object_ids[place])
        banks[place].add_packed(frame, own, value, (i,), permanent=permanent[place], contests=seen)
        yield place


@torch.no_grad()
def settle(banks: Iterable[MemoryBank]) -> None:
    """Bring memories back within their limits, those that can be done at once with a few calls."""
    enforce_limits((bank._state, bank._policies) for bank in banks)


def _of(contests: Mapping[int, Contest], object_id: int) -> tuple[Contest, ...]:
    return (contests[object_id],) if object_id in contests else ()


def _is_plain(state: BankState, object_id: int, device: torch.device) -> bool:
    """Return True if a bank holds this object, with selection, and nothing else, on the device."""
    table = state.table
    if table is None or not len(table) or table.device != device:
        return False
    return state.with_selection and table.object_ids == (object_id,)
