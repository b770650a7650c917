"""The one run of a viewer: its thread, its result layer, its state. Knows no form; docks share it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari.utils import progress
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import ConfigError, SessionError
from napari_xmem.widgets.common.words import some
from napari_xmem.widgets.jobs.outcome import RunOutcome, RunState
from napari_xmem.widgets.jobs.propagate import (
    CorrectionJob,
    FrameDone,
    Planned,
    PropagationJob,
    Refused,
    Stage,
    correction_job,
    propagation_job,
    without_labels,
)
from napari_xmem.widgets.jobs.time_left import TimeLeft
from napari_xmem.widgets.jobs.worker import JobControl, handle_events_until, start_job
from napari_xmem.widgets.layers.choosers import Connections, plain_viewer
from napari_xmem.widgets.layers.result import METADATA_KEY, SCORES_KEY, keep_session, movie_of, session_of
from napari_xmem.widgets.layers.result_view import LiveView, add_result_layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_xmem.engine import FrameResult
    from napari_xmem.errors import XMemError
    from napari_xmem.session import TrackingSession
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.widgets.layers.movie import MovieView

__all__ = ["PropagationRunner", "RunOutcome", "RunState", "runner_of"]


class PropagationRunner(QObject):
    """Runs one propagation or correction at a time and keeps the result layer up to date.

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
        self.state = RunState.IDLE
        self.live = LiveView()
        self.layer: Any = None
        self.session: TrackingSession | None = None
        self.history: list[FrameResult] = []
        self.time_left = TimeLeft(0)
        self.outcome: RunOutcome | None = None
        self._viewer_ref = ref(viewer)
        self._image: Any = None
        self._movie: MovieView | None = None
        self._target: Any = None
        self._facts: dict[str, Any] = {}
        self._task: CorrectionTask | None = None
        self._control: JobControl | None = None
        self._events = Connections()
        self._bar: Any = None
        self._reason = ""
        self._failure: XMemError | None = None
        self._complete = False
        self._begun = 0.0
        self._bad_frames: dict[int | None, int] = {}

    @property
    def _viewer(self) -> Any:
        return self._viewer_ref()

    @property
    def is_running(self) -> bool:
        """True from Run to the end, also while paused."""
        return self.state is not RunState.IDLE

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
        ConfigError
            If something runs.
        """
        self._require_rest()
        self._movie, self._target, self._facts = job.movie, job.target, facts or {}
        self._begin(propagation_job, job, image, layer)

    def correct(
        self, layer: Any, corrections: Mapping[int, NDArray[Any]], *, forward: bool = True, backward: bool = False
    ) -> None:
        """Propagate corrected frames of a result, also while it is being made.

        Parameters
        ----------
        layer : Labels layer
            A result with a session, see `session_of`.
        corrections : mapping
            Frame to labels (Y, X) that are right as a whole.
        forward, backward : bool
            Directions.

        Raises
        ------
        SessionError
            If the layer has no session.
        ConfigError
            If another layer's run is going on.
        """
        session, movie = session_of(layer), movie_of(layer)
        if session is None or movie is None:
            raise SessionError(f"'{layer.name}' was not made by Propagate labels in this viewer; run it first.")
        job = CorrectionJob(session, dict(corrections), forward, backward, self._take_task)
        if self.is_running and self.session is session and self._control is not None:
            self._control.ask(job.begin)
            self._set_state(RunState.RUNNING)
            return
        self._require_rest()
        self._movie = movie
        self._begin(correction_job, job, None, layer)

    def stop(self, reason: str = "") -> None:
        """End after the frame at hand; what is done stays."""
        if self._control is not None and self.is_running:
            self._reason = self._reason or reason
            self._control.stop()
            self._set_state(RunState.STOPPING)

    def pause(self) -> None:
        """Wait after the frame at hand."""
        if self._control is not None and self.state is RunState.RUNNING:
            self._control.pause()
            self._set_state(RunState.PAUSED)

    def resume(self) -> None:
        """Go on after a pause."""
        if self._control is not None and self.state is RunState.PAUSED:
            self.time_left.restart_clock()
            self._control.resume()
            self._set_state(RunState.RUNNING)

    def wait(self) -> RunOutcome | None:
        """Handle events until the run has ended; returns how."""
        handle_events_until(self.ended, lambda: not self.is_running)
        return self.outcome

    # ---- the run

    def _require_rest(self) -> None:
        if self.is_running:
            raise ConfigError("A run is going on; stop it or wait for its end.")

    def _begin(self, job: Any, what: Any, image: Any, layer: Any) -> None:
        self._image, self.layer = image, layer
        self.history, self._reason, self.outcome, self.session = [], "", None, None
        self._failure, self._complete, self._task = None, False, None
        self._bad_frames = {}
        self._begun = time.monotonic()
        self.live.begin()
        self._control = JobControl()
        self._events.connect(self._viewer.layers.events.removed, self._on_removed)
        self._set_state(RunState.PREPARING)
        start_job(
            job, what, control=self._control, owner=self,
            message=self._on_message, failed=self._on_failed, ended=self._on_ended, warned=self._on_warned,
            closed=self._on_closed,
        )  # fmt: skip

    def _set_state(self, state: RunState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)

    def _take_task(self, task: CorrectionTask) -> None:
        self._task = task

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Stage):
            self.stage.emit(message.text)
        elif isinstance(message, Planned):
            self._on_planned(message)
        elif isinstance(message, Refused):
            self.warned.emit(str(message.error))
        elif isinstance(message, FrameDone):
            try:
                self._on_frame(message)
            finally:
                if self._control is not None:
                    self._control.message_handled()

    def _on_planned(self, plan: Planned) -> None:
        if self.state is RunState.STOPPING or self._viewer is None:
            return
        self.time_left = TimeLeft(plan.n_results)
        self.session = plan.session
        if plan.recipe and self._movie is not None:
            recipe = {**self._facts, **plan.recipe, "status": "running"}
            if self.layer is None:
                self.layer = add_result_layer(self._viewer, self._image, self._target, recipe)
            self.layer.metadata[METADATA_KEY] = recipe
            if plan.whole:
                keep_session(self.layer, plan.session, self._movie)
        self._set_state(RunState.RUNNING)
        self.planned.emit(plan)
        self._bar = progress(total=plan.n_results, desc="XMem")

    def _on_frame(self, message: FrameDone) -> None:
        self.history.append(without_labels(message.result))
        self.time_left.step(message.done, message.total)
        if self._movie is not None:
            if not self.live.show(self._viewer, self.layer, self._movie, message.result.frame):
                self.follow_ended.emit()
        self.frame_done.emit(message.result)
        if self._bar is not None:
            self._bar.total = max(message.total, 1)
            self._bar.update(1)

    # ---- the end

    def _on_removed(self, event: Any = None) -> None:
        layers = self._viewer.layers
        if self.layer is not None and self.layer not in layers:
            self.stop("the result layer was removed")
        elif self._image is not None and self._image not in layers:
            self.stop("the movie was removed")

    def _on_warned(self, warning: Any) -> None:
        if type(warning[0]).__name__ == "NonFinitePixelsWarning":
            self._bad_frames[warning[0].frame] = warning[0].count

    def _on_failed(self, error: XMemError) -> None:
        self._failure = error

    def _on_ended(self, complete: bool) -> None:
        self._complete = complete

    def _on_closed(self) -> None:
        self._events.release()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._bad_frames:
            frames = some(sorted(t for t in self._bad_frames if t is not None)) or "?"
            self.warned.emit(f"NaN or infinite pixels were taken as dark background on frames {frames}.")
        self.outcome = self._make_outcome()
        self._finish_layer(self.outcome)
        self._image = self._target = self._control = None
        self._set_state(RunState.IDLE)
        self.ended.emit(self.outcome)

    def _make_outcome(self) -> RunOutcome:
        n_frames, seconds = len({result.frame for result in self.history}), time.monotonic() - self._begun
        there = self._viewer is not None and self.layer is not None and self.layer in self._viewer.layers
        layer = self.layer if there else None
        summary = None if self._task is None else self._task.summary
        if self._failure is not None:
            return RunOutcome("failed", layer, n_frames, seconds, str(self._failure), self._failure, summary)
        status = "finished" if self._complete else "stopped"
        return RunOutcome(status, layer, n_frames, seconds, self._reason, None, summary)

    def _finish_layer(self, outcome: RunOutcome) -> None:
        if outcome.layer is None or self.session is None or not self.history:
            return
        recipe = outcome.layer.metadata.setdefault(METADATA_KEY, {})
        recipe["status"] = outcome.status
        if session_of(outcome.layer) is self.session:
            recipe["frames_done"] = list(self.session.results.frames)
            recipe["corrected_frames"] = sorted(self.session.annotations.corrected)
            outcome.layer.metadata[SCORES_KEY] = self.session.results.scores()
        else:
            recipe["frames_done"] = sorted({result.frame for result in self.history})
        outcome.layer.refresh(extent=False)


_RUNNERS: WeakKeyDictionary[Any, PropagationRunner] = WeakKeyDictionary()


def runner_of(viewer: Any) -> PropagationRunner:
    """Return the runner of a viewer, the same for all its docks."""
    viewer = plain_viewer(viewer)
    if viewer not in _RUNNERS:
        _RUNNERS[viewer] = PropagationRunner(viewer)
    return _RUNNERS[viewer]
