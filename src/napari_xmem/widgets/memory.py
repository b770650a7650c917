"""The dock "Memory": what a run remembers, live; memory surgery; all settings of the memory manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QTableWidgetItem, QVBoxLayout, QWidget

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets._chart import short_number, store_colour
from napari_xmem.widgets._docks import Dock, open_dock, widgets_of
from napari_xmem.widgets._forms import Section, row_of, small_button
from napari_xmem.widgets._layers import LayerChoice
from napari_xmem.widgets._memory_chart import STORE_NAMES, MemoryChart
from napari_xmem.widgets._memory_form import MemoryForm
from napari_xmem.widgets._results import session_of
from napari_xmem.widgets._review_form import _table, muted_label
from napari_xmem.widgets._reviewed import ReviewedResult
from napari_xmem.widgets._session_watch import SessionWatch, layers_with_session
from napari_xmem.widgets._status import Hint, StatusLine, error_details
from napari_xmem.widgets._words import some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_xmem.config import MemoryConfig
    from napari_xmem.session import SessionSnapshot, TrackingSession

__all__ = ["MemoryWidget"]

EMPTY = "No run to look into yet. The settings below count for the next run of Propagate labels."
FILES = "Memory of a run (*.xmem)"


class MemoryWidget(Dock):
    """Look into the memory of a run and change it; every button is also a method.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown_state: Any = None
        self.hint = Hint("Open Propagate labels", "Open the panel that runs", self.open_propagate)
        self.result = LayerChoice(
            self.viewer, lambda layer: isinstance(layer, Labels) and session_of(layer) is not None, "no run yet"
        )
        self.chart = MemoryChart()
        self.units = small_button("Bytes", "Show bytes instead of elements", self._on_units)
        self.units.setCheckable(True)
        self.legend = muted_label()
        self.contents = _table(("Frame", "Store", "Elements", "Objects"))
        self.contents.setSelectionMode(self.contents.SelectionMode.ExtendedSelection)
        self.all_stores = small_button(
            "Permanent only", "Show only frames that are never forgotten", self._show_contents
        )
        self.all_stores.setCheckable(True)
        self.protect = small_button("Protect", "Never forget the chosen frames", self._protect_chosen)
        self.forget = small_button("Forget", "Remove the chosen frames from memory", self._forget_chosen)
        self.undo_button = small_button("Undo", "Take back the latest change of memory", self.undo)
        self.objects = _table(("Object", "Elements", "Memory"))
        self.forget_object_button = small_button(
            "Stop following",
            "Remove the chosen object from memory; its result so far stays",
            self._forget_chosen_object,
        )
        self.save_button = small_button("Save memory ...", "Keep this memory for another movie or day", self._ask_save)
        self.load_button = small_button("Load memory ...", "Start the next run from a saved memory", self._ask_load)
        self.status = StatusLine()
        self.settings = MemoryForm()
        self._arrange()
        self.watch = SessionWatch(self, self._find)
        self.watch.changed.connect(self._on_session)
        self.result.layer_changed.connect(self._on_result)
        self.chart.frame_clicked.connect(self._go_to)
        self.settings.edited.connect(self._on_edited)
        self.contents.itemSelectionChanged.connect(self._show_buttons)
        self.contents.cellDoubleClicked.connect(lambda row, _: self._go_to(int(self.contents.item(row, 0).text())))
        self.objects.itemSelectionChanged.connect(self._show_buttons)
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self._on_layers)
        self.events.connect(self.viewer.dims.events.current_step, self._on_step)
        for widget in widgets_of(self.viewer, _propagate_class())[:1]:
            self.settings.config = widget.memory
        self.on_theme()
        self._on_layers()

    def _arrange(self) -> None:
        self.form = form = QWidget()
        layout = QVBoxLayout(form)
        layout.setContentsMargins(9, 6, 9, 9)
        layout.setSpacing(6)
        layout.addWidget(self.hint)
        self.run = Section("What the run remembers")
        self.run.add("Result", self.result, "Whose memory is shown")
        self.run.add("", self.chart, "")
        self.run.add("", row_of(self.legend, self.units), "")
        layout.addWidget(self.run)
        self.surgery = Section("Frames in memory", folded=True, tooltip="Open while the run is paused or has ended")
        self.surgery.add("", self.contents, "What each frame left in memory; double click to go there")
        self.surgery.add("", row_of(self.all_stores, self.protect, self.forget, self.undo_button, stretch=None), "")
        layout.addWidget(self.surgery)
        self.per_object = Section("Objects in memory", folded=True)
        self.per_object.add("", self.objects, "Elements and bytes that hold each object")
        self.per_object.add("", row_of(self.forget_object_button, stretch=None), "")
        layout.addWidget(self.per_object)
        layout.addWidget(row_of(self.save_button, self.load_button, stretch=None))
        layout.addWidget(self.status)
        self.manager = Section(
            "Settings", folded=True, tooltip="What to remember, how to strengthen it, what to forget"
        )
        self.manager.add("", self.settings, "")
        layout.addWidget(self.manager)
        layout.addStretch(1)
        self.fill(form)

    # ---- scripting

    @property
    def session(self) -> TrackingSession | None:
        """The session whose memory is shown."""
        layer = self.result.layer
        return None if layer is None else session_of(layer)

    @property
    def config(self) -> MemoryConfig:
        """Settings; setting them counts for the next run, for a paused one when it goes on."""
        return self.settings.config

    @config.setter
    def config(self, config: MemoryConfig) -> None:
        self.settings.config = config
        self._on_edited(config)

    def protect_frames(self, frames: Any) -> None:
        """Never forget what these frames left in memory."""
        self._change(lambda session: session.desk.protect(frames), f"Frame {some(sorted(frames))} is protected.")

    def forget_frames(self, frames: Any) -> None:
        """Remove what these frames left in memory."""
        self._change(lambda session: session.desk.forget_frames(frames), f"Frame {some(sorted(frames))} is forgotten.")

    def forget_object(self, object_id: int) -> None:
        """Stop following an object."""
        self._change(
            lambda session: session.desk.forget_object(object_id), f"Object {object_id} is no longer followed."
        )

    def undo(self) -> None:
        """Take back the latest change of memory."""
        self._change(lambda session: session.desk.undo(), "Taken back.")

    def save(self, path: Any) -> None:
        """Write the memory to a file."""
        self._change(lambda session: session.desk.save(path), f"Memory is saved in {Path(path).name}.")

    def load(self, path: Any) -> None:
        """Start the next run of this session from a saved memory."""
        self._change(
            lambda session: session.desk.load(path), f"The next run of this result starts from {Path(path).name}."
        )

    def _change(self, change: Callable[[TrackingSession], Any], done: str) -> None:
        try:
            session = self.session
            if session is None:
                raise SessionError("There is no run yet; propagate first.")
            change(session)
        except XMemError as error:
            self.status.show_text(str(error), "bad", error_details(error))
            show_error(str(error))
        else:
            self.status.show_text(done, "good")
        self._show_contents()

    # ---- buttons

    def _chosen(self, table: Any) -> list[int]:
        return sorted({int(table.item(index.row(), 0).text()) for index in table.selectionModel().selectedRows()})

    def _protect_chosen(self) -> None:
        self.protect_frames(self._chosen(self.contents))

    def _forget_chosen(self) -> None:
        self.forget_frames(self._chosen(self.contents))

    def _forget_chosen_object(self) -> None:
        for object_id in self._chosen(self.objects):
            self.forget_object(object_id)

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save memory", "memory.xmem", FILES)
        if path:
            self.save(path)

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load memory", "", FILES)
        if path:
            self.load(path)

    def open_propagate(self) -> None:
        """Open the panel that runs."""
        self._hand_over(open_dock(self.viewer, "Propagate labels"))

    def _on_units(self) -> None:
        self.chart.show_bytes(self.units.isChecked())

    # ---- settings

    def _on_edited(self, config: MemoryConfig) -> None:
        session = self.session
        docks = widgets_of(self.viewer, _propagate_class())
        for widget in docks:
            self._hand_over(widget)
        when = []
        if session is not None and session.state.value in ("running", "paused"):
            session.memory = config
            when.append("when this run goes on" if session.state.value == "paused" else "from the next frame")
        elif session is not None:
            session.memory = config
            when.append("for the next correction")
        if docks:
            when.append("for the next run")
        text = f"Counts {' and '.join(when)}." if when else "Open Propagate labels to run with these settings."
        self.status.show_text(text)

    def _hand_over(self, widget: Any) -> None:
        widget.memory = self.settings.config

    # ---- the viewer

    def _on_layers(self, event: Any = None) -> None:
        self.result.sync()
        if self.result.layer is None and self.result.layers:
            self.result.layer = self.result.layers[-1]
        self._on_result(self.result.layer)

    def _find(self) -> TrackingSession | None:
        if layers_with_session(self.viewer) != self.result.layers:
            self._on_layers()
        return self.session

    def _on_result(self, layer: Any) -> None:
        self._show_run()

    def _on_step(self, event: Any = None) -> None:
        reviewed = self._reviewed()
        self.chart.show_frame(None if reviewed is None else reviewed.frame_shown(self.viewer))

    def _reviewed(self) -> ReviewedResult | None:
        return None if self.result.layer is None else ReviewedResult.of_layer(self.result.layer, [])

    def _go_to(self, frame: int) -> None:
        reviewed = self._reviewed()
        if reviewed is not None:
            reviewed.show_frame(self.viewer, frame)

    def _on_session(self, facts: SessionSnapshot | None) -> None:
        self._show_run()

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        colours = self.take_theme()
        self.chart.set_colours(colours)
        squares = (
            f"<span style='color:{store_colour(name, colours.dark)}'>&#9632;</span>&nbsp;{text}"
            for name, text in STORE_NAMES.items()
        )
        self.legend.setText(
            f"{' '.join(squares)}<br>&#9660; condensed <span style='color:{colours.bad}'>&#9650;</span> removed"
        )

    def _show_run(self) -> None:
        session = self.session
        self.hint.show_text(
            "" if session is not None else EMPTY, with_button=not widgets_of(self.viewer, _propagate_class())
        )
        for widget in (self.run, self.surgery, self.per_object):
            widget.setEnabled(session is not None)
        if session is not None:
            self.chart.set_snapshots(session.book.snapshots(session.book.frames), session.n_frames)
            self._on_step()
        else:
            self.chart.set_snapshots([], 0)
        state = (session, None if session is None else session.state)
        if state != self._shown_state:
            self._shown_state = state
            self._show_contents()
        self._show_buttons()

    def _show_contents(self) -> None:
        session = self.session
        rows = session.desk.contents() if session is not None else ()
        if self.all_stores.isChecked():
            rows = tuple(row for row in rows if row.store == "permanent")
        cells = [(str(r.frame), STORE_NAMES[r.store], str(r.elements), some(r.object_ids, 4)) for r in rows]
        _fill_table(self.contents, cells)
        self._show_objects()
        self._show_buttons()

    def _show_objects(self) -> None:
        session = self.session
        objects: dict[int, tuple[int, int]] = {}
        if session is not None and session.desk.is_open and session.follower is not None:
            snapshot = session.follower.snapshot(-1)
            for item in snapshot.objects if snapshot is not None else ():
                objects[item.object_id] = (item.working + item.long_term + item.permanent, item.n_bytes)
        cells = [(str(i), str(n), f"{short_number(size)}B") for i, (n, size) in sorted(objects.items())]
        _fill_table(self.objects, cells)

    def _show_buttons(self) -> None:
        session = self.session
        is_open = session is not None and session.desk.is_open
        chosen = bool(self.contents.selectionModel().selectedRows())
        reason = "" if is_open else "Pause the run first" if session is not None else "There is no run yet"
        for item, ready in ((self.protect, chosen), (self.forget, chosen)):
            item.setEnabled(is_open and ready)
        self.forget_object_button.setEnabled(is_open and bool(self.objects.selectionModel().selectedRows()))
        title = session.desk.undo_title if session is not None else ""
        self.undo_button.setEnabled(is_open and bool(title))
        self.undo_button.setToolTip(f"Take back: {title}" if title else reason or "Nothing to undo")
        self.save_button.setEnabled(is_open)
        at_rest = session is not None and session.state.value in ("idle", "finished", "failed")
        self.load_button.setEnabled(at_rest)


def _fill_table(table: Any, rows: Sequence[tuple[str, ...]]) -> None:
    table.blockSignals(True)
    table.setRowCount(len(rows))
    for r, texts in enumerate(rows):
        for c, text in enumerate(texts):
            cell = QTableWidgetItem(text)
            cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            table.setItem(r, c, cell)
    table.blockSignals(False)
    shown = min(max(len(rows), 1), 8)
    table.setFixedHeight(table.horizontalHeader().height() + 22 * shown + 6)


def _propagate_class() -> type:
    from napari_xmem.widgets.propagate import PropagateWidget

    return PropagateWidget
