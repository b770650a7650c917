"""What a session is doing: an explicit state machine, and a snapshot of everything worth showing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from napari_xmem.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.errors import XMemError

__all__ = ["TRANSITIONS", "SessionSnapshot", "SessionState", "StateMachine"]


class SessionState(Enum):
    """What a session is doing.

    ::

        IDLE --> RUNNING <--> PAUSED
                 |  ^  |         |
                 |  |  +--> STOPPING --> FINISHED, FAILED
                 v  |
          FINISHED, FAILED
    """

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"


_S = SessionState
#: From each state, the states that may follow.
TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    _S.IDLE: frozenset({_S.RUNNING}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.STOPPING, _S.FINISHED, _S.FAILED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.STOPPING, _S.FAILED}),
    _S.STOPPING: frozenset({_S.FINISHED, _S.FAILED}),
    _S.FINISHED: frozenset({_S.RUNNING}),
    _S.FAILED: frozenset({_S.RUNNING}),
}
_SENTENCES = {
    _S.IDLE: "has not been started",
    _S.RUNNING: "is running; pause or cancel it first",
    _S.PAUSED: "is paused; resume or cancel it first",
    _S.STOPPING: "is stopping; wait for its end",
    _S.FINISHED: "has ended",
    _S.FAILED: "has failed",
}


class StateMachine:
    """The state of a session, safe to use from any thread."""

    def __init__(self) -> None:
        self._state = SessionState.IDLE
        self._changed = threading.Condition(threading.RLock())

    @property
    def state(self) -> SessionState:
        """The state now."""
        with self._changed:
            return self._state

    def to(self, state: SessionState) -> None:
        """Go to another state.

        Raises
        ------
        SessionError
            If that state may not follow the present one.
        """
        with self._changed:
            if state not in TRANSITIONS[self._state]:
                raise SessionError(f"The session {_SENTENCES[self._state]}, so it cannot become {state.value}.")
            self._state = state
            self._changed.notify_all()

    def try_to(self, state: SessionState, sources: Collection[SessionState]) -> bool:
        """Go to another state if the present one is among `sources`; says whether it did."""
        with self._changed:
            if self._state not in sources:
                return False
            self.to(state)
            return True

    def require(self, states: Collection[SessionState], what: str) -> None:
        """Raise `SessionError` unless the session is in one of `states`."""
        state = self.state
        if state not in states:
            raise SessionError(f"{what} is not possible now: the session {_SENTENCES[state]}.")

    def wait(self, states: Collection[SessionState], timeout_s: float | None = None) -> bool:
        """Wait until the session is in one of `states`; returns False if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state in states, timeout_s)


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
    error : XMemError or None
        Why it failed.
    seeded, corrected, locked : tuple of int
        Frames given at first, given later, and never to be overwritten.
    with_result : tuple of int
        Frames that have a result.
    undo, redo : str
        What would be taken back or done again; empty if nothing.
    """

    state: SessionState
    task: str = ""
    frames_done: int = 0
    frames_total: int = 0
    frame: int | None = None
    error: XMemError | None = None
    seeded: tuple[int, ...] = ()
    corrected: tuple[int, ...] = ()
    locked: tuple[int, ...] = ()
    with_result: tuple[int, ...] = ()
    undo: str = ""
    redo: str = ""
