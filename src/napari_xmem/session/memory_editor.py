"""Memory surgery while nothing runs: what memory holds, protect, forget, undo, save, load."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_xmem.engine.state_file import load_memory, save_memory
from napari_xmem.errors import MemoryBankError, SessionError
from napari_xmem.memory import MemoryRow
from napari_xmem.session.runner import AT_REST
from napari_xmem.session.state import SessionState

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.memory import MemoryBank
    from napari_xmem.session.session import TrackingSession

__all__ = ["MemoryEditor"]


class MemoryEditor:
    """Looks into and changes the memory of a session while it is paused or at rest.

    Changes take effect when a paused run goes on. Forgetting a seeded or corrected frame also keeps it out of the
    memory of later corrections.

    Parameters
    ----------
    session : TrackingSession
        Its owner.
    """

    def __init__(self, session: TrackingSession) -> None:
        self._session = session
        self._steps: list[tuple[str, tuple[Callable[[], None], ...], frozenset[int]]] = []

    @property
    def is_open(self) -> bool:
        """True while memory may be looked at and changed: there is one, and nothing runs."""
        return self._session.follower is not None and self._session.state in (SessionState.PAUSED, *AT_REST)

    def contents(self) -> tuple[MemoryRow, ...]:
        """List what each frame left in each store, by frame; empty while something runs."""
        if not self.is_open:
            return ()
        rows: dict[tuple[int, str], tuple[int, set[int]]] = {}
        for bank in self._follower().banks:
            for held in bank.rows():
                elements, ids = rows.setdefault((held.frame, held.store), (0, set()))
                rows[held.frame, held.store] = (elements + held.elements, ids | set(held.object_ids))
        return tuple(
            MemoryRow(frame, store, elements, tuple(sorted(ids)))
            for (frame, store), (elements, ids) in sorted(rows.items())
        )

    @property
    def undo_title(self) -> str:
        """What `undo` would take back; empty if nothing."""
        return self._steps[-1][0] if self._steps else ""

    def protect(self, frames: Iterable[int]) -> None:
        """Make what these frames left in memory permanent.

        Raises
        ------
        SessionError
            If something runs or there is no memory.
        MemoryBankError
            If memory holds nothing of these frames.
        """
        wanted = sorted(set(frames))
        self._change(f"protect frame {_listed(wanted)}", wanted, lambda bank, held: bank.edit.protect(held))

    def forget_frames(self, frames: Iterable[int]) -> None:
        """Forget what these frames left in memory, also if it is permanent; raises as `protect`."""
        wanted = sorted(set(frames))
        annotated = (
            frozenset(wanted) & frozenset(self._session.annotations.labels) - self._session.annotations.forgotten
        )
        self._change(
            f"forget frame {_listed(wanted)}", wanted, lambda bank, held: bank.edit.forget_frames(held), annotated
        )

    def forget_object(self, object_id: int) -> None:
        """Stop following an object and free its memory. Its result so far stays.

        Raises
        ------
        SessionError, MemoryBankError
            As for `protect`; or if memory does not know the object.
        """
        with self._session.turn:
            follower = self._follower()
            if object_id not in follower.object_ids:
                known = sorted(follower.object_ids)
                raise MemoryBankError(f"Memory does not know object {object_id}; it knows {_listed(known)}.")
            self._steps.append((f"forget object {object_id}", (follower.forget(object_id),), frozenset()))

    def undo(self) -> str:
        """Take back the latest change; returns what it was.

        Raises
        ------
        SessionError
            If there is nothing to take back or something runs.
        """
        with self._session.turn:
            self._follower()
            if not self._steps:
                raise SessionError("There is no change of memory left to undo.")
            title, undone, annotated = self._steps.pop()
            for take_back in undone:
                take_back()
            self._session.annotate(
                replace(self._session.annotations, forgotten=self._session.annotations.forgotten - annotated)
            )
            return title

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole memory, so that another session can start from it or go on with it.

        Raises
        ------
        SessionError
            If something runs or there is no memory.
        OutputError
            If the file cannot be written.
        """
        with self._session.turn:
            save_memory(self._follower(), path, fingerprint=self._session.prepare().network.fingerprint)

    def load(self, path: str | os.PathLike[str]) -> tuple[int, ...]:
        """Read a memory that the next propagation of this session starts from; returns the objects it holds.

        Raises
        ------
        MemoryBankError
            If the file is missing, damaged, or of another model or scope.
        SessionError
            If something runs.
        """
        session = self._session
        if session.state not in AT_REST:
            raise SessionError("Memory can be loaded while nothing runs; stop the run first.")
        stored = load_memory(path)
        run = session.prepare()
        stored.check(run.network.fingerprint, run.scope)
        session.start_memory = stored
        return stored.object_ids

    def _change(
        self,
        title: str,
        frames: list[int],
        change: Callable[[MemoryBank, list[int]], None],
        annotated: frozenset[int] = frozenset(),
    ) -> None:
        with self._session.turn:
            changed: list[Callable[[], None]] = []
            found: set[int] = set()
            for bank in self._follower().banks:
                held = sorted({row.frame for row in bank.rows()} & set(frames))
                if held:
                    change(bank, held)
                    changed.append(bank.edit.undo)
                    found |= set(held)
            if not found and not annotated:
                raise MemoryBankError(f"Memory holds nothing of frame {_listed(frames)}.")
            self._session.annotate(
                replace(self._session.annotations, forgotten=self._session.annotations.forgotten | annotated)
            )
            self._steps.append((title, tuple(changed), annotated))

    def _follower(self) -> TrackingScope:
        if self._session.state not in (SessionState.PAUSED, *AT_REST):
            raise SessionError("Memory can be changed while the run is paused or has ended; pause it first.")
        follower = self._session.follower
        if follower is None:
            raise SessionError("There is no memory yet; propagate first.")
        return follower

    def forget_steps(self) -> None:
        """Forget what could be undone, when a new run begins."""
        self._steps.clear()


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
