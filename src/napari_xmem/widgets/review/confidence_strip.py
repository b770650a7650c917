"""The strip chart of the Review dock: confidence of every frame, with given, corrected and locked frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_xmem.widgets.common.chart import Chart, triangle

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.session import Review
    from napari_xmem.widgets.common.theme import Colours

__all__ = ["ConfidenceStrip", "strip_legend"]

#: Below the first an object is doubtful, below the second probably wrong.
DOUBTFUL, WRONG = 0.75, 0.5
#: What the height of a column means: in words, on dark, on light.
_LEVELS = (("sure", "#3f8f5f", "#7cc39a"), ("doubtful", "#b58a2a", "#e8c15a"), ("likely wrong", "#b0484c", "#e58a86"))


def strip_legend(dark: bool) -> str:
    """Return what the colours and marks mean, as rich text."""
    levels = (f"<span style='color:{on_dark if dark else on_light}'>&#9632;</span>&nbsp;{text.replace(' ', '&nbsp;')}"
              for text, on_dark, on_light in _LEVELS)  # fmt: skip
    return f"Worst object: {' '.join(levels)}<br>&#8212;&nbsp;median &#9660;&nbsp;painted &#9670;&nbsp;corrected"


class ConfidenceStrip(Chart):
    """A column per frame: how far down its worst object goes, and the median of all."""

    def __init__(self) -> None:
        super().__init__(110, "The confidence of every frame appears here, once there is a result.")
        self._review: Review | None = None
        self._low = self._median = np.zeros(0, np.float32)
        self._rows: dict[int, int] = {}
        self.corrected: frozenset[int] = frozenset()
        self.seeded: frozenset[int] = frozenset()
        self.locked: frozenset[int] = frozenset()
        self.proposed: int | None = None

    @property
    def has_data(self) -> bool:
        """True if there is a result."""
        return self._review is not None and len(self._review.frames) > 0

    def set_review(
        self,
        review: Review | None,
        n_frames: int,
        seeded: Collection[int] = (),
        corrected: Collection[int] = (),
        locked: Collection[int] = (),
    ) -> None:
        """Show a result."""
        self._review, self._n_frames = review, n_frames
        self.seeded, self.corrected, self.locked = frozenset(seeded), frozenset(corrected), frozenset(locked)
        if review is not None:
            self._low, _, self._median = review.confidence_band()
            self._rows = {int(t): row for row, t in enumerate(review.frames)}
        self.update()

    def propose(self, frame: int | None) -> None:
        """Mark the frame that should be checked next."""
        self.proposed = frame
        self.update()

    def top_value(self) -> str:
        """Return the best confidence."""
        return "1"

    def draw(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        """Draw a column per frame."""
        half = area.width() / max(1, self._n_frames) / 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for frame, row in self._rows.items():
            low, x = self._low[row], self.x_of(frame)
            unknown = np.isnan(low)
            colour = QColor(colours.secondary if unknown else self._colour(float(low), colours))
            left, right, bottom = x - half, x + half + 0.5, area.bottom()
            if not unknown:
                painter.fillRect(
                    QRectF(QPointF(left, bottom - float(low) * area.height()), QPointF(right, bottom)), colour
                )
            colour.setAlpha(90)
            painter.fillRect(QRectF(QPointF(left, area.top()), QPointF(right, bottom)), colour)
        for t in self.locked:
            x = self.x_of(t)
            painter.fillRect(QRectF(QPointF(x - half, area.bottom() - 5), QPointF(x + half + 0.5, area.bottom())),
                             QColor(colours.text))  # fmt: skip
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        self._draw_median(painter, area, colours)
        for t in self.seeded:
            self._mark(painter, triangle(self.x_of(t), area.top() + 8, 7), colours.text)
        for t in self.corrected:
            self._mark(painter, _diamond(self.x_of(t), area.top() + 6, 5), colours.text)
        if self.proposed is not None:
            painter.setPen(QPen(QColor(colours.warning), 2))
            painter.setBrush(QColor(0, 0, 0, 0))
            painter.drawRect(
                QRectF(self.x_of(self.proposed) - max(half, 3), area.top(), 2 * max(half, 3), area.height())
            )

    def _draw_median(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        points = [
            QPointF(self.x_of(t), area.bottom() - float(self._median[row]) * area.height())
            for t, row in sorted(self._rows.items())
            if not np.isnan(self._median[row])
        ]
        painter.setPen(QPen(QColor(colours.text), 1.2))
        painter.drawPolyline(QPolygonF(points))

    @staticmethod
    def _colour(low: float, colours: Colours) -> str:
        level = 0 if low >= DOUBTFUL else 1 if low >= WRONG else 2
        return _LEVELS[level][1 if colours.dark else 2]

    @staticmethod
    def _mark(painter: QPainter, shape: QPolygonF, colour: str) -> None:
        painter.setPen(QPen(QColor(0, 0, 0, 0)))
        painter.setBrush(QColor(colour))
        painter.drawPolygon(shape)

    def tip(self, frame: int) -> str:
        """Name the worst objects of a frame."""
        lines = [f"Frame {frame}{self._kind(frame)}"]
        if self._review is None or frame not in self._rows:
            return f"{lines[0]}: no result"
        row = self._rows[frame]
        if np.isnan(self._low[row]):
            return f"{lines[0]}: confidence unknown"
        lines.append(f"median confidence {self._median[row]:.2f}")
        lines += [f"object {o.object_id}: {o.reason}" for o in self._review.worst_objects(frame)]
        return "\n".join(lines)

    def _kind(self, frame: int) -> str:
        words = [
            word
            for word, frames in (("painted", self.seeded), ("corrected", self.corrected), ("locked", self.locked))
            if frame in frames
        ]
        return f" ({', '.join(words)})" if words else ""


def _diamond(x: float, y: float, size: float) -> QPolygonF:
    return QPolygonF([QPointF(x, y - size), QPointF(x + size, y), QPointF(x, y + size), QPointF(x - size, y)])
