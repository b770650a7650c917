"""Answers to a question, one button and one key each; the likeliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget
from scipy import ndimage

from napari_xmem.errors import InputError, XMemError
from napari_xmem.widgets.common.forms import enable, small_button
from napari_xmem.widgets.common.keys import key_name, key_text
from napari_xmem.widgets.review.mendings import MendingKind, mendings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_xmem.session import EventToCheck, TrackingSession
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
    from napari_xmem.widgets.review.mendings import Mending

__all__ = ["MENDING_KEYS", "MendingRow", "mend", "smaller_part"]

#: First answer, second answer; the last dismisses the question.
MENDING_KEYS = ("Shift-Y", "Shift-K", "Shift-I")


class MendingRow(QWidget):
    """A button per answer, hidden where nothing is asked.

    Parameters
    ----------
    chosen : callable
        Called with the mending whose button was pressed.
    """

    def __init__(self, chosen: Callable[[Mending], Any]) -> None:
        super().__init__()
        self._chosen = chosen
        self._offered: dict[str, Mending] = {}
        self._said: tuple[Mending, ...] = ()
        self.buttons = {key: small_button("", "", self._pressed(key)) for key in MENDING_KEYS}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for item in self.buttons.values():
            layout.addWidget(item)
        self.offer(None, ())

    def offer(self, event: EventToCheck | None, objects: Any, why_not: str = "") -> None:
        """Offer the answers to a question; None: nothing is asked. `why_not` says why none can be given now."""
        said = () if event is None else mendings(event, objects)
        if said != self._said or event is None:
            self._said = said
            first, second, right = MENDING_KEYS
            self._offered = dict(zip((first, second), said[:-1], strict=False))
            if said:
                self._offered[right] = said[-1]
            for key, item in self.buttons.items():
                mending = self._offered.get(key)
                item.setVisible(mending is not None)
                if mending is not None:
                    item.setText(f"{mending.text}  {key_text(key)}")
                    item.setProperty("why", "")
                    item.setToolTip(f"{mending.text}; Undo takes it back ({key_name(key)})")
            self.setVisible(bool(said))
        for key in self._offered:
            enable(self.buttons[key], not why_not, why_not)

    def press(self, key: str) -> None:
        """Give an answer by its key, if it can be given now."""
        if key in self._offered and self.buttons[key].isEnabled():
            self._chosen(self._offered[key])

    def _pressed(self, key: str) -> Callable[[], None]:
        return lambda: self.press(key)


def mend(runner: ViewerRunner, reviewed: ReviewedResult, session: TrackingSession, mending: Mending) -> None:
    """Begin a mending; the runner does the work.

    Raises
    ------
    XMemError
        If it cannot be done.
    """
    layer, frame, cells, kind = reviewed.layer, mending.frame, mending.objects, mending.kind
    first = cells[0] if cells else 0
    if kind is MendingKind.DIVIDE and len(cells) < 3:
        runner.follow(layer, "Dividing", lambda: session.begin_division(first, frame))
        return
    if kind in (MendingKind.SPLIT, MendingKind.RENUMBER):
        labels = session.labels(frame).astype(np.int64)
        part = smaller_part(labels == first) if kind is MendingKind.SPLIT else labels == first
        if not part.any():
            raise InputError(f"{first} is not on frame {frame} any more.")
        labels[part] = session.new_ids(1)[0]
        runner.correct(layer, {frame: labels}, forward=None, backward=None)
        return
    changes: dict[MendingKind, Callable[[], Any]] = {
        MendingKind.SWAP: lambda: session.swap(first, cells[1], frame),
        MendingKind.JOIN: lambda: session.join(first, cells[1]),
        MendingKind.DIVIDE: lambda: session.divide(first, _first_frame(session, cells[1:]), cells[1:3]),
        MendingKind.NO_DIVISION: lambda: _undivide(session, cells, frame),
        MendingKind.END: lambda: session.end_object(first, frame),
        MendingKind.REMOVE: lambda: session.remove(first, frame),
    }
    runner.change(layer, mending.text, changes[kind])


def smaller_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the second largest connected part of a mask (Y, X); empty if it is in one part."""
    found, n = ndimage.label(mask, np.ones((3, 3)))
    if n < 2:
        return np.zeros_like(mask)
    areas = np.bincount(found.ravel())
    areas[0] = 0
    second: NDArray[np.bool_] = found == np.argsort(areas)[-2]
    return second


def _first_frame(session: TrackingSession, cells: tuple[int, ...]) -> int:
    return min(session.lineage.first_frame[i] for i in cells)


def _undivide(session: TrackingSession, cells: tuple[int, ...], frame: int) -> Any:
    """Let the mother go on as the larger daughter; the other one is a cell of its own."""
    mother, *daughters = cells
    labels = session.labels(frame)
    large, *others = sorted(daughters, key=lambda i: -int((labels == i).sum()))
    for other in others:
        try:
            session.unlink(other)
        except XMemError:  # she has no mother
            continue
    return session.join(mother, large)
