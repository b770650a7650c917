"""Objects in two parts: one number on two cells, or a division that nobody noticed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_xmem.imaging import count_parts
from napari_xmem.session.events_to_check import EventToCheck, QuestionKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_xmem.session.packed_labels import PackedLabels
    from napari_xmem.session.results import ResultsStore

__all__ = ["PartsCounter", "objects_in_parts"]

#: How much a look is worth.
SCORE = 0.88


class PartsCounter:
    """Counts the parts of every object; what was counted once is kept as long as the labels stay.

    Parameters
    ----------
    results : ResultsStore
        The latest result of every frame.
    """

    def __init__(self, results: ResultsStore) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._known: dict[int, tuple[PackedLabels, dict[int, int]]] = {}

    def count(self, frame: int) -> None:
        """Count on one frame, if that was not done yet."""
        with self._lock:
            record = self._results.get(frame)
            if record is not None:
                self._known[frame] = self._of(frame, record.packed)

    def _of(self, frame: int, packed: PackedLabels) -> tuple[PackedLabels, dict[int, int]]:
        old = self._known.get(frame)
        return old if old is not None and old[0] is packed else (packed, count_parts(packed.unpack()))

    def read(self) -> dict[int, dict[int, int]]:
        """Return frame to object to number of parts, of all frames with a result."""
        with self._lock:
            known: dict[int, tuple[PackedLabels, dict[int, int]]] = {}
            for t in self._results.frames:
                record = self._results.get(t)
                if record is not None:
                    known[t] = self._of(t, record.packed)
            self._known = known
            return {t: counts for t, (_, counts) in known.items()}


def objects_in_parts(counts: Mapping[int, Mapping[int, int]]) -> Iterator[EventToCheck]:
    """Yield a question for every object that stays in two parts or more, on the first frame where it is.

    Parameters
    ----------
    counts : mapping
        Frame to object to number of parts. A single frame in parts is a slip of the mask, and no question, unless it is
        the last one.
    """
    frames = sorted(counts)
    before: set[int] = set()
    for place, t in enumerate(frames):
        now = {i for i, n in counts[t].items() if n > 1}
        following = counts[frames[place + 1]] if place + 1 < len(frames) else None
        for i in sorted(now - before):
            if following is None or following.get(i, 0) > 1:
                parts = counts[t][i]
                reason = f"{i} is in {'two' if parts == 2 else parts} parts: two cells, or a division?"
                yield EventToCheck(QuestionKind.PARTS, t, (i,), SCORE, reason)
        before = now
