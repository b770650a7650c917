"""Movies of volumes (T, Z, Y, X): every plane is followed through time, and a cell keeps its id in all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import MemoryConfig
from napari_xmem.engine.planes import PlaneMovie, count_results, join_planes, seed_volumes, seeded_planes
from napari_xmem.engine.propagate import iter_propagate, propagate
from napari_xmem.engine.results import Scores
from napari_xmem.engine.run_iterator import RunIterator, keeping_partial
from napari_xmem.errors import InputError, SeedError
from napari_xmem.imaging import known_shape
from napari_xmem.memory import check_policies
from napari_xmem.model import XMem, load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray

    from napari_xmem.config import Direction
    from napari_xmem.engine.results import FrameResult

__all__ = ["PlaneResult", "VolumeResult", "follow_through_z", "iter_volumes", "propagate_volumes"]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneResult:
    """One plane of one frame: index ``z`` of the plane and its `FrameResult`."""

    z: int
    frame: FrameResult


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
    """

    labels: NDArray[Any]
    scores: Scores
    planes: tuple[int, ...]
    recipe: dict[str, Any] = field(default_factory=dict)


def propagate_volumes(
    frames: Any,
    seeds: Any,
    *,
    fill_planes: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> VolumeResult:
    """Propagate labels of cells through a movie of volumes.

    Planes are followed independently of each other, with the same ids: that suits movies in which cells stay in their
    planes, or move through them slowly. A cell that enters a plane where it was not seeded is not found there.

    Parameters
    ----------
    frames : array_like
        ``(T, Z, Y, X)``, any numeric type; planes are read one at a time.
    seeds : mapping or array
        ``{frame: (Z, Y, X) labels}``, a ``(T, Z, Y, X)`` stack with empty frames unannotated, or one ``(Z, Y, X)``
        volume for frame `start`.
    fill_planes : bool
        First follow the seeds of each seeded frame along z into its unannotated planes, see `follow_through_z`.
    progress : callable, optional
        Called with planes done and planes to do, over all frames; planes without seeds are not counted.
    **options
        As for `iter_propagate`.

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
    results = iter_volumes(frames, seeds, fill_planes=fill_planes, **options)
    gathered = _Gathered(known_shape(frames), {"fill_planes": fill_planes, **{k: str(v) for k, v in options.items()}})
    with keeping_partial(gathered.result, lambda: gathered.n_done, results.n_results):
        for result in results:
            gathered.add(result)
            if progress:
                progress(gathered.n_done, results.n_results)
    return gathered.result()


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
        joined = [join_planes(frame, [r for _, r in planes]) for frame, planes in sorted(self._parts.items())]
        planes = tuple(sorted({z for found in self._parts.values() for z, _ in found}))
        return VolumeResult(self._labels, Scores.collect(joined), planes, {"planes": list(planes), **self._recipe})


def iter_volumes(frames: Any, seeds: Any, *, fill_planes: bool = False, **options: Any) -> RunIterator[PlaneResult]:
    """Propagate labels through a movie of volumes, one plane of one frame at a time: plane by plane, frame by frame.

    Nothing is held but the plane at work, so that results can be written as they come.

    Parameters
    ----------
    frames : array_like
        ``(T, Z, Y, X)``.
    seeds : mapping or array
        As for `propagate_volumes`.
    fill_planes : bool
        First follow the seeds of a painted frame through its other planes.
    **options
        As for `iter_propagate`.

    Yields
    ------
    PlaneResult
        Plane and `FrameResult`.

    Raises
    ------
    InputError, SeedError
        As `propagate_volumes`.
    """
    if len(getattr(frames, "shape", ())) != 4:
        raise InputError(
            f"the movie has shape {getattr(frames, 'shape', None)}, expected (T, Z, Y, X). "
            "For (T, Y, X), or a stack (Z, Y, X) to be followed along z, use propagate."
        )
    if isinstance(options.get("memory"), MemoryConfig):
        check_policies(options["memory"])
    volumes = seed_volumes(seeds, known_shape(frames), options.get("start"))
    options["model"] = _loaded(options)
    if fill_planes:
        volumes = {t: follow_through_z(frames[t], volume, **_still(options)) for t, volume in volumes.items()}
    seeded = seeded_planes(volumes)
    if not seeded:
        raise SeedError("The seeds are empty: paint at least one object.")
    direction: Direction = options.get("direction", "forward")
    lowest = min(volumes) if direction == "forward" else options.get("start")
    n_results = count_results(volumes, known_shape(frames)[0], lowest, options.get("stop"), direction)
    return RunIterator(_planes(frames, volumes, seeded, options), n_results)


def _planes(
    frames: Any, volumes: Mapping[int, NDArray[Any]], planes: list[int], options: dict[str, Any]
) -> Generator[PlaneResult, None, None]:
    for z in planes:
        seeds = {t: volume[z] for t, volume in volumes.items() if volume[z].any()}
        first = min(seeds)
        own = options if options.get("direction", "forward") != "forward" else {**options, "start": first}
        for result in iter_propagate(PlaneMovie(frames, z), seeds, **own):
            yield PlaneResult(z, result)


def follow_through_z(volume: Any, seeds: NDArray[Any], **options: Any) -> NDArray[Any]:
    """Follow the labels of some planes of one volume into all others, along z as if it were time.

    Parameters
    ----------
    volume : array_like
        ``(Z, Y, X)``, at least two planes.
    seeds : ndarray
        ``(Z, Y, X)`` labels; all-zero planes are unannotated.
    **options
        As for `iter_propagate`.

    Returns
    -------
    ndarray
        ``(Z, Y, X)`` labels of all planes; painted planes are as they were.
    """
    if not np.any(seeds):
        raise SeedError("The seeds are empty: paint at least one object on one plane.")
    filled = propagate(np.asarray(volume), np.asarray(seeds), **{**options, "direction": "both"}).labels
    painted = np.asarray(seeds).any((1, 2))
    filled[painted] = np.asarray(seeds)[painted]
    return filled


def _loaded(options: Mapping[str, Any]) -> XMem:
    """Load the model once for all planes."""
    model = options.get("model", "bundled")
    return model if isinstance(model, XMem) else load_model(model, options.get("device", "auto"))


def _still(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a run through time that also hold along z."""
    return {name: value for name, value in options.items() if name not in ("start", "stop", "direction", "progress")}
