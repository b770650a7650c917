"""From a movie and seeds to labels on every frame."""

from __future__ import annotations

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
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.engine.explain import Explainer
from napari_xmem.engine.identity.identify_across_movies import with_known
from napari_xmem.engine.inputs import Progress, mention_oddities, open_movie_input, open_seeds, progress_calls
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.results import FrameResult, PropagationResult, Scores, lineage_of
from napari_xmem.engine.run_iterator import keeping_partial
from napari_xmem.engine.run_passes import iter_run, replay_run
from napari_xmem.imaging import NonFinitePixelsWarning
from napari_xmem.imaging.acquisition import Acquisition
from napari_xmem.notices import once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config.given import Frames, Seeds
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.state_file import StoredMemory
    from napari_xmem.model import XMem

__all__ = ["complete_run", "iter_propagate", "propagate"]


@checked_arguments
def iter_propagate(
    frames: Frames,
    seeds: Seeds,
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
    min_confidence: float = 0.75,
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
        results then come up to 4 frames after the frame that is worked on, and are final. "keep": both daughters go on
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
    config = PropagationConfig.among(locals())
    shown = progress_calls(progress)
    run = _prepared(open_movie_input(frames, axes, channels), open_seeds(seeds), model, config, detections, known)
    mention_oddities(run)
    return iter_run(run, shown)


@checked_arguments
def propagate(
    frames: Frames,
    seeds: Seeds,
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
    min_confidence: float = 0.75,
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
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> result = nx.propagate(movie, {0: truth[0]}, direction="forward")
    >>> result
    PropagationResult(3 objects on 3 frames, labels 3 x 64 x 64 uint16, scope local, mean confidence 0.9...)
    >>> result.scores.confidence.shape  # frames, objects
    (3, 3)
    """
    config = PropagationConfig.among(locals())
    shown = progress_calls(progress)
    run = _prepared(open_movie_input(frames, axes, channels), open_seeds(seeds), model, config, detections, known)
    mention_oddities(run)
    with once(NonFinitePixelsWarning):
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
    seen = Acquisition.collect(one for result in results for one in result.findings)
    explainer = Explainer(run, replay_run)
    return PropagationResult(
        labels, scores, memory, run.scope, run.scope_reason, run.recipe, lineage, events, seen, explainer
    )
