"""A Labels layer as seeds: which frames are painted, read frame by frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.errors import SeedError
from napari_xmem.imaging import object_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_xmem.widgets.layers.movie_view import MovieView

__all__ = ["SeedScan", "SeedView"]

SCAN_BUDGET_S = 0.012


@dataclass(frozen=True, slots=True, eq=False)
class SeedView:
    """Seeds of a movie in a Labels layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    frames : range or tuple of int
        Frames the layer can hold seeds for: all, or one for a layer without a time axis.
    read : callable
        Takes a frame, returns labels (Y, X).
    """

    name: str
    frames: range | tuple[int, ...]
    read: Callable[[int], NDArray[Any]]

    @classmethod
    def of_layer(
        cls, layer: Any, movie: MovieView, current: int, only_current: bool = False, all_planes: bool = False
    ) -> SeedView:
        """Look at a Labels layer.

        Parameters
        ----------
        layer : napari Labels layer
            (Y, X): belongs to frame `current`. Otherwise shaped like the movie; axes of length one may be missing.
        movie : MovieView
            The movie.
        current : int
            The frame the viewer shows.
        only_current : bool
            Use the labels of frame `current` only.
        all_planes : bool
            Read all planes of a frame at once, to see what is painted.

        Raises
        ------
        SeedError
            If the layer does not fit the movie.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        shape = tuple(int(n) for n in data.shape)
        leading = shape[:-2]
        if shape[-2:] != movie.frame_shape:
            raise SeedError(_misfit(layer.name, shape, movie))
        if all_planes and leading != movie.leading:
            raise SeedError(f"'{layer.name}' has no planes; to follow in all planes use labels shaped like the movie.")
        if all(size == 1 for size in leading):
            return cls(layer.name, (current,), lambda t: np.asarray(data[(0,) * len(leading)]))
        index = _planes_indexer(movie) if all_planes else _indexer(leading, movie)
        if index is None:
            raise SeedError(_misfit(layer.name, shape, movie))
        frames = (current,) if only_current else range(movie.n_frames)
        return cls(layer.name, frames, lambda t: np.asarray(data[index(t)]))

    def painted(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Give out a copy of the labels of every painted frame."""
        for t in self.frames:
            labels = self.read(t)
            if labels.any():
                yield t, labels.copy()


def _indexer(leading: tuple[int, ...], movie: MovieView) -> Callable[[int], Any] | None:
    """Return what turns a frame into an index on the leading axes of a Labels layer; None if they don't fit."""
    long = [size for size in leading if size > 1]
    if long == [movie.n_frames]:
        axis = next(a for a, size in enumerate(leading) if size > 1)
        return lambda t: tuple(t if a == axis else 0 for a in range(len(leading)))
    if leading == movie.leading:
        # Labels have no channels: those of the first channel count.
        return lambda t: tuple(0 if isinstance(i, slice) else i for i in movie.index(t))
    return None


def _planes_indexer(movie: MovieView) -> Callable[[int], Any]:
    def index(t: int) -> Any:
        parts = movie.index(t)
        return tuple(
            slice(None) if axis in movie.plane_axes else 0 if isinstance(part, slice) else part
            for axis, part in enumerate(parts)
        )

    return index


def _misfit(name: str, shape: tuple[int, ...], movie: MovieView) -> str:
    rows, columns = movie.frame_shape
    return (
        f"'{name}' has shape {shape}; '{movie.name}' has {movie.n_frames} frames of {rows} x {columns} pixels. "
        "Choose labels that belong to this movie, or press + to make a new layer."
    )


class SeedScan(QObject):
    """Find painted frames of a Labels layer a little at a time, so that the viewer never waits."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view: SeedView | None = None
        self._todo: list[int] = []
        self._painted: dict[int, tuple[int, ...]] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)

    @property
    def complete(self) -> bool:
        """True when every frame has been looked at."""
        return not self._todo

    @property
    def frames(self) -> tuple[int, ...]:
        """Painted frames found so far, ascending."""
        return tuple(sorted(self._painted))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects found so far, ascending."""
        return tuple(sorted({i for ids in self._painted.values() for i in ids}))

    def start(self, view: SeedView | None, first: int = 0) -> None:
        """Look at all frames of `view`, beginning with frame `first`."""
        self._view = view
        self._painted = {}
        frames = () if view is None else view.frames
        self._todo = sorted(frames, key=lambda t: t != first, reverse=True)
        self._begin()

    def look_again(self, frames: Any) -> None:
        """Look at some frames again, after they were painted."""
        if self._view is None:
            return
        self._todo = list(dict.fromkeys([*self._todo, *(t for t in frames if t in self._view.frames)]))
        self._begin()

    def finish(self) -> None:
        """Look at all that is left now; for scripts."""
        while self._todo:
            self._look(self._todo.pop())
        self._timer.stop()
        self.changed.emit()

    def stop(self) -> None:
        """Look no further."""
        self._timer.stop()
        self._todo = []

    def _begin(self) -> None:
        if self._todo:
            self._timer.start()
        else:
            self._timer.stop()
            self.changed.emit()

    def _work(self) -> None:
        end = time.monotonic() + SCAN_BUDGET_S
        while self._todo and time.monotonic() < end:
            self._look(self._todo.pop())
        if not self._todo:
            self._timer.stop()
        self.changed.emit()

    def _look(self, t: int) -> None:
        if self._view is None:
            return
        labels = self._view.read(t)
        ids = object_ids(labels) if labels.any() else ()
        if ids:
            self._painted[t] = ids
        else:
            self._painted.pop(t, None)
