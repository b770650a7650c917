"""What a person wants: seeds, runs that can be paused, corrections, locked frames, undo, and answers to "why?".

Start with `napari_xmem.session.session.TrackingSession`. Knows no viewer; any thread may drive it.
"""

from __future__ import annotations

from napari_xmem.session.compare import Agreement, CorrectionSummary, SegmentOutcome
from napari_xmem.session.history import Change, Given
from napari_xmem.session.memory_editor import MemoryDesk, MemoryRow
from napari_xmem.session.review import DoubtfulObject, FrameToCheck, Review
from napari_xmem.session.session import TrackingSession
from napari_xmem.session.state import SessionSnapshot, SessionState

__all__ = [
    "Agreement",
    "Change",
    "CorrectionSummary",
    "DoubtfulObject",
    "FrameToCheck",
    "Given",
    "MemoryDesk",
    "MemoryRow",
    "Review",
    "SegmentOutcome",
    "SessionSnapshot",
    "SessionState",
    "TrackingSession",
]
