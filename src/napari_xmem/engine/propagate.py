"""From a movie and seeds to labels on every frame."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import (
    Direction,
    Divisions,
    Entries,
    MemoryConfig,
    MemoryDevice,
    Precision,
    PropagationConfig,
    Scope,
)
from napari_xmem.config.settings import checked_arguments
from napari_xmem.engine.backward_finds import LateObjects
from napari_xmem.engine.cost.run_size import RunSize
from napari_xmem.engine.device_resources import agree_on_threads, trim_heap
from napari_xmem.engine.discovery.newcomers import Newcomers
from napari_xmem.engine.division import DelayedResults, DivisionTracker, MergeTracker, NewIds
from napari_xmem.engine.division.policies import NeverAsks
from napari_xmem.engine.explain import Explainer
from napari_xmem.engine.identity.identify import with_known
from napari_xmem.engine.inputs import Progress, mention_oddities, open_movie_input, open_seeds, progress_calls
from napari_xmem.engine.network_errors import network_errors
from napari_xmem.engine.painted_ahead import PaintedAhead
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.read_ahead import ReadAhead
from napari_xmem.engine.results import FrameResult, PropagationResult, Scores, lineage_of
from napari_xmem.engine.run_iterator import RunIterator, keeping_partial
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.seeding import keep_seeds
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.engine.division.undecided import Undecided
    from napari_xmem.engine.frame_order import Pass
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.engine.state_file import StoredMemory
    from napari_xmem.model import XMem

__all__ = ["complete_run", "iter_propagate", "iter_run", "open_scope", "propagate", "replay_run", "tidy"]

#: From so many objects on a frame takes a second or so, and the holes they leave in the heap are gigabytes.
_MANY_OBJECTS = 100


@checked_arguments
def iter_propagate(
    frames: Any,
    seeds: Any,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    direction: Direction = "forward",
    divisions: Divisions = "track",
    entries: Entries = "ignore",
    entry_interval_frames: int = 3,
    min_confidence: float = 0.8,
    start: int | None = None,
    stop: int | None = None,
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
    detections: Any = None,
    known: StoredMemory | str | Path | None = None,
    progress: Progress | bool | None = None,
) -> Iterator[FrameResult]:
    """Propagate seeds through a movie, one frame at a time.

    Input is checked at once; frames are done as the iterator is advanced. Stop by no longer asking.

    Parameters
    ----------
    frames : array_like, Movie or path
        ``(T, Y, X)`` or ``(T, Y, X, C)`` with up to 3 channels, any numeric type: numpy, memmap, dask or zarr. Frames
        are read one at a time; a file is opened with `napari_xmem.open_movie`.
    seeds : mapping, array, Movie or path
        ``{frame: (Y, X) integer labels}``; or a ``(T, Y, X)`` stack in which all-zero frames are unannotated; or one
        ``(Y, X)`` array for frame `start` (backward and no `start`: the last frame). Files are opened with
        `napari_xmem.open_labels`.
    axes : str, optional
        Order of the movie's axes where neither file nor shape say it, such as "TCYX".
    channels : sequence of int, optional
        Channels to use, up to three; needed where there are more.
    model : str, path or XMem
        "bundled", "xmem", a weights file, or a loaded network.
    memory : MemoryConfig, optional
        The memory manager's settings.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    scope : {"auto", "local", "global"}
        A region per object, whole frames as in the paper, or chosen; the result says which and why.
    direction : {"forward", "backward", "both"}
        Time direction from the seeds.
    divisions : {"track", "keep"}
        "track": where an object divides it ends, and two daughters with ids of their own begin (in the local scope);
        results then come up to 3 frames after the frame that is worked on, and are final. "keep": both daughters go on
        under the mother's id.
    entries : {"ignore", "find"}
        "find": cells that look like the painted ones and belong to nobody are found, on the first frame as later, and
        get ids of their own (in the local scope, forward in time); results come as late as with divisions.
    entry_interval_frames : int
        New cells are looked for every so many frames.
    min_confidence : float
        0 to 1; new cells that are less sure are left out.
    start, stop : int, optional
        Frame range, 0 to T, `stop` exclusive; None: from the seeds to the end that `direction` names.
    diameter_px : float, optional
        Typical object diameter in pixels of the movie; None: the seeds' median.
    max_displacement_px : float, optional
        How far an object may move between frames, in pixels of the movie, for ``scope="local"``.
    memory_budget_bytes : int, optional
        Memory that tensors may take at a time, in bytes, without the network's weights, at least 1 MB; None: a share
        of what the device has free. Where it cannot be kept a warning says what would be needed, see `forecast`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Type in which convolutions compute; "auto": bfloat16 for the local scope where the device computes in it.
    memory_device : {"auto", "device", "host"}
        Where memory banks are kept: on the device, in the host's memory, or on the device where they fit.
    percentiles : tuple of 2 float
        Intensity percentiles of the movie that become 0 and 1.
    detections : array, optional
        ``(T, Y, X)`` labels of another program, with other ids on every frame. Those that belong to no object are tried
        as new cells, in place of a search; who is who is for memory to say. With ``seeds=None`` the first frame of
        them that has labels becomes the seeds.
    known : StoredMemory, str or path, optional
        A memory of an earlier recording, saved by a session: painted objects that it knows, see
        `napari_xmem.identify`, get its ids and go on with its memory; the others get ids above all that it holds.
    progress : callable or bool, optional
        Called with frames done and frames in all, after each frame; True: a bar.

    Yields
    ------
    FrameResult
        One per frame, in the order they are done; final.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        If something given cannot be used; raised by the call itself, before the first frame.
    PropagationError, OutOfMemoryError
        If a frame fails; frames already yielded stay valid. Asked again after that, or after Ctrl-C, the iterator
        raises `PropagationError`: it does not end as if all frames were done.
    """
    config = PropagationConfig(
        memory=MemoryConfig() if memory is None else memory,
        scope=scope,
        direction=direction,
        divisions=divisions,
        entries=entries,
        entry_interval_frames=entry_interval_frames,
        min_confidence=min_confidence,
        start=start,
        stop=stop,
        device=device,
        diameter_px=diameter_px,
        max_displacement_px=max_displacement_px,
        memory_budget_bytes=memory_budget_bytes,
        precision=precision,
        memory_device=memory_device,
        percentiles=percentiles,
    )
    shown = progress_calls(progress)
    run = _prepared(open_movie_input(frames, axes, channels), open_seeds(seeds), model, config, detections, known)
    mention_oddities(run)
    return iter_run(run, shown)


@checked_arguments
def propagate(
    frames: Any,
    seeds: Any,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    direction: Direction = "forward",
    divisions: Divisions = "track",
    entries: Entries = "ignore",
    entry_interval_frames: int = 3,
    min_confidence: float = 0.8,
    start: int | None = None,
    stop: int | None = None,
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
    detections: Any = None,
    known: StoredMemory | str | Path | None = None,
    progress: Progress | bool | None = None,
) -> PropagationResult:
    """Propagate seeds through a movie and return all labels.

    `PropagationResult.labels` is held in memory, so for very long movies use `iter_propagate` and write each frame.

    Parameters
    ----------
    frames : array_like
        ``(T, Y, X)`` or ``(T, Y, X, C)``, see `iter_propagate`.
    seeds : mapping or array
        Labels of one or more frames, see `iter_propagate`.
    axes, channels, model, memory, device, scope, direction, divisions, entries, entry_interval_frames, \
min_confidence, start, stop, diameter_px, max_displacement_px, memory_budget_bytes, precision, memory_device, \
percentiles, detections, known, progress
        See `iter_propagate`.

    Returns
    -------
    PropagationResult
        Labels, scores, memory per frame, and the settings.

    Raises
    ------
    XMemError
        As `iter_propagate`.

    Notes
    -----
    Whatever ends a run in the middle, the frames finished before are kept: the exception's attribute ``partial`` is
    their `PropagationResult`. That holds for our own errors as for KeyboardInterrupt (Ctrl-C, the Stop button of a
    notebook) and for errors of `progress`. ``error.partial.scores.frames`` lists the frames that are done, other frames
    of ``error.partial.labels`` are 0. In a notebook the last exception is ``sys.last_value``.

    Examples
    --------
    >>> result = propagate(movie, {0: labels}, direction="forward")  # doctest: +SKIP
    >>> result.labels.shape == movie.shape  # doctest: +SKIP
    True
    """
    config = PropagationConfig(
        memory=MemoryConfig() if memory is None else memory,
        scope=scope,
        direction=direction,
        divisions=divisions,
        entries=entries,
        entry_interval_frames=entry_interval_frames,
        min_confidence=min_confidence,
        start=start,
        stop=stop,
        device=device,
        diameter_px=diameter_px,
        max_displacement_px=max_displacement_px,
        memory_budget_bytes=memory_budget_bytes,
        precision=precision,
        memory_device=memory_device,
        percentiles=percentiles,
    )
    shown = progress_calls(progress)
    run = _prepared(open_movie_input(frames, axes, channels), open_seeds(seeds), model, config, detections, known)
    mention_oddities(run)
    return complete_run(run, shown)


def _prepared(
    frames: Any,
    seeds: Any,
    model: str | Path | XMem,
    config: PropagationConfig,
    detections: Any,
    known: StoredMemory | str | Path | None,
) -> Run:
    run = prepare_run(frames, seeds, model, config, detections=detections)
    return run if known is None else with_known(run, known)[0]


def complete_run(run: Run, progress: Progress | None = None) -> PropagationResult:
    """Do a prepared run to its end and return all labels; see `propagate`."""
    labels = np.zeros((len(run.source), *run.source.frame_shape), run.dtype)
    results: list[FrameResult] = []
    with keeping_partial(lambda: _gathered(run, labels, results), lambda: len(results), run.n_results):
        for result in iter_run(run):
            labels[result.frame] = result.labels
            results.append(replace(result, labels=labels[result.frame]))  # held once
            if progress:
                progress(len(results), run.n_results)
    return _gathered(run, labels, results)


def _gathered(run: Run, labels: NDArray[Any], results: list[FrameResult]) -> PropagationResult:
    """Return the frames done so far as a result."""
    memory = tuple(r.memory for r in results if r.memory is not None)
    scores = Scores.collect(results)
    done = range(min(scores.frames, default=0), max(scores.frames, default=-1) + 1)
    lineage, events = lineage_of(labels, done, (event for result in results for event in result.events))
    explainer = Explainer(run, replay_run)
    return PropagationResult(
        labels, scores, memory, run.scope, run.scope_reason, run.recipe, lineage, events, explainer
    )


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


def _undecided(run: Run, ids: NewIds, backward: bool) -> Undecided | None:
    """Return who decides late about objects that begin; None: nobody."""
    config = run.config
    found: Undecided | None = None
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
    known = set(scope.object_ids)
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
                    yield late.merge(result, run.dtype)
            begun = time.perf_counter()


def _painted(run: Run, ids: Sequence[int], known: Collection[int]) -> tuple[tuple[int, None], ...]:
    """Return objects that begin on a painted frame; followed back in time as well, they may have begun before."""
    return tuple((i, None) for i in ids if i not in known) if run.config.direction == "forward" else ()


def tidy(run: Run, scope: TrackingScope) -> None:
    """Give memory that is not used back to the system, where that is worth its milliseconds per frame."""
    if run.config.memory_budget_bytes is not None or len(scope.object_ids) >= _MANY_OBJECTS:
        trim_heap()


def _guarded(results: Iterator[FrameResult]) -> Iterator[FrameResult]:
    with network_errors():
        yield from results
