"""What the form says about movie and seeds together: layers that fit, what is missing, what Run will do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets.common.status_text import count, plan_text, some
from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.jobs.networks import model_problem
from napari_xmem.widgets.layers.next_number import take_next_number
from napari_xmem.widgets.layers.result_layer import is_result
from napari_xmem.widgets.layers.seed_view import SeedScan, SeedView
from napari_xmem.widgets.propagate.form import FILE, ChannelPicker, PropagateForm
from napari_xmem.widgets.propagate.movie_inputs import MovieInputs, is_movie

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem.widgets.layers.movie_view import MovieView

__all__ = ["PropagateInputs"]

#: A diameter that is so many times too large or too small is a slip.
ODD_FACTOR = 3
NO_SEEDS = "Now paint the objects to follow: press + beside Seeds, then draw each one with its own number on one frame."


#: Ways to use a Labels layer in which one painted frame counts as seeds.
_ONE_FRAME = ("first", "detections")
#: A movie of fewer frames may be painted by hand on all of them.
_LEAST_FRAMES = 3


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
        self._seed_view: SeedView | None = None
        self._seed_problem = NO_SEEDS
        self._frame_drawn = -1
        self.scan = SeedScan(self)
        self.scan.changed.connect(self._offer_ways)
        self.scan.changed.connect(self.changed)
        self.source = MovieInputs(viewer, form, self)
        self.source.changed.connect(self.look_at_seeds)
        form.image.layer_changed.connect(self._on_image)
        form.seeds.layer_changed.connect(self._on_seeds)
        for choice in (form.seed_frames, form.planes):
            choice.currentIndexChanged.connect(self.look_at_seeds)
        form.seed_frame.valueChanged.connect(self.look_at_seeds)
        for box in (form.first, form.last):
            box.valueChanged.connect(self.changed)
        form.model.currentIndexChanged.connect(self.changed)
        form.settings["direction"].changed.connect(lambda _direction: self.changed.emit())
        self.source.take(form.image.layer)
        self.choose_layers()

    # ---- layers

    def choose_layers(self, event: Any = None) -> None:
        """Choose layers where none is chosen: the active image, else the topmost movie; seeds that fit it."""
        form = self._form
        form.image.sync()
        form.seeds.sync()
        if form.image.layer is None:
            active = self._viewer.layers.selection.active
            movies = sorted(form.image.layers, key=lambda item: (is_movie(item), item is active))
            if movies:
                form.image.layer = movies[-1]
        if form.seeds.layer is None or not self._fits(form.seeds.layer):
            self._choose_seeds()
        self.changed.emit()

    def _choose_seeds(self) -> None:
        """Choose the topmost labels that lie on the movie pixel by pixel, else those that lie on it somehow."""
        candidates = [item for item in self._form.seeds.layers if not is_result(item)]
        for exact in (True, False):
            fitting = [item for item in candidates if self._fits(item, exact)]
            if fitting:
                self._form.seeds.layer = fitting[-1]
                return

    def release(self) -> None:
        """Let go of the viewer's layers."""
        self._seed_events.release()
        self.source.release()
        self.scan.stop()

    def _fits(self, layer: Any, exact: bool = False) -> bool:
        if self.movie is None:
            return False
        try:
            SeedView.of_layer(layer, self.movie, image=None if exact else self._form.image.layer)
        except XMemError:
            return self.source.time_axis_for(layer) is not None
        return True

    def _on_image(self, layer: Any) -> None:
        if layer is not None:
            self.choose_layers()
            if self._form.seeds.layer is not None and not self._fits(self._form.seeds.layer, exact=True):
                self._choose_seeds()

    # ---- the movie

    @property
    def movie(self) -> MovieView | None:
        """The movie, None if there is none."""
        return self.source.movie

    @property
    def current_frame(self) -> int:
        """The frame of the movie on display."""
        return self.source.current_frame

    def view_movie(self) -> MovieView:
        """Look at the chosen image layer, with the plane on display."""
        return self.source.view()

    def show_frame(self, t: int) -> None:
        """Move the viewer's slider to frame `t` of the movie."""
        self.source.show_frame(t)

    # ---- seeds

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
            for name in ("scale", "translate", "rotate", "affine", "units"):
                if (event := getattr(layer.events, name, None)) is not None:
                    self._seed_events.connect(event, self.look_at_seeds)
        self.look_at_seeds()

    def look_at_seeds(self, *_: Any) -> None:
        """Look at the chosen Labels layer again."""
        form, layer = self._form, self._form.seeds.layer
        self._seed_view = None
        self._seed_problem = NO_SEEDS
        if layer is not None and self.movie is not None:
            self.source.suit(layer)
            try:
                self._seed_view = self.view_seeds()
                self._seed_problem = ""
            except XMemError as error:
                self._seed_problem = str(error)
        self._frame_drawn = self.current_frame
        self.scan.start(self._seed_view, self._frame_drawn)
        has_time = self._seed_view is None or self._seed_view.has_time
        form.input.show_row(form.seed_frames, has_time and layer is not None)
        form.input.show_row(form.belongs, not has_time)
        self._offer_ways()
        form.input.show_row(form.place, self._seed_view is not None and self._seed_view.is_placed)

    def view_seeds(self) -> SeedView:
        """Look at the chosen Labels layer as seeds."""
        if self._form.seeds.layer is None or self.movie is None:
            raise ConfigError(NO_SEEDS)
        return self._view(self._form.seeds.layer, self.view_movie(), all_planes=self.source.all_planes)

    def _view(self, layer: Any, movie: MovieView, *, all_planes: bool = False) -> SeedView:
        form = self._form
        only = self.current_frame if form.seed_frames.value == "current" else None
        return SeedView.of_layer(
            layer, movie, image=form.image.layer, frame=form.seed_frame.value(), only_frame=only, all_planes=all_planes
        )

    def view_seeds_of_run(self) -> SeedView:
        """Look at the chosen Labels layer as what a run begins with: fewer frames than are painted, if so chosen."""
        view = self.view_seeds()
        if self._form.seed_frames.value in _ONE_FRAME and view.has_time:
            self.scan.finish()
            view = replace(view, frames=self.seeded)
        return view

    def view_detections(self) -> SeedView | None:
        """Look at the chosen Labels layer as detections to link; None if it is not to be used so."""
        return self.view_seeds() if self._form.seed_frames.value == "detections" else None

    @property
    def every_frame(self) -> bool:
        """True if every frame is labelled, so that nothing is left to follow unless one frame of them is chosen."""
        view, movie = self._seed_view, self.movie
        if view is None or movie is None or movie.n_frames < _LEAST_FRAMES or self.source.all_planes:
            return False
        return view.has_time and len(view.frames) == len(self.scan.frames) == movie.n_frames

    def view_planes(self) -> tuple[tuple[MovieView, SeedView], ...]:
        """Return movie and seeds of every plane; empty if only one plane is followed."""
        if not self.source.all_planes:
            return ()
        layer = self._form.seeds.layer
        pairs = [(view, self._view(layer, view)) for view in self.view_movie().in_planes()]
        if self._form.seed_frames.value in _ONE_FRAME:
            pairs = [(view, replace(seeds, frames=self.seeded)) for view, seeds in pairs]
        return tuple(pairs)

    def on_step(self, event: Any = None) -> None:
        """Let "only the frame shown", and the plane on display, move along with the slider."""
        if self.source.plane_changed:
            self.source.look()
        elif self._seed_view is not None and self._form.seed_frames.value == "current":
            if self._seed_view.frames != (self.current_frame,):
                self.look_at_seeds()

    def _on_painted(self, event: Any = None) -> None:
        layer = self._form.seeds.layer
        kind = getattr(event, "type", "")
        if layer is None or self._seed_view is None:
            return
        if kind == "paint" and self._form.next_number.isChecked():
            take_next_number(layer, event, self.scan.object_ids)
        if kind == "data":
            self.look_at_seeds()
            return
        now = self.current_frame
        moved, self._frame_drawn = now != self._frame_drawn, now
        if kind == "set_data" and (moved or not isinstance(layer.data, np.ndarray)):
            return  # drawn because the slider moved
        self.scan.look_again([now] if self._seed_view.has_time else self._seed_view.frames)

    def _offer_ways(self) -> None:
        """Offer what labels of every frame can be, where nobody said it yet."""
        self._form.input.show_row(
            self._form.every_frame, self.every_frame and self._form.seed_frames.value == "painted"
        )

    # ---- readiness

    @property
    def problem(self) -> str:
        """What keeps Run from starting, in words; empty if nothing does."""
        form = self._form
        if self.movie is None:
            return self.source.problem
        if self._seed_view is None:
            return self._seed_problem
        if self.movie.n_channels > 1 and not 1 <= len(form.channels.channels) <= ChannelPicker.LIMIT:
            return f"Choose one to {ChannelPicker.LIMIT} channels."
        if not self.scan.frames:
            looking = f"Looking for painted frames in '{self._seed_view.name}' ..."
            return self._unpainted(len(self._seed_view.frames) == 1) if self.scan.complete else looking
        if self.every_frame and form.seed_frames.value == "painted":
            return (
                f"Every frame of '{self._seed_view.name}' is labelled, so nothing is left to follow. Use the first "
                "frame as seeds, or link these detections, if the numbers of one cell differ between frames."
            )
        if form.seed_frames.value == "detections" and self.source.all_planes:
            return "Detections are linked in one plane: choose Planes: The one on display."
        first, last = form.first.value(), form.last.value()
        if last < first:
            return f"Frames {first} to {last}: the last frame lies before the first one."
        if not self.seeded:
            return f"None of the painted frames lies within frames {first} to {last}. Widen the range."
        if (
            self._seed_view.has_time
            and form.settings.get("direction") == "backward"
            and max(self.seeded) == first < last
        ):
            return f"Nothing lies before frame {first}, the only painted one. Choose another direction."
        return (model_problem(form.model.value) if form.model.value != FILE else "Choose a file of weights.") or ""

    def _unpainted(self, one_frame: bool) -> str:
        name = self._form.seeds.layer.name
        if one_frame and self._form.seed_frames.value == "current":
            return f"'{name}' has no paint on the frame shown. Go to a painted frame, or use all painted frames."
        if self._seed_view is not None and self._seed_view.is_placed:
            return f"Nothing painted in '{name}' lies on the movie. Move it there, or press Lay on movie."
        return f"Paint at least one object in '{name}': each with its own number (key M takes the next one)."

    @property
    def is_mendable(self) -> bool:
        """True if seeds lie on the movie pixel by pixel, in one plane, so that they can be changed frame by frame."""
        return self._seed_view is not None and not self._seed_view.is_placed and not self.source.all_planes

    def place_of(self, frame: int) -> tuple[Any, ...]:
        """Return the index of a frame on the axes of the seeds layer before rows and columns."""
        return () if self._seed_view is None else self._seed_view.place(frame)

    @property
    def seeded(self) -> tuple[int, ...]:
        """Painted frames within the frame range."""
        low, high = self._form.first.value(), self._form.last.value()
        within = tuple(t for t in self.scan.frames if low <= t <= high)
        if self._form.seed_frames.value not in _ONE_FRAME:
            return within
        return within[-1:] if self._form.settings.get("direction") == "backward" else within[:1]

    @property
    def _n_objects(self) -> int:
        if self._form.seed_frames.value not in _ONE_FRAME:
            return len(self.scan.object_ids)
        return len({i for t in self.seeded for i in self.scan.ids_on(t)})

    @property
    def plan(self) -> str:
        """What Run will do, in a sentence."""
        form = self._form
        direction = form.settings.get("direction")
        text = plan_text(self.seeded, self._n_objects, direction, form.first.value(), form.last.value())
        empty = self._left_empty(direction)
        return " ".join(
            part
            for part in (
                text,
                _of_objects(self.scan.in_parts, "lies", "lie", "in several places", "one number on two cells?"),
                _of_objects(self.scan.hollow, "encloses", "enclose", "background", "to be filled?"),
                _of_objects(self.scan.specks, "has", "have", "only a few pixels", "a slip of the brush?"),
                self._odd_size_text(),
                empty,
                self.source.plane_text,
                self.place_text,
            )
            if part
        )

    def _odd_size_text(self) -> str:
        """Say so if a size that was typed does not fit what was painted."""
        typed, seen = self._form.settings.get("diameter_px"), self.scan.diameter_px
        if not typed or not seen or 1 / ODD_FACTOR <= typed / seen <= ODD_FACTOR:
            return ""
        slow = " It makes every frame slow." if typed < seen else ""
        return f"Diameter is {typed:g} px, but what you painted is about {seen:.0f} px wide.{slow}"

    def _left_empty(self, direction: str) -> str:
        """Say which frames get no labels with this direction."""
        first, last = self._form.first.value(), self._form.last.value()
        if direction == "forward" and min(self.seeded) > first:
            return f"Frames {first} to {min(self.seeded) - 1} stay empty; choose Both ways to fill them."
        if direction == "backward" and max(self.seeded) < last:
            return f"Frames {max(self.seeded) + 1} to {last} stay empty; choose Both ways to fill them."
        return ""

    @property
    def place_text(self) -> str:
        """What is said of seeds that lie elsewhere, or have other pixels or units, than the movie; empty if not."""
        view, form = self._seed_view, self._form
        if view is None:
            return ""
        units = [str(layer.units[-1]) for layer in (form.seeds.layer, form.image.layer)]
        differ = f"Its unit is {units[0]}, the movie's {units[1]}; numbers are compared as they are."
        if not view.is_placed:  # labels without any unit are those of a movie with one
            return (
                "" if units[0] == units[1] or units[0] == "pixel" else f"'{view.name}': {differ[0].lower()}{differ[1:]}"
            )
        text = f"'{view.name}' has a place or pixels of its own; it counts where you see it."
        share = max((view.outside(t) for t in self.scan.frames[:5]), default=0.0)
        if share >= 0.005:
            text += f" {share:.0%} of what is painted lies outside the movie."
        return text if units[0] == units[1] else f"{text} {differ}"


def _of_objects(found: Mapping[int, Sequence[int]], one: str, many: str, rest: str, question: str) -> str:
    """Say what the objects of the first painted frame do on it, and ask about it; empty where none do."""
    if not found:
        return ""
    frame, ids = next(iter(found.items()))
    named = f"Object {ids[0]} {one}" if len(ids) == 1 else f"Objects {some(ids)} {many}"
    return f"{named} {rest} on frame {frame}: {question}"
