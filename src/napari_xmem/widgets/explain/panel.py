"""The controls of the Explain dock: names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_xmem.widgets.common.chart import STORE_NAMES, store_colour
from napari_xmem.widgets.common.forms import Section, button, row_of, small_button
from napari_xmem.widgets.common.status import Hint, StatusLine, muted_label
from napari_xmem.widgets.common.tables import fill_table, make_table

if TYPE_CHECKING:
    from napari_xmem.engine import Explanation

__all__ = ["ExplainPanel"]


class ExplainPanel(QWidget):
    """All controls, top to bottom.

    Parameters
    ----------
    owner : ExplainWidget
        Its slots are connected; its `results` is the choice of a result.
    """

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.hint = Hint("Open Propagate labels", "Open the panel that makes results", owner.open_propagate)
        self.mode = button(
            "Click to explain",
            "Clicks on the canvas ask for an explanation until this is released",
            owner.mode_changed,
            role="primary",
        )
        self.mode.setCheckable(True)
        self.text = muted_label()
        self.shares = muted_label()
        self.legend = muted_label()
        self.table = make_table(("Frame", "Store", "Weight", "Votes"))
        self.back = small_button("Back to the pixel", "Go to the frame that was asked for", owner.show_asked)
        self.clear = small_button("Clear", "Take the dots away", owner.clear)
        self.status = StatusLine()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        self.top = Section("Which memory made this label?")
        self.top.add("Result", owner.results, "The result whose pixels are explained")
        self.top.add("", self.mode, self.mode.toolTip())
        self.top.add("", self.text, "")
        layout.addWidget(self.top)
        layout.addWidget(self.status)
        self.answer = Section("Who voted", tooltip="Elements of memory whose votes made the label, by frame and store")
        self.answer.add("", self.shares, "What was asked, and the share of each store in the answer")
        self.answer.add("", self.legend, "")
        self.answer.add("", self.table, "Frames that voted, largest weight first; click to go there")
        self.answer.add("", row_of(self.back, self.clear, stretch=None), "")
        layout.addWidget(self.answer)
        layout.addStretch(1)

    def show_answer(self, told: Explanation | None, dark: bool) -> None:
        """Show who voted; None: nothing was asked."""
        self.answer.setVisible(told is not None)
        if told is None:
            return
        self.table.setVisible(not told.painted)
        self.legend.setVisible(not told.painted)
        asked = f"Object {told.object_id} on frame {told.frame}"
        if told.painted:
            self.shares.setText(f"{asked} was painted by you; memory was not asked.")
            fill_table(self.table, [])
            return
        about = "" if told.exact else "\nMemory was a little younger then; that state is no longer kept."
        self.shares.setText(f"{asked}, pixel y {told.y:.0f}, x {told.x:.0f}: frames that voted for this label.{about}")
        self.legend.setText(
            "  ".join(
                f"<span style='color:{store_colour(name, dark)}'>&#9632;</span>&nbsp;{text}&nbsp;"
                f"{told.share_of(name):.0%}"
                for name, text in STORE_NAMES.items()
                if told.share_of(name) >= 0.005
            )
        )
        sums: dict[tuple[int, str], list[float]] = {}
        for vote in told.votes:
            sums.setdefault((vote.frame, vote.store), []).append(vote.weight)
        order = sorted((item for item in sums.items() if sum(item[1]) >= 0.0005), key=lambda item: -sum(item[1]))
        fill_table(self.table, [(str(f), STORE_NAMES[s], f"{sum(w):.1%}", str(len(w))) for (f, s), w in order])
