"""The dock "Review and correct": where to look, painting corrections, and what they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error
from qtpy.QtCore import QEventLoop, Signal

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets._docks import Dock, open_dock
from napari_xmem.widgets._job import FrameDone, Stage
from napari_xmem.widgets._layers import Connections
from napari_xmem.widgets._results import is_result, keep_session
from napari_xmem.widgets._review_form import ReviewForm
from napari_xmem.widgets._review_job import adoption_job, correction_job, step_job
from napari_xmem.widgets._reviewed import ReviewedResult
from napari_xmem.widgets._session_watch import SessionWatch
from napari_xmem.widgets._status import error_details
from napari_xmem.widgets._words import count, some
from napari_xmem.widgets._worker import JobControl, TimeLeft, start_job

if TYPE_CHECKING:
    from napari_xmem.session import CorrectionSummary, SessionSnapshot, TrackingSession

__all__ = ["ReviewWidget"]

EMPTY = "Nothing to review yet: propagate labels first, or open a movie and a Labels layer with the same frames."
FOREIGN = "This layer was not made in this session. Review it to paint corrections and propagate them."


class ReviewWidget(Dock):
    """Review a result and correct it; every button is also a method.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, review = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    >>> review.result = viewer.layers["movie tracked"]
    >>> review.next_frame()
    >>> viewer.layers["movie tracked"].data[14, 20:40, 20:40] = 3
    >>> print(review.use_as_correction(wait=True))
    """

    busy_changed = Signal(bool)
    corrected = Signal(object)
    adopted = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.model = "bundled"
        self.summary: CorrectionSummary | None = None
        self.error: XMemError | None = None
        self._control: JobControl | None = None
        self._reviewed: ReviewedResult | None = None
        self._touched: set[int] = set()
        self._time_left = TimeLeft(0)
        self._result_events = Connections()
        self.form = ReviewForm(self.viewer, self)
        self.fill(self.form)
        self.watch = SessionWatch(self, lambda: self.session)
        self.watch.changed.connect(self._on_session)
        self.form.result.layer_changed.connect(self._on_result)
        self.form.strip.frame_clicked.connect(self.show_frame)
        self.form.worst.cellClicked.connect(self._on_worst)
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self._on_layers)
        self.events.connect(self.viewer.dims.events.current_step, self._on_step)
        self.release_too(self._result_events.release, self._abandon)
        self.on_theme()
        self._on_layers()

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
        reviewed = self._reviewed
        if reviewed is None or self.is_busy:
            return ()
        return tuple(t for t in sorted(self._touched) if reviewed.edited(t))

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

    # ---- looking

    def show_frame(self, frame: int) -> None:
        """Go to a frame."""
        if self._reviewed is not None:
            self._reviewed.show_frame(self.viewer, frame)

    def next_frame(self) -> int | None:
        """Go to the frame most worth a look; returns it, None if there is none."""
        session = self.session
        found = session.review().frames_to_check(1) if session is not None else ()
        if not found:
            self.form.strip.propose(None)
            self.form.frame_text.setText("No frame stands out: confidence is high everywhere, or unknown.")
            return None
        self.form.strip.propose(found[0].frame)
        self.show_frame(found[0].frame)
        self._show_frame_facts()
        return found[0].frame

    def _on_worst(self, row: int, column: int = 0) -> None:
        """Make the object the one that paints, and bring it into view."""
        item, frame = self.form.worst.item(row, 0), self.frame
        if item is None or self._reviewed is None or frame is None:
            return
        object_id, layer = int(item.text()), self._reviewed.layer
        self.viewer.layers.selection.active = layer
        layer.selected_label = object_id
        place = (self._reviewed.read(frame) == object_id).nonzero()
        if len(place[0]):
            position = [0.0] * (layer.ndim - 2) + [float(place[0].mean()), float(place[1].mean())]
            self.viewer.camera.center = tuple(layer.data_to_world(position))[-2:]

    # ---- correcting

    def use_as_correction(self, frames: Any = None, *, wait: bool = False) -> CorrectionSummary | None:
        """Carry on what is painted.

        Parameters
        ----------
        frames : iterable of int, optional
            Frames that are right as they are; None: all edited ones, or the frame shown.
        wait : bool
            Come back when it has ended.

        Returns
        -------
        CorrectionSummary or None
            What changed, if `wait`.

        Raises
        ------
        SessionError
            If there is no session or it is busy; a notification instead if not `wait`.
        """
        try:
            reviewed, session = self._require()
            if frames is None:
                shown = reviewed.frame_shown(self.viewer)
                frames = self.edited_frames or (shown,)
            corrections = {int(t): reviewed.read(int(t)) for t in frames}
        except XMemError as error:
            if wait:
                raise
            self._show_error(error)
            return None
        self._touched -= set(corrections)
        self.summary = None
        self.form.strip.propose(None)
        self._start(correction_job, session, corrections, self.backward, ended=self._on_corrected)
        if wait:
            self.wait()
        return self.summary if wait else None

    def undo(self, *, wait: bool = False) -> None:
        """Take back the latest correction, lock or unlock."""
        self._step(forward=False, wait=wait)

    def redo(self, *, wait: bool = False) -> None:
        """Do again what was taken back."""
        self._step(forward=True, wait=wait)

    def show_old(self, *, wait: bool = False) -> None:
        """Show the result before the correction, or the one after it again."""
        self._step(forward=not self.form.old.isChecked(), wait=wait)

    def discard_edits(self) -> None:
        """Bring back the result on frames that were painted and not used."""
        reviewed, session = self._reviewed, self.session
        if reviewed is None or session is None:
            return
        target = reviewed.writer()
        for t in self.edited_frames:
            record = session.book.get(t)
            blank = reviewed.read(t) * 0
            target.write(t, blank if record is None else record.packed.unpack())
        self._touched.clear()
        reviewed.layer.refresh(extent=False)
        self._show_all()

    def adopt(self, *, wait: bool = False) -> None:
        """Make a session of a layer that was not made in this viewer."""
        if self._reviewed is not None and not self.is_busy:
            self._start(adoption_job, self._reviewed, self.model, {}, ended=self._on_adopted)
            if wait:
                self.wait()

    def stop(self) -> None:
        """End after the frame at hand; frames that are done stay."""
        if self._control is not None:
            self._control.stop()
            self.form.status.show_text("Stopping after the frame at hand ...")

    # ---- locking

    def lock_shown(self) -> None:
        """Lock the frame that the viewer shows."""
        if self.frame is not None:
            self._lock([self.frame])

    def lock_before(self) -> None:
        """Lock all frames with a result up to the one that the viewer shows."""
        session, frame = self.session, self.frame
        if session is not None and frame is not None:
            self._lock([t for t in session.book.frames if t <= frame])

    def unlock_all(self) -> None:
        """Unlock all frames."""
        session = self.session
        if session is not None:
            session.unlock(session.given.locked)
            self._show_all()

    def _lock(self, frames: list[int]) -> None:
        try:
            _, session = self._require()
            edited = set(frames) & set(self.edited_frames)
            if edited:
                raise SessionError(
                    f"Frame {some(sorted(edited))} was painted; use it as correction first, then lock it."
                )
            session.lock(frames)
        except XMemError as error:
            self._show_error(error)
        self._show_all()

    # ---- threads

    def wait(self) -> None:
        """Handle events until the work has ended; raises what it raised."""
        if self.is_busy:
            loop = QEventLoop()
            self.busy_changed.connect(lambda busy: None if busy else loop.quit())
            loop.exec_() if hasattr(loop, "exec_") else loop.exec()
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
        self._show_buttons()
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
                self.form.progress.show_step(facts.frames_done, facts.frames_total, str(self._time_left))
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
            n_frames = len(session.book.frames)
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
        if self._reviewed is not None and self._reviewed.layer in self.viewer.layers:
            self._reviewed.layer.refresh(extent=False)
        self._show_all()
        self.busy_changed.emit(False)
        if self.summary is not None:
            self.corrected.emit(self.summary)

    def _abandon(self) -> None:
        if self._control is not None:
            self._control.stop()

    def _show_error(self, error: XMemError) -> None:
        self.form.status.show_text(str(error), "bad", error_details(error))
        show_error(str(error))

    # ---- the viewer

    def _on_layers(self, event: Any = None) -> None:
        form = self.form
        form.result.sync()
        if form.result.layer is None or (self._reviewed is None and not is_result(form.result.layer)):
            results = [layer for layer in form.result.layers if is_result(layer)]
            if results:
                form.result.layer = results[-1]
        if self._reviewed is None or self._reviewed.layer is not form.result.layer:
            self._on_result(form.result.layer)
        elif self._reviewed.layer not in self.viewer.layers:
            self.stop()

    def _on_result(self, layer: Any) -> None:
        self._result_events.release()
        self._touched.clear()
        images = [item for item in self.viewer.layers if isinstance(item, Image)]
        self._reviewed = ReviewedResult.of_layer(layer, images) if layer is not None else None
        if layer is not None:
            for event in (layer.events.paint, layer.events.labels_update, layer.events.set_data):
                self._result_events.connect(event, self._on_painted)
        self._show_all()

    def _on_painted(self, event: Any = None) -> None:
        frame = self.frame
        if frame is None or self.is_busy or self.session is None:
            return
        if frame not in self._touched or getattr(event, "type", "") != "set_data":
            before = self.edited_frames
            self._touched.add(frame)
            if self.edited_frames != before:
                self._show_buttons()

    def _on_step(self, event: Any = None) -> None:
        self.form.strip.show_frame(self.frame)
        self._show_frame_facts()
        self._show_buttons()

    def _on_session(self, facts: SessionSnapshot | None) -> None:
        self._show_all()

    def open_propagate(self) -> None:
        """Open the panel that makes results."""
        open_dock(self.viewer, "Propagate labels")

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        self.form.strip.set_colours(self.take_theme())

    def _show_all(self) -> None:
        session, reviewed, form = self.session, self._reviewed, self.form
        foreign = reviewed is not None and session is None
        form.hint.show_text(EMPTY if reviewed is None else FOREIGN if foreign else "", with_button=reviewed is None)
        form.input.show_row(form.adopt, foreign)
        given = session.given if session is not None else None
        form.strip.set_review(
            session.review() if session is not None else None,
            reviewed.movie.n_frames if reviewed is not None else 0,
            given.seeded if given is not None else (),
            given.corrected if given is not None else (),
            given.locked if given is not None else (),
        )
        form.strip.show_frame(self.frame)
        locked = sorted(given.locked) if given is not None else []
        form.locked.setText(f"Locked: frame {some(locked)}." if locked else "No frame is locked.")
        self._show_frame_facts()
        self._show_buttons()

    def _show_frame_facts(self) -> None:
        session, frame, form = self.session, self.frame, self.form
        worst: Any = ()
        text = ""
        if session is not None and frame is not None:
            worst = session.review().worst_objects(frame)
            given = session.given
            kind = (
                "corrected by you" if frame in given.corrected
                else "painted by you" if frame in given.labels
                else "least certain objects:" if worst and worst[0].confidence == worst[0].confidence
                else "confidence unknown" if worst else "no result"
            )  # fmt: skip
            text = f"Frame {frame}: {kind}"
            if frame in given.labels or not worst or worst[0].confidence != worst[0].confidence:
                worst = ()
        form.frame_text.setText(text)
        form.show_worst(worst)

    def _show_buttons(self) -> None:
        form, session = self.form, self.session
        busy = self.is_busy
        running = session is not None and session.state.value in ("running", "stopping") and not busy
        ready = session is not None and not busy and not running
        edited = self.edited_frames if ready else ()
        form.edited.setText(self._advice(running, edited))
        form.correct.setEnabled(ready)
        n = len(edited)
        form.correct.setText(f"Use as correction ({n} frames)" if n > 1 else "Use as correction")
        for widget, shown in ((form.progress, busy), (form.stop, busy)):
            form.fix.show_row(widget, shown)
        history = session.history if session is not None else None
        form.undo.setEnabled(ready and bool(history and history.undo_title))
        form.redo.setEnabled(ready and bool(history and history.redo_title))
        form.undo.setToolTip(
            f"Take back: {history.undo_title}" if history and history.undo_title else "Nothing to undo"
        )
        form.redo.setToolTip(f"Do again: {history.redo_title}" if history and history.redo_title else "Nothing to redo")
        showing_old = bool(history and history.redo_title.startswith("correction"))
        form.old.setChecked(showing_old)
        form.old.setText("Show new" if showing_old else "Show old")
        form.old.setEnabled(ready and (showing_old or bool(history and history.undo_title.startswith("correction"))))
        form.revert.setEnabled(bool(edited))
        form.next_frame.setEnabled(session is not None)
        form.adopt.setEnabled(not busy)
        for item in (form.lock, form.lock_before):
            item.setEnabled(ready)
        form.unlock.setEnabled(ready and bool(session and session.given.locked))
        form.result.setEnabled(not busy)

    def _advice(self, running: bool, edited: tuple[int, ...]) -> str:
        if self.session is None:
            return "Choose a result first."
        if running:
            return "A run is going on. Pause or stop it to correct."
        if edited:
            return f"You painted on frame {some(edited)}. Now press the button."
        return "Go to a wrong frame, paint or erase with napari's tools in the result layer, then press the button."
