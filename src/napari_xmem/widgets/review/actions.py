"""What the buttons of "Review and correct" do to the result; all can be called from scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_xmem.config import PropagationConfig
from napari_xmem.errors import SessionError, XMemError
from napari_xmem.imaging import count_parts
from napari_xmem.widgets.common.dock import PROPAGATE, docks_of
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.status_text import count, emptied_text, some
from napari_xmem.widgets.jobs.threads import in_plain_words
from napari_xmem.widgets.review.before_view import BeforeView
from napari_xmem.widgets.review.mending_row import mend
from napari_xmem.widgets.review.mendings import MendingKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.session import Change, CorrectionSummary
    from napari_xmem.widgets.jobs.run_outcome import RunOutcome
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.review.form import ReviewForm
    from napari_xmem.widgets.review.mendings import Mending
    from napari_xmem.widgets.review.review_subject import ReviewSubject

__all__ = ["ReviewActions"]


class ReviewActions(QObject):
    """Correct, undo, redo, lock; the runner of the viewer does the work, so that nothing else changes it meanwhile.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    subject : ReviewSubject
        What is reviewed.
    form : ReviewForm
        The controls.
    runner : ViewerRunner
        Does the work.
    parent : QObject
        Owner.
    """

    changed = Signal()
    busy_changed = Signal(bool)
    corrected = Signal(object)
    adopted = Signal(object)
    answered = Signal(object)

    def __init__(
        self, viewer: Any, subject: ReviewSubject, form: ReviewForm, runner: ViewerRunner, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer, self._subject, self._form, self._runner = viewer, subject, form, runner
        self.before = BeforeView(viewer, self)
        self.before.left.connect(self._say_new_is_shown)
        self._asked = False
        self._as_it_is: tuple[int, ...] = ()
        self._in_parts: tuple[int, int] | None = None
        self._model: str | None = None
        self._summary: CorrectionSummary | None = None
        self._error: XMemError | None = None
        runner.stage.connect(self._on_stage)
        runner.frame_done.connect(self._on_frame)
        runner.warned.connect(self._on_warned)
        runner.ended.connect(self._on_ended)

    @property
    def model(self) -> str | None:
        """Network for results from elsewhere; None: what "Propagate labels" has, or the bundled one."""
        return self._model

    @model.setter
    def model(self, model: str | None) -> None:
        self._model = model

    @property
    def summary(self) -> CorrectionSummary | None:
        """What the latest correction changed."""
        return self._summary

    @property
    def error(self) -> XMemError | None:
        """Why the latest work failed; None if it did not."""
        return self._error

    @property
    def backward(self) -> bool:
        """Corrections go back in time too."""
        return bool(self._form.backward.isChecked())

    @backward.setter
    def backward(self, value: bool) -> None:
        self._form.backward.setChecked(value)

    @property
    def is_busy(self) -> bool:
        """True while what was asked for here is being done."""
        return self._asked and self._runner.is_running

    def wait(self) -> None:
        """Handle events until the work has ended; raises what it raised."""
        if self.is_busy:
            self._runner.wait()
        if self._error is not None:
            raise self._error

    # ---- corrections

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
        subject = self._subject
        try:
            reviewed, session = subject.require()
            subject.look_for_edits()
            if frames is None:
                frames = subject.edited_frames or (reviewed.frame_shown(self._viewer),)
            corrections = {int(t): reviewed.read(int(t)) for t in frames}
            twice = {t: painted_in_parts(session.labels(t), labels) for t, labels in corrections.items()}
            self._begin()
            self._runner.correct(reviewed.layer, corrections, forward=None, backward=self.backward or None)
        except Exception as error:
            self._refuse(in_plain_words(error), wait)
            return None
        self._as_it_is = tuple(corrections) if not subject.edited_frames else ()
        self._in_parts = next(((objects[0], t) for t, objects in sorted(twice.items()) if objects), None)
        subject.forget_edits(corrections)
        self._summary = None
        self._form.strip.propose(None)
        self._begun()
        if wait:
            self.wait()
        return self._summary if wait else None

    def correct_clicked(self) -> None:
        """Carry on what is painted, if that can be done now."""
        if self._form.correct.isEnabled():
            self.use_as_correction()

    def mend(self, mending: Mending, *, wait: bool = False) -> None:
        """Give one of the answers to a question of the queue, see `napari_xmem.widgets.review.mendings`.

        Parameters
        ----------
        mending : Mending
            The answer.
        wait : bool
            Come back when it is done; errors are raised instead of shown.
        """
        subject = self._subject
        try:
            reviewed, session = subject.require()
            subject.look_for_edits()
            if mending.frame in subject.edited_frames:
                raise SessionError(
                    f"You painted on frame {mending.frame}: use that as correction, or discard it first."
                )
            if mending.kind is MendingKind.RIGHT:
                self.answered.emit(mending)
                self.changed.emit()
                return
            self._begin()
            mend(self._runner, reviewed, session, mending)
        except Exception as error:
            self._refuse(in_plain_words(error), wait)
            return
        self._begun()
        if wait:
            self.wait()

    def undo(self, *, wait: bool = False) -> None:
        """Undo the latest correction, lock or unlock."""
        self._step(forward=False, wait=wait)

    def redo(self, *, wait: bool = False) -> None:
        """Redo what was undone."""
        self._step(forward=True, wait=wait)

    def show_old(self) -> None:
        """Show the result before the latest step, or the one of now again; looking changes nothing."""
        if self.before.is_shown:
            self.before.hide()
        else:
            try:
                self.before.show(*self._subject.require())
            except XMemError as error:
                self._show_error(error)
        self.changed.emit()

    def _say_new_is_shown(self) -> None:
        self._form.status.show_text("The result as it is now is shown again: that is the one to paint on.")
        self.changed.emit()

    def discard_edits(self) -> None:
        """Bring back the result on frames that were painted and not used; napari's own undo brings the paint back."""
        reviewed, session = self._subject.reviewed, self._subject.session
        if reviewed is None or session is None:
            return
        for t in self._subject.edited_frames:
            record = session.results.get(t)
            reviewed.put_back(t, reviewed.read(t) * 0 if record is None else record.packed.unpack())
        self._subject.forget_edits()
        self.changed.emit()

    def adopt(self, *, wait: bool = False) -> None:
        """Make a session of a layer that was not made in this viewer, or of another plane of it."""
        subject = self._subject
        subject.take_plane_shown()
        if subject.reviewed is None:
            return
        docks = docks_of(self._viewer, PROPAGATE)
        model = self._model or (docks[0].controls.model if docks else "bundled")
        config = PropagationConfig()
        if docks:
            chosen = docks[0].controls
            config = PropagationConfig(memory=chosen.memory, scope=chosen.scope, device=chosen.device)
        try:
            self._begin()
            self._runner.adopt(subject.reviewed, model, config)
        except XMemError as error:
            self._refuse(error, wait)
            return
        self._begun()
        if wait:
            self.wait()

    def stop(self) -> None:
        """End; frames that are done stay."""
        if self.is_busy:
            self._runner.stop()
            self._form.status.show_text("Stopping; frames that are done stay ...")

    # ---- locking

    def lock_shown(self) -> None:
        """Lock the frame that the viewer shows."""
        if self._subject.frame is not None:
            self._lock([self._subject.frame])

    def lock_before(self) -> None:
        """Lock all frames with a result up to the one that the viewer shows."""
        session, frame = self._subject.session, self._subject.frame
        if session is not None and frame is not None:
            self._lock([t for t in session.results.frames if t <= frame])

    def unlock_all(self) -> None:
        """Unlock all frames."""
        session = self._subject.session
        if session is not None:
            session.unlock(session.annotations.locked)
            self.changed.emit()

    def _lock(self, frames: list[int]) -> None:
        try:
            _, session = self._subject.require()
            edited = set(frames) & set(self._subject.edited_frames)
            if edited:
                raise SessionError(
                    f"Frame {some(sorted(edited))} was painted; use it as correction first, then lock it."
                )
            session.lock(frames)
        except XMemError as error:
            self._show_error(error)
        self.changed.emit()

    # ---- the work

    def _step(self, *, forward: bool, wait: bool) -> None:
        try:
            reviewed, session = self._subject.require()
            self._begin()
            self._runner.change(reviewed.layer, "Restoring", session.redo if forward else session.undo)
        except XMemError as error:
            self._refuse(error, wait=False)
            return
        self._begun()
        if wait:
            self.wait()

    def _begin(self) -> None:
        """Listen to the runner from here on."""
        self._asked, self._error = True, None

    def _begun(self) -> None:
        self._form.progress.wait()
        self.changed.emit()
        self.busy_changed.emit(True)

    def _refuse(self, error: XMemError, wait: bool) -> None:
        self._asked = self._asked and self._runner.is_running
        self._show_error(error)
        if wait:
            raise error

    def _on_stage(self, text: str) -> None:
        if self.is_busy:
            self._form.status.show_text(f"{text} ...")

    def _on_frame(self, result: Any) -> None:
        if self.is_busy:
            left = self._runner.time_left
            self._form.progress.show_step(left.done, left.total, str(left) if left.done > 3 else "")  # given at first
            self._form.status.show_text(f"Frame {result.frame} done.")

    def _on_warned(self, text: str) -> None:
        if self.is_busy:
            self._form.status.show_text(text, "bad")

    def _on_ended(self, outcome: RunOutcome) -> None:
        if not self._asked:
            return
        self._asked = False
        self._error = outcome.error
        self._form.progress.reset_text()
        if outcome.error is not None:
            self._show_error(outcome.error)
        elif outcome.kind == "change":
            self._say_step(outcome.value)
        elif outcome.kind == "adoption" and outcome.value is not None:
            n_frames = len(outcome.value.results.frames)
            self._form.status.show_text(f"{count(n_frames, 'frame')} read. Paint on any frame to correct it.", "good")
        elif outcome.summary is not None:
            self._summary = outcome.summary
            self._form.status.show_text(
                self._summary_text(outcome.summary), "good" if self._in_parts is None else "muted"
            )
        self.changed.emit()
        self.busy_changed.emit(False)
        if outcome.error is None and outcome.kind == "adoption" and outcome.value is not None:
            self.adopted.emit(outcome.value)
        if self._summary is not None and outcome.kind in ("propagation", "correction"):
            self.corrected.emit(self._summary)

    def _summary_text(self, summary: CorrectionSummary) -> str:
        if self._as_it_is and not summary.frames_changed:
            return f"Frame {some(self._as_it_is)} is right as it is, and asked about no more. Nothing else changed."
        if self._in_parts is None:
            return str(summary)
        cell, frame = self._in_parts
        doubt = f"You painted {cell} in two places on frame {frame}: if these are two cells, Undo, and give one of them"
        return f"{summary} {doubt} a new number (M)."

    def _say_step(self, step: Change) -> None:
        """Say what was undone or redone, and go to where it can be seen."""
        session, subject = self._subject.session, self._subject
        if session is None:
            return
        done = session.history.latest is step
        self._form.status.show_text(f"Redone: {step.title}." if done else f"Undone: {step.title}.{emptied_text(step)}")
        frames = step.after.corrected ^ step.before.corrected or step.frames
        if frames and subject.frame not in {*frames, *step.frames}:
            subject.show_frame(min(frames))

    def _show_error(self, error: XMemError) -> None:
        self._form.status.show_text(str(error), "bad", error_details(error))
        show_error(str(error))


def painted_in_parts(before: NDArray[Any], after: NDArray[Any]) -> tuple[int, ...]:
    """Return the objects of a frame (Y, X) that a person has painted on, and that lie in separate parts only since."""
    painted = np.unique(after[after != before])
    now = count_parts(np.where(np.isin(after, painted), after, 0))
    then = count_parts(np.where(np.isin(before, painted), before, 0))
    return tuple(i for i, n in sorted(now.items()) if n > max(1, then.get(i, 0)))
