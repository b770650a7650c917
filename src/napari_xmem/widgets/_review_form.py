"""The controls of "Review and correct": names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_xmem.widgets._forms import Section, button, row_of, small_button
from napari_xmem.widgets._layers import LayerChoice
from napari_xmem.widgets._status import Hint, StatusLine, TextProgress
from napari_xmem.widgets._strip import ConfidenceStrip

__all__ = ["ReviewForm", "muted_label"]


class ReviewForm(QWidget):
    """All controls, top to bottom.

    Parameters
    ----------
    viewer : napari Viewer
        Whose layers are offered.
    owner : ReviewWidget
        Its slots are connected.
    """

    def __init__(self, viewer: Any, owner: Any) -> None:
        super().__init__()
        self.hint = Hint("Open Propagate labels", "Open the panel that makes results", owner.open_propagate)
        self.result = LayerChoice(viewer, lambda layer: isinstance(layer, Labels), "no labels yet")
        self.strip = ConfidenceStrip()
        self.strip.setToolTip("Confidence per frame; click to go there")
        self.next_frame = button(
            "Next frame to check",
            "Go to the frame where a look is worth most: low confidence, unlike the frames you checked, far from them",
            owner.next_frame,
        )
        self.adopt = button(
            "Review this layer",
            "Read all frames of the layer, so that corrections can be propagated and taken back",
            owner.adopt,
            role="primary",
        )
        self.frame_text = muted_label()
        self.worst = _table(("Object", "Confidence", "Why"))
        self.correct = button(
            "Use as correction",
            "What is painted on this frame is right: carry it on in time, as far as it changes anything",
            owner.use_as_correction,
            role="primary",
        )
        self.backward = QCheckBox("also backward in time")
        self.edited = muted_label()
        self.stop = button("Stop", "Keep what is done and end", owner.stop)
        self.progress = TextProgress()
        self.status = StatusLine()
        self.old = small_button("Show old", "Compare: show the result before the correction", owner.show_old)
        self.old.setCheckable(True)
        self.undo = small_button("Undo", "Take back the latest correction, lock or unlock", owner.undo)
        self.redo = small_button("Redo", "Do again what was taken back", owner.redo)
        self.revert = small_button("Discard", "Paint over my unused edits with the result", owner.discard_edits)
        self.lock = small_button("This frame", "It is right and is never overwritten", owner.lock_shown)
        self.lock_before = small_button("All up to here", "Everything up to this frame is right", owner.lock_before)
        self.unlock = small_button("Unlock", "Allow overwriting again", owner.unlock_all)
        self.locked = muted_label()
        self._arrange()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 6, 9, 9)
        layout.setSpacing(6)
        layout.addWidget(self.hint)
        self.input = Section("Result")
        self.input.add("Labels", self.result, "The result to review; any Labels layer that fits the movie")
        self.input.add("", self.adopt, self.adopt.toolTip())
        layout.addWidget(self.input)
        self.look = Section("Where to look", tooltip="Confidence of every frame")
        self.look.add("", self.strip, "")
        self.strip.setToolTip("")
        self.look.add("", self.next_frame, self.next_frame.toolTip())
        self.look.add("", self.frame_text, "The frame that the viewer shows")
        self.look.add("", self.worst, "The least certain objects of this frame; click to see one")
        layout.addWidget(self.look)
        self.fix = Section("Correct", tooltip="Paint with napari's own tools, then carry the correction on")
        self.fix.add("", self.edited, "Frames where you painted since the last propagation")
        self.fix.add("", self.correct, self.correct.toolTip())
        self.fix.add("", self.backward, "Carry the correction back in time too, to the next frame that is right")
        self.fix.add("", self.progress, "Frames propagated again; it ends early where nothing changes any more")
        self.fix.add("", self.stop, self.stop.toolTip())
        self.fix.add("", self.status, "What happened")
        self.fix.add("", row_of(self.old, self.undo, self.redo, self.revert, stretch=None), "")
        layout.addWidget(self.fix)
        self.locks = Section("Lock", folded=True, tooltip="Frames that are right and are never overwritten")
        self.locks.add("", row_of(self.lock, self.lock_before, self.unlock, stretch=None), "")
        self.locks.add("", self.locked, "Locked frames also teach memory, like painted ones")
        layout.addWidget(self.locks)
        layout.addStretch(1)

    def show_worst(self, objects: Any) -> None:
        """List the least certain objects of the frame shown."""
        self.worst.setRowCount(len(objects))
        for row, item in enumerate(objects):
            sure = "unknown" if item.confidence != item.confidence else f"{item.confidence:.2f}"
            reason = "" if item.reason.startswith("confidence") else item.reason
            for column, text in enumerate((str(item.object_id), sure, reason)):
                cell = QTableWidgetItem(text)
                cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                cell.setToolTip(f"object {item.object_id}: {item.reason}")
                self.worst.setItem(row, column, cell)
        self.worst.setVisible(bool(objects))
        self.worst.setFixedHeight(self.worst.horizontalHeader().height() + 22 * max(1, len(objects)) + 4)


def muted_label() -> Any:
    """Return a line of explanation that wraps."""
    from napari_xmem.widgets._status import _text_label

    label = _text_label()
    label.setProperty("role", "muted")
    return label


def _table(names: tuple[str, ...]) -> QTableWidget:
    table = QTableWidget(0, len(names))
    table.setHorizontalHeaderLabels(list(names))
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(22)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
    for column in range(len(names) - 1):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(len(names) - 1, QHeaderView.ResizeMode.Stretch)
    return table
