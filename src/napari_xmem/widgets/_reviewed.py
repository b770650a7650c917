"""A result layer under review: which frame is shown, what is painted there, how to write into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import XMemError
from napari_xmem.widgets._movie import MovieView, shown_index
from napari_xmem.widgets._results import ResultTarget, movie_of, session_of
from napari_xmem.widgets._seeds import SeedView

if TYPE_CHECKING:
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
    def of_layer(cls, layer: Any, images: list[Any]) -> ReviewedResult | None:
        """Find the movie of a Labels layer: the one it was made of, else the topmost that fits; None if there is none.

        Parameters
        ----------
        layer : Labels layer
            The result.
        images : list of Image layers
            Candidates, in the order of the layer list.
        """
        known = movie_of(layer)
        if known is not None:
            return cls(layer, known)
        for image in reversed(images):
            try:
                movie = MovieView.of_layer(image, channel_axis=MovieView.channel_guess(image))
                if len(SeedView.of_layer(layer, movie, 0).frames) > 1:
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

    @property
    def _axis(self) -> int:
        """The axis of the layer that is time."""
        leading = tuple(int(n) for n in self.layer.data.shape[:-2])
        if leading == self.movie.leading:
            return self.movie.time_axis
        return next(axis for axis, size in enumerate(leading) if size == self.movie.n_frames)

    def read(self, frame: int) -> NDArray[Any]:
        """Return a copy of what the layer shows on a frame, (Y, X)."""
        return np.array(SeedView.of_layer(self.layer, self.movie, frame).read(frame))

    def writer(self) -> ResultTarget:
        """Return what writes frames into the layer."""
        return ResultTarget(self.movie, self.layer.data)

    def edited(self, frame: int) -> bool:
        """Tell whether the layer differs from the result on a frame: a person painted there."""
        session = self.session
        if session is None or not 0 <= frame < self.movie.n_frames:
            return False
        record = session.book.get(frame)
        painted = self.read(frame)
        return bool(painted.any()) if record is None else not np.array_equal(painted, record.packed.unpack())
