"""The dock "Explain": click a pixel of a result and see which memory elements voted for its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import Signal

from napari_xmem.errors import InputError, XMemError
from napari_xmem.widgets.common.dock import EXPLAIN
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.explain.panel import ExplainPanel
from napari_xmem.widgets.explain.vote_layer import VoteLayer
from napari_xmem.widgets.jobs.threads import JobControl, handle_events_until, start_job
from napari_xmem.widgets.layers.layer_choice import LayerChoice
from napari_xmem.widgets.layers.result_dock import ResultDock, has_session
from napari_xmem.widgets.layers.session_polling import SessionWatch

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.engine import Explanation
    from napari_xmem.session import TrackingSession

__all__ = ["ExplainWidget"]

EMPTY = "Nothing to explain yet: propagate labels first."
IDLE = "Press the button, then click on an object of the result."
READY = "Click on an object in the picture. Dots show the memory that voted; click on one to go to its frame."


class ExplainWidget(ResultDock):
    """Explain pixels of a result.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, explain = viewer.window.add_plugin_dock_widget("napari-xmem", "Explain")  # doctest: +SKIP
    >>> explanation = explain.explain(14, 120, 88, wait=True)  # doctest: +SKIP
    """

    dock_name = EXPLAIN
    explained = Signal(object)
    busy_changed = Signal(bool)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.explanation: Explanation | None = None
        self.error: XMemError | None = None
        self._control: JobControl | None = None
        self._dark = True
        self.votes = VoteLayer(self.viewer)
        self.results = LayerChoice(self.viewer, has_session, "no result yet")
        self.form = ExplainPanel(self)
        self.fill(self.form)
        self.form.table.cellClicked.connect(self._on_row)
        self.results.layer_changed.connect(self.show_all)
        self.watch_layers()
        viewer, clicked = self.viewer, self._on_click
        self.viewer.mouse_drag_callbacks.append(clicked)
        self.release_too(lambda: clicked in viewer.mouse_drag_callbacks and viewer.mouse_drag_callbacks.remove(clicked))
        self.on_theme()
        self.on_layers()
        self.watch = SessionWatch(self, self.find_session)

    # ---- scripting

    @property
    def is_busy(self) -> bool:
        """True while an answer is being found."""
        return self._control is not None

    @property
    def active(self) -> bool:
        """Clicks ask for an explanation."""
        return bool(self.form.mode.isChecked())

    @active.setter
    def active(self, value: bool) -> None:
        if value != self.form.mode.isChecked():
            self.form.mode.setChecked(value)
            self.mode_changed()

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
        self.form.status.show_text("Asking memory ...")
        start_job(
            _explain_job, session, frame, y, x, object_id, control=self._control, owner=self,
            message=lambda _: None, failed=self._on_failed, ended=self._on_explained, closed=self._on_closed,
        )  # fmt: skip
        if wait:
            handle_events_until(self.busy_changed, lambda: not self.is_busy)
            if self.error is not None:
                raise self.error
        return self.explanation

    def show_asked(self) -> None:
        """Go to the frame that was asked for."""
        if self.explanation is not None:
            self.show_frame(self.explanation.frame)

    def clear(self) -> None:
        """Take the answer away."""
        self.votes.remove()
        self.explanation = None
        self.show_all()

    def _on_row(self, row: int, column: int) -> None:
        item = self.form.table.item(row, 0)
        if item is not None:
            self.show_frame(int(item.text()))

    # ---- the canvas

    def mode_changed(self) -> None:
        """Take over the state of the button: clicks on the canvas are for us, not for a brush."""
        if self.active and self.result is not None:
            active = self.viewer.layers.selection.active
            if isinstance(active, Labels):
                active.mode = "pan_zoom"
        self.show_all()

    @property
    def _brush_in_hand(self) -> bool:
        active = self.viewer.layers.selection.active
        return isinstance(active, Labels) and active.mode != "pan_zoom"

    def _on_click(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Explain what is clicked; a drag moves the picture as ever."""
        if not self.active or self.result is None or getattr(event, "button", 1) != 1 or self._brush_in_hand:
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
        place = self.result.world_to_data(position[-self.result.ndim :])
        reviewed = self.reviewed
        if reviewed is not None:
            self.explain(reviewed.frame_shown(self.viewer), float(place[-2]), float(place[-1]))

    # ---- answers

    def _on_explained(self, explanation: Explanation | None) -> None:
        self.explanation = explanation
        if explanation is None:
            return
        self.form.status.show_text("")
        if explanation.votes and self.result is not None:
            self.votes.show(explanation, self.result, self._dark)
        else:
            self.votes.remove()

    def _on_failed(self, error: XMemError) -> None:
        self.error = error
        told = isinstance(error, InputError)
        self.form.status.show_text(str(error), "muted" if told else "bad", "" if told else error_details(error))

    def _on_closed(self) -> None:
        self._control = None
        self.show_all()
        self.busy_changed.emit(False)
        if self.explanation is not None:
            self.explained.emit(self.explanation)

    def on_closed(self) -> None:
        """Take the dots along."""
        self.votes.remove()

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        self._dark = self.take_theme().dark
        self.show_all()

    def show_all(self, *_: Any) -> None:
        """Show the state of things."""
        session, form = self.session, self.form
        form.hint.show_text("" if session is not None else EMPTY, with_button=True)
        form.mode.setEnabled(session is not None)
        form.mode.setText("Explaining: click an object" if self.active else "Click to explain")
        form.text.setText("" if session is None else READY if self.active else IDLE)
        form.show_answer(self.explanation, self._dark)


def _explain_job(
    control: JobControl, session: TrackingSession, frame: int, y: float, x: float, object_id: int | None
) -> Generator[None, None, Explanation]:
    yield None
    return session.explain(frame, y, x, object_id)
