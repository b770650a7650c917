"""A scope on disk: all memories, and all that is needed to go on exactly where it was."""

from __future__ import annotations

import reprlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_xmem.engine.frame_order import passes_left
from napari_xmem.errors import MemoryBankError
from napari_xmem.imaging import MAX_ID
from napari_xmem.memory import load_state, save_state

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator

    from napari_xmem.engine.backward_finds import LateObjects
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope

__all__ = ["FORMAT", "StoredMemory", "load_memory", "rest_of_run", "save_memory", "save_stored"]

#: Name and version of the format.
FORMAT = "napari-xmem run memory 2"


@dataclass(frozen=True, slots=True, eq=False)
class StoredMemory:
    """What `load_memory` read.

    Attributes
    ----------
    scope : {"global", "local"}
        Kind of the scope it comes from.
    fingerprint : str
        Of the model whose keys and values these are.
    object_ids : tuple of int
        Objects in memory.
    state : dict
        The scope's `state_dict`.
    """

    scope: str
    fingerprint: str
    object_ids: tuple[int, ...]
    state: dict[str, Any]

    @property
    def waiting_frames(self) -> tuple[int, ...]:
        """Frames that are to be yielded and wait in it for the decision on a division."""
        divisions = self.state.get("divisions")
        return (
            ()
            if divisions is None
            else tuple(int(r["frame"]) for r in divisions["waiting"]["results"] if r["reported"])
        )

    @property
    def first_new_id(self) -> int | None:
        """An id above all that were given to objects that began; None if none are given."""
        divisions = self.state.get("divisions")
        return None if divisions is None else int(divisions["new_ids"]["next"])

    def check(self, fingerprint: str, scope: str) -> None:
        """Raise `MemoryBankError` unless it fits a model and a scope."""
        if self.fingerprint != fingerprint:
            raise MemoryBankError(
                f"This memory was made with another model (fingerprint {self.fingerprint!r}, the model chosen has "
                f"{fingerprint!r}). Choose the model it was made with."
            )
        if self.scope != scope:
            raise MemoryBankError(
                f"This memory was made with scope {self.scope!r}, this run has {scope!r}. Choose scope {self.scope!r}."
            )

    def start(self, scope: TrackingScope, object_ids: Collection[int]) -> None:
        """Let a new scope begin another movie with this memory, of the objects that are seeded there."""
        with _fitting():
            scope.start_from(self.state, object_ids)

    def restore(self, scope: TrackingScope) -> None:
        """Let a new scope go on where the stored one was: the same numbers follow."""
        with _fitting():
            scope.load_state_dict(self.state)


def save_memory(scope: TrackingScope, path: str | os.PathLike[str], *, fingerprint: str) -> None:
    """Write a scope; whole or not at all.

    Parameters
    ----------
    scope : TrackingScope
        Between two frames.
    path : path-like
        File to write; replaced if it exists.
    fingerprint : str
        Of the model.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    remembered = tuple(i for bank in scope.banks for i in bank.object_ids)
    whole = {"scope": scope.kind, "object_ids": remembered, "state": scope.state_dict()}
    save_state(path, whole, FORMAT, fingerprint)


def save_stored(memory: StoredMemory, path: str | os.PathLike[str]) -> None:
    """Write again what `load_memory` read; raises as `save_memory`."""
    whole = {"scope": memory.scope, "object_ids": memory.object_ids, "state": memory.state}
    save_state(path, whole, FORMAT, memory.fingerprint)


def load_memory(path: str | os.PathLike[str]) -> StoredMemory:
    """Read what `save_memory` wrote.

    Raises
    ------
    MemoryBankError
        If the file is missing, damaged, or no memory of a run.
    """
    whole, fingerprint = load_state(path, FORMAT)
    scope, ids, state = whole.get("scope", ""), whole.get("object_ids", ""), whole.get("state", "")
    right = scope in ("global", "local") and isinstance(ids, list) and isinstance(state, dict)
    if not right or not all(type(i) is int and 0 < i <= MAX_ID for i in ids):
        raise MemoryBankError(f"{path} is damaged or was written by another version: it lacks a scope or its objects.")
    return StoredMemory(scope, fingerprint, tuple(ids), state)


@contextmanager
def _fitting() -> Iterator[None]:
    """Turn what goes wrong where a stored state is no scope's, or has other shapes, into `MemoryBankError`."""
    try:
        yield
    except (MemoryBankError, MemoryError):
        raise
    except Exception as error:
        detail = reprlib.repr(f"{type(error).__name__}: {error}")
        raise MemoryBankError(
            f"This memory is damaged or does not fit the run: {detail}. Choose another, or run without it."
        ) from error


def rest_of_run(run: Run, n_worked: int, memory: StoredMemory, late: LateObjects | None = None) -> Run:
    """Return what is left of a run after `n_worked` frames, over all passes: the same results as without the stop.

    Parameters
    ----------
    run : Run
        The whole run, prepared again from the same input.
    n_worked : int
        Frames worked on before the stop, also those whose results were not yielded.
    memory : StoredMemory
        Memory after the last of them.
    late : LateObjects, optional
        What they found on frames of later passes; None: nothing.

    Raises
    ------
    MemoryBankError
        If the memory is of another model or scope.
    """
    memory.check(run.network.fingerprint, run.scope)
    passes, interrupted = passes_left(run.passes, n_worked)
    first_new_id = max(run.first_new_id, memory.first_new_id or 0)
    run = replace(run, passes=passes, late=late, first_new_id=first_new_id)
    if not interrupted:
        return run
    fresh = [memory.restore]

    def begin(scope: TrackingScope) -> None:
        start = fresh.pop() if fresh else run.begin
        if start is not None:
            start(scope)

    return replace(run, begin=begin)
