"""The controls of the Memory dock: names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_xmem.widgets.common.forms import Section, row_of, small_button
from napari_xmem.widgets.common.status import Hint, StatusLine, muted_label
from napari_xmem.widgets.common.tables import make_table
from napari_xmem.widgets.memory.memory_chart import MemoryChart
from napari_xmem.widgets.memory.settings_form import MemoryForm

__all__ = ["MemoryPanel"]


class MemoryPanel(QWidget):
    """All controls, top to bottom.

    Parameters
    ----------
    owner : MemoryWidget
        Its slots are connected; its `results` is the choice of a result.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.hint = Hint("Open Propagate labels", "Open the panel that runs", owner.open_propagate)
        self.chart = MemoryChart()
        self.units = small_button("Bytes", "Show bytes instead of elements", owner.change_units)
        self.units.setCheckable(True)
        self.legend = muted_label()
        self.contents = make_table(("Frame", "Store", "Elements", "Objects"))
        self.contents.setSelectionMode(self.contents.SelectionMode.ExtendedSelection)
        self.only_permanent = small_button(
            "Permanent only", "Show only frames that are never forgotten", owner.show_contents
        )
        self.only_permanent.setCheckable(True)
        self.protect = small_button("Protect", "Never forget the chosen frames", owner.protect_chosen)
        self.forget = small_button("Forget", "Remove the chosen frames from memory", owner.forget_chosen)
        self.undo = small_button("Undo", "Take back the latest change of memory", owner.undo)
        self.objects = make_table(("Object", "Elements", "Memory"))
        self.forget_object = small_button(
            "Stop following",
            "Remove the chosen object from memory; its result so far stays",
            owner.forget_chosen_object,
        )
        self.advice = muted_label()
        self.save = small_button("Save memory ...", "Keep this memory for another movie or day", owner.ask_save)
        self.load = small_button("Load memory ...", "Start the next run from a saved memory", owner.ask_load)
        self.status = StatusLine()
        self.settings = MemoryForm()
        self._arrange(owner)

    def _arrange(self, owner: Any) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        self.run = Section("What the run remembers")
        self.run.add("Result", owner.results, "Whose memory is shown")
        self.run.add("", self.chart, "")
        self.run.add("", row_of(self.legend, self.units), "")
        layout.addWidget(self.run)
        layout.addWidget(self.status)
        self.surgery = Section("Frames in memory", folded=True, tooltip="Open while the run is paused or has ended")
        self.surgery.add("", self.advice, "What can be done here now")
        self.surgery.add("", self.contents, "What each frame left in memory; double click to go there")
        self.surgery.add("", row_of(self.protect, self.forget, self.undo, self.only_permanent, stretch=None), "")
        layout.addWidget(self.surgery)
        self.per_object = Section("Objects in memory", folded=True, tooltip="Elements and bytes that hold each object")
        self.per_object.add("", self.objects, "Elements and bytes that hold each object")
        self.per_object.add("", row_of(self.forget_object, stretch=None), "")
        layout.addWidget(self.per_object)
        self.manager = Section(
            "Settings", folded=True, tooltip="What to remember, how to strengthen it, what to forget"
        )
        self.manager.add("", self.settings, "")
        layout.addWidget(self.manager)
        self.files = row_of(self.save, self.load, stretch=None)
        layout.addWidget(self.files)
        layout.addStretch(1)
