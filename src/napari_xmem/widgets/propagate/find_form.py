"""The controls of "Find the rest": a button, and for what was found a slider and a switch. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSlider, QVBoxLayout, QWidget

from napari_xmem.widgets.common.forms import enable, row_of, small_button
from napari_xmem.widgets.common.status import StatusLine
from napari_xmem.widgets.jobs.finding import LOWEST_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FindForm"]

TIP = (
    "Find the other objects of this frame that look like the painted ones, and put them into the seeds layer in one "
    "step (Ctrl+Z takes it back)"
)


class _Slider(QSlider):
    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area."""
        event.ignore()


class FindForm(QWidget):
    """All controls, laid out; `FindRest` connects them.

    Parameters
    ----------
    clicked : callable
        Called by the button.
    """

    def __init__(self, clicked: Callable[[], Any]) -> None:
        super().__init__()
        self.setToolTip(TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.start = small_button("Find the rest", TIP, clicked)
        self.drop = small_button("Click to drop", "While this is on, a click on a found object removes it", lambda: 0)
        self.drop.setCheckable(True)
        self.surer = _Slider(Qt.Orientation.Horizontal)
        self.surer.setRange(round(100 * LOWEST_CONFIDENCE), 100)
        self.limit = QLabel("")
        self._results = row_of("Sure to", self.surer, self.limit, self.drop, stretch=1)
        tip = "Show what is at least so sure, 0.5 to 1; acts at once. What you mend with the brush stays mended."
        for part in (self.surer, self.limit):
            part.setToolTip(tip)
        self.status = StatusLine()
        for widget in (row_of(self.start, stretch=None), self._results, self.status):
            layout.addWidget(widget)
        self.show_results(False)

    def show_results(self, visible: bool) -> None:
        """Show or hide slider and switch."""
        self._results.setVisible(visible)

    def say_what_it_does(self, text: str, problem: str) -> None:
        """Name the button; `problem` says why it cannot be pressed."""
        self.start.setText(text)
        enable(self.start, not problem, problem)
