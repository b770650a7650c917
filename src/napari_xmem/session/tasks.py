"""What a session can be busy with: propagating everything, or propagating a correction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_xmem.engine import FrameResult, iter_run
from napari_xmem.engine.explain import Explainer, MemoryHistory
from napari_xmem.engine.propagate import replay_run
from napari_xmem.imaging import object_ids
from napari_xmem.session.affected_objects import AffectedObjects, changed_objects, neighbours
from napari_xmem.session.compare import Agreement, CorrectionSummary, SegmentOutcome, overlap_of_objects
from napari_xmem.session.corrections import Segment, SegmentRun, plan_segments, segment_run
from napari_xmem.session.history import Change, FrameChange
from napari_xmem.session.results import FrameRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_xmem.engine import Run
    from napari_xmem.session.results import PackedLabels
    from napari_xmem.session.session import TrackingSession

#: Frames of a segment on which neighbours are looked for.
NEIGHBOUR_SAMPLES = 16

__all__ = ["CorrectionTask", "PropagationTask"]


class PropagationTask:
    """All passes of the session's run.

    Parameters
    ----------
    session : TrackingSession
        Its owner.
    """

    title = "propagation"

    def __init__(self, session: TrackingSession) -> None:
        self._session = session
        self._left: list[int] = []
        self.run: Run | None = None

    @property
    def total(self) -> int:
        """Frames to do."""
        return 0 if self.run is None else self.run.n_results

    @property
    def frames_left(self) -> tuple[int, ...]:
        """Frames not done yet, in order."""
        return tuple(self._left)

    def frames(self) -> Iterator[FrameResult]:
        """Do the work."""
        session = self._session
        run = self.run = session.next_run()
        self._left = [t for part in run.passes for t in part.frames[part.report_from :]]
        session.history.clear()
        trail = MemoryHistory(session.explain_bytes)
        explainer = Explainer(run, replay_run, trail)
        for result in iter_run(run, watch=session.watcher(trail)):
            if result.frame in self._left:
                self._left.remove(result.frame)
            yield session.keep(result, explainer)

    def finish(self, *, complete: bool) -> None:
        """Nothing to close."""


class CorrectionTask:
    """Corrected frames, and what they can change.

    Parameters
    ----------
    session : TrackingSession
        Its owner.
    corrections : mapping
        Frame to labels that are right as a whole.
    forward, backward : bool
        Directions.
    agreement : Agreement
        When to stop early.
    rest : tuple of int
        Frames that an interrupted propagation has not done; they are done at the end.
    """

    def __init__(
        self,
        session: TrackingSession,
        corrections: Mapping[int, PackedLabels],
        *,
        forward: bool,
        backward: bool,
        agreement: Agreement,
        rest: tuple[int, ...] = (),
    ) -> None:
        self._session, self._corrections, self._agreement = session, dict(corrections), agreement
        self._rest = rest
        self._before: dict[int, FrameRecord | None] = {}
        self._annotations_before = session.annotations
        self._explainers_before = dict(session.explainers)
        self._objects: dict[int, list[int]] = {}
        self._pixels = 0
        self._outcomes: list[SegmentOutcome] = []
        self._running: SegmentRun | None = None
        self.summary = CorrectionSummary(tuple(sorted(corrections)))
        session.annotate(session.annotations.with_corrections(self._corrections))
        self.segments = self._plan(forward, backward)
        frames = ", ".join(map(str, sorted(corrections)))
        self.title = f"correction of frame{'s' * (len(corrections) > 1)} {frames}"

    def _plan(self, forward: bool, backward: bool) -> tuple[Segment, ...]:
        annotations = self._session.annotations
        walls = dict.fromkeys(annotations.corrected, "corrected") | dict.fromkeys(annotations.locked, "locked")
        low, high = self._session.frame_range
        return plan_segments(tuple(self._corrections), walls, low, high, forward=forward, backward=backward)

    @property
    def total(self) -> int:
        """Frames at most."""
        return len(self._corrections) + sum(len(segment.frames) for segment in self.segments)

    def frames(self) -> Iterator[FrameResult]:
        """Do the work."""
        session = self._session
        for frame, packed in sorted(self._corrections.items()):
            before = self._before[frame] = session.results.get(frame)
            labels = packed.unpack()
            self._note(frame, overlap_of_objects(labels * 0 if before is None else before.packed.unpack(), labels))
            yield session.keep(FrameRecord.of_labels(frame, labels).result, None)
        known, whole = session.known_frames()
        for segment in self.segments:
            affected = self._affected(segment)
            if affected.objects == set() or not any(object_ids(labels) for labels in known.values()):
                continue
            part = segment_run(session.current_run(), segment, known, whole, affected.followed)
            yield from self._segment(part, segment, affected)

    def _affected(self, segment: Segment) -> AffectedObjects:
        """Return whose masks a segment may change: all where there is no old result, else what the person changed."""
        results, old = self._session.results, self._before[segment.frame]
        if old is None or any(t not in results for t in segment.frames):
            return AffectedObjects()
        new = self._corrections[segment.frame].unpack()
        changed = changed_objects(old.packed.unpack(), new)
        if self._session.current_run().scope == "global":
            return AffectedObjects(changed)
        step = max(1, len(segment.frames) // NEIGHBOUR_SAMPLES)
        seen = (results.labels(t) for t in segment.frames[::step])
        return AffectedObjects(changed, frozenset(neighbours((new, old.packed.unpack(), *seen), changed)))

    def _segment(self, run: Run, segment: Segment, affected: AffectedObjects) -> Iterator[FrameResult]:
        session = self._session
        unfinished = bool(set(self._rest) & set(segment.frames))
        agreement = replace(self._agreement, frames=0) if unfinished else self._agreement
        trail = MemoryHistory(session.explain_bytes // 4)
        explainer = Explainer(run, replay_run, trail)
        self._running = SegmentRun(run, segment, session.results, agreement, affected, session.watcher(trail))
        for result in self._running:
            self._note_memory(self._running.first)
            self._before.setdefault(result.frame, session.results.get(result.frame))
            self._note(result.frame, self._running.overlaps)
            concerned = None if affected.objects is None else frozenset(affected.objects)
            yield session.keep(result, explainer, concerned)
        self._outcomes.append(self._running.outcome)
        self._running = None

    def _note(self, frame: int, overlaps: Mapping[int, tuple[int, int]]) -> None:
        """Note which objects change on a frame."""
        for object_id, (both, union) in overlaps.items():
            if both != union:
                self._objects.setdefault(object_id, []).append(frame)
                self._pixels += union - both

    def _note_memory(self, first: FrameResult | None) -> None:
        """Keep the state of memory after the corrected frame with its result."""
        record = None if first is None else self._session.results.get(first.frame)
        if first is not None and record is not None and record.scores.memory is None:
            scores = replace(record.scores, memory=first.memory)
            self._session.results.put(first.frame, FrameRecord(record.packed, scores))

    def finish(self, *, complete: bool) -> None:
        """Sum up what changed, and make it one step that can be taken back."""
        if self._running is not None:
            self._outcomes.append(replace(self._running.outcome, ended="stopped", ended_at=None))
        session = self._session
        changes = {}
        for frame, before in sorted(self._before.items()):
            after = session.results.get(frame)
            if after is not None:
                changes[frame] = FrameChange(before, after)
        self.summary = CorrectionSummary(
            tuple(sorted(self._corrections)),
            tuple(self._outcomes),
            tuple(sorted({t for frames in self._objects.values() for t in frames})),
            {i: tuple(sorted(frames)) for i, frames in sorted(self._objects.items())},
            self._pixels,
        )
        session.history.add(
            Change(
                self.title,
                changes,
                self._annotations_before,
                session.annotations,
                self._explainers_before,
                dict(session.explainers),
            )
        )
