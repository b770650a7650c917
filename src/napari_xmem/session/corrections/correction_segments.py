"""A correction propagates only as far as it can change anything.

From a corrected frame labels are carried on to the next corrected or locked frame or the end of the run, and no further
than old and new results begin to agree. Only objects that were changed, and those they collide with, get new masks, see
`napari_xmem.session.corrections.affected_objects`. Memory starts from what is known to be right: the frames that were
seeded, corrected or locked are shown to a fresh follower first, the corrected frame last; all are permanent memory.
What the old run remembered of the error is thereby gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.engine import FrameResult, iter_run
from napari_xmem.engine.frame_order import Pass
from napari_xmem.imaging import label_dtype, object_ids
from napari_xmem.session.corrections.compare import Agreement, SegmentOutcome, overlap_of_objects
from napari_xmem.session.corrections.kept_daughter_ids import DaughterNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import Watch
    from napari_xmem.session.corrections.affected_objects import AffectedObjects
    from napari_xmem.session.results import ResultsStore

__all__ = ["MAX_PRIMERS", "Segment", "SegmentRun", "plan_segments", "segment_run"]

#: Right frames shown to memory before the corrected one; the earliest and the nearest.
MAX_PRIMERS = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch to be propagated again.

    Attributes
    ----------
    frame : int
        The corrected frame it starts from.
    direction : {"forward", "backward"}
        Which way.
    frames : tuple of int
        Frames that may change, in order, without the corrected one.
    ended : str
        Why it is planned to go no further, see `SegmentOutcome`.
    ended_at : int or None
        The frame concerned.
    """

    frame: int
    direction: str
    frames: tuple[int, ...]
    ended: str
    ended_at: int | None = None


def plan_segments(
    corrected: Sequence[int],
    fixed: Mapping[int, str],
    low: int,
    high: int,
    *,
    forward: bool = True,
    backward: bool = False,
) -> tuple[Segment, ...]:
    """Plan what corrections can change.

    Parameters
    ----------
    corrected : sequence of int
        Frames just corrected.
    fixed : mapping
        Frames that stop propagation to why: "corrected" or "locked".
    low, high : int
        First frame and end (exclusive) of the run.
    forward, backward : bool
        Directions.
    """
    walls = {**fixed, **dict.fromkeys(corrected, "corrected")}
    segments = []
    for step, wanted in ((1, forward), (-1, backward)):
        for frame in sorted(corrected) if wanted else ():
            frames = []
            t = frame + step
            while low <= t < high and t not in walls:
                frames.append(t)
                t += step
            ended, at = (walls[t], t) if t in walls and low <= t < high else ("end", None)
            if frames:
                segments.append(Segment(frame, "forward" if step > 0 else "backward", tuple(frames), ended, at))
    return tuple(segments)


def segment_run(
    run: Run,
    segment: Segment,
    known: Mapping[int, NDArray[np.int64]],
    whole: frozenset[int],
    followed: frozenset[int] | None = None,
) -> Run:
    """Return the run that propagates one segment.

    Parameters
    ----------
    run : Run
        The session's run: movie, network, settings.
    segment : Segment
        The stretch.
    known : mapping
        Frame to labels (Y, X) int64 that are right: the corrected frame and others to show memory first.
    whole : frozenset of int
        Frames among them that are right as a whole, so that unpainted objects are absent there.
    followed : frozenset of int, optional
        Objects to follow; None: all.
    """
    if followed is not None:
        known = {t: np.where(np.isin(labels, list(followed)), labels, 0) for t, labels in known.items()}
        known = {t: labels for t, labels in known.items() if t == segment.frame or labels.any()}
    near, far = _primers(segment, known)
    ids = {i for t in (*near, segment.frame) for i in object_ids(known[t])}
    seeds = {t: known[t] for t in (*near, segment.frame)}
    for t in far:  # objects that appear only beyond this stretch stay unknown on it
        seen = np.where(np.isin(known[t], list(ids)), known[t], 0)
        if seen.any():
            seeds[t] = seen
    first = [t for t in (*far, *near) if t in seeds]
    absent = {t: tuple(sorted(ids - set(object_ids(known[t])))) for t in seeds if t in whole}
    frames = (*first, segment.frame, *segment.frames)
    dtype = np.promote_types(run.dtype, label_dtype(max(ids, default=0)))
    # the corrected frame itself is yielded too, so that its state of memory counts
    part = Pass(frames, report_from=len(first), backward=segment.direction == "backward")
    return replace(run, seeds=seeds, absent=absent, passes=[part], dtype=dtype)


def _primers(segment: Segment, known: Mapping[int, object]) -> tuple[list[int], list[int]]:
    """Return right frames on the near side (where propagation comes from) and on the far side, farthest first."""
    forward = segment.direction == "forward"
    before = sorted((t for t in known if t < segment.frame), reverse=not forward)
    after = sorted((t for t in known if t > segment.frame), reverse=forward)
    near, far = (before, after) if forward else (after, before)
    near = sorted(near, key=lambda t: -abs(t - segment.frame))
    if len(near) > MAX_PRIMERS:
        near = [near[0], *near[len(near) - MAX_PRIMERS + 1 :]]
    room = max(0, MAX_PRIMERS - len(near))
    far = sorted(far, key=lambda t: -abs(t - segment.frame))
    return near, far[len(far) - room :] if room else []


class SegmentRun:
    """Propagates one segment, frame by frame, and notices when nothing changes any more.

    `outcome` says how far it came, `first` what the corrected frame itself gave, `overlaps` the pixels of intersection
    and union of every object's old and new mask on the frame done last.

    Parameters
    ----------
    run : Run
        From `segment_run`.
    segment : Segment
        The stretch.
    results : ResultsStore
        Old results; the caller replaces them after each frame.
    agreement : Agreement
        When to stop early.
    affected : AffectedObjects
        Whose new masks count.
    watch : callable, optional
        See `napari_xmem.engine.iter_run`.
    """

    def __init__(
        self,
        run: Run,
        segment: Segment,
        results: ResultsStore,
        agreement: Agreement,
        affected: AffectedObjects,
        watch: Watch | None = None,
    ) -> None:
        self.run, self.segment, self.results, self.agreement, self.watch = run, segment, results, agreement, watch
        self.affected = affected
        self.outcome = SegmentOutcome(segment.frame, segment.direction, (), "stopped")
        self.first: FrameResult | None = None
        self.names = DaughterNames(results, segment.frames, backward=segment.direction == "backward")
        self.overlaps: dict[int, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[FrameResult]:
        """Yield the results of the segment's frames, without the corrected frame."""
        segment, agreed = self.segment, 0
        done: list[int] = []
        for result in iter_run(self.run, watch=self.watch):
            result = self.names.apply(result)
            if result.frame == segment.frame:
                self.first = result
                continue
            if not done and self.first is not None and segment.direction == "backward":  # whose last frame this is
                born = tuple(birth for birth in self.first.births if birth[1] is not None)
                events = (*self.first.events, *result.events)
                result = replace(result, births=(*born, *result.births), events=events)
            done.append(result.frame)
            record = self.results.get(result.frame)
            old = None if record is None else record.result
            result = self.affected.merge(old, result)
            before = np.zeros_like(result.labels) if old is None else old.labels
            self.overlaps = overlap_of_objects(before, result.labels)
            same = old is not None and self.agreement.holds_for(self.overlaps, before, result.labels)
            agreed = agreed + 1 if same else 0
            over = 0 < self.agreement.frames <= agreed and result.frame != segment.frames[-1]
            if over:
                self._end(done, "agreed", result.frame)
            elif result.frame == segment.frames[-1]:
                self._end(done, segment.ended, segment.ended_at)
            else:
                self._end(done, "stopped", result.frame)
            yield result
            if over:
                return

    def _end(self, done: list[int], ended: str, at: int | None) -> None:
        self.outcome = SegmentOutcome(self.segment.frame, self.segment.direction, tuple(done), ended, at)
