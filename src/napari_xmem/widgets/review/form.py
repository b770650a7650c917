"""The controls of "Review and correct": names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_xmem.widgets.common.forms import Section, button, row_of, small_button
from napari_xmem.widgets.common.keys import key_name, key_text, with_keys
from napari_xmem.widgets.common.status import Hint, StatusLine, TextProgress, muted_label
from napari_xmem.widgets.common.tables import fill_table, make_table
from napari_xmem.widgets.layers.layer_choice import LayerChoice
from napari_xmem.widgets.review.confidence_strip import DOUBTFUL, ConfidenceStrip
from napari_xmem.widgets.review.mending_row import MendingRow

__all__ = ["CORRECT_TIP", "RIGHT_TIP", "ReviewForm"]


CORRECT_TIP = "What is painted on this frame is right: carry it on in time, as far as it changes anything ({Shift-C})"
RIGHT_TIP = (
    "Nothing was painted here: say that the frame is right as it is. It is asked about no more, memory learns from it, "
    "and who is not on it has left ({Shift-C})"
)


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
        self.legend = muted_label()
        self.strip.setToolTip("Confidence per frame; click to go there")
        self.next_frame = button(
            f"Next to check  {key_text('Shift-N')}",
            "Go to what deserves a look most: cells that vanish, jump or may be exchanged, unsure divisions, frames of "
            f"low confidence; press again for the next one ({key_name('Shift-N')})",
            owner.next_frame,
        )
        self.adopt = button(
            "Review this layer",
            "Read all frames of the layer, so that corrections can be propagated and undone",
            owner.adopt,
            role="primary",
        )
        self.frame_text = muted_label()
        self.numbers = QCheckBox("Numbers on the picture")
        self.mending = MendingRow(owner.mend)
        self.worst = make_table(("Object", "Confidence", "Why"))
        self.correct = button("Use as correction", with_keys(CORRECT_TIP), owner.correct_clicked, role="primary")
        self.backward = QCheckBox("also backward in time")
        self.edited = muted_label()
        self.stop = button("Stop", "Keep what is done and end", owner.stop)
        self.progress = TextProgress()
        self.status = StatusLine()
        self.old = small_button("Show old", "Look at the result before the latest step", owner.show_old)
        self.old.setCheckable(True)
        self.undo = small_button("Undo", "Undo the latest correction, lock or unlock", owner.undo)
        self.redo = small_button("Redo", "Redo what was undone", owner.redo)
        self.revert = small_button("Discard", "Paint over my unused edits with the result", owner.discard_edits)
        self.lock = small_button("This frame", "It is right and is never overwritten", owner.lock_shown)
        self.lock_before = small_button("All up to here", "Everything up to this frame is right", owner.lock_before)
        self.unlock = small_button("Unlock", "Allow overwriting again", owner.unlock_all)
        self.locked = muted_label()
        self._arrange()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        self.input = Section("Result")
        self.input.add("Labels", self.result, "The result to review; any Labels layer that fits the movie")
        self.input.add("", self.adopt, self.adopt.toolTip())
        layout.addWidget(self.input)
        self.look = Section("Where to look", tooltip="Confidence of every frame")
        self.look.add("", self.strip, "")
        self.strip.setToolTip("")
        self.look.add("", self.legend, "A column per frame: hold the mouse over it for its worst objects, click to go")
        self.look.add("", self.next_frame, self.next_frame.toolTip())
        self.look.add("", self.correct, self.correct.toolTip())
        self.look.add("", row_of(self.old, self.undo, self.redo, self.revert, stretch=None), "")  # stays where it is
        self.look.add("", self.numbers, "Write the number of each object of the frame shown on it")
        self.look.add("", self.frame_text, "The frame that the viewer shows")
        self.look.add("", self.mending, "")
        self.look.add("", self.worst, "The least certain objects of this frame; click to see one")
        layout.addWidget(self.look)
        self.fix = Section("Correct", tooltip="Paint with napari's own tools, then carry the correction on")
        self.fix.add("", self.edited, "Frames where you painted since the last propagation")
        self.fix.add("", self.backward, "Carry the correction back in time too, to the next frame that is right")
        self.fix.add("", self.progress, "Frames propagated again; it ends early where nothing changes any more")
        self.fix.add("", self.stop, self.stop.toolTip())
        self.fix.add("", self.status, "What happened")
        layout.addWidget(self.fix)
        self.locks = Section("Lock", folded=True, tooltip="Frames that are right and are never overwritten")
        self.locks.add("", row_of(self.lock, self.lock_before, self.unlock, stretch=None), "")
        self.locks.add("", self.locked, "Locked frames also teach memory, like painted ones")
        layout.addWidget(self.locks)
        layout.addStretch(1)

    @staticmethod
    def _why(item: Any) -> str:
        if not item.reason.startswith("confidence"):
            return str(item.reason)
        return "outline is unsure" if item.confidence < DOUBTFUL else ""

    def show_worst(self, objects: Any) -> None:
        """List the least certain objects of the frame shown."""
        rows = []
        for item in objects:
            sure = "unknown" if item.confidence != item.confidence else f"{item.confidence:.2f}"
            rows.append((str(item.object_id), sure, self._why(item)))
        fill_table(self.worst, rows, [f"object {item.object_id}: {item.reason}" for item in objects])
        self.worst.setVisible(bool(objects))
