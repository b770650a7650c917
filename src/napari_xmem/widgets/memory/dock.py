"""The dock "Memory": what a run remembers, live; memory surgery; all settings of the memory manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_xmem.widgets.common.attribute_forwarding import forwards
from napari_xmem.widgets.common.chart import STORE_NAMES, short_number, store_colour
from napari_xmem.widgets.common.dock import MEMORY, PROPAGATE, docks_of
from napari_xmem.widgets.common.forms import enable
from napari_xmem.widgets.common.status_text import some
from napari_xmem.widgets.common.tables import chosen_numbers, fill_table
from napari_xmem.widgets.common.theme import theme_colours
from napari_xmem.widgets.layers.layer_choice import LayerChoice
from napari_xmem.widgets.layers.result_dock import ResultDock, has_session
from napari_xmem.widgets.layers.session_polling import SessionWatch
from napari_xmem.widgets.memory.edits import MemoryEdits
from napari_xmem.widgets.memory.panel import MemoryPanel

if TYPE_CHECKING:
    from napari_xmem.config import MemoryConfig
    from napari_xmem.session import SessionSnapshot

__all__ = ["MemoryWidget"]

EMPTY = "No run to look into yet: press Run in Propagate labels. The settings below count for that run."
FILES = "Memory of a run (*.xmem)"
NO_RUN, PAUSE_FIRST = "There is no run yet.", "Pause the run to protect or forget what it remembers."
CHOOSE = "Choose frames, then protect or forget them. Double click goes there."


@forwards("edits", MemoryEdits)
class MemoryWidget(ResultDock):
    """Look into the memory of a run and change it; every button is also a method (see `MemoryEdits`).

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, memory = viewer.window.add_plugin_dock_widget("napari-xmem", "Memory")  # doctest: +SKIP
    >>> memory.config = memory.config.replace(memory_interval_frames=3)  # doctest: +SKIP
    >>> memory.result = viewer.layers["movie tracked"]  # doctest: +SKIP
    >>> memory.protect_frames([14])  # doctest: +SKIP
    """

    dock_name = MEMORY

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown_state: Any = None
        self.results = LayerChoice(self.viewer, has_session, "no run yet")
        self.form = form = MemoryPanel(self)
        self.edits = MemoryEdits(lambda: self.session, form.status, self)
        self.edits.changed.connect(self.show_contents)
        self.edits.busy_changed.connect(self.show_buttons)
        self.fill(form)
        self.watch = SessionWatch(self, self.find_session)
        self.watch.changed.connect(self._on_session)
        self.results.layer_changed.connect(self.show_all)
        form.chart.frame_clicked.connect(self.show_frame)
        form.settings.edited.connect(self._on_edited)
        form.contents.itemSelectionChanged.connect(self.show_buttons)
        form.contents.cellDoubleClicked.connect(self._on_double_click)
        form.objects.itemSelectionChanged.connect(self.show_buttons)
        self.watch_layers()
        self.events.connect(self.viewer.dims.events.current_step, self._on_step)
        for widget in docks_of(self.viewer, PROPAGATE)[:1]:
            form.settings.config = widget.memory
        self.on_theme()
        self.on_layers()

    # ---- settings

    @property
    def config(self) -> MemoryConfig:
        """Settings; setting them counts for the next run, for a paused one when it goes on."""
        return self.form.settings.config

    @config.setter
    def config(self, config: MemoryConfig) -> None:
        self.form.settings.config = config
        self._on_edited(config)

    def _on_edited(self, config: MemoryConfig) -> None:
        session = self.session
        docks = docks_of(self.viewer, PROPAGATE)
        for widget in docks:
            widget.memory = config
        when = []
        if session is not None:
            session.memory_config = config
            state = session.state.value
            when.append(
                "when this run goes on" if state == "paused"
                else "from the next frame" if state == "running"
                else "for the next correction"
            )  # fmt: skip
        if docks:
            when.append("for the next run")
        text = f"Counts {' and '.join(when)}." if when else "Open Propagate labels to run with these settings."
        self.form.status.show_text(text)

    def open_propagate(self) -> None:
        """Open the panel that runs, with the settings of this one."""
        super().open_propagate()
        for widget in docks_of(self.viewer, PROPAGATE):
            widget.memory = self.config

    # ---- buttons

    def protect_chosen(self) -> None:
        """Protect the frames chosen in the table."""
        self.edits.protect_frames(chosen_numbers(self.form.contents))

    def forget_chosen(self) -> None:
        """Forget the frames chosen in the table."""
        self.edits.forget_frames(chosen_numbers(self.form.contents))
        self.form.contents.clearSelection()  # another frame stands in its place

    def forget_chosen_object(self) -> None:
        """Stop following the object chosen in the table."""
        for object_id in chosen_numbers(self.form.objects):
            self.edits.forget_object(object_id)

    def ask_save(self) -> None:
        """Ask for a file and save memory there."""
        path, _ = QFileDialog.getSaveFileName(self, "Save memory", "memory.xmem", FILES)
        if path:
            self.edits.save(path, wait=False)

    def ask_load(self) -> None:
        """Ask for a file and load memory from it."""
        path, _ = QFileDialog.getOpenFileName(self, "Load memory", "", FILES)
        if path:
            self.edits.load(path, wait=False)

    def change_units(self) -> None:
        """Show bytes instead of elements, or the other way round."""
        self.form.chart.show_bytes(self.form.units.isChecked())

    # ---- the viewer

    def _on_step(self, event: Any = None) -> None:
        reviewed = self.reviewed
        self.form.chart.show_frame(None if reviewed is None else reviewed.frame_shown(self.viewer))

    def _on_double_click(self, row: int, column: int) -> None:
        item = self.form.contents.item(row, 0)
        if item is not None:
            self.show_frame(int(item.text()))

    def _on_session(self, facts: SessionSnapshot | None) -> None:
        self.show_all()

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        self.form.chart.set_colours(self.take_theme())
        self.form.legend.setText(self._legend())

    def _legend(self) -> str:
        colours = theme_colours(self.viewer.theme)
        squares = (
            f"<span style='color:{store_colour(name, colours.dark)}'>&#9632;</span>&nbsp;{STORE_NAMES[name]}"
            for name in self.form.chart.shown_stores
        )
        return f"{' '.join(squares)}<br>&#9660; condensed <span style='color:{colours.bad}'>&#9650;</span> removed"

    def show_all(self, *_: Any) -> None:
        """Show the state of things."""
        session, form = self.session, self.form
        form.hint.show_text("" if session is not None else EMPTY, with_button=not docks_of(self.viewer, PROPAGATE))
        for part in (form.run, form.surgery, form.per_object):
            part.setEnabled(session is not None)
        form.chart.set_snapshots(
            [] if session is None else session.results.snapshots(session.results.frames),
            0 if session is None else session.n_frames,
        )
        self.form.legend.setText(self._legend())
        self._on_step()
        state = (session, None if session is None else session.state)
        if state != self._shown_state:
            self._shown_state = state
            self.show_contents()
        self.show_buttons()

    def show_contents(self) -> None:
        """Show what memory holds."""
        session = self.session
        rows = session.memory.contents() if session is not None else ()
        if self.form.only_permanent.isChecked():
            rows = tuple(row for row in rows if row.store == "permanent")
        cells = [(str(r.frame), STORE_NAMES[r.store], str(r.elements), some(r.object_ids, 4)) for r in rows]
        fill_table(self.form.contents, cells)
        self._show_objects()
        self.show_buttons()

    def _show_objects(self) -> None:
        session = self.session
        objects: dict[int, tuple[int, int]] = {}
        if session is not None and session.memory.is_open and session.follower is not None:
            snapshot = session.follower.snapshot(-1)
            for item in snapshot.objects if snapshot is not None else ():
                objects[item.object_id] = (item.total, item.n_bytes)
        cells = [(str(i), str(n), f"{short_number(size)}B") for i, (n, size) in sorted(objects.items())]
        fill_table(self.form.objects, cells)

    def show_buttons(self, *_: Any) -> None:
        """Enable what can be done now."""
        session, form = self.session, self.form
        is_open = session is not None and session.memory.is_open and not self.edits.is_busy
        reason = CHOOSE if is_open else PAUSE_FIRST if session is not None else NO_RUN
        form.advice.setText(reason)
        for item in (form.protect, form.forget):
            enable(item, is_open and bool(chosen_numbers(form.contents)), reason if not is_open else "choose frames.")
        chosen = bool(chosen_numbers(form.objects))
        enable(form.forget_object, is_open and chosen, reason if not is_open else "choose an object.")
        title = session.memory.undo_title if session is not None else ""
        form.undo.setEnabled(is_open and bool(title))
        form.undo.setToolTip(f"Undo: {title}" if title else reason if not is_open else "Nothing to undo")
        enable(form.save, is_open, reason)
        at_rest = (
            session is not None and session.state.value in ("idle", "finished", "failed") and not self.edits.is_busy
        )
        enable(form.load, at_rest, "a run is going on." if session is not None else reason)
