"""The planes of a movie of volumes: movies of their own, whose results are joined per object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.engine.cost.forecast import forecast_run
from napari_xmem.engine.frame_order import frame_range, plan_passes
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.propagate import complete_run
from napari_xmem.engine.results import FrameResult
from napari_xmem.errors import SeedError
from napari_xmem.imaging import FrameSource, check_labels, check_not_an_image, read_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import Direction, PropagationConfig
    from napari_xmem.engine.cost.forecast import Forecast
    from napari_xmem.engine.divisions_across_planes import PlaneDivisions
    from napari_xmem.engine.run import Run
    from napari_xmem.model import XMem

__all__ = ["PlaneMovie", "VolumeRuns", "count_results", "follow_planes", "join_planes", "seed_volumes", "seeded_planes"]


class PlaneMovie:
    """One plane of a movie of volumes, as a movie (T, Y, X[, C]) that is read frame by frame."""

    def __init__(self, frames: Any, z: int) -> None:
        self._frames, self._z = frames, z
        self.shape = (int(frames.shape[0]), *(int(n) for n in frames.shape[2:]))
        self.dtype, self.ndim = frames.dtype, len(self.shape)

    def __getitem__(self, index: Any) -> Any:
        t, *rest = index if isinstance(index, tuple) else (index,)
        return np.asarray(self._frames[t, self._z])[tuple(rest)]


def seed_volumes(seeds: Any, shape: tuple[int, ...], start: int | None) -> dict[int, NDArray[Any]]:
    """Bring seeds of a movie of volumes into the form {frame: labels}.

    Parameters
    ----------
    seeds : mapping or array_like
        ``{frame: (Z, Y, X) labels}``, a (T, Z, Y, X) stack in which all-zero frames are unannotated (read frame by
        frame), or one (Z, Y, X) volume for frame `start`.
    shape : tuple of 4 int
        (T, Z, Y, X) of the movie.
    start : int or None
        Frame of a single volume; 0 where None.

    Returns
    -------
    dict
        Frame, ascending, to labels (Z, Y, X) of whole numbers; only frames with labels.

    Raises
    ------
    SeedError
        If a shape, a frame or values do not fit.
    """
    n_frames, *volume_shape = shape
    if hasattr(seeds, "items"):
        given = sorted((int(t), np.asarray(volume)) for t, volume in seeds.items())
    else:
        stacked = seeds if hasattr(seeds, "ndim") else np.asarray(seeds)
        if tuple(stacked.shape) not in (tuple(volume_shape), tuple(shape)):
            raise SeedError(
                f"seeds have shape {tuple(stacked.shape)}, expected {tuple(volume_shape)}, one volume (Z, Y, X), or "
                f"{tuple(shape)}, (T, Z, Y, X) like the movie."
            )
        single = stacked.ndim == 3
        given = (
            [(start or 0, read_part(stacked, ..., "seeds"))]
            if single
            else [(t, read_part(stacked, t, f"seeds of frame {t}")) for t in range(n_frames)]
        )
    found: dict[int, NDArray[Any]] = {}
    for t, volume in given:
        if not 0 <= t < n_frames:
            raise SeedError(f"seeds are given for frame {t}, but the movie has frames 0 to {n_frames - 1}.")
        if volume.shape != tuple(volume_shape):
            raise SeedError(
                f"seeds of frame {t} have shape {volume.shape}, expected (Z, Y, X) = {tuple(volume_shape)}."
            )
        for z, labels in enumerate(volume):
            check_labels(labels, labels.shape, f"seeds of frame {t}, plane {z},")
        if volume.any():
            if not found:
                z = seeded_planes({t: volume})[0]
                check_not_an_image(volume[z], f"seeds of frame {t}, plane {z},")
            found[t] = volume
    return found


def seeded_planes(volumes: Mapping[int, NDArray[Any]]) -> list[int]:
    """List the planes on which any of some volumes (Z, Y, X) holds labels."""
    return sorted({int(z) for volume in volumes.values() for z in np.flatnonzero(volume.any((1, 2)))})


def count_results(
    volumes: Mapping[int, NDArray[Any]], n_frames: int, start: int | None, stop: int | None, direction: Direction
) -> int:
    """Return how many planes of frames a run gives: seeded planes only, and only the frames that each is followed on.

    Parameters
    ----------
    volumes : mapping
        Frame to labels (Z, Y, X).
    n_frames : int
        Frames of the movie.
    start, stop : int or None
        Frame range, `stop` exclusive.
    direction : {"forward", "backward", "both"}
        Time direction from the seeds.
    """
    low, high = frame_range(n_frames, start, stop)
    total = 0
    for z in seeded_planes(volumes):
        seeds = {t: volume[z] for t, volume in volumes.items() if volume[z].any()}
        total += sum(len(part.frames) - part.report_from for part in plan_passes(seeds, low, high, direction))
    return total


@dataclass(frozen=True, slots=True, eq=False)
class VolumeRuns:
    """A movie of volumes, seeds and settings: one run per seeded plane, prepared when its turn comes.

    Iterating over it keeps the mother's id in every plane; `tracked` follows divisions as well.

    Attributes
    ----------
    sources : tuple of FrameSource
        The planes of the movie, each a movie of its own.
    volumes : dict
        Frame to labels (Z, Y, X).
    network : XMem
        The network.
    config : PropagationConfig
        The settings.
    """

    sources: tuple[FrameSource, ...]
    volumes: dict[int, NDArray[Any]]
    network: XMem
    config: PropagationConfig

    @classmethod
    def of(
        cls,
        frames: Any,
        volumes: dict[int, NDArray[Any]],
        network: XMem,
        config: PropagationConfig,
        channels: Sequence[int] | None = None,
    ) -> Self:
        """Make the runs of an array.

        Parameters
        ----------
        frames : array_like
            (T, Z, Y, X) or (T, Z, Y, X, C), read one plane at a time.
        volumes : dict
            Frame to labels (Z, Y, X).
        network, config
            As for the class.
        channels : sequence of int, optional
            Channels to use.

        Raises
        ------
        InputError
            If planes cannot be used as frames.
        """
        sources = (FrameSource(PlaneMovie(frames, z), channels=channels) for z in range(int(frames.shape[1])))
        return cls(tuple(sources), volumes, network, config)

    @property
    def planes(self) -> list[int]:
        """Planes that will be followed."""
        return seeded_planes(self.volumes)

    @property
    def n_results(self) -> int:
        """Planes of frames that will be yielded."""
        config, n_frames = self.config, len(self.sources[0])
        return count_results(self.volumes, n_frames, config.start, config.stop, config.direction)

    def seeds(self, z: int) -> dict[int, NDArray[Any]]:
        """Return the seeds of a plane."""
        return {t: volume[z] for t, volume in self.volumes.items() if volume[z].any()}

    def prepare(self, z: int) -> Run:
        """Return the run of a seeded plane, in which daughters keep their mother's id."""
        # daughters, and cells that come in, would get other ids in each plane
        config = replace(self.config, divisions="keep", entries="ignore")
        return prepare_run(self.sources[z], self.seeds(z), self.network, config)

    def tracked(self, seen: PlaneDivisions) -> Iterator[tuple[int, Run]]:
        """Prepare the runs one after the other, with divisions; `seen` is told what each of them finds."""
        config = replace(self.config, entries="ignore")
        seen.first_new_id = 1 + max(int(volume.max()) for volume in self.volumes.values())
        for z in self.planes:
            run = prepare_run(self.sources[z], self.seeds(z), self.network, config)
            run = replace(run, first_new_id=max(run.first_new_id, seen.first_new_id))
            yield z, replace(run, names=seen.of(run))

    def __iter__(self) -> Iterator[tuple[int, Run]]:
        return ((z, self.prepare(z)) for z in self.planes)

    def filled(self, frame: int) -> NDArray[Any]:
        """Return the seeds of a frame, followed through its planes; see `follow_planes`."""
        volume = np.stack([source.read(frame) for source in self.sources])
        return follow_planes(volume, self.volumes[frame], self.network, self.config)

    def with_seeds(self, volumes: dict[int, NDArray[Any]]) -> Self:
        """Return the runs of the same movie from other seeds."""
        return replace(self, volumes=volumes)

    def forecast(self) -> Forecast:
        """Say what all planes will cost, one after the other; a frame is one plane of a frame there."""
        parts = [forecast_run(run) for _, run in self]
        largest = max(parts, key=lambda part: part.peak_bytes)
        n_frames = sum(part.n_frames for part in parts)
        return replace(largest, seconds_per_frame=sum(part.seconds for part in parts) / n_frames, n_frames=n_frames)


def follow_planes(volume: Any, seeds: NDArray[Any], network: XMem, config: PropagationConfig) -> NDArray[Any]:
    """Follow the labels of some planes of one volume into all others, along z as if it were time.

    Parameters
    ----------
    volume : array_like
        (Z, Y, X) or (Z, Y, X, C), at least two planes.
    seeds : ndarray
        (Z, Y, X) labels; all-zero planes are unannotated.
    network : XMem
        The network.
    config : PropagationConfig
        The settings; frame range and direction are those of time and do not count here.

    Returns
    -------
    ndarray
        (Z, Y, X) labels of all planes; painted planes are as they were.

    Raises
    ------
    SeedError
        If no plane is painted.
    """
    if not np.any(seeds):
        raise SeedError("The seeds are empty: paint at least one object on one plane.")
    along_z = replace(config, direction="both", divisions="keep", entries="ignore", start=None, stop=None)
    filled = complete_run(prepare_run(volume, seeds, network, along_z)).labels
    painted = seeds.any((1, 2))
    filled[painted] = seeds[painted]
    return filled


def join_planes(frame: int, planes: Sequence[FrameResult]) -> FrameResult:
    """Sum the planes of one frame up, per object: volume, and confidence weighted by area; without labels."""
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
