"""The controls of the Lineage dock: names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_xmem.widgets.common.forms import Choice, Section, button, row_of, small_button
from napari_xmem.widgets.common.keys import key_name, key_text
from napari_xmem.widgets.common.status import Hint, StatusLine, TextProgress, muted_label
from napari_xmem.widgets.common.tables import fill_table, make_table
from napari_xmem.widgets.lineage.tree_view import TreeView

__all__ = ["ACTIONS", "ALL", "DIVIDING", "FAMILY", "LineageForm"]

ALL, DIVIDING, FAMILY = "all", "dividing", "family"

#: Rows of the list of events.
MOST_EVENTS = 60

#: Name of an action, key, text of its button, tooltip.
ACTIONS = (
    ("divide", "Shift-M", "Divide", "One cell chosen: cut it in two on this frame and follow both. Two: the earlier "
     "one divides into the other and the rest of itself. Three: the earliest divides into the others"),
    ("link", "Shift-L", "Link", "Two cells chosen: the earlier one is the mother of the other"),
    ("unlink", "Shift-U", "Unlink", "The chosen cell has no mother"),
    ("swap", "Shift-X", "Swap", "Two cells chosen: exchange them from this frame on, with their later daughters"),
    ("join", "Shift-J", "Join", "Two cells chosen: they are one that was given two numbers; the earlier number stays"),
    ("remove", "Shift-E", "Remove", "Remove the chosen cell from this frame on"),
)  # fmt: skip


class LineageForm(QWidget):
    """All controls, top to bottom.

    Parameters
    ----------
    owner : LineageWidget
        Its slots are connected; its `results` is the choice of a result.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.hint = Hint("Open Propagate labels", "Open the panel that makes results", owner.open_propagate)
        self.show_cells = Choice()
        for text, value in (("All cells", ALL), ("Cells that divide", DIVIDING), ("Family of the chosen cell", FAMILY)):
            self.show_cells.add_choice(text, value)
        self.show_cells.value = ALL
        self.tree = TreeView("The tree of your cells comes here.")
        self.facts = muted_label()
        self.actions = {
            name: small_button(f"{text}  {key_text(key)}", f"{tip} ({key_name(key)})", getattr(owner, name))
            for name, key, text, tip in ACTIONS
        }
        self.advice = muted_label()
        self.undo = small_button("Undo", "Undo the latest step", owner.undo)
        self.redo = small_button("Redo", "Redo what was undone", owner.redo)
        self.progress = TextProgress()
        self.stop = button("Stop", "Keep what is done and end", owner.stop)
        self.status = StatusLine()
        self.events = make_table(("Frame", "Cell", "What"))
        self.next_event = small_button("Next", "Go to the next event of the list", owner.next_event)
        self.events_text = muted_label()
        self._listed: Any = None
        self.tracks = QCheckBox("Tracks layer")
        self.export = small_button("Export ...", "Save the tracks for other programs", owner.ask_export)
        self._arrange(owner)

    def _arrange(self, owner: Any) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        self.look = Section("Lineage", tooltip="Who is whose daughter")
        self.look.add("Result", owner.results, "Whose cells are shown")
        self.look.add("Show", self.show_cells, "Which cells are drawn")
        self.look.add("", self.tree, "")
        self.look.add("", self.facts, "The chosen cell")
        layout.addWidget(self.look, 1)
        self.fix = Section("Correct", tooltip="Each is one step that Undo takes back")
        buttons = list(self.actions.values())
        self.fix.add("", self.advice, "What can be done with the chosen cells")
        self.fix.add("", row_of(*buttons[:3], stretch=None), "")
        self.fix.add("", row_of(*buttons[3:], stretch=None), "")
        self.fix.add("", row_of(self.undo, self.redo, stretch=None), "")
        self.fix.add("", self.progress, "Frames followed again")
        self.fix.add("", self.stop, self.stop.toolTip())
        self.fix.add("", self.status, "What happened")
        layout.addWidget(self.fix)
        self.check = Section("To check", tooltip="Unsure divisions, cells that vanish, jump or may be exchanged")
        self.check.add("", row_of(self.events_text, self.next_event), "")
        self.check.add("", self.events, "Click to go there")
        layout.addWidget(self.check)
        self.take = Section("Use elsewhere", tooltip="Tracks in napari, and files for other programs")
        tip = "Show the tracks with their divisions in a napari layer that follows every correction"
        self.tracks.setToolTip(tip)
        self.take.add("", row_of(self.tracks, self.export), "")
        layout.addWidget(self.take)

    def show_events(self, queue: Any) -> None:
        """List what deserves a look, worth most first, up to a limit."""
        queue = queue[:MOST_EVENTS]
        if queue == self._listed:
            return
        self._listed = queue
        rows = [(str(e.frame), str(e.objects[0]) if e.objects else "", e.reason) for e in queue]
        fill_table(self.events, rows, [e.reason for e in queue])
        self.events.setVisible(bool(queue))
