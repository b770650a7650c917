"""What the buttons of "Review and correct" do to the result; all can be called from scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.common.docks import widgets_of
from napari_xmem.widgets.common.words import some
from napari_xmem.widgets.jobs.review import adoption_job, correction_job
from napari_xmem.widgets.jobs.worker import in_plain_words
from napari_xmem.widgets.propagate.dock import PropagateWidget
from napari_xmem.widgets.review.base import ReviewBase

if TYPE_CHECKING:
    from napari_xmem.session import CorrectionSummary

__all__ = ["ReviewActions"]


class ReviewActions(ReviewBase):
    """Correct, take back, lock.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.
    """

    #: Network for results from elsewhere; None: what "Propagate labels" has, or the bundled one.
    model: str | None = None

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
            self.look_for_edits()
            if frames is None:
                shown = reviewed.frame_shown(self.viewer)
                frames = self.edited_frames or (shown,)
            corrections = {int(t): reviewed.read(int(t)) for t in frames}
        except Exception as error:
            told = in_plain_words(error)
            if wait:
                raise told from error
            self._show_error(told)
            return None
        self._edited -= set(corrections)
        self.summary = None
        self.form.strip.propose(None)
        self._start(correction_job, session, corrections, self.backward, ended=self._on_corrected)
        if wait:
            self.wait()
        return self.summary if wait else None

    def correct_clicked(self) -> None:
        """Carry on what is painted, if that can be done now."""
        if self.form.correct.isEnabled():
            self.use_as_correction()

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
        """Bring back the result on frames that were painted and not used; napari's own undo takes this back."""
        reviewed, session = self._reviewed, self.session
        if reviewed is None or session is None:
            return
        for t in self.edited_frames:
            record = session.results.get(t)
            reviewed.put_back(t, reviewed.read(t) * 0 if record is None else record.packed.unpack())
        self._edited.clear()
        self.show_all()

    def adopt(self, *, wait: bool = False) -> None:
        """Make a session of a layer that was not made in this viewer, or of another plane of it."""
        if self._reviewed is not None and not self.is_busy:
            self._reviewed = self._reviewed.in_plane_shown(self.viewer)
            self._edited.clear()
            docks = widgets_of(self.viewer, PropagateWidget)
            model = self.model or (docks[0].model if docks else "bundled")
            options = {"memory": docks[0].memory, "scope": docks[0].scope, "device": docks[0].device} if docks else {}
            self._start(adoption_job, self._reviewed, model, options, ended=self._on_adopted)
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
            self._lock([t for t in session.results.frames if t <= frame])

    def unlock_all(self) -> None:
        """Unlock all frames."""
        session = self.session
        if session is not None:
            session.unlock(session.annotations.locked)
            self.show_all()

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
        self.show_all()
