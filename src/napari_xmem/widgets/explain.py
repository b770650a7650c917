"""The dock "Explain": click a pixel of a result and see which memory elements voted for its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QEventLoop, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_xmem.errors import InputError, XMemError
from napari_xmem.widgets._chart import store_colour
from napari_xmem.widgets._docks import Dock, open_dock
from napari_xmem.widgets._explain_layers import VoteLayer
from napari_xmem.widgets._forms import Section, button, row_of, small_button
from napari_xmem.widgets._layers import LayerChoice
from napari_xmem.widgets._memory_chart import STORE_NAMES
from napari_xmem.widgets._results import session_of
from napari_xmem.widgets._review_form import _table, muted_label
from napari_xmem.widgets._reviewed import ReviewedResult
from napari_xmem.widgets._session_watch import SessionWatch, layers_with_session
from napari_xmem.widgets._status import Hint, StatusLine, error_details
from napari_xmem.widgets._worker import JobControl, start_job
from napari_xmem.widgets.memory import _fill_table

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.engine.provenance import Explanation
    from napari_xmem.session import TrackingSession

__all__ = ["ExplainWidget"]

EMPTY = "Nothing to explain yet: propagate labels first."
IDLE = "Press the button, then click on an object of the result."
READY = "Click on an object. Click on a dot to go to the frame it remembers."


class ExplainWidget(Dock):
    """Explain pixels of a result.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, explain = viewer.window.add_plugin_dock_widget("napari-xmem", "Explain")
    >>> explanation = explain.explain(14, 120, 88, wait=True)
    """

    explained = Signal(object)
    busy_changed = Signal(bool)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.explanation: Explanation | None = None
        self.error: XMemError | None = None
        self._control: JobControl | None = None
        self.votes = VoteLayer(self.viewer)
        self.hint = Hint("Open Propagate labels", "Open the panel that makes results", self.open_propagate)
        self.result = LayerChoice(
            self.viewer, lambda layer: isinstance(layer, Labels) and session_of(layer) is not None, "no result yet"
        )
        self.mode = button("Click to explain", "Clicks on the canvas ask for an explanation until this is released",
                           self._on_mode, role="primary")  # fmt: skip
        self.mode.setCheckable(True)
        self.text = muted_label()
        self.shares = muted_label()
        self.table = _table(("Frame", "Store", "Weight", "Votes"))
        self.table.cellClicked.connect(lambda row, _: self.show_frame(int(self.table.item(row, 0).text())))
        self.back = small_button("Back to the pixel", "Go to the frame that was asked for", self.show_asked)
        self.clear_button = small_button("Clear", "Take the dots away", self.clear)
        self.status = StatusLine()
        self._arrange()
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self._on_layers)
        self.result.layer_changed.connect(lambda _: self._show())
        viewer, clicked = self.viewer, self._on_click
        self.viewer.mouse_drag_callbacks.append(clicked)
        self.release_too(lambda: clicked in viewer.mouse_drag_callbacks and viewer.mouse_drag_callbacks.remove(clicked))
        self.on_theme()
        self._on_layers()
        self.watch = SessionWatch(self, self._find)

    def _arrange(self) -> None:
        form = QWidget()
        layout = QVBoxLayout(form)
        layout.setContentsMargins(9, 6, 9, 9)
        layout.setSpacing(6)
        layout.addWidget(self.hint)
        top = Section("Which memory made this label?")
        top.add("Result", self.result, "The result whose pixels are explained")
        top.add("", self.mode, self.mode.toolTip())
        top.add("", self.text, "")
        layout.addWidget(top)
        self.answer = Section("Who voted")
        self.answer.add("", self.shares, "Share of each store in the answer")
        self.answer.add("", self.table, "Frames that voted, largest weight first; click to go there")
        self.answer.add("", row_of(self.back, self.clear_button, stretch=None), "")
        layout.addWidget(self.answer)
        layout.addWidget(self.status)
        layout.addStretch(1)
        self.fill(form)

    # ---- scripting

    @property
    def session(self) -> TrackingSession | None:
        """The session behind the result."""
        return None if self.result.layer is None else session_of(self.result.layer)

    @property
    def is_busy(self) -> bool:
        """True while an answer is being found."""
        return self._control is not None

    @property
    def active(self) -> bool:
        """Clicks ask for an explanation."""
        return bool(self.mode.isChecked())

    @active.setter
    def active(self, value: bool) -> None:
        if value != self.mode.isChecked():
            self.mode.setChecked(value)
            self._on_mode()

    def explain(
        self, frame: int, y: float, x: float, object_id: int | None = None, *, wait: bool = False
    ) -> Explanation | None:
        """Ask for an explanation, see `napari_xmem.engine.PropagationResult.explain`.

        Parameters
        ----------
        frame, y, x : int, float, float
            Frame and pixel.
        object_id : int, optional
            Ask for this object; None: the one at the pixel.
        wait : bool
            Come back with the answer.

        Raises
        ------
        XMemError
            If `wait` and there is no answer.
        """
        session = self.session
        if session is None:
            raise InputError(EMPTY)
        if self.is_busy:
            return None
        self._control, self.error, self.explanation = JobControl(), None, None
        self.status.show_text("Asking memory ...")
        start_job(
            _explain_job, session, frame, y, x, object_id, control=self._control, owner=self,
            message=lambda _: None, failed=self._on_failed, ended=self._on_explained, closed=self._on_closed,
        )  # fmt: skip
        if wait:
            loop = QEventLoop()
            self.busy_changed.connect(loop.quit)
            loop.exec_() if hasattr(loop, "exec_") else loop.exec()
            if self.error is not None:
                raise self.error
        return self.explanation

    def show_frame(self, frame: int) -> None:
        """Go to a frame."""
        reviewed = self._reviewed()
        if reviewed is not None:
            reviewed.show_frame(self.viewer, frame)

    def show_asked(self) -> None:
        """Go to the frame that was asked for."""
        if self.explanation is not None:
            self.show_frame(self.explanation.frame)

    def clear(self) -> None:
        """Take the answer away."""
        self.votes.remove()
        self.explanation = None
        self._show()

    # ---- the canvas

    def _on_mode(self) -> None:
        if self.active and self.result.layer is not None:
            active = self.viewer.layers.selection.active
            if isinstance(active, Labels):
                active.mode = "pan_zoom"
        self._show()

    def _on_click(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Explain what is clicked; a drag moves the picture as ever."""
        if not self.active or self.result.layer is None or getattr(event, "button", 1) != 1:
            return
        start = tuple(event.pos)
        position = tuple(event.position)
        yield
        while event.type == "mouse_move":
            yield
        if abs(event.pos[0] - start[0]) + abs(event.pos[1] - start[1]) > 4:
            return
        frame = self.votes.frame_at(position)
        if frame is not None:
            self.show_frame(frame)
            return
        place = self.result.layer.world_to_data(position[-self.result.layer.ndim :])
        reviewed = self._reviewed()
        if reviewed is not None:
            self.explain(reviewed.frame_shown(self.viewer), float(place[-2]), float(place[-1]))

    def _reviewed(self) -> ReviewedResult | None:
        return None if self.result.layer is None else ReviewedResult.of_layer(self.result.layer, [])

    # ---- answers

    def _on_explained(self, explanation: Explanation | None) -> None:
        self.explanation = explanation
        if explanation is None:
            return
        self.status.show_text("")
        if explanation.votes:
            self.votes.show(explanation, self.result.layer, self.take_theme().dark)
        else:
            self.votes.remove()

    def _on_failed(self, error: XMemError) -> None:
        self.error = error
        told = isinstance(error, InputError)
        self.status.show_text(str(error), "muted" if told else "bad", "" if told else error_details(error))

    def _on_closed(self) -> None:
        self._control = None
        self._show()
        self.busy_changed.emit(False)
        if self.explanation is not None:
            self.explained.emit(self.explanation)

    # ---- looks

    def _on_layers(self, event: Any = None) -> None:
        self.result.sync()
        if self.result.layer is None and self.result.layers:
            self.result.layer = self.result.layers[-1]
        self._show()

    def _find(self) -> TrackingSession | None:
        if layers_with_session(self.viewer) != self.result.layers:
            self._on_layers()
        return self.session

    def open_propagate(self) -> None:
        """Open the panel that makes results."""
        open_dock(self.viewer, "Propagate labels")

    def _show(self) -> None:
        session = self.session
        self.hint.show_text("" if session is not None else EMPTY, with_button=True)
        self.mode.setEnabled(session is not None)
        self.mode.setText("Explaining: click an object" if self.active else "Click to explain")
        told = self.explanation
        self.text.setText("" if session is None else READY if self.active else IDLE)
        self.answer.setVisible(told is not None)
        if told is None:
            return
        if told.painted:
            self.shares.setText(
                f"Object {told.object_id} on frame {told.frame} was painted by you; memory was not asked."
            )
            _fill_table(self.table, [])
            self.table.hide()
            return
        self.table.show()
        dark = self.take_theme().dark
        parts = [
            f"<span style='color:{store_colour(name, dark)}'>&#9632;</span>&nbsp;{text}&nbsp;{told.share_of(name):.0%}"
            for name, text in STORE_NAMES.items()
            if told.share_of(name) >= 0.005
        ]
        about = "" if told.exact else "<br>(memory was a little younger then; that state is no longer kept)"
        self.shares.setText(
            f"Object {told.object_id}, frame {told.frame}, y {told.y:.0f}, x {told.x:.0f}<br>{'  '.join(parts)}{about}"
        )
        sums: dict[tuple[int, str], list[float]] = {}
        for vote in told.votes:
            sums.setdefault((vote.frame, vote.store), []).append(vote.weight)
        order = sorted((item for item in sums.items() if sum(item[1]) >= 0.0005), key=lambda item: -sum(item[1]))
        _fill_table(self.table, [(str(f), STORE_NAMES[s], f"{sum(w):.1%}", str(len(w))) for (f, s), w in order])


def _explain_job(
    control: JobControl, session: TrackingSession, frame: int, y: float, x: float, object_id: int | None
) -> Generator[None, None, Explanation]:
    yield None
    return session.explain(frame, y, x, object_id)
