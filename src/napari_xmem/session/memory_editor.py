"""Editing what memory holds while nothing runs: protect, forget, undo, save, load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_xmem.config.arguments import checked_methods
from napari_xmem.engine.state_file import load_memory, save_memory
from napari_xmem.errors import MemoryBankError, SessionError
from napari_xmem.memory import MemoryRow
from napari_xmem.session.session_states import AT_REST, SETTLED
from napari_xmem.words import frames_named, number_list

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.engine.state_file import StoredMemory
    from napari_xmem.memory import MemoryBank
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.session_runner import SessionRunner

__all__ = ["MemoryEditor"]


@dataclass(frozen=True, slots=True, eq=False)
class _Edit:
    """A step that can be undone, as long as the memory it changed is the session's."""

    title: str
    follower: TrackingScope
    undo: tuple[Callable[[], None], ...]
    forgotten: frozenset[int] = frozenset()


@checked_methods
class MemoryEditor:
    """Looks into and changes the memory of a session while it is paused or at rest.

    Changes take effect when a paused run goes on. They belong to the memory of the run in which they were made: the
    next run or correction begins with a memory of its own, and they can no longer be undone. Forgetting an annotated
    frame also keeps it out of later runs and corrections, until `remember_frames`.

    Parameters
    ----------
    context : SessionContext
        Whose memory.
    runner : SessionRunner
        Says when it may be changed.
    """

    def __init__(self, context: SessionContext, runner: SessionRunner) -> None:
        self._context, self._runner = context, runner
        self._edits: list[_Edit] = []
        self._rows: tuple[MemoryRow, ...] = ()

    @property
    def is_open(self) -> bool:
        """True while memory may be looked at and changed: there is one, and nothing runs."""
        return self._context.follower is not None and self._runner.state in SETTLED

    def contents(self) -> tuple[MemoryRow, ...]:
        """List what each frame left in each store, by frame; empty while something runs.

        Never waits: while memory is being edited or saved, it says what was there when it was last asked.
        """
        if not self.is_open:
            return ()
        with self._runner.at_rest() as may_look:
            if may_look:
                self._rows = self._list()
            return self._rows

    def _list(self) -> tuple[MemoryRow, ...]:
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
        edits = self._edits_of_this_memory()
        return edits[-1].title if edits else ""

    @property
    def loaded(self) -> StoredMemory | None:
        """The memory from a file that the next propagation starts from."""
        return self._context.start_memory

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
        with self._runner.hold("Protecting"):
            self._change(f"protect {frames_named(wanted, 5)}", wanted, lambda bank, held: bank.edit.protect(held))

    def forget_frames(self, frames: Iterable[int]) -> None:
        """Forget what these frames left in memory, also if it is permanent; raises as `protect`."""
        wanted = sorted(set(frames))
        with self._runner.hold("Forgetting"):
            said = self._context.annotations
            forgotten = frozenset(wanted) & frozenset(said.labels) - said.forgotten
            self._change(
                f"forget {frames_named(wanted, 5)}", wanted, lambda bank, held: bank.edit.forget_frames(held), forgotten
            )

    def remember_frames(self, frames: Iterable[int]) -> None:
        """Let later runs and corrections learn from annotated frames again that were forgotten."""
        with self._context.facts:
            said = self._context.annotations
            self._context.annotate(replace(said, forgotten=said.forgotten - frozenset(frames)))

    def forget_object(self, object_id: int) -> str:
        """Stop following an object in this run and free its memory. Its result so far stays.

        Parameters
        ----------
        object_id : int
            The object.

        Returns
        -------
        str
            What becomes of the object, in a sentence.

        Raises
        ------
        SessionError, MemoryBankError
            As for `protect`; or if memory does not know the object.
        """
        with self._runner.hold("Forgetting"):
            follower = self._follower()
            if object_id not in follower.object_ids:
                known = sorted(follower.object_ids)
                raise MemoryBankError(f"Memory does not know object {object_id}; it knows {number_list(known, 5)}.")
            self._add(_Edit(f"forget object {object_id}", follower, (follower.forget(object_id),)))
        painted = [t for t, packed in self._context.annotations.labels.items() if (packed.unpack() == object_id).any()]
        again = f"a new run follows it again from frame {min(painted)}, where it is painted" if painted else ""
        return f"Object {object_id} is no longer followed by this run; what was found stays" + (
            f", and {again}. end_object ends it for good." if again else "."
        )

    def undo(self) -> str:
        """Take back the latest change; returns what it was.

        Raises
        ------
        SessionError
            If there is nothing to undo or something runs.
        """
        with self._runner.hold("Undo"):
            self._follower()
            edits = self._edits_of_this_memory()
            if not edits:
                raise SessionError("There is no change of memory left to undo.")
            edit = edits.pop()
            for take_back in edit.undo:
                take_back()
            with self._context.facts:
                said = self._context.annotations
                self._context.annotate(replace(said, forgotten=said.forgotten - edit.forgotten))
            return edit.title

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole memory, so that another session can start from it or go on with it.

        Raises
        ------
        SessionError
            If something runs or there is no memory.
        OutputError
            If the file cannot be written.
        """
        with self._runner.hold("Saving memory"):
            save_memory(self._follower(), path, fingerprint=self._context.current_run().network.fingerprint)

    def load(self, path: str | os.PathLike[str]) -> tuple[int, ...]:
        """Read a memory that the next propagation of this session starts from; returns the objects it holds.

        Raises
        ------
        MemoryBankError
            If the file is missing, damaged, or of another model or scope.
        SessionError
            If something runs.
        """
        with self._runner.hold("Loading memory", AT_REST):
            stored = load_memory(path)
            run = self._context.prepare()
            stored.check(run.network.fingerprint, run.scope)
            self._context.start_memory = stored
            return stored.object_ids

    def _change(
        self,
        title: str,
        frames: list[int],
        change: Callable[[MemoryBank, list[int]], None],
        forgotten: frozenset[int] = frozenset(),
    ) -> None:
        follower = self._follower()
        changed: list[Callable[[], None]] = []
        found: set[int] = set()
        known: set[int] = set()
        for bank in follower.banks:
            known |= (there := {row.frame for row in bank.rows()})
            held = sorted(there & set(frames))
            if held:
                change(bank, held)
                changed.append(bank.edit.undo)
                found |= set(held)
        if not frames and not forgotten:
            raise MemoryBankError("There is no frame to change; choose frames that memory holds.")
        if not found and not forgotten:
            raise MemoryBankError(
                f"Memory holds nothing of {frames_named(frames, 12)}; "
                f"it holds {frames_named(known, 12) if known else 'no frame at all'}."
            )
        with self._context.facts:
            said = self._context.annotations
            self._context.annotate(replace(said, forgotten=said.forgotten | forgotten))
        self._add(_Edit(title, follower, tuple(changed), forgotten))

    def _add(self, edit: _Edit) -> None:
        self._edits_of_this_memory().append(edit)

    def _edits_of_this_memory(self) -> list[_Edit]:
        """Return the edits that can be undone; those of another run's memory are let go."""
        if self._edits and self._edits[-1].follower is not self._context.follower:
            self._edits = []
        return self._edits

    def _follower(self) -> TrackingScope:
        follower = self._context.follower
        if follower is None:
            raise SessionError("There is no memory yet; propagate first.")
        return follower
