"""Charts over frames, painted by Qt itself: light enough to be redrawn with every frame of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    from napari_xmem.widgets.common.theme import Colours

__all__ = ["ALWAYS_SHOWN", "STORE_NAMES", "Chart", "short_number", "store_colour"]

#: Stores of memory in words, from the bottom of a chart up.
STORE_NAMES = {
    "permanent": "permanent", "distractor": "look-alikes", "long_term": "long-term", "working": "working"
}  # fmt: skip
#: Those that every run may have; the others are named where they hold something.
ALWAYS_SHOWN = frozenset({"permanent", "long_term", "working"})

#: Colours of the stores that people with colour-blindness can tell apart (Okabe & Ito): on dark, on light.
_STORES = {
    "permanent": ("#3fc6a0", "#007a5a"),
    "distractor": ("#d98cbf", "#a3477f"),
    "long_term": ("#f0a83c", "#b06f00"),
    "working": ("#62b6ee", "#0068a8"),
}


def store_colour(store: str, dark: bool) -> str:
    """Return the colour of working, long_term, permanent or distractor memory."""
    return _STORES[store][0 if dark else 1]


def short_number(value: float) -> str:
    """Write a number in at most four characters: 950, 1.2k, 34k, 5.6M."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{suffix}" if scaled < 9.95 else f"{scaled:.0f}{suffix}"
    return f"{value:.0f}"


class Chart(QWidget):
    """Axes over the frames of a movie: hover tells, a click goes to the frame.

    Parameters
    ----------
    height_px : int
        Preferred height.
    empty : str
        Shown while there is nothing to draw.
    """

    frame_clicked = Signal(int)

    LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 18

    def __init__(self, height_px: int, empty: str) -> None:
        super().__init__()
        self._height, self._empty = height_px, empty
        self._colours: Colours | None = None
        self._n_frames = 0
        self.current_frame: int | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(120)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, False)

    def sizeHint(self) -> QSize:
        """Preferred size."""
        return QSize(300, self._height)

    def minimumSizeHint(self) -> QSize:
        """Smallest size."""
        return QSize(120, self._height)

    # ---- to be given by kinds of charts

    @property
    def has_data(self) -> bool:
        """True if there is something to draw."""
        return False

    def draw(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        """Draw the data into `area`."""

    def top_value(self) -> str:
        """Text at the top of the vertical axis."""
        return ""

    def tip(self, frame: int) -> str:
        """Text shown while the mouse is over a frame."""
        return ""

    # ---- what all share

    def set_colours(self, colours: Colours) -> None:
        """Take the colours of a theme."""
        self._colours = colours
        self.update()

    def set_frames(self, n_frames: int) -> None:
        """Set the number of frames of the movie."""
        if n_frames != self._n_frames:
            self._n_frames = n_frames
            self.update()

    def show_frame(self, frame: int | None) -> None:
        """Mark the frame that the viewer shows."""
        if frame != self.current_frame:
            self.current_frame = frame
            self.update()

    @property
    def area(self) -> QRectF:
        """Where data are drawn."""
        width, height = self.width() - self.LEFT - self.RIGHT, self.height() - self.TOP - self.BOTTOM
        return QRectF(self.LEFT, self.TOP, max(1, width), max(1, height))

    def x_of(self, frame: float) -> float:
        """Return the horizontal place of the middle of a frame, in pixels."""
        area = self.area
        return area.left() + (frame + 0.5) * area.width() / max(1, self._n_frames)

    def frame_at(self, x: float) -> int | None:
        """Return the frame at a horizontal place, None outside."""
        area = self.area
        if not self._n_frames or not area.left() - 4 <= x <= area.right() + 4:
            return None
        place = int((x - area.left()) * self._n_frames / area.width())
        return min(max(place, 0), self._n_frames - 1)

    def paintEvent(self, event: Any) -> None:
        """Draw frame, data, axes and the mark of the current frame."""
        if self._colours is None:
            return
        colours, area = self._colours, self.area
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(area, QColor(colours.foreground))
        if self.has_data:
            font = QFont(self.font())
            font.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
            painter.setFont(font)
            painter.save()
            painter.setClipRect(area)
            self.draw(painter, area, colours)
            painter.restore()
            self._draw_axes(painter, area, colours)
        else:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(8, 4, -8, -4), int(flags), self._empty)
        painter.end()

    def _draw_axes(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        painter.setPen(QColor(colours.muted))
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(QRectF(0, area.top() - 7, self.LEFT - 4, 14), right, self.top_value())
        painter.drawText(QRectF(0, area.bottom() - 7, self.LEFT - 4, 14), right, "0")
        ends = [0] if self._n_frames < 2 else [0, self._n_frames - 1]
        boxes = [self._frame_text(painter, area, frame) for frame in ends]
        frame = self.current_frame
        if frame is not None and 0 <= frame < self._n_frames:
            x = self.x_of(frame)
            painter.setPen(QPen(QColor(colours.text), 1.2))
            painter.drawLine(QPointF(x, area.top() - 3), QPointF(x, area.bottom() + 3))
            width = painter.fontMetrics().horizontalAdvance(str(frame))
            if all(abs(x - box.center().x()) > (width + box.width()) / 2 + 4 for box in boxes):
                self._frame_text(painter, area, frame)

    def _frame_text(self, painter: QPainter, area: QRectF, frame: int) -> QRectF:
        text = str(frame)
        width = painter.fontMetrics().horizontalAdvance(text) + 2
        left = min(max(self.x_of(frame) - width / 2, area.left() - 4), area.right() - width + 4)
        box = QRectF(left, area.bottom() + 3, width, self.BOTTOM - 4)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
        return box

    def event(self, event: Any) -> bool:
        """Tell what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            frame = self.frame_at(event.pos().x()) if self.has_data else None
            text = self.tip(frame) if frame is not None else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self)
                return True
        return bool(super().event(event))

    def mousePressEvent(self, event: Any) -> None:
        """Go to the frame under the mouse."""
        frame = self.frame_at(event.pos().x())
        if self.has_data and frame is not None and event.button() == Qt.MouseButton.LeftButton:
            self.frame_clicked.emit(frame)

    def mouseMoveEvent(self, event: Any) -> None:
        """Go along while the button is held."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            frame = self.frame_at(event.pos().x())
            if self.has_data and frame is not None and frame != self.current_frame:
                self.frame_clicked.emit(frame)
        self.setCursor(Qt.CursorShape.PointingHandCursor if self.has_data else Qt.CursorShape.ArrowCursor)


def triangle(x: float, y: float, size: float, *, down: bool = True) -> QPolygonF:
    """Return a small triangle with its tip at x, y."""
    step = -size if down else size
    return QPolygonF([QPointF(x, y), QPointF(x - size * 0.7, y + step), QPointF(x + size * 0.7, y + step)])
