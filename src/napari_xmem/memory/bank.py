"""The memory bank: one set of keys, shared by its objects. See docs/memory.md for the life of an element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from napari_xmem.config.arguments import checked_arguments
from napari_xmem.memory.affinity import CHUNK_ELEMENTS
from napari_xmem.memory.distractors import Contest, store_of, worth_of_frame
from napari_xmem.memory.edits import BankEditor, take_out
from napari_xmem.memory.files import check_fingerprint, damaged, load_state, save_state
from napari_xmem.memory.limits import Policies, enforce_limits
from napari_xmem.memory.recall import MemoryIndex, MemoryVote, explain, give_feedback, recall
from napari_xmem.memory.state import BankState, check_frame
from napari_xmem.memory.state_checks import check_bank_state
from napari_xmem.memory.store import ElementTable, PackedKeys

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping, Sequence

    from napari_xmem.config import MemoryConfig
    from napari_xmem.memory.snapshot import MemoryRow, MemorySizes, MemorySnapshot

__all__ = ["MemoryBank"]

#: Name and version of the format of files.
FORMAT = "napari-xmem memory 2"


class MemoryBank:
    """Working, long-term and permanent memory of some objects that share keys.

    With ``config.permanent_seeds`` False this is the memory of XMem: the first memorised frame stays permanently, and
    when ``working_max_frames`` frames are held, all between the first and the newest ``working_min_frames - 1`` are
    consolidated. With it, permanent frames stand apart and together count as that first frame. Limits count frames,
    whatever their number of elements.

    What a person changes by hand is its part ``edit``, a `BankEditor`.

    Parameters
    ----------
    config : MemoryConfig
        Limits and policies; a wrong policy name raises `ConfigError`.
    key_dim, value_dim : int
        Channels C and V of keys and values.
    device : torch.device, optional
        Where elements are kept and read; answers go to where the query came from. With the host's memory here, a
        device with little of its own can hold a long memory. None: where the first frame comes from.
    """

    def __init__(
        self, config: MemoryConfig, *, key_dim: int, value_dim: int, device: torch.device | None = None
    ) -> None:
        self._state = BankState(config, key_dim, value_dim)
        self._device = device
        self._policies = Policies.of(config)
        self.edit = BankEditor(self._state)

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

    def rows(self) -> tuple[MemoryRow, ...]:
        """List what each frame of the movie left in each store, by frame."""
        return self._state.rows()

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
        self.edit.mark_reported()
        return self._state.describe(frame)

    @torch.no_grad()
    def add(
        self,
        frame: int,
        key: Tensor,
        shrinkage: Tensor,
        selection: Tensor | None,
        values: Tensor,
        object_ids: Sequence[int],
        *,
        permanent: bool = False,
        positions: Tensor | None = None,
        contests: Sequence[Contest] = (),
    ) -> None:
        """Memorise one frame, then consolidate and evict as the configuration says.

        Parameters
        ----------
        frame : int
            Index in the movie, kept as provenance; order in memory is the order of adding.
        key : Tensor
            (C, n) float.
        shrinkage : Tensor
            (n,) or (1, n).
        selection : Tensor or None
            (C, n).
        values : Tensor
            (N, V, n), one entry for each of ``object_ids``. The first frame decides in which type values are kept.
        object_ids : sequence of int
            N ids; new ones join, known ones that are missing are simply not held by this frame.
        permanent : bool
            The frame was seeded or corrected; ignored unless ``config.permanent_seeds``.
        positions : Tensor or None
            (n, 2) y, x in pixels of the movie.
        contests : sequence of Contest
            How objects fared against what looks like them, see `napari_xmem.memory.distractors`.

        Raises
        ------
        MemoryBankError
            If shapes do not fit each other or what the bank holds.
        """
        check_frame(self._state, key, shrinkage, selection, values, object_ids, positions)
        packed = PackedKeys.of(key, shrinkage.reshape(-1), selection, positions)
        with_selection = selection is not None
        self.add_packed(
            frame, packed, values, object_ids, permanent=permanent, with_selection=with_selection, contests=contests
        )

    @torch.no_grad()
    def add_packed(
        self,
        frame: int,
        keys: PackedKeys,
        values: Tensor,
        object_ids: Sequence[int],
        *,
        permanent: bool = False,
        with_selection: bool = True,
        contests: Sequence[Contest] = (),
    ) -> None:
        """Memorise one frame whose keys were packed before, for many banks at once; unchecked, else as `add`."""
        state, values = self._state, self._home(values)
        keys = PackedKeys(self._home(keys.looks), self._home(keys.source))
        if state.table is None or not len(state.table):
            state.with_selection = with_selection
        if state.table is None:
            state.table = ElementTable(state.key_dim, state.value_dim, values.device, values.dtype)
        for object_id in object_ids:
            if object_id not in state.table.object_ids:
                state.table.add_object(object_id)
        lasting = permanent and state.config.permanent_seeds
        worth = 0.0 if permanent else worth_of_frame(state, contests, frame)
        state.table.append_packed(
            keys,
            frame,
            state.next_block,
            store_of(permanent=lasting, worth=worth),
            {object_id: value.T for object_id, value in zip(object_ids, values, strict=True)},
        )
        state.count_frame(frame, keys.looks.shape[0], lasting=lasting, worth=worth)
        enforce_limits([(state, self._policies)])

    @torch.no_grad()
    def read(
        self,
        key: Tensor,
        selection: Tensor | None = None,
        *,
        object_ids: Sequence[int] | None = None,
        frame: int | None = None,
        chunk_elements: int = CHUNK_ELEMENTS,
        count: bool = True,
    ) -> Tensor:
        """Answer the queries of one frame and count who answered.

        Usage is counted with the affinity of the objects held longest, as in XMem; elements that hold none of these
        are counted with the next objects that they hold.

        Parameters
        ----------
        key : Tensor
            (C, q).
        selection : Tensor or None
            (C, q).
        object_ids : sequence of int or None
            N ids; None: all.
        frame : int or None
            The frame that asks, for the log.
        chunk_elements : int
            Similarities of queries and elements held at a time, about 12 bytes each; bounds memory only.
        count : bool
            False: the bank is left exactly as it was, for a look that teaches nothing.

        Returns
        -------
        Tensor
            (N, V, q) in the type of the values memorised; zeros for an object that no element holds.

        Raises
        ------
        MemoryBankError
            If memory is empty or an id is unknown.
        """
        state = self._state
        ids = state.object_ids if object_ids is None else tuple(object_ids)
        state.filled()
        state.check_known(ids)
        if frame is not None and count:
            state.frame = frame
        at_home = None if selection is None else self._home(selection)
        return recall(state, self._home(key), at_home, ids, chunk_elements, count=count).to(key.device)

    def _home(self, tensor: Tensor) -> Tensor:
        """Bring a tensor to where elements are kept."""
        return tensor if self.device is None else tensor.to(self.device)

    @property
    def wants_feedback(self) -> bool:
        """Whether `feedback` makes a difference with these settings; if not it need not be called."""
        return self._policies.use_feedback(self.config)

    @property
    def wants_own_pixels(self) -> bool:
        """Whether `feedback` wants each query's share of the object's own pixels instead of confidence."""
        return self._policies.own_pixels

    @torch.no_grad()
    def feedback(self, confidence: Tensor) -> None:
        """Say how confident and correct the predictions for the queries of the last read were.

        Call it between a read and the next change of memory; after a change nobody is left to credit and the call does
        nothing.

        Parameters
        ----------
        confidence : Tensor
            (q,) in 0..1.
        """
        give_feedback(self._state, self._home(confidence))

    def take_out(self, frames: Collection[int], why: str) -> int:
        """Forget what some frames left in working and long-term memory; the first frame and permanent memory stay.

        Parameters
        ----------
        frames : collection of int
            Frames of the movie; those that left nothing are passed over.
        why : str
            For the log.

        Returns
        -------
        int
            Elements that went.
        """
        return take_out(self._state, frames, why)

    def reconfigure(self, config: MemoryConfig) -> None:
        """Go on with other limits and policies, from the next frame on; a wrong policy name raises `ConfigError`."""
        self._policies = Policies.of(config)
        self._state.config = config
        self._state.refresh()

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly here: nested plain values and tensors, which are views."""
        return self._state.state_dict()

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], device: torch.device) -> Self:
        """Return an independent bank that goes on where `state_dict` was taken; undo starts afresh.

        Parameters
        ----------
        state : mapping
            From `state_dict`, or from a file.
        device : torch.device
            Where to keep it.

        Raises
        ------
        ValueError, KeyError, TypeError, ConfigError
            If the state is another class's, was made by another version, or is damaged.
        """
        check_bank_state(state)
        made = BankState.from_state_dict(state, device)
        bank = cls(made.config, key_dim=made.key_dim, value_dim=made.value_dim, device=device)
        bank._state.become(made)
        return bank

    def fork(self, new_id: int | None = None) -> MemoryBank:
        """Return an independent bank that holds the same; undo starts afresh.

        `new_id`: the id under which the fork of a bank of one object holds it.
        """
        state = self._state
        other = MemoryBank(state.config, key_dim=state.key_dim, value_dim=state.value_dim, device=self._device)
        other._state.become(state.copy())
        if new_id is not None and other._state.table is not None:
            (object_id,) = other._state.object_ids
            other._state.table.rename_object(object_id, new_id)
            other._state.refresh()
        return other

    @checked_arguments
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
        save_state(path, self.state_dict(), FORMAT, fingerprint)

    @classmethod
    @checked_arguments
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        fingerprint: str | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Read a bank that goes on exactly where the saved one was; undo starts afresh.

        Parameters
        ----------
        path : str or path
            A file written by `save`.
        fingerprint : str, optional
            Of the model it is to be used with; None: do not check.
        device : torch.device or str
            Where to keep it.

        Raises
        ------
        MemoryBankError
            If the file is missing, damaged, no memory, or made with a model of another fingerprint.
        """
        state, made_with = load_state(path, FORMAT)
        check_fingerprint(path, made_with, fingerprint)
        try:
            return cls.from_state_dict(state, torch.device(device))
        except Exception as error:
            raise damaged(path, error) from error
