"""Looking into a memory: who is held, how much, and who would answer; nothing here changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_xmem.memory.files import save_state
from napari_xmem.memory.index import HeldFrame, MemoryIndex, held_frames
from napari_xmem.memory.recall import MemoryVote, explain

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from napari_xmem.config import MemoryConfig
    from napari_xmem.memory.snapshot import MemorySizes, MemorySnapshot
    from napari_xmem.memory.state import BankState

__all__ = ["MemoryView"]


class MemoryView:
    """What can be asked of a `MemoryBank` without changing it.

    Parameters
    ----------
    state : BankState
        What is held.
    device : torch.device, optional
        Where elements are to be kept; None: left open.
    """

    def __init__(self, state: BankState, device: torch.device | None = None) -> None:
        self._state = state
        self._device = device

    @property
    def config(self) -> MemoryConfig:
        """Limits and policies."""
        return self._state.config

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids in order of first appearance."""
        return self._state.object_ids

    @property
    def sizes(self) -> MemorySizes:
        """Elements per store. In paper mode ``working`` counts the first frame too, as the official code does."""
        return self._state.sizes

    @property
    def version(self) -> int:
        """A number that differs after every change of what is held."""
        return self._state.version

    @property
    def device(self) -> torch.device | None:
        """Where elements are kept; None while it is empty and left open."""
        return self._device if self._state.table is None else self._state.table.device

    @property
    def n_bytes(self) -> int:
        """Bytes allocated, with the spare room of growing buffers and without what undo keeps."""
        return 0 if self._state.table is None else self._state.table.n_bytes

    @torch.no_grad()
    def explain(
        self, key: Tensor, selection: Tensor | None, object_id: int, top: int | None = None
    ) -> list[MemoryVote]:
        """Return the elements that answer one query for one object, largest weight first; counts nothing.

        Parameters
        ----------
        key, selection : Tensor
            (C, 1).
        object_id : int
            The object.
        top : int or None
            Longest list; None: all that answer (``config.top_k``).

        Returns
        -------
        list of MemoryVote
            Frame, place, store and weight of each; all weights of an answer add up to 1.

        Raises
        ------
        MemoryBankError
            If memory is empty, does not know the object, or the key has another shape.
        """
        return explain(self._state, key, selection, object_id, top)

    def held_frames(self) -> tuple[HeldFrame, ...]:
        """List what each frame of the movie left in each store, by frame."""
        return held_frames(self._state)

    def index(self) -> MemoryIndex:
        """Return who would answer which query as memory is now, without the answers; see `MemoryIndex`."""
        return MemoryIndex(self._state)

    def snapshot(self, frame: int) -> MemorySnapshot:
        """Describe memory after a frame.

        Parameters
        ----------
        frame : int
            The frame that was just done.

        Returns
        -------
        MemorySnapshot
            Elements and bytes per store and object; its events are those since the snapshot before.
        """
        return self._state.describe(frame)

    def save(self, path: str | os.PathLike[str], *, fingerprint: str = "") -> None:
        """Write the bank to a safetensors file, which appears when it is whole.

        Parameters
        ----------
        path : str or path
            The file; what stands there is replaced.
        fingerprint : str
            `XMem.fingerprint` of the model whose keys and values these are.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        save_state(self._state, path, fingerprint)
