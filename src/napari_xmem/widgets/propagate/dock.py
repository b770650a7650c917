"""The dock "Propagate labels": seeds in one Labels layer become labels on every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QDockWidget, QScrollArea, QVBoxLayout, QWidget

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets.common.keys import KeyBindings
from napari_xmem.widgets.common.theme import style_sheet, theme_colours
from napari_xmem.widgets.jobs.propagate import PropagationJob
from napari_xmem.widgets.jobs.runner import runner_of
from napari_xmem.widgets.layers.choosers import Connections, plain_viewer
from napari_xmem.widgets.layers.result import ResultTarget
from napari_xmem.widgets.propagate.actions import DockActions
from napari_xmem.widgets.propagate.forecast import ForecastLine
from napari_xmem.widgets.propagate.form import FILE, PropagateForm
from napari_xmem.widgets.propagate.inputs import PropagateInputs
from napari_xmem.widgets.propagate.remember import keep_choices, recall_choices
from napari_xmem.widgets.propagate.run_view import RunView

if TYPE_CHECKING:
    from napari_xmem.widgets.jobs.outcome import RunOutcome

__all__ = ["KEYS", "PropagateWidget"]

#: Follow the selected label too, follow it no more, run or pause.
KEYS = ("Shift-T", "Shift-D", "Shift-R")


class PropagateWidget(DockActions, QWidget):
    """Propagate labels through time; every control is also a property.

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")  # doctest: +SKIP
    >>> widget.image, widget.seeds = viewer.layers["movie"], viewer.layers["seeds"]  # doctest: +SKIP
    >>> widget.direction = "both"  # doctest: +SKIP
    >>> tracked = widget.run(wait=True)  # doctest: +SKIP
    """

    run_started = Signal()
    frame_done = Signal(object)
    run_ended = Signal(object)
    state_changed = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        self._docked = False
        super().__init__()
        self.viewer = plain_viewer(napari_viewer)
        self._events = Connections()
        self._memory = MemoryConfig()
        self._ran_with: Any = None
        self._last_model = "bundled"
        self.form = PropagateForm(self.viewer, self)
        self.runner = runner_of(self.viewer)
        self.inputs = PropagateInputs(self.viewer, self.form, self)
        self.view = RunView(self.form, self.runner, self)
        self.forecasts = ForecastLine(self.make_job, self)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.setMinimumWidth(350)
        recall_choices(self)
        self._last_model = self.model
        self.runner.live.follow = self.follow
        self._connect()
        self._on_theme()
        self._on_layers()

    def _connect(self) -> None:
        layers, form = self.viewer.layers.events, self.form
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self._events.connect(event, self._on_layers)
        self._events.connect(self.viewer.dims.events.current_step, self.inputs.on_step)
        self._events.connect(self.viewer.events.theme, self._on_theme)
        self.inputs.changed.connect(self._show_readiness)
        self.forecasts.changed.connect(self._show_readiness)
        form.model.activated.connect(self._on_model)
        form.preset.activated.connect(self._on_preset)
        form.scope.currentIndexChanged.connect(self._show_preset)
        form.device.about_to_show.connect(self._offer_devices)
        form.follow.toggled.connect(self._on_follow)
        form.forecast.toggled.connect(self._show_readiness)
        for choice in (form.device, form.scope, form.preset):
            choice.currentIndexChanged.connect(self._show_readiness)
        for box in (form.diameter, form.step):
            box.valueChanged.connect(self._show_readiness)
        self.runner.frame_done.connect(self.frame_done)
        self.runner.state_changed.connect(self.state_changed)
        self.runner.follow_ended.connect(self._on_follow_ended)
        self.runner.ended.connect(self._on_ended)
        acts = (self.add_selected_label, self.stop_tracking_selected_label, self.run_or_pause)
        self.keys = KeyBindings(self.viewer, dict(zip(KEYS, acts, strict=True)))
        release = (self._events.release, self.keys.release, self.inputs.release)
        self.destroyed.connect(lambda *_: [undo() for undo in release])

    # ---- what can be done

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
        self._start(quiet=wait)
        return self.wait() if wait else None

    def wait(self) -> Any:
        """Come back when the run has ended; returns the result layer, raises the `XMemError` of a failed run."""
        outcome = self.runner.wait()
        if outcome is not None and outcome.error is not None:
            raise outcome.error
        return None if outcome is None else outcome.layer

    def run_clicked(self) -> None:
        """Start, with problems shown instead of raised."""
        if not self.runner.is_running and not self.problem:
            self._start(quiet=False)

    def channels_changed(self) -> None:
        """Take over the choice of channels."""
        self._show_readiness()

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
            diameter_px=self.diameter_px,
            max_displacement_px=self.max_displacement_px,
        )
        target = ResultTarget(movie, None if self.target is None else self.target.data)
        seeds, planes = self.inputs.view_seeds(), self.inputs.view_planes()
        fill = bool(planes) and self.planes == "fill"
        return PropagationJob(movie, self.channels or None, seeds, self.model, config, target, planes, fill)

    def _start(self, quiet: bool) -> None:
        self.view.quiet = quiet
        self.forecasts.cancel()
        try:
            job = self.make_job()
        except XMemError as error:
            self.view.show_failure(error, str(error))
            return
        self._ran_with = self._what_counts()
        keep_choices(self)
        self.runner.start(job, self.image, self.target, {"image": self.image.name, "seeds": self.seeds.name})
        self.run_started.emit()

    def _on_ended(self, outcome: RunOutcome) -> None:
        self._offer_targets()
        if outcome.layer is not None and outcome.n_frames:
            tip = "Opens the panel that leads to doubtful frames and propagates your corrections"
            self.form.status.offer("Review and correct", tip, self.open_review)
        self.run_ended.emit(outcome)

    def _on_model(self, *_: Any) -> None:
        if self.form.model.value == FILE:
            self.model = self.form.ask_for_file() or self._last_model
        self._last_model = self.model

    def _on_follow(self, value: bool) -> None:
        self.runner.live.follow = value

    def _on_follow_ended(self) -> None:
        self.follow = False

    # ---- looks

    def _on_layers(self, event: Any = None) -> None:
        self.inputs.choose_layers()
        self._offer_targets()

    def _on_theme(self, event: Any = None) -> None:
        self.setStyleSheet(style_sheet(theme_colours(self.viewer.theme)))

    def _show_readiness(self, *_: Any) -> None:
        form, inputs = self.form, self.inputs
        problem = self.view.problem = self.problem
        form.hint.show_text(problem, with_button=self.image is None)
        form.painted.setText(inputs.painted_text)
        form.show_painted.setEnabled(bool(inputs.scan.frames))
        form.new_seeds.setEnabled(inputs.movie is not None)
        self.view.show_buttons()
        if self.runner.is_running or self._what_counts() == self._ran_with:
            return  # the status line speaks of the run
        self._ran_with = None
        if problem or not self.forecast:
            self.forecasts.cancel()
        elif inputs.scan.complete:
            self.forecasts.ask(self._what_counts())
        text = "" if problem else f"{inputs.plan} {self.forecasts.text}".strip()
        if text != form.status.text:
            form.status.show_text(text, "muted" if self.forecasts.fits else "bad")
            form.progress.reset_text()
            form.progress.hide()

    def _what_counts(self) -> tuple[Any, ...]:
        """Return everything that a run depends on."""
        scan = self.inputs.scan
        return (
            *(self.image, self.seeds, scan.frames, scan.object_ids, self.channels, self.seed_frames),
            *(self.direction, self.first_frame, self.last_frame, self.model, self.device, self.scope, self.memory),
            *(self.diameter_px, self.max_displacement_px, self.planes),
        )

    def event(self, event: Any) -> bool:
        """Stop the run when the dock is closed."""
        if event.type() == QEvent.Type.ParentChange:
            docked = isinstance(self.parent(), QDockWidget)
            if self._docked and self.parent() is None:
                self.forecasts.cancel()
                self.runner.stop("the panel was closed")
            self._docked = docked
        return bool(super().event(event))
