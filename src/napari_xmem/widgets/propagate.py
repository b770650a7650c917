"""The dock "Propagate labels": seeds in one Labels layer become labels on every frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QDockWidget, QScrollArea, QVBoxLayout, QWidget

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets._inputs import PropagateInputs
from napari_xmem.widgets._job import PropagationJob
from napari_xmem.widgets._layers import Connections, plain_viewer
from napari_xmem.widgets._propagate_form import FILE, PropagateForm
from napari_xmem.widgets._results import ResultTarget, place_like
from napari_xmem.widgets._runner import PropagationRunner, RunOutcome, RunState
from napari_xmem.widgets._scripting import ScriptedControls
from napari_xmem.widgets._status import error_details
from napari_xmem.widgets._theme import style_sheet, theme_colours
from napari_xmem.widgets._words import outcome_text, running_text

__all__ = ["PropagateWidget"]


class PropagateWidget(ScriptedControls, QWidget):
    """Propagate labels through time; every control is also a property.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
    >>> widget.image, widget.seeds = viewer.layers["movie"], viewer.layers["seeds"]
    >>> widget.direction = "both"
    >>> tracked = widget.run(wait=True)
    """

    run_started = Signal()
    frame_done = Signal(object)
    run_ended = Signal(object)
    state_changed = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        self._docked = self._quiet = False
        super().__init__()
        self.viewer = plain_viewer(napari_viewer)
        self._events = Connections()
        self._memory = MemoryConfig()
        self._seen_plan = ""
        self._last_model = "bundled"
        self.form = PropagateForm(self.viewer, self)
        self.runner = PropagationRunner(self.viewer, self)
        self.inputs = PropagateInputs(self.viewer, self.form, self)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.setMinimumWidth(350)
        self._connect()
        self._on_theme()
        self._on_layers()

    def _connect(self) -> None:
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self._events.connect(event, self._on_layers)
        self._events.connect(self.viewer.dims.events.current_step, self.inputs.on_step)
        self._events.connect(self.viewer.events.theme, self._on_theme)
        self.inputs.changed.connect(self._show_readiness)
        self.form.model.activated.connect(self._on_model)
        self.form.preset.activated.connect(self._on_preset)
        self.form.scope.currentIndexChanged.connect(self._show_preset)
        self.form.follow.toggled.connect(self._on_follow)
        runner = self.runner
        runner.state_changed.connect(self._on_state)
        runner.stage.connect(lambda text: self.form.status.show_text(f"{text} ..."))
        runner.planned.connect(lambda plan: self.form.progress.show_step(0, plan.n_results))
        runner.frame_done.connect(self._on_frame)
        runner.ended.connect(self._on_ended)
        runner.warned.connect(show_warning)
        release = [self._events.release, runner.abandon]
        self.destroyed.connect(lambda *_: [undo() for undo in release])

    def run(self, wait: bool = False) -> Any:
        """Start a run.

        Parameters
        ----------
        wait : bool
            Come back when it has ended; the viewer stays alive meanwhile.

        Returns
        -------
        Labels or None
            The result layer, if `wait`.

        Raises
        ------
        ConfigError
            If something is missing or a run is going on; the message says what to do.
        XMemError
            If `wait` and the run failed.
        """
        if self.runner.is_running:
            raise ConfigError("A run is going on; stop it or wait for its end.")
        self.inputs.look_at_seeds()
        self.inputs.scan.finish()
        if self.problem:
            raise ConfigError(self.problem)
        self._quiet = wait
        self._start()
        if not wait:
            return None
        outcome = self.runner.wait()
        if outcome is not None and outcome.error is not None:
            raise outcome.error
        return outcome.layer if outcome is not None else None

    def stop(self) -> None:
        """End after the frame at hand; frames that are done stay."""
        self.runner.stop()

    def pause(self) -> None:
        """Wait after the frame at hand."""
        self.runner.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self.runner.resume()

    def new_seeds(self) -> Any:
        """Add a Labels layer that fits the movie, with the brush ready; returns it."""
        movie = self.inputs.movie
        if movie is None:
            raise ConfigError(self.problem)
        target = ResultTarget(movie)
        target.allocate(np.uint16)
        layer = Labels(target.data, name=f"{self.image.name} seeds", **place_like(self.image))
        self.viewer.add_layer(layer)
        self.seeds = layer
        self.viewer.layers.selection.active = layer
        layer.selected_label = 1
        layer.mode = "paint"
        return layer

    def open_sample(self) -> None:
        """Open the simulated nuclei with their seeds, and show the painted frame."""
        self.viewer.open_sample("napari-xmem", "simulated_nuclei")
        self.inputs.show_frame(0)

    def show_painted(self) -> None:
        """Show the next painted frame."""
        frames, now = self.inputs.scan.frames, self.inputs.current_frame
        if frames:
            self.inputs.show_frame(next((t for t in frames if t > now), frames[0]))

    # ---- buttons

    def run_clicked(self) -> None:
        """Start, with problems shown instead of raised."""
        if not self.runner.is_running and not self.problem:
            self._quiet = False
            self._start()

    def pause_clicked(self) -> None:
        """Pause or go on."""
        self.resume() if self.state is RunState.PAUSED else self.pause()

    def whole_movie(self) -> None:
        """Set the frame range to the whole movie."""
        self.first_frame = self.last_frame = None

    def channels_changed(self) -> None:
        """Take over the choice of channels."""
        self._show_readiness()

    def _on_model(self, *_: Any) -> None:
        if self.form.model.value == FILE:
            path = self.form.ask_for_file()
            self.model = path or self._last_model
        self._last_model = self.model

    def _on_follow(self, value: bool) -> None:
        self.runner.follow = value

    # ---- the run

    def make_job(self) -> PropagationJob:
        """Take everything a run needs from layers and controls."""
        movie = self.inputs.view_movie()
        whole = self.first_frame == 0 and self.last_frame == movie.n_frames - 1
        config = PropagationConfig(
            memory=self.memory,
            scope=self.scope,
            direction=self.direction,
            start=None if whole else self.first_frame,
            stop=None if whole else self.last_frame + 1,
            device=self.device,
        )
        target = ResultTarget(movie, None if self.target is None else self.target.data)
        return PropagationJob(movie, self.channels or None, self.inputs.view_seeds(), self.model, config, target)

    def _start(self) -> None:
        try:
            job = self.make_job()
        except XMemError as error:
            self._show_error(error, str(error))
            return
        facts = {"image": self.image.name, "seeds": self.seeds.name}
        self._seen_plan = self.inputs.plan
        self.form.progress.wait()
        self.runner.start(job, self.image, self.target, facts)
        self.run_started.emit()

    def _on_frame(self, result: Any) -> None:
        left = self.runner.time_left
        self.form.progress.show_step(left.done, left.total, str(left))
        self.form.status.show_text(running_text(result, self.image.name if self.image is not None else ""))
        self.frame_done.emit(result)

    def _on_state(self, state: RunState) -> None:
        if state is RunState.PAUSED:
            self.form.status.show_text("Paused. Press Resume to go on, or Stop to keep what is done.")
        elif state is RunState.STOPPING:
            self.form.status.show_text("Stopping after the frame at hand ...")
        self._show_buttons()
        self.state_changed.emit(state)

    def _on_ended(self, outcome: RunOutcome) -> None:
        text, role = outcome_text(outcome, self.runner.history)
        if outcome.status == "failed" or not outcome.n_frames:
            self.form.progress.reset_text()
        else:
            self.form.progress.show_step(outcome.n_frames, max(self.runner.time_left.total, 1))
        if outcome.error is not None:
            self._show_error(outcome.error, text)
        else:
            self.form.status.show_text(text, role)
        self._offer_targets()
        self._show_buttons()
        self.run_ended.emit(outcome)

    def _show_error(self, error: XMemError, text: str) -> None:
        self.form.status.show_text(text, "bad", error_details(error))
        if not self._quiet:
            show_error(text)

    # ---- looks

    def _on_layers(self, event: Any = None) -> None:
        self.inputs.choose_layers()
        self._offer_targets()

    def _on_theme(self, event: Any = None) -> None:
        self.setStyleSheet(style_sheet(theme_colours(self.viewer.theme)))

    def _show_readiness(self) -> None:
        problem = self.problem
        self.form.hint.show_text(problem, with_button=self.image is None)
        self.form.painted.setText(self.inputs.painted_text)
        self.form.show_painted.setEnabled(bool(self.inputs.scan.frames))
        self._show_buttons()
        if self.runner.is_running:
            return
        plan = "" if problem else self.inputs.plan
        if plan != self._seen_plan:
            self._seen_plan = plan
            self.form.status.show_text(plan)
            self.form.progress.reset_text()

    def _show_buttons(self) -> None:
        form, state = self.form, self.state
        idle = state is RunState.IDLE
        problem = self.problem
        form.run.setEnabled(idle and not problem)
        form.run.setToolTip(problem if idle and problem else "Follow the seeds through the movie")
        form.pause.setEnabled(state in (RunState.RUNNING, RunState.PAUSED))
        form.pause.setText("Resume" if state is RunState.PAUSED else "Pause")
        form.stop.setEnabled(not idle and state is not RunState.STOPPING)
        form.new_seeds.setEnabled(self.inputs.movie is not None)
        form.progress.setVisible(not idle or form.progress.format() != "")
        for section in (form.input, form.range, form.method, form.more):
            section.setEnabled(idle)

    def event(self, event: Any) -> bool:
        """Stop the run and let go of the viewer when the dock is closed."""
        if event.type() == QEvent.Type.ParentChange:
            docked = isinstance(self.parent(), QDockWidget)
            if self._docked and self.parent() is None:
                self.runner.stop("the panel was closed")
            self._docked = docked
        return bool(super().event(event))
