"""What the form shows of a run: buttons, progress, status line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject

from napari_xmem.widgets.common.forms import enable, enable_all
from napari_xmem.widgets.common.keys import with_keys
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.status_text import outcome_text, pace_text, running_text, step_text
from napari_xmem.widgets.jobs.run_outcome import RunOutcome, RunState
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.propagate.form import RUN_TIP

if TYPE_CHECKING:
    from napari_xmem.errors import XMemError
    from napari_xmem.widgets.common.time_left import TimeLeft
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.propagate.form import PropagateForm

__all__ = ["RunDisplay"]

#: Frames that make a pace.
FRAMES_OF_A_PACE = 3


class RunDisplay(QObject):
    """Keeps the lower part of a form in step with the viewer's runner.

    Parameters
    ----------
    form : PropagateForm
        The controls.
    runner : ViewerRunner
        The run.
    parent : QObject
        Its owner.
    """

    def __init__(self, form: PropagateForm, runner: ViewerRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._form, self._runner = form, runner
        self.problem = ""
        self.quiet = False
        self.forecast_s: float | None = None
        self._began = (0.0, 0.0)
        self._told = runner.state
        runner.state_changed.connect(self.on_state)
        runner.stage.connect(self.on_stage)
        runner.planned.connect(self.on_planned)
        runner.frame_done.connect(self.on_frame)
        runner.ended.connect(self.on_ended)
        runner.warned.connect(self.on_warned)

    @property
    def _is_run(self) -> bool:
        """False for an undo and the like, of which another dock tells."""
        return self._runner.kind in ("propagation", "correction")

    def on_stage(self, text: str) -> None:
        """Say what is done before the first frame."""
        if self._is_run:
            self._form.status.show_text(f"{text} ...")
            self._form.progress.wait()

    def on_planned(self, plan: Any) -> None:
        """Begin to count frames."""
        self._began = time.monotonic(), time.process_time()
        self._form.progress.show_step(0, plan.n_results)
        if self._runner.state is RunState.RUNNING:
            self._form.status.show_text("Computing the first frame ...")

    def on_frame(self, result: Any) -> None:
        """Count a frame."""
        left = self._runner.time_left
        self._form.progress.show_step(left.done, left.total, str(left))
        if self._runner.state is RunState.RUNNING:
            name = self._runner.layer.name if self._runner.layer is not None else ""
            text = running_text(result, name)
            self._form.status.show_text(f"{text} {self._pace_text(left)}".rstrip())

    def _pace_text(self, left: TimeLeft) -> str:
        """Say why it is slower than was forecast, once there is a pace; a pause is no part of it."""
        wall, busy = (
            now - then for now, then in zip((time.monotonic(), time.process_time()), self._began, strict=True)
        )
        if self._runner.kind != "propagation" or left.done < FRAMES_OF_A_PACE or wall <= 0:
            return ""
        return pace_text(left.seconds_per_frame, self.forecast_s, busy / wall)

    def on_warned(self, text: str) -> None:
        """Pass a warning on."""
        show_warning(text)

    def on_state(self, state: RunState) -> None:
        """Say what the new state means."""
        if state is RunState.PAUSED:
            self._form.status.show_text("Paused. Press Resume to go on, or Stop to keep what is done.")
        elif state is RunState.PAUSING:
            self._form.status.show_text("Pausing ...")
        elif state is RunState.RUNNING and self._told in (RunState.PAUSING, RunState.PAUSED):
            self._began = time.monotonic(), time.process_time()
            self._form.status.show_text("Going on ...")
        elif state is RunState.STOPPING:
            self._form.status.show_text("Stopping; frames that are done stay ...")
        self._told = state
        self.show_buttons()

    def on_ended(self, outcome: RunOutcome) -> None:
        """Say how it ended."""
        slow = self._pace_text(self._runner.time_left) if outcome.status == "finished" else ""
        if not self._is_run:
            if outcome.kind == "change" and outcome.error is None:  # what the line said before is true no more
                self._form.progress.reset_text()
                self._form.status.show_text(step_text(outcome.value, session_of(outcome.layer)))
            self.show_buttons()
            return
        text, role = outcome_text(outcome, self._runner.history)
        text = f"{text} {slow}".rstrip()
        if outcome.status == "failed" or not outcome.n_frames:
            self._form.progress.reset_text()
        else:
            all_done = outcome.status == "finished"  # a correction ends where old and new agree
            total = outcome.n_frames if all_done else max(self._runner.time_left.total, outcome.n_frames)
            self._form.progress.show_step(outcome.n_frames, total)
        if outcome.error is not None:
            self.show_failure(outcome.error, text)
        else:
            self._form.status.show_text(text, role)
        self.show_buttons()

    def show_failure(self, error: XMemError, text: str) -> None:
        """Show an error in the status line and, unless a script handles it, as a notification."""
        self._form.status.show_text(text, "bad", error_details(error))
        if not self.quiet:
            show_error(f"The run failed. {text}")

    def show_buttons(self) -> None:
        """Enable what makes sense now."""
        form, state = self._form, self._runner.state
        idle = state is RunState.IDLE
        form.run.setEnabled(idle and not self.problem)
        form.run.setToolTip("A run is going on." if not idle else self.problem or with_keys(RUN_TIP))
        waits = state in (RunState.PAUSING, RunState.PAUSED)
        enable(form.pause, waits or state is RunState.RUNNING, "nothing runs." if idle else "it is not running yet.")
        form.pause.setText("Resume" if waits else "Pause")
        enable(form.stop, not idle and state is not RunState.STOPPING, "nothing runs." if idle else "it is stopping.")
        form.progress.setVisible(not idle or form.progress.format() != "")
        for section in (form.input, form.range, form.method, form.more):
            enable_all(section, idle, "a run is going on.")
