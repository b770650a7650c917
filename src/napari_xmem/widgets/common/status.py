"""What is going on, in words: hint box, progress with time left, status line, errors with details to copy."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_xmem.widgets.common.forms import small_button

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Hint", "StatusLine", "TextProgress", "error_details", "muted_label"]


def _text_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
    label.setMinimumWidth(200)  # its least height is that of its text at this width
    return label


def muted_label() -> QLabel:
    """Return a line of explanation that wraps."""
    label = _text_label()
    label.setProperty("role", "muted")
    return label


class Hint(QFrame):
    """A box that says what to do first, with up to one button."""

    def __init__(self, action: str, tooltip: str, clicked: Callable[[], Any]) -> None:
        super().__init__()
        self.setProperty("role", "hint")
        self._label = _text_label()
        self._button = small_button(action, tooltip, clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.setSpacing(6)
        layout.addWidget(self._label)
        layout.addWidget(self._button)

    def show_text(self, text: str, with_button: bool = False) -> None:
        """Show `text`; an empty one hides the box."""
        self._label.setText(text)
        self._button.setVisible(with_button)
        self.setVisible(bool(text))

    @property
    def text(self) -> str:
        """What the box says; empty while hidden."""
        return "" if self.isHidden() else self._label.text()


class TextProgress(QProgressBar):
    """A progress bar that says frames done and time left."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(True)
        self.setRange(0, 1)
        self.setValue(0)
        self.setFormat("")

    def wait(self) -> None:
        """Show that something without a measure goes on."""
        self.setRange(0, 0)
        self.setFormat("")

    def show_step(self, done: int, total: int, left: str = "") -> None:
        """Show `done` of `total` frames and the time left."""
        self.setRange(0, max(total, 1))
        self.setValue(done)
        self.setFormat(f"{done} / {total} frames" + (f"  ·  {left}" if left else ""))

    def reset_text(self) -> None:
        """Show an empty bar."""
        self.setRange(0, 1)
        self.setValue(0)
        self.setFormat("")


class StatusLine(QWidget):
    """A line of text that is neutral, good or bad, with a link that copies the details of an error."""

    def __init__(self) -> None:
        super().__init__()
        self.label = _text_label()
        self._details = ""
        self._copy = small_button(
            "Copy details", "Copy the whole error message, for a report", self._copy_details, role="link"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.label)
        self._offers: list[QWidget] = []
        self._foot = QVBoxLayout()
        self._foot.addWidget(self._copy)
        layout.addLayout(self._foot)
        self.show_text("")

    @property
    def text(self) -> str:
        """What the line says."""
        return self.label.text()

    def show_text(self, text: str, role: str = "muted", details: str = "") -> None:
        """Show `text` as "muted", "good" or "bad"; `details` can be copied."""
        self.label.setText(text)
        if self.label.property("role") != role:
            self.label.setProperty("role", role)
            style = self.label.style()
            if style is not None:
                style.unpolish(self.label)
                style.polish(self.label)
        self._details = details
        self._copy.setVisible(bool(details))
        while self._offers:
            link = self._offers.pop()
            link.hide()
            link.deleteLater()

    def offer(self, text: str, tooltip: str, action: Callable[[], Any]) -> None:
        """Offer one more next step under the text that is shown."""
        link = small_button(text, tooltip, action, role="link")
        self._foot.addWidget(link)
        self._offers.append(link)

    def _copy_details(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._details)


def error_details(error: BaseException) -> str:
    """Return the whole story of an error, for a report."""
    import platform

    from napari_xmem import __version__

    head = f"napari-xmem {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return head + "\n" + "".join(traceback.format_exception(error))
