"""Changes of memory by hand, each of which can be undone: correct, forget, protect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.errors import MemoryBankError
from napari_xmem.memory.store import Store
from napari_xmem.words import frames_named, number_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_xmem.memory.snapshot import MemoryEventKind
    from napari_xmem.memory.state import BankState

__all__ = ["UNDO_STEPS", "BankEditor", "take_out"]

#: Changes that can be undone.
UNDO_STEPS = 16


class BankEditor:
    """What a person can change in a `MemoryBank`; its part ``bank.edit``.

    Parameters
    ----------
    state : BankState
        The bank's.
    """

    def __init__(self, state: BankState) -> None:
        self._state = state
        self._history: list[BankState] = []

    def forget(self, object_id: int) -> None:
        """Forget an object and free its values; elements that hold no other object go too. Undoable."""
        self._edit(lambda: _forget_object(self._state, object_id))

    def forget_frames(self, frames: int | Iterable[int], object_id: int | None = None) -> None:
        """Forget what some frames left in any store, permanent ones too. Undoable.

        Parameters
        ----------
        frames : int or iterable of int
            Frames of the movie.
        object_id : int, optional
            Forget this object only; None: all.

        Raises
        ------
        MemoryBankError
            If memory holds nothing of these frames.
        """
        wanted = _frames(frames)
        self._edit(lambda: _forget_frames(self._state, wanted, object_id))

    def protect(self, frames: int | Iterable[int]) -> None:
        """Make what some frames left in memory permanent. Undoable.

        Parameters
        ----------
        frames : int or iterable of int
            Frames of the movie.

        Raises
        ------
        MemoryBankError
            If memory holds nothing of these frames.
        """
        wanted = _frames(frames)
        self._edit(lambda: _protect(self._state, wanted))

    def correct(self, frame: int, object_ids: Sequence[int]) -> None:
        """Make way for a corrected frame: call it just before that frame is added with ``permanent=True``. Undoable.

        Forgets of these objects all that comes from that frame, and what is not permanent within
        ``config.correction_radius_frames`` of it, so that the correction does not compete with the error.

        Parameters
        ----------
        frame : int
            The corrected frame.
        object_ids : sequence of int
            Objects whose masks were corrected there.
        """
        self._edit(lambda: _correct(self._state, frame, object_ids))

    def undo(self) -> None:
        """Undo the last `forget`, `forget_frames`, `protect` or `correct`.

        Memory becomes what it was just before; frames memorised since then are gone with it. Up to `UNDO_STEPS` changes
        can be undone. What a snapshot has reported before is not reported again.

        Raises
        ------
        MemoryBankError
            If there is nothing to undo.
        """
        if not self._history:
            raise MemoryBankError("There is no change of memory left to undo.")
        self._state.become(self._history.pop().copy())
        self._state.log("undone", 0, 0, "the last change was undone")

    def mark_reported(self) -> None:
        """Note that the events so far were reported in a snapshot: undo must not bring them back."""
        for before in self._history:
            before.events = ()

    def _edit(self, change: Callable[[], None]) -> None:
        before = self._state.freeze()
        change()
        self._history = [*self._history, before][-UNDO_STEPS:]


def take_out(state: BankState, frames: Iterable[int], why: str) -> int:
    """Remove what some frames left, but for permanent memory and the first frame; see `MemoryBank.take_out`."""
    table = state.table
    if table is None or not len(table):
        return 0
    wanted = torch.tensor(sorted(set(frames)), dtype=torch.int64, device=table.device)
    hit = torch.isin(table["frame"], wanted) & (table["store"] != int(Store.PERMANENT))
    if state.anchored:
        hit[state.rows_in(Store.WORKING, state.working_blocks[:1])] = False
    rows = hit.nonzero()[:, 0]
    if not len(rows) or len(rows) == len(table):  # who remembers nothing cannot be found again
        return 0
    state.remove(rows, "forgotten", why)
    return len(rows)


def _frames(frames: int | Iterable[int]) -> tuple[int, ...]:
    return (frames,) if isinstance(frames, int) else tuple(int(frame) for frame in frames)


def _forget_object(state: BankState, object_id: int) -> None:
    """Forget an object; elements that hold no other object go too."""
    state.check_known([object_id])
    table = state.table
    if table is None:
        return
    table.drop_object(object_id)
    _drop_unheld(state, "forgotten", f"object {object_id} was forgotten")


def _forget_frames(state: BankState, frames: Iterable[int], object_id: int | None) -> None:
    """Forget what some frames left in any store, of one object or of all."""
    wanted = sorted(set(frames))
    hit = _from_frames(state, wanted)
    objects = state.object_ids if object_id is None else (object_id,)
    state.check_known(objects)
    _invalidate(state, hit, objects, "forgotten", f"{frames_named(wanted, 12)} forgotten")


def _correct(state: BankState, frame: int, object_ids: Iterable[int]) -> None:
    """Forget some objects near a frame: everything of that frame, and what is not permanent around it."""
    if not state.sizes.total:
        return
    table = state.filled()
    radius = state.config.correction_radius_frames
    distance = (table["frame"] - frame).abs()
    kept = table["store"] == int(Store.PERMANENT)
    if state.anchored:
        kept[state.rows_in(Store.WORKING, state.working_blocks[:1])] = True
    hit = (distance == 0) | ((distance <= radius) & ~kept)
    known = [i for i in object_ids if i in state.object_ids]
    _invalidate(state, hit, known, "corrected", f"frame {frame} was corrected (objects {number_list(known, 12)})")


def _protect(state: BankState, frames: Iterable[int]) -> None:
    """Move what some frames left in working and long-term memory to permanent memory."""
    wanted = sorted(set(frames))
    hit = _from_frames(state, wanted)
    table = state.filled()
    moved = int((hit & (table["store"] != int(Store.PERMANENT))).sum())
    table["store"][hit] = int(Store.PERMANENT)
    state.log("protected", moved, moved, f"{frames_named(wanted, 12)} protected")
    state.refresh()


def _from_frames(state: BankState, frames: list[int]) -> Tensor:
    """Return the elements (m,) bool that come from some frames; `MemoryBankError` if a frame left nothing."""
    held = set(torch.unique(state.table["frame"]).tolist()) if state.table is not None else set()
    missing = [frame for frame in frames if frame not in held]
    if missing or state.table is None:
        raise MemoryBankError(
            f"Memory holds nothing of {frames_named(missing, 12)}; "
            f"it holds {frames_named(held, 12) if held else 'no frame at all'}."
        )
    wanted = torch.tensor(frames, dtype=torch.int64, device=state.table.device)
    return torch.isin(state.table["frame"], wanted)


def _invalidate(state: BankState, hit: Tensor, object_ids: Iterable[int], kind: MemoryEventKind, reason: str) -> None:
    table = state.filled()
    for object_id in object_ids:
        table.valid(object_id)[hit] = False
    _drop_unheld(state, kind, reason)


def _drop_unheld(state: BankState, kind: MemoryEventKind, reason: str) -> None:
    """Remove elements that hold no object any more."""
    table = state.table
    if table is None:
        return
    held = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    for object_id in table.object_ids:
        held |= table.valid(object_id)
    state.remove((~held).nonzero()[:, 0], kind, reason)
