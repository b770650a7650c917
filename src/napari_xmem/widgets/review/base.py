"""The working part of "Review and correct": the result, the session behind it, and the threads that change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.common.docks import Dock
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.words import count
from napari_xmem.widgets.jobs.propagate import FrameDone, Stage
from napari_xmem.widgets.jobs.review import step_job
from napari_xmem.widgets.jobs.worker import JobControl, TimeLeft, handle_events_until, start_job
from napari_xmem.widgets.layers.result import METADATA_KEY, SCORES_KEY, keep_session

if TYPE_CHECKING:
    from napari_xmem.session import CorrectionSummary, TrackingSession
    from napari_xmem.widgets.review.form import ReviewForm
    from napari_xmem.widgets.review.reviewed import ReviewedResult

__all__ = ["EMPTY", "FOREIGN", "OTHER_PLANE", "ReviewBase"]

EMPTY = "Nothing to review yet: propagate labels first, or open a movie and a Labels layer with the same frames."
FOREIGN = "This layer was not made in this session. Review it to paint corrections and propagate them."
OTHER_PLANE = "Of this result the plane {} is under review. Go there, or review the plane on display."


class ReviewBase(Dock):
    """A result under review, and the one thread at a time that may change it.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.
    """

    busy_changed = Signal(bool)
    corrected = Signal(object)
    adopted = Signal(object)

    form: ReviewForm

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.summary: CorrectionSummary | None = None
        self.error: XMemError | None = None
        self._control: JobControl | None = None
        self._reviewed: ReviewedResult | None = None
        self._edited: set[int] = set()
        self._time_left = TimeLeft(0)
        self.release_too(self._abandon)

    def show_all(self) -> None:
        """Show the state of things."""
        raise NotImplementedError

    def show_buttons(self) -> None:
        """Enable what can be done now."""
        raise NotImplementedError

    # ---- what it works on

    @property
    def result(self) -> Any:
        """The Labels layer under review; set a layer or its name."""
        return self.form.result.layer

    @result.setter
    def result(self, layer: Any) -> None:
        self.form.result.layer = layer

    @property
    def session(self) -> TrackingSession | None:
        """The session behind it; None if the layer was not made in this viewer and not adopted."""
        return None if self._reviewed is None else self._reviewed.session

    @property
    def frame(self) -> int | None:
        """The frame that the viewer shows."""
        return None if self._reviewed is None else self._reviewed.frame_shown(self.viewer)

    @property
    def edited_frames(self) -> tuple[int, ...]:
        """Frames where the layer differs from the result: painted by hand since."""
        return tuple(sorted(self._edited))

    def look_for_edits(self) -> None:
        """Compare the frame that the viewer shows with the result; painting does it by itself."""
        frame = self.frame
        if self._reviewed is None or frame is None or self.is_busy:
            return
        was = frame in self._edited
        if self._reviewed.edited(frame) is not was:
            (self._edited.discard if was else self._edited.add)(frame)
            self.show_buttons()

    @property
    def backward(self) -> bool:
        """Corrections go back in time too."""
        return bool(self.form.backward.isChecked())

    @backward.setter
    def backward(self, value: bool) -> None:
        self.form.backward.setChecked(value)

    @property
    def is_busy(self) -> bool:
        """True while a thread of this dock works."""
        return self._control is not None

    # ---- threads

    def wait(self) -> None:
        """Handle events until the work has ended; raises what it raised."""
        handle_events_until(self.busy_changed, lambda: not self.is_busy)
        if self.error is not None:
            raise self.error

    def _require(self) -> tuple[ReviewedResult, TrackingSession]:
        reviewed, session = self._reviewed, self.session
        if reviewed is None or session is None:
            raise SessionError(FOREIGN if reviewed is not None else EMPTY)
        if self.is_busy or session.state.value in ("running", "stopping"):
            raise SessionError("A run is going on; pause it, stop it, or wait for its end.")
        return reviewed, session

    def _step(self, *, forward: bool, wait: bool) -> None:
        try:
            _, session = self._require()
        except XMemError as error:
            self._show_error(error)
            return
        self._start(step_job, session, forward, ended=self._on_stepped)
        if wait:
            self.wait()

    def _start(self, job: Any, *args: Any, ended: Any) -> None:
        self._control = JobControl()
        self.error = None
        self.form.progress.wait()
        self.show_buttons()
        self.busy_changed.emit(True)
        start_job(
            job, *args, control=self._control, owner=self, message=self._on_message, failed=self._on_failed,
            ended=ended, closed=self._on_closed,
        )  # fmt: skip

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Stage):
            self.form.status.show_text(f"{message.text} ...")
        elif isinstance(message, FrameDone):
            session, reviewed = self.session, self._reviewed
            if session is not None and reviewed is not None:
                facts = session.snapshot()
                if self._time_left.total != facts.frames_total:
                    self._time_left = TimeLeft(facts.frames_total)
                self._time_left.step()
                left = str(self._time_left) if facts.frames_done > 3 else ""  # the first frames are given
                self.form.progress.show_step(facts.frames_done, facts.frames_total, left)
                self.form.status.show_text(f"Frame {message.result.frame} done.")
                if reviewed.frame_shown(self.viewer) == message.result.frame:
                    reviewed.layer.refresh(extent=False)
            if self._control is not None:
                self._control.message_handled()

    def _on_corrected(self, summary: CorrectionSummary) -> None:
        self.summary = summary
        self.form.status.show_text(str(summary), "good")

    def _on_adopted(self, session: TrackingSession | None) -> None:
        if session is not None and self._reviewed is not None:
            keep_session(self._reviewed.layer, session, self._reviewed.movie)
            n_frames = len(session.results.frames)
            self.form.status.show_text(f"{count(n_frames, 'frame')} read. Paint on any frame to correct it.", "good")
            self.adopted.emit(session)

    def _on_stepped(self, title: str | None) -> None:
        session = self.session
        if session is not None and title is not None:
            done = session.history.undo_title == title
            self.form.status.show_text(f"{'Done again' if done else 'Taken back'}: {title}.")

    def _on_failed(self, error: XMemError) -> None:
        self.error = error
        self._show_error(error)

    def _on_closed(self) -> None:
        self._control = None
        self.form.progress.reset_text()
        layer, session = (None, None) if self._reviewed is None else (self._reviewed.layer, self.session)
        if layer is not None and layer in self.viewer.layers:
            layer.refresh(extent=False)
            if session is not None and METADATA_KEY in layer.metadata:
                layer.metadata[SCORES_KEY] = session.results.scores()
                layer.metadata[METADATA_KEY]["corrected_frames"] = sorted(session.annotations.corrected)
        self.show_all()
        self.busy_changed.emit(False)
        if self.summary is not None:
            self.corrected.emit(self.summary)

    def _abandon(self) -> None:
        if self._control is not None:
            self._control.stop()

    def _show_error(self, error: XMemError) -> None:
        self.form.status.show_text(str(error), "bad", error_details(error))
        show_error(str(error))
