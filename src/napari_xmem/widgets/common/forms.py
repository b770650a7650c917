"""Short aligned forms: headings, rows, folding sections. Every row has a tooltip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Choice", "Section", "button", "enable", "enable_all", "frame_box", "row_of", "small_button"]

NAME_WIDTH_PX = 82


class Section(QWidget):
    """A heading with rows of names and widgets under it.

    Parameters
    ----------
    title : str
        The heading.
    folded : bool, optional
        True or False: the section can be folded and begins so; None: it is always open.
    tooltip : str
        Shown over the heading.
    name_px : int
        Width of the column of names; sections under each other align if theirs are the same.
    """

    def __init__(
        self, title: str, *, folded: bool | None = None, tooltip: str = "", name_px: int = NAME_WIDTH_PX
    ) -> None:
        super().__init__()
        self._rows: dict[QWidget, QLabel] = {}
        self._body = QWidget()
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnMinimumWidth(0, name_px)
        self._grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(4)
        layout.addWidget(_rule())
        self.header = self._fold_header(title, folded) if folded is not None else _role(QLabel(title), "heading")
        self.header.setToolTip(tooltip or f"Settings: {title}")
        layout.addWidget(self.header)
        layout.addWidget(self._body)
        self._body.setVisible(not folded)

    def _fold_header(self, title: str, folded: bool) -> QToolButton:
        header = _role(QToolButton(), "fold")
        header.setText(title)
        header.setCheckable(True)
        header.setChecked(not folded)
        header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        header.setArrowType(Qt.ArrowType.RightArrow if folded else Qt.ArrowType.DownArrow)
        header.toggled.connect(self._fold)
        return header

    def _fold(self, is_open: bool) -> None:
        self.header.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._body.setVisible(is_open)

    def add(self, name: str, widget: QWidget, tooltip: str) -> QWidget:
        """Add a row; an empty name lets the widget take the whole width."""
        row = self._grid.rowCount()
        widget.setToolTip(tooltip)
        for child in widget.findChildren(QWidget):
            if not child.toolTip():
                child.setToolTip(tooltip)
            if name and isinstance(child, (QComboBox, QAbstractSpinBox)) and not child.accessibleName():
                child.setAccessibleName(name)
        label = _role(QLabel(name), "name")
        label.setToolTip(tooltip)
        label.setBuddy(widget)
        if name:
            self._grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(widget, row, 1)
            widget.setAccessibleName(name)
        else:
            label.setParent(self._body)
            label.hide()
            self._grid.addWidget(widget, row, 0, 1, 2)
        self._rows[widget] = label
        return widget

    def show_row(self, widget: QWidget, visible: bool) -> None:
        """Show or hide a row with its name."""
        widget.setVisible(visible)
        label = self._rows[widget]
        label.setVisible(visible and bool(label.text()))

    def rename_row(self, widget: QWidget, name: str) -> None:
        """Change the name of a row."""
        self._rows[widget].setText(name)

    @property
    def is_open(self) -> bool:
        """False while folded."""
        return not self._body.isHidden()

    @is_open.setter
    def is_open(self, value: bool) -> None:
        if isinstance(self.header, QToolButton):
            self.header.setChecked(value)


class Choice(QComboBox):
    """A combo box of (text, value, tooltip) that never gets wider than its column.

    Parameters
    ----------
    items : sequence of (str, Any, str)
        Text, value and tooltip of each item.
    """

    about_to_show = Signal()

    def __init__(self, items: Any = ()) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for text, value, tooltip in items:
            self.add_choice(text, value, tooltip)

    def add_choice(self, text: str, value: Any, tooltip: str = "") -> None:
        """Append an item."""
        self.addItem(text, value)
        self.setItemData(self.count() - 1, tooltip or text, Qt.ItemDataRole.ToolTipRole)

    def index_of(self, value: Any) -> int:
        """Return the position of a value, -1 if it is not there."""
        for index in range(self.count()):
            if self.itemData(index) is value or self.itemData(index) == value:
                return index
        return -1

    @property
    def value(self) -> Any:
        """Value of the chosen item, None if there is none."""
        return self.currentData() if self.currentIndex() >= 0 else None

    @value.setter
    def value(self, value: Any) -> None:
        self.setCurrentIndex(self.index_of(value))

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area, so that scrolling never changes a setting."""
        event.ignore()

    def showPopup(self) -> None:
        """Show the list, after telling whoever fills it late."""
        self.about_to_show.emit()
        super().showPopup()


class _NoWheelSpinBox(QSpinBox):
    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area."""
        event.ignore()


def frame_box(tooltip: str, name: str = "") -> QSpinBox:
    """Return a box for a frame number, 0 based as on napari's slider; `name` is what screen readers say."""
    box = _NoWheelSpinBox()
    box.setRange(0, 0)
    box.setKeyboardTracking(False)
    box.setAlignment(Qt.AlignmentFlag.AlignLeft)
    box.setStyleSheet("QSpinBox { min-width: 52px; max-width: 76px; }")  # napari's own says 90
    box.setToolTip(tooltip)
    box.setAccessibleName(name)
    return box


def button(text: str, tooltip: str, clicked: Callable[[], Any], *, role: str = "plain") -> QPushButton:
    """Return a push button; role "primary" for the one that starts things."""
    made = _role(QPushButton(text), role)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _checked=False: clicked())
    return made


def small_button(
    text: str, tooltip: str, clicked: Callable[[], Any], *, role: str = "small", name: str = ""
) -> QToolButton:
    """Return a small button for the end of a row; role "link" looks like a link.

    Screen readers say `name` where the text says little without the row.
    """
    made = _role(QToolButton(), role)
    made.setText(text)
    made.setAccessibleName(name)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _checked=False: clicked())
    return made


def enable(widget: QWidget, enabled: bool, why: str) -> None:
    """Enable a control, or make it grey and say why over it; nothing is drawn again where nothing changes.

    Parameters
    ----------
    widget : QWidget
        The control; its tooltip says what it does.
    enabled : bool
        It can be used now.
    why : str
        Why not, in words.
    """
    _give_reason(widget, "why", "" if enabled else why)
    if widget.isEnabled() != enabled:
        widget.setEnabled(enabled)


def enable_all(section: QWidget, enabled: bool, why: str) -> None:
    """Do as `enable` for everything in a section; what is grey by itself stays so when the section is enabled."""
    if section.isEnabled() == enabled:
        return
    for child in section.findChildren(QWidget):
        if child.toolTip():
            _give_reason(child, "section_why", "" if enabled else why)
    section.setEnabled(enabled)


def _give_reason(widget: QWidget, of: str, why: str) -> None:
    """Say behind a tooltip why the control is grey: for the section that it is in, or for itself."""
    widget.setProperty(of, why)
    why = widget.property("section_why") or widget.property("why")
    tip, new = widget.toolTip(), f"\nNot now: {why}" if why else ""
    text = tip.removesuffix(widget.property("reason") or "") + new
    widget.setProperty("reason", new)
    if text != tip:
        widget.setToolTip(text)


def row_of(*widgets: QWidget | str, stretch: int | None = 0) -> QWidget:
    """Put widgets (or words) side by side; the one at position `stretch` takes the room that is left.

    To a screen reader, a widget without a name has that of the words before it.
    """
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for position, item in enumerate(widgets):
        widget = _role(QLabel(item), "muted") if isinstance(item, str) else item
        before = widgets[position - 1] if position else None
        if isinstance(before, str) and not widget.accessibleName():
            widget.setAccessibleName(before)
        layout.addWidget(widget, 1 if position == stretch else 0)
    if stretch is None:
        layout.addStretch(1)
    return row


def _rule() -> QFrame:
    rule = _role(QFrame(), "rule")
    rule.setFixedHeight(1)
    return rule


def _role(widget: Any, role: str) -> Any:
    widget.setProperty("role", role)
    return widget
