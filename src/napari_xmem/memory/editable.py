"""Changes of memory by hand, each of which can be taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_xmem.errors import MemoryBankError
from napari_xmem.memory import edits
from napari_xmem.memory.view import MemoryView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch

    from napari_xmem.memory.snapshot import MemorySnapshot
    from napari_xmem.memory.state import BankState

__all__ = ["UNDO_STEPS", "EditableMemory"]

#: Changes that can be undone.
UNDO_STEPS = 16


class EditableMemory(MemoryView):
    """What a person can change in a `MemoryBank`; parameters as for `MemoryView`."""

    def __init__(self, state: BankState, device: torch.device | None = None) -> None:
        super().__init__(state, device)
        self._history: list[BankState] = []

    def forget(self, object_id: int) -> None:
        """Forget an object and free its values; elements that hold no other object go too. Undoable."""
        self._edit(lambda: edits.forget_object(self._state, object_id))

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
        self._edit(lambda: edits.forget_frames(self._state, wanted, object_id))

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
        self._edit(lambda: edits.protect(self._state, wanted))

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
        self._edit(lambda: edits.correct(self._state, frame, object_ids))

    def undo(self) -> None:
        """Take back the last `forget`, `forget_frames`, `protect` or `correct`.

        Memory becomes what it was just before; frames memorised since then are gone with it. Up to `UNDO_STEPS` changes
        can be taken back. What a snapshot has reported before is not reported again.

        Raises
        ------
        MemoryBankError
            If there is nothing to undo.
        """
        if not self._history:
            raise MemoryBankError("There is no change of memory left to undo.")
        self._state = replace(self._history.pop().copy(), config=self._state.config)
        self._state.log("undone", 0, 0, "the last change was taken back")

    def snapshot(self, frame: int) -> MemorySnapshot:
        """Describe memory after a frame, see `MemoryView.snapshot`."""
        for before in self._history:
            before.events = ()  # reported now, or in a snapshot before: undo must not bring them back
        return super().snapshot(frame)

    def _edit(self, change: Callable[[], None]) -> None:
        before = self._state.freeze()
        change()
        self._history = [*self._history, before][-UNDO_STEPS:]


def _frames(frames: int | Iterable[int]) -> tuple[int, ...]:
    return (frames,) if isinstance(frames, int) else tuple(int(frame) for frame in frames)
