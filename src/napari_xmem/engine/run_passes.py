"""Doing a prepared run: pass after pass through the frames, each with a scope of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.engine.acquisition_faults import AcquisitionWatch
from napari_xmem.engine.backward_finds import LateObjects
from napari_xmem.engine.cost.run_size import RunSize
from napari_xmem.engine.device_resources import agree_on_threads, trim_heap
from napari_xmem.engine.discovery.newcomers import Newcomers
from napari_xmem.engine.division import DelayedResults, DivisionTracker, MergeTracker, NewIds
from napari_xmem.engine.division.policies import NeverAsks
from napari_xmem.engine.identity.calibration import with_calibrated_confidence
from napari_xmem.engine.painted_ahead import PaintedAhead
from napari_xmem.engine.read_ahead import ReadAhead
from napari_xmem.engine.results import FrameResult
from napari_xmem.engine.run_iterator import RunIterator
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.seed_masks import keep_seeds
from napari_xmem.engine.torch_errors import torch_errors
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from napari_xmem.engine.division.trial_protocol import ObjectsOnTrial
    from napari_xmem.engine.frame_order import Pass
    from napari_xmem.engine.inputs import Progress
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope, Watch

__all__ = ["iter_run", "open_scope", "replay_run", "tidy"]

#: From so many objects on a frame takes a second or so, and the holes they leave in the heap are gigabytes.
_MANY_OBJECTS = 100


def iter_run(run: Run, progress: Progress | None = None, watch: Watch | None = None) -> Iterator[FrameResult]:
    """Do the frames of a prepared run; see `iter_propagate`.

    `watch` is called with the scope and the frame after every frame, also those that are not yielded; between
    results memory may be looked at and changed. After an error, or Ctrl-C, every further step raises
    `PropagationError`.
    """
    return RunIterator(_iter_passes(run, progress, watch), run.n_results)


def _iter_passes(run: Run, progress: Progress | None, watch: Watch | None) -> Generator[FrameResult, None, None]:
    done, late = 0, LateObjects() if run.late is None else run.late
    new_ids = _new_ids(run)
    for part in run.passes:
        for result in _guarded(_iter_pass(run, part, late, new_ids, watch)):
            done += 1
            if progress:
                progress(done, run.n_results)
            yield result


def _bad_frame(frame: int, not_believed: tuple[str, float] | None) -> tuple[Event, ...]:
    """Return the event of a frame from which nothing was learned."""
    if not_believed is None:
        return ()
    reason, odds = not_believed
    return (Event(EventKind.BAD_FRAME, frame, odds=odds, detail=reason),)


def replay_run(run: Run, watch: Watch) -> Iterator[FrameResult]:
    """Do a run once more, for an `Explainer`."""
    return iter_run(run, watch=watch)


def open_scope(run: Run, new_ids: NewIds | None = None, *, backward: bool = False) -> TrackingScope:
    """Return a scope for one pass of a run, with a memory that is empty, or filled by ``run.begin``.

    Parameters
    ----------
    run : Run
        The run.
    new_ids : NewIds, optional
        Gives ids to objects that begin; None: the run's first new id and those above.
    backward : bool
        The pass goes backward in time: a mother begins where two objects become one. Forward, daughters do where one
        divides, and cells come in.
    """
    budget, memory = RunSize.of(run).budget, run.config.memory
    scope: TrackingScope
    if run.scope == "global":
        scope = GlobalScope(run.network, memory, run.prepare, budget)
    else:
        reach = run.config.max_displacement_px
        geometry = run.prepare.geometry
        scaled = None if reach is None else reach * geometry.scale
        divisions = _undecided(run, new_ids or _new_ids(run), backward)
        scope = LocalScope(run.network, memory, run.prepare, scaled, budget, divisions)
    if run.begin is not None:
        run.begin(scope)
    return scope


def _undecided(run: Run, ids: NewIds, backward: bool) -> ObjectsOnTrial | None:
    """Return who decides late about objects that begin; None: nobody."""
    config = run.config
    found: ObjectsOnTrial | None = None
    if config.divisions == "track":
        found = MergeTracker(ids) if backward else DivisionTracker(ids)
    if backward or (config.entries == "ignore" and run.detections is None):
        return found
    found = found or DivisionTracker(ids, NeverAsks())
    least, interval = config.min_confidence, config.entry_interval_frames
    return Newcomers(found, ids, run.prepare.geometry, least, interval, run.detections)


def _new_ids(run: Run) -> NewIds:
    return NewIds(run.first_new_id, int(np.iinfo(run.dtype).max))


def _iter_pass(run: Run, part: Pass, late: LateObjects, new_ids: NewIds, watch: Watch | None) -> Iterator[FrameResult]:
    scope = open_scope(run, new_ids, backward=part.backward)
    waiting = DelayedResults() if scope.divisions is None else scope.divisions.waiting
    if scope.divisions is not None:
        plain = replace(
            run, begin=None, config=replace(run.config, divisions="keep", entries="ignore"), detections=None
        )
        scope.divisions.ahead = PaintedAhead(run, part, lambda: open_scope(plain))
    known, acquisition = set(scope.object_ids), AcquisitionWatch()
    with ReadAhead(run.source, part.frames) as reader:
        begun = time.perf_counter()
        for position, (frame, pixels) in enumerate(reader):
            seeds = run.seeds.get(frame)
            last = position == len(part.frames) - 1
            tidy(run, scope)
            agree_on_threads()  # before every frame: between two, the caller may have drawn something
            absent = run.absent.get(frame, ())
            found = scope.advance(pixels, frame, seeds, last=last, absent=absent)
            ids = scope.object_ids
            if seeds is not None:
                found = keep_seeds(found, ids, seeds, absent)
            result = FrameResult(
                frame,
                found.labels.astype(run.dtype),
                ids,
                found.area_px,
                found.confidence,
                seeds is not None,
                scope.snapshot(frame),
                time.perf_counter() - begun,
                births=_painted(run, ids, known) if seeds is not None else (),
                events=(*_bad_frame(frame, found.not_believed), *found.events),
                findings=acquisition.look(pixels, frame, found, scope.light.changes),
            )
            waiting.put(result, reported=position >= part.report_from)
            if scope.divisions is not None:
                for decision in scope.divisions.take_decisions():
                    waiting.apply(decision, run.prepare.geometry.scale)
            ready = waiting.release(0 if last or scope.divisions is None else scope.divisions.pending)
            known |= set(ids)
            for result, _ in ready:
                if result.frame in part.late:
                    late.put(result, run.known_by(result.frame))
            if watch:
                watch(scope, frame)
            for result, reported in ready:
                if reported:
                    yield with_calibrated_confidence(late.merge(result, run.dtype))
            begun = time.perf_counter()


def _painted(run: Run, ids: Sequence[int], known: Collection[int]) -> tuple[tuple[int, None], ...]:
    """Return objects that begin on a painted frame; followed back in time as well, they may have begun before."""
    return tuple((i, None) for i in ids if i not in known) if run.config.direction == "forward" else ()


def tidy(run: Run, scope: TrackingScope) -> None:
    """Give memory that is not used back to the system, where that is worth its milliseconds per frame."""
    if run.config.memory_budget_bytes is not None or len(scope.object_ids) >= _MANY_OBJECTS:
        trim_heap()


def _guarded(results: Iterator[FrameResult]) -> Iterator[FrameResult]:
    with torch_errors():
        yield from results
