"""Movies of volumes (T, Z, Y, X): every plane is followed through time, and a cell keeps its id in all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import Direction, Divisions, MemoryConfig, MemoryDevice, Precision, PropagationConfig, Scope
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.engine.divisions_across_planes import PlaneDivisions, one_per_mother, rename_leftovers
from napari_xmem.engine.frame_order import frame_range
from napari_xmem.engine.inputs import open_seeds, open_volumes, progress_calls
from napari_xmem.engine.results import Scores, lineage_of
from napari_xmem.engine.run_iterator import RunIterator, keeping_partial
from napari_xmem.engine.run_passes import iter_run
from napari_xmem.engine.volume_runs import VolumeRuns, follow_planes, join_planes, seed_volumes
from napari_xmem.errors import InputError, SeedError
from napari_xmem.imaging import known_shape
from napari_xmem.memory import check_policies
from napari_xmem.model import XMem, load_model
from napari_xmem.tracking import Lineage
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config.given import Frames, Seeds
    from napari_xmem.engine.inputs import Progress
    from napari_xmem.engine.results import FrameResult
    from napari_xmem.tracking import Event

__all__ = ["PlaneResult", "VolumeResult", "follow_through_z", "iter_volumes", "prepare_volumes", "propagate_volumes"]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneResult:
    """One plane of one frame: index ``z`` of the plane and its `FrameResult`."""

    z: int
    frame: FrameResult

    def __repr__(self) -> str:
        return f"PlaneResult(z {self.z}, {self.frame!r})"


@dataclass(frozen=True, slots=True, eq=False)
class VolumeResult:
    """A run over volumes.

    Attributes
    ----------
    labels : ndarray, shape (T, Z, Y, X), uint16 or int32
        Object ids; frames outside the run and planes without seeds are 0.
    scores : Scores
        Per object and frame: confidence as the mean over its planes, weighted by area; ``area_px`` is the sum over
        planes, that is the volume in voxels.
    planes : tuple of int
        Planes that were followed.
    recipe : dict
        All settings.
    lineage : Lineage
        Who is whose daughter, and how objects begin and end.
    events : tuple of Event
        What happened, by frame; a division that several planes saw is one.
    """

    labels: NDArray[Any]
    scores: Scores
    planes: tuple[int, ...]
    recipe: dict[str, Any] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=lambda: Lineage.from_labels([]), repr=False)
    events: tuple[Event, ...] = ()

    def __repr__(self) -> str:
        shape, planes = " x ".join(map(str, self.labels.shape)), counted(len(self.planes), "plane")
        return (
            f"VolumeResult({counted(len(self.scores.object_ids), 'object')} on "
            f"{counted(len(self.scores.frames), 'frame')}, {planes} followed, labels {shape} {self.labels.dtype})"
        )


@checked_arguments
def propagate_volumes(
    frames: Frames,
    seeds: Seeds,
    *,
    fill_planes: bool = False,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    direction: Direction = "forward",
    divisions: Divisions = "track",
    start: int | None = None,
    stop: int | None = None,
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
    progress: Progress | bool | None = None,
) -> VolumeResult:
    """Propagate labels of cells through a movie of volumes.

    Planes are followed independently of each other, with the same ids: that suits movies in which cells stay in their
    planes, or move through them slowly. A cell that enters a plane where it was not seeded is not found there.

    A division that several planes see is one, with one pair of daughters. Where a plane shows a mother as one after
    others have seen her divide, she is the daughter that lies nearer there.

    Parameters
    ----------
    frames : array_like, Movie or path
        ``(T, Z, Y, X)``, any numeric type; planes are read one at a time.
    seeds : mapping, array, Movie or path
        ``{frame: (Z, Y, X) labels}``, a ``(T, Z, Y, X)`` stack with empty frames unannotated, or one ``(Z, Y, X)``
        volume for frame `start`.
    fill_planes : bool
        First follow the seeds of each seeded frame along z into its unannotated planes, see `follow_through_z`.
    model, memory, device, scope, direction, divisions, start, stop, diameter_px, max_displacement_px, \
memory_budget_bytes, precision, memory_device, percentiles
        See `iter_propagate`.
    progress : callable or bool, optional
        Called with planes done and planes to do, over all frames; planes without seeds are not counted. True: a bar.

    Returns
    -------
    VolumeResult
        Labels and scores.

    Raises
    ------
    InputError, SeedError
        If the movie or the seeds have other axes, or no plane is seeded.

    Notes
    -----
    Whatever ends a run in the middle, Ctrl-C and errors of `progress` included, what was finished before is the
    exception's attribute ``partial``, see `propagate`.
    """
    config = PropagationConfig.among(locals())
    shown = progress_calls(progress, "plane")
    frames = open_volumes(frames)
    runs = prepare_volumes(frames, seeds, model, config, fill_planes=fill_planes)
    gathered = _Gathered(known_shape(frames), _recipe(runs, fill_planes=fill_planes))
    with keeping_partial(gathered.result, lambda: gathered.n_done, runs.n_results):
        for result in _planes(runs):
            gathered.add(result)
            if shown:
                shown(gathered.n_done, runs.n_results)
    return gathered.result()


def _recipe(runs: VolumeRuns, *, fill_planes: bool) -> dict[str, Any]:
    model = {"model": runs.network.config.name, "model_fingerprint": runs.network.fingerprint}
    return {"fill_planes": fill_planes, **model, **asdict(runs.config)}


class _Gathered:
    """Labels and scores of the planes done so far."""

    def __init__(self, shape: tuple[int, ...], recipe: dict[str, Any]) -> None:
        self.n_done = 0
        self._labels: NDArray[Any] = np.zeros(shape, np.uint16)
        self._recipe = recipe
        self._parts: dict[int, list[tuple[int, FrameResult]]] = {}

    def add(self, result: PlaneResult) -> None:
        """Take in a plane of a frame."""
        found = result.frame
        if not self.n_done or found.labels.dtype.itemsize > self._labels.dtype.itemsize:
            self._labels = self._labels.astype(found.labels.dtype)
        self._labels[found.frame, result.z] = found.labels
        self._parts.setdefault(found.frame, []).append((result.z, found))
        self.n_done += 1

    def result(self) -> VolumeResult:
        """Join the planes of each frame."""
        events = one_per_mother(e for found in self._parts.values() for _, r in found for e in r.events)
        rename_leftovers(self._labels, events, self._parts)
        joined = [join_planes(frame, [r for _, r in planes]) for frame, planes in sorted(self._parts.items())]
        planes = tuple(sorted({z for found in self._parts.values() for z, _ in found}))
        frames = range(min(self._parts, default=0), max(self._parts, default=-1) + 1)
        lineage, events = lineage_of(self._labels, frames, events)
        recipe = {"planes": list(planes), **self._recipe}
        return VolumeResult(self._labels, Scores.collect(joined), planes, recipe, lineage, events)


@checked_arguments
def iter_volumes(
    frames: Frames,
    seeds: Seeds,
    *,
    fill_planes: bool = False,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    direction: Direction = "forward",
    divisions: Divisions = "track",
    start: int | None = None,
    stop: int | None = None,
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
) -> RunIterator[PlaneResult]:
    """Propagate labels through a movie of volumes, one plane of one frame at a time: plane by plane, frame by frame.

    Nothing is held but the plane at work, so that results can be written as they come. Daughters have the same ids in
    all planes; a mother whom a plane shows as one after another has seen her divide keeps her id in that plane.

    Parameters
    ----------
    frames : array_like, Movie or path
        ``(T, Z, Y, X)``.
    seeds : mapping, array, Movie or path
        As for `propagate_volumes`.
    fill_planes : bool
        First follow the seeds of a painted frame through its other planes.
    model, memory, device, scope, direction, divisions, start, stop, diameter_px, max_displacement_px, \
memory_budget_bytes, precision, memory_device, percentiles
        See `iter_propagate`.

    Yields
    ------
    PlaneResult
        Plane and `FrameResult`.

    Raises
    ------
    InputError, SeedError
        As `propagate_volumes`.
    """
    config = PropagationConfig.among(locals())
    runs = prepare_volumes(frames, seeds, model, config, fill_planes=fill_planes)
    return RunIterator(_planes(runs), runs.n_results)


def prepare_volumes(
    frames: Any, seeds: Any, model: str | Path | XMem, config: PropagationConfig, *, fill_planes: bool = False
) -> VolumeRuns:
    """Check a movie of volumes, seeds and settings, and follow seeds through their volumes first if that is asked for.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        See `propagate_volumes`.
    """
    frames, seeds = open_volumes(frames), open_seeds(seeds, volumes=True)
    if len(getattr(frames, "shape", ())) != 4:
        raise InputError(
            f"the movie has shape {getattr(frames, 'shape', None)}, expected (T, Z, Y, X). "
            "For (T, Y, X), or a stack (Z, Y, X) to be followed along z, use propagate."
        )
    check_policies(config.memory)
    shape = known_shape(frames)
    volumes = seed_volumes(seeds, shape, config.start)
    if not volumes:
        raise SeedError("The seeds are empty: paint at least one object.")
    low, high = frame_range(shape[0], config.start, config.stop)
    inside = {t: volume for t, volume in volumes.items() if low <= t < high}
    if not inside:
        raise SeedError(f"Seeds lie on frames {sorted(volumes)}, none of them in the range {low} to {high - 1}.")
    network = model if isinstance(model, XMem) else load_model(model, config.device)
    runs = VolumeRuns.of(frames, inside, network, config)
    return runs.with_seeds({t: runs.filled(t) for t in inside}) if fill_planes else runs


def _planes(runs: VolumeRuns) -> Generator[PlaneResult, None, None]:
    seen = PlaneDivisions()
    for z, run in runs.tracked(seen) if runs.config.divisions == "track" else runs:
        for result in iter_run(run):
            seen.add(result)
            yield PlaneResult(z, result)


@checked_arguments
def follow_through_z(
    volume: Any,
    seeds: Any,
    *,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
) -> NDArray[Any]:
    """Follow the labels of some planes of one volume into all others, along z as if it were time.

    Parameters
    ----------
    volume : array_like
        ``(Z, Y, X)``, at least two planes.
    seeds : ndarray
        ``(Z, Y, X)`` labels; all-zero planes are unannotated.
    model, memory, device, scope, diameter_px, max_displacement_px, memory_budget_bytes, precision, memory_device, \
percentiles
        See `iter_propagate`.

    Returns
    -------
    ndarray
        ``(Z, Y, X)`` labels of all planes; painted planes are as they were.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        See `iter_propagate`.
    """
    config = PropagationConfig.among(locals())
    network = model if isinstance(model, XMem) else load_model(model, device)
    return follow_planes(np.asarray(volume), np.asarray(seeds), network, config)
