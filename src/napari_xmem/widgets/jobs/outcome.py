"""States of a run, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_xmem.errors import XMemError
    from napari_xmem.session import CorrectionSummary

__all__ = ["RunOutcome", "RunState"]


class RunState(Enum):
    """What a run is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
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
    """

    status: str
    layer: Any
    n_frames: int
    seconds: float
    reason: str = ""
    error: XMemError | None = None
    summary: CorrectionSummary | None = None
