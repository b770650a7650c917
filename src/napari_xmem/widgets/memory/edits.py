"""Changes of memory by hand: protect, forget, undo, save and load; all can be called from scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import SessionError
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.status_text import some
from napari_xmem.widgets.jobs.threads import JobControl, handle_events_until, in_plain_words, start_job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from napari_xmem.errors import XMemError
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.common.status import StatusLine

__all__ = ["MemoryEdits"]


class MemoryEdits(QObject):
    """What the buttons of the Memory dock do to the memory of a session.

    Parameters
    ----------
    find_session : callable
        Returns the session whose memory is shown, None if there is none.
    status : StatusLine
        Says what was done, and what went wrong.
    parent : QObject
        Owner.
    """

    changed = Signal()
    busy_changed = Signal(bool)

    def __init__(self, find_session: Callable[[], TrackingSession | None], status: StatusLine, parent: QObject) -> None:
        super().__init__(parent)
        self._find_session, self._status = find_session, status
        self._control: JobControl | None = None

    @property
    def is_busy(self) -> bool:
        """True while a file is written or read, or a frame finished that has to be before a change."""
        return self._control is not None

    def protect_frames(self, frames: Iterable[int]) -> None:
        """Never forget what these frames left in memory."""
        wanted = sorted(frames)
        self._change(lambda session: session.memory.protect(wanted), f"Frame {some(wanted)} is protected.")

    def forget_frames(self, frames: Iterable[int]) -> None:
        """Remove what these frames left in memory."""
        wanted = sorted(frames)
        self._change(lambda session: session.memory.forget_frames(wanted), f"Frame {some(wanted)} is forgotten.")

    def forget_object(self, object_id: int) -> None:
        """Stop following an object."""
        self._change(
            lambda session: session.memory.forget_object(object_id), f"Object {object_id} is no longer followed."
        )

    def undo(self) -> None:
        """Undo the latest change of memory."""
        session = self._find_session()
        self._change(lambda session: session.memory.undo(), f"Undone: {session.memory.undo_title if session else ''}.")

    def save(self, path: Any, *, wait: bool = True) -> None:
        """Write the memory to a file; comes back when that is done, if `wait`."""
        self._in_thread(lambda session: session.memory.save(path), f"Memory is saved in {Path(path).name}.", wait=wait)

    def load(self, path: Any, *, wait: bool = True) -> None:
        """Start the next run of this session from a saved memory; comes back when it is read, if `wait`."""
        done = f"The next run of this result starts from {Path(path).name}."
        self._in_thread(lambda session: session.memory.load(path), done, wait=wait)

    def _require(self) -> TrackingSession:
        session = self._find_session()
        if session is None:
            raise SessionError("There is no run yet; propagate first.")
        if self.is_busy:
            raise SessionError("The last step is not done yet; wait for its end.")
        return session

    def _change(self, change: Callable[[TrackingSession], Any], done: str) -> None:
        session = self._find_session()
        if session is not None and session.runner.is_inside_frame and not self.is_busy:
            self._in_thread(change, done, "Finishing the frame at hand ...", wait=False)
            return
        try:
            change(self._require())
        except Exception as error:
            self._show_error(in_plain_words(error))
        else:
            self._status.show_text(f"{done} {_use(session)}".rstrip(), "good")
        self.changed.emit()

    def _in_thread(
        self, work: Callable[[TrackingSession], Any], done: str, meanwhile: str = "One moment ...", *, wait: bool
    ) -> None:
        try:
            session = self._require()
        except SessionError as error:
            self._show_error(error)
            return
        self._control = JobControl()
        self._status.show_text(meanwhile)
        self.busy_changed.emit(True)
        start_job(
            _in_a_thread, work, session, control=self._control, owner=self,
            message=lambda _: None, failed=self._show_error,
            ended=lambda _: self._status.show_text(done, "good"), closed=self._on_file_closed,
        )  # fmt: skip
        if wait:
            handle_events_until(self.busy_changed, lambda: not self.is_busy)

    def _on_file_closed(self) -> None:
        self._control = None
        self.changed.emit()
        self.busy_changed.emit(False)

    def _show_error(self, error: XMemError) -> None:
        self._status.show_text(str(error), "bad", error_details(error))
        show_error(str(error))


def _use(session: TrackingSession | None) -> str:
    """Say what a change of memory is good for where it does not act by itself."""
    if session is None or session.state.value == "paused":
        return ""
    return "The run has ended: this counts for Save memory and what starts from it, not for the result or corrections."


def _in_a_thread(
    control: JobControl, work: Callable[[TrackingSession], Any], session: TrackingSession
) -> Generator[None, None, None]:
    yield None
    work(session)
