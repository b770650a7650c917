"""Open, Save, Save as, and whether something is unsaved: a row at the top of a dock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_xmem.widgets.common.forms import small_button
from napari_xmem.widgets.common.keys import with_keys
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.saving.saver import saver_of

__all__ = ["SAVE_KEYS", "SavingBar"]

#: Save, open.
SAVE_KEYS = ("Shift-S", "Shift-O")

GLANCE_MS = 1000
SAVE_TIP = (
    "Save everything in one file: where the movie is, seeds, result, corrections, locks, lineage, memory, settings "
    "({Shift-S})"
)
NOTHING_NEW = "Nothing was done since the latest save ({Shift-S})"
OPEN_TIP = "Open what was saved, and go on where you were ({Shift-O}); a file can be dropped on the window too"
RUN_TIP = "A run is going on: stop it, or wait for its end, to open saved work"


class SavingBar(QWidget):
    """Buttons of the viewer's saver.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._saver, self._runner = saver_of(viewer), runner_of(viewer)
        self._saved_at = ""
        self.open = small_button("Open ...", with_keys(OPEN_TIP), self._saver.open_clicked)
        self.save = small_button("Save", with_keys(SAVE_TIP), self._saver.save_clicked)
        self.save_as = small_button("Save as ...", "Save everything in another file", self._saver.save_as_clicked)
        self.back = small_button("Bring back", "", self._saver.bring_back)
        self.back.hide()
        self.state = QLabel("")
        self.state.setProperty("role", "muted")
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.open, self.save, self.save_as, self.back):
            layout.addWidget(widget)
        layout.addWidget(self.state, 1)
        self._saver.changed.connect(self._on_saver)
        self._runner.state_changed.connect(self.show_state)
        self._timer = QTimer(self)
        self._timer.setInterval(GLANCE_MS)
        self._timer.timeout.connect(self.show_state)
        self._timer.start()
        self.show_state()

    def _on_saver(self) -> None:
        if not self._saver.is_busy and self._saver.path is not None and not self._saver.has_unsaved:
            self._saved_at = datetime.now().strftime("%H:%M")
        self.show_state()

    def show_state(self, *_: Any) -> None:
        """Say what is saved; nothing is drawn again while nothing changes."""
        saver, path = self._saver, self._saver.path
        unsaved, running = saver.has_unsaved, self._runner.is_running
        removed = saver.removed_layers
        if self.back.isHidden() is bool(removed):
            names = ", ".join(layer.name for layer in removed)
            self.back.setToolTip(f"Layers that were removed before their work was saved: {names}")
            self.back.setVisible(bool(removed))
        if saver.is_busy:
            text, tip = f"{saver.doing} ...", ""
        elif path is None:
            text, tip = ("not saved", "Nothing of this is in a file yet") if unsaved else ("", "")
        else:
            text = "unsaved" if unsaved else f"saved {self._saved_at}".rstrip()
            tip = str(path)
        if self.state.text() != text:
            self.state.setText(text)
            self.state.setToolTip(tip or text)
        for item, enabled, why in (
            (self.open, not saver.is_busy and not running, with_keys(OPEN_TIP) if not running else RUN_TIP),
            (
                self.save,
                not saver.is_busy and (unsaved or path is None),
                with_keys(SAVE_TIP if unsaved else NOTHING_NEW),
            ),
            (self.save_as, not saver.is_busy, "Save everything in another file"),
        ):
            if item.isEnabled() != enabled:
                item.setEnabled(enabled)
            if item.toolTip() != why:
                item.setToolTip(why)
