"""The live chart of memory: elements or bytes per store over frames, with what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_xmem.widgets.common.chart import ALWAYS_SHOWN, STORE_NAMES, Chart, short_number, store_colour, triangle
from napari_xmem.widgets.common.status_text import some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.memory import MemorySnapshot
    from napari_xmem.widgets.common.theme import Colours

__all__ = ["MemoryChart"]

_REMOVALS = ("evicted", "dropped", "forgotten", "corrected")


class MemoryChart(Chart):
    """Elements (or bytes) of each store after every frame, stacked; a mark where memory was consolidated or removed."""

    def __init__(self) -> None:
        super().__init__(130, "Memory appears here during a run, frame by frame.")
        self.in_bytes = False
        self._snapshots: list[MemorySnapshot] = []
        self._by_frame: dict[int, MemorySnapshot] = {}

    @property
    def shown_stores(self) -> tuple[str, ...]:
        """Stores that are always named, and those that hold something on some frame."""
        used = {store.name for snapshot in self._snapshots for store in snapshot.stores if store.elements}
        return tuple(name for name in STORE_NAMES if name in used | ALWAYS_SHOWN)

    @property
    def has_data(self) -> bool:
        """True if there is a snapshot."""
        return bool(self._snapshots)

    def set_snapshots(self, snapshots: Sequence[MemorySnapshot], n_frames: int) -> None:
        """Show memory after some frames of a movie of `n_frames`."""
        self._snapshots = sorted(snapshots, key=lambda s: s.frame)
        self._by_frame = {s.frame: s for s in self._snapshots}
        self._n_frames = n_frames
        self.update()

    def show_bytes(self, in_bytes: bool) -> None:
        """Show bytes instead of elements."""
        self.in_bytes = in_bytes
        self.update()

    def _values(self, snapshot: MemorySnapshot) -> list[float]:
        stores = {s.name: (s.n_bytes if self.in_bytes else s.elements) for s in snapshot.stores}
        return [float(stores.get(name, 0)) for name in STORE_NAMES]

    def _highest(self) -> float:
        return max((sum(self._values(s)) for s in self._snapshots), default=0.0) or 1.0

    def top_value(self) -> str:
        """Largest total."""
        return short_number(self._highest()) + ("B" if self.in_bytes else "")

    def draw(self, painter: QPainter, area: QRectF, colours: Colours) -> None:
        """Draw stacked steps, one per frame."""
        scale = (area.height() - 10) / self._highest()
        half = area.width() / max(1, self._n_frames) / 2
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for snapshot in self._snapshots:
            x, bottom = self.x_of(snapshot.frame), area.bottom()
            for name, value in zip(STORE_NAMES, self._values(snapshot), strict=True):
                height = value * scale
                bar = QRectF(QPointF(x - half, bottom - height), QPointF(x + half + 0.5, bottom))
                painter.fillRect(bar, QColor(store_colour(name, colours.dark)))
                bottom -= height
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for snapshot in self._snapshots:
            kinds = {event.kind for event in snapshot.events}
            x = self.x_of(snapshot.frame)
            if "consolidated" in kinds:
                self._mark(painter, triangle(x, area.top() + 7, 6), colours.text)
            if kinds & set(_REMOVALS):
                self._mark(painter, triangle(x, area.top() + 1, 6, down=False), colours.bad)

    def _mark(self, painter: QPainter, shape: QPolygonF, colour: str) -> None:
        painter.setPen(QPen(QColor(0, 0, 0, 0)))
        painter.setBrush(QColor(colour))
        painter.drawPolygon(shape)

    def tip(self, frame: int) -> str:
        """Numbers and events of a frame."""
        snapshot = self._by_frame.get(frame)
        if snapshot is None:
            return f"Frame {frame}: not done"
        unit = "B" if self.in_bytes else " elements"
        lines = [f"Frame {frame}"]
        for (name, text), value in zip(STORE_NAMES.items(), self._values(snapshot), strict=True):
            if value or name in ALWAYS_SHOWN:
                lines.append(f"{text}: {short_number(value)}{unit}")
        lines += event_lines(snapshot)
        return "\n".join(lines)


def event_lines(snapshot: MemorySnapshot, limit: int = 4) -> list[str]:
    """Say what happened to memory, events of many objects summed up."""
    sums: dict[tuple[str, str], list[int]] = {}
    objects: dict[tuple[str, str], dict[int, None]] = {}
    for event in snapshot.events:
        numbers = sums.setdefault((event.kind, event.reason), [0, 0])
        numbers[0] += event.removed
        numbers[1] += event.added
        objects.setdefault((event.kind, event.reason), {}).update(dict.fromkeys(event.object_ids))
    lines = []
    for (kind, reason), (removed, added) in sums.items():
        number = f"{removed} became {added}" if kind == "consolidated" else f"{removed} elements"
        ids = objects[kind, reason]
        whose = f", {'object' if len(ids) == 1 else 'objects'} {some(ids)}" if ids else ""
        lines.append(f"{kind}: {number} ({reason}){whose}")
    return lines[:limit] + ([f"and {len(lines) - limit} more"] if len(lines) > limit else [])
