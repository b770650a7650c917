"""A Labels layer as seeds: which frames are painted, read frame by frame."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.errors import SeedError
from napari_xmem.imaging import count_parts, hollow_objects, object_areas, object_ids
from napari_xmem.widgets.layers.layer_alignment import Placement, match_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_xmem.widgets.layers.movie_view import MovieView

__all__ = ["SeedScan", "SeedView"]

#: What is less wide is no object but a speck: four pixels or fewer.
SPECK_PX = 2.3
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
    has_time : bool
        False for a layer without a time axis: its labels belong to one frame.
    is_placed : bool
        True if labels are brought to the movie's pixels by world coordinates.
    outside : callable
        Takes a frame, returns the share of what is painted there that lies outside the movie.
    place : callable
        Takes a frame, returns its index on the layer's axes before rows and columns; where labels are brought to the
        movie's pixels (`is_placed`) those are other pixels.
    """

    name: str
    frames: range | tuple[int, ...]
    read: Callable[[int], NDArray[Any]]
    has_time: bool = True
    is_placed: bool = False
    outside: Callable[[int], float] = lambda _frame: 0.0
    place: Callable[[int], tuple[Any, ...]] = lambda _frame: ()

    @classmethod
    def of_layer(
        cls,
        layer: Any,
        movie: MovieView,
        *,
        image: Any = None,
        frame: int = 0,
        only_frame: int | None = None,
        all_planes: bool = False,
    ) -> SeedView:
        """Look at a Labels layer.

        Parameters
        ----------
        layer : napari Labels layer
            Axes in the movie's order. Channels may be missing, as may time and axes of length one.
        movie : MovieView
            The movie.
        image : napari Image layer, optional
            The movie's layer: labels that lie elsewhere, or have other pixels, are brought to the image's pixels by
            world coordinates. None: pixel by pixel.
        frame : int
            The frame that labels without a time axis belong to.
        only_frame : int, optional
            Use the labels of this frame only.
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
        axes = match_axes(leading, movie)
        if axes is None and image is not None:
            axes = _time_only(leading, movie)
        if axes is None:
            raise SeedError(_misfit(layer.name, shape, movie))
        if all_planes and not set(movie.plane_axes) <= set(axes):
            raise SeedError(f"'{layer.name}' has no planes; to follow in all planes use labels shaped like the movie.")
        frame_axis = axes.index(movie.time_axis) if movie.time_axis in axes else None
        placement = None
        if image is not None:
            placement = Placement.of_layers(layer, image, movie.time_axis, frame_axis)
            placement = None if placement.is_aligned else placement
        n_frames = movie.n_frames if frame_axis is None else leading[frame_axis]
        if placement is None and (shape[-2:] != movie.frame_shape or n_frames != movie.n_frames):
            raise SeedError(_misfit(layer.name, shape, movie))

        def read(t: int) -> NDArray[Any]:
            own = t if placement is None or frame_axis is None else placement.frame(t)
            if not 0 <= own < n_frames:
                return np.zeros(movie.frame_shape, data.dtype)
            labels = np.asarray(data[_index(axes, movie, own, all_planes)])
            if placement is None:
                return labels
            planes = labels.reshape(-1, *labels.shape[-2:])
            taken = np.stack([placement.take(plane) for plane in planes])
            return taken.reshape(*labels.shape[:-2], *movie.frame_shape)

        def outside(t: int) -> float:
            own = t if placement is None or frame_axis is None else placement.frame(t)
            if placement is None or not 0 <= own < n_frames:
                return 0.0
            labels = np.asarray(data[_index(axes, movie, own, all_planes)])
            return placement.share_outside(labels.reshape(-1, *labels.shape[-2:]).max(0))

        frames: range | tuple[int, ...] = range(movie.n_frames)
        if frame_axis is None:
            frames = (min(max(frame, 0), movie.n_frames - 1),)
        elif only_frame is not None:
            frames = (only_frame,)
        return cls(
            layer.name,
            frames,
            read,
            has_time=frame_axis is not None,
            is_placed=placement is not None,
            outside=outside,
            place=lambda t: _index(axes, movie, t, all_planes),
        )

    def painted(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield a copy of the labels of every painted frame."""
        for t in self.frames:
            labels = self.read(t)
            if labels.any():
                yield t, labels.copy()


def _index(axes: Sequence[int | None], movie: MovieView, t: int, all_planes: bool) -> tuple[int | slice, ...]:
    """Return the index of frame `t` on the leading axes of labels, whose axes are `axes` of the movie."""
    here = movie.index(t)

    def on(axis: int | None) -> int | slice:
        if axis is None:
            return 0
        if axis == movie.time_axis:
            return t
        if all_planes and axis in movie.plane_axes:
            return slice(None)
        part = here[axis]
        return 0 if isinstance(part, slice) else part  # labels have no channels: those of the first count

    return tuple(on(axis) for axis in axes)


def _time_only(leading: Sequence[int], movie: MovieView) -> tuple[int | None, ...] | None:
    """Take the only long axis of labels, whatever its length, for time; None if there are several."""
    long = [axis for axis, size in enumerate(leading) if size > 1]
    if len(long) != 1:
        return None
    return tuple(movie.time_axis if axis == long[0] else None for axis in range(len(leading)))


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
        self._in_parts: dict[int, tuple[int, ...]] = {}
        self._hollow: dict[int, tuple[int, ...]] = {}
        self._diameters: dict[int, NDArray[np.float64]] = {}
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

    @property
    def in_parts(self) -> dict[int, tuple[int, ...]]:
        """Frame to objects that lie in several places there, perhaps one number on two cells."""
        return dict(sorted(self._in_parts.items()))

    @property
    def hollow(self) -> dict[int, tuple[int, ...]]:
        """Frame to objects that enclose background there: outlines, or masks with holes."""
        return dict(sorted(self._hollow.items()))

    @property
    def specks(self) -> dict[int, tuple[int, ...]]:
        """Frame to objects of a few pixels there: points, or slips of the brush."""
        found = {
            t: tuple(i for i, d in zip(self._painted[t], diameters, strict=True) if d < SPECK_PX)
            for t, diameters in sorted(self._diameters.items())
        }
        return {t: ids for t, ids in found.items() if ids}

    @property
    def diameter_px(self) -> float:
        """Median diameter of the painted objects, in pixels of the movie; 0 if there are none."""
        found = [d for diameters in self._diameters.values() for d in diameters]
        return float(np.median(found)) if found else 0.0

    def start(self, view: SeedView | None, first: int = 0) -> None:
        """Look at all frames of `view`, beginning with frame `first`."""
        self._view = view
        self._painted, self._in_parts, self._hollow, self._diameters = {}, {}, {}, {}
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

    def ids_on(self, frame: int) -> tuple[int, ...]:
        """Return the objects found on a frame."""
        return self._painted.get(frame, ())

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
        counts = count_parts(labels) if ids and labels.ndim == 2 else {}
        self._in_parts.pop(t, None)
        if any(n > 1 for n in counts.values()):
            self._in_parts[t] = tuple(i for i, n in sorted(counts.items()) if n > 1)
        hollow = hollow_objects(labels) if ids and labels.ndim == 2 else ()
        self._hollow.pop(t, None)
        if hollow:
            self._hollow[t] = hollow
        if ids:
            self._painted[t] = ids
            self._diameters[t] = 2 * np.sqrt(object_areas(labels)[1] / np.pi)
        else:
            self._painted.pop(t, None)
            self._diameters.pop(t, None)
