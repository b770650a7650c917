"""What the form says about the movie and the seeds: views of the layers, what is missing, the job."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets._layers import Connections
from napari_xmem.widgets._models import model_problem
from napari_xmem.widgets._movie import MovieView, shown_index
from napari_xmem.widgets._propagate_form import FILE, ChannelPicker, PropagateForm
from napari_xmem.widgets._results import is_result
from napari_xmem.widgets._seeds import SeedScan, SeedView
from napari_xmem.widgets._words import count, plan_text, some

__all__ = ["PropagateInputs"]

EMPTY = "Open a movie and add a Labels layer with at least one painted object."
NO_SEEDS = "Now paint the objects to follow: press + beside Seeds, then draw each one with its own number on one frame."


class PropagateInputs(QObject):
    """Keeps the input part of a form in step with the viewer.

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

    def __init__(self, viewer: Any, form: PropagateForm, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._form = viewer, form
        self._seed_events = Connections()
        self._image_events = Connections()
        self._movie: MovieView | None = None
        self._movie_problem = EMPTY
        self._seed_view: SeedView | None = None
        self._seed_problem = NO_SEEDS
        self.scan = SeedScan(self)
        self.scan.changed.connect(self.changed)
        form.image.layer_changed.connect(self._on_image)
        form.seeds.layer_changed.connect(self._on_seeds)
        form.time_axis.activated.connect(self._on_axes)
        form.channel_axis.activated.connect(self._on_axes)
        form.seed_frames.currentIndexChanged.connect(self.look_at_seeds)
        for box in (form.first, form.last):
            box.valueChanged.connect(self.changed)
        for choice in (form.direction, form.model):
            choice.currentIndexChanged.connect(self.changed)
        self._on_image(form.image.layer)
        self.choose_layers()

    # ---- layers

    def choose_layers(self, event: Any = None) -> None:
        """Choose layers where none is chosen: the active image, else the topmost movie; seeds that fit it."""
        form = self._form
        form.image.sync()
        form.seeds.sync()
        if form.image.layer is None:
            active = self._viewer.layers.selection.active
            movies = sorted(form.image.layers, key=lambda item: (_is_movie(item), item is active))
            if movies:
                form.image.layer = movies[-1]
        if form.seeds.layer is None or not self._fits(form.seeds.layer):
            fitting = [item for item in form.seeds.layers if self._fits(item) and not is_result(item)]
            if fitting:
                form.seeds.layer = fitting[-1]
        self.changed.emit()

    def release(self) -> None:
        """Let go of the viewer's layers."""
        self._seed_events.release()
        self._image_events.release()
        self.scan.stop()

    def _fits(self, layer: Any) -> bool:
        if self._movie is None:
            return False
        try:
            SeedView.of_layer(layer, self._movie, 0)
        except XMemError:
            return False
        return True

    def _on_image(self, layer: Any) -> None:
        self._image_events.release()
        if layer is not None:
            self._image_events.connect(layer.events.data, self._on_axes)
        self._offer_axes(layer)
        self._on_axes()
        if self._movie is not None:
            self._reset_range(self._movie.n_frames)
        if layer is not None:
            self.choose_layers()

    def _offer_axes(self, layer: Any) -> None:
        form = self._form
        form.time_axis.clear()
        form.channel_axis.clear()
        try:
            view = MovieView.of_layer(layer) if layer is not None else None
        except XMemError:
            view = None
        long = [axis for axis, size in enumerate(view.leading) if size > 1] if view is not None else []
        form.channel_axis.add_choice("No axis", None, "Follow in the plane on display")
        for axis in long:
            name = f"{_axis_name(layer, axis)} ({view.leading[axis]})" if view is not None else ""
            form.time_axis.add_choice(name, axis)
            form.channel_axis.add_choice(name, axis)
        if view is not None:
            form.time_axis.value = view.time_axis
            form.channel_axis.value = MovieView.channel_guess(layer)
        several = len(long) > 1
        form.input.show_row(form.time_axis, several)
        form.input.show_row(form.channel_axis, several)

    def _on_axes(self, *_: Any) -> None:
        layer, form = self._form.image.layer, self._form
        frames_before = self._movie.n_frames if self._movie is not None else 0
        self._movie = None
        if layer is None:
            self._movie_problem = EMPTY
        else:
            try:
                self._movie = self.view_movie()
                self._movie_problem = ""
            except XMemError as error:
                self._movie_problem = str(error)
        n_channels = self._movie.n_channels if self._movie is not None else 1
        form.channels.set_count(n_channels)
        form.input.show_row(form.channels, n_channels > 1)
        if self._movie is not None and self._movie.n_frames != frames_before:
            self._reset_range(self._movie.n_frames)
        self.look_at_seeds()

    def view_movie(self) -> MovieView:
        """Look at the chosen image layer, with the plane on display."""
        layer, form = self._form.image.layer, self._form
        if layer is None:
            raise ConfigError(EMPTY)
        plane = shown_index(layer, self._viewer.dims.point) if self._viewer.dims.ndim >= layer.ndim else None
        return MovieView.of_layer(layer, form.time_axis.value, form.channel_axis.value, plane)

    def _reset_range(self, n_frames: int) -> None:
        for box in (self._form.first, self._form.last):
            box.setRange(0, n_frames - 1)
        self._form.first.setValue(0)
        self._form.last.setValue(n_frames - 1)

    # ---- seeds

    @property
    def movie(self) -> MovieView | None:
        """The movie, None if there is none."""
        return self._movie

    @property
    def current_frame(self) -> int:
        """The frame of the movie on display."""
        if self._movie is None:
            return 0
        return shown_index(self._form.image.layer, self._viewer.dims.point)[self._movie.time_axis]

    def show_frame(self, t: int) -> None:
        """Move the viewer's slider to frame `t` of the movie."""
        layer = self._form.image.layer
        if layer is None or self._movie is None:
            return
        axis = self._movie.time_axis
        position = list(shown_index(layer, self._viewer.dims.point))
        position[axis] = t
        self._viewer.dims.set_point(axis + self._viewer.dims.ndim - layer.ndim, layer.data_to_world(position)[axis])

    @property
    def painted_text(self) -> str:
        """What was found in the seeds layer."""
        frames = self.scan.frames
        if not frames:
            return "nothing yet" if self.scan.complete else "looking ..."
        where = f"frame {some(frames, 3)}" if len(frames) == 1 else f"frames {some(frames, 3)}"
        return f"{count(len(self.scan.object_ids), 'object')} on {where}"

    def _on_seeds(self, layer: Any) -> None:
        self._seed_events.release()
        if layer is not None:
            for event in (layer.events.data, layer.events.paint, layer.events.labels_update, layer.events.set_data):
                self._seed_events.connect(event, self._on_painted)
        self.look_at_seeds()

    def look_at_seeds(self, *_: Any) -> None:
        """Look at the chosen Labels layer anew."""
        layer = self._form.seeds.layer
        self._seed_view = None
        self._seed_problem = NO_SEEDS
        if layer is not None and self._movie is not None:
            try:
                self._seed_view = self.view_seeds()
                self._seed_problem = ""
            except XMemError as error:
                self._seed_problem = str(error)
        self.scan.start(self._seed_view, self.current_frame)
        has_time = (
            self._seed_view is None or len(self._seed_view.frames) > 1 or self._form.seed_frames.value == "current"
        )
        self._form.input.show_row(self._form.seed_frames, has_time and layer is not None)

    def view_seeds(self) -> SeedView:
        """Look at the chosen Labels layer as seeds."""
        if self._form.seeds.layer is None or self._movie is None:
            raise ConfigError(NO_SEEDS)
        only_current = self._form.seed_frames.value == "current"
        return SeedView.of_layer(self._form.seeds.layer, self.view_movie(), self.current_frame, only_current)

    def on_step(self, event: Any = None) -> None:
        """Let seeds that belong to the frame or plane on display move along with the slider."""
        if self._movie is None or self._seed_view is None:
            return
        if self._movie.plane_axes:
            plane = self.view_movie().plane
            if any(plane[axis] != self._movie.plane[axis] for axis in self._movie.plane_axes):
                self._on_axes()
        elif len(self._seed_view.frames) == 1 and self._seed_view.frames[0] != self.current_frame:
            self.look_at_seeds()

    def _on_painted(self, event: Any = None) -> None:
        layer = self._form.seeds.layer
        kind = getattr(event, "type", "")
        if layer is None or self._seed_view is None:
            return
        if kind == "data":
            self.look_at_seeds()
        elif kind != "set_data" or isinstance(layer.data, np.ndarray):
            self.scan.look_again([self.current_frame])

    # ---- readiness

    @property
    def problem(self) -> str:
        """What keeps Run from starting, in words; empty if nothing does."""
        if self._movie is None:
            return self._movie_problem
        if self._seed_view is None:
            return self._seed_problem
        if self._movie.n_channels > 1 and not 1 <= len(self._form.channels.channels) <= ChannelPicker.LIMIT:
            return f"Choose one to {ChannelPicker.LIMIT} channels."
        if not self.scan.frames:
            return (
                self._unpainted()
                if self.scan.complete
                else f"Looking for painted frames in '{self._seed_view.name}' ..."
            )
        if not self.seeded:
            first, last = self._form.first.value(), self._form.last.value()
            return f"None of the painted frames lies within frames {first} to {last}. Widen the range."
        model = self._form.model.value
        return (model_problem(model) if model != FILE else "Choose a file of weights.") or ""

    def _unpainted(self) -> str:
        name = self._form.seeds.layer.name
        if (
            self._seed_view is not None
            and len(self._seed_view.frames) == 1
            and self._form.seed_frames.value == "current"
        ):
            return f"'{name}' has no paint on the frame shown. Go to a painted frame, or use all painted frames."
        return f"Paint at least one object in '{name}': each with its own number (key M takes the next one)."

    @property
    def seeded(self) -> tuple[int, ...]:
        """Painted frames within the frame range."""
        low, high = self._form.first.value(), self._form.last.value()
        return tuple(t for t in self.scan.frames if low <= t <= high)

    @property
    def plan(self) -> str:
        """What Run will do, in a sentence."""
        form = self._form
        return plan_text(
            self.seeded, len(self.scan.object_ids), form.direction.value, form.first.value(), form.last.value()
        )


def _is_movie(layer: Any) -> bool:
    try:
        MovieView.of_layer(layer)
    except XMemError:
        return False
    return True


def _axis_name(layer: Any, axis: int) -> str:
    label = str(layer.axis_labels[axis])
    return label if label and not label.lstrip("-").isdigit() else f"Axis {axis}"
