"""The lineage of a session's results: what runs found, and over it what a person said of mothers."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.tracking import DetectionCollector, Event, EventKind, Lineage, measure_objects, sorted_events
from napari_xmem.tracking.ancestry import parents_from_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.packed_labels import PackedLabels
    from napari_xmem.session.results import FrameRecord, ResultsStore
    from napari_xmem.tracking import Detections, ObjectMeasures

__all__ = ["SessionLineage", "found_parents", "said_parents"]


class SessionLineage:
    """Reads the lineage off results; what was measured once is kept as long as the labels stay.

    Parameters
    ----------
    results : ResultsStore
        The latest result of every frame.
    """

    def __init__(self, results: ResultsStore) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._measured: dict[int, tuple[PackedLabels, ObjectMeasures]] = {}
        self._known: tuple[tuple[FrameRecord, ...], Annotations, Lineage, tuple[Event, ...]] | None = None

    def read(self, said: Annotations) -> tuple[Lineage, tuple[Event, ...]]:
        """Return the lineage, and the events that agree with it.

        Parameters
        ----------
        said : Annotations
            What the person said.

        Returns
        -------
        lineage : Lineage
            Of all frames with a result.
        events : tuple of Event
            By frame; a mother that a person gave is a correction "link". ``Lineage.from_events`` of them has the same
            mothers.
        """
        with self._lock:
            frames = self._results.frames
            records = tuple(record for t in frames if (record := self._results.get(t)) is not None)
            known = self._known
            if known is not None and known[1] is said and len(known[0]) == len(records):
                if all(a is b for a, b in zip(known[0], records, strict=True)):
                    return known[2], known[3]
            lineage, events = self._read(records, said)
            self._known = (records, said, lineage, events)
            return lineage, events

    def _read(self, records: tuple[FrameRecord, ...], said: Annotations) -> tuple[Lineage, tuple[Event, ...]]:
        detections = self._detections(records)
        frames = [record.scores.frame for record in records]
        start, stop = min(frames, default=0), max(frames, default=-1) + 1
        first, last = _first_and_last(detections)
        happened = [event for record in records for event in record.scores.events]
        found, odds = found_parents(happened, first)
        parents = said_parents(found, said.mothers, first)
        removed = [
            Event(EventKind.CORRECTION, last[i] + 1, (i,), detail="remove")
            for i in sorted(said.removed & set(last))
            if any(low <= last[i] + 1 < high for low, high in said.absent.get(i, ()))
        ]
        events = sorted_events([*_agreeing(happened, parents, first, said), *removed])
        sure = {child: 1.0 if child in said.mothers else odds.get(child, 1.0) for child in parents}
        lineage = Lineage.from_detections(
            detections, parents, start=start, stop=stop, confidence=sure, events=[*happened, *removed]
        )
        return lineage, events

    def _detections(self, records: tuple[FrameRecord, ...]) -> Detections:
        collector = DetectionCollector()
        measured = {}
        for record in records:
            t = record.scores.frame
            known = self._measured.get(t)
            if known is None or known[0] is not record.packed:
                known = record.packed, measure_objects(record.packed.unpack())
            measured[t] = known
            collector.add_measures(t, known[1])
        self._measured = measured
        return collector.detections()


def _first_and_last(rows: Detections) -> tuple[dict[int, int], dict[int, int]]:
    ids, at, counts = np.unique(rows.object_ids, return_index=True, return_counts=True)
    first, last = (rows.frames[places].tolist() for places in (at, at + counts - 1))
    return dict(zip(ids.tolist(), first, strict=True)), dict(zip(ids.tolist(), last, strict=True))


def found_parents(events: Iterable[Event], first_frame: Mapping[int, int]) -> tuple[dict[int, int], dict[int, float]]:
    """Return who is whose daughter by the divisions that runs found, and how sure that is; only what can be.

    Parameters
    ----------
    events : iterable of Event
        Of all frames, in their order.
    first_frame : mapping of int to int
        Of every object there is.
    """
    parents, odds = parents_from_events((e for e in events if e.kind is EventKind.DIVISION), first_frame)
    return {child: mother for child, mother in parents.items() if _can_be(child, mother, first_frame)}, odds


def said_parents(found: Mapping[int, int], said: Mapping[int, int], first_frame: Mapping[int, int]) -> dict[int, int]:
    """Return who is whose daughter, with what a person said over what was found (0: she has no mother)."""
    parents = {**found, **said}
    return {c: m for c, m in sorted(parents.items()) if m and _can_be(c, m, first_frame)}


def _can_be(child: int, mother: int, first_frame: Mapping[int, int]) -> bool:
    """Both are there, and the mother begins first: so nobody descends from herself."""
    return child in first_frame and first_frame.get(mother, first_frame[child]) < first_frame[child]


def _agreeing(
    happened: Iterable[Event], parents: Mapping[int, int], first_frame: Mapping[int, int], said: Annotations
) -> list[Event]:
    """Return events as far as they agree with who is whose daughter, and a link for every mother they do not know."""
    kept: list[Event] = []
    told: set[int] = set()
    for event in happened:
        if event.kind is EventKind.DIVISION and event.mother is not None:
            daughters = tuple(i for i in event.daughters if parents.get(i) == event.mother)
            if not daughters:
                continue
            told.update(daughters)
            if daughters != event.daughters:
                event = replace(event, objects=(event.mother, *daughters))
        kept.append(event)
    for child, mother in parents.items():
        if child not in told:
            kept.append(Event(EventKind.CORRECTION, first_frame[child], (child, mother), detail="link"))
    return kept
