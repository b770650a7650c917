"""Where a Labels layer lies on an image layer: which of its axes is which of the image's, and which pixel is which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.widgets.layers.movie_view import MovieView

__all__ = ["Placement", "match_axes"]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Which pixel and frame of a Labels layer lies on which of an image layer, by world coordinates.

    Attributes
    ----------
    matrix, origin : ndarray, shapes (2, 2) and (2,)
        Row and column of the labels are ``matrix @ (row, column) + origin`` of the image.
    image_shape, labels_shape : tuple of 2 int
        Rows and columns of both.
    frame_offset, frame_step : float
        Frame of the labels that lies on frame 0 of the image, and frames of the labels per frame of the image.
    """

    matrix: NDArray[np.float64]
    origin: NDArray[np.float64]
    image_shape: tuple[int, int]
    labels_shape: tuple[int, int]
    frame_offset: float = 0.0
    frame_step: float = 1.0

    @classmethod
    def of_layers(cls, labels: Any, image: Any, time_axis: int, frame_axis: int | None) -> Placement:
        """Compare where two layers lie.

        Parameters
        ----------
        labels, image : napari layers
            The Labels layer and the Image layer.
        time_axis : int
            Axis of the image that is time.
        frame_axis : int or None
            Axis of the labels that is time; None if they have none.
        """
        matrix, origin = _pixel_map(labels, image)
        offset, step = (0.0, 1.0) if frame_axis is None else _frame_map(labels, image, time_axis, frame_axis)
        return cls(matrix, origin, _frame_shape(image), _frame_shape(labels), offset, step)

    @property
    def is_aligned(self) -> bool:
        """True if pixels lie on pixels and frames on frames, to half of one."""
        height, width = self.image_shape
        corners = np.array([(0, 0), (height - 1, 0), (0, width - 1), (height - 1, width - 1)], np.float64)
        shift = np.abs(corners @ self.matrix.T + self.origin - corners).max()
        return bool(shift < 0.5 and abs(self.frame_offset) < 0.5 and abs(self.frame_step - 1) < 1e-3)

    def frame(self, t: int) -> int:
        """Return the frame of the labels for a frame of the image; it may lie outside."""
        return round(self.frame_offset + self.frame_step * t)

    def take(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return labels (Y, X) as the image's pixels see them; 0 where the labels do not reach."""
        y, x = np.indices(self.image_shape)
        rows, columns = (
            np.rint(m[0] * y + m[1] * x + o).astype(np.intp) for m, o in zip(self.matrix, self.origin, strict=True)
        )
        height, width = self.labels_shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return np.where(inside, labels[rows.clip(0, height - 1), columns.clip(0, width - 1)], 0).astype(labels.dtype)

    def share_outside(self, labels: NDArray[Any]) -> float:
        """Return the share of the painted pixels of labels (Y, X) that lie outside the image."""
        painted = np.argwhere(labels)
        if not len(painted):
            return 0.0
        seen = np.linalg.solve(self.matrix, (painted - self.origin).T).T
        inside = ((seen > -0.5) & (seen < np.array(self.image_shape) - 0.5)).all(1)
        return float(1 - inside.mean())


def _frame_shape(layer: Any) -> tuple[int, int]:
    data = layer.data[0] if layer.multiscale else layer.data
    shape = data.shape[:-1] if getattr(layer, "rgb", False) else data.shape
    return int(shape[-2]), int(shape[-1])


def _pixel_map(labels: Any, image: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix (2, 2) and origin (2,) that take a pixel of the image to one of the labels."""

    def at(y: float, x: float) -> NDArray[np.float64]:
        world = np.asarray(image.data_to_world([0.0] * (image.ndim - 2) + [y, x]))
        return _to_data(labels, world)[-2:]

    origin = at(0, 0)
    return np.stack([at(1, 0) - origin, at(0, 1) - origin], axis=1), origin


def _frame_map(labels: Any, image: Any, time_axis: int, frame_axis: int) -> tuple[float, float]:
    """Return the frame of the labels for frame 0 of the image, and frames of the labels per frame of the image."""

    def at(t: float) -> float:
        # Along the labels' own time axis: which axis that is was told by shapes or names, not by the world's order.
        position = [0.0] * image.ndim
        position[time_axis] = t
        world_t = image.data_to_world(position)[time_axis]
        place = [0.0] * labels.ndim
        zero = labels.data_to_world(place)[frame_axis]
        place[frame_axis] = 1.0
        one = labels.data_to_world(place)[frame_axis]
        return float((world_t - zero) / (one - zero))

    first = at(0.0)
    return first, at(1.0) - first


def _to_data(layer: Any, world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return data coordinates of a layer for a place of the world with as many or other axes: the last ones agree."""
    ndim = layer.ndim
    place = world[-ndim:] if len(world) >= ndim else np.concatenate([np.zeros(ndim - len(world)), world])
    return np.asarray(layer.world_to_data(place), np.float64)


def match_axes(leading: Sequence[int], movie: MovieView) -> tuple[int | None, ...] | None:
    """Return for each leading axis of labels which leading axis of the movie it is.

    Labels may lack axes of the movie: channels above all, and every axis of length one; their order is the movie's.
    Where several answers fit, the one that has time and leaves out channels is taken.

    Parameters
    ----------
    leading : sequence of int
        Sizes of the labels' axes before rows and columns.
    movie : MovieView
        The movie.

    Returns
    -------
    tuple of int or None
        Axis of the movie for each; None for axes of length one that are none of the movie's. None if nothing fits.
    """
    if tuple(leading) == movie.leading:
        return tuple(range(len(leading)))
    long = [axis for axis, size in enumerate(leading) if size > 1]
    sizes = [leading[axis] for axis in long]
    found = [
        chosen
        for chosen in combinations(range(len(movie.leading)), len(long))
        if [movie.leading[axis] for axis in chosen] == sizes and (movie.time_axis in chosen or not chosen)
    ]
    if not found:
        return None
    best = min(found, key=lambda chosen: (movie.channel_axis in chosen, -len(set(chosen) & set(movie.plane_axes))))
    match = dict(zip(long, best, strict=True))
    return tuple(match.get(axis) for axis in range(len(leading)))
