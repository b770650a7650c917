"""Where every object is on every frame: the rows that lineages, track files and tables are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking.label_geometry import measure_objects
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.tracking.label_geometry import ObjectMeasures

__all__ = ["DetectionCollector", "Detections"]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """One row per object and frame, sorted by object, then by frame.

    Attributes
    ----------
    object_ids : ndarray, (N,), int64
        Ids above 0.
    frames : ndarray, (N,), int64
        Frames of the movie.
    centroids_px : ndarray, (N, 2) or (N, 3), float64
        Row and column in pixels; plane, row and column in volumes.
    areas_px : ndarray, (N,), int64
        Pixels (voxels) of the mask.
    at_border : ndarray, (N,), bool
        The mask touches the first or last row or column.
    """

    object_ids: NDArray[np.int64]
    frames: NDArray[np.int64]
    centroids_px: NDArray[np.float64]
    areas_px: NDArray[np.int64]
    at_border: NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"Detections({counted(len(np.unique(self.object_ids)), 'object')}, {counted(len(self.frames), 'row')})"

    @classmethod
    def from_arrays(
        cls,
        object_ids: Any,
        frames: Any,
        centroids_px: Any,
        areas_px: Any = None,
        at_border: Any = None,
    ) -> Detections:
        """Make detections from columns in any order.

        Parameters
        ----------
        object_ids, frames : array_like, (N,), integer
            Ids above 0, frames from 0.
        centroids_px : array_like, (N, 2) or (N, 3)
            Row and column, or plane, row and column.
        areas_px : array_like, (N,), optional
            Pixels; 0 = not known.
        at_border : array_like, (N,), optional
            At the border; not known counts as no.

        Returns
        -------
        Detections
            The rows, sorted.

        Raises
        ------
        InputError
            If lengths differ, an id or frame is out of range, or an object has two rows on one frame.
        """
        ids, times = np.asarray(object_ids, np.int64).reshape(-1), np.asarray(frames, np.int64).reshape(-1)
        places = np.asarray(centroids_px, np.float64)
        places = places.reshape(0, 2) if places.size == 0 else places
        areas = np.zeros(ids.size, np.int64) if areas_px is None else np.asarray(areas_px, np.int64)
        border = np.zeros(ids.size, bool) if at_border is None else np.asarray(at_border, bool)
        if not ids.size == times.size == len(places) == areas.size == border.size or places.ndim != 2:
            raise InputError(
                f"detections with {ids.size} ids, {times.size} frames and places of shape {places.shape}: expected "
                "one row each."
            )
        if ids.size and (ids.min() < 1 or ids.max() > np.iinfo(np.int32).max or times.min() < 0):
            raise InputError("detections need ids from 1 to 2147483647 and frames from 0.")
        order = np.lexsort((times, ids))
        ids, times = ids[order], times[order]
        twice = np.flatnonzero((np.diff(ids) == 0) & (np.diff(times) == 0))
        if twice.size:
            raise InputError(f"object {ids[twice[0]]} occurs twice on frame {times[twice[0]]}.")
        return cls(ids, times, places[order], areas[order], border[order])

    @classmethod
    def from_labels(cls, labels: Any, frames: Iterable[int] | None = None) -> Detections:
        """Measure labels; one frame at a time is read.

        Parameters
        ----------
        labels : array_like (T, Y, X) or (T, Z, Y, X), or iterable of such frames, integer
            0 is background. A generator of frames will do where labels do not fit in memory.
        frames : iterable of int, optional
            The frames to read of an array; what is outside counts as not there. Of an iterable: the number of each.

        Returns
        -------
        Detections
            One row per object and frame.

        Raises
        ------
        InputError
            If a frame is no image of whole numbers, or shapes differ.
        """
        collector = DetectionCollector()
        if hasattr(labels, "shape"):
            for t in range(int(labels.shape[0])) if frames is None else frames:
                collector.add(t, labels[t])
            if not collector.n_frames and len(labels.shape) == 4:
                return cls.from_arrays([], [], np.zeros((0, 3)))
        else:
            numbers = iter(frames) if frames is not None else iter(range(2**31))
            for t, frame in zip(numbers, labels, strict=False):
                collector.add(t, frame)
        return collector.detections()

    @property
    def ndim(self) -> int:
        """Number of axes of space: 2 or 3."""
        return int(self.centroids_px.shape[1])

    def __len__(self) -> int:
        return int(self.object_ids.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _COLUMNS)

    __hash__ = None  # type: ignore[assignment]

    def rows_of(self, object_id: int) -> slice:
        """Return the rows of one object; empty where there is none of this id."""
        first, last = np.searchsorted(self.object_ids, [object_id, object_id + 1])
        return slice(int(first), int(last))

    def select(self, rows: NDArray[Any]) -> Detections:
        """Return some rows, by a mask or by indices that ascend."""
        return Detections(*(getattr(self, name)[rows] for name in _COLUMNS))

    def renamed(self, ids: Mapping[int, int], first: int = 0, last: int | None = None) -> Detections:
        """Give other ids to objects on some frames.

        Parameters
        ----------
        ids : mapping of int to int
            Old to new id; a new id of 0 removes the rows.
        first, last : int, optional
            First and last frame on which they change.

        Returns
        -------
        Detections
            All rows, with the new ids.

        Raises
        ------
        InputError
            If two objects would have one id on one frame.
        """
        within = (self.frames >= first) & (True if last is None else self.frames <= last)
        new = self.object_ids.copy()
        for old, to in ids.items():
            new[within & (self.object_ids == old)] = to
        keep = new > 0
        columns = [getattr(self, name)[keep] for name in _COLUMNS[1:]]
        return Detections.from_arrays(new[keep], *columns)

    def with_frame(self, frame: int, measures: ObjectMeasures) -> Detections:
        """Replace the rows of one frame by what is measured there now."""
        kept = self.select(self.frames != frame)
        n = measures.object_ids.size
        new = (measures.object_ids, np.full(n, frame), measures.centroids_px, measures.areas_px, measures.at_border)
        columns = [getattr(kept, name) for name in _COLUMNS]
        if not len(kept):
            return Detections.from_arrays(*new)
        return Detections.from_arrays(*(np.concatenate(pair) for pair in zip(columns, new, strict=True)))


_COLUMNS = ("object_ids", "frames", "centroids_px", "areas_px", "at_border")


class DetectionCollector:
    """Collects detections frame by frame, in any order; a frame added again is replaced."""

    def __init__(self) -> None:
        self._measures: dict[int, ObjectMeasures] = {}
        self._shape: tuple[int, ...] | None = None

    @property
    def n_frames(self) -> int:
        """Frames added so far."""
        return len(self._measures)

    @property
    def frame_range(self) -> tuple[int, int]:
        """First frame and the one after the last; (0, 0) without frames."""
        return (min(self._measures), max(self._measures) + 1) if self._measures else (0, 0)

    def add(self, frame: int, labels: Any) -> None:
        """Measure the labels of one frame.

        Parameters
        ----------
        frame : int
            Index in the movie.
        labels : array_like, (Y, X) or (Z, Y, X), integer
            0 is background.

        Raises
        ------
        InputError
            If it is no image of whole numbers, or its shape is not that of the frames before.
        """
        array = np.asarray(labels)
        if array.dtype.kind not in "bui" or array.ndim not in (2, 3) or self._shape not in (None, array.shape):
            raise InputError(
                f"labels of frame {frame} have shape {array.shape} and dtype {array.dtype}, expected whole numbers of "
                f"shape {self._shape or '(Y, X) or (Z, Y, X)'}."
            )
        self._shape = array.shape
        self.add_measures(frame, measure_objects(array))

    def add_measures(self, frame: int, measures: ObjectMeasures) -> None:
        """Add a frame that was measured already."""
        self._measures[int(frame)] = measures

    def detections(self) -> Detections:
        """Return everything added so far."""
        if not self._measures:
            return Detections.from_arrays([], [], [])
        measured = sorted(self._measures.items())
        return Detections.from_arrays(
            np.concatenate([m.object_ids for _, m in measured]),
            np.concatenate([np.full(m.object_ids.size, t, np.int64) for t, m in measured]),
            np.concatenate([m.centroids_px for _, m in measured]),
            np.concatenate([m.areas_px for _, m in measured]),
            np.concatenate([m.at_border for _, m in measured]),
        )
