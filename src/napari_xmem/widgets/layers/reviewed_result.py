"""A result layer under review: which frame is shown, what is painted there, how to write into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import XMemError
from napari_xmem.widgets.layers.movie_view import MovieView, shown_index
from napari_xmem.widgets.layers.result_layer import ResultTarget, movie_of, session_of
from napari_xmem.widgets.layers.seed_view import SeedView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.session import TrackingSession

__all__ = ["ReviewedResult"]


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedResult:
    """A Labels layer with its movie.

    Attributes
    ----------
    layer : Labels layer
        The result.
    movie : MovieView
        The movie it belongs to.
    """

    layer: Any
    movie: MovieView

    @classmethod
    def of_layer(cls, layer: Any, images: list[Any], point: Sequence[float] = ()) -> ReviewedResult | None:
        """Find the movie of a Labels layer: the one it was made of, else the topmost that fits; None if there is none.

        Parameters
        ----------
        layer : Labels layer
            The result.
        images : list of Image layers
            Candidates, in the order of the layer list.
        point : sequence of float
            What the viewer shows (``viewer.dims.point``): of a movie of stacks without session, this plane is reviewed.
        """
        known = movie_of(layer)
        if known is not None:
            return cls(layer, known)
        for image in reversed(images):
            try:
                plane = shown_index(image, point) if len(point) >= image.ndim else None
                movie = MovieView.of_layer(image, channel_axis=MovieView.channel_guess(image), plane=plane)
                if SeedView.of_layer(layer, movie).has_time:
                    return cls(layer, movie)
            except XMemError:
                continue
        return None

    @property
    def session(self) -> TrackingSession | None:
        """The session that made it."""
        return session_of(self.layer)

    def frame_shown(self, viewer: Any) -> int:
        """Return the frame that the viewer shows."""
        return shown_index(self.layer, viewer.dims.point)[self._axis]

    def show_frame(self, viewer: Any, frame: int) -> None:
        """Move the viewer's slider to a frame."""
        position = list(shown_index(self.layer, viewer.dims.point))
        position[self._axis] = frame
        offset = viewer.dims.ndim - self.layer.ndim
        viewer.dims.set_point(self._axis + offset, self.layer.data_to_world(position)[self._axis])

    def plane_text(self, viewer: Any) -> str:
        """Name the plane under review, if the viewer shows another one; empty if it shows this one."""
        movie = self.movie
        if not movie.plane_axes or self._leading != movie.leading:
            return ""
        shown = shown_index(self.layer, viewer.dims.point)
        if all(shown[axis] == movie.plane[axis] for axis in movie.plane_axes):
            return ""
        return ", ".join(f"{self.layer.axis_labels[axis]} {movie.plane[axis]}" for axis in movie.plane_axes)

    def in_plane_shown(self, viewer: Any) -> ReviewedResult:
        """Return the same result with the plane that the viewer shows."""
        if not self.movie.plane_axes or self._leading != self.movie.leading:
            return self
        return replace(self, movie=replace(self.movie, plane=shown_index(self.layer, viewer.dims.point)))

    @property
    def _leading(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.layer.data.shape[:-2])

    @property
    def _axis(self) -> int:
        """The axis of the layer that is time."""
        if self._leading == self.movie.leading:
            return self.movie.time_axis
        return next(axis for axis, size in enumerate(self._leading) if size == self.movie.n_frames)

    def read(self, frame: int) -> NDArray[Any]:
        """Return a copy of what the layer shows on a frame, (Y, X)."""
        return np.array(SeedView.of_layer(self.layer, self.movie, frame=frame).read(frame))

    def writer(self) -> ResultTarget:
        """Return what writes frames into the layer."""
        return ResultTarget(self.movie, self.layer.data)

    def put_back(self, frame: int, labels: NDArray[Any]) -> None:
        """Paint a frame back to `labels` (Y, X), as one stroke that napari can undo."""
        rows, columns = np.nonzero(self.read(frame) != labels)
        leading = (0 if isinstance(i, slice) else i for i in self.movie.index(frame))
        if len(rows):
            places = (*(np.full(len(rows), i) for i in leading), rows, columns)
            self.layer.data_setitem(places, labels[rows, columns])

    def edited(self, frame: int) -> bool:
        """Return True if the layer differs from the result on a frame: a person painted there."""
        session = self.session
        if session is None or not 0 <= frame < self.movie.n_frames:
            return False
        record = session.results.get(frame)
        painted = self.read(frame)
        return bool(painted.any()) if record is None else not np.array_equal(painted, record.packed.unpack())
