"""The one thread of a viewer that changes results: its state, its result layer. Knows no form; docks share it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.errors import SessionError
from napari_xmem.imaging import NonFinitePixelsWarning
from napari_xmem.widgets.common.status_text import some
from napari_xmem.widgets.common.time_left import TimeLeft
from napari_xmem.widgets.common.viewer_events import Connections, plain_viewer
from napari_xmem.widgets.jobs.job_messages import FrameDone, NextSession, Planned, Questions, Refused, Stage
from napari_xmem.widgets.jobs.propagation import PropagationJob, propagation_job
from napari_xmem.widgets.jobs.result_jobs import CorrectionJob, adoption_job, change_job, correction_job, follow_job
from napari_xmem.widgets.jobs.run_outcome import RunOutcome, RunRecord, RunState
from napari_xmem.widgets.jobs.threads import JobControl, handle_events_until, start_job
from napari_xmem.widgets.layers.label_colours import give_colours
from napari_xmem.widgets.layers.live_view import LiveView, add_result_layer
from napari_xmem.widgets.layers.result_layer import (
    METADATA_KEY,
    SCORES_KEY,
    keep_session,
    movie_of,
    session_of,
    target_of,
)
from napari_xmem.widgets.layers.strokes import forget_undo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import FrameResult
    from napari_xmem.errors import XMemError
    from napari_xmem.session import Change, TrackingSession
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.widgets.jobs.run_outcome import Kind
    from napari_xmem.widgets.layers.movie_view import MovieView
    from napari_xmem.widgets.layers.reviewed_result import ReviewedResult

__all__ = ["RunOutcome", "RunState", "ViewerRunner", "runner_of"]

GOING_ON = "A run is going on; pause it, stop it, or wait for its end."
PAUSE_GLANCE_MS = 50


class ViewerRunner(QObject):
    """Does one thing at a time: a propagation, a correction, an undo or a redo; keeps the result layer up to date.

    Parameters
    ----------
    viewer : napari Viewer
        Where the result goes; not kept alive.
    """

    state_changed = Signal(object)
    stage = Signal(str)
    planned = Signal(object)
    frame_done = Signal(object)
    ended = Signal(object)
    warned = Signal(str)
    follow_ended = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.live = LiveView()
        self.layer: Any = None
        self.session: TrackingSession | None = None
        self.outcome: RunOutcome | None = None
        self._viewer_ref = ref(viewer)
        self._record = RunRecord("propagation")
        self._told = RunState.IDLE
        self._prepared = False
        self._image: Any = None
        self._movie: MovieView | None = None
        self._target: Any = None
        self._facts: dict[str, Any] = {}
        self._control: JobControl | None = None
        self._events = Connections()
        self._pause_watch = QTimer(self)  # inside a frame no message comes
        self._pause_watch.setInterval(PAUSE_GLANCE_MS)
        self._pause_watch.timeout.connect(self._tell)

    @property
    def _viewer(self) -> Any:
        return self._viewer_ref()

    @property
    def state(self) -> RunState:
        """What is done now: the state of the session, as far as there is one."""
        control = self._control
        if control is None:
            return RunState.IDLE
        if control.stopped:
            return RunState.STOPPING
        if self.session is None or not self._prepared:
            return RunState.PREPARING
        if control.has_request:
            return RunState.RUNNING
        waits = {"pausing": RunState.PAUSING, "paused": RunState.PAUSED}
        return waits.get(self.session.state.value, RunState.RUNNING)

    @property
    def is_running(self) -> bool:
        """True from Run to the end, also while paused."""
        return self._control is not None

    @property
    def kind(self) -> Kind:
        """What is done, or was done last."""
        return self._record.kind

    @property
    def history(self) -> list[FrameResult]:
        """Scores of the frames done, in the order they were done."""
        return self._record.history

    @property
    def time_left(self) -> TimeLeft:
        """Frames done and time left."""
        return self._record.time_left

    # ---- what is asked of it

    def start(self, job: PropagationJob, image: Any, layer: Any = None, facts: dict[str, Any] | None = None) -> None:
        """Begin a run.

        Parameters
        ----------
        job : PropagationJob
            What to do.
        image : Image layer
            The movie; its place in the world is the result's.
        layer : Labels layer, optional
            An earlier result that `job.target` writes into.
        facts : dict, optional
            Put beside the recipe in the result's metadata.

        Raises
        ------
        SessionError
            If something is going on.
        """
        self._require_rest()
        self._movie, self._target, self._facts = job.movie, job.target, facts or {}
        self._image = image
        self._begin("propagation", layer, propagation_job, job)

    def correct(
        self,
        layer: Any,
        corrections: Mapping[int, NDArray[Any]],
        *,
        forward: bool | None = True,
        backward: bool | None = False,
    ) -> None:
        """Propagate corrected frames of a result, also while it is being made or paused.

        Parameters
        ----------
        layer : Labels layer
            A result with a session, see `session_of`.
        corrections : mapping
            Frame to labels (Y, X) that are right as a whole.
        forward, backward : bool or None
            Directions; None: as the run went.

        Raises
        ------
        SessionError
            If the layer has no session, or something else is going on.
        """
        session, movie = session_of(layer), movie_of(layer)
        if session is None or movie is None:
            raise SessionError(f"'{layer.name}' was not made by Propagate labels in this viewer; run it first.")
        job = CorrectionJob(session, dict(corrections), forward, backward, self._take_task)
        if self.session is session and self._control is not None:
            self._control.ask(job.begin)
            self._tell()
            return
        self._require_rest()
        self._movie = movie
        self._begin("correction", layer, correction_job, job)

    def follow(self, layer: Any, text: str, begin: Callable[[], CorrectionTask | Change]) -> None:
        """Follow what somebody wants: daughters of a division, the rest of a correction that was stopped.

        Parameters
        ----------
        layer : Labels layer
            A result with a session.
        text : str
            What is done, in words.
        begin : callable
            `TrackingSession.begin_division` or the like, with its arguments; called in a thread.

        Raises
        ------
        SessionError
            If the layer has no session, or something is going on.
        """
        session, movie = session_of(layer), movie_of(layer)
        if session is None or movie is None:
            raise SessionError(f"'{layer.name}' was not made by Propagate labels in this viewer; run it first.")
        self._require_rest()
        self._movie = movie
        self._begin("correction", layer, follow_job, session, text, begin, self._take_task)

    def change(self, layer: Any, text: str, change: Callable[[], Change]) -> None:
        """Change a result at once, without the network: undo, redo, the end of an object; also while it is made.

        Parameters
        ----------
        layer : Labels layer
            The result.
        text : str
            What is done, in words.
        change : callable
            Does it, in a thread.

        Raises
        ------
        SessionError
            If something else is going on.
        """
        session = session_of(layer)
        if session is not None and self.session is session and self._control is not None:
            self._control.ask(change)
            self._tell()
            return
        self._require_rest()
        self._begin("change", layer, change_job, text, change)

    def adopt(self, reviewed: ReviewedResult, model: str, config: PropagationConfig) -> None:
        """Make a session of labels that no run of this viewer made.

        Raises
        ------
        SessionError
            If something is going on.
        """
        self._require_rest()
        self._movie = reviewed.movie
        self._target = target = reviewed.writer()
        what = reviewed.layer.name, reviewed.movie, reviewed.read, target, model, config
        self._begin("adoption", reviewed.layer, adoption_job, *what)

    def stop(self, reason: str = "") -> None:
        """End inside the frame at hand; what is done stays."""
        if self._control is not None:
            self.stop_untold(reason)
            self._tell()

    def stop_untold(self, reason: str = "") -> None:
        """End inside the frame at hand and tell nobody: the window is gone, and this object's timer with it."""
        if self._control is not None:
            self._record.reason = self._record.reason or reason
            self._control.stop()
            if self.session is not None:
                self.session.cancel()

    def pause(self) -> None:
        """Wait inside the frame at hand, or after it."""
        if self.session is not None and self.state is RunState.RUNNING:
            with suppress(SessionError):  # it has just ended
                self.session.pause()
            self._tell()

    def resume(self) -> None:
        """Go on after a pause."""
        if self.session is not None and self.state in (RunState.PAUSING, RunState.PAUSED):
            self.time_left.restart_clock()
            self.session.resume()
            self._tell()

    def wait(self) -> RunOutcome | None:
        """Handle events until the run has ended; returns how."""
        handle_events_until(self.ended, lambda: not self.is_running)
        return self.outcome

    # ---- the run

    def _require_rest(self) -> None:
        if self.is_running:
            raise SessionError(GOING_ON)

    def _begin(self, kind: Kind, layer: Any, job: Any, *what: Any) -> None:
        self.layer, self.outcome, self.session, self._prepared = layer, None, None, False
        self._record = RunRecord(kind)
        self.live.begin()
        self._control = JobControl()
        self._events.connect(self._viewer.layers.events.removed, self._on_removed)
        self._tell()
        start_job(
            job, *what, control=self._control, owner=self,
            message=self._on_message, failed=self._on_failed, ended=self._on_ended, warned=self._on_warned,
            closed=self._on_closed,
        )  # fmt: skip

    def _tell(self) -> None:
        """Tell whoever looks that the state is another one."""
        waits = self.state is RunState.PAUSING
        if waits is not self._pause_watch.isActive():
            self._pause_watch.start() if waits else self._pause_watch.stop()
        if self.state is not self._told:
            self._told = self.state
            self.state_changed.emit(self._told)

    def _take_task(self, task: CorrectionTask) -> None:
        self._record.task = task

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Stage):
            self.stage.emit(message.text)
        elif isinstance(message, Planned):
            self._on_planned(message)
        elif isinstance(message, NextSession):
            self.session = message.session
        elif isinstance(message, Questions):
            self._record.n_questions = message.count
        elif isinstance(message, Refused):
            self.warned.emit(str(message.error))
        elif isinstance(message, FrameDone):
            try:
                self._look_at_strokes()
                self._on_frame(message)
            finally:
                if self._control is not None:
                    self._control.message_handled()
        self._tell()

    def _on_planned(self, plan: Planned) -> None:
        if self.state is RunState.STOPPING or self._viewer is None:
            return
        self._record.time_left = TimeLeft(plan.n_results)
        self.session, self._prepared = plan.session, True
        if plan.recipe and self._movie is not None:
            recipe = {**self._facts, **plan.recipe, "status": "running"}
            if self.layer is None:
                self.layer = add_result_layer(self._viewer, self._image, self._target, recipe)
            self.layer.metadata[METADATA_KEY] = recipe
            if plan.whole:
                keep_session(self.layer, plan.session, self._movie, self._target)
        self._tell()
        self.planned.emit(plan)

    def _on_frame(self, message: FrameDone) -> None:
        self.history.append(without_labels(message.result))
        self.time_left.step(message.done, message.total)
        if self.layer is not None:
            give_colours(self.layer, message.result.labels)
        if self._movie is not None:
            if not self.live.show(self._viewer, self.layer, self._movie, message.result.frame):
                self.follow_ended.emit()
        self.frame_done.emit(message.result)

    def _look_at_strokes(self) -> None:
        """Keep napari's undo away from what was written, and say which strokes lie over it."""
        target = self._target if self.session is None or self.layer is None else target_of(self.layer) or self._target
        if target is None or self.layer is None:
            return
        forget_undo(self.layer, target.strokes.written)
        new = target.strokes.painted - self._record.painted
        if new:
            self._record.painted |= new
            self.warned.emit(
                f"Your strokes on frame {some(sorted(new))} lie over the result there. Use them as correction, or "
                "discard them, in Review and correct."
            )

    # ---- the end

    def _on_removed(self, event: Any = None) -> None:
        layers = self._viewer.layers
        if self.layer is not None and self.layer not in layers:
            self.stop("the result layer was removed")
        elif self._image is not None and self._image not in layers:
            self.stop("the movie was removed")

    def _on_warned(self, warning: Warning) -> None:
        if isinstance(warning, NonFinitePixelsWarning):  # the panel says all others in its own words
            self._record.bad_frames[warning.frame] = warning.count

    def _on_failed(self, error: XMemError) -> None:
        self._record.error = error

    def _on_ended(self, value: Any) -> None:
        self._record.value = value

    def _on_closed(self) -> None:
        self._events.release()
        if self._record.bad_frames:
            frames = some(sorted(t for t in self._record.bad_frames if t is not None)) or "?"
            self.warned.emit(f"NaN or infinite pixels were taken as dark background on frames {frames}.")
        self._look_at_strokes()
        there = self._viewer is not None and self.layer is not None and self.layer in self._viewer.layers
        self.outcome = self._record.outcome(self.layer if there else None)
        if self.outcome.layer is not None:
            self._finish_layer(self.outcome)
        self._image = self._target = self._control = None
        self._tell()
        self.ended.emit(self.outcome)

    def _finish_layer(self, outcome: RunOutcome) -> None:
        layer, kind = outcome.layer, outcome.kind
        if kind == "adoption" and outcome.value is not None and self._movie is not None:
            keep_session(layer, outcome.value, self._movie, self._target)
        session, recipe = session_of(layer), layer.metadata.get(METADATA_KEY)
        if session is not None and kind == "change" and outcome.value is not None:
            new = [t for t in outcome.value.frames if t in session.results.frames]
            if new:  # objects that a correction made begin on its first frame
                give_colours(layer, session.labels(min(new)))
        if recipe is not None and (self.history or kind == "change"):
            if self.history:
                recipe["status"] = outcome.status
            if session is not None and self.session in (session, None):
                recipe["frames_done"] = list(session.results.frames)
                recipe["corrected_frames"] = sorted(session.annotations.corrected)
                layer.metadata[SCORES_KEY] = session.results.scores()
            else:
                recipe["frames_done"] = self._record.frames
        layer.refresh(extent=False)


_RUNNERS: WeakKeyDictionary[Any, ViewerRunner] = WeakKeyDictionary()


def runner_of(viewer: Any) -> ViewerRunner:
    """Return the runner of a viewer, the same for all its docks."""
    viewer = plain_viewer(viewer)
    if viewer not in _RUNNERS:
        _RUNNERS[viewer] = ViewerRunner(viewer)
    return _RUNNERS[viewer]


def without_labels(result: FrameResult) -> FrameResult:
    """Return a result that holds the scores only."""
    return replace(result, labels=np.zeros((0, 0), result.labels.dtype))
