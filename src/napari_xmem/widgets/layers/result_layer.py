"""The result layer: an array that fits the image, its place in the world, and the recipe of the run."""

from __future__ import annotations

import copy
import math
import tempfile
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import psutil

from napari_xmem.errors import OutputError
from napari_xmem.widgets.layers.strokes import StrokeKeeper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.layers.movie_view import MovieView

__all__ = [
    "METADATA_KEY",
    "SCORES_KEY",
    "VIEW_KEY",
    "ResultTarget",
    "is_result",
    "keep_session",
    "movie_of",
    "place_like",
    "result_name",
    "session_of",
    "target_of",
]

METADATA_KEY = "napari_xmem"
SCORES_KEY = "napari_xmem_scores"
#: Marks layers that only show something for a while.
VIEW_KEY = "napari_xmem_view"

#: What made which layer. Not in `layer.metadata`, which napari hands on to duplicates of a layer: a session writes into
#: the layer it made only.
_MADE_BY: WeakKeyDictionary[Any, tuple[TrackingSession, MovieView, ResultTarget | None]] = WeakKeyDictionary()


def keep_session(layer: Any, session: TrackingSession, movie: MovieView, target: ResultTarget | None = None) -> None:
    """Remember which session made a result layer of which movie, and by what, as long as the layer lives."""
    _MADE_BY[layer] = (session, movie, target)


def session_of(layer: Any) -> TrackingSession | None:
    """Return the session that made a result layer in this viewer; None if it was opened from a file."""
    return _MADE_BY[layer][0] if layer in _MADE_BY else None


def movie_of(layer: Any) -> MovieView | None:
    """Return the movie that a result layer was made of; None if it was opened from a file."""
    return _MADE_BY[layer][1] if layer in _MADE_BY else None


def target_of(layer: Any) -> ResultTarget | None:
    """Return what writes into a result layer; None if that is not known."""
    return _MADE_BY[layer][2] if layer in _MADE_BY else None


def result_name(image_name: str, now: datetime | None = None) -> str:
    """Return the name of the result of an image; with the time of day where there is another one already."""
    return f"{image_name} tracked" + ("" if now is None else f" {now:%H:%M}")


def is_result(layer: Any) -> bool:
    """Return True if a layer was made by "Propagate labels"."""
    return METADATA_KEY in layer.metadata


def place_like(image: Any) -> dict[str, Any]:
    """Return the arguments that put a Labels layer where an image layer is."""
    return {
        "scale": image.scale,
        "translate": image.translate,
        "rotate": image.rotate,
        "shear": image.shear,
        "affine": image.affine,
        "units": image.units,
        "axis_labels": image.axis_labels,
    }


def zeros(shape: Sequence[int], dtype: Any, limit_bytes: int | None = None) -> NDArray[Any]:
    """Return zeros, on disk (a temporary file that vanishes with the array) if they are too large for memory.

    Parameters
    ----------
    shape : sequence of int
        Shape.
    dtype : dtype
        Type.
    limit_bytes : int, optional
        Largest array in memory; None: half of what is free.

    Raises
    ------
    OutputError
        If the disk has no room either.
    """
    limit = psutil.virtual_memory().available // 2 if limit_bytes is None else limit_bytes
    if math.prod(shape) * np.dtype(dtype).itemsize <= limit:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="napari-xmem-") as file:
            return np.memmap(file, dtype, "w+", shape=tuple(shape))
    except OSError as error:
        raise OutputError(f"there is no room for the labels, neither in memory nor on the disk ({error}).") from error


class ResultTarget:
    """Where labels are written, frame by frame, from the thread of a run.

    Parameters
    ----------
    movie : MovieView
        The movie.
    existing : array-like, optional
        Labels of an earlier result to be written into.

    Attributes
    ----------
    strokes : StrokeKeeper
        What a person paints meanwhile is kept over what is written.
    """

    def __init__(self, movie: MovieView, existing: Any = None) -> None:
        self._movie = movie
        self._array: Any = None
        self.data: Any = None
        self.strokes = StrokeKeeper()
        self._is_fresh = existing is None
        if existing is not None:
            self._adopt(existing)

    @property
    def movie(self) -> MovieView:
        """The movie."""
        return self._movie

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels: the image's, without colours."""
        return (*self._movie.leading, *self._movie.frame_shape)

    def _adopt(self, existing: Any) -> None:
        if tuple(existing.shape) != self.shape:
            raise OutputError(f"the layer to write to has shape {tuple(existing.shape)}, expected {self.shape}.")
        self._array = self.data = existing

    def allocate(self, dtype: Any) -> None:
        """Make room for labels of `dtype`; room on frames not written yet costs nothing.

        Raises
        ------
        OutputError
            If an earlier result cannot hold these ids.
        """
        if self.data is not None:
            if np.iinfo(self.data.dtype).max < np.iinfo(dtype).max:
                raise OutputError(
                    f"the layer to write to holds {self.data.dtype} labels, too small for these ids; "
                    "choose Result: new layer."
                )
            for t in range(self._movie.n_frames):  # painted from here on is kept, also on frames still to come
                self.remember(t)
            return
        self.data = self._array = self._zeros(dtype)

    def _zeros(self, dtype: Any) -> NDArray[Any]:
        axis = self._movie.channel_axis
        shape = list(self.shape)
        if axis is None:
            return zeros(shape, dtype)
        # One copy of the labels, seen on every channel.
        shape[axis] = 1
        base = zeros(shape, dtype)
        strides = [0 if a == axis else s for a, s in enumerate(base.strides)]
        return np.lib.stride_tricks.as_strided(base, self.shape, strides, writeable=True)

    def in_plane(self, movie: MovieView) -> ResultTarget:
        """Return a target that writes the plane of `movie` into the same array."""
        other = copy.copy(self)
        other._movie = movie
        return other

    def remember(self, t: int) -> None:
        """Take what stands on frame `t` for written: what is painted from now on is a stroke."""
        index = self._index(t)
        self.strokes.remember(self._place(index), np.asarray(self._array[index]))

    def _index(self, t: int) -> tuple[int, ...]:
        return tuple(0 if isinstance(i, slice) else i for i in self._movie.index(t))

    def _place(self, index: tuple[int, ...]) -> tuple[int | None, ...]:
        return tuple(None if axis == self._movie.channel_axis else i for axis, i in enumerate(index))

    def write(self, t: int, labels: NDArray[Any]) -> None:
        """Write frame `t` (Y, X), under the strokes that a person made there since it was written last.

        Raises
        ------
        OutputError
            If an earlier result cannot be written to.
        """
        index = self._index(t)
        try:
            place, standing = self._place(index), np.asarray(self._array[index])
            if self._is_fresh:
                self.strokes.begin(place)
            self._array[index] = self.strokes.over(t, place, standing, labels)
        except (TypeError, ValueError, OSError, NotImplementedError) as error:
            raise OutputError(f"the layer cannot be written to ({error}); choose Result: new layer.") from error
