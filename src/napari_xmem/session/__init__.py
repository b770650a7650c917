"""What a person wants: seeds, runs that can be paused, corrections, locked frames, undo, and answers to "why?".

Start with `napari_xmem.session.session.TrackingSession`. Knows no viewer; any thread may drive it.
"""

from __future__ import annotations

from napari_xmem.memory import MemoryRow
from napari_xmem.session.annotations import Annotations
from napari_xmem.session.corrections.compare import Agreement, CorrectionSummary, SegmentOutcome
from napari_xmem.session.corrections.lineage_edits import LineageEdits
from napari_xmem.session.corrections.result_edits import ResultEdits
from napari_xmem.session.events_to_check import EventToCheck, QuestionKind
from napari_xmem.session.memory_editor import MemoryEditor
from napari_xmem.session.result_views import ResultViews
from napari_xmem.session.results import Change
from napari_xmem.session.review import DoubtfulObject, FrameToCheck, Review
from napari_xmem.session.session import TrackingSession
from napari_xmem.session.session_runner import RunStatus, SessionRunner, SessionState
from napari_xmem.session.session_status import SessionSnapshot

__all__ = [
    "Agreement",
    "Annotations",
    "Change",
    "CorrectionSummary",
    "DoubtfulObject",
    "EventToCheck",
    "FrameToCheck",
    "LineageEdits",
    "MemoryEditor",
    "MemoryRow",
    "QuestionKind",
    "ResultEdits",
    "ResultViews",
    "Review",
    "RunStatus",
    "SegmentOutcome",
    "SessionRunner",
    "SessionSnapshot",
    "SessionState",
    "TrackingSession",
]
