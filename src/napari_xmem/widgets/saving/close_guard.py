"""Asking before a window is closed with unsaved work, and ending a run that nobody can see any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox

from napari_xmem.errors import XMemError
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.saving.saver import saver_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CloseGuard", "guard_window"]

SAVE, DISCARD, CANCEL = "save", "discard", "cancel"


class CloseGuard(QObject):
    """Looks at a window's wish to close.

    Parameters
    ----------
    window : QMainWindow
        The window; owner of the guard.
    viewer : napari Viewer
        Its viewer.

    Attributes
    ----------
    ask : callable
        Called with a question; returns "save", "discard" or "cancel".
    """

    def __init__(self, window: QMainWindow, viewer: Any) -> None:
        super().__init__(window)
        self._saver, self._runner = saver_of(viewer), runner_of(viewer)
        self._closing = False
        self.ask: Callable[[str], str] = lambda text: _ask(window, text)
        window.installEventFilter(self)
        saver, runner = self._saver, self._runner
        window.destroyed.connect(lambda *_: runner.stop_untold("the window was closed"))
        window.destroyed.connect(lambda *_: saver.release())

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Ask before a visible window closes; a hidden one, or one that a script closes, goes without a question."""
        kind = event.type()
        if kind == QEvent.Type.Close:
            if self._must_ask(watched) and not self._may_close():
                event.ignore()
                return True
            self._closing = self._saver.is_closing = True
        elif kind == QEvent.Type.Show:
            self._closing = self._saver.is_closing = False
        elif kind == QEvent.Type.Hide and self._closing and not event.spontaneous():
            self._runner.stop("the window was closed")
        return False

    def _must_ask(self, window: QMainWindow) -> bool:
        if not window.isVisible() or not (self._saver.has_unsaved or self._runner.is_running):
            return False
        centre = window.centralWidget()
        layout = None if centre is None else centre.layout()
        item = None if layout is None else layout.itemAt(0)
        canvas = None if item is None else item.widget()
        return canvas is not None and canvas.isVisible()  # Viewer.close() of a script hides it first

    def _may_close(self) -> bool:
        answer = self.ask(self.question)
        if answer != SAVE:
            return answer == DISCARD
        try:
            if self._saver.path is None:
                return self._saver.save_as(wait=True)
            self._saver.save(wait=True)
        except XMemError:  # it was shown
            return False
        return True

    @property
    def question(self) -> str:
        """What would be lost, in words."""
        parts = []
        if self._runner.is_running:
            left = self._runner.time_left
            parts.append(f"A run is going on ({left.done} of {left.total} frames); closing ends it.")
        if self._saver.has_unsaved:
            name = "" if self._saver.path is None else f" since {self._saver.path.name} was saved"
            parts.append(f"Labels or corrections were made that are not saved{name}.")
        return " ".join(parts)


def guard_window(window: Any, viewer: Any) -> None:
    """Guard a window, once."""
    if isinstance(window, QMainWindow) and window.findChild(CloseGuard) is None:
        CloseGuard(window, viewer)


def _ask(window: QMainWindow, text: str) -> str:
    box = QMessageBox(window)
    box.setWindowTitle("napari-xmem")
    box.setText(text)
    box.setInformativeText("Save first?")
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Save)
    return {buttons.Save: SAVE, buttons.Discard: DISCARD}.get(buttons(box.exec()), CANCEL)
