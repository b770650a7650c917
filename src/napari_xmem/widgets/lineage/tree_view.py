"""The tree of cells, painted by Qt itself: time goes down, a column per cell, colours as the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen
from qtpy.QtWidgets import QAbstractScrollArea, QSizePolicy, QToolTip

from napari_xmem.tracking import End, Lineage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_xmem.widgets.common.theme import Colours

__all__ = ["TreeView", "cell_facts"]

LEFT, RIGHT, TOP, BOTTOM = 34, 8, 20, 10
COLUMN_PX = (9.0, 46.0)
LINE_PX, CHOSEN_PX = 4.0, 9.0
HEIGHT_PX = 280


def cell_facts(lineage: Lineage, cell: int) -> str:
    """Say in a line what is known about a cell."""
    first, last = lineage.first_frame[cell], lineage.last_frame[cell]
    parts = [f"Cell {cell}", f"frame {first}" if first == last else f"frames {first} to {last}"]
    if cell in lineage.parents:
        sure = lineage.confidence[cell]
        doubt = f" ({sure:.0%} sure)" if sure < 1 else ""
        parts.append(f"daughter of {lineage.parents[cell]}{doubt}")
    daughters = lineage.daughters.get(cell, ())
    names = " and ".join(map(str, daughters))
    how = lineage.ends[cell]
    if daughters:
        verb = {End.DIVIDED: "divides into", End.CONTINUED: "goes on as"}.get(how, "has the buds")
        parts.append(f"{verb} {names}")
    if how in (End.LOST, End.LEFT, End.REMOVED):
        parts.append({End.LOST: "lost inside the picture", End.LEFT: "leaves the picture"}.get(how, "removed by you"))
    return " · ".join(parts)


class TreeView(QAbstractScrollArea):
    """Draws a lineage; hover tells, a click chooses a cell and goes to the frame.

    Signals
    -------
    cell_clicked : (int, int, bool)
        Cell, frame within its life, and whether it is added to those chosen (Ctrl or Shift).
    frame_clicked : int
        A frame, where no cell is.
    """

    cell_clicked = Signal(int, int, bool)
    frame_clicked = Signal(int)

    def __init__(self, empty: str) -> None:
        super().__init__()
        self._empty = empty
        self._colours: Colours | None = None
        self._lineage: Lineage | None = None
        self._columns: dict[int, int] = {}
        self._cells: list[int] = []
        self._paints: Mapping[int, QColor] = {}
        self._chosen: tuple[int, ...] = ()
        self._asked: frozenset[int] = frozenset()
        self._n_frames = 0
        self.current_frame: int | None = None
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(HEIGHT_PX)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
        self.setAccessibleName("Lineage tree")

    # ---- what is shown

    def sizeHint(self) -> QSize:
        """Return the size it would like."""
        return QSize(300, HEIGHT_PX)

    def set_tree(
        self,
        lineage: Lineage | None,
        columns: dict[int, int],
        n_frames: int,
        paints: Mapping[int, QColor],
        asked: Collection[int] = (),
    ) -> None:
        """Show some cells of a lineage.

        Parameters
        ----------
        lineage : Lineage or None
            What is drawn; None: nothing.
        columns : dict of int to int
            Cells and where they stand (`napari_xmem.tracking.tree_layout.tree_columns`).
        n_frames : int
            Frames of the movie.
        paints : mapping of int to QColor
            Their colours.
        asked : collection of int
            Mothers whose division is a question.
        """
        is_other = columns != self._columns
        self._lineage, self._columns, self._n_frames = lineage, columns, n_frames
        self._cells, self._paints, self._asked = list(columns), paints, frozenset(asked)
        self._fit()
        if is_other and self._chosen and self._chosen[-1] in columns:
            self._reveal(self._chosen[-1])

    def set_empty(self, text: str) -> None:
        """Set what is said while there is nothing to draw."""
        self._empty = text
        self.redraw()

    def set_colours(self, colours: Colours) -> None:
        """Take the colours of a theme."""
        self._colours = colours
        self.redraw()

    def choose(self, cells: tuple[int, ...], *, reveal: bool = True) -> None:
        """Mark the chosen cells; the last one is brought into view."""
        if cells != self._chosen:
            self._chosen = cells
            if reveal and cells and cells[-1] in self._columns:
                self._reveal(cells[-1])
            self.redraw()

    def show_frame(self, frame: int | None) -> None:
        """Mark the frame that the viewer shows."""
        if frame != self.current_frame:
            self.current_frame = frame
            self.redraw()

    def redraw(self) -> None:
        """Paint again soon."""
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    @property
    def has_data(self) -> bool:
        """There is something to draw."""
        return bool(self._cells) and self._lineage is not None

    @property
    def cells(self) -> tuple[int, ...]:
        """The cells drawn, from left to right."""
        return tuple(self._cells)

    # ---- places

    @property
    def column_px(self) -> float:
        """Width of a column."""
        room = self._size().width() - LEFT - RIGHT
        return min(COLUMN_PX[1], max(COLUMN_PX[0], room / max(1, len(self._cells))))

    def x_of(self, cell: int) -> float:
        """Return the middle of a cell's column, in pixels of the viewport."""
        bar = self.horizontalScrollBar()
        return LEFT + (self._columns[cell] + 0.5) * self.column_px - (0 if bar is None else bar.value())

    def y_of(self, frame: float) -> float:
        """Return where a frame begins."""
        return TOP + frame * (self._size().height() - TOP - BOTTOM) / max(1, self._n_frames)

    def frame_at(self, y: float) -> int:
        """Return the frame at a height."""
        room = self._size().height() - TOP - BOTTOM
        return min(max(int((y - TOP) * self._n_frames / max(1, room)), 0), max(0, self._n_frames - 1))

    def cell_at(self, x: float, y: float) -> int | None:
        """Return the cell in whose column a place is, if it lives there or nearly so."""
        bar = self.horizontalScrollBar()
        column = int((x - LEFT + (0 if bar is None else bar.value())) // self.column_px)
        if self._lineage is None or x < LEFT or not 0 <= column < len(self._cells):
            return None
        cell = self._cells[column]
        low, high = self.y_of(self._lineage.first_frame[cell]), self.y_of(self._lineage.last_frame[cell] + 1)
        return cell if low - 6 <= y <= high + 6 else None

    def _size(self) -> QSize:
        viewport = self.viewport()
        return self.size() if viewport is None else viewport.size()

    def _fit(self) -> None:
        bar = self.horizontalScrollBar()
        if bar is not None:
            room = self._size().width() - LEFT - RIGHT
            bar.setRange(0, max(0, round(self.column_px * len(self._cells)) - room))
            bar.setPageStep(max(1, room))
            bar.setSingleStep(round(self.column_px))
        self.redraw()

    def _reveal(self, cell: int) -> None:
        bar, x = self.horizontalScrollBar(), self.x_of(cell)
        if bar is not None and not LEFT <= x <= self._size().width() - RIGHT:
            bar.setValue(round(bar.value() + x - self._size().width() / 2))

    # ---- painting

    def resizeEvent(self, event: Any) -> None:
        """Fit the columns to the new width."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: Any) -> None:
        """Draw axis, lines, marks, numbers, and the frame that the viewer shows."""
        viewport, colours = self.viewport(), self._colours
        if viewport is None or colours is None:
            return
        painter = QPainter(viewport)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(viewport.rect())
        painter.fillRect(area, QColor(colours.foreground))
        font = QFont(self.font())
        font.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
        painter.setFont(font)
        if self.has_data:
            self._draw_axis(painter, colours)
            painter.setClipRect(area.adjusted(LEFT - 4, 0, 0, 0))
            shown = [i for i in self._cells if -60 < self.x_of(i) < area.width() + 60]
            self._draw_chosen(painter, shown, colours)
            self._draw_links(painter, colours)
            for cell in shown:
                self._draw_cell(painter, cell, colours)
        else:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(16, 8, -16, -8), int(flags), self._empty)
        painter.end()

    def _draw_axis(self, painter: QPainter, colours: Colours) -> None:
        muted, right = QColor(colours.muted), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.setPen(muted)
        frame, last = self.current_frame, self._n_frames - 1
        for t in sorted({0, last}):
            y = self.y_of(t + 0.5)
            if frame is None or abs(self.y_of(frame + 0.5) - y) > 12:
                painter.drawText(QRectF(0, y - 7, LEFT - 6, 14), right, str(t))
        if frame is not None and 0 <= frame <= last:
            y = self.y_of(frame + 0.5)
            painter.setPen(QPen(QColor(colours.text), 1.2))
            painter.drawLine(QPointF(LEFT - 4, y), QPointF(self._size().width(), y))
            painter.drawText(QRectF(0, y - 7, LEFT - 6, 14), right, str(frame))

    def _draw_chosen(self, painter: QPainter, shown: list[int], colours: Colours) -> None:
        lineage = self._lineage
        for cell in self._chosen:
            if cell in shown and lineage is not None:
                x, low = self.x_of(cell), self.y_of(lineage.first_frame[cell])
                high = self.y_of(lineage.last_frame[cell] + 1)
                painter.setPen(QPen(QColor(colours.text), 1.4))
                painter.setBrush(QColor(colours.background))
                half = CHOSEN_PX / 2
                painter.drawRoundedRect(QRectF(x - half, low - 3, CHOSEN_PX, high - low + 6), half, half)

    def _draw_links(self, painter: QPainter, colours: Colours) -> None:
        lineage = self._lineage
        if lineage is None:
            return
        for child, mother in lineage.parents.items():
            if child not in self._columns or mother not in self._columns:
                continue
            y, start, end = self.y_of(lineage.first_frame[child]), self.x_of(mother), self.x_of(child)
            sure = mother not in self._asked
            style = Qt.PenStyle.SolidLine if sure else Qt.PenStyle.DotLine
            painter.setPen(QPen(QColor(colours.muted), 1.4, style))
            painter.drawLine(QPointF(start, y), QPointF(end, y))
            last = self.y_of(lineage.last_frame[mother] + 1)
            if last < y - 1:  # frames between, on which neither is seen
                painter.setPen(QPen(QColor(colours.muted), 1.4, Qt.PenStyle.DotLine))
                painter.drawLine(QPointF(start, last), QPointF(start, y))

    def _draw_cell(self, painter: QPainter, cell: int, colours: Colours) -> None:
        lineage = self._lineage
        if lineage is None:
            return
        x, low = self.x_of(cell), self.y_of(lineage.first_frame[cell])
        high = self.y_of(lineage.last_frame[cell] + 1)
        painter.setPen(QPen(self._paints.get(cell, QColor(colours.text)), LINE_PX, cap=Qt.PenCapStyle.FlatCap))
        painter.drawLine(QPointF(x, low), QPointF(x, max(high, low + 2)))
        end = lineage.ends[cell]
        if end is End.LOST:
            painter.setPen(QPen(QColor(colours.bad), 1.6))
            for way in (-1, 1):
                painter.drawLine(QPointF(x - 3, high + 4 - 3 * way), QPointF(x + 3, high + 4 + 3 * way))
        elif end in (End.LEFT, End.REMOVED):
            painter.setPen(QPen(QColor(colours.muted), 1.6))
            painter.drawLine(QPointF(x - 4, high + 1), QPointF(x + 4, high + 1))
        if cell in self._asked:
            painter.setPen(QColor(colours.bad))
            painter.drawText(QRectF(x + 3, high - 16, 12, 14), int(Qt.AlignmentFlag.AlignLeft), "?")
        text = str(cell)
        width = painter.fontMetrics().horizontalAdvance(text)
        if width + 4 <= self.column_px or cell in self._chosen:
            painter.setPen(QColor(colours.text))
            above = cell not in lineage.parents
            if above:
                box = QRectF(x - width / 2 - 2, low - 17, width + 4, 14)
            else:  # under the line that comes from the mother, on the side away from her
                left = self.x_of(lineage.parents[cell]) > x
                box = QRectF(x - width - 5 if left else x + 5, low + 1, width + 2, 14)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    # ---- the mouse

    def viewportEvent(self, event: Any) -> bool:
        """Tell what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip and self._lineage is not None:
            cell = self.cell_at(event.pos().x(), event.pos().y())
            if cell is not None:
                QToolTip.showText(event.globalPos(), cell_facts(self._lineage, cell), self)
                return True
            QToolTip.hideText()
        return bool(super().viewportEvent(event))

    def mousePressEvent(self, event: Any) -> None:
        """Choose the cell under the mouse, and go to the frame."""
        if not self.has_data or self._lineage is None or event.button() != Qt.MouseButton.LeftButton:
            return
        frame, cell = self.frame_at(event.pos().y()), self.cell_at(event.pos().x(), event.pos().y())
        if cell is None:
            self.frame_clicked.emit(frame)
            return
        first, last = self._lineage.first_frame[cell], self._lineage.last_frame[cell]
        keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self.cell_clicked.emit(cell, min(max(frame, first), last), bool(event.modifiers() & keys))

    def mouseMoveEvent(self, event: Any) -> None:
        """Go along while the button is held."""
        if self.has_data and event.buttons() & Qt.MouseButton.LeftButton:
            self.frame_clicked.emit(self.frame_at(event.pos().y()))
