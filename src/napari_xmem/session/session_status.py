"""Everything worth showing of a session, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.session_states import RunStatus, SessionState

__all__ = ["SessionSnapshot"]


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A session at one moment.

    Attributes
    ----------
    state : SessionState
        What it is doing.
    task : str
        What is or was being done, in words: "propagation", "correction of frame 17", "" before the first.
    frames_done, frames_total : int
        Of the task; a correction may end early.
    frame : int or None
        The frame done last.
    error : BaseException or None
        Why it failed.
    complete : bool
        The task came to its end.
    seeded, corrected, locked : tuple of int
        Frames annotated at first, annotated later, and never to be overwritten.
    with_result : tuple of int
        Frames that have a result.
    undo, redo : str
        What would be undone or done again; empty if nothing.
    """

    state: SessionState
    task: str = ""
    frames_done: int = 0
    frames_total: int = 0
    frame: int | None = None
    error: BaseException | None = None
    complete: bool = False
    seeded: tuple[int, ...] = ()
    corrected: tuple[int, ...] = ()
    locked: tuple[int, ...] = ()
    with_result: tuple[int, ...] = ()
    undo: str = ""
    redo: str = ""

    @classmethod
    def of(cls, context: SessionContext, status: RunStatus) -> Self:
        """Return what a session holds now; call it with the facts locked."""
        said = context.annotations
        return cls(
            status.state,
            status.task,
            status.frames_done,
            status.frames_total,
            status.frame,
            status.error,
            status.complete,
            said.seeded,
            tuple(sorted(said.corrected)),
            tuple(sorted(said.locked)),
            context.results.frames,
            context.history.undo_title,
            context.history.redo_title,
        )
