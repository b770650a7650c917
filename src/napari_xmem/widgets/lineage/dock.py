"""The dock "Lineage": the tree of cells, corrections of it, events to check, tracks for elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFileDialog

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.tracking.tree_layout import dividing_founders, tree_columns
from napari_xmem.widgets.common.attribute_forwarding import forwards
from napari_xmem.widgets.common.dock import LINEAGE
from napari_xmem.widgets.common.forms import enable
from napari_xmem.widgets.common.keys import KeyBindings
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.status_text import count
from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.layers.layer_choice import LayerChoice
from napari_xmem.widgets.layers.result_dock import ResultDock, has_session
from napari_xmem.widgets.layers.session_polling import SessionWatch
from napari_xmem.widgets.lineage.actions import LineageActions
from napari_xmem.widgets.lineage.form import ACTIONS, ALL, FAMILY, LineageForm
from napari_xmem.widgets.lineage.tracks_layer import TracksLayer
from napari_xmem.widgets.lineage.tree_view import cell_facts
from napari_xmem.widgets.saving.bar import SavingBar
from napari_xmem.widgets.saving.close_guard import guard_window

if TYPE_CHECKING:
    from napari_xmem.session import EventToCheck, TrackingSession
    from napari_xmem.tracking import Lineage

__all__ = ["LineageWidget"]

#: While results change, questions are asked again only if that takes no longer than this.
SLOW_QUEUE_S = 0.03

EMPTY = (
    "No lineage yet: propagate labels first. Labels from a file: open Review and correct, press Review this layer, "
    "and come back."
)
NO_DIVISION = "No cell divides here. Choose All cells, or correct the lineage below."
NO_CHOICE = "Choose a cell: click it in the tree of all cells, or pick its label on the canvas."
FILES = "GEFF (*.geff);;Table (*.csv);;Cell Tracking Challenge (*_RES)"


@forwards("actions", LineageActions)
class LineageWidget(ResultDock):
    """See and correct who is whose daughter; every button is also a method (see `LineageActions`).

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, lineage = viewer.window.add_plugin_dock_widget("napari-xmem", "Lineage")  # doctest: +SKIP
    >>> lineage.chosen = (3, 7)  # doctest: +SKIP
    >>> lineage.link(wait=True)  # doctest: +SKIP
    >>> lineage.export("cells.geff")  # doctest: +SKIP
    """

    dock_name = LINEAGE

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.results = LayerChoice(self.viewer, has_session, "no result yet")
        self.runner = runner_of(self.viewer)
        self._lineage: Lineage | None = None
        self._queue: tuple[EventToCheck, ...] = ()
        self._queue_cost_s = 0.0
        self._latest: EventToCheck | None = None
        self._following = False
        self._layer_events = Connections()
        self.form = form = LineageForm(self)
        self.actions = LineageActions(form, self.runner, lambda: self.reviewed, lambda: self.frame, self)
        self.tracks = TracksLayer(self.viewer)
        self.fill(form, SavingBar(self.viewer))
        self.watch = SessionWatch(self, self.find_session)
        self.watch.changed.connect(self.show_all)
        self.busy_changed = self.actions.busy_changed
        self.actions.changed.connect(self.show_all)
        self.actions.chosen_changed.connect(self._on_chosen)
        self.runner.state_changed.connect(self.show_buttons)
        self.results.layer_changed.connect(self._on_result)
        form.tree.cell_clicked.connect(self._on_cell)
        form.tree.frame_clicked.connect(self.show_frame)
        form.events.cellClicked.connect(self._on_event)
        form.show_cells.currentIndexChanged.connect(self._show_tree)
        form.tracks.toggled.connect(self._show_tracks)
        self.watch_layers()
        self.events.connect(self.viewer.dims.events.current_step, self._on_step)
        keys = {key: self._pressed(name) for name, key, *_ in ACTIONS}
        self.keys = KeyBindings(self.viewer, keys)
        self.release_too(self._layer_events.release, self.keys.release, self.watch.release, self.actions.stop)
        self.on_theme()
        self.on_layers()

    # ---- looking

    @property
    def lineage(self) -> Lineage | None:
        """The lineage that is drawn."""
        return self._lineage

    @property
    def frame(self) -> int | None:
        """The frame that the viewer shows."""
        reviewed = self.reviewed
        return None if reviewed is None else reviewed.frame_shown(self.viewer)

    def go_to(self, cell: int, frame: int | None = None) -> None:
        """Go to a cell, on a frame of its life (None: its first), and bring it into view."""
        reviewed, lineage = self.reviewed, self._lineage
        if reviewed is None or lineage is None or cell not in lineage:
            return
        first, last = lineage.first_frame[cell], lineage.last_frame[cell]
        shown = first if frame is None else min(max(frame, first), last)
        reviewed.show_frame(self.viewer, shown)
        rows = lineage.detections
        own = rows.rows_of(cell)
        row = own.start + int(np.abs(rows.frames[own] - shown).argmin())
        y, x = rows.centroids_px[row][-2:]
        layer = reviewed.layer
        low, high = layer.corner_pixels[:, -2:]
        if not (low[0] <= y <= high[0] and low[1] <= x <= high[1]):
            world = layer.data_to_world([0.0] * (layer.ndim - 2) + [float(y), float(x)])
            camera = getattr(self.viewer, "scene", self.viewer).camera  # napari before 0.9 has no scene
            camera.center = tuple(world)[-2:]

    def next_event(self) -> EventToCheck | None:
        """Go to the next event of the list; returns it, None if nothing is left."""
        session = self.session
        found = session.review().next_in_queue(self._latest) if session is not None else None
        self._latest = None if found is None else found[2]
        if found is not None:
            self._go_to_event(found[2])
            self.form.events.selectRow(found[0] - 1)
            self.form.events_text.setText(f"{found[0]} of {found[1]}")
        return self._latest

    def export(self, path: Any, *, overwrite: bool = False) -> None:
        """Write the tracks into a file: NAME.geff, NAME.csv, or a folder NAME_RES.

        Raises
        ------
        OutputError
            If it cannot be written.
        SessionError
            If there is no result.
        """
        from napari_xmem.io.tracks import write_tracks

        if self.session is None:
            raise SessionError("There is no lineage yet; propagate labels first.")
        write_tracks(path, self.session.result(), overwrite=overwrite)
        self.form.status.show_text(f"Tracks saved: {path}.", "good")

    def ask_export(self) -> None:
        """Ask where to, then export."""
        path, chosen = QFileDialog.getSaveFileName(self, "Export tracks", "cells.geff", FILES)
        if not path:
            return
        for suffix in (".geff", ".csv", "_RES"):
            if suffix in chosen and not path.endswith(suffix):
                path = path.removesuffix(".geff") + suffix
        try:
            self.export(path, overwrite=True)  # the dialog has asked
        except XMemError as error:
            self.form.status.show_text(str(error), "bad", error_details(error))

    # ---- following the viewer

    def on_window(self, window: Any) -> None:
        """Ask before the window is closed with unsaved work."""
        guard_window(window, self.viewer)

    def _on_result(self, layer: Any = None) -> None:
        self._layer_events.release()
        self.tracks.hide()
        self._latest = None
        self.actions.chosen = ()
        if layer is not None:
            self._layer_events.connect(layer.events.selected_label, self._on_label)
            self._layer_events.connect(layer.events.colormap, self._show_tree)
        self.show_all()

    def _on_label(self, event: Any = None) -> None:
        """Choose the cell whose label is chosen in the layer."""
        layer, lineage = self.result, self._lineage
        if not self._following and layer is not None and lineage is not None and layer.selected_label in lineage:
            self.actions.chosen = (int(layer.selected_label),)

    def _on_chosen(self) -> None:
        chosen, layer = self.actions.chosen, self.result
        if chosen and layer is not None and layer.selected_label != chosen[-1]:
            self._following = True
            layer.selected_label = chosen[-1]
            self._following = False
        if self.form.show_cells.value == FAMILY:
            self._show_tree()
        self.form.tree.choose(chosen)
        self._show_facts()
        self.show_buttons()

    def _on_cell(self, cell: int, frame: int, add: bool) -> None:
        """Choose a cell of the tree, or add it to those chosen (again: take it out), and go there."""
        chosen = self.actions.chosen
        if add and cell in chosen and len(chosen) > 1:
            self.actions.chosen = tuple(i for i in chosen if i != cell)
            return
        self.actions.chosen = (*chosen, cell) if add else (cell,)
        if not add:
            self.go_to(cell, frame)

    def _on_event(self, row: int, column: int = 0) -> None:
        if 0 <= row < len(self._queue):
            self._latest = self._queue[row]
            self._go_to_event(self._latest)

    def _go_to_event(self, event: EventToCheck) -> None:
        lineage = self._lineage
        there = tuple(i for i in event.objects if lineage is not None and i in lineage)
        self.actions.chosen = there
        if there:
            self.go_to(there[0], event.frame)
        self.show_frame(event.frame)

    def _on_step(self, event: Any = None) -> None:
        self.form.tree.show_frame(self.frame)
        self.show_buttons()

    def _pressed(self, name: str) -> Any:
        def press() -> None:
            if self.form.actions[name].isEnabled():
                getattr(self.actions, name)()

        return press

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        self.form.tree.set_colours(self.take_theme())

    def show_all(self, *_: Any) -> None:
        """Show the state of things."""
        session, form = self.session, self.form
        has_result = session is not None and bool(session.results.frames)
        form.hint.show_text("" if has_result else EMPTY, with_button=not has_result)
        self._lineage = session.lineage if session is not None and has_result else None
        self._queue = self._questions(session) if session is not None and has_result else ()
        if self._lineage is not None:
            self.actions.chosen = tuple(i for i in self.actions.chosen if i in self._lineage)
        label = None if self.result is None else int(self.result.selected_label)
        if not self.actions.chosen and self._lineage is not None and label is not None and label in self._lineage:
            self.actions.chosen = (label,)
        self._show_tree()
        form.show_events(self._queue)
        n = len(self._queue)
        form.events_text.setText(
            f"{count(n, 'event')} to check" if n else "Nothing to check." if has_result else "Comes with a result."
        )
        self._show_tracks()
        self._show_facts()
        self.show_buttons()

    def _questions(self, session: TrackingSession) -> Any:
        """Return what deserves a look; of long results while they change, what did a moment ago."""
        if self._queue_cost_s > SLOW_QUEUE_S and session.state.value in ("running", "pausing"):
            return self._queue
        begun = time.thread_time()
        queue = session.review().queue
        self._queue_cost_s = time.thread_time() - begun
        return queue

    def _show_tree(self, *_: Any) -> None:
        lineage, tree, layer = self._lineage, self.form.tree, self.result
        session = self.session
        if lineage is None or layer is None or session is None:
            tree.set_tree(None, {}, 0, {})
            tree.set_empty("The tree of your cells comes here.")
            return
        wanted = self.form.show_cells.value
        founders: tuple[int, ...] | None = None
        if wanted != ALL:
            chosen = self.actions.chosen
            family = tuple({lineage.founder[i] for i in chosen if i in lineage})
            founders = family if wanted == FAMILY else dividing_founders(lineage)
        tree.set_empty(NO_CHOICE if wanted == FAMILY else NO_DIVISION)
        columns = tree_columns(lineage, founders)
        ids = np.array(list(columns) or [0], layer.data.dtype)  # of another type, napari would compile for a second
        colours = np.atleast_2d(layer.colormap.map(ids))
        paints = {i: QColor.fromRgbF(*map(float, rgba[:3])) for i, rgba in zip(columns, colours, strict=False)}
        asked = {e.objects[0] for e in self._queue if str(e.kind) == "division"}
        tree.set_tree(lineage, columns, session.n_frames, paints, asked)
        tree.choose(self.actions.chosen)
        tree.show_frame(self.frame)

    def _show_facts(self) -> None:
        lineage, chosen = self._lineage, self.actions.chosen
        text = ""
        if lineage is not None:
            n, divisions = len(lineage), len(lineage.divisions)
            text = f"{count(n, 'cell')}, {count(divisions, 'division')}"
            if chosen and chosen[-1] in lineage:
                text = cell_facts(lineage, chosen[-1])
        self.form.facts.setText(text)

    def on_layers(self, event: Any = None) -> None:
        """Take over the layer list, and that the tracks were taken out of it."""
        super().on_layers(event)
        if self.tracks.was_removed:
            self._show_tracks()

    def _show_tracks(self, *_: Any) -> None:
        if self.tracks.was_removed:  # a person removed it, or the viewer closes: bringing it back would never end
            self.tracks.hide()
            with QSignalBlocker(self.form.tracks):
                self.form.tracks.setChecked(False)
        reviewed = self.reviewed
        if self.form.tracks.isChecked() and reviewed is not None and self._lineage is not None:
            self.tracks.show(reviewed, self._lineage)
        else:
            self.tracks.hide()

    def show_buttons(self, *_: Any) -> None:
        """Enable what can be done now."""
        form, session, lineage = self.form, self.session, self._lineage
        busy, running = self.actions.is_busy, self.runner.is_running
        ready = lineage is not None and not running
        for name, fits in self.actions.counts(lineage).items():
            why = "a run is going on." if running else "choose cells that fit." if ready else "no result yet."
            enable(form.actions[name], ready and fits, why)
        text = "A run is going on; wait for its end to correct." if running and not busy else ""
        form.advice.setText(text or (self.actions.advice(lineage) if lineage is not None else "Comes with a result."))
        history = session.history if session is not None else None
        undo, redo = (history.undo_title, history.redo_title) if history is not None else ("", "")
        form.undo.setEnabled(ready and bool(undo))
        form.redo.setEnabled(ready and bool(redo))
        form.undo.setToolTip(f"Undo: {undo}" if undo else "Nothing to undo")
        form.redo.setToolTip(f"Redo: {redo}" if redo else "Nothing to redo")
        for widget in (form.progress, form.stop):
            form.fix.show_row(widget, busy)
        enable(form.next_event, bool(self._queue), "nothing is left to check.")
        for item in (form.export, form.tracks, form.show_cells):
            enable(item, lineage is not None, "no result yet.")
