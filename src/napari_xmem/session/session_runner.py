"""The one state machine of a session: what it does, who may drive it, and who may change it meanwhile.

The states are in `napari_xmem.session.session_states`.

Two locks. The **turn** is held by whoever works on memory and results: the driving thread for one frame at a time, or
an edit (a correction that is taken up, undo, an edit of memory, saving). The **facts** lock guards the state and all
facts about it; it is held for moments, never while a frame is computed, a callback is called, or the turn or another
thread is waited for. So whoever holds the turn may take the facts lock, never the other way round, and a snapshot
never waits for a frame.

A thread that drives has a ticket. Whoever ends or replaces the task takes the ticket away, and the thread that had it
notices before its next frame. Work on a frame is never taken away from a thread; a cancelled frame is given up by its
own thread, between two layers of the network. There it also waits while paused, if it was told to stay. It then still
holds the turn; whoever needs that makes it finish the frame, and waits for it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from napari_xmem.engine.interruption import FrameInterrupted, interruptible
from napari_xmem.errors import SessionError
from napari_xmem.session.session_states import AT_REST, SENTENCES, SETTLED, TRANSITIONS, RunStatus, SessionState, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    from napari_xmem.engine import FrameResult

__all__ = ["SessionRunner"]


_S = SessionState
T = TypeVar("T", bound=Task)

#: A thread that waits inside a frame looks this often whether it is to stay.
GLANCE_S = 0.05


class SessionRunner:
    """Does one task at a time, for whoever iterates over `frames`.

    Parameters
    ----------
    first_task : callable
        Returns the task that is done if nothing else was asked for.
    before_frame : callable
        Called before every frame, with the turn held.
    facts : RLock
        Guards the state; shared with what else the session knows.
    """

    def __init__(
        self, first_task: Callable[[], Task], before_frame: Callable[[], None], facts: threading.RLock
    ) -> None:
        self.turn = threading.RLock()
        self._changed = threading.Condition(facts)
        self._first_task, self._before_frame = first_task, before_frame
        self._status = RunStatus()
        self._task: Task | None = None
        self._iterator: Iterator[FrameResult] | None = None
        self._ticket: object | None = None
        self._worker: int | None = None  # the thread that computes a frame now
        self._n_need_turn = 0

    # ---- looking

    @property
    def status(self) -> RunStatus:
        """How far the run is, at one moment."""
        return self._status

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._status.state

    @property
    def task(self) -> Task | None:
        """The task at hand; None at rest."""
        return self._task

    @property
    def must_stop(self) -> bool:
        """True once the task at hand was cancelled."""
        return self.state is _S.STOPPING

    @property
    def is_inside_frame(self) -> bool:
        """True while it is paused in the middle of a frame."""
        return self.state is _S.PAUSED and self._worker is not None

    # ---- driving

    def frames(
        self, *, wait: bool = True, stay: Callable[[], bool] | None = None
    ) -> Generator[FrameResult, None, None]:
        """Do the work, see `napari_xmem.session.TrackingSession.frames`."""
        may_stay = stay or (lambda: wait)
        ticket = self._take_ticket(wait)
        try:
            while (result := self._advance(ticket, wait, may_stay)) is not None:
                yield result
        except GeneratorExit:
            self._end(ticket)
            raise
        except BaseException as error:
            self._end(ticket, error=error)
            raise

    def pause(self) -> None:
        """Wait inside the frame at hand, or after it; `SessionError` if nothing runs."""
        with self._changed:
            if self.state in (_S.PAUSING, _S.PAUSED):
                return
            self._require({_S.RUNNING}, "A pause")
            self._to(_S.PAUSING)
            self._settle_pause()

    def resume(self) -> None:
        """Go on after a pause; `SessionError` if it is not paused."""
        with self._changed:
            self._require({_S.PAUSED, _S.PAUSING}, "Going on")
            self._to(_S.RUNNING)

    def cancel(self) -> None:
        """End after the frame at hand, or inside it where the engine lets go; frames that are done stay."""
        with self._changed:
            if self.state not in (_S.RUNNING, _S.PAUSING, _S.PAUSED):
                return
            self._to(_S.STOPPING)
            if self._worker is not None:
                return  # its thread closes the task
            claimed = self._claim()
        self._close(*claimed)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs; returns False if time ran out."""
        with self._changed:
            self._refuse_worker("Waiting for the end")
            return self._changed.wait_for(lambda: self.state in AT_REST, timeout_s)

    # ---- changing something meanwhile

    @contextmanager
    def hold(self, what: str, states: Collection[SessionState] = SETTLED) -> Iterator[None]:
        """Hold the turn while something is changed; waits for a frame at hand if a pause was asked for.

        Raises
        ------
        SessionError
            If the session is in none of `states`, or this thread is in the middle of a frame.
        """
        with self._changed:
            self._refuse_worker(what)
            if self.state is _S.PAUSED:
                self._require(states, what)
            with self._needs_turn():
                self._changed.wait_for(self._is_between_frames)
            self._require(states, what)
        with self.turn:
            self._require(states, what)
            yield

    @contextmanager
    def between_frames(self, what: str) -> Iterator[None]:
        """Hold the turn, whatever runs: waits for the frame at hand, and the next one waits.

        Raises
        ------
        SessionError
            If this thread is in the middle of a frame.
        """
        with self._changed:
            self._refuse_worker(what)
        with self._needs_turn():
            self.turn.acquire()
        try:
            yield
        finally:
            self.turn.release()

    @contextmanager
    def at_rest(self) -> Iterator[bool]:
        """Say whether nobody works on memory and results now; if so, nobody does until the end. Never waits."""
        if self.turn.acquire(blocking=False):
            try:
                yield self.state in SETTLED
            finally:
                self.turn.release()
            return
        with self._changed:
            yield self.is_inside_frame and not self._n_need_turn

    def take_up(self, make: Callable[[], T], what: str) -> T:
        """Make a task and start it, in place of a paused one; call it with the turn held.

        Raises
        ------
        SessionError
            If something runs.
        """
        with self._changed:
            self._require(SETTLED, what)
            before = self._status
            claimed = self._claim()
            self._to(_S.PREPARING)
        rest = _S.FINISHED if before.state is _S.PAUSED else before.state
        try:
            _finish(*claimed, complete=False)
            task = make()
        except BaseException:
            with self._changed:
                self._to(rest)
            raise
        with self._changed:
            self._start(task)
        return task

    # ---- inside

    def _take_ticket(self, wait: bool) -> object:
        with self._changed:
            if self._ticket is not None:
                raise SessionError("Another thread is doing the work of this session.")
            if self.state in (_S.PAUSING, _S.PAUSED) and not wait:
                raise SessionError("The session is paused; call resume() first.")
            if self.state in AT_REST:
                self._start(self._first_task())
            self._require({_S.RUNNING, _S.PAUSED}, "A run")
            self._ticket = object()
            return self._ticket

    def _advance(self, ticket: object, wait: bool, may_stay: Callable[[], bool]) -> FrameResult | None:
        """Do one frame; None if there is no more, or nothing to be done now."""
        result, failed, over, interrupted = None, True, False, False
        try:
            if not self._enter(ticket, wait):
                return None
            with self.turn:
                if self._iterator is None and self._task is not None:
                    self._iterator = self._task.frames()
                self._before_frame()
                with interruptible(lambda: self._let_go(may_stay)):
                    result = next(self._iterator, None) if self._iterator is not None else None
            failed = False
        except FrameInterrupted:
            failed, interrupted = False, True
        finally:
            with self._changed:
                if self._ticket is ticket and self._worker is not None:
                    self._worker = None
                    over = not failed and (result is None or self.state is _S.STOPPING)
                    self._count(result)
                    if not failed and not over:
                        self._settle_pause()
        if over:
            self._end(ticket, complete=result is None and not interrupted)
        return result

    def _let_go(self, may_stay: Callable[[], bool]) -> bool:
        """Wait in the middle of a frame while paused; says whether the frame is to be given up."""
        if self.state is _S.RUNNING:
            return False
        with self._changed:
            while self.state in (_S.PAUSING, _S.PAUSED) and not self._n_need_turn and may_stay():
                if self.state is _S.PAUSING:
                    self._to(_S.PAUSED)
                self._changed.wait(GLANCE_S)
            if self.state is _S.PAUSED:
                self._to(_S.PAUSING)
            return self.must_stop

    @contextmanager
    def _needs_turn(self) -> Iterator[None]:
        """Have a thread that waits inside a frame finish it."""
        with self._changed:
            self._n_need_turn += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._n_need_turn -= 1

    def _is_between_frames(self) -> bool:
        return self.state not in (_S.PAUSING, _S.STOPPING, _S.PREPARING) and not self.is_inside_frame

    def _enter(self, ticket: object, wait: bool) -> bool:
        """Wait while paused; says whether this thread may do a frame now."""
        with self._changed:
            while wait and self._ticket is ticket and self.state is _S.PAUSED:
                self._changed.wait()
            if self._ticket is not ticket:
                return False
            if self.state is not _S.RUNNING:
                self._ticket = None
                return False
            self._worker = threading.get_ident()
            return True

    def _count(self, result: FrameResult | None) -> None:
        if result is not None and self._task is not None:
            done, total = self._status.frames_done + 1, self._task.total
            self._status = replace(self._status, frames_done=done, frames_total=total, frame=result.frame)

    def _settle_pause(self) -> None:
        if self._worker is None and self.state is _S.PAUSING:
            self._to(_S.PAUSED)

    def _start(self, task: Task) -> None:
        self._to(_S.RUNNING)
        self._task, self._iterator = task, None
        self._status = RunStatus(_S.RUNNING, task.title)

    def _end(self, ticket: object, *, complete: bool = False, error: BaseException | None = None) -> None:
        """End the task, unless somebody else did."""
        with self._changed:
            if self._ticket is not ticket:
                return
            self._worker = None
            if self.state is not _S.STOPPING:
                self._to(_S.STOPPING)
            claimed = self._claim()
        self._close(*claimed, complete=complete, error=error)

    def _claim(self) -> tuple[Task | None, Iterator[FrameResult] | None]:
        """Take the task away from whoever drives it."""
        claimed = self._task, self._iterator
        self._task = self._iterator = self._ticket = None
        return claimed

    def _close(
        self,
        task: Task | None,
        iterator: Iterator[FrameResult] | None,
        *,
        complete: bool = False,
        error: BaseException | None = None,
    ) -> None:
        try:
            with self.turn:
                _finish(task, iterator, complete=complete)
        except BaseException as other:
            error = error or other
            if error is other:
                raise
        finally:
            with self._changed:
                self._to(_S.FINISHED if error is None else _S.FAILED)
                self._status = replace(self._status, error=error, complete=complete and error is None)

    def _to(self, state: SessionState) -> None:
        if state not in TRANSITIONS[self.state]:
            raise SessionError(f"The session {SENTENCES[self.state]}, so it cannot become {state.value}.")
        self._status = replace(self._status, state=state)
        self._changed.notify_all()

    def _require(self, states: Collection[SessionState], what: str) -> None:
        if self.state not in states:
            raise SessionError(f"{what} is not possible now: the session {SENTENCES[self.state]}.")

    def _refuse_worker(self, what: str) -> None:
        if self._worker == threading.get_ident():
            raise SessionError(f"{what} is not possible in the middle of a frame; do it between two frames.")


def _finish(task: Task | None, iterator: Iterator[FrameResult] | None, *, complete: bool) -> None:
    try:
        if iterator is not None and hasattr(iterator, "close"):
            iterator.close()
    finally:
        if task is not None:
            task.finish(complete=complete)
