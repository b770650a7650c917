"""Corrections of the chosen cells; the runner of the viewer does the work, and nothing else changes it meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import InputError, SessionError, XMemError
from napari_xmem.widgets.common.status import error_details

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.session import Change, TrackingSession
    from napari_xmem.tracking import Lineage
    from napari_xmem.widgets.jobs.run_outcome import RunOutcome
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
    from napari_xmem.widgets.lineage.form import LineageForm

__all__ = ["LineageActions"]

GOING_ON = "A run is going on; wait for its end, or stop it, to correct the lineage."
NOTHING = "There is no result yet; propagate labels first."


class LineageActions(QObject):
    """Divide, link, unlink, swap, join, remove, undo, redo; all can be called from scripts.

    Parameters
    ----------
    form : LineageForm
        The controls.
    runner : ViewerRunner
        Does the work.
    subject : callable
        Returns the result under correction, or None.
    frame : callable
        Returns the frame that the viewer shows.
    parent : QObject
        Owner.
    """

    changed = Signal()
    busy_changed = Signal(bool)
    chosen_changed = Signal()

    def __init__(
        self,
        form: LineageForm,
        runner: ViewerRunner,
        subject: Callable[[], ReviewedResult | None],
        frame: Callable[[], int | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._form, self._runner, self._subject, self._frame = form, runner, subject, frame
        self._chosen: tuple[int, ...] = ()
        self._asked = False
        self._error: XMemError | None = None
        runner.stage.connect(self._on_stage)
        runner.frame_done.connect(self._on_frame)
        runner.ended.connect(self._on_ended)

    # ---- the chosen cells

    @property
    def chosen(self) -> tuple[int, ...]:
        """The chosen cells, in the order in which they were chosen; can be set."""
        return self._chosen

    @chosen.setter
    def chosen(self, cells: tuple[int, ...]) -> None:
        wanted = tuple(dict.fromkeys(int(i) for i in cells))
        if wanted != self._chosen:
            self._chosen = wanted
            self.chosen_changed.emit()

    # ---- corrections

    def divide(self, *, wait: bool = False) -> None:
        """Let the earliest chosen cell divide: into the other and the rest of itself, or cut in two."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            frame, lineage = self._shown(), session.lineage
            mother, *daughters = self._in_order(lineage, 1, 3)
            if not daughters:
                drawn = self._drawn(reviewed, lineage, mother, frame, session)
                self._runner.follow(reviewed.layer, "Dividing", lambda: session.begin_division(mother, frame, *drawn))
                return
            first = min(lineage.first_frame[i] for i in daughters)
            if len(daughters) == 1 and lineage.last_frame[mother] >= first:
                daughters += session.new_ids(1)
            self._at_once(reviewed, "Dividing", lambda: session.divide(mother, first, daughters))

        self._do(act, wait)

    def link(self, *, wait: bool = False) -> None:
        """Make the earlier of two chosen cells the mother of the other."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            mother, daughter = self._in_order(session.lineage, 2, 2)
            self._at_once(reviewed, "Linking", lambda: session.link(daughter, mother))

        self._do(act, wait)

    def unlink(self, *, wait: bool = False) -> None:
        """Take the mother of the chosen cell away."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            (cell,) = self._in_order(session.lineage, 1, 1)
            self._at_once(reviewed, "Unlinking", lambda: session.unlink(cell))

        self._do(act, wait)

    def swap(self, *, wait: bool = False) -> None:
        """Exchange two chosen cells from the frame on display on."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            frame = self._shown()
            a, b = self._in_order(session.lineage, 2, 2)
            self._at_once(reviewed, "Exchanging", lambda: session.swap(a, b, frame))

        self._do(act, wait)

    def join(self, *, wait: bool = False) -> None:
        """Make one cell of two chosen ones."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            a, b = self._in_order(session.lineage, 2, 2)
            self._at_once(reviewed, "Joining", lambda: session.join(a, b))

        self._do(act, wait)

    def remove(self, *, wait: bool = False) -> None:
        """Remove the chosen cell from the frame on display on."""

        def act(reviewed: ReviewedResult, session: TrackingSession) -> None:
            frame = self._shown()
            (cell,) = self._in_order(session.lineage, 1, 1)
            self._at_once(reviewed, "Removing", lambda: session.remove(cell, frame))

        self._do(act, wait)

    def undo(self, *, wait: bool = False) -> None:
        """Undo the latest step of the result, whichever dock made it."""
        self._do(lambda reviewed, session: self._at_once(reviewed, "Restoring", session.undo), wait)

    def redo(self, *, wait: bool = False) -> None:
        """Redo what was undone."""
        self._do(lambda reviewed, session: self._at_once(reviewed, "Restoring", session.redo), wait)

    def stop(self) -> None:
        """End inside the frame at hand; frames that are done stay."""
        if self.is_busy:
            self._runner.stop()

    @property
    def is_busy(self) -> bool:
        """True while what was asked for here is being done."""
        return self._asked and self._runner.is_running

    def advice(self, lineage: Lineage | None) -> str:
        """Say what can be done with the chosen cells."""
        there = [i for i in self._chosen if lineage is not None and i in lineage]
        if lineage is None or not there:
            return "Click a cell in the tree; hold Ctrl to choose two or three."
        named = " and ".join(map(str, there))
        if len(there) == 1:
            return f"Cell {named}: Divide cuts it in two on this frame, Unlink takes its mother, Remove ends it here."
        if len(there) == 2:
            early, late = sorted(there, key=lambda i: (lineage.first_frame[i], i))
            return f"Cells {named}: Link makes {early} the mother of {late}; Divide, Swap and Join work on both."
        return f"Cells {named}: Divide makes the earliest the mother of the others." if len(there) == 3 else ""

    def counts(self, lineage: Lineage | None) -> dict[str, bool]:
        """Return which corrections go with the number of chosen cells."""
        there = [i for i in self._chosen if lineage is not None and i in lineage]
        one, two = len(there) == 1, len(there) == 2
        has_mother = one and lineage is not None and there[0] in lineage.parents
        return {
            "divide": 1 <= len(there) <= 3, "link": two, "unlink": has_mother, "swap": two, "join": two, "remove": one,
        }  # fmt: skip

    # ---- inside

    def _shown(self) -> int:
        frame = self._frame()
        if frame is None:
            raise SessionError(NOTHING)
        return frame

    def _in_order(self, lineage: Lineage, least: int, most: int) -> list[int]:
        """Return the chosen cells, the one that begins first at first."""
        there = sorted((i for i in self._chosen if i in lineage), key=lambda i: (lineage.first_frame[i], i))
        if not least <= len(there) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise InputError(f"Choose {wanted} cell{'s' * (most > 1)} in the tree first (Ctrl adds one).")
        return there

    @staticmethod
    def _drawn(
        reviewed: ReviewedResult, lineage: Lineage, mother: int, frame: int, session: TrackingSession
    ) -> tuple[Any, ...]:
        """Return daughters that a person painted over the mother, with all labels; nothing where none did."""
        if not reviewed.edited(frame):
            return ()
        labels = reviewed.read(frame).astype(np.int64)
        new = [int(i) for i in np.unique(labels) if i and i not in lineage]
        if len(new) == 1 and (labels == mother).any():
            rest = max(session.new_ids(1)[0], new[0] + 1)
            labels[labels == mother] = rest
            new.append(rest)
        if len(new) < 2:
            raise InputError(
                f"You painted on frame {frame}, but no daughters of {mother}: paint one or both with new numbers (M), "
                "or undo your strokes to have it cut in two."
            )
        return tuple(new), labels

    def _at_once(self, reviewed: ReviewedResult, text: str, change: Callable[[], Change]) -> None:
        frame = self._shown()
        if reviewed.edited(frame):
            raise SessionError(
                f"You painted on frame {frame}: use it as correction in Review and correct, or undo your strokes."
            )
        self._runner.change(reviewed.layer, text, change)

    def _do(self, act: Callable[[ReviewedResult, TrackingSession], None], wait: bool) -> None:
        try:
            reviewed = self._subject()
            session = None if reviewed is None else reviewed.session
            if reviewed is None or session is None:
                raise SessionError(NOTHING)
            if self._runner.is_running:
                raise SessionError(GOING_ON)
            self._asked, self._error = True, None
            act(reviewed, session)
        except XMemError as error:
            self._asked = False
            self._show_error(error)
            if wait:
                raise
            return
        self._form.progress.wait()
        self.changed.emit()
        self.busy_changed.emit(True)
        if wait:
            self._runner.wait()
            if self._error is not None:
                raise self._error

    def _on_stage(self, text: str) -> None:
        if self.is_busy:
            self._form.status.show_text(f"{text} ...")

    def _on_frame(self, result: Any) -> None:
        if self.is_busy:
            left = self._runner.time_left
            self._form.progress.show_step(left.done, left.total, str(left) if left.done > 3 else "")
            self._form.status.show_text(f"Frame {result.frame} done.")

    def _on_ended(self, outcome: RunOutcome) -> None:
        if not self._asked:
            return
        self._asked, self._error = False, outcome.error
        self._form.progress.reset_text()
        if outcome.error is not None:
            self._show_error(outcome.error)
        elif outcome.kind == "change":
            self._form.status.show_text(self._told(outcome.value), "good")
        elif outcome.summary is not None:
            self._form.status.show_text(str(outcome.summary), "good")
        self.changed.emit()
        self.busy_changed.emit(False)

    def _told(self, step: Change) -> str:
        reviewed = self._subject()
        session = None if reviewed is None else reviewed.session
        is_done = session is not None and session.history.latest is step
        frames = len(step.frames)
        count = f": {frames} frame{'s' * (frames != 1)} changed" if frames else ""
        title = step.title[:1].upper() + step.title[1:]
        return f"{title}{count}." if is_done else f"Undone: {step.title}."

    def _show_error(self, error: XMemError) -> None:
        text = str(error)
        text = text[:1].upper() + text[1:]
        self._form.status.show_text(text, "bad", error_details(error))
        show_error(text)
