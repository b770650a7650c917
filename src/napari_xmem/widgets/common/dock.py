"""What all docks share: a scrolled form, the theme's colours, letting go of the viewer when closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QMainWindow,
    QScrollArea,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_xmem.config.settings import did_you_mean
from napari_xmem.errors import UnknownNameError
from napari_xmem.widgets.common.theme import Colours, font_size_changed, font_size_pt, style_sheet, theme_colours
from napari_xmem.widgets.common.viewer_events import Connections, plain_viewer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXPLAIN", "LINEAGE", "MEMORY", "PROPAGATE", "REVIEW", "Dock", "docks_of", "open_dock"]


LEAST_WIDTH_PX = 350


class Dock(QWidget):
    """A panel beside the canvas.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.
    """

    #: Its name in the manifest.
    dock_name: ClassVar[str] = ""

    def __init__(self, napari_viewer: Any) -> None:
        self._has_joined = self._is_settled = self._is_docked = False  # Qt may send events before it is made
        self._form: QWidget | None = None
        super().__init__()
        self._join_timer = QTimer(self)
        self._join_timer.setSingleShot(True)
        self._join_timer.timeout.connect(self._join_tabs)
        self._fit_timer = QTimer(self)  # when the style has reached all controls
        self._fit_timer.setSingleShot(True)
        self._fit_timer.timeout.connect(self._fit)
        self.viewer = plain_viewer(napari_viewer)
        self.events = Connections()
        self._release: list[Callable[[], Any]] = [self.events.release]
        self.events.connect(self.viewer.events.theme, self.on_theme)
        if (font_size := font_size_changed()) is not None:
            self.events.connect(font_size, self.on_theme)
        release = self._release
        self.destroyed.connect(lambda *_: [undo() for undo in release])

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what a script misspells; a dock has all its attributes when it is docked."""
        if self.__dict__.get("_is_docked") and not name.startswith("_") and not hasattr(self, name):
            known = [k for k in dir(type(self)) if isinstance(getattr(type(self), k, None), property)]
            raise UnknownNameError(f"The panel {self.dock_name} has no {name}{did_you_mean(name, known)}.")
        super().__setattr__(name, value)

    def event(self, event: Any) -> bool:
        """Join the tabs of our other docks when docked first; where the user puts the dock later is left alone."""
        if event.type() == QEvent.Type.ParentChange:
            was_docked, self._is_docked = self._is_docked, isinstance(self.parent(), QDockWidget)
            if self._is_docked and not self._has_joined:
                self._has_joined = True
                self._join_timer.start()
            if was_docked and self.parent() is None:
                self.on_closed()
        return bool(super().event(event))

    @property
    def is_behind(self) -> bool:
        """True while nothing of it is seen, though its window is: it is the tab behind another one, or hidden."""
        return self.window().isVisible() and self.visibleRegion().isEmpty()

    def on_closed(self) -> None:
        """Tidy up: the user has closed the panel. Not called when the window is closed with it."""

    def changeEvent(self, event: Any) -> None:
        """Make room for a larger font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and self._form is not None:
            self._fit_timer.start()

    def _fit(self) -> None:
        if self._form is None:
            return
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        self.setMinimumWidth(max(LEAST_WIDTH_PX, self._form.minimumSizeHint().width() + bar))

    def _join_tabs(self) -> None:
        dock = self.parent()
        window = dock.parent() if isinstance(dock, QDockWidget) else None
        if not isinstance(window, QMainWindow):
            return
        self.on_window(window)
        area, self._is_settled = window.dockWidgetArea(dock), True
        for other in window.findChildren(QDockWidget):
            widget = other.widget()
            # of docks that are opened at once each joins those before it: it would leave the tabs of whom joined it
            ours = other is not dock and isinstance(widget, Dock) and widget._is_settled
            if ours and not other.isHidden() and not other.isFloating() and window.dockWidgetArea(other) == area:
                window.tabifyDockWidget(other, dock)
                dock.show()
                dock.raise_()
                return

    def on_window(self, window: QMainWindow) -> None:
        """Take note of the window that the dock is in; called once."""

    def fill(self, form: QWidget, bar: QWidget | None = None) -> None:
        """Put the form into a scroll area that never scrolls sideways, under a bar that stays in view."""
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(form)
        self._form = form
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        if bar is not None:
            bar.setContentsMargins(8, 4, 8, 2)
            layout.addWidget(bar)
        layout.addWidget(area)
        self.setMinimumWidth(LEAST_WIDTH_PX)
        self._fit_timer.start()
        for item in self.findChildren(QAbstractButton):
            if item.focusPolicy() & Qt.FocusPolicy.ClickFocus:  # keys go on to the canvas after a click
                item.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            item.clicked.connect(self._leave_keys_to_canvas)

    def _leave_keys_to_canvas(self, *_: Any) -> None:
        """After a click with the mouse, give the keyboard to the canvas: arrow keys step frames there."""
        focus, clicked = QApplication.focusWidget(), self.sender()
        if focus is clicked or (focus is not None and not self.isAncestorOf(focus)):
            return  # the button was pressed by a key; or the keyboard is elsewhere already
        window = self.window()
        centre = window.centralWidget() if isinstance(window, QMainWindow) else None
        for child in () if centre is None else centre.findChildren(QWidget):
            if type(child).__name__.startswith("CanvasBackend"):  # vispy's
                child.setFocus()
                return

    def release_too(self, *undo: Callable[[], Any]) -> None:
        """Call these too when the dock is destroyed."""
        self._release.extend(undo)

    def take_theme(self) -> Colours:
        """Style the dock like napari's theme; returns its colours."""
        colours = theme_colours(self.viewer.theme)
        self.setStyleSheet(style_sheet(colours, font_size_pt()))
        return colours

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        self.take_theme()


#: Names of our docks in the manifest (napari.yaml).
PROPAGATE, REVIEW, LINEAGE = "Propagate labels", "Review and correct", "Lineage"
MEMORY, EXPLAIN = "Memory", "Explain"


def open_dock(viewer: Any, name: str) -> Any:
    """Open one of our docks, tabbed with those that are open; returns its widget."""
    return viewer.window.add_plugin_dock_widget("napari-xmem", name, tabify=True)[1]


def docks_of(viewer: Any, name: str) -> list[Any]:
    """Return the widgets of our open docks of a name."""
    found = [plain_viewer(widget) for widget in viewer.window.dock_widgets.values()]
    return [widget for widget in found if isinstance(widget, Dock) and widget.dock_name == name]
