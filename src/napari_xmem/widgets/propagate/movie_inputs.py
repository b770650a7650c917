"""What the form says about the movie: axes, channels, frame range, the frame on display."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.layers.layer_alignment import match_axes
from napari_xmem.widgets.layers.movie_view import MovieView, shown_index

if TYPE_CHECKING:
    from napari_xmem.widgets.propagate.form import PropagateForm

__all__ = ["EMPTY", "MovieInputs", "is_movie"]

#: A shorter unnamed axis beside time holds channels, not planes.
MOST_CHANNELS = 6
EMPTY = "Open a movie and add a Labels layer with at least one painted object."


class MovieInputs(QObject):
    """Keeps the movie part of a form in step with the chosen image layer.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    form : PropagateForm
        The controls.
    parent : QObject
        Owner.
    """

    changed = Signal()

    def __init__(self, viewer: Any, form: PropagateForm, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._form = viewer, form
        self._events = Connections()
        self.movie: MovieView | None = None
        self.problem = EMPTY
        self._axes_chosen = False
        form.image.layer_changed.connect(self.take)
        for choice in (form.time_axis, form.channel_axis):
            choice.activated.connect(self._on_axes)

    def take(self, layer: Any) -> None:
        """Take up another image layer."""
        self._events.release()
        if layer is not None:
            self._events.connect(layer.events.data, self._on_data)
        self._offer_axes(layer)
        self.movie = None
        self.look()

    def release(self) -> None:
        """Let go of the layer."""
        self._events.release()

    def _on_data(self, event: Any = None) -> None:
        self._offer_axes(self._form.image.layer)
        self.look()

    def _on_axes(self, *_: Any) -> None:
        self._axes_chosen = True
        self.look()

    def time_axis_for(self, labels: Any) -> int | None:
        """Return the axis that is time by the shape of labels, where neither the image nor the user says; else None."""
        movie = self.movie
        if movie is None or self._axes_chosen:
            return None
        shape = labels.data.shape if not labels.multiscale else labels.data[0].shape
        long = [int(size) for size in shape[:-2] if size > 1]
        if match_axes(shape[:-2], movie) is not None or len(long) != 1 or tuple(shape[-2:]) != movie.frame_shape:
            return None
        fitting = [axis for axis, size in enumerate(movie.leading) if size == long[0]]
        return fitting[0] if len(fitting) == 1 else None

    def suit(self, labels: Any) -> None:
        """Take the axis for time that labels ask for."""
        axis, form = self.time_axis_for(labels), self._form
        if axis is None or self.movie is None:
            return
        leading = self.movie.leading
        others = [other for other, size in enumerate(leading) if size > 1 and other != axis]
        self._axes_chosen = True
        form.time_axis.value = axis
        form.channel_axis.value = others[0] if len(others) == 1 and leading[others[0]] <= MOST_CHANNELS else None
        self.look()

    def look(self, *_: Any) -> None:
        """Look at the layer again."""
        form, before = self._form, self.movie
        self.movie, self.problem = None, EMPTY
        if form.image.layer is not None:
            try:
                self.movie, self.problem = self.view(), ""
            except XMemError as error:
                self.problem = str(error)
        n_channels = 1 if self.movie is None else self.movie.n_channels
        form.channels.set_count(n_channels)
        form.input.show_row(form.channels, n_channels > 1)
        form.input.show_row(form.planes, self.movie is not None and bool(self.movie.plane_axes))
        if self.movie is not None and (before is None or before.n_frames != self.movie.n_frames):
            self._reset_range(self.movie.n_frames)
        if self.movie is not None:
            for name in ("diameter_px", "max_displacement_px"):
                self._form.settings.limit(name, self.diagonal_px)
        self.changed.emit()

    @property
    def diagonal_px(self) -> float:
        """Diagonal of a frame: nothing is larger, or moves farther."""
        return 0.0 if self.movie is None else float(math.ceil(math.hypot(*self.movie.frame_shape)))

    def view(self) -> MovieView:
        """Look at the chosen image layer, with the plane on display.

        Raises
        ------
        ConfigError, InputError
            If there is none or it is no movie.
        """
        layer, form = self._form.image.layer, self._form
        if layer is None:
            raise ConfigError(EMPTY)
        plane = shown_index(layer, self._viewer.dims.point) if self._viewer.dims.ndim >= layer.ndim else None
        return MovieView.of_layer(layer, form.time_axis.value, form.channel_axis.value, plane)

    @property
    def plane_changed(self) -> bool:
        """True if the viewer shows another plane than when the movie was looked at."""
        if self.movie is None or not self.movie.plane_axes:
            return False
        plane = self.view().plane
        return any(plane[axis] != self.movie.plane[axis] for axis in self.movie.plane_axes)

    @property
    def plane_text(self) -> str:
        """Which plane is followed; empty for a movie without further axes."""
        if self.movie is None or not self.movie.plane_axes or self.all_planes:
            return ""
        layer = self._form.image.layer
        names = (f"{axis_name(layer, axis)} {self.movie.plane[axis]}" for axis in self.movie.plane_axes)
        return f"Only the plane on display ({', '.join(names)}) is followed."

    @property
    def all_planes(self) -> bool:
        """True if every plane is to be followed."""
        return self.movie is not None and bool(self.movie.plane_axes) and self._form.planes.value != "shown"

    @property
    def current_frame(self) -> int:
        """The frame of the movie on display."""
        if self.movie is None:
            return 0
        return shown_index(self._form.image.layer, self._viewer.dims.point)[self.movie.time_axis]

    def show_frame(self, t: int) -> None:
        """Move the viewer's slider to frame `t` of the movie."""
        layer = self._form.image.layer
        if layer is None or self.movie is None:
            return
        axis = self.movie.time_axis
        position = list(shown_index(layer, self._viewer.dims.point))
        position[axis] = t
        self._viewer.dims.set_point(axis + self._viewer.dims.ndim - layer.ndim, layer.data_to_world(position)[axis])

    def _offer_axes(self, layer: Any) -> None:
        form = self._form
        form.time_axis.clear()
        form.channel_axis.clear()
        try:
            view = MovieView.of_layer(layer) if layer is not None else None
        except XMemError:
            view = None
        leading = () if view is None else view.leading
        long = [axis for axis, size in enumerate(leading) if size > 1]
        form.channel_axis.add_choice("No axis", None, "Follow in the plane on display")
        for axis in long:
            name = f"{axis_name(layer, axis)} ({leading[axis]})"
            form.time_axis.add_choice(name, axis)
            form.channel_axis.add_choice(name, axis)
        if view is not None:
            form.time_axis.value = view.time_axis
            form.channel_axis.value = MovieView.channel_guess(layer)
        self._axes_chosen = view is None or has_axis_labels(layer)
        for choice in (form.time_axis, form.channel_axis):
            form.input.show_row(choice, len(long) > 1)

    def _reset_range(self, n_frames: int) -> None:
        for box in (self._form.first, self._form.last, self._form.seed_frame):
            box.setRange(0, n_frames - 1)
        self._form.seed_frame.setValue(0)
        self._form.first.setValue(0)
        self._form.last.setValue(n_frames - 1)


def is_movie(layer: Any) -> bool:
    """Return True if a layer has more than one frame."""
    try:
        MovieView.of_layer(layer)
    except XMemError:
        return False
    return True


def has_axis_labels(layer: Any) -> bool:
    """Return True if the axes of a layer have names."""
    return any(not str(label).lstrip("-").isdigit() for label in layer.axis_labels if label)


def axis_name(layer: Any, axis: int) -> str:
    """Return the label of an axis, or "Axis 0" where it has none."""
    label = str(layer.axis_labels[axis])
    return label if label and not label.lstrip("-").isdigit() else f"Axis {axis}"
