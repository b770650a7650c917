"""Movies of volumes (T, Z, Y, X): every plane is followed through time, and a cell keeps its id in all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.propagate import iter_propagate, propagate
from napari_xmem.engine.results import FrameResult, Scores
from napari_xmem.errors import InputError, SeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

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


class _Plane:
    """One plane of a movie of volumes, as a movie (T, Y, X) that is read frame by frame."""

    def __init__(self, frames: Any, z: int) -> None:
        self._frames, self._z = frames, z
        self.shape = (int(frames.shape[0]), *(int(n) for n in frames.shape[2:]))
        self.dtype, self.ndim = frames.dtype, len(self.shape)

    def __getitem__(self, index: Any) -> Any:
        t, *rest = index if isinstance(index, tuple) else (index,)
        return np.asarray(self._frames[t, self._z])[tuple(rest)]


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
        Called with planes done and planes in all, over all frames.
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
    """
    labels: NDArray[Any] | None = None
    parts: dict[int, list[tuple[int, FrameResult]]] = {}
    for done, result in enumerate(iter_volumes(frames, seeds, fill_planes=fill_planes, **options), start=1):
        found = result.frame
        if labels is None:
            labels = np.zeros(tuple(frames.shape), found.labels.dtype)
        if found.labels.dtype.itemsize > labels.dtype.itemsize:
            labels = labels.astype(found.labels.dtype)
        labels[found.frame, result.z] = found.labels
        parts.setdefault(found.frame, []).append((result.z, found))
        if progress:
            progress(done, int(frames.shape[0]) * int(frames.shape[1]))
    if labels is None:
        raise SeedError("No plane was followed: the seeds hold no object in the frame range.")
    joined = [_join(frame, [r for _, r in planes]) for frame, planes in sorted(parts.items())]
    planes = tuple(sorted({z for found in parts.values() for z, _ in found}))
    recipe = {"planes": list(planes), "fill_planes": fill_planes, **{k: str(v) for k, v in options.items()}}
    return VolumeResult(labels, Scores.collect(joined), planes, recipe)


def iter_volumes(frames: Any, seeds: Any, *, fill_planes: bool = False, **options: Any) -> Iterator[PlaneResult]:
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
    volumes = _seed_volumes(seeds, tuple(int(n) for n in frames.shape), options.get("start"))
    if fill_planes:
        volumes = {t: follow_through_z(frames[t], volume, **_still(options)) for t, volume in volumes.items()}
    seeded = [z for z in range(frames.shape[1]) if any(volume[z].any() for volume in volumes.values())]
    if not seeded:
        raise SeedError("The seeds are empty: paint at least one object.")
    return _planes(frames, volumes, seeded, options)


def _planes(
    frames: Any, volumes: Mapping[int, NDArray[Any]], planes: list[int], options: dict[str, Any]
) -> Iterator[PlaneResult]:
    for z in planes:
        seeds = {t: volume[z] for t, volume in volumes.items() if volume[z].any()}
        first = min(seeds)
        own = options if options.get("direction", "forward") != "forward" else {**options, "start": first}
        for result in iter_propagate(_Plane(frames, z), seeds, **own):
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


def _still(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a run through time that also hold along z."""
    return {name: value for name, value in options.items() if name not in ("start", "stop", "direction", "progress")}


def _seed_volumes(seeds: Any, shape: tuple[int, ...], start: int | None) -> dict[int, NDArray[np.int64]]:
    """Bring seeds to ``{frame: (Z, Y, X)}``; frames without any label are left out."""
    if hasattr(seeds, "items"):
        given = {int(t): np.asarray(volume) for t, volume in seeds.items()}
    else:
        stacked = np.asarray(seeds)
        if stacked.ndim == 4 and len(stacked) == shape[0]:
            given = dict(enumerate(stacked))
        else:
            given = {start or 0: stacked}
    for t, volume in given.items():
        if volume.shape != shape[1:] or volume.dtype.kind not in "bui" or not 0 <= t < shape[0]:
            raise SeedError(
                f"seeds of frame {t} have shape {volume.shape} and type {volume.dtype}, expected whole numbers "
                f"{shape[1:]} on a frame from 0 to {shape[0] - 1}."
            )
        if volume.size and int(volume.min()) < 0:
            raise SeedError(f"seeds of frame {t} hold negative labels; expected 0 for background and ids above.")
    return {t: volume.astype(np.int64) for t, volume in given.items() if volume.any()}


def _join(frame: int, planes: list[FrameResult]) -> FrameResult:
    """Sum the planes of one frame up, per object."""
    ids = tuple(dict.fromkeys(i for plane in planes for i in plane.object_ids))
    area, weighted = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0.0)
    for plane in planes:
        for object_id, pixels, confidence in zip(plane.object_ids, plane.area_px, plane.confidence, strict=True):
            area[object_id] += int(pixels)
            weighted[object_id] += float(pixels) * float(confidence)
    confidence = np.array([weighted[i] / area[i] if area[i] else 0.0 for i in ids], np.float32)
    seeded = any(plane.seeded for plane in planes)
    return FrameResult(
        frame, np.zeros((0, 0), np.uint16), ids, np.array([area[i] for i in ids], np.int64), confidence, seeded
    )
