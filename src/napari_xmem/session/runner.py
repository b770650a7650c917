"""Driving a task frame by frame: begin, pause, resume, cancel, fail; whatever the thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.session.state import SessionSnapshot, SessionState, StateMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_xmem.engine import FrameResult

__all__ = ["Driver", "Task"]

_S = SessionState
AT_REST = (_S.IDLE, _S.FINISHED, _S.FAILED)


class Task(Protocol):
    """Work of a session, done frame by frame."""

    @property
    def title(self) -> str:
        """What is done, in words."""

    @property
    def total(self) -> int:
        """Frames to do, as far as is known."""

    def frames(self) -> Iterator[FrameResult]:
        """Do the work; each result is kept before it is given out."""

    def finish(self, *, complete: bool) -> None:
        """Close the books, also after a cancel or an error."""


class Driver:
    """Does one task at a time, for whoever iterates over `frames`."""

    def __init__(self) -> None:
        self._machine = StateMachine()
        self._turn = threading.RLock()  # held while a frame is computed
        self._facts = threading.RLock()  # held while facts change; never wait for anything with it
        self._task: Task | None = None
        self._iterator: Iterator[FrameResult] | None = None
        self._driving = False
        self._progress = SessionSnapshot(_S.IDLE)

    def _first_task(self) -> Task:
        """Return what is done if nothing else was asked for."""
        raise NotImplementedError

    def _before_frame(self) -> None:
        """Take over settings that changed."""

    @property
    def state(self) -> SessionState:
        """What it is doing."""
        return self._machine.state

    @property
    def turn(self) -> threading.RLock:
        """Lock that is held while a frame is computed."""
        return self._turn

    def frames(self, *, wait: bool = True) -> Iterator[FrameResult]:
        """Do the work, one frame at a time; a new propagation if nothing was begun.

        Parameters
        ----------
        wait : bool
            While paused: True waits here for `resume` (from another thread) or `cancel`; False ends the iteration, and
            iterating again after `resume` goes on.

        Yields
        ------
        FrameResult
            Each frame as it is done; its result is kept in the session before.

        Raises
        ------
        SessionError
            If another thread is iterating, or the session is paused and `wait` is False.
        XMemError
            If something given cannot be used, or a frame fails; frames done stay.
        """
        self._begin(wait)
        try:
            while self._may_go_on(wait):
                result = self._next()
                if result is None:
                    self._end_task(complete=True)
                    return
                yield result
        except GeneratorExit:
            self._machine.try_to(_S.STOPPING, (_S.RUNNING, _S.PAUSED))
            raise
        except XMemError as error:
            self._fail(error)
            raise
        finally:
            self._driving = False
            if self.state is _S.STOPPING:
                self._end_task(complete=False)

    def pause(self) -> None:
        """Wait after the frame at hand; `SessionError` if nothing runs."""
        self._machine.to(_S.PAUSED)

    def resume(self) -> None:
        """Go on after a pause; `SessionError` if it is not paused."""
        self._machine.require((_S.PAUSED,), "Going on")
        self._machine.to(_S.RUNNING)

    def cancel(self) -> None:
        """End after the frame at hand; frames that are done stay. No effect if nothing runs."""
        if self._machine.try_to(_S.STOPPING, (_S.RUNNING, _S.PAUSED)) and not self._driving:
            self._end_task(complete=False)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs; returns False if time ran out."""
        return self._machine.wait(AT_REST, timeout_s)

    def _begin(self, wait: bool) -> None:
        with self._facts:
            if self._driving:
                raise SessionError("Another thread is doing the work of this session.")
            if self.state is _S.PAUSED and not wait:
                raise SessionError("The session is paused; call resume() first.")
            if self.state in AT_REST:
                self._set_task(self._first_task())
            self._driving = True

    def _set_task(self, task: Task) -> None:
        """Take up a task, in place of the present one; the session runs from here on."""
        with self._facts:
            if self.state is not _S.RUNNING:
                self._machine.to(_S.RUNNING)
            self._task, self._iterator = task, None
            self._progress = SessionSnapshot(_S.RUNNING, task.title)

    def _may_go_on(self, wait: bool) -> bool:
        if wait:
            self._machine.wait((_S.RUNNING, _S.STOPPING))
        return self.state is _S.RUNNING

    def _next(self) -> FrameResult | None:
        with self._turn:
            task = self._task
            if task is None:
                return None
            if self._iterator is None:
                self._iterator = task.frames()
            self._before_frame()
            result = next(self._iterator, None)
            if result is not None:
                with self._facts:
                    done = self._progress.frames_done + 1
                    self._progress = replace(
                        self._progress, frames_done=done, frames_total=task.total, frame=result.frame
                    )
            return result

    def _end_task(self, *, complete: bool) -> None:
        self._close_task(complete)
        self._machine.to(_S.FINISHED)

    def _fail(self, error: XMemError) -> None:
        self._close_task(complete=False)
        self._progress = replace(self._progress, error=error)
        self._machine.to(_S.FAILED)

    def _close_task(self, complete: bool) -> None:
        with self._turn:
            task, iterator = self._task, self._iterator
            self._task = self._iterator = None
            if iterator is not None and hasattr(iterator, "close"):
                iterator.close()
            if task is not None:
                task.finish(complete=complete)
