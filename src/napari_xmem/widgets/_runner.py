"""One propagation in the viewer: its thread, its result layer, its state. Knows no form."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils import progress
from qtpy.QtCore import QEventLoop, QObject, Signal

from napari_xmem.widgets._job import FrameDone, Planned, PropagationJob, Stage, propagation_job, without_labels
from napari_xmem.widgets._layers import Connections
from napari_xmem.widgets._movie import shown_index
from napari_xmem.widgets._results import METADATA_KEY, SCORES_KEY, keep_session, place_like, result_name
from napari_xmem.widgets._worker import JobControl, TimeLeft, start_job

if TYPE_CHECKING:
    from napari_xmem.engine import FrameResult
    from napari_xmem.errors import XMemError
    from napari_xmem.session import TrackingSession

__all__ = ["PropagationRunner", "RunOutcome", "RunState"]

REFRESH_3D_S = 0.5


class RunState(Enum):
    """What a run is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """How a run ended.

    Attributes
    ----------
    status : {"finished", "stopped", "failed"}
        How.
    layer : Labels or None
        The result; None if there was no frame.
    n_frames : int
        Frames written.
    seconds : float
        Time from Run to the end.
    reason : str
        Why it stopped, or the error's message.
    error : XMemError or None
        The error of a failed run.
    """

    status: str
    layer: Any
    n_frames: int
    seconds: float
    reason: str = ""
    error: XMemError | None = None


class PropagationRunner(QObject):
    """Runs one propagation at a time and keeps the result layer up to date.

    Parameters
    ----------
    viewer : napari Viewer
        Where the result goes.
    parent : QObject
        Its owner.
    """

    state_changed = Signal(object)
    stage = Signal(str)
    planned = Signal(object)
    frame_done = Signal(object)
    ended = Signal(object)
    warned = Signal(str)

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = RunState.IDLE
        self.follow = False
        self.layer: Any = None
        self.session: TrackingSession | None = None
        self.history: list[FrameResult] = []
        self.time_left = TimeLeft(0)
        self.outcome: RunOutcome | None = None
        self._viewer = viewer
        self._image: Any = None
        self._job: PropagationJob | None = None
        self._control: JobControl | None = None
        self._events = Connections()
        self._bar: Any = None
        self._reason = ""
        self._begun = self._refreshed = 0.0

    @property
    def is_running(self) -> bool:
        """True from Run to the end, also while paused."""
        return self.state is not RunState.IDLE

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
        """
        self._job, self._image, self.layer, self._facts = job, image, layer, facts or {}
        self.history, self._reason, self.outcome, self.session = [], "", None, None
        self._begun = time.monotonic()
        self._control = JobControl()
        self._events.connect(self._viewer.layers.events.removed, self._on_removed)
        self._set_state(RunState.PREPARING)
        self._failure: XMemError | None = None
        self._complete = False
        start_job(
            propagation_job, job, control=self._control, owner=self,
            message=self._on_message, failed=self._on_failed, ended=self._on_ended, warned=self._on_warned,
            closed=self._on_closed,
        )  # fmt: skip

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
        if self.is_running:
            loop = QEventLoop()
            self.ended.connect(loop.quit)
            loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        return self.outcome

    def abandon(self) -> None:
        """Stop without waiting and let go of the viewer: its window closes."""
        if self._control is not None:
            self._control.stop()
        self._events.release()

    def _set_state(self, state: RunState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Stage):
            self.stage.emit(message.text)
        elif isinstance(message, Planned):
            self._on_planned(message)
        elif isinstance(message, FrameDone):
            try:
                self._on_frame(message.result)
            finally:
                if self._control is not None:
                    self._control.message_handled()

    def _on_planned(self, plan: Planned) -> None:
        if self._job is None or self.state is RunState.STOPPING:
            return
        self.time_left = TimeLeft(plan.n_results)
        self.session = plan.session
        recipe = {**self._facts, **plan.recipe, "scope_reason": plan.scope_reason, "status": "running"}
        if self.layer is None:
            self._add_layer(self._job.target.data, recipe)
        else:
            self.layer.metadata[METADATA_KEY] = recipe
        keep_session(self.layer, plan.session, self._job.movie)
        self._bar = progress(total=plan.n_results, desc="XMem")
        self._set_state(RunState.RUNNING)
        self.planned.emit(plan)

    def _add_layer(self, data: Any, recipe: dict[str, Any]) -> None:
        selected = set(self._viewer.layers.selection)
        active = self._viewer.layers.selection.active
        layer = Labels(
            data, name=result_name(self._image.name), metadata={METADATA_KEY: recipe}, **place_like(self._image)
        )
        self.layer = layer
        self._viewer.add_layer(layer)
        # The user may be painting: leave the chosen layer chosen.
        self._viewer.layers.selection = selected & set(self._viewer.layers)
        self._viewer.layers.selection.active = active

    def _on_frame(self, result: FrameResult) -> None:
        self.history.append(without_labels(result))
        self.time_left.step()
        if self._bar is not None:
            self._bar.update(1)
        self._show(result.frame)
        self.frame_done.emit(result)

    def _show(self, frame: int) -> None:
        """Redraw if the frame is on display; move the slider only if the user asked to follow."""
        if self._job is None or self.layer is None or self.layer not in self._viewer.layers:
            return
        axis = self._job.movie.time_axis
        shown = shown_index(self.layer, self._viewer.dims.point)
        if self._viewer.dims.ndisplay == 3:
            if time.monotonic() - self._refreshed < REFRESH_3D_S:
                return
        elif self.follow and shown[axis] != frame:
            position = list(shown)
            position[axis] = frame
            offset = self._viewer.dims.ndim - self.layer.ndim
            self._viewer.dims.set_point(axis + offset, self.layer.data_to_world(position)[axis])
            return
        elif shown[axis] != frame:
            return
        self._refreshed = time.monotonic()
        self.layer.refresh(extent=False)

    def _on_removed(self, event: Any = None) -> None:
        if self.layer is not None and self.layer not in self._viewer.layers:
            self.stop("the result layer was removed")
        elif self._image is not None and self._image not in self._viewer.layers:
            self.stop("the movie was removed")

    def _on_warned(self, warning: Any) -> None:
        if type(warning[0]).__name__ == "NonFinitePixelsWarning":
            self.warned.emit(str(warning[0]))

    def _on_failed(self, error: XMemError) -> None:
        self._failure = error

    def _on_ended(self, complete: bool) -> None:
        self._complete = complete

    def _on_closed(self) -> None:
        self._events.release()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.outcome = self._make_outcome()
        self._finish_layer(self.outcome)
        self._job = self._image = self._control = None
        self._set_state(RunState.IDLE)
        self.ended.emit(self.outcome)

    def _make_outcome(self) -> RunOutcome:
        n_frames, seconds = len(self.history), time.monotonic() - self._begun
        layer = self.layer if self.layer is not None and self.layer in self._viewer.layers else None
        if self._failure is not None:
            return RunOutcome("failed", layer, n_frames, seconds, str(self._failure), self._failure)
        status = "finished" if self._complete else "stopped"
        return RunOutcome(status, layer, n_frames, seconds, self._reason)

    def _finish_layer(self, outcome: RunOutcome) -> None:
        if outcome.layer is None or not self.history:
            return
        from napari_xmem.engine import Scores

        recipe = outcome.layer.metadata[METADATA_KEY]
        recipe["status"] = outcome.status
        recipe["frames_done"] = sorted(result.frame for result in self.history)
        outcome.layer.metadata[SCORES_KEY] = Scores.collect(self.history)
        outcome.layer.refresh(extent=False)
