"""States of a run, what is known about it so far, and how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from napari_xmem.widgets.common.time_left import TimeLeft

if TYPE_CHECKING:
    from napari_xmem.engine import FrameResult
    from napari_xmem.errors import XMemError
    from napari_xmem.session import CorrectionSummary
    from napari_xmem.session.tasks import CorrectionTask

__all__ = ["Kind", "RunOutcome", "RunRecord", "RunState"]

#: What a thread does: the first two go through frames, the others only change what is known of a result.
Kind = Literal["propagation", "correction", "change", "adoption"]


class RunState(Enum):
    """What the runner of a viewer is doing; while there is a session, this is the session's state in its words."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """How a run ended.

    Attributes
    ----------
    status : {"finished", "stopped", "failed"}
        How.
    layer : Labels or None
        The result; None if there was no frame.
    n_frames : int
        Frames written.
    seconds : float
        Time from Run to the end.
    reason : str
        Why it stopped, or the error's message.
    error : XMemError or None
        The error of a failed run.
    summary : CorrectionSummary or None
        What a correction changed.
    kind : {"propagation", "correction", "change", "adoption"}
        What was done.
    value : Any
        What a change returned; the session of an adoption.
    n_questions : int
        Questions that are left in the result, see `napari_xmem.session.Review.queue`.
    """

    status: str
    layer: Any
    n_frames: int
    seconds: float
    reason: str = ""
    error: XMemError | None = None
    summary: CorrectionSummary | None = None
    kind: Kind = "propagation"
    value: Any = None
    n_questions: int = 0


class RunRecord:
    """What is known about a run so far.

    Parameters
    ----------
    kind : {"propagation", "correction", "change", "adoption"}
        What is done.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.history: list[FrameResult] = []
        self.time_left = TimeLeft(0)
        self.task: CorrectionTask | None = None
        self.reason = ""
        self.error: XMemError | None = None
        self.value: Any = None
        self.n_questions = 0
        self.painted: set[int] = set()
        self.bad_frames: dict[int | None, int] = {}
        self._begun = time.monotonic()

    @property
    def frames(self) -> list[int]:
        """Frames done, ascending."""
        return sorted({result.frame for result in self.history})

    def outcome(self, layer: Any) -> RunOutcome:
        """Say how it ended; `layer` is the result if it is still there."""
        summary = None if self.task is None else self.task.summary
        complete = self.value is not None and self.value is not False
        status = "failed" if self.error is not None else "finished" if complete else "stopped"
        reason = self.reason if self.error is None else str(self.error)
        seconds = time.monotonic() - self._begun
        return RunOutcome(
            status,
            layer,
            len(self.frames),
            seconds,
            reason,
            self.error,
            summary,
            self.kind,
            self.value,
            self.n_questions,
        )
