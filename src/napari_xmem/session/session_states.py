"""The states of a session, which may follow which, and what a run says about itself.

States and events::

    IDLE, FINISHED, FAILED --start--> RUNNING --pause--> PAUSING --frame done--> PAUSED --resume--> RUNNING
    IDLE, FINISHED, FAILED, PAUSED --take up--> PREPARING --start--> RUNNING
    RUNNING, PAUSING, PAUSED --cancel--> STOPPING --task closed--> FINISHED
    RUNNING, PAUSING, PAUSED --error--> STOPPING --task closed--> FAILED
    RUNNING, PAUSING --last frame done--> STOPPING --task closed--> FINISHED
    PAUSING --inside a frame--> PAUSED --somebody needs the turn--> PAUSING
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_xmem.engine import FrameResult

__all__ = ["AT_REST", "SENTENCES", "SETTLED", "TRANSITIONS", "RunStatus", "SessionState", "Task"]


class SessionState(Enum):
    """What a session is doing; the module says which event leads from where to where."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"


_S = SessionState
#: Nothing runs.
AT_REST = frozenset({_S.IDLE, _S.FINISHED, _S.FAILED})
#: Nobody works on memory or results.
SETTLED = AT_REST | {_S.PAUSED}
#: From each state, the states that may follow.
TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    _S.IDLE: frozenset({_S.PREPARING, _S.RUNNING}),
    _S.PREPARING: frozenset({_S.RUNNING, *AT_REST}),
    _S.RUNNING: frozenset({_S.PAUSING, _S.STOPPING}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.RUNNING, _S.STOPPING}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.PAUSING, _S.STOPPING, _S.PREPARING}),
    _S.STOPPING: frozenset({_S.FINISHED, _S.FAILED}),
    _S.FINISHED: frozenset({_S.PREPARING, _S.RUNNING}),
    _S.FAILED: frozenset({_S.PREPARING, _S.RUNNING}),
}
#: What the session is doing, to follow "the session ...".
SENTENCES: dict[SessionState, str] = {
    _S.IDLE: "has not been started",
    _S.PREPARING: "is being prepared",
    _S.RUNNING: "is running; pause or cancel it first",
    _S.PAUSING: "is pausing after the frame at hand",
    _S.PAUSED: "is paused; resume or cancel it first",
    _S.STOPPING: "is stopping; wait for its end",
    _S.FINISHED: "has ended",
    _S.FAILED: "has failed",
}


class Task(Protocol):
    """Work of a session, done frame by frame."""

    @property
    def title(self) -> str:
        """What is done, in words."""

    @property
    def total(self) -> int:
        """Frames to do, as far as is known."""

    def frames(self) -> Iterator[FrameResult]:
        """Do the work; each result is kept before it is yielded."""

    def finish(self, *, complete: bool) -> None:
        """Sum up, also after a cancel or an error."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    state : SessionState
        What the session is doing.
    task : str
        What is or was being done, in words; "" before the first.
    frames_done, frames_total : int
        Of the task; a correction may end early.
    frame : int or None
        The frame done last.
    error : BaseException or None
        Why it failed.
    complete : bool
        The task came to its end; False while it runs, and after a cancel or an error.
    """

    state: SessionState = SessionState.IDLE
    task: str = ""
    frames_done: int = 0
    frames_total: int = 0
    frame: int | None = None
    error: BaseException | None = None
    complete: bool = False
