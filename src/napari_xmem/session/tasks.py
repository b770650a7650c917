"""What a session can be busy with: propagating everything, or propagating a correction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.engine import iter_run
from napari_xmem.engine.explain import Explainer, MemoryHistory
from napari_xmem.engine.run_passes import replay_run
from napari_xmem.imaging import object_ids
from napari_xmem.session.corrections.affected_objects import AffectedObjects, changed_objects, neighbours
from napari_xmem.session.corrections.compare import Agreement, CorrectionSummary, SegmentOutcome, overlap_of_objects
from napari_xmem.session.corrections.correction_segments import Segment, SegmentRun, plan_segments, segment_run
from napari_xmem.session.corrections.direct_corrections import Relabelling, new_numbers, plan_relabelling
from napari_xmem.session.corrections.unfinished import Unfinished
from napari_xmem.session.renamed_explainer import RenamedExplainer
from napari_xmem.session.renumbered_events import carried_over
from napari_xmem.session.results import FrameRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_xmem.engine import FrameResult, Run
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.packed_labels import PackedLabels
    from napari_xmem.session.results import Change, Recording

#: Frames of a segment on which neighbours are looked for.
NEIGHBOUR_SAMPLES = 16

__all__ = ["CorrectionTask", "PropagationTask"]


class PropagationTask:
    """All passes of the session's run; a step that can be undone where there were results before.

    Parameters
    ----------
    context : SessionContext
        What it works on.
    """

    title = "propagation"

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._left: list[int] = []
        self._recording: Recording | None = None
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
        context = self._context
        run = self.run = context.next_run()
        self._left = [t for part in run.passes for t in part.frames[part.report_from :]]
        recording = self._recording = context.record(self.title, context.annotations)
        context.unfinished = ()
        _let_go_of_states(context)
        states = MemoryHistory(context.explain_bytes)
        explainer = Explainer(run, replay_run, states)
        for result in iter_run(run, watch=context.watcher(run, states)):
            if result.frame in self._left:
                self._left.remove(result.frame)
            yield context.keep(result, explainer, recording)

    def finish(self, *, complete: bool) -> None:
        """Make it one step of the history, unless there was nothing before."""
        if self._recording is not None:
            with self._context.facts:
                self._recording.close(keep_first=False)


class CorrectionTask:
    """Corrected frames, and what they can change.

    What was merely erased, renumbered or confirmed is carried on at once, without the network.

    Parameters
    ----------
    context : SessionContext
        What it works on.
    corrections : mapping
        Frame to labels that are right as a whole.
    forward, backward : bool
        Directions.
    agreement : Agreement
        When to stop early.
    rest : tuple of int
        Frames that an interrupted propagation has not done; they are done at the end.
    mothers : mapping, optional
        Daughter to mother, where the corrections say that too.
    title : str
        In words; empty: which frames are corrected.
    left : sequence of Unfinished
        Instead of corrections: what one that was stopped left undone.
    """

    def __init__(
        self,
        context: SessionContext,
        corrections: Mapping[int, PackedLabels],
        *,
        agreement: Agreement,
        forward: bool = True,
        backward: bool = False,
        rest: tuple[int, ...] = (),
        mothers: Mapping[int, int] | None = None,
        title: str = "",
        left: Sequence[Unfinished] = (),
    ) -> None:
        self._context, self._corrections, self._agreement = context, dict(corrections), agreement
        self._rest, self._left = rest, {item.segment: item for item in left}
        self._todo: list[Segment] = []
        self._painted: list[FrameResult] = []
        self._before: dict[int, FrameRecord | None] = {}
        self._objects: dict[int, list[int]] = {}
        self._pixels = 0
        self._outcomes: list[SegmentOutcome] = []
        self._running: SegmentRun | None = None
        frames = ", ".join(map(str, sorted(corrections)))
        self.title = title or f"correction of frame{'s' * (len(corrections) > 1)} {frames}"
        self.summary = CorrectionSummary(tuple(sorted(corrections)))
        said = context.annotations.with_corrections(self._corrections)
        walls = dict.fromkeys(said.corrected, "corrected") | dict.fromkeys(said.locked, "locked")
        self.segments = tuple(self._left) or plan_segments(
            tuple(self._corrections), walls, *context.frame_range, forward=forward, backward=backward
        )
        self._todo = list(self.segments)
        self._relabelling: Relabelling = plan_relabelling(
            self._corrections, self.segments, context.results, said, len(context.source)
        )
        for object_id, low, high in self._relabelling.absences:
            said = said.with_absence(object_id, low, high)
        said = replace(
            said,
            mothers={**said.mothers, **(mothers or {})},
            removed=said.removed | (set(self._relabelling.ended) - set((mothers or {}).values())),
        )
        self._recording = context.record(self.title, said)
        context.unfinished = ()

    @property
    def step(self) -> Change:
        """The step of the history, or its latest part."""
        return self._recording.step

    @property
    def total(self) -> int:
        """Frames at most."""
        return len(self._corrections) + sum(len(s.frames) for s in self.segments if not self._is_plain(s))

    def frames(self) -> Iterator[FrameResult]:
        """Do the work."""
        context = self._context
        yield from self._painted
        self._relabel()
        right, whole = context.known_frames()
        for segment in self.segments:
            begun = {segment.frame: context.results.labels(segment.frame).astype(np.int64)} if self._left else {}
            known = {**begun, **right}
            affected = self._affected(segment)
            nothing = affected.objects == set() or not any(object_ids(labels) for labels in known.values())
            if not nothing and not self._is_plain(segment):
                part = segment_run(context.current_run(), segment, known, whole, affected.followed)
                yield from self._segment(part, segment, affected)
            self._todo.remove(segment)

    def keep_painted(self) -> None:
        """Take in the painted frames; they count from now on, however the correction ends.

        Raises
        ------
        Exception
            What `write` raised first, when all frames are taken in.
        """
        problem: Exception | None = None
        for frame, packed in sorted(self._corrections.items()):
            labels = packed.unpack()
            before = self._before[frame] = self._context.results.get(frame)
            self._note(frame, overlap_of_objects(labels * 0 if before is None else before.packed.unpack(), labels))
            painted = FrameRecord.of_labels(frame, labels).result
            if before is not None:
                painted = carried_over(painted, before.scores, new_numbers(before.packed.unpack(), labels))
            try:
                kept = self._context.keep(painted, None, self._recording)
                self._painted.append(kept)
            except Exception as error:
                problem = problem or error
        if problem is not None:
            self.finish(complete=False)
            raise problem

    def _is_plain(self, segment: Segment) -> bool:
        """Return True if the segment needs no network: all frames have results, and only numbers changed."""
        if any(t not in self._context.results for t in segment.frames):
            return False
        return segment.frame in self._relabelling.plain

    def _relabel(self) -> None:
        """Carry on at once what was erased, renumbered or confirmed."""
        context = self._context
        for frame in context.results.frames:
            old = context.results.get(frame)
            if old is None or frame in self._corrections or frame in context.annotations.locked:
                continue
            new = self._relabelling.apply(old, context.annotations.absent_on(frame))
            if new is not None:
                self._before.setdefault(frame, old)
                self._note(frame, overlap_of_objects(old.packed.unpack(), new.packed.unpack()))
                context.put(frame, new, self._recording)

    def _affected(self, segment: Segment) -> AffectedObjects:
        """Return whose masks a segment may change: all where there is no old result, else what the person changed."""
        left = self._left.get(segment)
        if left is not None:
            return AffectedObjects(None if left.objects is None else set(left.objects), left.followed)
        results, old = self._context.results, self._before[segment.frame]
        if old is None or any(t not in results for t in segment.frames):
            return AffectedObjects()
        new = self._corrections[segment.frame].unpack()
        changed = changed_objects(old.packed.unpack(), new)
        if self._context.current_run().scope == "global":
            return AffectedObjects(changed)
        step = max(1, len(segment.frames) // NEIGHBOUR_SAMPLES)
        seen = (results.labels(t) for t in segment.frames[::step])
        return AffectedObjects(changed, frozenset(neighbours((new, old.packed.unpack(), *seen), changed)))

    def _segment(self, run: Run, segment: Segment, affected: AffectedObjects) -> Iterator[FrameResult]:
        context = self._context
        unfinished = bool(set(self._rest) & set(segment.frames))
        agreement = replace(self._agreement, frames=0) if unfinished else self._agreement
        states = MemoryHistory(context.explain_bytes // 4)
        explainer = Explainer(run, replay_run, states)
        self._running = SegmentRun(run, segment, context.results, agreement, affected, context.watcher(run, states))
        for result in self._running:
            self._note_memory(self._running.first)
            self._before.setdefault(result.frame, context.results.get(result.frame))
            self._note(result.frame, self._running.overlaps)
            concerned = None if affected.objects is None else frozenset(affected.objects)
            numbers = self._running.names.numbers
            told = explainer if not numbers else RenamedExplainer(explainer, {old: new for new, old in numbers.items()})
            yield context.keep(result, told, self._recording, concerned)
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
        record = None if first is None else self._context.results.get(first.frame)
        if first is not None and record is not None and record.scores.memory is None:
            told = replace(record, scores=replace(record.scores, memory=first.memory))
            with self._context.facts:
                self._context.results.put(first.frame, told)
                self._recording.note(first.frame, record, told, self._context.annotations)

    def finish(self, *, complete: bool) -> None:
        """Sum up what changed, and make it one step that can be undone."""
        self._context.unfinished = () if complete else tuple(self._unfinished())
        if self._running is not None:
            self._outcomes.append(replace(self._running.outcome, ended="stopped", ended_at=None))
        self.summary = CorrectionSummary(
            tuple(sorted(self._corrections)),
            tuple(self._outcomes),
            tuple(sorted({t for frames in self._objects.values() for t in frames})),
            {i: tuple(sorted(set(frames))) for i, frames in sorted(self._objects.items())},
            self._pixels,
            dict(sorted(self._relabelling.ended.items())),
            dict(sorted(self._relabelling.renumbered.items())),
        )
        self._context.agree(self._recording)
        with self._context.facts:
            self._recording.close(keep_first=True)

    def _unfinished(self) -> Iterator[Unfinished]:
        for segment in self._todo:
            is_running = self._running is not None and self._running.segment is segment
            if self._running is not None and is_running:
                affected, done = self._running.affected, self._running.outcome.frames_done
            elif segment.frame not in self._before and segment not in self._left:
                continue  # it was not taken in
            elif self._is_plain(segment):
                continue
            else:
                affected, done = self._affected(segment), ()
            left = Unfinished.after(segment, done, affected, self._agreement, self.title)
            if left is not None:
                yield left


def _let_go_of_states(context: SessionContext) -> None:
    """Free memory's states of earlier results: their explanations are computed again when somebody asks."""
    for frame in context.results.frames:
        record = context.results.get(frame)
        for _, explainer in record.explainers if record is not None else ():
            if len(explainer.history):
                explainer.history = MemoryHistory(explainer.history.max_bytes)
