"""What a person wants: seeds, runs that can be paused, corrections, locked frames, undo, and answers to "why?".

Start with `napari_xmem.session.session.TrackingSession`. Knows no viewer; any thread may drive it. The names below load
their module when they are first used, so that light ones do not load torch.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from napari_xmem.session.session_runner import SessionRunner
    from napari_xmem.session.session_states import RunStatus, SessionState
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

_MODULE_OF = {
    "Agreement": "napari_xmem.session.corrections.compare",
    "Annotations": "napari_xmem.session.annotations",
    "Change": "napari_xmem.session.results",
    "CorrectionSummary": "napari_xmem.session.corrections.compare",
    "DoubtfulObject": "napari_xmem.session.review",
    "EventToCheck": "napari_xmem.session.events_to_check",
    "FrameToCheck": "napari_xmem.session.review",
    "LineageEdits": "napari_xmem.session.corrections.lineage_edits",
    "MemoryEditor": "napari_xmem.session.memory_editor",
    "MemoryRow": "napari_xmem.memory",
    "QuestionKind": "napari_xmem.session.events_to_check",
    "ResultEdits": "napari_xmem.session.corrections.result_edits",
    "ResultViews": "napari_xmem.session.result_views",
    "Review": "napari_xmem.session.review",
    "RunStatus": "napari_xmem.session.session_states",
    "SegmentOutcome": "napari_xmem.session.corrections.compare",
    "SessionRunner": "napari_xmem.session.session_runner",
    "SessionSnapshot": "napari_xmem.session.session_status",
    "SessionState": "napari_xmem.session.session_states",
    "TrackingSession": "napari_xmem.session.session",
}


if not TYPE_CHECKING:  # type checkers would take every name

    def __getattr__(name: str) -> Any:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(_import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
