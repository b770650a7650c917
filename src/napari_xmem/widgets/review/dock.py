"""The dock "Review and correct": where to look, painting corrections, and what they change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal

from napari_xmem.widgets.common.attribute_forwarding import forwards
from napari_xmem.widgets.common.dock import PROPAGATE, REVIEW, Dock, open_dock
from napari_xmem.widgets.common.forms import enable
from napari_xmem.widgets.common.keys import KeyBindings, with_keys
from napari_xmem.widgets.common.status_text import some
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.layers.numbers_view import NumbersView
from napari_xmem.widgets.layers.pointing_ring import PointingRing
from napari_xmem.widgets.layers.session_polling import SessionWatch
from napari_xmem.widgets.review.actions import ReviewActions
from napari_xmem.widgets.review.confidence_strip import strip_legend
from napari_xmem.widgets.review.form import CORRECT_TIP, RIGHT_TIP, ReviewForm
from napari_xmem.widgets.review.mending_row import MENDING_KEYS
from napari_xmem.widgets.review.review_subject import EMPTY, FOREIGN, ReviewSubject
from napari_xmem.widgets.saving.bar import SavingBar
from napari_xmem.widgets.saving.close_guard import guard_window

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.session import EventToCheck, Review
    from napari_xmem.session.review import DoubtfulObject

__all__ = ["KEYS", "ReviewWidget"]

#: Next frame to check, use as correction.
KEYS = ("Shift-N", "Shift-C")

OTHER_PLANE = "Of this result the plane {} is under review. Go there, or review the plane on display."


@forwards("subject", ReviewSubject)
@forwards("actions", ReviewActions)
class ReviewWidget(Dock):
    """Review a result and correct it.

    Every button is also a method (see `ReviewActions`); `ReviewSubject` says what is reviewed.

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

    dock_name = REVIEW
    busy_changed = Signal(bool)
    corrected = Signal(object)
    adopted = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._review: Review | None = None
        self._other_plane = ""
        self._asked: EventToCheck | None = None
        self._asked_text = ""
        self.form = ReviewForm(self.viewer, self)
        self.runner = runner_of(self.viewer)
        self.subject = ReviewSubject(self.viewer, self.form.result, self.runner, self)
        self.actions = ReviewActions(self.viewer, self.subject, self.form, self.runner, self)
        self.fill(self.form, SavingBar(self.viewer))
        self.watch = SessionWatch(self, lambda: self.subject.session)
        self.watch.changed.connect(self.show_all)
        self.subject.changed.connect(self.show_all)
        self.subject.edited.connect(self.show_buttons)
        self.actions.changed.connect(self.show_all)
        self.actions.busy_changed.connect(self.busy_changed)
        self.actions.corrected.connect(self.corrected)
        self.actions.adopted.connect(self.adopted)
        self.runner.state_changed.connect(self.show_buttons)
        self.form.strip.frame_clicked.connect(self.subject.show_frame)
        self.form.worst.cellClicked.connect(self._on_worst)
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self.subject.choose)
        self.events.connect(self.viewer.dims.events.current_step, self._on_step)
        acts = (self.next_frame, self.actions.correct_clicked)
        self.keys = KeyBindings(self.viewer, dict(zip(KEYS, acts, strict=True)))
        self.release_too(self.subject.release, self.keys.release, self.actions.stop)
        self.subject.changed.connect(self._forget_asked)
        self.actions.answered.connect(self._settle)
        presses = {key: partial(self.form.mending.press, key) for key in MENDING_KEYS}
        self.mending_keys = KeyBindings(self.viewer, presses)
        self.release_too(self.mending_keys.release)
        self.pointer, self.numbers = PointingRing(self.viewer, self), NumbersView(self.viewer)
        self.form.numbers.toggled.connect(self._show_numbers)
        self.runner.frame_done.connect(self._on_frame_done)
        self.on_theme()
        self.subject.choose()

    # ---- looking

    def next_frame(self) -> int | None:
        """Go to what deserves a look next, an event or a doubtful frame; returns its frame, None if there is nothing.

        Every call goes on, and after the last one begins again.
        """
        session = self.subject.session
        self._review = session.review() if session is not None else None
        found = self._review.next_in_queue(self._asked) if self._review is not None else None
        if found is None:
            self._asked, self._asked_text = None, ""
            self.form.strip.propose(None)
            self.form.frame_text.setText("Nothing stands out: no event, and confidence is high or unknown.")
            return None
        place, length, self._asked = found
        self._asked_text = f"Frame {self._asked.frame} ({place} of {length}): {self._asked.reason}"
        self.form.strip.propose(self._asked.frame)
        self.subject.show_frame(self._asked.frame)
        self.viewer.layers.selection.active = self.subject.result  # the one to paint on
        self._point_at(*self._asked.objects)
        self._show_frame_facts()
        self.show_buttons()
        return self._asked.frame

    def _settle(self, _mending: Any) -> None:
        """Dismiss the question at hand: it is right as it is."""
        session = self.subject.session
        if session is not None and self._asked is not None:
            session.settle(self._asked)
            self.form.status.show_text("Dismissed: it is right as it is, and not asked about again.", "good")

    def _forget_asked(self) -> None:
        self._asked, self._asked_text = None, ""

    def _on_worst(self, row: int, column: int = 0) -> None:
        """Make the object the one that paints, and bring it into view."""
        item, frame = self.form.worst.item(row, 0), self.subject.frame
        if item is None or self.subject.reviewed is None or frame is None:
            return
        self.viewer.layers.selection.active = self.subject.reviewed.layer
        self._point_at(int(item.text()))

    def _point_at(self, *objects: int) -> None:
        """Choose the label of the first object; put a ring around all of them, where they are or were seen last."""
        frame, session = self.subject.frame, self.subject.session
        if self.subject.reviewed is None or frame is None or not objects:
            self.pointer.hide()
            return
        layer, labels = self.subject.reviewed.layer, self.subject.reviewed.read(frame)
        layer.selected_label = objects[0]
        places, areas = [], []
        for object_id in objects:
            rows, columns = (labels == object_id).nonzero()
            if len(rows):
                places.append((float(rows.mean()), float(columns.mean())))
                areas.append(len(rows))
            elif session is not None and object_id in session.lineage:  # where it was seen last
                known = session.lineage.detections
                own = known.rows_of(object_id)
                row = own.start + int(np.abs(known.frames[own] - frame).argmin())
                places.append((float(known.centroids_px[row][-2]), float(known.centroids_px[row][-1])))
                areas.append(int(known.areas_px[row]))
        self.pointer.show(layer, places, 2 * float(np.sqrt(max(areas, default=1) / np.pi)))

    # ---- numbers

    def _on_frame_done(self, result: Any) -> None:
        if result.frame == self.subject.frame:
            self._show_numbers()

    def _show_numbers(self, *_: Any) -> None:
        reviewed, frame = self.subject.reviewed, self.subject.frame
        if not self.form.numbers.isChecked() or reviewed is None or frame is None:
            self.numbers.remove()
        elif reviewed.layer in self.viewer.layers:
            self.numbers.show(reviewed.layer, reviewed.read(frame))

    def on_closed(self) -> None:
        """Take ring and numbers along."""
        self.pointer.remove()
        self.numbers.remove()

    # ---- the viewer

    def _on_step(self, event: Any = None) -> None:
        reviewed = self.subject.reviewed
        plane = "" if reviewed is None else reviewed.plane_text(self.viewer)
        if plane != self._other_plane:
            self._other_plane = plane
            self.show_all()
            return
        self.form.strip.show_frame(self.subject.frame)
        if self._asked is None or self._asked.frame != self.subject.frame:
            self.pointer.hide()
        self._show_numbers()
        self._show_frame_facts()
        self.show_buttons()

    def on_window(self, window: Any) -> None:
        """Ask before the window is closed with unsaved work."""
        guard_window(window, self.viewer)

    def open_propagate(self) -> None:
        """Open the panel that makes results."""
        open_dock(self.viewer, PROPAGATE)

    # ---- looks

    def on_theme(self, event: Any = None) -> None:
        """Take the colours of the theme."""
        colours = self.take_theme()
        self.form.strip.set_colours(colours)
        self.form.legend.setText(strip_legend(colours.dark))

    def show_all(self, *_: Any) -> None:
        """Show the state of things."""
        self.actions.before.follow(self.subject.reviewed)
        session, reviewed, form = self.subject.session, self.subject.reviewed, self.form
        elsewhere = reviewed.plane_text(self.viewer) if reviewed is not None and session is not None else ""
        foreign = reviewed is not None and (session is None or bool(elsewhere))
        hint = OTHER_PLANE.format(elsewhere) if elsewhere else FOREIGN if foreign else ""
        form.hint.show_text(EMPTY if reviewed is None else hint, with_button=reviewed is None)
        form.adopt.setText("Review this plane" if elsewhere else "Review this layer")
        form.input.show_row(form.adopt, foreign)
        annotations = session.annotations if session is not None else None
        self._review = session.review() if session is not None else None
        form.strip.set_review(
            self._review,
            reviewed.movie.n_frames if reviewed is not None else 0,
            annotations.seeded if annotations is not None else (),
            annotations.corrected if annotations is not None else (),
            annotations.locked if annotations is not None else (),
        )
        form.strip.show_frame(self.subject.frame)
        locked = sorted(annotations.locked) if annotations is not None else []
        form.locked.setText(f"Locked: frame {some(locked)}." if locked else "No frame is locked.")
        self._show_numbers()
        self._show_frame_facts()
        self.show_buttons()

    def _show_frame_facts(self) -> None:
        session, frame, form = self.subject.session, self.subject.frame, self.form
        worst: tuple[DoubtfulObject, ...] = ()
        text, asked_here = "", False
        if session is not None and frame is not None and self._review is not None:
            worst = self._review.worst_objects(frame)
            annotations = session.annotations
            kind = (
                "corrected by you" if frame in annotations.corrected
                else "painted by you" if frame in annotations.labels
                else "least certain objects:" if worst and worst[0].confidence == worst[0].confidence
                else "confidence unknown" if frame in session.results else "no result"
            )  # fmt: skip
            asked_here = self._asked is not None and self._asked.frame == frame
            text = self._asked_text if asked_here else f"Frame {frame}: {kind}"
            if frame in annotations.labels or not worst or worst[0].confidence != worst[0].confidence:
                worst = ()
        form.frame_text.setText(text)
        form.show_worst(() if asked_here else worst)

    def show_buttons(self, *_: Any) -> None:
        """Enable what can be done now."""
        form, session = self.form, self.subject.session
        busy = self.actions.is_busy
        running = session is not None and not busy and self.subject.is_occupied
        ready = session is not None and not busy and not running
        edited = self.subject.edited_frames if ready else ()
        here: tuple[int, ...] = () if self.subject.frame is None else (self.subject.frame,)
        locked = set(edited or here) & session.annotations.locked if ready and session is not None else set()
        form.edited.setText(self._advice(running, edited, locked))
        why = "a run is going on." if running else "wait for its end." if busy else "choose a result first."
        n = len(edited)
        known = session is not None and bool(here) and here[0] in session.results
        if n or not ready or known:
            form.correct.setText(
                f"Use as correction ({n} frames)" if n > 1 else "Use as correction" if n or not ready
                else f"Frame {here[0]} is right"
            )  # fmt: skip
        form.correct.setProperty("why", "")
        form.correct.setToolTip(with_keys(CORRECT_TIP if n or not ready else RIGHT_TIP))
        missing = ready and not n and not known
        reason = "this frame is locked." if locked else "this frame has no result." if missing else why
        enable(form.correct, ready and not locked and not missing, reason)
        for widget, shown in ((form.progress, busy), (form.stop, busy)):
            form.fix.show_row(widget, shown)
        history = session.history if session is not None else None
        form.undo.setEnabled(ready and bool(history and history.undo_title))
        form.redo.setEnabled(ready and bool(history and history.redo_title))
        form.undo.setToolTip(f"Undo: {history.undo_title}" if history and history.undo_title else "Nothing to undo")
        form.redo.setToolTip(f"Redo: {history.redo_title}" if history and history.redo_title else "Nothing to redo")
        latest = history.latest if history is not None else None
        showing_old = self.actions.before.is_shown
        form.old.setChecked(showing_old)
        form.old.setText("Show new" if showing_old else "Show old")
        self._offer_mending(ready, why)
        has_old = ready and latest is not None and bool(latest.frames)
        enable(form.old, showing_old or has_old, "nothing was changed yet." if ready else why)
        enable(form.revert, bool(edited), "nothing was painted." if ready else why)
        enable(form.next_frame, session is not None, "review the layer first." if self.subject.reviewed else why)
        form.adopt.setEnabled(not busy)
        for item in (form.lock, form.lock_before):
            enable(item, ready, why)
        enable(form.unlock, ready and bool(session and session.annotations.locked), "no frame is locked.")
        form.result.setEnabled(not busy)

    def _offer_mending(self, ready: bool, why: str) -> None:
        """Offer answers to the question at hand while it is open and its frame is shown."""
        session, asked, review = self.subject.session, self._asked, self._review
        is_open = asked is not None and asked.frame == self.subject.frame and review is not None
        if session is None or asked is None or review is None or not is_open:
            self.form.mending.offer(None, ())
            return
        keys = {event.key for event in review.queue}
        shown = asked if asked.key in keys else None
        self.form.mending.offer(shown, session.lineage, "" if ready else why)

    def _advice(self, running: bool, edited: tuple[int, ...], locked: Collection[int]) -> str:
        if self.subject.session is None:
            return "Choose a result first." if self.subject.reviewed is None else "Press Review this layer first."
        if running:
            return "A run is going on. Pause or stop it to correct."
        if locked:
            return f"Frame {some(sorted(locked))} is locked. Unlock it to correct it."
        if edited:
            return f"You painted on frame {some(edited)}. Now press Use as correction."
        return "Go to a wrong frame, paint or erase with napari's tools in the result layer, then Use as correction."
